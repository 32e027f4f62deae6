//! What the two halves share: the sender and the writing side of the stream.

use core::mem;
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::connection::{Notice, Receiver, Segment, Sender};
use crate::net::Transport;
use crate::net::pipe::{NOW, SLICES, write_slices};
use crate::net::time::{AT_ONCE, Clock, Timeout, earlier, is_later};

#[derive(Debug)]
pub(super) struct Shared<S> {
    /// Locked for moments only, by both halves.
    pub(super) writing: Mutex<Writing<S>>,
    /// `Writing::out` is back in its place; signalled by the thread that had it.
    pub(super) returned: Condvar,
    pub(super) clock: Clock,
}

#[derive(Debug)]
pub(super) struct Writing<S> {
    pub(super) sender: Sender,
    /// `None` while a thread writes; it goes on until nothing is waiting.
    pub(super) out: Option<Out<S>>,
    /// The connection is over before its time: set by the thread that finds that out. Whoever has a handle of the
    /// stream then aborts it, so that both threads go on.
    pub(super) given_up: bool,
    pub(super) aborted: bool,
}

/// The writing side of the stream.
#[derive(Debug)]
pub(super) struct Out<S> {
    stream: S,
    timeout: Timeout,
    /// The front of the output, in flight: it is written without the lock. What a timeout leaves of it is written
    /// first by whoever writes next.
    segments: VecDeque<Segment>,
    /// How much of that was written and not flushed.
    unflushed: usize,
    pub(super) shut_down: bool,
}

/// What came of writing.
pub(super) enum Written {
    All,
    /// The stream takes nothing more now.
    Blocked(io::Error),
    /// The other half is writing.
    Elsewhere,
}

impl<S> Shared<S> {
    /// `stream` is the handle to write to.
    pub(super) fn new(sender: Sender, stream: S, shut_down: bool, clock: Clock) -> Self {
        let (timeout, segments) = Default::default();
        let out = Out { stream, timeout, segments, unflushed: 0, shut_down };
        let writing = Writing { sender, out: Some(out), given_up: false, aborted: false };
        Self { writing: Mutex::new(writing), returned: Condvar::new(), clock }
    }
}

impl<S> Shared<S> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Writing<S>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Writing<S> {
    /// Tells the time. Where a deadline ends the connection there is nobody left to write to.
    pub(super) fn tick(&mut self, now: Duration) {
        let was_ended = self.sender.is_ended();
        self.sender.handle_timeout(now);
        self.given_up |= !was_ended && self.sender.is_ended();
    }

    /// The stream is broken.
    pub(super) fn give_up(&mut self) {
        self.sender.abort();
        self.given_up = true;
    }
}

impl<S: Transport> Writing<S> {
    /// Ends the stream, if that is due and was not done yet: both threads go on.
    pub(super) fn abort_if_given_up(&mut self, stream: &mut S) {
        if self.given_up && !self.aborted {
            self.aborted = true;
            let _ = stream.abort();
        }
    }
}

impl<S: Transport> Shared<S> {
    /// Carries what the receiver has to tell, if it is a reply, and writes that.
    pub(super) fn carry(&self, receiver: &mut Receiver) {
        if receiver.has_reply() {
            self.reply(receiver.take_notice());
        }
    }

    pub(super) fn reply(&self, notice: Notice) {
        self.lock().sender.notice(notice);
        // A stream that is broken says so again.
        let _ = self.write(Some(NOW), false);
    }

    /// Writes all that waits, or what the stream takes within `patience`, and ends the writing side when that is all.
    /// If the other half is at it, it does this as well: `wait` until then, or return at once.
    pub(super) fn write(&self, patience: Option<Duration>, wait: bool) -> io::Result<Written> {
        let mut writing = self.lock();
        let mut out = loop {
            match writing.out.take() {
                Some(out) => break out,
                None if !wait => return Ok(Written::Elsewhere),
                None => {
                    let now = self.clock.now();
                    writing.tick(now);
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
            // That was our own end of it.
            Err(_) if writing.given_up => Ok(Written::All),
            result => result,
        };
        if result.is_err() {
            writing.give_up();
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
        loop {
            let now = self.clock.now();
            writing.tick(now);
            if writing.given_up {
                out.segments.clear();
                break;
            }
            while out.segments.len() < SLICES
                && let Some(segment) = writing.sender.take_output()
            {
                out.segments.push_back(segment);
            }
            if out.segments.is_empty() {
                break;
            }
            let due = writing.sender.next_timeout().map(|due| due.saturating_sub(now));
            drop(writing);
            let result = out.write_once(earlier(due, patience));
            writing = self.lock();
            match result {
                Ok(n) => writing.sender.output_written(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => {
                    let after = self.clock.now();
                    let is_over = patience.is_some_and(|patience| after.saturating_sub(began) >= patience);
                    if is_over || after.saturating_sub(now) < AT_ONCE {
                        return (writing, Ok(Written::Blocked(error)));
                    }
                    out.timeout.is_over();
                }
                Err(error) => return (writing, Err(error)),
            }
        }
        if writing.sender.should_shutdown() && !out.shut_down && !writing.given_up {
            out.shut_down = true;
            drop(writing);
            let result = out.stream.shutdown_write();
            return (self.lock(), result.map(|()| Written::All));
        }
        (writing, Ok(Written::All))
    }
}

impl<S: Transport> Out<S> {
    /// Writes some of the segments, for at most `wait`, and flushes it. Tells how much.
    fn write_once(&mut self, wait: Option<Duration>) -> io::Result<usize> {
        let Self { stream, timeout, segments, unflushed, .. } = self;
        timeout.bound(wait, |timeout| stream.set_write_timeout(timeout))?;
        if *unflushed == 0 {
            let mut slices = [&[][..]; SLICES];
            let mut n = 0;
            for (slice, segment) in slices.iter_mut().zip(&*segments) {
                *slice = segment.as_ref();
                n += 1;
            }
            *unflushed = write_slices(stream, &slices[..n])?;
        }
        stream.flush()?;
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
