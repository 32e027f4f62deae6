//! A server: connections up to a limit, groups that get the same messages, an end in good order.
//!
//! [`Server::serve`] accepts, starts a task for each connection, and ends them all when it is told to. A [`Group`] sends one
//! message to all of its members and waits for none. What a connection does is yours: the handler has the stream.
//!
//! Whatever one client sends, all get:
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
//! A handler that looks at the request first, serves pages, or begins with TLS, does so before it
//! [opens](Slot::open) its slot.

mod group;
mod listener;

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::sync::Arc;

use ::tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use ::tokio::task::JoinSet;
use ::tokio::time::timeout;

pub use group::{Group, Membership, Slow};
pub use listener::Listener;

use super::{ReadHalf, Split, WebSocket, WriteHalf};
use crate::frame::CloseCode;

/// How many connections there may be, and how they end.
#[derive(Debug, Clone)]
pub struct Server {
    max_connections: usize,
    max_handshakes: usize,
    grace: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self { max_connections: 10_000, max_handshakes: 256, grace: Duration::from_secs(5) }
    }
}

impl Server {
    /// Maximum number of connections, counted from accepting one until its handler is done. Further clients wait in the
    /// listener's backlog. Default: 10,000.
    #[must_use]
    pub fn max_connections(self, connections: usize) -> Self {
        Self { max_connections: connections, ..self }
    }

    /// Maximum number of connections whose handshake is not over, as their [`Slot`] tells: clients that are slow with their
    /// request, or that were answered otherwise. Further ones wait in the backlog. Default: 256.
    #[must_use]
    pub fn max_handshakes(self, handshakes: usize) -> Self {
        Self { max_handshakes: handshakes, ..self }
    }

    /// How long handlers may go on when the server is told to stop; then they are dropped. Default: 5 s.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Accepts connections until `stop` is ready, and runs `handler` for each in a task of its own.
    ///
    /// Errors of the listener end nothing: one that concerns a single client is skipped, and behind any other one, such as
    /// too many open files, it waits for a moment. A handler's output is dropped, and a panic of one ends its own connection.
    ///
    /// When `stop` is ready, the listener is dropped, each [open](Slot::open) connection gets a Close with 1001 (going
    /// away), and handlers have the time of [`grace`](Self::grace) to end. Those that have not are dropped, and their
    /// streams with them. It returns when no handler is left.
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

/// A connection's place in a [`Server`]. It counts as a handshake until it is opened or dropped.
pub struct Slot {
    /// Among all connections. The handler's task has it, too, and keeps it to the end.
    place: Arc<Membership>,
    handshake: Option<OwnedSemaphorePermit>,
    /// What a WebSocket in one piece is told by.
    stop: Option<Arc<Notify>>,
}

impl Slot {
    /// The opening handshake is over: the WebSocket in halves. From now on the server closes the connection (1001) when it stops.
    ///
    /// Receive until `None`: that also writes what others send, and finishes the closing handshake.
    #[expect(clippy::type_complexity, reason = "two halves, each with its direction")]
    pub fn open<S>(self, ws: WebSocket<S>) -> (ReadHalf<S::Read, S::Write>, WriteHalf<S::Write>)
    where
        S: Split<Write: Send + 'static>,
    {
        let (reader, writer) = ws.into_split();
        self.place.enter(Arc::new(writer.share()));
        drop(self.handshake);
        (reader, writer)
    }

    /// Waits until the server stops, for a WebSocket that is not in halves: the fastest way if nobody else sends into it. With
    /// the first call the opening handshake is over. It is ready once, and the handler closes then (1001).
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
