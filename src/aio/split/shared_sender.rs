//! [`SharedSender`](super::SharedSender): many tasks that send into one connection.

use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::{Arc, Weak};

use super::{Shared, WriteSide};
use crate::adapter::send_methods;
use crate::aio::io::{Timer, Write};
use crate::aio::methods::write_methods;
use crate::aio::wakers::{Side, Wakers, WriterId};
use crate::aio::writing::{Fault, Writing};
use crate::connection::{EncodedMessage, Message, Sender, State};
use crate::error::SendError;
use crate::frame::CloseCode;

/// A sender for a split connection, to be cloned for any number of tasks.
///
/// * [`send`](Self::send) and the other `send` methods wait for room and write, as those of the
///   [`WriteHalf`](super::WriteHalf) do.
/// * [`try_send`](Self::try_send) and [`try_send_encoded`](Self::try_send_encoded) do not wait, and are not `async`: they
///   queue if there is room, and leave the writing to the task that receives. They write only to make room.
/// * [`closed`](Self::closed) waits for the end.
///
/// All senders share one queue, the output of the connection, with the bound [`Config::high_water`](crate::Config::high_water).
/// Senders do not keep the connection open: it ends with its two halves.
///
#[cfg_attr(feature = "tokio", doc = "```no_run")]
#[cfg_attr(not(feature = "tokio"), doc = "```ignore")]
/// # async fn run(ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> std::io::Result<()> {
/// let (mut reader, writer) = ws.into_split();
/// for n in 0..10 {
///     let mut sender = writer.share();
///     tokio::spawn(async move { sender.send_text(&format!("from task {n}")).await });
/// }
/// while let Some(event) = reader.recv().await? {
///     if let sansocket::Event::Message(message) = event {
///         println!("{}", message.as_text().unwrap_or("(binary)"));
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SharedSender<W, T> {
    /// The halves alone keep the stream open.
    shared: Weak<Shared<W, T>>,
    wakers: Arc<Wakers>,
    /// Wakes all sides.
    both: Waker,
    id: WriterId,
}

impl<W, T> SharedSender<W, T> {
    pub(super) fn new(shared: &Arc<Shared<W, T>>, both: &Waker) -> Self {
        let wakers = Arc::clone(&shared.wakers);
        let id = wakers.another_writer();
        Self { shared: Arc::downgrade(shared), wakers, both: both.clone(), id }
    }

    /// Returns `true` if messages can be sent: the connection is there, and neither end has begun to close.
    pub fn can_send(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| {
            let side = shared.lock();
            side.is_read && side.sender.state() == State::Open
        })
    }

    /// Returns `true` if the connection is over: its transport ended, the peer was given up, or the
    /// [`ReadHalf`](super::ReadHalf) was dropped.
    pub fn is_closed(&self) -> bool {
        self.shared.upgrade().is_none_or(|shared| {
            let side = shared.lock();
            !side.is_read || side.sender.state() == State::Ended
        })
    }

    /// Waits until the connection [is over](Self::is_closed).
    ///
    /// Cancel-safe.
    pub async fn closed(&mut self) {
        poll_fn(|cx| {
            self.wakers.set(Side::End(self.id), cx);
            if !self.is_closed() {
                return Poll::Pending;
            }
            self.wakers.clear(self.id);
            Poll::Ready(())
        })
        .await;
    }

    /// Starts the closing handshake after all waiting messages. The task that receives writes the Close and completes the
    /// handshake. Does nothing if the connection is closing already.
    pub fn start_close(&self, code: CloseCode, reason: &str) {
        if let Some(shared) = self.shared.upgrade() {
            // An error means that it is closing already.
            let _ = shared.change(|sender| sender.close(code, reason));
        }
    }
}

impl<W: Write<T>, T: Timer> SharedSender<W, T> {
    /// Queues a message, which the task that receives writes. If there is no room, because of
    /// [`Config::high_water`](crate::Config::high_water) or [`Config::max_output`](crate::Config::max_output), it first
    /// writes what the stream takes now.
    ///
    /// It never lets other tasks have their turn: one that sends without an end has to yield now and then.
    ///
    /// # Errors
    /// [`OutputFull`](SendError::OutputFull) if there is still no room: the peer is too slow.
    /// [`Closed`](SendError::Closed) if the connection is closing or over. Others as [`Connection::send`](crate::Connection::send).
    pub fn try_send(&self, message: &Message<'_>) -> Result<(), SendError> {
        self.try_queue(|sender| sender.send(message))
    }

    /// Like [`try_send`](Self::try_send), for a message that was encoded for many connections.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_send_encoded(&self, message: &EncodedMessage) -> Result<(), SendError> {
        self.try_queue(|sender| sender.send_encoded(message))
    }

    write_methods!();

    /// The peer is not slow before its stream is full: the task that receives may not have had its turn.
    fn try_queue(&self, queue: impl FnMut(&mut Sender) -> Result<(), SendError>) -> Result<(), SendError> {
        let shared = self.shared.upgrade().ok_or(SendError::Closed)?;
        let mut side = shared.lock();
        if !side.is_read {
            return Err(SendError::Closed);
        }
        let WriteSide { stream, sender, outgoing, .. } = &mut *side;
        let waited = sender.output_len();
        let mut writing = Writing::new(stream, sender, outgoing);
        let polled = writing.poll_queue(queue, &mut Context::from_waker(&self.both));
        // The task that receives writes what is left, keeps the deadlines, and reports a broken stream.
        let told = writing.told(waited);
        let has_changed = matches!(polled, Poll::Ready(Ok(()) | Err(Fault::Broken(_))));
        let concerns_reader = has_changed || told.reader || sender.output_len() != waited;
        drop(side);
        if concerns_reader {
            shared.wakers.wake_reader();
        }
        if told.writers {
            shared.wakers.wake_for_room(Some(self.id));
        }
        match polled {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(Fault::Refused(error))) => Err(error),
            Poll::Ready(Err(Fault::Broken(_))) | Poll::Pending => Err(SendError::OutputFull),
        }
    }

    fn poll_writing(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnMut(&mut Writing<'_, W, T>, &mut Context<'_>) -> Poll<Result<(), Fault>>,
    ) -> Poll<io::Result<()>> {
        match self.shared.upgrade() {
            Some(shared) => shared.poll_writing((self.id, &self.both), cx, poll),
            None => Poll::Ready(Err(SendError::Closed.into())),
        }
    }
}

impl<W, T> Clone for SharedSender<W, T> {
    fn clone(&self) -> Self {
        Self {
            shared: Weak::clone(&self.shared),
            wakers: Arc::clone(&self.wakers),
            both: self.both.clone(),
            id: self.wakers.another_writer(),
        }
    }
}

impl<W, T> Drop for SharedSender<W, T> {
    fn drop(&mut self) {
        self.wakers.clear(self.id);
    }
}
