//! A stream that does what a script says, for the adapters: short reads and writes, "later", "again", errors, the end.

use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arbitrary::Arbitrary;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one read or write does; after the script, a read is the end of the stream and a write takes all. Flushing and ending the
/// writing side are writes too, of nothing.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) enum Io {
    /// So many bytes, and one more.
    Some(u8),
    All,
    Later,
    Interrupted,
    Broken,
}

/// What becomes of who waits for a direction when the direction is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub(crate) enum Manner {
    /// Whoever waited last is kept until it is woken, as by tokio.
    Keeps,
    /// A call that succeeds forgets it, as in smol.
    Forgets,
    /// Whoever is replaced by another is woken, as by `async_io`.
    WakesReplaced,
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
    pub(crate) manner: Manner,
    /// Who waits to read, and to write. Woken when the script goes on, and otherwise only as the manner says.
    waiting: [Option<Waker>; 2],
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
            manner: Manner::Keeps,
            waiting: [None, None],
        }
    }

    fn poll(
        &mut self,
        direction: Direction,
        cx: &Context<'_>,
        mut call: impl FnMut(&mut Self) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let result = call(self);
            let waiting = &mut self.waiting[direction as usize];
            match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let replaced = waiting.replace(cx.waker().clone());
                    let is_another = |waker: &Waker| !waker.will_wake(cx.waker());
                    if self.manner == Manner::WakesReplaced
                        && let Some(other) = replaced.filter(is_another)
                    {
                        other.wake();
                    }
                    return Poll::Pending;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => {
                    if self.manner == Manner::Forgets {
                        *waiting = None;
                    }
                    return Poll::Ready(result);
                }
            }
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
        let n = self.next_write()?.min(bytes.len());
        self.written.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    /// How many bytes the next write takes at most.
    fn next_write(&mut self) -> io::Result<usize> {
        match self.writes.pop_front() {
            None | Some(Io::All) => Ok(usize::MAX),
            Some(Io::Some(n)) => Ok(usize::from(n) + 1),
            Some(Io::Later) => Err(ErrorKind::WouldBlock.into()),
            Some(Io::Interrupted) => Err(ErrorKind::Interrupted.into()),
            Some(Io::Broken) => {
                self.broken = true;
                Err(ErrorKind::BrokenPipe.into())
            }
        }
    }

    fn end_writing(&mut self) -> io::Result<usize> {
        self.next_write()?;
        self.shut_down = true;
        Ok(0)
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
        self.next_write().map(|_| ())
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

/// A stream that the test looks at while the adapter has it; also as both of its halves.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Scripted>>);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Reading,
    Writing,
}

impl Shared {
    pub(crate) fn new(stream: Scripted) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Scripted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has changed on the other side: whoever waits for this direction is woken, once.
    pub(crate) fn go_on(&self, direction: Direction) {
        let waiting = self.lock().waiting[direction as usize].take();
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buf.initialize_unfilled();
        let n = ready!(self.lock().poll(Direction::Reading, cx, |stream| stream.read_some(room)))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().poll(Direction::Writing, cx, |stream| stream.write_some(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll(Direction::Writing, cx, Scripted::next_write).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll(Direction::Writing, cx, Scripted::end_writing).map_ok(|_| ())
    }
}
