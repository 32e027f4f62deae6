//! [`ReadHalf`] and [`WriteHalf`]: one connection in two threads.
//!
//! Both halves queue under a lock that is never held while a stream blocks: whoever writes takes the stream
//! out, and the other leaves its bytes to it. So a reader answers pings while the writer is blocked, and is
//! never blocked by it.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::vec::Vec;

use super::{Transport, WebSocket, is_later};
use crate::adapter::{lost_halves, receiver_eof, reply, reunited, send_methods, sender_timeout};
use crate::connection::{Connection, EncodedMessage, Event, Message, Receiver, Sender};
use crate::error::SendError;
use crate::frame::CloseCode;
use crate::input::Input;

impl WebSocket<TcpStream> {
    /// The two halves, for two threads, each with a handle of the stream.
    ///
    /// ```no_run
    /// # fn run(ws: sansocket::net::WebSocket<std::net::TcpStream>) -> std::io::Result<()> {
    /// let (mut reader, mut writer) = ws.split()?;
    /// std::thread::spawn(move || writer.send_text("from another thread"));
    /// while let Some(event) = reader.recv()? {
    ///     println!("{event:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`TcpStream::try_clone`].
    pub fn split(self) -> io::Result<(ReadHalf<TcpStream>, WriteHalf<TcpStream>)> {
        let writing = self.stream.try_clone()?;
        Ok(self.split_with(writing))
    }
}

impl<S: Transport> WebSocket<S> {
    /// The two halves of a blocking stream, of which `writing` is a second handle. Not for TLS, whose
    /// directions cannot be separated.
    pub fn split_with(self, writing: S) -> (ReadHalf<S>, WriteHalf<S>) {
        let (receiver, sender) = self.connection.split();
        let writing = Writing { sender, stream: Some(writing), shut_down: self.shut_down };
        let shared = Arc::new(Shared { writing: Mutex::new(writing), returned: Condvar::new() });
        let reader = ReadHalf {
            stream: self.stream,
            receiver,
            buf: self.buf,
            start: self.start,
            end: self.end,
            began: self.began,
            before: self.before,
            stream_timeout: self.stream_timeout,
            active: false,
            shared: Arc::clone(&shared),
        };
        (reader, WriteHalf { shared })
    }

    /// Puts two halves together again.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if they are not of one connection.
    pub fn reunite(reader: ReadHalf<S>, writer: WriteHalf<S>) -> io::Result<Self> {
        let shared = reunited(reader.shared, writer.shared)?;
        let writing = shared.writing.into_inner().unwrap_or_else(PoisonError::into_inner);
        let connection = Connection::reunite(reader.receiver, writing.sender);
        let mut ws = Self::new(reader.stream, connection, reader.buf, reader.start, reader.end);
        (ws.shut_down, ws.stream_timeout) = (writing.shut_down, reader.stream_timeout);
        Ok(ws)
    }
}

/// The half of a [`WebSocket`] that receives, in a thread of its own.
///
/// It also answers pings and Closes, watches the deadlines and ends the transport, all of that inside
/// [`recv`](Self::recv): go on until it returns `None`. When it is dropped, pings stay unanswered and no
/// deadline is watched; the [`WriteHalf`] can still send.
#[derive(Debug)]
pub struct ReadHalf<S> {
    stream: S,
    receiver: Receiver,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    began: Instant,
    before: Duration,
    stream_timeout: Option<Option<Duration>>,
    /// Whether a message has arrived since the sender was told last.
    active: bool,
    shared: Arc<Shared<S>>,
}

/// The half of a [`WebSocket`] that sends, in a thread of its own.
///
/// When it is dropped, nothing more can be sent, and the [`ReadHalf`] goes on answering. The peer is not told:
/// [`close`](Self::close) does that.
#[derive(Debug)]
pub struct WriteHalf<S> {
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    writing: Mutex<Writing<S>>,
    /// The stream is back in its place.
    returned: Condvar,
}

#[derive(Debug)]
struct Writing<S> {
    sender: Sender,
    /// `None` while one of the halves writes; it goes on until nothing is waiting.
    stream: Option<S>,
    shut_down: bool,
}

impl<S: Transport> ReadHalf<S> {
    /// The next event; `None` when the connection is over and the transport ended. See [`WebSocket::recv`].
    ///
    /// A reply blocks only if the stream takes nothing more and the other half is not writing.
    ///
    /// # Errors
    /// The stream's.
    pub fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        while !self.receiver.is_whole(&self.buf[self.start..self.end]) {
            let mut input = Input::new(&mut self.buf[self.start..self.end]);
            let event = self.receiver.recv(&mut input).map(Event::into_owned);
            self.start = self.end - input.len();
            if let Some(event) = event {
                self.active |= matches!(event, Event::Message(_));
                self.shared.reply_to(&event);
                return Ok(Some(event));
            }
            if let Some(event) = self.fill()? {
                return Ok(Some(event));
            }
            if self.start == self.end {
                return Ok(None);
            }
        }
        let mut input = Input::new(&mut self.buf[self.start..self.end]);
        let event = self.receiver.recv(&mut input);
        self.start = self.end - input.len();
        self.active = true;
        if let Some(event) = &event {
            self.shared.reply_to(event);
        }
        Ok(event)
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
        let mut event = None;
        if self.start == self.end {
            event = self.fill()?;
            if event.is_none() && self.start == self.end {
                return Ok(None);
            }
        }
        let Self { receiver, start, end, active, shared, .. } = self;
        let input = Input::new(&mut self.buf[*start..*end]);
        Ok(Some(ReadBatch { receiver, input, start, end: *end, event, active, shared }))
    }

    /// Reads until there are bytes or something else to report; neither: it is over.
    fn fill(&mut self) -> io::Result<Option<Event<'static>>> {
        loop {
            self.shared.write(false).or_else(|error| self.lost(error))?;
            let now = self.before.saturating_add(self.began.elapsed());
            let due = {
                let mut writing = self.shared.lock();
                if self.active {
                    self.active = false;
                    writing.sender.heard(true);
                }
                if writing.sender.next_timeout().is_some()
                    && let Some(lost) = sender_timeout(&mut writing.sender, now)
                {
                    self.receiver.finish();
                    return Ok(Some(lost));
                }
                if writing.sender.is_ended() {
                    return Ok(None);
                }
                writing.sender.next_timeout()
            };
            // The other half may start a deadline while this one waits: it looks again every now and then.
            let wait = due.map_or(TICK, |due| due.saturating_sub(now).min(TICK));
            let timeout = Some(wait + Duration::from_millis(1));
            if self.stream_timeout != Some(timeout) {
                self.stream.set_read_timeout(timeout)?;
                self.stream_timeout = Some(timeout);
            }
            match self.stream.read(&mut self.buf) {
                Ok(0) => {
                    let event = receiver_eof(&mut self.receiver);
                    self.shared.lock().sender.end();
                    if event.is_some() {
                        // The peer may be waiting for our end. A stream that is broken will say so again.
                        let _ = self.shared.write(false);
                        return Ok(event);
                    }
                }
                Ok(n) => {
                    (self.start, self.end) = (0, n);
                    self.shared.lock().sender.heard(false);
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted || is_later(&error) => {}
                Err(error) => self.lost(error)?,
            }
        }
    }

    /// The stream is broken: an error, unless everything had been said.
    fn lost(&mut self, error: io::Error) -> io::Result<()> {
        lost_halves(&mut self.receiver, &mut self.shared.lock().sender, error)
    }
}

/// What one read brought; see [`ReadHalf::read`].
///
/// Receive until `None`: that the connection was lost is said once, and not again if this is dropped before.
#[derive(Debug)]
pub struct ReadBatch<'b, S> {
    receiver: &'b mut Receiver,
    input: Input<'b>,
    /// Where `input` begins in its buffer, and where it ends.
    start: &'b mut usize,
    end: usize,
    /// What happened instead of bytes.
    event: Option<Event<'static>>,
    active: &'b mut bool,
    shared: &'b Shared<S>,
}

impl<'b, S> ReadBatch<'b, S> {
    /// The next event, borrowing from the read buffer; `None`: that was all.
    pub fn recv(&mut self) -> Option<Event<'b>> {
        let event = self.receiver.recv(&mut self.input);
        *self.start = self.end - self.input.len();
        let Some(event) = event else { return self.event.take() };
        *self.active |= matches!(event, Event::Message(_));
        if let Some(notice) = reply(&event) {
            self.shared.lock().sender.notice(notice);
        }
        Some(event)
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
    /// Sends a message; blocks until the stream has taken it.
    ///
    /// # Errors
    /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's.
    pub fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        self.queue(|sender| sender.send(message))
    }

    send_methods!();

    /// Starts the closing handshake, which the [`ReadHalf`] finishes.
    ///
    /// # Errors
    /// See [`send`](Self::send).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        self.queue(|sender| sender.close(code, reason))
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
        self.shared.write(true)
    }

    fn queue(&mut self, queue: impl FnOnce(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
        queue(&mut self.shared.lock().sender)?;
        self.flush()
    }
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Writing<S>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Transport> Shared<S> {
    /// Writes the reply to an event, if it asks for one.
    fn reply_to(&self, event: &Event<'_>) {
        if let Some(notice) = reply(event) {
            self.lock().sender.notice(notice);
            // A stream that is broken will say so again.
            let _ = self.write(false);
        }
    }

    /// Writes what is waiting, and ends the writing side when that is all. If the other half is at it, it
    /// does this as well: `wait` until then, or return at once.
    fn write(&self, wait: bool) -> io::Result<()> {
        let mut writing = self.lock();
        let mut stream = loop {
            match writing.stream.take() {
                Some(stream) => break stream,
                None if !wait => return Ok(()),
                None => writing = self.returned.wait(writing).unwrap_or_else(PoisonError::into_inner),
            }
        };
        let mut result = Ok(());
        while result.is_ok()
            && let Some(segment) = writing.sender.take_output()
        {
            drop(writing);
            result = stream.write_all(segment.as_ref()).and_then(|()| stream.flush());
            writing = self.lock();
            writing.sender.output_written(segment.len());
        }
        if result.is_ok() && writing.sender.should_shutdown() && !writing.shut_down {
            writing.shut_down = true;
            result = stream.shutdown_write();
        }
        writing.stream = Some(stream);
        drop(writing);
        self.returned.notify_all();
        result
    }
}

/// How often a waiting reader looks for a new deadline.
const TICK: Duration = Duration::from_millis(500);
