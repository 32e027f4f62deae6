//! [`Tls`]: a rustls session over a stream.

use core::mem;
use core::time::Duration;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use ::rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::Transport;
use super::pipe::NOW;
use super::time::{Timeout, is_later};
use crate::tls;

/// TLS by rustls over a blocking or non-blocking stream, for either role.
///
/// The first read or write carries out the TLS handshake. Timeouts apply to one read or write of *this*
/// stream, independent of how many operations of the underlying stream it takes, so no peer can prolong them.
/// Ending the writing side sends close_notify, which proves to the peer that the stream was not truncated
/// (RFC 8446 §6.1).
///
/// It cannot be [split](super::WebSocket::into_split): both directions share the session.
///
/// ```no_run
/// # fn serve(config: std::sync::Arc<rustls::ServerConfig>) -> Result<(), sansocket::net::Error> {
/// use sansocket::net::{self, Tls};
/// let (stream, _) = std::net::TcpListener::bind("127.0.0.1:9443")?.accept()?;
/// let mut ws = net::accept(Tls::server(config, stream)?)?;
/// ws.send_text("Hello")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Tls<S> {
    session: Connection,
    stream: S,
    reading: Direction,
    writing: Direction,
    close_notify: bool,
    /// The stream below may hold output of the session.
    must_flush: bool,
}

/// The maximum time of a call, and the most recent timeout of the underlying stream.
#[derive(Debug, Default)]
struct Direction {
    timeout: Option<Duration>,
    told: Timeout,
}

impl Direction {
    /// Lets `call` use the stream, again after an interruption or a timeout that an earlier call has set.
    fn run<S, O>(
        &mut self,
        stream: &mut S,
        patience: &mut Patience,
        set_timeout: fn(&mut S, Option<Duration>) -> io::Result<()>,
        mut call: impl FnMut(&mut S) -> io::Result<O>,
    ) -> io::Result<O> {
        loop {
            let wait = patience.left()?;
            self.told.bound(wait, |timeout| set_timeout(stream, timeout))?;
            let began = Instant::now();
            match call(stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.told.was_too_short(wait, &error, began) => {}
                result => return result,
            }
        }
    }
}

impl<S: Transport> Tls<S> {
    /// Creates the server side.
    ///
    /// # Errors
    /// Errors of rustls about the configuration.
    pub fn server(config: Arc<ServerConfig>, stream: S) -> io::Result<Self> {
        ServerConnection::new(config).map_err(io::Error::other).map(|session| Self::new(session, stream))
    }

    /// Creates the client side; `name` is the host that the server's certificate must match.
    ///
    /// # Errors
    /// Errors of rustls about the configuration or the name.
    pub fn client(config: Arc<ClientConfig>, name: &str, stream: S) -> io::Result<Self> {
        let session = ClientConnection::new(config, tls::server_name(name)?).map_err(io::Error::other)?;
        Ok(Self::new(session, stream))
    }

    /// Creates a TLS stream from a session and the stream to its peer.
    pub fn new(session: impl Into<Connection>, stream: S) -> Self {
        let (reading, writing) = Default::default();
        Self { session: session.into(), stream, reading, writing, close_notify: false, must_flush: true }
    }

    /// Returns the TLS session.
    pub fn session(&self) -> &Connection {
        &self.session
    }

    /// Returns the underlying stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Reads TLS.
    fn read_tls(&mut self, patience: &mut Patience) -> io::Result<()> {
        let Self { session, stream, reading, .. } = self;
        let n = reading.run(stream, patience, S::set_read_timeout, |stream| session.read_tls(stream))?;
        if n == 0 && session.is_handshaking() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Handles the TLS that was read. An error is returned again by each later call.
    fn process(&mut self) -> io::Result<()> {
        self.session.process_new_packets().map(drop).map_err(|error| {
            // Sends the alert with the reason. A broken stream will return its error again.
            let _ = self.write_tls(&mut Patience::new(Some(NOW)));
            io::Error::new(ErrorKind::InvalidData, error)
        })
    }

    /// Writes all pending output of the session.
    fn write_tls(&mut self, patience: &mut Patience) -> io::Result<()> {
        let Self { session, stream, writing, must_flush, .. } = self;
        while session.wants_write() {
            *must_flush = true;
            if writing.run(stream, patience, S::set_write_timeout, |stream| session.write_tls(stream))? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        if *must_flush {
            writing.run(stream, patience, S::set_write_timeout, S::flush)?;
            *must_flush = false;
        }
        Ok(())
    }

    /// Carries out the TLS handshake.
    fn handshake(&mut self, patience: &mut Patience) -> io::Result<()> {
        while self.session.is_handshaking() {
            self.write_tls(patience)?;
            if self.session.is_handshaking() {
                self.read_tls(patience)?;
                self.process()?;
            }
        }
        Ok(())
    }

    /// Makes room for plaintext and adds some; the part that the stream does not take waits for the next
    /// call.
    fn write_plain(&mut self, put: impl FnOnce(&mut Connection) -> io::Result<usize>) -> io::Result<usize> {
        let patience = &mut Patience::new(self.writing.timeout);
        self.handshake(patience)?;
        self.write_tls(patience)?;
        let n = put(&mut self.session)?;
        match self.write_tls(patience) {
            Err(error) if !is_later(&error) => Err(error),
            _ => Ok(n),
        }
    }
}

/// How long one call may take. It tries once in any case, however busy the machine is.
struct Patience {
    until: Option<Instant>,
    has_tried: bool,
}

impl Patience {
    fn new(timeout: Option<Duration>) -> Self {
        Self { until: timeout.and_then(|timeout| Instant::now().checked_add(timeout)), has_tried: false }
    }

    /// Returns the remaining time for a try, which is never zero.
    fn left(&mut self) -> io::Result<Option<Duration>> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        if mem::replace(&mut self.has_tried, true) && left.is_some_and(|left| left.is_zero()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(left.map(|left| left.max(NOW)))
    }
}

impl<S: Transport> Read for Tls<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut patience = None;
        loop {
            let processed = self.process();
            match self.session.reader().read(buf) {
                // What arrived before an error comes first.
                Err(error) if error.kind() == ErrorKind::WouldBlock => processed?,
                read => return read,
            }
            if !self.session.is_handshaking() {
                // Output that the peer does not take, now or any more, must not prevent a read, or take its time.
                let _ = self.write_tls(&mut Patience::new(Some(NOW)));
            }
            let patience = patience.get_or_insert_with(|| Patience::new(self.reading.timeout));
            if self.session.is_handshaking() {
                self.write_tls(patience)?;
            }
            self.read_tls(patience)?;
        }
    }
}

impl<S: Transport> Write for Tls<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_plain(|session| session.writer().write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_plain(|session| session.writer().write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_tls(&mut Patience::new(self.writing.timeout))
    }
}

impl<S: Transport> Transport for Tls<S> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        // "Each party MUST send a "close_notify" alert before closing its write side of the connection, unless it has
        // already sent some error alert." (RFC 8446 §6.1)
        if !mem::replace(&mut self.close_notify, true) {
            self.session.send_close_notify();
        }
        // A shutdown does not wait.
        self.write_tls(&mut Patience::new(Some(NOW)))?;
        self.stream.shutdown_write()
    }

    fn abort(&mut self) -> io::Result<()> {
        self.stream.abort()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.reading.timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.writing.timeout = timeout;
        Ok(())
    }

    fn wants_write(&self) -> Option<bool> {
        let waits = self.session.wants_write() || self.must_flush;
        self.stream.wants_write().or((waits || self.session.is_handshaking()).then_some(waits))
    }

    fn try_clone(&self) -> io::Result<Self> {
        let why = "TLS cannot be split: both directions share one session";
        Err(io::Error::new(ErrorKind::Unsupported, why))
    }
}
