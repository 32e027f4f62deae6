//! [`ServerHandshake`]: from received bytes to a request (RFC 6455 §4.2).

use super::check::check;
use super::head_limits;
use super::http_request::HttpRequest;
use super::refusal::Refusal;
use super::request::UpgradeRequest;
use crate::http::{HandshakeError, HeadReader, RequestLine};
use crate::{Config, Input};

/// The server's side of the opening handshake, until the head of the request is complete.
#[derive(Debug)]
#[must_use]
pub struct ServerHandshake {
    reader: HeadReader<RequestLine>,
    config: Config,
}

impl ServerHandshake {
    /// Creates a handshake that waits for a request. `config` limits the head, and later the connection.
    pub fn new(config: Config) -> Self {
        Self { reader: HeadReader::new(head_limits(&config)), config }
    }

    /// Handles received bytes. Bytes after the head stay in `input`: they are the first frames, or the body
    /// of an ordinary request.
    pub fn recv(mut self, input: &mut Input<'_>) -> ServerProgress {
        match self.reader.recv(input) {
            Ok(None) => ServerProgress::Incomplete(self),
            Ok(Some(head)) => match check(&head) {
                Ok(Some(offers)) => ServerProgress::Upgrade(UpgradeRequest::new(head, offers, self.config)),
                Ok(None) => ServerProgress::Http(HttpRequest::new(head)),
                Err(error) => ServerProgress::Refused(Refusal::to(head.method(), error)),
            },
            Err(error) => ServerProgress::Refused(Refusal::to(self.reader.method(), error)),
        }
    }

    /// Returns `true` if a part of a request has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        !self.reader.is_empty()
    }

    /// Stops waiting, after a deadline of the caller. Returns the refusal of an incomplete request (RFC 9110
    /// §15.5.9). `None` means that nothing has arrived: close the transport without a response.
    #[must_use]
    pub fn timed_out(self) -> Option<Refusal> {
        // "The 408 (Request Timeout) status code indicates that the server did not receive a complete request
        // message within the time that it was prepared to wait."
        (!self.reader.is_empty()).then(|| Refusal::to(self.reader.method(), HandshakeError::TimedOut))
    }
}

/// The result of [`ServerHandshake::recv`].
#[derive(Debug)]
#[must_use]
pub enum ServerProgress {
    /// The head is incomplete: all bytes are consumed, read more.
    Incomplete(ServerHandshake),
    /// A client requests a WebSocket.
    Upgrade(UpgradeRequest),
    /// A valid request unrelated to WebSocket: serve a page on the same port, or send a 404.
    Http(HttpRequest),
    /// The request breaks a rule: write [`response`](Refusal::response), then end the transport.
    Refused(Refusal),
}
