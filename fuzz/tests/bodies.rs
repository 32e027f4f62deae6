//! The bodies of the fuzz targets, over their corpus and over mutations of it: what a fuzzer does, small and always the same.
#![cfg(all(feature = "net", feature = "tokio"))]

#[path = "../bodies/mod.rs"]
mod bodies;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/counting.rs"]
mod counting;
#[path = "../replay.rs"]
mod replay;

/// Runs a body under an allocator that counts, with at most so many KiB at once. That includes what the body itself holds.
fn bounded(body: fn(&[u8]), most: isize) -> impl Fn(&[u8]) {
    move |data| {
        let (counting::Used { peak, calls, held }, ()) = counting::measure(|| body(data));
        assert!(
            peak <= most << 10,
            "I11: {peak} bytes at once, {held} in the end, {calls} allocations, for an input of {}",
            data.len()
        );
    }
}

/// A test for each target: so many mutations of its corpus, and the KiB that each may take.
macro_rules! targets {
    ($($target:ident: $mutations:literal, $most:literal;)*) => {
        $(
            #[test]
            fn $target() {
                replay::run(stringify!($target), bounded(bodies::$target::body, $most), $mutations);
            }
        )*

        #[test]
        fn every_target_has_a_test() {
            let names = Vec::from_iter(bodies::TARGETS.iter().map(|(name, _)| *name));
            assert_eq!(names, [$(stringify!($target)),*]);
        }
    };
}

targets! {
    calls: 1_000, 8_192;
    client: 3_000, 32;
    compress: 1_000, 2_048;
    connect: 5_000, 64;
    connection: 8_000, 2_048;
    deflate_negotiation: 5_000, 128;
    echo: 5_000, 1_024;
    endpoint: 8_000, 256;
    extensions: 5_000, 64;
    frames: 3_000, 64;
    halves: 3_000, 256;
    handshake: 5_000, 32;
    header: 8_000, 32;
    headers: 5_000, 64;
    inflate: 4_000, 1_024;
    mask: 8_000, 32;
    net: 5_000, 8_192;
    origin: 5_000, 64;
    pair: 2_000, 2_048;
    read_buffer: 5_000, 64;
    reconnect: 5_000, 64;
    redirect: 5_000, 32;
    request: 5_000, 64;
    response: 5_000, 32;
    server: 3_000, 64;
    socks5: 5_000, 2_048;
    tokio: 2_000, 8_192;
    url: 10_000, 32;
    utf8: 8_000, 32;
}

/// Any calls in any order, of which the corpus knows only some.
#[test]
fn endpoint_in_any_order() {
    let mut rng = common::Rng::new(0);
    for _ in 0..10_000 {
        let len = 20 + rng.below(180);
        bounded(bodies::endpoint::body, 256)(&rng.bytes(len));
    }
}
