//! [`Refusal`]: the answer to an invalid request.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use crate::http::{HandshakeError, Headers, Response};

/// An invalid request, and the response that reports the error.
#[derive(Clone)]
#[must_use = "the client waits for the response"]
pub struct Refusal {
    error: HandshakeError,
    status: u16,
    response: Vec<u8>,
}

impl Refusal {
    /// Answers a request with this method.
    pub(super) fn to(method: &str, error: HandshakeError) -> Self {
        Self { error, status: error.status(), response: encode_for(method, &error.into()) }
    }

    /// Answers a request in HTTP/2 or HTTP/3 with this method. A 426 needs `Upgrade` (RFC 9110 §15.5.22), which
    /// they do not have: an unsupported version is a 400 there.
    pub(super) fn to_connect(method: &str, error: HandshakeError) -> Self {
        let response = match error.status() {
            426 => refuse(400, error).line("Sec-WebSocket-Version", "13"),
            _ => error.into(),
        };
        Self { error, status: response.status(), response: response.encode_for_stream(method) }
    }

    /// Returns the rule that was broken.
    #[must_use]
    pub fn error(&self) -> HandshakeError {
        self.error
    }

    /// Returns the complete response. After writing it,
    ///
    /// 1. shut down the writing side;
    /// 2. read and discard until the client ends its side, or for a short time;
    /// 3. close.
    ///
    /// Closing with unread input would reset the connection and could destroy the response in transit.
    #[must_use]
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the body of the response: a readable description of the error, or nothing if the method is HEAD.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let end =
            memchr::memmem::find(&self.response, b"\r\n\r\n").map_or(self.response.len(), |end| end + 4);
        &self.response[end..]
    }

    /// Returns the headers of the response, for an HTTP library that writes it with [`status`](Self::status)
    /// and [`body`](Self::body). They include the length of the body; for HEAD, the length that it would have for
    /// GET. Their names contain capitals, which HTTP/2 and HTTP/3 have in lower case.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(&self.response)
    }
}

impl From<HandshakeError> for Response {
    /// Creates the response for this error.
    fn from(error: HandshakeError) -> Self {
        use HandshakeError as E;
        let response = refuse(error.status(), error);
        match error {
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response"
            E::MethodNotGet => response.line("Allow", "GET"),
            // RFC 6455 §4.4: "it MUST respond with a |Sec-WebSocket-Version| header field […] containing all
            // versions it is willing to use." Every 426 has it already.
            E::MissingVersion | E::InvalidVersion => response.line("Sec-WebSocket-Version", "13"),
            _ => response,
        }
    }
}

/// Creates a response that describes the error.
fn refuse(status: u16, error: HandshakeError) -> Response {
    Response::known(status).body(error.to_string()).line("Content-Type", "text/plain")
}

/// Shows only the rule that was broken.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("error", &self.error)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// RFC 9110 §9.3.2: "the server MUST NOT send content in the response" to HEAD. §9.3.6: a 2xx to CONNECT would
/// switch to a tunnel that begins with our body.
pub(super) fn encode_for(method: &str, response: &Response) -> Vec<u8> {
    match (method, response.status()) {
        ("HEAD", _) => response.encode_head(),
        ("CONNECT", 200..=299) => Response::from(HandshakeError::TunnelRequest).encode(),
        _ => response.encode(),
    }
}
