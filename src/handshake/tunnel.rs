//! [`ProxyTunnel`]: the handshake with a proxy of any protocol.

use alloc::vec::Vec;

use super::answer::RefusedResponse;
use super::proxy::{Proxy, ProxyHandshake, ProxyProtocol};
use super::socks5::{Socks5Error, Socks5Handshake};
use crate::http::{HandshakeError, Url};
use crate::{Config, Input};

/// The handshake with a proxy. Its output is taken; write it before receiving anything.
#[derive(Debug)]
pub(crate) enum ProxyTunnel {
    Http(ProxyHandshake),
    Socks5(Socks5Handshake),
}

/// The result of [`ProxyTunnel::recv`].
#[derive(Debug)]
pub(crate) enum Tunnel<E = TunnelError> {
    /// All bytes are consumed; there may be output.
    Incomplete,
    /// The rest of the input belongs to the tunnel.
    Open,
    Refused(RefusedResponse),
    Failed(E),
}

/// The error in a proxy's answer.
#[derive(Debug)]
pub(crate) enum TunnelError {
    Http(HandshakeError),
    Socks5(Socks5Error),
}

impl ProxyTunnel {
    /// Creates a request to `proxy` for a tunnel to the host and port of `url`.
    pub(crate) fn new(proxy: &Proxy, url: &Url, config: Config) -> Result<Self, Socks5Error> {
        match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => {
                Ok(Self::Http(ProxyHandshake::new(proxy, url, config)))
            }
            ProxyProtocol::Socks5 => Socks5Handshake::new(proxy, url).map(Self::Socks5),
        }
    }

    /// Takes the bytes to write now.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        match self {
            Self::Http(handshake) => {
                let output = handshake.output().to_vec();
                handshake.output_written(output.len());
                output
            }
            Self::Socks5(handshake) => {
                let output = handshake.output().to_vec();
                handshake.output_written(output.len());
                output
            }
        }
    }

    pub(crate) fn recv(&mut self, input: &mut Input<'_>) -> Tunnel {
        match self {
            Self::Http(handshake) => handshake.recv_mut(input).map_err(TunnelError::Http),
            Self::Socks5(handshake) => handshake.recv_mut(input).map_err(TunnelError::Socks5),
        }
    }

    /// Stops waiting. Returns the refusal if its head is complete.
    pub(crate) fn give_up(&mut self) -> Option<RefusedResponse> {
        match self {
            Self::Http(handshake) => handshake.give_up(),
            Self::Socks5(_) => None,
        }
    }

    /// Returns the error for a stream that ended inside the answer.
    pub(crate) const fn truncated(&self) -> TunnelError {
        match self {
            Self::Http(_) => TunnelError::Http(HandshakeError::Truncated),
            Self::Socks5(_) => TunnelError::Socks5(Socks5Error::Truncated),
        }
    }
}

impl<E> Tunnel<E> {
    fn map_err<F>(self, map: impl FnOnce(E) -> F) -> Tunnel<F> {
        match self {
            Self::Incomplete => Tunnel::Incomplete,
            Self::Open => Tunnel::Open,
            Self::Refused(refused) => Tunnel::Refused(refused),
            Self::Failed(error) => Tunnel::Failed(map(error)),
        }
    }
}
