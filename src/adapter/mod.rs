//! The parts shared by the adapters, independent of their streams.

mod error;
mod received;
#[cfg(any(feature = "net", feature = "tokio"))]
mod step;

use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;

pub use error::Error;
pub(crate) use error::not_opened;
pub(crate) use received::Received;
#[cfg(any(
    all(feature = "net", not(feature = "tls")),
    all(feature = "tokio", not(feature = "tokio-tls"))
))]
pub(crate) use step::no_tls;
#[cfg(any(feature = "net", feature = "tokio"))]
pub(crate) use step::{check_tls, connecting, during_handshake, looking_up, no_address, no_way};

use crate::connection::{Event, State};
use crate::endpoint::ServerEvent;
use crate::error::ProtocolError;
use crate::frame::CloseFrame;
use crate::handshake::{HandshakeError, HttpRequest, UpgradeRequest};

/// The send methods that a WebSocket and its writing half share, in each adapter, with or without `async`.
/// Both types have `send` and `queue`.
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

        /// Sends a message by value: a large owned payload is moved, not copied. Otherwise like
        /// [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_owned(&mut self, message: Message<'_>) -> io::Result<()> {
            let mut message = Some(message);
            self.queue(|sender| {
                // This may be called again when there is more room: until then, keep the message.
                if message.as_ref().is_some_and(|message| sender.lacks_room(message.as_bytes().len())) {
                    return Err(SendError::OutputFull);
                }
                message.take().map_or(Err(SendError::OutputFull), |message| sender.send_owned(message))
            }) $($dot $await)?
        }

        /// Sends a message that is already encoded; see
        /// [`Connection::send_encoded`](crate::Connection::send_encoded). Otherwise like
        /// [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_encoded(&mut self, message: &EncodedMessage) -> io::Result<()> {
            self.queue(|sender| sender.send_encoded(message)) $($dot $await)?
        }

        /// Sends a fragment of a message; see
        /// [`Connection::send_fragment`](crate::Connection::send_fragment). Otherwise like
        /// [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_fragment(&mut self, fragment: &Message<'_>, last: bool) -> io::Result<()> {
            self.queue(|sender| sender.send_fragment(fragment, last)) $($dot $await)?
        }

        /// Sends a Ping; see [`Connection::ping`](crate::Connection::ping). Otherwise like [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
            self.queue(|sender| sender.ping(payload)) $($dot $await)?
        }
    };
}
pub(crate) use send_methods;

/// The last thing that events have told, in one word of memory.
#[derive(Debug, Default)]
pub(crate) struct Ending(Option<Box<End>>);

#[derive(Debug)]
enum End {
    /// The peer's Close, and its content.
    Close(Option<CloseFrame>),
    /// The failure that `finish` has received, and returns at the end.
    Failed(ProtocolError),
}

impl Ending {
    /// Records the peer's Close.
    #[inline]
    pub(crate) fn note(&mut self, event: Option<&Event<'_>>) {
        if let Some(Event::Close(frame)) = event {
            self.0 = Some(Box::new(End::Close(frame.as_deref().cloned())));
        }
    }

    pub(crate) fn close_frame(&self) -> Option<&CloseFrame> {
        match self.0.as_deref() {
            Some(End::Close(frame)) => frame.as_ref(),
            _ => None,
        }
    }

    /// Returns `true` if the peer's Close was received.
    #[cfg(feature = "net")]
    pub(crate) fn is_close(&self) -> bool {
        matches!(self.0.as_deref(), Some(End::Close(_)))
    }

    pub(crate) fn fail(&mut self, error: ProtocolError) {
        self.0 = Some(Box::new(End::Failed(error)));
    }

    /// Returns the failure, once.
    pub(crate) fn result(&mut self) -> io::Result<()> {
        match self.0.as_deref() {
            Some(&End::Failed(error)) => {
                self.0 = None;
                Err(error.into())
            }
            _ => Ok(()),
        }
    }
}

/// How often a caller that comes after a deadline has looked for input since: what arrived in time is received before
/// the peer is judged by the deadline.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Late(u8);

impl Late {
    /// Returns `true` if input comes before a deadline that `is_due`.
    pub(crate) fn reads_first(&mut self, is_due: bool) -> bool {
        self.0 = if is_due && self.0 < MAX_READS { self.0 + 1 } else { 0 };
        self.0 > 0
    }

    /// Returns `true` if [`reads_first`](Self::reads_first) has.
    #[cfg(feature = "aio")]
    pub(crate) fn is_late(self) -> bool {
        self.0 > 0
    }

    /// Records that the runtime has not looked at its streams since: until it has, no read counts that finds nothing.
    #[cfg(feature = "aio")]
    pub(crate) fn waits(&mut self) {
        self.0 = self.0.min(1);
    }

    /// Records that nothing more has arrived, or is wanted. Returns `true` if the peer is judged next.
    pub(crate) fn nothing_left(&mut self) -> bool {
        let is_late = self.0 > 0;
        if is_late {
            self.0 = MAX_READS;
        }
        is_late
    }
}

/// Maximum number of reads before a deadline is judged: a peer that keeps sending does not put it off.
const MAX_READS: u8 = 16;

/// A client's request, not answered yet.
#[derive(Debug)]
pub(crate) enum Asked {
    Upgrade(Box<UpgradeRequest>),
    Http(Box<HttpRequest>),
}

/// Returns the meaning of an event for a caller that waits for a request; `state` is the state of the
/// connection after it. `None`: no meaning.
pub(crate) fn asked(event: ServerEvent<'_>, state: State) -> Option<Result<Asked, Error>> {
    match event {
        ServerEvent::Upgrade(request) => Some(Ok(Asked::Upgrade(request))),
        ServerEvent::Http(request) => Some(Ok(Asked::Http(request))),
        ServerEvent::Refused(HandshakeError::Truncated) => Some(Err(ErrorKind::UnexpectedEof.into())),
        // A peer that has sent nothing has requested nothing, and gets no answer.
        ServerEvent::Refused(HandshakeError::TimedOut) if state == State::Ended => {
            Some(Err(ErrorKind::TimedOut.into()))
        }
        ServerEvent::Refused(error) => Some(Err(Error::Handshake(error))),
        ServerEvent::Open(_) => None,
    }
}

/// Returns the state that two halves share, for a single owner.
pub(crate) fn reunited<T>(reader: Arc<T>, writer: Arc<T>) -> io::Result<T> {
    if !Arc::ptr_eq(&reader, &writer) {
        return Err(not_halves());
    }
    drop(writer);
    let mut shared = reader;
    // A `SharedSender` holds it while it is polled or asked, in another thread. One that is further up on the same stack
    // will never let go, so the wait is limited.
    for n in 0..MAX_TRIES {
        match Arc::try_unwrap(shared) {
            Ok(state) => return Ok(state),
            Err(still) => shared = still,
        }
        if n < YIELDS { thread::yield_now() } else { thread::sleep(Duration::from_millis(1)) }
    }
    Err(not_halves())
}

const YIELDS: usize = 1000;
const MAX_TRIES: usize = YIELDS + 200;

pub(crate) fn not_halves() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "these are not halves of one connection")
}

/// Maximum payload of a frame that is borrowed from the read buffer even if it took several reads.
pub(crate) const MAX_FRAME: usize = 4 << 20;

/// Minimum size of a server's payload that is written directly from its own memory.
pub(crate) const DIRECT_FROM: usize = 16 * 1024;
