//! The halves of the `net` adapter in two threads.
#![cfg(feature = "net")]

use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::ClientRequest;
use sansocket::net::{WebSocket, accept, client};
use sansocket::{CloseCode, Config, Event, Message, ProtocolError};

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
    assert!(began.elapsed() < Duration::from_secs(3));
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
    let (mut reader, _writer) = server.into_split().unwrap();
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
