//! [`Event`]: what a connection reports.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::fmt;

use super::message::Message;
use crate::error::ProtocolError;
use crate::frame::CloseFrame;

/// An event of a connection, returned by [`recv`](crate::Connection::recv).
///
/// Events are small and cheap to move: payloads are borrowed or on the heap.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A complete message, from [`recv`](crate::Connection::recv). It is borrowed from the input if its
    /// payload is contiguous there.
    Message(Message<'b>),
    /// A piece of a message, from [`recv_chunk`](crate::Connection::recv_chunk).
    Chunk(Chunk<'b>),
    /// A Ping with a payload of at most 125 bytes. It is answered automatically; while many Pongs wait in the
    /// output, or an [owed](crate::Connection::payload_owed) payload delays them, only the latest Ping is.
    Ping(Cow<'b, [u8]>),
    /// A Pong with a payload of at most 125 bytes, solicited or not.
    Pong(Cow<'b, [u8]>),
    /// The peer closes, with this code and reason; no messages follow. The reply is in the output, or
    /// follows an [owed](crate::Connection::payload_owed) payload, but it is not necessarily written: keep receiving
    /// until `None`. If the connection is dropped here, the peer may see 1006.
    Close(Option<Box<CloseFrame>>),
    /// The connection failed (§7.1.7). The Close frame for the peer, if there is one, is already in the
    /// output, or follows an [owed](crate::Connection::payload_owed) payload; no events follow.
    Failed(ProtocolError),
}

/// A piece of a message, as it arrived. The boundaries between pieces have no meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// Whether this is the first piece of the message.
    pub first: bool,
    /// Whether this is the last piece of the message.
    pub last: bool,
    /// The payload of this piece. Text is never split inside a code point.
    pub data: Message<'b>,
}

impl Event<'_> {
    /// Returns _The WebSocket Connection Close Code_ (§7.1.5) if this event ends the connection: 1005 for a
    /// Close without a code, 1006 if there was no Close.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Close(Some(frame)) => Some(frame.code().get()),
            Self::Close(None) => Some(1005),
            Self::Failed(_) => Some(1006),
            _ => None,
        }
    }

    /// Returns the payload length of a message or a piece of one.
    #[cfg(feature = "aio")]
    pub(crate) fn payload_len(&self) -> usize {
        match self {
            Self::Message(message) | Self::Chunk(Chunk { data: message, .. }) => message.len(),
            _ => 0,
        }
    }

    /// Converts into an event that borrows nothing; see [`Message::into_owned`].
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

/// Shows lengths, never payloads.
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
