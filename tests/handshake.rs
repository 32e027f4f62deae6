//! The opening handshake from the outside: tables of bytes, each run whole, byte by byte, cut in two at every
//! place, and with frames behind it.
#![cfg(feature = "alloc")]
#![cfg(test)]

use core::fmt::Write as _;

use sansocket::handshake::{
    ArgumentError, ClientHandshake, ClientProgress, ClientRequest, ConnectHandshake, HandshakeError as E,
    Headers, HttpRequest, Proxy, ProxyHandshake, ProxyProgress, RefusedResponse, Response, ServerHandshake,
    ServerProgress, UpgradeRequest, Url, UrlError, accept_key,
};
use sansocket::{Config, Connection, Event, Input, ProtocolError};

const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

const CHROME: &str = "GET /socket HTTP/1.1\r\nHost: localhost:9001\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/126.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: http://localhost:8000\r\n\
    Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

const FIREFOX: &str = "GET / HTTP/1.1\r\nHost: [::1]:9001\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:127.0) \
    Gecko/20100101 Firefox/127.0\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nSec-WebSocket-Version: 13\r\nOrigin: null\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: 9IC1QrmCkkZBcEeRBdOvDg==\r\n\
    Connection: keep-alive, Upgrade\r\nCookie: a=b\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: websocket\r\n\
    Sec-Fetch-Site: same-site\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

const FRAMES: &[u8] = b"\x81\x82abcd\x09\x0b\r\n\r\n\x88\x80abcd";

/// `base` with one change.
fn edit(base: &str, from: &str, to: &str) -> Vec<u8> {
    assert!(base.contains(from), "{from:?}");
    base.replacen(from, to, 1).into_bytes()
}

/// All that can be seen of what became of the bytes.
fn describe(headers: Headers<'_>) -> String {
    headers.fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, "{name}={value:?};");
        text
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Served {
    Incomplete,
    Upgrade { seen: String, response: Vec<u8> },
    Http(String),
    Refused(E, Vec<u8>),
}

/// Gives the chunks to a server; the outcome, and the bytes that were left when it was known.
fn serve_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, config: Config) -> (Served, Vec<u8>) {
    let mut chunks = chunks.into_iter().map(<[u8]>::to_vec);
    let mut handshake = ServerHandshake::new(config);
    while let Some(mut chunk) = chunks.next() {
        let mut input = Input::new(&mut chunk);
        let served = match handshake.recv(&mut input) {
            ServerProgress::Incomplete(next) => {
                assert!(input.is_empty());
                handshake = next;
                continue;
            }
            ServerProgress::Upgrade(request) => {
                let mut seen = describe(request.headers());
                let extensions: Vec<_> =
                    request.extensions().map(|extension| extension.to_string()).collect();
                let protocols: Vec<_> = request.subprotocols().collect();
                let parts =
                    (request.target(), request.path(), request.query(), request.host(), request.origin());
                let _ = write!(seen, "{parts:?} {protocols:?} {extensions:?}");
                Served::Upgrade { seen, response: request.accept().output().to_vec() }
            }
            ServerProgress::Http(request) => {
                let parts = (request.method(), request.target(), request.version());
                Served::Http(format!("{parts:?} {}", describe(request.headers())))
            }
            ServerProgress::Refused(refusal) => Served::Refused(refusal.error(), refusal.response().to_vec()),
        };
        let left = input.as_slice().to_vec().into_iter().chain(chunks.flatten()).collect();
        return (served, left);
    }
    (Served::Incomplete, Vec::new())
}

/// The outcome, which must not depend on how the bytes are cut or on what follows them.
fn serve(bytes: &[u8]) -> Served {
    serve_with(bytes, Config::default())
}

fn serve_with(bytes: &[u8], config: Config) -> Served {
    let (whole, left) = serve_chunks([bytes], config);
    if matches!(whole, Served::Upgrade { .. } | Served::Http(_)) {
        assert_eq!(left, b"");
        let followed = [bytes, FRAMES].concat();
        assert_eq!(serve_chunks([&followed[..]], config), (whole.clone(), FRAMES.to_vec()));
        assert_eq!(serve_chunks(followed.chunks(1), config), (whole.clone(), FRAMES.to_vec()));
    }
    assert_eq!(serve_chunks(bytes.chunks(1), config).0, whole, "byte by byte");
    for cut in 1..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(serve_chunks([a, b], config).0, whole, "cut at {cut}");
    }
    // Never a 101 for anything but an upgrade, and no success in any other disguise.
    if let Served::Refused(error, response) = &whole {
        assert!(response.starts_with(format!("HTTP/1.1 {} ", error.status()).as_bytes()));
        assert!((400..600).contains(&error.status()));
    }
    whole
}

fn refused(bytes: &[u8]) -> Option<(E, String)> {
    match serve(bytes) {
        Served::Refused(error, response) => Some((error, String::from_utf8(response).unwrap())),
        _ => None,
    }
}

fn error(bytes: &[u8]) -> Option<E> {
    refused(bytes).map(|(error, _)| error)
}

fn upgraded(bytes: &[u8]) -> bool {
    matches!(serve(bytes), Served::Upgrade { .. })
}

/// The request as it can be looked at and answered.
fn upgrade(bytes: &[u8]) -> UpgradeRequest {
    match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bytes.to_vec())) {
        ServerProgress::Upgrade(request) => request,
        other => panic!("{other:?}"),
    }
}

fn nonce(bytes: &mut [u8]) {
    for (byte, &sample) in bytes.iter_mut().zip(b"the sample nonce".iter().cycle()) {
        *byte = sample;
    }
}

fn client() -> ClientHandshake {
    let request =
        ClientRequest::new("ws://h/").unwrap().subprotocol("chat").unwrap().subprotocol("Two").unwrap();
    let mut handshake = ClientHandshake::new(request, Config::default(), nonce);
    handshake.output_written(usize::MAX);
    handshake
}

#[derive(Debug, Clone, PartialEq)]
enum Answered {
    Incomplete,
    Connected(Option<String>, String),
    Refused(u16, Vec<u8>, String, Vec<u8>),
    Failed(E),
}

fn answer_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Answered, Vec<u8>) {
    let mut chunks = chunks.into_iter().map(<[u8]>::to_vec);
    let mut handshake = client();
    while let Some(mut chunk) = chunks.next() {
        let mut input = Input::new(&mut chunk);
        let answered = match handshake.recv(&mut input) {
            ClientProgress::Incomplete(next) => {
                assert!(input.is_empty());
                handshake = next;
                continue;
            }
            ClientProgress::Connected(connection, established) => {
                assert_eq!(connection.output(), b"");
                Answered::Connected(
                    established.subprotocol().map(str::to_owned),
                    describe(established.headers()),
                )
            }
            ClientProgress::Refused(response) => Answered::Refused(
                response.status(),
                response.reason().to_vec(),
                describe(response.headers()),
                response.body().to_vec(),
            ),
            ClientProgress::Failed(error) => Answered::Failed(error),
        };
        let left = input.as_slice().to_vec().into_iter().chain(chunks.flatten()).collect();
        return (answered, left);
    }
    (Answered::Incomplete, Vec::new())
}

fn answer(bytes: &[u8]) -> Answered {
    let (whole, left) = answer_chunks([bytes]);
    if matches!(whole, Answered::Connected(..)) {
        assert_eq!(left, b"");
        let followed = [bytes, FRAMES].concat();
        assert_eq!(answer_chunks([&followed[..]]), (whole.clone(), FRAMES.to_vec()));
        assert_eq!(answer_chunks(followed.chunks(1)), (whole.clone(), FRAMES.to_vec()));
    }
    assert_eq!(answer_chunks(bytes.chunks(1)).0, whole, "byte by byte");
    for cut in 1..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(answer_chunks([a, b]).0, whole, "cut at {cut}");
    }
    whole
}

fn failed(bytes: &[u8]) -> Option<E> {
    match answer(bytes) {
        Answered::Failed(error) => Some(error),
        _ => None,
    }
}

fn connected(bytes: &[u8]) -> bool {
    matches!(answer(bytes), Answered::Connected(..))
}

// The server: what passes.

#[test]
fn the_example_of_section_1_3() {
    let Served::Upgrade { seen, response } = serve(REQUEST.as_bytes()) else { panic!("refused") };
    assert_eq!(
        response,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    assert!(seen.ends_with(
        "(\"/chat?room=1\", \"/chat\", Some(\"room=1\"), \"server.example.com\", \
         Some([104, 116, 116, 112, 58, 47, 47, 101, 120, 97, 109, 112, 108, 101, 46, 99, 111, 109])) \
         [\"chat\", \"superchat\"] []"
    ));
}

#[test]
fn browsers() {
    for (request, key) in [(CHROME, "x3JJHMbDL1EzLkh9GBhXDw=="), (FIREFOX, "9IC1QrmCkkZBcEeRBdOvDg==")] {
        let Served::Upgrade { seen, response } = serve(request.as_bytes()) else { panic!("refused") };
        assert!(seen.contains("permessage-deflate"));
        let accept = accept_key(key.as_bytes());
        assert!(response.windows(28).any(|window| window == accept));
    }
    let request = upgrade(CHROME.as_bytes());
    assert_eq!(request.header("cookie"), Some(&b"session=0123456789abcdef; theme=dark"[..]));
    let extension = request.extensions().next().unwrap();
    assert_eq!(extension.name(), "permessage-deflate");
    assert_eq!(extension.params().collect::<Vec<_>>(), [("client_max_window_bits", None)]);
}

#[test]
fn a_request_travels_to_another_thread() {
    fn travels<T: Send + 'static>(_: &T) {}
    let request = upgrade(REQUEST.as_bytes());
    travels(&request);
    let connection = std::thread::spawn(move || request.accept()).join().unwrap();
    assert!(connection.output().starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn an_empty_line_before_the_request_is_ignored_once() {
    let request = format!("\r\n{REQUEST}");
    assert_eq!(serve(request.as_bytes()), serve(REQUEST.as_bytes()));
    assert_eq!(error(format!("\r\n\r\n{REQUEST}").as_bytes()), Some(E::InvalidRequestLine));
}

/// The first byte tells, so that neither end waits for the rest of what is no head.
#[test]
fn tls_where_http_is_spoken_is_told_apart_at_once() {
    let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let alert = b"\x15\x03\x03\x00\x02\x02\x28";
    for bytes in [&client_hello[..], alert, &alert[..1]] {
        assert_eq!(error(bytes), Some(E::Tls));
        assert_eq!(failed(bytes), Some(E::Tls));
    }
    assert_eq!((E::Tls.status(), E::Tls.section()), (400, "RFC 9112 §2.2"));
    // Only there.
    assert_eq!(error(b"\r\n\x16\r\n"), Some(E::InvalidRequestLine));
    assert_eq!(failed(b"HTTP/1.1 101 \x15\r\n"), Some(E::InvalidStatusLine));
}

#[test]
fn trap_01_the_key_is_the_base64_of_16_bytes() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    for good in ["AAAAAAAAAAAAAAAAAAAAAA==", "+/+/+/+/+/+/+/+/+/+/+w==", "AQIDBAUGBwgJCgsMDQ4PEC=="] {
        assert!(upgraded(&edit(REQUEST, key, good)), "{good}");
    }
    let bad = [
        "",
        "a",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25jZQA=",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25j-_==",
        "dGhlIHNhbXBs ZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ==,",
        "dGhlIHNhbXBsZSBub25jZQ==\u{e9}",
        "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
    ];
    for bad in bad {
        assert_eq!(error(&edit(REQUEST, key, bad)), Some(E::InvalidKey), "{bad}");
    }
    assert_eq!(error(&edit(REQUEST, "Sec-WebSocket-Key", "X-Key")), Some(E::MissingKey));
}

#[test]
fn trap_02_what_must_not_repeat() {
    let twice = |line: &str| edit(REQUEST, line, &format!("{line}{line}"));
    assert_eq!(error(&twice("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")), Some(E::RepeatedKey));
    assert_eq!(error(&twice("Sec-WebSocket-Version: 13\r\n")), Some(E::InvalidVersion));
    assert_eq!(error(&twice("Origin: http://example.com\r\n")), Some(E::RepeatedOrigin));
    assert_eq!(error(&twice("Host: server.example.com\r\n")), Some(E::RepeatedHost));
    let twice = |line: &str| edit(RESPONSE, line, &format!("{line}{line}"));
    assert_eq!(
        failed(&twice("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")),
        Some(E::MissingAccept)
    );
    assert_eq!(failed(&twice("Sec-WebSocket-Protocol: chat\r\n")), Some(E::UnofferedSubprotocol));
}

#[test]
fn trap_03_connection_is_a_list_of_tokens() {
    let good = [
        "Connection: upgrade",
        "connection:UPGRADE",
        "Connection: keep-alive, Upgrade",
        "Connection: keep-alive ,\tUpgrade",
        "Connection: , ,upgrade,,",
        "Connection: keep-alive\r\nConnection: Upgrade",
        "Connection: Upgrade\r\nConnection: close",
    ];
    let bad = [
        "Connection: notupgrade",
        "Connection: upgrade-not",
        "Connection:",
        "Connection: up grade",
        "X: Upgrade",
    ];
    for lines in good {
        assert!(upgraded(&edit(REQUEST, "Connection: Upgrade", lines)), "{lines}");
        assert!(connected(&edit(RESPONSE, "Connection: Upgrade", lines)), "{lines}");
    }
    for lines in bad {
        assert_eq!(
            error(&edit(REQUEST, "Connection: Upgrade", lines)),
            Some(E::MissingConnectionUpgrade),
            "{lines}"
        );
        assert_eq!(
            failed(&edit(RESPONSE, "Connection: Upgrade", lines)),
            Some(E::WrongConnection),
            "{lines}"
        );
    }
}

#[test]
fn trap_04_upgrade_is_a_list_in_a_request() {
    for good in ["Upgrade: WebSocket", "Upgrade: websocket, h2c", "Upgrade: h2c\r\nupgrade:WEBSOCKET\t"] {
        assert!(upgraded(&edit(REQUEST, "Upgrade: websocket", good)), "{good}");
    }
    for bad in ["Upgrade: websockets", "Upgrade: websocket/13", "Upgrade: h2c", "Upgrade:"] {
        let (error, response) = refused(&edit(REQUEST, "Upgrade: websocket", bad)).unwrap();
        assert_eq!(error, E::MissingUpgrade, "{bad}");
        assert!(response.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        for line in
            ["\r\nUpgrade: websocket\r\n", "\r\nConnection: Upgrade", "\r\nSec-WebSocket-Version: 13\r\n"]
        {
            assert!(response.contains(line), "{line}");
        }
    }
}

#[test]
fn trap_05_accept_is_compared_byte_by_byte() {
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert!(connected(&edit(RESPONSE, accept, &format!("\t {accept} \t"))));
    for bad in [
        "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=,",
        "",
        "=",
    ] {
        assert_eq!(failed(&edit(RESPONSE, accept, bad)), Some(E::WrongAccept), "{bad}");
    }
    assert_eq!(failed(&edit(RESPONSE, "Sec-WebSocket-Accept", "X")), Some(E::MissingAccept));
}

#[test]
fn trap_06_accept_belongs_to_the_key_as_sent() {
    // The same 16 bytes, written with other spare bits.
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR=="] {
        let request = edit(REQUEST, ": dGhlIHNhbXBsZSBub25jZQ==", &format!(":\t {key}  "));
        let Served::Upgrade { response, .. } = serve(&request) else { panic!("refused") };
        assert!(response.windows(28).any(|window| window == accept_key(key.as_bytes())));
    }
}

#[test]
fn trap_07_and_08_what_the_server_chooses_was_offered() {
    let line = "Sec-WebSocket-Protocol: chat\r\n";
    let chosen = |bytes: &[u8]| match answer(bytes) {
        Answered::Connected(subprotocol, _) => subprotocol,
        other => panic!("{other:?}"),
    };
    assert_eq!(chosen(RESPONSE.as_bytes()).as_deref(), Some("chat"));
    assert_eq!(chosen(&edit(RESPONSE, ": chat", ": Two")).as_deref(), Some("Two"));
    assert_eq!(chosen(&edit(RESPONSE, line, "")), None);
    for bad in ["two", "chat, Two", "three", "", ",", "chat,", "Chat"] {
        let response = edit(RESPONSE, ": chat", &format!(": {bad}"));
        assert_eq!(failed(&response), Some(E::UnofferedSubprotocol), "{bad}");
    }
    let response = edit(RESPONSE, line, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    assert_eq!(failed(&response), Some(E::UnofferedExtension));
    let response = edit(RESPONSE, line, "Sec-WebSocket-Extensions: ;\r\n");
    assert_eq!(failed(&response), Some(E::InvalidExtensions));
}

#[test]
fn trap_09_the_chosen_subprotocol_was_offered() {
    let mut request = upgrade(REQUEST.as_bytes());
    for other in ["Chat", "chat, superchat", "", "third", "chat\r\nX: y"] {
        assert_eq!(request.choose_subprotocol(other), Err(ArgumentError::SubprotocolNotOffered), "{other}");
        assert_eq!(request.subprotocol(), None);
    }
    assert_eq!(request.choose_supported(&["third", "superchat", "chat"]), Some("superchat"));
    assert_eq!(request.choose_subprotocol("third"), Err(ArgumentError::SubprotocolNotOffered));
    assert_eq!(request.subprotocol(), Some("superchat"), "a caller's error changes nothing");
    assert!(request.accept().output().ends_with(b"\r\nSec-WebSocket-Protocol: superchat\r\n\r\n"));
    let mut request = upgrade(REQUEST.as_bytes());
    assert_eq!(request.choose_supported(&["third"]), None);
    assert!(!String::from_utf8_lossy(request.accept().output()).contains("Protocol:"));
}

#[test]
fn trap_10_subprotocols_are_unique_tokens() {
    let cases = [
        ("a", None),
        ("a,b ,\tc", None),
        (",a,,", None),
        ("a, A", None),
        ("a\r\nSec-WebSocket-Protocol: b", None),
        ("", Some(E::InvalidSubprotocol)),
        (",", Some(E::InvalidSubprotocol)),
        ("a b", Some(E::InvalidSubprotocol)),
        ("a, b/c", Some(E::InvalidSubprotocol)),
        ("\"a\"", Some(E::InvalidSubprotocol)),
        ("\u{e9}", Some(E::InvalidSubprotocol)),
        ("a, b, a", Some(E::DuplicateSubprotocol)),
        ("a\r\nSec-WebSocket-Protocol: b, a", Some(E::DuplicateSubprotocol)),
    ];
    for (value, expected) in cases {
        assert_eq!(error(&edit(REQUEST, "chat, superchat", value)), expected, "{value}");
    }
    let offered = ClientRequest::new("ws://h/").unwrap().subprotocol("a").unwrap();
    assert_eq!(offered.clone().subprotocol("a").err(), Some(ArgumentError::DuplicateSubprotocol));
    for bad in ["", "a,b", "a b", "a\r\nb", "\u{e9}"] {
        assert_eq!(offered.clone().subprotocol(bad).err(), Some(ArgumentError::InvalidSubprotocol), "{bad}");
    }
}

#[test]
fn trap_11_and_12_extensions_over_several_lines() {
    let lines =
        "Sec-WebSocket-Extensions: foo\r\nX: y\r\nsec-websocket-extensions: bar; baz=\"2\", foo;a;a\r\n\r\n";
    let request = upgrade(&edit(REQUEST, "\r\n\r\n", &format!("\r\n{lines}")));
    let extensions: Vec<_> = request.extensions().map(|extension| extension.to_string()).collect();
    assert_eq!(extensions, ["foo", "bar; baz=2", "foo; a; a"]);
}

#[test]
fn malformed_extensions_are_answered_with_400() {
    let cases = [
        "a;;b",
        ";a",
        "a;",
        "a; b=\"c",
        "a; b=\"c,d\"",
        "a; b=\"\"",
        "a/b",
        "",
        ",",
        "a\r\nSec-WebSocket-Extensions: ;",
    ];
    for value in cases {
        let line = format!("\r\nSec-WebSocket-Extensions: {value}\r\n\r\n");
        let (error, response) = refused(&edit(REQUEST, "\r\n\r\n", &line)).unwrap();
        assert_eq!(error, E::InvalidExtensions, "{value}");
        assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    }
}

#[test]
fn ws_3_3_1_odd_extension_names_do_no_harm() {
    for name in ["constructor", "__proto__", "hasOwnProperty; __proto__; toString=valueOf"] {
        let line = format!("\r\nSec-WebSocket-Extensions: {name}\r\n\r\n");
        assert!(upgraded(&edit(REQUEST, "\r\n\r\n", &line)), "{name}");
    }
    for name in ["", ";;;", "=", "a; b=\"", "\"", "\\"] {
        let line = format!("\r\nSec-WebSocket-Extensions: {name}\r\n\r\n");
        assert_eq!(error(&edit(REQUEST, "\r\n\r\n", &line)), Some(E::InvalidExtensions), "{name}");
    }
}

#[test]
fn trap_13_other_versions_learn_which_one_is_spoken() {
    for version in ["8", "0", "12", "14", "130", "255"] {
        let (error, response) =
            refused(&edit(REQUEST, "Version: 13", &format!("Version: {version}"))).unwrap();
        assert_eq!(error, E::UnsupportedVersion, "{version}");
        assert!(response.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert_eq!(response.matches("\r\nSec-WebSocket-Version: 13\r\n").count(), 1);
    }
    for version in ["", "013", "+13", "13.0", "13, 8", "1 3", "-1", "1300", "313", "0x0d", "\u{661}"] {
        let (error, response) =
            refused(&edit(REQUEST, "Version: 13", &format!("Version: {version}"))).unwrap();
        assert_eq!(error, E::InvalidVersion, "{version}");
        assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert_eq!(response.matches("\r\nSec-WebSocket-Version: 13\r\n").count(), 1);
    }
    let (error, response) = refused(&edit(REQUEST, "Sec-WebSocket-Version", "X")).unwrap();
    assert_eq!(error, E::MissingVersion);
    assert!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"));
}

#[test]
fn trap_14_other_answers_are_handed_over() {
    let cases: [(&str, u16, &str, &str, &str); 7] = [
        (
            "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n",
            302,
            "Found",
            "Location=/a;Content-Length=0;",
            "",
        ),
        ("HTTP/1.1 401 \r\ncontent-length: 4\r\n\r\nbody", 401, "", "content-length=4;", "body"),
        ("HTTP/1.1 407\r\nContent-Length: 2\r\n\r\nno", 407, "", "Content-Length=2;", "no"),
        ("HTTP/1.0 400 Bad\r\nContent-Length: 00\r\n\r\n", 400, "Bad", "Content-Length=00;", ""),
        ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", 204, "No", "Content-Length=5;", ""),
        ("HTTP/1.1 200 OK\r\n\r\n", 200, "OK", "", ""),
        ("HTTP/1.1 500 x\r\nContent-Length: +5\r\n\r\n", 500, "x", "Content-Length=+5;", ""),
    ];
    for (bytes, status, reason, headers, body) in cases {
        let headers = headers.split_terminator(';').fold(String::new(), |mut text, header| {
            let (name, value) = header.split_once('=').unwrap();
            let _ = write!(text, "{name}={:?};", value.as_bytes());
            text
        });
        let expected = Answered::Refused(status, reason.into(), headers, body.into());
        assert_eq!(answer(bytes.as_bytes()), expected, "{bytes}");
    }
}

#[test]
fn the_body_of_a_refusal_is_bounded() {
    for length in ["8193", "18446744073709551615", "99999999999999999999999999"] {
        let mut bytes = format!("HTTP/1.1 500 x\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        bytes.resize(bytes.len() + 10_000, b'b');
        for chunk in [1, 1000, bytes.len()] {
            let (Answered::Refused(.., body), left) = answer_chunks(bytes.chunks(chunk)) else {
                panic!("no refusal")
            };
            assert_eq!((body.len(), left.len()), (8192, 10_000 - 8192));
        }
    }
    let mut unknown = b"HTTP/1.1 500 x\r\n\r\n".to_vec();
    unknown.resize(unknown.len() + 10_000, b'b');
    let (Answered::Refused(.., body), _) = answer_chunks([&unknown[..]]) else { panic!("no refusal") };
    assert_eq!(body.len(), 8192);
    let (Answered::Refused(.., body), _) =
        answer_chunks([&b"HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..]])
    else {
        panic!("no refusal")
    };
    assert_eq!(body, b"0\r\n\r\n");
    // RFC 9112 §6.3: these lengths are not that of the body.
    for headers in
        ["Transfer-Encoding: chunked\r\nContent-Length: 2", "Content-Length: 2\r\nContent-Length: 2"]
    {
        let bytes = format!("HTTP/1.1 500 x\r\n{headers}\r\n\r\nbody").into_bytes();
        let (Answered::Refused(.., body), _) = answer_chunks([&bytes[..]]) else { panic!("no refusal") };
        assert_eq!(body, b"body", "{headers}");
    }
}

#[test]
fn the_end_of_the_stream() {
    let eof = |bytes: &[u8]| match client().recv(&mut Input::new(&mut bytes.to_vec())) {
        ClientProgress::Incomplete(handshake) => handshake.recv_eof(),
        other => panic!("{other:?}"),
    };
    assert_eq!(eof(b"").err(), Some(E::Truncated));
    assert_eq!(eof(b"HTTP/1.1 101 x\r\n").err(), Some(E::Truncated));
    let refused = eof(b"HTTP/1.1 503 x\r\nContent-Length: 9\r\n\r\nsorr").unwrap();
    assert_eq!((refused.status(), refused.body()), (503, &b"sorr"[..]));
}

#[test]
fn a_refusal_that_stalls_keeps_what_has_arrived() {
    let client = |bytes: &[u8]| match client().recv(&mut Input::new(&mut bytes.to_vec())) {
        ClientProgress::Incomplete(handshake) => handshake.timed_out(),
        other => panic!("{other:?}"),
    };
    let proxy = |bytes: &[u8]| {
        let (proxy, url) = (Proxy::parse("http://p").unwrap(), Url::parse("ws://h").unwrap());
        let handshake = ProxyHandshake::new(&proxy, &url, Config::default());
        match handshake.recv(&mut Input::new(&mut bytes.to_vec())) {
            ProxyProgress::Incomplete(handshake) => handshake.timed_out(),
            other => panic!("{other:?}"),
        }
    };
    for timed_out in [&client as &dyn Fn(&[u8]) -> Result<RefusedResponse, E>, &proxy] {
        for head in
            ["", "HTTP/1.1 503 x\r\n", "HTTP/1.1 100 x\r\n\r\n", "HTTP/1.1 503 x\r\nContent-Length: 9\r\n"]
        {
            assert_eq!(timed_out(head.as_bytes()).err(), Some(E::TimedOut), "{head}");
        }
        for (status, body) in [(503, ""), (407, "sorr"), (404, "sorry, s")] {
            let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 9\r\nLocation: /a\r\n\r\n{body}");
            let refused = timed_out(answer.as_bytes()).unwrap();
            assert_eq!((refused.status(), refused.body()), (status, body.as_bytes()));
            assert_eq!(refused.header("location"), Some(&b"/a"[..]));
        }
    }
}

#[test]
fn trap_15_http_1_0_other_methods_and_hosts() {
    for version in ["HTTP/2.0", "HTTP/0.9"] {
        let (error, response) = refused(&edit(REQUEST, "HTTP/1.1", version)).unwrap();
        assert_eq!(error, E::UnsupportedHttpVersion, "{version}");
        assert!(response.starts_with("HTTP/1.1 505 "));
    }
    let (old, response) = refused(&edit(REQUEST, "HTTP/1.1", "HTTP/1.0")).unwrap();
    assert_eq!(old, E::UpgradeInHttp10);
    assert!(response.starts_with("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"));
    assert!(response.contains("\r\nConnection: Upgrade, close\r\n"));
    assert!(upgraded(&edit(REQUEST, "HTTP/1.1", "HTTP/1.2")));
    for method in ["POST", "HEAD", "get", "CONNECT", "OPTIONS"] {
        let (error, response) = refused(&edit(REQUEST, "GET", method)).unwrap();
        assert_eq!(error, E::MethodNotGet, "{method}");
        assert!(
            response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")
                && response.contains("\r\nAllow: GET\r\n")
        );
        assert_eq!(response.ends_with("\r\n\r\n"), method == "HEAD", "only HEAD is answered without a body");
    }
    let host = "Host: server.example.com\r\n";
    assert_eq!(error(&edit(REQUEST, host, "")), Some(E::MissingHost));
    for bad in ["", "a b", "a/b", "user@h", "h:", "h:99999", "h:x", "[::1", "h, i", "\u{e9}", "h?"] {
        let expected = if bad == "h:" { None } else { Some(E::InvalidHost) };
        assert_eq!(error(&edit(REQUEST, host, &format!("Host: {bad}\r\n"))), expected, "{bad}");
    }
}

#[test]
fn plain_http_is_handed_over() {
    let page = |bytes: &str| match serve(bytes.as_bytes()) {
        Served::Http(seen) => seen,
        other => panic!("{other:?}"),
    };
    assert_eq!(page("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "(\"GET\", \"/\", (1, 1)) Host=[104];");
    assert_eq!(page("HEAD /a HTTP/1.0\r\n\r\n"), "(\"HEAD\", \"/a\", (1, 0)) ");
    page("OPTIONS * HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
    // RFC 9110 §7.8: in HTTP/1.0 an Upgrade is ignored.
    page("GET / HTTP/1.0\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    page("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    for (bytes, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", E::MissingHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", E::RepeatedHost),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", E::RepeatedHost),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", E::InvalidHost),
        // The host of an absolute target replaces Host.
        ("GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", E::InvalidTarget),
        ("GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", E::InvalidTarget),
        ("GET http://h:x/ HTTP/1.0\r\n\r\n", E::InvalidTarget),
        ("POST ftp://<h>?a HTTP/1.1\r\nHost: h\r\n\r\n", E::InvalidTarget),
        ("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: x\r\n\r\n", E::MissingUpgrade),
        ("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Version: 13\r\n\r\n", E::MissingUpgrade),
    ] {
        assert_eq!(error(bytes.as_bytes()), Some(expected), "{bytes}");
    }
    let respond = |method: &str| {
        let mut bytes = format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bytes)) {
            ServerProgress::Http(request) => request.respond(&Response::new(200).unwrap().body("page")),
            other => panic!("{other:?}"),
        }
    };
    assert!(respond("GET").ends_with(b"\r\nContent-Length: 4\r\n\r\npage"));
    assert!(respond("HEAD").ends_with(b"\r\nContent-Length: 4\r\n\r\n"));
    // RFC 9110 §9.3.6: a 2xx would open a tunnel, in which the page is the first data.
    assert!(respond("CONNECT").starts_with(b"HTTP/1.1 501 "));
}

/// The request as it is handed over.
fn plain(bytes: &str) -> HttpRequest {
    match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bytes.as_bytes().to_vec())) {
        ServerProgress::Http(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_plain_requests_go() {
    // target, path, query, host
    for (target, path, query, host) in [
        ("/", "/", None, "a"),
        ("/b?c?d", "/b", Some("c?d"), "a"),
        ("http://h:1/b?c", "/b", Some("c"), "h:1"),
        ("HTTPS://h", "/", None, "h"),
        ("http://h?c", "/", Some("c"), "h"),
        ("ftp://h/b", "/b", None, "h"),
        ("*", "*", None, "a"),
        // What is before "://" is no scheme.
        ("b?c=http://h/d", "b", Some("c=http://h/d"), "a"),
        ("b/http://h/d", "b/http://h/d", None, "a"),
        ("://h/d", "://h/d", None, "a"),
        ("1://h/d", "1://h/d", None, "a"),
        ("a+b-1.c://h/d", "/d", None, "h"),
    ] {
        let request = plain(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((request.path(), request.query(), request.host()), (path, query, host), "{target}");
    }
    assert_eq!(plain("GET / HTTP/1.0\r\n\r\n").host(), "");
}

#[test]
fn a_header_is_found_by_its_name_in_any_case() {
    let request = plain("GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\ncookie: c=d\r\n\r\n");
    assert_eq!((request.header("COOKIE"), request.header("Cook")), (Some(&b"a=b"[..]), None));
    match client().recv(&mut Input::new(&mut RESPONSE.to_owned().into_bytes())) {
        ClientProgress::Connected(_, established) => {
            assert_eq!(established.header("sec-websocket-protocol"), Some(&b"chat"[..]));
            assert_eq!(established.header("Cookie"), None);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_may_be_written_in_pieces() {
    let mut handshake =
        ClientHandshake::new(ClientRequest::new("ws://h/").unwrap(), Config::default(), nonce);
    let (all, mut written) = (handshake.output().to_vec(), Vec::new());
    while let Some(piece) = handshake.output().chunks(7).next() {
        let piece = piece.to_vec();
        handshake.output_written(piece.len());
        written.extend(piece);
        assert!(written.len() <= all.len());
    }
    assert_eq!(written, all);
}

#[test]
fn a_plain_request_can_be_handed_on() {
    let head = "POST http://h/a?b HTTP/1.1\r\nHost: h\r\nCookie:  secret \r\nContent-Length: 3\r\n\r\n";
    let mut bytes = format!("\r\n{head}body").into_bytes();
    let mut input = Input::new(&mut bytes);
    let ServerProgress::Http(request) = ServerHandshake::new(Config::default()).recv(&mut input) else {
        panic!("it is an ordinary request")
    };
    let parts = request.into_parts();
    assert_eq!((&*parts.method, &*parts.target, parts.version), ("POST", "http://h/a?b", (1, 1)));
    assert_eq!(parts.head, head.as_bytes());
    let headers: Vec<_> = parts.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(headers, [("Host", &b"h"[..]), ("Cookie", b"secret"), ("Content-Length", b"3")]);
    assert_eq!(input.as_slice(), b"body");
}

#[test]
fn what_may_be_logged_holds_no_secret_and_no_body() {
    let secret = |value: &dyn std::fmt::Debug| {
        let shown = format!("{value:?} {value:#?}");
        let bytes = format!("{:?}", b"secret").trim_matches(['[', ']']).to_owned();
        assert!(!shown.contains("secret") && !shown.contains(&bytes), "{shown}");
    };
    let with_cookie = edit(REQUEST, "\r\n\r\n", "\r\nCookie: secret\r\nAuthorization: secret\r\n\r\n");
    let mut request = upgrade(&with_cookie);
    request.add_header("Set-Cookie", "secret").unwrap();
    secret(&request);
    secret(&request.headers());
    secret(&request.accept_parts().0);
    let page = || plain("GET /?secret HTTP/1.1\r\nHost: h\r\nCookie: secret\r\n\r\n");
    secret(&page());
    secret(&page().into_parts());
    secret(&Response::new(200).unwrap().header("Set-Cookie", "secret").unwrap().body("secret"));

    let request = ClientRequest::new("ws://secret:secret@h/").unwrap().header("Cookie", "secret").unwrap();
    secret(&request);
    secret(&ConnectHandshake::new(request.clone(), Config::default(), nonce));
    secret(&ClientHandshake::new(request, Config::default(), nonce));
    let mut answer = b"HTTP/1.1 200 x\r\nSet-Cookie: secret\r\nContent-Length: 6\r\n\r\nsecret".to_vec();
    secret(&client().recv(&mut Input::new(&mut answer)));
    let mut answer = edit(RESPONSE, "\r\n\r\n", "\r\nSet-Cookie: secret\r\n\r\n");
    secret(&client().recv(&mut Input::new(&mut answer)));
}

#[test]
fn requests_from_urls_and_with_a_host_of_their_own() {
    let written = |request: ClientRequest| {
        String::from_utf8(ClientHandshake::new(request, Config::default(), nonce).output().to_vec()).unwrap()
    };
    let url = "wss://h:8443/a";
    let expected = written(ClientRequest::new(url).unwrap());
    assert_eq!(written(url.try_into().unwrap()), expected);
    assert_eq!(written(String::from(url).try_into().unwrap()), expected);
    assert_eq!(written((&String::from(url)).try_into().unwrap()), expected);
    assert_eq!(written(Url::parse(url).unwrap().into()), expected);
    assert_eq!(ClientRequest::try_from("http://h").err(), Some(UrlError::Scheme));

    let request = ClientRequest::new("ws://127.0.0.1:9001/a").unwrap().host("example.com:81").unwrap();
    assert_eq!((request.url().host(), request.url().port()), ("127.0.0.1", 9001));
    assert!(written(request).starts_with("GET /a HTTP/1.1\r\nHost: example.com:81\r\nUpgrade"));
    for bad in ["", "a b", "a\r\nX: y", "user@h", "h:x", "h/"] {
        let error = ClientRequest::new("ws://h").unwrap().host(bad).err();
        assert_eq!(error, Some(ArgumentError::InvalidHost), "{bad:?}");
    }
}

#[test]
fn trap_18_and_19_what_the_client_writes() {
    let written = |request: ClientRequest| {
        let handshake = ClientHandshake::new(request, Config::default(), nonce);
        String::from_utf8(handshake.output().to_vec()).unwrap()
    };
    let request = ClientRequest::new("wss://user:pw@[::1]:443/a?b").unwrap();
    let request =
        request.subprotocol("x").unwrap().subprotocol("y").unwrap().header("Origin", "null").unwrap();
    assert_eq!(
        written(request.clone()),
        "GET /a?b HTTP/1.1\r\nHost: [::1]\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: x, y\r\n\
         Authorization: Basic dXNlcjpwdw==\r\nOrigin: null\r\n\r\n"
    );
    let own = written(request.header("authorization", "Bearer t").unwrap());
    assert!(own.contains("\r\nauthorization: Bearer t\r\n") && !own.contains("Basic"));
    assert!(upgraded(own.as_bytes()), "the server reads what the client writes");
    let request = ClientRequest::new("ws://h:81?q").unwrap();
    assert!(written(request).starts_with("GET /?q HTTP/1.1\r\nHost: h:81\r\n"));
}

#[test]
fn the_nonce_comes_from_the_random_bytes_and_precedes_the_masks() {
    let mut calls = 0;
    let random = move |bytes: &mut [u8]| {
        calls += 1;
        if calls == 1 {
            bytes.copy_from_slice(&[0xFF; 16]);
        }
    };
    let handshake = ClientHandshake::new(ClientRequest::new("ws://h/").unwrap(), Config::default(), random);
    assert_eq!(handshake.headers().value("Sec-WebSocket-Key"), Some(&b"/////////////////////w=="[..]));
}

#[test]
fn a_request_is_over_when_its_answer_has_arrived_unless_only_a_part_of_it_was_written() {
    let request = ClientRequest::new("ws://h/").unwrap();
    for told in [0, 10, usize::MAX] {
        let mut handshake = ClientHandshake::new(request.clone(), Config::default(), nonce);
        handshake.output_written(told);
        let rest = if told == 0 { Vec::new() } else { handshake.output().to_vec() };
        let mut bytes = edit(RESPONSE, "Sec-WebSocket-Protocol: chat\r\n", "");
        match handshake.recv(&mut Input::new(&mut bytes)) {
            ClientProgress::Connected(connection, _) => assert_eq!(connection.output(), rest, "{told}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn trap_20_request_targets() {
    for (target, path, query, host) in [
        ("/", "/", None, "server.example.com"),
        ("/a?b?c", "/a", Some("b?c"), "server.example.com"),
        ("//a/b", "//a/b", None, "server.example.com"),
        ("http://h/a?b", "/a", Some("b"), "h"),
        ("https://h:1", "/", None, "h:1"),
        ("WS://h?q", "/", Some("q"), "h"),
    ] {
        let bytes = edit(REQUEST, "/chat?room=1", target);
        assert!(upgraded(&bytes));
        let request = upgrade(&bytes);
        assert_eq!((request.target(), request.path(), request.query()), (target, path, query));
        assert_eq!(request.host(), host);
    }
    for bad in [
        "*",
        "h:80",
        "chat",
        "",
        "/a#b",
        "/a b",
        "/\u{e9}",
        "/\0",
        "/a\tb",
        "ftp://h/",
        "http://",
        "http://a@h/",
        "?a",
    ] {
        assert_eq!(error(&edit(REQUEST, "/chat?room=1", bad)), Some(E::InvalidTarget), "{bad:?}");
    }
}

#[test]
fn next_js_ssrf_absolute_targets_are_seen_as_what_they_are() {
    let request = upgrade(&edit(REQUEST, "/chat?room=1", "http://169.254.169.254/latest"));
    assert_eq!((request.host(), request.path()), ("169.254.169.254", "/latest"));
    assert_eq!(request.header("host"), Some(&b"server.example.com"[..]));
}

#[test]
fn trap_21_and_cve_2026_1527_callers_cannot_write_other_lines() {
    let client = ClientRequest::new("ws://h/").unwrap();
    for bad in ["a\r\nX: y", "a\rb", "a\nb", "a\0b"] {
        assert!(ClientRequest::new(&format!("ws://h/{bad}")).is_err());
        assert!(ClientRequest::new(&format!("ws://{bad}/")).is_err());
        assert!(ClientRequest::new(&format!("ws://{bad}@h/")).is_err());
        assert_eq!(client.clone().header("X", bad).err(), Some(ArgumentError::InvalidHeaderValue));
        assert_eq!(client.clone().header("Origin", bad).err(), Some(ArgumentError::InvalidHeaderValue));
        assert_eq!(client.clone().header(bad, "x").err(), Some(ArgumentError::InvalidHeaderName));
        assert_eq!(client.clone().subprotocol(bad).err(), Some(ArgumentError::InvalidSubprotocol));
        let mut request = upgrade(REQUEST.as_bytes());
        assert_eq!(request.add_header("X", bad), Err(ArgumentError::InvalidHeaderValue));
        assert_eq!(request.add_header(bad, "x"), Err(ArgumentError::InvalidHeaderName));
        assert_eq!(request.accept().output(), upgrade(REQUEST.as_bytes()).accept().output());
    }
    for name in [
        "Host",
        "upgrade",
        "CONNECTION",
        "Sec-WebSocket-Accept",
        "sec-websocket-x",
        "Content-Length",
        "Transfer-Encoding",
    ] {
        assert_eq!(client.clone().header(name, "x").err(), Some(ArgumentError::ReservedHeader), "{name}");
        assert_eq!(
            upgrade(REQUEST.as_bytes()).add_header(name, "x"),
            Err(ArgumentError::ReservedHeader),
            "{name}"
        );
    }
}

#[test]
fn trap_22_the_body_that_a_101_announces_is_ignored() {
    for line in ["Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length: x"] {
        assert!(connected(&edit(RESPONSE, "\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))), "{line}");
    }
}

#[test]
fn answers_of_several_servers() {
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let answers = [
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {accept}\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 101 \r\nServer: nginx\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                 Connection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\nVary: \r\n\r\n"
        ),
        format!(
            "HTTP/1.1 101 Web Socket Protocol Handshake\r\nAccess-Control-Allow-Origin: *\r\n\
                 Connection: Upgrade\r\nContent-Length: 0\r\nSec-WebSocket-Accept: {accept}\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Protocol: Two\r\n\r\n"
        ),
        format!(
            "HTTP/1.1 101\r\nUpgrade:websocket\r\nConnection:keep-alive,Upgrade\r\n\
                 Sec-WebSocket-Accept:{accept}\r\n\r\n"
        ),
    ];
    for answer in answers {
        assert!(connected(answer.as_bytes()), "{answer}");
    }
}

#[test]
fn answers_that_break_a_rule() {
    for bad in [
        "Upgrade: websockets",
        "Upgrade: websocket, h2c",
        "X: y",
        "Upgrade:",
        "Upgrade: h2c\r\nUpgrade: websocket",
    ] {
        assert_eq!(failed(&edit(RESPONSE, "Upgrade: websocket", bad)), Some(E::WrongUpgrade), "{bad}");
    }
    assert_eq!(failed(&edit(RESPONSE, "HTTP/1.1", "HTTP/1.0")), Some(E::UnsupportedHttpVersion));
    assert_eq!(failed(&edit(RESPONSE, "HTTP/1.1", "HTTP/2.0")), Some(E::UnsupportedHttpVersion));
    assert_eq!(failed(b"\r\nHTTP/1.1 101 x\r\n\r\n"), Some(E::InvalidStatusLine));
    assert_eq!(failed(&edit(RESPONSE, "\r\nConnection", "\nConnection")), Some(E::BareLineFeed));
}

#[test]
fn informational_answers_are_skipped_but_not_forever() {
    let info = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for (count, expected) in [(1, None), (8, None), (9, Some(E::TooManyInformational))] {
        assert_eq!(failed(format!("{}{RESPONSE}", info.repeat(count)).as_bytes()), expected, "{count}");
    }
}

// Size and work.

#[test]
fn cve_2023_43669_the_head_is_bounded_however_it_drips() {
    let mut endless = b"GET / HTTP/1.1\r\nX: ".to_vec();
    endless.resize(1 << 20, b'a');
    for chunk in [1, 4096, 1 << 20] {
        let (served, _) = serve_chunks(endless.chunks(chunk), Config::default());
        let Served::Refused(error, response) = served else { panic!("not refused") };
        assert_eq!(error, E::HeadTooLarge);
        assert!(response.starts_with(b"HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    }
}

#[test]
fn limits_are_inclusive() {
    let lines = REQUEST.matches("\r\n").count() - 2;
    for (max_head, max_headers, expected) in [
        (REQUEST.len(), lines, None),
        (REQUEST.len() - 1, lines, Some(E::HeadTooLarge)),
        (REQUEST.len(), lines - 1, Some(E::TooManyHeaders)),
        (0, 0, Some(E::HeadTooLarge)),
        (usize::MAX, usize::MAX, None),
    ] {
        let config = Config::default().max_head(max_head).max_headers(max_headers);
        let error = match serve_with(REQUEST.as_bytes(), config) {
            Served::Refused(error, _) => Some(error),
            _ => None,
        };
        assert_eq!(error, expected, "{max_head} {max_headers}");
    }
}

#[test]
fn a_request_that_comes_too_slowly_is_refused_once_it_has_begun() {
    for cut in 0..REQUEST.len() {
        let mut bytes = REQUEST.as_bytes()[..cut].to_vec();
        let progress = ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bytes));
        let ServerProgress::Incomplete(handshake) = progress else { panic!("{cut}: {progress:?}") };
        let refusal = handshake.timed_out();
        assert_eq!(
            refusal.as_ref().map(|refusal| refusal.error()),
            (cut > 0).then_some(E::TimedOut),
            "{cut}"
        );
        let Some(refusal) = refusal else { continue };
        assert_eq!(refusal.status(), 408);
        assert!(
            refusal.response().starts_with(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"),
            "{refusal:?}"
        );
    }
}

#[test]
fn cve_2024_37890_ten_thousand_headers() {
    let many = |count: usize| edit(REQUEST, "Upgrade: websocket\r\n", &"a: b\r\n".repeat(count));
    let with_upgrade_last = |count: usize| {
        let lines = format!("\r\n{}Upgrade: websocket\r\n\r\n", "a: b\r\n".repeat(count));
        edit(&String::from_utf8(many(0)).unwrap(), "\r\n\r\n", &lines)
    };
    let outcome = |bytes: &[u8], chunk| serve_chunks(bytes.chunks(chunk), Config::default()).0;
    for chunk in [1, 1000, usize::MAX] {
        for bytes in [many(10_000), with_upgrade_last(10_000), with_upgrade_last(129 - 7)] {
            let Served::Refused(error, response) = outcome(&bytes, chunk) else { panic!("not refused") };
            assert_eq!(error, E::TooManyHeaders);
            assert!(response.starts_with(b"HTTP/1.1 431 "));
        }
        assert!(matches!(outcome(&with_upgrade_last(128 - 7), chunk), Served::Upgrade { .. }));
    }
}

#[test]
fn trap_70_browsers_behind_proxies_send_many_headers() {
    let proxies: String = (0..60).map(|i| format!("X-Forwarded-{i}: value\r\n")).collect();
    assert!(upgraded(&edit(CHROME, "Pragma", &format!("{proxies}Pragma"))));
}

#[test]
fn cve_2021_32640_and_cve_2020_7662_long_lists_take_linear_time() {
    let config = Config::default().max_head(16 << 20);
    let n = 1 << 20;
    let protocols = |value: &str| edit(REQUEST, "chat, superchat", value);
    let extensions =
        |value: &str| edit(REQUEST, "\r\n\r\n", &format!("\r\nSec-WebSocket-Extensions: {value}\r\n\r\n"));
    let unique: String = (0..n / 8).map(|i| format!("{i:x},")).collect();
    for (bytes, expected) in [
        (protocols(&format!("b{}x", " ".repeat(n))), Some(E::InvalidSubprotocol)),
        (protocols(&",".repeat(n)), Some(E::InvalidSubprotocol)),
        (protocols(&unique), None),
        (protocols(&format!("{unique},0")), Some(E::DuplicateSubprotocol)),
        (extensions(&",".repeat(n)), Some(E::InvalidExtensions)),
        (extensions(&format!("a; b=\"{}", "\\c".repeat(n))), Some(E::InvalidExtensions)),
        (extensions(&format!("a; b=\"{}\"", "\\c".repeat(n))), None),
        (extensions(&"a; b, ".repeat(n)), None),
    ] {
        for chunk in [7, usize::MAX] {
            let error = match serve_chunks(bytes.chunks(chunk), config).0 {
                Served::Refused(error, _) => Some(error),
                _ => None,
            };
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn smuggling_0ang3el_a_request_with_a_body_is_no_upgrade() {
    for line in [
        "Content-Length: 1",
        "Transfer-Encoding: chunked",
        "Content-Length: 0\r\nContent-Length: 7",
        "Content-Length: +0",
        "transfer-encoding:",
        "Content-Length:",
    ] {
        let request = edit(REQUEST, "\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
        assert_eq!(error(&request), Some(E::RequestBody), "{line}");
    }
    assert!(upgraded(&edit(REQUEST, "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n")));
    // A wrong version must not look like success to a proxy.
    let (_, response) = refused(&edit(REQUEST, "Version: 13", "Version: 1337")).unwrap();
    assert!(!response.contains("101"));
}

#[test]
fn line_ends_folds_and_control_characters() {
    for (from, to, expected) in [
        ("\r\nHost", "\nHost", E::BareLineFeed),
        ("\r\nOrigin", "\rOrigin", E::InvalidHeaderValue),
        ("\r\n\r\n", "\r\n\n", E::BareLineFeed),
        ("\r\nOrigin", "\r\n Origin", E::FoldedHeader),
        ("Upgrade:", "Upgrade :", E::InvalidHeaderName),
        ("Upgrade:", ":", E::InvalidHeaderName),
        ("Upgrade:", "Upgrade", E::InvalidHeaderName),
        ("example", "exa\0mple", E::InvalidHeaderValue),
        ("GET ", "GET\t", E::InvalidRequestLine),
        ("GET ", " ", E::InvalidRequestLine),
    ] {
        assert_eq!(error(&edit(REQUEST, from, to)), Some(expected), "{from:?} -> {to:?}");
    }
    assert_eq!(error(b"\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03\n"), Some(E::Tls), "TLS on a plain port");
    // Each line by itself is checked like all together.
    for byte in (0..b' ').chain([0x7F]) {
        let bad = REQUEST.replace("example", "exa~mple").into_bytes();
        let bad = Vec::from_iter(bad.into_iter().map(|old| if old == b'~' { byte } else { old }));
        let lines = || bad.split_inclusive(|byte| *byte == b'\n');
        let whole = serve_chunks([&bad[..]], Config::default()).0;
        assert_eq!(serve_chunks(lines(), Config::default()).0, whole, "{byte:#x}");
    }
}

#[test]
fn trap_16_and_17_unfinished_heads_wait_for_more() {
    for end in 0..REQUEST.len() {
        let (served, _) = serve_chunks([&REQUEST.as_bytes()[..end]], Config::default());
        assert_eq!(served, Served::Incomplete, "{end}");
    }
    for end in 0..RESPONSE.len() {
        assert_eq!(answer_chunks([&RESPONSE.as_bytes()[..end]]).0, Answered::Incomplete, "{end}");
    }
}

// Answers.

#[test]
fn an_accepted_request_with_headers() {
    let mut request = upgrade(REQUEST.as_bytes());
    request.add_header("Set-Cookie", "a=b").unwrap();
    request.add_header("Set-Cookie", b"c=\xFF").unwrap();
    request.choose_subprotocol("chat").unwrap();
    let expected = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
        Set-Cookie: a=b\r\nSet-Cookie: c=\xFF\r\n\r\n";
    let connection = request.accept();
    assert_eq!(connection.output(), expected);
    assert!(connected(connection.output()), "the client reads what the server writes");
    let response = Response::new(403).unwrap();
    assert_eq!(upgrade(REQUEST.as_bytes()).reject(&response), response.encode());
}

// From name-value pairs.

fn pairs(head: &str) -> Vec<(String, String)> {
    let lines = head.split_terminator("\r\n").skip(1).take_while(|line| !line.is_empty());
    lines
        .map(|line| {
            line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())).unwrap()
        })
        .collect()
}

#[test]
fn the_configuration_can_be_replaced_before_accepting() {
    let mut request = UpgradeRequest::from_parts("GET", "/", pairs(REQUEST), Config::default()).unwrap();
    request.set_config(Config::default().max_message(4));
    let mut connection = request.accept();
    let mut masked = [0x81, 0x85, 0, 0, 0, 0, b'H', b'e', b'l', b'l', b'o'];
    let event = connection.recv(&mut Input::new(&mut masked));
    assert_eq!(event, Some(Event::Failed(ProtocolError::MessageTooLarge)));
}

#[test]
fn pairs_pass_the_same_checks_as_bytes() {
    let mut request =
        UpgradeRequest::from_parts("GET", "/chat?room=1", pairs(REQUEST), Config::default()).unwrap();
    request.choose_subprotocol("chat").unwrap();
    request.add_header("X", "y").unwrap();
    let (accepted, connection) = request.accept_parts();
    assert_eq!(connection.output(), b"");
    assert_eq!(accepted.status(), 101);
    let headers: Vec<_> =
        accepted.headers().map(|(name, value)| (name, core::str::from_utf8(value).unwrap())).collect();
    let expected = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "chat"),
        ("X", "y"),
    ];
    assert_eq!(headers, expected);
    let established = client().recv_parts(101, accepted.headers()).unwrap().1;
    assert_eq!(established.subprotocol(), Some("chat"));

    let error = |method: &str, target: &str, headers: Vec<(String, String)>| {
        UpgradeRequest::from_parts(method, target, headers, Config::default())
            .map_err(|refusal| refusal.error())
            .err()
    };
    assert_eq!(error("POST", "/", pairs(REQUEST)), Some(E::MethodNotGet));
    assert_eq!(error("GET /", "/", pairs(REQUEST)), Some(E::InvalidTarget));
    assert_eq!(error("GET", "/ HTTP/1.1\r\nX: y", pairs(REQUEST)), Some(E::InvalidTarget));
    assert_eq!(error("GET", "/", vec![("host".into(), "h".into())]), Some(E::MissingUpgrade));
    let evil = |name: &str, value: &str| {
        let mut headers = pairs(REQUEST);
        headers.push((name.into(), value.into()));
        error("GET", "/", headers)
    };
    assert_eq!(evil("x", "a\r\ny: z"), Some(E::InvalidHeaderValue));
    assert_eq!(evil("x\r\ny", "a"), Some(E::InvalidHeaderName));
    assert_eq!(evil("content-length", "4"), Some(E::RequestBody));
    let many = (0..200).map(|i| (format!("x{i}"), "y"));
    let refusal = UpgradeRequest::from_parts("GET", "/", many, Config::default()).unwrap_err();
    assert_eq!(refusal.error(), E::TooManyHeaders);
    assert_eq!(refusal.headers().value("connection"), Some(&b"close"[..]));
}

#[test]
fn response_pairs_pass_the_same_checks_as_bytes() {
    let failure = |status, headers: Vec<(String, String)>| client().recv_parts(status, headers).err();
    assert!(failure(101, pairs(RESPONSE)).is_none());
    let wrong = pairs(&RESPONSE.replace("xOo=", "xOO="));
    assert!(matches!(failure(101, wrong), Some(E::WrongAccept)));
    assert_eq!(failure(200, pairs(RESPONSE)), Some(E::OtherStatus));
    assert_eq!(failure(101, Vec::new()), Some(E::WrongUpgrade));
    let many = (0..200).map(|i| (format!("x{i}"), String::new())).collect();
    assert_eq!(failure(101, many), Some(E::TooManyHeaders));
}

// Any bytes.

/// xorshift64*
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }

    /// A copy with a few bytes changed, removed, doubled or exchanged for others that mean something.
    fn mutate(&mut self, base: &[u8]) -> Vec<u8> {
        let mut bytes = base.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let telling = b"\r\n\0 :,;=\"\\\t\x7F\x80AZaz09+/#?@[]%";
            match self.below(5) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at] = telling[self.below(telling.len())],
                2 => bytes.insert(at, telling[self.below(telling.len())]),
                3 => drop(bytes.remove(at)),
                _ => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
            }
        }
        bytes
    }
}

#[test]
fn mutated_requests_never_depend_on_the_cuts_and_a_101_is_always_earned() {
    let mut rng = Rng(0x5EED);
    let (mut upgrades, mut refusals) = (0, 0);
    for i in 0..50_000 {
        let bytes = rng.mutate([REQUEST, CHROME, FIREFOX][i % 3].as_bytes());
        let (whole, left) = serve_chunks([&bytes[..]], Config::default());
        let (a, b) = bytes.split_at(rng.below(bytes.len()));
        let (cut, cut_left) = serve_chunks([a, b], Config::default());
        assert_eq!(cut, whole, "{:?}", bytes.escape_ascii().to_string());
        match whole {
            Served::Upgrade { response, .. } => {
                upgrades += 1;
                assert_eq!(cut_left, left);
                assert_eq!(
                    naive_accept(&bytes[..bytes.len() - left.len()]),
                    response,
                    "{}",
                    bytes.escape_ascii()
                );
            }
            Served::Refused(_, response) => {
                refusals += 1;
                assert!(response.starts_with(b"HTTP/1.1 4") || response.starts_with(b"HTTP/1.1 505"));
            }
            _ => {}
        }
    }
    assert!(upgrades > 1000 && refusals > 1000, "{upgrades} upgrades and {refusals} refusals");
}

/// The answer to a head, from a naive reading of §4.2.1; panics unless the head deserves one.
fn naive_accept(head: &[u8]) -> Vec<u8> {
    let head: String = head.iter().map(|&byte| char::from(byte)).collect();
    let head = head.strip_prefix("\r\n").unwrap_or(&head).strip_suffix("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let words: Vec<_> = lines.next().unwrap().split(' ').collect();
    assert!(
        words.len() == 3 && words[0] == "GET" && words[2].starts_with("HTTP/1.") && !words[2].ends_with('0')
    );
    let headers: Vec<_> = lines.map(|line| line.split_once(':').unwrap()).collect();
    let all = |name: &str| -> Vec<String> {
        let same = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.trim_matches([' ', '\t']).to_owned()).collect()
    };
    let has = |name: &str, token: &str| {
        all(name).join(",").split(',').any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    assert!(
        !head.contains(['\r', '\n', '\0', '\x7F'])
            || head.split("\r\n").all(|line| !line.contains(['\r', '\n', '\0', '\x7F']))
    );
    assert!(has("Upgrade", "websocket") && has("Connection", "upgrade"));
    assert_eq!(all("Sec-WebSocket-Version"), ["13"]);
    assert_eq!(all("Host").len(), 1);
    let keys = all("Sec-WebSocket-Key");
    assert!(keys.len() == 1 && keys[0].len() == 24 && keys[0].ends_with("=="));
    let accept = accept_key(keys[0].as_bytes());
    let line = [&b"Sec-WebSocket-Accept: "[..], &accept, b"\r\n\r\n"].concat();
    [&b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"[..], &line]
        .concat()
}

#[test]
fn mutated_responses_never_depend_on_the_cuts() {
    let mut rng = Rng(0xF00D);
    let (mut connections, mut failures) = (0, 0);
    for _ in 0..50_000 {
        let bytes = rng.mutate(RESPONSE.as_bytes());
        let (whole, left) = answer_chunks([&bytes[..]]);
        let (a, b) = bytes.split_at(rng.below(bytes.len()));
        let (cut, cut_left) = answer_chunks([a, b]);
        match whole {
            Answered::Connected(..) => {
                connections += 1;
                assert_eq!((cut, cut_left), (whole, left));
            }
            // How much of an unannounced body comes with the head is up to the cut.
            Answered::Refused(status, ..) => {
                assert!(matches!(cut, Answered::Refused(other, ..) if other == status));
            }
            Answered::Failed(_) | Answered::Incomplete => {
                failures += 1;
                assert_eq!(cut, whole);
            }
        }
    }
    assert!(connections > 1000 && failures > 1000, "{connections} connections and {failures} failures");
}

#[test]
fn a_connection_comes_from_both_sides() {
    let request = ClientRequest::new("ws://h/").unwrap();
    let handshake = ClientHandshake::new(request, Config::default(), nonce);
    let server: Connection = upgrade(handshake.output()).accept();
    let mut answer = server.output().to_vec();
    assert!(matches!(handshake.recv(&mut Input::new(&mut answer)), ClientProgress::Connected(..)));
}
