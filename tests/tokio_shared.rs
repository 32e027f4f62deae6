//! `SharedSender`: many tasks that send into one connection over tokio.
#![cfg(feature = "_tests")]

mod support;

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use sansocket::tokio::{ReadHalf, SharedSender, WebSocket};
use sansocket::{CloseCode, Config, Connection, EncodedMessage, Event, Message, ProtocolError, SendError};
use support::pair_over;
use tokio::io::{AsyncReadExt, DuplexStream, ReadHalf as R, WriteHalf as W, duplex, split};
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

type Reader = ReadHalf<R<DuplexStream>, W<DuplexStream>>;
type Sender = SharedSender<W<DuplexStream>>;

/// A server in halves that the stream gives `room` bytes, and its client.
async fn shared(config: Config, room: usize) -> (Reader, Sender, WebSocket<DuplexStream>) {
    let (server, client) = duplex(room);
    let (server, client) = pair_over(server, client, config).await;
    let (reader, writer) = server.split_with(split);
    let sender = writer.share();
    (reader, sender, client)
}

/// Halves come together again though a sender in another thread is asked for the state of the connection at that moment.
#[test]
fn halves_are_reunited_while_a_sender_is_asked() {
    for _ in 0..500 {
        let ws = WebSocket::from_parts(duplex(64).0, Connection::server(Config::default()), vec![]);
        let (reader, writer) = ws.split_with(split);
        let sender = writer.share();
        let (begins, begun) = std::sync::mpsc::channel();
        let asking = std::thread::spawn(move || {
            begins.send(()).unwrap();
            while sender.can_send() {}
        });
        begun.recv().unwrap();
        WebSocket::reunite_with(reader, writer, |read, write| Some(read.unsplit(write))).unwrap();
        asking.join().unwrap();
    }
}

/// Receives to the end.
fn receiving(mut reader: Reader) -> tokio::task::JoinHandle<std::io::Result<()>> {
    tokio::spawn(async move {
        while reader.recv().await?.is_some() {}
        Ok(())
    })
}

#[tokio::test]
async fn what_many_tasks_send_arrives_and_each_ones_messages_in_order() {
    let (reader, sender, mut client) = shared(Config::default().high_water(200), 64).await;
    let receiving = receiving(reader);
    for task in 0..8 {
        let mut sender = sender.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                sender.send_text(&format!("{task} {n}")).await.unwrap();
            }
        });
    }
    let mut next = [0; 8];
    while next != [100; 8] {
        if let Some(Event::Message(message)) = timeout(SECOND * 20, client.recv()).await.unwrap().unwrap() {
            let (task, n) = message.as_text().unwrap().split_once(' ').unwrap();
            let next = &mut next[task.parse::<usize>().unwrap()];
            assert_eq!(n.parse(), Ok(*next));
            *next += 1;
        }
    }
    client.close(CloseCode::NORMAL, "").await.unwrap();
    client.finish().await.unwrap();
    receiving.await.unwrap().unwrap();
    assert!(sender.is_closed());
}

#[tokio::test]
async fn trying_is_bounded_and_goes_on_when_there_is_room() {
    let (reader, sender, mut client) = shared(Config::default().high_water(1000), 100).await;
    let receiving = receiving(reader);
    let message = EncodedMessage::new(&Message::from(&[7; 196][..]));
    let sent = (0..100).find(|_| sender.try_send_encoded(&message).is_err()).unwrap();
    assert_eq!(sent, 6, "1000 bytes, in frames of 200, and one more");
    assert_eq!(sender.try_send(&Message::from("x")), Err(SendError::OutputFull));
    assert!(sender.can_send());
    for _ in 0..sent {
        assert!(
            matches!(client.recv().await.unwrap(), Some(Event::Message(message)) if message.len() == 196)
        );
    }
    sender.try_send(&Message::from("x")).unwrap();
    assert!(matches!(client.recv().await.unwrap(), Some(Event::Message(message)) if message == "x"));
    sender.start_close(CloseCode::GOING_AWAY, "bye");
    assert_eq!(sender.try_send(&Message::from("x")), Err(SendError::Closed));
    assert!(!sender.can_send() && !sender.is_closed());
    client.finish().await.unwrap();
    assert_eq!(client.close_frame().unwrap().code(), CloseCode::GOING_AWAY);
    receiving.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_is_told_whoever_brings_it_about() {
    type EndsIt = fn(WebSocket<DuplexStream>, &Sender, &tokio::task::JoinHandle<std::io::Result<()>>);
    let ways: [(&str, EndsIt); 4] = [
        ("the peer vanishes", |client, _, _| drop(client)),
        ("the peer closes", |mut client, _, _| {
            tokio::spawn(async move {
                client.close(CloseCode::NORMAL, "").await.unwrap();
                client.finish().await.unwrap();
            });
        }),
        ("another sender closes", |mut client, sender, _| {
            sender.start_close(CloseCode::NORMAL, "");
            tokio::spawn(async move { client.finish().await });
        }),
        ("the reader is dropped", |client, _, receiving| {
            receiving.abort();
            tokio::spawn(async move {
                sleep(SECOND * 60).await;
                drop(client);
            });
        }),
    ];
    for (way, end) in ways {
        let (reader, mut sender, client) = shared(Config::default(), 1 << 16).await;
        let receiving = receiving(reader);
        assert!(timeout(SECOND / 20, sender.closed()).await.is_err(), "{way}: too early");
        let mut waiting = sender.clone();
        let waiting = tokio::spawn(async move { waiting.closed().await });
        end(client, &sender, &receiving);
        timeout(SECOND * 5, async {
            sender.closed().await;
            waiting.await.unwrap();
        })
        .await
        .unwrap_or_else(|_| panic!("{way}: it was not told"));
        assert_eq!(sender.try_send(&Message::from("x")), Err(SendError::Closed), "{way}");
        let error = sender.send_text("x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{way}");
    }
}

#[tokio::test]
async fn those_who_wait_for_room_are_told_that_none_comes() {
    let (mut reader, sender, _client) = shared(Config::default().high_water(100), 100).await;
    let mut waiting: Vec<_> = (0..3)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move { while sender.send(&Message::from(&[0; 500][..])).await.is_ok() {} })
        })
        .collect();
    assert!(timeout(SECOND / 10, reader.recv()).await.is_err());
    assert!(waiting.iter().all(|task| !task.is_finished()));
    drop(reader);
    for task in &mut waiting {
        timeout(SECOND, task).await.expect("it is woken").unwrap();
    }
}

#[tokio::test]
async fn senders_do_not_keep_the_stream_open() {
    let (reader, sender, client) = shared(Config::default(), 1 << 16).await;
    let (mut stream, ..) = client.into_parts();
    drop(reader);
    let mut rest = Vec::new();
    timeout(SECOND, stream.read_to_end(&mut rest)).await.expect("the stream has ended").unwrap();
    assert!(rest.is_empty() && sender.is_closed());
}

#[tokio::test]
async fn halves_that_have_senders_can_be_reunited() {
    let (server, client) = duplex(1 << 16);
    let (server, mut client) = pair_over(server, client, Config::default()).await;
    let (reader, writer) = server.split_with(split);
    let sender = writer.share();
    sender.try_send(&Message::from("before")).unwrap();
    let mut server = WebSocket::reunite_with(reader, writer, |r, w| Some(r.unsplit(w))).unwrap();
    assert!(sender.is_closed());
    server.flush().await.unwrap();
    assert!(matches!(client.recv().await.unwrap(), Some(Event::Message(message)) if message == "before"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_the_task_that_receives_is_told_when_the_peer_is_given_up() {
    let config = Config::default().high_water(100).write_timeout(Some(SECOND * 30));
    let (mut reader, mut sender, _client) = shared(config, 100).await;
    let began = tokio::time::Instant::now();
    let sending = async { while sender.send(&Message::from(&[0; 500][..])).await.is_ok() {} };
    timeout(SECOND * 100, sending).await.expect("the deadline is watched");
    assert_eq!(began.elapsed().as_secs(), 30);
    assert!(sender.is_closed());
    assert_eq!(reader.recv().await.unwrap(), Some(Event::Failed(ProtocolError::WriteTimeout)));
    assert_eq!(reader.recv().await.unwrap(), None);
}

/// In small executors a waiting task is kept by its wakers alone: with one of them ends all that the task owns.
#[test]
fn a_waker_that_is_dropped_may_own_a_sender() {
    struct Task(#[expect(dead_code, reason = "it is dropped")] Sender);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut reader, sender, _client) = runtime.block_on(shared(Config::default(), 1000));
        let _in_runtime = runtime.enter();
        let mut other = sender.clone();
        let task = || Waker::from(Arc::new(Task(sender.clone())));
        let nobody = &mut Context::from_waker(Waker::noop());
        // Another task waits in its place, as reader and as writer; or nobody does.
        assert!(pin!(reader.recv()).poll(&mut Context::from_waker(&task())).is_pending());
        assert!(pin!(reader.recv()).poll(nobody).is_pending());
        assert!(pin!(other.closed()).poll(&mut Context::from_waker(&task())).is_pending());
        assert!(pin!(other.closed()).poll(nobody).is_pending());
        assert!(pin!(other.closed()).poll(&mut Context::from_waker(&task())).is_pending());
        drop(other);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(10 * SECOND).expect("nobody waits for a lock of his own");
}

/// Who waits for room waits for nothing once the connection is closing: nothing more can be sent.
#[tokio::test]
async fn a_close_ends_the_wait_for_room() {
    let config = Config::default().high_water(1000).close_timeout(60 * SECOND).write_timeout(None);
    let (reader, mut sender, client) = shared(config, 100).await;
    let receiving = receiving(reader);
    while sender.try_send(&Message::from(&[7; 196][..])).is_ok() {}
    let mut waiting = sender.clone();
    let waiting = tokio::spawn(async move { waiting.send_text("waits").await });
    sleep(SECOND / 50).await;
    assert!(!waiting.is_finished());
    sender.start_close(CloseCode::NORMAL, "");
    let is_closed =
        |result: std::io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::NotConnected);
    assert!(is_closed(timeout(SECOND * 5, waiting).await.unwrap().unwrap()));
    assert!(is_closed(timeout(SECOND * 5, sender.send_text("late")).await.unwrap()));
    drop(client);
    let _ = timeout(SECOND * 5, receiving).await.unwrap();
}

/// So does a Close that a deadline sends, whoever notices it.
#[tokio::test]
async fn a_deadline_that_closes_ends_the_wait_for_room() {
    let config = Config::default()
        .high_water(1000)
        .idle_timeout(Some(SECOND / 20))
        .close_timeout(60 * SECOND)
        .write_timeout(None);
    for receives in [false, true] {
        let (reader, mut sender, _client) = shared(config, 100).await;
        while sender.try_send(&Message::from(&[7; 196][..])).is_ok() {}
        let mut others = sender.clone();
        let others = tokio::spawn(async move { others.send_text("waits").await });
        let (_kept, _receiving) =
            if receives { (None, Some(receiving(reader))) } else { (Some(reader), None) };
        let closed = timeout(SECOND * 5, sender.send_text("waits")).await.unwrap();
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::NotConnected, "{receives}");
        let closed = timeout(SECOND * 5, others).await.unwrap().unwrap();
        assert_eq!(closed.unwrap_err().kind(), ErrorKind::NotConnected, "{receives}");
    }
}

/// There is room as soon as the stream has taken enough, not only when it has taken all.
#[tokio::test]
async fn trying_needs_no_more_room_than_its_message() {
    let (stream, _peer) = duplex(50 << 10);
    let config = Config::default().max_output(100 << 10);
    let (_reader, writer) =
        WebSocket::from_parts(stream, Connection::server(config), vec![]).split_with(split);
    let sender = writer.share();
    sender.try_send(&vec![7; 60 << 10].into()).unwrap();
    // The stream takes 50 KiB of that.
    sender.try_send(&vec![7; 50 << 10].into()).unwrap();
    assert_eq!(sender.try_send(&vec![7; 50 << 10].into()), Err(SendError::OutputFull));
}
