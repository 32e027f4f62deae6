//! [`Error`]: why there is no connection.

use alloc::string::String;
use core::convert::Infallible;
use core::fmt;
use std::boxed::Box;
use std::io::{self, ErrorKind};

use crate::endpoint::{ClientEvent, OpenError};
use crate::handshake::{HandshakeError, RedirectError, RefusedResponse, UrlError};

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed, or the connection was not open in time (`TimedOut`); the message says during which step.
    /// A client that was too slow in the middle of its request was told so, and that is
    /// [`HandshakeError::TimedOut`].
    Io(io::Error),
    /// The URL is no WebSocket URL.
    Url(UrlError),
    /// The peer broke a rule of the handshake. A client was told so.
    Handshake(HandshakeError),
    /// The server answered something else than 101: a redirect, a request for credentials, an error.
    Refused(Box<RefusedResponse>),
    /// A redirect that is not to be followed.
    Redirect(RedirectError),
    /// The proxy opened no tunnel to the server.
    Proxy(Box<RefusedResponse>),
    /// The proxy's answer breaks a rule, or was cut short.
    ProxyHandshake(HandshakeError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Url(error) => error.fmt(f),
            Self::Handshake(error) => write!(f, "opening handshake: {error}"),
            Self::Redirect(error) => error.fmt(f),
            Self::ProxyHandshake(error) => write!(f, "the proxy's answer: {error}"),
            Self::Refused(response) => refused(f, "server", response),
            Self::Proxy(response) => refused(f, "proxy", response),
        }
    }
}

/// The status, and the headers that say what to do about it.
fn refused(f: &mut fmt::Formatter<'_>, who: &str, response: &RefusedResponse) -> fmt::Result {
    write!(f, "the {who} refused the connection: {}", response.status())?;
    if !response.reason().is_empty() {
        write!(f, " {}", String::from_utf8_lossy(response.reason()))?;
    }
    for name in ["Location", "WWW-Authenticate", "Proxy-Authenticate"] {
        if let Some(value) = response.header(name) {
            write!(f, ", {name}: {}", String::from_utf8_lossy(value))?;
        }
    }
    Ok(())
}

impl core::error::Error for Error {
    /// What is below the error that the message already tells.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::Io(kind.into())
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<RedirectError> for Error {
    fn from(error: RedirectError) -> Self {
        Self::Redirect(error)
    }
}

impl From<Infallible> for Error {
    fn from(error: Infallible) -> Self {
        match error {}
    }
}

/// What a client's event means to who waits for the connection to open; `broken` is the stream's last error.
/// `None`: it is open, or goes on opening.
pub(crate) fn not_opened(event: ClientEvent<'_>, broken: Option<io::Error>) -> Option<Error> {
    Some(match event {
        ClientEvent::Refused(refused) => Error::Refused(refused),
        ClientEvent::ProxyRefused(refused) => Error::Proxy(refused),
        ClientEvent::Failed(OpenError::Handshake(error)) => Error::Handshake(error),
        ClientEvent::Failed(OpenError::Proxy(error)) => Error::ProxyHandshake(error),
        ClientEvent::Failed(OpenError::Redirect(error)) => Error::Redirect(error),
        ClientEvent::Failed(OpenError::Socks5(error)) => Error::Io(error.into()),
        ClientEvent::Failed(error @ OpenError::UnexpectedProxyData) => {
            Error::Io(io::Error::new(ErrorKind::InvalidData, error))
        }
        ClientEvent::Failed(error @ OpenError::TimedOut) => {
            Error::Io(io::Error::new(ErrorKind::TimedOut, error))
        }
        ClientEvent::Failed(error @ OpenError::TransportFailed) => {
            Error::Io(broken.unwrap_or_else(|| io::Error::new(ErrorKind::BrokenPipe, error)))
        }
        ClientEvent::Opened(_) | ClientEvent::Open(_) => return None,
    })
}
