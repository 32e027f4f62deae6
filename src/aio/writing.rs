//! [`Writing`]: the writing side of a connection.

use core::marker::PhantomData;
use core::mem;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice};

use super::io::Write;
use super::turn::Turn;
use crate::adapter::DIRECT_FROM;
use crate::connection::{Message, Sender, State};
use crate::error::SendError;

/// The progress of the writing side of a stream; it outlives every [`Writing`].
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Bytes at the front of the output that the stream has taken but not flushed. They count as written only
    /// after the flush, so that there is a deadline for every wait on the peer.
    pub(super) unflushed: usize,
    shut_down: bool,
    /// Of the writers.
    pub(super) turn: Turn,
    /// Whether the stream has taken something, or failed, since this was asked.
    has_answered: bool,
    /// Whether its last answer was that it takes no more: then it wakes those who wait. Some streams forget that with any
    /// other answer.
    wakes: bool,
    /// Why the peer was given up, if that was before everything was written.
    cut: Option<ErrorKind>,
}

/// The stream, the output, and its progress.
pub(super) struct Writing<'a, W, T> {
    stream: &'a mut W,
    sender: &'a mut Sender,
    outgoing: &'a mut Outgoing,
    runtime: PhantomData<T>,
}

/// Whether anything remains to be done, and to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    over: bool,
    waits: bool,
}

impl Standing {
    pub(super) fn is_over(self) -> bool {
        self.over
    }
}

/// Who must be told what was written, as the stream may have forgotten them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// The writers that wait for room.
    pub(super) writers: bool,
    /// The reader, which writes what is left, and ends our side behind a Close.
    pub(super) reader: bool,
}

/// Why something was not sent.
#[derive(Debug)]
pub(super) enum Fault {
    /// It must not be sent; nothing has changed.
    Refused(SendError),
    /// The stream is broken.
    Broken(io::Error),
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        Self::Refused(error)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error.into(),
            Fault::Broken(error) => error,
        }
    }
}

impl<'a, W: Write<T>, T> Writing<'a, W, T> {
    pub(super) fn new(stream: &'a mut W, sender: &'a mut Sender, outgoing: &'a mut Outgoing) -> Self {
        Self { stream, sender, outgoing, runtime: PhantomData }
    }

    /// Writes all waiting output, and flushes the stream.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sender.wants_write() {
            ready!(self.poll_write(&[], cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Like [`poll_flush`](Self::poll_flush), but returns an error if the peer was given up before everything
    /// was written.
    pub(super) fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        ready!(self.poll_flush(cx))?;
        Poll::Ready(match self.sender.lost() {
            Some(error) => Err(Fault::Broken(error.into())),
            None => self.outgoing.cut.map_or(Ok(()), |kind| Err(Fault::Broken(kind.into()))),
        })
    }

    /// Sets a sender's time, and aborts if a deadline has passed.
    pub(super) fn handle_timeout(&mut self, now: Duration, cx: &mut Context<'_>) {
        if self.sender.next_timeout().is_some() {
            let before = self.standing();
            self.sender.handle_timeout(now);
            self.leave_if_over(before, cx);
        }
    }

    /// Returns the deadline that has passed, if one has. The peer is judged by it when the timer fires: tokio has looked at
    /// its streams by then.
    pub(super) fn passed(&self, now: Duration) -> Option<Duration> {
        self.sender.next_deadline().filter(|due| *due <= now)
    }

    pub(super) fn state(&self) -> State {
        self.sender.state()
    }

    pub(super) fn sender(&mut self) -> &mut Sender {
        self.sender
    }

    /// Returns who must be told what was written since the last call; `waited` bytes were waiting before.
    pub(super) fn told(&mut self, waited: usize) -> Told {
        let has_answered = mem::take(&mut self.outgoing.has_answered);
        let leaves = !self.outgoing.wakes && self.sender.wants_write();
        Told {
            writers: has_answered && waited > 0,
            reader: has_answered && (leaves || self.sender.state() != State::Open),
        }
    }

    /// Returns the current standing, for a later comparison.
    pub(super) fn standing(&self) -> Standing {
        let waits = self.sender.wants_write();
        Standing { over: self.sender.state() == State::Ended && !waits, waits }
    }

    /// Aborts if the peer was given up since `before`.
    pub(super) fn leave_if_over(&mut self, before: Standing, cx: &mut Context<'_>) {
        if self.standing().over && !before.over {
            self.outgoing.cut = before.waits.then_some(ErrorKind::TimedOut);
            self.abort(cx);
        }
    }

    /// Gives up the peer because the stream is broken.
    pub(super) fn break_off(&mut self, kind: ErrorKind, cx: &mut Context<'_>) {
        if self.sender.wants_write() {
            self.outgoing.cut = Some(kind);
        }
        self.sender.abort();
        self.abort(cx);
    }

    /// Ends the stream, if it can end at once.
    fn abort(&mut self, cx: &mut Context<'_>) {
        if !self.outgoing.shut_down {
            let _ = self.stream.poll_shutdown(cx);
        }
        (self.outgoing.unflushed, self.outgoing.shut_down) = (0, true);
    }

    /// Writes until no more than [`Config::high_water`](crate::Config::high_water) is waiting, and the output is not full,
    /// or nothing can be sent anyway.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let must_wait =
            |sender: &Sender| sender.is_above_high_water() || (sender.room() == 0 && sender.wants_write());
        while self.sender.state() == State::Open && must_wait(self.sender) {
            ready!(self.poll_write(&[], cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for room, and queues with `queue`. While this is pending, nothing is queued; when it is ready, all is.
    pub(super) fn poll_queue(
        &mut self,
        mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        ready!(self.poll_room(cx))?;
        loop {
            match queue(self.sender) {
                Err(SendError::OutputFull) if self.sender.wants_write() => ready!(self.poll_write(&[], cx))?,
                result => return Poll::Ready(Ok(result?)),
            }
        }
    }

    /// Like [`poll_queue`](Self::poll_queue), and then writes what the stream takes now. That makes sending cancel-safe.
    pub(super) fn poll_send(
        &mut self,
        queue: impl FnMut(&mut Sender) -> Result<(), SendError>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        ready!(self.poll_queue(queue, cx))?;
        now(self.poll_flush(cx))
    }

    /// Like [`poll_send`](Self::poll_send) for a message. A server's large payload is written directly from
    /// its own memory, as far as the stream takes it now.
    pub(super) fn poll_send_message(
        &mut self,
        message: &Message<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        let payload = message.as_bytes();
        if payload.len() < DIRECT_FROM || !self.sender.sends_as_is(payload.len()) {
            return self.poll_send(|sender| sender.send(message), cx);
        }
        ready!(self.poll_room(cx))?;
        self.sender.send_header(message.kind(), payload.len())?;
        loop {
            let owed = usize::try_from(self.sender.payload_owed()).unwrap_or(0).min(payload.len());
            if owed == 0 {
                return now(self.poll_flush(cx));
            }
            let rest = &payload[payload.len() - owed..];
            match self.poll_write(rest, cx) {
                Poll::Ready(Ok(())) => {}
                // The payload is only borrowed, and this future may be dropped: copy what the stream does not
                // take now.
                later => {
                    self.sender.buffer_payload(rest);
                    return now(later);
                }
            }
        }
    }

    /// Writes all waiting output, then ends the writing side once, if required.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if self.sender.should_shutdown() && !self.outgoing.shut_down {
            let result = ready!(self.stream.poll_shutdown(cx));
            self.outgoing.shut_down = true;
            result?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes once, from the output and then from the payload after it, and flushes the stream.
    fn poll_write(&mut self, payload: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.poll_write_once(payload, cx);
        self.outgoing.wakes = written.is_pending();
        self.outgoing.has_answered |= written.is_ready();
        written
    }

    fn poll_write_once(&mut self, payload: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outgoing.unflushed == 0 {
            let mut pieces = [&[][..]; PIECES];
            let mut n = self.sender.output_slices(&mut pieces);
            if n < PIECES && !payload.is_empty() {
                pieces[n] = payload;
                n += 1;
            }
            let slices = pieces.map(IoSlice::new);
            match ready!(self.stream.poll_write(&slices[..n], cx)) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
                Ok(n) => {
                    self.outgoing.unflushed = n;
                    self.outgoing.turn.moved(n);
                }
            }
        }
        match ready!(self.stream.poll_flush(cx)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Poll::Ready(Ok(())),
            flushed => flushed?,
        }
        self.sender.output_written(mem::take(&mut self.outgoing.unflushed));
        Poll::Ready(Ok(()))
    }
}

/// The next call writes what the stream does not take now.
fn now(polled: Poll<io::Result<()>>) -> Poll<Result<(), Fault>> {
    match polled {
        Poll::Pending => Poll::Ready(Ok(())),
        Poll::Ready(result) => Poll::Ready(result.map_err(Fault::Broken)),
    }
}

/// Maximum number of output pieces per write. They are few: only large payloads are separate pieces.
const PIECES: usize = 8;
