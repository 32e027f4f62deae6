//! How connections over tokio end and wait: deadlines, backpressure, pending flushes, broken streams, floods; whole, in halves, and
//! as `Stream` and `Sink`.
#![cfg(feature = "_tests")]

mod support;

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use sansocket::handshake::{Response, UpgradeRequest};
use sansocket::tokio::{
    Accepting, Command, Error, Incoming, ReadHalf, WebSocket, accept, accept_with, client, connect,
};
use sansocket::{CloseCode, Config, Connection, Event, Message, ProtocolError, SendError, State};
use support::{Broken, Chance, KeptBack, pair, pair_over};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A server in each of the ways to use it, which receives and counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Recv,
    Read,
    Halves,
    HalvesRead,
    Stream,
    StreamOfHalves,
}

const WAYS: [Way; 6] = [Way::Recv, Way::Read, Way::Halves, Way::HalvesRead, Way::Stream, Way::StreamOfHalves];

/// Receives to the end: the events, and how it ended.
async fn receive<S>(mut ws: WebSocket<S>, way: Way) -> (Vec<Event<'static>>, std::io::Result<()>)
where
    S: tokio::io::AsyncRead + AsyncWrite + Unpin,
{
    let mut events = Vec::new();
    let result = async {
        match way {
            Way::Recv => {
                while let Some(event) = ws.recv().await? {
                    events.push(event.into_owned());
                }
            }
            Way::Read => {
                while let Some(mut batch) = ws.read().await? {
                    while let Some(event) = batch.recv() {
                        events.push(event.into_owned());
                    }
                }
            }
            Way::Halves => {
                let (mut reader, _writer) = ws.split_with(split);
                while let Some(event) = reader.recv().await? {
                    events.push(event.into_owned());
                }
            }
            Way::HalvesRead => {
                let (mut reader, _writer) = ws.split_with(split);
                while let Some(mut batch) = reader.read().await? {
                    while let Some(event) = batch.recv() {
                        events.push(event.into_owned());
                    }
                }
            }
            Way::Stream => {
                while let Some(event) = ws.try_next().await? {
                    events.push(event);
                }
            }
            Way::StreamOfHalves => {
                let (mut reader, _writer) = ws.split_with(split);
                while let Some(event) = reader.try_next().await? {
                    events.push(event);
                }
            }
        }
        Ok(())
    };
    let result = timeout(Duration::from_secs(3600), result).await.expect("it never ends");
    (events, result)
}

/// Messages and pongs arrive in turn: the connection is not idle.
#[tokio::test(start_paused = true)]
async fn an_active_connection_is_not_idle() {
    for way in WAYS {
        let config = Config::default().idle_timeout(Some(10 * SECOND)).close_timeout(SECOND);
        let (server, mut client) = pair(config).await;
        let serving = tokio::spawn(receive(server, way));
        for _ in 0..10 {
            client.feed(&Message::from("here")).unwrap();
            client.connection_mut().pong(b"and alive").unwrap();
            client.flush().await.unwrap();
            sleep(7 * SECOND).await;
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
        client.finish().await.unwrap();
        let (events, result) = serving.await.unwrap();
        result.unwrap();
        let messages = events.iter().filter(|event| matches!(event, Event::Message(_))).count();
        assert_eq!((messages, events.last().unwrap().close_code()), (10, Some(1000)), "{way:?}");
    }
}

/// As in TLS, what was written is kept back by the stream until a flush that is pending at first.
#[tokio::test(start_paused = true)]
async fn what_the_stream_keeps_back_is_flushed() {
    for way in WAYS {
        let (server, client) = duplex(1000);
        let (server, mut client) =
            pair_over(KeptBack::new(server), KeptBack::new(client), Config::default()).await;
        let serving = tokio::spawn(receive(server, way));
        client.ping(b"?").await.unwrap();
        client.flush().await.unwrap();
        let pong = timeout(SECOND, client.recv()).await.unwrap_or_else(|_| panic!("no pong: {way:?}"));
        assert!(matches!(pong.unwrap(), Some(Event::Pong(payload)) if *payload == *b"?"), "{way:?}");
        client.close(CloseCode::NORMAL, "").await.unwrap();
        timeout(SECOND, client.finish()).await.unwrap_or_else(|_| panic!("no end: {way:?}")).unwrap();
        serving.await.unwrap().1.unwrap();
    }
}

/// The last time of a stream to flush is the same whatever the connection has waited for before.
#[tokio::test(start_paused = true)]
async fn the_last_flush_has_its_time_although_a_ping_was_due() {
    for way in WAYS {
        let (server, mut peer) = duplex(2);
        let config = Config::default().ping_interval(Some(SECOND * 3 / 2)).close_timeout(2 * SECOND);
        let connection = sansocket::Connection::server(config);
        let server = WebSocket::from_parts(KeptBack::new(server), connection, Vec::new());
        let began = Instant::now();
        let serving = tokio::spawn(receive(server, way));
        sleep(SECOND).await;
        peer.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
        peer.shutdown().await.unwrap();
        // It reads nothing: the answer to its Close stays in the stream.
        let (events, _) = serving.await.unwrap();
        assert_eq!(events.last().unwrap().close_code(), Some(1000), "{way:?}");
        let took = began.elapsed();
        assert!((3 * SECOND..SECOND * 31 / 10).contains(&took), "{way:?}: {took:?}");
    }
}

/// What a stream has taken and not flushed waits for the peer like any other output.
#[tokio::test(start_paused = true)]
async fn a_flush_ends_at_the_write_timeout() {
    for halves in [false, true] {
        let (server, _peer) = duplex(2);
        let connection = sansocket::Connection::server(Config::default().write_timeout(Some(SECOND)));
        let mut server = WebSocket::from_parts(KeptBack::new(server), connection, Vec::new());
        server.send_text("kept back by the stream").await.unwrap();
        let flushed =
            async { if halves { server.split_with(split).1.flush().await } else { server.flush().await } };
        let error = timeout(2 * SECOND, flushed).await.expect("it ends").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{halves}: {error}");
    }
}

/// The connection is over while a stream has bytes that its peer does not take. Nobody waits for those longer than
/// `close_timeout`, whether or not somebody receives.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_flush_of_a_connection_that_is_over() {
    async fn released(ws: impl Sink<Command, Error = std::io::Error>, close: bool) {
        let mut ws = std::pin::pin!(ws);
        ws.feed(Command::from("kept back by the stream")).await.unwrap();
        let waiting = async { if close { ws.close().await.err() } else { ws.flush().await.err() } };
        let error = timeout(10 * SECOND, waiting).await.unwrap_or_else(|_| panic!("close: {close}"));
        assert_eq!(error.map(|error| error.kind()), (!close).then_some(ErrorKind::TimedOut));
    }
    for (close, halves, receives) in (0..8).map(|n| (n & 1 > 0, n & 2 > 0, n & 4 > 0)) {
        let (server, mut peer) = duplex(2);
        let connection = sansocket::Connection::server(Config::default().close_timeout(2 * SECOND));
        let mut server = WebSocket::from_parts(KeptBack::new(server), connection, Vec::new());
        let end = async {
            peer.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
            peer.shutdown().await.unwrap();
        };
        if !receives {
            let received =
                async { (server.recv().await.is_ok(), timeout(SECOND, server.recv()).await.is_err()) };
            assert_eq!(tokio::join!(end, received).1, (true, true));
            let wait = async {
                if close { server.close(CloseCode::NORMAL, "").await } else { server.flush().await }
            };
            assert!(timeout(10 * SECOND, wait).await.is_ok(), "close: {close}");
        } else if halves {
            let (reader, writer) = server.split_with(split);
            tokio::join!(end, released(writer, close), reader.for_each(|_| async {}));
        } else {
            let (writer, reader) = StreamExt::split::<Command>(server);
            tokio::join!(end, released(writer, close), reader.for_each(|_| async {}));
        }
    }
}

/// A peer that reads nothing: closing starts its deadline, whatever waits to be written before.
#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_room() {
    for way in ["whole", "halves", "no reader", "sink", "sink of halves"] {
        let config = Config::default().high_water(1_000).close_timeout(5 * SECOND).write_timeout(None);
        let (mut server, _client) = pair(config).await;
        server.feed(&Message::from(vec![0; 100_000])).unwrap();
        let began = Instant::now();
        let closing = async {
            match way {
                "whole" => {
                    server.close(CloseCode::NORMAL, "").await.unwrap();
                    server.recv().await.unwrap().map(Event::into_owned)
                }
                "halves" => {
                    let (mut reader, mut writer) = server.split_with(split);
                    let reading = tokio::spawn(async move {
                        let event = reader.recv().await.unwrap().map(Event::into_owned);
                        assert_eq!(reader.recv().await.unwrap(), None);
                        event
                    });
                    writer.close(CloseCode::NORMAL, "").await.unwrap();
                    reading.await.unwrap()
                }
                "no reader" => {
                    let (mut reader, mut writer) = server.split_with(split);
                    writer.close(CloseCode::NORMAL, "").await.unwrap();
                    reader.recv().await.unwrap().map(Event::into_owned)
                }
                "sink" => {
                    let (mut sink, mut stream) = StreamExt::split::<Command>(server);
                    let reading = tokio::spawn(async move { stream.try_next().await.unwrap() });
                    sink.close().await.unwrap();
                    reading.await.unwrap()
                }
                _ => {
                    let (mut reader, mut writer) = server.split_with(split);
                    let reading = tokio::spawn(async move { reader.try_next().await.unwrap() });
                    SinkExt::<Command>::close(&mut writer).await.unwrap();
                    reading.await.unwrap()
                }
            }
        };
        let event = timeout(100 * SECOND, closing).await.unwrap_or_else(|_| panic!("{way}: forever"));
        assert_eq!(event, Some(Event::Failed(ProtocolError::CloseTimeout)), "{way}");
        assert_eq!(began.elapsed().as_secs(), 5, "{way}");
    }
}

/// Both ends close while each has more to write than the stream takes.
#[tokio::test(start_paused = true)]
async fn both_ends_close_at_once_over_a_full_stream() {
    let (server, client) = duplex(4);
    let (mut server, mut client) = pair_over(server, client, Config::default()).await;
    for ws in [&mut server, &mut client] {
        ws.feed(&Message::from(vec![0; 10_000])).unwrap();
    }
    let began = Instant::now();
    tokio::join!(
        async {
            server.close(CloseCode::NORMAL, "").await.unwrap();
            server.finish().await.unwrap();
        },
        async {
            client.close(CloseCode::NORMAL, "").await.unwrap();
            client.finish().await.unwrap();
        }
    );
    assert!(began.elapsed() < SECOND);
}

#[tokio::test]
async fn closing_writes_the_close_though_a_bad_frame_was_read() {
    let (mut server, client) = pair(Config::default()).await;
    let (mut stream, ..) = client.into_parts();
    // A message to be received, and behind it what has not been looked at.
    stream.write_all(b"\x81\x80\0\0\0\0\xC1\x80 and so on").await.unwrap();
    assert!(matches!(server.recv().await.unwrap(), Some(Event::Message(_))));
    server.close(CloseCode::GOING_AWAY, "").await.unwrap();
    drop(server);
    let mut close = Vec::new();
    stream.read_to_end(&mut close).await.unwrap();
    assert_eq!(close, b"\x88\x02\x03\xe9");
}

#[tokio::test]
async fn closing_twice_is_fine_and_tells_what_the_peer_said() {
    let (mut server, mut client) = pair(Config::default()).await;
    assert!(server.can_send() && server.close_frame().is_none());
    client.close(CloseCode::GOING_AWAY, "moving").await.unwrap();
    client.close(CloseCode::NORMAL, "again").await.unwrap();
    assert!(!client.can_send());
    let (served, finished) = tokio::join!(server.finish(), client.finish());
    served.unwrap();
    finished.unwrap();
    server.close(CloseCode::NORMAL, "late").await.unwrap();
    let frame = server.close_frame().unwrap();
    assert_eq!((frame.code(), frame.reason()), (CloseCode::GOING_AWAY, "moving"));
    assert_eq!(client.close_frame().unwrap().code(), CloseCode::GOING_AWAY);
    assert_eq!(
        server.send_text("late").await.unwrap_err().downcast::<SendError>().unwrap(),
        SendError::Closed
    );
}

/// A page is not cut while it is taken, however slowly, and its client has time to close behind it.
#[tokio::test(start_paused = true)]
async fn a_large_page_is_taken_slowly() {
    const PAGE: usize = 16 << 20;
    let (server, mut client) = duplex(64 * 1024);
    client.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let serving = tokio::spawn(async move {
        let mut accepting = Accepting::new(server, Config::default().close_timeout(2 * SECOND));
        let Incoming::Http(http) = accepting.advance().await.unwrap() else { panic!() };
        http.respond(&Response::new(200).unwrap().body(vec![b'x'; PAGE])).await
    });
    let (mut page, mut buf) = (0, vec![0; 64 * 1024]);
    let began = Instant::now();
    loop {
        sleep(SECOND).await;
        match client.read(&mut buf).await.unwrap() {
            0 => break,
            n => page += n,
        }
    }
    assert!(page > PAGE && began.elapsed() > 200 * SECOND, "{page} {:?}", began.elapsed());
    drop(client);
    serving.await.unwrap().unwrap();
}

/// A client may send the whole body of its request before it reads.
#[tokio::test(start_paused = true)]
async fn a_page_for_a_client_that_first_sends_a_long_body() {
    const PAGE: usize = 2 << 20;
    let (server, mut client) = duplex(1000);
    let serving = tokio::spawn(async move {
        let Incoming::Http(http) = Accepting::new(server, Config::default()).advance().await.unwrap() else {
            panic!()
        };
        http.respond(&Response::new(200).unwrap().body(vec![b'x'; PAGE])).await
    });
    let began = Instant::now();
    client.write_all(b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
    client.write_all(&[b'x'; 1_000_000]).await.unwrap();
    let mut page = Vec::new();
    client.read_to_end(&mut page).await.unwrap();
    assert!(page.len() > PAGE && began.elapsed() < SECOND, "{} {:?}", page.len(), began.elapsed());
    drop(client);
    serving.await.unwrap().unwrap();
}

/// A client that takes nothing of its page is left.
#[tokio::test(start_paused = true)]
async fn a_page_that_nobody_takes_is_given_up() {
    let (server, mut client) = duplex(1000);
    client.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut accepting = Accepting::new(server, Config::default().close_timeout(2 * SECOND));
    let Incoming::Http(http) = accepting.advance().await.unwrap() else { panic!() };
    let began = Instant::now();
    let error = http.respond(&Response::new(200).unwrap().body(vec![b'x'; 10_000])).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed().as_secs()), (ErrorKind::TimedOut, 2));
}

/// A request that is none of ours goes on to an HTTP server, with what was read behind it.
#[tokio::test]
async fn a_request_is_handed_on() {
    let (server, mut client) = duplex(1000);
    client.write_all(b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").await.unwrap();
    let Incoming::Http(http) = Accepting::new(server, Config::default()).advance().await.unwrap() else {
        panic!()
    };
    let (request, mut stream, unread) = http.into_parts();
    assert_eq!((request.path(), &*unread), ("/page", &b"body"[..]));
    stream.write_all(b"HTTP/1.1 204 \r\n\r\n").await.unwrap();
    let mut answer = [0; 17];
    client.read_exact(&mut answer).await.unwrap();
}

/// Whoever waits to send to a peer that reads nothing watches the deadline himself.
#[tokio::test(start_paused = true)]
async fn sending_has_a_deadline() {
    let config = Config::default().high_water(1_000).write_timeout(Some(7 * SECOND));
    let (mut server, _client) = pair(config).await;
    let began = Instant::now();
    let error = loop {
        match timeout(100 * SECOND, server.send_binary(&[0; 10_000])).await.expect("forever") {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.downcast::<SendError>().unwrap(), SendError::Closed);
    assert_eq!(began.elapsed().as_secs(), 7);
    let error = server.flush().await.unwrap_err();
    assert_eq!(error.downcast::<ProtocolError>().unwrap(), ProtocolError::WriteTimeout);
    assert_eq!(server.recv().await.unwrap(), Some(Event::Failed(ProtocolError::WriteTimeout)));
    assert_eq!(server.recv().await.unwrap(), None);
}

/// Three messages and a Close.
const FOUR: &[u8] = b"\x81\x81\0\0\0\0x\x81\x81\0\0\0\0y\x81\x81\0\0\0\0z\x88\x82\0\0\0\0\x03\xe8";

/// A deadline that is missed in the middle of a batch does not cost the rest of it.
#[tokio::test(start_paused = true)]
async fn what_was_read_is_received_though_a_send_misses_its_deadline() {
    let (stream, mut peer) = duplex(1000);
    let connection = Connection::server(Config::default().write_timeout(Some(7 * SECOND)));
    let mut ws = WebSocket::from_parts(stream, connection, Vec::new());
    peer.write_all(&FOUR[..21]).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Message("x".into())));
    ws.send_binary(&[7; 5000]).await.unwrap();
    let began = Instant::now();
    assert_eq!(ws.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 7);
    // That is late.
    peer.write_all(&FOUR[..7]).await.unwrap();
    for text in ["y", "z"] {
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(text.into())));
    }
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Failed(ProtocolError::WriteTimeout)));
    assert_eq!(ws.recv().await.unwrap(), None);
}

/// Nor what was read while a Close waited.
#[tokio::test(start_paused = true)]
async fn what_was_read_is_received_though_a_close_misses_its_deadline() {
    let (stream, mut peer) = duplex(1000);
    let connection = Connection::server(Config::default().close_timeout(7 * SECOND));
    let mut ws = WebSocket::from_parts(stream, connection, Vec::new());
    ws.feed(&Message::from(vec![7; 5000])).unwrap();
    peer.write_all(FOUR).await.unwrap();
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    for text in ["x", "y", "z"] {
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(text.into())));
    }
    let close = ws.recv().await.unwrap().and_then(|event| event.close_code());
    assert_eq!(close, Some(1000));
    assert_eq!(ws.recv().await.unwrap(), None);
}

/// A server that has much to write first does not make more of it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_not_received_from() {
    let (stream, mut peer) = duplex(1000);
    let config = Config::default().high_water(5000).write_timeout(None);
    let mut ws = WebSocket::from_parts(stream, Connection::server(config), Vec::new());
    ws.feed(&Message::from(vec![7; 10_000])).unwrap();
    peer.write_all(&FOUR[..7]).await.unwrap();
    timeout(100 * SECOND, ws.recv()).await.expect_err("it received");
    let mut rest = vec![0; 6000];
    let read = peer.read_exact(&mut rest);
    let (event, read) = tokio::join!(ws.recv(), read);
    read.unwrap();
    assert_eq!(event.unwrap(), Some(Event::Message("x".into())));
}

/// A peer that was given up by a writer is not received from for as long as it sends.
#[tokio::test]
async fn a_flood_ends_with_the_deadline_of_a_writer() {
    for close in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = listener.accept().await.unwrap().0;
        let config =
            Config::default().write_timeout(Some(SECOND / 5)).close_timeout(SECOND / 5).max_output(64 << 20);
        let mut ws = WebSocket::from_parts(stream, Connection::server(config), Vec::new());
        // It reads nothing.
        let flood = tokio::spawn(async move {
            let flood = FOUR[..7].repeat(1000);
            while peer.write_all(&flood).await.is_ok() {}
        });
        ws.feed(&Message::from(vec![7; 32 << 20])).unwrap();
        let given_up = async {
            if close {
                ws.close(CloseCode::NORMAL, "").await.unwrap();
            } else {
                assert_eq!(ws.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
            }
            while !matches!(ws.recv().await.unwrap().expect("a failure"), Event::Failed(_)) {}
        };
        timeout(20 * SECOND, given_up).await.expect("it receives for ever");
        drop(ws);
        timeout(20 * SECOND, flood).await.expect("the transport is still there").unwrap();
    }
}

/// Neither half waits forever when the other one gives the peer up.
#[tokio::test(start_paused = true)]
async fn a_writer_that_waits_learns_that_the_peer_is_given_up() {
    let config = Config::default()
        .high_water(1_000)
        .ping_interval(Some(8 * SECOND))
        .pong_timeout(6 * SECOND)
        .write_timeout(None);
    for futures in [false, true] {
        let (server, _client) = pair(config).await;
        let began = Instant::now();
        let (reading, writing) = if futures {
            let (mut sink, mut stream) = StreamExt::split::<Command>(server);
            let writing =
                tokio::spawn(async move { while sink.send(vec![0; 10_000].into()).await.is_ok() {} });
            (tokio::spawn(async move { stream.try_next().await.unwrap() }), writing)
        } else {
            let (mut reader, mut writer) = server.split_with(split);
            let writing =
                tokio::spawn(async move { while writer.send_binary(&[0; 10_000]).await.is_ok() {} });
            let reading = tokio::spawn(async move { reader.recv().await.unwrap().map(Event::into_owned) });
            (reading, writing)
        };
        let event = timeout(100 * SECOND, reading).await.expect("the reader waits").unwrap();
        assert_eq!(event, Some(Event::Failed(ProtocolError::PongTimeout)));
        timeout(SECOND, writing).await.expect("the writer waits").unwrap();
        assert_eq!(began.elapsed().as_secs(), 14);
    }
}

/// The stream breaks at each of its calls: the error comes once, and then the connection is over.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_stream_comes_once() {
    for way in WAYS {
        for calls in 0..6 {
            let (server, mut client) = pair(Config::default()).await;
            let (stream, connection, unread) = server.into_parts();
            let server = WebSocket::from_parts(Broken::after(calls, stream), connection, unread);
            let peer = tokio::spawn(async move {
                while client.ping(b"").await.is_ok() && client.recv().await.is_ok_and(|event| event.is_some())
                {
                }
            });
            let (events, result) = receive(server, way).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionReset, "{way:?} {calls}");
            assert!(events.iter().all(|event| matches!(event, Event::Ping(_))), "{way:?} {events:?}");
            peer.await.unwrap();
        }
    }
}

/// An error in sending is returned there, and receiving reports that the connection failed.
#[tokio::test(start_paused = true)]
async fn an_error_in_sending_is_reported_in_receiving() {
    for halves in [false, true] {
        let (server, _client) = pair(Config::default()).await;
        let (stream, connection, unread) = server.into_parts();
        let mut server = WebSocket::from_parts(Broken::after(0, stream), connection, unread);
        let failed = Some(Event::Failed(ProtocolError::TransportFailed));
        if halves {
            let (mut reader, mut writer) = server.split_with(split);
            assert_eq!(writer.send_text("x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(reader.recv().await.unwrap(), failed);
            assert_eq!(reader.recv().await.unwrap(), None);
        } else {
            assert_eq!(server.send_text("x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(server.state(), State::Ended);
            assert_eq!(server.recv().await.unwrap(), failed);
            assert_eq!(server.recv().await.unwrap(), None);
        }
    }
}

/// A server says why it closes and leaves, while its client is sending: the reset makes the write fail, and does not take
/// away what came before it.
#[tokio::test]
async fn what_came_before_a_failed_write_is_received() {
    async fn all(stream: impl Stream<Item = std::io::Result<Event<'static>>>) -> Vec<Event<'static>> {
        stream.try_collect().await.unwrap()
    }
    for way in ["send", "feed", "halves"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, peer) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        let (stream, mut peer) = (stream.unwrap(), peer.unwrap().0);
        let connection = sansocket::Connection::client(Config::default(), sansocket::OsRandom);
        let mut ws = WebSocket::from_parts(stream, connection, Vec::new());
        // With unread input, closing resets.
        ws.send_text("unread").await.unwrap();
        ws.flush().await.unwrap();
        peer.write_all(b"\x81\x03bye\x88\x05\x03\xf0why").await.unwrap();
        peer.peek(&mut [0; 6]).await.unwrap();
        drop(peer);
        sleep(Duration::from_millis(20)).await;
        let seen = match way {
            "halves" => {
                let (reader, mut writer) = ws.into_split();
                assert_ne!(writer.send_text("x").await.unwrap_err().kind(), ErrorKind::NotConnected);
                all(reader).await
            }
            "send" => {
                assert_ne!(ws.send_text("x").await.unwrap_err().kind(), ErrorKind::NotConnected);
                all(ws).await
            }
            _ => {
                ws.feed(&"x".into()).unwrap();
                all(ws).await
            }
        };
        let [Event::Message(message), close] = &seen[..] else { panic!("{way}: {seen:?}") };
        assert_eq!((message.as_text(), close.close_code()), (Some("bye"), Some(1008)), "{way}");
    }
}

/// A caller that comes back after a deadline receives first what arrived before it, and only then is the peer judged.
#[tokio::test(start_paused = true)]
async fn what_arrived_in_time_counts_though_it_is_received_late() {
    let config = Config::default().ping_interval(Some(SECOND)).pong_timeout(SECOND).close_timeout(SECOND);
    for (closes, halves) in [(false, false), (false, true), (true, false), (true, true)] {
        let (server, mut peer) = duplex(1000);
        let connection = sansocket::Connection::server(config);
        let mut server = WebSocket::from_parts(server, connection, Vec::new());
        if closes {
            server.close(CloseCode::NORMAL, "").await.unwrap();
        }
        // After the Close or the Ping, before its deadline.
        let begun = if closes { SECOND / 2 } else { SECOND * 3 / 2 };
        let answer = if closes { b"\x88\x80\0\0\0\0" } else { b"\x8a\x80\0\0\0\0" };
        let (first, second) = if halves {
            let (mut reader, _writer) = server.split_with(split);
            assert!(timeout(begun, reader.recv()).await.is_err());
            peer.write_all(answer).await.unwrap();
            sleep(10 * SECOND).await;
            let first = reader.recv().await.unwrap().map(Event::into_owned);
            (
                first,
                timeout(SECOND / 2, reader.recv()).await.map(|event| event.unwrap().map(Event::into_owned)),
            )
        } else {
            assert!(timeout(begun, server.recv()).await.is_err());
            peer.write_all(answer).await.unwrap();
            sleep(10 * SECOND).await;
            let first = server.recv().await.unwrap().map(Event::into_owned);
            (
                first,
                timeout(SECOND / 2, server.recv()).await.map(|event| event.unwrap().map(Event::into_owned)),
            )
        };
        if closes {
            assert_eq!(first.and_then(|event| event.close_code()), Some(1005), "halves: {halves}");
        } else {
            assert_eq!(
                (first, second.is_err()),
                (Some(Event::Pong([][..].into())), true),
                "halves: {halves}"
            );
        }
    }
}

/// A task that has used up what tokio allows it in one turn still receives what arrived before a deadline, or before a failed
/// write; and it still gives up a peer that says nothing.
#[tokio::test(start_paused = true)]
async fn a_task_that_has_had_its_turn_receives_what_arrived() {
    /// Polls at most twice, each time after everything that tokio allows, and with time for a last look at the stream.
    async fn poll_last(receiving: impl Future<Output = Option<Event<'static>>>) -> Option<Event<'static>> {
        let (sender, mut busy) = tokio::sync::mpsc::unbounded_channel();
        let mut receiving = std::pin::pin!(receiving);
        for _ in 0..2 {
            (0..1000).for_each(|n| sender.send(n).unwrap());
            let polled = std::future::poll_fn(|cx| {
                while busy.poll_recv(cx).is_ready() {}
                Poll::Ready(receiving.as_mut().poll(cx))
            });
            if let Poll::Ready(event) = polled.await {
                return event;
            }
            tokio::time::sleep(SECOND / 100).await;
        }
        panic!("it waits");
    }
    let config = Config::default().ping_interval(Some(SECOND)).pong_timeout(SECOND);
    let pong = Event::Pong([][..].into());
    for (answers, breaks, expected) in [
        (true, false, pong.clone()),
        (true, true, pong),
        (false, false, Event::Failed(ProtocolError::PongTimeout)),
    ] {
        for halves in [false, true] {
            let (server, mut peer) = duplex(1000);
            let connection = sansocket::Connection::server(config);
            let mut server = WebSocket::from_parts(server, connection, Vec::new());
            assert!(timeout(SECOND * 3 / 2, server.recv()).await.is_err());
            if answers {
                peer.write_all(b"\x8a\x80\0\0\0\0").await.unwrap();
            }
            if breaks {
                drop(peer);
                server.send_text("to nobody").await.unwrap_err();
            } else {
                sleep(10 * SECOND).await;
            }
            let event = if halves {
                let (mut reader, _writer) = server.split_with(split);
                poll_last(async { reader.recv().await.unwrap().map(Event::into_owned) }).await
            } else {
                poll_last(async { server.recv().await.unwrap().map(Event::into_owned) }).await
            };
            assert_eq!(event, Some(expected.clone()), "breaks: {breaks}, halves: {halves}");
        }
    }
}

/// A handler that answers each of many messages and stops at the Close has answered that, too: what tokio allows a task in one
/// turn does not keep it from writing.
#[tokio::test]
async fn a_close_behind_many_messages_is_answered_at_once() {
    for halves in [false, true] {
        let (server, mut peer) = duplex(100_000);
        let connection = sansocket::Connection::server(Config::default());
        let mut server = WebSocket::from_parts(server, connection, Vec::new());
        let bytes = [&b"\x82\x80\0\0\0\0".repeat(300)[..], b"\x88\x80\0\0\0\0"].concat();
        peer.write_all(&bytes).await.unwrap();
        let handler = tokio::spawn(async move {
            if halves {
                let (mut reader, mut writer) = server.split_with(split);
                while let Event::Message(message) = reader.recv().await.unwrap().unwrap() {
                    writer.send(&message).await.unwrap();
                }
            } else {
                while let Event::Message(message) = server.recv().await.unwrap().unwrap().into_owned() {
                    server.send(&message).await.unwrap();
                }
            }
        });
        handler.await.unwrap();
        let mut received = Vec::new();
        peer.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [&b"\x82\0".repeat(300)[..], b"\x88\0"].concat(), "halves: {halves}");
    }
}

/// All of it: a Close counts behind more than one read brings.
#[tokio::test(start_paused = true)]
async fn all_that_arrived_in_time_counts() {
    for halves in [false, true] {
        let (server, mut peer) = duplex(200_000);
        let connection = sansocket::Connection::server(Config::default().close_timeout(SECOND));
        let mut server = WebSocket::from_parts(server, connection, Vec::new());
        server.close(CloseCode::NORMAL, "").await.unwrap();
        let message = [&b"\x82\xFE\xC3\x50\0\0\0\0"[..], &[0; 50_000]].concat();
        let bytes = [&message[..], &message, &message, b"\x88\x80\0\0\0\0"].concat();
        if halves {
            let (mut reader, _writer) = server.split_with(split);
            assert!(timeout(SECOND / 2, reader.recv()).await.is_err());
            peer.write_all(&bytes).await.unwrap();
            peer.shutdown().await.unwrap();
            sleep(10 * SECOND).await;
            reader.finish().await.unwrap();
        } else {
            assert!(timeout(SECOND / 2, server.recv()).await.is_err());
            peer.write_all(&bytes).await.unwrap();
            peer.shutdown().await.unwrap();
            sleep(10 * SECOND).await;
            server.finish().await.unwrap();
        }
    }
}

/// A peer that has closed is not judged before it is offered what waits: it may have made room in time.
#[tokio::test(start_paused = true)]
async fn output_behind_a_close_is_written_though_the_task_is_late() {
    const LONG: usize = 1 << 20;
    for halves in [false, true] {
        let (server, mut peer) = duplex(100_000);
        let config = Config::default().close_timeout(SECOND).high_water(LONG * 2);
        let connection = sansocket::Connection::server(config);
        let mut server = WebSocket::from_parts(server, connection, Vec::new());
        server.feed(&Message::from(vec![0; LONG])).unwrap();
        peer.write_all(b"\x88\x80\0\0\0\0").await.unwrap();
        let (mut reader, _writer);
        let mut received = vec![0; 100_000];
        if halves {
            (reader, _writer) = server.split_with(split);
            assert_eq!(reader.recv().await.unwrap(), Some(Event::Close(None)));
            assert!(timeout(SECOND / 2, reader.recv()).await.is_err());
            peer.read_exact(&mut received).await.unwrap();
            sleep(10 * SECOND).await;
            let (rest, finished) = tokio::join!(peer.read_to_end(&mut received), reader.finish());
            rest.unwrap();
            finished.unwrap();
        } else {
            assert_eq!(server.recv().await.unwrap(), Some(Event::Close(None)));
            assert!(timeout(SECOND / 2, server.recv()).await.is_err());
            peer.read_exact(&mut received).await.unwrap();
            sleep(10 * SECOND).await;
            let (rest, finished) = tokio::join!(peer.read_to_end(&mut received), server.finish());
            rest.unwrap();
            finished.unwrap();
        }
        assert_eq!(received.len(), 10 + LONG + 2, "halves: {halves}");
    }
}

/// A stream that is always full of pongs.
#[derive(Clone)]
struct Flood(Arc<[u8]>);

impl tokio::io::AsyncRead for Flood {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while buf.remaining() >= self.0.len() {
            buf.put_slice(&self.0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// However fast a peer is, the other tasks have their turn after a bounded number of events.
#[tokio::test]
async fn a_flood_leaves_others_their_turn() {
    for way in WAYS {
        let connection = sansocket::Connection::server(Config::default());
        let pong = Flood(Arc::from(*b"\x8A\x80\0\0\0\0"));
        let turns = turns_beside(WebSocket::from_parts(pong, connection, Vec::new()), way, 100_000).await;
        assert!(turns >= 90, "{way:?}: {turns} turns for 100 000 events");
    }
}

/// So do tasks that only send, however fast the stream is; and what they sent is written, though they wait for something else
/// then.
#[tokio::test]
async fn a_task_that_sends_leaves_others_their_turn_and_nothing_unwritten() {
    for halves in [false, true] {
        let ws = WebSocket::from_parts(
            Flood(Arc::from(*b"")),
            sansocket::Connection::server(Config::default()),
            Vec::new(),
        );
        let sending = tokio::spawn(async move {
            if halves {
                let (_reader, mut writer) = ws.split_with(|flood| (flood.clone(), flood));
                for _ in 0..10_000 {
                    writer.send_text("").await.unwrap();
                }
            } else {
                let mut ws = ws;
                for _ in 0..10_000 {
                    ws.send_text("").await.unwrap();
                    assert_eq!(ws.connection().output_len(), 0);
                }
            }
        });
        let turns = turns_until(move || sending.is_finished()).await;
        assert!(turns >= 90, "halves: {halves}: {turns} turns for 10 000 messages");
    }
}

/// A caller that polls once and drops the connection has written its Close, however much it has sent before.
#[tokio::test]
async fn the_first_poll_writes_a_close() {
    for halves in [false, true] {
        for messages in 0..100 {
            let (server, mut peer) = duplex(1000);
            let connection = sansocket::Connection::server(Config::default());
            let mut server = WebSocket::from_parts(server, connection, Vec::new());
            if halves {
                let (reader, mut writer) = server.split_with(split);
                for _ in 0..messages {
                    writer.send_text("").await.unwrap();
                }
                writer.close(CloseCode::NORMAL, "").now_or_never().unwrap().unwrap();
                drop(reader);
            } else {
                for _ in 0..messages {
                    server.send_text("").await.unwrap();
                }
                server.close(CloseCode::NORMAL, "").now_or_never().unwrap().unwrap();
                drop(server);
            }
            let mut received = Vec::new();
            peer.read_to_end(&mut received).await.unwrap();
            assert_eq!(received, [&b"\x81\0".repeat(messages)[..], b"\x88\x02\x03\xe8"].concat());
        }
    }
}

/// A few bytes that become a large message are work as well.
#[tokio::test]
async fn a_flood_of_compressed_messages_leaves_others_their_turn() {
    let compressing = || {
        let headers = [
            ("host", "a"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ];
        let config = Config::default().deflate(Some(sansocket::deflate::Deflate::default()));
        UpgradeRequest::from_parts("GET", "/", headers, config).unwrap().accept_parts().1
    };
    let mut sender = compressing();
    sender.send(&Message::from(vec![0; 256 << 10])).unwrap();
    let sent = sender.output();
    // A server's frame with a length of 16 bits, as a client masks it with zeros.
    assert_eq!(sent[..2], [0xC2, 126]);
    let frame = [&[0xC2, 126 | 0x80], &sent[2..4], &[0; 4], &sent[4..]].concat();
    for way in WAYS {
        let ws = WebSocket::from_parts(Flood(frame.clone().into()), compressing(), Vec::new());
        let turns = turns_beside(ws, way, 70).await;
        assert!(turns >= 8, "{way:?}: {turns} turns for 70 messages of 256 KiB");
    }
}

/// How often another task has its turn while `ws` receives so many events.
async fn turns_beside(ws: WebSocket<Flood>, way: Way, events: usize) -> usize {
    let flooded = tokio::spawn(receive_few(ws, way, events));
    turns_until(move || flooded.is_finished()).await
}

/// How often a task has its turn until then.
async fn turns_until(is_finished: impl Fn() -> bool + Send + 'static) -> usize {
    let mut turns = 0;
    // Not `yield_now`, which waits for all others.
    let other = tokio::spawn(std::future::poll_fn(move |cx| {
        turns += 1;
        cx.waker().wake_by_ref();
        if is_finished() { Poll::Ready(turns) } else { Poll::Pending }
    }));
    other.await.unwrap()
}

/// So many events.
async fn receive_few(mut ws: WebSocket<Flood>, way: Way, mut left: usize) {
    match way {
        Way::Recv => {
            while left > 0 && ws.recv().await.unwrap().is_some() {
                left -= 1
            }
        }
        Way::Read => {
            while left > 0 {
                let mut batch = ws.read().await.unwrap().unwrap();
                while batch.recv().is_some() {
                    left = left.saturating_sub(1)
                }
            }
        }
        Way::Stream => {
            while left > 0 && ws.try_next().await.unwrap().is_some() {
                left -= 1
            }
        }
        Way::Halves | Way::HalvesRead | Way::StreamOfHalves => {
            let (mut reader, _writer): (ReadHalf<Flood, Flood>, _) =
                ws.split_with(|flood| (flood.clone(), flood));
            match way {
                Way::Halves => {
                    while left > 0 && reader.recv().await.unwrap().is_some() {
                        left -= 1
                    }
                }
                Way::HalvesRead => {
                    while left > 0 {
                        let mut batch = reader.read().await.unwrap().unwrap();
                        while batch.recv().is_some() {
                            left = left.saturating_sub(1)
                        }
                    }
                }
                _ => {
                    while left > 0 && reader.try_next().await.unwrap().is_some() {
                        left -= 1
                    }
                }
            }
        }
    }
}

/// Messages that come in many reads are borrowed from where they were read into.
#[tokio::test]
async fn a_message_in_many_pieces_is_borrowed() {
    let (mut server, mut client) = pair(Config::default()).await;
    // Both in a new buffer and in one that another connection has left.
    for len in [300_000, 3_000_000] {
        let message = Message::from(vec![7; len]);
        let (sent, received) = tokio::join!(
            async {
                client.send(&message).await.unwrap();
                client.flush().await
            },
            server.recv()
        );
        sent.unwrap();
        let Some(Event::Message(Message::Binary(bytes))) = received.unwrap() else { panic!() };
        assert!(matches!(bytes, std::borrow::Cow::Borrowed(bytes) if bytes.len() == len));
    }
}

#[tokio::test]
async fn large_messages_come_piece_by_piece() {
    let (mut server, mut client) = pair(Config::default()).await;
    let message = Message::from("é".repeat(150_000));
    let sending = async {
        client.send_owned(message.clone()).await.unwrap();
        client.send_owned(message.clone()).await.unwrap();
        client.flush().await
    };
    let receiving = async {
        let mut text = String::new();
        while text.len() < 600_000 {
            let Some(Event::Chunk(chunk)) = server.recv_chunk().await.unwrap() else { panic!() };
            text.push_str(chunk.data.as_text().unwrap());
        }
        text
    };
    let (sent, text) = tokio::join!(sending, receiving);
    sent.unwrap();
    assert!(text == "é".repeat(300_000));
}

/// Owned messages wait for room as others do, and none is lost on the way.
#[tokio::test]
async fn owned_messages_wait_for_room() {
    let config = Config::default().max_output(25_000).high_water(20_000);
    let (mut server, mut client) = pair(config).await;
    let sending = async {
        for number in 0..20_u8 {
            let len = if number % 2 == 0 { 9000 } else { 20_000 };
            server.send_owned(Message::from(vec![number; len])).await?;
        }
        server.flush().await
    };
    let receiving = async {
        for number in 0..20_u8 {
            let event = client.recv().await.unwrap();
            assert!(matches!(event, Some(Event::Message(message)) if message.as_bytes()[0] == number));
        }
    };
    let (sent, ()) = tokio::join!(sending, receiving);
    sent.unwrap();
    let error = server.send_owned(Message::from(vec![0; 30_000])).await.unwrap_err();
    assert_eq!(error.downcast::<SendError>().unwrap(), SendError::TooLarge);
}

/// The same for messages to compress, whose frames may need more room than their payload.
#[tokio::test]
async fn owned_messages_wait_for_room_to_be_compressed() {
    let config = Config::default().deflate(Some(sansocket::deflate::Deflate::default()));
    let (stream, peer) = duplex(1024);
    let (server, client) = tokio::join!(
        accept_with(stream, config.max_output(25_000).high_water(20_000)),
        client(peer, "ws://test/", config)
    );
    let (mut server, (mut client, _)) = (server.unwrap(), client.unwrap());
    let mut chance = Chance::new(1);
    // The second one fits as it is, and not with what its compression may add.
    let messages = [5_000, 20_000].map(|len| Vec::from_iter((0..len).map(|_| chance.below(256) as u8)));
    let sending = async {
        for message in &messages {
            server.send_owned(message.clone().into()).await?;
        }
        server.flush().await
    };
    let receiving = async {
        for message in &messages {
            let event = timeout(5 * SECOND, client.recv()).await.expect("it was sent").unwrap();
            assert!(matches!(event, Some(Event::Message(received)) if received.as_bytes() == message));
        }
    };
    let (sent, ()) = tokio::join!(sending, receiving);
    sent.unwrap();
}

/// Nothing was said: nobody is answered, and it ends in time.
#[tokio::test(start_paused = true)]
async fn silent_clients_are_left() {
    let (server, client) = duplex(1000);
    drop(client);
    let Err(Error::Io(error)) = accept(server).await else { panic!() };
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let (server, mut client): (DuplexStream, _) = duplex(1000);
    let (result, answer) = tokio::join!(accept(server), async {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.map(|_| answer)
    });
    let Err(Error::Io(error)) = result else { panic!() };
    assert_eq!((error.kind(), &*answer.unwrap()), (ErrorKind::TimedOut, &b""[..]));
}

/// An error of connecting says what was being done, and where.
#[tokio::test]
async fn connecting_says_what_failed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        // A TLS server's answer to a request without it.
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46").await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let url = format!("ws://{address}/");
    let error = connect(&url).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "opening handshake: received TLS, expected HTTP: one end speaks wss://, the other ws://"
    );
    serving.await.unwrap();
    let error = connect(&url).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("connecting to {address}: ")), "{error}");
}

/// So many writes fail, and nothing arrives.
struct Fails(usize);

impl AsyncRead for Fails {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Fails {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.0 == 0 {
            return Poll::Ready(Ok(buf.len()));
        }
        self.0 -= 1;
        Poll::Ready(Err(ErrorKind::ConnectionReset.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// An error of the stream is returned, and the connection is over, though the next write would have succeeded.
#[tokio::test(start_paused = true)]
async fn a_failed_write_is_not_forgotten() {
    for halves in [false, true] {
        let connection = sansocket::Connection::server(Config::default());
        let mut ws = WebSocket::from_parts(Fails(1), connection, vec![]);
        ws.feed(&Message::from("one")).unwrap();
        let received = async {
            if halves {
                let (mut reader, _writer) = ws.split_with(split);
                reader.recv().await.map(|event| event.map(Event::into_owned))
            } else {
                ws.recv().await.map(|event| event.map(Event::into_owned))
            }
        };
        let error = timeout(SECOND, received).await.expect("it was forgotten").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

/// A message for each second read; between them, nothing for an instant. Writes fail.
struct Steady(bool);

impl AsyncRead for Steady {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0 = !self.0;
        if self.0 {
            buf.put_slice(b"\x81\x81\0\0\0\0a");
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for Steady {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What arrived before a write failed is received first; not all that ever comes.
#[tokio::test]
async fn a_failed_write_is_reported_though_messages_keep_coming() {
    for halves in [false, true] {
        let mut ws =
            WebSocket::from_parts(Steady(false), sansocket::Connection::server(Config::default()), vec![]);
        ws.send_text("lost").await.unwrap_err();
        let began = Instant::now();
        let (mut n, mut over) = (0_usize, false);
        if halves {
            let (mut reader, _writer) = ws.split_with(tokio::io::split);
            while began.elapsed() < 20 * SECOND && !over {
                over = !matches!(reader.recv().await, Ok(Some(Event::Message(_))));
                n += usize::from(!over);
            }
        } else {
            while began.elapsed() < 20 * SECOND && !over {
                over = !matches!(ws.recv().await, Ok(Some(Event::Message(_))));
                n += usize::from(!over);
            }
        }
        let took = began.elapsed();
        assert!(over, "halves {halves}: {n} messages in {took:?}, and no word of the failure");
    }
}

/// What a sender was told is not an error of the receiver, too, which had met it before.
#[tokio::test(start_paused = true)]
async fn a_failed_write_is_an_error_once() {
    for halves in [false, true] {
        let connection = sansocket::Connection::server(Config::default());
        let mut ws = WebSocket::from_parts(Fails(2), connection, vec![]);
        ws.feed(&Message::from("one")).unwrap();
        let (sent, received) = if halves {
            let (mut reader, mut writer) = ws.split_with(split);
            assert!(reader.recv().now_or_never().is_none());
            let sent = writer.send_text("two").await;
            (sent, reader.recv().await.map(|event| event.map(Event::into_owned)))
        } else {
            assert!(ws.recv().now_or_never().is_none());
            (ws.send_text("two").await, ws.recv().await.map(|event| event.map(Event::into_owned)))
        };
        sent.unwrap_err();
        assert_eq!(received.unwrap(), Some(Event::Failed(ProtocolError::TransportFailed)));
    }
}
