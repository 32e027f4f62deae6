//! The rules of RFC 6455 §4.2.1 for a request to open a WebSocket.

use alloc::vec::Vec;

use crate::http::{
    Extensions, Field, HandshakeError, Head, RequestLine, Span, is_same, is_token, is_web_scheme,
    letters_digits_and, list, split_port, split_uri,
};

/// Returns the offers of a valid WebSocket request; `None` for a request unrelated to WebSocket.
pub(super) fn check(head: &Head<RequestLine>) -> Result<Option<Offers>, HandshakeError> {
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
    // RFC 9112 §3.2.2: the host of an absolute target replaces Host, and has the same form.
    let absolute = split_uri(head.target());
    if absolute.is_some_and(|(_, authority, _)| split_port(authority).is_err()) {
        return Err(E::InvalidTarget);
    }
    // RFC 9110 §7.8: "A server that receives an Upgrade header field in an HTTP/1.0 request MUST ignore that
    // Upgrade field." §4.2.1-1: "An HTTP/1.1 or higher GET request".
    let can_upgrade = head.start.minor > 0;
    // §4.2.1-3: "An |Upgrade| header field containing the value "websocket", treated as an ASCII
    // case-insensitive value."
    if !can_upgrade || !contains(head, Field::Upgrade, b"websocket") {
        let fields = [Field::Key, Field::Version, Field::Protocol, Field::Extensions, Field::Accept];
        let foreign = fields.iter().all(|&field| head.count(field) == 0);
        return match foreign {
            true => Ok(None),
            false if can_upgrade => Err(E::MissingUpgrade),
            false => Err(E::UpgradeInHttp10),
        };
    }
    // §4.2.1-1: "An HTTP/1.1 or higher GET request, including a "Request-URI""
    if head.method_bytes() != b"GET" {
        return Err(E::MethodNotGet);
    }
    if !head.target_bytes().starts_with(b"/") && !absolute.is_some_and(|(scheme, ..)| is_web_scheme(scheme)) {
        return Err(E::InvalidTarget);
    }
    // §4.2.1-4: "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
    // case-insensitive value."
    if !contains(head, Field::Connection, b"Upgrade") {
        return Err(E::MissingConnectionUpgrade);
    }
    check_version(head)?;
    check_key(head.only(Field::Key, E::MissingKey, E::RepeatedKey)?)?;
    // A proxy that expects a body would find the frames at another position.
    let mut lengths = head.values(Field::ContentLength);
    if head.count(Field::TransferEncoding) > 0 || lengths.any(|length| length != b"0") {
        return Err(E::RequestBody);
    }
    Offers::parse(head).map(Some)
}

/// The offers of a client, each in its order of preference.
#[derive(Debug)]
pub(super) struct Offers {
    pub(super) subprotocols: Vec<Span>,
    pub(super) extensions: Extensions,
}

impl Offers {
    /// Makes the checks that do not depend on the HTTP version.
    pub(super) fn parse(head: &Head<RequestLine>) -> Result<Self, HandshakeError> {
        if head.count(Field::Origin) > 1 {
            return Err(HandshakeError::RepeatedOrigin);
        }
        Ok(Self { subprotocols: parse_subprotocols(head)?, extensions: Extensions::parse(head)? })
    }
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
/// The last character has four unused bits, and the RFC's own example in §4.1 does not set them to zero: any
/// value is accepted.
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
fn parse_subprotocols(head: &Head<RequestLine>) -> Result<Vec<Span>, HandshakeError> {
    let spans: Vec<_> = head.elements(Field::Protocol).collect();
    if spans.is_empty() && head.count(Field::Protocol) > 0 {
        return Err(HandshakeError::InvalidSubprotocol);
    }
    let mut offered: Vec<_> = spans.iter().map(|&span| head.part(span)).collect();
    if !offered.iter().all(|subprotocol| is_token(subprotocol)) {
        return Err(HandshakeError::InvalidSubprotocol);
    }
    // Sorted, because pairwise comparison would take too long for thousands.
    offered.sort_unstable();
    let unique = offered.windows(2).all(|pair| pair[0] != pair[1]);
    if unique { Ok(spans) } else { Err(HandshakeError::DuplicateSubprotocol) }
}

/// Returns `true` if one of the field's lists contains the element, ignoring case.
pub(super) fn contains<S>(head: &Head<S>, field: Field, element: &[u8]) -> bool {
    let is_it = |other: &[u8]| is_same(other, element);
    // The most common case: it is the only element.
    head.value(field).is_some_and(is_it) || head.values(field).flat_map(list).any(is_it)
}
