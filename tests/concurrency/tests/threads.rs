//! `net`'s halves in two threads: nothing lost, nothing twice, and both threads end, whatever the schedule.

mod common;
#[path = "threads/pipe.rs"]
mod pipe;

use std::io;

use common::{HOUR, MESSAGES, SHORT, check, check_all, message, text};
use pipe::{Pipe, pipe};
use sansocket::net::{ReadHalf, Transport, WebSocket, WriteHalf};
use sansocket::{CloseCode, Config, Connection, Event, Input, ProtocolError, State};
use std::thread;

fn halves(stream: Pipe, config: Config) -> (ReadHalf<Pipe>, WriteHalf<Pipe>) {
    let ws = WebSocket::from_parts(stream, Connection::server(config), vec![]);
    ws.into_split().expect("a pipe has a second handle")
}

/// A peer in one thread, which sends and receives by turns.
struct Client {
    stream: Pipe,
    connection: Connection,
}

impl Client {
    fn new(stream: Pipe) -> Self {
        Self { stream, connection: Connection::client(patient(), |bytes: &mut [u8]| bytes.fill(7)) }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            let n = io::Write::write(&mut self.stream, self.connection.output())?;
            self.connection.output_written(n);
        }
        Ok(())
    }

    /// Receives until the connection is over; `each` may answer.
    fn run(&mut self, mut each: impl FnMut(&mut Connection, &Event<'_>)) {
        let mut buf = [0; 64];
        loop {
            let n = match io::Read::read(&mut self.stream, &mut buf) {
                Ok(n) => n,
                Err(error) => panic!("{error}"),
            };
            if n == 0 {
                self.connection.recv_eof();
            }
            let mut input = Input::new(&mut buf[..n]);
            while let Some(event) = self.connection.recv(&mut input) {
                each(&mut self.connection, &event);
            }
            if self.write().is_err() {
                self.connection.recv_error();
            }
            if self.connection.should_shutdown() || self.connection.is_ended() {
                Transport::shutdown_write(&mut self.stream).expect("a pipe can end");
            }
            if self.connection.is_ended() {
                return;
            }
        }
    }
}

fn patient() -> Config {
    Config::default().write_timeout(Some(HOUR)).close_timeout(HOUR).high_water(64)
}

#[test]
fn messages_both_ways_and_a_close_from_the_writer() {
    check(|| {
        // Smaller than a message: both ends wait for room again and again.
        let (near, far) = pipe(16);
        let (mut reader, mut writer) = halves(near, patient());
        let writing = thread::spawn(move || {
            for i in 0..MESSAGES {
                writer.send_text(&text(i)).expect("the connection is open");
            }
            writer.close(CloseCode::NORMAL, "").expect("the stream is there");
            writer
        });
        let peer = thread::spawn(move || {
            let (mut client, mut received) = (Client::new(far), 0);
            client.run(|connection, event| match event {
                Event::Message(message) => {
                    assert_eq!(message.as_bytes(), text(received).as_bytes());
                    connection.ping(&[received as u8]).expect("it is open");
                    connection.send_text(&text(received)).expect("it is open");
                    received += 1;
                }
                Event::Ping(_) | Event::Pong(_) | Event::Close(_) => {}
                other => panic!("{other:?}"),
            });
            assert_eq!(received, MESSAGES);
        });
        let (mut received, mut closed) = (0, false);
        while let Some(event) = reader.recv().expect("the stream is there") {
            match event {
                Event::Message(message) => {
                    assert_eq!(message.as_bytes(), text(received).as_bytes());
                    received += 1;
                }
                Event::Close(_) => closed = true,
                Event::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((received, closed), (MESSAGES, true));
        let writer = writing.join().expect("the writer ends");
        assert_eq!(writer.state(), State::Ended);
        peer.join().expect("the peer ends");
    });
}

#[test]
fn a_peer_that_pings_and_reads_nothing_holds_no_thread() {
    check(|| {
        let (near, mut far) = pipe(16);
        let config = Config::default().write_timeout(Some(SHORT)).close_timeout(SHORT).high_water(64);
        let (mut reader, mut writer) = halves(near, config);
        let writing = thread::spawn(move || {
            for i in 0..MESSAGES {
                if writer.send_text(&text(i)).is_err() {
                    return;
                }
            }
            let _ = writer.close(CloseCode::NORMAL, "");
        });
        // Not without end: a scheduler that is not fair would let only these two threads run.
        let peer = thread::spawn(move || {
            let pings = (0..30).all(|_| io::Write::write_all(&mut far, b"\x89\x84\0\0\0\0ping").is_ok());
            (pings, far)
        });
        let mut failed = None;
        loop {
            match reader.recv() {
                Ok(Some(Event::Failed(error))) => {
                    assert_eq!(failed.replace(error), None);
                }
                Ok(Some(event)) => assert!(matches!(event, Event::Ping(_)), "{event:?}"),
                Ok(None) => break,
                Err(error) => panic!("{error}"),
            }
        }
        use ProtocolError::{CloseTimeout, WriteTimeout};
        assert!(matches!(failed, Some(WriteTimeout | CloseTimeout)), "{failed:?}");
        writing.join().expect("the writer ends");
        peer.join().expect("the peer ends");
    });
}

#[test]
fn a_stream_that_breaks_ends_both_threads() {
    check(|| {
        let (near, mut far) = pipe(16);
        let (mut reader, mut writer) = halves(near, patient());
        let writing = thread::spawn(move || {
            let failed = (0..100).find_map(|i| writer.send_text(&text(i)).err());
            assert!(failed.is_some(), "the stream takes what nobody reads");
        });
        let peer = thread::spawn(move || {
            let _ = io::Read::read(&mut far, &mut [0; 8]);
            far.reset();
        });
        let (mut errors, mut events) = (0, 0);
        loop {
            match reader.recv() {
                Ok(Some(Event::Failed(ProtocolError::TransportFailed))) => events += 1,
                Ok(Some(event)) => panic!("{event:?}"),
                Ok(None) => break,
                Err(_) => errors += 1,
            }
        }
        assert_eq!(errors + events, 1);
        writing.join().expect("the writer ends");
        peer.join().expect("the peer ends");
    });
}

#[test]
fn halves_that_were_used_by_two_threads_reunite() {
    check(|| {
        let (near, far) = pipe(16);
        let (mut reader, mut writer) = halves(near, patient());
        let writing = thread::spawn(move || {
            for i in 0..MESSAGES {
                writer.send_text(&text(i)).expect("the connection is open");
            }
            writer
        });
        let peer = thread::spawn(move || {
            let (mut client, mut received) = (Client::new(far), 0);
            client.connection.ping(b"?").expect("it is open");
            client.connection.send_text("from the peer").expect("it is open");
            client.write().expect("the stream is there");
            client.run(|_, event| {
                if let Event::Message(message) = event {
                    assert_eq!(message.as_bytes(), text(received).as_bytes());
                    received += 1;
                }
            });
            assert_eq!(received, MESSAGES + 1);
        });
        assert!(matches!(reader.recv(), Ok(Some(Event::Ping(_)))));
        assert_eq!(
            reader.recv().expect("the stream is there"),
            Some(Event::Message(message("from the peer")))
        );
        let writer = writing.join().expect("the writer ends");
        let mut ws = WebSocket::reunite(reader, writer).expect("they are halves of one connection");
        ws.send_text(&text(MESSAGES)).expect("the connection is open");
        ws.close(CloseCode::NORMAL, "").expect("the stream is there");
        ws.finish().expect("the peer closes, too");
        peer.join().expect("the peer ends");
    });
}

// ---- every schedule ----

/// The halves of a server, and the other end of its stream, which has these bytes for it.
fn halves_with(bytes: &[u8]) -> (ReadHalf<Pipe>, WriteHalf<Pipe>, Pipe) {
    let (near, mut far) = pipe(64);
    io::Write::write_all(&mut far, bytes).expect("there is room");
    let (reader, writer) = halves(near, patient());
    (reader, writer, far)
}

/// What comes first in what has arrived.
fn arrived<const N: usize>(mut far: Pipe) -> [u8; N] {
    let mut bytes = [0; N];
    io::Read::read_exact(&mut far, &mut bytes).expect("the stream is there");
    bytes
}

#[test]
fn a_message_each_way_under_every_schedule() {
    check_all(|| {
        let (mut reader, mut writer, far) = halves_with(b"\x81\x81\0\0\0\0a");
        let writing = thread::spawn(move || writer.send_text("b").expect("it is open"));
        assert_eq!(reader.recv().expect("the stream is there"), Some(Event::Message("a".into())));
        writing.join().expect("the writer ends");
        assert_eq!(arrived(far), *b"\x81\x01b");
    });
}

#[test]
fn a_message_and_the_peers_close_under_every_schedule() {
    check_all(|| {
        let (mut reader, mut writer, far) = halves_with(b"\x88\x80\0\0\0\0");
        let queueing = thread::spawn(move || writer.feed(&"b".into()).is_ok());
        assert_eq!(reader.recv().expect("the stream is there"), Some(Event::Close(None)));
        if queueing.join().expect("the writer ends") {
            assert_eq!(arrived(far), *b"\x81\x01b\x88\0");
        } else {
            assert_eq!(arrived(far), *b"\x88\0");
        }
    });
}
