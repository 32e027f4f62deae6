//! `Stream` and `Sink`, for the combinators of other libraries.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::sync::Arc;

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;

use super::command::Command;
use super::io::{Io, Read, Timer, Write};
use super::split::{ReadHalf, WriteHalf};
use super::web_socket::{Recv, WebSocket};
use crate::connection::Event;
use crate::frame::CloseCode;

/// The events, which borrow nothing: messages; Pings, already answered, and Pongs; at the end the peer's Close or a
/// failure. It ends when the connection is over and the transport has ended.
///
/// [`recv`](WebSocket::recv) does not copy.
impl<S: Io<T> + Unpin, T: Timer + Unpin> Stream for WebSocket<S, T> {
    type Item = io::Result<Event<'static>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.share();
        let next = ready!(self.poll_owned(cx, Recv::Owned));
        self.driver.buffer.is_over |= matches!(next, Ok(None));
        Poll::Ready(next.transpose())
    }
}

impl<S: Io<T> + Unpin, T: Timer + Unpin> FusedStream for WebSocket<S, T> {
    fn is_terminated(&self) -> bool {
        self.driver.buffer.is_over
    }
}

/// Sends messages, strings, bytes, or any [`Command`]. Closing the sink closes the connection with code 1000,
/// like [`close`](WebSocket::close): waiting messages are written first, and the stream continues until the
/// peer's Close.
///
/// The sink is ready while no more than [`Config::high_water`](crate::Config::high_water) waits, and then takes an item of up
/// to [`Config::max_output`](crate::Config::max_output).
///
/// Two tasks may use stream and sink, as after `futures::StreamExt::split`.
impl<S: Io<T> + Unpin, T: Timer + Unpin, C: Into<Command>> Sink<C> for WebSocket<S, T> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.share();
        self.poll_writing(cx, |writing, cx| writing.poll_room(cx).map_err(Into::into))
    }

    fn start_send(mut self: Pin<&mut Self>, command: C) -> io::Result<()> {
        self.share();
        Ok(self.driver.link.change(|sender| command.into().send(sender))?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.share();
        self.poll_writing(cx, |writing, cx| writing.poll_flush_all(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.share();
        self.driver.poll_close(CloseCode::NORMAL, "", cx)
    }
}

impl<S, T> WebSocket<S, T> {
    /// Allows two tasks to use it from now on.
    fn share(&mut self) {
        if self.driver.link.wakers.is_none() {
            self.driver.link.wakers = Some(Arc::default());
        }
    }
}

/// Like that of the WebSocket.
impl<R: Read<T> + Unpin, W: Write<T> + Unpin, T: Timer + Unpin> Stream for ReadHalf<R, W, T> {
    type Item = io::Result<Event<'static>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.poll_owned(cx, Recv::Owned));
        self.buffer.is_over |= matches!(next, Ok(None));
        Poll::Ready(next.transpose())
    }
}

impl<R: Read<T> + Unpin, W: Write<T> + Unpin, T: Timer + Unpin> FusedStream for ReadHalf<R, W, T> {
    fn is_terminated(&self) -> bool {
        self.buffer.is_over
    }
}

/// Like that of the WebSocket.
impl<W: Write<T> + Unpin, T: Timer + Unpin, C: Into<Command>> Sink<C> for WriteHalf<W, T> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writing(cx, |writing, cx| writing.poll_room(cx).map_err(Into::into))
    }

    fn start_send(self: Pin<&mut Self>, command: C) -> io::Result<()> {
        Ok(self.change(|sender| command.into().send(sender))?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writing(cx, |writing, cx| writing.poll_flush_all(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        WriteHalf::poll_close(&self, CloseCode::NORMAL, "", cx)
    }
}
