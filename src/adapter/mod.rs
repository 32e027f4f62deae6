//! What the adapters have in common, whatever their streams are.

mod error;

use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::sync::Arc;

pub use error::Error;
pub(crate) use error::{connecting, during, not_opened};

use crate::connection::{Connection, Event, Message, State};
use crate::endpoint::ServerEvent;
use crate::error::SendError;
use crate::frame::CloseFrame;
use crate::handshake::{HandshakeError, HttpRequest, UpgradeRequest};
use crate::input::Input;

/// The ways to send that a WebSocket and its writing half share, in each adapter, with or without `async`. Both
/// have `send` and `queue`.
macro_rules! send_methods {
    ($($async:ident $dot:tt $await:ident)?) => {
        /// Sends a text message; see [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_text(&mut self, text: &str) -> io::Result<()> {
            self.send(&Message::from(text)) $($dot $await)?
        }

        /// Sends a binary message; see [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_binary(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.send(&Message::from(bytes)) $($dot $await)?
        }

        /// Sends a message by value: a large payload is moved, not copied. Otherwise like [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_owned(&mut self, message: Message<'static>) -> io::Result<()> {
            let mut message = Some(message);
            self.queue(|sender| {
                // It may be asked again when there is more room: until then the message has to be kept.
                if message.as_ref().is_some_and(|message| sender.lacks_room(message.as_bytes().len())) {
                    return Err(SendError::OutputFull);
                }
                message.take().map_or(Ok(()), |message| sender.send_owned(message))
            }) $($dot $await)?
        }

        /// Sends a message that was encoded before; see [`Connection::send_encoded`]. Otherwise like
        /// [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_encoded(&mut self, message: &EncodedMessage) -> io::Result<()> {
            self.queue(|sender| sender.send_encoded(message)) $($dot $await)?
        }

        /// Sends a fragment of a message; see [`Connection::send_fragment`]. Otherwise like
        /// [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_fragment(&mut self, fragment: &Message<'_>, last: bool) -> io::Result<()> {
            self.queue(|sender| sender.send_fragment(fragment, last)) $($dot $await)?
        }

        /// Sends a Ping; see [`Connection::ping`]. Otherwise like [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
            self.queue(|sender| sender.ping(payload)) $($dot $await)?
        }
    };
}
pub(crate) use send_methods;

/// What one read brought; see `WebSocket::read`. What is sent is written by the next call of the WebSocket.
#[derive(Debug)]
pub struct Batch<'b> {
    connection: &'b mut Connection,
    input: Input<'b>,
    start: &'b mut usize,
    end: usize,
    /// What happened instead of bytes.
    event: Option<Event<'static>>,
    /// Where to keep what the peer's Close says.
    close_frame: Option<&'b mut Option<Box<CloseFrame>>>,
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
        Self { connection, input, start, end, event, close_frame: None }
    }

    /// Keeps what the peer's Close says.
    pub(crate) fn noting(self, close_frame: &'b mut Option<Box<CloseFrame>>) -> Self {
        Self { close_frame: Some(close_frame), ..self }
    }

    /// The next event, borrowing from the read buffer; `None`: that was all.
    #[inline]
    pub fn recv(&mut self) -> Option<Event<'b>> {
        let event = self.connection.recv(&mut self.input);
        *self.start = self.end - self.input.len();
        self.note(event.as_ref());
        event.or_else(|| self.event.take())
    }

    /// The next event, with data piece by piece; see [`Connection::recv_chunk`].
    #[inline]
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        let event = self.connection.recv_chunk(&mut self.input);
        *self.start = self.end - self.input.len();
        self.note(event.as_ref());
        event.or_else(|| self.event.take())
    }

    #[inline]
    fn note(&mut self, event: Option<&Event<'_>>) {
        if let (Some(Event::Close(Some(frame))), Some(close_frame)) = (event, &mut self.close_frame) {
            **close_frame = Some(Box::new(*frame));
        }
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

/// What a client has asked for, before the answer.
#[derive(Debug)]
pub(crate) enum Asked {
    Upgrade(Box<UpgradeRequest>),
    Http(Box<HttpRequest>),
}

/// What an event means to who waits for a request; `state` is the connection's behind it. `None`: nothing.
pub(crate) fn asked(event: ServerEvent<'_>, state: State) -> Option<Result<Asked, Error>> {
    match event {
        ServerEvent::Upgrade(request) => Some(Ok(Asked::Upgrade(request))),
        ServerEvent::Http(request) => Some(Ok(Asked::Http(request))),
        ServerEvent::Refused(HandshakeError::Truncated) => Some(Err(ErrorKind::UnexpectedEof.into())),
        // Who has said nothing has asked for nothing, and gets no answer.
        ServerEvent::Refused(HandshakeError::TimedOut) if state == State::Ended => {
            Some(Err(ErrorKind::TimedOut.into()))
        }
        ServerEvent::Refused(error) => Some(Err(Error::Handshake(error))),
        ServerEvent::Open(_) => None,
    }
}

/// What two halves share, for one of them again.
pub(crate) fn reunited<T>(reader: Arc<T>, writer: Arc<T>) -> io::Result<T> {
    if !Arc::ptr_eq(&reader, &writer) {
        return Err(not_halves());
    }
    drop(writer);
    Arc::into_inner(reader).ok_or_else(not_halves)
}

pub(crate) fn not_halves() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "these are not halves of one connection")
}
