//! Any calls in any order, and any bytes from the peer, before and after a connection is open: nothing panics, a transport gets
//! at most one answer or connection, and always an end: I2, I3, I4, I8, I14.

use core::time::Duration;

use sansocket::handshake::{
    ClientRequest, HttpRequest, Proxy, Redirects, Response, ServerHandshake, ServerProgress, UpgradeRequest,
};
use sansocket::{
    Answer, Client, ClientEvent, CloseCode, Config, ConnectOptions, Connection, Event, Input, SendError,
    Server, ServerEvent, State, Step,
};

use super::Tape;
use crate::common::{CLOSE, LIMITS, NO_LIMITS, PING, PONG, Role, config, model};

/// `data`: which end and what it is to do, then one operation after the other.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let options = tape.byte();
    let ping = (options & 64 != 0).then_some(Duration::from_secs(3));
    let config = config(LIMITS)
        .max_head(MAX_HEAD)
        .max_output(2_000)
        .high_water(100)
        .handshake_timeout(HANDSHAKE_TIMEOUT)
        .close_timeout(CLOSE_TIMEOUT)
        .ping_interval(ping)
        .pong_timeout(Duration::from_secs(5))
        .idle_timeout(ping.map(|ping| ping * 3));
    let mut driven = Driven::new(if options & 1 == 0 { server(config) } else { client(config, options) });
    if options & 32 != 0 {
        driven.open();
    }
    while !tape.is_empty() {
        driven.step(&mut tape);
        driven.check();
    }
    driven.finish(options & 128 != 0);
}

fn server(config: Config) -> Endpoint {
    Endpoint::Server(Server::new(config))
}

fn client(config: Config, options: u8) -> Endpoint {
    let url = if options & 2 == 0 { "ws://a/" } else { "wss://a/" };
    let request = ClientRequest::new(url).expect("a valid URL");
    let mut how = ConnectOptions::from(config);
    if options & 4 != 0 {
        how = how.redirects(Redirects::new(3));
    }
    if options & 8 != 0 {
        how = how.proxy(Proxy::parse("http://p").expect("a valid URL"));
    }
    Endpoint::Client(Client::new(request, how, |bytes: &mut [u8]| bytes.fill(7)))
}

enum Endpoint {
    Server(Server),
    Client(Client),
}

/// The same call on whichever endpoint it is.
macro_rules! on {
    ($endpoint:expr, $name:ident => $call:expr) => {
        match $endpoint {
            Endpoint::Server($name) => $call,
            Endpoint::Client($name) => $call,
        }
    };
}

/// A request that is being decided on.
enum Request {
    Upgrade(Box<UpgradeRequest>),
    Http(Box<HttpRequest>),
}

enum Happened {
    Asked(Request),
    Opened,
    /// An event of the connection that is not the last.
    Event,
    /// The last event, and whether only an open connection may report it.
    End(bool),
}

struct Driven {
    endpoint: Endpoint,
    now: Duration,
    /// When the time was told first.
    began: Option<Duration>,
    request: Option<Request>,
    asked: bool,
    opened: bool,
    over: bool,
    /// Everything that was written to this transport.
    written: Vec<u8>,
}

impl Driven {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            now: Duration::ZERO,
            began: None,
            request: None,
            asked: false,
            opened: false,
            over: false,
            written: Vec::new(),
        }
    }

    /// The shortest way to a connection, if the calls are what they should be and the peer is honest.
    fn open(&mut self) {
        self.pass(Duration::ZERO);
        for _ in 0..3 {
            if let Endpoint::Client(client) = &mut self.endpoint {
                client.connected();
                client.secured();
            }
            self.write(usize::MAX);
            if self.role() == Role::Server || self.written.ends_with(b"\r\n\r\n") && !self.opened {
                self.receive(&self.http(0), true);
            }
        }
        assert!(self.opened);
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        let operation = tape.byte();
        let n = usize::from(tape.byte());
        let at_once = operation >= 128;
        match operation % 20 {
            // What the peer sends: any bytes, HTTP, a frame that may well be legal.
            0 if n < 16 => self.receive(tape.take(n), at_once),
            1..=2 => {
                let http = self.http(n);
                self.receive(&http, at_once);
            }
            3 => {
                let http = self.http(n);
                self.receive(&http[..http.len() / 2], at_once);
                self.receive(&http[http.len() / 2..], at_once);
            }
            4 => {
                // The handshake and a first frame in one.
                let mut bytes = self.http(0);
                bytes.extend(self.role().frame(0x81, b"first"));
                self.receive(&bytes, at_once);
            }
            5..=6 => {
                let first =
                    tape.pick(&[0x82, 0x82, 0x82, 0x02, 0x00, 0x80, 0x80, PING, PING, PONG, PONG, 0x81]);
                let frame = self.role().frame(first, tape.take(n % 130));
                self.receive(&frame, at_once);
            }
            0 if n < 32 => self.receive(&self.role().frame(CLOSE, b""), at_once),
            0 => self.receive(&self.role().frame(PING, b"ping"), at_once),
            7 if n < 128 => on!(&mut self.endpoint, e => e.recv_eof()),
            7 if n < 160 => on!(&mut self.endpoint, e => e.recv_error()),
            7..=8 => self.receive(b"", at_once),
            // What the caller does.
            9 => self.answer(n),
            10..=11 => match &mut self.endpoint {
                Endpoint::Client(client) => {
                    if matches!(client.step(), Step::Dial { .. }) {
                        self.written.clear();
                    }
                    client.connected();
                }
                Endpoint::Server(_) => self.answer(n),
            },
            12 => match &mut self.endpoint {
                Endpoint::Client(client) => client.secured(),
                Endpoint::Server(_) => self.receive(b"", at_once),
            },
            13 if n < 32 => drop(on!(&mut self.endpoint, e => e.close(CloseCode::NORMAL, ""))),
            13..=14 => self.send(|connection| connection.send_binary(&[7; 255][..n])),
            15 => self.send(|connection| connection.ping(b"ping")),
            16 => self.write(n),
            17 => self.write(usize::MAX),
            18 => self.pass(Duration::from_millis(n as u64 * 20)),
            _ => {
                let due = on!(&self.endpoint, e => e.next_timeout());
                self.pass(due.unwrap_or(self.now).saturating_sub(self.now));
            }
        }
    }

    fn role(&self) -> Role {
        if matches!(self.endpoint, Endpoint::Server(_)) { Role::Server } else { Role::Client }
    }

    /// A request or a response, honest or not.
    fn http(&self, n: usize) -> Vec<u8> {
        match self.role() {
            Role::Server => REQUESTS[n % REQUESTS.len()].to_vec(),
            Role::Client if n.is_multiple_of(3) => self.honest_response(),
            Role::Client => RESPONSES[n % RESPONSES.len()].to_vec(),
        }
    }

    /// What a server, or a proxy, answers to what was written.
    fn honest_response(&self) -> Vec<u8> {
        let get = self.written.windows(4).position(|four| four == b"GET ");
        let Some(get) = get else { return b"HTTP/1.1 200 OK\r\n\r\n".to_vec() };
        let mut request = self.written[get..].to_vec();
        match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut request)) {
            ServerProgress::Upgrade(request) => request.accept().output().to_vec(),
            _ => Vec::new(),
        }
    }

    fn receive(&mut self, bytes: &[u8], answer_at_once: bool) {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(&mut bytes);
        let mut events = 0;
        while let Some(happened) = recv(&mut self.endpoint, &mut input) {
            assert!(!self.over, "I4: nothing follows the last event");
            events += 1;
            assert!(events <= MAX_HEAD + 2_000, "I3: the number of events is bounded by the bytes");
            match happened {
                Happened::Asked(request) => {
                    assert!(!self.asked && !self.opened, "I14: one request");
                    self.asked = true;
                    self.request = Some(request);
                    if answer_at_once {
                        self.answer(events);
                    }
                }
                Happened::Opened => {
                    assert!(!self.opened, "I14: one connection");
                    self.opened = true;
                }
                Happened::Event => assert!(self.opened, "no event before the connection is open"),
                Happened::End(open) => {
                    assert!(self.opened || !open);
                    self.over = true;
                }
            }
        }
        assert!(input.is_empty(), "I2");
        on!(&self.endpoint, e => assert!(!e.has_last_words(), "all was said"));
    }

    /// Answers the request; without one, it is a call that does nothing.
    fn answer(&mut self, n: usize) {
        let Endpoint::Server(server) = &mut self.endpoint else { return };
        let (state, output) = (server.state(), server.output().len());
        let deciding = server_decides(server);
        let page = Response::new(404).expect("a valid status").body("no");
        let answer = match self.request.take() {
            Some(Request::Upgrade(request)) if n.is_multiple_of(4) => Answer::from(request.reject(&page)),
            Some(Request::Upgrade(request)) => {
                self.opened |= deciding;
                request.accept().into()
            }
            Some(Request::Http(request)) => request.respond(&page).into(),
            None => {
                let answer = match n.is_multiple_of(2) {
                    true => Answer::from(Connection::server(Config::default())),
                    false => b"HTTP/1.1 200 OK\r\n\r\n".to_vec().into(),
                };
                server.answer(answer);
                assert_eq!((server.state(), server.output().len()), (state, output), "I14: one answer");
                return;
            }
        };
        server.answer(answer);
        if !deciding {
            assert_eq!((server.state(), server.output().len()), (state, output), "I14: it is over");
        }
    }

    fn send(&mut self, call: impl FnOnce(&mut Connection) -> Result<(), SendError>) {
        let state = on!(&self.endpoint, e => e.state());
        let before = on!(&self.endpoint, e => e.output().len());
        let result = on!(&mut self.endpoint, e => call(e.connection()));
        match (state, result) {
            (State::Opening, result) => assert_eq!(result, Err(SendError::NotOpen)),
            (State::Open, Ok(())) => {}
            (_, result) => {
                assert!(result.is_err(), "{state:?}");
                assert_eq!(on!(&self.endpoint, e => e.output().len()), before, "an error changes nothing");
            }
        }
    }

    fn write(&mut self, most: usize) {
        let written = &mut self.written;
        on!(&mut self.endpoint, e => {
            let n = e.output().len().min(most);
            written.extend_from_slice(&e.output()[..n]);
            e.output_written(n);
        });
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.began.get_or_insert(self.now);
        let now = self.now;
        on!(&mut self.endpoint, e => e.handle_timeout(now));
        self.receive(b"", true);
    }

    fn check(&mut self) {
        on!(&mut self.endpoint, e => {
            assert_eq!(e.wants_write(), !e.output().is_empty());
            assert!(!e.should_shutdown() || !e.wants_write(), "shut down when all was written");
            if e.is_ended() {
                assert!(!e.wants_write() && !e.wants_read() && !e.has_last_words() && e.next_timeout().is_none());
                assert!(e.recv(&mut Input::new(&mut [])).is_none(), "nothing waits to be said");
            } else if e.has_last_words() {
                assert!(e.next_timeout().is_some_and(|due| due <= self.now), "what waits to be said is due now");
            } else {
                // The end may come by the peer, by a deadline, by what is written, or from the caller, who
                // decides on a request or closes.
                let open = e.state() == State::Open || e.state() == State::Opening;
                assert!(open || e.next_timeout().is_some(), "{:?}", e.state());
            }
        });
        if let Endpoint::Client(client) = &self.endpoint
            && client.step() != Step::Run
        {
            assert!(!client.wants_read() && client.next_timeout().is_some());
            assert!(!client.wants_write(), "nothing is written before the transport is there");
        }
    }

    /// The peer falls silent, and takes what is written to it, or does not: the end comes in time.
    fn finish(mut self, writes: bool) {
        self.pass(Duration::ZERO);
        let opening = on!(&self.endpoint, e => e.state() == State::Opening);
        let decides = match &self.endpoint {
            Endpoint::Server(server) => server_decides(server),
            Endpoint::Client(_) => false,
        };
        if !opening || decides {
            let _ = on!(&mut self.endpoint, e => e.close(CloseCode::NORMAL, ""));
        }
        // How long the caller decides is no wait on the peer.
        let began =
            if opening && !decides { self.began.unwrap_or(self.now) + HANDSHAKE_TIMEOUT } else { self.now };
        let (mut at_once, mut turns) = (0, 0);
        while !on!(&self.endpoint, e => e.is_ended()) {
            if writes && on!(&self.endpoint, e => e.wants_write()) {
                self.write(usize::MAX);
                continue;
            }
            let due = on!(&self.endpoint, e => e.next_timeout());
            let due = due.expect("I14: a deadline, as long as it is not over");
            at_once = if due <= self.now { at_once + 1 } else { 0 };
            turns += 1;
            assert!(at_once <= 4 && turns <= 20, "who obeys `next_timeout` makes progress");
            self.pass(due.saturating_sub(self.now));
            self.check();
        }
        // Once for the output, once for the end of the transport, once for an answer that was not written yet.
        assert!(self.now <= began + 3 * CLOSE_TIMEOUT, "I14: the end comes in time");
        if opening && self.role() == Role::Client {
            assert!(self.now <= began, "a client has nothing to linger for");
        }
        self.check_written();
    }

    /// I8, behind the heads of the opening handshake.
    fn check_written(&self) {
        let mut frames = &self.written[..];
        let is_head = |bytes: &[u8]| {
            let starts = ["HTTP/1.1 ", "GET ", "CONNECT "];
            !bytes.is_empty()
                && starts.iter().any(|start| bytes.iter().zip(start.bytes()).all(|(a, b)| *a == b))
        };
        while self.opened && is_head(frames) {
            let head = frames.windows(4).position(|four| four == b"\r\n\r\n");
            frames = &frames[head.map_or(frames.len(), |at| at + 4)..];
        }
        if self.opened {
            assert_eq!(model(self.role().opposite(), NO_LIMITS, frames).error(), None, "I8");
        }
    }
}

/// While it is being decided on a request, nothing is read, and there is no deadline.
fn server_decides(server: &Server) -> bool {
    server.state() == State::Opening
        && !server.wants_read()
        && !server.has_last_words()
        && server.next_timeout().is_none()
}

fn recv(endpoint: &mut Endpoint, input: &mut Input<'_>) -> Option<Happened> {
    let event = match endpoint {
        Endpoint::Server(server) => match server.recv(input)? {
            ServerEvent::Upgrade(request) => return Some(Happened::Asked(Request::Upgrade(request))),
            ServerEvent::Http(request) => return Some(Happened::Asked(Request::Http(request))),
            ServerEvent::Open(event) => event,
            _ => return Some(Happened::End(false)),
        },
        Endpoint::Client(client) => match client.recv(input)? {
            ClientEvent::Opened(_) => return Some(Happened::Opened),
            ClientEvent::Open(event) => event,
            _ => return Some(Happened::End(false)),
        },
    };
    Some(match event {
        Event::Close(_) => Happened::End(true),
        // A transport that breaks before it is open is told in the same way.
        Event::Failed(_) => Happened::End(false),
        _ => Happened::Event,
    })
}

const MAX_HEAD: usize = 400;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

const REQUESTS: [&[u8]; 4] = [
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: cut",
];

const RESPONSES: [&[u8]; 8] = [
    b"HTTP/1.1 302 Found\r\nLocation: ws://b/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: ws://b/\r\nContent-Length: 9\r\n\r\ncut",
    b"HTTP/1.1 302 Found\r\nLocation: wss://b:444/\r\n\r\nand more",
    b"HTTP/1.1 503 Later\r\nContent-Length: 9\r\n\r\ncut",
    b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 ",
];
