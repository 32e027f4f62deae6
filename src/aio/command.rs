//! [`Command`]: what a `Sink` takes.

use std::string::String;
use std::vec::Vec;

use crate::connection::{Chunk, EncodedMessage, Event, Message, Sender};
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame, ControlPayload};

/// What can be sent through the `Sink` of a WebSocket or of its writing half.
///
/// Messages, strings and bytes are commands by `From`, and so are [`Event`]s, so that a `Stream` of them can be forwarded:
/// messages and the peer's Close are sent back, and nothing is sent for what was answered already.
///
/// ```
/// # #[cfg(feature = "aio")]
/// use sansocket::aio::Command;
/// # #[cfg(feature = "aio")]
/// let command = Command::from("Hello");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// A message.
    Message(Message<'static>),
    /// A message that was encoded before, for many connections.
    Encoded(EncodedMessage),
    /// A fragment of a message; see [`Connection::send_fragment`](crate::Connection::send_fragment).
    Fragment {
        /// The fragment.
        data: Message<'static>,
        /// Whether the message ends with it.
        last: bool,
    },
    /// A Ping.
    Ping(ControlPayload),
    /// A Pong that nobody asked for. Pings are answered without it.
    Pong(ControlPayload),
    /// Starts the closing handshake; `None` for code 1000. It does nothing if the connection is closing already.
    Close(Option<CloseFrame>),
    /// Sends nothing, and writes what waits.
    Flush,
}

impl Command {
    /// Queues it.
    pub(super) fn send(self, sender: &mut Sender) -> Result<(), SendError> {
        match self {
            Self::Message(message) => sender.send(&message),
            Self::Encoded(message) => sender.send_encoded(&message),
            Self::Fragment { data, last } => sender.send_fragment(&data, last),
            Self::Ping(payload) => sender.ping(&payload),
            Self::Pong(payload) => sender.pong(&payload),
            Self::Close(frame) => {
                // Closing already is what was asked for.
                let _ = match &frame {
                    Some(frame) => sender.close(frame.code(), frame.reason()),
                    None => sender.close(CloseCode::NORMAL, ""),
                };
                Ok(())
            }
            Self::Flush => Ok(()),
        }
    }
}

impl From<Message<'static>> for Command {
    fn from(message: Message<'static>) -> Self {
        Self::Message(message)
    }
}

impl From<String> for Command {
    fn from(text: String) -> Self {
        Self::Message(text.into())
    }
}

impl From<&'static str> for Command {
    fn from(text: &'static str) -> Self {
        Self::Message(text.into())
    }
}

impl From<Vec<u8>> for Command {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Message(bytes.into())
    }
}

impl From<&'static [u8]> for Command {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Message(bytes.into())
    }
}

impl From<EncodedMessage> for Command {
    fn from(message: EncodedMessage) -> Self {
        Self::Encoded(message)
    }
}

impl From<CloseFrame> for Command {
    fn from(frame: CloseFrame) -> Self {
        Self::Close(Some(frame))
    }
}

impl From<Event<'static>> for Command {
    fn from(event: Event<'static>) -> Self {
        match event {
            Event::Message(message) => Self::Message(message),
            Event::Chunk(Chunk { data, last, .. }) => Self::Fragment { data, last },
            Event::Close(frame) => Self::Close(frame.map(|frame| *frame)),
            Event::Ping(_) | Event::Pong(_) | Event::Failed(_) => Self::Flush,
        }
    }
}
