//! [`WebSocket`]: a connection being driven.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::vec::Vec;

use super::batch::{Batch, note};
use super::driver::Driver;
use super::io::{Io, Timer};
use super::methods::{receive_methods, write_methods};
use super::read_buffer::ReadBuffer;
use super::writing::{Fault, Writing};
use crate::adapter::send_methods;
use crate::connection::{Connection, EncodedMessage, Event, Message, Sender, State};
use crate::error::SendError;
use crate::frame::{CloseCode, CloseFrame};

/// A WebSocket over an asynchronous stream.
///
/// * **Receiving**: [`recv`](Self::recv) returns one event at a time; [`read`](Self::read) all that one read brought, to be
///   answered with one write: the fastest way. [`recv_chunk`](Self::recv_chunk) for messages of any size.
/// * **Sending**: [`send`](Self::send) and its kin write at once; [`feed`](Self::feed) leaves that to the next `flush`, `recv` or
///   `read`.
/// * **Closing**: [`close`](Self::close), then receive on until `None`, or [`finish`](Self::finish).
///
/// Receiving also writes what waits, answers pings, sends pings in time, and ends the transport in the right order once the
/// connection is over: go on until it returns `None`.
///
/// What a peer does wrong is never an error of these methods but an [`Event::Failed`]. An error of the stream is returned once,
/// and the connection is over then.
///
/// # Sending what was received
///
/// A message that [`recv`](Self::recv) returns borrows from the WebSocket, so that sending it at once does not compile
/// (E0499). Either it is made an owned one, or the batch is asked, whose events borrow from the read buffer alone:
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
    /// What the peer's Close said.
    pub(super) close_frame: Option<Box<CloseFrame>>,
}

impl<S, T> WebSocket<S, T> {
    /// A WebSocket over `stream`, whose opening handshake led to `connection`; `unread` is what was read behind it.
    /// `timer` goes on with the connection's time.
    pub fn over(stream: S, connection: Connection, unread: Vec<u8>, timer: T) -> Self {
        let mut driver = Driver::new(stream, connection, timer);
        driver.buffer = ReadBuffer::new(unread);
        driver.into()
    }

    /// The stream, the connection with its output, and what was read but not received yet.
    pub fn into_parts(self) -> (S, Connection, Vec<u8>) {
        let Driver { link, buffer } = self.driver;
        (link.stream, link.endpoint, buffer.into_unread())
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.driver.link.stream
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.driver.link.endpoint
    }

    /// The connection, for everything that has no method here; what it sends is written by the next call.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.driver.link.endpoint
    }

    /// Where the connection is in its life.
    pub fn state(&self) -> State {
        self.connection().state()
    }

    /// The round-trip time of the last Ping of the keepalive; see [`Connection::latency`](crate::Connection::latency).
    pub fn latency(&self) -> Option<Duration> {
        self.connection().latency()
    }

    /// Whether messages can be sent: neither end has begun to close.
    pub fn can_send(&self) -> bool {
        self.state() == State::Open
    }

    /// The code and reason of the peer's Close, once [`Event::Close`] was received; `None` if it had none.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
    }

    /// Sets how many bytes are read at a time. Default: 64 KiB. Between messages no memory is held for it.
    pub fn set_read_buffer(&mut self, bytes: usize) {
        self.driver.buffer.set_size(bytes);
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.connection_mut().send(message)
    }
}

impl<S, T> From<Driver<S, Connection, T>> for WebSocket<S, T> {
    fn from(driver: Driver<S, Connection, T>) -> Self {
        Self { driver, close_frame: None }
    }
}

impl<S: Io<T>, T: Timer> WebSocket<S, T> {
    /// The next event; `None` when the connection is over and the transport ended.
    ///
    /// A failure is an event as well, [`Event::Failed`], and the Close that tells the peer has been written, as far as the
    /// stream takes it at once. A message is borrowed from the read buffer if it lies there in one piece;
    /// [`read`](Self::read) lets it be sent while it is borrowed.
    ///
    /// Cancel-safe: a future that was dropped has taken no event.
    ///
    /// # Errors
    /// The stream's.
    #[doc(alias = "next")]
    pub async fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        match poll_fn(|cx| self.poll_next(cx, Recv::Borrowed)).await? {
            Next::Borrowed => {
                // A borrow cannot be returned from inside a loop, so it is made here.
                let link = &mut self.driver.link;
                let event = self.driver.buffer.give(|input| link.endpoint.recv(input));
                if let Some(Event::Failed(_)) = event {
                    poll_fn(|cx| Poll::Ready(link.writing().poll_end(cx).is_ready())).await;
                }
                Ok(event)
            }
            Next::Owned(event) => Ok(Some(event)),
            Next::Over => Ok(None),
        }
    }

    receive_methods!();

    /// Writes what is waiting, then reads once: all that this brought is in the [`Batch`]. `None` when the connection is
    /// over and the transport ended.
    ///
    /// Cancel-safe: a future that was dropped has read nothing. What a dropped `Batch` has not received comes with the next
    /// one.
    ///
    /// # Errors
    /// The stream's.
    pub async fn read(&mut self) -> io::Result<Option<Batch<'_, S, T>>> {
        // No event lives across the await: the future of a connection that waits is part of its memory.
        if !poll_fn(|cx| self.poll_batch(cx)).await? {
            return Ok(None);
        }
        let Driver { link, buffer } = &mut self.driver;
        Ok(Some(Batch::new(link, buffer.lend(), &mut self.close_frame)))
    }

    write_methods!();

    /// Starts the closing handshake (RFC 6455 §7.1.2) and writes the Close. It does not wait for the peer's:
    /// receive on until `None`, or [`finish`](Self::finish).
    ///
    /// It waits only for the stream to take the Close, and for that at most
    /// [`Config::close_timeout`](crate::Config::close_timeout). If the connection is closing already that is fine.
    ///
    /// Cancel-safe: the Close is queued with the first poll, once.
    ///
    /// # Errors
    /// The stream's.
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
            // It is returned here: as an event it would come again.
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
                note(&mut self.close_frame, Some(&event));
                if event.close_code().is_some() {
                    // Nobody who stops here may cost the peer our Close. A stream that is broken will say so again, and
                    // waiting could lose the event.
                    let _ = link.writing().poll_end(cx);
                }
                return Poll::Ready(Ok(Next::Owned(event)));
            }
            if !ready!(self.poll_ready(cx))? {
                return Poll::Ready(Ok(Next::Over));
            }
        }
    }
}

/// How events are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recv {
    /// Messages that lie in the buffer in one piece are left there, to be borrowed.
    Borrowed,
    Owned,
    /// Data comes piece by piece.
    Chunks,
}

/// What came of it.
pub(super) enum Next {
    /// A message that can be borrowed, or refused, lies in the buffer.
    Borrowed,
    Owned(Event<'static>),
    Over,
}
