//! [`UpgradeRequest`]: a request that passed every check of RFC 6455 §4.2.1, and the answer to it.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::accept_key::accept_key;
use super::error::{ArgumentError, HandshakeError};
use super::extensions::{self, Extension};
use super::grammar::{is_same, is_token, letters_digits_and, list, push_header, push_line, text};
use super::head::{Field, Head, HeadReader, Headers};
use super::response::Response;
use super::server::Refusal;
use super::start_line::RequestLine;
use super::url::{split_absolute, split_port};
use crate::{Config, Connection};

/// A client asks for a WebSocket, and every rule of RFC 6455 §4.2.1 is kept.
///
/// It owns its head, so it can travel to where the decision is made. What the answer shall say in addition is
/// set with [`choose_subprotocol`](Self::choose_subprotocol) and [`add_header`](Self::add_header), which
/// leave the request as it was when they fail; then [`accept`](Self::accept) cannot fail.
///
/// Getters: [`target`](Self::target), [`path`](Self::path), [`query`](Self::query), [`host`](Self::host),
/// [`origin`](Self::origin), [`headers`](Self::headers), [`header`](Self::header),
/// [`subprotocols`](Self::subprotocols), [`extensions`](Self::extensions). Answers: [`accept`](Self::accept),
/// [`accept_parts`](Self::accept_parts), [`reject`](Self::reject).
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct UpgradeRequest {
    head: Head<RequestLine>,
    config: Config,
    /// Which of the offered subprotocols was chosen.
    chosen: Option<usize>,
    /// Header lines that the caller adds to the answer.
    added: Vec<u8>,
}

impl UpgradeRequest {
    pub(super) fn new(head: Head<RequestLine>, config: Config) -> Self {
        Self { head, config, chosen: None, added: Vec::new() }
    }

    /// The same request from what an HTTP library parsed; name-value pairs must be in their order.
    ///
    /// The checks are the same as for bytes, limits included.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with, which for a request that does not ask for a WebSocket at all is a 426.
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
    /// let request = UpgradeRequest::from_parts("GET", "/chat", headers, Config::default()).unwrap();
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
        let line = [method, " ", target, " HTTP/1.1"].concat();
        let head = HeadReader::new(config).recv_pairs(line.as_bytes(), headers).map_err(Refusal::new)?;
        match check(&head) {
            Ok(true) => Ok(Self::new(head, config)),
            Ok(false) => Err(Refusal::to(&head, HandshakeError::MissingUpgrade)),
            Err(error) => Err(Refusal::to(&head, error)),
        }
    }

    /// The request target as it was sent: a path, or an absolute URI.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.target()
    }

    /// The path, at least `/`, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        let resource = self.resource();
        let path = resource.split_once('?').map_or(resource, |(path, _)| path);
        if path.is_empty() { "/" } else { path }
    }

    /// What follows the first `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.resource().split_once('?').map(|(_, query)| query)
    }

    fn resource(&self) -> &str {
        split_absolute(self.target()).map_or(self.target(), |(_, resource)| resource)
    }

    /// The host, with a port if there is one. That of an absolute target counts more than `Host` (RFC 9112
    /// §3.2.2).
    #[must_use]
    pub fn host(&self) -> &str {
        split_absolute(self.target()).map_or_else(
            || self.head.value(Field::Host).map(text).unwrap_or_default(),
            |(authority, _)| authority,
        )
    }

    /// `Origin`, which every browser sends and no script can forge: see
    /// [`OriginPolicy`](super::OriginPolicy).
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        self.head.value(Field::Origin)
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

    /// The offered subprotocols, the client's favourite first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        subprotocols(&self.head).map(text)
    }

    /// The offered extensions, the client's favourite first.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        extensions::extensions(&self.head)
    }

    /// The subprotocol that the answer will name.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.chosen.and_then(|chosen| self.subprotocols().nth(chosen))
    }

    /// Chooses one of the offered subprotocols; upper and lower case differ.
    ///
    /// # Errors
    /// [`ArgumentError::SubprotocolNotOffered`]: "The value chosen MUST be derived from the client's
    /// handshake" (RFC 6455 §4.2.2).
    pub fn choose_subprotocol(&mut self, subprotocol: &str) -> Result<(), ArgumentError> {
        let chosen = self.subprotocols().position(|offered| offered == subprotocol);
        self.chosen = Some(chosen.ok_or(ArgumentError::SubprotocolNotOffered)?);
        Ok(())
    }

    /// Chooses the first of `supported` that is offered, if any is.
    pub fn choose_supported<'a>(&mut self, supported: &[&'a str]) -> Option<&'a str> {
        supported.iter().copied().find(|subprotocol| self.choose_subprotocol(subprotocol).is_ok())
    }

    /// Adds a header to the answer, for example `Set-Cookie`.
    ///
    /// # Errors
    /// As for [`Response::header`].
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), ArgumentError> {
        push_header(&mut self.added, name.as_bytes(), value.as_ref())
    }

    /// Opens the connection. The 101 comes first in its output.
    #[must_use]
    pub fn accept(self) -> Connection {
        let (head, connection) = self.switching_protocols();
        connection.with_output(head)
    }

    /// Opens the connection and gives the answer to whoever writes it; the connection's output is empty.
    #[must_use]
    pub fn accept_parts(self) -> (Accepted, Connection) {
        let (head, connection) = self.switching_protocols();
        (Accepted { status: 101, head }, connection)
    }

    /// Refuses with any HTTP response. The bytes are to be written, and the transport ended, as after a
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

    /// What an answer says apart from the upgrade itself, and the connection that keeps to it.
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

    /// The answer to an extended CONNECT, which has no key.
    pub(super) fn accept_connect(self) -> (Accepted, Connection) {
        let mut head = b"HTTP/2 200\r\n".to_vec();
        let connection = self.finish_answer(&mut head);
        (Accepted { status: 200, head }, connection)
    }
}

/// The answer that opens a connection, for an HTTP library to write.
#[derive(Debug, Clone)]
pub struct Accepted {
    status: u16,
    head: Vec<u8>,
}

impl Accepted {
    /// The status code: 101, or 200 for an extended CONNECT.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(&self.head)
    }
}

/// Whether it is a WebSocket request that keeps every rule (true), or one that has nothing to do with
/// WebSocket (false).
pub(super) fn check(head: &Head<RequestLine>) -> Result<bool, HandshakeError> {
    use HandshakeError as E;
    // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
    // message that lacks a Host header field and to any request message that contains more than one Host
    // header field line or a Host header field with an invalid field value."
    match head.only(Field::Host, E::MissingHost, E::RepeatedHost) {
        Ok(host) if split_port(core::str::from_utf8(host).unwrap_or_default()).is_err() => {
            return Err(E::InvalidHost);
        }
        Err(E::MissingHost) if head.start.minor == 0 => {}
        host => drop(host?),
    }
    // §4.2.1-3: "An |Upgrade| header field containing the value "websocket", treated as an ASCII
    // case-insensitive value."
    if !contains(head, Field::Upgrade, b"websocket") {
        let fields = [Field::Key, Field::Version, Field::Protocol, Field::Extensions, Field::Accept];
        let foreign = fields.iter().all(|&field| head.count(field) == 0);
        return if foreign { Ok(false) } else { Err(E::MissingUpgrade) };
    }
    // §4.2.1-1: "An HTTP/1.1 or higher GET request, including a "Request-URI""
    if head.start.minor == 0 {
        return Err(E::UnsupportedHttpVersion);
    }
    if head.method() != "GET" {
        return Err(E::MethodNotGet);
    }
    let target = head.target();
    match split_absolute(target) {
        Some((authority, _)) if split_port(authority).is_err() => return Err(E::InvalidTarget),
        None if !target.starts_with('/') => return Err(E::InvalidTarget),
        _ => {}
    }
    // §4.2.1-4: "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
    // case-insensitive value."
    if !contains(head, Field::Connection, b"Upgrade") {
        return Err(E::MissingConnectionUpgrade);
    }
    check_version(head)?;
    check_key(head.only(Field::Key, E::MissingKey, E::RepeatedKey)?)?;
    // A proxy that believes in a body would not see the frames where we see them.
    let mut lengths = head.values(Field::ContentLength);
    if head.count(Field::TransferEncoding) > 0 || lengths.any(|length| length != b"0") {
        return Err(E::RequestBody);
    }
    check_offers(head)?;
    Ok(true)
}

/// What does not depend on the version of HTTP.
pub(super) fn check_offers(head: &Head<RequestLine>) -> Result<(), HandshakeError> {
    if head.count(Field::Origin) > 1 {
        return Err(HandshakeError::RepeatedOrigin);
    }
    check_subprotocols(head)?;
    extensions::check(head)
}

/// §4.2.1-6: "A |Sec-WebSocket-Version| header field, with a value of 13."
pub(super) fn check_version(head: &Head<RequestLine>) -> Result<(), HandshakeError> {
    use HandshakeError as E;
    match head.only(Field::Version, E::MissingVersion, E::InvalidVersion)? {
        b"13" => Ok(()),
        // §4.3: "Limited to 0-255 range, with no leading zeros"
        [b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'] | [b'1' | b'2', b'0'..=b'9', b'0'..=b'9'] => {
            Err(E::UnsupportedVersion)
        }
        _ => Err(E::InvalidVersion),
    }
}

/// §4.2.1-5: "a base64-encoded […] value that, when decoded, is 16 bytes in length."
///
/// The last character has four bits to spare, and the RFC's own example in §4.1 does not leave them zero: any
/// are taken.
fn check_key(key: &[u8]) -> Result<(), HandshakeError> {
    match key.split_first_chunk::<22>() {
        Some((characters, b"==")) if characters.iter().all(|&byte| BASE64[usize::from(byte)]) => Ok(()),
        _ => Err(HandshakeError::InvalidKey),
    }
}

/// RFC 4648 §4.
const BASE64: [bool; 256] = letters_digits_and(b"+/");

/// §4.1-10: "The elements that comprise this value MUST be non-empty strings […] and MUST all be unique
/// strings."
fn check_subprotocols(head: &Head<RequestLine>) -> Result<(), HandshakeError> {
    if head.count(Field::Protocol) == 0 {
        return Ok(());
    }
    let mut offered: Vec<_> = subprotocols(head).collect();
    if offered.is_empty() || !offered.iter().all(|subprotocol| is_token(subprotocol)) {
        return Err(HandshakeError::InvalidSubprotocol);
    }
    // Sorted, because comparing each with each takes too long for thousands.
    offered.sort_unstable();
    let unique = offered.windows(2).all(|pair| pair[0] != pair[1]);
    if unique { Ok(()) } else { Err(HandshakeError::DuplicateSubprotocol) }
}

fn subprotocols(head: &Head<RequestLine>) -> impl Iterator<Item = &[u8]> {
    head.values(Field::Protocol).flat_map(list)
}

/// Whether one of the field's lists has the element, without regard to case.
pub(super) fn contains<S>(head: &Head<S>, field: Field, element: &[u8]) -> bool {
    let is_it = |other: &[u8]| is_same(other, element);
    // Most often it stands alone.
    head.value(field).is_some_and(is_it) || head.values(field).flat_map(list).any(is_it)
}

const SWITCHING_PROTOCOLS: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
