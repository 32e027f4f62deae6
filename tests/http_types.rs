//! Requests and responses of the `http` crate, in every direction.
#![cfg(feature = "http")]

use http::{HeaderMap, Request, StatusCode, Uri, Version};
use sansocket::handshake::{
    ArgumentError, ClientHandshake, ClientRequest, ConnectHandshake, ConnectRequest, HandshakeError as E,
    RequestError, ServerHandshake, ServerProgress, UpgradeRequest, UrlError,
};
use sansocket::{Config, Input};

fn nonce(bytes: &mut [u8]) {
    bytes.fill(7);
}

fn request(target: &str) -> Request<()> {
    Request::get(target)
        .header("host", "server.example.com")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap()
}

#[test]
fn absolute_targets_are_judged_as_in_bytes() {
    for (target, host, path) in [
        ("/chat?a", "server.example.com", "/chat"),
        ("http://h/chat?a", "h", "/chat"),
        ("https://h:1", "h:1", "/"),
        ("wss://h?a", "h", "/"),
    ] {
        let (parts, ()) = request(target).into_parts();
        let upgrade = UpgradeRequest::from_http(&parts, Config::default()).unwrap();
        assert_eq!((upgrade.host(), upgrade.path()), (host, path), "{target}");
    }
    for target in ["ftp://h/", "h:80", "*", "http://user@h/", "http://h:99999/"] {
        let (parts, ()) = request(target).into_parts();
        let refusal = UpgradeRequest::from_http(&parts, Config::default()).unwrap_err();
        assert_eq!(refusal.error(), E::InvalidTarget, "{target}");
    }
}

#[test]
fn versions() {
    for (version, error, status) in [
        (Version::HTTP_09, E::UnsupportedHttpVersion, 505),
        (Version::HTTP_10, E::UpgradeInHttp10, 426),
        (Version::HTTP_2, E::UnsupportedHttpVersion, 505),
    ] {
        let (mut parts, ()) = request("/").into_parts();
        parts.version = version;
        let refusal = UpgradeRequest::from_http(&parts, Config::default()).unwrap_err();
        assert_eq!((refusal.error(), refusal.status()), (error, status), "{version:?}");
    }
}

#[test]
fn a_head_is_refused_without_a_body() {
    for (target, version) in [
        ("/", Version::HTTP_11),
        ("*", Version::HTTP_11),
        ("/\u{e9}", Version::HTTP_11),
        ("/", Version::HTTP_2),
    ] {
        let (mut parts, ()) = request(target).into_parts();
        (parts.method, parts.version) = (http::Method::HEAD, version);
        let response = UpgradeRequest::from_http(&parts, Config::default()).unwrap_err().to_http();
        assert!(response.body().is_empty(), "{target} {version:?}");
    }
}

#[test]
fn a_426_names_its_upgrade_in_connection() {
    let (mut parts, ()) = request("/").into_parts();
    parts.headers.insert("sec-websocket-version", "8".parse().unwrap());
    let response = UpgradeRequest::from_http(&parts, Config::default()).unwrap_err().to_http();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    let value = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(value("upgrade"), Some("websocket"));
    assert_eq!(value("connection"), Some("Upgrade"));
    assert_eq!(value("sec-websocket-version"), Some("13"));
    assert_eq!(value("content-length"), None);

    parts.headers.remove("sec-websocket-version");
    let response = UpgradeRequest::from_http(&parts, Config::default()).unwrap_err().to_http();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(!response.headers().contains_key("connection") && !response.headers().contains_key("upgrade"));
}

#[test]
fn extended_connect_there_and_back() {
    let asked = ClientRequest::new("wss://example.com:8443/chat?a").unwrap().subprotocol("chat").unwrap();
    let handshake = ConnectHandshake::new(asked, Config::default(), nonce);
    let (parts, ()) = handshake.to_http().unwrap().into_parts();
    assert_eq!((parts.method.as_str(), parts.version), ("CONNECT", Version::HTTP_2));
    assert_eq!(parts.uri, "https://example.com:8443/chat?a");

    let mut request = ConnectRequest::from_http(&parts, Some("websocket"), Config::default()).unwrap();
    assert_eq!((request.host(), request.path(), request.query()), ("example.com:8443", "/chat", Some("a")));
    request.choose_subprotocol("chat").unwrap();
    let (answer, ()) = request.accept_parts().0.to_http().into_parts();
    assert_eq!(answer.status, StatusCode::OK);
    let (_, established) = handshake.recv_http(&answer).unwrap();
    assert_eq!(established.subprotocol(), Some("chat"));

    for (protocol, status) in [(Some("connect-udp"), 501), (None, 400)] {
        let refusal = ConnectRequest::from_http(&parts, protocol, Config::default()).unwrap_err();
        let response = refusal.to_http();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["content-type"]);
    }
}

#[test]
fn an_extended_connect_may_have_a_host_in_place_of_authority() {
    let (mut parts, ()) = request("/chat?a").into_parts();
    for name in ["upgrade", "connection", "sec-websocket-key"] {
        parts.headers.remove(name);
    }
    // Without an :authority, the scheme has no place in a `Uri`.
    (parts.method, parts.version) = (http::Method::CONNECT, Version::HTTP_2);
    let request = ConnectRequest::from_http(&parts, Some("websocket"), Config::default()).unwrap();
    assert_eq!((request.host(), request.path(), request.query()), ("server.example.com", "/chat", Some("a")));
    parts.headers.remove("host");
    let refusal = ConnectRequest::from_http(&parts, Some("websocket"), Config::default()).unwrap_err();
    assert_eq!(refusal.error(), E::InvalidPseudoHeader);
}

#[test]
fn requests_for_a_client() {
    let written = |request: ClientRequest| {
        String::from_utf8(ClientHandshake::new(request, Config::default(), nonce).output().to_vec()).unwrap()
    };
    let uri = Uri::from_static("wss://h:8443/a?b");
    let expected = written(ClientRequest::new("wss://h:8443/a?b").unwrap());
    assert_eq!(written((&uri).try_into().unwrap()), expected);
    assert_eq!(written(uri.clone().try_into().unwrap()), expected);
    assert_eq!(written(Request::get(uri.clone()).body(()).unwrap().try_into().unwrap()), expected);

    let full = Request::get("ws://127.0.0.1:9001/a")
        .header("Host", "example.com")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==")
        .header("Sec-WebSocket-Protocol", "a, b")
        .header("Cookie", "c=d")
        .body(())
        .unwrap();
    assert_eq!(
        written(full.try_into().unwrap()),
        "GET /a HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: BwcHBwcHBwcHBwcHBwcHBw==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: a, b\r\ncookie: c=d\r\n\r\n"
    );
}

#[test]
fn requests_that_cannot_be_a_clients() {
    use ArgumentError as A;
    let error = |request: http::request::Builder| ClientRequest::try_from(request.body(()).unwrap()).err();
    assert_eq!(error(Request::get("http://h/")), Some(RequestError::Url(UrlError::Scheme)));
    assert_eq!(error(Request::get("/a")), Some(RequestError::Url(UrlError::Scheme)));
    assert_eq!(error(Request::post("ws://h/")), Some(RequestError::Argument(A::InvalidMethod)));
    assert_eq!(RequestError::Url(UrlError::Scheme).to_string(), UrlError::Scheme.to_string());
    assert_eq!(RequestError::Argument(A::InvalidMethod).to_string(), A::InvalidMethod.to_string());
    for (name, value, expected) in [
        ("Sec-WebSocket-Version", "8", A::ReservedHeader),
        ("Sec-WebSocket-Extensions", "permessage-deflate", A::ReservedHeader),
        ("Upgrade", "h2c", A::ReservedHeader),
        ("Connection", "close", A::ReservedHeader),
        ("Content-Length", "3", A::ReservedHeader),
        ("Sec-WebSocket-Protocol", "a b", A::InvalidSubprotocol),
        ("Sec-WebSocket-Protocol", "a, a", A::DuplicateSubprotocol),
        ("Host", "a b", A::InvalidHost),
        ("Host", "\u{e9}", A::InvalidHeaderValue),
    ] {
        let request = Request::get("ws://h/").header(name, value);
        assert_eq!(error(request), Some(RequestError::Argument(expected)), "{name}: {value}");
    }
}

#[test]
fn a_url_has_no_character_that_a_uri_has_not() {
    for byte in b'!'..=b'~' {
        let url = format!("ws://h/a{}b?c{}d", char::from(byte), char::from(byte));
        let Ok(request) = ClientRequest::new(&url) else { continue };
        let resource = request.url().resource().to_owned();
        let handshake = ClientHandshake::new(request, Config::default(), nonce);
        assert_eq!(handshake.to_http().unwrap().uri(), resource.as_str(), "{url}");
    }
}

#[test]
fn a_plain_request_can_be_handed_on() {
    let plain = |head: &str| {
        let mut bytes = head.as_bytes().to_vec();
        match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bytes)) {
            ServerProgress::Http(request) => request.to_http(),
            other => panic!("{other:?}"),
        }
    };
    let request = plain("POST /a?b HTTP/1.0\r\nHost: h\r\nCookie: c\r\nCookie: d\r\n\r\n").unwrap();
    assert_eq!((request.method().as_str(), request.version()), ("POST", Version::HTTP_10));
    assert_eq!(request.uri(), "/a?b");
    let expected: HeaderMap = [("host", "h"), ("cookie", "c"), ("cookie", "d")]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    assert_eq!(request.headers(), &expected);
    assert_eq!(plain("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").unwrap().uri(), "*");
}
#[test]
fn a_client_inside_another_library() {
    let request = ClientRequest::new("ws://example.com/chat?x=1").unwrap().subprotocol("a").unwrap();
    let client = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(7));
    let (parts, ()) = client.to_http().unwrap().into_parts();
    assert_eq!(
        (parts.uri.to_string(), &parts.headers["host"]),
        ("/chat?x=1".into(), &"example.com".parse().unwrap())
    );
    let mut server = UpgradeRequest::from_http(&parts, Config::default()).expect("a valid request");
    server.choose_subprotocol("a").unwrap();
    let (accepted, _connection) = server.accept_parts();
    let (parts, ()) = accepted.to_http().into_parts();
    let (_connection, established) = client.recv_http(&parts).unwrap();
    assert_eq!(established.subprotocol(), Some("a"));
}

/// What the caller added must not cost what the handshake needs.
#[test]
fn a_header_that_the_crate_cannot_hold_is_left_out_of_a_response() {
    let client = ClientHandshake::new(
        ClientRequest::new("ws://h/").unwrap(),
        Config::default(),
        |bytes: &mut [u8]| bytes.fill(7),
    );
    let (parts, ()) = client.to_http().unwrap().into_parts();
    let mut server = UpgradeRequest::from_http(&parts, Config::default()).unwrap();
    server.add_header(&"n".repeat(1 << 16), "v").unwrap();
    server.add_header("x", "v").unwrap();
    let (parts, ()) = server.accept_parts().0.to_http().into_parts();
    assert_eq!(parts.headers["x"], "v");
    client.recv_http(&parts).unwrap();
}

/// The map of that crate has room for about 24,000 names, of less than 64 KiB each.
#[test]
fn a_head_that_the_crate_cannot_hold_is_not_handed_on() {
    let config = Config::default().max_head(1 << 20).max_headers(100_000);
    let names = (0..30_000).map(|i| format!("h{i}: v\r\n")).collect::<String>();
    let long_name = format!("{}: v\r\n", "n".repeat(1 << 16));
    for (headers, fits) in [(&names[..], false), (&long_name, false), (&"h: v\r\n".repeat(30_000), true)] {
        let mut bytes = format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n").into_bytes();
        match ServerHandshake::new(config).recv(&mut Input::new(&mut bytes)) {
            ServerProgress::Http(request) => assert_eq!(request.to_http().is_some(), fits),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_url_that_the_crate_cannot_hold_is_not_another() {
    let request = |url: &str| ClientRequest::new(url).unwrap();
    let long = format!("ws://h/{}", "a".repeat(1 << 16));
    assert!(ClientHandshake::new(request(&long), Config::default(), nonce).to_http().is_none());
    for url in [&long, "wss://a%41/"] {
        assert!(ConnectHandshake::new(request(url), Config::default(), nonce).to_http().is_none(), "{url}");
    }
}
