//! What fuzzing has found, each as a test of its own.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use common::*;
use sansocket::handshake::{ClientRequest, accept_key};
use sansocket::{Client, ClientEvent, Config, Input};

/// A server may answer before it has read all of the request. What it has not read yet goes in front of the first frame, or that
/// frame would be read as headers.
#[test]
fn an_early_101_does_not_cut_the_request() {
    let request = ClientRequest::new("ws://h/").expect("a legal URL");
    let mut client = Client::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    client.connected();
    let whole = client.output().to_vec();
    client.output_written(20);
    let key = String::from_utf8_lossy(&whole);
    let key = key.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.lines().next()).expect("a key");
    let accept = accept_key(key.as_bytes());
    let accept = core::str::from_utf8(&accept).expect("ASCII");
    let mut answer = format!(
        "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    let event = client.recv(&mut Input::new(&mut answer));
    assert!(matches!(event, Some(ClientEvent::Opened(_))), "{event:?}");
    client.connection().send_text("Hello").expect("it is open");
    let behind = client.output().strip_prefix(&whole[20..]).expect("the rest of the request comes first");
    assert_eq!(plain(behind), [(TEXT, b"Hello".to_vec())]);
}

/// A compressor that another connection had before makes nothing of no bytes, where a new one makes five: who sees the frames
/// would see who had sent before.
#[cfg(feature = "deflate")]
#[test]
fn an_empty_fragment_does_not_tell_where_its_compressor_comes_from() {
    use sansocket::Message;
    use sansocket::deflate::{Deflate, Params, Zlib};
    static ZLIB: Zlib = Zlib::new(1);
    let mut params = Params::default();
    params.server_no_context_takeover = true;
    for _ in 0..2 {
        let connection = open(Role::Server).with_deflate(&Deflate::new(&ZLIB), &params);
        let mut connection = connection;
        connection.send_fragment(&Message::from(""), false).expect("it is open");
        connection.send_fragment(&Message::from(""), true).expect("it is open");
        let frames = written(&mut connection);
        assert_eq!(frames, [(0x40 | FIRST_TEXT, vec![]), (LAST, vec![0])]);
        connection.send_text("Hello").expect("it is open");
    }
}
