//! [`WebSocket`]: drives a connection.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;
use std::vec::Vec;

use super::batch::Batch;
use super::driver::Driver;
use super::io::{Io, Timer};
use super::methods::{receive_methods, write_methods};
use super::read_buffer::ReadBuffer;
use super::writing::{Fault, Writing};
use crate::adapter::{Ending, send_methods};
use crate::connection::{Connection, EncodedMessage, Event, Message, Sender, State};
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame};

/// A WebSocket over an asynchronous stream.
///
/// * **Receiving**: [`recv`](Self::recv) returns one event at a time. [`read`](Self::read) returns all events
///   of one read; their answers take one write. This is the fastest way. [`recv_chunk`](Self::recv_chunk)
///   receives messages of any size.
/// * **Sending**: [`send`](Self::send) and the similar methods write at once; [`feed`](Self::feed) leaves
///   that to the next `flush`, `recv` or `read`.
/// * **Closing**: call [`close`](Self::close), then receive until `None`, or call [`finish`](Self::finish).
///
/// Receiving also answers pings, sends keepalive pings, and ends the transport in the right order when the
/// connection is over. Waiting output is written before the next read from the stream, that is, after all events that
/// have already been read. Continue until it returns `None`.
///
/// Protocol violations by the peer are reported as [`Event::Failed`], never as errors of these methods. An
/// error of the stream is returned once; then the connection is over. After a failed write, what had arrived is
/// still received, such as the Close of a peer that has left; without a Close, `Event::Failed` follows.
///
/// # Sending a received message
///
/// A message from [`recv`](Self::recv) borrows the WebSocket, so sending it at once does not compile (E0499).
/// Either convert it into an owned message, or use a batch, whose events borrow only from the read buffer:
///
/// ```
/// # use sansocket::{Event, aio::{Io, Timer, WebSocket}};
/// # async fn echo<S: Io<T>, T: Timer>(mut ws: WebSocket<S, T>) -> std::io::Result<()> {
/// while let Some(mut batch) = ws.read().await? {
///     while let Some(event) = batch.recv() {
///         if let Event::Message(message) = event { batch.send(&message).await?; }
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Every method is cancel-safe: all state is in the WebSocket, none in the futures.
#[derive(Debug)]
#[doc(alias = "WebSocketStream")]
pub struct WebSocket<S, T> {
    pub(super) driver: Driver<S, Connection, T>,
    pub(super) ending: Ending,
}

impl<S, T> WebSocket<S, T> {
    /// Creates a WebSocket over `stream`, whose opening handshake resulted in `connection`. `unread` holds
    /// the bytes read after the handshake. `timer` continues the connection's time.
    pub fn over(stream: S, connection: Connection, unread: Vec<u8>, timer: T) -> Self {
        let mut driver = Driver::new(stream, connection, timer);
        driver.buffer = ReadBuffer::new(unread);
        driver.into()
    }

    /// Returns the stream, the connection with its output, and the bytes that were read but not received. A stream that keeps
    /// back what is written, such as TLS, may still have to be flushed.
    pub fn into_parts(self) -> (S, Connection, Vec<u8>) {
        let Driver { mut link, buffer } = self.driver;
        link.endpoint.lose_after_input();
        // The stream must flush these itself.
        link.endpoint.output_written(link.outgoing.unflushed);
        (link.stream, link.endpoint, buffer.into_unread())
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.driver.link.stream
    }

    /// Returns the connection.
    pub fn connection(&self) -> &Connection {
        &self.driver.link.endpoint
    }

    /// Returns the connection, for everything without a method here. The next `flush`, `send` or
    /// read from the stream writes its output.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.driver.link.endpoint
    }

    /// Returns the state of the connection.
    pub fn state(&self) -> State {
        self.connection().state()
    }

    /// Returns the round-trip time of the last keepalive Ping; see
    /// [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.connection().latency()
    }

    /// Returns `true` if messages can be sent: neither side has begun to close, and the connection has not
    /// failed.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
    }

    /// Returns the code and reason of the peer's Close after [`Event::Close`] is received; `None` if it has
    /// none.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.ending.close_frame()
    }

    /// Sets how many bytes a read is offered; for a large message, or in the memory that one has left to the thread, it may be
    /// more. Default: 64 KiB, which is also the most that `futures_io` and `axum` read at once. Between messages, no memory is
    /// held for it.
    pub fn set_read_buffer(&mut self, bytes: usize) {
        self.driver.buffer.set_size(bytes);
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`] if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.connection_mut().send(message)
    }
}

impl<S, T> From<Driver<S, Connection, T>> for WebSocket<S, T> {
    fn from(driver: Driver<S, Connection, T>) -> Self {
        Self { driver, ending: Ending::default() }
    }
}

impl<S: Io<T>, T: Timer> WebSocket<S, T> {
    /// Returns the next event; `None` when the connection is over and the transport has ended.
    ///
    /// A failure is also an event, [`Event::Failed`]; the Close for the peer has then been written, as far as
    /// the stream takes it at once. A message is borrowed from the read buffer if it is contiguous there.
    /// [`read`](Self::read) allows sending it while it is borrowed.
    ///
    /// Cancel-safe: a dropped future has taken no event.
    ///
    /// # Errors
    /// Errors of the stream.
    #[doc(alias = "next")]
    pub async fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        match poll_fn(|cx| self.poll_next(cx, Recv::Borrowed)).await? {
            Next::Borrowed => {
                // A borrow cannot be returned from inside a loop, so it is created here.
                let link = &mut self.driver.link;
                let event = self.driver.buffer.give(|input| link.endpoint.recv(input));
                if let Some(Event::Failed(_)) = event {
                    poll_fn(|cx| {
                        link.write_last_words(cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                Ok(event)
            }
            Next::Owned(event) => Ok(Some(event)),
            Next::Over => Ok(None),
        }
    }

    receive_methods!();

    /// Writes waiting output, then reads once. The [`Batch`] holds all events of that read. Returns `None`
    /// when the connection is over and the transport has ended.
    ///
    /// Cancel-safe: a dropped future has read nothing. Events left in a dropped `Batch` are in the next one.
    ///
    /// # Errors
    /// Errors of the stream.
    pub async fn read(&mut self) -> io::Result<Option<Batch<'_, S, T>>> {
        // No event lives across the await: the future of a waiting connection is part of its memory.
        if !poll_fn(|cx| self.poll_batch(cx)).await? {
            return Ok(None);
        }
        let Driver { link, buffer } = &mut self.driver;
        Ok(Some(Batch::new(link, buffer.lend(), &mut self.ending)))
    }

    write_methods!();

    /// Starts the closing handshake (RFC 6455 §7.1.2) and writes the Close. It does not wait for the peer's
    /// Close: receive until `None`, or call [`finish`](Self::finish).
    ///
    /// It only waits for the stream to take what waits and the Close, for at most
    /// [`Config::close_timeout`](crate::Config::close_timeout) for each 16 KiB, or for the rest. It has no effect if the connection is already
    /// closing.
    ///
    /// Cancel-safe: the first poll queues the Close, once.
    ///
    /// # Errors
    /// Errors of the stream. A peer that does not take the Close in time is none: [`finish`](Self::finish) reports it, unless
    /// the peer has closed, too.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        poll_fn(|cx| self.driver.poll_close(code, reason, cx)).await
    }

    pub(super) fn poll_writing(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnMut(&mut Writing<'_, S, T>, &mut Context<'_>) -> Poll<Result<(), Fault>>,
    ) -> Poll<io::Result<()>> {
        self.driver.link.poll_writing(cx, poll)
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        ready!(self.driver.link.turn.poll(cx));
        if self.driver.buffer.fresh {
            return Poll::Ready(Ok(true));
        }
        self.poll_ready(cx)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let ready = self.driver.poll_ready(cx);
        if let Poll::Ready(Err(_)) = ready {
            // It is returned here: as an event it would be reported again.
            let _ = self.driver.take();
        }
        ready
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, recv: Recv) -> Poll<io::Result<Next>> {
        loop {
            ready!(self.driver.link.turn.poll(cx));
            let Driver { link, buffer } = &mut self.driver;
            if recv == Recv::Borrowed && link.endpoint.is_whole(buffer.unread()) {
                link.turn.event(0);
                return Poll::Ready(Ok(Next::Borrowed));
            }
            let connection = &mut link.endpoint;
            let event = buffer.give(|input| match recv {
                Recv::Chunks => connection.recv_chunk(input).map(Event::into_owned),
                Recv::Borrowed | Recv::Owned => connection.recv(input).map(Event::into_owned),
            });
            if let Some(event) = event {
                link.turn.event(event.payload_len());
                self.ending.note(Some(&event));
                if event.close_code().is_some() {
                    link.write_last_words(cx);
                }
                return Poll::Ready(Ok(Next::Owned(event)));
            }
            if !ready!(self.poll_ready(cx))? {
                return Poll::Ready(Ok(Next::Over));
            }
        }
    }
}

/// The ways to receive events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recv {
    /// Contiguous messages stay in the buffer, to be borrowed.
    Borrowed,
    Owned,
    /// Message data comes in pieces.
    Chunks,
}

/// The result of a step.
pub(super) enum Next {
    /// The buffer holds a message to borrow or refuse.
    Borrowed,
    Owned(Event<'static>),
    Over,
}
