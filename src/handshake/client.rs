//! [`ClientHandshake`]: the client's side of the opening handshake (RFC 6455 §4.1).

use alloc::vec::Vec;
use core::fmt;

use super::answer::RefusedResponse;
use super::client_request::ClientRequest;
use super::opening::{Opened, Opening, compressing};
use crate::http::{Field, HandshakeError, Head, Headers, StatusLine, text};
use crate::{Config, Connection, Input, Random};

/// The client's side of the opening handshake, until the response is validated.
///
/// 1. Write the [`output`](Self::output); call [`output_written`](Self::output_written).
/// 2. Pass received bytes to [`recv`](Self::recv).
/// 3. If the stream ends first or the deadline passes, [`recv_eof`](Self::recv_eof) or
///    [`timed_out`](Self::timed_out) returns what has arrived.
#[must_use]
pub struct ClientHandshake {
    output: Vec<u8>,
    written: usize,
    opening: Opening,
    connection: Connection,
}

impl ClientHandshake {
    /// Creates the handshake with its request. `random` supplies the nonce, and later the masking keys of the
    /// connection.
    pub fn new(
        request: ClientRequest,
        config: Config,
        mut random: impl Random + Send + Sync + 'static,
    ) -> Self {
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        let (output, opening) = Opening::new(&request, nonce, &config);
        Self { output, written: 0, opening, connection: Connection::client(config, random) }
    }

    /// Returns the bytes that are not written yet.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.get(self.written..).unwrap_or_default()
    }

    /// Records that the first `n` bytes of the output were written.
    pub fn output_written(&mut self, n: usize) {
        self.written = self.written.saturating_add(n).min(self.output.len());
    }

    /// Returns the headers of the request, for an HTTP library that writes it. The method is GET, the target
    /// [`Url::resource`](super::Url::resource).
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(&self.output)
    }

    /// Returns the request target, which is in the first line.
    #[cfg(feature = "http")]
    pub(super) fn target(&self) -> &str {
        let line = self.output.split(|&byte| byte == b'\r').next().unwrap_or_default();
        text(line).split(' ').nth(1).unwrap_or("/")
    }

    /// Handles received bytes. Bytes after the head of a 101 stay in `input`: they are the first frames.
    ///
    /// If none of the output was reported as written, a 101 discards it: the accept key proves that the request
    /// has arrived. If a part was, the server has answered early, and the rest of the request becomes the first
    /// output of the connection.
    pub fn recv(mut self, input: &mut Input<'_>) -> ClientProgress {
        match self.opening.recv(input) {
            Opened::Incomplete => ClientProgress::Incomplete(self),
            Opened::Open(agreed, established) => {
                let mut connection = compressing(self.connection, agreed);
                if self.written > 0 {
                    connection = connection.with_output(self.output.split_off(self.written));
                }
                ClientProgress::Connected(connection, established)
            }
            Opened::Refused(refused) => ClientProgress::Refused(refused),
            Opened::Failed(error) => ClientProgress::Failed(error),
        }
    }

    /// Handles the end of the stream. Returns the refusal, with the part of its body that has arrived, if its
    /// head is complete.
    ///
    /// # Errors
    /// [`HandshakeError::Truncated`] if the head is incomplete.
    pub fn recv_eof(mut self) -> Result<RefusedResponse, HandshakeError> {
        self.opening.give_up().ok_or(HandshakeError::Truncated)
    }

    /// Stops waiting, after a deadline of the caller. Returns the refusal, with the part of its body that has
    /// arrived, if its head is complete.
    ///
    /// # Errors
    /// [`HandshakeError::TimedOut`] if the head is incomplete.
    pub fn timed_out(mut self) -> Result<RefusedResponse, HandshakeError> {
        self.opening.give_up().ok_or(HandshakeError::TimedOut)
    }

    /// Handles a response that an HTTP library received and parsed. The connection's output is empty.
    ///
    /// # Errors
    /// [`HandshakeError::OtherStatus`] for a status other than 101, or the error for the rule that is broken.
    pub fn recv_parts<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(Connection, Established), HandshakeError> {
        let (agreed, established) = self.opening.recv_parts(status, headers)?;
        Ok((compressing(self.connection, agreed), established))
    }
}

impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake").field("opening", &self.opening).finish_non_exhaustive()
    }
}

/// The result of [`ClientHandshake::recv`].
#[derive(Debug)]
#[must_use]
pub enum ClientProgress {
    /// The response is incomplete: all bytes are consumed, read more.
    Incomplete(ClientHandshake),
    /// The connection is open.
    Connected(Connection, Established),
    /// The server answered in HTTP: a redirect, a request for credentials, an error.
    Refused(RefusedResponse),
    /// The server's answer breaks a rule: close the transport.
    Failed(HandshakeError),
}

/// The server's response that opened the connection.
pub struct Established {
    head: Head<StatusLine>,
}

impl Established {
    /// Creates it from a checked head.
    pub(super) fn new(head: Head<StatusLine>) -> Self {
        Self { head }
    }

    /// Returns the subprotocol that the server chose among the offered ones, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.head.value(Field::Protocol).map(text)
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
}

/// Omits header values, which may contain secrets.
impl fmt::Debug for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Established")
            .field("status", &self.head.start.code)
            .field("subprotocol", &self.subprotocol())
            .finish_non_exhaustive()
    }
}
