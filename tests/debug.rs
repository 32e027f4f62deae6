//! `Debug` of every public type says how long payloads are, and tells no payload, no secret and no key.
#![cfg(feature = "deflate")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

#[cfg(any(feature = "net", feature = "tokio"))]
#[path = "debug/adapters.rs"]
mod adapters;
#[cfg(all(feature = "net", feature = "tokio-rustls", feature = "futures-io", feature = "axum"))]
#[path = "debug/complete.rs"]
mod complete;

#[path = "debug/values.rs"]
mod values;

use core::any::type_name;
use core::fmt::Debug;
use core::time::Duration;

use common::*;
use sansocket::deflate::Inflated;
use sansocket::frame::{ControlPayload, Decoder, Utf8};
use sansocket::handshake::*;
use sansocket::*;

const SECRET: &str = "hunter2";
/// As long as a log must never get.
const MAX_LEN: usize = 3000;

/// Everything that is looked at, by its type.
#[derive(Default)]
struct Logged(Vec<(&'static str, String)>);

impl Logged {
    fn look<T: Debug>(&mut self, value: &T) {
        self.0.push((type_name::<T>(), format!("{value:?}")));
        self.0.push((type_name::<T>(), format!("{value:#?}")));
    }
}

fn long() -> Vec<u8> {
    SECRET.as_bytes().repeat(20_000)
}

fn request_headers() -> [(&'static str, &'static str); 7] {
    [
        ("Host", "h"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Cookie", SECRET),
        ("Authorization", SECRET),
    ]
}

fn upgrade() -> UpgradeRequest {
    let mut request = UpgradeRequest::from_parts("GET", "/", request_headers(), Config::default())
        .expect("a legal request");
    request.add_header("Set-Cookie", SECRET).expect("a legal header");
    request
}

fn random(bytes: &mut [u8]) {
    let secret = SECRET.as_bytes().iter().cycle();
    bytes.iter_mut().zip(secret).for_each(|(byte, secret)| *byte = *secret);
}

fn client_request() -> ClientRequest {
    let request = ClientRequest::new("ws://user:hunter2@h/?token=hunter2").expect("a legal URL");
    request.header("Cookie", SECRET).expect("a legal header")
}

fn refused() -> RefusedResponse {
    let handshake = ClientHandshake::new(client_request(), Config::default(), random);
    let mut answer =
        format!("HTTP/1.1 403 \r\nSet-Cookie: {SECRET}\r\nContent-Length: 7\r\n\r\n{SECRET}").into_bytes();
    match handshake.recv(&mut Input::new(&mut answer)) {
        ClientProgress::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

fn look_at_connections(logged: &mut Logged) {
    for role in Role::BOTH {
        let deflate = sansocket::deflate::Deflate::default();
        let mut connection = role.connection(Config::default()).with_deflate(&deflate, &Default::default());
        connection.compress(false);
        connection.send_binary(&long()).expect("it is open");
        // A message that is being put together.
        events(&mut connection, &role.frame(FIRST_BINARY, &long()));
        events(&mut connection, &role.frame(PING, SECRET.as_bytes())[..6]);
        logged.look(&connection);
        let (receiver, mut sender) = connection.split();
        logged.look(&receiver);
        logged.look(&sender);
        logged.look(&sender.take_output());
        logged.look(&sender.state());
        let mut connection = open(role);
        let mut ping = role.frame(PING, SECRET.as_bytes());
        let ping = connection.recv(&mut Input::new(&mut ping)).expect("a Ping");
        logged.look(&ping);
        let (mut receiver, _) = open(role).split();
        let mut ping = role.frame(PING, SECRET.as_bytes());
        let _ = receiver.recv(&mut Input::new(&mut ping));
        logged.look(&receiver.take_notice());
        logged.look(&connection);
    }
}

fn look_at_messages(logged: &mut Logged) {
    for message in [Message::from(SECRET.repeat(20_000)), Message::from(long())] {
        logged.look(&EncodedMessage::new(&message));
        let compressed = EncodedMessage::compressed(&message, &sansocket::deflate::Deflate::default());
        logged.look(&compressed);
        logged.look(&message);
        let chunk = Chunk { first: true, last: true, data: message.clone() };
        logged.look(&chunk);
        logged.look(&Event::Chunk(chunk));
        logged.look(&Event::Message(message));
    }
    logged.look(&Event::Close(Some(CloseFrame::new(CloseCode::NORMAL, "bye").into())));
    let mut buffer = ReadBuffer::default();
    buffer.extend_from_slice(&long());
    logged.look(&buffer);
    logged.look(&buffer.input());
    let mut bytes = long();
    logged.look(&Input::new(&mut bytes));
    let mut buffer = ReadBuffer::new(1 << 20, 1 << 20);
    buffer.space()[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    buffer.filled(SECRET.len());
    logged.look(&buffer);
    logged.look(&ControlPayload::new(SECRET.as_bytes()));
    let mut frame = Role::Client.frame(BINARY, &long());
    let mut decoder = Decoder::client(NO_LIMITS);
    logged.look(&decoder);
    logged.look(&decoder.next(&mut Input::new(&mut frame)).expect("a legal frame"));
}

fn look_at_servers(logged: &mut Logged) {
    logged.look(&upgrade());
    logged.look(&upgrade().headers());
    logged.look(&upgrade().accept_parts().0);
    logged.look(&upgrade().accept());
    let page =
        Response::new(200).expect("a status").header("Set-Cookie", SECRET).expect("a header").body(long());
    logged.look(&page);
    logged.look(&Answer::from(page.encode()));
    logged.look(&Answer::from(upgrade().accept()));

    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {SECRET}\r\n");
    let mut half = head.clone().into_bytes();
    let progress = ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut half));
    logged.look(&progress);
    let mut http = format!("{head}\r\n").into_bytes();
    let progress = ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut http));
    logged.look(&progress);
    let ServerProgress::Http(request) = progress else { panic!("{progress:?}") };
    logged.look(&request);
    logged.look(&request.into_parts());
    let mut bad = format!("{head}Upgrade: websocket\r\n\r\n").into_bytes();
    logged.look(&ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bad)));

    let mut server = Server::new(Config::default());
    let mut half = head.into_bytes();
    assert!(server.recv(&mut Input::new(&mut half)).is_none());
    logged.look(&server);
    let mut rest = format!("\r\n{SECRET}").into_bytes();
    let event = server.recv(&mut Input::new(&mut rest));
    logged.look(&event);
    server.answer(page.encode());
    logged.look(&server);
    let policy = OriginPolicy::allow(["https://a.example"]);
    logged.look(&policy);
    let offered = "Sec-WebSocket-Extensions";
    let headers =
        request_headers().into_iter().chain([(offered, "permessage-deflate; client_max_window_bits")]);
    let request =
        UpgradeRequest::from_parts("GET", "/", headers, Config::default()).expect("a legal request");
    logged.look(&request.extensions().next().expect("it offers one"));
    logged.look(&sansocket::deflate::Zlib::new(1));
}

fn look_at_clients(logged: &mut Logged) {
    logged.look(&Url::parse("ws://user:hunter2@h/"));
    logged.look(&Proxy::parse("http://user:hunter2@p"));
    let (proxy, url) =
        (Proxy::parse("http://user:hunter2@p").expect("a URL"), Url::parse("ws://h").expect("a URL"));
    logged.look(&ProxyHandshake::new(&proxy, &url, Config::default()));
    let socks5 = Proxy::parse("socks5://user:hunter2@p").expect("a URL");
    logged.look(&socks5);
    logged.look(&Socks5Handshake::new(&socks5, &url).expect("a short name"));
    let secret = |name: &str| (name == "http_proxy").then(|| String::from("no://user:hunter2@p"));
    logged.look(&Proxy::from_vars(&url, secret));
    logged.look(&client_request());
    let handshake = ClientHandshake::new(client_request(), Config::default(), random);
    logged.look(&handshake);
    logged.look(&handshake.headers());
    logged.look(&refused());
    logged.look(&ClientEvent::Refused(Box::new(refused())));
    logged.look(&ConnectHandshake::new(client_request(), Config::default(), random));
    let options = ConnectOptions::from(Config::default()).proxy(proxy);
    logged.look(&options);
    let mut client = Client::new(client_request(), options, random);
    logged.look(&client);
    client.connected();
    logged.look(&client);
    client.output_written(client.output().len());
    let mut accepted = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    assert!(client.recv(&mut Input::new(&mut accepted)).is_none());
    logged.look(&client);
    assert_eq!(client.step(), Step::Run);

    logged.look(&established());
}

/// The response of a server that chose a subprotocol and set a cookie.
fn established() -> Established {
    let request = client_request().subprotocol("chat").expect("a token");
    let handshake = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    let accept = accept_key(handshake.headers().value("Sec-WebSocket-Key").expect("a key"));
    let headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", core::str::from_utf8(&accept).expect("ASCII")),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Set-Cookie", SECRET),
    ];
    handshake.recv_parts(101, headers).expect("a legal response").1
}

/// What an endpoint is doing, and what a connection came to, is the first thing that is looked for in a log.
#[test]
fn debug_says_where_an_endpoint_is() {
    let client = |url: &str, proxy: Option<&str>| {
        let mut options = ConnectOptions::from(Config::default());
        if let Some(proxy) = proxy {
            options = options.proxy(Proxy::parse(proxy).expect("a URL"));
        }
        let mut client = Client::new(ClientRequest::new(url).expect("a URL"), options, random);
        client.connected();
        client
    };
    let mut over = client("ws://h/", None);
    over.handle_timeout(Duration::ZERO);
    over.handle_timeout(Duration::MAX);
    for (client, phase) in [
        (client("ws://h/", None), "Handshake"),
        (client("wss://h/", None), "StartTls"),
        (client("ws://h/", Some("http://p")), "Proxy"),
        (client("ws://h/", Some("https://p")), "StartProxyTls"),
        (over, "Over"),
    ] {
        let text = format!("{client:?}");
        assert!(text.contains(&format!("phase: {phase:?}")), "{phase}: {text}");
    }

    let request = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let server = |bytes: &[u8]| {
        let mut server = Server::new(Config::default());
        server.handle_timeout(Duration::ZERO);
        let asked = match server.recv(&mut Input::new(&mut bytes.to_vec())) {
            Some(ServerEvent::Upgrade(request)) => Some(request),
            _ => None,
        };
        (server, asked)
    };
    let (mut kept, asked) = server(request);
    let frame = Role::Server.frame(BINARY, b"kept");
    assert!(kept.recv(&mut Input::new(&mut frame.clone())).is_none());
    kept.answer(asked.expect("a request").accept());
    let (mut over, _) = server(b"GET");
    over.handle_timeout(Duration::MAX);
    for (server, phase) in
        [(server(b"GET").0, "Head"), (server(request).0, "Deciding"), (kept, "Kept"), (over, "Over")]
    {
        let text = format!("{server:?}");
        assert!(text.contains(&format!("phase: {phase:?}")), "{phase}: {text}");
    }

    let by_url = ConnectOptions::default().choose_proxy(|_| Ok(None));
    for (options, proxy) in [(ConnectOptions::default(), "proxy: None"), (by_url, "proxy: ByUrl")] {
        let text = format!("{options:?}");
        assert!(text.contains(proxy), "{text}");
    }
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "bye");
    let close = Event::Close(Some(frame.into()));
    assert_eq!(format!("{frame:?}"), r#"CloseFrame { code: 1001, reason: "bye" }"#);
    assert_eq!(format!("{close:?}"), format!("Close(Some({frame:?}))"));
    assert_eq!(format!("{:?}", Event::Failed(ProtocolError::MaskedFrame)), "Failed(MaskedFrame)");
}

#[test]
fn an_established_connection_shows_its_status_and_subprotocol() {
    assert_eq!(
        format!("{:?}", established()),
        r#"Established { status: 101, subprotocol: Some("chat"), .. }"#
    );
}

#[test]
fn text_and_data_are_shown_by_their_length() {
    let (mut utf8, euro) = (Utf8::new(), "€".as_bytes());
    assert!(utf8.push(&euro[..1]).is_ok());
    assert_eq!(format!("{utf8:?}"), "Utf8 { missing: 2 }");
    let bytes = [&euro[1..], b"uro\xFF"].concat();
    let invalid = utf8.push(&bytes).expect_err("no text");
    assert_eq!(format!("{invalid:?}"), "InvalidUtf8 { valid: ValidText { len: 6, .. } }");
    let inflated = Inflated { consumed: 7, data: b"four", done: true };
    assert_eq!(format!("{inflated:?}"), "Inflated { consumed: 7, len: 4, done: true }");
}

#[test]
fn debug_tells_lengths_and_no_secret() {
    let mut logged = Logged::default();
    look_at_connections(&mut logged);
    look_at_messages(&mut logged);
    look_at_servers(&mut logged);
    look_at_clients(&mut logged);
    values::look(&mut logged);
    #[cfg(any(feature = "net", feature = "tokio"))]
    adapters::look(&mut logged);
    #[cfg(all(feature = "net", feature = "tokio-rustls", feature = "futures-io", feature = "axum"))]
    complete::check(&logged);
    // As text, as a list of numbers on one or many lines, and as base64 of the user's password.
    let numbers = SECRET.bytes().map(|byte| byte.to_string());
    let numbers = Vec::from_iter(numbers);
    let forms = [SECRET.to_owned(), numbers.join(", "), "aHVudGVy".to_owned(), "dXNlcjpodW50ZXIy".to_owned()];
    let mut told = Vec::new();
    for (name, text) in &logged.0 {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(", ]", "]");
        if forms.iter().any(|form| flat.contains(form.as_str())) {
            told.push(format!("{name} tells the secret: {}", &flat[..flat.len().min(200)]));
        } else if flat.is_empty() || [": ,", ": }", "(,", "( ,"].iter().any(|empty| flat.contains(empty)) {
            told.push(format!("{name} has a part that tells nothing: {flat}"));
        } else if flat.len() > MAX_LEN {
            told.push(format!("{name} takes {} characters: {}", flat.len(), &flat[..200]));
        }
    }
    told.dedup();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
