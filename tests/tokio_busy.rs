//! The tokio adapter on real sockets while its thread is busy: tokio asks the system about sockets only when a task waits, and until then
//! a socket has nothing for a task, and takes nothing. What the peer has done in time counts all the same.
#![cfg(feature = "_tests")]

#[path = "support/futures_io.rs"]
mod futures_io_socket;

use std::io::{self, Read, Write};
use std::net::TcpStream as Peer;
use std::thread;
use std::time::{Duration, Instant};

use futures_io_socket::Socket;
use sansocket::tokio::WebSocket;
use sansocket::{Config, Connection, Event, OsRandom, futures_io};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const MS: Duration = Duration::from_millis(1);

/// A message and a Close.
const FAREWELL: &[u8] = b"\x81\x81\0\0\0\0a\x88\x82\0\0\0\0\x03\xe8";

async fn server(config: Config) -> (WebSocket<TcpStream>, Peer) {
    over(Connection::server(config)).await
}

async fn over(connection: Connection) -> (WebSocket<TcpStream>, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (WebSocket::from_parts(stream, connection, Vec::new()), peer)
}

/// A server whose peer said farewell and left with a message unread, which resets the connection, while the thread was busy.
async fn left() -> WebSocket<TcpStream> {
    let (mut ws, mut peer) = server(Config::default()).await;
    ws.send_text("unread").await.unwrap();
    assert!(timeout(50 * MS, ws.recv()).await.is_err());
    peer.write_all(FAREWELL).unwrap();
    // All of it is on its way before the reset.
    thread::sleep(20 * MS);
    drop(peer);
    thread::sleep(50 * MS);
    ws
}

/// Receives once, in one piece or with the reading half.
async fn recv(mut ws: WebSocket<TcpStream>, halves: bool) -> io::Result<Option<Event<'static>>> {
    if halves {
        let (mut reader, _writer) = ws.into_split();
        reader.recv().await.map(|event| event.map(Event::into_owned))
    } else {
        ws.recv().await.map(|event| event.map(Event::into_owned))
    }
}

/// Sends until the peer's stream takes no more.
async fn fill(ws: &mut WebSocket<TcpStream>) {
    while !ws.connection().wants_write() {
        ws.send_binary(&[7; 100_000]).await.unwrap();
    }
    let waits = ws.connection().output_len();
    assert!(timeout(50 * MS, ws.flush()).await.is_err(), "{waits} bytes wait");
}

/// The peer reads everything, while this thread is busy until a deadline of 1.5 s has passed.
fn read_all(mut peer: Peer) -> Peer {
    let reading = thread::spawn(move || {
        peer.set_read_timeout(Some(100 * MS)).unwrap();
        while peer.read(&mut [0; 100_000]).is_ok_and(|n| n > 0) {}
        peer
    });
    let (began, peer) = (Instant::now(), reading.join().unwrap());
    thread::sleep((2500 * MS).saturating_sub(began.elapsed()));
    peer
}

fn is_farewell(events: &[Event<'_>]) -> bool {
    matches!(events, [Event::Message(message), Event::Close(_)] if *message == "a")
}

#[tokio::test]
async fn what_came_before_a_failed_write_is_received() {
    for (sends, halves) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut ws = left().await;
        let mut events = Vec::new();
        if !sends {
            ws.feed(&"more".into()).unwrap();
        }
        if halves {
            let (mut reader, mut writer) = ws.into_split();
            if sends {
                writer.send_text("more").await.unwrap_err();
            }
            while let Some(event) = reader.recv().await.unwrap() {
                events.push(event.into_owned());
            }
        } else {
            if sends {
                ws.send_text("more").await.unwrap_err();
            }
            while let Some(event) = ws.recv().await.unwrap() {
                events.push(event.into_owned());
            }
        }
        assert!(is_farewell(&events), "sends: {sends}, halves: {halves}: {events:?}");
    }
}

#[tokio::test]
async fn what_came_before_a_failed_write_is_received_over_futures_io() {
    let (stream, connection, unread) = left().await.into_parts();
    let mut ws = futures_io::WebSocket::from_parts(Socket(stream), connection, unread, sleep);
    ws.send_text("more").await.unwrap_err();
    let mut events = Vec::new();
    while let Some(event) = ws.recv().await.unwrap() {
        events.push(event.into_owned());
    }
    assert!(is_farewell(&events), "{events:?}");
}

/// A failed write is reported, though nothing had arrived before it.
#[tokio::test]
async fn a_failed_write_is_reported_soon() {
    for halves in [false, true] {
        let (mut ws, peer) = server(Config::default()).await;
        ws.send_text("unread").await.unwrap();
        assert!(timeout(50 * MS, ws.recv()).await.is_err());
        drop(peer);
        thread::sleep(50 * MS);
        ws.send_text("more").await.unwrap_err();
        let event = timeout(Duration::from_secs(5), recv(ws, halves)).await.expect("it waits").unwrap();
        assert!(matches!(event, Some(Event::Failed(_))), "halves: {halves}: {event:?}");
    }
}

#[tokio::test]
async fn what_arrived_before_a_deadline_counts() {
    let config = Config::default().ping_interval(Some(200 * MS)).pong_timeout(1000 * MS);
    for halves in [false, true] {
        let (mut ws, mut peer) = server(config).await;
        assert!(timeout(400 * MS, ws.recv()).await.is_err());
        let mut ping = [0; 2];
        peer.read_exact(&mut ping).unwrap();
        assert_eq!(&ping, b"\x89\0");
        peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
        thread::sleep(2000 * MS);
        let event = recv(ws, halves).await.unwrap();
        assert!(matches!(event, Some(Event::Pong(_))), "halves: {halves}: {event:?}");
    }
}

/// The peer has read everything, and so there is room.
#[tokio::test]
async fn room_before_a_deadline_counts() {
    let config = Config::default().write_timeout(Some(1500 * MS));
    for (sends, halves) in [(true, false), (false, false), (true, true), (false, true)] {
        let (mut ws, mut peer) = server(config).await;
        fill(&mut ws).await;
        peer = read_all(peer);
        let (writing, reading) = if halves {
            let (mut reader, mut writer) = ws.into_split();
            let writing = if sends { writer.flush().await } else { Ok(()) };
            peer.write_all(FAREWELL).unwrap();
            (writing, reader.recv().await.map(|event| event.map(Event::into_owned)))
        } else {
            let writing = if sends { ws.flush().await } else { Ok(()) };
            peer.write_all(FAREWELL).unwrap();
            (writing, ws.recv().await.map(|event| event.map(Event::into_owned)))
        };
        let name = format!("sends: {sends}, halves: {halves}");
        writing.expect(&name);
        assert!(
            matches!(&reading, Ok(Some(Event::Message(message))) if *message == "a"),
            "{name}: {reading:?}"
        );
    }
}

/// A Pong was the last thing to arrive; then the thread is busy, and the peer takes all.
#[tokio::test]
async fn room_before_a_deadline_counts_also_after_a_pong() {
    let config = Config::default().ping_interval(Some(200 * MS)).write_timeout(Some(1500 * MS));
    for halves in [false, true] {
        for pong in [false, true] {
            let (mut ws, mut peer) = over(Connection::client(config, OsRandom)).await;
            assert!(timeout(350 * MS, ws.recv()).await.is_err());
            let mut ping = [0; 6];
            peer.read_exact(&mut ping).unwrap();
            assert_eq!(ping[..2], *b"\x89\x80");
            fill(&mut ws).await;
            if pong {
                peer.write_all(b"\x8a\0").unwrap();
                let event = timeout(20_000 * MS, ws.recv()).await.unwrap().unwrap();
                assert!(matches!(event, Some(Event::Pong(_))), "{event:?}");
            }
            // The runtime asks the system once more.
            tokio::time::sleep(20 * MS).await;
            peer = read_all(peer);
            peer.write_all(b"\x81\x01a").unwrap();
            let read = recv(ws, halves).await;
            assert!(
                matches!(&read, Ok(Some(Event::Message(message))) if *message == "a"),
                "halves {halves}, pong {pong}: {read:?}"
            );
        }
    }
}

/// A task that polls `recv` again for each message of a channel, as with `select!`, before the runtime has its turn.
#[tokio::test]
async fn what_arrived_before_a_deadline_counts_beside_a_full_channel() {
    let config = Config::default().ping_interval(Some(200 * MS)).pong_timeout(1000 * MS);
    for queued in [0, 10, 40] {
        let (mut ws, mut peer) = server(config).await;
        assert!(timeout(400 * MS, ws.recv()).await.is_err());
        let mut ping = [0; 2];
        peer.read_exact(&mut ping).unwrap();
        peer.write_all(b"\x8a\x80\0\0\0\0").unwrap();
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        for n in 0..queued {
            send.send(n).unwrap();
        }
        thread::sleep(2000 * MS);
        let event = loop {
            tokio::select! {
                biased;
                event = ws.recv() => break event.unwrap().map(Event::into_owned),
                Some(_) = receive.recv() => {}
            }
        };
        assert!(matches!(event, Some(Event::Pong(_))), "{queued} queued: {event:?}");
    }
}
