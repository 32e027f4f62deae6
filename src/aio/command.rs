//! [`Command`]: the items of a `Sink`.

use core::mem;
use std::string::String;
use std::vec::Vec;

use crate::connection::{Chunk, EncodedMessage, Event, Message, Sender};
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame, ControlPayload};

/// An item for the `Sink` of a WebSocket or of its writing half.
///
/// Messages, strings and bytes convert into commands. So do [`Event`]s, so that a `Stream` of them can be
/// forwarded: messages and the peer's Close are sent back, and events that were already answered send
/// nothing.
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
    /// A message that is already encoded, for many connections.
    Encoded(EncodedMessage),
    /// A fragment of a message; see [`Connection::send_fragment`](crate::Connection::send_fragment).
    Fragment {
        /// The fragment.
        data: Message<'static>,
        /// Whether it is the last fragment of the message.
        last: bool,
    },
    /// A Ping.
    Ping(ControlPayload),
    /// An unsolicited Pong. Pings are answered automatically.
    Pong(ControlPayload),
    /// Starts the closing handshake; `None` for code 1000. Has no effect if the connection is already
    /// closing.
    Close(Option<CloseFrame>),
    /// Sends nothing; writes waiting output.
    Flush,
}

impl Command {
    /// Queues the command. A sink is asked for room before it knows for what, so the output may exceed its limit by one
    /// command, which would have room if nothing waited.
    pub(super) fn send(&self, sender: &mut Sender) -> Result<(), SendError> {
        match self.queue(sender) {
            Err(SendError::OutputFull) => {
                let max = mem::replace(&mut sender.max_output, usize::MAX);
                let queued = self.queue(sender);
                sender.max_output = max;
                queued
            }
            result => result,
        }
    }

    fn queue(&self, sender: &mut Sender) -> Result<(), SendError> {
        match self {
            Self::Message(message) => sender.send(message),
            Self::Encoded(message) => sender.send_encoded(message),
            Self::Fragment { data, last } => sender.send_fragment(data, *last),
            Self::Ping(payload) => sender.ping(payload),
            Self::Pong(payload) => sender.pong(payload),
            Self::Close(frame) => {
                // A connection that is already closing is what the caller wants.
                let _ = match frame {
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

#[cfg(feature = "bytes")]
impl From<bytes::Bytes> for Command {
    fn from(bytes: bytes::Bytes) -> Self {
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
