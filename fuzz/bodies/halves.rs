//! The halves of the adapter for tokio in several tasks: one receives, one writes, two share a sender. Each task is polled only when it is
//! woken, the stream does what a script says, and futures are dropped wherever they wait. Nothing is lost, and nobody waits for ever:
//! I1, I4, I8, I9, I10, I14, I15.

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Waker};
use core::time::Duration;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use arbitrary::Arbitrary;
use futures_core::Stream;
use futures_sink::Sink;
use sansocket::aio::Command;
use sansocket::tokio::{ReadHalf, SharedSender, WebSocket, WriteHalf};
use sansocket::{CloseCode, Config, Event, Message, ProtocolError, SendError};
use tokio::time::Instant;

use super::net::{arrived, judge_events};
use super::scripted::{Direction, Io, Manner, Scripted, Shared};
use super::structured;
use crate::common::{Collector, LIMITS, Role, Seen, config};

#[derive(Debug, Arbitrary)]
struct Script<'d> {
    client: bool,
    manner: Manner,
    high_water: u8,
    pings: bool,
    /// Whether the halves are put together in the end.
    reunite: bool,
    frames: Vec<(u8, &'d [u8])>,
    /// How much of it was read with the handshake.
    unread: u8,
    reads: Vec<Io>,
    writes: Vec<Io>,
    steps: Vec<Step<'d>>,
}

#[derive(Debug, Arbitrary)]
enum Step<'d> {
    /// A task begins something, in place of what it did.
    Receive(Receive),
    Write(Write, &'d [u8]),
    Share(bool, Share, &'d [u8]),
    /// A task stops what it does.
    Drop(u8),
    /// A task drops its half.
    Leave(u8),
    /// A task that was woken has its turn.
    Poll(u8),
    GoOn(bool),
    Seconds(u8),
}

impl Step<'_> {
    fn seconds(&self) -> u64 {
        if let Self::Seconds(seconds) = self { u64::from(*seconds) } else { 0 }
    }
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Receive {
    Recv,
    Chunk,
    Batch,
    Next,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Write {
    Send,
    Feed,
    Sink,
    Flush,
    Close,
    CloseSink,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Share {
    Send,
    TrySend,
    Flush,
    Close,
    Closed,
}

/// The tasks.
const READER: usize = 0;
const WRITER: usize = 1;
const SHARERS: [usize; 2] = [2, 3];

/// More turns than the longest script takes, if no task keeps another awake.
const MAX_TURNS: usize = 20_000;
const MAX_STEPS: usize = 80;

/// `data`: what the peer sends, what the stream does, and what the tasks do.
pub(crate) fn body(data: &[u8]) {
    let Some(script) = structured::<Script<'_>>(data) else { return };
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let _guard = runtime.enter();

    let role = if script.client { Role::Client } else { Role::Server };
    let mut bytes: Vec<u8> =
        script.frames.iter().take(12).flat_map(|(first, payload)| role.frame(*first, payload)).collect();
    let rest = bytes.split_off(usize::from(script.unread).min(bytes.len()));
    let unread = bytes.clone();
    let mut life = Life::new(role, &script, rest.clone(), bytes);
    for step in script.steps.iter().take(MAX_STEPS) {
        match *step {
            Step::Receive(receive) => life.receive(receive),
            Step::Write(write, bytes) => life.write(write, bytes),
            Step::Share(which, share, bytes) => life.share(usize::from(which), share, bytes),
            Step::Drop(task) => life.tasks[usize::from(task) % 4].doing = None,
            Step::Leave(task) => life.leave(usize::from(task) % 4),
            Step::Poll(task) => {
                life.poll(usize::from(task) % 4);
            }
            Step::GoOn(true) => life.stream.go_on(Direction::Reading),
            Step::GoOn(false) => life.stream.go_on(Direction::Writing),
            Step::Seconds(_) => {
                runtime.block_on(::tokio::time::advance(Duration::from_secs(step.seconds())));
            }
        }
    }
    let is_received = life.reader.is_some();
    life.finish(script.reunite);
    let Life { stream, told, .. } = life;
    let stream = stream.lock();
    let told = Rc::into_inner(told).unwrap_or_else(|| panic!("nothing is left to do"));
    let seen = told.seen.into_inner();
    // A peer that is late is given up, and what waited is lost with it.
    let seconds = script.steps.iter().take(MAX_STEPS).map(Step::seconds).sum::<u64>();
    let is_late = Duration::from_secs(seconds) >= Config::default().get_close_timeout();
    let is_timeout = matches!(
        seen.events.last(),
        Some(Seen::Failed(
            ProtocolError::CloseTimeout | ProtocolError::PongTimeout | ProtocolError::WriteTimeout
        ))
    );
    assert!(is_late || !is_timeout, "I14: {:?} after {seconds} s", seen.events.last());
    let may_lose = stream.broken || is_late || !is_received;
    judge_events(role, &[&unread, &rest[..stream.consumed]].concat(), seen, may_lose);
    judge_messages(told.messages.into_inner(), arrived(role, &stream.written), may_lose);
}

/// What was sent arrives, each task's messages in its order, and nothing else does.
fn judge_messages(said: Vec<Said>, arrived: Vec<Seen>, may_lose: bool) {
    let mut last = [None; 4];
    let mut has_arrived = vec![false; said.len()];
    for message in arrived {
        let at = said.iter().position(|said| Seen::Binary(said.bytes.clone()) == message);
        let Some(at) = at else { panic!("I9: nobody has sent {message:?}") };
        assert!(!core::mem::replace(&mut has_arrived[at], true), "I9: once");
        assert_ne!(said[at].sent, Sent::No, "I9: a future that was dropped has sent nothing");
        let last = &mut last[said[at].task];
        assert!(last.is_none_or(|last| last < at), "I9: in order");
        *last = Some(at);
    }
    let is_lost = said.iter().zip(has_arrived).any(|(said, arrived)| said.sent == Sent::Yes && !arrived);
    assert!(may_lose || !is_lost, "I9: all of it: {said:?}");
}

/// A message that a task has tried to send.
#[derive(Debug)]
struct Said {
    task: usize,
    /// Each is another, by its first byte.
    bytes: Vec<u8>,
    sent: Sent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
    /// By a sink that was dropped between taking it and writing it, or before the stream broke.
    Perhaps,
}

/// What the tasks tell.
struct Told {
    seen: RefCell<Collector>,
    stream: Shared,
    /// How much the stream had delivered when the last event of something new was received, and when that was.
    heard: Cell<(usize, Instant)>,
    /// Whether two of those were as far apart as the peer may take to answer a Ping.
    was_silent: Cell<bool>,
    is_over: Cell<bool>,
    messages: RefCell<Vec<Said>>,
}

impl Told {
    fn new(stream: Shared) -> Self {
        Self {
            seen: RefCell::default(),
            stream,
            heard: Cell::new((0, Instant::now())),
            was_silent: Cell::new(false),
            is_over: Cell::new(false),
            messages: RefCell::default(),
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut seen = self.seen.borrow_mut();
        let is_over = matches!(seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
        assert!(!is_over, "I4: {event:?}");
        let is_lost = *event == Event::Failed(ProtocolError::PongTimeout);
        let (consumed, (before, since)) = (self.stream.lock().consumed, self.heard.get());
        if consumed > before || is_lost {
            self.heard.set((consumed, Instant::now()));
            self.was_silent
                .set(self.was_silent.get() || since.elapsed() >= Config::default().get_pong_timeout());
        }
        assert!(!is_lost || self.was_silent.get(), "I14: a peer that was heard is not lost");
        seen.push(event);
    }

    /// A further message, not sent yet, and its bytes.
    fn message(&self, task: usize, bytes: &[u8]) -> (usize, Message<'static>) {
        let mut messages = self.messages.borrow_mut();
        let at = messages.len();
        let bytes = [&[u8::try_from(at).unwrap_or(u8::MAX)], bytes].concat();
        messages.push(Said { task, bytes: bytes.clone(), sent: Sent::No });
        (at, Message::from(bytes))
    }

    /// What came of sending that message, or of another call if there is none.
    fn result(&self, message: Option<usize>, result: &io::Result<()>, can_send: bool, stream: &Shared) {
        let refused = result.as_ref().err().and_then(|error| error.get_ref()?.downcast_ref::<SendError>());
        if let Err(error) = result {
            let is_full = refused == Some(&SendError::OutputFull);
            assert!(!can_send || is_full || stream.lock().broken, "{error}");
        }
        let sent = match result {
            Ok(()) => Sent::Yes,
            Err(_) if refused.is_some() => Sent::No,
            // The stream may have broken behind it.
            Err(_) => Sent::Perhaps,
        };
        message.into_iter().for_each(|at| self.sent(at, sent));
    }

    fn sent(&self, at: usize, sent: Sent) {
        self.messages.borrow_mut()[at].sent = sent;
    }
}

/// One task: what it does at present, and whether it was woken.
#[derive(Default)]
struct Task {
    doing: Option<Pin<Box<dyn Future<Output = ()>>>>,
    woken: Arc<Woken>,
    /// Whether it waits for the end of the connection alone.
    for_the_end: bool,
}

impl Task {
    fn is_woken(&self) -> bool {
        self.doing.is_some() && self.woken.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Half<T> = Option<Rc<RefCell<T>>>;

struct Life {
    stream: Shared,
    told: Rc<Told>,
    tasks: [Task; 4],
    reader: Half<ReadHalf<Shared, Shared>>,
    writer: Half<WriteHalf<Shared>>,
    sharers: [Half<SharedSender<Shared>>; 2],
}

impl Life {
    fn new(role: Role, script: &Script<'_>, rest: Vec<u8>, unread: Vec<u8>) -> Self {
        let mut stream = Scripted::new(rest, &script.reads, &script.writes);
        stream.manner = script.manner;
        let stream = Shared::new(stream);
        let config = config(LIMITS)
            .high_water(usize::from(script.high_water))
            .ping_interval(script.pings.then_some(Duration::from_secs(5)));
        let ws = WebSocket::from_parts(stream.clone(), role.connection(config), unread);
        let (reader, writer) = ws.split_with(|stream| (stream.clone(), stream));
        let sharers = [(); 2].map(|()| Some(Rc::new(RefCell::new(writer.share()))));
        Self {
            told: Rc::new(Told::new(stream.clone())),
            stream,
            tasks: Default::default(),
            reader: Some(Rc::new(RefCell::new(reader))),
            writer: Some(Rc::new(RefCell::new(writer))),
            sharers,
        }
    }

    /// The task begins this, and has a turn.
    fn begin(&mut self, task: usize, doing: impl Future<Output = ()> + 'static) {
        let began = &mut self.tasks[task];
        // What it did was dropped before, as it had the half.
        assert!(began.doing.is_none());
        began.doing = Some(Box::pin(doing));
        began.for_the_end = false;
        began.woken.0.store(true, Ordering::Relaxed);
        self.poll(task);
    }

    /// Whether the task was woken, and so has had a turn.
    fn poll(&mut self, task: usize) -> bool {
        let Task { doing, woken, .. } = &mut self.tasks[task];
        let Some(future) = doing else { return false };
        let has_turn = woken.0.swap(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(woken));
        if has_turn && future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            *doing = None;
        }
        has_turn
    }

    #[expect(clippy::await_holding_refcell_ref, reason = "a task is one future at a time")]
    fn receive(&mut self, receive: Receive) {
        self.tasks[READER].doing = None;
        let Some(reader) = self.reader.clone() else { return };
        let (told, stream) = (Rc::clone(&self.told), self.stream.clone());
        self.begin(READER, async move {
            let mut reader = reader.borrow_mut();
            let received = match receive {
                Receive::Recv => reader.recv().await.map(|event| event.map(|event| told.event(&event))),
                Receive::Chunk => {
                    reader.recv_chunk().await.map(|event| event.map(|event| told.event(&event)))
                }
                Receive::Batch => reader.read().await.map(|batch| {
                    batch.map(|mut batch| {
                        while let Some(event) = batch.recv() {
                            told.event(&event);
                        }
                    })
                }),
                Receive::Next => poll_fn(|cx| Pin::new(&mut *reader).poll_next(cx))
                    .await
                    .transpose()
                    .map(|event| event.map(|event| told.event(&event))),
            };
            match received {
                Ok(Some(())) => {}
                Ok(None) => told.is_over.set(true),
                Err(error) => assert!(stream.lock().broken, "{error}"),
            }
        });
    }

    #[expect(clippy::await_holding_refcell_ref, reason = "a task is one future at a time")]
    fn write(&mut self, write: Write, bytes: &[u8]) {
        self.tasks[WRITER].doing = None;
        let Some(writer) = self.writer.clone() else { return };
        let (told, stream) = (Rc::clone(&self.told), self.stream.clone());
        let sends = matches!(write, Write::Send | Write::Feed | Write::Sink);
        let message = sends.then(|| told.message(WRITER, bytes));
        self.begin(WRITER, async move {
            let mut writer = writer.borrow_mut();
            let result = match (write, &message) {
                (Write::Send, Some((_, message))) => writer.send(message).await,
                (Write::Feed, Some((_, message))) => writer.feed(message).map_err(Into::into),
                (Write::Sink, Some((at, message))) => {
                    feed_sink(&mut writer, message, || told.sent(*at, Sent::Perhaps)).await
                }
                (Write::Close, _) => writer.close(CloseCode::NORMAL, "").await,
                (Write::CloseSink, _) => {
                    poll_fn(|cx| Sink::<Command>::poll_close(Pin::new(&mut *writer), cx)).await
                }
                _ => writer.flush().await,
            };
            told.result(message.map(|(at, _)| at), &result, writer.can_send(), &stream);
        });
    }

    #[expect(clippy::await_holding_refcell_ref, reason = "a task is one future at a time")]
    fn share(&mut self, which: usize, share: Share, bytes: &[u8]) {
        let task = SHARERS[which];
        self.tasks[task].doing = None;
        let Some(sharer) = self.sharers[which].clone() else { return };
        let (told, stream) = (Rc::clone(&self.told), self.stream.clone());
        let sends = matches!(share, Share::Send | Share::TrySend);
        let message = sends.then(|| told.message(task, bytes));
        self.begin(task, async move {
            let mut sharer = sharer.borrow_mut();
            let result = match (share, &message) {
                (Share::Send, Some((_, message))) => sharer.send(message).await,
                (Share::TrySend, Some((_, message))) => sharer.try_send(message).map_err(Into::into),
                (Share::Close, _) => {
                    sharer.start_close(CloseCode::NORMAL, "");
                    Ok(())
                }
                (Share::Closed, _) => {
                    sharer.closed().await;
                    assert!(sharer.is_closed());
                    Ok(())
                }
                _ => sharer.flush().await,
            };
            told.result(message.map(|(at, _)| at), &result, sharer.can_send(), &stream);
        });
        self.tasks[task].for_the_end = matches!(share, Share::Closed);
    }

    fn leave(&mut self, task: usize) {
        self.tasks[task].doing = None;
        match task {
            READER => self.reader = None,
            WRITER => self.writer = None,
            sharer => self.sharers[sharer - 2] = None,
        }
    }

    /// From here on the stream does all that is asked of it, and nothing takes time: everything comes to an end.
    fn finish(&mut self, reunite: bool) {
        if reunite && self.reader.is_some() && self.writer.is_some() {
            self.reunite();
        }
        self.settle();
        // What was queued without being written is written by the next call.
        if self.tasks[WRITER].doing.is_none() {
            self.write(Write::Flush, &[]);
        }
        self.settle();
        while self.reader.is_some() && !self.told.is_over.get() {
            self.receive(Receive::Recv);
            self.settle();
        }
        // Whoever waits for the end has it with the reader's, or without a reader.
        assert!(
            self.tasks.iter().all(|task| task.doing.is_none()),
            "I15: a task waits for the end that there was"
        );
    }

    /// The rest of a life in one piece.
    fn reunite(&mut self) {
        self.tasks[READER].doing = None;
        self.tasks[WRITER].doing = None;
        let halves =
            self.reader.take().and_then(Rc::into_inner).zip(self.writer.take().and_then(Rc::into_inner));
        let Some((reader, writer)) = halves else { panic!("nobody else has the halves") };
        let (reader, writer) = (reader.into_inner(), writer.into_inner());
        let whole = WebSocket::reunite_with(reader, writer, |stream, _| Some(stream));
        let mut whole: WebSocket<Shared> = whole.unwrap_or_else(|error| panic!("{error}"));
        let (told, stream) = (Rc::clone(&self.told), self.stream.clone());
        self.begin(READER, async move {
            while !told.is_over.get() {
                match whole.recv().await {
                    Ok(Some(event)) => told.event(&event),
                    Ok(None) => told.is_over.set(true),
                    Err(error) => assert!(stream.lock().broken, "{error}"),
                }
            }
        });
    }

    /// Lets all tasks do what they can, until each has done what it began, except for those that wait for the end.
    fn settle(&mut self) {
        for _ in 0..MAX_TURNS {
            let had_turns = [0, 1, 2, 3].map(|task| self.poll(task));
            if had_turns.contains(&true) {
                continue;
            }
            self.stream.go_on(Direction::Reading);
            self.stream.go_on(Direction::Writing);
            if !self.tasks.iter().any(Task::is_woken) {
                let waits = |task: &Task| task.doing.is_some() && !task.for_the_end;
                assert!(!self.tasks.iter().any(waits), "I15: a task waits for ever");
                return;
            }
        }
        panic!("I14: tasks wake each other without an end");
    }
}

/// As `SinkExt::send` does it.
async fn feed_sink(
    writer: &mut WriteHalf<Shared>,
    message: &Message<'static>,
    started: impl FnOnce(),
) -> io::Result<()> {
    poll_fn(|cx| Sink::<Command>::poll_ready(Pin::new(&mut *writer), cx)).await?;
    Sink::<Command>::start_send(Pin::new(&mut *writer), Command::from(message.clone()))?;
    started();
    poll_fn(|cx| Sink::<Command>::poll_flush(Pin::new(&mut *writer), cx)).await
}
