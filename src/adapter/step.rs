//! Connection errors that name the failed step and its address.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::SocketAddr;
use std::io;

/// Adds the step to an error: "connecting to 127.0.0.1:9001: connection refused".
pub(crate) fn during(step: impl Into<String>, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), During { step: step.into(), error })
}

/// [`during`] connecting to `address`, which belongs to `host` or is `host`.
pub(crate) fn connecting(host: &str, address: SocketAddr, error: io::Error) -> io::Error {
    if host == address.ip().to_string() {
        during(format!("connecting to {address}"), error)
    } else {
        during(format!("connecting to {host}:{} ({})", address.port(), address.ip()), error)
    }
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
    use crate::adapter::Error;

    #[test]
    fn a_message_says_step_address_and_cause_and_nothing_twice() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let address = SocketAddr::from(([127, 0, 0, 1], 9001));
        let error = Error::Io(connecting("127.0.0.1", address, refused()));
        assert_eq!(error.to_string(), "connecting to 127.0.0.1:9001: connection refused");
        assert!(core::error::Error::source(&error).is_none());
        let Error::Io(error) = error else { panic!() };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = connecting("localhost", address, refused());
        assert_eq!(error.to_string(), "connecting to localhost:9001 (127.0.0.1): connection refused");
    }
}
