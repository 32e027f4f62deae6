//! [`Told`]: a stream that does what it is told, with the traits of tokio, and as [`Plain`] with those of `futures-io`.

#![allow(dead_code, clippy::allow_attributes, reason = "not every test uses everything")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use sansocket::tokio::WebSocket;
use sansocket::{Config, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a stream is told to do. It wakes nobody: all that is to happen has happened before a call, or a deadline comes.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What reads return, one after the other; then they wait.
    pub(crate) reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    pub(crate) writes: Writes,
    /// The last task that waits to write.
    pub(crate) writer: Option<Waker>,
    /// The last task that waits to read. It is woken when another one waits in its place, as some streams do.
    pub(crate) reader: Option<Waker>,
    pub(crate) written: Vec<u8>,
    /// How much of it was flushed.
    pub(crate) flushed: usize,
    /// How many flushes are interrupted first.
    pub(crate) interrupts: usize,
    pub(crate) is_shut_down: bool,
    /// How much each read was offered.
    pub(crate) offered: Vec<usize>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) enum Writes {
    #[default]
    Take,
    Wait,
    /// Takes so many bytes, and then waits.
    Some(usize),
    Fail(ErrorKind),
    /// Fails once, and then takes.
    FailOnce(ErrorKind),
}

#[derive(Debug, Clone)]
pub(crate) struct Told(Arc<Mutex<Script>>);

impl Told {
    pub(crate) fn new<const N: usize>(writes: Writes, reads: [Result<&[u8], ErrorKind>; N]) -> Self {
        let reads = reads.map(|read| read.map(<[u8]>::to_vec)).into();
        Self(Arc::new(Mutex::new(Script { reads, writes, ..Script::default() })))
    }

    pub(crate) fn tell<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(crate) fn server(&self, config: Config) -> WebSocket<Self> {
        WebSocket::from_parts(self.clone(), Connection::server(config), vec![])
    }
}

impl Script {
    fn read(&mut self, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.offered.push(buf.len());
        match self.reads.pop_front() {
            Some(Ok(bytes)) => {
                buf[..bytes.len()].copy_from_slice(&bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
            None => Poll::Pending,
        }
    }

    fn write(&mut self, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.writes {
            Writes::Take => {
                self.written.extend_from_slice(buf);
                Poll::Ready(Ok(buf.len()))
            }
            Writes::Wait => Poll::Pending,
            Writes::Some(n) => {
                self.writes = Writes::Wait;
                let n = n.min(buf.len());
                self.written.extend_from_slice(&buf[..n]);
                Poll::Ready(Ok(n))
            }
            Writes::Fail(kind) => Poll::Ready(Err(kind.into())),
            Writes::FailOnce(kind) => {
                self.writes = Writes::Take;
                Poll::Ready(Err(kind.into()))
            }
        }
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        if self.interrupts > 0 {
            self.interrupts -= 1;
            return Poll::Ready(Err(ErrorKind::Interrupted.into()));
        }
        self.flushed = self.written.len();
        Poll::Ready(Ok(()))
    }

    fn shut_down(&mut self) -> Poll<io::Result<()>> {
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Told {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (read, replaced) = self.tell(|script| {
            let read = script.read(buf.initialize_unfilled());
            (read, script.reader.replace(cx.waker().clone()))
        });
        replaced.filter(|waker| !waker.will_wake(cx.waker())).into_iter().for_each(Waker::wake);
        let n = ready!(read)?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Told {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.tell(|script| {
            script.writer = Some(cx.waker().clone());
            script.write(buf)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tell(Script::flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tell(Script::shut_down)
    }
}

/// The same with the traits of `futures-io`.
#[derive(Debug, Clone)]
pub(crate) struct Plain(pub(crate) Told);

impl futures_io::AsyncRead for Plain {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.tell(|script| script.read(buf))
    }
}

impl futures_io::AsyncWrite for Plain {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.tell(|script| script.write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.tell(Script::flush)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.tell(Script::shut_down)
    }
}
