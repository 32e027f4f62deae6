//! [`Transport`]: what a WebSocket runs over.

use core::time::Duration;
use std::boxed::Box;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A byte stream, blocking or not, that can end its writing side.
///
/// The standard library's streams are transports; any other `Read + Write`, such as a TLS stream, becomes one in a
/// [`Stream`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Transport`",
    note = "a stream over another, such as TLS over TCP: wrap it in `sansocket::net::Stream`",
    note = "anything else that is `Read + Write`: implement `Transport`, which has two methods"
)]
pub trait Transport: Read + Write {
    /// Ends the writing side: the peer reads the end of the stream, and we can still read.
    ///
    /// # Errors
    /// Whatever the stream reports.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Bounds how long a blocking read waits, so that pings and deadlines come in time. A stream that never
    /// blocks need not do anything.
    ///
    /// # Errors
    /// Whatever the stream reports.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(self, timeout)
    }
}

#[cfg(unix)]
impl Transport for std::os::unix::net::UnixStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, timeout)
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        (**self).shutdown_write()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }
}

/// Any `Read + Write` as a [`Transport`]: a stream over a stream, such as TLS over TCP.
///
/// ```no_run
/// # use std::net::{Shutdown, TcpStream};
/// # fn tls(tcp: TcpStream) -> Tls { Tls { tcp } }
/// # struct Tls { tcp: TcpStream }
/// # impl std::io::Read for Tls { fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> { Ok(0) } }
/// # impl std::io::Write for Tls {
/// #     fn write(&mut self, _: &[u8]) -> std::io::Result<usize> { Ok(0) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// use sansocket::net::Stream;
/// let tls = tls(TcpStream::connect("localhost:443")?);
/// let transport = Stream::new(tls, |tls| &mut tls.tcp);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<S, T> {
    stream: S,
    below: fn(&mut S) -> &mut T,
}

impl<S: Read + Write, T: Transport> Stream<S, T> {
    /// `stream`, which runs over the transport that `below` returns.
    pub fn new(stream: S, below: fn(&mut S) -> &mut T) -> Self {
        Self { stream, below }
    }

    /// The stream itself.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Read, T> Read for Stream<S, T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

impl<S: Write, T> Write for Stream<S, T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Read + Write, T: Transport> Transport for Stream<S, T> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.flush()?;
        (self.below)(&mut self.stream).shutdown_write()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (self.below)(&mut self.stream).set_read_timeout(timeout)
    }
}
