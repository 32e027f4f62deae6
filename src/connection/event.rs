//! [`Event`]: what a connection reports.

use super::message::Message;
use crate::error::ProtocolError;
use crate::frame::{CloseFrame, ControlPayload};

/// What happened on a connection. Every event comes out of [`recv`](crate::Connection::recv).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A complete message, from [`recv`](crate::Connection::recv); borrowed from the input if its payload lay
    /// there in one piece.
    Message(Message<'b>),
    /// A piece of a message, from [`recv_chunk`](crate::Connection::recv_chunk).
    Chunk(Chunk<'b>),
    /// A Ping; the Pong is in the output already.
    Ping(ControlPayload),
    /// A Pong, asked for or not.
    Pong(ControlPayload),
    /// The peer closes, with this code and reason. The answer is in the output already, and no more messages
    /// follow.
    Close(Option<CloseFrame>),
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

    /// The same event, borrowing nothing; see [`Message::into_owned`].
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Chunk(Chunk { first, last, data }) => {
                Event::Chunk(Chunk { first, last, data: data.into_owned() })
            }
            Self::Ping(payload) => Event::Ping(payload),
            Self::Pong(payload) => Event::Pong(payload),
            Self::Close(frame) => Event::Close(frame),
            Self::Failed(error) => Event::Failed(error),
        }
    }
}
