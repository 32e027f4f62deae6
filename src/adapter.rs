//! What the adapters have in common, whatever their streams are.

use core::fmt;
use core::time::Duration;
use std::boxed::Box;
use std::io;

use crate::connection::{Connection, Event, Message, State};
use crate::error::SendError;
use crate::handshake::{HandshakeError, RefusedResponse, UrlError};
use crate::input::Input;

/// What one read brought; see `WebSocket::read`. What is sent is written by the next call of the WebSocket.
#[derive(Debug)]
pub struct Batch<'b> {
    connection: &'b mut Connection,
    input: Input<'b>,
    start: &'b mut usize,
    end: usize,
    /// What happened instead of bytes.
    event: Option<Event<'static>>,
}

impl<'b> Batch<'b> {
    /// `start` is where `input` begins in its buffer, and is kept so.
    pub(crate) fn new(
        connection: &'b mut Connection,
        input: Input<'b>,
        start: &'b mut usize,
        event: Option<Event<'static>>,
    ) -> Self {
        let end = *start + input.len();
        Self { connection, input, start, end, event }
    }

    /// The next event, borrowing from the read buffer; `None`: that was all.
    #[inline]
    pub fn recv(&mut self) -> Option<Event<'b>> {
        let event = self.connection.recv(&mut self.input);
        *self.start = self.end - self.input.len();
        event.or_else(|| self.event.take())
    }

    /// The next event, with data piece by piece; see [`Connection::recv_chunk`].
    #[inline]
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        let event = self.connection.recv_chunk(&mut self.input);
        *self.start = self.end - self.input.len();
        event.or_else(|| self.event.take())
    }

    /// Queues a message; the next call of the WebSocket writes it.
    ///
    /// # Errors
    /// See [`Connection::send`].
    #[inline]
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.connection.send(message)
    }

    /// The connection, for everything else.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
    }
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed, or the handshake took too long (`TimedOut`).
    Io(io::Error),
    /// The URL is no WebSocket URL.
    Url(UrlError),
    /// The peer broke a rule of the handshake. A client was told so.
    Handshake(HandshakeError),
    /// The server answered something else than 101: a redirect, a request for credentials, an error.
    Refused(Box<RefusedResponse>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Url(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Refused(response) => {
                let reason = alloc::string::String::from_utf8_lossy(response.reason());
                write!(f, "the server refused the connection: {} {reason}", response.status())
            }
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Url(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Refused(_) => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

/// The stream is broken: an error, unless everything had been said.
pub(crate) fn lost(connection: &mut Connection, error: io::Error) -> io::Result<()> {
    let over = connection.state() != State::Open && connection.state() != State::CloseSent;
    connection.recv_eof();
    connection.output_written(usize::MAX);
    if over { Ok(()) } else { Err(error) }
}

/// How many bytes are read at a time.
pub(crate) const READ_BUFFER: usize = 16 * 1024;

/// From this size on, a server's payload is written from where it is.
pub(crate) const DIRECT_FROM: usize = 16 * 1024;

/// How long a peer that was answered in HTTP has to close.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
