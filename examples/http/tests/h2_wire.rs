//! What stands on the wire of HTTP/2: a client of the crate `h2` that knows nothing of WebSocket.

mod common;

use bytes::Bytes;
use common::{H2, Server, hurry};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream, client::SendRequest};
use http::{Request, StatusCode};
use sansocket::{Config, Event, ProtocolError};
use tokio::net::TcpStream;

async fn connect(server: &H2) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn request(protocol: Option<&str>, method: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri("http://localhost/").body(()).unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from(protocol));
    }
    request
}

/// Opens a WebSocket, once the server's SETTINGS are here.
async fn open(server: &H2) -> (SendStream<Bytes>, RecvStream) {
    let requests = connect(server).await;
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let request = request(Some("websocket"), "CONNECT", &[("sec-websocket-version", "13")]);
    let (response, send) = requests.ready().await.unwrap().send_request(request, false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    (send, response.into_body())
}

/// The next data, not the empty ones that may carry END_STREAM.
async fn data(recv: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    loop {
        match hurry(recv.data()).await {
            Some(Ok(data)) if data.is_empty() => {}
            data => return data,
        }
    }
}

#[tokio::test]
async fn trap_68_a_close_ends_with_end_stream_and_masks_are_as_ever() {
    let mut server = H2::start(Config::default()).await;
    let (mut send, mut recv) = open(&server).await;
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
    send.send_data(hello[..].into(), false).unwrap();
    assert_eq!(data(&mut recv).await.unwrap().unwrap(), &b"\x81\x05Hello"[..]);
    send.send_data(b"\x88\x82\0\0\0\0\x03\xE8"[..].into(), false).unwrap();
    assert_eq!(data(&mut recv).await.unwrap().unwrap(), &b"\x88\x02\x03\xE8"[..]);
    // RFC 6455 §7.1.1: the server ends first.
    assert!(data(&mut recv).await.is_none() && recv.is_end_stream());
    send.send_data(Bytes::new(), true).unwrap();
    assert!(matches!(server.event().await, Event::Close(_)));
    assert!(hurry(server.ended()).await);
}

#[tokio::test]
async fn trap_68_end_stream_without_a_close_is_an_abnormal_closure() {
    let mut server = H2::start(Config::default()).await;
    let (mut send, mut recv) = open(&server).await;
    send.send_data(b"\x81\x85"[..].into(), true).unwrap();
    assert_eq!(hurry(server.event()).await, Event::Failed(ProtocolError::UnexpectedEof));
    assert!(data(&mut recv).await.is_none(), "nobody is left to tell");
}

#[tokio::test]
async fn trap_68_what_the_server_gives_up_is_cancelled() {
    let server = H2::start(Config::default()).await;
    let (mut send, mut recv) = open(&server).await;
    send.send_data(b"\x81\x87\0\0\0\0give up"[..].into(), false).unwrap();
    let error = data(&mut recv).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CANCEL));
}

#[tokio::test]
async fn trap_68_a_reset_is_the_end_of_its_stream() {
    let mut server = H2::start(Config::default()).await;
    let (mut send, _recv) = open(&server).await;
    send.send_reset(Reason::CANCEL);
    assert_eq!(hurry(server.event()).await, Event::Failed(ProtocolError::TransportFailed));
}

#[tokio::test]
async fn trap_67_other_requests_are_refused() {
    let server = H2::start(Config::default()).await;
    let requests = connect(&server).await;
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let version = ("sec-websocket-version", "13");
    for (protocol, method, headers, expected) in [
        (None, "GET", &[][..], 400),
        (Some("webtransport"), "CONNECT", &[version], 501),
        (Some("websocket"), "CONNECT", &[], 400),
        (Some("websocket"), "CONNECT", &[("sec-websocket-version", "12")], 400),
    ] {
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, _) = ready.send_request(request(protocol, method, headers), true).unwrap();
        assert_eq!(hurry(response).await.unwrap().status(), expected, "{protocol:?} {method} {headers:?}");
    }
}
