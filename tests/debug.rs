//! `Debug` of what may be logged says how long payloads are, and tells no payload, no secret and no key.
#![cfg(feature = "deflate")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

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

/// Everything that is looked at, by its name.
#[derive(Default)]
struct Logged(Vec<(&'static str, String)>);

impl Logged {
    fn look(&mut self, name: &'static str, value: &impl Debug) {
        self.0.push((name, format!("{value:?}")));
        self.0.push((name, format!("{value:#?}")));
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
    let request = ClientRequest::new("ws://user:hunter2@h/").expect("a legal URL");
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
        logged.look("Connection", &connection);
        let (receiver, sender) = connection.split();
        logged.look("Receiver", &receiver);
        logged.look("Sender", &sender);
        let mut connection = open(role);
        let mut ping = role.frame(PING, SECRET.as_bytes());
        let ping = connection.recv(&mut Input::new(&mut ping)).expect("a Ping");
        logged.look("Event::Ping", &ping);
        let (mut receiver, _) = open(role).split();
        let mut ping = role.frame(PING, SECRET.as_bytes());
        let _ = receiver.recv(&mut Input::new(&mut ping));
        logged.look("Notice", &receiver.take_notice());
        logged.look("OutputAfterPing", &connection);
    }
}

fn look_at_messages(logged: &mut Logged) {
    for message in [Message::from(SECRET.repeat(20_000)), Message::from(long())] {
        logged.look("EncodedMessage", &EncodedMessage::new(&message));
        let compressed = EncodedMessage::compressed(&message, &sansocket::deflate::Deflate::default());
        logged.look("EncodedMessage, compressed", &compressed);
        logged.look("Message", &message);
        logged.look("Event::Chunk", &Event::Chunk(Chunk { first: true, last: true, data: message.clone() }));
        logged.look("Event::Message", &Event::Message(message));
    }
    logged.look("Event::Close", &Event::Close(Some(CloseFrame::new(CloseCode::NORMAL, "bye").into())));
    let mut buffer = ReadBuffer::default();
    buffer.extend_from_slice(&long());
    logged.look("ReadBuffer", &buffer);
    logged.look("Lent", &buffer.input());
    let mut bytes = long();
    logged.look("Input", &Input::new(&mut bytes));
    let mut buffer = ReadBuffer::new(1 << 20, 1 << 20);
    buffer.space()[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    buffer.filled(SECRET.len());
    logged.look("ReadBuffer", &buffer);
    logged.look("ControlPayload", &ControlPayload::new(SECRET.as_bytes()));
    let mut frame = Role::Client.frame(BINARY, &long());
    let mut decoder = Decoder::client(NO_LIMITS);
    logged.look("frame::Decoder", &decoder);
    logged.look("frame::Part", &decoder.next(&mut Input::new(&mut frame)).expect("a legal frame"));
}

fn look_at_servers(logged: &mut Logged) {
    logged.look("UpgradeRequest", &upgrade());
    logged.look("Headers", &upgrade().headers());
    logged.look("Accepted", &upgrade().accept_parts().0);
    logged.look("accepted Connection", &upgrade().accept());
    let page =
        Response::new(200).expect("a status").header("Set-Cookie", SECRET).expect("a header").body(long());
    logged.look("Response", &page);
    logged.look("Answer", &Answer::from(page.encode()));
    logged.look("Answer", &Answer::from(upgrade().accept()));

    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {SECRET}\r\n");
    let mut half = head.clone().into_bytes();
    let progress = ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut half));
    logged.look("ServerHandshake", &progress);
    let mut http = format!("{head}\r\n").into_bytes();
    let progress = ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut http));
    logged.look("HttpRequest", &progress);
    let ServerProgress::Http(request) = progress else { panic!("{progress:?}") };
    logged.look("HttpRequestParts", &request.into_parts());
    let mut bad = format!("{head}Upgrade: websocket\r\n\r\n").into_bytes();
    logged.look("Refusal", &ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bad)));

    let mut server = Server::new(Config::default());
    let mut half = head.into_bytes();
    assert!(server.recv(&mut Input::new(&mut half)).is_none());
    logged.look("Server", &server);
    let mut rest = format!("\r\n{SECRET}").into_bytes();
    let event = server.recv(&mut Input::new(&mut rest));
    logged.look("ServerEvent", &event);
    server.answer(page.encode());
    logged.look("Server", &server);
    let policy = OriginPolicy::allow(["https://a.example"]);
    logged.look("OriginPolicy", &policy);
    let offered = "Sec-WebSocket-Extensions";
    let headers =
        request_headers().into_iter().chain([(offered, "permessage-deflate; client_max_window_bits")]);
    let request =
        UpgradeRequest::from_parts("GET", "/", headers, Config::default()).expect("a legal request");
    logged.look("Extension", &request.extensions().next().expect("it offers one"));
    logged.look("Zlib", &sansocket::deflate::Zlib::new(1));
}

fn look_at_clients(logged: &mut Logged) {
    logged.look("Url", &Url::parse("ws://user:hunter2@h/"));
    logged.look("Proxy", &Proxy::parse("http://user:hunter2@p"));
    let (proxy, url) =
        (Proxy::parse("http://user:hunter2@p").expect("a URL"), Url::parse("ws://h").expect("a URL"));
    logged.look("ProxyHandshake", &ProxyHandshake::new(&proxy, &url, Config::default()));
    let socks5 = Proxy::parse("socks5://user:hunter2@p").expect("a URL");
    logged.look("Proxy, SOCKS5", &socks5);
    logged.look("Socks5Handshake", &Socks5Handshake::new(&socks5, &url).expect("a short name"));
    let secret = |name: &str| (name == "http_proxy").then(|| String::from("no://user:hunter2@p"));
    logged.look("ProxyVarError", &Proxy::from_vars(&url, secret));
    logged.look("ClientRequest", &client_request());
    let handshake = ClientHandshake::new(client_request(), Config::default(), random);
    logged.look("ClientHandshake", &handshake);
    logged.look("Headers", &handshake.headers());
    logged.look("RefusedResponse", &refused());
    logged.look("ClientEvent", &ClientEvent::Refused(Box::new(refused())));
    logged.look("ConnectHandshake", &ConnectHandshake::new(client_request(), Config::default(), random));
    let options = ConnectOptions::from(Config::default()).proxy(proxy);
    logged.look("ConnectOptions", &options);
    let mut client = Client::new(client_request(), options, random);
    logged.look("Client", &client);
    client.connected();
    logged.look("Client, connected", &client);
    client.output_written(client.output().len());
    let mut accepted = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    assert!(client.recv(&mut Input::new(&mut accepted)).is_none());
    logged.look("Client, in the tunnel", &client);
    assert_eq!(client.step(), Step::Run);

    logged.look("Established", &established());
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

/// A request with secrets, and a message behind it.
#[cfg(any(feature = "net", feature = "tokio"))]
fn opening() -> Vec<u8> {
    let lines = request_headers().map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let mut bytes = format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes();
    bytes.extend(Role::Server.frame(BINARY, &long()));
    bytes
}

#[cfg(any(feature = "net", feature = "tokio"))]
fn sockets() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let peer = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    (listener.accept().expect("a peer").0, peer)
}

#[cfg(feature = "net")]
fn look_at_net(logged: &mut Logged) {
    use sansocket::net::{Accepting, Connecting, Incoming, WebSocket};
    use std::io::Write;

    let (stream, mut peer) = sockets();
    let writing = std::thread::spawn(move || {
        peer.write_all(&opening()).expect("it is read");
        peer
    });
    let accepting = Accepting::new(stream, Config::default());
    logged.look("net::Accepting", &accepting);
    let Ok(Incoming::Upgrade(upgrade)) = accepting.finish() else { panic!("a legal request") };
    logged.look("net::Upgrade", &upgrade);
    let mut ws = upgrade.accept().expect("an open stream");
    logged.look("net::WebSocket, with a message unread", &ws);
    let mut batch = ws.read().expect("an open stream").expect("a message");
    logged.look("net::Batch", &batch);
    while batch.recv().is_none() {
        batch = ws.read().expect("an open stream").expect("a message");
    }
    ws.feed(&Message::from(long())).expect("it is open");
    logged.look("net::WebSocket, with output", &ws);
    let (stream, connection, _) = ws.into_parts();
    let ws = WebSocket::from_parts(stream, connection, long());
    logged.look("net::WebSocket::from_parts", &ws);
    let (reader, writer) = ws.into_split().expect("a socket");
    logged.look("net::ReadHalf", &reader);
    logged.look("net::WriteHalf", &writer);
    let (stream, _peer) = sockets();
    logged.look("net::Connecting", &Connecting::new(stream, client_request(), Config::default()));
    drop(writing);
}

#[cfg(feature = "tokio")]
async fn look_at_tokio(logged: &mut Logged) {
    use sansocket::tokio::{Accepting, Connecting, Incoming, WebSocket};
    use std::io::Write;

    let stream = |stream: std::net::TcpStream| {
        stream.set_nonblocking(true).expect("a socket");
        ::tokio::net::TcpStream::from_std(stream).expect("a runtime")
    };
    let (accepted, mut peer) = sockets();
    let writing = std::thread::spawn(move || {
        peer.write_all(&opening()).expect("it is read");
        peer
    });
    let mut accepting = Accepting::new(stream(accepted), Config::default());
    logged.look("tokio::Accepting", &accepting);
    let Ok(Incoming::Upgrade(upgrade)) = accepting.advance().await else { panic!("a legal request") };
    logged.look("tokio::Upgrade", &upgrade);
    let mut ws = upgrade.accept().await.expect("an open stream");
    logged.look("tokio::WebSocket, with a message unread", &ws);
    let mut batch = ws.read().await.expect("an open stream").expect("a message");
    logged.look("tokio::Batch", &batch);
    while batch.recv().is_none() {
        batch = ws.read().await.expect("an open stream").expect("a message");
    }
    ws.feed(&Message::from(long())).expect("it is open");
    logged.look("tokio::WebSocket, with output", &ws);
    let (unread, connection, _) = ws.into_parts();
    let ws = WebSocket::from_parts(unread, connection, long());
    logged.look("tokio::WebSocket::from_parts", &ws);
    let (reader, writer) = ws.into_split();
    logged.look("tokio::ReadHalf", &reader);
    let shared = writer.share();
    let _ = shared.try_send(&Message::from(long()));
    logged.look("tokio::SharedSender", &shared);
    logged.look("tokio::WriteHalf", &writer);
    logged.look("Command", &sansocket::tokio::Command::Message(Message::from(long())));
    let (connected, _peer) = sockets();
    logged
        .look("tokio::Connecting", &Connecting::new(stream(connected), client_request(), Config::default()));
    drop(writing);
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
    #[cfg(feature = "net")]
    look_at_net(&mut logged);
    #[cfg(feature = "tokio")]
    ::tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(look_at_tokio(&mut logged));
    // As text, as a list of numbers on one or many lines, and as base64 of the user's password.
    let numbers = SECRET.bytes().map(|byte| byte.to_string());
    let numbers = Vec::from_iter(numbers);
    let forms =
        [SECRET.to_owned(), numbers.join(", "), "aHVudGVyMg".to_owned(), "dXNlcjpodW50ZXIy".to_owned()];
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
