//! [`ServerHandshake`]: from received bytes to a request (RFC 6455 §4.2).

use super::check::check;
use super::head_limits;
use super::http_request::HttpRequest;
use super::refusal::Refusal;
use super::request::UpgradeRequest;
use crate::http::{HandshakeError, HeadReader, RequestLine};
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
        Self { reader: HeadReader::new(head_limits(&config)), config }
    }

    /// Takes received bytes. Those behind the head stay in `input`: they are the first frames, or the body of
    /// an ordinary request.
    pub fn recv(mut self, input: &mut Input<'_>) -> ServerProgress {
        match self.reader.recv(input) {
            Ok(None) => ServerProgress::Incomplete(self),
            Ok(Some(head)) => match check(&head) {
                Ok(Some(offers)) => ServerProgress::Upgrade(UpgradeRequest::new(head, offers, self.config)),
                Ok(None) => ServerProgress::Http(HttpRequest::new(head)),
                Err(error) => ServerProgress::Refused(Refusal::to(&head, error)),
            },
            Err(error) => ServerProgress::Refused(Refusal::new(error)),
        }
    }

    /// Whether a part of a request has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        !self.reader.is_empty()
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
