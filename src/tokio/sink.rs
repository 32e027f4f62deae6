//! `Stream` and `Sink` of owned messages, for the combinators of other libraries.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use ::tokio::io::{AsyncRead, AsyncWrite};
use futures_core::Stream;
use futures_sink::Sink;

use super::{Next, WebSocket};
use crate::connection::{Event, Message};
use crate::frame::CloseCode;

/// The messages, without pings and pongs. It ends when the peer has closed the connection and the transport
/// ended; a connection that failed is an error, a [`ProtocolError`](crate::ProtocolError) as an
/// [`io::Error`].
///
/// [`recv`](WebSocket::recv) is faster, and knows the close code.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = io::Result<Message<'static>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let event = match ready!(self.poll_next_event(cx))? {
                Next::Whole => self.take_event().map(Event::into_owned),
                Next::Event(event) => Some(event),
                Next::Over => return Poll::Ready(None),
            };
            match event {
                Some(Event::Message(message)) => return Poll::Ready(Some(Ok(message))),
                Some(Event::Failed(error)) => {
                    let _ = self.poll_output(cx);
                    return Poll::Ready(Some(Err(error.into())));
                }
                _ => {}
            }
        }
    }
}

/// Messages to send. Closing the sink closes the connection with code 1000, like [`close`](WebSocket::close).
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message<'_>> for WebSocket<S> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.output.poll_room(&mut this.stream, this.connection.sender_mut(), cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<'_>) -> io::Result<()> {
        Ok(self.feed(&message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_output(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing already is what was asked for.
        let _ = self.connection.close(CloseCode::NORMAL, "");
        self.poll_drain(cx)
    }
}
