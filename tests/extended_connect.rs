//! WebSockets over one stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), both roles.
#![cfg(feature = "alloc")]
#![cfg(test)]

use core::fmt::Write as _;

use sansocket::Config;
use sansocket::handshake::{
    ClientRequest, ConnectHandshake, ConnectRequest, HandshakeError as E, Headers, PseudoHeaders, Refusal,
};

fn nonce(bytes: &mut [u8]) {
    bytes.fill(7);
}

fn describe(headers: Headers<'_>) -> String {
    headers.fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, "{name}={value:?};");
        text
    })
}

fn describe_pairs(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={:?};", value.as_bytes())).collect()
}

const CONNECT: PseudoHeaders<'_> = PseudoHeaders {
    method: Some("CONNECT"),
    protocol: Some("websocket"),
    scheme: Some("https"),
    authority: Some("example.com:8443"),
    path: Some("/chat?a"),
};

#[test]
fn trap_67_extended_connect() {
    let headers = [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, b"),
        ("origin", "https://example.com"),
    ];
    let mut request = ConnectRequest::from_parts(CONNECT, headers, Config::default()).unwrap();
    assert_eq!((request.host(), request.path(), request.query()), ("example.com:8443", "/chat", Some("a")));
    request.choose_subprotocol("chat").unwrap();
    let (accepted, connection) = request.accept_parts();
    assert_eq!((accepted.status(), connection.output()), (200, &b""[..]));
    assert_eq!(accepted.headers().collect::<Vec<_>>(), [("Sec-WebSocket-Protocol", &b"chat"[..])]);

    let error = |pseudo, extra: &[(&str, &str)]| {
        let version = [("sec-websocket-version", "13")];
        let headers = version.iter().chain(extra).copied();
        ConnectRequest::from_parts(pseudo, headers, Config::default()).err().map(|refusal| refusal.error())
    };
    assert_eq!(error(CONNECT, &[]), None);
    for name in ["upgrade", "connection", "transfer-encoding", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(error(CONNECT, &[(name, "x")]), Some(E::ForbiddenHeader), "{name}");
    }
    // RFC 9113 §8.2.2: the one value that TE may have.
    assert_eq!(error(CONNECT, &[("te", "trailers")]), None);
    assert_eq!(error(CONNECT, &[("te", "trailers"), ("te", "gzip")]), Some(E::ForbiddenHeader));
    // A proxy that was asked in HTTP/1.1 passes the key on. RFC 8441 §5: it is not processed.
    for name in ["sec-websocket-key", "sec-websocket-accept"] {
        assert_eq!(error(CONNECT, &[(name, "x"), (name, "y")]), None, "{name}");
    }
    assert_eq!(error(CONNECT, &[("sec-websocket-version", "13")]), Some(E::InvalidVersion));
    assert_eq!(error(CONNECT, &[("sec-websocket-extensions", ";")]), Some(E::InvalidExtensions));
    let none: [(&str, &str); 0] = [];
    let refusal = ConnectRequest::from_parts(CONNECT, none, Config::default()).unwrap_err();
    assert_eq!(refusal.error(), E::MissingVersion);
    for pseudo in [
        PseudoHeaders { method: Some("GET"), ..CONNECT },
        PseudoHeaders { protocol: None, ..CONNECT },
        PseudoHeaders { scheme: None, ..CONNECT },
        PseudoHeaders { scheme: Some("wss"), ..CONNECT },
        PseudoHeaders { authority: None, ..CONNECT },
        PseudoHeaders { authority: Some("a/b"), ..CONNECT },
        PseudoHeaders { path: None, ..CONNECT },
        PseudoHeaders { path: Some("chat"), ..CONNECT },
    ] {
        assert_eq!(error(pseudo, &[]), Some(E::InvalidPseudoHeader), "{pseudo:?}");
    }
    assert_eq!(error(PseudoHeaders { path: Some("/a b"), ..CONNECT }, &[]), Some(E::InvalidTarget));
}

#[test]
fn trap_69_an_unknown_protocol_is_501() {
    let headers = [("sec-websocket-version", "13")];
    let pseudo = PseudoHeaders { protocol: Some("connect-udp"), ..CONNECT };
    let refusal = ConnectRequest::from_parts(pseudo, headers, Config::default()).unwrap_err();
    assert_eq!((refusal.error(), refusal.status()), (E::UnsupportedProtocol, 501));
    assert!(!pseudo.is_websocket() && CONNECT.is_websocket());
}

#[test]
fn trap_67_the_client_of_an_extended_connect() {
    let handshake = || {
        let request =
            ClientRequest::new("wss://example.com:8443/chat?a").unwrap().subprotocol("chat").unwrap();
        ConnectHandshake::new(request, Config::default(), nonce)
    };
    assert_eq!(handshake().pseudo_headers(), CONNECT);
    assert_eq!(
        describe(handshake().headers()),
        describe_pairs(&[("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Protocol", "chat")])
    );
    let server = ConnectRequest::from_parts(CONNECT, handshake().headers(), Config::default()).unwrap();
    let (accepted, _) = server.accept_parts();
    assert!(handshake().recv_parts(accepted.status(), accepted.headers()).is_ok());
    for status in [200, 204, 299] {
        let chosen = handshake().recv_parts(status, [("sec-websocket-protocol", "chat")]).unwrap().1;
        assert_eq!(chosen.subprotocol(), Some("chat"));
    }
    for status in [101, 199, 300, 404, 501] {
        let failure = handshake().recv_parts(status, accepted.headers()).err();
        assert!(matches!(failure, Some(E::OtherStatus)), "{status}");
    }
    let failure = handshake().recv_parts(200, [("sec-websocket-protocol", "other")]).err();
    assert!(matches!(failure, Some(E::UnofferedSubprotocol)));
}

fn refusal(pseudo: PseudoHeaders<'_>, headers: &[(&str, &str)]) -> Refusal {
    ConnectRequest::from_parts(pseudo, headers.iter().copied(), Config::default()).unwrap_err()
}

#[test]
fn ordinary_requests_and_tunnels_are_told_apart() {
    let ordinary = PseudoHeaders { method: Some("GET"), protocol: None, ..CONNECT };
    let tunnel = PseudoHeaders { protocol: None, scheme: None, path: None, ..CONNECT };
    for (pseudo, error, status) in [(ordinary, E::OrdinaryRequest, 400), (tunnel, E::TunnelRequest, 501)] {
        assert!(!pseudo.is_websocket());
        let refusal = refusal(pseudo, &[("sec-websocket-version", "13")]);
        assert_eq!((refusal.error(), refusal.status()), (error, status));
    }
    assert!(!PseudoHeaders::default().is_websocket());
}

#[test]
fn a_refusal_says_nothing_that_http_2_forbids() {
    let version = |version| ("sec-websocket-version", version);
    for (headers, names) in [
        (vec![], vec!["Content-Type", "Sec-WebSocket-Version", "Content-Length"]),
        (vec![version("8")], vec!["Content-Type", "Sec-WebSocket-Version", "Content-Length"]),
        (vec![version("13"), ("upgrade", "x")], vec!["Content-Type", "Content-Length"]),
    ] {
        let refusal = refusal(CONNECT, &headers);
        assert_eq!(refusal.status(), 400);
        assert_eq!(refusal.headers().map(|(name, _)| name).collect::<Vec<_>>(), names);
        assert_eq!(refusal.body(), refusal.error().to_string().as_bytes());
        if names.contains(&"Sec-WebSocket-Version") {
            assert_eq!(refusal.headers().value("sec-websocket-version"), Some(&b"13"[..]));
        }
    }
}

#[test]
fn a_head_is_refused_without_a_body() {
    for pseudo in [
        PseudoHeaders { method: Some("HEAD"), protocol: None, ..CONNECT },
        PseudoHeaders { method: Some("HEAD"), ..CONNECT },
    ] {
        let refusal = refusal(pseudo, &[]);
        assert_eq!(refusal.body(), b"", "{pseudo:?}");
        let length = refusal.error().to_string().len().to_string();
        assert_eq!(refusal.headers().value("content-length"), Some(length.as_bytes()));
    }
}

#[test]
fn cookies_that_http_2_has_divided_are_one_header() {
    let cookies = |values: &[&str]| {
        let version = [("sec-websocket-version", "13"), ("origin", "https://example.com")];
        let headers = version.into_iter().chain(values.iter().map(|value| ("cookie", *value)));
        let request = ConnectRequest::from_parts(CONNECT, headers, Config::default()).unwrap();
        assert_eq!(request.origin(), Some(&b"https://example.com"[..]));
        let all = request.headers().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        all.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(cookies(&[]), [""; 0]);
    assert_eq!(cookies(&["a=b"]), ["a=b"]);
    assert_eq!(cookies(&["a=b", "c=d", "e=f; g=h"]), ["a=b; c=d; e=f; g=h"]);
}

#[test]
fn a_host_names_the_authority() {
    let version = ("sec-websocket-version", "13");
    let at =
        |scheme, authority| PseudoHeaders { scheme: Some(scheme), authority: Some(authority), ..CONNECT };
    for (scheme, authority, host) in [
        ("https", "example.com:8443", "Example.com:8443"),
        ("https", "h", "h:443"),
        ("http", "h:80", "h"),
        ("https", "[::1]", "[::1]:443"),
    ] {
        let headers = [version, ("host", host)];
        let request = ConnectRequest::from_parts(at(scheme, authority), headers, Config::default()).unwrap();
        assert_eq!(request.host(), authority);
    }
    for (scheme, authority, host) in [
        ("https", "h", "g"),
        ("https", "h", "h:80"),
        ("http", "h", "h:443"),
        ("https", "h", "h/"),
        ("https", "h", ""),
    ] {
        assert_eq!(
            refusal(at(scheme, authority), &[version, ("host", host)]).error(),
            E::OtherHost,
            "{host}"
        );
    }
    let twice = refusal(at("https", "h"), &[version, ("host", "h"), ("host", "g")]);
    assert_eq!(twice.error(), E::OtherHost);

    // Proxies that were asked in HTTP/1.1, and some clients, send only the Host.
    let without = PseudoHeaders { authority: None, ..CONNECT };
    let headers = [("Host", "example.com:8443"), version];
    let request = ConnectRequest::from_parts(without, headers, Config::default()).unwrap();
    assert_eq!((request.host(), request.target()), ("example.com:8443", "https://example.com:8443/chat?a"));
    for host in ["", "a b", "u@h", "\u{e9}"] {
        assert_eq!(refusal(without, &[version, ("host", host)]).error(), E::InvalidPseudoHeader, "{host}");
    }
    assert_eq!(refusal(without, &[version, ("host", "h"), ("host", "g")]).error(), E::OtherHost);
}
