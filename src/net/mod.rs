//! WebSockets over the standard library's streams (feature `net`).
//!
//! A thin adapter: it moves bytes between a stream and a [`Connection`], and no rule of the protocol lives in it.

mod client_stream;
mod connect;
mod handshake;
mod split;
mod transport;

use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::time::Instant;
use std::vec::Vec;

pub use client_stream::ClientStream;
#[cfg(feature = "rustls")]
pub use connect::connect_tls;
pub use connect::{connect, connect_with};
pub use handshake::{Accepting, Answering, Connecting, Http, Incoming, Step, Upgrade, accept, client};
pub use split::{ReadBatch, ReadHalf, WriteHalf};
pub use transport::{Stream, Transport};

pub use crate::adapter::{Batch, Error};
use crate::adapter::{DIRECT_FROM, eof, lost, send_methods, timeout};
use crate::connection::{Connection, EncodedMessage, Event, Message};
pub use crate::endpoint::ConnectOptions;
use crate::error::SendError;
use crate::frame::CloseCode;
use crate::input::Input;

/// A WebSocket over a stream, blocking or not.
///
/// * [`recv`](Self::recv) returns one event at a time; a message is borrowed from the read buffer where possible.
/// * [`read`](Self::read) returns all that one read brought, to be answered with one write: the fastest way.
/// * [`send`](Self::send) writes at once; [`feed`](Self::feed) leaves that to the next `flush`, `recv` or `read`.
///
/// Both ways of reading also write what is waiting, answer pings, send pings in time, and end the transport
/// in the right order once the connection is over: go on until they return `None`.
///
/// What a peer does wrong is never an error of these methods but an [`Event::Failed`].
///
/// The stream's read timeout belongs to the WebSocket: [`set_read_timeout`](Self::set_read_timeout).
///
/// On a stream that does not block, `WouldBlock` is an error of [`recv`](Self::recv), [`read`](Self::read)
/// and [`flush`](Self::flush) that means "later" and loses nothing; a message that was sent is queued
/// whatever the stream does.
#[derive(Debug)]
pub struct WebSocket<S> {
    stream: S,
    connection: Connection,
    /// What was read: `buf[start..end]` has not been given to the connection yet.
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// When this WebSocket began, and what the connection's timers showed then.
    began: Instant,
    before: Duration,
    /// The caller's own, and what the stream was last told, if that is known.
    read_timeout: Option<Duration>,
    stream_timeout: Option<Option<Duration>>,
    shut_down: bool,
}

impl<S: Transport> WebSocket<S> {
    /// A WebSocket over `stream`, whose opening handshake led to `connection`; `unread` is what was read
    /// behind it.
    ///
    /// The other way round: [`into_parts`](Self::into_parts).
    pub fn from_parts(stream: S, connection: Connection, unread: Vec<u8>) -> Self {
        let end = unread.len();
        let mut buf = unread;
        buf.resize(end.max(READ_BUFFER), 0);
        Self::new(stream, connection, buf, 0, end)
    }

    fn new(stream: S, connection: Connection, buf: Vec<u8>, start: usize, end: usize) -> Self {
        Self {
            stream,
            began: Instant::now(),
            before: connection.now(),
            connection,
            buf,
            start,
            end,
            read_timeout: None,
            stream_timeout: None,
            shut_down: false,
        }
    }

    /// The stream, without a read timeout, the connection with its output, and what was read but not yet
    /// looked at.
    pub fn into_parts(mut self) -> (S, Connection, Vec<u8>) {
        if self.stream_timeout.is_some() {
            // A stream that cannot do so will say what is wrong with it when it is read.
            let _ = self.stream.set_read_timeout(None);
        }
        self.buf.truncate(self.end);
        self.buf.drain(..self.start);
        (self.stream, self.connection, self.buf)
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection, for everything else that it can do; what it has to say is written by the next call.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Sets how many bytes are read at a time. Default: 16 KiB. 64 KiB can double the throughput over TCP.
    pub fn set_read_buffer(&mut self, bytes: usize) {
        self.buf.resize(bytes.max(self.end).max(1), 0);
    }

    /// Sets how long [`recv`](Self::recv) and [`read`](Self::read) wait on a blocking stream before they
    /// return `WouldBlock`. Default: forever. (A timeout for writing is the stream's own.)
    ///
    /// Zero counts as a millisecond: for the system's own streams it would be an error.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
    }

    /// The next event; `None` when the connection is over and the transport ended.
    ///
    /// A failure is an event as well, [`Event::Failed`], and the Close that tells the peer has been written.
    /// The event borrows from the WebSocket: to send while holding a message, use [`read`](Self::read), or
    /// [`Event::into_owned`] first.
    ///
    /// # Errors
    /// The stream's. `WouldBlock` loses nothing.
    pub fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        // Only a message that lies whole in the buffer is borrowed; that is known before, as a loop cannot
        // return a borrow.
        while !self.connection.is_whole(&self.buf[self.start..self.end]) {
            let mut input = Input::new(&mut self.buf[self.start..self.end]);
            let event = self.connection.recv(&mut input).map(Event::into_owned);
            self.start = self.end - input.len();
            let event = match event {
                Some(event) => event,
                None => match self.fill()? {
                    Filled::Bytes => continue,
                    Filled::Event(event) => event,
                    Filled::Over => return Ok(None),
                },
            };
            if event.close_code().is_some() {
                // Nobody who stops here may cost the peer our Close. A stream that is broken will say so again.
                let _ = self.flush();
            }
            return Ok(Some(event));
        }
        let mut input = Input::new(&mut self.buf[self.start..self.end]);
        let event = self.connection.recv(&mut input);
        self.start = self.end - input.len();
        if let Some(Event::Failed(_)) = event {
            let _ = write_output(&mut self.stream, &mut self.connection);
        }
        Ok(event)
    }

    /// Writes what is waiting, then reads once: all that this brought is in the [`Batch`]. `None` when the
    /// connection is over and the transport ended.
    ///
    /// ```no_run
    /// # fn echo(mut ws: sansocket::net::WebSocket<std::net::TcpStream>) -> std::io::Result<()> {
    /// use sansocket::Event;
    /// while let Some(mut batch) = ws.read()? {
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
    /// The stream's. `WouldBlock` loses nothing.
    pub fn read(&mut self) -> io::Result<Option<Batch<'_>>> {
        let mut event = None;
        if self.start == self.end {
            match self.fill()? {
                Filled::Bytes => {}
                Filled::Event(last) => event = Some(last),
                Filled::Over => return Ok(None),
            }
        }
        let input = Input::new(&mut self.buf[self.start..self.end]);
        Ok(Some(Batch::new(&mut self.connection, input, &mut self.start, event)))
    }

    /// Sends a message and writes it, or as much of it as the stream takes now; the rest goes with the next call.
    ///
    /// A server's large payload is written from where it is, without a copy.
    ///
    /// It does not read: whoever sends a lot on a blocking stream and never receives can block against a peer
    /// that answers, and learns that the peer has closed only from [`recv`](Self::recv).
    /// [`split`](WebSocket::split) is for doing both at once.
    ///
    /// # Errors
    /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's, but never
    /// `WouldBlock`.
    pub fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        let payload = message.as_bytes();
        if payload.len() < DIRECT_FROM || !self.connection.sender().sends_as_is(payload.len()) {
            self.feed(message)?;
            return self.flush_now();
        }
        self.connection.send_header(message.kind(), payload.len())?;
        self.write_owed(payload)
    }

    send_methods!();

    /// Starts the closing handshake, if it has not begun. Then receive on until `None`: messages may still be
    /// on their way.
    ///
    /// # Errors
    /// The stream's, but never `WouldBlock`.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        match self.connection.close(code, reason) {
            Ok(()) | Err(SendError::Closed) => self.flush_now(),
            Err(error) => Err(error.into()),
        }
    }

    fn queue(&mut self, queue: impl FnOnce(&mut Connection) -> Result<(), SendError>) -> io::Result<()> {
        queue(&mut self.connection)?;
        self.flush_now()
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.connection.send(message)
    }

    /// Writes all that is waiting.
    ///
    /// # Errors
    /// The stream's. `WouldBlock` loses nothing.
    pub fn flush(&mut self) -> io::Result<()> {
        write_output(&mut self.stream, &mut self.connection)?;
        flushed(&mut self.stream)
    }

    /// Writes what the stream takes now.
    fn flush_now(&mut self) -> io::Result<()> {
        later_is_fine(self.flush())
    }

    /// Writes a payload from where it is, behind the output; what the stream does not take now is copied.
    fn write_owed(&mut self, payload: &[u8]) -> io::Result<()> {
        loop {
            let owed = usize::try_from(self.connection.payload_owed()).unwrap_or(0).min(payload.len());
            if owed == 0 {
                return self.flush_now();
            }
            let rest = &payload[payload.len() - owed..];
            let output = self.connection.output();
            // The payload comes behind all of the output.
            let behind = if output.len() == self.connection.output_len() { rest } else { &[] };
            match written(self.stream.write_vectored(&[IoSlice::new(output), IoSlice::new(behind)])) {
                Ok(n) => self.connection.output_written(n),
                Err(error) => {
                    self.connection.buffer_payload(rest);
                    return later_is_fine(Err(error));
                }
            }
        }
    }

    /// Writes what is waiting and reads until there is something to report; ends the transport when that is all.
    fn fill(&mut self) -> io::Result<Filled> {
        while !self.connection.is_ended() {
            let blocked = self.write_on()?;
            // A stream with buffers of its own, such as TLS, may hold our last words although the output is empty.
            if blocked.is_none() {
                self.end_writing()?;
            }
            if let Some(event) = self.tick()? {
                return Ok(Filled::Event(event));
            }
            // A deadline, or a stream that broke when all had been said, may have ended the connection
            // without an event.
            if self.connection.is_ended() {
                break;
            }
            // While too much is waiting to be written, nothing is read.
            if let Some(error) = blocked.filter(|_| !self.connection.wants_read()) {
                return Err(error);
            }
            match self.stream.read(&mut self.buf) {
                Ok(0) => {
                    let event = eof(&mut self.connection);
                    // The peer may be waiting for our end, and this WebSocket may be kept for long.
                    self.end_writing()?;
                    if let Some(event) = event {
                        return Ok(Filled::Event(event));
                    }
                }
                Ok(n) => {
                    (self.start, self.end) = (0, n);
                    return Ok(Filled::Bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // One of the connection's own deadlines may have ended the wait.
                Err(error) if is_later(&error) => match self.connection.next_timeout() {
                    Some(due) if due <= self.now() => {}
                    _ => return Err(error),
                },
                Err(error) => self.lost(error)?,
            }
        }
        Ok(Filled::Over)
    }

    /// Writes what the stream takes now, and returns its error if that was not all.
    fn write_on(&mut self) -> io::Result<Option<io::Error>> {
        match self.flush() {
            Err(error) if is_later(&error) => Ok(Some(error)),
            result => result.or_else(|error| self.lost(error)).map(|()| None),
        }
    }

    /// Ends the writing side, once, if that is due; what the stream cannot do now is left for the next call.
    fn end_writing(&mut self) -> io::Result<()> {
        while self.connection.should_shutdown() && !self.shut_down {
            match self.stream.shutdown_write() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_later(&error) => break,
                result => {
                    self.shut_down = true;
                    result.or_else(|error| self.lost(error))?;
                }
            }
        }
        Ok(())
    }

    /// The stream is broken: an error, unless everything had been said.
    fn lost(&mut self, error: io::Error) -> io::Result<()> {
        lost(&mut self.connection, error)
    }

    /// The time on the scale of the connection's timers.
    fn now(&self) -> Duration {
        self.before.saturating_add(self.began.elapsed())
    }

    /// Tells the connection the time, and the stream how long it may wait.
    fn tick(&mut self) -> io::Result<Option<Event<'static>>> {
        let mut wait_for = self.read_timeout;
        if self.connection.next_timeout().is_some() {
            let (now, waiting) = (self.now(), self.connection.output_len());
            if let Some(lost) = timeout(&mut self.connection, now) {
                return Ok(Some(lost));
            }
            if self.connection.output_len() > waiting {
                self.write_on()?;
            }
            if let Some(due) = self.connection.next_timeout() {
                // A little later is in time; a little earlier would be for nothing.
                let wait = due.saturating_sub(now).saturating_add(Duration::from_millis(1));
                wait_for = Some(wait_for.map_or(wait, |timeout| timeout.min(wait)));
            }
        }
        if self.stream_timeout != Some(wait_for) {
            self.stream.set_read_timeout(wait_for)?;
            self.stream_timeout = Some(wait_for);
        }
        Ok(None)
    }
}

/// Writes all that is waiting.
fn write_output(stream: &mut impl Write, connection: &mut Connection) -> io::Result<()> {
    while connection.wants_write() {
        let n = written(stream.write(connection.output()))?;
        connection.output_written(n);
    }
    Ok(())
}

/// What [`WebSocket::fill`] came back with.
enum Filled {
    Bytes,
    Event(Event<'static>),
    Over,
}

/// How much was written, of a stream's answer.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        result => result,
    }
}

/// Flushes the stream, whatever interrupts it.
fn flushed(stream: &mut impl Transport) -> io::Result<()> {
    loop {
        match stream.flush() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn later_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if is_later(&error) { Ok(()) } else { Err(error) })
}

/// Whether a stream says "not now": `TimedOut` is what some systems call a timeout of a blocking stream.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How much is read at a time. The memory is there as long as the connection.
const READ_BUFFER: usize = 16 * 1024;
