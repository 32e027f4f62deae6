//! Two tasks of one connection, over a stream that wakes nobody: each is woken by the other for what it waits for, and for nothing
//! else (I15).
#![cfg(feature = "_tests")]

#[path = "support/told.rs"]
mod told;

use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use sansocket::tokio::{Command, WebSocket};
use sansocket::{Config, Connection, Event, Message, OsRandom, ProtocolError, SendError};
use tokio::io::split;
use tokio::time::Instant;
use told::{Script, Told, Writes};

const CLOSE: &[u8] = b"\x88\x80\0\0\0\0";

/// Longer than a reader looks for what arrived before a write failed.
const LOOK: Duration = Duration::from_millis(20);

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls once as the task of that waker.
fn poll_as<F: Future>(woken: &Arc<Woken>, future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
}

type Commands = Pin<Box<dyn Sink<Command, Error = io::Error>>>;

/// What two tasks have of a WebSocket: its halves, or what `futures` makes of it.
fn for_two_tasks(
    ws: WebSocket<Told>,
    halves: bool,
) -> (impl Stream<Item = io::Result<Event<'static>>> + Unpin, Commands) {
    if halves {
        let (reader, writer) = ws.split_with(split);
        (reader.left_stream(), Box::pin(writer))
    } else {
        let (sink, events) = StreamExt::split::<Command>(ws);
        (events.right_stream(), Box::pin(sink))
    }
}

/// The stream wakes nobody, so whoever is woken is woken by the other task; for what does not concern it, it is not.
#[test]
fn each_task_sleeps_while_the_other_one_works() {
    let pings = b"\x89\x00".repeat(3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for halves in [false, true] {
        let (reader, writer) = <(Arc<Woken>, Arc<Woken>)>::default();
        let stream = Told::new(Writes::Take, []);
        // A server would not read on either.
        let config = Config::default().high_water(5).idle_timeout(Some(Duration::from_secs(1000)));
        let connection = Connection::client(config, OsRandom);
        let ws = WebSocket::from_parts(stream.clone(), connection, vec![]);
        let (mut events, mut sink) = for_two_tasks(ws, halves);
        assert!(poll_as(&reader, events.next()).is_pending());
        for _ in 0..10 {
            assert!(poll_as(&writer, sink.send("sent".into())).is_ready());
        }
        assert_eq!(reader.count(), 0, "{halves}: nothing that a reader has to know");

        // The writer waits for room; the reader answers, as far as there is any.
        stream.tell(|script| script.writes = Writes::Wait);
        // `futures` keeps one of them itself.
        assert!((0..3).any(|_| poll_as(&writer, sink.feed("waiting".into())).is_pending()), "{halves}");
        stream
            .tell(|script| {
                script.reads.push_back(Ok(pings.clone()));
                script.reader.take()
            })
            .into_iter()
            .for_each(Waker::wake);
        for _ in 0..3 {
            assert!(matches!(poll_as(&reader, events.next()), Poll::Ready(Some(Ok(Event::Ping(_))))));
        }
        assert!(poll_as(&reader, events.next()).is_pending());
        stream.tell(|script| script.reader.take()).unwrap().wake();
        assert_eq!(writer.count(), 0, "{halves}: there is no more room than before");
    }
}

/// A stream keeps one waker for each direction: what a reader tries to write at the end leaves the writer its own.
#[test]
fn a_writer_is_woken_by_the_stream_though_the_reader_has_answered_a_close() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for halves in [false, true] {
        let (reader, writer) = <(Arc<Woken>, Arc<Woken>)>::default();
        let stream = Told::new(Writes::Wait, []);
        let ws = stream.server(Config::default());
        let (mut events, mut sink) = for_two_tasks(ws, halves);
        assert!(poll_as(&writer, sink.send("waiting".into())).is_pending());
        let before = writer.count();
        stream.tell(|script| script.reads.push_back(Ok(CLOSE.to_vec())));
        assert!(matches!(poll_as(&reader, events.next()), Poll::Ready(Some(Ok(Event::Close(_))))));
        let waker = stream.tell(|script| {
            script.writes = Writes::Take;
            script.writer.take()
        });
        waker.unwrap().wake();
        assert!(writer.count() > before, "{halves}: it would wait for ever");
        assert!(poll_as(&writer, sink.flush()).is_ready());
    }
}

/// Some streams forget the waker of a write that waited once another one has succeeded, such as those of smol: whoever writes tells
/// the others that there is room.
#[test]
fn a_task_that_waits_for_room_learns_of_it_from_the_one_that_has_written() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for by in ["reply", "reader", "send", "try_send"] {
        let stream = Told::new(Writes::Wait, []);
        let (mut reader, writer) = stream.server(Config::default().high_water(5)).split_with(split);
        let (mut first, mut second, mut last) = (writer.share(), writer.share(), writer.share());
        let (reading, writing, waiting) = <(Arc<Woken>, Arc<Woken>, Arc<Woken>)>::default();
        let ending = Arc::<Woken>::default();
        assert!(poll_as(&ending, last.closed()).is_pending());
        assert!(poll_as(&reading, reader.recv()).is_pending());
        first.try_send(&Message::from("waiting")).unwrap();
        assert!(poll_as(&waiting, second.send_text("no room")).is_pending());
        stream.tell(|script| script.writes = Writes::Take);
        let before = (reading.count(), waiting.count());
        match by {
            "reply" => {
                stream.tell(|script| script.reads.push_back(Ok(b"\x89\x80\0\0\0\0".to_vec())));
                assert!(poll_as(&reading, reader.recv()).is_ready());
            }
            "reader" => assert!(poll_as(&reading, reader.recv()).is_pending()),
            "send" => assert!(poll_as(&writing, first.send_text("sent")).is_ready()),
            // More waits than before.
            _ => first.try_send(&Message::from("longer than what was waiting")).unwrap(),
        }
        assert!(waiting.count() > before.1, "{by}: it would wait for ever");
        // Who waits for the end alone sleeps, and so does who has made the room.
        assert_eq!((ending.count(), writing.count()), (0, 0), "{by}");
        assert!(poll_as(&waiting, second.send_text("room")).is_ready(), "{by}");
        if by == "send" {
            assert_eq!(reading.count(), before.0, "a reader does not wait for room");
        }
    }
    // A stream and its sink: also the other way round, as a server with too much output does not read.
    for sink_waits in [true, false] {
        let stream = Told::new(Writes::Wait, []);
        let (mut sink, mut events) =
            StreamExt::split::<Command>(stream.server(Config::default().high_water(5)));
        let (reading, writing) = <(Arc<Woken>, Arc<Woken>)>::default();
        assert!(poll_as(&writing, sink.send("more than 5".into())).is_pending());
        assert!(poll_as(&reading, events.next()).is_pending());
        stream.tell(|script| script.writes = Writes::Take);
        let before = (reading.count(), writing.count());
        if sink_waits {
            assert!(poll_as(&reading, events.next()).is_pending());
            assert!(writing.count() > before.1, "it would wait for ever");
        } else {
            assert!(poll_as(&writing, sink.flush()).is_ready());
            assert!(reading.count() > before.0, "it would not read any more");
        }
        assert!(poll_as(&writing, sink.flush()).is_ready());
    }
}

/// A reader that has seen both ends waits for what is left to be written: whoever writes it tells the reader, which ends our side.
#[test]
fn a_reader_that_waits_for_the_last_write_learns_of_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for (halves, fails) in [(false, false), (false, true), (true, false), (true, true)] {
        let stream = Told::new(Writes::Wait, [Ok(CLOSE), Ok(b"")]);
        let ws = stream.server(Config::default());
        let (mut events, mut sink) = for_two_tasks(ws, halves);
        let (reading, writing) = <(Arc<Woken>, Arc<Woken>)>::default();
        assert!(matches!(poll_as(&reading, events.next()), Poll::Ready(Some(Ok(Event::Close(_))))));
        assert!(poll_as(&reading, events.next()).is_pending());
        let before = reading.count();
        stream.tell(|script| {
            script.writes = if fails { Writes::Fail(ErrorKind::BrokenPipe) } else { Writes::Take };
        });
        assert!(matches!(poll_as(&writing, sink.flush()), Poll::Ready(flushed) if flushed.is_err() == fails));
        assert!(reading.count() > before, "{halves} {fails}: it would not end our side");
        assert!(matches!(poll_as(&reading, events.next()), Poll::Ready(None)));
        stream.tell(|script| assert!(script.is_shut_down));
    }
}

/// Also what is left where nobody waits for the stream: behind a message that is refused, or only fed, after some was written.
#[test]
fn a_reader_learns_of_what_a_writer_has_left() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for halves in [false, true] {
        let stream = Told::new(Writes::Wait, []);
        let config = Config::default().high_water(5).max_output(100);
        let ws = WebSocket::from_parts(stream.clone(), Connection::client(config, OsRandom), vec![]);
        let (reading, writing) = <(Arc<Woken>, Arc<Woken>)>::default();
        let some = |script: &mut Script| script.writes = Writes::Some(12);
        let before;
        let mut events = if halves {
            let (mut reader, mut writer) = ws.split_with(split);
            assert!(poll_as(&writing, writer.send_text("0123456789")).is_ready());
            assert!(poll_as(&reading, reader.recv()).is_pending());
            before = reading.count();
            stream.tell(some);
            let too_large = Message::from(vec![7; 200]);
            assert!(matches!(poll_as(&writing, writer.send(&too_large)), Poll::Ready(Err(_))));
            reader.left_stream()
        } else {
            let (mut sink, mut events) = StreamExt::split::<Command>(ws);
            assert!(poll_as(&writing, sink.send("0123456789".into())).is_pending());
            assert!(poll_as(&reading, events.next()).is_pending());
            before = reading.count();
            stream.tell(some);
            // `futures` keeps one of them itself.
            assert!((0..2).all(|_| poll_as(&writing, sink.feed("".into())).is_ready()));
            events.right_stream()
        };
        stream.tell(|script| assert_eq!(script.written.len(), 12));
        assert!(reading.count() > before, "{halves}: it would wait for ever");
        stream.tell(|script| script.writes = Writes::Take);
        assert!(poll_as(&reading, events.next()).is_pending());
        stream.tell(|script| assert!(script.written.len() >= 16));
    }
}

/// Two tasks that both wait to read, as a sink does that closes, do not wake each other.
#[test]
fn two_tasks_that_read_do_not_wake_each_other() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Wait, []);
    let (mut sink, mut events) = StreamExt::split::<Command>(stream.server(Config::default()));
    let (reading, writing) = <(Arc<Woken>, Arc<Woken>)>::default();
    assert!(poll_as(&reading, events.next()).is_pending());
    for _ in 0..10 {
        assert!(poll_as(&writing, sink.close()).is_pending());
        assert!(poll_as(&reading, events.next()).is_pending());
    }
    assert!(reading.count() <= 2 && writing.count() == 0, "{} and {}", reading.count(), writing.count());
}

/// A task is not woken by its own write.
#[test]
fn a_flush_that_has_written_some_waits_for_the_stream() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Wait, []);
    let (_reader, mut writer) = stream.server(Config::default()).split_with(split);
    let writing = Arc::<Woken>::default();
    writer.feed(&Message::from("waiting")).unwrap();
    assert!(poll_as(&writing, writer.flush()).is_pending());
    stream.tell(|script| script.writes = Writes::Some(3));
    assert!(poll_as(&writing, writer.flush()).is_pending());
    assert_eq!((writing.count(), stream.tell(|script| script.written.len())), (0, 3));
}

/// What a sink that closes reads, because the peer may wait for that, is the reader's.
#[test]
fn a_reader_learns_of_what_the_closing_sink_has_read() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for read in [Ok(&b"\x81\x80\0\0\0\0"[..]), Ok(b""), Err(ErrorKind::ConnectionReset)] {
        let stream = Told::new(Writes::Wait, []);
        let (mut sink, mut events) = StreamExt::split::<Command>(stream.server(Config::default()));
        let (reading, writing) = <(Arc<Woken>, Arc<Woken>)>::default();
        assert!(poll_as(&writing, sink.close()).is_pending());
        assert!(poll_as(&reading, events.next()).is_pending());
        stream.tell(|script| script.reads.push_back(read.map(<[u8]>::to_vec)));
        let before = reading.count();
        assert_eq!(poll_as(&writing, sink.close()).is_pending(), read.is_ok());
        assert!(reading.count() > before, "{read:?}");
        assert!(poll_as(&reading, events.next()).is_ready(), "{read:?}");
    }
}

/// What is sent and not taken has a deadline, which a reader that has slept without one, or for a later one, learns of and watches.
#[tokio::test(start_paused = true)]
async fn a_reader_that_sleeps_learns_of_the_deadline_of_a_write() {
    for idle_timeout in [None, Some(Duration::from_secs(1000))] {
        let stream = Told::new(Writes::Wait, []);
        let config = Config::default().write_timeout(Some(Duration::from_secs(7))).idle_timeout(idle_timeout);
        let (mut reader, mut writer) = stream.server(config).split_with(split);
        let reading =
            tokio::spawn(async move { reader.recv().await.map(|event| event.map(Event::into_owned)) });
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        // It does not wait: there is room.
        writer.send_text("nobody takes it").await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 0);
        let event = tokio::time::timeout(Duration::from_secs(100), reading).await;
        let event = event.expect("it sleeps on").unwrap().unwrap();
        assert_eq!(event, Some(Event::Failed(ProtocolError::WriteTimeout)));
        assert_eq!(began.elapsed().as_secs(), 7);
        stream.tell(|script| assert!(script.is_shut_down, "the peer is told, as far as it can be"));
    }
}

/// Whoever finds the stream broken tells all the others.
#[test]
fn a_broken_stream_wakes_all_who_wait() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Wait, []);
    let (mut reader, writer) = stream.server(Config::default().high_water(5)).split_with(split);
    let (mut first, mut second) = (writer.share(), writer.share());
    let (reading, finding, waiting) = <(Arc<Woken>, Arc<Woken>, Arc<Woken>)>::default();
    assert!(poll_as(&reading, reader.recv()).is_pending());
    first.try_send(&Message::from("waiting")).unwrap();
    assert!(poll_as(&waiting, second.send_text("no room")).is_pending());
    let before = (reading.count(), waiting.count());
    stream.tell(|script| script.writes = Writes::Fail(ErrorKind::BrokenPipe));
    let Poll::Ready(flushed) = poll_as(&finding, first.flush()) else { panic!("it is broken") };
    assert_eq!(flushed.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(waiting.count() > before.1, "it would wait for ever");
    let Poll::Ready(sent) = poll_as(&waiting, second.send_text("no room")) else { panic!("it is over") };
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::NotConnected);
    let lost = Event::Failed(ProtocolError::TransportFailed);
    assert!(poll_as(&reading, reader.recv()).is_pending(), "it looks for what arrived before");
    runtime.block_on(tokio::time::sleep(LOOK));
    assert!(matches!(poll_as(&reading, reader.recv()), Poll::Ready(Ok(Some(event))) if event == lost));
}

/// Also the reader whose answer is not taken, before it reads again and learns of that itself.
#[test]
fn a_writer_learns_that_an_answer_was_not_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Wait, []);
    let (mut reader, mut writer) = stream.server(Config::default().high_water(5)).split_with(split);
    let (reading, writing) = <(Arc<Woken>, Arc<Woken>)>::default();
    writer.feed(&Message::from("waiting")).unwrap();
    assert!(poll_as(&writing, writer.flush()).is_pending());
    stream.tell(|script| script.reads.push_back(Ok(b"\x89\x80\0\0\0\0".repeat(2))));
    assert!(poll_as(&reading, reader.recv()).is_ready());
    assert_eq!(writing.count(), 0, "nothing is written yet");
    stream.tell(|script| script.writes = Writes::Fail(ErrorKind::BrokenPipe));
    assert!(poll_as(&reading, reader.recv()).is_ready(), "the other Ping");
    assert!(writing.count() > 0, "it would wait for ever");
    let Poll::Ready(flushed) = poll_as(&writing, writer.flush()) else { panic!("it is broken") };
    assert_eq!(flushed.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Also behind the end, where nothing changes by it but that.
#[test]
fn a_stream_that_is_broken_behind_the_end_wakes_all_who_flush() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Wait, [Ok(CLOSE), Ok(b"")]);
    let (mut reader, writer) = stream.server(Config::default()).split_with(split);
    let (mut first, mut second) = (writer.share(), writer.share());
    let (reading, finding, waiting) = <(Arc<Woken>, Arc<Woken>, Arc<Woken>)>::default();
    assert!(matches!(poll_as(&reading, reader.recv()), Poll::Ready(Ok(Some(Event::Close(_))))));
    assert!(poll_as(&reading, reader.recv()).is_pending());
    assert!(poll_as(&waiting, second.flush()).is_pending());
    stream.tell(|script| script.writes = Writes::Fail(ErrorKind::BrokenPipe));
    assert!(matches!(poll_as(&finding, first.flush()), Poll::Ready(Err(_))));
    assert!(waiting.count() > 0, "it would wait for ever");
    assert!(poll_as(&waiting, second.flush()).is_ready());
}

/// The same for a stream and its sink: the reader learns of a write that failed, and the writer of a read that failed.
#[test]
fn a_stream_and_its_sink_learn_of_each_others_failures() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for is_write in [true, false] {
        let stream = Told::new(Writes::Wait, []);
        let connection = Connection::client(Config::default().high_water(5), OsRandom);
        let ws = WebSocket::from_parts(stream.clone(), connection, vec![]);
        let (mut sink, mut events) = StreamExt::split::<Command>(ws);
        let (reading, writing) = <(Arc<Woken>, Arc<Woken>)>::default();
        assert!(poll_as(&reading, events.next()).is_pending());
        // `futures` keeps one of them itself.
        assert!((0..3).any(|_| poll_as(&writing, sink.feed("waiting".into())).is_pending()));
        let before = (reading.count(), writing.count());
        if is_write {
            stream.tell(|script| script.writes = Writes::Fail(ErrorKind::BrokenPipe));
            assert!(matches!(poll_as(&writing, sink.flush()), Poll::Ready(Err(_))));
            assert!(reading.count() > before.0, "it would wait for ever");
            let lost = Event::Failed(ProtocolError::TransportFailed);
            assert!(poll_as(&reading, events.next()).is_pending(), "it looks for what arrived before");
            runtime.block_on(tokio::time::sleep(LOOK));
            assert!(
                matches!(poll_as(&reading, events.next()), Poll::Ready(Some(Ok(event))) if event == lost)
            );
        } else {
            stream.tell(|script| script.reads.push_back(Err(ErrorKind::ConnectionReset)));
            assert!(matches!(poll_as(&reading, events.next()), Poll::Ready(Some(Err(_)))));
            assert!(writing.count() > before.1, "it would wait for ever");
            assert!(matches!(poll_as(&writing, sink.flush()), Poll::Ready(Err(_))));
        }
    }
}

/// Who has sent is not waiting any more, and is not woken for the others.
#[test]
fn a_task_that_has_sent_is_not_woken() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Take, []);
    let (mut reader, writer) = stream.server(Config::default().high_water(5)).split_with(split);
    let (mut first, mut second, mut third) = (writer.share(), writer.share(), writer.share());
    let (reading, sent, waiting, gone) = <(Arc<Woken>, Arc<Woken>, Arc<Woken>, Arc<Woken>)>::default();
    assert!(poll_as(&sent, first.send_text("sent")).is_ready());
    stream.tell(|script| script.writes = Writes::Wait);
    first.try_send(&Message::from("waiting")).unwrap();
    assert!(poll_as(&waiting, second.send_text("no room")).is_pending());
    assert!(poll_as(&gone, third.send_text("no room")).is_pending());
    drop(third);
    stream.tell(|script| script.reads.push_back(Ok(CLOSE.to_vec())));
    assert!(matches!(poll_as(&reading, reader.recv()), Poll::Ready(Ok(Some(Event::Close(None))))));
    assert_eq!((sent.count(), gone.count(), waiting.count() > 0), (0, 0, true));
    // Nor is a reader for what is refused.
    assert!(poll_as(&reading, reader.recv()).is_pending());
    let before = reading.count();
    assert_eq!(first.try_send(&Message::from("too late")), Err(SendError::Closed));
    assert_eq!(reading.count(), before);
}

/// A reader that sleeps is woken for what a dropped writer has left to it.
#[test]
fn what_a_dropped_writer_has_queued_is_written_by_the_reader() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Take, []);
    let (mut reader, writer) = stream.server(Config::default()).split_with(split);
    let reading = Arc::<Woken>::default();
    assert!(poll_as(&reading, reader.recv()).is_pending());
    writer.feed(&Message::from("queued")).unwrap();
    assert_eq!(reading.count(), 0, "the writer may have more");
    drop(writer);
    assert_eq!(reading.count(), 1);
    assert!(poll_as(&reading, reader.recv()).is_pending());
    stream.tell(|script| assert_eq!(script.written, b"\x81\x06queued"));
}

/// Nobody would learn of the end of a connection that is not received: what is sent into it is refused.
#[tokio::test(start_paused = true)]
async fn a_shared_sender_without_a_reader_sends_nothing() {
    let stream = Told::new(Writes::Take, []);
    let (reader, writer) = stream.server(Config::default()).split_with(split);
    let mut sender = writer.share();
    drop(reader);
    assert_eq!(sender.send_text("a").await.unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(sender.try_send(&Message::from("a")), Err(SendError::Closed));
    assert!(!sender.can_send() && sender.is_closed());
    stream.tell(|script| assert_eq!(script.written, b""));
}

/// A peer that always has more to say holds its task for one turn, whatever it sends: then the task lets others run, and is
/// woken for the next turn.
#[test]
fn a_flood_is_received_in_turns() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let woken = Arc::<Woken>::default();
    let mut turns = 0;
    // Pieces of a message of 2 MiB.
    for len in [1, 16 * 1024] {
        let head = b"\x82\xFF\0\0\0\0\0\x20\0\0\0\0\0\0";
        let stream = Told::new(Writes::Take, [Ok(&head[..])]);
        stream.tell(|script| script.reads.extend((0..100).map(|_| Ok(vec![7; len]))));
        let mut ws = stream.server(Config::default());
        assert!(poll_as(&woken, ws.recv()).is_pending());
        turns += 1;
        assert_eq!(woken.count(), turns, "reads of {len}");
        let reads = stream.tell(|script| script.offered.len());
        assert!(reads <= 50 && reads * len <= 256 * 1024, "{reads} reads of {len}");
    }
    // Many events of one read.
    let stream = Told::new(Writes::Take, [Ok(&b"\x8A\x80\0\0\0\0".repeat(2000)[..])]);
    let mut ws = stream.server(Config::default());
    let events = (0..2000).take_while(|_| poll_as(&woken, ws.recv()).is_ready()).count();
    assert_eq!(woken.count(), turns + 1);
    assert!((1..=512).contains(&events), "{events}");
}

/// A sender that is kept somewhere keeps neither the task that received nor one that waited for the end.
#[test]
fn no_waker_is_kept_for_a_task_that_is_gone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Take, []);
    let (mut reader, writer) = stream.server(Config::default()).split_with(split);
    let (mut sender, mut other) = (writer.share(), writer.share());
    let (reading, waiting) = <(Arc<Woken>, Arc<Woken>)>::default();
    drop(writer);
    assert!(poll_as(&reading, reader.recv()).is_pending());
    assert!(poll_as(&waiting, sender.closed()).is_pending());
    drop(reader);
    assert!(poll_as(&waiting, sender.closed()).is_ready());
    assert!(poll_as(&waiting, other.closed()).is_ready());
    // The stream has its own.
    stream.tell(|script| (script.reader, script.writer) = (None, None));
    assert_eq!((Arc::strong_count(&reading), Arc::strong_count(&waiting)), (1, 1));
}
