//! Masking, in place and fused with a copy.

mod common;

use common::{Binary, Payload, SIZES};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use sansocket::frame::Mask;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

#[divan::bench(args = SIZES)]
fn in_place(bencher: Bencher<'_, '_>, size: usize) {
    let mut payload = Binary::message(size).as_bytes().to_vec();
    bencher.counter(BytesCount::new(size)).bench_local(|| Mask::new(black_box(KEY)).apply(&mut payload));
}

#[divan::bench(args = SIZES)]
fn copy(bencher: Bencher<'_, '_>, size: usize) {
    let (from, mut to) = (Binary::message(size), vec![0; size]);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| Mask::new(black_box(KEY)).copy(from.as_bytes(), &mut to));
}

fn main() {
    divan::main();
}
