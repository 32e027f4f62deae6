//! [`ClientStream`]: what a URL led to.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;

use super::{ConnectOptions, Split};

/// The stream that [`connect`](super::connect) opens: TCP for `ws://`, TLS over TCP for `wss://`.
#[derive(Debug)]
pub struct ClientStream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(feature = "tokio-rustls")]
    Tls(std::boxed::Box<::tokio_rustls::client::TlsStream<TcpStream>>),
}

impl ClientStream {
    /// The TCP connection, with or without TLS over it.
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "tokio-rustls")]
            Kind::Tls(stream) => stream.get_ref().0,
        }
    }

    /// The TLS session, for `wss://`.
    #[cfg(feature = "tokio-rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio-rustls")))]
    pub fn tls(&self) -> Option<&::rustls::ClientConnection> {
        match &self.0 {
            Kind::Tcp(_) => None,
            Kind::Tls(stream) => Some(stream.get_ref().1),
        }
    }

    /// The same stream with TLS over it, for the server of that name.
    #[cfg(feature = "tokio-rustls")]
    pub(super) async fn start_tls(self, name: &str, options: &ConnectOptions) -> io::Result<Self> {
        match self.0 {
            Kind::Tcp(stream) => {
                let connector = ::tokio_rustls::TlsConnector::from(crate::tls::config(options.tls.as_ref())?);
                Ok(connector.connect(crate::tls::server_name(name)?, stream).await?.into())
            }
            tls @ Kind::Tls(_) => Ok(Self(tls)),
        }
    }

    #[cfg(not(feature = "tokio-rustls"))]
    pub(super) async fn start_tls(self, _: &str, _: &ConnectOptions) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "wss:// needs the feature `tokio-rustls`"))
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        match &mut self.get_mut().0 {
            Kind::Tcp(stream) => Pin::new(stream),
            #[cfg(feature = "tokio-rustls")]
            Kind::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

#[cfg(feature = "tokio-rustls")]
impl From<::tokio_rustls::client::TlsStream<TcpStream>> for ClientStream {
    fn from(stream: ::tokio_rustls::client::TlsStream<TcpStream>) -> Self {
        Self(Kind::Tls(std::boxed::Box::new(stream)))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}

/// TLS has one state for both directions, so here there is a lock between them, held for one poll at a time.
impl Split for ClientStream {
    type Read = ::tokio::io::ReadHalf<Self>;
    type Write = ::tokio::io::WriteHalf<Self>;

    fn split(self) -> (Self::Read, Self::Write) {
        ::tokio::io::split(self)
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self> {
        read.is_pair_of(&write).then(|| read.unsplit(write))
    }
}
