//! WebSockets over the streams of the crate `futures-io` (feature `futures-io`): smol and other runtimes.
//!
//! The types are those of [`tokio`](crate::tokio), whose documentation also applies here: cancel safety,
//! batches, `Stream` and `Sink`. There are two differences:
//!
//! * **The sleep is a parameter**: a function from a time to a future, such as `smol::Timer::after`. For an
//!   `async fn`, use `|time| Box::pin(sleep(time)) as Pin<Box<dyn Future<Output = ()> + Send>>`.
//! * **You connect the stream**: [`client`] takes a stream that already leads to the server. To split a
//!   stream that can be cloned, use `ws.split_with(|stream| (stream.clone(), stream))`.
//!
//! ```no_run
//! # use std::{io, time::Duration};
//! # use futures_io::{AsyncRead, AsyncWrite};
//! # async fn sleep<S: AsyncRead + AsyncWrite + Unpin>(stream: S, after: fn(Duration) -> std::future::Ready<()>)
//! # -> Result<(), sansocket::futures_io::Error> {
//! use sansocket::{Event, futures_io::accept};
//! # struct Timer;
//! # impl Timer { fn after(_: Duration) -> std::future::Ready<()> { std::future::ready(()) } }
//! let mut ws = accept(stream, Timer::after).await?; // for example, `smol::Timer`
//! while let Some(mut batch) = ws.read().await? {
//!     while let Some(event) = batch.recv() {
//!         if let Event::Message(message) = event {
//!             let _ = batch.feed(&message); // written by the next `read`
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A client with smol:
//!
//! ```no_run
//! # mod smol {
//! #     use std::{io, pin::Pin, task::{Context, Poll}, time::Duration};
//! #     pub struct Timer;
//! #     impl Timer { pub fn after(_: Duration) -> std::future::Ready<()> { std::future::ready(()) } }
//! #     pub mod net { pub struct TcpStream; }
//! #     impl net::TcpStream { pub async fn connect(_: &str) -> io::Result<Self> { Ok(Self) } }
//! #     impl futures_io::AsyncRead for net::TcpStream {
//! #         fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
//! #             Poll::Pending
//! #         }
//! #     }
//! #     impl futures_io::AsyncWrite for net::TcpStream {
//! #         fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
//! #             Poll::Pending
//! #         }
//! #         fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> { Poll::Pending }
//! #         fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> { Poll::Pending }
//! #     }
//! # }
//! # async fn run() -> Result<(), sansocket::futures_io::Error> {
//! use sansocket::{CloseCode, Config, Event, futures_io::client};
//! let stream = smol::net::TcpStream::connect("127.0.0.1:9001").await?;
//! let (mut ws, _) =
//!     client(stream, "ws://127.0.0.1:9001/", Config::default(), smol::Timer::after).await?;
//! ws.send_text("Hello").await?;
//! while let Some(event) = ws.recv().await? {
//!     if let Event::Message(message) = event {
//!         println!("{}", message.as_text().unwrap_or("(binary)"));
//!         ws.close(CloseCode::NORMAL, "").await?; // keep receiving until `None`
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `poll_close` of the stream must shut down its writing side. `smol::net::TcpStream` does.
//! `smol::Async<std::net::TcpStream>` only flushes, so its peer learns of the end when the stream is dropped.

use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, IoSlice};
use std::time::Instant;
use std::vec::Vec;

use ::futures_io::{AsyncRead, AsyncWrite};

pub use crate::adapter::Error;
use crate::aio;
pub use crate::aio::Command;
use crate::connection::{Config, Connection};
pub use crate::endpoint::ConnectOptions;
use crate::handshake::{ClientRequest, Established};

/// A WebSocket over a stream of `futures-io`; see [`WebSocket`](aio::WebSocket). `Z` is the future that sleeps.
pub type WebSocket<S, Z> = aio::WebSocket<S, Timer<Z>>;

/// The events of one read; see [`WebSocket::read`].
pub type Batch<'b, S, Z> = aio::Batch<'b, S, Timer<Z>>;

/// A server's opening handshake.
pub type Accepting<S, Z> = aio::Accepting<S, Timer<Z>>;

/// A client's request.
pub type Incoming<S, Z> = aio::Incoming<S, Timer<Z>>;

/// A request for a WebSocket that waits to be accepted or rejected.
pub type Upgrade<S, Z> = aio::Upgrade<S, Timer<Z>>;

/// An ordinary HTTP request that waits for its answer.
pub type Http<S, Z> = aio::Http<S, Timer<Z>>;

/// A client's opening handshake.
pub type Connecting<S, Z> = aio::Connecting<S, Timer<Z>>;

/// The receiving half of a [`WebSocket`].
pub type ReadHalf<R, W, Z> = aio::ReadHalf<R, W, Timer<Z>>;

/// The events of one read of a [`ReadHalf`].
pub type ReadBatch<'b, W, Z> = aio::ReadBatch<'b, W, Timer<Z>>;

/// The sending half of a [`WebSocket`].
pub type WriteHalf<W, Z> = aio::WriteHalf<W, Timer<Z>>;

/// Sends into one connection from many tasks.
pub type SharedSender<W, Z> = aio::SharedSender<W, Timer<Z>>;

impl<S, Z> WebSocket<S, Z> {
    /// Creates a WebSocket over `stream`, whose opening handshake resulted in `connection`. `unread` holds
    /// the bytes read after the handshake.
    ///
    /// The inverse is [`into_parts`](Self::into_parts).
    pub fn from_parts(stream: S, connection: Connection, unread: Vec<u8>, sleep: fn(Duration) -> Z) -> Self {
        let timer = Timer::new(connection.now(), sleep);
        Self::over(stream, connection, unread, timer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, Z: Future> Accepting<S, Z> {
    /// Creates a handshake that waits for a request on `stream`, for at most [`Config::handshake_timeout`]
    /// from the first call of [`advance`](Self::advance).
    pub fn new(stream: S, config: Config, sleep: fn(Duration) -> Z) -> Self {
        Self::over(stream, config, Timer::new(Duration::ZERO, sleep))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, Z: Future> Connecting<S, Z> {
    /// Creates a handshake that sends `request` over `stream`, which already leads to the server, and waits
    /// for the response, for at most [`Config::handshake_timeout`] from the first call of
    /// [`advance`](Self::advance).
    pub fn new(
        stream: S,
        request: ClientRequest,
        options: impl Into<ConnectOptions>,
        sleep: fn(Duration) -> Z,
    ) -> Self {
        Self::over(stream, request, options.into(), Timer::new(Duration::ZERO, sleep))
    }
}

/// Accepts a connection as a server with the default configuration: any target, any `Origin`, no subprotocol.
/// To decide on each request yourself, use [`Accepting`].
///
/// A request that is not for a WebSocket is answered with 426. Dropping the future drops the stream.
///
/// # Errors
/// See [`Error`].
pub async fn accept<S, Z>(stream: S, sleep: fn(Duration) -> Z) -> Result<WebSocket<S, Z>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    Z: Future,
{
    accept_with(stream, Config::default(), sleep).await
}

/// Like [`accept`], with custom limits and deadlines.
///
/// # Errors
/// See [`Error`].
pub async fn accept_with<S, Z>(
    stream: S,
    config: Config,
    sleep: fn(Duration) -> Z,
) -> Result<WebSocket<S, Z>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    Z: Future,
{
    // Boxed, so that the task of an open connection is not as large as its handshake.
    Box::pin(async { Accepting::new(stream, config, sleep).advance().await?.accept().await }).await
}

/// Opens a connection as a client over a stream that already leads to the server.
///
/// Dropping the future drops the stream; [`Connecting`] keeps it. The proxy and the redirects in `options` are
/// ignored.
///
/// # Errors
/// See [`Error`].
pub async fn client<S, R, Z>(
    stream: S,
    request: R,
    options: impl Into<ConnectOptions>,
    sleep: fn(Duration) -> Z,
) -> Result<(WebSocket<S, Z>, Established), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
    Z: Future,
{
    Connecting::new(stream, request.try_into()?, options, sleep).advance().await
}

impl<S: AsyncRead + Unpin, Z> aio::Read<Timer<Z>> for S {
    fn poll_read(&mut self, bytes: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let len = bytes.len();
        // These traits only read into initialised memory. That costs most if little arrives, so only the rest
        // of a frame gets much of it.
        let size = if len == 0 { FIRST } else { REST };
        bytes.resize(bytes.capacity().min(len.saturating_add(size)), 0);
        let read = Pin::new(self).poll_read(cx, &mut bytes[len..]);
        let n = if let Poll::Ready(Ok(n)) = read { n } else { 0 };
        bytes.truncate(len.saturating_add(n));
        read
    }
}

impl<S: AsyncWrite + Unpin, Z> aio::Write<Timer<Z>> for S {
    fn poll_write(&mut self, slices: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match slices {
            [slice] => Pin::new(self).poll_write(cx, slice),
            _ => Pin::new(self).poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_close(cx)
    }
}

/// A connection's deadlines on the standard library's clock, with the sleep of a runtime. Without a deadline
/// there is no sleep.
pub struct Timer<Z> {
    began: Instant,
    /// The time on the connection's scale at that moment.
    before: Duration,
    sleep: fn(Duration) -> Z,
    asleep: Option<Asleep<Z>>,
}

struct Asleep<Z> {
    until: Duration,
    future: Pin<Box<Z>>,
}

impl<Z> Timer<Z> {
    /// Creates a timer for a connection whose last time was `before`.
    pub fn new(before: Duration, sleep: fn(Duration) -> Z) -> Self {
        Self { began: Instant::now(), before, sleep, asleep: None }
    }
}

impl<Z: Future> aio::Timer for Timer<Z> {
    fn now(&self) -> Duration {
        self.before.saturating_add(self.began.elapsed())
    }

    fn poll(&mut self, due: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        // A deadline that is beyond the clock never comes.
        let Some(due) = due.filter(|due| self.began.checked_add(*due).is_some()) else {
            self.asleep = None;
            return Poll::Pending;
        };
        // Every message postpones the deadline. A sleep that is too early is left until it ends: that is much
        // rarer.
        if self.asleep.as_ref().is_some_and(|asleep| asleep.until > due) {
            self.asleep = None;
        }
        loop {
            if let Some(asleep) = &mut self.asleep {
                ready!(asleep.future.as_mut().poll(cx));
                // A completed future must not be polled again.
                self.asleep = None;
            }
            let left = due.saturating_sub(self.now());
            if left.is_zero() {
                return Poll::Ready(());
            }
            self.asleep = Some(Asleep { until: due, future: Box::pin((self.sleep)(left)) });
        }
    }

    fn poll_moment(&mut self, begun: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
        if !mem::replace(begun, true) {
            let until = self.now().saturating_add(aio::MOMENT);
            self.asleep = Some(Asleep { until, future: Box::pin((self.sleep)(aio::MOMENT)) });
        }
        if let Some(asleep) = &mut self.asleep {
            ready!(asleep.future.as_mut().poll(cx));
            // A completed future must not be polled again.
            self.asleep = None;
        }
        Poll::Ready(())
    }

    fn another(&self) -> Self {
        Self { asleep: None, ..*self }
    }
}

impl<Z> fmt::Debug for Timer<Z> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = self.asleep.as_ref().map(|asleep| asleep.until);
        f.debug_struct("Timer").field("began", &self.began).field("until", &until).finish_non_exhaustive()
    }
}

/// Maximum memory initialised for a read.
const FIRST: usize = 16 * 1024;
/// The same, for the rest of a frame.
const REST: usize = 64 * 1024;
