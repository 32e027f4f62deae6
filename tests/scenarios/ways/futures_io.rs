//! The adapter for the traits of `futures-io`, with a sleep that is given in.

use std::io::{self, IoSlice};
use std::net;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures_io::{AsyncRead, AsyncWrite};
use sansocket::Config;
use sansocket::futures_io::{Accepting, Connecting};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::asynchronous::{accepted, block_on, connected, echo, socket};
use super::request;
use crate::{End, Role};

pub(crate) fn complete(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let stream = Socket(socket(stream));
        let opened = match role {
            Role::Server => accepted(Accepting::new(stream, config, sleep)).await,
            Role::Client => connected(Connecting::new(stream, request(), config, sleep)).await,
        };
        match opened {
            Ok(ws) => echo(ws).await,
            Err(end) => (0, end),
        }
    })
}

/// A socket with these traits.
struct Socket(TcpStream);

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut bytes = ReadBuf::new(bytes);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut bytes))?;
        Poll::Ready(Ok(bytes.filled().len()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
