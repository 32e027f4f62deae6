//! [`ReadHalf`](super::ReadHalf): the half that receives.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::sync::Arc;

use super::{Shared, WriteSide};
use crate::aio::batch::note;
use crate::aio::driver::LINGER;
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

/// The half of a [`WebSocket`](crate::aio::WebSocket) that receives.
///
/// It also answers pings and Closes, watches the deadlines, writes what the stream did not take at once, and
/// ends the transport, all of that inside [`recv`](Self::recv): go on until it returns `None`.
///
/// When it is dropped, nothing is received any more and the connection should be dropped as well: the
/// [`WriteHalf`](super::WriteHalf) can still send, but pings stay unanswered and no deadline is watched.
#[derive(Debug)]
pub struct ReadHalf<R, W, T> {
    pub(super) stream: R,
    pub(super) receiver: Receiver,
    pub(super) buffer: ReadBuffer,
    pub(super) timer: T,
    pub(super) turn: Turn,
    pub(super) close_frame: Option<Box<CloseFrame>>,
    /// Wakes both sides.
    pub(super) both: Waker,
    pub(super) shared: Arc<Shared<W, T>>,
}

impl<R, W, T> ReadHalf<R, W, T> {
    /// The stream's reading direction.
    pub fn stream(&self) -> &R {
        &self.stream
    }

    /// Where the connection is in its life.
    pub fn state(&self) -> State {
        self.shared.lock().sender.state()
    }

    /// The round-trip time of the last Ping of the keepalive; see [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.shared.lock().sender.latency()
    }

    /// The code and reason of the peer's Close, once [`Event::Close`] was received; `None` if it had none.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
    }
}

impl<R: Read<T>, W: Write<T>, T: Timer> ReadHalf<R, W, T> {
    /// The next event; `None` when the connection is over and the transport ended. See
    /// [`WebSocket::recv`](crate::aio::WebSocket::recv).
    ///
    /// Cancel-safe: a future that was dropped has taken no event.
    ///
    /// # Errors
    /// The stream's.
    pub async fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        match poll_fn(|cx| self.poll_next(cx, Recv::Borrowed)).await? {
            Next::Borrowed => {
                let receiver = &mut self.receiver;
                let event = self.buffer.give(|input| receiver.recv(input));
                self.shared.reply(receiver, &self.both);
                Ok(event)
            }
            Next::Owned(event) => Ok(Some(event)),
            Next::Over => Ok(None),
        }
    }

    receive_methods!();

    /// Reads once: all that this brought is in the [`ReadBatch`]. `None` when the connection is over and the transport ended.
    ///
    /// Cancel-safe: a future that was dropped has read nothing. What a dropped batch has not received comes with the next
    /// one.
    ///
    /// # Errors
    /// The stream's.
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
            close_frame: &mut self.close_frame,
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
                note(&mut self.close_frame, Some(&event));
                self.shared.reply(receiver, &self.both);
                return Poll::Ready(Ok(Next::Owned(event)));
            }
            if !ready!(self.poll_ready(cx))? {
                return Poll::Ready(Ok(Next::Over));
            }
        }
    }

    /// Once everything that was read has been received: looks after the writing side and reads, until there is something to
    /// report (`true`) or all is over (`false`).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.shared.wakers.set(Side::Reader, cx);
        loop {
            let look = self.look();
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
                if look.written.is_pending() {
                    ready!(self.poll_linger(cx));
                }
                return Poll::Ready(Ok(false));
            }
            // A reader never waits for what the writer sends.
            if self.receiver.wants_read() && look.state != State::Ended {
                ready!(self.turn.poll(cx));
                match self.buffer.poll_read(&mut self.stream, cx) {
                    Poll::Ready(Ok(0)) => {
                        self.receiver.recv_eof();
                        continue;
                    }
                    Poll::Ready(Ok(n)) => {
                        self.turn.read(n);
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
            ready!(self.timer.poll(look.due, cx));
        }
    }

    /// Tells the sender what was received and the time, writes what is waiting, ends the transport if that is all.
    fn look(&mut self) -> Look {
        let cx = &mut Context::from_waker(&self.both);
        let mut side = self.shared.lock();
        let WriteSide { stream, sender, outgoing, known, .. } = &mut *side;
        sender.notice(self.receiver.take_notice());
        let state = sender.state();
        let mut writing = Writing::new(stream, sender, outgoing);
        writing.handle_timeout(self.timer.now(), cx);
        let written = writing.poll_end(cx);
        *known = sender.next_timeout();
        let look = Look {
            due: *known,
            written,
            state: sender.state(),
            ended: sender.is_ended(),
            lost: sender.lost(),
        };
        drop(side);
        if look.state != state {
            self.shared.wakers.wake_side(Side::Writer);
        }
        look
    }

    /// The stream is broken: an error, unless everything had been said.
    fn fail(&mut self, error: io::Error) -> io::Result<()> {
        self.shared.abort(&self.both);
        self.shared.wakers.wake_side(Side::Writer);
        self.receiver.recv_error();
        if !self.receiver.has_last_words() {
            return Ok(());
        }
        // It would report the same again.
        let _ = self.receiver.recv(&mut Input::new(&mut []));
        Err(error)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lingers = core::mem::replace(&mut self.shared.lock().outgoing.lingers, true);
        if lingers {
            return self.timer.poll_again(cx);
        }
        self.timer.poll(Some(self.timer.now().saturating_add(LINGER)), cx)
    }
}

/// What one read of a [`ReadHalf`](super::ReadHalf) brought; see [`Batch`](crate::aio::Batch).
#[derive(Debug)]
pub struct ReadBatch<'b, W, T> {
    receiver: &'b mut Receiver,
    shared: &'b Shared<W, T>,
    both: &'b Waker,
    turn: &'b mut Turn,
    close_frame: &'b mut Option<Box<CloseFrame>>,
    input: Input<'b>,
    unread: &'b mut Unread,
    fresh: &'b mut bool,
}

impl<'b, W: Write<T>, T> ReadBatch<'b, W, T> {
    /// The next event, borrowing from the read buffer; `None`: that was all.
    pub fn recv(&mut self) -> Option<Event<'b>> {
        self.next(Receiver::recv)
    }

    /// The next event, with data piece by piece; see [`Connection::recv_chunk`](crate::Connection::recv_chunk).
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
        note(self.close_frame, event.as_ref());
        self.shared.reply(self.receiver, self.both);
        event
    }
}

/// What the reader finds when it has looked after the writing side.
struct Look {
    due: Option<Duration>,
    written: Poll<io::Result<()>>,
    state: State,
    ended: bool,
    lost: Option<ProtocolError>,
}
