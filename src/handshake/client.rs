//! [`ClientRequest`] and [`ClientHandshake`]: the client's side of the opening handshake (RFC 6455 §4.1).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::accept_key::accept_key;
use super::answer::{Answer, AnswerReader, RefusedResponse};
use super::error::{ArgumentError, HandshakeError, UrlError};
use super::extensions;
use super::grammar::{is_token, list, push_header, push_line, text};
use super::head::{Field, Head, Headers};
use super::request::contains;
use super::start_line::StatusLine;
use super::url::Url;
use crate::deflate::Deflate;
use crate::{Config, Connection, Input, Random};

/// What a client asks for.
///
/// ```
/// use sansocket::handshake::ClientRequest;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = ClientRequest::new("wss://example.com/chat")?
///     .subprotocol("v2.chat")?
///     .subprotocol("v1.chat")?
///     .header("Origin", "https://example.com")?;
/// assert_eq!((request.url().host(), request.url().port()), ("example.com", 443)); // connect there
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientRequest {
    pub(super) url: Url,
    /// `a, b`
    pub(super) subprotocols: String,
    pub(super) lines: Vec<u8>,
}

impl ClientRequest {
    /// A request for this URL. A user name and password in it become `Authorization: Basic` (RFC 7617).
    ///
    /// # Errors
    /// Those of [`Url::parse`].
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self { url: Url::parse(url)?, subprotocols: String::new(), lines: Vec::new() })
    }

    /// Where to connect, and whether with TLS.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Offers a subprotocol, after those already offered: the favourite comes first.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidSubprotocol`] for what is no token, [`ArgumentError::DuplicateSubprotocol`]:
    /// "The elements […] MUST all be unique strings" (RFC 6455 §4.1).
    pub fn subprotocol(mut self, subprotocol: &str) -> Result<Self, ArgumentError> {
        if !is_token(subprotocol.as_bytes()) {
            return Err(ArgumentError::InvalidSubprotocol);
        }
        if is_offered(&self.subprotocols, subprotocol.as_bytes()) {
            return Err(ArgumentError::DuplicateSubprotocol);
        }
        if !self.subprotocols.is_empty() {
            self.subprotocols.push_str(", ");
        }
        self.subprotocols.push_str(subprotocol);
        Ok(self)
    }

    /// Adds a header, for example `Origin`, `Cookie` or `User-Agent`. An `Authorization` takes the place of
    /// the one from the URL.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidHeaderName`] and [`ArgumentError::InvalidHeaderValue`] for what cannot be one
    /// line; [`ArgumentError::ReservedHeader`] for Host (it comes from the URL), Connection, Upgrade,
    /// Content-Length, Transfer-Encoding and Sec-WebSocket-*.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ArgumentError> {
        push_header(&mut self.lines, name.as_bytes(), value.as_ref())?;
        if name.eq_ignore_ascii_case("Authorization") {
            self.url.authorization = None;
        }
        Ok(self)
    }

    /// The lines that do not depend on the version of HTTP, and the end of the head.
    pub(super) fn push_offers(&self, head: &mut Vec<u8>, deflate: Option<&Deflate>) {
        // §4.1-9: "The value of this header field MUST be 13."
        push_line(head, b"Sec-WebSocket-Version", b"13");
        if !self.subprotocols.is_empty() {
            push_line(head, b"Sec-WebSocket-Protocol", self.subprotocols.as_bytes());
        }
        if let Some(deflate) = deflate {
            push_line(head, b"Sec-WebSocket-Extensions", deflate.offer().as_bytes());
        }
        if let Some(authorization) = &self.url.authorization {
            push_line(head, b"Authorization", authorization.as_bytes());
        }
        head.extend_from_slice(&self.lines);
        head.extend_from_slice(b"\r\n");
    }
}

impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientRequest").field(&self.url).finish()
    }
}

/// The client's side of the opening handshake, until the answer is judged.
///
/// Write [`output`](Self::output), then give what is received to [`recv`](Self::recv).
#[must_use]
pub struct ClientHandshake {
    output: Vec<u8>,
    written: usize,
    /// What the server must answer to our key.
    accept: [u8; 28],
    subprotocols: String,
    deflate: Option<Deflate>,
    connection: Connection,
    answer: AnswerReader,
}

impl ClientHandshake {
    /// Writes the request. `random` gives its nonce, and later the masking keys of the connection.
    pub fn new(request: ClientRequest, config: Config, mut random: impl Random + Send + 'static) -> Self {
        // §4.1-7: "The nonce MUST be selected randomly for each connection."
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        let mut key = [0; 24];
        // 16 bytes are always 24 characters: it cannot fail.
        let _ = STANDARD.encode_slice(nonce, &mut key);

        let url = &request.url;
        let mut output =
            format!("GET {} HTTP/1.1\r\nHost: {}\r\n", url.resource(), url.host_header()).into_bytes();
        push_line(&mut output, b"Upgrade", b"websocket");
        push_line(&mut output, b"Connection", b"Upgrade");
        push_line(&mut output, b"Sec-WebSocket-Key", &key);
        request.push_offers(&mut output, config.deflate.as_ref());
        Self {
            output,
            written: 0,
            accept: accept_key(&key),
            subprotocols: request.subprotocols,
            deflate: config.deflate,
            connection: Connection::client(config, random),
            answer: AnswerReader::new(config),
        }
    }

    /// What is still to be written.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.get(self.written..).unwrap_or_default()
    }

    /// The first `n` bytes of the output were written.
    pub fn output_written(&mut self, n: usize) {
        self.written = self.written.saturating_add(n).min(self.output.len());
    }

    /// The headers of the request, for an HTTP library that writes it itself; its method is GET, its target
    /// [`Url::resource`].
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(&self.output)
    }

    /// The request target, which is in the first line.
    #[cfg(feature = "http")]
    pub(super) fn target(&self) -> &str {
        let line = self.output.split(|&byte| byte == b'\r').next().unwrap_or_default();
        text(line).split(' ').nth(1).unwrap_or("/")
    }

    /// Takes received bytes. Those behind the head of a 101 stay in `input`: they are the first frames.
    pub fn recv(mut self, input: &mut Input<'_>) -> ClientProgress {
        match self.answer.recv(input, |code| code == 101) {
            Ok(None) => ClientProgress::Incomplete(self),
            Ok(Some(Answer::Hoped(head))) => {
                // Nothing of the request is lost if a server answers before it has read everything.
                let unwritten = self.output.split_off(self.written);
                match self.establish(head) {
                    Ok((connection, established)) => {
                        ClientProgress::Connected(connection.with_output(unwritten), established)
                    }
                    Err(error) => ClientProgress::Failed(error),
                }
            }
            // §4.1-1: "If the status code received from the server is not 101, the client handles the
            // response per HTTP [RFC2616] procedures."
            Ok(Some(Answer::Refused(refused))) => ClientProgress::Refused(refused),
            Err(error) => ClientProgress::Failed(error),
        }
    }

    /// The stream ended. The refusal, if one was being received.
    ///
    /// # Errors
    /// [`HandshakeError::Truncated`] if not even its head was whole.
    pub fn recv_eof(self) -> Result<RefusedResponse, HandshakeError> {
        self.answer.recv_eof()
    }

    /// Takes a response that an HTTP library received and parsed. The connection's output is empty.
    ///
    /// # Errors
    /// [`HandshakeError::OtherStatus`] for a status other than 101, or the rule that is broken.
    pub fn recv_parts<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(Connection, Established), HandshakeError> {
        if status != 101 {
            return Err(HandshakeError::OtherStatus);
        }
        let head = self.answer.reader.recv_pairs(&status_line(status), headers)?;
        self.establish(head)
    }

    /// "The client MUST validate the server's response as follows" (§4.1). A body that the head announces is
    /// ignored: a 101 has none.
    fn establish(self, head: Head<StatusLine>) -> Result<(Connection, Established), HandshakeError> {
        use HandshakeError as E;
        if head.start.minor == 0 {
            return Err(E::UnsupportedHttpVersion);
        }
        // 2: "a value that is not an ASCII case-insensitive match for the value "websocket""
        if !head.only(Field::Upgrade, E::WrongUpgrade, E::WrongUpgrade)?.eq_ignore_ascii_case(b"websocket") {
            return Err(E::WrongUpgrade);
        }
        // 3: "doesn't contain a token that is an ASCII case-insensitive match for the value "Upgrade""
        if !contains(&head, Field::Connection, b"Upgrade") {
            return Err(E::WrongConnection);
        }
        // 4: "the base64-encoded SHA-1 of the concatenation […] ignoring any leading and trailing whitespace"
        if head.only(Field::Accept, E::MissingAccept, E::MissingAccept)? != self.accept {
            return Err(E::WrongAccept);
        }
        establish(self.connection, head, &self.subprotocols, self.deflate.as_ref())
    }
}

impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandshake").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// What has come of the received bytes.
#[derive(Debug)]
#[must_use]
pub enum ClientProgress {
    /// The answer is not whole yet: all bytes are taken, read more.
    Incomplete(ClientHandshake),
    /// The connection is open.
    Connected(Connection, Established),
    /// The server answered in HTTP: a redirect, a request for credentials, an error.
    Refused(RefusedResponse),
    /// The server's answer breaks a rule: close the transport.
    Failed(HandshakeError),
}

/// What the server said when it opened the connection.
#[derive(Debug)]
pub struct Established {
    pub(super) head: Head<StatusLine>,
}

impl Established {
    /// The subprotocol that the server chose among those offered, if it chose one.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.head.value(Field::Protocol).map(text)
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
}

/// What does not depend on the version of HTTP: what the server has chosen of our offers.
pub(super) fn establish(
    connection: Connection,
    head: Head<StatusLine>,
    subprotocols: &str,
    deflate: Option<&Deflate>,
) -> Result<(Connection, Established), HandshakeError> {
    // 5: "this header field indicates the use of an extension that was not present in the client's
    // handshake"
    extensions::check(&head)?;
    let params = match deflate {
        Some(deflate) => deflate.agree(extensions::extensions(&head))?.map(|params| (deflate, params)),
        None if head.count(Field::Extensions) > 0 => return Err(HandshakeError::UnofferedExtension),
        None => None,
    };
    // 6: "this header field indicates the use of a subprotocol that was not present in the client's
    // handshake"
    match head.count(Field::Protocol) {
        0 => {}
        1 if head.value(Field::Protocol).is_some_and(|chosen| is_offered(subprotocols, chosen)) => {}
        _ => return Err(HandshakeError::UnofferedSubprotocol),
    }
    let connection = match params {
        Some((deflate, params)) => connection.with_deflate(deflate, &params),
        None => connection,
    };
    Ok((connection, Established { head }))
}

pub(super) fn status_line(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} ").into_bytes()
}

fn is_offered(subprotocols: &str, subprotocol: &[u8]) -> bool {
    list(subprotocols.as_bytes()).any(|offered| offered == subprotocol)
}
