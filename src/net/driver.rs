//! [`Driver`]: the loop between a stream and an endpoint, for every phase.
//!
//! ```text
//! receive (the caller) ─▶ set the time ─▶ write and flush ─▶ shut down once ─▶ read, at most until the next timeout
//! ```

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::vec::Vec;

use super::Transport;
use super::buffer::Buffer;
use super::pipe::Pipe;
use super::time::{Clock, earlier, is_later};
use crate::adapter::Late;
use crate::connection::{Connection, State};
use crate::endpoint::Endpoint;
use crate::error::ProtocolError;
use crate::input::Input;

/// An endpoint and the stream over which it is driven.
#[derive(Debug)]
pub(super) struct Driver<S, E> {
    pub(super) pipe: Pipe<S>,
    pub(super) endpoint: E,
    pub(super) buffer: Buffer,
    /// Number of reads before the next write, because the stream took nothing more.
    reads_first: u8,
    late: Late,
}

impl<S: Transport, E: Endpoint> Driver<S, E> {
    pub(super) fn new(stream: S, mut endpoint: E, clock: Clock) -> Self {
        // Starts the deadline of an opening handshake.
        endpoint.handle_timeout(clock.now());
        Self::over(Pipe::new(stream, clock), endpoint, Buffer::new(Vec::new()))
    }

    pub(super) fn over(pipe: Pipe<S>, endpoint: E, buffer: Buffer) -> Self {
        Self { pipe, endpoint, buffer, reads_first: 0, late: Late::default() }
    }

    /// Returns `true` if there is something to do when the stream is readable: input, or output that waits for it.
    pub(super) fn wants_read(&self) -> bool {
        self.endpoint.wants_read() || (self.has_output() && self.pipe.stream.wants_write() == Some(false))
    }

    /// Returns `true` if there is something to do when the stream is writable.
    pub(super) fn wants_write(&self) -> bool {
        let own = self.pipe.stream.wants_write().filter(|_| !self.endpoint.is_ended());
        own.unwrap_or_else(|| self.has_output())
    }

    /// Returns `true` if there is something to write: output, or the end of our side.
    fn has_output(&self) -> bool {
        let connection = self.endpoint.connection();
        connection.wants_write() || (connection.should_shutdown() && !self.pipe.shut_down)
    }

    /// Returns the stream without timeouts, the endpoint, and the bytes that were read but not received.
    pub(super) fn into_parts(mut self) -> (S, E, Vec<u8>) {
        let stream = self.pipe.into_stream(&mut self.endpoint);
        self.endpoint.connection_mut().lose_after_input();
        (stream, self.endpoint, self.buffer.into_unread())
    }

    /// Returns the time from now until the next timeout. What has been read, or arrived before a failed write, needs
    /// no wait.
    pub(super) fn until_timeout(&self) -> Option<Duration> {
        if self.buffer.fresh || self.endpoint.connection().is_cut_off() {
            return Some(Duration::ZERO);
        }
        self.endpoint.next_timeout().map(|due| due.saturating_sub(self.pipe.clock.now()))
    }

    /// Returns the next event of the buffered bytes, converted by `keep` from the event and the state after
    /// it.
    pub(super) fn next<T>(&mut self, keep: impl FnOnce(E::Event<'_>, State) -> T) -> Option<T> {
        let endpoint = &mut self.endpoint;
        self.buffer.recv(|input| {
            let event = endpoint.recv(input)?;
            Some(keep(event, endpoint.connection().state()))
        })
    }

    /// Writes the waiting output and reads until there is something to receive: bytes, or last words. Returns
    /// `false` if the connection is over.
    ///
    /// On a blocking stream it waits at most as long as the `call` may, and then fails with the stream's error for a
    /// timeout. So several waits of one call take no longer than one.
    ///
    /// Any other error of the stream is returned once; the endpoint reports it next, or what is more useful.
    pub(super) fn wait(&mut self, call: &mut Call) -> io::Result<bool> {
        let Self { pipe, endpoint, buffer, reads_first, late } = self;
        let until = call.until;
        let left = |now: Duration| until.map(|until| until.saturating_sub(now));
        while !buffer.fresh {
            if endpoint.connection().is_cut_off() {
                // After a deadline nothing more is read: it was time enough.
                let is_broken = endpoint.connection().sender().lost() == Some(ProtocolError::TransportFailed);
                if !is_broken || !buffer.read_rest(&mut pipe.stream, &mut pipe.reading) {
                    endpoint.connection_mut().lose_after_input();
                }
                break;
            }
            let due = endpoint.next_deadline();
            let mut now = pipe.clock.now();
            let is_late = late.reads_first(due.is_some_and(|due| due <= now));
            if is_late {
                now = pipe.write_now(endpoint);
            } else {
                pipe.tick_at(endpoint, now);
            }
            if endpoint.has_last_words() {
                break;
            }
            // What has arrived is read in any case, however late the caller is, or busy the machine.
            if call.has_read && !is_late && until.is_some_and(|until| until <= now) {
                return Err(ErrorKind::WouldBlock.into());
            }
            let mut written = Ok(());
            // What has arrived in time counts, also from a peer that reads too little to be read from.
            let reads = |endpoint: &E| endpoint.wants_read() || (is_late && endpoint.may_have_input());
            // Two endpoints that both wait for the other to read would wait forever: after a write that makes
            // no progress, read first, then try again.
            let is_put_off = (*reads_first > 0 || is_late) && reads(endpoint);
            let mut may_take_more = is_put_off;
            let mut is_cut_short = false;
            if pipe.must_write(endpoint) && !is_put_off {
                let (turn, began) = (reads(endpoint).then_some(TURN), now);
                // A deadline ends it, before which what has arrived comes first.
                let due = endpoint.next_deadline();
                let most = earlier(turn, due.map(|due| due.saturating_sub(now)));
                written = pipe.write(endpoint, earlier(most, left(now)));
                if endpoint.connection().is_cut_off() {
                    continue;
                }
                now = pipe.clock.now();
                is_cut_short = due.is_some_and(|due| due <= now);
                may_take_more = is_cut_short || now.saturating_sub(began) >= TURN;
            }
            *reads_first = reads_first.saturating_sub(1);
            let blocked = match written.and_then(|()| pipe.end_writing(endpoint)) {
                Err(error) if is_later(&error) => {
                    *reads_first = READS_FIRST;
                    Some(error)
                }
                // What arrived before the write failed is received first.
                Err(error)
                    if endpoint.may_have_input() && buffer.read_rest(&mut pipe.stream, &mut pipe.reading) =>
                {
                    // A server that refuses a handshake may not read all of the request. The next write fails again.
                    if endpoint.connection().state() != State::Opening {
                        pipe.cut_off(endpoint);
                        pipe.failed = Some(error);
                    }
                    continue;
                }
                Err(error) => {
                    lost(pipe, endpoint, error)?;
                    continue;
                }
                Ok(()) => None,
            };
            if endpoint.is_ended() {
                return Ok(false);
            }
            if !reads(endpoint) {
                match blocked {
                    _ if endpoint.has_last_words() => continue,
                    Some(_) if is_cut_short => continue,
                    Some(error) => return Err(error),
                    None => return Err(ErrorKind::WouldBlock.into()),
                }
            }
            let due = endpoint.next_timeout().map(|due| due.saturating_sub(now));
            let turn = (is_put_off || blocked.is_some()).then_some(TURN);
            let wait = earlier(earlier(due, left(now)), turn);
            call.has_read = true;
            match pipe.read(buffer.space(), wait) {
                Ok(0) => endpoint.recv_eof(),
                Ok(n) => buffer.filled(n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => {
                    *reads_first = 0;
                    let after = pipe.clock.now();
                    let did_wait = pipe.did_wait(now, after);
                    // An edge-triggered queue reports a stream only after that has returned "later".
                    let goes_on = late.nothing_left()
                        || endpoint.next_timeout().is_some_and(|due| due <= after)
                        || (may_take_more && pipe.must_write(endpoint));
                    if !goes_on && (!did_wait || until.is_some_and(|until| until <= after)) {
                        return Err(error);
                    }
                }
                Err(error) => lost(pipe, endpoint, error)?,
            }
        }
        Ok(true)
    }
}

/// A call that waits for input.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// When it must return, on the pipe's clock; `None`: only with a result.
    until: Option<Duration>,
    has_read: bool,
}

impl Call {
    pub(super) fn until(until: Option<Duration>) -> Self {
        Self { until, has_read: false }
    }
}

/// Handles a broken stream. Returns an error unless the connection was over.
fn lost<S: Transport>(pipe: &mut Pipe<S>, endpoint: &mut impl Endpoint, error: io::Error) -> io::Result<()> {
    let waited = endpoint.connection().wants_write();
    pipe.broken(endpoint);
    if endpoint.has_last_words() {
        return Err(error);
    }
    if waited {
        pipe.failed.get_or_insert(error);
    }
    Ok(())
}

impl<S: Transport> Driver<S, Connection> {
    /// Like [`wait`](Self::wait), with `WouldBlock` for every "later". What it returns as another error is not
    /// reported again as an event.
    pub(super) fn wait_open(&mut self, call: &mut Call) -> io::Result<bool> {
        self.wait(call).map_err(|error| {
            if is_later(&error) {
                return ErrorKind::WouldBlock.into();
            }
            let _ = self.endpoint.recv(&mut Input::new(&mut []));
            error
        })
    }
}

impl<S> Driver<S, Connection> {
    /// Returns `true` if `recv` would immediately borrow a message from the buffer, or refuse it.
    pub(super) fn has_whole_message(&self) -> bool {
        self.endpoint.is_whole(self.buffer.unread())
    }
}

/// Maximum wait of a write before arrived input is handled, and of a read before the write continues.
pub(super) const TURN: Duration = Duration::from_millis(20);

/// Number of reads before a write that found no room is tried again.
pub(super) const READS_FIRST: u8 = 16;
