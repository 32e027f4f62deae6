//! Threads of the `net` adapter against peers that stall: no call outlasts a deadline, nobody waits for ever, nobody
//! spins, and nothing is written twice or torn.
#![cfg(feature = "net")]

use std::fs;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::net::{self, Accepting, Incoming, Transport, WebSocket};
use sansocket::{
    CloseCode, Config, Connection, Event, Input, Message, OsRandom, ProtocolError, SendError, State,
};

const MS: Duration = Duration::from_millis(1);
/// Long enough to be sure that nothing comes, or comes in time, on a busy machine.
const AGES: Duration = Duration::from_secs(20);

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(AGES)).unwrap();
    (listener.accept().unwrap().0, peer)
}

/// How often a [`Counted`] was called.
#[derive(Debug, Default)]
struct Calls {
    reads: AtomicUsize,
    timeouts: AtomicUsize,
    /// How often the end of our side takes too long first.
    late_ends: AtomicUsize,
}

/// A socket that counts.
#[derive(Debug)]
struct Counted {
    stream: TcpStream,
    calls: Arc<Calls>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.calls.reads.fetch_add(1, Ordering::SeqCst);
        self.stream.read(buf)
    }
}

impl Write for Counted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Counted {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let is_late = |left: usize| left.checked_sub(1);
        match self.calls.late_ends.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_late) {
            Ok(_) => Err(ErrorKind::TimedOut.into()),
            Err(_) => self.stream.shutdown(Shutdown::Write),
        }
    }

    fn abort(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Both)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.calls.timeouts.fetch_add(1, Ordering::SeqCst);
        self.stream.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.calls.timeouts.fetch_add(1, Ordering::SeqCst);
        self.stream.set_write_timeout(timeout)
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { stream: self.stream.try_clone()?, calls: Arc::clone(&self.calls) })
    }
}

/// A server's end that counts, and its peer.
fn counted(config: Config) -> (WebSocket<Counted>, Arc<Calls>, TcpStream) {
    let (stream, peer) = sockets();
    let calls = Arc::new(Calls::default());
    let stream = Counted { stream, calls: Arc::clone(&calls) };
    (WebSocket::from_parts(stream, Connection::server(config), vec![]), calls, peer)
}

/// How long this thread has run, where the system tells.
fn cpu_time() -> Option<Duration> {
    let times = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    times.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// More than the buffers of a socket hold.
fn much() -> Message<'static> {
    Message::from(vec![7; 12 << 20])
}

fn large() -> Config {
    Config::default().max_output(64 << 20)
}

// ---- one thread ----

#[test]
fn a_send_ends_when_the_peer_takes_nothing() {
    for config in [
        large().write_timeout(Some(200 * MS)),
        large().write_timeout(None).ping_interval(Some(100 * MS)).pong_timeout(100 * MS),
        large().write_timeout(None).idle_timeout(Some(100 * MS)).close_timeout(100 * MS),
    ] {
        let (mut ws, _, peer) = counted(config);
        let began = Instant::now();
        ws.send(&much()).unwrap();
        let event = ws.recv().unwrap();
        assert!(matches!(event, Some(Event::Failed(_))), "{event:?}");
        assert_eq!(ws.recv().unwrap(), None);
        assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
        assert_eq!(ws.send_text("x").unwrap_err().kind(), ErrorKind::NotConnected);
        drop(peer);
    }
}

/// The end of the stream has been read and not been received: that is no reason to look again and again.
#[test]
fn a_send_behind_the_end_of_the_stream_sleeps() {
    let (mut ws, calls, peer) = counted(large().write_timeout(Some(300 * MS)));
    peer.shutdown(Shutdown::Write).unwrap();
    let mut batch = ws.read().unwrap().unwrap();
    batch.send(&much()).unwrap();
    assert_eq!(batch.recv(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
    assert_eq!(ws.recv().unwrap(), None);
    let told = calls.timeouts.load(Ordering::SeqCst);
    assert!(told <= 8, "{told}");
}

#[test]
fn closing_neither_waits_for_room_nor_outlasts_its_deadline() {
    let (mut ws, _, _peer) = counted(large().write_timeout(Some(AGES)).close_timeout(AGES));
    ws.feed(&much()).unwrap();
    let began = Instant::now();
    ws.close(CloseCode::NORMAL, "").unwrap();
    ws.close(CloseCode::NORMAL, "again").unwrap();
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());

    let (mut ws, _, peer) = counted(large().close_timeout(300 * MS));
    ws.feed(&much()).unwrap();
    let began = Instant::now();
    ws.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
    assert_eq!(ws.recv().unwrap(), None);
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    drop(peer);
}

/// An end of our side that took too long is tried again soon, though the peer sends nothing more.
#[test]
fn an_end_that_is_not_possible_now_does_not_wait_for_a_read() {
    let (mut ws, calls, mut peer) = counted(Config::default());
    calls.late_ends.store(3, Ordering::SeqCst);
    peer.write_all(b"\x88\x80\0\0\0\0").unwrap();
    let ending = thread::spawn(move || ws.finish());
    let began = Instant::now();
    peer.read_to_end(&mut vec![]).unwrap();
    assert!(began.elapsed() < AGES / 4, "{:?}", began.elapsed());
    drop(peer);
    ending.join().unwrap().unwrap();
}

/// Each has more to say than fits between them before the other reads.
#[test]
fn two_blocking_ends_with_much_to_say_do_not_wait_for_each_other() {
    let (stream, peer) = sockets();
    let server = WebSocket::from_parts(stream, Connection::server(large()), vec![]);
    let client = WebSocket::from_parts(peer, Connection::client(large(), OsRandom), vec![]);
    let ends = [server, client].map(|mut ws| {
        thread::spawn(move || {
            ws.feed(&much()).unwrap();
            let event = ws.recv().unwrap().map(Event::into_owned);
            assert!(event == Some(Event::Message(much())));
            // What it has not written yet the other still waits for.
            ws.close(CloseCode::NORMAL, "").unwrap();
            ws.finish().unwrap();
            ws.close_frame().map(|frame| frame.code())
        })
    });
    for end in ends {
        assert_eq!(end.join().unwrap(), Some(CloseCode::NORMAL));
    }
}

/// A peer that takes nothing, and a caller that does not wait: what has arrived in time is received all the same.
#[test]
fn a_caller_that_is_late_and_in_a_hurry_receives() {
    let config = large().high_water(64 << 20).close_timeout(2000 * MS);
    let (mut ws, _, mut peer) = counted(config);
    ws.feed(&much()).unwrap();
    ws.close(CloseCode::NORMAL, "").unwrap();
    ws.set_read_timeout(Some(MS));
    let mut waiting = usize::MAX;
    while std::mem::replace(&mut waiting, ws.connection().output_len()) > waiting {
        thread::sleep(50 * MS);
        assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    peer.write_all(b"\x81\x81\0\0\0\0a").unwrap();
    thread::sleep(2500 * MS);
    let event = loop {
        match ws.recv() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            event => break event.unwrap().map(Event::into_owned),
        }
    };
    assert_eq!(event, Some(Event::Message(Message::from("a"))));
    drop(peer);
}

#[test]
fn a_timeout_is_told_to_the_stream_only_when_it_has_to_be() {
    let config = Config::default().ping_interval(Some(30_000 * MS)).idle_timeout(Some(60_000 * MS));
    let (mut ws, calls, peer) = counted(config);
    let echoing = thread::spawn(move || {
        while let Some(mut batch) = ws.read().unwrap() {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.feed(&message).unwrap();
                }
            }
        }
    });
    let mut client = WebSocket::from_parts(peer, Connection::client(Config::default(), OsRandom), vec![]);
    for _ in 0..1000 {
        client.send_text("Hello").unwrap();
        assert_eq!(client.recv().unwrap(), Some(Event::Message(Message::from("Hello"))));
    }
    let told = calls.timeouts.load(Ordering::SeqCst);
    assert!(told <= 10, "{told}");
    client.close(CloseCode::NORMAL, "").unwrap();
    client.finish().unwrap();
    drop(client);
    echoing.join().unwrap();
}

#[test]
fn an_idle_connection_sleeps() {
    let (mut ws, calls, peer) = counted(Config::default());
    let waiting = thread::spawn(move || ws.finish());
    let reads = || calls.reads.load(Ordering::SeqCst);
    while reads() == 0 {
        thread::sleep(MS);
    }
    thread::sleep(1200 * MS);
    assert_eq!(reads(), 1);
    (&peer).write_all(b"\x88\x80\0\0\0\0").unwrap();
    drop(peer);
    waiting.join().unwrap().unwrap();
}

/// An error of the stream is returned once where it happened; after a send the reader learns of it as an event.
#[test]
fn an_error_comes_once() {
    for send in [false, true] {
        let (mut ws, _, peer) = counted(Config::default());
        // With unread input, closing resets.
        ws.send_text("unread").unwrap();
        thread::sleep(20 * MS);
        drop(peer);
        let began = Instant::now();
        if send {
            let error = loop {
                match ws.send_text("x") {
                    Ok(()) => thread::sleep(MS),
                    Err(error) => break error,
                }
                assert!(began.elapsed() < AGES);
            };
            assert_ne!(error.kind(), ErrorKind::NotConnected);
            assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::TransportFailed)));
        } else {
            assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(ws.state(), State::Ended);
        assert!(!ws.can_send());
    }
}

/// A closing handshake that the peer does not complete is no success.
#[test]
fn finishing_tells_a_failure() {
    for halves in [false, true] {
        let (mut ws, _, _peer) = counted(Config::default().close_timeout(50 * MS));
        ws.close(CloseCode::NORMAL, "").unwrap();
        let finished = if halves { ws.into_split().unwrap().0.finish() } else { ws.finish() };
        let error = finished.unwrap_err().downcast::<ProtocolError>().unwrap();
        assert_eq!(error, ProtocolError::CloseTimeout, "halves: {halves}");
    }
}

/// A server says why it closes and leaves, while its client is sending: the reset makes the write fail, and does not take
/// away what came before it.
#[test]
fn what_came_before_a_failed_write_is_received() {
    for way in ["send", "feed", "halves"] {
        let (stream, mut peer) = sockets();
        let connection = Connection::client(Config::default(), OsRandom);
        let mut ws = WebSocket::from_parts(stream, connection, Vec::new());
        // With unread input, closing resets.
        ws.send_text("unread").unwrap();
        // More than one read brings.
        let long = [&b"\x82\x7e\x9c\x40"[..], &[7; 40_000]].concat();
        peer.write_all(&[&long[..], b"\x81\x03bye\x88\x05\x03\xf0why"].concat()).unwrap();
        while peer.peek(&mut [0; 6]).unwrap() == 0 {}
        drop(peer);
        thread::sleep(20 * MS);
        let mut seen = Vec::new();
        if way == "halves" {
            let (mut reader, mut writer) = ws.into_split().unwrap();
            assert_ne!(writer.send_text("x").unwrap_err().kind(), ErrorKind::NotConnected);
            while let Some(event) = reader.recv().unwrap() {
                seen.push(event.into_owned());
            }
        } else {
            if way == "send" {
                assert_ne!(ws.send_text("x").unwrap_err().kind(), ErrorKind::NotConnected);
            } else {
                ws.feed(&"x".into()).unwrap();
            }
            while let Some(event) = ws.recv().unwrap() {
                seen.push(event.into_owned());
            }
        }
        let [Event::Message(long), Event::Message(message), close] = &seen[..] else {
            panic!("{way}: {seen:?}")
        };
        assert_eq!(long.len(), 40_000, "{way}");
        assert_eq!((message.as_text(), close.close_code()), (Some("bye"), Some(1008)), "{way}");
    }
}

/// A caller that comes back after a deadline may send first: what arrived before it counts all the same.
#[test]
fn an_answer_in_time_counts_though_something_is_sent_first() {
    let config = Config::default().ping_interval(Some(100 * MS)).pong_timeout(1000 * MS);
    for message in [Message::from("short"), Message::from(vec![7; 20_000])] {
        let (mut ws, _, mut peer) = counted(config);
        ws.set_read_timeout(Some(300 * MS));
        assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock, "the Ping is sent");
        peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
        thread::sleep(1300 * MS);
        ws.send(&message).unwrap();
        assert!(matches!(ws.recv().unwrap(), Some(Event::Pong(_))));
        assert_eq!(ws.state(), State::Open);
    }
}

/// A peer that takes a little now and then keeps no caller from its own timeout, and no reader from what has arrived.
#[test]
fn a_peer_that_takes_little_does_not_prolong_a_wait() {
    let over = Arc::new(AtomicBool::new(false));
    let taking = |mut peer: TcpStream| {
        let over = Arc::clone(&over);
        thread::spawn(move || {
            // Longer than the whole test may take: 12 MiB, 4 KiB each time.
            let mut buf = [0; 4 << 10];
            while !over.load(Ordering::SeqCst) && peer.read(&mut buf).is_ok_and(|n| n > 0) {
                thread::sleep(15 * MS);
            }
        })
    };
    let (mut ws, _, peer) = counted(large());
    ws.set_read_timeout(Some(200 * MS));
    ws.feed(&much()).unwrap();
    let (peer, began) = (taking(peer), Instant::now());
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    over.store(true, Ordering::SeqCst);
    drop(ws);
    peer.join().unwrap();
    over.store(false, Ordering::SeqCst);

    let (ws, _, mut peer) = counted(large().high_water(64 << 20));
    let (mut reader, mut writer) = ws.into_split().unwrap();
    writer.feed(&much()).unwrap();
    peer.write_all(b"\x81\x81\0\0\0\0a").unwrap();
    let (peer, began) = (taking(peer), Instant::now());
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    over.store(true, Ordering::SeqCst);
    drop((reader, writer));
    peer.join().unwrap();
}

#[test]
fn a_message_that_can_never_be_sent_is_no_would_block() {
    let (mut ws, _, _peer) = counted(Config::default().max_output(1000));
    let error = ws.send_binary(&[0; 2000]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.get_ref().unwrap().to_string(), SendError::TooLarge.to_string());
    ws.send_text("fits").unwrap();
}

#[test]
fn an_http_request_is_handed_on_with_what_came_behind_it() {
    let (stream, mut peer) = sockets();
    peer.write_all(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nHello").unwrap();
    let Incoming::Http(http) = Accepting::new(stream, Config::default()).finish().unwrap() else { panic!() };
    assert_eq!(http.stream().peer_addr().unwrap(), peer.local_addr().unwrap());
    let (request, mut stream, unread) = http.into_parts();
    assert_eq!((request.method(), request.path(), &unread[..]), ("POST", "/form", &b"Hello"[..]));
    assert_eq!(stream.read_timeout().unwrap(), None);
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
}

#[test]
fn limits_of_ones_own_when_accepting() {
    let (stream, mut peer) = sockets();
    let config = Config::default().max_message(3);
    let serving = thread::spawn(move || {
        let mut ws = net::accept_with(stream, config).unwrap();
        let event = ws.recv().unwrap().map(Event::into_owned);
        ws.finish().unwrap();
        event
    });
    peer.write_all(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
          \x82\x84\0\0\0\0four",
    )
    .unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut answer = vec![];
    peer.read_to_end(&mut answer).unwrap();
    let failed = Some(Event::Failed(ProtocolError::MessageTooLarge));
    assert!(matches!(serving.join().unwrap(), event if event == failed));
}

/// A wait that was short does not shorten the next ones.
#[test]
fn a_long_wait_sleeps_after_a_short_one() {
    for timeout in [None, Some(AGES / 4)] {
        let (mut ws, calls, mut peer) = counted(Config::default());
        ws.set_read_timeout(Some(10 * MS));
        assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
        // This one does not use its time, so the stream still has it as its timeout.
        peer.write_all(b"\x89\x80\0\0\0\0").unwrap();
        assert!(matches!(ws.recv().unwrap(), Some(Event::Ping(_))));
        ws.set_read_timeout(timeout);
        let waiting = thread::spawn(move || ws.recv().unwrap().map(Event::into_owned));
        thread::sleep(300 * MS);
        peer.write_all(b"\x89\x80\0\0\0\0").unwrap();
        assert!(matches!(waiting.join().unwrap(), Some(Event::Ping(_))), "{timeout:?}");
        let reads = calls.reads.load(Ordering::SeqCst);
        assert!(reads < 6, "{reads}");
    }
}

/// What the stream did not take at once is written when it does, though nothing is received meanwhile.
#[test]
fn output_is_written_while_a_reader_waits() {
    for halves in [false, true] {
        let (mut ws, _, mut peer) = counted(large().high_water(64 << 20));
        peer.set_read_timeout(Some(AGES / 4)).unwrap();
        ws.feed(&much()).unwrap();
        let reading = thread::spawn(move || {
            if !halves {
                return ws.recv().unwrap().map(Event::into_owned);
            }
            let (mut reader, _writer) = ws.into_split().unwrap();
            reader.recv().unwrap().map(Event::into_owned)
        });
        thread::sleep(100 * MS);
        peer.read_exact(&mut vec![0; much().as_bytes().len() + 10]).unwrap();
        peer.write_all(b"\x89\x80\0\0\0\0").unwrap();
        assert!(matches!(reading.join().unwrap(), Some(Event::Ping(_))));
    }
}

// ---- two threads ----

#[test]
fn idle_halves_sleep() {
    let (ws, calls, peer) = counted(Config::default());
    let (mut reader, writer) = ws.into_split().unwrap();
    let waiting = thread::spawn(move || reader.finish());
    let reads = || calls.reads.load(Ordering::SeqCst);
    while reads() == 0 {
        thread::sleep(MS);
    }
    thread::sleep(1200 * MS);
    assert_eq!(reads(), 1);
    drop(peer);
    assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    drop(writer);
}

/// Pings, then its end, and it reads nothing: the reader waits for the writing, which has a deadline.
#[test]
fn a_peer_that_pings_and_ends_and_reads_nothing_costs_no_work() {
    let (ws, calls, mut peer) = counted(large().high_water(64 << 20).close_timeout(1500 * MS));
    let (mut reader, mut writer) = ws.into_split().unwrap();
    let began = Instant::now();
    let writing = thread::spawn(move || writer.send(&much()));
    // It is at it.
    peer.peek(&mut [0]).unwrap();
    peer.write_all(&b"\x89\x80\0\0\0\0".repeat(1000)).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let reading = thread::spawn(move || {
        let mut last = None;
        while let Some(event) = reader.recv().unwrap() {
            last = Some(event.into_owned());
        }
        (last, cpu_time())
    });
    let (last, cpu_time) = reading.join().unwrap();
    assert_eq!(last, Some(Event::Failed(ProtocolError::UnexpectedEof)));
    assert!(cpu_time.is_none_or(|time| time < 300 * MS), "{cpu_time:?}");
    writing.join().unwrap().unwrap();
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    let reads = calls.reads.load(Ordering::SeqCst);
    assert!(reads < 50, "{reads}");
    drop(peer);
}

/// Who finds the peer gone, by a deadline of either thread, lets the other go on.
#[test]
fn both_threads_end_when_the_peer_is_given_up() {
    for (config, write_first) in [
        (large().write_timeout(None).ping_interval(Some(100 * MS)).pong_timeout(100 * MS), true),
        (large().write_timeout(None).ping_interval(Some(100 * MS)).pong_timeout(100 * MS), false),
        (large().write_timeout(Some(200 * MS)), true),
        (large().write_timeout(Some(200 * MS)), false),
    ] {
        let (ws, _, peer) = counted(config);
        let (mut reader, mut writer) = ws.into_split().unwrap();
        let began = Instant::now();
        let reading = thread::spawn(move || {
            if write_first {
                thread::sleep(50 * MS);
            }
            let failed = reader.recv().unwrap().map(Event::into_owned);
            assert_eq!(reader.recv().unwrap(), None);
            failed
        });
        if !write_first {
            thread::sleep(50 * MS);
        }
        let _ = writer.send(&much());
        assert!(matches!(reading.join().unwrap(), Some(Event::Failed(_))));
        assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
        assert!(!writer.can_send());
        drop(peer);
    }
}

/// A peer that reads nothing does not keep `close` waiting, and the reader ends in time.
#[test]
fn closing_a_half_does_not_wait_for_room() {
    let (ws, _, _peer) = counted(large().write_timeout(Some(AGES)).close_timeout(AGES));
    let (_reader, mut writer) = ws.into_split().unwrap();
    writer.feed(&much()).unwrap();
    let began = Instant::now();
    writer.close(CloseCode::NORMAL, "").unwrap();
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());

    let (ws, _, peer) = counted(large().close_timeout(300 * MS));
    let (mut reader, mut writer) = ws.into_split().unwrap();
    writer.feed(&much()).unwrap();
    let began = Instant::now();
    writer.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
    assert_eq!(reader.recv().unwrap(), None);
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    drop(peer);
}

/// What does not fit when it is closed is written when it does, though no thread of the caller's is at it.
#[test]
fn a_close_that_did_not_fit_is_written_later() {
    let (ws, _, mut peer) = counted(large());
    let (mut reader, mut writer) = ws.into_split().unwrap();
    let reading = thread::spawn(move || reader.recv().unwrap().map(Event::into_owned));
    thread::sleep(50 * MS);
    writer.feed(&much()).unwrap();
    writer.close(CloseCode::NORMAL, "").unwrap();
    let began = Instant::now();
    let mut frames = vec![0; much().as_bytes().len() + 10 + 4];
    peer.read_exact(&mut frames).unwrap();
    assert_eq!(frames[frames.len() - 4..], *b"\x88\x02\x03\xe8");
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    peer.write_all(b"\x88\x82\0\0\0\0\x03\xe8").unwrap();
    assert!(matches!(reading.join().unwrap(), Some(Event::Close(_))));
}

/// Halves of both ends that flood each other, without a thread for one direction on one side: nobody stops reading.
#[test]
fn a_reader_that_cannot_answer_goes_on_reading() {
    let (ws, _, peer) = counted(large());
    let (mut reader, writer) = ws.into_split().unwrap();
    let reading = thread::spawn(move || {
        let mut messages = 0;
        while let Some(mut batch) = reader.read().unwrap() {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    // Fails only behind our own Close.
                    let _ = batch.feed(&message);
                    messages += 1;
                }
            }
        }
        messages
    });
    // A client that first writes all and then reads all: 8 MiB there and 8 MiB back.
    let mut client = WebSocket::from_parts(peer, Connection::client(large(), OsRandom), vec![]);
    let message = Message::from(vec![1; 1 << 16]);
    // As much as a server below its high-water mark and two sockets hold.
    for _ in 0..16 {
        client.send(&message).unwrap();
    }
    for _ in 0..16 {
        assert!(client.recv().unwrap() == Some(Event::Message(message.clone())));
    }
    client.close(CloseCode::NORMAL, "").unwrap();
    client.finish().unwrap();
    drop(client);
    assert_eq!(reading.join().unwrap(), 16);
    drop(writer);
}

// ---- a stream whose writes time out ----

/// A blocking stream that takes a few bytes at a time and is often too late; what it took.
#[derive(Debug, Clone)]
struct Slow {
    taken: Arc<Mutex<Vec<u8>>>,
    turn: Arc<AtomicUsize>,
}

impl Read for Slow {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        thread::sleep(2 * MS);
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Slow {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        if turn.is_multiple_of(3) {
            thread::sleep(2 * MS);
            return Err(ErrorKind::WouldBlock.into());
        }
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        let n = all.len().min(1 + turn * 37 % 1500);
        self.taken.lock().unwrap().extend(&all[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.turn.fetch_add(1, Ordering::SeqCst).is_multiple_of(5) {
            thread::sleep(2 * MS);
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

/// Streams that can be split, and that end and wait as they like.
macro_rules! willful {
    ($($stream:ty),*) => {$(
        impl Transport for $stream {
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

            fn try_clone(&self) -> io::Result<Self> {
                Ok(self.clone())
            }
        }
    )*};
}
willful!(Slow, Dripping);

/// What a client makes of it.
fn received(mut bytes: Vec<u8>) -> Vec<Event<'static>> {
    let mut client = Connection::client(Config::default(), OsRandom);
    let mut input = Input::new(&mut bytes);
    let mut events = vec![];
    while let Some(event) = client.recv(&mut input) {
        events.push(event.into_owned());
    }
    events
}

/// A write that times out in the middle of a frame is gone on with before anything else is written.
#[test]
fn a_timeout_tears_no_frame() {
    let new = || {
        let stream = Slow { taken: Arc::default(), turn: Arc::default() };
        let taken = Arc::clone(&stream.taken);
        (WebSocket::from_parts(stream, Connection::server(Config::default()), vec![]), taken)
    };
    let texts: Vec<String> = (0..20).map(|n| n.to_string().repeat(20)).collect();
    let mut expected: Vec<_> = texts.iter().map(|text| Event::Message(Message::from(text.clone()))).collect();
    expected.push(Event::Message(Message::from(vec![1; 20_000])));

    let (mut ws, taken) = new();
    for text in &texts {
        ws.send_text(text).unwrap();
    }
    ws.send_binary(&[1; 20_000]).unwrap();
    ws.flush().unwrap();
    assert!(received(taken.lock().unwrap().clone()) == expected);

    let (ws, taken) = new();
    let (reader, mut writer) = ws.into_split().unwrap();
    for text in &texts {
        writer.send_text(text).unwrap();
    }
    writer.send_owned(vec![1; 20_000].into()).unwrap();
    // The Close gets as far as it gets now; putting the halves together writes the rest.
    writer.close(CloseCode::NORMAL, "done").unwrap();
    let ws = WebSocket::reunite(reader, writer).unwrap();
    let events = received(taken.lock().unwrap().clone());
    assert!(events[..events.len() - 1] == expected);
    assert!(matches!(events.last(), Some(Event::Close(Some(frame))) if frame.reason() == "done"));
    assert_eq!(ws.state(), State::CloseSent);
}

/// The same with both threads at it.
#[test]
fn two_threads_tear_no_frame() {
    let stream = Slow { taken: Arc::default(), turn: Arc::default() };
    let taken = Arc::clone(&stream.taken);
    let pings = b"\x89\x81\0\0\0\0?".repeat(30);
    let ws = WebSocket::from_parts(stream, Connection::server(Config::default()), pings);
    let (mut reader, mut writer) = ws.into_split().unwrap();
    let reading = thread::spawn(move || {
        for _ in 0..30 {
            assert!(matches!(reader.recv().unwrap(), Some(Event::Ping(_))));
        }
        reader
    });
    for number in 0..30 {
        writer.send_binary(&[number; 100]).unwrap();
    }
    let reader = reading.join().unwrap();
    drop(WebSocket::reunite(reader, writer).unwrap());
    let events = received(taken.lock().unwrap().clone());
    let messages: Vec<_> = events.iter().filter(|event| matches!(event, Event::Message(_))).collect();
    assert_eq!(messages.len(), 30);
    let pongs = events.len() - 30;
    assert!((1..=30).contains(&pongs) && events.iter().all(|event| event.close_code().is_none()), "{pongs}");
}

/// A close has a deadline also if the reader is writing behind the high-water mark.
#[test]
fn closing_has_a_deadline_that_a_writing_reader_learns_of() {
    let config = large().write_timeout(None).high_water(0).close_timeout(300 * MS);
    let (ws, _, peer) = counted(config);
    let (mut reader, mut writer) = ws.into_split().unwrap();
    writer.feed(&much()).unwrap();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(reader.recv().map(|event| event.map(Event::into_owned))));
    thread::sleep(500 * MS);
    writer.close(CloseCode::NORMAL, "").unwrap();
    let event = end.recv_timeout(AGES / 4).unwrap().unwrap();
    assert_eq!(event, Some(Event::Failed(ProtocolError::CloseTimeout)));
    drop(peer);
}

/// A non-blocking stream in which nothing arrives. It is told how many bytes a write has, and returns how many it takes.
struct Silent<F>(F);

impl<F> Read for Silent<F> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl<F: FnMut(usize) -> io::Result<usize>> Write for Silent<F> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (self.0)(buf.len())
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (self.0)(bufs.iter().map(|buf| buf.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<F: FnMut(usize) -> io::Result<usize>> Transport for Silent<F> {
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

/// A socket that takes nothing.
struct Stuck(TcpStream);

impl Read for Stuck {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Stuck {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Stuck {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn abort(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Both)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// `WouldBlock` means that the stream has said so: an edge-triggered queue reports only what comes after that.
#[test]
fn a_caller_does_not_wait_for_a_stream_that_takes_more() {
    let stream = Silent(|len| {
        thread::sleep(10 * MS);
        Ok(len)
    });
    let connection = Connection::server(large().high_water(64 << 20));
    let mut ws = WebSocket::from_parts(stream, connection, vec![]);
    for _ in 0..80 {
        ws.connection_mut().send_binary_owned(vec![7; 10_000]).unwrap();
    }
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(!ws.wants_write(), "{} left", ws.connection().output_len());
}

/// Also if a deadline passes meanwhile, which the stream puts off by what it takes.
#[test]
fn a_write_that_passes_a_deadline_goes_on() {
    let stream = Silent(|len: usize| {
        thread::sleep(10 * MS);
        Ok(len.min(20_000))
    });
    let config = large().high_water(1000).write_timeout(Some(60 * MS)).ping_interval(Some(30 * MS));
    let mut ws = WebSocket::from_parts(stream, Connection::server(config), vec![]);
    ws.feed(&Message::from(vec![7; 1_000_000])).unwrap();
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    let left = ws.connection().output_len();
    assert!(left <= 1000, "{left} left");
}

/// Nor for longer than it wants, however little the stream takes at a time.
#[test]
fn a_stream_that_takes_little_does_not_prolong_a_wait() {
    let stream = Silent(|_| {
        thread::sleep(10 * MS);
        Ok(10)
    });
    let mut ws = WebSocket::from_parts(stream, Connection::server(large()), vec![]);
    ws.set_read_timeout(Some(100 * MS));
    ws.feed(&Message::from(vec![7; 30_000])).unwrap();
    let began = Instant::now();
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    assert!(ws.connection().output_len() > 10_000);
}

/// What a stream takes in several pieces counts as well before the peer is judged.
#[test]
fn all_that_a_stream_takes_counts_though_the_caller_is_late() {
    let is_kept = || {
        let is_full = AtomicBool::new(true);
        let stream = Silent(|len: usize| {
            if is_full.load(Ordering::SeqCst) { Err(ErrorKind::WouldBlock.into()) } else { Ok(len.min(500)) }
        });
        let connection = Connection::server(Config::default().write_timeout(Some(50 * MS)));
        let mut ws = WebSocket::from_parts(stream, connection, vec![]);
        ws.feed(&Message::from(vec![7; 900])).unwrap();
        if ws.recv().is_ok() {
            return false; // the machine was busy before the stream was full
        }
        is_full.store(false, Ordering::SeqCst);
        thread::sleep(100 * MS);
        ws.recv().is_err() && !ws.wants_write()
    };
    // The machine may be busy between two pieces.
    assert!((0..5).any(|_| is_kept()));
}

/// A message that arrives in drips does not prolong a call, which tries once in any case.
#[test]
fn a_read_timeout_holds_while_a_message_arrives() {
    let over = Arc::new(AtomicBool::new(false));
    let (mut ws, _, mut peer) = counted(large());
    let dripping = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let _ = peer.write_all(b"\x82\xff\0\0\0\0\0\x0f\0\0\0\0\0\0");
            while !over.load(Ordering::SeqCst) && peer.write_all(&[7; 4]).is_ok() {
                thread::sleep(MS);
            }
        }
    });
    ws.set_read_timeout(Some(200 * MS));
    let began = Instant::now();
    let error = ws.recv().unwrap_err();
    over.store(true, Ordering::SeqCst);
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(began.elapsed() < AGES / 2, "{:?}", began.elapsed());
    dripping.join().unwrap();
}

/// A peer that reads nothing is not read from; but what it sends in time counts.
#[test]
fn a_peer_that_reads_nothing_is_alive_while_it_sends() {
    for blocks in [false, true] {
        let (stream, mut peer) = sockets();
        stream.set_nonblocking(!blocks).unwrap();
        let config = Config::default()
            .ping_interval(Some(200 * MS))
            .pong_timeout(1000 * MS)
            .write_timeout(None)
            .max_output(64 << 20);
        let mut ws = WebSocket::from_parts(stream, Connection::server(config), vec![]);
        ws.set_read_timeout(Some(50 * MS));
        ws.feed(&vec![7; 32 << 20].into()).unwrap();
        let sending = thread::spawn(move || {
            for _ in 0..100 {
                peer.write_all(b"\x89\x80\0\0\0\0").unwrap();
                thread::sleep(50 * MS);
            }
            peer
        });
        let (mut pings, began) = (0, Instant::now());
        while began.elapsed() < 4000 * MS {
            match ws.recv() {
                Ok(Some(Event::Ping(_))) => pings += 1,
                Ok(Some(Event::Pong(_))) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(10 * MS),
                other => panic!("blocks: {blocks}: {other:?} after {pings} pings"),
            }
        }
        assert!(pings > 0);
        drop((ws, sending.join().unwrap()));
    }
}

/// A deadline that is missed in the middle of a batch does not cost the rest of it.
#[test]
fn what_was_read_is_received_though_a_send_misses_its_deadline() {
    let stream = Silent(|_| Err(ErrorKind::WouldBlock.into()));
    let connection = Connection::server(Config::default().write_timeout(Some(50 * MS)));
    let unread = b"\x81\x81\0\0\0\0x\x81\x81\0\0\0\0y\x81\x81\0\0\0\0z".to_vec();
    let mut ws = WebSocket::from_parts(stream, connection, unread);
    assert_eq!(ws.recv().unwrap(), Some(Event::Message("x".into())));
    ws.send_text("answer").unwrap();
    let began = Instant::now();
    while ws.state() == State::Open && began.elapsed() < AGES {
        let _ = ws.flush();
        thread::sleep(MS);
    }
    for text in ["y", "z"] {
        assert_eq!(ws.recv().unwrap(), Some(Event::Message(text.into())));
    }
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::WriteTimeout)));
    assert_eq!(ws.recv().unwrap(), None);
    ws.flush().unwrap();
}

/// A Close that was read before the deadline ends the connection in place of it, so nothing else tells that output was lost.
#[test]
fn a_flush_tells_of_a_deadline_that_a_close_has_hidden() {
    let stream = Silent(|_| Err(ErrorKind::WouldBlock.into()));
    let connection = Connection::server(Config::default().write_timeout(Some(50 * MS)));
    let mut ws = WebSocket::from_parts(stream, connection, b"\x88\x80\0\0\0\0".to_vec());
    ws.send_text("answer").unwrap();
    let began = Instant::now();
    while ws.state() == State::Open && began.elapsed() < AGES {
        let _ = ws.flush();
        thread::sleep(MS);
    }
    ws.flush().unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Close(None)));
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.flush().unwrap_err().kind(), ErrorKind::TimedOut);
    ws.flush().unwrap();
}

/// A loop that was busy with others, and sends several messages before it receives.
#[test]
fn an_answer_in_time_counts_though_much_is_sent_first() {
    let counts = || {
        let (stream, mut peer) = sockets();
        stream.set_nonblocking(true).unwrap();
        let config =
            Config::default().ping_interval(Some(50 * MS)).pong_timeout(100 * MS).write_timeout(None);
        let mut ws = WebSocket::from_parts(Stuck(stream), Connection::server(config), vec![]);
        assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
        thread::sleep(60 * MS);
        let _ = ws.recv().map(|_| ());
        assert!(ws.wants_write(), "a Ping is due");
        peer.write_all(b"\x81\x81\0\0\0\0x").unwrap();
        thread::sleep(150 * MS);
        for text in ["a", "b", "c"] {
            ws.send_text(text).unwrap();
        }
        ws.recv().unwrap() == Some(Event::Message("x".into()))
    };
    // The machine may be busy between two of the messages.
    assert!((0..5).any(|_| counts()));
}

/// A server that has much to write first does not make more of it.
#[test]
fn a_peer_that_reads_nothing_is_not_received_from() {
    let (stream, mut peer) = sockets();
    stream.set_nonblocking(true).unwrap();
    let connection = Connection::server(Config::default().high_water(5000).write_timeout(None));
    let mut ws = WebSocket::from_parts(Stuck(stream), connection, vec![]);
    ws.feed(&Message::from(vec![7; 10_000])).unwrap();
    peer.write_all(b"\x81\x81\0\0\0\0x").unwrap();
    for _ in 0..100 {
        assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
        thread::sleep(MS);
    }
}

/// A loop that only sends for a while, to a stream that takes everything, judges nobody.
#[test]
fn an_answer_in_time_counts_however_much_is_sent_first() {
    let (stream, mut peer) = sockets();
    stream.set_nonblocking(true).unwrap();
    let config = Config::default().ping_interval(Some(50 * MS)).pong_timeout(100 * MS);
    let mut ws = WebSocket::from_parts(stream, Connection::server(config), vec![]);
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    thread::sleep(60 * MS);
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock, "a Ping is sent");
    peer.write_all(b"\x81\x81\0\0\0\0x").unwrap();
    thread::sleep(150 * MS);
    for _ in 0..3 {
        ws.send_text("a").unwrap();
        thread::sleep(30 * MS);
    }
    assert_eq!(ws.recv().unwrap(), Some(Event::Message("x".into())));
}

/// A stream with a buffer, as TLS has one: a write takes its time, and the flush behind it has what is left.
struct Buffering {
    flushes_within: Arc<Mutex<Vec<Duration>>>,
    timeout: Option<Duration>,
}

impl Read for Buffering {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Buffering {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        thread::sleep(200 * MS);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushes_within.lock().unwrap().extend(self.timeout);
        Ok(())
    }
}

impl Transport for Buffering {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeout = timeout;
        Ok(())
    }
}

#[test]
fn a_flush_waits_no_longer_than_what_the_write_before_it_has_left() {
    let flushes_within = Arc::<Mutex<Vec<_>>>::default();
    let stream = Buffering { flushes_within: Arc::clone(&flushes_within), timeout: None };
    let config = Config::default().write_timeout(Some(300 * MS));
    let mut ws = WebSocket::from_parts(stream, Connection::server(config), vec![]);
    ws.send_text("Hello").unwrap();
    let within = flushes_within.lock().unwrap();
    assert!(!within.is_empty() && within.iter().all(|within| *within < 200 * MS), "{within:?}");
}

/// A stream that takes nothing more, and drips or floods in a message that never ends; how often it was read.
#[derive(Clone)]
struct Dripping {
    drips: bool,
    reads: Arc<AtomicUsize>,
}

impl Read for Dripping {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let reads = self.reads.fetch_add(1, Ordering::SeqCst);
        assert!(reads < if self.drips { 500 } else { 5000 }, "it goes on for ever");
        if self.drips {
            thread::sleep(5 * MS);
        }
        if reads == 0 {
            buf[..14].copy_from_slice(b"\x02\xFF\0\0\0\0\x7F\0\0\0\0\0\0\0");
            return Ok(14);
        }
        let n = if self.drips { 1 } else { buf.len() };
        buf[..n].fill(0);
        Ok(n)
    }
}

impl Write for Dripping {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_peer_that_drips_or_floods_does_not_put_off_the_end_after_a_failed_write() {
    let config = Config::default().max_frame(u64::MAX).max_message(u64::MAX);
    for (halves, drips) in [(false, false), (false, true), (true, false), (true, true)] {
        let stream = Dripping { drips, reads: Arc::default() };
        let mut ws = WebSocket::from_parts(stream, Connection::server(config), vec![]);
        let finished = if halves {
            let (mut reader, mut writer) = ws.into_split().unwrap();
            assert_eq!(writer.send_text("x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            reader.finish()
        } else {
            assert_eq!(ws.send_text("x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            ws.finish()
        };
        let lost = finished.unwrap_err().downcast::<ProtocolError>().unwrap();
        assert_eq!(lost, ProtocolError::TransportFailed, "{halves} {drips}");
    }
}
