//! UTF-8 validation: text that arrives whole, and in pieces that cut code points.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]

mod common;

use common::{Ascii, MultiByte, Payload, SIZES};
use divan::Bencher;
use divan::counter::BytesCount;
use sansocket::frame::Utf8;

#[divan::bench(types = [Ascii, MultiByte], args = SIZES)]
fn whole<P: Payload>(bencher: Bencher<'_, '_>, size: usize) {
    validate::<P>(bencher, size, size);
}

#[divan::bench(types = [Ascii, MultiByte], args = SIZES)]
fn pieces_of_100_bytes<P: Payload>(bencher: Bencher<'_, '_>, size: usize) {
    validate::<P>(bencher, size, 100);
}

fn validate<P: Payload>(bencher: Bencher<'_, '_>, size: usize, piece: usize) {
    let message = P::message(size);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let mut utf8 = Utf8::new();
        for piece in divan::black_box(message.as_bytes()).chunks(piece) {
            divan::black_box(utf8.push(piece).unwrap());
        }
        assert!(utf8.is_complete());
    });
}

fn main() {
    divan::main();
}
