//! `net::Tls`: how TLS ends, and deadlines that hold however a peer drips.
#![cfg(all(feature = "net", feature = "rustls"))]

mod certificates;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use certificates::certificate;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use sansocket::handshake::ClientRequest;
use sansocket::net::{
    self, Accepting, ConnectOptions, Connecting, Incoming, Step, Tls, Transport, WebSocket,
};
use sansocket::{CloseCode, Config, Event, Message, ProtocolError};

const MS: Duration = Duration::from_millis(1);
const AGES: Duration = Duration::from_secs(20);

/// The configurations of a server that is called `localhost`, and of a client that trusts it.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let (certificate, key) = certificate("localhost");
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(AGES)).unwrap();
    (listener.accept().unwrap().0, peer)
}

type Server = WebSocket<Tls<TcpStream>>;
type RawClient = StreamOwned<ClientConnection, TcpStream>;

/// A server's end, and a client that speaks TLS, has opened a WebSocket, and is otherwise in the test's hands.
fn open(config: Config) -> (Server, RawClient) {
    let (server, client) = configs();
    let (stream, peer) = sockets();
    let accepting =
        thread::spawn(move || net::accept_with(Tls::server(server, stream).unwrap(), config).unwrap());
    let name = ServerName::try_from("localhost").unwrap();
    let mut peer = StreamOwned::new(ClientConnection::new(client, name).unwrap(), peer);
    peer.write_all(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .unwrap();
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    (accepting.join().unwrap(), peer)
}

/// Sends a byte every now and then, as the beginning of a large TLS record, until nobody takes it.
fn drip(mut stream: TcpStream) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut bytes = b"\x17\x03\x03\x40\x00".iter().chain([0; 10_000].iter());
        while stream.write_all(&[*bytes.next().unwrap()]).is_ok() {
            thread::sleep(20 * MS);
        }
    })
}

/// Messages of many sizes and the closing handshake.
fn converse(mut ws: WebSocket<impl net::Transport>) {
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
fn a_conversation_by_url_and_over_a_stream() {
    for by_url in [true, false] {
        let (server, client) = configs();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let stream = Tls::server(server, listener.accept().unwrap().0).unwrap();
            let mut ws = net::accept(stream).unwrap();
            while let Some(mut batch) = ws.read().unwrap() {
                while let Some(event) = batch.recv() {
                    if let Event::Message(message) = event {
                        batch.feed(&message).unwrap();
                    }
                }
            }
        });
        let url = format!("wss://localhost:{}/", address.port());
        if by_url {
            let options = ConnectOptions::default().tls(client);
            converse(net::connect_with(&url, options).unwrap().0);
        } else {
            let stream = Tls::client(client, "localhost", TcpStream::connect(address).unwrap()).unwrap();
            converse(net::client(stream, ClientRequest::new(&url).unwrap(), Config::default()).unwrap().0);
        }
        serving.join().unwrap();
    }
}

/// In its handshake TLS has to read before it can write: a caller that waited for a writable stream would not sleep.
#[test]
fn a_handshake_that_does_not_block_waits_for_reading() {
    let (server, client) = configs();
    let (stream, peer) = sockets();
    peer.set_nonblocking(true).unwrap();
    let request = ClientRequest::new("wss://localhost/").unwrap();
    let stream_of_client = Tls::client(client, "localhost", peer).unwrap();
    let mut connecting = Connecting::new(stream_of_client, request, Config::default());
    assert!(connecting.wants_write());
    for _ in 0..2 {
        let Step::Blocked(more) = connecting.advance().unwrap() else { panic!("nobody has answered") };
        connecting = more;
        assert_eq!((connecting.wants_read(), connecting.wants_write()), (true, false));
    }
    let serving = thread::spawn(move || net::accept(Tls::server(server, stream).unwrap()).unwrap());
    let began = Instant::now();
    let (ws, _) = loop {
        assert!(began.elapsed() < AGES);
        match connecting.advance().unwrap() {
            Step::Done(done) => break done,
            Step::Blocked(more) => connecting = more,
        }
        thread::sleep(MS);
    };
    assert_eq!((ws.wants_read(), ws.wants_write()), (true, false));
    serving.join().unwrap();
}

#[test]
fn a_conversation_that_does_not_block() {
    let (server, client) = configs();
    let (stream, peer) = sockets();
    stream.set_nonblocking(true).unwrap();
    let serving = thread::spawn(move || {
        let mut accepting = Accepting::new(Tls::server(server, stream).unwrap(), Config::default());
        let mut ws = loop {
            match accepting.advance().unwrap() {
                Step::Done(Incoming::Upgrade(upgrade)) => break upgrade.accept().unwrap(),
                Step::Done(Incoming::Http(http)) => panic!("{http:?}"),
                Step::Blocked(handshake) => accepting = handshake,
            }
            thread::sleep(MS);
        };
        loop {
            match ws.recv() {
                Ok(Some(Event::Message(message))) => {
                    let message = message.into_owned();
                    ws.send_owned(message).unwrap();
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    thread::sleep(MS);
                }
            }
        }
    });
    let stream = Tls::client(client, "localhost", peer).unwrap();
    converse(net::client(stream, "wss://localhost/", Config::default()).unwrap().0);
    serving.join().unwrap();
}

/// "Each party MUST send a "close_notify" alert before closing its write side" (RFC 8446 §6.1): without it, this read
/// is an error.
#[test]
fn the_end_is_no_truncation() {
    // A failed connection, and one that was closed.
    for (bytes, failed) in [(&b"\x83\x80\0\0\0\0"[..], true), (b"\x88\x80\0\0\0\0", false)] {
        let (mut ws, mut peer) = open(Config::default());
        let serving = thread::spawn(move || ws.finish());
        peer.write_all(bytes).unwrap();
        let mut rest = vec![];
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(rest[0], 0x88);
        peer.conn.send_close_notify();
        peer.flush().unwrap();
        drop(peer);
        assert_eq!(serving.join().unwrap().is_err(), failed);
    }
    // The other way round: an end without close_notify is an error.
    let (mut ws, peer) = open(Config::default());
    peer.sock.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(ws.recv().unwrap(), None);
}

/// What a peer has sent is received before the error of its TLS, even if both arrive at once.
#[test]
fn what_came_before_an_invalid_record_is_received() {
    let (mut ws, mut peer) = open(Config::default());
    peer.conn.writer().write_all(b"\x81\x81\0\0\0\0a").unwrap();
    let mut bytes = vec![];
    peer.conn.write_tls(&mut bytes).unwrap();
    bytes.extend(b"\x17\x03\x03\0\x20");
    bytes.extend([7; 32]);
    peer.sock.write_all(&bytes).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(ws.recv().unwrap(), None);
}

#[test]
fn a_dripping_client_hello_has_a_deadline() {
    let (stream, peer) = sockets();
    let (server, _) = configs();
    let began = Instant::now();
    let mut writer = peer.try_clone().unwrap();
    let dripping = thread::spawn(move || {
        // A handshake record whose ClientHello is 16 000 bytes long.
        let mut bytes = b"\x16\x03\x01\x3e\x84\x01\x00\x3e\x80".iter().chain([3; 10_000].iter());
        while writer.write_all(&[*bytes.next().unwrap()]).is_ok() {
            thread::sleep(20 * MS);
        }
    });
    let config = Config::default().handshake_timeout(300 * MS);
    let error = net::accept_with(Tls::server(server, stream).unwrap(), config).unwrap_err();
    assert!(matches!(&error, net::Error::Io(error) if error.kind() == ErrorKind::TimedOut), "{error}");
    assert!((250 * MS..AGES / 4).contains(&began.elapsed()), "{:?}", began.elapsed());
    drop(peer);
    dripping.join().unwrap();
}

#[test]
fn deadlines_hold_while_a_peer_drips() {
    let pinging = Config::default().ping_interval(Some(200 * MS)).pong_timeout(200 * MS);
    let closing = Config::default().close_timeout(300 * MS);
    for (config, close, expected) in
        [(pinging, false, ProtocolError::PongTimeout), (closing, true, ProtocolError::CloseTimeout)]
    {
        let (mut ws, peer) = open(config);
        let dripping = drip(peer.sock.try_clone().unwrap());
        let began = Instant::now();
        if close {
            ws.close(CloseCode::NORMAL, "").unwrap();
        }
        assert_eq!(ws.recv().unwrap(), Some(Event::Failed(expected)));
        assert_eq!(ws.recv().unwrap(), None);
        assert!((250 * MS..AGES / 4).contains(&began.elapsed()), "{:?}", began.elapsed());
        drop(ws);
        drop(peer);
        dripping.join().unwrap();
    }
}

/// A thread is held no longer than a deadline says, though TLS has buffers of its own.
#[test]
fn deadlines_hold_while_a_peer_reads_nothing() {
    let pinging = Config::default().write_timeout(None).ping_interval(Some(200 * MS)).pong_timeout(200 * MS);
    for config in [pinging, Config::default().write_timeout(Some(300 * MS))] {
        let (mut ws, peer) = open(config);
        let began = Instant::now();
        let message = Message::from(vec![7; 1 << 20]);
        let error = loop {
            if let Err(error) = ws.send(&message) {
                break error;
            }
            assert!(began.elapsed() < AGES / 2);
        };
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        assert!(matches!(ws.recv(), Ok(Some(Event::Failed(_)))));
        assert_eq!(ws.recv().unwrap(), None);
        drop(peer);
    }
}

/// Nor is a thread that has only the end of TLS left to write, or an alert.
#[test]
fn the_end_does_not_wait_for_a_peer_that_reads_nothing() {
    for is_invalid in [false, true] {
        let (mut ws, mut peer) = open(Config::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(300 * MS);
                peer.read_exact(&mut vec![0; (16 << 20) + 10]).unwrap();
            });
            // It waits, with the longest timeout.
            ws.send_binary(&vec![7; 16 << 20]).unwrap();
        });
        fill(ws.stream().stream());
        if is_invalid {
            peer.sock.write_all(b"\x17\x03\x03\0\x01\x07").unwrap();
        } else {
            peer.conn.send_close_notify();
            peer.conn.write_tls(&mut peer.sock).unwrap();
        }
        let (ended, receiving) = mpsc::channel();
        thread::spawn(move || {
            let first = ws.recv().map(|event| event.map(Event::into_owned)).map_err(|error| error.kind());
            ended.send((first, ws.recv().unwrap().is_none())).unwrap();
        });
        let failed = Ok(Some(Event::Failed(ProtocolError::UnexpectedEof)));
        let expected = if is_invalid { Err(ErrorKind::InvalidData) } else { failed };
        assert_eq!(receiving.recv_timeout(AGES).unwrap(), (expected, true));
        drop(peer);
    }
}

/// Writes until the buffers of the sockets are full.
fn fill(mut stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    for len in [1 << 20, 1] {
        while stream.write(&vec![0; len]).is_ok() {
            thread::sleep(20 * MS);
        }
    }
    stream.set_nonblocking(false).unwrap();
}

/// A timeout of an earlier call does not end one that may take longer.
#[test]
fn a_call_may_take_all_of_its_time() {
    let (ws, mut peer) = open(Config::default().ping_interval(Some(AGES)));
    let (mut tls, ..) = ws.into_parts();
    let mut byte = [0];
    net::Transport::set_read_timeout(&mut tls, Some(100 * MS)).unwrap();
    peer.write_all(b"a").unwrap();
    tls.read_exact(&mut byte).unwrap();
    for timeout in [Some(AGES), None] {
        net::Transport::set_read_timeout(&mut tls, timeout).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(500 * MS);
                peer.write_all(b"b").unwrap();
            });
            tls.read_exact(&mut byte).unwrap();
        });
        net::Transport::set_read_timeout(&mut tls, Some(100 * MS)).unwrap();
        peer.write_all(b"c").unwrap();
        tls.read_exact(&mut byte).unwrap();
    }
}

/// The end of its TLS handshake is written by a client that only reads.
#[test]
fn a_server_may_speak_first() {
    let (server, client) = configs();
    let (stream, peer) = sockets();
    let speaking = thread::spawn(move || {
        let mut tls = Tls::server(server, stream).unwrap();
        tls.write_all(b"welcome").and_then(|()| tls.flush()).unwrap();
        tls
    });
    let mut tls = Tls::client(client, "localhost", peer).unwrap();
    net::Transport::set_read_timeout(&mut tls, Some(AGES / 4)).unwrap();
    let mut welcome = [0; 7];
    tls.read_exact(&mut welcome).unwrap();
    assert_eq!(&welcome, b"welcome");
    drop((tls, speaking.join().unwrap()));
}

#[test]
fn tls_cannot_be_split() {
    let (ws, _peer) = open(Config::default());
    let error: io::Error = ws.into_split().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("TLS"), "{error}");
}

/// A peer that writes before it reads waits for our reads, however little time each of them has.
#[test]
fn output_that_waits_does_not_take_the_time_of_a_read() {
    let (mut ws, mut peer) = open(Config::default().high_water(64 << 20));
    let message = vec![7; 12 << 20];
    let writing = thread::spawn(move || {
        let mut frame = b"\x82\xFF\0\0\0\0\0\xC0\0\0\0\0\0\0".to_vec();
        frame.resize(frame.len() + (12 << 20), 7);
        peer.write_all(&frame).unwrap();
        let mut rest = vec![0; (12 << 20) + 10];
        peer.read_exact(&mut rest).unwrap();
        peer // not dropped before everything is checked
    });
    ws.feed(&Message::from(&message[..])).unwrap();
    ws.set_read_timeout(Some(MS));
    let began = Instant::now();
    let mut received = false;
    while !(received && ws.connection().output_len() == 0) && began.elapsed() < AGES {
        match ws.recv() {
            Ok(event) => received |= event == Some(Event::Message(Message::from(&message[..]))),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert!(received, "nothing was read in {:?}", began.elapsed());
    ws.flush().unwrap();
    writing.join().unwrap();
}

/// A stream that takes a limited number of writes; then it blocks, or is later at once.
#[derive(Debug)]
struct Gate {
    tcp: TcpStream,
    writes: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    blocks: bool,
    timeout: Option<Duration>,
}

impl Read for Gate {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(buf)
    }
}

impl Write for Gate {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.writes.load(Ordering::SeqCst) == 0 {
            self.refused.fetch_add(1, Ordering::SeqCst);
            if self.blocks {
                thread::sleep(self.timeout.unwrap_or(Duration::from_secs(5)));
            }
            return Err(ErrorKind::WouldBlock.into());
        }
        self.writes.fetch_sub(1, Ordering::SeqCst);
        self.tcp.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Gate {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.tcp.shutdown_write()
    }
    fn abort(&mut self) -> io::Result<()> {
        self.tcp.abort()
    }
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Transport::set_read_timeout(&mut self.tcp, timeout)
    }
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeout = timeout;
        Ok(())
    }
}

fn gate(tcp: TcpStream, limit: usize, blocks: bool) -> (Gate, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (writes, refused) = (Arc::new(AtomicUsize::new(limit)), Arc::<AtomicUsize>::default());
    (Gate { tcp, writes: writes.clone(), refused: refused.clone(), blocks, timeout: None }, writes, refused)
}

#[test]
fn tls_in_tls_wants_to_write_what_the_socket_has_not_taken() {
    let (server, client) = configs();
    for limit in 0..8 {
        let (tcp, peer) = sockets();
        let config = Arc::clone(&server);
        let serving = thread::spawn(move || {
            let inner = Tls::server(Arc::clone(&config), peer).unwrap();
            let _ = net::accept(Tls::server(config, inner).unwrap());
        });
        tcp.set_nonblocking(true).unwrap();
        let (gate, writes, refused) = gate(tcp, limit, false);
        let inner = Tls::client(Arc::clone(&client), "localhost", gate).unwrap();
        let outer = Tls::client(Arc::clone(&client), "localhost", inner).unwrap();
        let request = ClientRequest::new("ws://localhost/").unwrap();
        let mut connecting = Connecting::new(outer, request, Config::default());
        let began = Instant::now();
        // A caller that waits for what it is told to.
        loop {
            assert!(began.elapsed() < AGES, "{limit}");
            match connecting.advance().unwrap() {
                Step::Done(_) => break,
                Step::Blocked(more) => connecting = more,
            }
            if refused.load(Ordering::SeqCst) > 0 && writes.load(Ordering::SeqCst) == 0 {
                // Nothing comes, since the server waits for us.
                thread::sleep(50 * MS);
                let Step::Blocked(more) = connecting.advance().unwrap() else { panic!() };
                connecting = more;
                assert!(connecting.wants_write(), "the socket has not taken all that TLS wrote: {limit}");
                writes.store(usize::MAX / 2, Ordering::SeqCst);
            }
            thread::sleep(MS);
        }
        serving.join().unwrap();
    }
}

/// A server over TLS whose socket takes nothing: its part of the TLS handshake waits.
#[test]
fn a_tls_server_wants_to_write_its_handshake() {
    let (server, client) = configs();
    let (tcp, peer) = sockets();
    let opening = thread::spawn(move || {
        let tls = Tls::client(client, "localhost", peer).unwrap();
        let _ = net::client(tls, "ws://localhost/", Config::default().handshake_timeout(1000 * MS));
    });
    tcp.set_nonblocking(true).unwrap();
    let (gate, _, refused) = gate(tcp, 0, false);
    let mut accepting = net::Accepting::new(Tls::server(server, gate).unwrap(), Config::default());
    for _ in 0..500 {
        let Step::Blocked(more) = accepting.advance().unwrap() else { panic!() };
        accepting = more;
        if refused.load(Ordering::SeqCst) > 0 {
            break;
        }
        thread::sleep(MS);
    }
    assert!(refused.load(Ordering::SeqCst) > 0);
    let wants = accepting.wants_write();
    drop(accepting);
    opening.join().unwrap();
    assert!(wants, "it only waits for the client, which waits for it");
}

/// TLS in TLS, over a peer that takes nothing: a write keeps its time, and a read does not wait for the output.
#[test]
fn tls_in_tls_keeps_its_timeouts() {
    let (server, client) = configs();
    let (stream, peer) = sockets();
    let (tell, told) = mpsc::channel::<()>();
    let (ok, is_ok) = mpsc::channel::<()>();
    let serving = thread::spawn(move || {
        let inner = Tls::server(server.clone(), stream).unwrap();
        let mut tls = Tls::server(server, inner).unwrap();
        let mut byte = [0];
        tls.read_exact(&mut byte).unwrap();
        told.recv().unwrap();
        tls.write_all(b"abc").unwrap();
        tls.flush().unwrap();
        ok.send(()).unwrap();
        let _ = told.recv_timeout(AGES);
    });
    let (peer, writes, _) = gate(peer, usize::MAX / 2, true);
    let inner = Tls::client(client.clone(), "localhost", peer).unwrap();
    let mut tls = Tls::client(client, "localhost", inner).unwrap();
    tls.write_all(b"x").unwrap();
    tls.flush().unwrap();
    tell.send(()).unwrap();
    is_ok.recv_timeout(AGES).unwrap();
    thread::sleep(Duration::from_millis(100));
    let timeout = Duration::from_secs(2);
    Transport::set_write_timeout(&mut tls, Some(timeout)).unwrap();
    Transport::set_read_timeout(&mut tls, Some(AGES)).unwrap();
    writes.store(0, Ordering::SeqCst);
    let began = Instant::now();
    let written = tls.write(&[7; 100]);
    let write_took = began.elapsed();
    let began = Instant::now();
    let read = tls.read(&mut [0; 10]);
    let read_took = began.elapsed();
    let _ = tell.send(());
    serving.join().unwrap();
    assert!(read_took < timeout / 2, "the read took {read_took:?}: {read:?}");
    assert!(write_took < timeout * 7 / 4, "the write took {write_took:?}: {written:?}");
}

/// The last part of a TLS 1.2 server's handshake waits.
#[test]
fn a_tls12_server_wants_to_write_its_last_flight() {
    let (certificate, key) = certificate("localhost");
    let (_, client) = configs();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (tcp, peer) = sockets();
    let opening = thread::spawn(move || {
        let tls = Tls::client(client, "localhost", peer).unwrap();
        let config = Config::default().handshake_timeout(Duration::from_secs(2));
        let _ = net::client(tls, "ws://localhost/", config);
    });
    tcp.set_nonblocking(true).unwrap();
    let (gate, _, refused) = gate(tcp, 1, false);
    let mut accepting = net::Accepting::new(Tls::server(Arc::new(server), gate).unwrap(), Config::default());
    for _ in 0..500 {
        let net::Step::Blocked(more) = accepting.advance().unwrap() else { panic!() };
        accepting = more;
        if refused.load(Ordering::SeqCst) > 0 {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert!(refused.load(Ordering::SeqCst) > 0);
    let wants = accepting.wants_write();
    drop(accepting);
    opening.join().unwrap();
    assert!(wants, "it only waits for the client, which waits for it");
}

/// A stream whose flushes are interrupted.
#[derive(Debug)]
struct Interrupted(TcpStream, Arc<AtomicUsize>);

impl Read for Interrupted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Interrupted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        let left = self.1.load(Ordering::Relaxed);
        if left > 0 {
            self.1.store(left - 1, Ordering::Relaxed);
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(())
    }
}

impl Transport for Interrupted {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown_write()
    }
    fn abort(&mut self) -> io::Result<()> {
        self.0.abort()
    }
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Transport::set_read_timeout(&mut self.0, timeout)
    }
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Transport::set_write_timeout(&mut self.0, timeout)
    }
}

#[test]
fn an_interrupted_flush_repeats_nothing() {
    let (server, client) = configs();
    let (stream, peer) = sockets();
    peer.set_read_timeout(Some(AGES)).unwrap();
    let serving = thread::spawn(move || {
        let mut ws = net::accept(Tls::server(server, stream).unwrap()).unwrap();
        let mut received = Vec::new();
        while let Ok(Some(Event::Message(message))) = ws.recv() {
            received.push(message.into_owned());
        }
        received
    });
    let interrupts = Arc::new(AtomicUsize::new(0));
    let tls = Tls::client(client, "localhost", Interrupted(peer, interrupts.clone())).unwrap();
    let (mut ws, _) = net::client(tls, "wss://localhost/", Config::default()).unwrap();
    interrupts.store(1, Ordering::Relaxed);
    ws.send_text("once").unwrap();
    ws.send_text("two").unwrap();
    drop(ws);
    assert_eq!(serving.join().unwrap(), [Message::from("once"), Message::from("two")]);
}

/// A stream that keeps what is written until it is flushed.
#[derive(Debug)]
struct Holds(TcpStream, Vec<u8>);

impl Read for Holds {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Holds {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.1.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.write_all(&self.1)?;
        self.1.clear();
        Ok(())
    }
}

/// What the stream below holds from before is flushed, such as the answer to a STARTTLS.
#[test]
fn what_was_written_before_tls_is_flushed() {
    let (stream, mut peer) = sockets();
    let mut stream = net::Stream::new(Holds(stream, vec![]), |holds| &mut holds.0);
    stream.write_all(b"go ahead").unwrap();
    let accepting = thread::spawn(move || net::accept(Tls::server(configs().0, stream).unwrap()).map(drop));
    peer.read_exact(&mut [0; 8]).unwrap();
    drop(peer);
    accepting.join().unwrap().unwrap_err();
}
