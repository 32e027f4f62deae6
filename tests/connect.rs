//! Connecting by URL in both adapters: redirects, proxies, and one deadline for all of it.
#![cfg(all(feature = "net", feature = "tokio"))]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::{ClientRequest, Proxy, RedirectError, Redirects};
use sansocket::net::{ConnectOptions, Error};
use sansocket::{Config, Event, Message, net, tokio as ws_tokio};

/// Connects with each adapter and has one message echoed.
fn connect(url: &str, options: &ConnectOptions) -> [Result<(), Error>; 2] {
    let request = || ClientRequest::new(url).unwrap().header("Cookie", "secret").unwrap();
    let hello = Message::from("Hello");
    let blocking = net::connect_with(request(), options.clone()).map(|(mut ws, _)| {
        ws.send(&hello).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Event::Message(hello.clone())));
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asynchronous = runtime.block_on(async {
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

#[test]
fn a_circle_ends() {
    let (port, requests) = redirect("/again");
    for result in connect(&format!("ws://127.0.0.1:{port}/"), &options().redirects(Redirects::new(3))) {
        assert!(matches!(result, Err(Error::Redirect(RedirectError::TooMany))), "{result:?}");
    }
    assert_eq!(requests.try_iter().count(), 8);
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
        assert!((Duration::from_millis(750)..Duration::from_millis(3000)).contains(&took), "{url} {took:?}");
    }
}

#[test]
fn the_deadline_ends_with_the_handshake() {
    let quick = Config::default().handshake_timeout(Duration::from_millis(300));
    let url = format!("ws://127.0.0.1:{}/", echo());
    let (mut ws, _) = net::connect_with(ClientRequest::new(&url).unwrap(), quick).unwrap();
    thread::sleep(Duration::from_millis(400));
    ws.send_text("late").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from("late"))));
    let forever = ConnectOptions::from(Config::default().handshake_timeout(Duration::MAX));
    for result in connect(&url, &forever) {
        result.unwrap();
    }
}

/// What went wrong, at which step, and where; `net` only.
#[test]
fn errors_say_step_and_place() {
    let error_of = |url: &str| net::connect(url).unwrap_err();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = error_of(&format!("ws://{closed}/"));
    assert!(error.to_string().starts_with(&format!("connecting to {closed}: ")), "{error}");
    assert!(std::error::Error::source(&error).is_none(), "{error:?}");
    let error = error_of(&format!("ws://localhost:{}/", closed.port()));
    assert!(error.to_string().contains(&format!("connecting to localhost:{} (", closed.port())), "{error}");
    let error = error_of("ws://no-such-host.invalid/");
    assert!(error.to_string().starts_with("looking up no-such-host.invalid: "), "{error}");
    assert!(matches!(error_of("http://127.0.0.1/"), Error::Url(_)));

    let (port, _) = answer("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".into());
    let error = error_of(&format!("ws://127.0.0.1:{port}/"));
    let expected = "the server refused the connection: 401 No, WWW-Authenticate: Basic";
    assert_eq!(error.to_string(), expected);
    let (port, _) = redirect("ws://elsewhere/");
    let error = error_of(&format!("ws://127.0.0.1:{port}/"));
    let expected = "the server refused the connection: 302 Found, Location: ws://elsewhere/";
    assert_eq!(error.to_string(), expected);

    // Plain where TLS is spoken, and the reverse.
    let port = serve(|mut stream| {
        head(&mut stream);
        stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46").unwrap();
    });
    let error = error_of(&format!("ws://127.0.0.1:{port}/"));
    assert!(error.to_string().contains("wss:// instead of ws://?"), "{error}");
    if cfg!(feature = "rustls") {
        let port = serve(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            let _ = stream.read(&mut [0; 1000]);
        });
        let error = error_of(&format!("wss://127.0.0.1:{port}/"));
        let expected = format!("TLS handshake with 127.0.0.1:{port} (ws:// instead of wss://?): ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
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
