//! [`Batch`]: the events of one read.

use std::io;

use core::future::poll_fn;

use super::driver::Link;
use super::io::{Io, Timer};
use crate::adapter::Ending;
use crate::connection::{Connection, Event, Message, Unread};
use crate::error::SendError;
use crate::input::Input;

/// The events of one read; see [`WebSocket::read`](super::WebSocket::read).
///
/// They borrow from the read buffer and from nothing else, so sending while holding one compiles. The next
/// read of the WebSocket, or `flush`, writes what is [fed](Self::feed).
///
/// A batch has at most about 500 events, so that a peer with many small ones does not delay other tasks.
#[derive(Debug)]
pub struct Batch<'b, S, T> {
    link: &'b mut Link<S, Connection, T>,
    input: Input<'b>,
    unread: &'b mut Unread,
    fresh: &'b mut bool,
    ending: &'b mut Ending,
}

impl<'b, S, T> Batch<'b, S, T> {
    pub(super) fn new(
        link: &'b mut Link<S, Connection, T>,
        (input, unread, fresh): (Input<'b>, &'b mut Unread, &'b mut bool),
        ending: &'b mut Ending,
    ) -> Self {
        Self { link, input, unread, fresh, ending }
    }

    /// Returns the next event, which borrows from the read buffer; `None` after the last one.
    #[inline(always)]
    pub fn recv(&mut self) -> Option<Event<'b>> {
        if self.link.turn.is_over() {
            return None;
        }
        match self.link.endpoint.recv_whole(&mut self.input) {
            Some(message) => {
                self.unread.left(&self.input);
                *self.fresh = true;
                self.link.turn.event(message.len());
                Some(Event::Message(message))
            }
            None => self.next(Connection::recv_any),
        }
    }

    /// Returns the next event, with message data in pieces; see [`Connection::recv_chunk`].
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        if self.link.turn.is_over() { None } else { self.next(Connection::recv_chunk) }
    }

    #[cold]
    fn next(
        &mut self,
        recv: impl FnOnce(&mut Connection, &mut Input<'b>) -> Option<Event<'b>>,
    ) -> Option<Event<'b>> {
        let event = recv(&mut self.link.endpoint, &mut self.input);
        self.unread.left(&self.input);
        *self.fresh = event.is_some();
        self.link.turn.event(event.as_ref().map_or(0, Event::payload_len));
        self.ending.note(event.as_ref());
        event
    }

    /// Queues a message; the next read of the WebSocket, or `flush`, writes it.
    ///
    /// # Errors
    /// See [`Connection::send`].
    #[inline]
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.link.endpoint.send(message)
    }

    /// Queues a message by value: a large owned payload is moved, not copied.
    ///
    /// # Errors
    /// See [`Connection::send_owned`].
    #[inline]
    pub fn feed_owned(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.link.endpoint.send_owned(message)
    }

    /// Returns the connection, for everything else.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.link.endpoint
    }
}

impl<S: Io<T>, T: Timer> Batch<'_, S, T> {
    /// Sends a message at once; see [`WebSocket::send`](super::WebSocket::send). A server's large message is
    /// written directly from its own memory.
    ///
    /// # Errors
    /// A [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise errors of the stream.
    pub async fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        poll_fn(|cx| self.link.poll_writing(cx, |writing, cx| writing.poll_send_message(message, cx))).await
    }
}
