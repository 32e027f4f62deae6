//! What the adapters have, over sockets.

use std::io::Write;

use super::*;

pub(super) fn look(logged: &mut Logged) {
    #[cfg(feature = "net")]
    look_at_net(logged);
    #[cfg(feature = "tokio")]
    ::tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(look_at_tokio(logged));
}

/// A request with secrets, and a message behind it.
fn opening() -> Vec<u8> {
    let lines = request_headers().map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    let mut bytes = format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes();
    bytes.extend(Role::Server.frame(BINARY, &long()));
    bytes
}

fn sockets() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let peer = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    (listener.accept().expect("a peer").0, peer)
}

#[cfg(feature = "net")]
fn look_at_net(logged: &mut Logged) {
    use sansocket::net::{self, Accepting, Connecting, Error, Incoming, WebSocket};

    let (stream, mut peer) = sockets();
    let writing = std::thread::spawn(move || {
        peer.write_all(&opening()).expect("it is read");
        peer
    });
    let accepting = Accepting::new(stream, Config::default());
    logged.look(&accepting);
    let incoming = accepting.finish().expect("a legal request");
    logged.look(&incoming);
    let Incoming::Upgrade(upgrade) = incoming else { panic!("a request for a WebSocket") };
    logged.look(&upgrade);
    let mut ws = upgrade.accept().expect("an open stream");
    logged.look(&ws);
    let mut batch = ws.read().expect("an open stream").expect("a message");
    logged.look(&batch);
    while batch.recv().is_none() {
        batch = ws.read().expect("an open stream").expect("a message");
    }
    ws.feed(&Message::from(long())).expect("it is open");
    logged.look(&ws);
    let (stream, connection, _) = ws.into_parts();
    let ws = WebSocket::from_parts(stream, connection, long());
    logged.look(&ws);
    let (mut reader, writer) = ws.into_split().expect("a socket");
    logged.look(&reader);
    logged.look(&writer);
    logged.look(&reader.read().expect("an open stream").expect("it has read something"));
    let (stream, _peer) = sockets();
    logged.look(&Connecting::new(stream, client_request(), Config::default()));
    drop(writing);

    let (stream, mut peer) = sockets();
    peer.write_all(&page_request()).expect("there is room");
    stream.set_nonblocking(true).expect("a socket");
    let Ok(Incoming::Http(http)) = Accepting::new(stream, Config::default()).finish() else {
        panic!("a request for a page")
    };
    logged.look(&http);
    let page = Response::new(200).expect("a status").header("Set-Cookie", SECRET).expect("a header");
    let answering = http.responding(&page.body(long()));
    logged.look(&answering);
    logged.look(&answering.advance().expect("an open stream"));
    let (stream, _peer) = sockets();
    logged.look(&net::Stream::new(stream, |stream| stream));
    logged.look(&Error::Refused(Box::new(refused())));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let serving = std::thread::spawn(move || net::accept(listener.accept().expect("a client").0));
    let ws = net::connect(format!("ws://user:hunter2@127.0.0.1:{port}/")).expect("a server");
    logged.look(ws.stream());
    drop(serving);
    #[cfg(feature = "ring")]
    look_at_tls(logged);
}

#[cfg(all(feature = "net", feature = "ring"))]
fn look_at_tls(logged: &mut Logged) {
    use rustls::{ClientConfig, RootCertStore, crypto::ring};
    use std::sync::Arc;

    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let config = Arc::new(config);
    logged.look(&net::Tls::client(config.clone(), "h", sockets().0).expect("a name"));
    logged.look(&ConnectOptions::default().tls(config));
}

/// A request for a page, with secrets.
fn page_request() -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {SECRET}\r\n\r\n").into_bytes()
}

#[cfg(feature = "tokio")]
async fn look_at_tokio(logged: &mut Logged) {
    use sansocket::tokio::server::{Group, Slow};
    use sansocket::tokio::{Accepting, Connecting, Incoming, WebSocket};

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
    logged.look(&accepting);
    let incoming = accepting.advance().await.expect("a legal request");
    logged.look(&incoming);
    let Incoming::Upgrade(upgrade) = incoming else { panic!("a request for a WebSocket") };
    logged.look(&upgrade);
    let mut ws = upgrade.accept().await.expect("an open stream");
    logged.look(&ws);
    let mut batch = ws.read().await.expect("an open stream").expect("a message");
    logged.look(&batch);
    while batch.recv().is_none() {
        batch = ws.read().await.expect("an open stream").expect("a message");
    }
    ws.feed(&Message::from(long())).expect("it is open");
    logged.look(&ws);
    let (unread, connection, _) = ws.into_parts();
    let ws = WebSocket::from_parts(unread, connection, long());
    logged.look(&ws);
    let (mut reader, writer) = ws.into_split();
    logged.look(&reader);
    let shared = writer.share();
    let _ = shared.try_send(&Message::from(long()));
    logged.look(&shared);
    logged.look(&writer);
    let group = Group::new(Slow::Skip);
    let membership = group.join(shared);
    logged.look(&membership);
    logged.look(&group);
    logged.look(&Slow::Skip);
    logged.look(&reader.read().await.expect("an open stream").expect("it has read something"));
    logged.look(&sansocket::tokio::Command::Message(Message::from(long())));
    let (connected, _peer) = sockets();
    logged.look(&Connecting::new(stream(connected), client_request(), Config::default()));
    drop(writing);

    let (accepted, mut peer) = sockets();
    peer.write_all(&page_request()).expect("there is room");
    let mut accepting = Accepting::new(stream(accepted), Config::default());
    let Ok(Incoming::Http(http)) = accepting.advance().await else { panic!("a request for a page") };
    logged.look(&http);
    look_at_server(logged).await;
    #[cfg(feature = "futures-io")]
    logged.look(&sansocket::futures_io::Timer::new(Duration::ZERO, |_| core::future::pending::<()>()));
    #[cfg(feature = "axum")]
    look_at_axum(logged).await;
}

/// A server of the kit with one client.
#[cfg(feature = "tokio")]
async fn look_at_server(logged: &mut Logged) {
    use sansocket::tokio::server::{Server, Slot};
    use sansocket::tokio::{accept, connect};

    let listener = ::tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let server = Server::default().grace(Duration::ZERO);
    logged.look(&server);
    let mut client = None;
    let connected = async {
        let url = format!("ws://user:hunter2@127.0.0.1:{port}/");
        client = Some(connect(url.as_str()).await.expect("a server"));
    };
    let handler = |stream, slot: Slot| {
        logged.look(&slot);
        async move {
            let Ok(ws) = accept(stream).await else { return };
            let (mut reader, _) = slot.open(ws);
            while let Ok(Some(_)) = reader.recv().await {}
        }
    };
    server.serve(listener, connected, handler).await;
    logged.look(client.expect("it has connected").stream());
}

#[cfg(feature = "axum")]
async fn look_at_axum(logged: &mut Logged) {
    use ::http::{HeaderValue, Request};
    use axum_core::extract::FromRequestParts;
    use sansocket::axum::WebSocketUpgrade;

    for upgradable in [true, false] {
        let mut request = Request::new(());
        for (name, value) in request_headers() {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request.extensions_mut().insert(hyper::upgrade::on(Request::new(())));
        let (mut parts, ()) = request.into_parts();
        if !upgradable {
            parts.headers.remove("Upgrade");
        }
        match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => logged.look(&upgrade),
            Err(rejection) => logged.look(&rejection),
        }
    }
}
