//! The state shared by the two halves: the sender and the writing side of the stream.

use core::mem;
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::adapter::Received;
use crate::connection::{Receiver, Segment, Sender, State};
use crate::net::Transport;
use crate::net::driver::TURN;
use crate::net::pipe::{NOW, SLICES, write_slices};
use crate::net::time::{AT_ONCE, Clock, Timeout, earlier, is_later, judges_later};

#[derive(Debug)]
pub(super) struct Shared<S> {
    /// Locked only briefly, by both halves.
    pub(super) writing: Mutex<Writing<S>>,
    pub(super) received: Received,
    /// `Writing::out` is back; signalled by the thread that had it.
    pub(super) returned: Condvar,
    pub(super) clock: Clock,
}

#[derive(Debug)]
pub(super) struct Writing<S> {
    pub(super) sender: Sender,
    /// `None` while a thread writes; it continues until nothing is waiting or its time is up.
    pub(super) out: Option<Out<S>>,
    /// The connection is over early, as found by either thread. A thread with a handle of the stream then
    /// aborts it, so that both threads continue.
    pub(super) given_up: bool,
    /// Why, if that was before everything was written.
    pub(super) cut: Option<ErrorKind>,
    pub(super) aborted: bool,
}

/// The writing side of the stream.
#[derive(Debug)]
pub(super) struct Out<S> {
    stream: S,
    timeout: Timeout,
    /// The front of the output, in flight: it is written without the lock. The next thread that writes begins
    /// with what a timeout leaves of it.
    segments: VecDeque<Segment>,
    /// Bytes of it that were written but not flushed.
    unflushed: usize,
    /// The stream may hold bytes that were written before.
    must_flush: bool,
    pub(super) shut_down: bool,
}

/// The result of a write.
pub(super) enum Written {
    All,
    /// The stream would block.
    Blocked(io::Error),
    /// The other half is writing.
    Elsewhere,
}

impl<S> Shared<S> {
    /// Creates the state; `stream` is the handle for writing.
    pub(super) fn new(
        sender: Sender,
        stream: S,
        shut_down: bool,
        cut: Option<ErrorKind>,
        clock: Clock,
    ) -> Self {
        let (timeout, segments) = Default::default();
        let out = Out { stream, timeout, segments, unflushed: 0, must_flush: true, shut_down };
        let writing = Writing { sender, out: Some(out), given_up: false, cut, aborted: false };
        Self { writing: Mutex::new(writing), received: Received::default(), returned: Condvar::new(), clock }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Writing<S>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what the last event was made of, and passes on the receiver's notice if it is a reply. Returns `true` then.
    pub(super) fn note(&self, receiver: &mut Receiver) -> bool {
        self.received.note(receiver);
        let has_reply = receiver.has_reply();
        if has_reply {
            self.received.report_all(receiver, &mut self.lock().sender);
        }
        has_reply
    }

    /// Sets the time. If a deadline ends the connection, the writing side is given up.
    pub(super) fn tick(&self, writing: &mut Writing<S>, now: Duration) {
        let (was_ended, waited) = (writing.sender.is_ended(), writing.sender.output_len() > 0);
        self.received.report(&mut writing.sender);
        writing.sender.handle_timeout(now);
        if !was_ended && writing.sender.is_ended() {
            writing.given_up = true;
            writing.cut = waited.then_some(ErrorKind::TimedOut);
        }
    }
}

impl<S> Writing<S> {
    /// Returns how long a thread may block from now on: until the next deadline. If the connection `is_shared`, the
    /// other thread may start the deadline of closing meanwhile.
    pub(super) fn wait(&self, now: Duration, is_shared: bool) -> Option<Duration> {
        let due = self.sender.next_timeout().map(|due| due.saturating_sub(now));
        let closing = is_shared && self.sender.state() == State::Open;
        earlier(due, closing.then(|| self.sender.close_timeout().max(TURN)))
    }

    /// Handles a broken stream.
    pub(super) fn give_up(&mut self, kind: ErrorKind) {
        if self.sender.output_len() > 0 {
            self.cut = Some(kind);
        }
        self.sender.abort();
        self.given_up = true;
    }
}

impl<S: Transport> Writing<S> {
    /// Aborts the stream once, if required: both threads continue.
    pub(super) fn abort_if_given_up(&mut self, stream: &mut S) {
        if self.given_up && !self.aborted {
            self.aborted = true;
            let _ = stream.abort();
        }
    }
}

impl<S: Transport> Shared<S> {
    /// Like [`note`](Self::note), and writes the reply.
    pub(super) fn answer(&self, receiver: &mut Receiver) {
        if self.note(receiver) {
            // A broken stream will return its error again.
            let _ = self.write(Some(NOW), false);
        }
    }

    /// Writes all waiting output, or as much as the stream takes within `patience`, and then ends the writing
    /// side if required. If the other half is writing, it does this as well; with `wait`, wait for that, else
    /// return at once.
    pub(super) fn write(&self, patience: Option<Duration>, wait: bool) -> io::Result<Written> {
        let mut writing = self.lock();
        let mut out = loop {
            match writing.out.take() {
                Some(out) => break out,
                None if !wait => return Ok(Written::Elsewhere),
                None => {
                    let now = self.clock.now();
                    self.tick(&mut writing, now);
                    if writing.given_up || writing.sender.is_ended() {
                        return Ok(Written::All);
                    }
                    let due =
                        writing.sender.next_timeout().map_or(Duration::MAX, |due| due.saturating_sub(now));
                    let waited = self.returned.wait_timeout(writing, due);
                    writing = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        };
        let (mut writing, result) = self.write_to(&mut out, writing, patience);
        let result = match result {
            // We ended the stream ourselves.
            Err(_) if writing.given_up => Ok(Written::All),
            result => result,
        };
        if let Err(error) = &result {
            writing.give_up(error.kind());
        }
        writing.abort_if_given_up(&mut out.stream);
        writing.out = Some(out);
        drop(writing);
        self.returned.notify_all();
        result
    }

    fn write_to<'a>(
        &'a self,
        out: &mut Out<S>,
        mut writing: MutexGuard<'a, Writing<S>>,
        patience: Option<Duration>,
    ) -> (MutexGuard<'a, Writing<S>>, io::Result<Written>) {
        let began = self.clock.now();
        let late = writing.sender.late(began);
        loop {
            let now = self.clock.now();
            if !judges_later(late, now) {
                self.tick(&mut writing, now);
            }
            if writing.given_up {
                out.segments.clear();
                break;
            }
            while out.segments.len() < SLICES
                && let Some(segment) = writing.sender.take_output()
            {
                out.segments.push_back(segment);
            }
            if out.segments.is_empty() && !out.must_flush {
                break;
            }
            let left = |now: Duration| patience.map(|most| most.saturating_sub(now.saturating_sub(began)));
            // Others cannot see what a blocked write has done: it comes back before the deadline by which they judge.
            let wait = writing.wait(now, true).map(|wait| (wait / 2).max(TURN));
            drop(writing);
            let result = out.write_once(earlier(wait, left(now)));
            writing = self.lock();
            match result {
                Ok(n) => {
                    writing.sender.output_written(n);
                    if writing.sender.output_len() == 0 && out.segments.is_empty() {
                        // The time that the peer has to answer a Close begins now, not when somebody looks at it.
                        let now = self.clock.now();
                        if writing.sender.state() != State::Open && !judges_later(late, now) {
                            self.tick(&mut writing, now);
                        }
                        break;
                    }
                    // A peer that takes a little now and then does not prolong it.
                    if left(self.clock.now()) == Some(Duration::ZERO) {
                        return (writing, Ok(Written::Blocked(ErrorKind::WouldBlock.into())));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => {
                    let after = self.clock.now();
                    if left(after) == Some(Duration::ZERO) || after.saturating_sub(now) < AT_ONCE {
                        return (writing, Ok(Written::Blocked(error)));
                    }
                    out.timeout.expire();
                }
                Err(error) => return (writing, Err(error)),
            }
        }
        if writing.sender.should_shutdown() && !out.shut_down && !writing.given_up {
            drop(writing);
            let result = loop {
                match out.stream.shutdown_write() {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if is_later(&error) => break Ok(Written::Blocked(error)),
                    result => {
                        out.shut_down = true;
                        break result.map(|()| Written::All);
                    }
                }
            };
            return (self.lock(), result);
        }
        (writing, Ok(Written::All))
    }
}

impl<S: Transport> Out<S> {
    /// Writes some of the segments, for at most `wait`, and flushes them; returns how many bytes.
    fn write_once(&mut self, wait: Option<Duration>) -> io::Result<usize> {
        let Self { stream, timeout, segments, unflushed, must_flush, .. } = self;
        let began = Instant::now();
        timeout.bound(wait, |timeout| stream.set_write_timeout(timeout))?;
        if *unflushed == 0 && !segments.is_empty() {
            let mut slices = [&[][..]; SLICES];
            let mut n = 0;
            for (slice, segment) in slices.iter_mut().zip(&*segments) {
                *slice = segment.as_ref();
                n += 1;
            }
            *unflushed = write_slices(stream, &slices[..n])?;
            let left = wait.map(|wait| wait.saturating_sub(began.elapsed()));
            timeout.bound(left, |timeout| stream.set_write_timeout(timeout))?;
        }
        stream.flush()?;
        *must_flush = false;
        let written = mem::take(unflushed);
        let mut left = written;
        while left > 0
            && let Some(segment) = segments.front_mut()
        {
            let n = left.min(segment.len());
            segment.advance(n);
            left -= n;
            if segment.is_empty() {
                segments.pop_front();
            }
        }
        Ok(written)
    }
}
