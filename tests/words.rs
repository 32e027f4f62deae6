//! What is written for people: errors, close codes, reason phrases.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use sansocket::frame::CloseCode;
use sansocket::handshake::{ArgumentError, RedirectError, Response, UrlError};
use sansocket::{ProtocolError, SendError};

#[test]
fn close_codes_are_written_as_numbers() {
    for (code, text) in
        [(CloseCode::NORMAL, "1000"), (CloseCode::GOING_AWAY, "1001"), (CloseCode::POLICY_VIOLATION, "1008")]
    {
        assert_eq!(code.to_string(), text);
    }
    let code = CloseCode::new(4999).expect("a code for private use");
    assert_eq!(format!("{code:>6}"), "  4999", "the width is heeded");
}

#[cfg(feature = "deflate")]
#[test]
fn a_codec_says_what_is_wrong() {
    let text = sansocket::deflate::CodecError.to_string();
    assert_eq!(text, "the data is not valid DEFLATE, or the codec failed");
}

/// Each says something of its own, in the style of the standard library: no capital, no full stop. Those with a number tell it.
#[test]
fn errors_are_sentences_of_their_own() {
    use ProtocolError as P;
    let protocol = [
        P::ReservedBits,
        P::ReservedOpcode(3),
        P::FragmentedControl,
        P::ControlTooLong,
        P::UnmaskedFrame,
        P::MaskedFrame,
        P::NonMinimalLength,
        P::LengthTooLarge,
        P::UnexpectedContinuation,
        P::ExpectedContinuation,
        P::FrameTooLarge,
        P::MessageTooLarge,
        P::TooManyFragments,
        P::InvalidUtf8,
        P::CloseTooShort,
        P::InvalidCloseCode(1005),
        P::InvalidDeflate,
        P::UnexpectedEof,
        P::TransportFailed,
        P::PongTimeout,
        P::CloseTimeout,
        P::WriteTimeout,
    ];
    let send = [
        SendError::NotOpen,
        SendError::Closed,
        SendError::OutputFull,
        SendError::TooLarge,
        SendError::ControlTooLong,
        SendError::PayloadTooLong,
        SendError::InFragments,
        SendError::MixedFragments,
        SendError::PayloadOwed,
        SendError::Compression,
    ];
    let argument = [
        ArgumentError::InvalidHeaderName,
        ArgumentError::InvalidHeaderValue,
        ArgumentError::ReservedHeader,
        ArgumentError::InvalidStatus,
        ArgumentError::InvalidSubprotocol,
        ArgumentError::DuplicateSubprotocol,
        ArgumentError::SubprotocolNotOffered,
        ArgumentError::InvalidHost,
        ArgumentError::InvalidOrigin,
        ArgumentError::InvalidMethod,
    ];
    let url = [
        UrlError::Scheme,
        UrlError::UserInfo,
        UrlError::Host,
        UrlError::Port,
        UrlError::Fragment,
        UrlError::Character,
    ];
    let redirect = [RedirectError::TooMany, RedirectError::Downgrade, RedirectError::Location];
    let texts = protocol.iter().map(ToString::to_string);
    let texts = texts.chain(send.iter().map(ToString::to_string));
    let texts = texts.chain(argument.iter().map(ToString::to_string));
    let texts = texts.chain(url.iter().map(ToString::to_string));
    let texts = Vec::from_iter(texts.chain(redirect.iter().map(ToString::to_string)));
    for text in &texts {
        assert!(text.len() >= 10 && !text.ends_with('.'), "{text:?}");
        assert!(text.starts_with(|first: char| !first.is_uppercase()) || text.starts_with("UTF"), "{text:?}");
    }
    assert_eq!(BTreeSet::from_iter(&texts).len(), texts.len(), "no two say the same");
    assert!(P::ReservedOpcode(0xB).to_string().contains("0xb"));
    assert!(P::InvalidCloseCode(1005).to_string().contains("1005"));
}

/// RFC 9110 §15 and RFC 6585, as in the registry of status codes.
#[test]
fn reason_phrases_are_those_of_the_registry() {
    let registry = [
        (200, "OK"),
        (204, "No Content"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (408, "Request Timeout"),
        (410, "Gone"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (415, "Unsupported Media Type"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
    ];
    for (status, reason) in registry {
        let response = Response::new(status).expect("a valid status").encode();
        let line = format!("HTTP/1.1 {status} {reason}\r\n");
        assert!(response.starts_with(line.as_bytes()), "{status}: {:?}", String::from_utf8_lossy(&response));
    }
}
