//! The halves of the tokio adapter in two tasks.
#![cfg(feature = "tokio")]

mod support;

use std::time::Duration;

use sansocket::handshake::ClientRequest;
use sansocket::tokio::{WebSocket, accept, client};
use sansocket::{CloseCode, Config, Connection, Event, Message, ProtocolError, SendError, State};
use support::{Chance, Chunky, pair, pair_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn both_directions_at_once_with_dropped_futures() {
    for seed in 0..30 {
        let (max, largest) =
            [(1, 300), (7, 2_000), (300, 20_000), (5_000, 70_000), (100_000, 70_000)][seed as usize % 5];
        let (server, client) = duplex(1 + 2 * max);
        let (server, client) = (Chunky::new(server, seed, max), Chunky::new(client, seed + 100, max));
        let (server, client) = pair_over(server, client, Config::default()).await;
        tokio::join!(converse(server, seed, largest), converse(client, seed, largest));
    }
}

async fn converse(ws: WebSocket<Chunky<DuplexStream>>, seed: u64, largest: usize) {
    const MESSAGES: usize = 40;
    let (mut reader, mut writer) = ws.split_with(split);
    let (done, mut all_received) = tokio::sync::oneshot::channel();
    let receiving = async move {
        let (mut done, mut received) = (Some(done), 0);
        let (mut chance, mut expected) = (Chance::new(seed + 1), Chance::new(seed));
        loop {
            match insist!(chance, async { reader.recv().await.map(|event| event.map(Event::into_owned)) })
                .unwrap()
            {
                Some(Event::Message(message)) => {
                    assert_eq!(message, expected.message(received, largest), "seed {seed}");
                    received += 1;
                    if received == MESSAGES {
                        let _ = done.take().unwrap().send(());
                    }
                }
                Some(Event::Failed(error)) => panic!("seed {seed}: {error}"),
                Some(_) => {}
                None => break,
            }
        }
        assert_eq!(received, MESSAGES);
    };
    let sending = async move {
        let (mut chance, mut messages) = (Chance::new(seed + 2), Chance::new(seed));
        for number in 0..MESSAGES {
            let message = messages.message(number, largest);
            insist!(chance, writer.send(&message)).unwrap();
            if chance.below(4) == 0 {
                insist!(chance, writer.ping(b"?")).unwrap();
            }
        }
        (&mut all_received).await.unwrap();
        // The other end may have been first.
        let _ = insist!(chance, writer.close(CloseCode::NORMAL, ""));
    };
    tokio::join!(receiving, sending);
}

async fn tcp_pair() -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let request = ClientRequest::new("ws://test/").unwrap();
    let (server, client) = tokio::join!(
        async { accept(listener.accept().await.unwrap().0).await.unwrap() },
        client(stream, request, Config::default())
    );
    (server, client.unwrap().0)
}

#[tokio::test]
async fn pings_are_answered_while_the_writing_half_is_idle() {
    let (server, mut client) = tcp_pair().await;
    let (mut reader, _writer) = server.into_split();
    tokio::spawn(async move { while reader.recv().await.unwrap().is_some() {} });
    for number in 0..1000_u32 {
        client.ping(&number.to_be_bytes()).await.unwrap();
        assert!(
            matches!(client.recv().await.unwrap(), Some(Event::Pong(payload)) if *payload == number.to_be_bytes())
        );
    }
    client.close(CloseCode::NORMAL, "").await.unwrap();
    client.finish().await.unwrap();
}

#[tokio::test]
async fn a_flood_of_pings_that_nobody_reads_the_answers_of_takes_no_memory() {
    let (server, client) = pair(Config::default()).await;
    let (mut reader, writer) = server.split_with(split);
    let (mut stream, mut connection, _) = client.into_parts();
    let flood = tokio::spawn(async move {
        for _ in 0..50_000 {
            connection.ping(&[7; 125]).unwrap();
            stream.write_all(connection.output()).await.unwrap();
            connection.output_written(usize::MAX);
        }
        stream
    });
    let mut pings = 0;
    while pings < 50_000 {
        pings += usize::from(matches!(reader.recv().await.unwrap(), Some(Event::Ping(_))));
    }
    let _stream = flood.await.unwrap();
    let ws = WebSocket::reunite_with(reader, writer, |read, write| Some(read.unsplit(write))).unwrap();
    assert!(ws.connection().output().len() < 20 * 131, "{}", ws.connection().output().len());
}

#[tokio::test]
async fn a_dropped_writing_half_leaves_nothing_unwritten() {
    let (server, mut client) = pair(Config::default().high_water(1 << 20)).await;
    let (mut reader, mut writer) = server.split_with(split);
    let reading = tokio::spawn(async move { while reader.recv().await.unwrap().is_some() {} });
    let big = vec![3; 500_000];
    writer.send_binary(&big).await.unwrap();
    drop(writer);
    assert_eq!(client.recv().await.unwrap(), Some(Event::Message(Message::from(big))));
    client.close(CloseCode::NORMAL, "").await.unwrap();
    client.finish().await.unwrap();
    reading.await.unwrap();
}

#[tokio::test]
async fn a_dropped_reading_half_leaves_a_sender() {
    let (server, mut client) = tcp_pair().await;
    let (reader, mut writer) = server.into_split();
    drop(reader);
    writer.send_text("still").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some(Event::Message(Message::from("still"))));
    drop(writer);
    assert_eq!(client.recv().await.unwrap(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
}

#[tokio::test]
async fn halves_come_together_again() {
    let (server, mut client) = tcp_pair().await;
    let (other, _client) = tcp_pair().await;
    let (reader, mut writer) = server.into_split();
    writer.feed(&Message::from("waiting")).unwrap();
    writer.send_text("sent").await.unwrap();
    let mut server: WebSocket<TcpStream> = WebSocket::reunite(reader, writer).unwrap();
    server.send_text("whole").await.unwrap();
    for expected in ["waiting", "sent", "whole"] {
        assert_eq!(client.recv().await.unwrap(), Some(Event::Message(Message::from(expected))));
    }
    let ((reader, _), (_, writer)) = (server.into_split(), other.into_split());
    assert!(WebSocket::<TcpStream>::reunite(reader, writer).is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn halves_of_a_unix_socket_come_together_again() {
    use tokio::net::UnixStream;
    let (stream, mut peer) = UnixStream::pair().unwrap();
    let ws = WebSocket::from_parts(stream, Connection::server(Config::default()), vec![]);
    let (reader, mut writer) = ws.into_split();
    writer.send_text("half").await.unwrap();
    let mut ws: WebSocket<UnixStream> = WebSocket::reunite(reader, writer).unwrap();
    ws.send_text("whole").await.unwrap();
    let mut received = [0; 13];
    peer.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"\x81\x04half\x81\x05whole");
}

#[tokio::test]
async fn halves_show_their_stream() {
    let (server, _client) = tcp_pair().await;
    let peer = server.stream().peer_addr().unwrap();
    let (reader, writer) = server.into_split();
    assert_eq!(reader.stream().peer_addr().unwrap(), peer);
    assert_eq!(writer.with_stream(|stream| stream.peer_addr()).unwrap(), peer);
}

#[tokio::test(start_paused = true)]
async fn deadlines_hold_in_halves() {
    let config = Config::default()
        .ping_interval(Some(Duration::from_secs(30)))
        .pong_timeout(Duration::from_secs(10))
        .close_timeout(Duration::from_secs(5));
    let (server, mut client) = pair(config).await;
    let (mut reader, _writer) = server.split_with(split);
    let began = tokio::time::Instant::now();
    let (_, event) = tokio::join!(
        timeout(Duration::from_secs(100), async { while client.recv().await.is_ok() {} }),
        async {
            loop {
                if let event @ Event::Failed(_) = reader.recv().await.unwrap().unwrap() {
                    break event.into_owned();
                }
            }
        }
    );
    assert_eq!(event, Event::Failed(ProtocolError::PongTimeout));
    assert!((129..=141).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(reader.recv().await.unwrap(), None);

    // The writer closes, and a reader that has long been waiting learns of the deadline.
    let (server, _client) = pair(Config::default().close_timeout(Duration::from_secs(5))).await;
    let (mut reader, mut writer) = server.split_with(split);
    let reading = tokio::spawn(async move {
        assert_eq!(reader.recv().await.unwrap(), Some(Event::Failed(ProtocolError::CloseTimeout)));
        assert_eq!(reader.recv().await.unwrap(), None);
    });
    sleep(Duration::from_secs(50)).await;
    writer.close(CloseCode::NORMAL, "").await.unwrap();
    let began = tokio::time::Instant::now();
    reading.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 5);
    let error = writer.send_text("late").await.unwrap_err();
    assert_eq!(error.downcast::<SendError>().unwrap(), SendError::Closed);
}

/// The reader's caller is busy with what it received. A writer that waits meanwhile does not judge the peer as if it had not come.
#[tokio::test(start_paused = true)]
async fn what_was_received_counts_for_a_writer_that_waits() {
    const MS: Duration = Duration::from_millis(1);
    let pings = Config::default().ping_interval(Some(1000 * MS)).pong_timeout(1000 * MS);
    let is_idle = Config::default().idle_timeout(Some(2000 * MS));
    const PONG: &[u8] = b"\x8a\x80\0\0\0\0";
    const TEXT: &[u8] = b"\x81\x81\0\0\0\0a";
    for (config, pings, received) in [(pings, 1, PONG), (pings, 1, TEXT), (is_idle, 0, TEXT)] {
        for batch in [false, true] {
            let (server, mut peer) = duplex(100);
            let ws = WebSocket::from_parts(server, Connection::server(config), vec![]);
            let (mut reader, mut writer) = ws.split_with(split);
            // A Ping falls due, the answer to it comes, and then the caller is busy.
            assert!(timeout(1500 * MS, reader.recv()).await.is_err());
            writer.feed(&Message::from(&[7; 200][..])).unwrap();
            peer.write_all(received).await.unwrap();
            if batch {
                assert!(reader.read().await.unwrap().unwrap().recv().is_some());
            } else {
                assert!(reader.recv().await.unwrap().is_some());
            }
            sleep(1000 * MS).await;
            // The peer reads what it was sent when it is waited for.
            let mut sent = vec![0; 2 * pings + 4 + 200];
            let (flushed, read) = tokio::join!(writer.flush(), peer.read_exact(&mut sent));
            assert!(flushed.is_ok() && read.is_ok(), "{flushed:?}");
            assert_eq!(writer.state(), State::Open);
        }
    }
}

/// A Pong that a writer learns of belongs to the Ping before it, also when the reader's caller comes back after the next one.
#[tokio::test(start_paused = true)]
async fn a_pong_answers_the_ping_before_it() {
    const MS: Duration = Duration::from_millis(1);
    let (server, mut peer) = duplex(100);
    let config = Config::default().ping_interval(Some(1000 * MS)).pong_timeout(5000 * MS);
    let (mut reader, mut writer) =
        WebSocket::from_parts(server, Connection::server(config), vec![]).split_with(split);
    assert!(timeout(1200 * MS, reader.recv()).await.is_err());
    peer.write_all(b"\x8a\x80\0\0\0\0").await.unwrap();
    assert!(matches!(reader.recv().await, Ok(Some(Event::Pong(_)))));
    writer.feed(&Message::from(&[7; 200][..])).unwrap();
    // The next Ping falls due meanwhile.
    assert!(timeout(1500 * MS, writer.flush()).await.is_err());
    let latency = writer.latency().unwrap();
    assert!((200 * MS..210 * MS).contains(&latency), "{latency:?}");
    peer.write_all(b"\x81\x81\0\0\0\0a").await.unwrap();
    assert!(matches!(reader.recv().await, Ok(Some(Event::Message(_)))));
    assert_eq!(reader.latency(), Some(latency));
}

/// A peer that has sent a Ping is alive: one of ours that had no room until then is not sent any more.
#[tokio::test(start_paused = true)]
async fn a_ping_that_waits_is_not_sent_to_a_peer_that_was_heard() {
    const SECOND: Duration = Duration::from_secs(1);
    let (server, mut peer) = duplex(100);
    let config = Config::default().ping_interval(Some(SECOND)).pong_timeout(5 * SECOND).max_output(200);
    let (mut reader, writer) =
        WebSocket::from_parts(server, Connection::server(config), vec![]).split_with(split);
    writer.feed(&Message::from(&[7; 196][..])).unwrap();
    assert!(timeout(SECOND / 2, reader.recv()).await.is_err());
    // As much as the stream has taken. Now the output is full.
    writer.feed(&Message::from(&[7; 98][..])).unwrap();
    assert!(timeout(SECOND, reader.recv()).await.is_err());
    peer.write_all(b"\x89\x80\0\0\0\0").await.unwrap();
    let mut sent = vec![0; 100];
    {
        let mut batch = reader.read().await.unwrap().unwrap();
        peer.read_exact(&mut sent).await.unwrap();
        assert!(matches!(batch.recv(), Some(Event::Ping(_))));
    }
    let _ = tokio::join!(timeout(SECOND / 2, reader.recv()), async {
        sent.resize(4 + 196 + 2 + 98 + 2, 0);
        peer.read_exact(&mut sent[100..]).await.unwrap();
    });
    assert!(sent.ends_with(b"\x07\x8A\0"), "{:02x?}", &sent[290..]);
    assert!(timeout(SECOND / 10, peer.read(&mut [0])).await.is_err());
}

/// What a half has received keeps the connection from being idle when the halves are one again.
#[tokio::test(start_paused = true)]
async fn halves_that_are_put_together_know_what_was_received() {
    const SECOND: Duration = Duration::from_secs(1);
    let (server, mut peer) = duplex(100);
    let config = Config::default().idle_timeout(Some(4 * SECOND));
    let (mut reader, writer) =
        WebSocket::from_parts(server, Connection::server(config), vec![]).split_with(split);
    assert!(timeout(3 * SECOND, reader.recv()).await.is_err());
    peer.write_all(b"\x81\x81\0\0\0\0a").await.unwrap();
    assert!(matches!(reader.recv().await, Ok(Some(Event::Message(_)))));
    let mut ws = WebSocket::reunite_with(reader, writer, |read, write| Some(read.unsplit(write))).unwrap();
    assert!(timeout(2 * SECOND, ws.recv()).await.is_err());
    assert_eq!(ws.state(), State::Open);
}

#[tokio::test]
async fn a_failure_is_told_while_the_writing_half_is_idle() {
    let (server, client) = tcp_pair().await;
    let (mut reader, _writer) = server.into_split();
    let (mut stream, _, _) = client.into_parts();
    stream.write_all(b"\x81\x81\0\0\0\0\xFF").await.unwrap();
    assert_eq!(reader.recv().await.unwrap(), Some(Event::Failed(ProtocolError::InvalidUtf8)));
    let mut close = [0; 4];
    stream.read_exact(&mut close).await.unwrap();
    assert_eq!(close[2..], 1007_u16.to_be_bytes());
    drop(stream);
    assert_eq!(reader.recv().await.unwrap(), None);
}

/// A peer that has ended its side sees the end of ours while both halves are still there.
#[tokio::test]
async fn a_peer_that_ends_sees_our_end() {
    let (server, client) = tcp_pair().await;
    let (mut reader, _writer) = server.into_split();
    let (mut stream, ..) = client.into_parts();
    stream.shutdown().await.unwrap();
    assert_eq!(reader.recv().await.unwrap(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
    let read = timeout(Duration::from_secs(20), stream.read(&mut [0])).await;
    assert_eq!(read.unwrap().unwrap(), 0);
    assert_eq!(reader.recv().await.unwrap(), None);
}
