//! The bodies of the fuzz targets, over their corpus and over mutations of it: what a fuzzer does, small and always the same.
#![cfg(feature = "deflate")]
#![expect(clippy::expect_used, reason = "a test may panic")]

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;
mod common;

use std::fs;
use std::path::Path;

use common::Rng;

#[test]
fn frames() {
    run("frames", bodies::frames::body, 6_000);
}

#[test]
fn connection() {
    run("connection", bodies::connection::body, 20_000);
}

#[test]
fn handshake() {
    run("handshake", bodies::handshake::body, 10_000);
}

#[test]
fn endpoint() {
    run("endpoint", bodies::endpoint::body, 20_000);
}

/// Any calls in any order, of which the corpus knows only some.
#[test]
fn endpoint_in_any_order() {
    let mut rng = Rng::new(0);
    for _ in 0..100_000 {
        let len = 20 + rng.below(180);
        bodies::endpoint::body(&rng.bytes(len));
    }
}

#[test]
fn utf8() {
    run("utf8", bodies::utf8::body, 20_000);
}

#[test]
fn inflate() {
    run("inflate", bodies::inflate::body, 6_000);
}

#[test]
fn deflate_negotiation() {
    run("deflate_negotiation", bodies::deflate_negotiation::body, 10_000);
}

#[test]
fn mask() {
    run("mask", bodies::mask::body, 20_000);
}

fn run(target: &str, body: fn(&[u8]), mutations: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = Vec::from_iter(
        fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("an entry of the corpus").path()),
    );
    files.sort();
    let corpus = Vec::from_iter(files.iter().map(|file| fs::read(file).expect("a readable file")));
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|data| body(data));
    let mut rng = Rng::new(0);
    for _ in 0..mutations {
        let mut data = corpus[rng.below(corpus.len())].clone();
        for _ in 0..1 + rng.below(5) {
            mutate(&mut data, &corpus, &mut rng);
        }
        data.truncate(600);
        body(&data);
    }
}

fn mutate(data: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let (from, to) = (rng.below(data.len() + 1), rng.below(data.len() + 1));
    let (from, to) = (from.min(to), from.max(to));
    match rng.below(6) {
        0 if from < data.len() => data[from] ^= 1 << rng.below(8),
        1 if from < data.len() => {
            data[from] = rng.pick(&[0, 1, 2, 125, 126, 127, 128, 0x81, 0x88, 0xFE, 0xFF]);
        }
        2 => data.insert(from, rng.number() as u8),
        3 => drop(data.drain(from..to.min(from + 8))),
        4 => data.extend_from_within(from..to),
        _ => {
            let other = &corpus[rng.below(corpus.len())];
            data.truncate(from);
            data.extend_from_slice(&other[rng.below(other.len())..]);
        }
    }
}
