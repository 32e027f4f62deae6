//! WebSockets over tokio's streams (feature `tokio`).
//!
//! A thin adapter: it moves bytes between a stream and an endpoint, and sleeps until the endpoint's next timeout. The rules of
//! the protocol are in the core. A runtime that you build yourself needs `enable_all`, or `enable_io` and `enable_time`.
//!
//! Import names from `sansocket::tokio`, not the module itself or `sansocket::*`, which would hide the crate `tokio`.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use sansocket::{CloseCode, Event, tokio::connect};
//! let mut ws = connect("ws://127.0.0.1:9001/").await?;
//! ws.send_text("Hello").await?;
//! while let Some(event) = ws.recv().await? {
//!     match event {
//!         Event::Message(message) => {
//!             println!("{}", message.as_text().unwrap_or("(binary)"));
//!             ws.close(CloseCode::NORMAL, "").await?; // keep receiving until `None`
//!         }
//!         _ => {} // pings are already answered
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! All state is in the [`WebSocket`], none in its futures. Every future of its methods and of its halves can be dropped at any
//! time, as `select!` and `timeout` do, and nothing is lost, repeated or reordered:
//!
//! * a dropped `recv` has taken no event;
//! * a `send` dropped before completion has sent nothing; a completed one has written or queued the message.
//!
//! The futures of [`accept`], [`connect`] and [`client`] own the stream, and drop it.
//!
//! # Sending what was received
//!
//! A message returned by [`recv`](WebSocket::recv) borrows from the WebSocket, so sending while holding it does not compile
//! (E0499). The events of a [`Batch`] borrow only from the read buffer:
//!
//! ```no_run
//! # async fn echo(mut ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> std::io::Result<()> {
//! use sansocket::Event;
//! while let Some(mut batch) = ws.read().await? {
//!     while let Some(event) = batch.recv() {
//!         if let Event::Message(message) = event {
//!             batch.feed(&message)?; // or `send`, which writes at once
//!         }
//!     }
//! } // the next `read` writes all answers at once
//! # Ok(())
//! # }
//! ```
//!
//! Alternatively, make the message owned: `let message = message.into_owned();`.
//!
//! # Two tasks
//!
//! [`into_split`](WebSocket::into_split) returns a [`ReadHalf`] and a [`WriteHalf`]. Receiving what has been read takes no lock
//! unless it must be answered; all else takes one, briefly.
//! [`WebSocket`] and the halves also implement `Stream` of events and `Sink` of [`Command`]s, so `futures::StreamExt::split` and
//! `forward` work: `messages.map(Ok).forward(writer)` sends everything from a channel. Even with `SinkExt` in scope,
//! `ws.send(…)` is the method of this crate, which takes a `&Message`; the sink's is `SinkExt::send(&mut ws, "Hello")`.
//! Where no item names its type, name it: `SinkExt::<Message>::close(&mut ws)`.
//!
//! # Writing
//!
//! [`send`](WebSocket::send) writes immediately; the next `flush`, `send` or read from the stream writes what it did not
//! take, and [`flush`](WebSocket::flush) waits for it. [`feed`](WebSocket::feed) only queues. While more than [`Config::high_water`]
//! is queued, `send` waits, too.
//!
//! # Staying connected
//!
//! [`Reconnect`](crate::Reconnect) tells when to try again. The example `client` has the same loop over the
//! standard library's streams.
//!
//! ```no_run
//! # async fn stay_connected(url: &str) {
//! use sansocket::{OsRandom, Reconnect, tokio::connect};
//! use tokio::time::{Instant, sleep_until};
//! let (began, mut reconnect) = (Instant::now(), Reconnect::default());
//! loop {
//!     match connect(url).await {
//!         Ok(mut ws) => {
//!             reconnect.opened(began.elapsed());
//!             while let Ok(Some(event)) = ws.recv().await {
//!                 reconnect.observe_open(&event, began.elapsed()); // and your own code
//!             }
//!         }
//!         Err(error) => reconnect.not_opened(&error),
//!     }
//!     let Some(at) = reconnect.retry_at(began.elapsed(), &mut OsRandom) else { break };
//!     sleep_until(began + at).await;
//! }
//! # }
//! ```
//!
//! # TLS
//!
//! [`connect`] starts TLS for `wss://` (feature `tokio-rustls`, or `tokio-tls` with a custom configuration). For a
//! server, and for a client over an existing stream, start TLS on the stream first:
//!
#![cfg_attr(feature = "tokio-tls", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio-tls"), doc = "```ignore")]
//! # use std::{sync::Arc, time::Duration};
//! # use sansocket::{rustls::ServerConfig, tokio_rustls::TlsAcceptor};
//! # use tokio::time::timeout;
//! # async fn serve(config: Arc<ServerConfig>) -> Result<(), sansocket::tokio::Error> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9443").await?;
//! let (stream, _) = listener.accept().await?;
//! // The deadlines of a connection begin after this: without a time limit a silent client would stay forever.
//! let stream = timeout(Duration::from_secs(10), TlsAcceptor::from(config).accept(stream));
//! let stream = stream.await.map_err(std::io::Error::from)??;
//! let mut ws = sansocket::tokio::accept(stream).await?;
//! ws.send_text("Hello").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Coming from tokio-tungstenite
//!
//! [`migration`] translates every name of tungstenite and tokio-tungstenite, and lists the differences.
//!
//! # Memory
//!
//! A waiting accepted connection holds no buffer: 1 KiB of heap in total, including its task and tokio's state of the socket
//! (measured on 64-bit Linux, after small messages).

mod client_stream;
mod connect;
mod dial;
#[cfg(any(doc, all(doctest, feature = "_tests")))]
#[doc = include_str!("migration.md")]
pub mod migration {}
mod runtime;
pub mod server;
mod split;

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use ::tokio::io::{AsyncRead, AsyncWrite};

pub use client_stream::ClientStream;
pub use connect::{connect, connect_over, connect_with};
pub use runtime::Timer;
pub use split::Split;
#[cfg(feature = "axum")]
pub(crate) use split::behind_a_lock;

pub use crate::adapter::Error;
use crate::aio;
pub use crate::aio::Command;
use crate::connection::{Config, Connection};
pub use crate::endpoint::ConnectOptions;
use crate::handshake::{ClientRequest, Established};

/// A WebSocket over a tokio stream; see [`WebSocket`](aio::WebSocket).
#[doc(alias = "WebSocketStream")]
pub type WebSocket<S> = aio::WebSocket<S, Timer>;

/// The events of one read; see [`WebSocket::read`].
pub type Batch<'b, S> = aio::Batch<'b, S, Timer>;

/// A server's opening handshake over a tokio stream.
///
/// ```no_run
/// # async fn serve(listener: tokio::net::TcpListener) -> Result<(), sansocket::tokio::Error> {
/// use sansocket::{Config, handshake::Response, tokio::{Accepting, Incoming}};
/// let (stream, _) = listener.accept().await?;
/// match Accepting::new(stream, Config::default()).advance().await? {
///     Incoming::Upgrade(mut upgrade) => {
///         upgrade.request.choose_supported(&["chat"]);
///         let mut ws = upgrade.accept().await?;
///     }
///     Incoming::Http(http) => http.respond(&Response::new(404).unwrap()).await?,
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "accept_hdr_async")]
pub type Accepting<S> = aio::Accepting<S, Timer>;

/// A client's request.
pub type Incoming<S> = aio::Incoming<S, Timer>;

/// A request for a WebSocket that waits to be accepted or rejected.
pub type Upgrade<S> = aio::Upgrade<S, Timer>;

/// An ordinary HTTP request that waits for its answer.
pub type Http<S> = aio::Http<S, Timer>;

/// A client's opening handshake over a tokio stream.
pub type Connecting<S> = aio::Connecting<S, Timer>;

/// The receiving half of a [`WebSocket`].
pub type ReadHalf<R, W> = aio::ReadHalf<R, W, Timer>;

/// The events of one read of a [`ReadHalf`].
pub type ReadBatch<'b, W> = aio::ReadBatch<'b, W, Timer>;

/// The sending half of a [`WebSocket`].
pub type WriteHalf<W> = aio::WriteHalf<W, Timer>;

/// Sends into one connection from many tasks.
pub type SharedSender<W> = aio::SharedSender<W, Timer>;

impl<S> WebSocket<S> {
    /// Creates a WebSocket over `stream`, whose opening handshake resulted in `connection`. `unread` holds
    /// the bytes read after the handshake.
    ///
    /// The inverse is [`into_parts`](Self::into_parts).
    pub fn from_parts(stream: S, connection: Connection, unread: Vec<u8>) -> Self {
        let timer = Timer::new(connection.now());
        Self::over(stream, connection, unread, timer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Accepting<S> {
    /// Creates a handshake that waits for a request on `stream`, for at most [`Config::handshake_timeout`]
    /// from the first call of [`advance`](Self::advance).
    pub fn new(stream: S, config: Config) -> Self {
        Self::over(stream, config, Timer::new(Duration::ZERO))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connecting<S> {
    /// Creates a handshake that sends `request` over `stream`, which already leads to the server, and waits
    /// for the response, for at most [`Config::handshake_timeout`] from the first call of
    /// [`advance`](Self::advance).
    pub fn new(stream: S, request: ClientRequest, options: impl Into<ConnectOptions>) -> Self {
        Self::over(stream, request, options.into(), Timer::new(Duration::ZERO))
    }
}

/// Accepts a connection as a server with the default configuration: any target, any `Origin`, no
/// subprotocol. To decide on each request yourself, use [`Accepting`].
///
/// A request that is not for a WebSocket is answered with 426. Dropping the future drops the stream.
///
/// ```no_run
/// # async fn serve() -> Result<(), sansocket::tokio::Error> {
/// use sansocket::{Event, tokio::accept};
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let Ok((stream, _)) = listener.accept().await else {
///         tokio::time::sleep(std::time::Duration::from_millis(50)).await; // such as too many open files
///         continue;
///     };
///     let _ = stream.set_nodelay(true); // or short messages can wait for 40 ms
///     tokio::spawn(async {
///         let mut ws = accept(stream).await?;
///         while let Some(event) = ws.recv().await? {
///             if let Event::Message(message) = event {
///                 println!("{}", message.as_text().unwrap_or("(binary)"));
///             }
///         }
///         Ok::<(), sansocket::tokio::Error>(())
///     });
/// }
/// # }
/// ```
///
/// # Errors
/// See [`Error`].
#[doc(alias = "accept_async")]
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<WebSocket<S>, Error> {
    accept_with(stream, Config::default()).await
}

/// Like [`accept`], with custom limits and deadlines.
///
/// # Errors
/// See [`Error`].
#[doc(alias = "accept_async_with_config")]
pub async fn accept_with<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: Config,
) -> Result<WebSocket<S>, Error> {
    // Boxed, so that the task of an open connection is not as large as its handshake was.
    Box::pin(async { Accepting::new(stream, config).advance().await?.accept().await }).await
}

/// Opens a connection as a client over a stream that already leads to the server, such as TLS.
///
/// Dropping the future drops the stream; [`Connecting`] keeps it. The proxy and the redirects in `options` are ignored.
///
/// # Errors
/// See [`Error`].
#[doc(alias = "client_async")]
pub async fn client<S, R>(
    stream: S,
    request: R,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<S>, Established), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    Connecting::new(stream, request.try_into()?, options).advance().await
}
