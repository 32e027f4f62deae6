//! The opening handshake: a browser's request to a 101, and a client's whole handshake.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails is to stop")]

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sansocket::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, ServerHandshake, ServerProgress, accept_key,
};
use sansocket::{Config, Connection, Input};

/// What a browser sends, 565 bytes.
const REQUEST: &[u8] = b"GET /chat?room=42 HTTP/1.1\r\n\
    Host: server.example.com:8080\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: http://server.example.com:8080\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

#[divan::bench]
fn server(bencher: Bencher<'_, '_>) {
    let bencher = bencher.counter(ItemsCount::new(1_usize)).counter(BytesCount::new(REQUEST.len()));
    bencher.with_inputs(|| REQUEST.to_vec()).bench_local_refs(|request| accept(request));
}

#[divan::bench]
fn server_byte_by_byte(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| REQUEST.to_vec()).bench_local_refs(|request| {
        let mut handshake = ServerHandshake::new(Config::default());
        for byte in request.chunks_mut(1) {
            match handshake.recv(&mut Input::new(byte)) {
                ServerProgress::Incomplete(more) => handshake = more,
                ServerProgress::Upgrade(request) => return request.accept(),
                _ => break,
            }
        }
        panic!("the request is valid");
    });
}

#[divan::bench]
fn client(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        let request = ClientRequest::new("ws://server.example.com:8080/chat?room=42").unwrap();
        let mut handshake =
            ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(7));
        let mut request = handshake.output().to_vec();
        handshake.output_written(request.len());
        let mut answer = accept(&mut request).take_output();
        match handshake.recv(&mut Input::new(&mut answer)) {
            ClientProgress::Connected(connection, _) => connection,
            _ => panic!("the answer is valid"),
        }
    });
}

#[divan::bench]
fn key(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| accept_key(divan::black_box(b"dGhlIHNhbXBsZSBub25jZQ==")));
}

fn accept(request: &mut [u8]) -> Connection {
    match ServerHandshake::new(Config::default()).recv(&mut Input::new(request)) {
        ServerProgress::Upgrade(request) => request.accept(),
        _ => panic!("the request is valid"),
    }
}

fn main() {
    divan::main();
}
