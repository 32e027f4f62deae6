//! [`ClientStream`]: what a URL led to.

use core::time::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;

use super::Transport;

/// The stream that [`connect`](super::connect) opens: TCP for `ws://`, TLS over TCP for `wss://`.
#[derive(Debug)]
pub struct ClientStream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(feature = "rustls")]
    Tls(std::boxed::Box<Tls>),
}

#[cfg(feature = "rustls")]
type Tls = ::rustls::StreamOwned<::rustls::ClientConnection, TcpStream>;

impl ClientStream {
    /// The TCP connection, with or without TLS over it.
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => &stream.sock,
        }
    }

    /// The TLS session, for `wss://`.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn tls(&self) -> Option<&::rustls::ClientConnection> {
        match &self.0 {
            Kind::Tcp(_) => None,
            Kind::Tls(stream) => Some(&stream.conn),
        }
    }

    fn inner(&mut self) -> &mut dyn Duplex {
        match &mut self.0 {
            Kind::Tcp(stream) => stream,
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => &mut **stream,
        }
    }
}

trait Duplex: Read + Write {}
impl<S: Read + Write> Duplex for S {}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        Self(Kind::Tcp(stream))
    }
}

#[cfg(feature = "rustls")]
impl From<Tls> for ClientStream {
    fn from(stream: Tls) -> Self {
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
        #[cfg(feature = "rustls")]
        if let Kind::Tls(stream) = &mut self.0 {
            // So that the other side knows that nobody cut the end off.
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.tcp().shutdown(std::net::Shutdown::Write)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp().set_read_timeout(timeout)
    }
}
