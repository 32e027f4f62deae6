//! `Stream` and `Sink`: owned events and commands through the traits, whole, in halves, and behind `futures`' own `split`.
#![cfg(feature = "_tests")]

mod support;

use std::time::Duration;

use futures_util::stream::FusedStream;
use futures_util::{Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use sansocket::frame::CloseFrame;
use sansocket::tokio::{Command, WebSocket};
use sansocket::{CloseCode, Config, Connection, Event, Message, OsRandom, ProtocolError, SendError};
use support::{pair, pair_over};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::timeout;

#[tokio::test]
async fn messages_arrive_in_order_and_closing_the_sink_ends_the_stream() {
    // The client keeps its transport to the end, so that the server's wait for it ends by its deadline.
    let config = Config::default().close_timeout(Duration::from_millis(300));
    let (mut server, mut client) = pair(config).await;
    let serving = async {
        let mut received = 0;
        while let Some(event) = StreamExt::next(&mut server).await {
            match event.unwrap() {
                Event::Message(message) => {
                    received += 1;
                    SinkExt::send(&mut server, message).await.unwrap();
                }
                event => assert_eq!(event.close_code(), Some(1000)),
            }
        }
        received
    };
    let talking = async {
        for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
            let message = Message::from(vec![size as u8; size]);
            SinkExt::send(&mut client, message.clone()).await.unwrap();
            assert_eq!(client.try_next().await.unwrap(), Some(Event::Message(message)));
        }
        SinkExt::send(&mut client, "text").await.unwrap();
        assert_eq!(client.try_next().await.unwrap(), Some(Event::Message(Message::from("text"))));
        SinkExt::<Command>::close(&mut client).await.unwrap();
        assert_eq!(client.try_next().await.unwrap().unwrap().close_code(), Some(1000));
        assert_eq!(client.try_next().await.unwrap(), None);
    };
    let (received, ()) = tokio::join!(serving, talking);
    assert_eq!(received, 8);
}

#[tokio::test]
async fn a_failure_is_an_event_and_then_the_end() {
    let (mut server, client) = pair(Config::default()).await;
    let (mut stream, _, _) = client.into_parts();
    stream.write_all(b"\x81\x85\0\0\0\0Hello\x83\x80\0\0\0\0").await.unwrap();
    assert_eq!(server.try_next().await.unwrap(), Some(Event::Message(Message::from("Hello"))));
    assert_eq!(server.try_next().await.unwrap(), Some(Event::Failed(ProtocolError::ReservedOpcode(3))));
    drop(stream);
    assert_eq!(server.try_next().await.unwrap(), None);
}

/// The usual shape of a program for tokio-tungstenite: one task forwards a channel to the sink, another one receives.
#[tokio::test]
async fn a_channel_forwarded_to_the_sink() {
    let (server, client) = pair(Config::default()).await;
    let echo = tokio::spawn(async move {
        let (sink, stream) = StreamExt::split(server);
        stream.forward(sink).await
    });
    let (sink, mut stream) = StreamExt::split(client);
    let (commands, queue) = mpsc::unbounded_channel::<Command>();
    let queue = futures_util::stream::unfold(queue, |mut queue| async {
        queue.recv().await.map(|command| (command, queue))
    });
    let forwarding = tokio::spawn(queue.map(Ok).forward(sink));
    let mut expected = Vec::new();
    for number in 0..200_usize {
        let message = Message::from(vec![7; number * 500]);
        commands.send(message.clone().into()).unwrap();
        expected.push(message);
    }
    for message in expected {
        match stream.try_next().await.unwrap() {
            Some(Event::Message(echo)) => assert!(echo == message),
            other => panic!("{other:?}"),
        }
    }
    commands.send(CloseFrame::new(CloseCode::GOING_AWAY, "bye").into()).unwrap();
    drop(commands);
    let close = stream.try_next().await.unwrap();
    assert!(matches!(close, Some(Event::Close(Some(frame))) if frame.code() == CloseCode::GOING_AWAY));
    assert_eq!(stream.try_next().await.unwrap(), None);
    forwarding.await.unwrap().unwrap();
    echo.await.unwrap().unwrap();
}

/// Both directions at once behind `futures`' `split`, each end in two tasks over streams that keep one waker: whoever waits is
/// woken.
#[tokio::test]
async fn no_wake_up_is_lost_behind_the_split_of_futures() {
    for (seed, size) in [(0, 100), (1, 5_000), (2, 60_000), (3, 200_000)] {
        let (server, client) = duplex(1 + seed * 3_000);
        let (server, client) = pair_over(server, client, Config::default().high_water(1_000)).await;
        let ends = [server, client].map(|ws| {
            let (mut sink, mut stream) = StreamExt::split::<Command>(ws);
            let sending = tokio::spawn(async move {
                for _ in 0..50 {
                    sink.send(vec![1; size].into()).await.unwrap();
                }
                sink
            });
            let receiving = tokio::spawn(async move {
                for _ in 0..50 {
                    let event = stream.try_next().await.unwrap();
                    assert!(
                        matches!(event, Some(Event::Message(message)) if message.as_bytes().len() == size)
                    );
                }
                stream
            });
            (sending, receiving)
        });
        for (sending, receiving) in ends {
            let both = timeout(Duration::from_secs(20), async { (sending.await, receiving.await) }).await;
            let (sink, stream) = both.expect("somebody waits forever");
            sink.unwrap().reunite(stream.unwrap()).unwrap();
        }
    }
}

/// The sink starts deadlines; the reader, in another task and long asleep, learns of them.
#[tokio::test(start_paused = true)]
async fn a_closed_sink_does_not_leave_the_reader_hanging() {
    for halves in [false, true] {
        let config = Config::default().close_timeout(Duration::from_secs(5));
        let (server, _client) = pair(config).await;
        let (reading, closing) = if halves {
            let (reader, writer) = server.split_with(tokio::io::split);
            (tokio::spawn(all(reader)), tokio::spawn(close_later(writer)))
        } else {
            let (sink, stream) = StreamExt::split::<Command>(server);
            (tokio::spawn(all(stream)), tokio::spawn(close_later(sink)))
        };
        let began = tokio::time::Instant::now();
        let events = timeout(Duration::from_secs(100), reading).await.expect("it hangs").unwrap();
        assert_eq!(events, [Event::Failed(ProtocolError::CloseTimeout)]);
        assert_eq!(began.elapsed().as_secs(), 25, "halves: {halves}");
        closing.await.unwrap();
    }
}

/// The peer's Close ends the wait for room of a sink in another task: what waited cannot be sent any more.
#[tokio::test(start_paused = true)]
async fn a_sink_that_waits_for_room_learns_of_the_peers_close() {
    for halves in [false, true] {
        let (client, mut peer) = duplex(100);
        let config = Config::default().high_water(1000).close_timeout(Duration::from_secs(5));
        let client = WebSocket::from_parts(client, Connection::client(config, OsRandom), Vec::new());
        let (reading, sending) = if halves {
            let (reader, writer) = client.split_with(tokio::io::split);
            (tokio::spawn(all(reader)), tokio::spawn(send_all(writer)))
        } else {
            let (sink, stream) = StreamExt::split::<Command>(client);
            (tokio::spawn(all(stream)), tokio::spawn(send_all(sink)))
        };
        tokio::time::sleep(Duration::from_secs(20)).await;
        let began = tokio::time::Instant::now();
        peer.write_all(b"\x88\0").await.unwrap();
        assert_eq!(sending.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::NotConnected);
        assert_eq!(began.elapsed().as_secs(), 0, "halves: {halves}");
        drop(peer);
        assert_eq!(reading.await.unwrap()[..1], [Event::Close(None)]);
    }
}

async fn send_all(mut sink: impl Sink<Command, Error = std::io::Error> + Unpin) -> std::io::Result<()> {
    // The sink of `futures` keeps one back.
    for _ in 0..3 {
        sink.feed(vec![0; 2000].into()).await?;
    }
    Ok(())
}

async fn close_later(mut sink: impl Sink<Command, Error = std::io::Error> + Unpin) {
    tokio::time::sleep(Duration::from_secs(20)).await;
    sink.close().await.unwrap();
}

async fn all(stream: impl Stream<Item = std::io::Result<Event<'static>>>) -> Vec<Event<'static>> {
    stream.try_collect().await.unwrap()
}

/// Closing the sink loses nothing of what was sent before, nor of what is on its way here.
#[tokio::test]
async fn closing_the_sink_drops_no_message() {
    let (mut server, client) = pair(Config::default()).await;
    for number in 0..10_u8 {
        server.feed(&Message::from(vec![number; 1_000])).unwrap();
    }
    server.flush().await.unwrap();
    let serving = tokio::spawn(async move {
        let mut lengths = Vec::new();
        while let Some(event) = server.recv().await.unwrap() {
            if let Event::Message(message) = event {
                lengths.push(message.as_bytes().len());
            }
        }
        lengths
    });
    let (mut sink, stream) = StreamExt::split::<Command>(client);
    for number in 0..10 {
        sink.feed(vec![0; 10_000 + number].into()).await.unwrap();
    }
    sink.close().await.unwrap();
    let events: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(events.len(), 11, "ten messages and a Close");
    assert_eq!(serving.await.unwrap(), (10_000..10_010).collect::<Vec<_>>());
}

/// A server whose output has room for 64 KiB, over a stream that holds little, and its client.
async fn with_little_room() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let config = Config::default().max_output(64 * 1024);
    let (server, client) = duplex(1000);
    let (server, mut client) = pair_over(server, client, Config::default()).await;
    let (stream, _, unread) = server.into_parts();
    client.set_read_buffer(1 << 20);
    (WebSocket::from_parts(stream, Connection::server(config), unread), client)
}

async fn sizes(client: WebSocket<DuplexStream>) -> Vec<usize> {
    let messages = all(client).await.into_iter().filter_map(|event| match event {
        Event::Message(message) => Some(message.len()),
        _ => None,
    });
    messages.collect()
}

/// A sink is asked for room before it knows for what, and has room for each item all the same.
#[tokio::test]
async fn a_sink_that_is_ready_has_room() {
    let expected = [60_000, 50_000, 65_000, 1, 40_000, 40_000, 40_000];
    for halves in [false, true] {
        let (server, client) = with_little_room().await;
        let receiving = tokio::spawn(sizes(client));
        let items = futures_util::stream::iter(expected).map(|len| Ok(vec![7; len]));
        let forwarding = async {
            if halves {
                let (mut reader, writer) = server.split_with(tokio::io::split);
                let forwarding = items.forward(writer);
                tokio::join!(forwarding, async { while reader.recv().await.unwrap().is_some() {} }).0
            } else {
                let (sink, stream) = StreamExt::split(server);
                tokio::join!(items.forward(sink), all(stream)).0
            }
        };
        timeout(Duration::from_secs(10), forwarding).await.unwrap().unwrap();
        assert_eq!(receiving.await.unwrap(), expected, "halves: {halves}");
    }
}

/// What a sink has taken comes before what is sent, or closes the connection, after it.
#[tokio::test]
async fn nothing_overtakes_what_a_sink_has_taken() {
    for halves in [false, true] {
        let (mut server, client) = with_little_room().await;
        let receiving = tokio::spawn(sizes(client));
        let small = Message::from(vec![7; 3]);
        SinkExt::<Message<'static>>::feed(&mut server, vec![7; 60_000].into()).await.unwrap();
        if halves {
            let (mut reader, mut writer) = server.split_with(tokio::io::split);
            SinkExt::<Message<'static>>::feed(&mut writer, vec![7; 50_000].into()).await.unwrap();
            assert_eq!(writer.feed(&small), Err(SendError::OutputFull));
            assert_eq!(writer.share().try_send(&small), Err(SendError::OutputFull));
            writer.close(CloseCode::NORMAL, "").await.unwrap();
            assert_eq!(writer.feed(&small), Err(SendError::Closed));
            reader.finish().await.unwrap();
        } else {
            SinkExt::<Message<'static>>::feed(&mut server, vec![7; 50_000].into()).await.unwrap();
            assert_eq!(server.feed(&small), Err(SendError::OutputFull));
            server.send(&small).await.unwrap();
            SinkExt::<Message<'static>>::feed(&mut server, vec![7; 65_000].into()).await.unwrap();
            server.close(CloseCode::NORMAL, "").await.unwrap();
            server.finish().await.unwrap();
        }
        let expected = if halves { vec![60_000, 50_000] } else { vec![60_000, 50_000, 3, 65_000] };
        assert_eq!(receiving.await.unwrap(), expected, "halves: {halves}");
    }
}

/// The output exceeds its limit by one item, and by no more.
#[tokio::test]
async fn a_sink_takes_no_more_than_one_item_beyond_the_limit() {
    let (mut server, client) = with_little_room().await;
    let too_large = SinkExt::<Message<'static>>::feed(&mut server, vec![7; 70_000].into()).await.unwrap_err();
    assert_eq!(too_large.get_ref().unwrap().downcast_ref(), Some(&SendError::TooLarge));
    for len in [60_000, 50_000] {
        SinkExt::<Message<'static>>::feed(&mut server, vec![7; len].into()).await.unwrap();
    }
    let third = SinkExt::<Message<'static>>::feed(&mut server, vec![7; 50_000].into());
    assert!(timeout(Duration::from_millis(100), third).await.is_err());
    let waits = server.connection().output_len();
    assert!((100_000..110_000 + 20).contains(&waits), "{waits}");
    // The limit is what it was.
    assert_eq!(server.feed(&"no".into()), Err(SendError::OutputFull));
    let receiving = tokio::spawn(sizes(client));
    server.flush().await.unwrap();
    assert_eq!(server.feed(&vec![7; 70_000].into()), Err(SendError::TooLarge));
    server.close(CloseCode::NORMAL, "").await.unwrap();
    server.finish().await.unwrap();
    assert_eq!(receiving.await.unwrap(), [60_000, 50_000]);
}

/// Also where the limit is below the high-water mark.
#[tokio::test]
async fn a_full_output_is_no_room_for_a_sink() {
    let (stream, _peer) = duplex(100);
    let connection = Connection::server(Config::default().max_output(16 * 1024));
    let mut server = WebSocket::from_parts(stream, connection, vec![]);
    for _ in 0..2 {
        SinkExt::<Message<'static>>::feed(&mut server, vec![7; 10_000].into()).await.unwrap();
    }
    let third = SinkExt::<Message<'static>>::feed(&mut server, vec![7; 10_000].into());
    assert!(timeout(Duration::from_millis(100), third).await.is_err());
    // Nothing waits in an output without any room.
    let (stream, _peer) = duplex(100);
    let connection = Connection::server(Config::default().max_output(0));
    let mut server = WebSocket::from_parts(stream, connection, vec![]);
    let error = SinkExt::<Message<'static>>::send(&mut server, "a".into()).await.unwrap_err();
    assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&SendError::TooLarge));
}

#[tokio::test]
async fn streams_are_over_when_they_have_ended() {
    for halves in [false, true] {
        let (mut server, mut client) = pair(Config::default()).await;
        client.close(CloseCode::NORMAL, "").await.unwrap();
        let closing = tokio::spawn(async move { client.finish().await });
        if halves {
            let (mut reader, _writer) = server.split_with(tokio::io::split);
            assert!(!reader.is_terminated());
            while reader.try_next().await.unwrap().is_some() {
                assert!(!reader.is_terminated());
            }
            assert!(reader.is_terminated());
        } else {
            assert!(!server.is_terminated());
            while server.try_next().await.unwrap().is_some() {
                assert!(!server.is_terminated());
            }
            assert!(server.is_terminated());
        }
        closing.await.unwrap().unwrap();
    }
}
