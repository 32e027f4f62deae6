//! The adapter: transports that give and take in pieces, or not at all; real sockets; TLS.
#![cfg(feature = "net")]

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::{
    ClientRequest, HandshakeError, Proxy, Redirects, Response, ServerHandshake, ServerProgress,
};
use sansocket::net::{self, Accepting, Connecting, Incoming, Step, Transport, WebSocket};
use sansocket::{
    CloseCode, Config, ConnectOptions, Connection, Event, Input, Message, OsRandom, ProtocolError, State,
};

// ---- a transport in memory ----

struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    ended: bool,
}

/// How a [`Mem`] behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Never blocks for long, takes and gives everything.
    Smooth,
    /// One byte, then `WouldBlock`, and so on.
    Drops,
    /// By the seed: everything, a little, one byte, `WouldBlock`, `Interrupted`.
    Mixed,
    /// Takes nothing.
    Stuck,
}

/// One end of a connection in memory. It never blocks.
struct Mem {
    rng: Rng,
    manner: Manner,
    /// How often it was read, and written.
    turns: [usize; 2],
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
    /// The error of all reads, or writes, from now on.
    read_error: Option<ErrorKind>,
    write_error: Option<ErrorKind>,
    /// How much the last read was offered.
    offered: usize,
    /// What was written and not flushed, if it has to be.
    unflushed: Option<Vec<u8>>,
    /// How many flushes say "later" before one succeeds.
    late_flushes: usize,
    /// The error of its end, if it cannot be ended.
    end_error: Option<ErrorKind>,
    /// Where the pieces of the last write lay.
    addresses: Vec<usize>,
}

fn pipes(seed: u64, manner: Manner) -> (Mem, Mem) {
    let (a, b): (Rc<RefCell<Pipe>>, Rc<RefCell<Pipe>>) = Default::default();
    let end = |seed, incoming, outgoing| Mem {
        rng: Rng::new(seed),
        manner,
        turns: [0; 2],
        incoming,
        outgoing,
        read_error: None,
        write_error: None,
        offered: 0,
        unflushed: None,
        late_flushes: 0,
        end_error: None,
        addresses: vec![],
    };
    (end(2 * seed, a.clone(), b.clone()), end(2 * seed + 1, b, a))
}

impl Mem {
    /// How much of `n` bytes may be moved now.
    fn grant(&mut self, n: usize, writing: bool) -> io::Result<usize> {
        let turn = &mut self.turns[usize::from(writing)];
        *turn += 1;
        match self.manner {
            Manner::Smooth => Ok(n),
            Manner::Stuck if writing => Err(ErrorKind::WouldBlock.into()),
            Manner::Stuck => Ok(n),
            Manner::Drops if turn.is_multiple_of(2) => Err(ErrorKind::WouldBlock.into()),
            Manner::Drops => Ok(n.min(1)),
            Manner::Mixed => match self.rng.below(8) {
                0 | 1 => Err(ErrorKind::WouldBlock.into()),
                2 => Err(ErrorKind::Interrupted.into()),
                3 => Ok(n.min(1)),
                4 => Ok(n.min(1 + self.rng.below(20))),
                5 => Ok(n.min(1 + self.rng.below(5000))),
                _ => Ok(n),
            },
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        match &mut self.unflushed {
            Some(unflushed) => unflushed.extend(bytes),
            None => self.outgoing.borrow_mut().bytes.extend(bytes),
        }
    }
}

impl Read for Mem {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(!buf.is_empty(), "a read of nothing would look like the end");
        self.offered = buf.len();
        if let Some(error) = self.read_error {
            return Err(error.into());
        }
        let n = self.grant(buf.len(), false)?;
        let mut pipe = self.incoming.borrow_mut();
        if pipe.bytes.is_empty() && !pipe.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = n.min(pipe.bytes.len());
        for (to, from) in buf.iter_mut().zip(pipe.bytes.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }
}

impl Write for Mem {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(error) = self.write_error {
            return Err(error.into());
        }
        assert!(!self.outgoing.borrow().ended, "written after the end");
        let len = bufs.iter().map(|buf| buf.len()).sum();
        assert!(len > 0, "a write of nothing");
        // Before anything that takes time: a stream that takes nothing says so at once.
        let n = self.grant(len, true)?;
        self.addresses = bufs.iter().map(|buf| buf.as_ptr().addr()).collect();
        let all = bufs.iter().map(|buf| &**buf).collect::<Vec<_>>().concat();
        self.put(&all[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.manner == Manner::Mixed && self.rng.below(4) == 0 {
            return Err(
                if self.rng.below(2) == 0 { ErrorKind::Interrupted } else { ErrorKind::WouldBlock }.into()
            );
        }
        if self.late_flushes > 0 {
            self.late_flushes -= 1;
            return Err(ErrorKind::WouldBlock.into());
        }
        if let Some(unflushed) = &mut self.unflushed {
            self.outgoing.borrow_mut().bytes.extend(unflushed.drain(..));
        }
        Ok(())
    }
}

impl Transport for Mem {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(error) = self.end_error {
            return Err(error.into());
        }
        self.outgoing.borrow_mut().ended = true;
        Ok(())
    }

    fn abort(&mut self) -> io::Result<()> {
        self.outgoing.borrow_mut().ended = true;
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO), "an error for the system's own streams");
        Ok(())
    }
}

impl std::fmt::Debug for Mem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mem")
    }
}

impl Drop for Mem {
    fn drop(&mut self) {
        self.outgoing.borrow_mut().ended = true;
    }
}

fn request() -> ClientRequest {
    ClientRequest::new("ws://localhost/chat").unwrap().subprotocol("chat").unwrap()
}

fn is_later(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

/// Both ends of the opening handshake, advanced in turn. Returns how often they were blocked.
fn open(client: Mem, server: Mem, config: Config) -> (WebSocket<Mem>, WebSocket<Mem>, usize) {
    let mut accepting = Some(Accepting::new(server, config));
    let mut connecting = Some(Connecting::new(client, request(), config));
    let (mut client, mut server, mut blocked) = (None, None, 0);
    while client.is_none() || server.is_none() {
        assert!(blocked < 100_000);
        if let Some(handshake) = connecting.take() {
            match handshake.advance().unwrap() {
                Step::Done((ws, established)) => {
                    assert_eq!(established.subprotocol(), Some("chat"));
                    client = Some(ws);
                }
                Step::Blocked(handshake) => {
                    blocked += 1;
                    connecting = Some(handshake);
                }
            }
        }
        if let Some(handshake) = accepting.take() {
            match handshake.advance().unwrap() {
                Step::Done(Incoming::Upgrade(mut upgrade)) => {
                    assert_eq!(upgrade.request.target(), "/chat");
                    assert_eq!(upgrade.request.choose_supported(&["chat"]), Some("chat"));
                    server = Some(upgrade.accept().unwrap());
                }
                Step::Done(Incoming::Http(http)) => panic!("{http:?}"),
                Step::Blocked(handshake) => {
                    blocked += 1;
                    accepting = Some(handshake);
                }
            }
        }
        if let Some(ws) = &mut server {
            ws.flush().or_else(|error| if is_later(&error) { Ok(()) } else { Err(error) }).unwrap();
        }
    }
    (client.unwrap(), server.unwrap(), blocked)
}

/// The server's end alone, open, and the peer's end of its transport.
fn server(config: Config) -> (WebSocket<Mem>, Mem) {
    let (peer, stream) = pipes(0, Manner::Smooth);
    (WebSocket::from_parts(stream, Connection::server(config), vec![]), peer)
}

fn arrived(peer: &Mem) -> Vec<u8> {
    peer.incoming.borrow_mut().bytes.drain(..).collect()
}

/// A stream that runs over a transport is given back as it was, at the byte that comes next.
#[test]
fn a_stream_over_a_stream_is_given_back() {
    let (mut peer, stream) = pipes(0, Manner::Smooth);
    let stream = net::Stream::new(stream, |stream| stream);
    let mut ws = WebSocket::from_parts(stream, Connection::server(Config::default()), vec![]);
    ws.send_text("one").unwrap();
    peer.write_all(b"\x81\x83\0\0\0\0two").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("two"))));
    let (stream, _, unread) = ws.into_parts();
    let mut stream = stream.into_inner();
    peer.write_all(b"three").unwrap();
    let mut next = [0; 5];
    stream.read_exact(&mut next).unwrap();
    assert_eq!((&next, unread), (b"three", vec![]));
    assert_eq!(arrived(&peer), b"\x81\x03one");
}

// ---- the opening handshake ----

#[test]
fn the_handshake_goes_on_at_every_byte() {
    let (client, server) = pipes(0, Manner::Drops);
    let (mut client, mut server, blocked) = open(client, server, Config::default());
    assert!(blocked > 200, "{blocked}");
    client.send_text("Hello").unwrap();
    let message = next(&mut server, &mut client);
    assert_eq!(message, Seen::Text("Hello".into()));
}

#[test]
fn the_handshake_goes_on_under_every_schedule() {
    for seed in 0..200 {
        let (client, server) = pipes(seed, Manner::Mixed);
        let (client, server, _) = open(client, server, Config::default());
        assert_eq!(client.connection().state(), State::Open);
        assert_eq!(server.connection().state(), State::Open);
    }
}

/// The server answers a request that the client's stream has not flushed: no byte of it counts for a message that follows.
#[test]
fn a_handshake_is_over_before_its_request_is_flushed() {
    let (mut client, server) = pipes(0, Manner::Smooth);
    client.late_flushes = 10;
    let (mut client, mut server, _) = open(client, server, Config::default());
    assert!(client.stream().late_flushes > 0);
    client.feed(&Message::from("Hello")).unwrap();
    while let Err(error) = client.flush() {
        assert!(is_later(&error));
    }
    assert_eq!(server.recv().unwrap(), Some(Event::Message(Message::from("Hello"))));
}

const BAD_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const GOOD_REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn refusals_are_written_whole_on_streams_that_do_not_block() {
    for manner in [Manner::Smooth, Manner::Drops, Manner::Mixed] {
        let (mut peer, stream) = pipes(7, manner);
        peer.manner = Manner::Smooth;
        peer.write_all(BAD_REQUEST).unwrap();
        let mut accepting = Accepting::new(stream, Config::default());
        let mut answer = vec![];
        let error = loop {
            match accepting.advance() {
                Ok(Step::Blocked(handshake)) => accepting = handshake,
                Ok(Step::Done(done)) => panic!("{done:?}"),
                Err(error) => break error,
            }
            answer.extend(arrived(&peer));
            if peer.incoming.borrow().ended {
                peer.outgoing.borrow_mut().ended = true;
            }
        };
        answer.extend(arrived(&peer));
        assert!(matches!(error, net::Error::Handshake(HandshakeError::UnsupportedVersion)), "{error:?}");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("Sec-WebSocket-Version: 13\r\n"));
        assert!(answer.ends_with(" expected 13"), "{answer}");
    }
}

#[test]
fn rejections_and_pages_are_written_whole_on_streams_that_do_not_block() {
    let body = "x".repeat(300);
    let response = Response::new(403).unwrap().body(body.clone());
    for (request, manner) in [
        (GOOD_REQUEST, Manner::Drops),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Manner::Drops),
        (GOOD_REQUEST, Manner::Mixed),
    ] {
        let (mut peer, stream) = pipes(8, manner);
        peer.manner = Manner::Smooth;
        peer.write_all(request).unwrap();
        peer.outgoing.borrow_mut().ended = true;
        let mut accepting = Accepting::new(stream, Config::default());
        let incoming = loop {
            match accepting.advance().unwrap() {
                Step::Blocked(handshake) => accepting = handshake,
                Step::Done(incoming) => break incoming,
            }
        };
        match incoming {
            Incoming::Upgrade(upgrade) => upgrade.reject(&response).unwrap(),
            Incoming::Http(http) => http.respond(&response).unwrap(),
        }
        let answer = String::from_utf8(arrived(&peer)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with(&body), "{answer}");
        assert!(peer.incoming.borrow().ended);
    }
}

/// A request that waits for its answer on a stream that does not block, and the peer.
fn asked(request: &[u8], manner: Manner) -> (Incoming<Mem>, Mem) {
    let (mut peer, stream) = pipes(9, manner);
    peer.manner = Manner::Smooth;
    peer.write_all(request).unwrap();
    let config = Config::default().close_timeout(Duration::from_secs(2));
    let mut accepting = Accepting::new(stream, config);
    loop {
        match accepting.advance().unwrap() {
            Step::Blocked(handshake) => accepting = handshake,
            Step::Done(incoming) => return (incoming, peer),
        }
    }
}

#[test]
fn rejections_and_pages_are_written_step_by_step() {
    let body = "x".repeat(300);
    let response = Response::new(403).unwrap().body(body.clone());
    for (request, manner) in [
        (GOOD_REQUEST, Manner::Drops),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Manner::Drops),
        (GOOD_REQUEST, Manner::Mixed),
        (GOOD_REQUEST, Manner::Smooth),
    ] {
        let (incoming, peer) = asked(request, manner);
        let mut answering = match incoming {
            Incoming::Upgrade(upgrade) => {
                assert!(upgrade.stream().manner == manner);
                upgrade.rejecting(&response)
            }
            Incoming::Http(http) => http.responding(&response),
        };
        let mut blocked = 0;
        while let Step::Blocked(more) = answering.advance().unwrap() {
            (answering, blocked) = (more, blocked + 1);
            assert!(blocked < 10_000);
            // The end of the answer is there to be seen before the peer ends its side.
            peer.outgoing.borrow_mut().ended = peer.incoming.borrow().ended;
        }
        assert!(blocked >= if manner == Manner::Drops { 300 } else { 1 }, "{blocked}");
        let answer = String::from_utf8(arrived(&peer)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with(&body), "{answer}");
        assert!(peer.incoming.borrow().ended);
    }
}

const PAGE_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// What comes behind a request for a page is of no interest, and does not keep the answer from ending.
#[test]
fn a_page_ends_though_the_peer_goes_on() {
    let page = Response::new(404).unwrap().body("no");
    let (Incoming::Http(http), mut peer) = asked(PAGE_REQUEST, Manner::Smooth) else { panic!() };
    let Step::Blocked(answering) = http.responding(&page).advance().unwrap() else { panic!() };
    assert_eq!(arrived(&peer), page.encode());
    peer.write_all(&[b'x'; 5000]).unwrap();
    let Step::Blocked(answering) = answering.advance().unwrap() else { panic!() };
    peer.outgoing.borrow_mut().ended = true;
    assert!(matches!(answering.advance().unwrap(), Step::Done(())));
}

/// A client may send the whole body of its request before it reads; neither fits into the buffers of the sockets.
#[test]
fn a_page_for_a_client_that_first_sends_a_long_body() {
    const LONG: usize = 32 << 20;
    let (mut client, server) = sockets();
    let serving = thread::spawn(move || {
        let Incoming::Http(http) = Accepting::new(server, Config::default()).finish().unwrap() else {
            panic!()
        };
        http.respond(&Response::new(200).unwrap().body(vec![b'x'; LONG]))
    });
    client.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(client, "POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n").unwrap();
    client.write_all(&vec![b'x'; LONG]).unwrap();
    let mut page = Vec::new();
    client.read_to_end(&mut page).unwrap();
    assert!(page.len() > LONG, "{}", page.len());
    drop(client);
    serving.join().unwrap().unwrap();
}

/// Whatever the client still sends: nobody receives it.
#[test]
fn a_page_that_cannot_be_written_is_an_error() {
    let page = Response::new(404).unwrap().body("no");
    for body in [&b""[..], b"body"] {
        let (mut peer, mut stream) = pipes(0, Manner::Smooth);
        peer.write_all(PAGE_REQUEST).unwrap();
        stream.write_error = Some(ErrorKind::BrokenPipe);
        let Incoming::Http(http) = Accepting::new(stream, Config::default()).finish().unwrap() else {
            panic!()
        };
        peer.write_all(body).unwrap();
        assert_eq!(http.respond(&page).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}

#[test]
fn an_answer_that_nobody_takes_or_reads_to_the_end_is_given_up() {
    let response = Response::new(403).unwrap();
    for (manner, expected) in [(Manner::Stuck, Err(ErrorKind::TimedOut)), (Manner::Smooth, Ok(()))] {
        let (Incoming::Upgrade(upgrade), _peer) = asked(GOOD_REQUEST, manner) else { panic!() };
        let began = Instant::now();
        let mut answering = upgrade.rejecting(&response);
        let result = loop {
            match answering.advance() {
                Ok(Step::Blocked(more)) => answering = more,
                Ok(Step::Done(())) => break Ok(()),
                Err(error) => break Err(error.kind()),
            }
            assert!(began.elapsed() < AGES);
            thread::sleep(10 * MS);
        };
        assert_eq!(result, expected);
        assert!(began.elapsed() >= Duration::from_secs(2));
    }
}

#[test]
fn a_request_that_comes_too_slowly_is_told_so() {
    let config = Config::default().handshake_timeout(500 * MS);
    for cut in [1, 20, GOOD_REQUEST.len() - 1] {
        // On a stream that does not block.
        let (mut peer, stream) = pipes(0, Manner::Smooth);
        peer.write_all(&GOOD_REQUEST[..cut]).unwrap();
        let Step::Blocked(accepting) = Accepting::new(stream, config).advance().unwrap() else { panic!() };
        thread::sleep(600 * MS);
        let Step::Blocked(accepting) = accepting.advance().unwrap() else { panic!() };
        let answer = arrived(&peer);
        assert!(answer.starts_with(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"), "{answer:?}");
        assert!(peer.incoming.borrow().ended);
        peer.outgoing.borrow_mut().ended = true;
        let error = accepting.advance().unwrap_err();
        assert!(matches!(error, net::Error::Handshake(HandshakeError::TimedOut)), "{error:?}");

        // On one that does.
        let (stream, mut peer) = sockets();
        peer.write_all(&GOOD_REQUEST[..cut]).unwrap();
        let accepting = thread::spawn(move || Accepting::new(stream, config).advance());
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        drop(peer);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let error = accepting.join().unwrap().unwrap_err();
        assert!(matches!(error, net::Error::Handshake(HandshakeError::TimedOut)), "{error:?}");
    }
    // Who has sent nothing is told nothing.
    let (stream, mut peer) = sockets();
    let error = Accepting::new(stream, config).advance().unwrap_err();
    assert!(matches!(error, net::Error::Io(error) if error.kind() == ErrorKind::TimedOut));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

/// Connections may wait for a thread: what arrived in time is received first.
#[test]
fn a_request_that_waited_for_a_thread_is_in_time() {
    let config = Config::default().handshake_timeout(500 * MS);
    let (mut peer, stream) = pipes(0, Manner::Smooth);
    let accepting = Accepting::new(stream, config);
    peer.write_all(GOOD_REQUEST).unwrap();
    thread::sleep(600 * MS);
    assert!(matches!(accepting.advance(), Ok(Step::Done(Incoming::Upgrade(_)))));

    let (stream, mut peer) = sockets();
    let accepting = Accepting::new(stream, config);
    peer.write_all(GOOD_REQUEST).unwrap();
    thread::sleep(600 * MS);
    assert!(matches!(accepting.advance(), Ok(Step::Done(Incoming::Upgrade(_)))));
}

#[test]
fn the_end_and_errors_of_the_stream_end_a_handshake() {
    for cut in [0, 1, 20, GOOD_REQUEST.len() - 1] {
        let (mut peer, stream) = pipes(0, Manner::Smooth);
        peer.write_all(&GOOD_REQUEST[..cut]).unwrap();
        drop(peer);
        match Accepting::new(stream, Config::default()).advance() {
            Err(net::Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::UnexpectedEof),
            other => panic!("{other:?}"),
        }
        let (mut peer, mut stream) = pipes(0, Manner::Smooth);
        peer.write_all(&GOOD_REQUEST[..cut]).unwrap();
        stream.read_error = Some(ErrorKind::ConnectionReset);
        match Accepting::new(stream, Config::default()).advance() {
            Err(net::Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
    }
    for answer in [&b""[..], b"HTTP/1.1 101 Swit"] {
        let (mut peer, stream) = pipes(0, Manner::Smooth);
        peer.write_all(answer).unwrap();
        peer.outgoing.borrow_mut().ended = true;
        let result = net::client(stream, request(), Config::default());
        assert!(matches!(result, Err(net::Error::Handshake(HandshakeError::Truncated))), "{result:?}");
    }
    let (_peer, mut stream) = pipes(0, Manner::Smooth);
    stream.write_error = Some(ErrorKind::BrokenPipe);
    match net::client(stream, request(), Config::default()) {
        Err(net::Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
    // A server may refuse and close before it has read all of the request.
    let (mut peer, mut stream) = pipes(0, Manner::Smooth);
    stream.write_error = Some(ErrorKind::BrokenPipe);
    peer.write_all(b"HTTP/1.1 431 Long\r\nContent-Length: 0\r\n\r\n").unwrap();
    let result = net::client(stream, request(), Config::default());
    assert!(matches!(&result, Err(net::Error::Refused(refused)) if refused.status() == 431), "{result:?}");
}

#[test]
fn a_handshake_has_a_deadline_on_streams_that_do_not_block() {
    let config = Config::default().handshake_timeout(Duration::from_millis(500));
    let (_peer, stream) = pipes(0, Manner::Smooth);
    let Step::Blocked(accepting) = Accepting::new(stream, config).advance().unwrap() else { panic!() };
    let [reading, writing] = [Manner::Smooth, Manner::Stuck].map(|manner| {
        let (server, stream) = pipes(0, manner);
        match Connecting::new(stream, request(), config).advance().unwrap() {
            Step::Blocked(connecting) => (connecting, server),
            Step::Done(_) => panic!(),
        }
    });
    thread::sleep(Duration::from_millis(600));
    for error in [accepting.advance().err(), reading.0.advance().err(), writing.0.advance().err()] {
        assert!(matches!(error, Some(net::Error::Io(error)) if error.kind() == ErrorKind::TimedOut));
    }
}

/// Some systems say `TimedOut` where others say `WouldBlock`.
#[test]
fn both_words_for_later_mean_later() {
    for later in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
        let [(_client_peer, mut client), (_server_peer, mut server)] =
            [1, 2].map(|seed| pipes(seed, Manner::Smooth));
        (client.read_error, server.read_error) = (Some(later), Some(later));
        let connecting = Connecting::new(client, request(), Config::default()).advance().unwrap();
        assert!(matches!(connecting, Step::Blocked(_)));
        let accepting = Accepting::new(server, Config::default()).advance().unwrap();
        assert!(matches!(accepting, Step::Blocked(_)));
    }
}

/// Also with options for a URL: this stream already leads to the server.
#[test]
fn a_refusal_is_returned_with_its_status() {
    let options = ConnectOptions::from(Config::default());
    let proxied = options.clone().proxy(Proxy::parse("http://p").unwrap());
    let redirected = options.clone().redirects(Redirects::new(3));
    for options in [options, proxied, redirected] {
        let (mut peer, stream) = pipes(0, Manner::Smooth);
        peer.write_all(b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\nContent-Length: 2\r\n\r\nno")
            .unwrap();
        match net::client(stream, request(), options) {
            Err(net::Error::Refused(refused)) => {
                assert_eq!(refused.status(), 302);
                assert_eq!(refused.header("location"), Some(&b"ws://elsewhere/"[..]));
                assert_eq!(refused.body(), b"no");
            }
            other => panic!("{other:?}"),
        }
    }
}

// ---- messages ----

#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(Option<u16>),
    Failed(ProtocolError),
}

impl Seen {
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Message(Message::Text(text)) => Self::Text(text.to_string()),
            Event::Message(Message::Binary(bytes)) => Self::Binary(bytes.to_vec()),
            Event::Ping(payload) => Self::Ping(payload.as_ref().to_vec()),
            Event::Close(frame) => Self::Close(frame.as_ref().map(|frame| frame.code().get())),
            Event::Failed(error) => Self::Failed(*error),
            _ => return None,
        })
    }
}

/// What `ws` receives next, while its peer writes.
fn next(ws: &mut WebSocket<Mem>, peer: &mut WebSocket<Mem>) -> Seen {
    for _ in 0..100_000 {
        match ws.recv() {
            Ok(event) => return Seen::of(&event.expect("not over")).expect("no pong"),
            Err(error) => assert!(is_later(&error), "{error}"),
        }
        match peer.flush() {
            Ok(()) => {}
            Err(error) => assert!(is_later(&error), "{error}"),
        }
    }
    panic!("nothing arrives");
}

/// One end under test: what it sent, and what it saw.
struct End {
    ws: Option<WebSocket<Mem>>,
    sent: Vec<Seen>,
    seen: Vec<Seen>,
    over: bool,
}

impl End {
    fn new(ws: WebSocket<Mem>) -> Self {
        Self { ws: Some(ws), sent: vec![], seen: vec![], over: false }
    }

    fn ws(&mut self) -> &mut WebSocket<Mem> {
        self.ws.as_mut().unwrap()
    }

    fn send(&mut self, rng: &mut Rng, biggest: usize) {
        let len = match rng.below(4) {
            0 => rng.below(200),
            1 => rng.below(20_000),
            2 => 0,
            _ => rng.below(biggest),
        };
        let byte = b'a' + rng.below(26) as u8;
        let bytes: Vec<u8> = (0..len).map(|i| byte ^ (i % 7) as u8).collect();
        let ws = self.ws.as_mut().unwrap();
        let text = || String::from_utf8(bytes.clone()).unwrap();
        let seen = match rng.below(6) {
            0 => {
                ws.send_text(&text()).unwrap();
                Seen::Text(text())
            }
            1 => {
                ws.feed(&Message::from(&bytes[..])).unwrap();
                Seen::Binary(bytes)
            }
            2 => {
                let (first, rest) = bytes.split_at(len / 3);
                ws.send_fragment(&Message::from(first), false).unwrap();
                ws.send_fragment(&Message::from(rest), true).unwrap();
                Seen::Binary(bytes)
            }
            3 => {
                ws.ping(&bytes[..len.min(125)]).unwrap();
                Seen::Ping(bytes[..len.min(125)].to_vec())
            }
            _ => {
                ws.send_binary(&bytes).unwrap();
                Seen::Binary(bytes)
            }
        };
        self.sent.push(seen);
    }

    fn recv(&mut self, rng: &mut Rng) {
        let ws = self.ws.as_mut().unwrap();
        if rng.below(2) == 0 {
            match ws.recv() {
                Ok(Some(event)) => self.seen.extend(Seen::of(&event)),
                Ok(None) => self.end(),
                Err(error) => assert!(is_later(&error), "{error}"),
            }
        } else {
            match ws.read() {
                Ok(Some(mut batch)) => {
                    // Not always everything: the next call goes on where this one stopped.
                    for _ in 0..1 + rng.below(10) {
                        match batch.recv() {
                            Some(event) => self.seen.extend(Seen::of(&event)),
                            None => break,
                        }
                    }
                }
                Ok(None) => self.end(),
                Err(error) => assert!(is_later(&error), "{error}"),
            }
        }
    }

    /// `None` means that the WebSocket can be dropped: only this ends the transport that the peer waits for.
    fn end(&mut self) {
        assert_eq!(self.ws.take().unwrap().connection().state(), State::Ended);
        self.over = true;
    }

    fn take_apart(&mut self) {
        let (stream, connection, unread) = self.ws.take().unwrap().into_parts();
        self.ws = Some(WebSocket::from_parts(stream, connection, unread));
    }
}

fn everything_arrives(seed: u64, biggest: usize, config: Config) {
    let mut rng = Rng::new(seed ^ 0xABCD);
    let (client, server) = pipes(seed, Manner::Mixed);
    let (client, server, _) = open(client, server, config);
    let mut ends = [End::new(client), End::new(server)];
    for _ in 0..120 {
        let end = &mut ends[rng.below(2)];
        match rng.below(8) {
            0 | 1 => end.send(&mut rng, biggest),
            2 => end.take_apart(),
            3 => end.ws().set_read_buffer(1 + rng.below(40_000)),
            _ => end.recv(&mut rng),
        }
    }
    let closer = rng.below(2);
    ends[closer].ws().close(CloseCode::NORMAL, "enough").unwrap();
    let mut turns = 0;
    while !ends.iter().all(|end| end.over) {
        let end = &mut ends[rng.below(2)];
        if !end.over {
            if rng.below(10) == 0 {
                end.take_apart();
            }
            end.recv(&mut rng);
        }
        turns += 1;
        assert!(turns < 1_000_000, "seed {seed}: it does not end");
    }
    let [client, server] = ends;
    for (from, to) in [(&client, &server), (&server, &client)] {
        let mut expected = from.sent.clone();
        expected.push(Seen::Close(Some(1000)));
        assert_eq!(to.seen.len(), expected.len(), "seed {seed}");
        assert!(to.seen == expected, "seed {seed}");
    }
}

#[test]
fn nothing_is_lost_duplicated_or_reordered() {
    for seed in 0..100 {
        everything_arrives(seed, 2000, Config::default());
    }
    for seed in 100..110 {
        everything_arrives(seed, 200_000, Config::default());
    }
}

#[test]
#[cfg(feature = "deflate")]
fn nothing_is_lost_duplicated_or_reordered_with_compression() {
    let config = Config::default().deflate(Some(sansocket::deflate::Deflate::default()));
    for seed in 0..60 {
        everything_arrives(seed, 50_000, config);
    }
}

#[test]
fn large_messages_of_a_server_pass_at_any_pace() {
    let payload: Vec<u8> = (0..400_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    for seed in 0..6 {
        let (client, server) = pipes(seed, Manner::Mixed);
        let (mut client, mut server, _) = open(client, server, Config::default());
        for _ in 0..3 {
            server.send_binary(&payload).unwrap();
            server.send_text("between").unwrap();
        }
        for _ in 0..3 {
            assert!(next(&mut client, &mut server) == Seen::Binary(payload.clone()), "seed {seed}");
            assert_eq!(next(&mut client, &mut server), Seen::Text("between".into()));
        }
    }
}

#[test]
fn a_message_that_does_not_fit_is_refused_and_changes_nothing() {
    let (mut ws, peer) = server(Config::default().max_output(100_000));
    ws.send_binary(&[1; 20_000]).unwrap();
    assert_eq!(arrived(&peer).len(), 20_004);
    let (mut stream, connection, unread) = ws.into_parts();
    stream.manner = Manner::Stuck;
    let mut ws = WebSocket::from_parts(stream, connection, unread);
    ws.send_binary(&[1; 60_000]).unwrap();
    let error = ws.send_binary(&[1; 60_000]).unwrap_err();
    assert_eq!(error.get_ref().unwrap().to_string(), sansocket::SendError::OutputFull.to_string());
    assert_eq!(ws.connection().output_len(), 60_004);
}

#[test]
fn the_size_of_reads_is_the_callers_choice_and_changes_nothing_else() {
    let (_peer, stream) = pipes(0, Manner::Smooth);
    let unread = b"\x81\x83\0\0\0\0one\x81\x83\0\0\0\0tw".to_vec();
    let mut ws = WebSocket::from_parts(stream, Connection::server(Config::default()), unread);
    ws.set_read_buffer(5000);
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("one"))), "nothing has to come first");
    assert_eq!(ws.stream().offered, 0);
    let (stream, connection, unread) = ws.into_parts();
    assert_eq!(unread, b"\x81\x83\0\0\0\0tw");
    let mut ws = WebSocket::from_parts(stream, connection, vec![]);
    ws.set_read_buffer(5000);
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
    assert_eq!(ws.stream().offered, 5000);
    let (mut ws, _peer) = server(Config::default());
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
    assert_eq!(ws.stream().offered, 16 * 1024);
}

/// What lies whole in the buffer is borrowed from there.
#[test]
fn a_message_that_came_at_once_is_not_copied() {
    let (mut ws, mut peer) = server(Config::default());
    peer.write_all(b"\x81\x83\0\0\0\0one").unwrap();
    assert!(
        ws.recv()
            .is_ok_and(|event| matches!(event, Some(Event::Message(Message::Text(Cow::Borrowed("one"))))))
    );
}

/// A server's large payload is written from where it lies.
#[test]
fn a_large_payload_is_not_copied() {
    let (mut ws, _peer) = server(Config::default());
    for (len, is_direct) in [(100, false), (100_000, true)] {
        let message = Message::from(vec![7; len]);
        ws.send(&message).unwrap();
        assert_eq!(ws.stream().addresses.contains(&message.as_bytes().as_ptr().addr()), is_direct, "{len}");
    }
}

/// Who stops in the middle of a batch loses nothing, and need not wait for more to come.
#[test]
fn what_is_left_of_a_batch_comes_next() {
    for (bytes, chunks) in [
        (&b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b"[..], false),
        (b"\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b", false),
        (b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b", true),
    ] {
        let (mut ws, mut peer) = server(Config::default());
        peer.write_all(bytes).unwrap();
        let mut batch = ws.read().unwrap().unwrap();
        let first = if chunks { batch.recv_chunk() } else { batch.recv() };
        assert!(first.is_some());
        let second = ws.recv().unwrap().map(Event::into_owned);
        assert!(matches!(Seen::of(&second.unwrap()), Some(Seen::Text(b)) if b == "b") || bytes[0] == 0x89);
        assert!(ws.recv().is_err_and(|error| is_later(&error)));
    }
}

/// The same, when the next call is for a batch, whether or not the size of reads changes in between.
#[test]
fn the_next_batch_begins_with_what_is_left() {
    for (bytes, chunks) in [
        (&b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b"[..], false),
        (b"\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b", false),
        (b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b", true),
    ] {
        for resized in [false, true] {
            let (mut ws, mut peer) = server(Config::default());
            peer.write_all(bytes).unwrap();
            let mut batch = ws.read().unwrap().unwrap();
            assert!(if chunks { batch.recv_chunk() } else { batch.recv() }.is_some());
            if resized {
                ws.set_read_buffer(5000);
            }
            let mut batch = ws.read().unwrap().unwrap();
            assert!(batch.recv().is_some());
            assert_eq!(batch.recv(), None);
            assert!(ws.read().is_err_and(|error| is_later(&error)));
        }
    }
}

#[test]
fn a_flush_tells_what_came_of_it() {
    let new = |manner, write_error| {
        let (peer, mut stream) = pipes(0, manner);
        stream.write_error = write_error;
        let mut ws = WebSocket::from_parts(stream, Connection::server(Config::default()), vec![]);
        ws.feed(&Message::from("a")).unwrap();
        (ws, peer)
    };
    let (mut ws, peer) = new(Manner::Smooth, None);
    ws.flush().unwrap();
    assert_eq!(arrived(&peer), b"\x81\x01a");
    let (mut ws, _peer) = new(Manner::Stuck, None);
    assert!(ws.flush().is_err_and(|error| is_later(&error)));
    assert_eq!(ws.state(), State::Open);
    let (mut ws, _peer) = new(Manner::Smooth, Some(ErrorKind::BrokenPipe));
    assert_eq!(ws.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::TransportFailed)));
    assert_eq!(ws.recv().unwrap(), None);
}

/// What `recv` writes was fed before: its error is returned as it is, once.
#[test]
fn an_error_of_what_recv_writes_comes_once() {
    let (_peer, mut stream) = pipes(0, Manner::Smooth);
    stream.write_error = Some(ErrorKind::BrokenPipe);
    let mut ws = WebSocket::from_parts(stream, Connection::server(Config::default()), vec![]);
    ws.feed(&Message::from("a")).unwrap();
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(ws.recv().unwrap(), None);
    // Behind what had arrived, an event tells it.
    let (mut peer, mut stream) = pipes(0, Manner::Smooth);
    stream.write_error = Some(ErrorKind::BrokenPipe);
    let mut ws = WebSocket::from_parts(stream, Connection::server(Config::default()), vec![]);
    ws.feed(&Message::from("a")).unwrap();
    peer.write_all(b"\x81\x81\0\0\0\0b").unwrap();
    for event in [Event::Message(Message::from("b")), Event::Failed(ProtocolError::TransportFailed)] {
        assert_eq!(ws.recv().unwrap(), Some(event));
    }
    assert_eq!(ws.recv().unwrap(), None);
}

/// A caller that may not read learns that it has to wait.
#[test]
fn a_full_stream_returns_to_the_caller() {
    let config = Config::default().high_water(1000).write_timeout(Some(2000 * MS));
    let (_peer, stream) = pipes(0, Manner::Stuck);
    let mut ws = WebSocket::from_parts(stream, Connection::server(config), vec![]);
    ws.send_binary(&[0; 5000]).unwrap();
    assert!(!ws.connection().wants_read());
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
}

#[test]
fn a_handler_returns_one_error_throughout() {
    fn handle(ws: &mut WebSocket<Mem>) -> Result<(), sansocket::net::Error> {
        ws.feed(&Message::from("a message"))?;
        ws.flush()?;
        Ok(())
    }
    let (mut ws, _peer) = server(Config::default());
    handle(&mut ws).unwrap();
    ws.close(CloseCode::NORMAL, "").unwrap();
    let error = handle(&mut ws).unwrap_err();
    assert_eq!(error.to_string(), sansocket::SendError::Closed.to_string());
}

// ---- the end ----

const MASKED_CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";

/// A server's end in `state`, and what to write for it to get there is written.
fn in_state(state: State) -> (WebSocket<Mem>, Mem) {
    let (mut ws, mut peer) = server(Config::default());
    match state {
        State::Open => {}
        State::CloseSent => ws.close(CloseCode::NORMAL, "").unwrap(),
        State::Closed => {
            peer.write_all(MASKED_CLOSE).unwrap();
            assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
        }
        State::Failed => {
            peer.write_all(b"\x81\x01x").unwrap();
            assert!(matches!(ws.recv(), Ok(Some(Event::Failed(ProtocolError::UnmaskedFrame)))));
        }
        State::Opening | State::Ended => unreachable!(),
    }
    assert_eq!(ws.connection().state(), state);
    (ws, peer)
}

#[test]
fn the_end_of_the_stream_in_every_state() {
    for state in [State::Open, State::CloseSent, State::Closed, State::Failed] {
        for in_frame in [false, true] {
            let (mut ws, mut peer) = in_state(state);
            if in_frame {
                peer.write_all(b"\x82\x85\0\0\0\0ab").unwrap();
            }
            peer.outgoing.borrow_mut().ended = true;
            if matches!(state, State::Open | State::CloseSent) {
                let event = ws.recv().unwrap();
                assert_eq!(event, Some(Event::Failed(ProtocolError::UnexpectedEof)), "{state:?}");
            } else {
                assert_eq!(ws.recv().unwrap(), None, "{state:?}");
            }
            assert!(peer.incoming.borrow().ended, "the peer need not wait for our end: {state:?}");
            assert_eq!(ws.recv().unwrap(), None, "{state:?}");
            assert!(ws.read().unwrap().is_none());
            assert_eq!(ws.connection().state(), State::Ended);
            assert_eq!(ws.send_text("x").unwrap_err().kind(), ErrorKind::NotConnected);
        }
    }
}

/// "it SHOULD wait for a TCP Close from the server" (§7.1.1), and then closes at once.
#[test]
fn a_client_ends_its_side_when_the_server_has() {
    let (mut peer, stream) = pipes(0, Manner::Smooth);
    let connection = Connection::client(Config::default(), OsRandom);
    let mut ws = WebSocket::from_parts(stream, connection, vec![]);
    peer.write_all(b"\x88\x02\x03\xe8").unwrap();
    assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
    assert!(!peer.incoming.borrow().ended, "the server goes first");
    peer.outgoing.borrow_mut().ended = true;
    assert_eq!(ws.recv().unwrap(), None);
    assert!(peer.incoming.borrow().ended);
}

#[test]
fn errors_of_reading_in_every_state() {
    for state in [State::Open, State::CloseSent, State::Closed, State::Failed] {
        let (ws, _peer) = in_state(state);
        let (mut stream, connection, unread) = ws.into_parts();
        stream.read_error = Some(ErrorKind::ConnectionReset);
        let mut ws = WebSocket::from_parts(stream, connection, unread);
        if matches!(state, State::Open | State::CloseSent) {
            assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        // Otherwise everything had been said: the connection is over, and that is all.
        assert_eq!(ws.recv().unwrap(), None, "{state:?}");
        assert_eq!(ws.connection().state(), State::Ended);
    }
}

#[test]
fn errors_of_writing_in_every_state() {
    for state in [State::Open, State::CloseSent, State::Closed, State::Failed] {
        let (ws, mut peer) = server(Config::default());
        let (mut stream, connection, unread) = ws.into_parts();
        stream.write_error = Some(ErrorKind::BrokenPipe);
        let mut ws = WebSocket::from_parts(stream, connection, unread);
        let result = match state {
            State::Open => ws.send_text("x"),
            State::CloseSent => ws.close(CloseCode::NORMAL, ""),
            State::Closed => {
                peer.write_all(MASKED_CLOSE).unwrap();
                assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
                ws.flush()
            }
            _ => {
                peer.write_all(b"\x81\x01x").unwrap();
                assert!(matches!(ws.recv(), Ok(Some(Event::Failed(_)))));
                ws.flush()
            }
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
        if matches!(state, State::Open | State::CloseSent) {
            let event = ws.recv().unwrap();
            assert_eq!(event, Some(Event::Failed(ProtocolError::TransportFailed)), "{state:?}");
        }
        assert_eq!(ws.recv().unwrap(), None, "{state:?}");
        assert_eq!(ws.connection().state(), State::Ended);
    }
}

#[test]
fn a_failure_is_told_before_the_event_is_returned_or_at_the_next_read() {
    let (mut ws, mut peer) = server(Config::default());
    peer.write_all(b"\x83\x80\0\0\0\0").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::ReservedOpcode(3))));
    assert_eq!(arrived(&peer)[2..4], [0x03, 0xEA]);

    let (mut ws, mut peer) = server(Config::default());
    peer.write_all(b"\x83\x80\0\0\0\0").unwrap();
    let mut batch = ws.read().unwrap().unwrap();
    assert_eq!(batch.recv(), Some(Event::Failed(ProtocolError::ReservedOpcode(3))));
    assert_eq!(batch.recv(), None);
    assert_eq!(arrived(&peer), b"");
    assert!(ws.read().is_err_and(|error| is_later(&error)));
    assert_eq!(arrived(&peer)[2..4], [0x03, 0xEA]);
    assert!(peer.incoming.borrow().ended, "and everything has been said");
}

/// The peer will not see our end, so there is no use in waiting for its own.
#[test]
fn a_stream_that_cannot_be_ended_is_over() {
    let (mut peer, mut stream) = pipes(0, Manner::Drops);
    peer.manner = Manner::Smooth;
    peer.write_all(MASKED_CLOSE).unwrap();
    stream.end_error = Some(ErrorKind::NotConnected);
    let mut ws = WebSocket::from_parts(stream, Connection::server(Config::default()), vec![]);
    let mut is_closed = false;
    for _ in 0..100 {
        match ws.recv() {
            Ok(Some(event)) => is_closed = matches!(event, Event::Close(_)),
            Ok(None) => break,
            Err(error) => assert!(is_later(&error)),
        }
    }
    assert!(is_closed);
    assert_eq!(arrived(&peer), b"\x88\x02\x03\xe8");
    assert_eq!(ws.recv().unwrap(), None);
}

#[test]
fn a_stream_that_flushes_late_keeps_the_last_words() {
    // As TLS over a socket that does not block: what was written is in its buffers, and shutting down has to flush them.
    for seed in 0..50 {
        let (mut peer, mut stream) = pipes(seed, Manner::Mixed);
        peer.manner = Manner::Smooth;
        stream.unflushed = Some(vec![]);
        let connection = Connection::server(Config::default());
        let mut ws = WebSocket::from_parts(stream, connection, MASKED_CLOSE.to_vec());
        assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
        let mut turns = 0;
        while !peer.incoming.borrow().ended {
            assert!(ws.recv().is_err_and(|error| is_later(&error)), "seed {seed}");
            turns += 1;
            assert!(turns < 1000);
        }
        assert_eq!(arrived(&peer), b"\x88\x02\x03\xe8", "seed {seed}");
        peer.outgoing.borrow_mut().ended = true;
        while ws.recv().is_err() {}
        assert_eq!(ws.recv().unwrap(), None);
    }
}

// ---- time ----

const MS: Duration = Duration::from_millis(1);

/// Long enough to be sure that nothing comes, or comes in time, on a busy machine.
const AGES: Duration = Duration::from_secs(20);

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(AGES)).unwrap();
    (listener.accept().unwrap().0, peer)
}

fn tcp_server(config: Config) -> (WebSocket<TcpStream>, TcpStream) {
    let (stream, peer) = sockets();
    (WebSocket::from_parts(stream, Connection::server(config), vec![]), peer)
}

fn tcp_client(config: Config) -> (WebSocket<TcpStream>, TcpStream) {
    let (stream, peer) = sockets();
    (WebSocket::from_parts(stream, Connection::client(config, OsRandom), vec![]), peer)
}

#[test]
fn a_read_timeout_is_would_block_and_can_be_taken_back() {
    let (mut ws, mut peer) = tcp_server(Config::default());
    for timeout in [30 * MS, Duration::ZERO] {
        let began = Instant::now();
        ws.set_read_timeout(Some(timeout));
        let error = ws.recv().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        assert!(began.elapsed() + 10 * MS >= timeout);
    }
    ws.set_read_timeout(None);
    // Also when the WebSocket was put together anew over a stream that still has a timeout.
    for anew in [false, true] {
        if anew {
            ws.set_read_timeout(Some(MS));
            assert!(ws.recv().is_err());
            let (stream, connection, unread) = ws.into_parts();
            ws = WebSocket::from_parts(stream, connection, unread);
        }
        let writer = thread::spawn(move || {
            thread::sleep(100 * MS);
            peer.write_all(b"\x82\x81\0\0\0\0x").unwrap();
            peer
        });
        assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from(&b"x"[..]))));
        peer = writer.join().unwrap();
    }
}

/// The time to wait is that of the call, however often a few bytes arrive.
#[test]
fn a_peer_that_drips_does_not_prolong_a_read_timeout() {
    for chunks in [false, true] {
        let (mut ws, mut peer) = tcp_server(Config::default());
        ws.set_read_timeout(Some(200 * MS));
        let dripping = thread::spawn(move || {
            // A Ping, which is no event before its end.
            for byte in &[&[0x89, 0x80 | 100][..], &[0; 4], &[b'x'; 100]].concat() {
                peer.write_all(&[*byte]).unwrap();
                thread::sleep(20 * MS);
            }
            peer
        });
        let began = Instant::now();
        let mut later = 0;
        loop {
            match if chunks { ws.recv_chunk() } else { ws.recv() } {
                Ok(Some(Event::Ping(payload))) if payload.len() == 100 => break,
                Err(error) if is_later(&error) => later += 1,
                other => panic!("{other:?}"),
            }
            assert!(began.elapsed() < AGES);
        }
        assert!(later >= 3, "{later}, chunks: {chunks}");
        drop(dripping.join().unwrap());
    }
}

#[test]
fn a_silent_peer_is_pinged_and_then_lost() {
    let config = Config::default().ping_interval(Some(30 * MS)).pong_timeout(1000 * MS);
    let (mut ws, mut peer) = tcp_server(config);
    let began = Instant::now();
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::PongTimeout)));
    assert!(began.elapsed() >= 1030 * MS);
    assert_eq!(ws.recv().unwrap(), None);
    drop(ws);
    let mut ping = vec![];
    peer.read_to_end(&mut ping).unwrap();
    assert_eq!(ping, b"\x89\x00");
}

#[test]
fn a_peer_that_answers_pings_is_kept() {
    let config = Config::default().ping_interval(Some(10 * MS)).pong_timeout(AGES);
    let (mut ws, mut peer) = tcp_server(config);
    let answering = thread::spawn(move || {
        for _ in 0..5 {
            let mut ping = [0; 2];
            peer.read_exact(&mut ping).unwrap();
            assert_eq!(&ping, b"\x89\x00");
            peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
        }
        peer.write_all(MASKED_CLOSE).unwrap();
        peer
    });
    for _ in 0..5 {
        assert!(matches!(ws.recv(), Ok(Some(Event::Pong(_)))));
    }
    assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
    drop(answering.join().unwrap());
    assert_eq!(ws.recv().unwrap(), None);
}

/// A caller that looks in now and then receives what arrived before a deadline, and only then is the peer judged.
#[test]
fn an_answer_in_time_counts_though_it_is_received_late() {
    let config = Config::default().ping_interval(Some(200 * MS)).pong_timeout(2000 * MS);
    let (mut ws, mut peer) = tcp_server(config);
    ws.set_read_timeout(Some(400 * MS));
    assert!(is_later(&ws.recv().unwrap_err()), "the Ping is sent");
    peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
    thread::sleep(2500 * MS);
    assert!(matches!(ws.recv().unwrap(), Some(Event::Pong(_))));
    assert!(is_later(&ws.recv().unwrap_err()));
    // Without an answer it is lost.
    thread::sleep(2500 * MS);
    let end = loop {
        match ws.recv() {
            // The machine was busy when the Ping was due: this call has sent it.
            Err(error) if is_later(&error) => {}
            end => break end.unwrap().map(Event::into_owned),
        }
    };
    assert_eq!(end, Some(Event::Failed(ProtocolError::PongTimeout)));
}

/// A stream that answers the first Ping. A read that finds nothing takes some time.
#[derive(Debug)]
struct AnswersOnce {
    written: Vec<u8>,
    answered: bool,
    /// When a read found nothing.
    silent_at: Instant,
}

impl Read for AnswersOnce {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.written != b"\x89\x00" || std::mem::replace(&mut self.answered, true) {
            thread::sleep(50 * MS);
            self.silent_at = Instant::now();
            return Err(ErrorKind::WouldBlock.into());
        }
        (&b"\x8a\x80\0\0\0\0"[..]).read(buf)
    }
}

impl Write for AnswersOnce {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for AnswersOnce {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// The time of a Pong is taken when it is received, not when a further read has found nothing.
#[test]
fn a_latency_is_that_of_the_peer() {
    let connection = Connection::server(Config::default().ping_interval(Some(10 * MS)));
    let stream = AnswersOnce { written: vec![], answered: false, silent_at: Instant::now() };
    let mut ws = WebSocket::from_parts(stream, connection, vec![]);
    assert!(matches!(ws.recv().unwrap(), Some(Event::Pong(_))));
    // The Ping was sent after the last read that found nothing.
    let at_most = ws.stream().silent_at.elapsed();
    ws.set_read_timeout(Some(MS));
    assert!(is_later(&ws.recv().unwrap_err()));
    assert!(ws.latency().unwrap() <= at_most, "{:?} > {at_most:?}", ws.latency());
}

/// What a caller finds that comes late, between a Pong and the deadline of an idle connection.
#[test]
fn a_message_in_time_counts_behind_a_pong() {
    let config = Config::default().ping_interval(Some(200 * MS)).idle_timeout(Some(5000 * MS));
    let (mut ws, mut peer) = tcp_server(config);
    ws.set_read_timeout(Some(400 * MS));
    assert!(is_later(&ws.recv().unwrap_err()), "the Ping is sent");
    peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
    assert!(matches!(ws.recv().unwrap(), Some(Event::Pong(_))));
    peer.write_all(b"\x81\x81\0\0\0\0a").unwrap();
    thread::sleep(5500 * MS);
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert!(is_later(&ws.recv().unwrap_err()));
    assert_eq!(ws.state(), State::Open);
}

/// A failure is told by the call that sees the end.
#[test]
fn finishing_tells_a_failure_that_came_while_the_stream_was_not_ready() {
    let (mut ws, mut peer) = server(Config::default());
    peer.write_all(b"\x83\x80\0\0\0\0").unwrap();
    assert!(is_later(&ws.finish().unwrap_err()), "the peer has not ended");
    drop(peer);
    let error = ws.finish().unwrap_err().downcast::<ProtocolError>().unwrap();
    assert_eq!(error, ProtocolError::ReservedOpcode(3));
    ws.finish().unwrap();
}

/// What arrived before a failed write is there without the stream, and so is the end.
#[test]
fn after_a_failed_write_the_next_call_is_due() {
    let (ws, mut peer) = server(Config::default());
    let (mut stream, connection, unread) = ws.into_parts();
    stream.write_error = Some(ErrorKind::BrokenPipe);
    let mut ws = WebSocket::from_parts(stream, connection, unread);
    peer.write_all(b"\x81\x81\0\0\0\0a").unwrap();
    assert_eq!(ws.send_text("b").unwrap_err().kind(), ErrorKind::BrokenPipe);
    for event in [Event::Message(Message::from("a")), Event::Failed(ProtocolError::TransportFailed)] {
        assert_eq!(ws.next_timeout(), Some(Duration::ZERO));
        assert_eq!(ws.recv().unwrap(), Some(event));
    }
    assert_eq!((ws.next_timeout(), ws.recv().unwrap()), (None, None));
}

/// What arrived with the end of a handshake is not in the stream any more: who waits for the stream would wait for ever.
#[test]
fn what_arrived_with_the_handshake_is_due() {
    let (client, mut server) = pipes(0, Manner::Smooth);
    let Step::Blocked(connecting) = Connecting::new(client, request(), Config::default()).advance().unwrap()
    else {
        panic!("nothing has arrived")
    };
    let answer = ServerHandshake::new(Config::default());
    let mut head = arrived(&server);
    let ServerProgress::Upgrade(mut request) = answer.recv(&mut Input::new(&mut head)) else { panic!() };
    request.choose_supported(&["chat"]);
    let mut connection = request.accept();
    connection.send_text("welcome").unwrap();
    server.write_all(connection.output()).unwrap();
    let Step::Done((mut ws, _)) = connecting.advance().unwrap() else { panic!("all has arrived") };
    assert_eq!(ws.next_timeout(), Some(Duration::ZERO));
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("welcome"))));
    assert_eq!(ws.next_timeout(), None);
}

/// The end of our side follows the Close, though a flush has written it.
#[test]
fn the_end_of_our_side_waits_for_the_stream() {
    let (mut ws, mut peer) = server(Config::default());
    peer.write_all(MASKED_CLOSE).unwrap();
    let mut batch = ws.read().unwrap().unwrap();
    assert!(matches!(batch.recv(), Some(Event::Close(_))));
    ws.flush().unwrap();
    assert_eq!(arrived(&peer), b"\x88\x02\x03\xe8");
    assert!(ws.wants_write() || peer.incoming.borrow().ended);
    assert!(is_later(&ws.recv().unwrap_err()));
    assert!(!ws.wants_write() && peer.incoming.borrow().ended);
}

/// The same, when the stream takes nothing of what waits.
#[test]
fn an_answer_in_time_counts_though_output_waits() {
    let config = Config::default().ping_interval(Some(20 * MS)).pong_timeout(1000 * MS).write_timeout(None);
    let (mut ws, mut peer) = server(config);
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
    thread::sleep(25 * MS);
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
    assert_eq!(arrived(&peer), b"\x89\x00");
    peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
    let (mut stream, connection, unread) = ws.into_parts();
    stream.manner = Manner::Stuck;
    let mut ws = WebSocket::from_parts(stream, connection, unread);
    ws.feed(&Message::from("a")).unwrap();
    thread::sleep(1100 * MS);
    assert!(matches!(ws.recv().unwrap(), Some(Event::Pong(_))));
}

/// Nor does a caller that only writes wait for a deadline that has passed.
#[test]
fn a_deadline_is_judged_though_the_caller_only_flushes() {
    let (ws, _peer) = server(Config::default().write_timeout(Some(30 * MS)));
    let (mut stream, connection, unread) = ws.into_parts();
    stream.manner = Manner::Stuck;
    let mut ws = WebSocket::from_parts(stream, connection, unread);
    ws.feed(&Message::from("a")).unwrap();
    assert!(is_later(&ws.flush().unwrap_err()));
    thread::sleep(ws.next_timeout().unwrap());
    assert!(is_later(&ws.flush().unwrap_err()), "what has arrived can still be received");
    // A moment later it is judged.
    thread::sleep(25 * MS);
    ws.flush().unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::WriteTimeout)));
}

/// A deadline that passed while nothing was read does not let the next one be judged before what has arrived.
#[test]
fn a_message_in_time_counts_after_a_deadline_behind_a_full_output() {
    let config = Config::default().ping_interval(Some(200 * MS)).idle_timeout(Some(2000 * MS));
    let (mut ws, mut peer) = tcp_server(config.high_water(1000).max_output(64 << 20));
    ws.stream().set_nonblocking(true).unwrap();
    ws.feed(&Message::from(vec![0; 16 << 20])).unwrap();
    let mut waiting = usize::MAX;
    while std::mem::replace(&mut waiting, ws.connection().output_len()) > waiting {
        assert!(is_later(&ws.recv().unwrap_err()));
        thread::sleep(20 * MS);
    }
    thread::sleep(300 * MS);
    assert!(is_later(&ws.recv().unwrap_err()) && !ws.wants_read());
    // The caller waits until the stream is writable, and only flushes.
    let taking = thread::spawn(move || {
        peer.read_exact(&mut vec![0; 16 << 20]).unwrap();
        peer.write_all(b"\x81\x81\0\0\0\0a").unwrap();
        peer
    });
    while !taking.is_finished() {
        let _ = ws.flush();
        thread::sleep(MS);
    }
    let _peer = taking.join().unwrap();
    thread::sleep(2200 * MS);
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert_eq!(ws.state(), State::Open);
}

/// Nor does one that passed before the stream took the rest of the output.
#[test]
fn a_message_in_time_counts_after_the_deadline_of_output_that_was_taken() {
    let config = Config::default().write_timeout(Some(200 * MS)).idle_timeout(Some(2000 * MS));
    let (mut ws, mut peer) = tcp_server(config.high_water(64 << 20));
    ws.stream().set_nonblocking(true).unwrap();
    let mut sent = 0;
    while ws.connection().output_len() == 0 {
        ws.send_binary(&[0; 10_000]).unwrap();
        sent += 10_004;
    }
    assert!(is_later(&ws.recv().unwrap_err()));
    let waiting = ws.connection().output_len();
    assert!(waiting > 0);
    peer.read_exact(&mut vec![0; sent - waiting]).unwrap();
    thread::sleep(300 * MS);
    assert!(is_later(&ws.recv().unwrap_err()));
    peer.read_exact(&mut vec![0; waiting]).unwrap();
    peer.write_all(b"\x81\x81\0\0\0\0a").unwrap();
    thread::sleep(2200 * MS);
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert_eq!(ws.state(), State::Open);
}

/// Nor is a peer judged behind its Close before it is offered what waits: it may have made room in time.
#[test]
fn output_behind_a_close_is_written_though_the_caller_is_late() {
    const LONG: usize = 16 << 20;
    for blocking in [false, true] {
        let config = Config::default().close_timeout(600 * MS).high_water(64 << 20);
        let (mut ws, mut peer) = tcp_server(config.max_output(64 << 20));
        ws.stream().set_nonblocking(!blocking).unwrap();
        ws.set_read_timeout(Some(10 * MS));
        ws.feed(&Message::from(vec![0; LONG])).unwrap();
        assert!(is_later(&ws.recv().unwrap_err()));
        peer.write_all(MASKED_CLOSE).unwrap();
        let began = Instant::now();
        while !matches!(ws.recv(), Ok(Some(Event::Close(_)))) {
            assert!(began.elapsed() < AGES);
        }
        let taken = LONG + 14 - ws.connection().output_len();
        peer.read_exact(&mut vec![0; taken]).unwrap();
        thread::sleep(800 * MS);
        let reading = thread::spawn(move || {
            let mut rest = vec![];
            peer.read_to_end(&mut rest).map(|_| rest.len())
        });
        while !matches!(ws.recv(), Ok(None)) {
            assert!(began.elapsed() < AGES);
        }
        drop(ws);
        assert_eq!(reading.join().unwrap().unwrap(), LONG + 14 - taken, "blocking: {blocking}");
    }
}

#[test]
fn an_idle_connection_is_closed() {
    let config = Config::default().idle_timeout(Some(30 * MS)).close_timeout(60 * MS);
    let (mut ws, mut peer) = tcp_server(config);
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
    assert_eq!(ws.recv().unwrap(), None);
    drop(ws);
    let mut close = vec![];
    peer.read_to_end(&mut close).unwrap();
    assert_eq!(close[2..], *b"\x03\xe9idle");
}

#[test]
fn a_peer_that_never_ends_the_transport_is_left() {
    let config = Config::default().close_timeout(50 * MS);
    // In the closed and in the failed state, where this is not worth an event, on a stream that blocks without a timeout.
    for (bytes, is_client) in [(&b"\x88\x00"[..], true), (b"\x83\x00", true), (MASKED_CLOSE, false)] {
        let (mut ws, peer) = if is_client { tcp_client(config) } else { tcp_server(config) };
        (&peer).write_all(bytes).unwrap();
        assert!(matches!(ws.recv(), Ok(Some(Event::Close(_) | Event::Failed(_)))));
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(ws.connection().state(), State::Ended);
        drop(peer);
    }
    // And with an event, when it did not answer.
    let (mut ws, _peer) = tcp_client(config);
    ws.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
    assert_eq!(ws.recv().unwrap(), None);
}

#[test]
#[cfg(unix)]
fn a_peer_that_reads_nothing_more_after_its_close_is_left() {
    let (stream, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut ws =
        WebSocket::from_parts(stream, Connection::server(Config::default().close_timeout(AGES)), vec![]);
    peer.write_all(MASKED_CLOSE).unwrap();
    peer.shutdown(Shutdown::Read).unwrap();
    let began = Instant::now();
    assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
    assert_eq!(ws.recv().unwrap(), None);
    assert!(began.elapsed() < AGES);
}

#[test]
fn deadlines_pass_while_a_peer_takes_nothing() {
    let config = Config::default().ping_interval(Some(10 * MS)).pong_timeout(20 * MS).high_water(1000);
    let (ws, _peer) = server(config);
    let (mut stream, connection, unread) = ws.into_parts();
    stream.manner = Manner::Stuck;
    let mut ws = WebSocket::from_parts(stream, connection, unread);
    ws.send_binary(&[0; 5000]).unwrap();
    assert!(!ws.connection().wants_read());
    let began = Instant::now();
    loop {
        match ws.recv() {
            Ok(event) => break assert_eq!(event, Some(Event::Failed(ProtocolError::PongTimeout))),
            Err(error) => assert!(is_later(&error)),
        }
        assert!(began.elapsed() < AGES, "it is never lost");
        thread::sleep(MS);
    }
    assert_eq!(ws.recv().unwrap(), None);
}

#[test]
fn timers_go_on_after_a_connection_was_taken_apart() {
    let config = Config::default().ping_interval(Some(10 * MS));
    let mut connection = Connection::server(config);
    // A day on somebody's clock.
    connection.handle_timeout(Duration::from_secs(86_400));
    let (stream, mut peer) = sockets();
    let mut ws = WebSocket::from_parts(stream, connection, vec![]);
    let peer = thread::spawn(move || {
        let mut ping = [0; 2];
        peer.read_exact(&mut ping).unwrap();
        peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
        peer
    });
    ws.set_read_timeout(Some(AGES));
    assert!(matches!(ws.recv(), Ok(Some(Event::Pong(_)))));
    peer.join().unwrap();
}

#[test]
fn a_ping_is_flushed_before_the_wait() {
    let (ws, peer) = server(Config::default().ping_interval(Some(5 * MS)));
    let (mut stream, connection, unread) = ws.into_parts();
    stream.unflushed = Some(vec![]);
    let mut ws = WebSocket::from_parts(stream, connection, unread);
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
    thread::sleep(10 * MS);
    assert!(ws.recv().is_err_and(|error| is_later(&error)));
    assert_eq!(arrived(&peer), b"\x89\x00");
}

#[test]
fn the_longest_deadlines_are_no_deadlines() {
    let config = Config::default()
        .ping_interval(Some(Duration::MAX))
        .idle_timeout(Some(Duration::MAX))
        .close_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX);
    let (mut ws, mut peer) = tcp_server(config);
    peer.write_all(b"\x82\x81\0\0\0\0x").unwrap();
    assert!(matches!(ws.recv(), Ok(Some(Event::Message(_)))));
    peer.write_all(MASKED_CLOSE).unwrap();
    assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
    drop(peer);
    assert_eq!(ws.recv().unwrap(), None);
}

// ---- sockets ----

#[test]
fn a_peer_that_keeps_sending_can_read_why_it_failed() {
    let (mut ws, mut peer) = tcp_server(Config::default());
    let serving = thread::spawn(move || {
        let mut failed = None;
        while let Some(event) = ws.recv().unwrap() {
            failed = Seen::of(&event);
        }
        failed
    });
    peer.write_all(b"\x81\x05Hello").unwrap(); // not masked
    for _ in 0..64 {
        peer.write_all(&[0x55; 16 * 1024]).unwrap();
        thread::sleep(MS);
    }
    let mut close = vec![];
    peer.read_to_end(&mut close).unwrap();
    assert_eq!(close[..1], [0x88]);
    assert_eq!(close[2..4], [0x03, 0xEA]);
    drop(peer);
    assert_eq!(serving.join().unwrap(), Some(Seen::Failed(ProtocolError::UnmaskedFrame)));
}

#[test]
fn a_client_that_keeps_sending_can_read_why_it_was_refused() {
    let (stream, mut peer) = sockets();
    let accepting = thread::spawn(move || net::accept(stream).err());
    peer.write_all(BAD_REQUEST).unwrap();
    for _ in 0..64 {
        peer.write_all(&[0x55; 16 * 1024]).unwrap();
        thread::sleep(MS);
    }
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    drop(peer);
    let error = accepting.join().unwrap();
    assert!(matches!(error, Some(net::Error::Handshake(HandshakeError::UnsupportedVersion))), "{error:?}");
}

fn echo<S: Transport>(mut ws: WebSocket<S>) {
    while let Some(mut batch) = ws.read().unwrap() {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                batch.feed(&message).unwrap();
            }
        }
    }
}

/// Messages of many sizes and the closing handshake, over a stream that blocks.
fn converse<S: Transport>(mut ws: WebSocket<S>) {
    for len in [0, 1, 125, 126, 16_000, 65_535, 65_536, 1 << 20] {
        let payload: Vec<u8> = (0..len).map(|i| (i / 3) as u8).collect();
        ws.send_binary(&payload).unwrap();
        let event = ws.recv().unwrap().unwrap();
        assert!(event == Event::Message(Message::from(&payload[..])), "{len}");
    }
    ws.close(CloseCode::NORMAL, "").unwrap();
    assert!(matches!(ws.recv(), Ok(Some(Event::Close(_)))));
    assert_eq!(ws.recv().unwrap(), None);
}

#[test]
fn a_conversation_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = thread::spawn(move || echo(net::accept(listener.accept().unwrap().0).unwrap()));
    converse(net::connect(&url).unwrap());
    serving.join().unwrap();
}

// ---- TLS ----

#[cfg(feature = "rustls")]
mod certificates;

#[cfg(feature = "rustls")]
mod tls {
    use super::certificates::certificate;
    use super::*;
    use rustls::pki_types::ServerName;
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    };
    use std::sync::Arc;

    /// The configurations of a server that is called `localhost`, and of a client that trusts it.
    fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
        let (certificate, key) = certificate("localhost");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let server = ServerConfig::builder().with_no_client_auth();
        let server = server.with_single_cert(vec![certificate], key).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        (Arc::new(server), Arc::new(client))
    }

    type Tls<C> = net::Stream<StreamOwned<C, TcpStream>, TcpStream>;

    fn server_stream(config: Arc<ServerConfig>, tcp: TcpStream) -> Tls<ServerConnection> {
        net::Stream::new(StreamOwned::new(ServerConnection::new(config).unwrap(), tcp), |tls| &mut tls.sock)
    }

    fn client_stream(config: Arc<ClientConfig>, tcp: TcpStream, name: &'static str) -> Tls<ClientConnection> {
        let name = ServerName::try_from(name).unwrap();
        net::Stream::new(StreamOwned::new(ClientConnection::new(config, name).unwrap(), tcp), |tls| {
            &mut tls.sock
        })
    }

    #[test]
    fn a_conversation_over_tls() {
        let (server, client) = configs();
        let (tcp, peer) = sockets();
        let serving = thread::spawn(move || echo(net::accept(server_stream(server, tcp)).unwrap()));
        let stream = client_stream(client, peer, "localhost");
        let request = ClientRequest::new("wss://localhost/").unwrap();
        let (ws, _) = net::client(stream, request, Config::default()).unwrap();
        converse(ws);
        serving.join().unwrap();
    }

    #[test]
    fn a_conversation_over_tls_that_does_not_block() {
        let (server, client) = configs();
        let (tcp, peer) = sockets();
        tcp.set_nonblocking(true).unwrap();
        let serving = thread::spawn(move || {
            let mut accepting = Accepting::new(server_stream(server, tcp), Config::default());
            let mut ws = loop {
                match accepting.advance().unwrap() {
                    Step::Done(Incoming::Upgrade(upgrade)) => break upgrade.accept().unwrap(),
                    Step::Done(Incoming::Http(http)) => panic!("{http:?}"),
                    Step::Blocked(handshake) => accepting = handshake,
                }
                thread::sleep(MS);
            };
            loop {
                let message = match ws.recv() {
                    Ok(Some(Event::Message(message))) => message.into_owned(),
                    Ok(Some(_)) => continue,
                    Ok(None) => break,
                    Err(error) => {
                        assert!(is_later(&error), "{error}");
                        thread::sleep(MS);
                        continue;
                    }
                };
                ws.send(&message).unwrap();
            }
        });
        let stream = client_stream(client, peer, "localhost");
        let request = ClientRequest::new("wss://localhost/").unwrap();
        let (ws, _) = net::client(stream, request, Config::default()).unwrap();
        converse(ws);
        serving.join().unwrap();
    }

    #[test]
    fn a_certificate_for_another_name_is_refused() {
        let (server, client) = configs();
        let (tcp, peer) = sockets();
        let serving = thread::spawn(move || net::accept(server_stream(server, tcp)).err());
        let stream = client_stream(client, peer, "example.com");
        let request = ClientRequest::new("wss://example.com/").unwrap();
        match net::client(stream, request, Config::default()) {
            Err(net::Error::Io(error)) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                assert!(error.to_string().contains("certificate"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(serving.join().unwrap(), Some(net::Error::Io(_))));
    }
}
