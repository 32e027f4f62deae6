//! [`Listener`]: a source of connections.

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;
use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};

use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::time::sleep;

/// A source of connections: a listener of tokio, which sets TCP_NODELAY, or your own around one, for example to log the
/// errors that [`Server::serve`](super::Server::serve) survives.
pub trait Listener {
    /// What it accepts.
    type Stream;

    /// Returns the next stream. An error does not end the server.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        let (stream, _) = ready!(Self::poll_accept(self, cx))?;
        // What is written is complete messages: waiting to fill packets only costs time.
        // On some systems this fails if the client is gone already; the handler finds that out.
        let _ = stream.set_nodelay(true);
        Poll::Ready(Ok(stream))
    }
}

#[cfg(unix)]
impl Listener for ::tokio::net::UnixListener {
    type Stream = ::tokio::net::UnixStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        Poll::Ready(ready!(Self::poll_accept(self, cx)).map(|(stream, _)| stream))
    }
}

/// The next stream, in spite of errors.
pub(super) async fn accept<L: Listener>(listener: &mut L) -> L::Stream {
    loop {
        match poll_fn(|cx| listener.poll_accept(cx)).await {
            Ok(stream) => return stream,
            // The client is gone already, and so is its place in the backlog.
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Some connections may end in that time, if there are too many open files.
const PAUSE: Duration = Duration::from_millis(50);
