//! [`ReadHalf`] and [`WriteHalf`]: one connection in two tasks.
//!
//! ```text
//! ReadHalf   stream ─▶ ReadBuffer ─▶ Receiver ─▶ events          its own, without a lock
//!                                      │ Reply: pong, close, fail
//!                                      ▼
//! Shared     Mutex { Sender, Output, stream }                    locked to queue and to write, never across an await
//!                                      ▲
//! WriteHalf                     messages, pings, close
//! ```
//!
//! A stream keeps one waker for writing, and both halves may wait to write: the waker it gets wakes both.

use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::{TcpStream, tcp};

use super::alarm::Alarm;
use super::stream::{Output, ReadBuffer};
use super::wakers::{Side, Wakers};
use super::{Filled, Next, WebSocket};
use crate::adapter::{lost_halves, not_halves, receiver_eof, reply, reunited, send_methods, sender_timeout};
use crate::connection::{Connection, EncodedMessage, Event, Message, Notice, Receiver, Sender, State};
use crate::error::SendError;
use crate::frame::CloseCode;
use crate::input::Input;

/// A stream whose two directions can be used without a lock between them. For any other stream there is
/// [`WebSocket::split_with`].
pub trait Split: Sized {
    /// The reading direction.
    type Read: AsyncRead + Unpin;
    /// The writing direction.
    type Write: AsyncWrite + Unpin;

    /// Takes the stream apart.
    fn split(self) -> (Self::Read, Self::Write);

    /// Puts it together again; `None` if these are not of one stream.
    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self>;
}

impl Split for TcpStream {
    type Read = tcp::OwnedReadHalf;
    type Write = tcp::OwnedWriteHalf;

    fn split(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self> {
        read.reunite(write).ok()
    }
}

#[cfg(unix)]
impl Split for ::tokio::net::UnixStream {
    type Read = ::tokio::net::unix::OwnedReadHalf;
    type Write = ::tokio::net::unix::OwnedWriteHalf;

    fn split(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self> {
        read.reunite(write).ok()
    }
}

impl<S: Split> WebSocket<S> {
    /// The two halves, for two tasks.
    ///
    /// ```no_run
    /// # async fn run(ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> std::io::Result<()> {
    /// let (mut reader, mut writer) = ws.split();
    /// tokio::spawn(async move {
    ///     writer.send_text("from another task").await
    /// });
    /// while let Some(event) = reader.recv().await? {
    ///     println!("{event:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::type_complexity, reason = "two halves, each with its direction")]
    pub fn split(self) -> (ReadHalf<S::Read, S::Write>, WriteHalf<S::Write>) {
        self.split_with(S::split)
    }

    /// Puts two halves together again.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if they are not of one connection.
    pub fn reunite(
        reader: ReadHalf<S::Read, S::Write>,
        writer: WriteHalf<S::Write>,
    ) -> io::Result<WebSocket<S>> {
        WebSocket::reunite_with(reader, writer, S::reunite)
    }
}

impl<S> WebSocket<S> {
    /// The two halves of a stream that `split` can take apart, such as [`tokio::io::split`].
    pub fn split_with<R, W>(self, split: impl FnOnce(S) -> (R, W)) -> (ReadHalf<R, W>, WriteHalf<W>) {
        let (receiver, sender) = self.connection.split();
        let (read, write) = split(self.stream);
        let shared = Arc::new(Shared {
            writing: Mutex::new(Writing { stream: write, sender, output: self.output }),
            wakers: Arc::default(),
            // The timers have to be looked at, and what is waiting has to be written.
            look: AtomicBool::new(true),
        });
        let reader = ReadHalf {
            stream: read,
            receiver,
            buffer: self.buffer,
            alarm: self.alarm,
            due: None,
            heard: None,
            state: State::Open,
            waker: None,
            shared: Arc::clone(&shared),
        };
        (reader, WriteHalf { shared })
    }

    /// Puts two halves together again, and the stream with `reunite`.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if they are not of one connection.
    pub fn reunite_with<R, W>(
        reader: ReadHalf<R, W>,
        writer: WriteHalf<W>,
        reunite: impl FnOnce(R, W) -> Option<S>,
    ) -> io::Result<WebSocket<S>> {
        let of_writer = Arc::clone(&writer.shared);
        drop(writer);
        let ReadHalf { stream, receiver, buffer, alarm, shared, .. } = reader;
        let Writing { stream: write, sender, output } = reunited(shared, of_writer)?.into_writing();
        let stream = reunite(stream, write).ok_or_else(not_halves)?;
        let connection = Connection::reunite(receiver, sender);
        Ok(WebSocket { stream, connection, buffer, output, alarm })
    }
}

/// The half of a [`WebSocket`] that receives.
///
/// It also answers pings and Closes, watches the deadlines, writes what the stream did not take at once, and
/// ends the transport, all of that inside [`recv`](Self::recv): go on until it returns `None`.
///
/// When it is dropped, nothing is received any more and the connection should be dropped as well: the
/// [`WriteHalf`] can still send, but pings stay unanswered and no deadline is watched.
#[derive(Debug)]
pub struct ReadHalf<R, W> {
    stream: R,
    receiver: Receiver,
    buffer: ReadBuffer,
    alarm: Alarm,
    /// The next deadline, as the sender said when it was asked last.
    due: Option<Duration>,
    /// When bytes have arrived, and whether a message was among them: what the sender does not know yet.
    heard: Option<(Duration, bool)>,
    /// The sender's, when it was asked last.
    state: State,
    /// The waker that `shared` has.
    waker: Option<Waker>,
    shared: Arc<Shared<W>>,
}

/// The half of a [`WebSocket`] that sends.
///
/// When it is dropped, nothing more can be sent; what was sent is still written by the [`ReadHalf`], which
/// also goes on answering. The peer is not told: [`close`](Self::close) does that.
#[derive(Debug)]
pub struct WriteHalf<W> {
    shared: Arc<Shared<W>>,
}

#[derive(Debug)]
struct Shared<W> {
    writing: Mutex<Writing<W>>,
    wakers: Arc<Wakers>,
    /// The reader is to look after the writing side: something is left to write, or there is a new deadline.
    look: AtomicBool,
}

#[derive(Debug)]
struct Writing<W> {
    stream: W,
    sender: Sender,
    output: Output,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> ReadHalf<R, W> {
    /// The next event; `None` when the connection is over and the transport ended. See [`WebSocket::recv`].
    ///
    /// Cancel-safe: a future that was dropped has taken no event.
    ///
    /// # Errors
    /// The stream's.
    pub async fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        match poll_fn(|cx| self.poll_next_event(cx)).await? {
            Next::Whole => {
                let end = self.buffer.end();
                let (unread, start) = self.buffer.parts();
                let mut input = Input::new(unread);
                let event = self.receiver.recv(&mut input);
                *start = end - input.len();
                if let Some(heard) = &mut self.heard {
                    heard.1 = true;
                }
                if let Some(notice) = event.as_ref().and_then(reply) {
                    self.shared.reply(notice, matches!(event, Some(Event::Ping(_))));
                }
                Ok(event)
            }
            Next::Event(event) => Ok(Some(event)),
            Next::Over => Ok(None),
        }
    }

    fn poll_next_event(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        while !self.receiver.is_whole(self.buffer.unread()) {
            let end = self.buffer.end();
            let (unread, start) = self.buffer.parts();
            let mut input = Input::new(unread);
            let event = self.receiver.recv(&mut input).map(Event::into_owned);
            *start = end - input.len();
            let event = match event {
                Some(event) => {
                    if let (Some(heard), Event::Message(_)) = (&mut self.heard, &event) {
                        heard.1 = true;
                    }
                    if let Some(notice) = reply(&event) {
                        self.shared.reply(notice, matches!(event, Event::Ping(_)));
                    }
                    event
                }
                None => match ready!(self.poll_fill(cx))? {
                    Filled::Bytes => continue,
                    Filled::Event(event) => event,
                    Filled::Over => return Poll::Ready(Ok(Next::Over)),
                },
            };
            return Poll::Ready(Ok(Next::Event(event)));
        }
        Poll::Ready(Ok(Next::Whole))
    }

    /// Reads until there is something to report; looks after the writing side when there is a reason to.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Filled>> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
            self.shared.wakers.set(Side::Reader, cx);
        }
        loop {
            if self.shared.look.swap(false, Ordering::AcqRel)
                && let Some(lost) = self.look_after_writing()
            {
                return Poll::Ready(lost.map(Filled::Event));
            }
            if self.state == State::Ended {
                let writing = self.shared.lock();
                if writing.sender.is_ended() {
                    return Poll::Ready(Ok(Filled::Over));
                }
            }
            if self.alarm.poll(self.due, cx).is_ready() {
                self.shared.look.store(true, Ordering::Release);
                continue;
            }
            if self.state == State::Ended {
                return Poll::Pending;
            }
            match ready!(self.buffer.poll_read(&mut self.stream, cx)) {
                Ok(0) => {
                    let event = receiver_eof(&mut self.receiver);
                    self.shared.end();
                    if let Some(event) = event {
                        return Poll::Ready(Ok(Filled::Event(event)));
                    }
                }
                Ok(_) => {
                    self.heard = Some((self.due.map_or(Duration::ZERO, |_| self.alarm.now()), false));
                    return Poll::Ready(Ok(Filled::Bytes));
                }
                Err(error) => self.lost(error)?,
            }
        }
    }

    /// Tells the sender the time, writes what is waiting, ends the transport if that is all.
    fn look_after_writing(&mut self) -> Option<io::Result<Event<'static>>> {
        let shared = Arc::clone(&self.shared);
        let mut writing = shared.lock();
        let Writing { stream, sender, output } = &mut *writing;
        if let Some((at, message)) = self.heard.take() {
            sender.heard(message);
            // It is told when that was, so that pings come in time. The closing deadline began with the Close.
            if sender.state() == State::Open {
                sender.handle_timeout(at);
            }
        }
        if sender.next_timeout().is_some()
            && let Some(lost) = sender_timeout(sender, self.alarm.now())
        {
            self.receiver.finish();
            self.state = sender.state();
            return Some(Ok(lost));
        }
        let waker = shared.waker();
        let mut cx = Context::from_waker(&waker);
        let written = output.poll_end(stream, sender, &mut cx);
        self.due = sender.next_timeout();
        self.state = sender.state();
        match written {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                drop(writing);
                return self.lost(error).err().map(Err);
            }
            Poll::Pending => shared.look.store(true, Ordering::Release),
        }
        None
    }

    /// The stream is broken: an error, unless everything had been said.
    fn lost(&mut self, error: io::Error) -> io::Result<()> {
        self.state = State::Ended;
        lost_halves(&mut self.receiver, &mut self.shared.lock().sender, error)
    }
}

impl<W: AsyncWrite + Unpin> WriteHalf<W> {
    /// Sends a message; see [`WebSocket::send`]. What the stream does not take now is written by the next
    /// call of either half.
    ///
    /// Cancel-safe: a future that was dropped has sent nothing.
    ///
    /// # Errors
    /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's.
    pub async fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        self.write(|writing, cx| {
            writing.output.poll_send_message(&mut writing.stream, &mut writing.sender, message, cx)
        })
        .await
    }

    send_methods!(async .await);

    /// Starts the closing handshake. The [`ReadHalf`] receives what is still on its way, finishes the
    /// handshake and watches its deadline.
    ///
    /// Cancel-safe: a future that was dropped has sent nothing.
    ///
    /// # Errors
    /// [`SendError::Closed`], as an [`io::Error`], if the connection is closing already; otherwise the stream's.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        let result = self.queue(|sender| sender.close(code, reason)).await;
        self.shared.look_again();
        result
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&self, message: &Message<'_>) -> Result<(), SendError> {
        self.shared.lock().sender.send(message)
    }

    /// Writes all that is waiting.
    ///
    /// Cancel-safe: the next call goes on where a dropped future stopped.
    ///
    /// # Errors
    /// The stream's.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.write(|writing, cx| writing.output.poll_flush(&mut writing.stream, &mut writing.sender, cx))
            .await
    }

    async fn queue(&mut self, mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
        self.write(|writing, cx| {
            writing.output.poll_send(&mut writing.stream, &mut writing.sender, &mut queue, cx)
        })
        .await
    }

    async fn write(
        &mut self,
        mut poll: impl FnMut(&mut Writing<W>, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> io::Result<()> {
        poll_fn(|cx| {
            self.shared.wakers.set(Side::Writer, cx);
            let waker = self.shared.waker();
            let mut writing = self.shared.lock();
            let polled = poll(&mut writing, &mut Context::from_waker(&waker));
            if polled.is_ready() && writing.sender.wants_write() {
                // The stream will wake both: the reader goes on if nobody is left here.
                self.shared.look.store(true, Ordering::Release);
            }
            polled
        })
        .await
    }
}

impl<W> Drop for WriteHalf<W> {
    fn drop(&mut self) {
        self.shared.look_again();
    }
}

impl<W> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, Writing<W>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_writing(self) -> Writing<W> {
        self.writing.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The waker for the stream.
    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.wakers))
    }

    /// Has the reader look after the writing side.
    fn look_again(&self) {
        self.look.store(true, Ordering::Release);
        self.wakers.wake_by_ref();
    }
}

impl<W: AsyncWrite + Unpin> Shared<W> {
    /// The peer has ended its side, and may be waiting for the end of ours.
    fn end(&self) {
        let waker = self.waker();
        let mut writing = self.lock();
        let Writing { stream, sender, output } = &mut *writing;
        sender.end();
        // An error comes again when the reader looks after the writing side.
        let _ = output.poll_end(stream, sender, &mut Context::from_waker(&waker));
        self.look.store(true, Ordering::Release);
    }

    /// Carries out what an event asks for, and writes it, as far as the stream takes it now.
    fn reply(&self, notice: Notice, is_pong: bool) {
        let waker = self.waker();
        let mut writing = self.lock();
        let Writing { stream, sender, output } = &mut *writing;
        sender.notice(notice);
        // An error comes again when the reader looks after the writing side.
        let written = output.poll_flush(stream, sender, &mut Context::from_waker(&waker));
        if !(is_pong && matches!(written, Poll::Ready(Ok(())))) {
            self.look.store(true, Ordering::Release);
        }
    }
}
