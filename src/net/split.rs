//! [`ReadHalf`] and [`WriteHalf`]: one connection for two threads.
//!
//! ```text
//!            ReadHalf                                       WriteHalf
//! stream ─▶ Buffer ─▶ Receiver ─▶ events      messages ─▶ send, ping, close
//!                        │ Notice                              │
//!                        ▼                                     ▼
//!            Shared: Mutex<Writing { Sender, Option<Out> }>, Condvar `returned`
//!                        ▲ Sender::lost, when the reader looks
//! ```
//!
//! The lock is never held while a stream blocks. A thread that writes takes [`Out`], the writing side of the
//! stream, and writes all waiting bytes, including those of the other half. So a reader answers pings while
//! the writer is blocked, and the writer never blocks it.
//!
//! | actor | sets | wakes |
//! |---|---|---|
//! | reader: notice with a reply (Ping, Close, failure) | output, perhaps the end | none: it writes, or the thread that has `Out` does |
//! | reader: notice without a reply | deadlines, which only become later: `received`, for a writer that looks at one | none |
//! | writer: message, Ping | output | none: it writes, or the thread that has `Out` does |
//! | writer: `close` | output, and a deadline | none: a reader that reads or writes looks again within `close_timeout`, and a separate thread writes what the stream does not take now, or while the reader writes |
//! | thread that returns `Out` | room in the output | threads that wait for `Out`, by `returned` |
//! | thread that finds a missed deadline or a broken stream | `given_up` in `Writing` | both, by [`Transport::abort`], once |

mod shared;

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use self::shared::{Shared, Writing, Written};
use super::buffer::Buffer;
use super::driver::{Driver, READS_FIRST, TURN};
use super::pipe::{NOW, Pipe};
use super::time::{AT_ONCE, Timeout, earlier, is_later, later_is_fine};
use super::{Transport, WebSocket, finish_method};
use crate::adapter::{Ending, Late, reunited, send_methods};
use crate::connection::{Connection, EncodedMessage, Event, Message, Receiver, Sender, State, Unread};
use crate::error::{ProtocolError, SendError};
use crate::frame::{CloseCode, CloseFrame};
use crate::input::Input;

impl<S: Transport> WebSocket<S> {
    /// Splits a WebSocket over a blocking stream into two halves, for two threads, each with a handle of the
    /// stream. [`set_read_timeout`](Self::set_read_timeout) does not apply to them.
    ///
    /// ```no_run
    /// # fn run(ws: sansocket::net::WebSocket<std::net::TcpStream>) -> std::io::Result<()> {
    /// let (mut reader, mut writer) = ws.into_split()?;
    /// std::thread::spawn(move || writer.send_text("from another thread"));
    /// while let Some(event) = reader.recv()? {
    ///     if let sansocket::Event::Message(message) = event {
    ///         println!("{}", message.as_text().unwrap_or("(binary)"));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Transport::try_clone`]; the WebSocket is dropped then. TLS cannot be split.
    pub fn into_split(self) -> io::Result<(ReadHalf<S>, WriteHalf<S>)> {
        let writing = self.stream().try_clone()?;
        Ok(self.into_split_with(writing))
    }

    /// Splits a WebSocket over a blocking stream into two halves. `writing` is a second handle of the stream.
    pub fn into_split_with(self, writing: S) -> (ReadHalf<S>, WriteHalf<S>) {
        let Driver { mut pipe, mut endpoint, buffer, .. } = self.driver;
        pipe.forget_unflushed(&mut endpoint);
        let (receiver, sender) = endpoint.split();
        let cut = pipe.failed.map(|error| error.kind());
        let shared = Arc::new(Shared::new(sender, writing, pipe.shut_down, cut, pipe.clock));
        let reader = ReadHalf {
            stream: pipe.stream,
            timeout: pipe.reading,
            receiver,
            buffer,
            ending: self.ending,
            reads_first: 0,
            late: Late::default(),
            shared: Arc::clone(&shared),
        };
        (reader, WriteHalf { shared, closing: None })
    }

    /// Reunites two halves, after completing a write that either has begun.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if they belong to different connections; otherwise errors of
    /// the stream.
    pub fn reunite(reader: ReadHalf<S>, mut writer: WriteHalf<S>) -> io::Result<Self> {
        if Arc::ptr_eq(&reader.shared, &writer.shared) {
            writer.write_out()?;
        }
        if let Some(closing) = writer.closing {
            // It only panics if the stream does.
            let _ = closing.join();
        }
        let ReadHalf { stream, receiver, buffer, ending, shared, .. } = reader;
        let Shared { writing, received, clock, .. } = reunited(shared, writer.shared)?;
        let Writing { mut sender, out, cut, aborted, .. } =
            writing.into_inner().unwrap_or_else(PoisonError::into_inner);
        received.report(&mut sender);
        let mut pipe = Pipe::new(stream, clock);
        pipe.failed = cut.map(io::Error::from);
        pipe.shut_down = aborted || out.is_some_and(|out| out.shut_down);
        let endpoint = Connection::reunite_cut_off(receiver, sender);
        Ok(Self { ending, ..Self::over(Driver::over(pipe, endpoint, buffer)) })
    }
}

/// The receiving half of a [`WebSocket`], for a thread of its own.
///
/// It goes on receiving however much of the output waits, also in a server. So what it [feeds](ReadBatch::feed) to a
/// peer that reads nothing is limited by [`Config::max_output`](crate::Config::max_output) alone; [`WriteHalf::send`]
/// first writes what waits, if there is no room.
///
/// [`recv`](Self::recv) also answers pings and Closes, checks the deadlines and ends the transport. Call it
/// until it returns `None`.
///
/// After this half is dropped, pings are not answered, and deadlines are only checked while the [`WriteHalf`]
/// waits for the stream.
#[derive(Debug)]
pub struct ReadHalf<S> {
    stream: S,
    timeout: Timeout,
    receiver: Receiver,
    buffer: Buffer,
    ending: Ending,
    /// Number of reads before the next write, because the stream took nothing more.
    reads_first: u8,
    late: Late,
    shared: Arc<Shared<S>>,
}

/// The sending half of a [`WebSocket`], for a thread of its own.
///
/// After this half is dropped, nothing more can be sent, but the [`ReadHalf`] still answers. The peer is not
/// informed; call [`close`](Self::close) for that.
#[derive(Debug)]
pub struct WriteHalf<S> {
    shared: Arc<Shared<S>>,
    /// The thread that writes a Close that did not fit at once.
    closing: Option<JoinHandle<()>>,
}

impl<S: Transport> ReadHalf<S> {
    /// Returns the next event; `None` when the connection is over and the transport has ended. See
    /// [`WebSocket::recv`].
    ///
    /// A reply is written as far as the stream takes it now; the rest follows with the next read.
    ///
    /// # Errors
    /// Errors of the stream.
    pub fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        while !self.receiver.is_whole(self.buffer.unread()) {
            let Self { receiver, buffer, .. } = self;
            let event = buffer.recv(|input| receiver.recv(input).map(Event::into_owned));
            if event.is_some() {
                self.ending.note(event.as_ref());
                self.shared.answer(&mut self.receiver);
                return Ok(event);
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
        let Self { receiver, buffer, .. } = self;
        let event = buffer.recv(|input| receiver.recv(input));
        self.shared.answer(receiver);
        Ok(event)
    }

    /// Returns the next event, with message data in pieces; see [`WebSocket::recv_chunk`].
    ///
    /// # Errors
    /// Errors of the stream.
    pub fn recv_chunk(&mut self) -> io::Result<Option<Event<'_>>> {
        loop {
            let Self { receiver, buffer, .. } = self;
            let event = buffer.recv(|input| receiver.recv_chunk(input).map(Event::into_owned));
            if event.is_some() {
                self.ending.note(event.as_ref());
                self.shared.answer(&mut self.receiver);
                return Ok(event);
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Returns the code and reason of the peer's Close after it is received; `None` if it has none.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.ending.close_frame()
    }

    /// Returns this half's handle of the stream.
    pub fn stream(&self) -> &S {
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

    /// Writes waiting output, then reads once. The [`ReadBatch`] holds all events of that read. Returns
    /// `None` when the connection is over and the transport has ended. See [`WebSocket::read`].
    ///
    /// ```no_run
    /// # use sansocket::net::{ReadHalf, WriteHalf};
    /// # use std::net::TcpStream;
    /// # fn echo(mut reader: ReadHalf<TcpStream>) -> std::io::Result<()> {
    /// use sansocket::Event;
    /// while let Some(mut batch) = reader.read()? {
    ///     while let Some(event) = batch.recv() {
    ///         if let Event::Message(message) = event {
    ///             batch.feed(&message)?; // sending while holding the message is fine
    ///         }
    ///     }
    /// } // the next `read` writes all answers at once
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Errors of the stream.
    pub fn read(&mut self) -> io::Result<Option<ReadBatch<'_, S>>> {
        if !self.fill()? {
            return Ok(None);
        }
        let Self { receiver, buffer, ending, shared, .. } = self;
        let (input, unread, fresh) = buffer.lend();
        Ok(Some(ReadBatch { receiver, input, unread, fresh, ending, shared }))
    }

    finish_method!();

    /// Reads until there is something to receive: bytes, or last words. Returns `false` if the connection is
    /// over.
    fn fill(&mut self) -> io::Result<bool> {
        while !self.buffer.fresh {
            let now = self.shared.clock.now();
            let mut writing = self.shared.lock();
            self.shared.received.report_all(&mut self.receiver, &mut writing.sender);
            let is_late = self.late.reads_first(writing.sender.late(now).is_some());
            if !is_late {
                self.shared.tick(&mut writing, now);
            }
            let lost = writing.sender.lost();
            if lost == Some(ProtocolError::TransportFailed) {
                drop(writing);
                if self.read_rest() {
                    break;
                }
                writing = self.shared.lock();
            }
            writing.abort_if_given_up(&mut self.stream);
            if let Some(error) = lost {
                self.receiver.lose(error);
            }
            // A reader never waits for the writer's messages: the peer may read only when its own are taken.
            let wants_read = self.receiver.wants_read() && writing.sender.state() != State::Ended;
            drop(writing);
            if self.receiver.has_last_words() {
                break;
            }
            // A reader that may not read waits for the write. Otherwise it does not wait, because the peer
            // may wait for a read: see `Driver::wait`.
            let mut blocked = None;
            if self.reads_first == 0 || !wants_read || is_late {
                let patience = if is_late { Some(NOW) } else { wants_read.then_some(TURN) };
                match self.shared.write(patience, !wants_read && !is_late) {
                    Ok(Written::Blocked(error)) => {
                        self.reads_first = READS_FIRST;
                        blocked = Some(error);
                    }
                    Ok(Written::All | Written::Elsewhere) => {}
                    Err(_) if self.read_rest() => break,
                    Err(error) => {
                        self.broken(error)?;
                        continue;
                    }
                }
            }
            let is_blocked = self.reads_first > 0;
            self.reads_first = self.reads_first.saturating_sub(1);
            let mut writing = self.shared.lock();
            writing.abort_if_given_up(&mut self.stream);
            if writing.sender.is_ended() && self.receiver.is_ended() {
                return Ok(false);
            }
            if !wants_read {
                match blocked.filter(|_| !is_late) {
                    // Only of a stream that does not block.
                    Some(error) => return Err(error),
                    None => self.late.nothing_left(),
                };
                continue;
            }
            let now = self.shared.clock.now();
            let wait = writing.wait(now, Arc::strong_count(&self.shared) > 1);
            drop(writing);
            self.read_for(earlier(wait, is_blocked.then_some(TURN)), now)?;
        }
        Ok(true)
    }

    /// Reads some of what arrived before a write failed; returns `true` if there was any. All of it is received before
    /// the failure is reported.
    fn read_rest(&mut self) -> bool {
        let Self { stream, buffer, timeout, receiver, .. } = self;
        let has_read = receiver.is_open() && buffer.read_rest(stream, timeout);
        if !has_read {
            receiver.recv_error();
        }
        has_read
    }

    fn read_for(&mut self, wait: Option<Duration>, now: Duration) -> io::Result<()> {
        let Self { stream, buffer, timeout, .. } = self;
        let bound = timeout.bound(wait, |timeout| stream.set_read_timeout(timeout));
        match bound.and_then(|()| stream.read(buffer.space())) {
            Ok(0) => match self.shared.lock().sender.lost() {
                // We ended the stream ourselves.
                Some(error) => self.receiver.lose(error),
                None => self.receiver.recv_eof(),
            },
            Ok(n) => buffer.filled(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_later(&error) => {
                self.reads_first = 0;
                self.late.nothing_left();
                let after = self.shared.clock.now();
                if after.saturating_sub(now) < AT_ONCE && wait.is_none_or(|wait| wait >= AT_ONCE) {
                    return Err(error);
                }
                self.timeout.expire();
            }
            Err(error) => self.lost(error)?,
        }
        Ok(())
    }

    /// Handles a failed read: the connection was given up, or the stream is broken.
    fn lost(&mut self, error: io::Error) -> io::Result<()> {
        let mut writing = self.shared.lock();
        if writing.given_up {
            if let Some(error) = writing.sender.lost() {
                self.receiver.lose(error);
            }
            return Ok(());
        }
        writing.give_up(error.kind());
        writing.abort_if_given_up(&mut self.stream);
        drop(writing);
        self.broken(error)
    }

    /// Returns an error unless the connection was over.
    fn broken(&mut self, error: io::Error) -> io::Result<()> {
        self.receiver.recv_error();
        // The event would report the same error again.
        match self.receiver.recv(&mut Input::new(&mut [])) {
            Some(_) => Err(error),
            None => Ok(()),
        }
    }
}

/// The events of one read; see [`ReadHalf::read`].
#[derive(Debug)]
pub struct ReadBatch<'b, S> {
    receiver: &'b mut Receiver,
    input: Input<'b>,
    unread: &'b mut Unread,
    fresh: &'b mut bool,
    ending: &'b mut Ending,
    shared: &'b Shared<S>,
}

impl<'b, S> ReadBatch<'b, S> {
    /// Returns the next event, which borrows from the read buffer; `None` after the last one.
    pub fn recv(&mut self) -> Option<Event<'b>> {
        self.next(Receiver::recv)
    }

    /// Returns the next event, with message data in pieces; see [`Connection::recv_chunk`].
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        self.next(Receiver::recv_chunk)
    }

    fn next(
        &mut self,
        recv: impl FnOnce(&mut Receiver, &mut Input<'b>) -> Option<Event<'b>>,
    ) -> Option<Event<'b>> {
        let event = recv(self.receiver, &mut self.input);
        self.unread.left(&self.input);
        *self.fresh = event.is_some() && !self.input.is_empty();
        self.ending.note(event.as_ref());
        self.shared.note(self.receiver);
        event
    }

    /// Queues a message; the next read, or the next write of the other half, writes it.
    ///
    /// # Errors
    /// [`SendError`] if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.shared.lock().sender.send(message)
    }
}

impl<S: Transport> WriteHalf<S> {
    /// Sends a message. Blocks until the stream has taken it, or a deadline ends the connection, which the
    /// [`ReadHalf`] reports.
    ///
    /// # Errors
    /// A [`SendError`], as an [`io::Error`], if the message cannot be sent: its `get_ref` downcasts to
    /// `SendError`, and its kind is `NotConnected` if the connection is closing or closed, and on a
    /// non-blocking stream `WouldBlock` if the output is full. Otherwise errors of the stream.
    pub fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        self.queue(|sender| sender.send(message))
    }

    send_methods!();

    /// Starts the closing handshake, if it has not begun, and writes as much of the Close as the stream takes
    /// now. A separate thread writes the rest, and the [`ReadHalf`] completes the handshake.
    ///
    /// # Errors
    /// Errors of the stream.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()>
    where
        S: Send + 'static,
    {
        // A connection that is already closing is what the caller wants.
        let _ = self.shared.lock().sender.close(code, reason);
        let is_written = matches!(self.shared.write(Some(NOW), false)?, Written::All);
        if !is_written && self.closing.is_none() {
            // A waiting reader cannot be woken for this, and one that is writing may stop.
            let shared = Arc::clone(&self.shared);
            // The reader gets its errors.
            self.closing = Some(thread::Builder::new().spawn(move || drop(shared.write(None, true)))?);
        }
        Ok(())
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`] if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.shared.lock().sender.send(message)
    }

    /// Writes all waiting output.
    ///
    /// # Errors
    /// Errors of the stream, or a [`ProtocolError`], as an [`io::Error`], if the peer was given up; behind its Close, another
    /// that says why not everything was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        let writing = self.shared.lock();
        let lost = writing.sender.lost().map(io::Error::from);
        lost.or(writing.cut.map(io::Error::from)).map_or(Ok(()), Err)
    }

    /// Writes all waiting output, unless the peer is given up, which the [`ReadHalf`] reports.
    fn write_out(&mut self) -> io::Result<()> {
        match self.shared.write(None, true)? {
            Written::Blocked(error) => Err(error),
            Written::All | Written::Elsewhere => Ok(()),
        }
    }

    /// Returns `true` if messages can be sent: neither side has begun to close, and the connection has not
    /// failed.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
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

    fn queue(&mut self, mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
        let mut is_blocked = false;
        loop {
            let mut writing = self.shared.lock();
            match queue(&mut writing.sender) {
                // Of answers, and of what was fed.
                Err(SendError::OutputFull) if !is_blocked => {}
                queued => break queued?,
            }
            drop(writing);
            is_blocked = matches!(self.shared.write(None, true)?, Written::Blocked(_));
        }
        later_is_fine(self.write_out())
    }
}
