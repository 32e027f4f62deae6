//! [`ClientStream`]: the stream to the server of a URL.

use core::time::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;

use super::Transport;

/// The stream that [`connect`](super::connect) opens: TCP for `ws://`, TLS over TCP for `wss://`. An `https`
/// proxy adds TLS to the proxy, so a `wss` server behind it uses TLS inside TLS.
///
/// [`try_clone`](Transport::try_clone), and therefore
/// [`WebSocket::into_split`](super::WebSocket::into_split), works for `ws://` only: the two directions of TLS
/// cannot be separated.
#[derive(Debug)]
pub struct ClientStream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(std::boxed::Box<super::Tls<TcpStream>>),
    #[cfg(feature = "tls")]
    TlsInTls(std::boxed::Box<super::Tls<super::Tls<TcpStream>>>),
}

impl ClientStream {
    /// Returns the TCP connection, with or without TLS over it.
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.stream(),
            #[cfg(feature = "tls")]
            Kind::TlsInTls(stream) => stream.stream().stream(),
        }
    }

    /// Returns the TLS session with the server for `wss://`, or with the proxy for `ws://` through an `https`
    /// proxy.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(&self) -> Option<&::rustls::Connection> {
        match &self.0 {
            Kind::Tcp(_) => None,
            Kind::Tls(stream) => Some(stream.session()),
            Kind::TlsInTls(stream) => Some(stream.session()),
        }
    }

    pub(super) fn is_tls_handshaking(&self) -> bool {
        match &self.0 {
            Kind::Tcp(_) => false,
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.session().is_handshaking(),
            #[cfg(feature = "tls")]
            Kind::TlsInTls(stream) => {
                stream.session().is_handshaking() || stream.stream().session().is_handshaking()
            }
        }
    }

    /// Starts TLS with the peer of that name, over the existing TLS if there is one: that leads to a proxy.
    #[cfg(feature = "tls")]
    pub(super) fn into_tls(
        self,
        own: Option<&std::sync::Arc<::rustls::ClientConfig>>,
        name: &str,
    ) -> io::Result<Self> {
        let config = crate::tls::config(own)?;
        match self.0 {
            Kind::Tcp(stream) => Ok(super::Tls::client(config, name, stream)?.into()),
            Kind::Tls(stream) => {
                let stream = super::Tls::client(config, name, *stream)?;
                Ok(Self(Kind::TlsInTls(std::boxed::Box::new(stream))))
            }
            // No route uses two proxies.
            Kind::TlsInTls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn inner(&mut self) -> &mut dyn Transport {
        match &mut self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => &mut **stream,
            #[cfg(feature = "tls")]
            Kind::TlsInTls(stream) => &mut **stream,
        }
    }
}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

#[cfg(feature = "tls")]
impl From<super::Tls<TcpStream>> for ClientStream {
    fn from(stream: super::Tls<TcpStream>) -> Self {
        Self(Kind::Tls(std::boxed::Box::new(stream)))
    }
}

impl Read for ClientStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner().read(buf)
    }
}

impl Write for ClientStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner().write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner().write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}

impl Transport for ClientStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner().shutdown_write()
    }

    fn abort(&mut self) -> io::Result<()> {
        self.inner().abort()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner().set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner().set_write_timeout(timeout)
    }

    fn wants_write(&self) -> Option<bool> {
        match &self.0 {
            Kind::Tcp(stream) => stream.wants_write(),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => stream.wants_write(),
            #[cfg(feature = "tls")]
            Kind::TlsInTls(stream) => stream.wants_write(),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match &self.0 {
            Kind::Tcp(stream) => Ok(stream.try_clone()?.into()),
            #[cfg(feature = "tls")]
            Kind::Tls(stream) => Ok((**stream).try_clone()?.into()),
            #[cfg(feature = "tls")]
            Kind::TlsInTls(stream) => Ok(Self(Kind::TlsInTls(std::boxed::Box::new((**stream).try_clone()?)))),
        }
    }
}
