//! A connection in one call: `accept`, `accept_with` and `client` of every adapter.
#![cfg(all(feature = "_tests", feature = "net"))]

#[path = "support/futures_io.rs"]
mod futures_io_socket;

use std::io::{Read, Write};
use std::net::{self, Shutdown, TcpListener};
use std::thread;
use std::time::Duration;

use futures_io_socket::Socket;
use sansocket::handshake::HandshakeError;
use sansocket::net::Error;
use sansocket::{CloseCode, Config, Event, Message, ProtocolError, futures_io, tokio as ws_tokio};
use tokio::net::TcpStream;
use tokio::time::sleep;

const URL: &str = "ws://localhost/";

/// Both ends of a connection.
fn sockets() -> (net::TcpStream, net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, peer)
}

fn asynchronous(stream: net::TcpStream) -> TcpStream {
    stream.set_nonblocking(true).unwrap();
    TcpStream::from_std(stream).unwrap()
}

/// A server that has nothing to say to a browser says what it expects.
#[tokio::test]
async fn a_request_for_a_page_is_answered_with_426() {
    let asking = || {
        let (stream, mut peer) = sockets();
        let asking = thread::spawn(move || {
            peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = String::new();
            peer.read_to_string(&mut answer).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            answer
        });
        (stream, asking)
    };
    let (stream, asking_net) = asking();
    let by_net = sansocket::net::accept(stream).map(drop);
    let (stream, asking_tokio) = asking();
    let by_tokio = ws_tokio::accept(asynchronous(stream)).await.map(drop);
    let (stream, asking_futures_io) = asking();
    let by_futures_io = futures_io::accept(Socket(asynchronous(stream)), sleep).await.map(drop);

    for accepted in [by_net, by_tokio, by_futures_io] {
        assert!(matches!(accepted, Err(Error::Handshake(HandshakeError::MissingUpgrade))), "{accepted:?}");
    }
    for asking in [asking_net, asking_tokio, asking_futures_io] {
        let answer = asking.join().unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 426 ") && answer.contains("\r\nUpgrade: websocket\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn both_ends_over_futures_io() {
    let (server, peer) = sockets();
    let (server, client) = (Socket(asynchronous(server)), Socket(asynchronous(peer)));
    let (server, client) = tokio::join!(
        futures_io::accept(server, sleep),
        futures_io::client(client, URL, Config::default(), sleep)
    );
    let (mut server, (mut client, established)) = (server.unwrap(), client.unwrap());
    assert_eq!(established.subprotocol(), None);
    // The deadline of the handshake is the last one that it had to wait for.
    assert!(format!("{client:?}").contains("until: Some(10"), "{client:?}");
    client.send_text("Hello").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Event::Message(Message::from("Hello"))));
    server.close(CloseCode::NORMAL, "").await.unwrap();
    let (served, done) = tokio::join!(server.finish(), client.finish());
    served.and(done).unwrap();
    // A URL that is none is told before anything is sent.
    let (stream, _peer) = sockets();
    let stream = Socket(asynchronous(stream));
    let error = futures_io::client(stream, "http://localhost/", Config::default(), sleep).await.unwrap_err();
    assert!(matches!(error, Error::Url(_)), "{error:?}");
}

#[tokio::test]
async fn limits_of_ones_own() {
    let config = Config::default().max_message(3);
    let (server, peer) = sockets();
    let (server, client) = (Socket(asynchronous(server)), asynchronous(peer));
    let (server, client) = tokio::join!(
        futures_io::accept_with(server, config, sleep),
        ws_tokio::client(client, URL, Config::default())
    );
    let (mut server, (mut client, _)) = (server.unwrap(), client.unwrap());
    client.send_text("abc").await.unwrap();
    client.send_text("abcd").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Event::Message(Message::from("abc"))));
    assert_eq!(server.recv().await.unwrap(), Some(Event::Failed(ProtocolError::MessageTooLarge)));
}

/// A deadline that never comes is not slept for: many sleeps overflow.
#[tokio::test]
async fn a_deadline_that_never_comes_needs_no_sleep() {
    let after = |time| {
        assert!(std::time::Instant::now().checked_add(time).is_some(), "{time:?}");
        sleep(time)
    };
    let config = Config::default()
        .ping_interval(Some(Duration::MAX))
        .idle_timeout(Some(Duration::MAX))
        .close_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX);
    let (server, client) = sockets();
    let (server, client) = (Socket(asynchronous(server)), Socket(asynchronous(client)));
    let (server, client) = tokio::join!(
        futures_io::accept_with(server, config, after),
        futures_io::client(client, URL, config, after),
    );
    let (mut server, (mut client, _)) = (server.unwrap(), client.unwrap());
    client.close(CloseCode::NORMAL, "").await.unwrap();
    let (served, closed) = tokio::join!(server.finish(), client.finish());
    served.unwrap();
    closed.unwrap();
}
