//! The stream's two directions: [`ReadBuffer`] and [`Output`], which keep between two polls what has to be kept.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use std::io::{self, ErrorKind, IoSlice};
use std::vec::Vec;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::adapter::DIRECT_FROM;
use crate::connection::{Message, Sender};
use crate::error::SendError;

/// How much is read at a time. Over TCP that gives 1.5 to 2.5 times the throughput of 16 KiB, and 128 KiB no more.
const READ_BUFFER: usize = 64 * 1024;

/// What was read: `bytes[start..]` has not been given to the connection yet.
///
/// The memory is there only while there are bytes in it: a connection that waits holds none.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    pub(super) start: usize,
    pub(super) size: usize,
}

impl ReadBuffer {
    pub(super) fn new(bytes: Vec<u8>, start: usize) -> Self {
        Self { bytes, start, size: READ_BUFFER }
    }

    pub(super) fn into_unread(mut self) -> Vec<u8> {
        self.bytes.drain(..self.start);
        self.bytes
    }

    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(super) fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// The bytes that have not been given to the connection yet, and where they begin.
    pub(super) fn parts(&mut self) -> (&mut [u8], &mut usize) {
        (&mut self.bytes[self.start..], &mut self.start)
    }

    /// Reads once, when everything before was consumed; 0: the end of the stream.
    pub(super) fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.start = 0;
        self.bytes.clear();
        if self.bytes.capacity() < self.size {
            self.bytes = Vec::with_capacity(self.size);
        }
        loop {
            // The future keeps nothing of its own: it can be made anew for every poll.
            match pin!(stream.read_buf(&mut self.bytes)).poll(cx) {
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                polled => {
                    if self.bytes.is_empty() {
                        self.bytes = Vec::new();
                    }
                    return polled;
                }
            }
        }
    }
}

/// How far the writing side of a stream has come.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Whether the stream was written to since it was last flushed.
    unflushed: bool,
    shut_down: bool,
}

impl Output {
    /// Writes all that is waiting, and flushes the stream.
    pub(super) fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        sender: &mut Sender,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while sender.wants_write() {
            ready!(self.poll_write(stream, sender, &[], cx))?;
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes until no more is waiting than [`Config::high_water`](crate::Config::high_water).
    pub(super) fn poll_room<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        sender: &mut Sender,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while sender.is_above_high_water() {
            ready!(self.poll_write(stream, sender, &[], cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for room, queues with `queue`, and writes what the stream takes now: either nothing has
    /// happened, and this is pending, or everything has, and it is ready. That is what makes sending
    /// cancel-safe.
    pub(super) fn poll_send<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        sender: &mut Sender,
        mut queue: impl FnMut(&mut Sender) -> Result<(), SendError>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_room(stream, sender, cx))?;
        match queue(sender) {
            Err(SendError::OutputFull) if sender.wants_write() => {
                ready!(self.poll_flush(stream, sender, cx))?;
                queue(sender)?;
            }
            result => result?,
        }
        now(self.poll_flush(stream, sender, cx))
    }

    /// The same for a message; a server's large payload is written from where it is, as far as the stream
    /// takes it now.
    pub(super) fn poll_send_message<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        sender: &mut Sender,
        message: &Message<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let payload = message.as_bytes();
        if payload.len() < DIRECT_FROM || !sender.sends_as_is(payload.len()) {
            return self.poll_send(stream, sender, |sender| sender.send(message), cx);
        }
        ready!(self.poll_room(stream, sender, cx))?;
        sender.send_header(message.kind(), payload.len())?;
        loop {
            let owed = usize::try_from(sender.payload_owed()).unwrap_or(0).min(payload.len());
            if owed == 0 {
                return now(self.poll_flush(stream, sender, cx));
            }
            let rest = &payload[payload.len() - owed..];
            match self.poll_write(stream, sender, rest, cx) {
                Poll::Ready(Ok(())) => {}
                // The payload is only lent, and this future may be dropped: what the stream does not take now
                // is copied.
                later => {
                    sender.buffer_payload(rest);
                    return now(later);
                }
            }
        }
    }

    /// Writes all that is waiting, and ends the writing side, once, if that was all.
    pub(super) fn poll_end<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        sender: &mut Sender,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(stream, sender, cx))?;
        if sender.should_shutdown() && !self.shut_down {
            let result = ready!(Pin::new(stream).poll_shutdown(cx));
            self.shut_down = true;
            result?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes once: of the output, and of the payload behind it.
    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        sender: &mut Sender,
        payload: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let (stream, output) = (Pin::new(stream), sender.output());
        // The payload comes behind all of the output.
        let written = if payload.is_empty() || output.len() < sender.output_len() {
            stream.poll_write(cx, output)
        } else {
            stream.poll_write_vectored(cx, &[IoSlice::new(output), IoSlice::new(payload)])
        };
        match ready!(written) {
            Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
            Ok(n) => {
                self.unflushed = true;
                sender.output_written(n);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What the stream does not take now goes with the next call.
fn now(polled: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    match polled {
        Poll::Pending => Poll::Ready(Ok(())),
        ready => ready,
    }
}
