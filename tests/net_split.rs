//! The halves of the `net` adapter in two threads.
#![cfg(feature = "net")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::ClientRequest;
use sansocket::net::{ReadHalf, Transport, WebSocket, WriteHalf, accept, client};
use sansocket::{CloseCode, Config, Connection, Event, Message, ProtocolError, SendError, State};

fn pair(config: Config) -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let accepting = thread::spawn(move || accept(listener.accept().unwrap().0).unwrap());
    let (client, _) = client(stream, ClientRequest::new("ws://test/").unwrap(), config).unwrap();
    (accepting.join().unwrap(), client)
}

/// Both ends flood each other with large messages and pings: nobody waits for ever.
#[test]
fn both_directions_at_once() {
    let (server, client) = pair(Config::default());
    let ends = [server, client].map(|ws| {
        let (mut reader, mut writer) = ws.into_split().unwrap();
        let (done, all_received) = std::sync::mpsc::channel();
        let reading = thread::spawn(move || {
            let mut received = 0;
            while let Some(event) = reader.recv().unwrap() {
                if let Event::Message(message) = event {
                    assert_eq!(message.as_bytes(), vec![received as u8; 100_000]);
                    received += 1;
                    if received == 100 {
                        done.send(()).unwrap();
                    }
                }
            }
            assert_eq!(received, 100);
        });
        let writing = thread::spawn(move || {
            for number in 0..100_u8 {
                // The message comes last: having the last one the other end may close at once.
                writer.ping(b"?").unwrap();
                writer.send(&Message::from(vec![number; 100_000])).unwrap();
            }
            all_received.recv().unwrap();
            // The other end may have been first.
            let _ = writer.close(CloseCode::NORMAL, "");
        });
        [reading, writing]
    });
    for thread in ends.into_iter().flatten() {
        thread.join().unwrap();
    }
}

#[test]
fn pings_are_answered_while_the_writing_half_is_idle() {
    let (server, mut client) = pair(Config::default());
    let (mut reader, writer) = server.into_split().unwrap();
    let reading = thread::spawn(move || {
        while reader.recv().unwrap().is_some() {}
        reader
    });
    for number in 0..100_u32 {
        client.ping(&number.to_be_bytes()).unwrap();
        assert!(
            matches!(client.recv().unwrap(), Some(Event::Pong(payload)) if *payload == number.to_be_bytes())
        );
    }
    client.close(CloseCode::NORMAL, "").unwrap();
    while client.recv().unwrap().is_some() {}
    drop(client);
    let mut server = WebSocket::reunite(reading.join().unwrap(), writer).unwrap();
    assert_eq!(server.recv().unwrap(), None);
}

#[test]
fn both_halves_know_the_latency() {
    let (server, mut client) = pair(Config::default());
    let (stream, ..) = server.into_parts();
    let config = Config::default().ping_interval(Some(Duration::from_millis(20)));
    let server = WebSocket::from_parts(stream, Connection::server(config), vec![]);
    let (mut reader, writer) = server.into_split().unwrap();
    let answering = thread::spawn(move || while client.recv().unwrap().is_some() {});
    // The halves share what a call has received when the next one begins.
    for _ in 0..2 {
        assert!(matches!(reader.recv().unwrap(), Some(Event::Pong(_))));
    }
    let latency = reader.latency();
    assert!(latency.is_some_and(|latency| latency < Duration::from_secs(20)));
    assert_eq!(writer.latency(), latency);
    reader.stream().shutdown(Shutdown::Both).unwrap();
    let _ = answering.join();
}

#[test]
fn closing_has_a_deadline_that_a_waiting_reader_learns_of() {
    let (_server, client) = pair(Config::default().close_timeout(Duration::from_millis(500)));
    let (mut reader, mut writer) = client.into_split().unwrap();
    let reading = thread::spawn(move || {
        assert_eq!(reader.recv().unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
        assert_eq!(reader.recv().unwrap(), None);
    });
    thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    writer.close(CloseCode::NORMAL, "").unwrap();
    reading.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// However soon or late the reader looks at it.
#[test]
fn closing_takes_no_longer_than_its_deadline() {
    let timeout = Duration::from_secs(3);
    let (_server, client) = pair(Config::default().close_timeout(timeout));
    let (mut reader, mut writer) = client.into_split().unwrap();
    let reading = thread::spawn(move || {
        assert_eq!(reader.recv().unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
    });
    thread::sleep(timeout / 2);
    let began = Instant::now();
    writer.close(CloseCode::NORMAL, "").unwrap();
    reading.join().unwrap();
    let took = began.elapsed();
    assert!((timeout..timeout * 7 / 5).contains(&took), "{took:?}");
}

/// A reader's answers may have used it up.
#[test]
fn a_message_without_room_waits_for_what_is_before_it() {
    let (server, client) = pair(Config::default().max_output(1000));
    let (mut reader, mut writer) = client.into_split().unwrap();
    let (mut receiver, mut sender) = server.into_split().unwrap();
    sender.send_text("?").unwrap();
    let fed = {
        let mut batch = reader.read().unwrap().unwrap();
        (0..1000).take_while(|_| batch.feed(&Message::from("an answer")).is_ok()).count()
    };
    assert!(fed < 1000);
    writer.send(&Message::from(vec![7; 900])).unwrap();
    for _ in 0..fed {
        assert_eq!(receiver.recv().unwrap(), Some(Event::Message(Message::from("an answer"))));
    }
    assert_eq!(receiver.recv().unwrap(), Some(Event::Message(Message::from(vec![7; 900]))));
    let too_large = writer.send(&Message::from(vec![7; 2000])).unwrap_err();
    assert_ne!(too_large.kind(), ErrorKind::WouldBlock);
}

/// Also an owned one, which is not lost meanwhile, and behind what another write has begun with.
#[test]
fn an_owned_message_without_room_waits_for_what_is_before_it() {
    let stream = Told::new([Ok(b"\x81\x81\0\0\0\0a")]);
    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
    let (mut reader, mut writer) = stream.halves_with(Config::default().max_output(1000));
    {
        let mut batch = reader.read().unwrap().unwrap();
        while batch.feed(&Message::from("an answer")).is_ok() {}
    }
    stream.tell(|script| script.reads.push_back(Ok(b"\x81\x81\0\0\0\0b".to_vec())));
    // It has tried to write.
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("b"))));
    let owned = Message::from(vec![7; 900]);
    let writing = thread::spawn(move || writer.send_owned(owned));
    stream.wait_until(|script| script.is_writing);
    stream.tell(|script| script.writes = None);
    writing.join().unwrap().unwrap();
    stream.tell(|script| assert!(script.written.ends_with(&[7; 900])));
}

/// On a stream that does not block, it is for later, and has a reason that says so.
#[test]
fn a_message_without_room_is_refused_by_a_stream_that_does_not_block() {
    let stream = Told::new([]);
    stream.tell(|script| (script.writes, script.never_blocks) = (Some(ErrorKind::WouldBlock), true));
    let (_reader, mut writer) = stream.halves_with(Config::default().max_output(1000));
    while writer.feed(&Message::from("waiting")).is_ok() {}
    let error = writer.send_text("no room").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(error.downcast::<SendError>().unwrap(), SendError::OutputFull);
}

/// What came together is answered together, and a message may be held meanwhile.
#[test]
fn a_batch_is_answered_with_one_write() {
    let (server, client) = pair(Config::default());
    let (mut reader, _writer) = server.into_split().unwrap();
    let echoing = thread::spawn(move || {
        let mut batches = 0;
        while let Some(mut batch) = reader.read().unwrap() {
            batches += 1;
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.feed(&message).unwrap();
                }
            }
        }
        batches
    });
    let (mut stream, mut connection, _) = client.into_parts();
    for text in ["one", "two", "three"] {
        connection.send_text(text).unwrap();
        connection.ping(text.as_bytes()).unwrap();
    }
    std::io::Write::write_all(&mut stream, connection.output()).unwrap();
    connection.output_written(usize::MAX);
    let expected = b"\x81\x03one\x8A\x03one\x81\x03two\x8A\x03two\x81\x05three\x8A\x05three";
    let mut answer = [0; 34];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, expected);
    // One read brought it all, so the next call has written it all.
    let mut client = WebSocket::from_parts(stream, connection, vec![]);
    client.close(CloseCode::NORMAL, "").unwrap();
    assert!(matches!(client.recv().unwrap(), Some(Event::Close(_))));
    assert_eq!(client.recv().unwrap(), None);
    assert_eq!(echoing.join().unwrap(), 2);
}

/// The peer ends its side: it sees the end of ours while both halves are still there.
#[test]
fn a_peer_that_ends_sees_our_end() {
    let (server, client) = pair(Config::default());
    let address = server.stream().peer_addr().unwrap();
    let (mut reader, _writer) = server.into_split().unwrap();
    assert_eq!(reader.stream().peer_addr().unwrap(), address);
    let (mut stream, ..) = client.into_parts();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(reader.recv().unwrap(), None);

    let (mut server, client) = pair(Config::default());
    let (mut reader, _writer) = client.into_split().unwrap();
    server.close(CloseCode::NORMAL, "").unwrap();
    assert!(matches!(reader.recv().unwrap(), Some(Event::Close(_))));
    assert!(matches!(server.recv().unwrap(), Some(Event::Close(_))));
    // It ends its side, the reader too, and only then is this over.
    let over = thread::spawn(move || server.recv().unwrap().is_none());
    assert_eq!(reader.recv().unwrap(), None);
    assert!(over.join().unwrap());
}

// ---- a stream that does what it is told ----

/// A handle of a stream. A read waits until there is something, unless the stream does not block; a write waits likewise, for at
/// most a few milliseconds, which is what a timeout does.
#[derive(Debug, Clone, Default)]
struct Told(Arc<(Mutex<Script>, Condvar)>);

#[derive(Debug, Default)]
struct Script {
    /// What reads return, one after the other.
    reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    /// What all writes return; by default they take everything.
    writes: Option<ErrorKind>,
    written: Vec<u8>,
    /// How much of it was flushed.
    flushed: usize,
    /// How many writes are interrupted first.
    interrupts: usize,
    /// A read is waiting.
    is_waiting: bool,
    /// A write has waited.
    is_writing: bool,
    never_blocks: bool,
    /// How long a read waits.
    patience: Option<Duration>,
    /// Setting a timeout fails once it was aborted, as on some systems.
    forgets_timeouts: bool,
    /// What the end of the writing side returns, one after the other; then it succeeds.
    shutdown_errors: Vec<ErrorKind>,
    shutdowns: usize,
    aborts: usize,
}

impl Told {
    fn new<const N: usize>(reads: [Result<&[u8], ErrorKind>; N]) -> Self {
        let told = Self::default();
        told.tell(|script| script.reads = reads.map(|read| read.map(<[u8]>::to_vec)).into());
        told
    }

    fn tell<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        let told = change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        told
    }

    fn halves(&self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        self.halves_with(Config::default())
    }

    fn halves_with(&self, config: Config) -> (ReadHalf<Self>, WriteHalf<Self>) {
        WebSocket::from_parts(self.clone(), Connection::server(config), vec![]).into_split().unwrap()
    }

    /// Waits until it is so.
    fn wait_until(&self, is_so: impl Fn(&Script) -> bool) {
        let script = self.0.0.lock().unwrap();
        let patience = Duration::from_secs(20);
        let (_script, waited) =
            self.0.1.wait_timeout_while(script, patience, |script| !is_so(script)).unwrap();
        assert!(!waited.timed_out());
    }
}

impl Read for Told {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut script = self.0.0.lock().unwrap();
        loop {
            match script.reads.pop_front() {
                Some(Ok(bytes)) => {
                    buf[..bytes.len()].copy_from_slice(&bytes);
                    return Ok(bytes.len());
                }
                Some(Err(kind)) => return Err(kind.into()),
                // As some systems tell a thread that was waiting.
                None if script.aborts > 0 => return Err(ErrorKind::ConnectionAborted.into()),
                None if script.never_blocks => return Err(ErrorKind::WouldBlock.into()),
                None => {
                    script.is_waiting = true;
                    self.0.1.notify_all();
                    let patience = script.patience.unwrap_or(Duration::from_secs(20));
                    let (after, waited) = self.0.1.wait_timeout(script, patience).unwrap();
                    if waited.timed_out() {
                        return Err(ErrorKind::WouldBlock.into());
                    }
                    script = after;
                }
            }
        }
    }
}

impl Write for Told {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut script = self.0.0.lock().unwrap();
        if script.writes == Some(ErrorKind::WouldBlock) && !script.never_blocks {
            script.is_writing = true;
            self.0.1.notify_all();
            let waits = |script: &mut Script| script.writes.is_some() && script.aborts == 0;
            script = self.0.1.wait_timeout_while(script, Duration::from_millis(5), waits).unwrap().0;
        }
        match script.writes {
            _ if script.aborts > 0 => Err(ErrorKind::ConnectionAborted.into()),
            _ if script.interrupts > 0 => {
                script.interrupts -= 1;
                Err(ErrorKind::Interrupted.into())
            }
            Some(kind) => Err(kind.into()),
            None => {
                bufs.iter().for_each(|buf| script.written.extend_from_slice(buf));
                Ok(bufs.iter().map(|buf| buf.len()).sum())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tell(|script| script.flushed = script.written.len());
        Ok(())
    }
}

impl Transport for Told {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.tell(|script| {
            script.shutdowns += 1;
            script.shutdown_errors.pop().map_or(Ok(()), |kind| Err(kind.into()))
        })
    }

    fn abort(&mut self) -> io::Result<()> {
        self.tell(|script| script.aborts += 1);
        Ok(())
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.tell(|script| {
            script.patience = timeout;
            if script.forgets_timeouts && script.aborts > 0 {
                Err(ErrorKind::InvalidInput.into())
            } else {
                Ok(())
            }
        })
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

/// The reader writes what the writer has queued: its error is the reader's, and then both know that it is over.
#[test]
fn an_error_of_what_the_reader_writes_comes_once() {
    let stream = Told::new([]);
    stream.tell(|script| script.writes = Some(ErrorKind::BrokenPipe));
    let (mut reader, mut writer) = stream.halves();
    writer.feed(&Message::from("queued")).unwrap();
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(reader.recv().unwrap(), None);
    assert_eq!((reader.state(), writer.state()), (State::Ended, State::Ended));
    assert_eq!(writer.send_text("more").unwrap_err().kind(), ErrorKind::NotConnected);
    stream.tell(|script| assert_eq!((script.aborts, script.written.len()), (1, 0)));
}

#[test]
fn a_reader_that_waits_learns_of_the_writers_error() {
    let stream = Told::new([]);
    let (mut reader, mut writer) = stream.halves();
    let reading = thread::spawn(move || {
        let event = reader.recv().unwrap().map(Event::into_owned);
        assert_eq!(reader.recv().unwrap(), None);
        event
    });
    stream.wait_until(|script| script.is_waiting);
    stream.tell(|script| script.writes = Some(ErrorKind::BrokenPipe));
    assert_eq!(writer.send_text("nobody gets it").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(reading.join().unwrap(), Some(Event::Failed(ProtocolError::TransportFailed)));
    stream.tell(|script| assert_eq!(script.aborts, 1));
}

/// Both have said all that they will say: the manner in which the peer leaves is its own affair.
#[test]
fn an_error_behind_both_closes_is_no_error() {
    let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..]), Err(ErrorKind::ConnectionReset)]);
    let (mut reader, _writer) = stream.halves();
    assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
    assert_eq!(reader.recv().unwrap(), None);
    stream.tell(|script| assert_eq!(script.written, b"\x88\x00"));

    let stream = Told::new([Err(ErrorKind::ConnectionReset)]);
    let (mut reader, _writer) = stream.halves();
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::ConnectionReset, "without them it is one");
    assert_eq!(reader.recv().unwrap(), None);
}

#[test]
fn interrupted_reads_are_repeated_and_what_is_left_of_a_batch_comes_next() {
    let pings = &b"\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b"[..];
    let stream = Told::new([Err(ErrorKind::Interrupted), Ok(pings), Ok(b"\x88\x80\0\0\0\0"), Ok(b"")]);
    let (mut reader, writer) = stream.halves();
    assert!(writer.can_send());
    let mut batch = reader.read().unwrap().unwrap();
    assert!(matches!(batch.recv(), Some(Event::Ping(payload)) if *payload == *b"a"));
    assert!(matches!(reader.recv().unwrap(), Some(Event::Ping(payload)) if *payload == *b"b"));
    assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
    assert_eq!(reader.recv().unwrap(), None);
    stream.tell(|script| assert_eq!(script.written, b"\x8A\x01a\x8A\x01b\x88\x00"));
}

#[test]
fn interrupted_writes_are_repeated() {
    let stream = Told::new([]);
    stream.tell(|script| script.interrupts = 1);
    let (_reader, mut writer) = stream.halves();
    writer.send_text("a").unwrap();
    stream.tell(|script| assert_eq!(script.written, b"\x81\x01a"));
}

#[test]
fn the_next_batch_begins_with_what_is_left() {
    let pings = &b"\x89\x81\0\0\0\0a\x89\x81\0\0\0\0b"[..];
    let (mut reader, _writer) = Told::new([Ok(pings), Err(ErrorKind::ConnectionReset)]).halves();
    for expected in [b"a", b"b"] {
        let mut batch = reader.read().unwrap().unwrap();
        assert!(matches!(batch.recv(), Some(Event::Ping(payload)) if *payload == *expected));
    }
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn what_came_before_a_failed_write_is_received() {
    let interrupted = Err(ErrorKind::Interrupted);
    let stream = Told::new([interrupted, Ok(b"\x81\x81\0\0\0\0a"), Ok(b"\x81\x81\0\0\0\0b")]);
    stream.tell(|script| script.writes = Some(ErrorKind::BrokenPipe));
    let (mut reader, mut writer) = stream.halves();
    writer.feed(&Message::from("queued")).unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("b"))));
    assert_eq!(reader.recv().unwrap(), Some(Event::Failed(ProtocolError::TransportFailed)));
    assert_eq!(reader.recv().unwrap(), None);

    // However small the pieces are that the stream gives, such as the records of TLS.
    let stream = Told::new([]);
    stream.tell(|script| {
        script.writes = Some(ErrorKind::BrokenPipe);
        script.reads.extend((0..1000).map(|_| Ok(b"\x81\x81\0\0\0\0a".to_vec())));
        script.reads.push_back(Ok(b"\x88\x80\0\0\0\0".to_vec()));
    });
    let (mut reader, mut writer) = stream.halves();
    writer.feed(&Message::from("queued")).unwrap();
    for _ in 0..1000 {
        assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    }
    assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
}

/// Neither waits for the other, and the error is told to the one that has found it.
#[test]
fn a_reader_receives_while_the_writer_is_blocked() {
    let stream = Told::new([Ok(b"\x81\x81\0\0\0\0a")]);
    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
    let (mut reader, mut writer) =
        stream.halves_with(Config::default().write_timeout(Some(Duration::from_secs(5))));
    let writing = thread::spawn(move || writer.send_text("b"));
    stream.wait_until(|script| script.is_writing);
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    stream.tell(|script| script.reads.push_back(Err(ErrorKind::ConnectionReset)));
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::ConnectionReset);
    writing.join().unwrap().unwrap();
}

/// A peer that reads only when its own messages are taken: the reader never waits for the writer's messages.
#[test]
fn a_reader_receives_behind_the_high_water_mark() {
    let stream = Told::new([Ok(b"\x81\x81\0\0\0\0a")]);
    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
    let (mut reader, mut writer) = stream.halves_with(Config::default().high_water(10));
    writer.feed(&Message::from(vec![0; 100])).unwrap();
    let flushing = thread::spawn(move || writer.flush());
    stream.wait_until(|script| script.is_writing);
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    stream.tell(|script| script.writes = None);
    flushing.join().unwrap().unwrap();
}

/// A reader that has nothing to read any more sleeps until the other half has written.
#[cfg(target_os = "linux")]
#[test]
fn a_reader_sleeps_while_the_writer_writes_behind_the_end() {
    let stream = Told::new([Ok(b"\x88\x82\0\0\0\0\x03\xe8"), Ok(b"")]);
    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
    let (mut reader, mut writer) = stream.halves();
    writer.feed(&Message::from(vec![0; 100])).unwrap();
    let writing = thread::spawn(move || writer.flush());
    stream.wait_until(|script| script.is_writing);
    let (tell, told) = std::sync::mpsc::channel();
    let reading = thread::spawn(move || {
        tell.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
        while reader.recv().unwrap().is_some() {}
    });
    let stat = std::path::Path::new("/proc").join(told.recv().unwrap()).join("stat");
    thread::sleep(Duration::from_millis(500));
    // Behind the name, the 12th and 13th field are its time as a user and in the system, in units of 10 ms.
    let stat = std::fs::read_to_string(stat).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11);
    let used: u64 = fields.take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    stream.tell(|script| script.writes = None);
    writing.join().unwrap().unwrap();
    reading.join().unwrap();
    assert!(used < 10, "{} ms of 500 ms", 10 * used);
    stream.tell(|script| assert!(script.written.ends_with(b"\x88\x02\x03\xe8")));
}

/// The reader may have been writing, and its caller may not receive again.
#[test]
fn a_close_is_written_though_the_reader_is_writing() {
    for _ in 0..20 {
        let stream = Told::new([Ok(b"\x89\x80\0\0\0\0")]);
        stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
        let (mut reader, mut writer) = stream.halves();
        let reading = thread::spawn(move || {
            assert!(matches!(reader.recv().unwrap(), Some(Event::Ping(_))));
            reader
        });
        stream.wait_until(|script| script.is_writing);
        writer.close(CloseCode::NORMAL, "").unwrap();
        let _reader = reading.join().unwrap();
        stream.tell(|script| script.writes = None);
        stream.wait_until(|script| script.written.ends_with(b"\x88\x02\x03\xe8"));
    }
}

/// A message in pieces as they arrive; what has to be answered between them is answered.
#[test]
fn a_half_receives_in_pieces() {
    let stream = Told::new([
        Ok(&b"\x01\x82\0\0\0\0He\x89\x80\0\0\0\0\x80\x83\0\0\0\0l"[..]),
        Ok(b"lo\x88\x80\0\0\0\0"),
        Ok(b""),
    ]);
    let (mut reader, _writer) = stream.halves();
    let mut pieces = vec![];
    while let Some(event) = reader.recv_chunk().unwrap() {
        match event {
            Event::Chunk(chunk) => {
                pieces.push((chunk.first, chunk.data.as_text().unwrap().to_owned(), chunk.last))
            }
            Event::Ping(_) => pieces.push((false, "ping".to_owned(), false)),
            event => assert_eq!(event, Event::Close(None)),
        }
    }
    let pieces = pieces.iter().map(|(first, text, last)| (*first, text.as_str(), *last)).collect::<Vec<_>>();
    assert_eq!(
        pieces,
        [(true, "He", false), (false, "ping", false), (false, "l", false), (false, "lo", true)]
    );
    assert_eq!(reader.close_frame(), None);
    stream.tell(|script| assert_eq!(script.written, b"\x8A\x00\x88\x00"));
}

/// It is no stream for halves, but nothing is lost, and nobody spins.
#[test]
fn halves_of_a_stream_that_does_not_block() {
    let stream = Told::new([]);
    stream.tell(|script| (script.never_blocks, script.writes) = (true, Some(ErrorKind::WouldBlock)));
    let (mut reader, mut writer) = stream.halves();
    writer.send_text("one").unwrap();
    assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.tell(|script| script.writes = None);
    writer.send_text("two").unwrap();
    writer.flush().unwrap();
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.tell(|script| assert_eq!(script.written, b"\x81\x03one\x81\x03two"));

    // With no time to close, and behind the end of the stream.
    let (mut reader, _writer) = stream.halves_with(Config::default().close_timeout(Duration::ZERO));
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    let stream = Told::new([Ok(&b""[..])]);
    stream.tell(|script| (script.never_blocks, script.writes) = (true, Some(ErrorKind::WouldBlock)));
    let (mut reader, mut writer) = stream.halves();
    writer.feed(&Message::from("one")).unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// A thread of its own writes a Close that the stream does not take at once; who puts the halves together waits for it.
#[test]
fn halves_are_put_together_when_the_close_is_written() {
    let stream = Told::new([]);
    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
    let (reader, mut writer) = stream.halves();
    writer.close(CloseCode::NORMAL, "").unwrap();
    stream.tell(|script| assert_eq!(script.written, b""));
    let taking = thread::spawn({
        let stream = stream.clone();
        move || {
            thread::sleep(Duration::from_millis(20));
            stream.tell(|script| script.writes = None);
        }
    });
    let ws = WebSocket::reunite(reader, writer).unwrap();
    stream.tell(|script| assert_eq!(script.written, b"\x88\x02\x03\xE8"));
    assert_eq!((ws.state(), ws.connection().wants_write()), (State::CloseSent, false));
    taking.join().unwrap();
}

/// What they know of the end is not forgotten, and not done again.
#[test]
fn halves_are_put_together_when_it_is_closed() {
    let stream = Told::new([Ok(&b"\x88\x82\0\0\0\0\x03\xE8"[..]), Ok(b"")]);
    let (mut reader, writer) = stream.halves();
    assert!(matches!(reader.recv().unwrap(), Some(Event::Close(Some(_)))));
    let mut ws = WebSocket::reunite(reader, writer).unwrap();
    assert_eq!(ws.close_frame().map(|frame| frame.code()), Some(CloseCode::NORMAL));
    assert_eq!(ws.recv().unwrap(), None);
    stream.tell(|script| assert_eq!((script.shutdowns, script.aborts), (1, 0)));
}

#[test]
fn halves_of_two_connections_stay_apart() {
    let [(reader, _), (_, writer)] = [Told::new([]).halves(), Told::new([]).halves()];
    assert_eq!(WebSocket::reunite(reader, writer).unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// The timeouts that the adapter has set are removed, though halves have set them.
#[test]
fn halves_that_are_put_together_give_the_stream_back_without_timeouts() {
    let (mut server, client) = pair(Config::default().close_timeout(Duration::from_secs(5)));
    let (mut reader, mut writer) = client.into_split().unwrap();
    server.send_text("a").unwrap();
    writer.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert!(reader.stream().read_timeout().unwrap().is_some());
    let (stream, ..) = WebSocket::reunite(reader, writer).unwrap().into_parts();
    assert_eq!((stream.read_timeout().unwrap(), stream.write_timeout().unwrap()), (None, None));
}

/// Both halves: a thread that comes back after a deadline receives what arrived before it, whatever the other one has written.
#[test]
fn what_arrived_in_time_counts_though_it_is_received_late() {
    const MS: Duration = Duration::from_millis(1);
    let config = Config::default().close_timeout(500 * MS);
    for flushes in [false, true] {
        let stream = Told::new([Ok(&b"\x81\x81\0\0\0\0a"[..])]);
        let (mut reader, mut writer) = stream.halves_with(config);
        writer.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
        stream.tell(|script| script.reads = [Ok(b"\x88\x80\0\0\0\0".to_vec()), Ok(vec![])].into());
        thread::sleep(700 * MS);
        if flushes {
            writer.flush().unwrap();
        }
        assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)), "{flushes}");
        assert_eq!(reader.recv().unwrap(), None);
    }

    // The reader has received something since the Ping, and is busy with it.
    let config = Config::default().ping_interval(Some(100 * MS)).pong_timeout(500 * MS);
    let stream = Told::new([]);
    let (mut reader, mut writer) = stream.halves_with(config);
    thread::scope(|scope| {
        scope.spawn(|| {
            stream.wait_until(|script| script.written == b"\x89\x00");
            stream.tell(|script| script.reads.push_back(Ok(b"\x81\x81\0\0\0\0a".to_vec())));
        });
        assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    });
    thread::sleep(700 * MS);
    writer.send_text("b").unwrap();
    stream.tell(|script| script.reads.push_back(Ok(b"\x81\x81\0\0\0\0c".to_vec())));
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("c"))));
    assert_eq!(writer.state(), State::Open);
}

/// The reader's caller is busy with what it received. A writer that waits meanwhile does not judge the peer as if it had not come.
#[test]
fn what_was_received_counts_for_a_writer_that_waits() {
    const MS: Duration = Duration::from_millis(1);
    const PONG: &[u8] = b"\x8a\x80\0\0\0\0";
    const TEXT: &[u8] = b"\x81\x81\0\0\0\0a";
    let pings = Config::default().ping_interval(Some(600 * MS)).pong_timeout(1000 * MS);
    let is_idle = Config::default().idle_timeout(Some(1600 * MS));
    thread::scope(|scope| {
        for (config, received) in [(pings, PONG), (pings, TEXT), (is_idle, TEXT)] {
            for batch in [false, true] {
                scope.spawn(move || {
                    let stream = Told::new([]);
                    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
                    let (mut reader, mut writer) = stream.halves_with(config);
                    writer.feed(&Message::from("b")).unwrap();
                    let peer = thread::spawn({
                        let stream = stream.clone();
                        move || {
                            thread::sleep(800 * MS);
                            stream.tell(|script| script.reads.push_back(Ok(received.to_vec())));
                            thread::sleep(1000 * MS);
                            stream.tell(|script| script.writes = None);
                        }
                    });
                    if batch {
                        assert!(reader.read().unwrap().unwrap().recv().is_some());
                    } else {
                        assert!(reader.recv().unwrap().is_some());
                    }
                    writer.flush().unwrap();
                    peer.join().unwrap();
                    assert_eq!(writer.state(), State::Open);
                    stream.tell(|script| assert!(script.written.starts_with(b"\x81\x01b")));
                });
            }
        }
    });
}

/// A Pong that a writer learns of belongs to the Ping before it, also when the reader's caller comes back after the next one.
#[test]
fn a_pong_answers_the_ping_before_it() {
    const MS: Duration = Duration::from_millis(1);
    let stream = Told::new([]);
    let (mut reader, mut writer) = stream.halves_with(Config::default().ping_interval(Some(300 * MS)));
    let peer = thread::spawn({
        let stream = stream.clone();
        move || {
            stream.wait_until(|script| script.written == b"\x89\x00");
            stream.tell(|script| script.reads.push_back(Ok(b"\x8a\x80\0\0\0\0".to_vec())));
        }
    });
    assert!(matches!(reader.recv().unwrap(), Some(Event::Pong(_))));
    peer.join().unwrap();
    writer.send_text("a").unwrap();
    let latency = writer.latency();
    assert!(latency.is_some());
    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
    let peer = thread::spawn({
        let stream = stream.clone();
        move || {
            thread::sleep(500 * MS);
            stream.tell(|script| script.writes = None);
        }
    });
    // The next Ping falls due meanwhile.
    writer.send_text("b").unwrap();
    peer.join().unwrap();
    stream.tell(|script| script.reads.push_back(Ok(b"\x81\x81\0\0\0\0c".to_vec())));
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("c"))));
    assert_eq!(reader.latency(), latency);
}

/// A flush says that not everything was written, also behind the peer's Close, of the halves or of what was or becomes one.
#[test]
fn a_flush_tells_what_was_lost_behind_a_close() {
    const MS: Duration = Duration::from_millis(1);
    for (end, is_split) in
        [(None, false), (Some(ErrorKind::ConnectionReset), false), (Some(ErrorKind::ConnectionReset), true)]
    {
        let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..])]);
        stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
        let config = Config::default().close_timeout(300 * MS);
        let mut ws = WebSocket::from_parts(stream.clone(), Connection::server(config), vec![]);
        ws.feed(&Message::from("a")).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Event::Close(None)));
        if let Some(kind) = end {
            stream.tell(|script| script.reads.push_back(Err(kind)));
            assert_eq!(ws.recv().unwrap(), None);
        }
        if is_split {
            let (_reader, mut writer) = ws.into_split().unwrap();
            assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::ConnectionReset);
            continue;
        }
        assert_eq!(ws.flush().unwrap_err().kind(), end.unwrap_or(ErrorKind::TimedOut));
        ws.flush().unwrap();
    }
    // The Close is read behind the error.
    let told = || {
        let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..])]);
        stream.tell(|script| script.writes = Some(ErrorKind::BrokenPipe));
        stream
    };
    let mut ws = WebSocket::from_parts(told(), Connection::server(Config::default()), vec![]);
    ws.feed(&Message::from("a")).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Close(None)));
    assert_eq!(ws.recv().unwrap(), None);
    assert_eq!(ws.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
    ws.flush().unwrap();
    let (mut reader, mut writer) = told().halves_with(Config::default());
    writer.feed(&Message::from("a")).unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
    assert_eq!(reader.recv().unwrap(), None);
    writer.flush().unwrap_err();
    assert_eq!(
        WebSocket::reunite(reader, writer).unwrap().flush().unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    for (end, kind) in
        [(None, ErrorKind::TimedOut), (Some(ErrorKind::ConnectionReset), ErrorKind::ConnectionReset)]
    {
        let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..])]);
        stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
        let (mut reader, mut writer) = stream.halves_with(Config::default().close_timeout(300 * MS));
        writer.feed(&Message::from("a")).unwrap();
        assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
        if let Some(kind) = end {
            stream.tell(|script| script.reads.push_back(Err(kind)));
            assert_eq!(reader.recv().unwrap(), None);
        }
        assert_eq!(writer.flush().unwrap_err().kind(), kind);
        assert_eq!(WebSocket::reunite(reader, writer).unwrap().flush().unwrap_err().kind(), kind);
        stream.tell(|script| assert!(script.written.is_empty()));
    }
    // What was written is not lost.
    for end in [None, Some(ErrorKind::ConnectionReset)] {
        let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..])]);
        stream.tell(|script| script.reads.extend(end.map(Err)));
        let (mut reader, mut writer) = stream.halves_with(Config::default().close_timeout(100 * MS));
        writer.feed(&Message::from("a")).unwrap();
        assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
        assert_eq!(reader.recv().unwrap(), None);
        writer.flush().unwrap();
    }
}

/// All of it: a Close counts behind more than one read brings.
#[test]
fn all_that_arrived_in_time_counts() {
    const MS: Duration = Duration::from_millis(1);
    let bytes = [&b"\x82\xFE\xC3\x50\0\0\0\0"[..], &[0; 50_000], b"\x88\x80\0\0\0\0"].concat();
    let (server, client) = pair(Config::default());
    let (stream, ..) = server.into_parts();
    let connection = Connection::server(Config::default().close_timeout(500 * MS));
    let mut ws = WebSocket::from_parts(stream, connection, vec![]);
    ws.close(CloseCode::NORMAL, "").unwrap();
    let (mut stream, ..) = client.into_parts();
    stream.write_all(b"\x81\x81\0\0\0\0a").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    stream.write_all(&bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    thread::sleep(700 * MS);
    ws.finish().unwrap();

    let stream = Told::new([Ok(b"\x81\x81\0\0\0\0a")]);
    let (mut reader, mut writer) = stream.halves_with(Config::default().close_timeout(500 * MS));
    writer.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    stream.tell(|script| script.reads = bytes.chunks(10_000).map(|read| Ok(read.to_vec())).collect());
    stream.tell(|script| script.reads.push_back(Ok(vec![])));
    thread::sleep(700 * MS);
    reader.finish().unwrap();

    // With a Pong to write first, behind our Close.
    let stream = Told::new([Ok(b"\x89\x80\0\0\0\0\x81\x81\0\0\0\0a")]);
    let (mut reader, mut writer) = stream.halves_with(Config::default().close_timeout(500 * MS));
    writer.close(CloseCode::NORMAL, "").unwrap();
    {
        let mut batch = reader.read().unwrap().unwrap();
        assert!(matches!(batch.recv(), Some(Event::Ping(_))));
        assert_eq!(batch.recv(), Some(Event::Message(Message::from("a"))));
        stream.tell(|script| script.reads = bytes.chunks(10_000).map(|read| Ok(read.to_vec())).collect());
        stream.tell(|script| script.reads.push_back(Ok(vec![])));
        thread::sleep(700 * MS);
    }
    reader.finish().unwrap();
    stream.tell(|script| assert!(script.written.ends_with(b"\x8A\0"), "the Pong: {:02x?}", script.written));
}

/// A peer that has closed is not judged before it is offered what waits: it may have made room in time.
#[test]
fn output_behind_a_close_is_written_though_the_reader_is_late() {
    const MS: Duration = Duration::from_millis(1);
    const LONG: usize = 16 << 20;
    let (server, client) = pair(Config::default());
    let (stream, ..) = server.into_parts();
    let config = Config::default().close_timeout(600 * MS).max_output(64 << 20).high_water(64 << 20);
    let server = WebSocket::from_parts(stream, Connection::server(config), vec![]);
    let (mut reader, mut writer) = server.into_split().unwrap();
    writer.feed(&Message::from(vec![0; LONG])).unwrap();
    let (mut stream, ..) = client.into_parts();
    stream.write_all(b"\x88\x80\0\0\0\0").unwrap();
    assert!(matches!(reader.recv().unwrap(), Some(Event::Close(_))));
    stream.set_read_timeout(Some(200 * MS)).unwrap();
    let mut received = Vec::new();
    assert!(stream.read_to_end(&mut received).is_err());
    thread::sleep(600 * MS);
    let reading = thread::spawn(move || reader.finish());
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 10 + LONG + 2);
    drop(stream);
    reading.join().unwrap().unwrap();
}

/// And if it has not, that is the end, and not a stream that does not block.
#[test]
fn a_late_reader_gives_up_a_peer_that_has_ended_and_takes_nothing() {
    const MS: Duration = Duration::from_millis(1);
    let stream = Told::new([Ok(&b""[..])]);
    stream.tell(|script| script.writes = Some(ErrorKind::WouldBlock));
    let (mut reader, mut writer) = stream.halves_with(Config::default().close_timeout(100 * MS));
    writer.feed(&Message::from("a")).unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
    thread::sleep(200 * MS);
    assert_eq!(reader.recv().unwrap(), None);
}

/// What a reader finds that comes late, between a Pong and the deadline of an idle connection.
#[test]
fn a_message_in_time_counts_behind_a_pong() {
    const MS: Duration = Duration::from_millis(1);
    let config = Config::default().ping_interval(Some(200 * MS)).idle_timeout(Some(5000 * MS));
    let stream = Told::new([]);
    let (mut reader, writer) = stream.halves_with(config);
    thread::scope(|scope| {
        scope.spawn(|| {
            stream.wait_until(|script| script.written == b"\x89\x00");
            stream.tell(|script| script.reads.push_back(Ok(b"\x8a\x80\0\0\0\0".to_vec())));
        });
        assert!(matches!(reader.recv().unwrap(), Some(Event::Pong(_))));
    });
    stream.tell(|script| script.reads.push_back(Ok(b"\x81\x81\0\0\0\0a".to_vec())));
    thread::sleep(5500 * MS);
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    assert_eq!(writer.state(), State::Open);
}

/// What a half has received keeps the connection from being idle when the halves are one again.
#[test]
fn halves_that_are_put_together_know_what_was_received() {
    const MS: Duration = Duration::from_millis(1);
    let stream = Told::new([]);
    let (mut reader, writer) = stream.halves_with(Config::default().idle_timeout(Some(4000 * MS)));
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(2800 * MS);
            stream.tell(|script| script.reads.push_back(Ok(b"\x81\x81\0\0\0\0a".to_vec())));
        });
        assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    });
    // The deadline that there was before has passed.
    thread::sleep(1500 * MS);
    let mut ws = WebSocket::reunite(reader, writer).unwrap();
    ws.set_read_timeout(Some(2400 * MS));
    assert_eq!(ws.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(ws.state(), State::Open);
}

/// On some systems a socket that has been shut down takes no timeout: that is how a reader may learn of it.
#[test]
fn a_stream_that_takes_no_timeout_is_broken() {
    let stream = Told::new([]);
    stream.tell(|script| (script.forgets_timeouts, script.aborts) = (true, 1));
    let (mut reader, writer) = stream.halves();
    assert_eq!(reader.recv().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(reader.recv().unwrap(), None);
    assert_eq!(writer.state(), State::Ended);
}

/// A stream may hold what was written before it came apart.
#[test]
fn a_half_flushes_what_was_written_before() {
    let mut stream = Told::new([Ok(b"\x81\x81\0\0\0\0a")]);
    let (mut reader, _writer) = stream.halves();
    stream.write_all(b"before").unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Event::Message(Message::from("a"))));
    stream.tell(|script| assert_eq!(script.flushed, 6));
}

/// A stream that cannot end its side at once is asked again.
#[test]
fn an_end_that_is_not_possible_now_comes_later() {
    let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..])]);
    stream.tell(|script| script.shutdown_errors = vec![ErrorKind::WouldBlock, ErrorKind::Interrupted]);
    let (mut reader, _writer) = stream.halves();
    assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
    thread::scope(|scope| {
        scope.spawn(|| {
            stream.wait_until(|script| script.shutdowns == 3);
            stream.tell(|script| script.reads.push_back(Ok(vec![])));
        });
        assert_eq!(reader.recv().unwrap(), None);
    });
    stream.tell(|script| assert_eq!(script.aborts, 0));
}

/// However often it is not possible: the connection is over.
#[test]
fn an_end_that_is_never_possible_keeps_nobody() {
    let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..]), Ok(b"")]);
    stream.tell(|script| script.shutdown_errors = vec![ErrorKind::WouldBlock; 20]);
    let (mut reader, _writer) = stream.halves();
    assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
    assert_eq!(reader.recv().unwrap(), None);
}

/// The peer will not see our end, so there is no use in waiting for its own.
#[test]
fn halves_of_a_stream_that_cannot_be_ended_are_over() {
    let stream = Told::new([Ok(&b"\x88\x80\0\0\0\0"[..])]);
    stream
        .tell(|script| (script.shutdown_errors, script.never_blocks) = (vec![ErrorKind::NotConnected], true));
    let (mut reader, _writer) = stream.halves();
    assert_eq!(reader.recv().unwrap(), Some(Event::Close(None)));
    assert_eq!(reader.recv().unwrap(), None);
    stream.tell(|script| assert_eq!((script.shutdowns, script.aborts), (1, 1)));
}

/// A flush writes all of it, not only as much as one write of the stream may take.
#[test]
fn a_backlog_of_many_pieces_is_written() {
    let stream = Told::new([]);
    stream.tell(|script| (script.writes, script.never_blocks) = (Some(ErrorKind::WouldBlock), true));
    let (_reader, mut writer) = stream.halves();
    for _ in 0..40 {
        writer.send_owned(vec![7; 20_000].into()).unwrap();
    }
    stream.tell(|script| script.writes = None);
    writer.flush().unwrap();
    stream.tell(|script| assert_eq!(script.written.len(), 40 * 20_004));
}

/// A stream that takes a kilobyte each millisecond, after the first ten. A write returns when all is taken, or after its
/// timeout.
#[derive(Clone, Default)]
struct Steady {
    taken: Arc<AtomicUsize>,
    timeout: Option<Duration>,
    is_over: Arc<AtomicBool>,
}

impl Read for Steady {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        while !self.is_over.load(Ordering::SeqCst) {
            if self.timeout.is_some_and(|timeout| timeout <= began.elapsed()) {
                return Err(ErrorKind::WouldBlock.into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(0)
    }
}

impl Write for Steady {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let began = Instant::now();
        while !self.is_over.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
            let taken = buf.len().min(1024 * began.elapsed().as_millis().saturating_sub(10) as usize);
            let is_late = self.timeout.is_some_and(|timeout| timeout <= began.elapsed());
            if taken == 0 && is_late {
                return Err(ErrorKind::WouldBlock.into());
            }
            if taken == buf.len() || is_late {
                self.taken.fetch_add(taken, Ordering::SeqCst);
                return Ok(taken);
            }
        }
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Steady {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) -> io::Result<()> {
        self.is_over.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeout = timeout;
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

/// Nobody gives up a peer because of a write of the other thread that takes long but goes on.
#[test]
fn what_a_blocked_write_has_done_is_seen_before_the_deadline() {
    let stream = Steady::default();
    let config = Config::default().close_timeout(Duration::from_millis(600));
    let ws = WebSocket::from_parts(stream.clone(), Connection::server(config), vec![]);
    let (mut reader, mut writer) = ws.into_split().unwrap();
    const LEN: usize = 1 << 20;
    writer.feed(&vec![7; LEN].into()).unwrap();
    writer.close(CloseCode::NORMAL, "").unwrap();
    let reading = thread::spawn(move || reader.recv().map(|event| event.map(Event::into_owned)));
    let began = Instant::now();
    writer.flush().unwrap();
    assert!(
        began.elapsed() > Duration::from_millis(700),
        "{:?}: no longer than the deadline",
        began.elapsed()
    );
    assert!(stream.taken.load(Ordering::SeqCst) > LEN);
    // It does not close its side.
    assert_eq!(reading.join().unwrap().unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
    // A flush that was cut off would say so.
    assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::TimedOut);
}
