//! The programs, each with a client.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use common::{Peer, hurry};
use sansocket::handshake::ClientRequest;
use sansocket::{CloseCode, Config, Event, Message};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use websocket_http::{Transport, certificate, h2, h3};

/// A program that serves until it is dropped.
struct Program {
    child: Child,
    address: SocketAddr,
    certificate: PathBuf,
}

impl Program {
    fn start(path: &str, name: &str, with_certificate: bool) -> Self {
        let certificate = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut command = Command::new(path);
        if with_certificate {
            command.arg("--certificate").arg(&certificate);
        }
        let mut child = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim().split("://").nth(1).unwrap().trim_end_matches('/').parse().unwrap();
        Self { child, address, certificate }
    }

    fn tls(&self, alpn: &str) -> rustls::ClientConfig {
        certificate::client(fs::read(&self.certificate).unwrap().into(), alpn).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn talk<T: Transport>(mut ws: Peer<T>) {
    for message in [Message::from("Hello"), Message::from(vec![7; 300_000])] {
        ws.send(&message);
        assert_eq!(hurry(ws.next()).await, Some(Event::Message(message)));
    }
    ws.ws.connection().close(CloseCode::NORMAL, "").unwrap();
    assert!(matches!(hurry(ws.next()).await, Some(Event::Close(_))));
    assert_eq!(hurry(ws.next()).await, None);
}

#[tokio::test]
async fn h2_echo() {
    let program = Program::start(env!("CARGO_BIN_EXE_h2_echo"), "h2", false);
    let stream = TcpStream::connect(program.address).await.unwrap();
    let client = h2::Client::new(stream, Config::default()).await.unwrap();
    for _ in 0..3 {
        talk(Peer::new(client.open(ClientRequest::new("ws://localhost/").unwrap()).await.unwrap())).await;
    }
}

#[tokio::test]
async fn h2_echo_over_tls() {
    let program = Program::start(env!("CARGO_BIN_EXE_h2_echo"), "h2.der", true);
    let tls = TlsConnector::from(Arc::new(program.tls("h2")));
    let stream = TcpStream::connect(program.address).await.unwrap();
    let stream = tls.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let client = h2::Client::new(stream, Config::default()).await.unwrap();
    talk(Peer::new(client.open(ClientRequest::new("wss://localhost/").unwrap()).await.unwrap())).await;
}

#[tokio::test]
async fn h3_echo() {
    let program = Program::start(env!("CARGO_BIN_EXE_h3_echo"), "h3.der", true);
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let quic = h3::client_config(program.tls("h3")).unwrap();
    let quic = endpoint.connect_with(quic, program.address, "localhost").unwrap().await.unwrap();
    let client = h3::Client::new(quic, Config::default()).await.unwrap();
    for _ in 0..3 {
        talk(Peer::new(client.open(ClientRequest::new("wss://localhost/").unwrap()).await.unwrap())).await;
    }
    client.close();
}
