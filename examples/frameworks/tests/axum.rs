//! The feature `axum` over real connections: HTTP/1.1 and HTTP/2 with prior knowledge, hyper as client.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::service::Service;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Version, client, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use sansocket::axum::{Rejection, WebSocket, WebSocketUpgrade};
use sansocket::deflate::Deflate;
use sansocket::handshake::{ClientHandshake, ClientRequest, ConnectHandshake, Established, OriginPolicy};
use sansocket::tokio::server::{Group, Slow};
use sansocket::{CloseCode, Config, Event, Message, OsRandom, ProtocolError};
use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];
const PATIENCE: Duration = Duration::from_secs(20);

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

async fn echo(mut ws: WebSocket) {
    assert_eq!(format!("{:?}", ws.stream()), "Upgraded(Upgraded)");
    while let Ok(Some(mut batch)) = ws.read().await {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                let _ = batch.feed(&message);
            }
        }
    }
}

fn app() -> Router {
    Router::new()
        .route(
            "/echo",
            any(async |mut upgrade: WebSocketUpgrade| {
                assert_eq!((upgrade.path(), upgrade.query()), ("/echo", Some("room=1")));
                assert!(format!("{upgrade:?}").contains("path: \"/echo\""));
                upgrade.choose_supported(&["v2.chat", "v1.chat"]);
                upgrade.add_header("x-room", "1").unwrap();
                upgrade.set_config(Config::default().deflate(Some(Deflate::default())));
                upgrade.on_upgrade(echo)
            }),
        )
        .route(
            "/same-origin",
            any(async |upgrade: WebSocketUpgrade| {
                let upgrade = upgrade.check_origin(&OriginPolicy::same_origin())?;
                Ok::<_, Rejection>(upgrade.on_upgrade(echo))
            }),
        )
        .route(
            "/page",
            any(async |upgrade: Result<WebSocketUpgrade, Rejection>| match upgrade {
                Ok(upgrade) => upgrade.on_upgrade(echo),
                Err(_) => "a page".into_response(),
            }),
        )
}

/// A connection that HTTP requests can be sent over.
enum Http {
    V1(client::conn::http1::SendRequest<Body>),
    V2(client::conn::http2::SendRequest<Body>),
}

impl Http {
    async fn connect(version: Version, address: SocketAddr) -> Self {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        if version == Version::HTTP_11 {
            let (sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection.with_upgrades());
            return Self::V1(sender);
        }
        let (sender, connection) =
            client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let mut http = Self::V2(sender);
        // With an answer the server's settings are there, which an extended CONNECT has to wait for.
        let request = Request::get(format!("http://{address}/none")).body(Body::empty()).unwrap();
        assert_eq!(http.ask(request).await.status(), 404);
        http
    }

    async fn ask(&mut self, request: Request<Body>) -> hyper::Response<Incoming> {
        let answer = async {
            match self {
                Self::V1(sender) => sender.send_request(request).await,
                Self::V2(sender) => sender.send_request(request).await,
            }
        };
        timeout(PATIENCE, answer).await.unwrap().unwrap()
    }

    async fn open(&mut self, request: ClientRequest, config: Config) -> (Client, Established) {
        let (response, opened) = if let Self::V1(_) = self {
            let handshake = ClientHandshake::new(request, config, OsRandom);
            let (parts, body) =
                self.ask(handshake.to_http().unwrap().map(|()| Body::empty())).await.into_parts();
            let opened = handshake.recv_http(&parts).unwrap();
            (Response::from_parts(parts, body), opened)
        } else {
            let handshake = ConnectHandshake::new(request, config, OsRandom);
            let mut request = handshake.to_http().unwrap().map(|()| Body::empty());
            request.extensions_mut().insert(Protocol::from_static("websocket"));
            let (parts, body) = self.ask(request).await.into_parts();
            let opened = handshake.recv_http(&parts).unwrap();
            (Response::from_parts(parts, body), opened)
        };
        let stream = timeout(PATIENCE, hyper::upgrade::on(response)).await.unwrap().unwrap();
        (Client::from_parts(TokioIo::new(stream), opened.0, Vec::new()), opened.1)
    }
}

type Client = sansocket::tokio::WebSocket<TokioIo<Upgraded>>;

fn request(address: SocketAddr, path: &str) -> ClientRequest {
    ClientRequest::new(&format!("ws://{address}{path}")).unwrap()
}

async fn assert_echoes(ws: &mut Client, message: Message<'static>) {
    timeout(PATIENCE, ws.send(&message)).await.unwrap().unwrap();
    let event = timeout(PATIENCE, ws.recv()).await.unwrap().unwrap();
    assert_eq!(event, Some(Event::Message(message)));
}

#[tokio::test]
async fn messages_and_a_closing_handshake() {
    let address = serve(app()).await;
    for version in VERSIONS {
        let mut http = Http::connect(version, address).await;
        let request = request(address, "/echo?room=1");
        let request = request.subprotocol("v0.chat").unwrap().subprotocol("v1.chat").unwrap();
        let (mut ws, established) = http.open(request, Config::default()).await;
        assert_eq!(established.subprotocol(), Some("v1.chat"));
        assert_eq!(established.header("x-room"), Some(&b"1"[..]));
        assert_eq!(established.header("sec-websocket-extensions"), None);
        assert_echoes(&mut ws, "Hello".into()).await;
        assert_echoes(&mut ws, "".into()).await;
        assert_echoes(&mut ws, vec![7; 300_000].into()).await;
        assert_echoes(&mut ws, vec![8; 4 << 20].into()).await;
        ws.ping(b"alive").await.unwrap();
        let pong = timeout(PATIENCE, ws.recv()).await.unwrap().unwrap();
        assert!(matches!(pong, Some(Event::Pong(payload)) if &*payload == b"alive"), "{version:?}");
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        timeout(PATIENCE, ws.finish()).await.unwrap().unwrap();
        assert_eq!(ws.close_frame().unwrap().code(), CloseCode::NORMAL);
    }
}

#[tokio::test]
async fn compression() {
    let address = serve(app()).await;
    for version in VERSIONS {
        let config = Config::default().deflate(Some(Deflate::default()));
        let mut http = Http::connect(version, address).await;
        let (mut ws, established) = http.open(request(address, "/echo?room=1"), config).await;
        let extensions = established.header("sec-websocket-extensions").unwrap();
        assert!(extensions.starts_with(b"permessage-deflate"), "{version:?}");
        assert_echoes(&mut ws, "compressible ".repeat(10_000).into()).await;
        assert_echoes(&mut ws, "compressible ".repeat(10_000).into()).await;
    }
}

#[tokio::test]
async fn a_subprotocol_that_the_server_does_not_have_is_not_chosen() {
    let address = serve(app()).await;
    for version in VERSIONS {
        let request = request(address, "/echo?room=1").subprotocol("v3.chat").unwrap();
        let (mut ws, established) =
            Http::connect(version, address).await.open(request, Config::default()).await;
        assert_eq!(established.subprotocol(), None, "{version:?}");
        assert_echoes(&mut ws, "Hello".into()).await;
    }
}

#[tokio::test]
async fn many_over_one_http2_connection() {
    let address = serve(app()).await;
    let mut http = Http::connect(Version::HTTP_2, address).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(http.open(request(address, "/page"), Config::default()).await.0);
    }
    for (number, ws) in all.iter_mut().enumerate() {
        ws.send_text(&number.to_string()).await.unwrap();
    }
    for (number, ws) in all.iter_mut().enumerate() {
        let event = timeout(PATIENCE, ws.recv()).await.unwrap().unwrap();
        assert_eq!(event, Some(Event::Message(number.to_string().into())));
    }
    // Closing one leaves the others open.
    let mut closed = all.remove(0);
    closed.close(CloseCode::GOING_AWAY, "").await.unwrap();
    timeout(PATIENCE, closed.finish()).await.unwrap().unwrap();
    assert_echoes(&mut all[0], vec![1; 200_000].into()).await;
}

#[tokio::test]
async fn halves_in_two_tasks() {
    let router = Router::new().route(
        "/",
        any(async |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async |ws| {
                let (mut reader, mut writer) = ws.into_split();
                let (sender, mut receiver) = mpsc::channel::<Message<'static>>(4);
                let sending = tokio::spawn(async move {
                    while let Some(message) = receiver.recv().await {
                        writer.send(&message).await.unwrap();
                    }
                });
                while let Ok(Some(event)) = reader.recv().await {
                    if let Event::Message(message) = event {
                        sender.send(message.into_owned()).await.unwrap();
                    }
                }
                drop(sender);
                sending.await.unwrap();
            })
        }),
    );
    let address = serve(router).await;
    for version in VERSIONS {
        let mut http = Http::connect(version, address).await;
        let (mut ws, _) = http.open(request(address, "/"), Config::default()).await;
        assert_echoes(&mut ws, "Hello".into()).await;
        assert_echoes(&mut ws, vec![9; 1 << 20].into()).await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        timeout(PATIENCE, ws.finish()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn halves_become_one_again() {
    let router = Router::new().route(
        "/",
        any(async |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async |ws| {
                let (reader, writer) = ws.into_split();
                echo(WebSocket::reunite(reader, writer).unwrap()).await;
            })
        }),
    );
    let address = serve(router).await;
    for version in VERSIONS {
        let (mut ws, _) =
            Http::connect(version, address).await.open(request(address, "/"), Config::default()).await;
        assert_echoes(&mut ws, "Hello".into()).await;
    }
}

/// A stream with a buffer of its own, such as TLS.
#[tokio::test]
async fn what_is_sent_is_flushed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let stream = TokioIo::new(BufStream::new(listener.accept().await.unwrap().0));
        let service = TowerToHyperService::new(app());
        server::conn::http1::Builder::new().serve_connection(stream, service).with_upgrades().await
    });
    let (mut ws, _) = Http::connect(Version::HTTP_11, address)
        .await
        .open(request(address, "/page"), Config::default())
        .await;
    assert_echoes(&mut ws, "Hello".into()).await;
}

#[tokio::test]
async fn trap_68_the_end_of_the_stream_ends_the_handler() {
    let (ended, mut handlers) = mpsc::channel(1);
    let router = Router::new().route(
        "/",
        any(async move |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |mut ws| {
                let mut failed = None;
                while let Ok(Some(event)) = ws.recv().await {
                    if let Event::Failed(error) = event {
                        failed = Some(error);
                    }
                }
                ended.send(failed).await.unwrap();
            })
        }),
    );
    let address = serve(router).await;
    for version in VERSIONS {
        let mut http = Http::connect(version, address).await;
        // FIN, or END_STREAM.
        let (ws, _) = http.open(request(address, "/"), Config::default()).await;
        let (mut stream, ..) = ws.into_parts();
        stream.shutdown().await.unwrap();
        let error = timeout(PATIENCE, handlers.recv()).await.unwrap().unwrap();
        assert_eq!(error, Some(ProtocolError::UnexpectedEof), "{version:?}");
        drop(stream);
        let mut http = Http::connect(version, address).await;
        // For HTTP/2, RST_STREAM (CANCEL), which hyper reports as an end.
        let (ws, _) = http.open(request(address, "/"), Config::default()).await;
        drop(ws);
        let error = timeout(PATIENCE, handlers.recv()).await.unwrap().unwrap();
        assert_eq!(error, Some(ProtocolError::UnexpectedEof), "{version:?}");
    }
}

/// Over HTTP/2, hyper takes whatever it is given: what waits must wait here, where it has a deadline.
#[tokio::test]
async fn a_peer_that_never_reads_is_given_up() {
    let (ended, mut handlers) = mpsc::channel(1);
    let router = Router::new().route(
        "/",
        any(async move |mut upgrade: WebSocketUpgrade| {
            upgrade.set_config(Config::default().write_timeout(Some(Duration::from_secs(1))));
            upgrade.on_upgrade(async move |mut ws| {
                // More than the kernel takes, and no more than two writes.
                ws.feed(&Message::from(vec![7; 30 << 20])).unwrap();
                let event = ws.recv().await.map(|event| event.map(Event::into_owned));
                ended.send(event).await.unwrap();
            })
        }),
    );
    let address = serve(router).await;
    for version in VERSIONS {
        let mut http = Http::connect(version, address).await;
        let (_ws, _) = http.open(request(address, "/"), Config::default()).await;
        let event = timeout(PATIENCE, handlers.recv()).await.unwrap().unwrap().unwrap();
        assert_eq!(event, Some(Event::Failed(ProtocolError::WriteTimeout)), "{version:?}");
    }
}

/// What a browser sends, changed and refused.
#[tokio::test]
async fn refusals() {
    let address = serve(app()).await;
    let host = address.to_string();
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let upgrade = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-key", key)];
    let v13 = ("sec-websocket-version", "13");
    let foreign = ("origin", "https://evil.example");
    let get = Method::GET;
    type Row<'a> = (Method, &'a str, Vec<(&'a str, &'a str)>, u16, &'a [(&'a str, &'a str)]);
    let rows: [Row<'_>; 8] = [
        (get.clone(), "/echo", vec![], 426, &[("upgrade", "websocket"), ("connection", "upgrade")]),
        (get.clone(), "/echo", [&upgrade[..], &[("sec-websocket-version", "8")]].concat(), 426, &[v13]),
        (get.clone(), "/echo", upgrade.to_vec(), 400, &[v13]),
        (get.clone(), "/echo", [&upgrade[..2], &[v13]].concat(), 400, &[]),
        (Method::POST, "/echo", [&upgrade[..], &[v13]].concat(), 405, &[("allow", "GET")]),
        (get.clone(), "/same-origin", [&upgrade[..], &[v13, foreign]].concat(), 403, &[]),
        (get.clone(), "/same-origin", [&upgrade[..], &[v13, foreign, foreign]].concat(), 400, &[]),
        (get, "/page", vec![], 200, &[]),
    ];
    for (method, path, headers, status, said) in rows {
        let uri = path.to_owned();
        let all = [&[("host", &*host)], &headers[..]].concat();
        assert_refused(Version::HTTP_11, address, request_of(method, uri, &all), status, said).await;
    }
    let rows: [Row<'_>; 6] = [
        (Method::GET, "/echo", vec![], 400, &[]),
        (Method::POST, "/echo", vec![v13], 400, &[]),
        (Method::CONNECT, "/echo", vec![("sec-websocket-version", "8")], 400, &[v13]),
        (Method::CONNECT, "/echo", vec![], 400, &[v13]),
        (Method::CONNECT, "/same-origin", vec![v13, foreign], 403, &[]),
        (Method::GET, "/page", vec![], 200, &[]),
    ];
    for (method, path, headers, status, said) in rows {
        let is_connect = method == Method::CONNECT;
        let mut request = request_of(method, format!("http://{address}{path}"), &headers);
        if is_connect {
            request.extensions_mut().insert(Protocol::from_static("websocket"));
        }
        assert_refused(Version::HTTP_2, address, request, status, said).await;
    }
    let mut request = request_of(Method::CONNECT, format!("http://{address}/echo"), &[v13]);
    request.extensions_mut().insert(Protocol::from_static("webtransport"));
    assert_refused(Version::HTTP_2, address, request, 501, &[]).await;
}

fn request_of(method: Method, uri: String, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().method(method).uri(uri);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::empty()).unwrap()
}

async fn assert_refused(
    version: Version,
    address: SocketAddr,
    request: Request<Body>,
    status: u16,
    said: &[(&str, &str)],
) {
    let asked = format!("{version:?} {request:?}");
    let response = Http::connect(version, address).await.ask(request).await;
    assert_eq!(response.status(), status, "{asked}");
    for (name, value) in said {
        let header = response.headers().get(*name).map(|value| value.to_str().unwrap().to_lowercase());
        assert_eq!(header.as_deref(), Some(&*value.to_lowercase()), "{asked}: {name}");
    }
    let body = timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap().to_bytes();
    assert!(!body.is_empty(), "{asked}");
}

#[tokio::test]
async fn a_failed_upgrade_is_told_to_the_callback() {
    let (failed, mut failures) = mpsc::channel(1);
    let router = Router::new().route(
        "/",
        any(async move |upgrade: WebSocketUpgrade| {
            let upgrade = upgrade.on_failed(move |error| failed.try_send(error.to_string()).unwrap());
            upgrade.on_upgrade(async |_| panic!("it is not open"))
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let stream = TokioIo::new(listener.accept().await.unwrap().0);
        // Without `with_upgrades`, hyper hands nothing over.
        server::conn::http1::Builder::new().serve_connection(stream, TowerToHyperService::new(router)).await
    });
    let ws = sansocket::tokio::connect(&*format!("ws://{address}/")).await.unwrap();
    assert!(timeout(PATIENCE, failures.recv()).await.unwrap().is_some());
    drop(ws);
}

#[tokio::test]
async fn a_server_that_cannot_upgrade() {
    let headers = [
        ("host", "example.com"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    let request = request_of(Method::GET, "/page".to_owned(), &headers);
    let router =
        Router::new().route("/page", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)));
    let response = TowerToHyperService::new(router).call(request).await.unwrap();
    assert_eq!(response.status(), 500);
}

/// As the documentation of the module says.
#[tokio::test]
async fn stopping() {
    for version in VERSIONS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let all = Group::new(Slow::Skip);
        let members = all.clone();
        let chat = async move |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |ws| {
                let (mut reader, writer) = ws.into_split();
                let _member = members.join(writer.share());
                while let Ok(Some(_)) = reader.recv().await {}
            })
        };
        let members = all.clone();
        let serving = axum::serve(listener, Router::new().route("/chat", any(chat)));
        let serving = serving.with_graceful_shutdown(async move {
            stopped.await.unwrap();
            members.close(CloseCode::GOING_AWAY, "");
        });
        let serving = tokio::spawn(async { serving.await });
        let mut http = Http::connect(version, address).await;
        let (mut ws, _) = http.open(request(address, "/chat"), Config::default()).await;
        ws.send_text("Hello").await.unwrap();
        ws.flush().await.unwrap();
        let joined = async {
            while all.is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, joined).await.expect("it joins the group");
        stop.send(()).unwrap();
        timeout(PATIENCE, ws.finish()).await.expect("the server closes").unwrap();
        assert_eq!(ws.close_frame().map(|frame| frame.code()), Some(CloseCode::GOING_AWAY), "{version:?}");
        drop((ws, http));
        timeout(PATIENCE, serving).await.expect("the server stops").unwrap().unwrap();
        timeout(PATIENCE, all.wait_empty()).await.expect("all handlers end");
    }
}
