//! Sending: messages to bytes, each copied once into a ring.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]

mod common;

use common::{Binary, Payload, Ring, Role, SIZES};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sansocket::Connection;
use sansocket::frame::Kind;

/// `FLUSH`: how many messages there are to a write.
#[divan::bench(consts = [1, 32], args = SIZES)]
fn server<const FLUSH: usize>(bencher: Bencher<'_, '_>, size: usize) {
    send(bencher, Role::Server, FLUSH, size);
}

#[divan::bench(consts = [1, 32], args = SIZES)]
fn client<const FLUSH: usize>(bencher: Bencher<'_, '_>, size: usize) {
    send(bencher, Role::Client, FLUSH, size);
}

/// Header and payload apart, as in a vectored write.
#[divan::bench(args = SIZES)]
fn server_vectored(bencher: Bencher<'_, '_>, size: usize) {
    let message = Binary::message(size);
    let (mut connection, mut ring) = (Role::Server.connection(), Ring::new());
    bencher.counter(ItemsCount::new(1_usize)).counter(BytesCount::new(size)).bench_local(|| {
        let payload = divan::black_box(message.as_bytes());
        let mask = connection.send_header(Kind::Binary, payload.len()).unwrap();
        assert!(mask.is_none());
        ring.write(connection.output());
        ring.write(payload);
        connection.output_written(connection.output().len() + payload.len());
    });
}

fn send(bencher: Bencher<'_, '_>, role: Role, flush: usize, size: usize) {
    let message = Binary::message(size);
    let (mut connection, mut ring) = (role.connection(), Ring::new());
    bencher.counter(ItemsCount::new(flush)).counter(BytesCount::new(flush * size)).bench_local(|| {
        for _ in 0..flush {
            connection.send(divan::black_box(&message)).unwrap();
        }
        write(&mut connection, &mut ring);
    });
}

fn write(connection: &mut Connection, ring: &mut Ring) {
    let output = connection.output();
    ring.write(output);
    connection.output_written(output.len());
}

fn main() {
    divan::main();
}
