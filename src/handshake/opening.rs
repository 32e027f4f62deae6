//! [`Opening`]: a client's opening handshake without its connection (RFC 6455 §4.1).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::accept_key::accept_key;
use super::answer::{Answer, AnswerReader, RefusedResponse};
use super::check::contains;
use super::client::Established;
use super::client_request::{ClientRequest, is_offered};
use crate::deflate::{Deflate, Params};
use crate::http::{Extensions, Field, HandshakeError, Head, StatusLine, push_line};
use crate::{Config, Connection, Input};

/// The compression that both sides agreed on.
pub(crate) type Agreed = (Deflate, Params);

/// Validates the response to one request. Call `recv` until it returns anything but [`Opened::Incomplete`].
pub(crate) struct Opening {
    /// The accept key that the server must return.
    accept: [u8; 28],
    offer: Offer,
    answer: AnswerReader,
}

/// The result of [`Opening::recv`].
#[derive(Debug)]
pub(crate) enum Opened {
    /// All bytes are consumed, more are needed.
    Incomplete,
    /// The connection is open, with this compression. The rest of the input is its first frames.
    Open(Option<Agreed>, Established),
    /// The server answered in HTTP.
    Refused(RefusedResponse),
    /// The server's answer breaks a rule.
    Failed(HandshakeError),
}

impl Opening {
    /// Returns the bytes of the request, and the validator of the response. §4.1-7: "The nonce MUST be
    /// selected randomly for each connection."
    pub(crate) fn new(request: &ClientRequest, nonce: [u8; 16], config: &Config) -> (Vec<u8>, Self) {
        let (output, accept) = encode_request(request, nonce, config.deflate.as_ref());
        (output, Self { accept, offer: Offer::new(request, config), answer: AnswerReader::new(config) })
    }

    /// Handles received bytes.
    pub(crate) fn recv(&mut self, input: &mut Input<'_>) -> Opened {
        match self.answer.recv(input, |code| code == 101) {
            Ok(None) => Opened::Incomplete,
            Ok(Some(Answer::Hoped(head))) => match self.open(head) {
                Ok((agreed, established)) => Opened::Open(agreed, established),
                Err(error) => Opened::Failed(error),
            },
            // §4.1-1: "If the status code received from the server is not 101, the client handles the
            // response per HTTP [RFC2616] procedures."
            Ok(Some(Answer::Refused(refused))) => Opened::Refused(refused),
            Err(error) => Opened::Failed(error),
        }
    }

    /// Handles a response that an HTTP library received and parsed.
    pub(super) fn recv_parts<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(Option<Agreed>, Established), HandshakeError> {
        if status != 101 {
            return Err(HandshakeError::OtherStatus);
        }
        let head = self.answer.recv_parts(status, headers)?;
        self.open(head)
    }

    /// Stops waiting. Returns the refusal, with the part of its body that has arrived, if its head is
    /// complete.
    pub(crate) fn give_up(&mut self) -> Option<RefusedResponse> {
        self.answer.give_up()
    }

    fn open(&self, head: Head<StatusLine>) -> Result<(Option<Agreed>, Established), HandshakeError> {
        check_upgrade(&head, &self.accept)?;
        let agreed = self.offer.check(&head)?;
        Ok((agreed, Established::new(head)))
    }
}

/// Omits the accept key, which must be unknown to anyone but the server.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// The offers, for any HTTP version, from which a server may choose.
#[derive(Debug)]
pub(super) struct Offer {
    /// `a, b`
    subprotocols: String,
    deflate: Option<Deflate>,
}

impl Offer {
    pub(super) fn new(request: &ClientRequest, config: &Config) -> Self {
        Self { subprotocols: request.subprotocols.clone(), deflate: config.deflate }
    }

    /// Checks the server's choice; returns the compression that was agreed on.
    pub(super) fn check(&self, head: &Head<StatusLine>) -> Result<Option<Agreed>, HandshakeError> {
        // 5: "this header field indicates the use of an extension that was not present in the client's
        // handshake"
        let extensions = Extensions::parse(head)?;
        let agreed = match self.deflate {
            Some(deflate) => deflate.agree(extensions.of(head))?.map(|params| (deflate, params)),
            None if head.count(Field::Extensions) > 0 => return Err(HandshakeError::UnofferedExtension),
            None => None,
        };
        // 6: "this header field indicates the use of a subprotocol that was not present in the client's
        // handshake"
        match head.count(Field::Protocol) {
            0 => Ok(agreed),
            1 if head.value(Field::Protocol).is_some_and(|chosen| is_offered(&self.subprotocols, chosen)) => {
                Ok(agreed)
            }
            _ => Err(HandshakeError::UnofferedSubprotocol),
        }
    }
}

/// Adds the compression that was agreed on to the connection.
pub(super) fn compressing(connection: Connection, agreed: Option<Agreed>) -> Connection {
    match agreed {
        Some((deflate, params)) => connection.with_deflate(&deflate, &params),
        None => connection,
    }
}

/// Encodes a request; returns its bytes, and the accept key that the server must return.
fn encode_request(
    request: &ClientRequest,
    nonce: [u8; 16],
    deflate: Option<&Deflate>,
) -> (Vec<u8>, [u8; 28]) {
    let mut key = [0; 24];
    // 16 bytes are always 24 characters, so this cannot fail.
    let _ = STANDARD.encode_slice(nonce, &mut key);
    let mut output =
        format!("GET {} HTTP/1.1\r\nHost: {}\r\n", request.url().resource(), request.authority())
            .into_bytes();
    push_line(&mut output, b"Upgrade", b"websocket");
    push_line(&mut output, b"Connection", b"Upgrade");
    push_line(&mut output, b"Sec-WebSocket-Key", &key);
    request.push_offers(&mut output, deflate);
    (output, accept_key(&key))
}

/// "The client MUST validate the server's response as follows" (§4.1). A body announced by the head is
/// ignored: a 101 has none.
fn check_upgrade(head: &Head<StatusLine>, accept: &[u8]) -> Result<(), HandshakeError> {
    use HandshakeError as E;
    if head.start.minor == 0 {
        return Err(E::UnsupportedHttpVersion);
    }
    // 2: "a value that is not an ASCII case-insensitive match for the value "websocket""
    if !head.only(Field::Upgrade, E::WrongUpgrade, E::WrongUpgrade)?.eq_ignore_ascii_case(b"websocket") {
        return Err(E::WrongUpgrade);
    }
    // 3: "doesn't contain a token that is an ASCII case-insensitive match for the value "Upgrade""
    if !contains(head, Field::Connection, b"Upgrade") {
        return Err(E::WrongConnection);
    }
    // 4: "the base64-encoded SHA-1 of the concatenation […] ignoring any leading and trailing whitespace"
    if head.only(Field::Accept, E::MissingAccept, E::MissingAccept)? != accept {
        return Err(E::WrongAccept);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[u8] = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn opening() -> Opening {
        let request = ClientRequest::new("ws://h/").unwrap();
        let (output, opening) = Opening::new(&request, *b"the sample nonce", &Config::default());
        assert!(output.starts_with(b"GET / HTTP/1.1\r\nHost: h\r\n") && output.ends_with(b"\r\n\r\n"));
        opening
    }

    fn recv(opening: &mut Opening, bytes: &[u8]) -> Opened {
        opening.recv(&mut Input::new(&mut bytes.to_vec()))
    }

    #[test]
    fn what_is_given_up_is_a_refusal_or_nothing() {
        let mut opening = opening();
        assert!(matches!(recv(&mut opening, b"HTTP/1.1 503 x\r\nContent-Length: 9\r\n"), Opened::Incomplete));
        assert!(opening.give_up().is_none());
        assert!(matches!(recv(&mut opening, b"\r\nsorr"), Opened::Incomplete));
        let refused = opening.give_up().unwrap();
        assert_eq!((refused.status(), refused.body()), (503, &b"sorr"[..]));
        assert!(opening.give_up().is_none(), "it is told once");
    }

    #[test]
    fn calls_after_the_end_do_no_harm() {
        let mut open = opening();
        assert!(matches!(recv(&mut open, ACCEPTED), Opened::Open(None, _)));
        assert!(matches!(recv(&mut open, b"\x81\0"), Opened::Incomplete), "it would be another answer");

        let mut failed = opening();
        for bytes in [&b"HTTP/1.1 101 x\n"[..], b"", ACCEPTED] {
            assert!(matches!(recv(&mut failed, bytes), Opened::Failed(HandshakeError::BareLineFeed)));
        }

        let mut refused = opening();
        for _ in 0..2 {
            let answer = recv(&mut refused, b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
            assert!(matches!(answer, Opened::Refused(_)));
        }
    }
}
