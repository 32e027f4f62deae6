//! WebSockets over the standard library's streams (feature `net`).
//!
//! A thin adapter: it moves bytes between a stream and an endpoint, waits until the next timeout, and ends the stream
//! when the endpoint says so. No rule of the protocol lives in it.
//!
//! # Time
//!
//! The timeouts of the stream belong to the adapter: no read and no write blocks beyond the endpoint's next deadline,
//! whatever the peer does ([`Config`](crate::Config) says which there are). A connection without timers sleeps.
//!
//! # Streams that do not block
//!
//! `WouldBlock` means "later" and loses nothing. [`Accepting`], [`Connecting`], [`Answering`] and [`WebSocket`] tell what
//! to wait for: `stream`, `wants_read`, `wants_write` and `next_timeout`, after which they have to be called again.

mod accept;
mod buffer;
mod client_stream;
mod connect;
mod driver;
mod pipe;
mod split;
mod time;
#[cfg(feature = "rustls")]
mod tls;
mod transport;

use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::vec::Vec;

pub use accept::{Accepting, Answering, Http, Incoming, Step, Upgrade, accept, accept_with};
pub use buffer::Batch;
pub use client_stream::ClientStream;
pub use connect::{Connecting, client, connect, connect_with};
pub use split::{ReadBatch, ReadHalf, WriteHalf};
#[cfg(feature = "rustls")]
pub use tls::Tls;
pub use transport::{Stream, Transport};

use self::buffer::{Buffer, note, sent};
use self::driver::Driver;
use self::pipe::{NOW, Pipe};
use self::time::{Clock, is_later};
pub use crate::adapter::Error;
use crate::adapter::send_methods;
use crate::connection::{Connection, EncodedMessage, Event, Message, State};
pub use crate::endpoint::ConnectOptions;
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame};

/// The methods that say what a driven endpoint waits for.
macro_rules! wait_methods {
    () => {
        /// The stream.
        pub fn stream(&self) -> &S {
            &self.driver.pipe.stream
        }

        /// Whether to go on when the stream can be read.
        pub fn wants_read(&self) -> bool {
            self.driver.endpoint.wants_read()
        }

        /// Whether to go on when the stream can be written.
        pub fn wants_write(&self) -> bool {
            self.driver.endpoint.wants_write()
        }

        /// How long from now until it has to go on in any case.
        pub fn next_timeout(&self) -> Option<Duration> {
            self.driver.until_timeout()
        }
    };
}
use wait_methods;

/// A WebSocket over a stream, blocking or not.
///
/// * [`recv`](Self::recv) returns one event at a time; a message is borrowed from the read buffer where possible.
/// * [`read`](Self::read) returns all that one read brought, to be answered with one write: the fastest way.
/// * [`send`](Self::send) writes at once; [`feed`](Self::feed) leaves that to the next `flush`, `recv` or `read`.
///
/// Both ways of reading also write what is waiting, answer pings, send pings in time, and end the transport
/// in the right order once the connection is over: go on until they return `None`.
///
/// What a peer does wrong, and a deadline that passes, is never an error of these methods but an [`Event::Failed`].
/// An error of the stream is returned once; then the connection is over.
#[derive(Debug)]
pub struct WebSocket<S> {
    driver: Driver<S, Connection>,
    /// The caller's own.
    read_timeout: Option<Duration>,
    /// What the peer's Close said.
    close_frame: Option<Box<CloseFrame>>,
}

impl<S: Transport> WebSocket<S> {
    /// A WebSocket over `stream`, whose opening handshake led to `connection`; `unread` is what was read
    /// behind it.
    ///
    /// The other way round: [`into_parts`](Self::into_parts).
    pub fn from_parts(stream: S, connection: Connection, unread: Vec<u8>) -> Self {
        let pipe = Pipe::new(stream, Clock::from(connection.now()));
        Self::over(Driver::over(pipe, connection, Buffer::new(unread)))
    }

    fn over(driver: Driver<S, Connection>) -> Self {
        Self { driver, read_timeout: None, close_frame: None }
    }

    /// The stream, without timeouts, the connection with its output, and what was read but not yet looked at.
    pub fn into_parts(self) -> (S, Connection, Vec<u8>) {
        self.driver.into_parts()
    }

    wait_methods!();

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.driver.endpoint
    }

    /// The connection, for everything else that it can do; what it has to say is written by the next call.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.driver.endpoint
    }

    /// Where the connection is in its life.
    pub fn state(&self) -> State {
        self.driver.endpoint.state()
    }

    /// The round-trip time of the last Ping of the keepalive; see [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.driver.endpoint.latency()
    }

    /// Whether messages can be sent: until either end closes, or the connection fails.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
    }

    /// What the peer's Close said, once it was received; `None` if it said nothing.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
    }

    /// Sets how many bytes are read at a time. Default: 16 KiB. 64 KiB can double the throughput over TCP.
    pub fn set_read_buffer(&mut self, bytes: usize) {
        self.driver.buffer.set_size(bytes);
    }

    /// Sets how long [`recv`](Self::recv) and [`read`](Self::read) wait on a blocking stream before they
    /// return `WouldBlock`. Default: forever.
    ///
    /// Zero counts as a millisecond.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
    }

    /// The next event; `None` when the connection is over and the transport ended.
    ///
    /// A failure is an event as well, [`Event::Failed`], and the Close that tells the peer has been written, as far
    /// as the stream took it. The event borrows from the WebSocket: to send while holding a message, use
    /// [`read`](Self::read), or [`Event::into_owned`] first.
    ///
    /// # Errors
    /// The stream's. `WouldBlock` loses nothing.
    pub fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        // A message that lies whole in the buffer is borrowed from there, which a loop cannot return.
        while !self.driver.has_whole_message() {
            match self.driver.next(|event, _| event.into_owned()) {
                Some(event) => {
                    self.note(&event);
                    return Ok(Some(event));
                }
                None if self.driver.wait(self.read_timeout)? => {}
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

    /// The next event, with data piece by piece as it arrives: messages of any size in constant memory; see
    /// [`Connection::recv_chunk`]. Otherwise like [`recv`](Self::recv). Pieces are owned here, and borrowed in
    /// [`Batch::recv_chunk`].
    ///
    /// # Errors
    /// The stream's. `WouldBlock` loses nothing.
    pub fn recv_chunk(&mut self) -> io::Result<Option<Event<'_>>> {
        loop {
            let Driver { endpoint, buffer, .. } = &mut self.driver;
            // A loop cannot return what it borrows from the buffer.
            match buffer.recv(|input| endpoint.recv_chunk(input).map(Event::into_owned)) {
                Some(event) => {
                    self.note(&event);
                    return Ok(Some(event));
                }
                None if self.driver.wait(self.read_timeout)? => {}
                None => return Ok(None),
            }
        }
    }

    /// Looks after the last events.
    fn note(&mut self, event: &Event<'_>) {
        note(&mut self.close_frame, Some(event));
        if event.close_code().is_some() {
            self.driver.pipe.write_last_words(&mut self.driver.endpoint);
        }
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
    pub fn read(&mut self) -> io::Result<Option<Batch<'_, S>>> {
        if !self.driver.wait(self.read_timeout)? {
            return Ok(None);
        }
        let Driver { pipe, endpoint: connection, buffer, .. } = &mut self.driver;
        let (input, unread, fresh) = buffer.lend();
        let close_frame = &mut self.close_frame;
        Ok(Some(Batch { pipe, connection, input, unread, fresh, close_frame }))
    }

    /// Sends a message and writes it, or as much of it as the stream takes now; the rest goes with the next call.
    ///
    /// A server's large payload is written from where it is, without a copy.
    ///
    /// It does not read: whoever sends a lot on a blocking stream and never receives blocks against a peer that
    /// answers, until [`Config::write_timeout`](crate::Config::write_timeout).
    /// [`into_split`](WebSocket::into_split) is for doing both at once.
    ///
    /// # Errors
    /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's, but never
    /// `WouldBlock`.
    pub fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        buffer::send(pipe, endpoint, message)
    }

    send_methods!();

    /// Starts the closing handshake, if it has not begun, and writes the Close as far as the stream takes it now. Then
    /// receive on until `None`, or [`finish`](Self::finish): messages may still be on their way.
    ///
    /// # Errors
    /// The stream's, but never `WouldBlock`.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        // Closing already is what was asked for.
        let _ = self.driver.endpoint.close(code, reason);
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        let written = pipe.write(endpoint, Some(NOW));
        sent(pipe, endpoint, written)
    }

    /// Receives and drops what still arrives until the connection is over.
    ///
    /// # Errors
    /// The stream's. `WouldBlock` loses nothing.
    pub fn finish(&mut self) -> io::Result<()> {
        while self.recv()?.is_some() {}
        Ok(())
    }

    fn queue(&mut self, queue: impl FnOnce(&mut Connection) -> Result<(), SendError>) -> io::Result<()> {
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        queue(endpoint)?;
        let written = pipe.write(endpoint, None);
        sent(pipe, endpoint, written)
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.driver.endpoint.send(message)
    }

    /// Writes all that is waiting. If a deadline passes meanwhile, the connection is over, which
    /// [`recv`](Self::recv) says.
    ///
    /// # Errors
    /// The stream's. `WouldBlock` loses nothing.
    pub fn flush(&mut self) -> io::Result<()> {
        let Driver { pipe, endpoint, .. } = &mut self.driver;
        match pipe.write(endpoint, None) {
            Err(error) if is_later(&error) => Err(error),
            written => sent(pipe, endpoint, written),
        }
    }
}
