//! Connection errors that name the failed step and its address.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::SocketAddr;
use std::io::{self, ErrorKind};

use super::{Error, not_opened};
use crate::endpoint::Client;
use crate::handshake::ClientRequest;
use crate::input::Input;

/// Returns the error of a client that has nothing to dial.
pub(crate) fn no_way(client: &mut Client) -> Error {
    let event = client.recv(&mut Input::new(&mut []));
    event.and_then(|event| not_opened(event, None)).unwrap_or(ErrorKind::NotConnected.into())
}

/// Refuses a `wss://` URL in a build without TLS, before anything is dialled. `features` are those that add it.
pub(crate) fn check_tls(request: &ClientRequest, has_tls: bool, features: &str) -> io::Result<()> {
    if request.url().is_secure() && !has_tls { Err(no_tls(features)) } else { Ok(()) }
}

/// Returns the error of a build without TLS.
pub(crate) fn no_tls(features: &str) -> io::Error {
    io::Error::new(ErrorKind::Unsupported, format!("TLS, as for wss://, needs the feature {features}"))
}

/// Adds the step that failed to an error of a handshake with `peer`, and a hint what to try.
pub(crate) fn during_handshake(error: Error, kind: &str, peer: &str) -> Error {
    let Error::Io(error) = error else { return error };
    #[cfg(all(feature = "tls", any(feature = "net", feature = "tokio-tls")))]
    let is_no_tls = crate::tls::is_no_tls(&error);
    #[cfg(not(all(feature = "tls", any(feature = "net", feature = "tokio-tls"))))]
    let is_no_tls = false;
    let hint = if is_no_tls { " (ws:// instead of wss://?)" } else { "" };
    Error::Io(during(format!("{kind} handshake with {peer}{hint}"), error))
}

pub(crate) fn looking_up(host: &str, error: io::Error) -> io::Error {
    during(format!("looking up {host}"), error)
}

pub(crate) fn no_address(host: &str) -> io::Error {
    looking_up(host, io::Error::new(ErrorKind::NotFound, "it has no address"))
}

/// Adds the destination to an error: "connecting to 127.0.0.1:9001: connection refused".
pub(crate) fn connecting(host: &str, address: SocketAddr, error: io::Error) -> io::Error {
    if host == address.ip().to_string() {
        during(format!("connecting to {address}"), error)
    } else {
        during(format!("connecting to {host}:{} ({})", address.port(), address.ip()), error)
    }
}

/// Adds the step that failed to an error.
fn during(step: String, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), During { step, error })
}

/// Returns the error without the steps that were added to it.
pub(super) fn cause(error: &io::Error) -> &io::Error {
    let during = error.get_ref().and_then(|error| error.downcast_ref::<During>());
    during.map_or(error, |during| cause(&during.error))
}

#[derive(Debug)]
struct During {
    step: String,
    error: io::Error,
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.error)
    }
}

impl core::error::Error for During {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_step_address_and_cause_and_nothing_twice() {
        let refused = || io::Error::from(ErrorKind::ConnectionRefused);
        let address = SocketAddr::from(([127, 0, 0, 1], 9001));
        let error = Error::Io(connecting("127.0.0.1", address, refused()));
        assert_eq!(error.to_string(), "connecting to 127.0.0.1:9001: connection refused");
        assert!(core::error::Error::source(&error).is_none());
        let Error::Io(error) = error else { panic!() };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = connecting("localhost", address, refused());
        assert_eq!(error.to_string(), "connecting to localhost:9001 (127.0.0.1): connection refused");
    }
}
