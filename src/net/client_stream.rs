//! [`ClientStream`]: what a URL led to.

use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::Transport;

/// The stream that [`connect`](super::connect) opens: TCP for `ws://`, TLS over TCP for `wss://`.
#[derive(Debug)]
pub struct ClientStream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(Socket),
    #[cfg(feature = "rustls")]
    Tls(std::boxed::Box<Tls>),
}

#[cfg(feature = "rustls")]
type Tls = ::rustls::StreamOwned<::rustls::ClientConnection, Socket>;

impl ClientStream {
    /// The TCP connection, with or without TLS over it.
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Kind::Tcp(socket) => &socket.stream,
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => &stream.sock.stream,
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

    /// The handshake is over.
    pub(super) fn lift_deadline(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Kind::Tcp(socket) => socket.lift_deadline(),
            #[cfg(feature = "rustls")]
            Kind::Tls(stream) => stream.sock.lift_deadline(),
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

impl From<Socket> for ClientStream {
    fn from(socket: Socket) -> Self {
        Self(Kind::Tcp(socket))
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

/// A TCP connection whose reads and writes end at a deadline, until it is lifted: however a peer doles out
/// its bytes, and however many of them TLS wants before it shows one.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    deadline: Option<Deadline>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, deadline: Deadline) -> Self {
        Self { stream, deadline: Some(deadline) }
    }

    fn lift_deadline(&mut self) -> io::Result<()> {
        self.deadline = None;
        self.stream.set_write_timeout(None)?;
        self.stream.set_read_timeout(None)
    }

    fn in_time(&mut self) -> io::Result<&mut TcpStream> {
        if let Some(deadline) = &self.deadline {
            let left = Some(deadline.left()?);
            self.stream.set_read_timeout(left)?;
            self.stream.set_write_timeout(left)?;
        }
        Ok(&mut self.stream)
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.in_time()?.read(buf)
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.in_time()?.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.in_time()?.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// When a handshake must be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    began: Instant,
    timeout: Duration,
}

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self { began: Instant::now(), timeout }
    }

    /// How much time is left, which is never zero.
    pub(super) fn left(&self) -> io::Result<Duration> {
        let left = self.timeout.saturating_sub(self.began.elapsed());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}
