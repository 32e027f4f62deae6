//! What the tests of the tokio adapter have in common: chance, streams that misbehave, futures that are dropped.

#![allow(dead_code, clippy::allow_attributes, reason = "not every test uses everything")]

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sansocket::handshake::ClientRequest;
use sansocket::tokio::{Accepting, Connecting, Incoming, WebSocket};
use sansocket::{Config, Message};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

/// xorshift64*: the same numbers for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    /// A message that tells its number, of a size that is mostly small.
    pub(crate) fn message(&mut self, number: usize, largest: usize) -> Message<'static> {
        let len = match self.below(10) {
            0 => self.below(largest),
            1..=3 => self.below(largest.min(2_000)),
            _ => self.below(40),
        };
        let mut text = format!("{number}:");
        while text.len() < len {
            text.push_str("é€x"); // cut code points are likely
        }
        if self.below(2) == 0 { text.into() } else { text.into_bytes().into() }
    }
}

/// A stream that now and then is not ready, and else takes or gives a few bytes only.
pub(crate) struct Chunky<S> {
    pub(crate) stream: S,
    chance: Chance,
    max: usize,
}

impl<S> Chunky<S> {
    pub(crate) fn new(stream: S, seed: u64, max: usize) -> Self {
        Self { stream, chance: Chance::new(seed), max }
    }

    fn not_now(&mut self, cx: &Context<'_>) -> bool {
        let not_now = self.chance.below(4) == 0;
        if not_now {
            cx.waker().wake_by_ref();
        }
        not_now
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Chunky<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.not_now(cx) {
            return Poll::Pending;
        }
        let max = self.max;
        let mut few = vec![0; (1 + self.chance.below(max)).min(buf.remaining())];
        let mut few = ReadBuf::new(&mut few);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut few);
        buf.put_slice(few.filled());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Chunky<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.not_now(cx) {
            return Poll::Pending;
        }
        let max = self.max;
        let n = (1 + self.chance.below(max)).min(buf.len());
        Pin::new(&mut self.stream).poll_write(cx, &buf[..n])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.not_now(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.not_now(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Polls a future at most `polls` times; `None`: it was not ready, and is dropped.
pub(crate) struct AtMost<F> {
    pub(crate) polls: usize,
    pub(crate) future: Pin<Box<F>>,
}

impl<F: Future> Future for AtMost<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls -= 1;
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// The future's output, though it is dropped and made anew again and again.
#[macro_export]
macro_rules! insist {
    ($chance:expr, $future:expr) => {
        loop {
            let polls = 1 + $chance.below(3);
            if let Some(output) = ($crate::support::AtMost { polls, future: Box::pin($future) }).await {
                break output;
            }
            tokio::task::yield_now().await;
        }
    };
}

/// A server with this configuration and a client without one over an in-memory stream.
pub(crate) async fn pair(config: Config) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (server, client) = duplex(16 * 1024);
    pair_over(server, client, config).await
}

pub(crate) async fn pair_over<S>(server: S, client: S, config: Config) -> (WebSocket<S>, WebSocket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut accepting = Accepting::new(server, config);
    let mut connecting =
        Connecting::new(client, ClientRequest::new("ws://test/").unwrap(), Config::default());
    let (server, client) = tokio::join!(
        async {
            match accepting.advance().await.unwrap() {
                Incoming::Upgrade(upgrade) => upgrade.accept().await.unwrap(),
                Incoming::Http(_) => panic!("not an upgrade"),
            }
        },
        async { connecting.advance().await.unwrap().0 }
    );
    (server, client)
}

/// A stream that, as TLS does, keeps back what is written until it is flushed, which takes a moment.
pub(crate) struct KeptBack<S> {
    stream: S,
    kept: Vec<u8>,
    flushing: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<S> KeptBack<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, kept: Vec::new(), flushing: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for KeptBack<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for KeptBack<S> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.kept.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.kept.is_empty() {
            let moment = std::time::Duration::from_millis(1);
            let sleep = this.flushing.get_or_insert_with(|| Box::pin(tokio::time::sleep(moment)));
            std::task::ready!(sleep.as_mut().poll(cx));
            let n = std::task::ready!(Pin::new(&mut this.stream).poll_write(cx, &this.kept))?;
            this.kept.drain(..n);
            this.flushing = None;
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A stream that is reset after a number of calls that did something.
pub(crate) struct Broken<S> {
    stream: S,
    left: usize,
}

impl<S> Broken<S> {
    pub(crate) fn after(calls: usize, stream: S) -> Self {
        Self { stream, left: calls }
    }

    fn count<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.left = self.left.saturating_sub(1);
        }
        polled
    }

    fn check(&self) -> io::Result<()> {
        if self.left == 0 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Broken<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.count(polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Broken<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.count(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
