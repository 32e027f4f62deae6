//! Runs a body over its corpus and over mutations of it, always the same ones.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use crate::common::Rng;

pub(crate) fn run(target: &str, body: impl Fn(&[u8]), mutations: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.ancestors().find(|folder| folder.join("fuzz").is_dir()).expect("the repository");
    let packed = fs::read_to_string(root.join(format!("fuzz/corpora/{target}.txt"))).expect("a corpus");
    let corpus = Vec::from_iter(packed.lines().map(|line| {
        let hex = line.rsplit(' ').next().unwrap_or_default().as_bytes();
        let digits = hex.chunks(2).map(|digits| str::from_utf8(digits).expect("ASCII"));
        Vec::from_iter(digits.map(|digits| u8::from_str_radix(digits, 16).expect("hexadecimal")))
    }));
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
