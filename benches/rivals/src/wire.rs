//! [`Wire`]: an in-memory transport, as every kind of stream that a library may want.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

/// Received bytes come out of a prepared stream, over and over, and sent ones go into a ring: one copy each.
pub struct Wire {
    stream: Arc<[u8]>,
    received: usize,
    /// The most bytes to a read.
    read: usize,
    ring: Box<[u8]>,
    sent: usize,
    /// Bytes that it still accepts from a stream's `write`.
    room: usize,
    /// What was sent, while a library is proved and not measured.
    record: Option<Record>,
}

pub type Record = Arc<Mutex<Vec<u8>>>;

impl Wire {
    pub fn new(stream: &Arc<[u8]>, read: usize, record: Option<&Record>) -> Self {
        let ring = vec![0; 64 << 10].into();
        let stream = Arc::clone(stream);
        Self { stream, received: 0, read, ring, sent: 0, room: usize::MAX, record: record.cloned() }
    }

    /// A wire that accepts nothing and brings nothing.
    pub fn blocked() -> Self {
        let (stream, ring) = (Arc::from([]), Box::from([]));
        Self { stream, received: 0, read: 4 << 10, ring, sent: 0, room: 0, record: None }
    }

    /// From now on a stream's `write` accepts this many bytes, then none.
    pub fn accept(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// The most bytes to a read.
    pub fn read_size(&self) -> usize {
        self.read
    }

    /// The next bytes received, at most `max`, for whoever copies them himself.
    #[inline]
    pub fn next(&mut self, max: usize) -> &[u8] {
        if self.received == self.stream.len() {
            self.received = 0;
        }
        let bytes = &self.stream[self.received..];
        let bytes = &bytes[..max.min(self.read).min(bytes.len())];
        self.received += bytes.len();
        bytes
    }

    /// Receives into `buf`.
    #[inline]
    pub fn receive(&mut self, buf: &mut [u8]) -> usize {
        let bytes = self.next(buf.len());
        buf[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    /// Sends all of `bytes`.
    #[inline]
    pub fn send(&mut self, mut bytes: &[u8]) {
        if let Some(record) = &self.record {
            record.lock().unwrap().extend_from_slice(bytes);
        }
        while !bytes.is_empty() {
            let to = &mut self.ring[self.sent..];
            let n = to.len().min(bytes.len());
            to[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.sent = (self.sent + n) % self.ring.len();
        }
    }
}

impl Wire {
    #[cold]
    fn write_part(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = &bytes[..self.room];
        self.room = 0;
        self.send(bytes);
        Ok(bytes.len())
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(self.receive(buf))
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room < bytes.len() {
            return self.write_part(bytes);
        }
        self.send(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        parts.iter().for_each(|part| self.send(part));
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tokio::io::AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let max = buf.remaining();
        buf.put_slice(self.get_mut().next(max));
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl futures_util::AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.get_mut().receive(buf)))
    }
}

impl futures_util::AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write_vectored(parts))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl wtx::stream::StreamReader for Wire {
    async fn read(&mut self, buf: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.receive(buf))
    }
}

impl wtx::stream::StreamWriter for Wire {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.send(bytes);
        Ok(())
    }

    async fn write_all_vectored(&mut self, parts: &[&[u8]]) -> wtx::Result<()> {
        parts.iter().for_each(|part| self.send(part));
        Ok(())
    }
}
