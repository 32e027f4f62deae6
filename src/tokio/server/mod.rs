//! A server kit: an accept loop with limits, groups of connections that receive the same messages, graceful shutdown.
//!
//! [`Server::serve`] accepts connections, runs your handler for each in a task of its own, and closes them all on
//! shutdown. A [`Group`] broadcasts to its members without waiting for any of them.
//!
//! A server that sends each message to all clients:
//!
//! ```no_run
//! use sansocket::tokio::server::{Group, Server, Slow};
//! use sansocket::tokio::{Error, accept};
//! use sansocket::{EncodedMessage, Event};
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
//!     let stop = std::future::pending::<()>(); // or tokio::signal::ctrl_c()
//!     let all = Group::new(Slow::Disconnect);
//!     let serving = Server::default().serve(listener, stop, |stream, slot| {
//!         let all = all.clone();
//!         async move {
//!             let (mut reader, writer) = slot.open(accept(stream).await?);
//!             let _member = all.join(writer.share());
//!             while let Some(event) = reader.recv().await? {
//!                 if let Event::Message(message) = event {
//!                     all.broadcast(&EncodedMessage::new(&message));
//!                 }
//!             }
//!             Ok::<(), Error>(())
//!         }
//!     });
//!     serving.await;
//!     Ok(())
//! }
//! ```
//!
//! What a server meets beside WebSockets, such as browsers, reverse proxies and health checks, is in [`serving`](crate::serving).
//!
//! The handler receives the stream, so it decides about TLS, the request, and pages in place of a WebSocket, all before it
//! [opens](Slot::open) its slot. A handler that checks `Origin`, has a page for browsers, and logs errors:
//!
//! ```no_run
//! use sansocket::handshake::{ArgumentError, OriginPolicy, Response};
//! use sansocket::tokio::server::{Server, Slot};
//! use sansocket::tokio::{Accepting, Error, Incoming};
//! use sansocket::{Config, Event};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! async fn connection(stream: TcpStream, slot: Slot, page: Response) -> Result<(), Error> {
//!     let config = Config::default().ping_interval(Some(std::time::Duration::from_secs(30)));
//!     let upgrade = match Accepting::new(stream, config).advance().await? {
//!         Incoming::Upgrade(upgrade) => upgrade,
//!         Incoming::Http(http) => return Ok(http.respond(&page).await?),
//!     };
//!     if !OriginPolicy::same_origin().check(&upgrade.request) {
//!         return Ok(upgrade.reject(&Response::new(403).unwrap()).await?);
//!     }
//!     let (mut reader, mut writer) = slot.open(upgrade.accept().await?);
//!     while let Some(event) = reader.recv().await? {
//!         if let Event::Message(message) = event {
//!             let _ = writer.send(&message).await; // nothing can be sent any more: `recv` says why
//!         }
//!     }
//!     Ok(())
//! }
//!
//! # async fn run(listener: TcpListener) -> Result<(), ArgumentError> {
//! let page = Response::new(200)?.header("Content-Type", "text/html")?.body("Hello");
//! let stop = std::future::pending::<()>();
//! let serving = Server::default().serve(listener, stop, |stream, slot| {
//!     let page = page.clone();
//!     async move {
//!         let peer = stream.peer_addr();
//!         if let Err(error) = connection(stream, slot, page).await {
//!             eprintln!("{peer:?}: {error}");
//!         }
//!     }
//! });
//! serving.await;
//! # Ok(())
//! # }
//! ```

mod group;
mod listener;

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::sync::Arc;

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use ::tokio::task::JoinSet;
use ::tokio::time::timeout;

pub use group::{Group, Membership, Slow};
pub use listener::Listener;

use super::{ReadHalf, Split, WebSocket, WriteHalf};
use crate::frame::CloseCode;

/// An accept loop with limits and a graceful end.
#[derive(Debug, Clone)]
pub struct Server {
    max_connections: usize,
    max_handshakes: usize,
    grace: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self { max_connections: usize::MAX, max_handshakes: usize::MAX, grace: Duration::from_secs(5) }
    }
}

impl Server {
    /// Maximum number of connections, each counted from its arrival until its handler returns. Further clients wait in the
    /// backlog of the listener. Default: no limit but that of open files.
    #[must_use]
    pub fn max_connections(self, connections: usize) -> Self {
        Self { max_connections: connections, ..self }
    }

    /// Maximum number of connections in the opening handshake: those whose [`Slot`] is neither opened nor dropped. Further
    /// clients wait in the backlog of the listener, behind the slow ones: as many slow clients as this limit keep
    /// all others waiting for up to `handshake_timeout` and `close_timeout`, so set it to more than a few hundred. Default: no
    /// limit.
    #[must_use]
    pub fn max_handshakes(self, handshakes: usize) -> Self {
        Self { max_handshakes: handshakes, ..self }
    }

    /// How long handlers may run after the server began to stop; then they are dropped. Default: 5 s.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Accepts connections until `stop` is ready, and runs `handler` for each in a task of its own.
    ///
    /// Errors of the listener do not end the loop: after an aborted connection it goes on at once, and after any other error,
    /// such as too many open files, it pauses for 50 ms. The output of a handler is dropped. A panic of its future ends its
    /// own connection; a panic of `handler` itself, before it returns the future, ends the server.
    ///
    /// A handler that returns the error of a `send` loses the Close: keep receiving until `None` instead.
    ///
    /// Log errors in the handler: wrap its body in `if let Err(error) = …`. For the peer's address, call
    /// `stream.peer_addr()` before `accept`.
    ///
    /// When `stop` is ready, the listener is dropped, each [open](Slot::open) connection gets a Close with 1001 (going
    /// away), and handlers have [`grace`](Self::grace) to return. The rest are dropped together with their streams. The future
    /// is ready when no handler is left. A handler whose slot is not open is not told: one client in the midst of its
    /// handshake makes the end take all of `grace`.
    ///
    /// Dropping the future drops all handlers.
    pub async fn serve<L, H, F>(self, mut listener: L, stop: impl Future, mut handler: H)
    where
        L: Listener,
        H: FnMut(L::Stream, Slot) -> F,
        F: Future<Output: Send> + Send + 'static,
    {
        let mut stop = pin!(stop);
        let mut tasks = JoinSet::new();
        let handshakes = Arc::new(Semaphore::new(self.max_handshakes.min(Semaphore::MAX_PERMITS)));
        let connections = Group::new(Slow::Skip);
        loop {
            let mut arrival = pin!(async {
                let permit = Arc::clone(&handshakes).acquire_owned().await;
                (listener::accept(&mut listener).await, permit.ok())
            });
            let next = poll_fn(|cx| {
                // While no file descriptor is left, a listener is always ready: this comes first.
                if stop.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                while let Poll::Ready(Some(_)) = tasks.poll_join_next(cx) {}
                if tasks.len() < self.max_connections {
                    arrival.as_mut().poll(cx).map(Some)
                } else {
                    Poll::Pending
                }
            });
            let Some((stream, handshake)) = next.await else { break };
            let place = Arc::new(connections.reserve());
            let handling = handler(stream, Slot { place: Arc::clone(&place), handshake, stop: None });
            tasks.spawn(async move {
                drop(handling.await);
                drop(place);
            });
        }
        drop(listener);
        connections.close(CloseCode::GOING_AWAY, "the server is shutting down");
        let ending = async { while tasks.join_next().await.is_some() {} };
        if timeout(self.grace, ending).await.is_err() {
            tasks.shutdown().await;
        }
    }
}

/// The place of a connection in a [`Server`]. It counts as a handshake until it is opened or dropped.
pub struct Slot {
    /// Among all connections. The task of the handler holds it as well, to its end.
    place: Arc<Membership>,
    handshake: Option<OwnedSemaphorePermit>,
    /// Tells a handler that has not split its WebSocket.
    stop: Option<Arc<Notify>>,
}

impl Slot {
    /// Ends the opening handshake and splits the WebSocket. From now on the server closes the connection (1001) when it
    /// stops.
    ///
    /// Receive until `None`: this also writes what others send, and completes the closing handshake. Halves that are
    /// [reunited](WebSocket::reunite) can no longer be told.
    #[expect(clippy::type_complexity, reason = "two halves, each with its direction")]
    pub fn open<S>(self, ws: WebSocket<S>) -> (ReadHalf<S::Read, S::Write>, WriteHalf<S::Write>)
    where
        S: Split<Write: Send + 'static>,
    {
        self.open_with(ws, S::split)
    }

    /// Like [`open`](Self::open), for a stream that does not implement [`Split`], with
    /// [`tokio::io::split`] for example.
    pub fn open_with<S, R, W>(
        self,
        ws: WebSocket<S>,
        split: impl FnOnce(S) -> (R, W),
    ) -> (ReadHalf<R, W>, WriteHalf<W>)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (reader, writer) = ws.split_with(split);
        self.place.enter(Arc::new(writer.share()));
        drop(self.handshake);
        (reader, writer)
    }

    /// Waits until the server stops, for a handler that does not split its WebSocket: the fastest way when no other task sends
    /// into it. The first call ends the opening handshake. The future is ready once; then the handler must close the
    /// connection (1001):
    ///
    /// ```
    /// # use sansocket::tokio::{Error, WebSocket, server::Slot};
    /// # use sansocket::{CloseCode, Event};
    /// # use tokio::net::TcpStream;
    /// # async fn echo(mut ws: WebSocket<TcpStream>, mut slot: Slot) -> Result<(), Error> {
    /// loop {
    ///     tokio::select! {
    ///         event = ws.recv() => match event? {
    ///             Some(Event::Message(message)) => {
    ///                 let message = message.into_owned();
    ///                 let _ = ws.send(&message).await; // nothing can be sent any more: `recv` says why
    ///             }
    ///             Some(_) => {}
    ///             None => return Ok(()),
    ///         },
    ///         () = slot.stopping() => ws.close(CloseCode::GOING_AWAY, "").await?, // then receive until `None`
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// Cancel-safe.
    pub async fn stopping(&mut self) {
        self.handshake = None;
        let stop = self.stop.get_or_insert_with(|| {
            let stop = Arc::new(Notify::new());
            self.place.enter(Arc::<Notify>::clone(&stop));
            stop
        });
        stop.notified().await;
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
