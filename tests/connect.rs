//! Connecting by URL in both adapters: redirects, proxies, randomness, and one deadline for all of it.
#![cfg(all(feature = "net", feature = "tokio"))]

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use sansocket::handshake::{
    ArgumentError, ClientRequest, HandshakeError, Proxy, RedirectError, Redirects, Socks5Error, Url, UrlError,
};
use sansocket::net::{Accepting, ConnectOptions, Error, Incoming};
use sansocket::{
    Config, Event, Message, OpenError, OsRandom, ProtocolError, Reconnect, net, tokio as ws_tokio,
};

/// Connects with each adapter and has one message echoed.
fn connect(url: &str, options: &ConnectOptions) -> [Result<(), Error>; 2] {
    let request = || ClientRequest::new(url).unwrap().header("Cookie", "secret").unwrap();
    let hello = Message::from("Hello");
    let blocking = net::connect_with(request(), options.clone()).map(|(mut ws, _)| {
        ws.send(&hello).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Event::Message(hello.clone())));
    });
    let asynchronous = block_on(async {
        let (mut ws, _) = ws_tokio::connect_with(request(), options.clone()).await?;
        ws.send(&hello).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(hello.clone())));
        Ok(())
    });
    [blocking, asynchronous]
}

/// A server that does the same with every connection; its port.
fn serve(each: impl Fn(TcpStream) + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let each = each.clone();
            thread::spawn(move || each(stream.unwrap()));
        }
    });
    port
}

/// A WebSocket server that echoes one message.
fn echo() -> u16 {
    serve(|stream| {
        let mut ws = net::accept(stream).unwrap();
        if let Some(Event::Message(message)) = ws.recv().unwrap().map(Event::into_owned) {
            ws.send(&message).unwrap();
        }
        while let Ok(Some(_)) = ws.recv() {}
    })
}

/// A server that gives every request the same answer, and what it was asked.
fn answer(bytes: String) -> (u16, Receiver<String>) {
    let (asked, requests) = channel();
    let port = serve(move |mut stream| {
        let _ = asked.send(head(&mut stream));
        let _ = stream.write_all(bytes.as_bytes());
        let _ = stream.read(&mut [0; 1]);
    });
    (port, requests)
}

/// Reads a head, and nothing behind it.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

fn redirect(location: &str) -> (u16, Receiver<String>) {
    answer(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
}

fn options() -> ConnectOptions {
    Config::default().into()
}

#[test]
fn redirects_are_followed_only_when_asked_for() {
    let (second, requests) = redirect(&format!("http://localhost:{}/end", echo()));
    let (first, _) = redirect(&format!("//127.0.0.1:{second}/next"));
    let url = format!("ws://me:secret@127.0.0.1:{first}/");
    for result in connect(&url, &options()) {
        assert!(matches!(result, Err(Error::Refused(refused)) if refused.status() == 302));
    }
    for result in connect(&url, &options().redirects(Redirects::new(1))) {
        assert!(matches!(result, Err(Error::Redirect(RedirectError::TooMany))), "{result:?}");
        requests.recv().unwrap();
    }
    for result in connect(&url, &options().redirects(Redirects::new(2))) {
        result.unwrap();
        let request = requests.recv().unwrap();
        assert!(request.starts_with("GET /next HTTP/1.1\r\n"), "{request}");
        assert!(!request.contains("secret") && !request.contains("Authorization"), "{request}");
    }
}

/// What is asked of a dial of one's own, and what is made of its streams and errors.
#[test]
fn over_a_dial_of_ones_own() {
    let (port, (asked, hosts)) = (echo(), channel());
    let (refusing, _) = redirect("http://[::1]:81/");
    // The first server redirects; both are somewhere else.
    let place = move |host: &str| ("127.0.0.1", if host == "first.test" { refusing } else { port });
    let options = || options().redirects(Redirects::new(1));
    let expected = [("first.test".to_string(), 80), ("::1".to_string(), 81)];

    let ask = asked.clone();
    let dial = |host: &str, port| {
        ask.send((host.to_string(), port)).unwrap();
        TcpStream::connect(place(host))
    };
    let (mut ws, established) = net::connect_over("ws://first.test/", options(), dial).unwrap();
    assert!(established.subprotocol().is_none() && ws.stream().tcp().nodelay().unwrap());
    ws.send_text("Hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("Hello"))));
    assert_eq!([hosts.recv().unwrap(), hosts.recv().unwrap()], expected);
    let dial = |_: &str, _| Err(ErrorKind::AddrInUse.into());
    let error = net::connect_over("ws://first.test/", options(), dial).unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::AddrInUse));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let connecting = async move {
        let dial = |host: String, port| {
            let place = place(&host);
            asked.send((host, port)).unwrap();
            tokio::net::TcpStream::connect(place)
        };
        let (mut ws, _) = ws_tokio::connect_over("ws://first.test/", options(), dial).await.unwrap();
        assert!(ws.stream().tcp().nodelay().unwrap());
        ws.send_text("Hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(Message::from("Hello"))));
    };
    runtime.block_on(runtime.spawn(connecting)).unwrap();
    assert_eq!([hosts.recv().unwrap(), hosts.recv().unwrap()], expected);
    // As documented, and as a task.
    let connecting = async {
        let dial = async |_: String, _| std::future::pending().await;
        let config = Config::default().handshake_timeout(Duration::from_millis(50));
        ws_tokio::connect_over("ws://first.test/", config, dial).await.unwrap_err()
    };
    let error = runtime.block_on(runtime.spawn(connecting)).unwrap();
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::TimedOut));
}

#[test]
fn a_circle_ends() {
    let (port, requests) = redirect("/again");
    for result in connect(&format!("ws://127.0.0.1:{port}/"), &options().redirects(Redirects::new(3))) {
        assert!(matches!(result, Err(Error::Redirect(RedirectError::TooMany))), "{result:?}");
    }
    assert_eq!(requests.try_iter().count(), 8);
}

/// What clients send on the way to a server that echoes, after their end.
fn tapped() -> (u16, Receiver<Vec<u8>>) {
    let (sent, all_sent) = channel();
    let echo = echo();
    let port = serve(move |mut client| {
        let mut server = TcpStream::connect(("127.0.0.1", echo)).unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (mut bytes, mut buf) = (Vec::new(), [0; 1000]);
        while let Ok(n @ 1..) = client.read(&mut buf) {
            bytes.extend_from_slice(&buf[..n]);
            let _ = server.write_all(&buf[..n]);
        }
        sent.send(bytes).unwrap();
    });
    (port, all_sent)
}

/// A message of a client that has connected, and its echo.
macro_rules! hello {
    ($ws:expr $(, $await:tt)?) => {{
        let mut ws = $ws;
        ws.send_text("Hello")$(.$await)?.unwrap();
        assert_eq!(ws.recv()$(.$await)?.unwrap(), Some(Event::Message("Hello".into())));
    }};
}

/// A way in which an adapter becomes a client of the server on a port.
type Way = (&'static str, fn(u16));

const WAYS: [Way; 4] = [
    ("net::connect_with", |port| hello!(net::connect_with(request(port), options()).unwrap().0)),
    ("net::client", |port| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        hello!(net::client(stream, request(port), options()).unwrap().0);
    }),
    ("tokio::connect_with", |port| {
        block_on(async {
            hello!(ws_tokio::connect_with(request(port), options()).await.unwrap().0, await);
        });
    }),
    ("tokio::Connecting", |port| {
        block_on(async {
            let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let mut connecting = ws_tokio::Connecting::new(stream, request(port), options());
            hello!(connecting.advance().await.unwrap().0, await);
        });
    }),
];

fn request(port: u16) -> ClientRequest {
    ClientRequest::new(&format!("ws://127.0.0.1:{port}/")).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// No two are equal, and in each place there are many values: they are not counted.
fn assert_random<const N: usize>(all: &[[u8; N]], what: &str) {
    let different = BTreeSet::from_iter(all);
    assert_eq!(different.len(), all.len(), "{what}: {all:02x?}");
    for at in 0..N {
        let values = BTreeSet::from_iter(all.iter().map(|bytes| bytes[at]));
        assert!(values.len() > 8, "{what}, byte {at}: {values:02x?}");
    }
}

/// RFC 6455 §4.1: "The nonce MUST be selected randomly for each connection." §5.3: "The masking key needs to be unpredictable".
#[test]
fn keys_and_masks_are_random_in_every_adapter() {
    let (port, all_sent) = tapped();
    let (mut all_keys, mut all_masks) = (Vec::new(), Vec::new());
    for (way, connect) in WAYS {
        let (mut keys, mut masks) = (Vec::new(), Vec::new());
        for _ in 0..32 {
            connect(port);
            let bytes = all_sent.recv_timeout(Duration::from_secs(20)).unwrap();
            let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let (_, key) = head.split_once("Sec-WebSocket-Key: ").unwrap();
            let mut nonce = [0; 18];
            let len = STANDARD.decode_slice(key.split("\r\n").next().unwrap(), &mut nonce).unwrap();
            keys.push(<[u8; 16]>::try_from(&nonce[..len]).unwrap());
            assert_eq!(bytes[end..end + 2], [0x81, 0x85]);
            masks.push(<[u8; 4]>::try_from(&bytes[end + 2..end + 6]).unwrap());
        }
        assert_random(&keys, &format!("keys of {way}"));
        assert_random(&masks, &format!("masks of {way}"));
        all_keys.extend(keys);
        all_masks.extend(masks);
    }
    assert_random(&all_keys, "all keys");
    assert_random(&all_masks, "all masks");
}

/// A proxy that opens tunnels after an answer in small pieces, and what it was asked.
fn proxy() -> (u16, Receiver<String>) {
    let (asked, requests) = channel();
    let port = serve(move |mut client| {
        client.set_nodelay(true).unwrap();
        let request = head(&mut client);
        let target = request.split(' ').nth(1).unwrap().to_owned();
        asked.send(request).unwrap();
        for byte in b"HTTP/1.1 100 Wait\r\n\r\nHTTP/1.0 200 Connection established\r\nVia: me\r\n\r\n" {
            client.write_all(&[*byte]).unwrap();
        }
        let mut server = TcpStream::connect(target).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut server, &mut client);
    });
    (port, requests)
}

#[test]
fn through_a_proxy_and_redirects_too() {
    let (port, requests) = proxy();
    let server = echo();
    let (first, _) = redirect(&format!("ws://127.0.0.1:{server}/"));
    let through = Proxy::parse(&format!("http://user:word@127.0.0.1:{port}")).unwrap();
    let options = options().redirects(Redirects::new(1)).proxy(through);
    for result in connect(&format!("ws://127.0.0.1:{first}/"), &options) {
        result.unwrap();
        for target in [first, server] {
            let expected = format!(
                "CONNECT 127.0.0.1:{target} HTTP/1.1\r\nHost: 127.0.0.1:{target}\r\n\
                 Proxy-Authorization: Basic dXNlcjp3b3Jk\r\n\r\n"
            );
            assert_eq!(requests.recv().unwrap(), expected);
        }
    }
}

/// A SOCKS5 proxy that wants a password, answers byte by byte, and is asked for a name.
#[test]
fn through_a_socks5_proxy() {
    let (asked, requests) = channel();
    let server = echo();
    let port = serve(move |mut client| {
        client.set_nodelay(true).unwrap();
        let mut said = |len: usize, answer: &[u8]| {
            let mut request = vec![0; len];
            client.read_exact(&mut request).unwrap();
            for byte in answer {
                client.write_all(&[*byte]).unwrap();
            }
            request
        };
        let greeting = said(4, b"\x05\x02");
        let password = said(12, b"\x01\x00");
        let request = said(16, b"\x05\x00\x00\x03\x01a\x00\x50");
        asked.send((greeting, password, request)).unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", server)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut server, &mut client);
    });
    let through = Proxy::parse(&format!("socks5h://user:word1@127.0.0.1:{port}")).unwrap();
    for result in connect("ws://a.invalid:81/", &options().proxy(through)) {
        result.unwrap();
        let (greeting, password, request) = requests.recv().unwrap();
        assert_eq!(greeting, b"\x05\x02\x00\x02");
        assert_eq!(password, b"\x01\x04user\x05word1");
        assert_eq!(request, b"\x05\x01\x00\x03\x09a.invalid\x00\x51");
    }
}

/// A server that closes with the request unread resets the connection: its answer comes first, though it does not get whole.
#[test]
fn a_refusal_before_a_reset_is_returned() {
    for length in ["", "Content-Length: 900\r\n"] {
        let port = serve(move |mut stream| {
            // The request has arrived.
            let _ = stream.peek(&mut [0]);
            stream.write_all(format!("HTTP/1.1 401 No\r\n{length}\r\nwho are you").as_bytes()).unwrap();
            // The answer is read before the reset, which would drop it.
            thread::sleep(Duration::from_millis(500));
        });
        for result in connect(&format!("ws://127.0.0.1:{port}/"), &options()) {
            let Err(Error::Refused(refused)) = result else { panic!("{result:?}") };
            assert_eq!((refused.status(), refused.body()), (401, &b"who are you"[..]));
        }
    }
}

/// The tunnel is open: it is the server behind it that does not answer.
#[test]
fn a_timeout_behind_a_tunnel_names_the_server() {
    let port = serve(|mut stream| {
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let through = Proxy::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let options = ConnectOptions::from(Config::default().handshake_timeout(Duration::from_secs(2)));
    for result in connect("ws://example.invalid/", &options.proxy(through)) {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("opening handshake with example.invalid:80 through the proxy"), "{error}");
    }
}

/// So is a reset, also if it comes in one turn with the tunnel.
#[test]
fn a_reset_behind_a_tunnel_names_the_server() {
    let port = serve(|mut stream| {
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        // The request stays unread, which resets the connection.
        let _ = stream.peek(&mut [0]);
    });
    let through = Proxy::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    for result in connect("ws://example.invalid/", &options().proxy(through)) {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("opening handshake with example.invalid:80 through the proxy"), "{error}");
    }
}

#[test]
fn what_a_proxy_refuses_is_not_the_servers_word() {
    for status in [302, 407, 502] {
        let (elsewhere, requests) = answer(String::new());
        let (port, _) = answer(format!(
            "HTTP/1.1 {status} No\r\nLocation: ws://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        ));
        let through = Proxy::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let options = options().redirects(Redirects::new(5)).proxy(through);
        for result in connect("ws://example.invalid/", &options) {
            assert!(matches!(result, Err(Error::Proxy(refused)) if refused.status() == status));
        }
        assert_eq!(requests.try_iter().count(), 0);
    }
}

#[test]
fn a_proxy_cannot_speak_for_the_server() {
    let (port, _) = answer("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n".into());
    let through = Proxy::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    for result in connect("ws://example.invalid/", &options().proxy(through)) {
        assert!(matches!(result, Err(Error::Io(error)) if error.kind() == ErrorKind::InvalidData));
    }
}

/// Sends one byte after the other and never ends.
fn drip(mut stream: TcpStream, beginning: &[u8]) {
    let mut bytes = beginning.iter().chain([b'x'; 1000].iter());
    while stream.write_all(&[*bytes.next().unwrap()]).is_ok() {
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn one_deadline_for_everything() {
    let quick = ConnectOptions::from(Config::default().handshake_timeout(Duration::from_millis(400)));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|address| (silent, address.port())).unwrap();
    let slow = serve(|stream| drip(stream, b"HTTP/1.1 200 OK\r\nA: "));
    let through = |port| quick.clone().proxy(Proxy::parse(&format!("http://127.0.0.1:{port}")).unwrap());
    let mut cases = vec![
        (format!("ws://127.0.0.1:{}/", silent.1), quick.clone()),
        (format!("ws://127.0.0.1:{slow}/"), quick.clone()),
        ("ws://example.invalid/".to_owned(), through(silent.1)),
        ("ws://example.invalid/".to_owned(), through(slow)),
    ];
    if cfg!(all(feature = "rustls", feature = "tokio-rustls")) {
        // The head of a TLS record that announces much.
        let record = serve(|stream| drip(stream, b"\x16\x03\x03\x40\x00"));
        cases.push((format!("wss://localhost:{}/", silent.1), quick.clone()));
        cases.push((format!("wss://127.0.0.1:{record}/"), quick.clone()));
        let opens = serve(|mut stream| {
            head(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            // And nothing more.
            thread::sleep(Duration::from_secs(10));
        });
        cases.push(("wss://example.invalid/".to_owned(), through(opens)));
    }
    // Each redirect comes quickly enough, all together do not.
    let endless = serve(|mut stream| {
        head(&mut stream);
        thread::sleep(Duration::from_millis(150));
        let _ = stream.write_all(b"HTTP/1.1 307 \r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    });
    cases.push((format!("ws://127.0.0.1:{endless}/"), quick.clone().redirects(Redirects::new(1000))));
    for (url, options) in cases {
        let began = Instant::now();
        for result in connect(&url, &options) {
            assert!(
                matches!(&result, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut),
                "{url} {result:?}"
            );
        }
        let took = began.elapsed();
        assert!((Duration::from_millis(750)..Duration::from_secs(20)).contains(&took), "{url} {took:?}");
    }
}

#[test]
fn the_deadline_ends_with_the_handshake() {
    let quick = Config::default().handshake_timeout(Duration::from_secs(3));
    let url = format!("ws://127.0.0.1:{}/", echo());
    let (mut ws, _) = net::connect_with(ClientRequest::new(&url).unwrap(), quick).unwrap();
    thread::sleep(Duration::from_millis(3200));
    ws.send_text("late").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("late"))));
    let forever = ConnectOptions::from(Config::default().handshake_timeout(Duration::MAX));
    for result in connect(&url, &forever) {
        result.unwrap();
    }
}

/// A port where nobody listens. One that was free a moment ago may be that of another test by now.
fn closed() -> u16 {
    1
}

/// What went wrong, at which step, where, and what to do about it; nothing twice.
#[test]
fn errors_say_step_and_place() {
    use std::error::Error as _;
    let closed = closed();
    let through = |url: String| options().proxy(Proxy::parse(&url).unwrap());
    let (unauthorized, _) =
        answer("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".into());
    let (elsewhere, _) = redirect("ws://elsewhere/");
    let (no_tunnel, _) =
        answer("HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".into());
    let wrong = answer("HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".into()).0;
    let silent = serve(|mut stream| drop(head(&mut stream)));
    let alert = serve(|mut stream| {
        head(&mut stream);
        stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46").unwrap();
    });
    let socks = serve(|mut stream| {
        stream.read_exact(&mut [0; 3]).unwrap();
        stream.write_all(b"\x05\x00").unwrap();
        let _ = stream.read(&mut [0; 100]);
        let _ = stream.write_all(b"\x05\x05\x00\x01\0\0\0\0\0\0");
    });
    let mut cases = vec![
        (format!("ws://127.0.0.1:{closed}/"), options(), format!("connecting to 127.0.0.1:{closed}: ")),
        (format!("ws://localhost:{closed}/"), options(), format!("connecting to localhost:{closed} (")),
        ("ws://no-such-host.invalid/".into(), options(), "looking up no-such-host.invalid: ".into()),
        (
            format!("ws://127.0.0.1:{unauthorized}/"),
            options(),
            "the server answered 401 No (expected 101), WWW-Authenticate: Basic".into(),
        ),
        (
            format!("ws://127.0.0.1:{elsewhere}/"),
            options(),
            "the server answered 302 Found (expected 101), Location: ws://elsewhere/".into(),
        ),
        (
            format!("ws://127.0.0.1:{wrong}/"),
            options(),
            "opening handshake: the response does not have exactly one Sec-WebSocket-Accept".into(),
        ),
        (
            format!("ws://127.0.0.1:{silent}/"),
            options(),
            "opening handshake: the stream ended before the head was complete".into(),
        ),
        (
            format!("ws://127.0.0.1:{alert}/"),
            options(),
            "opening handshake: received TLS, expected HTTP: one end speaks wss://, the other ws://".into(),
        ),
        // Proxies: where they are, and that it is them.
        (
            "ws://example.invalid/".into(),
            through(format!("http://127.0.0.1:{closed}")),
            format!("connecting to 127.0.0.1:{closed}: "),
        ),
        (
            "ws://example.invalid/".into(),
            through(format!("http://127.0.0.1:{no_tunnel}")),
            "the proxy answered 407 Who? (expected 2xx), Proxy-Authenticate: Basic".into(),
        ),
        (
            "ws://example.invalid/".into(),
            through(format!("http://127.0.0.1:{silent}")),
            "the proxy's answer: the stream ended before the head was complete".into(),
        ),
        (
            "ws://example.invalid/".into(),
            through(format!("socks5://127.0.0.1:{socks}")),
            format!("opening handshake with the proxy 127.0.0.1:{socks}: the proxy refused the connection"),
        ),
        (
            "ws://example.invalid/".into(),
            options().choose_proxy(|url| Proxy::from_vars(url, |_| Some("ftp://p".into()))),
            "the environment variable ws_proxy: ".into(),
        ),
    ];
    if cfg!(all(feature = "rustls", feature = "tokio-rustls")) {
        let plain = serve(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            let _ = stream.read(&mut [0; 1000]);
        });
        cases.push((
            format!("wss://127.0.0.1:{plain}/"),
            options(),
            format!("TLS handshake with 127.0.0.1:{plain} (ws:// instead of wss://?): "),
        ));
        cases.push((
            "wss://example.invalid/".into(),
            through(format!("https://127.0.0.1:{plain}")),
            format!("TLS handshake with the proxy 127.0.0.1:{plain} (ws:// instead of wss://?): "),
        ));
    }
    for (url, options, expected) in cases {
        for (adapter, result) in ["net", "tokio"].iter().zip(connect(&url, &options)) {
            let error = result.unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with(&expected), "{adapter} {url}: {message}, not {expected}");
            if let Some(source) = error.source() {
                assert!(!message.contains(&source.to_string()), "{adapter}: {message} says it twice");
            }
        }
    }
    assert!(matches!(net::connect("http://127.0.0.1/").unwrap_err(), Error::Url(_)));
}

/// What `NO_PROXY` excepts is dialled directly, though the proxy is stubborn.
#[test]
fn a_proxy_of_the_environment_and_its_exceptions() {
    let (server, closed) = (echo(), closed());
    let (proxy, requests) = proxy();
    let chosen = |port: u16, except: &'static str| {
        options().choose_proxy(move |url| {
            Proxy::from_vars(url, |name| match name {
                "http_proxy" => Some(format!("127.0.0.1:{port}")),
                "no_proxy" => Some(except.into()),
                _ => None,
            })
        })
    };
    let url = format!("ws://127.0.0.1:{server}/");
    for result in connect(&url, &chosen(proxy, "example.com")) {
        result.unwrap();
        assert!(requests.recv().unwrap().starts_with(&format!("CONNECT 127.0.0.1:{server} ")));
    }
    for result in connect(&url, &chosen(closed, "example.com, 127.0.0.0/8")) {
        result.unwrap();
    }
    // The dot at the end does not make it a name.
    for host in ["127.0.0.1", "127.0.0.1."] {
        let url = Url::parse(&format!("ws://{host}/")).unwrap();
        let var = |name: &str| match name {
            "http_proxy" => Some("p".to_owned()),
            "no_proxy" => Some("127.0.0.1".to_owned()),
            _ => None,
        };
        assert_eq!(Proxy::from_vars(&url, var).unwrap(), None, "{host}");
    }
    for result in connect(&url, &chosen(closed, "127.0.0.1:1")) {
        assert!(matches!(result, Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused));
    }
}

/// A connection has to last before the delays begin anew, and how long is the caller's choice.
#[test]
fn when_the_delays_begin_anew() {
    // The longest delay that a random source can choose for an attempt.
    let most = &mut |bytes: &mut [u8]| bytes.fill(0xFF);
    let secs = Duration::from_secs;
    for (stable_after, lasted, begins_anew) in [(2, 3, true), (2, 1, false), (30, 20, false), (30, 30, true)]
    {
        let mut reconnect = Reconnect::default().stable_after(secs(stable_after));
        let first = reconnect.retry_at(secs(0), most).unwrap();
        let second = reconnect.retry_at(secs(0), most).unwrap();
        assert!(first <= secs(5) && second > first, "{first:?} {second:?}");
        reconnect.opened(secs(100));
        let ended = secs(100 + lasted);
        let delay = reconnect.retry_at(ended, most).unwrap() - ended;
        assert_eq!(delay <= secs(5), begins_anew, "{stable_after} {lasted}: {delay:?}");
    }
}

/// The stream that `connect` opens is limited in time like any other, and is ended for good behind the last deadline.
#[test]
fn a_server_that_takes_nothing_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let accepting = thread::spawn(move || net::accept(listener.accept().unwrap().0).unwrap().into_parts().0);
    let config = Config::default().max_output(64 << 20).write_timeout(Some(Duration::from_millis(200)));
    let (mut ws, _) = net::connect_with(url.as_str(), config).unwrap();
    let mut server = accepting.join().unwrap();
    let began = Instant::now();
    ws.send(&Message::from(vec![7; 12 << 20])).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Failed(ProtocolError::WriteTimeout)));
    assert_eq!(ws.recv().unwrap(), None);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // It is reset, or it ends in the middle of the message; but it does not stay.
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    if let Err(error) = server.read_to_end(&mut vec![]) {
        assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    }
    drop(ws);
}

/// Which errors of the adapters are worth another attempt.
#[test]
fn what_a_client_that_stays_connected_makes_of_errors() {
    let retries = |error: &Error| {
        let mut reconnect = Reconnect::default();
        reconnect.not_opened(error);
        reconnect.retry_at(Duration::ZERO, &mut OsRandom).is_some()
    };
    let answers = [
        ("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.1 10", true),
        ("SSH-2.0-x\r\n", false),
        ("\x15\x03\x01\x00\x02\x02\x46", false),
    ];
    for (bytes, expected) in answers {
        let port = serve(move |mut stream| {
            head(&mut stream);
            let _ = stream.write_all(bytes.as_bytes());
        });
        for result in connect(&format!("ws://127.0.0.1:{port}/"), &options()) {
            let error = result.unwrap_err();
            assert_eq!(retries(&error), expected, "{error}");
        }
    }
    for result in connect(&format!("ws://127.0.0.1:{}/", closed()), &options()) {
        assert!(retries(&result.unwrap_err()));
    }
    for (error, expected) in [
        (Error::ProxyHandshake(HandshakeError::Truncated), true),
        (Error::ProxyHandshake(HandshakeError::BareLineFeed), false),
        (RedirectError::Downgrade.into(), false),
        (UrlError::Scheme.into(), false),
        (ArgumentError::InvalidHost.into(), false),
        // A certificate, and a firewall: EACCES, or WSAEACCES.
        (Error::Io(ErrorKind::PermissionDenied.into()), false),
        (Error::Io(std::io::Error::from_raw_os_error(if cfg!(windows) { 10013 } else { 13 })), true),
    ] {
        assert_eq!(retries(&error), expected, "{error}");
    }
    // An error of SOCKS5 is an error of the stream here, and worth as much as to a client of one's own loop.
    let refused = (1..=u8::MAX).map(Socks5Error::Refused);
    for error in
        refused.chain([Socks5Error::Version(4), Socks5Error::NoAcceptableMethod, Socks5Error::Truncated])
    {
        let expected = OpenError::Socks5(error).is_transient();
        assert_eq!(retries(&Error::Io(error.into())), expected, "{error}");
    }
    let unsupported = options().choose_proxy(|url| Proxy::from_vars(url, |_| Some("ftp://p".into())));
    for result in connect("ws://127.0.0.1/", &unsupported) {
        assert!(!retries(&result.unwrap_err()));
    }
    assert!(!retries(&net::connect("http://a/").unwrap_err()));
}

/// What `connect` takes.
#[test]
fn requests_of_every_kind() {
    fn is_echoed<R>(request: R)
    where
        R: TryInto<ClientRequest> + Clone,
        Error: From<R::Error>,
    {
        let mut ws = net::connect(request.clone()).unwrap();
        ws.send_text("Hello").unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Event::Message("Hello".into())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut ws = ws_tokio::connect(request).await.unwrap();
            ws.send_text("Hello").await.unwrap();
            assert_eq!(ws.recv().await.unwrap(), Some(Event::Message("Hello".into())));
        });
    }
    let url = format!("ws://127.0.0.1:{}/", echo());
    is_echoed(&*url);
    is_echoed(url.clone());
    is_echoed(Url::parse(&url).unwrap());
    is_echoed(ClientRequest::new(&url).unwrap());
    #[cfg(feature = "http")]
    {
        let request = http::Request::get(&url).header("Origin", "http://a").body(()).unwrap();
        is_echoed(request.clone());
        is_echoed(request.uri().clone());
        let post = http::Request::post(&url).body(()).unwrap();
        assert!(matches!(net::connect(post).unwrap_err(), Error::Argument(_)));
    }
}

/// The URL says what to ask for, and the stream where it is asked.
#[cfg(unix)]
#[test]
fn over_a_unix_socket_with_a_host_of_ones_own() {
    use std::os::unix::net::UnixStream;
    let request = || ClientRequest::new("ws://localhost/chat").unwrap().host("chat.example:81").unwrap();
    let serve = |stream: UnixStream| {
        thread::spawn(move || {
            let Incoming::Upgrade(upgrade) = Accepting::new(stream, Config::default()).finish().unwrap()
            else {
                panic!("it asks for a WebSocket")
            };
            let asked = (upgrade.request.host().to_owned(), upgrade.request.path().to_owned());
            upgrade.accept().unwrap().send_text("Hello").unwrap();
            asked
        })
    };
    let expected = ("chat.example:81".to_owned(), "/chat".to_owned());
    let (stream, peer) = UnixStream::pair().unwrap();
    let serving = serve(peer);
    let (mut ws, _) = net::client(stream, request(), Config::default()).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Message("Hello".into())));
    assert_eq!(serving.join().unwrap(), expected);

    let (stream, peer) = UnixStream::pair().unwrap();
    let serving = serve(peer);
    stream.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        let (mut ws, _) = ws_tokio::client(stream, request(), Config::default()).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message("Hello".into())));
    });
    assert_eq!(serving.join().unwrap(), expected);
}

/// A `ws://` client in two threads.
#[test]
fn a_client_by_url_can_be_split() {
    let ws = net::connect(format!("ws://127.0.0.1:{}/", echo())).unwrap();
    let (mut reader, mut writer) = ws.into_split().unwrap();
    let reading = thread::spawn(move || {
        let echoed = reader.recv().unwrap().map(Event::into_owned);
        reader.finish().unwrap();
        echoed
    });
    writer.send_text("Hello").unwrap();
    writer.close(sansocket::CloseCode::NORMAL, "").unwrap();
    assert_eq!(reading.join().unwrap(), Some(Event::Message(Message::from("Hello"))));
}

/// Before anything is dialled: nobody listens there.
#[cfg(not(feature = "tls"))]
#[test]
fn without_tls_the_error_names_the_feature() {
    for result in connect(&format!("wss://127.0.0.1:{}/", closed()), &options()) {
        match result {
            Err(Error::Io(error)) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.to_string().contains("TLS, as for wss://, needs the feature `"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}
