//! A client's life from the first dial to the end, by proxies and redirects, with peers, a caller and a clock that do anything at any
//! time: what is dialled is what was asked for, TLS comes before anything secret, one outcome, and always an end:
//! I1, I2, I4, I8, I10, I14.

use core::time::Duration;

use arbitrary::Arbitrary;
use sansocket::handshake::{ClientRequest, Proxy, Redirects};
use sansocket::{Client, ClientEvent, CloseCode, Config, ConnectOptions, Input, State, Step};

use super::opening::{Received, Text, text};
use super::reading::{self, Head, Read, Side, Verdict};
use super::{structured, transcript};
use crate::common::{Collector, Role, Seen};

#[derive(Debug, Arbitrary)]
struct Start {
    secure: bool,
    proxy: bool,
    redirects: Option<u8>,
    takes: bool,
}

#[derive(Debug, Arbitrary)]
enum Act<'d> {
    /// The answer of a server that is nearly right.
    Response(Received<'d>),
    /// The answer of a proxy that is nearly right.
    Tunnel(Received<'d>),
    Redirect(Vec<Text<'d>>),
    Bytes(&'d [u8]),
    Frame(u8, &'d [u8]),
    /// Does what `step` says; if that is to go on, the peer answers as it should.
    Do,
    /// Says that it was done, though it may not have been asked for.
    Connected,
    Secured,
    Write(u16),
    Send(&'d [u8]),
    Close,
    Time(u8),
    Due,
    End,
    Error,
}

/// `data`: where to go, and what happens, one after the other.
pub(crate) fn body(data: &[u8]) {
    let Some((start, acts)) = structured::<(Start, Vec<Act<'_>>)>(data) else { return };
    let mut lives = [usize::MAX, 1].map(|piece| Life::new(&start, piece));
    for act in acts.iter().take(MAX_ACTS) {
        lives.iter_mut().for_each(|life| life.act(act));
        let [whole, cut] = &lives;
        // What a proxy sends behind its answer is refused if it is there with it, and nobody's otherwise.
        if !start.proxy {
            assert_eq!(whole.seen.events, cut.seen.events, "I1: {act:?}");
            assert_eq!(whole.outcomes, cut.outcomes, "I1: {act:?}");
            assert_eq!(whole.client.output(), cut.client.output(), "I1: {act:?}");
            assert_eq!(whole.client.step(), cut.client.step(), "I1: {act:?}");
        }
    }
    lives.into_iter().for_each(|life| life.finish(start.takes));
}

/// What came of opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Opened,
    Refused(u16),
    Failed,
}

struct Life {
    client: Client,
    secure: bool,
    proxy: bool,
    piece: usize,
    /// Whether it was dialled before.
    is_redirected: bool,
    /// Where the transport at hand leads to.
    dialled: (String, u16),
    outcomes: Vec<Outcome>,
    seen: Collector,
    /// What was written to the transport at hand.
    written: Vec<u8>,
    /// Whether TLS is over it.
    is_tls: bool,
    is_unreported: bool,
    now: Duration,
}

impl Life {
    fn new(start: &Start, piece: usize) -> Self {
        let config = Config::default()
            .max_head(500)
            .max_headers(12)
            .max_message(1000)
            .max_output(2000)
            .handshake_timeout(Duration::from_secs(10))
            .ping_interval(Some(Duration::from_secs(30)))
            .pong_timeout(Duration::from_secs(5))
            .close_timeout(Duration::from_secs(5))
            .write_timeout(Some(Duration::from_secs(20)));
        let mut options = ConnectOptions::from(config);
        if let Some(limit) = start.redirects {
            options = options.redirects(Redirects::new(u32::from(limit % 4)));
        }
        if start.proxy {
            let proxy = Proxy::parse("http://user:secret@p:8080");
            options = options.proxy(proxy.unwrap_or_else(|error| panic!("{error}")));
        }
        let url = if start.secure { "wss://h/chat" } else { "ws://h/chat" };
        let request = ClientRequest::new(url).unwrap_or_else(|error| panic!("{error}"));
        let request = request.subprotocol("chat").and_then(|request| request.header("Cookie", "secret"));
        let random = |bytes: &mut [u8]| {
            let sample = b"the sample nonce".iter().cycle();
            bytes.iter_mut().zip(sample).for_each(|(byte, random)| *byte = *random);
        };
        Self {
            client: Client::new(request.unwrap_or_else(|error| panic!("{error}")), options, random),
            secure: start.secure,
            proxy: start.proxy,
            piece,
            is_redirected: false,
            dialled: Default::default(),
            outcomes: Vec::new(),
            seen: Collector::default(),
            written: Vec::new(),
            is_tls: false,
            is_unreported: false,
            now: Duration::ZERO,
        }
    }

    fn act(&mut self, act: &Act<'_>) {
        match act {
            Act::Response(received) => {
                let accept = self.accept();
                let base = [
                    ("Upgrade", "websocket"),
                    ("Connection", "Upgrade"),
                    ("Sec-WebSocket-Accept", accept.as_str()),
                    ("Sec-WebSocket-Protocol", "chat"),
                ];
                self.receive(&received.bytes(["HTTP/1.1", "101", "Switching Protocols"], &base));
            }
            Act::Tunnel(received) => {
                self.receive(&received.bytes(["HTTP/1.1", "200", "OK"], &[("Via", "p")]));
            }
            Act::Redirect(location) => {
                let location = text(location, &super::url::WORDS);
                let head = format!("HTTP/1.1 302 \r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
                self.receive(head.as_bytes());
            }
            Act::Bytes(bytes) => self.receive(bytes),
            Act::Frame(first, payload) => self.receive(&Role::Client.frame(*first, payload)),
            Act::Do if self.client.step() == Step::Run => self.answer(),
            Act::Do => self.step(),
            Act::Connected => self.connected(),
            Act::Secured => self.secured(),
            Act::Write(n) => self.write(usize::from(*n)),
            Act::Send(bytes) => {
                let open = self.client.state() == State::Open;
                let sent = self.client.connection().send_binary(bytes);
                assert!(open || sent.is_err(), "I10");
            }
            Act::Close => drop(self.client.close(CloseCode::NORMAL, "")),
            Act::Time(seconds) => {
                self.now += Duration::from_secs(u64::from(seconds % 16));
                self.client.handle_timeout(self.now);
            }
            Act::Due => self.due(),
            Act::End => self.client.recv_eof(),
            Act::Error => self.client.recv_error(),
        }
        self.receive(&[]);
        let step = self.client.step();
        assert!(
            step == Step::Run || !self.client.wants_read(),
            "nothing is read before the transport is there"
        );
    }

    fn step(&mut self) {
        match self.client.step() {
            Step::Dial { .. } => self.connected(),
            Step::StartTls { .. } => self.secured(),
            Step::Run => {}
        }
    }

    fn connected(&mut self) {
        if let Step::Dial { host, port } = self.client.step() {
            assert!(!host.is_empty() && port > 0 && !host.contains(['[', ']', '/', '@']));
            let expected = match (self.proxy, self.secure) {
                (true, _) => ("p", 8080),
                (false, true) => ("h", 443),
                (false, false) => ("h", 80),
            };
            assert!(self.is_redirected && !self.proxy || (host, port) == expected, "what was asked for");
            self.dialled = (host.to_owned(), port);
            self.is_redirected = true;
            self.written.clear();
            self.is_tls = false;
        }
        self.client.connected();
    }

    fn secured(&mut self) {
        if matches!(self.client.step(), Step::StartTls { .. }) {
            assert!(!self.client.wants_write(), "nothing is written before TLS");
            self.is_tls = true;
            self.written.clear();
        }
        self.client.secured();
    }

    /// The request that was written last, or is in the output; `None`: the one behind it in the tunnel is not complete.
    fn request(&self) -> Option<Head> {
        let all = [&self.written[..], self.client.output()].concat();
        let head = |bytes| match reading::head(bytes, Side::Request, usize::MAX, usize::MAX) {
            Read::Head(head) => Some(head),
            _ => None,
        };
        let first = head(&all)?;
        if first.words[0] == "CONNECT" && all.len() > first.len {
            head(&all[first.len..])
        } else {
            Some(first)
        }
    }

    /// What a server would say to it.
    fn accept(&self) -> String {
        let request = self.request();
        let key = request.as_ref().and_then(|request| request.only("Sec-WebSocket-Key"));
        reading::accept_key(key.unwrap_or_default())
    }

    /// An honest answer to the request.
    fn answer(&mut self) {
        if self.client.state() != State::Opening {
            return;
        }
        self.write(usize::MAX);
        let Some(request) = self.request() else { return };
        if request.words[0] == "CONNECT" {
            return self.receive(b"HTTP/1.1 200 \r\n\r\n");
        }
        let accept = self.accept();
        let head = "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
        self.receive(format!("{head}{accept}\r\n\r\n").as_bytes());
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let piece = self.piece.min(bytes.len()).max(1);
        let mut pieces = bytes.chunks_mut(piece);
        loop {
            let last = pieces.next();
            let more = last.is_some();
            let mut input = Input::new(last.unwrap_or_default());
            while let Some(event) = self.client.recv(&mut input) {
                let is_over = matches!(self.seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
                assert!(!is_over, "I4");
                let outcome = match event {
                    ClientEvent::Opened(established) => {
                        // A request of which nothing was reported as written has arrived all the same.
                        self.is_unreported = self.tunnel().1.is_empty();
                        assert!(established.subprotocol().is_none_or(|chosen| chosen == "chat"));
                        Outcome::Opened
                    }
                    ClientEvent::Refused(refused) | ClientEvent::ProxyRefused(refused) => {
                        Outcome::Refused(refused.status())
                    }
                    ClientEvent::Failed(_) => Outcome::Failed,
                    ClientEvent::Open(event) => {
                        assert_eq!(self.outcomes, [Outcome::Opened], "no event before it is open");
                        self.seen.push(&event);
                        continue;
                    }
                    _ => continue,
                };
                self.outcomes.push(outcome);
                assert_eq!(self.outcomes.len(), 1, "I14: one outcome");
            }
            assert!(input.is_empty(), "I2");
            if !more {
                break;
            }
        }
    }

    fn write(&mut self, n: usize) {
        let n = n.min(self.client.output().len());
        self.written.extend_from_slice(&self.client.output()[..n]);
        self.client.output_written(n);
    }

    fn due(&mut self) {
        if let Some(next) = self.client.next_timeout() {
            self.now = self.now.max(next);
            self.client.handle_timeout(self.now);
        }
    }

    /// The peer falls silent, and the loop goes on: it comes to its end, and what was written is legal.
    fn finish(mut self, takes: bool) {
        for turn in 0.. {
            self.receive(&[]);
            if self.client.is_ended() {
                break;
            }
            assert!(turn < 100, "I14: no end in sight: {:?}", self.client);
            self.step();
            if takes {
                self.write(usize::MAX);
            }
            self.due();
        }
        assert_eq!(self.client.next_timeout(), None);
        assert!(!self.client.wants_read() && !self.client.wants_write());
        self.judge();
    }

    fn judge(&self) {
        let (tunnel, written) = self.tunnel();
        if let Some(tunnel) = tunnel {
            assert!(self.proxy && !self.is_tls);
            assert!(tunnel.values("Cookie").is_empty(), "what is secret does not go to the proxy");
        }
        if self.is_unreported { self.judge_frames(written) } else { self.judge_request(written) }
    }

    /// The request for a tunnel, and what was written behind it: what is for the server.
    fn tunnel(&self) -> (Option<Head>, &[u8]) {
        match reading::head(&self.written, Side::Request, usize::MAX, usize::MAX) {
            Read::Head(head) if head.words[0] == "CONNECT" => {
                let behind = &self.written[head.len..];
                (Some(head), behind)
            }
            _ => (None, &self.written),
        }
    }

    /// The request and what follows it.
    fn judge_request(&self, written: &[u8]) {
        let head = match reading::head(written, Side::Request, usize::MAX, usize::MAX) {
            Read::Head(head) => head,
            Read::Incomplete => return,
            Read::Invalid => panic!("I8: {:?}", String::from_utf8_lossy(written)),
        };
        assert_eq!(reading::request(&head), Verdict::Upgrade, "I8: any server takes it");
        assert!(self.is_tls || !self.secure, "TLS comes before the request");
        assert!(head.values("Proxy-Authorization").is_empty(), "what is secret does not go to the server");
        if !self.proxy {
            let host = String::from_utf8_lossy(head.only("Host").unwrap_or_default()).into_owned();
            let named = reading::host_port(&host).map(|(host, port)| {
                (host.trim_matches(['[', ']']).to_owned(), port.unwrap_or(if self.is_tls { 443 } else { 80 }))
            });
            assert_eq!(named.as_ref(), Some(&self.dialled), "the request goes to the host that it names");
        }
        self.judge_frames(&written[head.len..]);
    }

    fn judge_frames(&self, written: &[u8]) {
        let read = transcript::decode(Role::Server, written, None);
        assert_eq!(read.error(), None, "I8");
        let closes = read.events.iter().filter(|event| matches!(event, Seen::Close(_))).count();
        assert!(closes <= 1, "I10");
    }
}

const MAX_ACTS: usize = 40;
