//! [`HttpRequest`]: a request unrelated to WebSocket.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::refusal::encode_for;
use crate::http::{Head, Headers, RequestLine, Response};

/// An ordinary HTTP request.
#[derive(Debug)]
#[must_use = "the client waits for a response"]
pub struct HttpRequest {
    head: Head<RequestLine>,
}

impl HttpRequest {
    pub(super) fn new(head: Head<RequestLine>) -> Self {
        Self { head }
    }

    /// Returns the method as it was sent; it is case-sensitive.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.method()
    }

    /// Returns the request target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.target()
    }

    /// Returns the path of the target without the query, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// Returns the part of the target after the first `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head.query()
    }

    /// Returns the host, with a port if there is one; empty if an HTTP/1.0 request has none. The host of an
    /// absolute target takes precedence over `Host` (RFC 9112 §3.2.2).
    #[must_use]
    pub fn host(&self) -> &str {
        self.head.host()
    }

    /// Returns the HTTP version: (1, 0), (1, 1), or a higher minor version, which means (1, 1) here (RFC 9110
    /// §2.5).
    #[must_use]
    pub fn version(&self) -> (u8, u8) {
        (1, self.head.start.minor)
    }

    /// Returns all headers, in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        self.head.headers()
    }

    /// Returns the value of the first header with this name, ignoring case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().value(name)
    }

    /// Converts into parts, to pass the complete request to an HTTP server. Its body is not read yet: it
    /// begins with the rest of the input.
    #[must_use]
    pub fn into_parts(self) -> HttpRequestParts {
        let headers = self.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        HttpRequestParts {
            method: self.method().to_owned(),
            target: self.target().to_owned(),
            version: self.version(),
            headers,
            head: self.head.bytes().to_owned(),
        }
    }

    /// Returns the bytes of the response, without its body if the method is HEAD. End the transport after
    /// them, as after a [`Refusal::response`](super::Refusal::response).
    ///
    /// A CONNECT requests a tunnel, and a 2xx would open it (RFC 9110 §9.3.6): it is answered with
    /// 501 in place of `response`.
    #[must_use]
    pub fn respond(self, response: &Response) -> Vec<u8> {
        encode_for(self.method(), response)
    }
}

/// The parts of an ordinary HTTP request; see [`HttpRequest::into_parts`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequestParts {
    /// The method as it was sent; it is case-sensitive.
    pub method: String,
    /// The request target as it was sent.
    pub target: String,
    /// The HTTP version; see [`HttpRequest::version`].
    pub version: (u8, u8),
    /// All headers in order, the values without surrounding whitespace.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The head as it was sent, from the request line to the blank line, for a server that parses it itself.
    pub head: Vec<u8>,
}

/// Omits header values, which may be secrets.
impl fmt::Debug for HttpRequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpRequestParts")
            .field("method", &self.method)
            .field("version", &self.version)
            .field("headers", &names)
            .field("head_len", &self.head.len())
            .finish_non_exhaustive()
    }
}
