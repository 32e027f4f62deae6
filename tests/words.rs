//! What is written for people: errors, close codes, reason phrases.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use sansocket::frame::{BufferTooSmall, CloseCode};
use sansocket::handshake::{
    ArgumentError, HandshakeError, Proxy, ProxyVarError, RedirectError, Response, Socks5Error, Url, UrlError,
};
use sansocket::{OpenError, ProtocolError, SendError};

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
        UrlError::ProxyScheme,
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

/// The section of RFC 6455, and what `std::io` calls it.
#[cfg(feature = "std")]
#[test]
fn what_a_protocol_error_broke() {
    use ProtocolError as P;
    use std::io::ErrorKind as K;
    let cases: [(&[P], &str, K); 9] = [
        (
            &[P::ReservedBits, P::ReservedOpcode(3), P::NonMinimalLength, P::LengthTooLarge],
            "5.2",
            K::InvalidData,
        ),
        (&[P::UnmaskedFrame, P::MaskedFrame], "5.1", K::InvalidData),
        (&[P::FragmentedControl, P::ControlTooLong], "5.5", K::InvalidData),
        (&[P::UnexpectedContinuation, P::ExpectedContinuation], "5.4", K::InvalidData),
        (&[P::CloseTooShort], "5.5.1", K::InvalidData),
        (&[P::InvalidCloseCode(1005)], "7.4", K::InvalidData),
        (&[P::InvalidUtf8], "8.1", K::InvalidData),
        (&[P::InvalidDeflate], "7.4.1", K::InvalidData),
        (&[P::FrameTooLarge, P::MessageTooLarge, P::TooManyFragments], "10.4", K::InvalidData),
    ];
    let ends = [
        (P::UnexpectedEof, K::UnexpectedEof),
        (P::TransportFailed, K::BrokenPipe),
        (P::PongTimeout, K::TimedOut),
        (P::CloseTimeout, K::TimedOut),
        (P::WriteTimeout, K::TimedOut),
    ];
    let broken =
        cases.iter().flat_map(|(errors, section, kind)| errors.iter().map(move |e| (*e, *section, *kind)));
    for (error, section, kind) in broken.chain(ends.map(|(error, kind)| (error, "7.2", kind))) {
        assert_eq!(error.section(), section, "{error:?}");
        assert!(error.to_string().ends_with(&format!(" (RFC 6455 section {section})")), "{error}");
        let text = error.to_string();
        let error = std::io::Error::from(error);
        assert_eq!((error.kind(), error.to_string()), (kind, text));
    }
}

/// A full output is no failure: it is written, and the send repeated.
#[cfg(feature = "std")]
#[test]
fn what_std_io_calls_a_failed_send() {
    use SendError as S;
    use std::io::ErrorKind as K;
    let cases = [
        (S::NotOpen, K::NotConnected),
        (S::Closed, K::NotConnected),
        (S::OutputFull, K::WouldBlock),
        (S::TooLarge, K::InvalidInput),
        (S::ControlTooLong, K::InvalidInput),
        (S::PayloadTooLong, K::InvalidInput),
        (S::InFragments, K::InvalidInput),
        (S::MixedFragments, K::InvalidInput),
        (S::PayloadOwed, K::InvalidInput),
        (S::Compression, K::InvalidInput),
    ];
    for (error, kind) in cases {
        let text = error.to_string();
        let error = std::io::Error::from(error);
        assert_eq!((error.kind(), error.to_string()), (kind, text));
    }
}

#[test]
fn a_buffer_that_is_too_small_says_what_it_takes() {
    let text = BufferTooSmall { needed: 7 }.to_string();
    assert_eq!(text, "the frame takes 7 bytes, more than the buffer has");
}

/// RFC 1928 §6 names the replies; what comes of each is an error of the system's where it has one.
#[cfg(feature = "std")]
#[test]
fn what_a_socks5_proxy_says() {
    use Socks5Error as E;
    use std::io::ErrorKind as K;
    let cases = [
        (E::NameTooLong, "the server's name is longer than 255 bytes", K::InvalidInput),
        (E::Version(4), "version 4, expected 5: it is no SOCKS5 proxy", K::InvalidData),
        (
            E::NoAcceptableMethod,
            "the proxy wants other credentials, or a method of authentication other than a password",
            K::PermissionDenied,
        ),
        (
            E::UnofferedMethod(1),
            "the proxy chose authentication method 1, which was not offered",
            K::InvalidData,
        ),
        (
            E::AuthenticationVersion(4),
            "the answer to user name and password has version 4, expected 1",
            K::InvalidData,
        ),
        (
            E::AuthenticationFailed(9),
            "the proxy does not accept user name and password (status 9)",
            K::PermissionDenied,
        ),
        (E::Refused(1), "the proxy refused the connection: general SOCKS server failure", K::Other),
        (
            E::Refused(2),
            "the proxy refused the connection: connection not allowed by ruleset",
            K::PermissionDenied,
        ),
        (E::Refused(3), "the proxy refused the connection: network unreachable", K::NetworkUnreachable),
        (E::Refused(4), "the proxy refused the connection: host unreachable", K::HostUnreachable),
        (E::Refused(5), "the proxy refused the connection: connection refused", K::ConnectionRefused),
        (E::Refused(6), "the proxy refused the connection: TTL expired", K::TimedOut),
        (E::Refused(7), "the proxy refused the connection: command not supported", K::Unsupported),
        (E::Refused(8), "the proxy refused the connection: address type not supported", K::Unsupported),
        (E::Refused(9), "the proxy refused the connection: reply 9", K::InvalidData),
        (E::Reserved(1), "the reserved byte of the reply is 1, expected 0", K::InvalidData),
        (E::AddressType(2), "the reply has an address of type 2, expected 1, 3 or 4", K::InvalidData),
        (E::UnexpectedData, "the proxy answered what it was not asked yet", K::InvalidData),
        (E::Truncated, "the stream ended inside the proxy's answer", K::UnexpectedEof),
    ];
    for (error, text, kind) in cases {
        assert_eq!(error.to_string(), text);
        let error = std::io::Error::from(error);
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
    }
}

/// Who is at fault comes first.
#[test]
fn why_a_connection_could_not_be_opened() {
    let (handshake, socks5) = (HandshakeError::Truncated, Socks5Error::Truncated);
    let cases = [
        (OpenError::Handshake(handshake), format!("the server's answer: {handshake}")),
        (OpenError::Proxy(handshake), format!("the proxy's answer: {handshake}")),
        (OpenError::Socks5(socks5), format!("SOCKS5: {socks5}")),
        (OpenError::UnexpectedProxyData, "the proxy sent something that it was not asked for".to_owned()),
        (OpenError::Redirect(RedirectError::TooMany), RedirectError::TooMany.to_string()),
        (
            OpenError::ProxyVar(proxy_var_error()),
            format!("the environment variable http_proxy: {}", UrlError::ProxyScheme),
        ),
        (OpenError::TimedOut, "the connection was not open in time".to_owned()),
        (OpenError::TransportFailed, "the transport failed before the connection was open".to_owned()),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
}

/// RFC 9110 §15 and RFC 6585, as in the registry of status codes.
#[test]
fn reason_phrases_are_those_of_the_registry() {
    let registry = [
        (200, "OK"),
        (201, "Created"),
        (202, "Accepted"),
        (203, "Non-Authoritative Information"),
        (204, "No Content"),
        (205, "Reset Content"),
        (206, "Partial Content"),
        (300, "Multiple Choices"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (305, "Use Proxy"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (402, "Payment Required"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
        (407, "Proxy Authentication Required"),
        (408, "Request Timeout"),
        (409, "Conflict"),
        (410, "Gone"),
        (411, "Length Required"),
        (412, "Precondition Failed"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (415, "Unsupported Media Type"),
        (416, "Range Not Satisfiable"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (422, "Unprocessable Content"),
        (426, "Upgrade Required"),
        (428, "Precondition Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
        (511, "Network Authentication Required"),
    ];
    for (status, reason) in registry {
        let response = Response::new(status).expect("a valid status").encode();
        let line = format!("HTTP/1.1 {status} {reason}\r\n");
        assert!(response.starts_with(line.as_bytes()), "{status}: {:?}", String::from_utf8_lossy(&response));
    }
}

/// The status says who has to change what: the client, its clock or its proxy. What only a client can meet is answered with
/// nothing; as a gateway it would answer with 502.
#[test]
fn the_status_of_every_error_in_a_handshake() {
    use HandshakeError as E;
    let statuses = [
        (
            400,
            &[
                E::Truncated,
                E::Tls,
                E::BareLineFeed,
                E::InvalidRequestLine,
                E::InvalidTarget,
                E::InvalidStatusLine,
                E::InvalidHeaderName,
                E::InvalidHeaderValue,
                E::FoldedHeader,
                E::MissingHost,
                E::RepeatedHost,
                E::InvalidHost,
                E::MissingConnectionUpgrade,
                E::MissingVersion,
                E::InvalidVersion,
                E::MissingKey,
                E::RepeatedKey,
                E::InvalidKey,
                E::RepeatedOrigin,
                E::RequestBody,
                E::InvalidSubprotocol,
                E::DuplicateSubprotocol,
                E::InvalidExtensions,
                E::InvalidPseudoHeader,
                E::ForbiddenHeader,
                E::OtherHost,
                E::OrdinaryRequest,
            ][..],
        ),
        (405, &[E::MethodNotGet]),
        (408, &[E::TimedOut]),
        (426, &[E::UpgradeInHttp10, E::MissingUpgrade, E::UnsupportedVersion]),
        (431, &[E::HeadTooLarge, E::TooManyHeaders]),
        (501, &[E::UnsupportedProtocol, E::TunnelRequest]),
        (
            502,
            &[
                E::TooManyInformational,
                E::OtherStatus,
                E::WrongUpgrade,
                E::WrongConnection,
                E::MissingAccept,
                E::WrongAccept,
                E::UnofferedSubprotocol,
                E::UnofferedExtension,
                E::InvalidDeflate,
            ],
        ),
        (505, &[E::UnsupportedHttpVersion]),
    ];
    let mut texts = BTreeSet::new();
    for (status, errors) in statuses {
        for error in errors {
            assert_eq!(error.status(), status, "{error}");
            let section = error.section().strip_prefix("RFC ").expect("a section of an RFC");
            assert!(section.contains(" §"), "{error}: {section}");
            let text = error.to_string();
            assert!(text.len() >= 20 && !text.ends_with('.'), "{text:?}");
            assert!(texts.insert(text), "no two say the same: {error}");
        }
    }
}

/// The error of an environment whose `http_proxy` is no proxy's URL, with a password in it.
fn proxy_var_error() -> ProxyVarError {
    let url = Url::parse("ws://a/").expect("a valid URL");
    let vars = |name: &str| (name == "http_proxy").then(|| String::from("no://user:hunter2@proxy"));
    let error = Proxy::from_vars(&url, vars).expect_err("no such scheme");
    assert_eq!((error.variable(), error.error()), ("http_proxy", UrlError::ProxyScheme));
    error
}

/// An adapter's error is the one that it is made of, and says whose it is.
#[cfg(any(feature = "aio", feature = "net"))]
#[test]
fn errors_of_the_adapters() {
    #[cfg(not(feature = "net"))]
    use sansocket::aio::Error;
    #[cfg(feature = "net")]
    use sansocket::net::Error;
    use std::error::Error as _;
    use std::io::{self, ErrorKind};

    let (handshake, redirect) = (HandshakeError::WrongAccept, RedirectError::TooMany);
    let (url, argument) = (UrlError::Scheme, ArgumentError::InvalidHost);
    for (error, text) in [
        (Error::from(io::Error::other("broken")), "broken".to_owned()),
        (ErrorKind::TimedOut.into(), io::Error::from(ErrorKind::TimedOut).to_string()),
        (SendError::Closed.into(), SendError::Closed.to_string()),
        (ProtocolError::PongTimeout.into(), ProtocolError::PongTimeout.to_string()),
        (url.into(), url.to_string()),
        (argument.into(), argument.to_string()),
        (handshake.into(), format!("opening handshake: {handshake}")),
        (redirect.into(), redirect.to_string()),
        (Error::ProxyVar(proxy_var_error()), proxy_var_error().to_string()),
        (Error::ProxyHandshake(handshake), format!("the proxy's answer: {handshake}")),
    ] {
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none(), "{text} would be told twice");
    }
    #[cfg(feature = "http")]
    {
        use sansocket::handshake::RequestError;
        for error in [RequestError::Url(url), RequestError::Argument(argument)] {
            assert_eq!(Error::from(error).to_string(), error.to_string());
        }
        assert_eq!(RequestError::Url(url).to_string(), url.to_string());
        assert_eq!(RequestError::Argument(argument).to_string(), argument.to_string());
    }

    // What is below the cause of an error of the stream is not lost.
    #[derive(Debug)]
    struct Outer(io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = Error::from(io::Error::other(Outer(io::Error::other("inner"))));
    assert_eq!(error.to_string(), "outer");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("inner"));
}
