//! [`ClientRequest`]: what a client asks for (RFC 6455 §4.1).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::deflate::Deflate;
use crate::http::{ArgumentError, Url, UrlError, is_token, list, push_header, push_line};

/// What a client asks for.
///
/// ```
/// use sansocket::handshake::ClientRequest;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = ClientRequest::new("wss://example.com/chat")?
///     .subprotocol("v2.chat")?
///     .subprotocol("v1.chat")?
///     .header("Origin", "https://example.com")?;
/// assert_eq!((request.url().host(), request.url().port()), ("example.com", 443)); // connect there
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientRequest {
    pub(super) url: Url,
    /// `a, b`
    pub(super) subprotocols: String,
    pub(super) lines: Vec<u8>,
}

impl ClientRequest {
    /// A request for this URL. A user name and password in it become `Authorization: Basic` (RFC 7617).
    ///
    /// # Errors
    /// Those of [`Url::parse`].
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self { url: Url::parse(url)?, subprotocols: String::new(), lines: Vec::new() })
    }

    /// Where to connect, and whether with TLS.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Offers a subprotocol, after those already offered: the favourite comes first.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidSubprotocol`] for what is no token, [`ArgumentError::DuplicateSubprotocol`]:
    /// "The elements […] MUST all be unique strings" (RFC 6455 §4.1).
    pub fn subprotocol(mut self, subprotocol: &str) -> Result<Self, ArgumentError> {
        if !is_token(subprotocol.as_bytes()) {
            return Err(ArgumentError::InvalidSubprotocol);
        }
        if is_offered(&self.subprotocols, subprotocol.as_bytes()) {
            return Err(ArgumentError::DuplicateSubprotocol);
        }
        if !self.subprotocols.is_empty() {
            self.subprotocols.push_str(", ");
        }
        self.subprotocols.push_str(subprotocol);
        Ok(self)
    }

    /// Adds a header, for example `Origin`, `Cookie` or `User-Agent`. An `Authorization` takes the place of
    /// the one from the URL.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidHeaderName`] and [`ArgumentError::InvalidHeaderValue`] for what cannot be one
    /// line; [`ArgumentError::ReservedHeader`] for Host (it comes from the URL), Connection, Upgrade,
    /// Content-Length, Transfer-Encoding and Sec-WebSocket-*.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ArgumentError> {
        push_header(&mut self.lines, name.as_bytes(), value.as_ref())?;
        if name.eq_ignore_ascii_case("Authorization") {
            self.url.authorization = None;
        }
        Ok(self)
    }

    /// The lines that do not depend on the version of HTTP, and the end of the head.
    pub(super) fn push_offers(&self, head: &mut Vec<u8>, deflate: Option<&Deflate>) {
        // §4.1-9: "The value of this header field MUST be 13."
        push_line(head, b"Sec-WebSocket-Version", b"13");
        if !self.subprotocols.is_empty() {
            push_line(head, b"Sec-WebSocket-Protocol", self.subprotocols.as_bytes());
        }
        if let Some(deflate) = deflate {
            push_line(head, b"Sec-WebSocket-Extensions", deflate.offer().as_bytes());
        }
        if let Some(authorization) = &self.url.authorization {
            push_line(head, b"Authorization", authorization.as_bytes());
        }
        head.extend_from_slice(&self.lines);
        head.extend_from_slice(b"\r\n");
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientRequest").field(&self.url).finish()
    }
}

/// Whether a list of subprotocols has this one.
pub(super) fn is_offered(subprotocols: &str, subprotocol: &[u8]) -> bool {
    list(subprotocols.as_bytes()).any(|offered| offered == subprotocol)
}
