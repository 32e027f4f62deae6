//! The programs here, each with a real client talking to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use sansocket::handshake::ClientRequest;
use sansocket::tokio::{Error, connect, connect_with};
use sansocket::{CloseCode, Config, Event, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A program that serves until it is dropped.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(path: &str) -> Self {
        let mut child =
            Command::new(path).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let url = said.split("ws://").nth(1).unwrap();
        Self { child, address: url.split('/').next().unwrap().to_owned() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn talk(address: &str) {
    let mut ws = connect(&format!("ws://{address}/echo?room=1")).await.unwrap();
    for message in [Message::from("Hello"), Message::from(vec![7; 300_000])] {
        ws.send(&message).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(message)));
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    ws.finish().await.unwrap();

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
    let program = Program::start(env!("CARGO_BIN_EXE_hyper_upgrade"));
    talk(&program.address).await;
}

#[tokio::test]
async fn axum() {
    let program = Program::start(env!("CARGO_BIN_EXE_axum_echo"));
    talk(&program.address).await;
    let request = ClientRequest::new(&format!("ws://{}/echo", program.address)).unwrap();
    let request = request.subprotocol("chat").unwrap().subprotocol("echo").unwrap();
    let (_, established) = connect_with(request, Config::default()).await.unwrap();
    assert_eq!(established.subprotocol(), Some("echo"));
}
