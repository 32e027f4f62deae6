//! [`HttpRequest`]: a request that has nothing to do with WebSocket.

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

    /// The method, in the case it was sent in.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.method()
    }

    /// The request target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.target()
    }

    /// The path of the target, without the query, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// What follows the first `?` of the target, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head.query()
    }

    /// The host, with a port if there is one; empty if an HTTP/1.0 request names none. That of an absolute
    /// target counts more than `Host` (RFC 9112 §3.2.2).
    #[must_use]
    pub fn host(&self) -> &str {
        self.head.host()
    }

    /// The version of HTTP, (1, 0) or (1, 1).
    #[must_use]
    pub fn version(&self) -> (u8, u8) {
        (1, self.head.start.minor)
    }

    /// All headers, in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        self.head.headers()
    }

    /// The value of the first header of this name, without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().value(name)
    }

    /// All of the request, to be handed on to an HTTP server. The body is still to be read: it begins with what
    /// is left of the input.
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

    /// The bytes of the response, without its body if the method is HEAD. After them the transport is to be
    /// ended, as after a [`Refusal::response`](super::Refusal::response).
    #[must_use]
    pub fn respond(self, response: &Response) -> Vec<u8> {
        encode_for(self.method(), response)
    }
}

/// An ordinary HTTP request in its parts; see [`HttpRequest::into_parts`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequestParts {
    /// The method, in the case it was sent in.
    pub method: String,
    /// The request target as it was sent.
    pub target: String,
    /// The version of HTTP, (1, 0) or (1, 1).
    pub version: (u8, u8),
    /// All headers in order, the values without the whitespace around them.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The head as it was sent, from the request line to the blank line: for a server that parses it itself.
    pub head: Vec<u8>,
}

/// Without the values of headers, which may be secrets.
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
