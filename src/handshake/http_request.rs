//! [`HttpRequest`]: a request that has nothing to do with WebSocket.

use alloc::vec::Vec;

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

    /// The path of the target, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
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

    /// The bytes of the response, without its body if the method is HEAD. After them the transport is to be
    /// ended, as after a [`Refusal::response`].
    #[must_use]
    pub fn respond(self, response: &Response) -> Vec<u8> {
        encode_for(self.method(), response)
    }
}
