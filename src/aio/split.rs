//! [`ReadHalf`] and [`WriteHalf`]: one connection in two tasks.
//!
//! ```text
//! ReadHalf   stream ─▶ ReadBuffer ─▶ Receiver ─▶ events          its own, without a lock
//!                                      │ Notice
//!                                      ▼
//! Shared     Mutex { Sender, Outgoing, stream }                  locked to queue and to write, never across an await
//!                                      ▲
//! WriteHalf                     messages, pings, close
//! ```
//!
//! | who | sets | wakes |
//! |---|---|---|
//! | reader, a notice with a reply, at once | a Pong, a Close, the end, in the sender; writes it | the writer, if it is the end |
//! | reader, any other notice, once a read | heard, message: deadlines only move away | nobody |
//! | writer, whoever sends, pings, closes | output, perhaps an earlier deadline, a new state | the reader, for a deadline it does not know, or a new state |
//! | either, after a write | room | the other one, by the stream's waker, which is both's |
//! | reader, when a deadline passes or the stream breaks | the end; nothing waits any more | the writer |
//! | writer, when the stream breaks | `Sender::lost`, which the reader reports | the reader |

use core::future::poll_fn;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::batch::note;
use super::driver::{Driver, LINGER, Link};
use super::io::{Read, Timer, Write};
use super::read_buffer::ReadBuffer;
use super::turn::Turn;
use super::wakers::{Side, Wakers};
use super::web_socket::{Next, Recv, WebSocket};
use super::writing::{Fault, Outgoing, Writing};
use crate::adapter::{not_halves, reunited, send_methods};
use crate::connection::{Connection, EncodedMessage, Event, Message, Receiver, Sender, State, Unread};
use crate::error::{ProtocolError, SendError};
use crate::frame::{CloseCode, CloseFrame};
use crate::input::Input;

/// The half of a [`WebSocket`] that receives.
///
/// It also answers pings and Closes, watches the deadlines, writes what the stream did not take at once, and
/// ends the transport, all of that inside [`recv`](Self::recv): go on until it returns `None`.
///
/// When it is dropped, nothing is received any more and the connection should be dropped as well: the
/// [`WriteHalf`] can still send, but pings stay unanswered and no deadline is watched.
#[derive(Debug)]
pub struct ReadHalf<R, W, T> {
    stream: R,
    receiver: Receiver,
    buffer: ReadBuffer,
    timer: T,
    turn: Turn,
    close_frame: Option<Box<CloseFrame>>,
    /// Wakes both sides.
    both: Waker,
    shared: Arc<Shared<W, T>>,
}

/// The half of a [`WebSocket`] that sends.
///
/// When it is dropped, nothing more can be sent; what was sent is still written by the [`ReadHalf`], which
/// also goes on answering. The peer is not told: [`close`](Self::close) does that.
#[derive(Debug)]
pub struct WriteHalf<W, T> {
    shared: Arc<Shared<W, T>>,
    /// Wakes both sides.
    both: Waker,
}

#[derive(Debug)]
struct Shared<W, T> {
    /// Held to queue, to write as much as the stream takes, and to look: never while anything waits.
    side: Mutex<WriteSide<W, T>>,
    wakers: Arc<Wakers>,
}

/// Everything that the two halves share.
#[derive(Debug)]
struct WriteSide<W, T> {
    stream: W,
    sender: Sender,
    outgoing: Outgoing,
    /// For a writer that waits for its Close to be written: it may be the only one there is.
    timer: T,
    /// The deadline that the reader knows. It is set when the reader looks; a writer that makes an earlier one wakes the
    /// reader.
    known: Option<Duration>,
}

/// What the reader finds when it has looked after the writing side.
struct Look {
    due: Option<Duration>,
    written: Poll<io::Result<()>>,
    state: State,
    ended: bool,
    lost: Option<ProtocolError>,
}

impl<S, T: Timer> WebSocket<S, T> {
    pub(crate) fn split_by<R, W>(
        self,
        split: impl FnOnce(S) -> (R, W),
    ) -> (ReadHalf<R, W, T>, WriteHalf<W, T>) {
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
        };
        let shared = Arc::new(Shared { side: Mutex::new(side), wakers });
        let reader = ReadHalf {
            stream: read,
            receiver,
            buffer,
            timer: link.timer,
            turn: link.turn,
            close_frame: self.close_frame,
            both: both.clone(),
            shared: Arc::clone(&shared),
        };
        (reader, WriteHalf { shared, both })
    }

    pub(crate) fn reunite_by<R, W>(
        reader: ReadHalf<R, W, T>,
        writer: WriteHalf<W, T>,
        reunite: impl FnOnce(R, W) -> Option<S>,
    ) -> io::Result<Self> {
        let of_writer = Arc::clone(&writer.shared);
        drop(writer);
        let ReadHalf { stream, receiver, buffer, timer, turn, close_frame, shared, .. } = reader;
        let Shared { side, wakers } = reunited(shared, of_writer)?;
        let WriteSide { stream: write, mut sender, outgoing, .. } =
            side.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stream = reunite(stream, write).ok_or_else(not_halves)?;
        let mut receiver = receiver;
        sender.notice(receiver.take_notice());
        let endpoint = Connection::reunite(receiver, sender);
        let link = Link { stream, endpoint, timer, outgoing, turn, wakers: Some(wakers) };
        Ok(Self { driver: Driver { link, buffer }, close_frame })
    }
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

    /// The code and reason of the peer's Close, once [`Event::Close`] was received; `None` if it had none.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
    }
}

impl<R: Read<T>, W: Write<T>, T: Timer> ReadHalf<R, W, T> {
    /// The next event; `None` when the connection is over and the transport ended. See [`WebSocket::recv`].
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

    /// The next event, with data piece by piece as it arrives. See [`WebSocket::recv_chunk`].
    ///
    /// Cancel-safe: a future that was dropped has taken no event.
    ///
    /// # Errors
    /// The stream's.
    pub async fn recv_chunk(&mut self) -> io::Result<Option<Event<'_>>> {
        poll_fn(|cx| self.poll_owned(cx, Recv::Chunks)).await
    }

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

    /// Receives and drops what still arrives until the connection is over; see [`WebSocket::finish`].
    ///
    /// Cancel-safe: calling it again waits for the rest.
    ///
    /// # Errors
    /// As there.
    pub async fn finish(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            loop {
                match ready!(self.poll_owned(cx, Recv::Chunks))? {
                    Some(Event::Failed(error)) => return Poll::Ready(Err(error.into())),
                    Some(_) => {}
                    None => return Poll::Ready(Ok(())),
                }
            }
        })
        .await
    }

    pub(super) fn poll_owned(
        &mut self,
        cx: &mut Context<'_>,
        recv: Recv,
    ) -> Poll<io::Result<Option<Event<'static>>>> {
        let next = ready!(self.poll_next(cx, recv))?;
        Poll::Ready(Ok(if let Next::Owned(event) = next { Some(event) } else { None }))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, recv: Recv) -> Poll<io::Result<Next>> {
        loop {
            ready!(self.turn.poll(cx));
            self.turn.event();
            let receiver = &mut self.receiver;
            if recv == Recv::Borrowed && receiver.is_whole(self.buffer.unread()) {
                return Poll::Ready(Ok(Next::Borrowed));
            }
            let event = self.buffer.give(|input| match recv {
                Recv::Chunks => receiver.recv_chunk(input).map(Event::into_owned),
                Recv::Borrowed | Recv::Owned => receiver.recv(input).map(Event::into_owned),
            });
            if let Some(event) = event {
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

/// What one read of a [`ReadHalf`] brought; see [`Batch`](super::Batch).
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

    /// The next event, with data piece by piece; see [`Connection::recv_chunk`].
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        self.next(Receiver::recv_chunk)
    }

    fn next(
        &mut self,
        recv: impl FnOnce(&mut Receiver, &mut Input<'b>) -> Option<Event<'b>>,
    ) -> Option<Event<'b>> {
        if !self.turn.event() {
            return None;
        }
        let event = recv(self.receiver, &mut self.input);
        self.unread.left(&self.input);
        *self.fresh = event.is_some();
        note(self.close_frame, event.as_ref());
        self.shared.reply(self.receiver, self.both);
        event
    }
}

impl<W, T> WriteHalf<W, T> {
    /// Where the connection is in its life.
    pub fn state(&self) -> State {
        self.shared.lock().sender.state()
    }

    /// Whether messages can be sent: neither end has begun to close.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
    }

    /// Queues a message without writing it: the next call of either half does.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&self, message: &Message<'_>) -> Result<(), SendError> {
        self.change(|sender| sender.send(message))
    }

    pub(super) fn change<O>(&self, queue: impl FnOnce(&mut Sender) -> O) -> O {
        let mut side = self.shared.lock();
        let state = side.sender.state();
        let queued = queue(&mut side.sender);
        let changed = side.sender.state() != state;
        drop(side);
        if changed {
            self.shared.wakers.wake_side(Side::Reader);
        }
        queued
    }
}

impl<W: Write<T>, T: Timer> WriteHalf<W, T> {
    /// Sends a message; see [`WebSocket::send`]. What the stream does not take now is written by the next
    /// call of either half.
    ///
    /// Cancel-safe: a future that was dropped has sent nothing.
    ///
    /// # Errors
    /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's.
    pub async fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_send_message(message, cx))).await
    }

    send_methods!(async .await);

    async fn queue(&mut self, mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
        poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_send(&mut queue, cx))).await
    }

    /// Writes all that is waiting.
    ///
    /// Cancel-safe: the next call goes on where a dropped future stopped.
    ///
    /// # Errors
    /// The stream's, or why the peer was given up before everything was written.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_writing(cx, |writing, cx| writing.poll_flush_all(cx))).await
    }

    /// Starts the closing handshake; see [`WebSocket::close`]. The [`ReadHalf`] receives what is still on its way and
    /// finishes the handshake.
    ///
    /// Cancel-safe: the Close is queued with the first poll, once.
    ///
    /// # Errors
    /// The stream's.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        poll_fn(|cx| self.poll_close(code, reason, cx)).await
    }

    pub(super) fn poll_close(
        &self,
        code: CloseCode,
        reason: &str,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let closed = self.poll_writing(cx, |writing, cx| writing.poll_close(code, reason, cx));
            if closed.is_ready() {
                return closed;
            }
            // There may be no reader that watches the deadline.
            let mut side = self.shared.lock();
            let WriteSide { stream, sender, outgoing, timer, .. } = &mut *side;
            let both = &mut Context::from_waker(&self.both);
            Writing::new(stream, sender, outgoing).handle_timeout(timer.now(), both);
            if !sender.is_ended() {
                ready!(timer.poll(sender.next_timeout(), cx));
            }
        }
    }

    /// Lets `poll` write. The stream's error is returned here; the reading half reports that the connection failed.
    pub(super) fn poll_writing(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Writing<'_, W, T>, &mut Context<'_>) -> Poll<Result<(), Fault>>,
    ) -> Poll<io::Result<()>> {
        self.shared.wakers.set(Side::Writer, cx);
        let mut side = self.shared.lock();
        let state = side.sender.state();
        let WriteSide { stream, sender, outgoing, known, .. } = &mut *side;
        let both = &mut Context::from_waker(&self.both);
        let mut writing = Writing::new(stream, sender, outgoing);
        let polled = poll(&mut writing, both);
        if let Poll::Ready(Err(Fault::Broken(_))) = &polled {
            writing.abort(both);
            sender.abort();
        }
        // The reader watches the deadlines and ends the transport: it has to know of a new one, and of a new state.
        let due = sender.next_timeout();
        let is_earlier = due.is_some_and(|due| known.is_none_or(|known| due < known));
        let wakes_reader = is_earlier || sender.state() != state;
        drop(side);
        if wakes_reader {
            self.shared.wakers.wake_side(Side::Reader);
        }
        if polled.is_ready() {
            self.shared.wakers.clear(Side::Writer);
        }
        polled.map_err(Fault::into)
    }
}

impl<W, T> Drop for WriteHalf<W, T> {
    /// What it leaves is the reader's to write.
    fn drop(&mut self) {
        self.shared.wakers.wake_side(Side::Reader);
    }
}

impl<W, T> Shared<W, T> {
    fn lock(&self) -> MutexGuard<'_, WriteSide<W, T>> {
        self.side.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write<T>, T> Shared<W, T> {
    /// Carries out at once what the last event asks for, and writes it, as far as the stream takes it now. An error of the
    /// stream comes again when the reader looks.
    fn reply(&self, receiver: &mut Receiver, both: &Waker) {
        if !receiver.has_reply() {
            return;
        }
        let mut side = self.lock();
        let WriteSide { stream, sender, outgoing, .. } = &mut *side;
        let state = sender.state();
        sender.notice(receiver.take_notice());
        let changed = sender.state() != state;
        let _ = Writing::new(stream, sender, outgoing).poll_end(&mut Context::from_waker(both));
        drop(side);
        if changed {
            self.wakers.wake_side(Side::Writer);
        }
    }

    /// Nothing can be written any more.
    fn abort(&self, both: &Waker) {
        let mut side = self.lock();
        let WriteSide { stream, sender, outgoing, .. } = &mut *side;
        Writing::new(stream, sender, outgoing).abort(&mut Context::from_waker(both));
        sender.abort();
    }
}
