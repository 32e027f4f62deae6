//! [`Error`]: why a connection could not be opened.

use alloc::string::String;
use core::convert::Infallible;
use core::fmt;
use std::boxed::Box;
use std::io::{self, ErrorKind};

#[cfg(any(feature = "net", feature = "tokio"))]
use super::step::cause;
use crate::endpoint::{ClientEvent, OpenError, Reconnect};
use crate::error::{ProtocolError, SendError};
use crate::handshake::{
    ArgumentError, HandshakeError, ProxyVarError, RedirectError, RefusedResponse, UrlError,
};

/// Why a connection could not be opened; `net::Error`, `tokio::Error` and `futures_io::Error` are this type.
///
/// With `?`, it also carries an [`io::Error`], a [`SendError`] or a [`ProtocolError`] of an open connection, so a handler can
/// return this type throughout.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed, or the connection was not open in time (`TimedOut`). Of `connect`, the message names
    /// the step that failed. A server reports a client that stalls inside its request as
    /// [`HandshakeError::TimedOut`], after answering it.
    Io(io::Error),
    /// The URL is not a WebSocket URL.
    Url(UrlError),
    /// The request has a part that cannot be sent.
    Argument(ArgumentError),
    /// The peer broke a rule of the handshake. A server has already answered the client with the error.
    Handshake(HandshakeError),
    /// The server answered with a status other than 101: a redirect, a request for credentials, an error.
    Refused(Box<RefusedResponse>),
    /// A redirect that must not be followed.
    Redirect(RedirectError),
    /// An environment variable does not name a valid proxy.
    ProxyVar(ProxyVarError),
    /// The proxy did not open a tunnel to the server.
    Proxy(Box<RefusedResponse>),
    /// The proxy's response breaks a rule, or was truncated.
    ProxyHandshake(HandshakeError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Url(error) => error.fmt(f),
            Self::Argument(error) => error.fmt(f),
            Self::Handshake(error) => write!(f, "opening handshake: {error}"),
            Self::Redirect(error) => error.fmt(f),
            Self::ProxyVar(error) => error.fmt(f),
            Self::ProxyHandshake(error) => write!(f, "the proxy's answer: {error}"),
            Self::Refused(response) => answered(f, "server", response, "101"),
            Self::Proxy(response) => answered(f, "proxy", response, "2xx"),
        }
    }
}

/// Writes the status, what was expected, and the headers that explain it.
fn answered(
    f: &mut fmt::Formatter<'_>,
    who: &str,
    response: &RefusedResponse,
    expected: &str,
) -> fmt::Result {
    write!(f, "the {who} answered {}", response.status())?;
    if !response.reason().is_empty() {
        write!(f, " {}", String::from_utf8_lossy(response.reason()))?;
    }
    write!(f, " (expected {expected})")?;
    for name in ["Location", "WWW-Authenticate", "Proxy-Authenticate"] {
        if let Some(value) = response.header(name) {
            write!(f, ", {name}: {}", String::from_utf8_lossy(value))?;
        }
    }
    Ok(())
}

impl core::error::Error for Error {
    /// The message already contains this error: returns the one below it.
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

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Io(error.into())
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Io(error.into())
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

impl From<ArgumentError> for Error {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error)
    }
}

#[cfg(feature = "http")]
impl From<crate::handshake::RequestError> for Error {
    fn from(error: crate::handshake::RequestError) -> Self {
        use crate::handshake::RequestError as E;
        match error {
            E::Url(error) => Self::Url(error),
            E::Argument(error) => Self::Argument(error),
        }
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

impl Reconnect {
    /// Records why an adapter could not open a connection.
    pub fn not_opened(&mut self, error: &Error) {
        match error {
            // Errors of the stream are transient, except for what the peer or the configuration got wrong.
            Error::Io(error) => {
                use ErrorKind as K;
                #[cfg(any(feature = "net", feature = "tokio"))]
                let error = cause(error);
                let kind = error.kind();
                // What the system says may pass, such as that a firewall permits no connection now.
                self.is_final = error.raw_os_error().is_none()
                    && matches!(
                        kind,
                        K::InvalidData | K::InvalidInput | K::PermissionDenied | K::Unsupported
                    );
            }
            Error::Refused(refused) | Error::Proxy(refused) => self.refused(refused),
            Error::Handshake(error) => self.failed(OpenError::Handshake(*error)),
            Error::ProxyHandshake(error) => self.failed(OpenError::Proxy(*error)),
            Error::Redirect(error) => self.failed(OpenError::Redirect(*error)),
            Error::ProxyVar(error) => self.failed(OpenError::ProxyVar(*error)),
            Error::Url(_) | Error::Argument(_) => self.is_final = true,
        }
    }
}

/// Returns the meaning of a client's event for a caller that waits for the connection to open; `broken` is
/// the last error of the stream. `None` means that it is open, or still opening.
pub(crate) fn not_opened(event: ClientEvent<'_>, broken: Option<io::Error>) -> Option<Error> {
    Some(match event {
        ClientEvent::Refused(refused) => Error::Refused(refused),
        ClientEvent::ProxyRefused(refused) => Error::Proxy(refused),
        ClientEvent::Failed(OpenError::Handshake(error)) => Error::Handshake(error),
        ClientEvent::Failed(OpenError::Proxy(error)) => Error::ProxyHandshake(error),
        ClientEvent::Failed(OpenError::Redirect(error)) => Error::Redirect(error),
        ClientEvent::Failed(OpenError::ProxyVar(error)) => Error::ProxyVar(error),
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
