//! [`Event`]: what a connection reports.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::fmt;

use super::message::Message;
use crate::error::ProtocolError;
use crate::frame::CloseFrame;

/// What happened on a connection. Every event comes out of [`recv`](crate::Connection::recv).
///
/// An event is small, so that moving one costs little: payloads are borrowed or on the heap.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A complete message, from [`recv`](crate::Connection::recv); borrowed from the input if its payload lay
    /// there in one piece.
    Message(Message<'b>),
    /// A piece of a message, from [`recv_chunk`](crate::Connection::recv_chunk).
    Chunk(Chunk<'b>),
    /// A Ping with this payload of at most 125 bytes; the Pong is in the output already.
    Ping(Cow<'b, [u8]>),
    /// A Pong with this payload of at most 125 bytes, asked for or not.
    Pong(Cow<'b, [u8]>),
    /// The peer closes, with this code and reason. The answer is in the output already, and no more messages
    /// follow.
    Close(Option<Box<CloseFrame>>),
    /// The connection failed (§7.1.7). The Close that tells the peer, if there is one to tell, is in the output
    /// already, and nothing follows.
    Failed(ProtocolError),
}

/// A piece of a message, as it arrived. How a message is cut into pieces means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// Whether the message begins with this piece.
    pub first: bool,
    /// Whether the message ends with this piece.
    pub last: bool,
    /// The piece; text is never cut inside a code point.
    pub data: Message<'b>,
}

impl Event<'_> {
    /// _The WebSocket Connection Close Code_ (§7.1.5), if this event ends the connection: 1005 for a Close
    /// without a code, 1006 if there was no Close.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Close(Some(frame)) => Some(frame.code().get()),
            Self::Close(None) => Some(1005),
            Self::Failed(_) => Some(1006),
            _ => None,
        }
    }

    /// How long the payload is, of a message or a piece of one.
    #[cfg(feature = "aio")]
    pub(crate) fn payload_len(&self) -> usize {
        match self {
            Self::Message(message) | Self::Chunk(Chunk { data: message, .. }) => message.len(),
            _ => 0,
        }
    }

    /// The same event, borrowing nothing; see [`Message::into_owned`].
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Chunk(Chunk { first, last, data }) => {
                Event::Chunk(Chunk { first, last, data: data.into_owned() })
            }
            Self::Ping(payload) => Event::Ping(payload.into_owned().into()),
            Self::Pong(payload) => Event::Pong(payload.into_owned().into()),
            Self::Close(frame) => Event::Close(frame),
            Self::Failed(error) => Event::Failed(error),
        }
    }
}

/// Lengths, never payloads.
impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Self::Chunk(chunk) => f.debug_tuple("Chunk").field(chunk).finish(),
            Self::Ping(payload) => write!(f, "Ping({} bytes)", payload.len()),
            Self::Pong(payload) => write!(f, "Pong({} bytes)", payload.len()),
            Self::Close(frame) => f.debug_tuple("Close").field(frame).finish(),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}
