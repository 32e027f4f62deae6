//! The opening handshake: a browser's request to a 101, and a client's whole handshake.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails is to stop")]

mod common;

use common::accept;
use common::payloads::REQUEST;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sansocket::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, ServerHandshake, ServerProgress, accept_key,
};
use sansocket::{Config, Input};

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
        let mut answer = accept(&mut request).output().to_vec();
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

fn main() {
    divan::main();
}
