//! WebSockets over tokio's streams (feature `tokio`).
//!
//! A thin adapter: it moves bytes between a stream and a [`Connection`], and no rule of the protocol lives in it.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use sansocket::{CloseCode, Event, tokio::connect};
//! let mut ws = connect("ws://127.0.0.1:9001/").await?;
//! ws.send_text("Hello").await?;
//! while let Some(event) = ws.recv().await? {
//!     if let Event::Message(message) = event {
//!         println!("{message:?}");
//!         break;
//!     }
//! }
//! ws.close(CloseCode::NORMAL, "").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! All state lives in the [`WebSocket`], none in the futures: every one of them can be dropped at any time,
//! as `select!` and `timeout` do, and nothing is lost, repeated or reordered. A `recv` that was dropped has
//! not taken an event. A `send` that was dropped before it was ready has sent nothing, and one that was ready
//! has sent everything, or has it waiting in the output.
//!
//! # Two tasks
//!
//! [`split`](WebSocket::split) makes a [`ReadHalf`] and a [`WriteHalf`]. Both are cancel-safe too.
//!
//! # Writing
//!
//! [`send`](WebSocket::send) writes at once; what the stream does not take is written by the next call of any
//! method, and [`flush`](WebSocket::flush) waits for that. [`feed`](WebSocket::feed) only queues. While more
//! than [`Config::high_water`](crate::Config::high_water) is waiting, `send` waits too.
//!
//! # Memory
//!
//! An accepted connection that waits holds no buffer: 1 KiB of heap in all, its task and what tokio keeps for
//! its socket included (measured on 64-bit Linux with small messages before).

mod alarm;
mod client_stream;
mod connect;
mod handshake;
mod sink;
mod split;
mod stream;
mod wakers;

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use std::io;
use std::vec::Vec;

use ::tokio::io::{AsyncRead, AsyncWrite};

pub use client_stream::ClientStream;
#[cfg(feature = "tokio-rustls")]
pub use connect::connect_tls;
pub use connect::{connect, connect_with};
pub use handshake::{Accepting, Connecting, Http, Incoming, Upgrade, accept, client};
pub use split::{ReadHalf, Split, WriteHalf};

use self::alarm::Alarm;
use self::stream::{Output, ReadBuffer};
pub use crate::adapter::{Batch, Error};
use crate::adapter::{eof, lost, send_methods, timeout};
use crate::connection::{Connection, EncodedMessage, Event, Message, Sender};
pub use crate::endpoint::ConnectOptions;
use crate::error::SendError;
use crate::frame::CloseCode;
use crate::input::Input;

/// A WebSocket over an asynchronous stream.
///
/// * [`recv`](Self::recv) returns one event at a time; a message is borrowed from the read buffer where possible.
/// * [`read`](Self::read) returns all that one read brought, to be answered with one write: the fastest way.
/// * [`send`](Self::send) writes at once; [`feed`](Self::feed) leaves that to the next `flush`, `recv` or `read`.
///
/// Both ways of reading also write what is waiting, answer pings, send pings in time, and end the transport
/// in the right order once the connection is over: go on until they return `None`. [`close`](Self::close)
/// does all of that by itself.
///
/// What a peer does wrong is never an error of these methods but an [`Event::Failed`].
///
/// Every method is cancel-safe; see the [module](self).
#[derive(Debug)]
pub struct WebSocket<S> {
    stream: S,
    connection: Connection,
    buffer: ReadBuffer,
    output: Output,
    alarm: Alarm,
}

impl<S> WebSocket<S> {
    /// A WebSocket over `stream`, whose opening handshake led to `connection`; `unread` is what was read
    /// behind it.
    ///
    /// The other way round: [`into_parts`](Self::into_parts).
    pub fn from_parts(stream: S, connection: Connection, unread: Vec<u8>) -> Self {
        Self::new(stream, connection, ReadBuffer::new(unread, 0))
    }

    fn new(stream: S, connection: Connection, buffer: ReadBuffer) -> Self {
        let alarm = Alarm::new(connection.now());
        Self { stream, connection, buffer, output: Output::default(), alarm }
    }

    /// The stream, the connection with its output, and what was read but not yet looked at.
    pub fn into_parts(self) -> (S, Connection, Vec<u8>) {
        (self.stream, self.connection, self.buffer.into_unread())
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection, for everything that has no method here; what it sends is written by the next call.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Sets how many bytes are read at a time. Default: 64 KiB. Between messages no memory is held for it.
    pub fn set_read_buffer(&mut self, bytes: usize) {
        self.buffer.size = bytes.max(1);
    }

    /// Queues a message without writing it.
    ///
    /// # Errors
    /// [`SendError`], if the message cannot be sent.
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.connection.send(message)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The next event; `None` when the connection is over and the transport ended.
    ///
    /// A failure is an event as well, [`Event::Failed`], and the Close that tells the peer has been written.
    ///
    /// Cancel-safe: a future that was dropped has taken no event.
    ///
    /// # Errors
    /// The stream's.
    pub async fn recv(&mut self) -> io::Result<Option<Event<'_>>> {
        match poll_fn(|cx| self.poll_next_event(cx)).await? {
            // A borrow cannot be returned from inside a loop, so it is made here.
            Next::Whole => {
                let end = self.buffer.end();
                let (unread, start) = self.buffer.parts();
                let mut input = Input::new(unread);
                let event = self.connection.recv(&mut input);
                *start = end - input.len();
                if let Some(Event::Failed(_)) = event {
                    poll_fn(|cx| {
                        let sender = self.connection.sender_mut();
                        let _ = self.output.poll_flush(&mut self.stream, sender, cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                Ok(event)
            }
            Next::Event(event) => Ok(Some(event)),
            Next::Over => Ok(None),
        }
    }

    /// Writes what is waiting, then reads once: all that this brought is in the [`Batch`]. `None` when the
    /// connection is over and the transport ended.
    ///
    /// ```no_run
    /// # async fn echo(mut ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> std::io::Result<()> {
    /// use sansocket::Event;
    /// while let Some(mut batch) = ws.read().await? {
    ///     while let Some(event) = batch.recv() {
    ///         if let Event::Message(message) = event {
    ///             batch.feed(&message)?; // holding the message while sending is fine
    ///         }
    ///     }
    /// } // all answers are written at once, by the next `read`
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Cancel-safe: a future that was dropped has read nothing. Bytes that a dropped `Batch` has not received
    /// come with the next one.
    ///
    /// # Errors
    /// The stream's.
    pub async fn read(&mut self) -> io::Result<Option<Batch<'_>>> {
        // No event lives across the await: the future of a connection that waits is part of its memory.
        let event = if self.buffer.is_empty() {
            match poll_fn(|cx| self.poll_fill(cx)).await? {
                Filled::Bytes => None,
                Filled::Event(last) => Some(last),
                Filled::Over => return Ok(None),
            }
        } else {
            None
        };
        let (unread, start) = self.buffer.parts();
        Ok(Some(Batch::new(&mut self.connection, Input::new(unread), start, event)))
    }

    /// Sends a message: waits while more than [`Config::high_water`](crate::Config::high_water) is waiting,
    /// then queues it and writes as much as the stream takes now; the rest goes with the next call.
    ///
    /// A server's large payload is written from where it is, without a copy of what the stream takes now.
    ///
    /// Cancel-safe: a future that was dropped has sent nothing.
    ///
    /// # Errors
    /// [`SendError`], as an [`io::Error`], if the message cannot be sent; otherwise the stream's.
    pub async fn send(&mut self, message: &Message<'_>) -> io::Result<()> {
        poll_fn(|cx| {
            self.output.poll_send_message(&mut self.stream, self.connection.sender_mut(), message, cx)
        })
        .await
    }

    send_methods!(async .await);

    async fn queue(&mut self, mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>) -> io::Result<()> {
        poll_fn(|cx| self.output.poll_send(&mut self.stream, self.connection.sender_mut(), &mut queue, cx))
            .await
    }

    /// Writes all that is waiting.
    ///
    /// Cancel-safe: the next call goes on where a dropped future stopped.
    ///
    /// # Errors
    /// The stream's.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_output(cx)).await
    }

    /// Closes the connection: carries out the closing handshake and ends the transport, at the latest after
    /// [`Config::close_timeout`](crate::Config::close_timeout). Messages that still arrive are dropped.
    ///
    /// To receive them call [`Connection::close`] on [`connection_mut`](Self::connection_mut), and receive on
    /// until `None`.
    ///
    /// Cancel-safe: the Close is sent with the first poll and not again. Calling it again waits for the rest,
    /// also when the peer was the one to close.
    ///
    /// # Errors
    /// The stream's, or [`ProtocolError`](crate::ProtocolError) as an [`io::Error`] if the connection failed
    /// before the peer closed it.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> io::Result<()> {
        // Closing already is what was asked for.
        let _ = self.connection.close(code, reason);
        poll_fn(|cx| self.poll_drain(cx)).await
    }

    /// Drops whatever arrives until the connection is over.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while let Some(event) = self.take_event() {
                if let Event::Failed(error) = event {
                    return Poll::Ready(Err(error.into()));
                }
            }
            match ready!(self.poll_fill(cx))? {
                Filled::Event(Event::Failed(error)) => return Poll::Ready(Err(error.into())),
                Filled::Event(_) | Filled::Bytes => {}
                Filled::Over => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_next_event(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        while !self.connection.is_whole(self.buffer.unread()) {
            let event = match self.take_event().map(Event::into_owned) {
                Some(event) => event,
                None => match ready!(self.poll_fill(cx))? {
                    Filled::Bytes => continue,
                    Filled::Event(event) => event,
                    Filled::Over => return Poll::Ready(Ok(Next::Over)),
                },
            };
            if event.close_code().is_some() {
                // Nobody who stops here may cost the peer our Close. A stream that is broken will say so
                // again, and waiting could lose the event.
                let _ = self.poll_output(cx);
            }
            return Poll::Ready(Ok(Next::Event(event)));
        }
        Poll::Ready(Ok(Next::Whole))
    }

    /// The next event in what was read.
    fn take_event(&mut self) -> Option<Event<'_>> {
        let end = self.buffer.end();
        let (unread, start) = self.buffer.parts();
        let mut input = Input::new(unread);
        let event = self.connection.recv(&mut input);
        *start = end - input.len();
        event
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_flush(&mut self.stream, self.connection.sender_mut(), cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_end(&mut self.stream, self.connection.sender_mut(), cx)
    }

    /// Writes what is waiting and reads until there is something to report; ends the transport when that is all.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Filled>> {
        while !self.connection.is_ended() {
            if self.connection.next_timeout().is_some()
                && let Some(lost) = timeout(&mut self.connection, self.alarm.now())
            {
                return Poll::Ready(Ok(Filled::Event(lost)));
            }
            if let Poll::Ready(Err(error)) = self.poll_end(cx) {
                lost(&mut self.connection, error)?;
                continue;
            }
            if self.alarm.poll(self.connection.next_timeout(), cx).is_ready() {
                continue;
            }
            if self.connection.is_ended() {
                break;
            }
            // While too much is waiting to be written, nothing is read: the write wakes the task.
            if !self.connection.wants_read() {
                return Poll::Pending;
            }
            let read = self.buffer.poll_read(&mut self.stream, cx);
            if read.is_pending() {
                self.connection.sender_mut().rest();
            }
            match ready!(read) {
                Ok(0) => {
                    let event = eof(&mut self.connection);
                    // The peer may be waiting for our end, and this WebSocket may be kept for long. A stream
                    // that cannot end now does so when it is dropped.
                    let _ = self.poll_end(cx);
                    if let Some(event) = event {
                        return Poll::Ready(Ok(Filled::Event(event)));
                    }
                }
                Ok(_) => return Poll::Ready(Ok(Filled::Bytes)),
                Err(error) => lost(&mut self.connection, error)?,
            }
        }
        Poll::Ready(Ok(Filled::Over))
    }
}

/// What [`WebSocket::poll_next_event`] found.
enum Next {
    /// A message that can be borrowed, or refused, lies in the buffer.
    Whole,
    Event(Event<'static>),
    Over,
}

/// What [`WebSocket::poll_fill`] came back with.
enum Filled {
    Bytes,
    Event(Event<'static>),
    Over,
}
