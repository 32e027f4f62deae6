//! [`Buffer`] and [`Batch`]: received bytes, and the events of one read.

use std::io::{self, ErrorKind};
use std::time::Instant;
use std::vec::Vec;

use super::Transport;
use super::pipe::{NOW, Pipe};
use super::time::{AT_ONCE, Timeout, is_later};
use crate::adapter::{DIRECT_FROM, Ending, MAX_FRAME};
use crate::connection::{Connection, Event, Message, ReadBuffer, Unread};
use crate::error::SendError;
use crate::input::Input;

/// Bytes that were read but not received yet.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: ReadBuffer,
    /// Whether it may contain an event; otherwise it holds at most an incomplete frame.
    pub(super) fresh: bool,
    /// What [`read_rest`](Self::read_rest) may still cost.
    patience: u16,
}

impl Buffer {
    /// Creates a buffer with these bytes, which were read before.
    pub(super) fn new(unread: Vec<u8>) -> Self {
        let fresh = !unread.is_empty();
        Self { bytes: ReadBuffer::new(SIZE, MAX_FRAME).with_unread(unread), fresh, patience: PATIENCE }
    }

    /// Sets how many bytes a read is offered.
    pub(super) fn set_size(&mut self, bytes: usize) {
        let unread = core::mem::take(&mut self.bytes).into_unread();
        self.bytes = ReadBuffer::new(bytes, MAX_FRAME).with_unread(unread);
        // This discards what is known about an incomplete frame.
        self.fresh = !self.bytes.is_empty();
    }

    pub(super) fn into_unread(self) -> Vec<u8> {
        self.bytes.into_unread()
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.unread()
    }

    /// Passes the bytes to `recv`, which returns the next event if there is one.
    pub(super) fn recv<'b, E>(&'b mut self, recv: impl FnOnce(&mut Input<'b>) -> Option<E>) -> Option<E> {
        let mut input = self.bytes.input();
        let event = recv(&mut input);
        self.fresh = event.is_some() && !input.is_empty();
        event
    }

    /// Returns the bytes, what is left of them, and [`fresh`](Self::fresh).
    pub(super) fn lend(&mut self) -> (Input<'_>, &mut Unread, &mut bool) {
        let (input, unread) = self.bytes.parts();
        (input, unread, &mut self.fresh)
    }

    /// Returns space to read into.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.bytes.space()
    }

    /// Reads some of what arrived before a write failed; returns `true` if there was any. A peer that drips or floods does
    /// not put the end off.
    pub(super) fn read_rest<S: Transport>(&mut self, stream: &mut S, reading: &mut Timeout) -> bool {
        let bound = reading.bound(Some(NOW), |timeout| stream.set_read_timeout(timeout));
        if self.patience == 0 || bound.is_err() {
            return false;
        }
        loop {
            let began = Instant::now();
            match stream.read(self.space()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return false,
                Ok(n) => {
                    // What had arrived comes at once; a drop that comes late had not.
                    let is_drop = n < DROP && began.elapsed() >= AT_ONCE;
                    self.patience =
                        self.patience.saturating_sub(if is_drop { PATIENCE / MAX_DROPS } else { 1 });
                    self.filled(n);
                    return true;
                }
            }
        }
    }

    /// Records that `n` bytes were read there.
    pub(super) fn filled(&mut self, n: usize) {
        self.bytes.filled(n);
        self.fresh = true;
    }
}

/// The events of one read; see [`WebSocket::read`](super::WebSocket::read).
///
/// They borrow from the read buffer and from nothing else, so sending while holding one compiles. The next
/// read of the WebSocket, or `flush`, writes what is [fed](Self::feed).
#[derive(Debug)]
pub struct Batch<'b, S> {
    pub(super) pipe: &'b mut Pipe<S>,
    pub(super) connection: &'b mut Connection,
    pub(super) input: Input<'b>,
    pub(super) unread: &'b mut Unread,
    pub(super) fresh: &'b mut bool,
    pub(super) ending: &'b mut Ending,
}

impl<'b, S> Batch<'b, S> {
    /// Returns the next event, which borrows from the read buffer; `None` after the last one.
    #[inline(always)]
    pub fn recv(&mut self) -> Option<Event<'b>> {
        match self.connection.recv_whole(&mut self.input) {
            Some(message) => {
                self.unread.left(&self.input);
                *self.fresh = !self.input.is_empty();
                Some(Event::Message(message))
            }
            None => self.next(Connection::recv_any),
        }
    }

    /// Returns the next event, with message data in pieces; see [`Connection::recv_chunk`].
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        self.next(Connection::recv_chunk)
    }

    #[cold]
    fn next(
        &mut self,
        recv: impl FnOnce(&mut Connection, &mut Input<'b>) -> Option<Event<'b>>,
    ) -> Option<Event<'b>> {
        let event = recv(self.connection, &mut self.input);
        self.unread.left(&self.input);
        *self.fresh = event.is_some() && !self.input.is_empty();
        self.ending.note(event.as_ref());
        event
    }

    /// Queues a message; the next read of the WebSocket, or `flush`, writes it.
    ///
    /// # Errors
    /// See [`Connection::send`].
    #[inline]
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.connection.send(message)
    }

    /// Queues a message by value: a large owned payload is moved, not copied.
    ///
    /// # Errors
    /// See [`Connection::send_owned`].
    #[inline]
    pub fn feed_owned(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.connection.send_owned(message)
    }

    /// Returns the connection, for everything else.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
    }
}

impl<S: Transport> Batch<'_, S> {
    /// Sends a message at once; see [`WebSocket::send`](super::WebSocket::send). A server's large message is
    /// written directly from its own memory.
    ///
    /// # Errors
    /// A [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise errors of the stream.
    pub fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        send(self.pipe, self.connection, message)
    }
}

/// Sends a message and writes it, or as much of it as the stream takes now.
pub(super) fn send<S: Transport>(
    pipe: &mut Pipe<S>,
    connection: &mut Connection,
    message: &Message<'_>,
) -> io::Result<()> {
    let payload = message.as_bytes();
    let written = if payload.len() >= DIRECT_FROM
        && connection.sender().sends_as_is(payload.len())
        && pipe.is_flushed()
    {
        connection.send_header(message.kind(), payload.len())?;
        pipe.write_owed(connection, payload)
    } else {
        connection.send(message)?;
        Ok(())
    };
    let written = written.and_then(|()| pipe.write(connection, None));
    sent(pipe, connection, written)
}

/// Ends the connection on a write error, unless the error means "later", which is harmless. What has arrived can
/// still be received.
pub(super) fn sent<S: Transport>(
    pipe: &mut Pipe<S>,
    connection: &mut Connection,
    written: io::Result<()>,
) -> io::Result<()> {
    match written {
        Err(error) if is_later(&error) => Ok(()),
        Err(error) => {
            pipe.cut_off(connection);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// Maximum bytes per read.
const SIZE: usize = 16 * 1024;

/// Maximum number of reads after a failed write, and of those among them that wait and bring less than [`DROP`].
const PATIENCE: u16 = 4096;
const MAX_DROPS: u16 = 16;
const DROP: usize = 4096;
