//! [`ReadHalf`](super::ReadHalf): the receiving half.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io;

use super::{ReaderShare, Shared, WriteSide};
use crate::adapter::{Ending, Late};
use crate::aio::io::{Read, Timer, Write};
use crate::aio::methods::receive_methods;
use crate::aio::read_buffer::ReadBuffer;
use crate::aio::turn::Turn;
use crate::aio::wakers::Side;
use crate::aio::web_socket::{Next, Recv};
use crate::aio::writing::Writing;
use crate::connection::{Event, Receiver, State, Unread};
use crate::error::ProtocolError;
use crate::frame::CloseFrame;
use crate::input::Input;

/// The receiving half of a [`WebSocket`](crate::aio::WebSocket).
///
/// It goes on receiving however much of the output waits, also in a server. So answer with a method that waits for room, such
/// as [`WriteHalf::send`](super::WriteHalf::send), and not with [`feed`](super::WriteHalf::feed).
///
/// [`recv`](Self::recv) also answers pings and Closes, checks the deadlines, writes what the stream did not
/// take at once, and ends the transport. Call it until it returns `None`.
///
/// After this half is dropped, nothing is received; drop the [`WriteHalf`](super::WriteHalf) as well. It can
/// still send, but pings are not answered, and deadlines are only checked while it waits for the stream.
/// For every [`SharedSender`](super::SharedSender) the connection is closed.
#[derive(Debug)]
pub struct ReadHalf<R, W, T> {
    pub(super) stream: R,
    pub(super) receiver: Receiver,
    pub(in crate::aio) buffer: ReadBuffer,
    pub(super) timer: T,
    pub(super) turn: Turn,
    pub(super) late: Late,
    pub(super) ending: Ending,
    /// Wakes both sides.
    pub(super) both: Waker,
    pub(super) shared: ReaderShare<W, T>,
}

impl<R, W, T> ReadHalf<R, W, T> {
    /// Returns the stream's reading direction.
    pub fn stream(&self) -> &R {
        &self.stream
    }

    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.shared.lock().sender.state()
    }

    /// Returns the round-trip time of the last keepalive Ping; see
    /// [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.shared.lock().sender.latency()
    }

    /// Returns the code and reason of the peer's Close after [`Event::Close`] is received; `None` if it has
    /// none.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.ending.close_frame()
    }
}

impl<R: Read<T>, W: Write<T>, T: Timer> ReadHalf<R, W, T> {
    /// Returns the next event; `None` when the connection is over and the transport has ended. See
    /// [`WebSocket::recv`](crate::aio::WebSocket::recv).
    ///
    /// Cancel-safe: a dropped future has taken no event.
    ///
    /// # Errors
    /// Errors of the stream.
    pub async fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        match poll_fn(|cx| self.poll_next(cx, Recv::Borrowed)).await? {
            Next::Borrowed => {
                let receiver = &mut self.receiver;
                let event = self.buffer.give(|input| receiver.recv(input));
                self.shared.note(receiver, &self.both);
                Ok(event)
            }
            Next::Owned(event) => Ok(Some(event)),
            Next::Over => Ok(None),
        }
    }

    receive_methods!();

    /// Reads once. The [`ReadBatch`] holds all events of that read. Returns `None` when the connection is
    /// over and the transport has ended.
    ///
    /// Cancel-safe: a dropped future has read nothing. Events left in a dropped batch are in the next one.
    ///
    /// # Errors
    /// Errors of the stream.
    pub async fn read(&mut self) -> io::Result<Option<ReadBatch<'_, W, T>>> {
        let ready = poll_fn(|cx| {
            ready!(self.turn.poll(cx));
            if self.buffer.fresh { Poll::Ready(Ok(true)) } else { self.poll_ready(cx) }
        });
        if !ready.await? {
            return Ok(None);
        }
        let (input, unread, fresh) = self.buffer.lend();
        Ok(Some(ReadBatch {
            receiver: &mut self.receiver,
            shared: &self.shared,
            both: &self.both,
            turn: &mut self.turn,
            ending: &mut self.ending,
            input,
            unread,
            fresh,
        }))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, recv: Recv) -> Poll<io::Result<Next>> {
        loop {
            ready!(self.turn.poll(cx));
            let receiver = &mut self.receiver;
            if recv == Recv::Borrowed && receiver.is_whole(self.buffer.unread()) {
                self.turn.event(0);
                return Poll::Ready(Ok(Next::Borrowed));
            }
            let event = self.buffer.give(|input| match recv {
                Recv::Chunks => receiver.recv_chunk(input).map(Event::into_owned),
                Recv::Borrowed | Recv::Owned => receiver.recv(input).map(Event::into_owned),
            });
            if let Some(event) = event {
                self.turn.event(event.payload_len());
                self.ending.note(Some(&event));
                self.shared.note(receiver, &self.both);
                return Poll::Ready(Ok(Next::Owned(event)));
            }
            if !ready!(self.poll_ready(cx))? {
                return Poll::Ready(Ok(Next::Over));
            }
        }
    }

    /// Call this after all buffered bytes have been received. Handles the writing side and reads, until there
    /// is something to report (`true`) or the connection is over (`false`).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.shared.wakers.set(Side::Reader, cx);
        loop {
            let mut look = self.look();
            if let Some(kind) = self.buffer.broken.take().filter(|_| look.lost.is_none()) {
                look.written = Poll::Ready(Err(kind.into()));
            }
            // If a write has failed, what arrived before is received first.
            let is_broken = matches!(look.written, Poll::Ready(Err(_)))
                || look.lost == Some(ProtocolError::TransportFailed);
            let mut rest = Poll::Ready(false);
            if is_broken && self.receiver.is_open() {
                rest = self.buffer.poll_rest(&mut self.stream, &mut self.timer, cx);
            }
            if rest.is_pending() {
                if let Poll::Ready(Err(error)) = look.written {
                    self.buffer.broken = Some(error.kind());
                }
                return Poll::Pending;
            }
            if rest == Poll::Ready(true) {
                if let Poll::Ready(Err(error)) = look.written {
                    self.shared.break_off(error.kind(), &self.both);
                }
                self.turn.moved(0);
                return Poll::Ready(Ok(true));
            }
            if let Poll::Ready(Err(error)) = look.written {
                self.fail(error)?;
                continue;
            }
            if let Some(error) = look.lost {
                self.receiver.lose(error);
            }
            if self.receiver.has_last_words() {
                return Poll::Ready(Ok(true));
            }
            if look.ended && self.receiver.is_ended() {
                return Poll::Ready(Ok(false));
            }
            // A reader never waits for the writer's messages: the peer may read only when its own are taken.
            if self.receiver.wants_read() && look.state != State::Ended {
                ready!(self.turn.poll(cx));
                match self.buffer.poll_read(&mut self.stream, cx) {
                    Poll::Ready(Ok(0)) => {
                        self.receiver.recv_eof();
                        continue;
                    }
                    Poll::Ready(Ok(n)) => {
                        self.turn.moved(n);
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Ready(Err(error)) => {
                        self.fail(error)?;
                        continue;
                    }
                    Poll::Pending => {}
                }
            }
            self.turn.end();
            // A caller that is late waits for the timer as well: tokio has looked at its streams when it fires.
            if self.timer.poll(look.until, cx).is_pending() {
                self.late.waits();
                return Poll::Pending;
            }
            self.late.nothing_left();
        }
    }

    /// Passes on the notice and the time to the sender, writes waiting output, and ends the transport if
    /// required.
    fn look(&mut self) -> Look {
        let cx = &mut Context::from_waker(&self.both);
        let mut side = self.shared.lock();
        let WriteSide { stream, sender, outgoing, known, .. } = &mut *side;
        let (state, waited) = (sender.state(), sender.output_len());
        self.shared.received.report_all(&mut self.receiver, sender);
        let now = self.timer.now();
        let deadline = sender.next_deadline();
        let is_late = self.late.reads_first(deadline.is_some_and(|due| due <= now));
        let mut writing = Writing::new(stream, sender, outgoing);
        if !is_late {
            writing.handle_timeout(now, cx);
        }
        let written = writing.poll_end(cx);
        let told = writing.told(waited);
        *known = sender.next_timeout();
        let look = Look {
            until: if is_late { deadline } else { *known },
            written,
            state: sender.state(),
            ended: sender.is_ended(),
            lost: sender.lost(),
        };
        drop(side);
        if look.state == state && told.writers {
            self.shared.wakers.wake_for_room(None);
        } else if look.state != state {
            self.shared.wakers.wake_writers();
        }
        look
    }

    /// Handles a broken stream: returns an error unless everything was written.
    fn fail(&mut self, error: io::Error) -> io::Result<()> {
        self.shared.break_off(error.kind(), &self.both);
        self.receiver.recv_error();
        if !self.receiver.has_last_words() {
            return Ok(());
        }
        // It would report the same error again.
        let _ = self.receiver.recv(&mut Input::new(&mut []));
        Err(error)
    }
}

/// The events of one read of a [`ReadHalf`](super::ReadHalf); see [`Batch`](crate::aio::Batch).
#[derive(Debug)]
pub struct ReadBatch<'b, W, T> {
    receiver: &'b mut Receiver,
    shared: &'b Shared<W, T>,
    both: &'b Waker,
    turn: &'b mut Turn,
    ending: &'b mut Ending,
    input: Input<'b>,
    unread: &'b mut Unread,
    fresh: &'b mut bool,
}

impl<'b, W: Write<T>, T> ReadBatch<'b, W, T> {
    /// Returns the next event, which borrows from the read buffer; `None` after the last one.
    pub fn recv(&mut self) -> Option<Event<'b>> {
        self.next(Receiver::recv)
    }

    /// Returns the next event, with message data in pieces; see
    /// [`Connection::recv_chunk`](crate::Connection::recv_chunk).
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        self.next(Receiver::recv_chunk)
    }

    fn next(
        &mut self,
        recv: impl FnOnce(&mut Receiver, &mut Input<'b>) -> Option<Event<'b>>,
    ) -> Option<Event<'b>> {
        if self.turn.is_over() {
            return None;
        }
        let event = recv(self.receiver, &mut self.input);
        self.unread.left(&self.input);
        *self.fresh = event.is_some();
        self.turn.event(event.as_ref().map_or(0, Event::payload_len));
        self.ending.note(event.as_ref());
        self.shared.note(self.receiver, self.both);
        event
    }
}

/// The result of the reader's check of the writing side.
struct Look {
    /// When to look again, or the deadline that a caller has missed who is late.
    until: Option<Duration>,
    written: Poll<io::Result<()>>,
    state: State,
    ended: bool,
    lost: Option<ProtocolError>,
}
