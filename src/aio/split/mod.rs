//! [`ReadHalf`] and [`WriteHalf`]: one connection for two tasks.
//!
//! ```text
//! ReadHalf   stream ─▶ ReadBuffer ─▶ Receiver ─▶ events          its own, without a lock
//!                                      │ Notice
//!                                      ▼
//! Shared     Mutex { Sender, Outgoing, stream }                  locked to queue and to write, never across an await
//!                                      ▲
//! WriteHalf, SharedSender       messages, pings, close
//! ```
//!
//! | actor | sets | wakes |
//! |---|---|---|
//! | reader, a notice with a reply, at once | a Pong, a Close, the end, in the sender; writes it | the writer, if it is the end |
//! | reader, any other notice | bytes or a message arrived: `received`, for a writer that looks at a deadline, and once per read the sender's deadlines, which only become later | none |
//! | writer, on every send, ping or close | output, perhaps an earlier deadline, a new state | the reader, for a deadline it does not know; all, for a new state |
//! | either, after a write | room | the other writers: a stream may forget who waits once a write succeeds |
//! | writer, after a write behind a Close, or one that left something | perhaps the end of our side; output | the reader, likewise |
//! | reader, when a deadline passes or the stream breaks | the end; nothing waits any more | the writer |
//! | writer, when the stream breaks or a deadline passes | `Sender::lost`, which the reader reports | the reader, the other writers |
//! | reader, when it is dropped | `is_read` | the writers |
//! | `SharedSender`, which leaves most of the writing to the reader | output | the reader |

mod read_half;
mod shared_sender;
mod write_half;

use core::ops::Deref;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use read_half::{ReadBatch, ReadHalf};
pub use shared_sender::SharedSender;
pub use write_half::WriteHalf;

use super::driver::{Driver, Link};
use super::io::{Timer, Write};
use super::wakers::{Side, Wakers, WriterId};
use super::web_socket::WebSocket;
use super::writing::{Fault, Outgoing, Writing};
use crate::adapter::{Received, not_halves, reunited};
use crate::connection::{Connection, Receiver, Sender, State};
use crate::error::SendError;

impl<S, T: Timer> WebSocket<S, T> {
    /// Splits the WebSocket into two halves, over a stream that `split` can take apart.
    pub fn split_with<R, W>(self, split: impl FnOnce(S) -> (R, W)) -> (ReadHalf<R, W, T>, WriteHalf<W, T>) {
        let Driver { link, buffer } = self.driver;
        let (receiver, sender) = link.endpoint.split();
        let (read, write) = split(link.stream);
        let wakers = link.wakers.unwrap_or_default();
        let both = Waker::from(Arc::clone(&wakers));
        let side = WriteSide {
            stream: write,
            sender,
            outgoing: link.outgoing,
            timer: link.timer.another(),
            known: None,
            is_read: true,
        };
        let shared = Arc::new(Shared { side: Mutex::new(side), received: Received::default(), wakers });
        let reader = ReadHalf {
            stream: read,
            receiver,
            buffer,
            timer: link.timer,
            turn: link.turn,
            late: link.late,
            ending: self.ending,
            both: both.clone(),
            shared: ReaderShare(Arc::clone(&shared)),
        };
        (reader, WriteHalf { shared, both })
    }

    /// Reunites two halves, and the stream with `reunite`.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if they belong to different connections, or if a call of a
    /// [`SharedSender`] does not end, such as one that this call is made from.
    pub fn reunite_with<R, W>(
        reader: ReadHalf<R, W, T>,
        writer: WriteHalf<W, T>,
        reunite: impl FnOnce(R, W) -> Option<S>,
    ) -> io::Result<Self> {
        let of_writer = Arc::clone(&writer.shared);
        drop(writer);
        let ReadHalf { stream, receiver, buffer, timer, turn, late, ending, shared, .. } = reader;
        let of_reader = Arc::clone(&shared.0);
        drop(shared);
        let Shared { side, received, wakers } = reunited(of_reader, of_writer)?;
        let WriteSide { stream: write, mut sender, outgoing, .. } =
            side.into_inner().unwrap_or_else(PoisonError::into_inner);
        received.report(&mut sender);
        let stream = reunite(stream, write).ok_or_else(not_halves)?;
        let endpoint = Connection::reunite_cut_off(receiver, sender);
        let link = Link { stream, endpoint, timer, outgoing, turn, late, wakers: Some(wakers) };
        Ok(Self { driver: Driver { link, buffer }, ending })
    }
}

#[derive(Debug)]
struct Shared<W, T> {
    /// Held to queue, to write as much as the stream takes, and to check the state: never while anything
    /// waits.
    side: Mutex<WriteSide<W, T>>,
    received: Received,
    wakers: Arc<Wakers>,
}

/// All state that the halves share.
#[derive(Debug)]
struct WriteSide<W, T> {
    stream: W,
    sender: Sender,
    outgoing: Outgoing,
    /// For writers that wait, for example for their Close to be written: there may be no reader, or it is in
    /// the same task.
    timer: T,
    /// The deadline that the reader knows. It is set when the reader checks; a writer that sets an earlier
    /// one wakes the reader.
    known: Option<Duration>,
    /// Whether there is a reader. When it goes, it wakes the writers: some wait for that.
    is_read: bool,
}

/// What the reading half has of it.
#[derive(Debug)]
struct ReaderShare<W, T>(Arc<Shared<W, T>>);

impl<W, T> Deref for ReaderShare<W, T> {
    type Target = Shared<W, T>;

    fn deref(&self) -> &Shared<W, T> {
        &self.0
    }
}

impl<W, T> Drop for ReaderShare<W, T> {
    fn drop(&mut self) {
        self.lock().is_read = false;
        self.wakers.clear_reader();
        self.wakers.wake_writers();
    }
}

impl<W, T> Shared<W, T> {
    fn lock(&self) -> MutexGuard<'_, WriteSide<W, T>> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `queue` change what there is to write.
    fn change<O>(&self, queue: impl FnOnce(&mut Sender) -> O) -> O {
        let mut side = self.lock();
        let state = side.sender.state();
        let queued = queue(&mut side.sender);
        let changed = side.sender.state() != state;
        drop(side);
        if changed {
            self.wakers.wake_reader();
            // Those that wait for room wait for nothing now.
            self.wakers.wake_writers();
        }
        queued
    }
}

impl<W: Write<T>, T> Shared<W, T> {
    /// Records what the last event was made of, and carries out the reply to it at once, which is written as far as the
    /// stream takes it now. An error of the stream recurs when the reader checks.
    fn note(&self, receiver: &mut Receiver, both: &Waker) {
        self.received.note(receiver);
        if !receiver.has_reply() {
            return;
        }
        let mut side = self.lock();
        let WriteSide { stream, sender, outgoing, .. } = &mut *side;
        let (state, waited) = (sender.state(), sender.output_len());
        self.received.report_all(receiver, sender);
        let changed = sender.state() != state;
        let mut writing = Writing::new(stream, sender, outgoing);
        let _ = writing.poll_end(&mut Context::from_waker(both));
        let told = writing.told(waited);
        drop(side);
        if changed {
            self.wakers.wake_writers();
        } else if told.writers {
            self.wakers.wake_for_room(None);
        }
    }

    /// Lets `poll` write, for the handle `id`, and checks the deadlines while it waits: the reader may be in
    /// the same task. Errors of the stream are returned here; the reading half reports the failed connection.
    fn poll_writing(
        &self,
        (id, both): (WriterId, &Waker),
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Writing<'_, W, T>, &mut Context<'_>) -> Poll<Result<(), Fault>>,
    ) -> Poll<io::Result<()>>
    where
        T: Timer,
    {
        self.wakers.set(Side::Writer(id), cx);
        let mut side = self.lock();
        // A shared sender needs the reader. One that goes later finds this waker, and wakes it.
        if id != WriterId::FIRST && !side.is_read {
            drop(side);
            self.wakers.clear(id);
            return Poll::Ready(Err(SendError::Closed.into()));
        }
        let state = side.sender.state();
        // A Close needs no turn: the caller may poll only once.
        if state == State::Open && side.outgoing.turn.is_over() {
            side.outgoing.turn.end();
            // Not under the lock.
            drop(side);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let WriteSide { stream, sender, outgoing, timer, known, .. } = &mut *side;
        let waited = sender.output_len();
        let both = &mut Context::from_waker(both);
        let polled = loop {
            let mut writing = Writing::new(stream, sender, outgoing);
            let polled = poll(&mut writing, both);
            if polled.is_ready() {
                break polled;
            }
            let passed = writing.passed(timer.now());
            if passed.is_some() && timer.poll(passed, both).is_pending() {
                break Poll::Pending;
            }
            let state = writing.state();
            self.received.report(writing.sender());
            writing.handle_timeout(timer.now(), both);
            if writing.standing().is_over() || writing.state() != state {
                // `poll` waited for something that may no longer happen; this call finds out.
                let polled = poll(&mut writing, both);
                if polled.is_ready() || writing.standing().is_over() {
                    break polled;
                }
            }
            if timer.poll(sender.next_timeout(), both).is_pending() {
                break Poll::Pending;
            }
        };
        let is_broken = matches!(polled, Poll::Ready(Err(Fault::Broken(_))));
        if let Poll::Ready(Err(Fault::Broken(error))) = &polled {
            Writing::new(stream, sender, outgoing).break_off(error.kind(), both);
        }
        // The reader checks the deadlines and ends the transport: it must learn of a new deadline, and of a
        // new state.
        let due = sender.next_timeout();
        let is_earlier = due.is_some_and(|due| known.is_none_or(|known| due < known));
        let told = Writing::new(stream, sender, outgoing).told(waited);
        let (state, was) = (sender.state(), state);
        drop(side);
        if polled.is_ready() {
            self.wakers.clear(id);
        }
        if is_earlier || state != was || is_broken || told.reader {
            self.wakers.wake_reader();
        }
        if state != was || is_broken {
            self.wakers.wake_writers();
        } else if told.writers {
            self.wakers.wake_for_room(Some(id));
        }
        polled.map_err(Fault::into)
    }

    /// Gives up the peer because the stream is broken.
    fn break_off(&self, kind: ErrorKind, both: &Waker) {
        let mut side = self.lock();
        let WriteSide { stream, sender, outgoing, .. } = &mut *side;
        Writing::new(stream, sender, outgoing).break_off(kind, &mut Context::from_waker(both));
        drop(side);
        self.wakers.wake_writers();
    }
}
