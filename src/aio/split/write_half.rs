//! [`WriteHalf`](super::WriteHalf): the sending half.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use super::{Shared, SharedSender};
use crate::adapter::send_methods;
use crate::aio::io::{Timer, Write};
use crate::aio::methods::write_methods;
use crate::aio::wakers::WriterId;
use crate::aio::writing::{Fault, Writing};
use crate::connection::{EncodedMessage, Message, Sender, State};
use crate::error::SendError;
use crate::frame::CloseCode;

/// The sending half of a [`WebSocket`](crate::aio::WebSocket).
///
/// [`share`](Self::share) makes senders for other tasks.
///
/// After this half is dropped, only a [`SharedSender`](super::SharedSender) can send. The [`ReadHalf`](super::ReadHalf) still writes
/// waiting messages, and still answers. The peer is not informed; call [`close`](Self::close) for that.
#[derive(Debug)]
pub struct WriteHalf<W, T> {
    pub(super) shared: Arc<Shared<W, T>>,
    /// Wakes both sides.
    pub(super) both: Waker,
}

impl<W, T> WriteHalf<W, T> {
    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.shared.lock().sender.state()
    }

    /// Returns the round-trip time of the last keepalive Ping; see
    /// [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.shared.lock().sender.latency()
    }

    /// Calls `look` with this half's direction of the stream, for example to get the address of the peer. The
    /// other half waits meanwhile. `look` must not use this connection: that would wait for itself.
    ///
    #[cfg_attr(feature = "tokio", doc = "```")]
    #[cfg_attr(not(feature = "tokio"), doc = "```ignore")]
    /// # fn peer(writer: &sansocket::tokio::WriteHalf<tokio::net::tcp::OwnedWriteHalf>) -> std::io::Result<std::net::SocketAddr> {
    /// writer.with_stream(|stream| stream.peer_addr())
    /// # }
    /// ```
    pub fn with_stream<O>(&self, look: impl FnOnce(&W) -> O) -> O {
        look(&self.shared.lock().stream)
    }

    /// Returns `true` if messages can be sent: neither side has begun to close, and the connection has not
    /// failed.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
    }

    /// Queues a message without writing it: the next `flush`, `send` or read from the stream writes it. A reader that
    /// already waits is not woken.
    ///
    /// # Errors
    /// [`SendError`] if the message cannot be sent.
    pub fn feed(&self, message: &Message<'_>) -> Result<(), SendError> {
        self.change(|sender| sender.send(message))
    }

    pub(in crate::aio) fn change<O>(&self, queue: impl FnOnce(&mut Sender) -> O) -> O {
        self.shared.change(queue)
    }

    /// Returns a sender for this connection that can be cloned, for many tasks.
    pub fn share(&self) -> SharedSender<W, T> {
        SharedSender::new(&self.shared, &self.both)
    }
}

impl<W: Write<T>, T: Timer> WriteHalf<W, T> {
    write_methods!();

    /// Starts the closing handshake; see [`WebSocket::close`](crate::aio::WebSocket::close). The
    /// [`ReadHalf`](super::ReadHalf) receives the remaining messages and completes the handshake.
    ///
    /// Cancel-safe: the first poll queues the Close, once.
    ///
    /// # Errors
    /// Errors of the stream.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        poll_fn(|cx| self.poll_close(code, reason, cx)).await
    }

    pub(in crate::aio) fn poll_close(
        &self,
        code: CloseCode,
        reason: &str,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // A connection that is already closing is what the caller wants, and a Close needs no room.
        let _ = self.change(|sender| sender.close(code, reason));
        self.poll_writing(cx, |writing, cx| writing.poll_flush(cx).map_err(Fault::Broken))
    }

    pub(in crate::aio) fn poll_writing(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnMut(&mut Writing<'_, W, T>, &mut Context<'_>) -> Poll<Result<(), Fault>>,
    ) -> Poll<io::Result<()>> {
        self.shared.poll_writing((WriterId::FIRST, &self.both), cx, poll)
    }
}

impl<W, T> Drop for WriteHalf<W, T> {
    /// The reader writes what is left.
    fn drop(&mut self) {
        self.shared.wakers.wake_reader();
    }
}
