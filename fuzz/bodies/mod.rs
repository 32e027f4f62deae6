//! What the fuzz targets do: plain functions over bytes, each asserting invariants of the design by their numbers. The fuzzer
//! and the stable `fuzz/tests/bodies.rs` both include them.
#![allow(dead_code, reason = "a fuzz target uses one of them")]

pub(crate) mod calls;
pub(crate) mod client;
pub(crate) mod compress;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod deflate_negotiation;
pub(crate) mod echo;
pub(crate) mod endpoint;
pub(crate) mod extensions;
pub(crate) mod frames;
#[cfg(all(feature = "net", feature = "tokio"))]
pub(crate) mod halves;
pub(crate) mod handshake;
pub(crate) mod header;
pub(crate) mod headers;
pub(crate) mod inflate;
pub(crate) mod mask;
#[cfg(all(feature = "net", feature = "tokio"))]
pub(crate) mod net;
pub(crate) mod opening;
pub(crate) mod origin;
pub(crate) mod pair;
pub(crate) mod read_buffer;
pub(crate) mod reading;
pub(crate) mod reconnect;
pub(crate) mod redirect;
pub(crate) mod request;
pub(crate) mod response;
#[cfg(all(feature = "net", feature = "tokio"))]
mod scripted;
pub(crate) mod server;
pub(crate) mod socks5;
#[cfg(all(feature = "net", feature = "tokio"))]
pub(crate) mod tokio;
pub(crate) mod transcript;
pub(crate) mod url;
pub(crate) mod utf8;

use arbitrary::{Arbitrary, Unstructured};
use sansocket::Connection;

/// A target's name and body.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    ("calls", calls::body),
    ("client", client::body),
    ("compress", compress::body),
    ("connect", connect::body),
    ("connection", connection::body),
    ("deflate_negotiation", deflate_negotiation::body),
    ("echo", echo::body),
    ("endpoint", endpoint::body),
    ("extensions", extensions::body),
    ("frames", frames::body),
    #[cfg(all(feature = "net", feature = "tokio"))]
    ("halves", halves::body),
    ("handshake", handshake::body),
    ("header", header::body),
    ("headers", headers::body),
    ("inflate", inflate::body),
    ("mask", mask::body),
    #[cfg(all(feature = "net", feature = "tokio"))]
    ("net", net::body),
    ("origin", origin::body),
    ("pair", pair::body),
    ("read_buffer", read_buffer::body),
    ("reconnect", reconnect::body),
    ("redirect", redirect::body),
    ("request", request::body),
    ("response", response::body),
    ("server", server::body),
    ("socks5", socks5::body),
    #[cfg(all(feature = "net", feature = "tokio"))]
    ("tokio", tokio::body),
    ("url", url::body),
    ("utf8", utf8::body),
];

/// The fuzzer's bytes as a value; `None` if they make none.
pub(crate) fn structured<'d, T: Arbitrary<'d>>(data: &'d [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(data)).ok()
}

/// Writes all output.
pub(crate) fn drain(connection: &mut Connection) -> Vec<u8> {
    let mut written = Vec::new();
    while connection.wants_write() {
        written.extend_from_slice(connection.output());
        connection.output_written(connection.output().len());
    }
    written
}

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
