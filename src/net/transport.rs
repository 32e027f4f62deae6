//! [`Transport`]: the stream below a WebSocket.

use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A blocking or non-blocking byte stream with a separate end of its writing side.
///
/// The standard library's streams are transports, and so is TLS in a `Tls` (feature `tls`). [`Stream`]
/// makes a transport of any other stream that runs over a transport.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Transport`",
    note = "TLS of rustls: `sansocket::net::Tls`; another stream over a stream: `sansocket::net::Stream`",
    note = "anything else that is `Read + Write`: implement `Transport`, of which four methods are required"
)]
pub trait Transport: Read + Write {
    /// Ends the writing side: the peer reads the end of the stream, and we can still read.
    ///
    /// # Errors
    /// Errors of the stream.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Ends both directions at once. A thread that is blocked in a read or write, on any handle of the same
    /// stream, continues.
    ///
    /// # Errors
    /// Errors of the stream.
    fn abort(&mut self) -> io::Result<()>;

    /// Limits the time of one blocking read, which then fails with `WouldBlock` or `TimedOut`; but a `TimedOut` of
    /// the operating system means, except on Windows, that the connection is lost. Non-blocking streams may ignore it.
    ///
    /// # Errors
    /// Errors of the stream.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Limits the time of one blocking write or flush, in the same way.
    ///
    /// # Errors
    /// Errors of the stream.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Returns what the stream itself waits for, as in a TLS handshake: `Some(true)` if it has something to write of its
    /// own, `Some(false)` if it has to be read before anything can be written; otherwise `None`. With `Some(false)`, a
    /// caller that waited for a writable stream would be woken all the time, in vain. Default: `None`.
    fn wants_write(&self) -> Option<bool> {
        None
    }

    /// Returns a second handle of the same stream, for
    /// [`WebSocket::into_split`](super::WebSocket::into_split). Default: an error.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if the stream cannot be used from two threads; otherwise
    /// errors of the stream.
    fn try_clone(&self) -> io::Result<Self>
    where
        Self: Sized,
    {
        Err(io::Error::new(ErrorKind::Unsupported, "this stream cannot be split: it has no second handle"))
    }
}

macro_rules! sockets {
    ($($(#[$attribute:meta])* $socket:ty;)*) => {$(
        $(#[$attribute])*
        impl Transport for $socket {
            fn shutdown_write(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }

            fn abort(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Both)
            }

            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                forgive_if_over(<$socket>::set_read_timeout(self, timeout))
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                forgive_if_over(<$socket>::set_write_timeout(self, timeout))
            }

            fn try_clone(&self) -> io::Result<Self> {
                <$socket>::try_clone(self)
            }
        }
    )*};
}

sockets! {
    TcpStream;
    #[cfg(unix)]
    std::os::unix::net::UnixStream;
}

/// On Apple's systems, no option of a socket can be set once both its directions are over. What has arrived can still be
/// read, and it does not block.
fn forgive_if_over(set: io::Result<()>) -> io::Result<()> {
    const EINVAL: i32 = 22;
    set.or_else(|error| {
        if cfg!(target_vendor = "apple") && error.raw_os_error() == Some(EINVAL) {
            Ok(())
        } else {
            Err(error)
        }
    })
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        (**self).shutdown_write()
    }

    fn abort(&mut self) -> io::Result<()> {
        (**self).abort()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_write_timeout(timeout)
    }

    fn wants_write(&self) -> Option<bool> {
        (**self).wants_write()
    }
}

/// A [`Transport`] made of any `Read + Write` that runs over another transport.
///
/// Timeouts are those of the underlying transport. If one read, write or flush of the stream needs several
/// below, a slow peer can prolong it. For rustls, use `Tls`, whose deadlines are exact.
///
/// ```no_run
/// # use std::net::{Shutdown, TcpStream};
/// # fn compressed(tcp: TcpStream) -> Compressed { Compressed { tcp } }
/// # struct Compressed { tcp: TcpStream }
/// # impl std::io::Read for Compressed {
/// #     fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> { Ok(0) }
/// # }
/// # impl std::io::Write for Compressed {
/// #     fn write(&mut self, _: &[u8]) -> std::io::Result<usize> { Ok(0) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// use sansocket::net::Stream;
/// let stream = compressed(TcpStream::connect("localhost:443")?);
/// let transport = Stream::new(stream, |stream| &mut stream.tcp);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<S, T> {
    stream: S,
    below: fn(&mut S) -> &mut T,
}

impl<S: Read + Write, T: Transport> Stream<S, T> {
    /// Creates a transport of `stream`, which runs over the transport that `below` returns.
    pub fn new(stream: S, below: fn(&mut S) -> &mut T) -> Self {
        Self { stream, below }
    }

    /// Returns the stream.
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

    fn abort(&mut self) -> io::Result<()> {
        (self.below)(&mut self.stream).abort()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (self.below)(&mut self.stream).set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (self.below)(&mut self.stream).set_write_timeout(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_set_any_more_are_not_needed() {
        let refused = || forgive_if_over(Err(io::Error::from_raw_os_error(22)));
        assert_eq!(refused().is_ok(), cfg!(target_vendor = "apple"));
        assert!(forgive_if_over(Err(ErrorKind::InvalidInput.into())).is_err());
        assert!(forgive_if_over(Ok(())).is_ok());
    }
}
