//! Compressed messages, beside the same work done by calling zlib directly: what is around it must not cost
//! more than 3 %.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]

mod common;

use std::time::Instant;

use common::payloads::{MESSAGES, json};
use common::{Ring, Role};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use sansocket::deflate::{Deflate, Params};
use sansocket::{Connection, Event, Input};
use zlib_rs::{DeflateFlush, InflateFlush};

const SIZES: [usize; 2] = [1 << 10, 16 << 10];
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

#[divan::bench(args = SIZES, consts = [false, true])]
fn send<const TAKEOVER: bool>(bencher: Bencher<'_, '_>, size: usize) {
    bencher.counter(BytesCount::new(size)).bench_local(sending(TAKEOVER, size));
}

#[divan::bench(args = SIZES, consts = [false, true])]
fn send_directly<const TAKEOVER: bool>(bencher: Bencher<'_, '_>, size: usize) {
    bencher.counter(BytesCount::new(size)).bench_local(sending_directly(TAKEOVER, size));
}

#[divan::bench(args = SIZES, consts = [false, true])]
fn receive<const TAKEOVER: bool>(bencher: Bencher<'_, '_>, size: usize) {
    bencher.counter(BytesCount::new(size)).bench_local(receiving(TAKEOVER, size));
}

#[divan::bench(args = SIZES, consts = [false, true])]
fn receive_directly<const TAKEOVER: bool>(bencher: Bencher<'_, '_>, size: usize) {
    bencher.counter(BytesCount::new(size)).bench_local(receiving_directly(TAKEOVER, size));
}

fn sending(takeover: bool, size: usize) -> impl FnMut() {
    let messages = json(size);
    let (mut connection, mut ring, mut next) = (connection(Role::Server, takeover), Ring::new(), 0);
    move || {
        connection.send_binary(black_box(&messages[next])).unwrap();
        next = (next + 1) % MESSAGES;
        ring.write(connection.output());
        connection.output_written(connection.output().len());
    }
}

fn sending_directly(takeover: bool, size: usize) -> impl FnMut() {
    let messages = json(size);
    let (mut zlib, mut ring, mut next) = (zlib_rs::Deflate::new(1, false, 15), Ring::new(), 0);
    let mut out = vec![0; zlib_rs::compress_bound(size) + 16];
    let flush = if takeover { DeflateFlush::SyncFlush } else { DeflateFlush::FullFlush };
    move || {
        let before = zlib.total_out();
        zlib.compress(black_box(&messages[next]), &mut out, flush).unwrap();
        next = (next + 1) % MESSAGES;
        ring.write(&out[..(zlib.total_out() - before) as usize - 4]);
    }
}

fn receiving(takeover: bool, size: usize) -> impl FnMut() {
    let mut peer = connection(Role::Server, takeover);
    let frames = json(size).map(|message| {
        peer.send_binary(&message).unwrap();
        peer.output().to_vec()
    });
    // The first one refers to nothing, and the others to each other: they may come again and again.
    let mut connection = connection(Role::Client, takeover);
    let (mut buf, mut next) = (vec![0; size + 100], 0);
    move || {
        let frame = black_box(&frames[next]);
        next = (next + 1) % MESSAGES;
        buf[..frame.len()].copy_from_slice(frame);
        let mut input = Input::new(&mut buf[..frame.len()]);
        match connection.recv(&mut input) {
            Some(Event::Message(message)) => assert_eq!(black_box(message.as_bytes()).len(), size),
            event => panic!("{event:?}"),
        }
    }
}

fn receiving_directly(takeover: bool, size: usize) -> impl FnMut() {
    let mut peer = connection(Role::Server, takeover);
    let frames = json(size).map(|message| {
        peer.send_binary(&message).unwrap();
        let header_len = if peer.output()[1] == 126 { 4 } else { 2 };
        peer.output()[header_len..].to_vec()
    });
    let (mut zlib, mut buf, mut next) = (zlib_rs::Inflate::new(false, 15), vec![0; size + 100], 0);
    move || {
        let payload = black_box(&frames[next]);
        next = (next + 1) % MESSAGES;
        buf[..payload.len()].copy_from_slice(payload);
        buf[payload.len()..][..4].copy_from_slice(&TAIL);
        let mut message = vec![0; size + 1];
        let before = zlib.total_out();
        zlib.decompress(&buf[..payload.len() + 4], &mut message, InflateFlush::NoFlush).unwrap();
        message.truncate((zlib.total_out() - before) as usize);
        assert_eq!(black_box(&message).len(), size);
        if !takeover {
            zlib.reset(false);
        }
    }
}

/// How much longer ours takes, taking turns, so that what else the machine does meets both.
fn ratio(mut ours: impl FnMut(), mut direct: impl FnMut()) -> f64 {
    fn time(work: &mut impl FnMut()) -> f64 {
        let start = Instant::now();
        (0..200).for_each(|_| work());
        start.elapsed().as_secs_f64()
    }
    let mut ratios: Vec<f64> = (0..301).map(|_| time(&mut ours) / time(&mut direct)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

fn connection(role: Role, takeover: bool) -> Connection {
    let mut params = Params::default();
    params.server_no_context_takeover = !takeover;
    role.connection().with_deflate(&Deflate::default(), &params)
}

fn main() {
    divan::main();
    if std::env::args().any(|arg| arg == "--bench") {
        for takeover in [false, true] {
            for size in SIZES {
                let send = ratio(sending(takeover, size), sending_directly(takeover, size));
                let receive = ratio(receiving(takeover, size), receiving_directly(takeover, size));
                println!("takeover {takeover}, {size} bytes: send {send:.3}, receive {receive:.3} of direct");
            }
        }
    }
}
