//! [`UpgradeRequest`]: a request that passed every check of RFC 6455 §4.2.1, and its answers.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use super::accept_key::accept_key;
use super::check::{Offers, check};
use super::head_limits;
use super::refusal::Refusal;
use crate::http::{
    ArgumentError, Extension, Field, HandshakeError, Head, HeadReader, Headers, RequestLine, Response,
    push_header, push_line, text,
};
use crate::{Config, Connection};

/// A client's request for a WebSocket that follows every rule of RFC 6455 §4.2.1.
///
/// It owns its head, so it can be moved to another thread or task for the decision.
///
/// * Getters: [`target`](Self::target), [`path`](Self::path), [`query`](Self::query), [`host`](Self::host),
///   [`origin`](Self::origin), [`headers`](Self::headers), [`header`](Self::header),
///   [`subprotocols`](Self::subprotocols), [`extensions`](Self::extensions).
/// * Settings: [`choose_subprotocol`](Self::choose_subprotocol) and [`add_header`](Self::add_header) for the
///   response; a call that fails changes nothing. [`set_config`](Self::set_config) for limits and
///   compression.
/// * Answers: [`accept`](Self::accept), which cannot fail, [`accept_parts`](Self::accept_parts),
///   [`reject`](Self::reject).
#[must_use = "the client waits for an answer"]
pub struct UpgradeRequest {
    head: Head<RequestLine>,
    offers: Offers,
    config: Config,
    /// Index of the chosen subprotocol among the offered ones.
    chosen: Option<usize>,
    /// Header lines that the caller adds to the response.
    added: Vec<u8>,
}

impl UpgradeRequest {
    pub(super) fn new(head: Head<RequestLine>, offers: Offers, config: Config) -> Self {
        Self { head, offers, config, chosen: None, added: Vec::new() }
    }

    /// Checks a request that an HTTP library has parsed. Name-value pairs must be in their original order.
    ///
    /// The checks are the same as for bytes, limits included.
    ///
    /// # Errors
    /// Returns the [`Refusal`] to answer with. It is a 426 for a request that does not ask for a WebSocket.
    ///
    /// ```
    /// use sansocket::Config;
    /// use sansocket::handshake::UpgradeRequest;
    /// let headers = [
    ///     ("host", "example.com"),
    ///     ("upgrade", "websocket"),
    ///     ("connection", "Upgrade"),
    ///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ///     ("sec-websocket-version", "13"),
    /// ];
    /// let config = Config::default();
    /// let request = UpgradeRequest::from_parts("GET", "/chat", headers, config).unwrap();
    /// let (response, connection) = request.accept_parts();
    /// assert_eq!(response.status(), 101);
    /// let accept = response.headers().value("sec-websocket-accept");
    /// assert_eq!(accept, Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]));
    /// # drop(connection);
    /// ```
    pub fn from_parts<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (N, V)>,
        config: Config,
    ) -> Result<Self, Refusal> {
        Self::from_version("HTTP/1.1", method, target, headers, config)
    }

    /// Like [`from_parts`](Self::from_parts), in this version of HTTP.
    pub(super) fn from_version<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        version: &str,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (N, V)>,
        config: Config,
    ) -> Result<Self, Refusal> {
        let refuse = |error| Refusal::to(method, error);
        let line = [method, " ", target, " ", version].concat();
        let head =
            HeadReader::new(head_limits(&config)).recv_pairs(line.as_bytes(), headers).map_err(refuse)?;
        match check(&head).map_err(refuse)? {
            Some(offers) => Ok(Self::new(head, offers, config)),
            None => Err(refuse(HandshakeError::MissingUpgrade)),
        }
    }

    /// Returns the request target as it was sent: a path, or an absolute URI.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.target()
    }

    /// Returns the path, at least `/`, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// Returns the part after the first `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head.query()
    }

    /// Returns the host, with a port if there is one. The host of an absolute target takes precedence over
    /// `Host` (RFC 9112 §3.2.2).
    #[must_use]
    pub fn host(&self) -> &str {
        self.head.host()
    }

    /// Returns `Origin`, which every browser sends and no script can forge; see
    /// [`OriginPolicy`](super::OriginPolicy).
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        self.head.value(Field::Origin)
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

    /// Returns the offered subprotocols in the client's order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.offers.subprotocols.iter().map(|&span| text(self.head.part(span)))
    }

    /// Returns the offered extensions in the client's order of preference.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        self.offers.extensions.of(&self.head)
    }

    /// Returns the subprotocol chosen for the response.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.chosen.and_then(|chosen| self.subprotocols().nth(chosen))
    }

    /// Chooses one of the offered subprotocols; case matters.
    ///
    /// # Errors
    /// [`ArgumentError::SubprotocolNotOffered`]: "The value chosen MUST be derived from the client's
    /// handshake" (RFC 6455 §4.2.2).
    pub fn choose_subprotocol(&mut self, subprotocol: &str) -> Result<(), ArgumentError> {
        let chosen = self.subprotocols().position(|offered| offered == subprotocol);
        self.chosen = Some(chosen.ok_or(ArgumentError::SubprotocolNotOffered)?);
        Ok(())
    }

    /// Chooses the first of `supported` that is offered; returns `None` if none is.
    pub fn choose_supported<'a>(&mut self, supported: &[&'a str]) -> Option<&'a str> {
        supported.iter().copied().find(|subprotocol| self.choose_subprotocol(subprotocol).is_ok())
    }

    /// Adds a header to the response, for example `Set-Cookie`.
    ///
    /// # Errors
    /// Those of [`Response::header`].
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), ArgumentError> {
        push_header(&mut self.added, name.as_bytes(), value.as_ref())
    }

    /// Replaces the limits, deadlines and compression of the future connection. The limits of the head have
    /// already been checked.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// Opens the connection. Its output begins with the 101.
    #[must_use]
    pub fn accept(self) -> Connection {
        let (head, connection) = self.switching_protocols();
        connection.with_output(head)
    }

    /// Opens the connection; returns it with the response, which the caller writes. The connection's output
    /// is empty.
    #[must_use]
    pub fn accept_parts(self) -> (Accepted, Connection) {
        let (head, connection) = self.switching_protocols();
        (Accepted { status: 101, head }, connection)
    }

    /// Refuses the request with any HTTP response. Write the bytes and end the transport as after a
    /// [`Refusal::response`].
    #[must_use]
    pub fn reject(self, response: &Response) -> Vec<u8> {
        response.encode()
    }

    /// RFC 6455 §4.2.2: the server "MUST reply with a valid HTTP response indicating the following."
    fn switching_protocols(&self) -> (Vec<u8>, Connection) {
        let key = self.head.value(Field::Key).unwrap_or_default();
        let mut head = Vec::with_capacity(SWITCHING_PROTOCOLS.len() + 64 + self.added.len());
        head.extend_from_slice(SWITCHING_PROTOCOLS);
        push_line(&mut head, b"Sec-WebSocket-Accept", &accept_key(key));
        let connection = self.finish_answer(&mut head);
        (head, connection)
    }

    /// Completes a response after its upgrade lines; returns the matching connection.
    fn finish_answer(&self, head: &mut Vec<u8>) -> Connection {
        let mut connection = Connection::server(self.config);
        if let Some(subprotocol) = self.subprotocol() {
            push_line(head, b"Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        if let Some(deflate) = &self.config.deflate
            && let Some(params) = deflate.accept(self.extensions())
        {
            push_line(head, b"Sec-WebSocket-Extensions", params.to_string().as_bytes());
            connection = connection.with_deflate(deflate, &params);
        }
        head.extend_from_slice(&self.added);
        head.extend_from_slice(b"\r\n");
        connection
    }

    /// Returns the response to an extended CONNECT, which has no key, and the connection.
    pub(super) fn accept_connect(self) -> (Accepted, Connection) {
        let mut head = b"HTTP/2 200\r\n".to_vec();
        let connection = self.finish_answer(&mut head);
        (Accepted { status: 200, head }, connection)
    }
}

/// Omits header values, which may be secrets.
impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeRequest")
            .field("path", &self.path())
            .field("headers", &self.headers())
            .field("subprotocol", &self.subprotocol())
            .field("added", &Headers::lines(&self.added))
            .finish_non_exhaustive()
    }
}

/// The response that opens a connection, for an HTTP library to write.
#[derive(Clone)]
pub struct Accepted {
    status: u16,
    head: Vec<u8>,
}

impl Accepted {
    /// Returns the status code: 101, or 200 for an extended CONNECT.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers, in order. Their names contain capitals, which HTTP/2 and HTTP/3 have in lower case.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(&self.head)
    }
}

/// Omits header values, which may be secrets.
impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("status", &self.status).field("headers", &self.headers()).finish()
    }
}

const SWITCHING_PROTOCOLS: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
