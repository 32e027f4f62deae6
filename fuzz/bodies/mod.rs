//! What the fuzz targets do: plain functions over bytes, each asserting invariants of the design by their numbers. The fuzzer
//! and the stable `tests/fuzz_bodies.rs` both include them.
#![allow(dead_code, reason = "a fuzz target uses one of them")]

pub(crate) mod connection;
pub(crate) mod deflate_negotiation;
pub(crate) mod endpoint;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod inflate;
pub(crate) mod mask;
pub(crate) mod utf8;

/// The fuzzer's bytes, read from the front as decisions.
pub(crate) struct Tape<'d>(&'d [u8]);

impl<'d> Tape<'d> {
    pub(crate) fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; 0 behind the end.
    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// The next `n` bytes, or all that are left.
    pub(crate) fn take(&mut self, n: usize) -> &'d [u8] {
        let (front, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        front
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// Two ascending places to cut `len` bytes at.
    pub(crate) fn cuts(&mut self, len: usize) -> [usize; 2] {
        let mut cuts = [self.byte(), self.byte()].map(|cut| usize::from(cut) % (len + 1));
        cuts.sort_unstable();
        cuts
    }
}
