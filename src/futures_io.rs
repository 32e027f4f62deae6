//! WebSockets over the streams of the crate `futures-io` (feature `futures-io`): smol and other runtimes.
//!
//! The loops are those of [`tokio`](crate::tokio), whose documentation holds here: cancel safety, batches, `Stream` and
//! `Sink`. Two things differ:
//!
//! * **The sleep is given in**: a function from a time to a future, such as `smol::Timer::after`. For an `async fn` it is
//!   `|time| Box::pin(sleep(time)) as Pin<Box<dyn Future<Output = ()> + Send>>`.
//! * **Connecting is yours**: [`client`] takes a stream that leads to the server already. A stream that can be cloned is
//!   split by `ws.split_with(|stream| (stream.clone(), stream))`.
//!
//! ```no_run
//! # use std::{io, time::Duration};
//! # use futures_io::{AsyncRead, AsyncWrite};
//! # async fn sleep<S: AsyncRead + AsyncWrite + Unpin>(stream: S, after: fn(Duration) -> std::future::Ready<()>)
//! # -> Result<(), sansocket::futures_io::Error> {
//! use sansocket::{Event, futures_io::accept};
//! # struct Timer;
//! # impl Timer { fn after(_: Duration) -> std::future::Ready<()> { std::future::ready(()) } }
//! let mut ws = accept(stream, Timer::after).await?; // `smol::Timer`, for one
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
//! `poll_close` of the stream has to shut down its writing side: `smol::net::TcpStream` does, while
//! `smol::Async<std::net::TcpStream>` only flushes, so that its peer learns of the end when the stream is dropped.

use core::fmt;
use core::future::Future;
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

/// What one read brought; see [`WebSocket::read`].
pub type Batch<'b, S, Z> = aio::Batch<'b, S, Timer<Z>>;

/// A server's opening handshake.
pub type Accepting<S, Z> = aio::Accepting<S, Timer<Z>>;

/// What a client has asked for.
pub type Incoming<S, Z> = aio::Incoming<S, Timer<Z>>;

/// A client waits for its request to be accepted or rejected.
pub type Upgrade<S, Z> = aio::Upgrade<S, Timer<Z>>;

/// A client waits for the answer to an ordinary HTTP request.
pub type Http<S, Z> = aio::Http<S, Timer<Z>>;

/// A client's opening handshake.
pub type Connecting<S, Z> = aio::Connecting<S, Timer<Z>>;

/// The half of a [`WebSocket`] that receives.
pub type ReadHalf<R, W, Z> = aio::ReadHalf<R, W, Timer<Z>>;

/// What one read of a [`ReadHalf`] brought.
pub type ReadBatch<'b, W, Z> = aio::ReadBatch<'b, W, Timer<Z>>;

/// The half of a [`WebSocket`] that sends.
pub type WriteHalf<W, Z> = aio::WriteHalf<W, Timer<Z>>;

impl<S, Z> WebSocket<S, Z> {
    /// A WebSocket over `stream`, whose opening handshake led to `connection`; `unread` is what was read behind it.
    ///
    /// The other way round: [`into_parts`](Self::into_parts).
    pub fn from_parts(stream: S, connection: Connection, unread: Vec<u8>, sleep: fn(Duration) -> Z) -> Self {
        let timer = Timer::new(connection.now(), sleep);
        Self::over(stream, connection, unread, timer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, Z: Future> Accepting<S, Z> {
    /// Waits for a request on `stream`, from now on at most for [`Config::handshake_timeout`].
    pub fn new(stream: S, config: Config, sleep: fn(Duration) -> Z) -> Self {
        Self::over(stream, config, Timer::new(Duration::ZERO, sleep))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, Z: Future> Connecting<S, Z> {
    /// Sends `request` over `stream`, which leads to the server already, and waits for the answer, from now on at most for
    /// [`Config::handshake_timeout`].
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
/// [`Accepting`] leaves the decision to you.
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

/// The same with limits and deadlines of your own.
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
    // Boxed, so that the task of an open connection is not as large as its handshake was.
    Box::pin(async { Accepting::new(stream, config, sleep).advance().await?.accept().await }).await
}

/// Opens a connection as a client over a stream that leads to the server already.
///
/// Dropping the future drops the stream; [`Connecting`] keeps it.
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
        // These traits read into initialised memory only. That costs most where little arrives, so that only the rest of a
        // frame gets much of it.
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

/// A connection's deadlines on the standard library's clock, with the sleep of a runtime. Without anything to wait for there
/// is no sleep.
pub struct Timer<Z> {
    began: Instant,
    /// What that was on the connection's scale.
    before: Duration,
    sleep: fn(Duration) -> Z,
    asleep: Option<Asleep<Z>>,
}

struct Asleep<Z> {
    until: Duration,
    future: Pin<Box<Z>>,
}

impl<Z> Timer<Z> {
    /// For a connection that was told this time last.
    pub fn new(before: Duration, sleep: fn(Duration) -> Z) -> Self {
        Self { began: Instant::now(), before, sleep, asleep: None }
    }
}

impl<Z: Future> aio::Timer for Timer<Z> {
    fn now(&self) -> Duration {
        self.before.saturating_add(self.began.elapsed())
    }

    fn poll(&mut self, due: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due else {
            self.asleep = None;
            return Poll::Pending;
        };
        // With every message the deadline moves on. A sleep that is early is left alone until it ends: that is much rarer.
        if self.asleep.as_ref().is_some_and(|asleep| asleep.until > due) {
            self.asleep = None;
        }
        loop {
            if self.asleep.is_none() {
                let left = due.saturating_sub(self.now());
                if left.is_zero() {
                    return Poll::Ready(());
                }
                self.asleep = Some(Asleep { until: due, future: Box::pin((self.sleep)(left)) });
            }
            ready!(self.poll_again(cx));
        }
    }

    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(asleep) = &mut self.asleep {
            ready!(asleep.future.as_mut().poll(cx));
            // A future that has ended is not polled again.
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

/// How much memory is initialised for a read, at most.
const FIRST: usize = 16 * 1024;
/// The same for the rest of a frame.
const REST: usize = 64 * 1024;
