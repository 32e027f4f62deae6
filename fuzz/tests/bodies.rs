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

/// Far more than a few connections with compression hold, and far less than frames announce.
const MOST_MEMORY: isize = 16 << 20;

/// Runs a body under an allocator that counts.
fn bounded(body: fn(&[u8])) -> impl Fn(&[u8]) {
    move |data| {
        let (counting::Used { peak, calls, held }, ()) = counting::measure(|| body(data));
        assert!(
            peak <= MOST_MEMORY,
            "I11: {peak} bytes at once, {held} in the end, {calls} allocations, for an input of {}",
            data.len()
        );
    }
}

/// A test for each target, with so many mutations of its corpus.
macro_rules! targets {
    ($($target:ident: $mutations:literal,)*) => {
        $(
            #[test]
            fn $target() {
                replay::run(stringify!($target), bounded(bodies::$target::body), $mutations);
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
    calls: 1_000,
    client: 3_000,
    compress: 1_000,
    connect: 5_000,
    connection: 8_000,
    deflate_negotiation: 5_000,
    echo: 5_000,
    endpoint: 8_000,
    extensions: 5_000,
    frames: 3_000,
    handshake: 5_000,
    header: 8_000,
    headers: 5_000,
    inflate: 4_000,
    mask: 8_000,
    net: 5_000,
    origin: 5_000,
    pair: 2_000,
    read_buffer: 5_000,
    redirect: 5_000,
    request: 5_000,
    response: 5_000,
    server: 3_000,
    socks5: 5_000,
    tokio: 2_000,
    url: 10_000,
    utf8: 8_000,
}

/// Any calls in any order, of which the corpus knows only some.
#[test]
fn endpoint_in_any_order() {
    let mut rng = common::Rng::new(0);
    for _ in 0..10_000 {
        let len = 20 + rng.below(180);
        bounded(bodies::endpoint::body)(&rng.bytes(len));
    }
}
