//! [`ReadHalf`] and [`WriteHalf`]: one connection in two threads.
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
//! The lock is never held while a stream blocks: a thread that writes takes [`Out`], the writing side of the stream,
//! with it, and writes all that waits, the other's bytes too. So a reader answers pings while the writer is blocked,
//! and is never blocked by it.
//!
//! | who | sets | wakes |
//! |---|---|---|
//! | reader: notice with a reply (Ping, Close, failure) | output, perhaps the end | nobody: it writes, or the thread that has `Out` does |
//! | reader: notice without | deadlines, which only move away | nobody |
//! | writer: message, Ping | output | nobody: it writes, or the thread that has `Out` does |
//! | writer: `close` | output, and a deadline | nobody: a reader that waits looks again within `close_timeout`, and what the stream does not take now is written by a thread of its own |
//! | who brings `Out` back | room in the output | who waits for `Out`, by `returned` |
//! | who finds that a deadline has passed, or that the stream is broken | `given_up` in `Writing` | both, by [`Transport::abort`], once |

mod shared;

use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::sync::{Arc, PoisonError};
use std::thread;

use self::shared::{Shared, Writing, Written};
use super::buffer::{Buffer, note};
use super::driver::{Driver, READS_FIRST, TURN};
use super::pipe::{NOW, Pipe};
use super::time::{AT_ONCE, Timeout, earlier, is_later, later_is_fine};
use super::{Transport, WebSocket};
use crate::adapter::{reunited, send_methods};
use crate::connection::{Connection, EncodedMessage, Event, Message, Receiver, Sender, State, Unread};
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame};
use crate::input::Input;

impl<S: Transport> WebSocket<S> {
    /// The two halves of a blocking stream, for two threads, each with a handle of the stream.
    ///
    /// ```no_run
    /// # fn run(ws: sansocket::net::WebSocket<std::net::TcpStream>) -> std::io::Result<()> {
    /// let (mut reader, mut writer) = ws.into_split()?;
    /// std::thread::spawn(move || writer.send_text("from another thread"));
    /// while let Some(event) = reader.recv()? {
    ///     println!("{event:?}");
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

    /// The two halves of a blocking stream, of which `writing` is a second handle.
    pub fn into_split_with(self, writing: S) -> (ReadHalf<S>, WriteHalf<S>) {
        let Driver { mut pipe, mut endpoint, buffer, .. } = self.driver;
        pipe.forget_unflushed(&mut endpoint);
        let (receiver, sender) = endpoint.split();
        let shared = Arc::new(Shared::new(sender, writing, pipe.shut_down, pipe.clock));
        let reader = ReadHalf {
            stream: pipe.stream,
            timeout: pipe.reading,
            receiver,
            buffer,
            close_frame: self.close_frame,
            reads_first: 0,
            shared: Arc::clone(&shared),
        };
        (reader, WriteHalf { shared, closing: None })
    }

    /// Puts two halves together again, after writing what one of them has begun to write.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if they are not of one connection; otherwise the stream's.
    pub fn reunite(reader: ReadHalf<S>, mut writer: WriteHalf<S>) -> io::Result<Self> {
        if Arc::ptr_eq(&reader.shared, &writer.shared) {
            writer.flush()?;
        }
        if let Some(closing) = writer.closing {
            // It panics only if the stream does.
            let _ = closing.join();
        }
        let ReadHalf { stream, receiver, buffer, close_frame, shared, .. } = reader;
        let Shared { writing, clock, .. } = reunited(shared, writer.shared)?;
        let Writing { sender, out, aborted, .. } =
            writing.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut pipe = Pipe::new(stream, clock);
        pipe.shut_down = aborted || out.is_some_and(|out| out.shut_down);
        let endpoint = Connection::reunite(receiver, sender);
        Ok(Self { close_frame, ..Self::over(Driver::over(pipe, endpoint, buffer)) })
    }
}

/// The half of a [`WebSocket`] that receives, in a thread of its own.
///
/// It also answers pings and Closes, watches the deadlines and ends the transport, all of that inside
/// [`recv`](Self::recv): go on until it returns `None`. When it is dropped, pings stay unanswered and deadlines are
/// watched only while the [`WriteHalf`] writes.
#[derive(Debug)]
pub struct ReadHalf<S> {
    stream: S,
    timeout: Timeout,
    receiver: Receiver,
    buffer: Buffer,
    close_frame: Option<Box<CloseFrame>>,
    /// How often it is read before the next write, as the stream took nothing more.
    reads_first: u8,
    shared: Arc<Shared<S>>,
}

/// The half of a [`WebSocket`] that sends, in a thread of its own.
///
/// When it is dropped, nothing more can be sent, and the [`ReadHalf`] goes on answering. The peer is not told:
/// [`close`](Self::close) does that.
#[derive(Debug)]
pub struct WriteHalf<S> {
    shared: Arc<Shared<S>>,
    /// Writes a Close that did not fit at once.
    closing: Option<thread::JoinHandle<()>>,
}

impl<S: Transport> ReadHalf<S> {
    /// The next event; `None` when the connection is over and the transport ended. See [`WebSocket::recv`].
    ///
    /// A reply is written as far as the stream takes it now; the rest, with what arrives next.
    ///
    /// # Errors
    /// The stream's.
    pub fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        while !self.receiver.is_whole(self.buffer.unread()) {
            let Self { receiver, buffer, .. } = self;
            let event = buffer.recv(|input| receiver.recv(input).map(Event::into_owned));
            if event.is_some() {
                note(&mut self.close_frame, event.as_ref());
                self.shared.carry(&mut self.receiver);
                return Ok(event);
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
        let Self { receiver, buffer, .. } = self;
        let event = buffer.recv(|input| receiver.recv(input));
        self.shared.carry(receiver);
        Ok(event)
    }

    /// The next event, with data piece by piece; see [`WebSocket::recv_chunk`].
    ///
    /// # Errors
    /// The stream's.
    pub fn recv_chunk(&mut self) -> io::Result<Option<Event<'_>>> {
        loop {
            let Self { receiver, buffer, .. } = self;
            let event = buffer.recv(|input| receiver.recv_chunk(input).map(Event::into_owned));
            if event.is_some() {
                note(&mut self.close_frame, event.as_ref());
                self.shared.carry(&mut self.receiver);
                return Ok(event);
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// What the peer's Close said, once it was received; `None` if it said nothing.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
    }

    /// This half's handle of the stream.
    pub fn stream(&self) -> &S {
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

    /// Writes what is waiting, then reads once: all that this brought is in the [`ReadBatch`]. `None` when the
    /// connection is over and the transport ended. See [`WebSocket::read`].
    ///
    /// ```no_run
    /// # use sansocket::net::{ReadHalf, WriteHalf};
    /// # use std::net::TcpStream;
    /// # fn echo(mut reader: ReadHalf<TcpStream>) -> std::io::Result<()> {
    /// use sansocket::Event;
    /// while let Some(mut batch) = reader.read()? {
    ///     while let Some(event) = batch.recv() {
    ///         if let Event::Message(message) = event {
    ///             batch.feed(&message)?; // holding the message while sending is fine
    ///         }
    ///     }
    /// } // all answers are written at once, by the next `read`
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The stream's.
    pub fn read(&mut self) -> io::Result<Option<ReadBatch<'_, S>>> {
        if !self.fill()? {
            return Ok(None);
        }
        let Self { receiver, buffer, close_frame, shared, .. } = self;
        let (input, unread, fresh) = buffer.lend();
        Ok(Some(ReadBatch { receiver, input, unread, fresh, close_frame, shared }))
    }

    /// Receives and drops what still arrives until the connection is over.
    ///
    /// # Errors
    /// The stream's.
    pub fn finish(&mut self) -> io::Result<()> {
        while self.recv()?.is_some() {}
        Ok(())
    }

    /// Reads until there is something to receive: bytes, or last words. `false`: it is over.
    fn fill(&mut self) -> io::Result<bool> {
        while !self.buffer.fresh {
            let now = self.shared.clock.now();
            let mut writing = self.shared.lock();
            writing.sender.notice(self.receiver.take_notice());
            writing.tick(now);
            writing.abort_if_given_up(&mut self.stream);
            if let Some(error) = writing.sender.lost() {
                self.receiver.lose(error);
            }
            let wants_read = self.receiver.wants_read() && writing.sender.wants_read();
            drop(writing);
            if self.receiver.has_last_words() {
                break;
            }
            // Who cannot read waits for the writing; who can does not, as the peer may be waiting for that: see
            // `Driver::wait`.
            if self.reads_first == 0 || !wants_read {
                match self.shared.write(wants_read.then_some(TURN), !wants_read) {
                    Ok(Written::Blocked(_)) => self.reads_first = READS_FIRST,
                    Ok(Written::All | Written::Elsewhere) => {}
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
                continue;
            }
            let due = writing.sender.next_timeout();
            // The writer may start the deadline for closing while this one waits.
            let look_again = (Arc::strong_count(&self.shared) > 1 && writing.sender.state() == State::Open)
                .then(|| writing.sender.close_timeout());
            drop(writing);
            let now = self.shared.clock.now();
            let wait = earlier(due.map(|due| due.saturating_sub(now)), look_again);
            self.read_for(earlier(wait, is_blocked.then_some(TURN)), now)?;
        }
        Ok(true)
    }

    fn read_for(&mut self, wait: Option<Duration>, now: Duration) -> io::Result<()> {
        let Self { stream, buffer, .. } = self;
        self.timeout.bound(wait, |timeout| stream.set_read_timeout(timeout))?;
        match stream.read(buffer.space()) {
            Ok(0) => match self.shared.lock().sender.lost() {
                // That was our own end of it.
                Some(error) => self.receiver.lose(error),
                None => self.receiver.recv_eof(),
            },
            Ok(n) => buffer.filled(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_later(&error) => {
                self.reads_first = 0;
                let after = self.shared.clock.now();
                if after.saturating_sub(now) < AT_ONCE && wait.is_none_or(|wait| wait >= AT_ONCE) {
                    return Err(error);
                }
                self.timeout.is_over();
            }
            Err(error) => self.lost(error)?,
        }
        Ok(())
    }

    /// A read failed: because the connection was given up, or the stream is broken.
    fn lost(&mut self, error: io::Error) -> io::Result<()> {
        let mut writing = self.shared.lock();
        if writing.given_up {
            if let Some(error) = writing.sender.lost() {
                self.receiver.lose(error);
            }
            return Ok(());
        }
        writing.give_up();
        writing.abort_if_given_up(&mut self.stream);
        drop(writing);
        self.broken(error)
    }

    /// An error, unless the connection was over.
    fn broken(&mut self, error: io::Error) -> io::Result<()> {
        self.receiver.recv_error();
        // The event says the same once more.
        match self.receiver.recv(&mut Input::new(&mut [])) {
            Some(_) => Err(error),
            None => Ok(()),
        }
    }
}

/// What one read brought; see [`ReadHalf::read`].
#[derive(Debug)]
pub struct ReadBatch<'b, S> {
    receiver: &'b mut Receiver,
    input: Input<'b>,
    unread: &'b mut Unread,
    fresh: &'b mut bool,
    close_frame: &'b mut Option<Box<CloseFrame>>,
    shared: &'b Shared<S>,
}

impl<'b, S> ReadBatch<'b, S> {
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
        let event = recv(self.receiver, &mut self.input);
        self.unread.left(&self.input);
        *self.fresh = event.is_some() && !self.input.is_empty();
        note(self.close_frame, event.as_ref());
        if self.receiver.has_reply() {
            self.shared.lock().sender.notice(self.receiver.take_notice());
        }
        event
    }

    /// Queues a message; the next call of either half writes it.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.shared.lock().sender.send(message)
    }
}

impl<S: Transport> WriteHalf<S> {
    /// Sends a message; blocks until the stream has taken it, or a deadline ends the connection, which the
    /// [`ReadHalf`] reports.
    ///
    /// # Errors
    /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's.
    pub fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        self.queue(|sender| sender.send(message))
    }

    send_methods!();

    /// Starts the closing handshake, if it has not begun, and writes the Close as far as the stream takes it now; a
    /// thread for the purpose writes the rest. The [`ReadHalf`] finishes it.
    ///
    /// # Errors
    /// The stream's.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()>
    where
        S: Send + 'static,
    {
        // Closing already is what was asked for.
        let _ = self.shared.lock().sender.close(code, reason);
        if let Written::Blocked(_) = self.shared.write(Some(NOW), false)? {
            // A reader that is waiting cannot be woken for it.
            let shared = Arc::clone(&self.shared);
            // Its errors come to the reader.
            let closing = thread::Builder::new().spawn(move || drop(shared.write(None, true)))?;
            self.closing.get_or_insert(closing);
        }
        Ok(())
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.shared.lock().sender.send(message)
    }

    /// Writes all that is waiting.
    ///
    /// # Errors
    /// The stream's.
    pub fn flush(&mut self) -> io::Result<()> {
        match self.shared.write(None, true)? {
            Written::Blocked(error) => Err(error),
            Written::All | Written::Elsewhere => Ok(()),
        }
    }

    /// Whether messages can be sent: until either end closes, or the connection fails.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
    }

    /// Where the connection is in its life.
    pub fn state(&self) -> State {
        self.shared.lock().sender.state()
    }

    /// The round-trip time of the last Ping of the keepalive; see [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.shared.lock().sender.latency()
    }

    fn queue(&mut self, queue: impl FnOnce(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
        queue(&mut self.shared.lock().sender)?;
        later_is_fine(self.flush())
    }
}
