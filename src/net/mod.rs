//! WebSockets over the standard library's streams (feature `net`).
//!
//! A thin adapter: it moves bytes between a stream and an endpoint, waits until the next timeout, and ends
//! the stream when the endpoint requires it. It contains no rules of the protocol.
//!
//! A client:
//!
//! ```no_run
//! use sansocket::{CloseCode, Event, net};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut ws = net::connect("ws://127.0.0.1:9001/")?;
//!     ws.send_text("Hello")?;
//!     while let Some(event) = ws.recv()? {
//!         if let Event::Message(message) = event {
//!             println!("{}", message.as_text().unwrap_or("(binary)"));
//!             ws.close(CloseCode::NORMAL, "")?; // keep receiving until `None`
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A server, with a thread for each connection:
//!
//! ```no_run
//! use sansocket::{Event, net};
//! use std::{net::TcpListener, thread, time::Duration};
//!
//! fn main() -> std::io::Result<()> {
//!     for stream in TcpListener::bind("127.0.0.1:9001")?.incoming() {
//!         let Ok(stream) = stream else {
//!             thread::sleep(Duration::from_millis(50)); // e.g. too many open files
//!             continue;
//!         };
//!         let serve = move || {
//!             // An error ends only the thread of this connection.
//!             let Ok(mut ws) = net::accept(stream) else { return };
//!             while let Ok(Some(mut batch)) = ws.read() {
//!                 while let Some(event) = batch.recv() {
//!                     if let Event::Message(message) = event {
//!                         let _ = batch.feed(&message); // written by the next `read`
//!                     }
//!                 }
//!             }
//!         };
//!         let _ = thread::Builder::new().spawn(serve); // without a thread the client is dropped
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Time
//!
//! The adapter controls the timeouts of the stream: no read or write blocks beyond the endpoint's next
//! deadline by more than a 128th of the wait and 5 ms, regardless of the peer. [`Config`](crate::Config) lists
//! the deadlines. A connection without timers sleeps.
//!
//! # Two threads
//!
//! [`into_split`](WebSocket::into_split) returns a [`ReadHalf`] and a [`WriteHalf`]. The reader keeps receiving
//! while the writer waits for the stream.
//!
//! ```no_run
//! # fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use sansocket::{CloseCode, Event, net};
//! let (mut reader, mut writer) = net::connect("ws://127.0.0.1:9001/")?.into_split()?;
//! let sending = std::thread::spawn(move || {
//!     writer.send_text("from another thread")?;
//!     writer.close(CloseCode::NORMAL, "")
//! });
//! while let Some(event) = reader.recv()? {
//!     if let Event::Message(message) = event {
//!         println!("{}", message.as_text().unwrap_or("(binary)"));
//!     }
//! }
//! sending.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! This needs a stream whose two directions are independent, which TLS is not: over `wss://`, use one thread and a
//! [non-blocking stream](#non-blocking-streams), or tokio, whose halves work over TLS.
//!
//! # Staying connected
//!
//! [`Reconnect`](crate::Reconnect) tells when to try again:
//!
//! ```no_run
//! use sansocket::{OsRandom, Reconnect, net};
//! use std::{thread, time::Instant};
//! let (began, mut reconnect) = (Instant::now(), Reconnect::default());
//! loop {
//!     match net::connect("ws://127.0.0.1:9001/") {
//!         Ok(mut ws) => {
//!             reconnect.opened(began.elapsed());
//!             while let Ok(Some(event)) = ws.recv() {
//!                 reconnect.observe_open(&event, began.elapsed()); // and your own code
//!             }
//!         }
//!         Err(error) => reconnect.not_opened(&error),
//!     }
//!     let Some(at) = reconnect.retry_at(began.elapsed(), &mut OsRandom) else { break };
//!     thread::sleep(at.saturating_sub(began.elapsed()));
//! }
//! ```
//!
//! # Non-blocking streams
//!
//! `WouldBlock` means "later" and loses nothing. [`Accepting`], [`Connecting`], [`Answering`] and
//! [`WebSocket`] have the methods `stream`, `wants_read`, `wants_write` and `next_timeout`, which then tell what
//! to wait for before the next call. Before `WouldBlock`, do not wait: more may have arrived, in the stream or in
//! the buffers of its TLS.

mod accept;
mod buffer;
mod client_stream;
mod connect;
mod dial;
mod driver;
mod pipe;
mod split;
mod time;
#[cfg(feature = "tls")]
mod tls;
mod transport;

use core::time::Duration;
use std::io;
use std::vec::Vec;

pub use accept::{Accepting, Answering, Http, Incoming, Step, Upgrade, accept, accept_with};
pub use buffer::Batch;
pub use client_stream::ClientStream;
pub use connect::{Connecting, client, connect, connect_over, connect_with};
pub use split::{ReadBatch, ReadHalf, WriteHalf};
#[cfg(feature = "tls")]
pub use tls::Tls;
pub use transport::{Stream, Transport};

use self::buffer::{Buffer, sent};
use self::driver::{Call, Driver};
use self::pipe::{NOW, Pipe};
use self::time::{Clock, is_later};
pub use crate::adapter::Error;
use crate::adapter::{Ending, send_methods};
use crate::connection::{Connection, EncodedMessage, Event, Message, State};
pub use crate::endpoint::ConnectOptions;
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame};

/// The methods that tell what a driven endpoint waits for.
macro_rules! wait_methods {
    () => {
        /// Returns the stream.
        pub fn stream(&self) -> &S {
            &self.driver.pipe.stream
        }

        /// Returns `true` if the next call should follow when the stream is readable.
        pub fn wants_read(&self) -> bool {
            self.driver.wants_read()
        }

        /// Returns `true` if the next call should follow when the stream is writable.
        pub fn wants_write(&self) -> bool {
            self.driver.wants_write()
        }

        /// Returns the time from now until the next call must follow in any case.
        pub fn next_timeout(&self) -> Option<Duration> {
            self.driver.until_timeout()
        }
    };
}
use wait_methods;

/// The method of a WebSocket and of its reading half.
macro_rules! finish_method {
    () => {
        /// Receives and drops further events until the connection is over.
        ///
        /// # Errors
        /// Errors of the stream, or the [`ProtocolError`](crate::ProtocolError), as an [`io::Error`], with which the
        /// connection failed in place of a closing handshake. `WouldBlock` loses nothing.
        pub fn finish(&mut self) -> io::Result<()> {
            loop {
                let failed = match self.recv_chunk()? {
                    Some(Event::Failed(error)) => error,
                    Some(_) => continue,
                    None => return self.ending.result(),
                };
                self.ending.fail(failed);
            }
        }
    };
}
use finish_method;

/// A WebSocket over a blocking or non-blocking stream.
///
/// * [`recv`](Self::recv) returns one event at a time. Messages are borrowed from the read buffer where
///   possible.
/// * [`read`](Self::read) returns all events of one read; their answers take one write. This is the fastest
///   way.
/// * [`send`](Self::send) writes at once; [`feed`](Self::feed) leaves that to the next `flush`, `recv` or
///   `read`.
///
/// `recv` and `read` also answer pings, send keepalive pings, and end the transport in the right order when the
/// connection is over. Waiting output is written before the next read from the stream, that is, after all events that
/// have already been read. Call them until they return `None`.
///
/// Protocol violations by the peer and missed deadlines are reported as [`Event::Failed`], never as errors of
/// these methods. An error of the stream is returned once; then the connection is over. After a failed write,
/// what had arrived is still received, such as the Close of a peer that has left; without a Close,
/// [`Event::Failed`] follows.
#[derive(Debug)]
pub struct WebSocket<S> {
    driver: Driver<S, Connection>,
    /// The caller's own timeout.
    read_timeout: Option<Duration>,
    ending: Ending,
}

impl<S: Transport> WebSocket<S> {
    /// Creates a WebSocket over `stream`, whose opening handshake resulted in `connection`. `unread` holds
    /// the bytes read after the handshake.
    ///
    /// The inverse is [`into_parts`](Self::into_parts).
    pub fn from_parts(stream: S, connection: Connection, unread: Vec<u8>) -> Self {
        let pipe = Pipe::new(stream, Clock::from(connection.now()));
        Self::over(Driver::over(pipe, connection, Buffer::new(unread)))
    }

    fn over(driver: Driver<S, Connection>) -> Self {
        Self { driver, read_timeout: None, ending: Ending::default() }
    }

    /// Returns the stream without timeouts, the connection with its output, and the bytes that were read but
    /// not received.
    pub fn into_parts(self) -> (S, Connection, Vec<u8>) {
        self.driver.into_parts()
    }

    wait_methods!();

    /// Returns the connection.
    pub fn connection(&self) -> &Connection {
        &self.driver.endpoint
    }

    /// Returns the connection, for everything else. The next `flush`, `send` or read from the stream writes
    /// its output.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.driver.endpoint
    }

    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.driver.endpoint.state()
    }

    /// Returns the round-trip time of the last keepalive Ping; see
    /// [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.driver.endpoint.latency()
    }

    /// Returns `true` if messages can be sent: neither side has begun to close, and the connection has not
    /// failed.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
    }

    /// Returns the code and reason of the peer's Close after it is received; `None` if it has none.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.ending.close_frame()
    }

    /// Sets how many bytes a read is offered. Default: 16 KiB. 64 KiB can double the throughput over TCP.
    pub fn set_read_buffer(&mut self, bytes: usize) {
        self.driver.buffer.set_size(bytes);
    }

    /// Sets how long [`recv`](Self::recv) and [`read`](Self::read) wait on a blocking stream before they
    /// return `WouldBlock`; each read and write may wait longer, by up to a 128th of it and 5 ms. Default: forever.
    ///
    /// Zero is treated as one millisecond.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
    }

    /// Returns the next event; `None` when the connection is over and the transport has ended.
    ///
    /// A failure is also an event, [`Event::Failed`]; the Close for the peer has then been written, as far as
    /// the stream took it. The event borrows from the WebSocket: to send while holding a message, use
    /// [`read`](Self::read), or call [`Event::into_owned`] first.
    ///
    /// # Errors
    /// Errors of the stream. `WouldBlock` loses nothing.
    pub fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        let mut call = self.begin();
        // A message that is complete in the buffer is borrowed from there, which a loop cannot return.
        while !self.driver.has_whole_message() {
            match self.driver.next(|event, _| event.into_owned()) {
                Some(event) => {
                    self.note(&event);
                    return Ok(Some(event));
                }
                None if self.driver.wait_open(&mut call)? => {}
                None => return Ok(None),
            }
        }
        let Driver { pipe, endpoint, buffer, .. } = &mut self.driver;
        let event = buffer.recv(|input| endpoint.recv(input));
        if let Some(Event::Failed(_)) = event {
            pipe.write_last_words(endpoint);
        }
        Ok(event)
    }

    /// Returns the next event, with message data in pieces as they arrive: messages of any size in constant
    /// memory. See [`Connection::recv_chunk`]; otherwise like [`recv`](Self::recv). The pieces are owned;
    /// those of [`Batch::recv_chunk`] are borrowed.
    ///
    /// # Errors
    /// Errors of the stream. `WouldBlock` loses nothing.
    pub fn recv_chunk(&mut self) -> io::Result<Option<Event<'_>>> {
        let mut call = self.begin();
        loop {
            let Driver { endpoint, buffer, .. } = &mut self.driver;
            // A loop cannot return a borrow from the buffer.
            match buffer.recv(|input| endpoint.recv_chunk(input).map(Event::into_owned)) {
                Some(event) => {
                    self.note(&event);
                    return Ok(Some(event));
                }
                None if self.driver.wait_open(&mut call)? => {}
                None => return Ok(None),
            }
        }
    }

    /// Begins a call that waits for input.
    fn begin(&self) -> Call {
        Call::until(self.read_timeout.map(|timeout| self.driver.pipe.clock.now().saturating_add(timeout)))
    }

    /// Handles the last events.
    fn note(&mut self, event: &Event<'_>) {
        self.ending.note(Some(event));
        if event.close_code().is_some() {
            self.driver.pipe.write_last_words(&mut self.driver.endpoint);
        }
    }

    /// Writes waiting output, then reads once. The [`Batch`] holds all events of that read. Returns `None`
    /// when the connection is over and the transport has ended.
    ///
    /// ```no_run
    /// # fn echo(mut ws: sansocket::net::WebSocket<std::net::TcpStream>) -> std::io::Result<()> {
    /// use sansocket::Event;
    /// while let Some(mut batch) = ws.read()? {
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
    /// Errors of the stream. `WouldBlock` loses nothing.
    pub fn read(&mut self) -> io::Result<Option<Batch<'_, S>>> {
        let mut call = self.begin();
        if !self.driver.wait_open(&mut call)? {
            return Ok(None);
        }
        let Driver { pipe, endpoint: connection, buffer, .. } = &mut self.driver;
        let (input, unread, fresh) = buffer.lend();
        let ending = &mut self.ending;
        Ok(Some(Batch { pipe, connection, input, unread, fresh, ending }))
    }

    /// Sends a message and writes it, or as much of it as the stream takes now; the next `flush`, `send` or
    /// read from the stream writes the rest.
    ///
    /// A server's large payload is written directly from its own memory, without a copy.
    ///
    /// This does not read. On a blocking stream, a caller that sends a lot and never receives can block
    /// against a peer that answers, until [`Config::write_timeout`](crate::Config::write_timeout).
    /// [`into_split`](WebSocket::into_split) allows doing both at once.
    ///
    /// # Errors
    /// A [`SendError`], as an [`io::Error`], if the message cannot be sent: its `get_ref` downcasts to
    /// `SendError`. Its kind is `NotConnected` if the connection is closing or closed, and `WouldBlock` if the
    /// output is full. Otherwise errors of the stream, but never its `WouldBlock`.
    pub fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        buffer::send(pipe, endpoint, message)
    }

    send_methods!();

    /// Starts the closing handshake, if it has not begun, and writes as much of the Close as the stream takes
    /// now. Then receive until `None`, or call [`finish`](Self::finish): messages may still arrive.
    ///
    /// # Errors
    /// Errors of the stream, but never `WouldBlock`.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        // A connection that is already closing is what the caller wants.
        let _ = self.driver.endpoint.close(code, reason);
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        let written = pipe.write(endpoint, Some(NOW));
        sent(pipe, endpoint, written)
    }

    finish_method!();

    fn queue(&mut self, queue: impl FnOnce(&mut Connection) -> Result<(), SendError>) -> io::Result<()> {
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        queue(endpoint)?;
        let written = pipe.write(endpoint, None);
        sent(pipe, endpoint, written)
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`] if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.driver.endpoint.send(message)
    }

    /// Writes all waiting output. If a deadline passes meanwhile, the connection is over, which
    /// [`recv`](Self::recv) reports, unless it receives a Close that has arrived before.
    ///
    /// # Errors
    /// Errors of the stream. If output was lost and `recv` has returned the peer's Close, or had returned a failure before,
    /// once why: `TimedOut`, or an error of the stream that `recv` has met. `WouldBlock` loses nothing.
    pub fn flush(&mut self) -> io::Result<()> {
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        match pipe.write(endpoint, None) {
            Err(error) if is_later(&error) => return Err(io::ErrorKind::WouldBlock.into()),
            written => sent(pipe, endpoint, written)?,
        }
        match endpoint.sender().lost() {
            Some(_) if !self.ending.is_close() => Ok(()),
            _ => pipe.failed.take().map_or(Ok(()), Err),
        }
    }
}
