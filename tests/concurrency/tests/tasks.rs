//! The halves of `aio` in two tasks, and one WebSocket in two tasks as behind `futures::StreamExt::split`: no wake-up lost, whatever
//! the schedule. No time passes, so that who is not woken waits forever, which shuttle reports.

mod common;
#[path = "tasks/stream.rs"]
mod stream;

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use common::{HOUR, MESSAGES, check_all, check_without_time, text};
use futures_core::Stream as _;
use futures_sink::Sink;
use sansocket::aio::{Command, Read as _, WebSocket, Write as _};
use sansocket::{CloseCode, Config, Connection, Event, State};
use shuttle::future::{block_on, spawn};
use stream::{Clock, End, stream};

type Socket = WebSocket<End, Clock>;

fn patient() -> Config {
    Config::default().write_timeout(Some(HOUR)).close_timeout(HOUR).high_water(32)
}

fn pair(room: usize) -> (Socket, Socket) {
    let (near, far) = stream(room);
    let client = Connection::client(patient(), |bytes: &mut [u8]| bytes.fill(7));
    let server = Socket::over(near, Connection::server(patient()), vec![], Clock);
    (server, Socket::over(far, client, vec![], Clock))
}

/// The peer, in one task: echoes, pings, and ends when the other end does.
async fn echo(mut ws: Socket) {
    let mut received = 0;
    while let Some(event) = ws.recv().await.expect("the stream is there") {
        match event.into_owned() {
            Event::Message(message) => {
                assert_eq!(message.as_bytes(), text(received).as_bytes());
                ws.ping(&[received as u8]).await.expect("it is open");
                ws.send(&message).await.expect("it is open");
                received += 1;
            }
            Event::Pong(_) => {}
            Event::Close(frame) => assert_eq!(frame.map(|frame| frame.code()), Some(CloseCode::NORMAL)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received, MESSAGES);
}

/// What the reader of the other end finds.
#[derive(Default)]
struct Heard {
    messages: usize,
    closes: usize,
}

impl Heard {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(message) => {
                assert_eq!(message.as_bytes(), text(self.messages).as_bytes());
                self.messages += 1;
            }
            Event::Close(_) => self.closes += 1,
            Event::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn check(&self) {
        assert_eq!((self.messages, self.closes), (MESSAGES, 1));
    }
}

#[test]
fn halves_in_two_tasks() {
    for room in [8, 64] {
        check_without_time(move || {
            let (server, client) = pair(room);
            let peer = spawn(echo(client));
            let (mut reader, mut writer) = server.split_with(|stream| (stream.clone(), stream));
            let writing = spawn(async move {
                for i in 0..MESSAGES {
                    writer.send_text(&text(i)).await.expect("it is open");
                }
                writer.close(CloseCode::NORMAL, "").await.expect("the stream is there");
                writer
            });
            block_on(async {
                let mut heard = Heard::default();
                while let Some(event) = reader.recv().await.expect("the stream is there") {
                    heard.event(&event);
                }
                heard.check();
                assert_eq!(writing.await.expect("the writer ends").state(), State::Ended);
                peer.await.expect("the peer ends");
            });
        });
    }
}

#[test]
fn a_flush_is_woken_though_the_reader_writes() {
    check_without_time(|| {
        let (server, client) = pair(8);
        let peer = spawn(echo(client));
        let (mut reader, mut writer) = server.split_with(|stream| (stream.clone(), stream));
        let writing = spawn(async move {
            for i in 0..MESSAGES {
                writer.feed(&text(i).into()).expect("there is room in the output");
            }
            writer.flush().await.expect("the peer reads");
            writer.close(CloseCode::NORMAL, "").await.expect("the stream is there");
        });
        block_on(async {
            let mut heard = Heard::default();
            while let Some(event) = reader.recv().await.expect("the stream is there") {
                heard.event(&event);
            }
            heard.check();
            writing.await.expect("the writer ends");
            peer.await.expect("the peer ends");
        });
    });
}

#[test]
fn what_a_dropped_flush_leaves_is_written_by_the_reader() {
    check_without_time(|| {
        let (server, mut client) = pair(8);
        let peer = spawn(async move {
            for i in 0..MESSAGES {
                let event = client.recv().await.expect("the stream is there");
                assert_eq!(event, Some(Event::Message(text(i).into())));
            }
            client.close(CloseCode::NORMAL, "").await.expect("the stream is there");
            client.finish().await.expect("the stream is there");
        });
        let (mut reader, mut writer) = server.split_with(|stream| (stream.clone(), stream));
        let writing = spawn(async move {
            for i in 0..MESSAGES {
                writer.feed(&text(i).into()).expect("there is room in the output");
            }
            let mut flush = Box::pin(writer.flush());
            let _ = poll_fn(|cx| Poll::Ready(flush.as_mut().poll(cx))).await;
            drop(flush);
            // It stays, and does nothing.
            writer
        });
        block_on(async {
            let event = reader.recv().await.expect("the stream is there");
            assert!(matches!(event, Some(Event::Close(_))), "{event:?}");
            assert_eq!(reader.recv().await.expect("the stream is there"), None);
            assert_eq!(writing.await.expect("the writer ends").state(), State::Ended);
            peer.await.expect("the peer ends");
        });
    });
}

#[test]
fn many_senders_wait_for_room_and_for_the_end() {
    for room in [8, 64] {
        check_without_time(move || {
            let (server, mut client) = pair(room);
            let (mut reader, writer) = server.split_with(|stream| (stream.clone(), stream));
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let mut sender = writer.share();
                    spawn(async move {
                        for i in 0..MESSAGES {
                            sender.send_text(&text(i)).await.expect("it is open");
                        }
                        sender.closed().await;
                    })
                })
                .collect();
            drop(writer);
            let peer = spawn(async move {
                for _ in 0..2 * MESSAGES {
                    let event = client.recv().await.expect("the stream is there");
                    assert!(matches!(event, Some(Event::Message(_))), "{event:?}");
                }
                client.close(CloseCode::NORMAL, "").await.expect("the stream is there");
                client.finish().await.expect("the stream is there");
            });
            block_on(async {
                while reader.recv().await.expect("the stream is there").is_some() {}
                for sender in senders {
                    sender.await.expect("the sender ends");
                }
                peer.await.expect("the peer ends");
            });
        });
    }
}

#[test]
fn what_a_sender_queues_without_waiting_is_written_by_the_reader() {
    check_without_time(|| {
        let (server, mut client) = pair(8);
        let (mut reader, writer) = server.split_with(|stream| (stream.clone(), stream));
        let sender = writer.share();
        drop(writer);
        let queueing = spawn(async move {
            for i in 0..2 {
                sender.try_send(&text(i).into()).expect("there is room in the output");
            }
            sender.start_close(CloseCode::NORMAL, "");
        });
        let peer = spawn(async move {
            for i in 0..2 {
                let event = client.recv().await.expect("the stream is there");
                assert_eq!(event, Some(Event::Message(text(i).into())));
            }
            client.finish().await.expect("the stream is there");
        });
        block_on(async {
            while reader.recv().await.expect("the stream is there").is_some() {}
            queueing.await.expect("the sender ends");
            peer.await.expect("the peer ends");
        });
    });
}

#[test]
fn a_reader_that_is_dropped_wakes_those_who_wait_for_the_end() {
    check_without_time(|| {
        let (server, _client) = pair(8);
        let (reader, writer) = server.split_with(|stream| (stream.clone(), stream));
        let mut sender = writer.share();
        let waiting = spawn(async move { sender.closed().await });
        let dropping = spawn(async move { drop((reader, writer)) });
        block_on(async {
            dropping.await.expect("it ends");
            waiting.await.expect("it is woken");
        });
    });
}

#[test]
fn halves_that_are_dropped_wake_a_sender_that_waits_for_room() {
    check_without_time(|| {
        let (server, _client) = pair(8);
        let (reader, writer) = server.split_with(|stream| (stream.clone(), stream));
        let mut sender = writer.share();
        let sending = spawn(async move { while sender.send_text(&text(MESSAGES)).await.is_ok() {} });
        let dropping = spawn(async move { drop((reader, writer)) });
        block_on(async {
            dropping.await.expect("it ends");
            sending.await.expect("it is woken");
        });
    });
}

/// What `futures::StreamExt::split` does: one WebSocket behind a lock that is held for one poll.
#[derive(Clone)]
struct Shared(Arc<Mutex<Socket>>);

impl Shared {
    async fn next(&self) -> Option<Event<'static>> {
        let event = poll_fn(|cx| Pin::new(&mut *self.0.lock().expect("no task panics")).poll_next(cx)).await;
        event.map(|event| event.expect("the stream is there"))
    }

    async fn sink(&self, poll: impl Fn(Pin<&mut Socket>, &mut Context<'_>) -> Poll<std::io::Result<()>>) {
        let polled = poll_fn(|cx| poll(Pin::new(&mut *self.0.lock().expect("no task panics")), cx)).await;
        polled.expect("the stream is there");
    }

    async fn send(&self, command: Command) {
        self.sink(Sink::<Command>::poll_ready).await;
        {
            let mut ws = self.0.lock().expect("no task panics");
            Sink::start_send(Pin::new(&mut *ws), command).expect("it is open");
        }
        self.sink(Sink::<Command>::poll_flush).await;
    }
}

#[test]
fn one_websocket_as_stream_and_sink_in_two_tasks() {
    for room in [8, 64] {
        check_without_time(move || {
            let (server, client) = pair(room);
            let peer = spawn(echo(client));
            let shared = Shared(Arc::new(Mutex::new(server)));
            let writing = spawn({
                let shared = shared.clone();
                async move {
                    for i in 0..MESSAGES {
                        shared.send(text(i).into()).await;
                    }
                    shared.sink(Sink::<Command>::poll_close).await;
                }
            });
            block_on(async {
                let mut heard = Heard::default();
                while let Some(event) = shared.next().await {
                    heard.event(&event);
                }
                heard.check();
                writing.await.expect("the writer ends");
                peer.await.expect("the peer ends");
            });
        });
    }
}

#[test]
fn a_stream_that_breaks_wakes_both_tasks() {
    check_without_time(|| {
        let (near, far) = stream(8);
        let server = Socket::over(near, Connection::server(patient()), vec![], Clock);
        let (mut reader, mut writer) = server.split_with(|stream| (stream.clone(), stream));
        let writing = spawn(async move {
            for i in 0..100 {
                if writer.send_text(&text(i)).await.is_err() {
                    return;
                }
            }
            panic!("the stream takes what nobody reads");
        });
        let breaking = spawn(async move { far.reset() });
        block_on(async {
            let mut ends = 0;
            loop {
                match reader.recv().await {
                    Ok(Some(Event::Failed(_))) | Err(_) => ends += 1,
                    Ok(Some(event)) => panic!("{event:?}"),
                    Ok(None) => break,
                }
            }
            assert_eq!(ends, 1);
            writing.await.expect("the writer ends");
            breaking.await.expect("it ends");
        });
    });
}

// ---- every schedule ----

/// A server, and the other end of its stream, which has these bytes for it.
fn server_with(bytes: &[u8]) -> (Socket, End) {
    let (near, mut far) = stream(64);
    let wrote = block_on(poll_fn(|cx| far.poll_write(&[IoSlice::new(bytes)], cx)));
    assert_eq!(wrote.expect("the stream is there"), bytes.len());
    (Socket::over(near, Connection::server(patient()), vec![], Clock), far)
}

/// All that has arrived.
fn arrived(mut far: End) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    block_on(poll_fn(|cx| far.poll_read(&mut bytes, cx))).expect("the stream is there");
    bytes
}

#[test]
fn a_message_each_way_under_every_schedule() {
    check_all(|| {
        let (server, far) = server_with(b"\x81\x81\0\0\0\0a");
        let (mut reader, mut writer) = server.split_with(|stream| (stream.clone(), stream));
        let writing = spawn(async move { writer.send_text("b").await.expect("it is open") });
        block_on(async {
            let event = reader.recv().await.expect("the stream is there");
            assert_eq!(event, Some(Event::Message("a".into())));
            writing.await.expect("the writer ends");
        });
        assert_eq!(arrived(far), b"\x81\x01b");
    });
}

#[test]
fn a_message_and_the_peers_close_under_every_schedule() {
    check_all(|| {
        let (server, far) = server_with(b"\x88\x80\0\0\0\0");
        let (mut reader, writer) = server.split_with(|stream| (stream.clone(), stream));
        let sender = writer.share();
        let queueing = spawn(async move { sender.try_send(&"b".into()).is_ok() });
        let was_sent = block_on(async {
            assert_eq!(reader.recv().await.expect("the stream is there"), Some(Event::Close(None)));
            queueing.await.expect("the sender ends")
        });
        let expected: &[u8] = if was_sent { b"\x81\x01b\x88\0" } else { b"\x88\0" };
        assert_eq!(arrived(far), expected);
    });
}

#[test]
fn who_waits_for_the_end_is_woken_under_every_schedule() {
    check_all(|| {
        let (server, _client) = pair(8);
        let (reader, writer) = server.split_with(|stream| (stream.clone(), stream));
        let mut sender = writer.share();
        let waiting = spawn(async move { sender.closed().await });
        drop((reader, writer));
        block_on(waiting).expect("it is woken");
    });
}
