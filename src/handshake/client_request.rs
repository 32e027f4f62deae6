//! [`ClientRequest`]: a client's request for a WebSocket (RFC 6455 §4.1).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::deflate::Deflate;
use crate::http::{
    ArgumentError, Headers, Url, UrlError, is_token, list, push_header, push_line, split_port,
};

/// A client's request for a WebSocket.
///
/// ```
/// use sansocket::handshake::ClientRequest;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = ClientRequest::new("wss://example.com/chat")?
///     .subprotocol("v2.chat")?
///     .subprotocol("v1.chat")?
///     .header("Origin", "https://example.com")?;
/// // Connect there.
/// assert_eq!((request.url().host(), request.url().port()), ("example.com", 443));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientRequest {
    pub(super) url: Url,
    /// `Host`, if it differs from the URL.
    pub(super) host: Option<String>,
    /// `a, b`
    pub(super) subprotocols: String,
    pub(super) lines: Vec<u8>,
}

impl ClientRequest {
    /// Creates a request for this URL. A user name and password in it become `Authorization: Basic` (RFC
    /// 7617).
    ///
    /// # Errors
    /// Those of [`Url::parse`].
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Url::parse(url).map(Self::from)
    }

    /// Returns the URL: where to connect, and whether with TLS.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Offers a subprotocol, with a lower preference than those already offered.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidSubprotocol`] if it is not a token, [`ArgumentError::DuplicateSubprotocol`] if
    /// it is already offered: "The elements […] MUST all be unique strings" (RFC 6455 §4.1).
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

    /// Sets `Host` to this host, with a port unless it is the default one. The URL still determines where to
    /// connect. Use it for servers behind an IP address, a tunnel or a Unix socket.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidHost`].
    pub fn host(mut self, host: &str) -> Result<Self, ArgumentError> {
        split_port(host).map_err(|_| ArgumentError::InvalidHost)?;
        self.host = Some(host.to_owned());
        Ok(self)
    }

    /// Adds a header, for example `Origin`, `Cookie` or `User-Agent`. An `Authorization` replaces the one
    /// from the URL.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidHeaderName`] and [`ArgumentError::InvalidHeaderValue`] if it is not a valid
    /// header line. [`ArgumentError::ReservedHeader`] for Host (see [`host`](Self::host)), Connection,
    /// Upgrade, Content-Length, Transfer-Encoding and Sec-WebSocket-*.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ArgumentError> {
        push_header(&mut self.lines, name.as_bytes(), value.as_ref())?;
        if name.eq_ignore_ascii_case("Authorization") {
            self.url.authorization = None;
        }
        Ok(self)
    }

    /// Returns the value of `Host` or `:authority`.
    pub(super) fn authority(&self) -> String {
        self.host.clone().unwrap_or_else(|| self.url.host_header())
    }

    /// Appends the lines that do not depend on the HTTP version, and the end of the head.
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

impl From<Url> for ClientRequest {
    fn from(url: Url) -> Self {
        Self { url, host: None, subprotocols: String::new(), lines: Vec::new() }
    }
}

impl TryFrom<&str> for ClientRequest {
    type Error = UrlError;

    fn try_from(url: &str) -> Result<Self, UrlError> {
        Self::new(url)
    }
}

impl TryFrom<String> for ClientRequest {
    type Error = UrlError;

    fn try_from(url: String) -> Result<Self, UrlError> {
        Self::new(&url)
    }
}

impl TryFrom<&String> for ClientRequest {
    type Error = UrlError;

    fn try_from(url: &String) -> Result<Self, UrlError> {
        Self::new(url)
    }
}

/// Omits user name, password, query and header values.
impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("url", &self.url)
            .field("host", &self.host)
            .field("subprotocols", &self.subprotocols)
            .field("headers", &Headers::lines(&self.lines))
            .finish()
    }
}

/// Returns `true` if a list of subprotocols contains this one.
pub(super) fn is_offered(subprotocols: &str, subprotocol: &[u8]) -> bool {
    list(subprotocols.as_bytes()).any(|offered| offered == subprotocol)
}
