//! A stream that does what a script says, for the adapters: short reads and writes, "later", "again", errors, the end.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Mutex;

use arbitrary::Arbitrary;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one read or write does; after the script, a read is the end of the stream and a write takes all.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) enum Io {
    /// So many bytes, and one more.
    Some(u8),
    All,
    Later,
    Interrupted,
    Broken,
}

#[derive(Debug)]
pub(crate) struct Scripted {
    received: VecDeque<u8>,
    reads: VecDeque<Io>,
    writes: VecDeque<Io>,
    pub(crate) written: Vec<u8>,
    /// How many bytes were read.
    pub(crate) consumed: usize,
    pub(crate) broken: bool,
    /// Whether the writing side was ended, after which nothing may be written.
    pub(crate) shut_down: bool,
    /// Who waits. Woken when the script goes on, and never otherwise.
    waiting: Mutex<[Option<Waker>; 2]>,
}

impl Scripted {
    pub(crate) fn new(received: Vec<u8>, reads: &[Io], writes: &[Io]) -> Self {
        Self {
            received: received.into(),
            reads: reads.iter().copied().collect(),
            writes: writes.iter().copied().collect(),
            written: Vec::new(),
            consumed: 0,
            broken: false,
            shut_down: false,
            waiting: Mutex::default(),
        }
    }

    /// Something has changed on the other side: whoever waits is woken, once.
    pub(crate) fn go_on(&self) {
        let waiting = self.waiting.lock().map(|mut waiting| core::mem::take(&mut *waiting));
        waiting.into_iter().flatten().flatten().for_each(Waker::wake);
    }

    fn wait(&self, which: usize, cx: &Context<'_>) {
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting[which] = Some(cx.waker().clone());
        }
    }

    fn read_some(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let n = match self.reads.pop_front() {
            None | Some(Io::All) => room.len(),
            Some(Io::Some(n)) => usize::from(n) + 1,
            Some(Io::Later) => return Err(ErrorKind::WouldBlock.into()),
            Some(Io::Interrupted) => return Err(ErrorKind::Interrupted.into()),
            Some(Io::Broken) => {
                self.broken = true;
                return Err(ErrorKind::ConnectionReset.into());
            }
        };
        let n = n.min(room.len()).min(self.received.len());
        for (to, byte) in room.iter_mut().zip(self.received.drain(..n)) {
            *to = byte;
        }
        self.consumed += n;
        Ok(n)
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.shut_down || bytes.is_empty(), "nothing is written behind the end");
        let n = match self.writes.pop_front() {
            None | Some(Io::All) => bytes.len(),
            Some(Io::Some(n)) => usize::from(n) + 1,
            Some(Io::Later) => return Err(ErrorKind::WouldBlock.into()),
            Some(Io::Interrupted) => return Err(ErrorKind::Interrupted.into()),
            Some(Io::Broken) => {
                self.broken = true;
                return Err(ErrorKind::BrokenPipe.into());
            }
        };
        let n = n.min(bytes.len());
        self.written.extend_from_slice(&bytes[..n]);
        Ok(n)
    }
}

impl Read for Scripted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_some(buf)
    }
}

impl Write for Scripted {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_some(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl sansocket::net::Transport for Scripted {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shut_down = true;
        Ok(())
    }

    fn abort(&mut self) -> io::Result<()> {
        self.shut_down = true;
        Ok(())
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.read_some(buf.initialize_unfilled()) {
                Ok(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(0, cx);
                    return Poll::Pending;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.write_some(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(1, cx);
                    return Poll::Pending;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down = true;
        Poll::Ready(Ok(()))
    }
}
