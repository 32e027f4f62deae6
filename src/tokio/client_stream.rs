//! [`ClientStream`]: the stream to the server of a URL.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
#[cfg(feature = "tokio-tls")]
use ::tokio_rustls::client::TlsStream;

use super::ConnectOptions;

/// The stream that [`connect`](super::connect) opens: TCP for `ws://`, TLS over TCP for `wss://`. An `https`
/// proxy adds TLS to the proxy, so a `wss` server behind it uses TLS inside TLS.
#[derive(Debug)]
pub struct ClientStream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(feature = "tokio-tls")]
    Tls(std::boxed::Box<TlsStream<TcpStream>>),
    #[cfg(feature = "tokio-tls")]
    TlsInTls(std::boxed::Box<TlsStream<TlsStream<TcpStream>>>),
}

impl ClientStream {
    /// Returns the TCP connection, with or without TLS over it.
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "tokio-tls")]
            Kind::Tls(stream) => stream.get_ref().0,
            #[cfg(feature = "tokio-tls")]
            Kind::TlsInTls(stream) => stream.get_ref().0.get_ref().0,
        }
    }

    /// Returns the TLS session with the server for `wss://`, or with the proxy for `ws://` through an `https`
    /// proxy.
    #[cfg(feature = "tokio-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio-tls")))]
    pub fn tls(&self) -> Option<&::rustls::ClientConnection> {
        match &self.0 {
            Kind::Tcp(_) => None,
            Kind::Tls(stream) => Some(stream.get_ref().1),
            Kind::TlsInTls(stream) => Some(stream.get_ref().1),
        }
    }

    /// Starts TLS with the peer of that name, over the existing TLS if there is one: that leads to a proxy.
    #[cfg(feature = "tokio-tls")]
    pub(super) async fn start_tls(self, name: &str, options: &ConnectOptions) -> io::Result<Self> {
        let connector = ::tokio_rustls::TlsConnector::from(crate::tls::config(options.tls.as_ref())?);
        let name = crate::tls::server_name(name)?;
        match self.0 {
            Kind::Tcp(stream) => Ok(connector.connect(name, stream).await?.into()),
            Kind::Tls(stream) => {
                let stream = connector.connect(name, *stream).await?;
                Ok(Self(Kind::TlsInTls(std::boxed::Box::new(stream))))
            }
            // No way leads through two proxies.
            Kind::TlsInTls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    #[cfg(not(feature = "tokio-tls"))]
    pub(super) async fn start_tls(self, _: &str, _: &ConnectOptions) -> io::Result<Self> {
        Err(crate::adapter::no_tls(super::connect::TLS_FEATURES))
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut dyn Duplex> {
        match &mut self.get_mut().0 {
            Kind::Tcp(stream) => Pin::new(stream),
            #[cfg(feature = "tokio-tls")]
            Kind::Tls(stream) => Pin::new(&mut **stream),
            #[cfg(feature = "tokio-tls")]
            Kind::TlsInTls(stream) => Pin::new(&mut **stream),
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

#[cfg(feature = "tokio-tls")]
impl From<TlsStream<TcpStream>> for ClientStream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
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
