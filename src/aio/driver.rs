//! [`Driver`]: drives an endpoint over a stream.

use core::task::{Context, Poll, Waker, ready};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::vec::Vec;

use super::io::{Io, Timer};
use super::read_buffer::ReadBuffer;
use super::turn::Turn;
use super::wakers::{Side, Wakers, WriterId};
use super::writing::{Fault, Outgoing, Writing};
use crate::adapter::Late;
use crate::connection::{Connection, Sender, State};
use crate::endpoint::Endpoint;
use crate::error::ProtocolError;
use crate::frame::CloseCode;

/// A stream, an endpoint, and all state that is kept between two polls.
#[derive(Debug)]
pub(crate) struct Driver<S, E, T> {
    pub(crate) link: Link<S, E, T>,
    pub(super) buffer: ReadBuffer,
}

/// All of it except the bytes that events borrow from.
#[derive(Debug)]
pub(crate) struct Link<S, E, T> {
    pub(crate) stream: S,
    pub(crate) endpoint: E,
    pub(crate) timer: T,
    pub(super) outgoing: Outgoing,
    pub(super) turn: Turn,
    pub(super) late: Late,
    /// The tasks to wake, if two tasks may use this connection, as after `futures::StreamExt::split`. Before
    /// that, stream and timer get the waker of the only task directly.
    pub(super) wakers: Option<Arc<Wakers>>,
}

impl<S, E, T> Driver<S, E, T> {
    pub(crate) fn new(stream: S, endpoint: E, timer: T) -> Self {
        let link = Link {
            stream,
            endpoint,
            timer,
            outgoing: Outgoing::default(),
            turn: Turn::default(),
            late: Late::default(),
            wakers: None,
        };
        Self { link, buffer: ReadBuffer::new(Vec::new()) }
    }

    /// Converts the endpoint after its handshake.
    pub(crate) fn open(
        self,
        into_connection: impl FnOnce(E) -> Result<Connection, E>,
    ) -> io::Result<Driver<S, Connection, T>> {
        let Link { stream, endpoint, timer, mut outgoing, turn, late, wakers } = self.link;
        let endpoint = into_connection(endpoint).map_err(|_| io::Error::from(ErrorKind::NotConnected))?;
        // A response drops the rest of its request, even if the stream has taken that.
        outgoing.unflushed = outgoing.unflushed.min(endpoint.output_len());
        let link = Link { stream, endpoint, timer, outgoing, turn, late, wakers };
        Ok(Driver { link, buffer: self.buffer.opened() })
    }
}

impl<S: Io<T>, E: Endpoint, T: Timer> Driver<S, E, T> {
    /// Returns the next event of the buffered bytes.
    pub(crate) fn take(&mut self) -> Option<E::Event<'_>> {
        let endpoint = &mut self.link.endpoint;
        self.buffer.give(|input| endpoint.recv(input))
    }

    /// Lets `poll` write. Both sides may wait with a stream that takes no more until the other side reads, so
    /// meanwhile input is kept for later, as far as there is room.
    pub(super) fn poll_writing(
        &mut self,
        mut poll: impl FnMut(&mut Writing<'_, S, T>, &mut Context<'_>) -> Poll<Result<(), Fault>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { link, buffer } = self;
        loop {
            let written = link.poll_writing(cx, &mut poll);
            if written.is_ready() || !buffer.has_room() || !link.endpoint.wants_read() {
                return written;
            }
            let both = link.waker(Side::Writer(WriterId::FIRST), cx);
            let both = &mut Context::from_waker(both.as_ref().unwrap_or(cx.waker()));
            ready!(link.turn.poll(both));
            let read = ready!(buffer.poll_read(&mut link.stream, both));
            // The stream may have forgotten who waits for that.
            link.wake_reader();
            match read {
                Ok(0) => link.endpoint.recv_eof(),
                Ok(n) => link.turn.moved(n),
                Err(error) => {
                    link.break_off(error.kind(), both);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Call this after all buffered bytes have been received. Writes waiting output and reads, until the
    /// endpoint may have an event to report (`true`) or is over (`false`).
    ///
    /// An error of the stream is returned once, and reported by the endpoint once; then the connection is
    /// over. After a closing handshake it is not an error. If a write fails, what has arrived comes first, and
    /// then the endpoint alone reports the failure.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let link = &mut self.link;
        let both = link.waker(Side::Reader, cx);
        let both = &mut Context::from_waker(both.as_ref().unwrap_or(cx.waker()));
        loop {
            let state = link.endpoint.connection().state();
            let due = link.endpoint.next_deadline();
            if !link.late.reads_first(due.is_some_and(|due| due <= link.timer.now())) {
                link.handle_timeout(both);
            }
            if link.endpoint.connection().state() != state {
                link.wake_writer();
            }
            let written = match self.buffer.broken.take().filter(|_| !link.endpoint.connection().is_cut_off())
            {
                Some(kind) => Poll::Ready(Err(kind.into())),
                None => {
                    let waited = link.endpoint.connection().output_len();
                    let written = link.writing().poll_end(both);
                    if link.writing().told(waited).writers {
                        link.wake_writer();
                    }
                    written
                }
            };
            if let Poll::Ready(Err(error)) = written {
                let mut rest = Poll::Ready(false);
                if link.endpoint.may_have_input() {
                    rest = self.buffer.poll_rest(&mut link.stream, &mut link.timer, both);
                }
                if rest.is_pending() {
                    self.buffer.broken = Some(error.kind());
                    return Poll::Pending;
                }
                if rest == Poll::Ready(true) {
                    // A server that refuses a handshake may not read all of the request. The next write fails again.
                    if state != State::Opening {
                        link.writing().break_off(error.kind(), both);
                        link.wake_writer();
                    }
                    return Poll::Ready(Ok(true));
                }
                link.fail(error, both)?;
                continue;
            }
            if link.endpoint.connection().is_cut_off() {
                // After a deadline nothing more is read: it was time enough.
                let is_broken =
                    link.endpoint.connection().sender().lost() == Some(ProtocolError::TransportFailed);
                if is_broken && ready!(self.buffer.poll_rest(&mut link.stream, &mut link.timer, both)) {
                    link.turn.moved(0);
                    return Poll::Ready(Ok(true));
                }
                link.endpoint.connection_mut().lose_after_input();
            }
            if link.endpoint.has_last_words() {
                return Poll::Ready(Ok(true));
            }
            if link.endpoint.is_ended() {
                link.wake_writer();
                return Poll::Ready(Ok(false));
            }
            // What has arrived in time counts, also from a peer that reads too little to be read from.
            if link.endpoint.wants_read() || (link.late.is_late() && link.endpoint.may_have_input()) {
                ready!(link.turn.poll(cx));
                // A writer that closes reads with the waker of both. Some streams wake whom they forget for another.
                let connection = link.endpoint.connection();
                let is_shared = connection.state() != State::Open && connection.wants_write();
                let waker = if is_shared { both.waker() } else { cx.waker() };
                match self.buffer.poll_read(&mut link.stream, &mut Context::from_waker(waker)) {
                    Poll::Ready(Ok(0)) => {
                        link.endpoint.recv_eof();
                        continue;
                    }
                    Poll::Ready(Ok(n)) => {
                        link.turn.moved(n);
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Ready(Err(error)) => {
                        link.fail(error, both)?;
                        continue;
                    }
                    Poll::Pending => link.endpoint.connection_mut().sender_mut().rest(),
                }
            }
            link.turn.end();
            // A caller that is late waits for the timer as well: tokio has looked at its streams when it fires.
            let until = if link.late.is_late() { due } else { link.endpoint.next_timeout() };
            if link.timer.poll(until, both).is_pending() {
                link.late.waits();
                return Poll::Pending;
            }
            link.late.nothing_left();
        }
    }
}

impl<S: Io<T>, T: Timer> Driver<S, Connection, T> {
    /// Starts the closing handshake, and writes our Close.
    pub(super) fn poll_close(
        &mut self,
        code: CloseCode,
        reason: &str,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // A connection that is already closing is what the caller wants, and a Close needs no room.
        let _ = self.link.change(|sender| sender.close(code, reason));
        self.poll_writing(|writing, cx| writing.poll_flush(cx).map_err(Fault::Broken), cx)
    }
}

impl<S: Io<T>, E: Endpoint, T: Timer> Link<S, E, T> {
    pub(super) fn writing(&mut self) -> Writing<'_, S, T> {
        let sender = self.endpoint.connection_mut().sender_mut();
        Writing::new(&mut self.stream, sender, &mut self.outgoing)
    }

    /// Writes after the last events, as far as the stream takes it now: a caller that stops here must not cost the
    /// peer our Close. A broken stream will return its error again, and waiting could lose the event. A writer that
    /// waits for room learns that nothing can be sent any more.
    pub(super) fn write_last_words(&mut self, cx: &mut Context<'_>) {
        let both = self.waker(Side::Reader, cx);
        let both = &mut Context::from_waker(both.as_ref().unwrap_or(cx.waker()));
        let _ = self.writing().poll_end(both);
        self.wake_writer();
    }

    /// Lets `poll` write, and checks the deadlines while it waits.
    ///
    /// Errors of the stream are returned here; the next `recv` reports the failed connection.
    pub(super) fn poll_writing(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Writing<'_, S, T>, &mut Context<'_>) -> Poll<Result<(), Fault>>,
    ) -> Poll<io::Result<()>> {
        let (state, due) = (self.endpoint.connection().state(), self.endpoint.write_deadline());
        let (reads, waited) = (self.endpoint.wants_read(), self.endpoint.connection().output_len());
        // A Close needs no turn: the caller may poll only once.
        if state == State::Open {
            ready!(self.outgoing.turn.poll(cx));
        }
        let both = self.waker(Side::Writer(WriterId::FIRST), cx);
        let both = &mut Context::from_waker(both.as_ref().unwrap_or(cx.waker()));
        let polled = loop {
            let polled = poll(&mut self.writing(), both);
            if polled.is_ready() {
                break polled;
            }
            let now = self.timer.now();
            let passed = self.writing().passed(now);
            if passed.is_some() && self.timer.poll(passed, both).is_pending() {
                break Poll::Pending;
            }
            // Only the sender: what has been read can still be received.
            let (state, now) = (self.writing().state(), self.timer.now());
            self.writing().handle_timeout(now, both);
            if self.writing().standing().is_over() || self.writing().state() != state {
                // The awaited room may not come any more: `poll` finds that out itself.
                let polled = poll(&mut self.writing(), both);
                if polled.is_ready() || self.writing().standing().is_over() {
                    break polled;
                }
            }
            if self.timer.poll(self.endpoint.write_deadline(), both).is_pending() {
                break Poll::Pending;
            }
        };
        let is_broken = matches!(polled, Poll::Ready(Err(Fault::Broken(_))));
        if let Poll::Ready(Err(Fault::Broken(error))) = &polled {
            // What has arrived can still be received.
            self.writing().break_off(error.kind(), both);
        }
        // The reader checks the deadlines and ends the transport: it must learn of a new deadline, and of a
        // new state.
        let now_due = self.endpoint.write_deadline();
        let is_earlier = now_due.is_some_and(|now_due| due.is_none_or(|due| now_due < due));
        let reads_again = !reads && self.endpoint.wants_read();
        let now = self.endpoint.connection().state();
        let told = self.writing().told(waited);
        if is_earlier || reads_again || told.reader || is_broken || now != state {
            self.wake_reader();
        }
        if let (Poll::Ready(_), Some(wakers)) = (&polled, &self.wakers) {
            wakers.clear(WriterId::FIRST);
        }
        polled.map_err(Fault::into)
    }

    /// Lets `queue` change the output.
    pub(super) fn change<O>(&mut self, queue: impl FnOnce(&mut Sender) -> O) -> O {
        let sender = self.endpoint.connection_mut().sender_mut();
        let state = sender.state();
        let queued = queue(sender);
        if sender.state() != state {
            self.wake_reader();
        }
        queued
    }

    /// Sets the time if anything depends on it, and aborts if a deadline has passed.
    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if self.endpoint.next_timeout().is_some() {
            let before = self.writing().standing();
            self.endpoint.handle_timeout(self.timer.now());
            self.writing().leave_if_over(before, cx);
        }
    }

    /// Handles a broken stream.
    fn break_off(&mut self, kind: ErrorKind, cx: &mut Context<'_>) {
        self.writing().break_off(kind, cx);
        self.endpoint.recv_error();
        self.wake_writer();
    }

    /// Handles a broken stream: returns an error unless everything was written. The endpoint then reports it,
    /// too.
    fn fail(&mut self, error: io::Error, cx: &mut Context<'_>) -> io::Result<()> {
        self.break_off(error.kind(), cx);
        if self.endpoint.has_last_words() { Err(error) } else { Ok(()) }
    }

    /// Sets the waker of that side; returns the one that wakes both, if there are two tasks.
    fn waker(&self, side: Side, cx: &Context<'_>) -> Option<Waker> {
        let wakers = self.wakers.as_ref()?;
        wakers.set(side, cx);
        Some(Waker::from(Arc::clone(wakers)))
    }

    fn wake_reader(&self) {
        if let Some(wakers) = &self.wakers {
            wakers.wake_reader();
        }
    }

    fn wake_writer(&self) {
        if let Some(wakers) = &self.wakers {
            wakers.wake_writers();
        }
    }
}
