//! [`Batch`]: what one read brought.

use std::boxed::Box;

use crate::connection::{Connection, Event, Message};
use crate::error::SendError;
use crate::frame::CloseFrame;
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
