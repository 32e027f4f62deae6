//! [`ServerHandshake`]: from received bytes to a request, and its refusal if it must be refused (RFC 6455
//! §4.2).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::error::HandshakeError;
use super::head::{Head, HeadReader, Headers};
use super::request::{self, UpgradeRequest};
use super::response::Response;
use super::start_line::RequestLine;
use crate::{Config, Input};

/// The server's side of the opening handshake, until the head of the request is whole.
#[derive(Debug)]
#[must_use]
pub struct ServerHandshake {
    reader: HeadReader<RequestLine>,
    config: Config,
}

impl ServerHandshake {
    /// Waits for a request. The limits for the head, and later for the connection, are those of `config`.
    pub fn new(config: Config) -> Self {
        Self { reader: HeadReader::new(config), config }
    }

    /// Takes received bytes. Those behind the head stay in `input`: they are the first frames, or the body of
    /// an ordinary request.
    pub fn recv(mut self, input: &mut Input<'_>) -> ServerProgress {
        match self.reader.recv(input) {
            Ok(None) => ServerProgress::Incomplete(self),
            Ok(Some(head)) => match request::check(&head) {
                Ok(true) => ServerProgress::Upgrade(UpgradeRequest::new(head, self.config)),
                Ok(false) => ServerProgress::Http(HttpRequest { head }),
                Err(error) => ServerProgress::Refused(Refusal::to(&head, error)),
            },
            Err(error) => ServerProgress::Refused(Refusal::new(error)),
        }
    }

    /// The caller waits no longer: the refusal of a request of which only a part has arrived (RFC 9110
    /// §15.5.9). `None`: there was none, and the transport is to be closed without a word.
    #[must_use]
    pub fn timed_out(self) -> Option<Refusal> {
        // "The 408 (Request Timeout) status code indicates that the server did not receive a complete request
        // message within the time that it was prepared to wait."
        (!self.reader.is_empty()).then(|| Refusal::new(HandshakeError::TimedOut))
    }
}

/// What has come of the received bytes.
#[derive(Debug)]
#[must_use]
pub enum ServerProgress {
    /// The head is not whole yet: all bytes are taken, read more.
    Incomplete(ServerHandshake),
    /// A client asks for a WebSocket.
    Upgrade(UpgradeRequest),
    /// A valid request that has nothing to do with WebSocket: serve a page on the same port, or send a 404.
    Http(HttpRequest),
    /// The request breaks a rule: write [`response`](Refusal::response), then end the transport.
    Refused(Refusal),
}

/// An ordinary HTTP request.
#[derive(Debug)]
#[must_use = "the client waits for a response"]
pub struct HttpRequest {
    head: Head<RequestLine>,
}

impl HttpRequest {
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

/// A request that breaks a rule, and the response that says so.
#[derive(Debug, Clone)]
#[must_use = "the client waits for the response"]
pub struct Refusal {
    error: HandshakeError,
    response: Vec<u8>,
}

impl Refusal {
    /// To a request whose head is not even a head.
    pub(super) fn new(error: HandshakeError) -> Self {
        Self { error, response: Response::from(error).encode() }
    }

    pub(super) fn to(head: &Head<RequestLine>, error: HandshakeError) -> Self {
        Self { error, response: encode_for(head.method(), &error.into()) }
    }

    /// Which rule was broken.
    #[must_use]
    pub fn error(&self) -> HandshakeError {
        self.error
    }

    /// The whole response: write it, shut down the writing side, read and drop until the client has ended its
    /// own or a moment has passed, and close. Closing with unread input would reset the connection and could
    /// destroy the response on its way.
    #[must_use]
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.error.status()
    }

    /// The body of the response: which rule was broken, for a person to read.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let end =
            memchr::memmem::find(&self.response, b"\r\n\r\n").map_or(self.response.len(), |end| end + 4);
        &self.response[end..]
    }

    /// The headers of the response, for an HTTP library to write together with [`status`](Self::status) and
    /// [`body`](Self::body), whose length is among them.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(&self.response)
    }
}

impl From<HandshakeError> for Response {
    /// The response to a request that is refused for this reason.
    fn from(error: HandshakeError) -> Self {
        use HandshakeError as E;
        let response = Self::known(error.status()).body(error.to_string()).line("Content-Type", "text/plain");
        match error {
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response"
            E::MethodNotGet => response.line("Allow", "GET"),
            // RFC 6455 §4.4: "it MUST respond with a |Sec-WebSocket-Version| header field […] containing all
            // versions it is willing to use." Every 426 has it anyway.
            E::MissingVersion | E::InvalidVersion => response.line("Sec-WebSocket-Version", "13"),
            _ => response,
        }
    }
}

/// RFC 9110 §9.3.2: "the server MUST NOT send content in the response" to HEAD.
fn encode_for(method: &str, response: &Response) -> Vec<u8> {
    if method == "HEAD" { response.encode_head() } else { response.encode() }
}
