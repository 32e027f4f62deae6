//! [`OpenError`]: why a client's connection could not be opened.

use core::error::Error;
use core::fmt;

use crate::handshake::{HandshakeError, ProxyVarError, RedirectError, Socks5Error, TunnelError};

/// Why a client's connection could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpenError {
    /// The server's response breaks a rule, or was truncated.
    Handshake(HandshakeError),
    /// The HTTP proxy's response breaks a rule, or was truncated.
    Proxy(HandshakeError),
    /// The SOCKS5 proxy did not open a tunnel, for this reason.
    Socks5(Socks5Error),
    /// The proxy sent more than its response, although the client speaks first in a tunnel; or it responded
    /// before it had the complete request.
    UnexpectedProxyData,
    /// The environment does not name a valid proxy.
    ProxyVar(ProxyVarError),
    /// A redirect that must not be followed.
    Redirect(RedirectError),
    /// The connection was not open within [`handshake_timeout`](crate::Config::handshake_timeout).
    TimedOut,
    /// The transport failed, as reported by the caller.
    TransportFailed,
}

impl From<TunnelError> for OpenError {
    fn from(error: TunnelError) -> Self {
        match error {
            TunnelError::Http(error) => Self::Proxy(error),
            TunnelError::Socks5(Socks5Error::UnexpectedData) => Self::UnexpectedProxyData,
            TunnelError::Socks5(error) => Self::Socks5(error),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => write!(f, "the server's answer: {error}"),
            Self::Proxy(error) => write!(f, "the proxy's answer: {error}"),
            Self::Socks5(error) => write!(f, "SOCKS5: {error}"),
            Self::UnexpectedProxyData => f.write_str("the proxy sent something that it was not asked for"),
            Self::ProxyVar(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::TimedOut => f.write_str("the connection was not open in time"),
            Self::TransportFailed => f.write_str("the transport failed before the connection was open"),
        }
    }
}

impl Error for OpenError {}
