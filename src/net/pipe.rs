//! [`Pipe`]: a stream, and how much of an endpoint's output it has taken.

use core::mem;
use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice, Write};

use super::Transport;
use super::time::{AT_ONCE, Clock, Timeout, earlier, is_later, judges_later};
use crate::connection::{Connection, State};
use crate::endpoint::Endpoint;

#[derive(Debug)]
pub(super) struct Pipe<S> {
    pub(super) stream: S,
    pub(super) clock: Clock,
    pub(super) reading: Timeout,
    writing: Timeout,
    /// Bytes at the front of the output that the stream has taken but not flushed. They count as written only
    /// after the flush, so that the endpoint has a deadline for every wait on the peer.
    unflushed: usize,
    /// The stream may hold bytes that were written before.
    must_flush: bool,
    pub(super) shut_down: bool,
    /// Since when a caller that came late could not write: if it only writes, it is judged soon.
    late_since: Option<Duration>,
    /// Why not everything was written, if no call has returned that as an error.
    pub(super) failed: Option<io::Error>,
}

impl<S: Transport> Pipe<S> {
    pub(super) fn new(stream: S, clock: Clock) -> Self {
        Self {
            stream,
            clock,
            reading: Timeout::default(),
            writing: Timeout::default(),
            unflushed: 0,
            must_flush: true,
            shut_down: false,
            late_since: None,
            failed: None,
        }
    }

    /// Returns the stream without timeouts.
    pub(super) fn into_stream(mut self, endpoint: &mut impl Endpoint) -> S {
        self.reading.lift(|timeout| self.stream.set_read_timeout(timeout));
        self.writing.lift(|timeout| self.stream.set_write_timeout(timeout));
        self.forget_unflushed(endpoint);
        self.stream
    }

    /// Handles the end of the opening handshake, which may drop output that the stream has taken.
    pub(super) fn opened(&mut self, connection: &Connection) {
        (self.unflushed, self.must_flush) = (self.unflushed.min(connection.output_len()), true);
    }

    /// Counts bytes as written that the stream has taken: it must flush them itself.
    pub(super) fn forget_unflushed(&mut self, endpoint: &mut impl Endpoint) {
        endpoint.connection_mut().output_written(mem::take(&mut self.unflushed));
    }

    /// Sets the time before an attempt to write, unless that is [put off](judges_later) for a caller that came `late`.
    /// What has arrived can still be received.
    fn tick_to_write(&mut self, endpoint: &mut impl Endpoint, late: Option<Duration>) -> Duration {
        let now = self.clock.now();
        if !judges_later(late, now) {
            self.tick(endpoint, |endpoint| match endpoint.connection().state() {
                State::Opening => endpoint.handle_timeout(now),
                _ => endpoint.connection_mut().sender_mut().handle_timeout(now),
            });
        }
        now
    }

    /// Sets the time.
    pub(super) fn tick_at(&mut self, endpoint: &mut impl Endpoint, now: Duration) {
        self.tick(endpoint, |endpoint| endpoint.handle_timeout(now));
    }

    /// Sets the time with `handle_timeout`. If a deadline ends the connection, the stream is aborted.
    fn tick<E: Endpoint>(&mut self, endpoint: &mut E, handle_timeout: impl FnOnce(&mut E)) {
        self.late_since = None;
        let was_ended = endpoint.connection().sender().is_ended();
        let waited = endpoint.connection().wants_write();
        handle_timeout(endpoint);
        if !was_ended && endpoint.connection().sender().is_ended() {
            if waited {
                self.failed = Some(ErrorKind::TimedOut.into());
            }
            self.give_up();
            let _ = self.stream.abort();
        }
    }

    /// Stops writing.
    pub(super) fn give_up(&mut self) {
        (self.unflushed, self.must_flush, self.shut_down) = (0, false, true);
    }

    /// Handles a failed write. What has arrived can still be received.
    pub(super) fn cut_off(&mut self, endpoint: &mut impl Endpoint) {
        endpoint.connection_mut().send_error();
        self.give_up();
    }

    /// Handles a broken stream, which the next event reports.
    pub(super) fn broken(&mut self, endpoint: &mut impl Endpoint) {
        endpoint.recv_error();
        self.give_up();
    }

    /// Reads for at most `wait`. Returns the stream's error if that [means "later"](is_later), for the caller to
    /// decide.
    pub(super) fn read(&mut self, buf: &mut [u8], wait: Option<Duration>) -> io::Result<usize> {
        self.reading.bound(wait, |timeout| self.stream.set_read_timeout(timeout))?;
        self.stream.read(buf)
    }

    /// Returns `true` if the stream blocks: it returned "later" after a wait that began at `before`. The
    /// timeout was too short then.
    pub(super) fn did_wait(&mut self, before: Duration, now: Duration) -> bool {
        let did_wait = now.saturating_sub(before) >= AT_ONCE;
        if did_wait {
            self.reading.expire();
        }
        did_wait
    }

    pub(super) fn must_write(&self, endpoint: &impl Endpoint) -> bool {
        self.must_flush || endpoint.connection().wants_write()
    }

    /// Writes all waiting output, or as much as the stream takes within `patience` and before a deadline ends
    /// the connection.
    pub(super) fn write(
        &mut self,
        endpoint: &mut impl Endpoint,
        patience: Option<Duration>,
    ) -> io::Result<()> {
        let late = endpoint.connection().sender().late(self.clock.now());
        let since = late.map(|now| self.late_since.unwrap_or(now));
        let written = self.write_all(endpoint, patience, since);
        let is_late = endpoint.connection().sender().late(self.clock.now()).is_some();
        self.late_since = since.filter(|_| is_late && written.is_err());
        written
    }

    fn write_all(
        &mut self,
        endpoint: &mut impl Endpoint,
        patience: Option<Duration>,
        late: Option<Duration>,
    ) -> io::Result<()> {
        let mut began = None;
        while self.must_write(endpoint) {
            let now = self.tick_to_write(endpoint, late);
            // A deadline may have dropped everything.
            if !self.must_write(endpoint) {
                break;
            }
            let began = *began.get_or_insert(now);
            let left = |now: Duration| patience.map(|most| most.saturating_sub(now.saturating_sub(began)));
            match self.write_once(endpoint, &[], now, left) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => {
                    let after = self.clock.now();
                    if left(after) == Some(Duration::ZERO) || after.saturating_sub(now) < AT_ONCE {
                        return Err(error);
                    }
                    self.writing.expire();
                }
                // A peer that takes a little now and then does not prolong it.
                Ok(()) if self.must_write(endpoint) && left(self.clock.now()) == Some(Duration::ZERO) => {
                    return Err(ErrorKind::WouldBlock.into());
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Writes what the stream takes now, and returns the time without a look at the deadlines: a caller that comes
    /// late is judged after that. A broken stream will return its error again.
    pub(super) fn write_now(&mut self, endpoint: &mut impl Endpoint) -> Duration {
        let _ = self.write_all(endpoint, Some(NOW), Some(Duration::MAX));
        self.clock.now()
    }

    /// Writes a payload directly from its own memory, after the output; the part that the stream does not
    /// take at once is copied.
    pub(super) fn write_owed(&mut self, endpoint: &mut impl Endpoint, payload: &[u8]) -> io::Result<()> {
        let late = endpoint.connection().sender().late(self.clock.now());
        while endpoint.connection().payload_owed() > 0 {
            let now = self.tick_to_write(endpoint, late);
            let owed = usize::try_from(endpoint.connection().payload_owed()).unwrap_or(0).min(payload.len());
            // A deadline may have dropped it.
            if owed == 0 {
                break;
            }
            let rest = &payload[payload.len() - owed..];
            match self.write_once(endpoint, rest, now, |_| None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => {
                    endpoint.connection_mut().buffer_payload(rest);
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Returns `true` if a payload may be written directly from its own memory.
    pub(super) fn is_flushed(&self) -> bool {
        self.unflushed == 0
    }

    fn bound_write(
        &mut self,
        endpoint: &impl Endpoint,
        now: Duration,
        patience: Option<Duration>,
    ) -> io::Result<()> {
        let due = endpoint.write_deadline().map(|due| due.saturating_sub(now));
        self.writing.bound(earlier(due, patience), |timeout| self.stream.set_write_timeout(timeout))
    }

    /// Writes and flushes once, and blocks until the next deadline at most, or for as long as is `left` at a time.
    fn write_once(
        &mut self,
        endpoint: &mut impl Endpoint,
        payload: &[u8],
        now: Duration,
        left: impl Fn(Duration) -> Option<Duration>,
    ) -> io::Result<()> {
        self.bound_write(endpoint, now, left(now))?;
        let connection = endpoint.connection();
        let mut slices = [&[][..]; SLICES];
        let mut n = connection.output_slices(&mut slices);
        // The payload follows all of the output.
        if !payload.is_empty() && n < SLICES {
            slices[n] = payload;
            n += 1;
        }
        if self.unflushed == 0 && n > 0 {
            self.unflushed = write_slices(&mut self.stream, &slices[..n])?;
            // The write may have taken all the time, and a flush can block as well.
            let now = self.clock.now();
            self.bound_write(endpoint, now, left(now))?;
        }
        self.stream.flush()?;
        self.must_flush = false;
        endpoint.connection_mut().output_written(mem::take(&mut self.unflushed));
        Ok(())
    }

    /// Ends the writing side once, if required. After an error that [means "later"](is_later), it is for the next call.
    pub(super) fn end_writing(&mut self, endpoint: &impl Endpoint) -> io::Result<()> {
        while endpoint.connection().should_shutdown() && !self.shut_down {
            match self.stream.shutdown_write() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => return Err(error),
                result => {
                    self.shut_down = true;
                    return result;
                }
            }
        }
        Ok(())
    }

    /// Writes after the last events: even a caller that stops here must not cost the peer our Close, or the
    /// end that it waits for. A broken stream will return its error again.
    pub(super) fn write_last_words(&mut self, endpoint: &mut impl Endpoint) {
        if self.write(endpoint, Some(NOW)).is_ok() {
            let _ = self.end_writing(endpoint);
        }
    }
}

/// Writes some of these bytes; returns how many.
pub(super) fn write_slices(stream: &mut impl Write, slices: &[&[u8]]) -> io::Result<usize> {
    let written = match slices {
        [slice] => stream.write(slice),
        _ => {
            let mut bufs = [IoSlice::new(&[]); SLICES];
            for (buf, slice) in bufs.iter_mut().zip(slices) {
                *buf = IoSlice::new(slice);
            }
            stream.write_vectored(&bufs[..slices.len().min(SLICES)])
        }
    };
    match written {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        written => written,
    }
}

/// Maximum number of output pieces per write.
pub(super) const SLICES: usize = 16;

/// Maximum wait of a write for "what the stream takes now".
pub(super) const NOW: Duration = Duration::from_millis(1);
