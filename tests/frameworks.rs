//! The framework examples, each with a real client talking to it.
#![cfg(all(feature = "tokio", feature = "http"))]

use sansocket::handshake::{ClientHandshake, ClientRequest};
use sansocket::tokio::{Error, connect, connect_with};
use sansocket::{CloseCode, Config, Event, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[expect(dead_code, reason = "an example has a main of its own")]
#[path = "../examples/axum_echo.rs"]
mod axum_echo;
#[expect(dead_code, reason = "an example has a main of its own")]
#[path = "../examples/hyper_upgrade.rs"]
mod hyper_upgrade;

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

async fn talk(address: &str) {
    let mut ws = connect(&format!("ws://{address}/echo?room=1")).await.unwrap();
    for message in [Message::from("Hello"), Message::from(vec![7; 300_000])] {
        ws.send(&message).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(message)));
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();

    let Err(Error::Refused(refused)) = connect(&format!("ws://{address}/")).await else {
        panic!("it is a page")
    };
    assert_eq!(refused.status(), 200);

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nsec-websocket-version: 13\r\n"), "{answer}");
}

#[tokio::test]
async fn hyper() {
    let (listener, address) = listen().await;
    tokio::spawn(hyper_upgrade::serve(listener));
    talk(&address).await;
}

#[tokio::test]
async fn axum() {
    let (listener, address) = listen().await;
    tokio::spawn(axum_echo::serve(listener));
    talk(&address).await;
    let request = ClientRequest::new(&format!("ws://{address}/echo")).unwrap();
    let request = request.subprotocol("chat").unwrap().subprotocol("echo").unwrap();
    let (_, established) = connect_with(request, Config::default()).await.unwrap();
    assert_eq!(established.subprotocol(), Some("echo"));
}

#[test]
fn a_client_inside_another_library() {
    let request = ClientRequest::new("ws://example.com/chat?x=1").unwrap().subprotocol("a").unwrap();
    let client = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(7));
    let (parts, ()) = client.to_http().into_parts();
    assert_eq!(
        (parts.uri.to_string(), &parts.headers["host"]),
        ("/chat?x=1".into(), &"example.com".parse().unwrap())
    );
    let mut server =
        sansocket::handshake::UpgradeRequest::from_http(&parts, Config::default()).expect("a valid request");
    server.choose_subprotocol("a").unwrap();
    let (accepted, _connection) = server.accept_parts();
    let (parts, ()) = accepted.to_http().into_parts();
    let (_connection, established) = client.recv_http(&parts).unwrap();
    assert_eq!(established.subprotocol(), Some("a"));
}
