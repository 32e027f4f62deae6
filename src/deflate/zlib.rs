//! [`Zlib`]: the codec of the feature `deflate`, zlib in Rust.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use std::sync::Mutex;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

use super::codec::{Codec, CodecError, Compressor, Decompressor, Inflated};

/// zlib in Rust, with a pool of states for connections without context takeover.
///
/// Such connections need a state only while a message is in progress, and taking one from a pool is much
/// cheaper than creating one. A pool of your own can keep more or fewer:
///
/// ```
/// use sansocket::{Config, deflate::{Deflate, Zlib}};
/// static ZLIB: Zlib = Zlib::new(256);
/// let config = Config::default().deflate(Some(Deflate::new(&ZLIB)));
/// ```
pub struct Zlib {
    pool: Mutex<Pool>,
    max_idle: usize,
}

struct Pool {
    compressors: Vec<(Settings, Box<dyn Compressor>)>,
    decompressors: Vec<(u8, Box<dyn Decompressor>)>,
}

type Settings = (u8, u8);

impl Zlib {
    /// Creates a codec that keeps at most `max_idle` unused compressors and as many decompressors.
    #[must_use]
    pub const fn new(max_idle: usize) -> Self {
        Self { pool: Mutex::new(Pool { compressors: Vec::new(), decompressors: Vec::new() }), max_idle }
    }

    /// Calls `f` with the pool; returns `None` if the pool is unavailable because another thread panicked
    /// with it.
    fn with_pool<T>(&self, f: impl FnOnce(&mut Pool) -> T) -> Option<T> {
        self.pool.lock().ok().map(|mut pool| f(&mut pool))
    }
}

impl fmt::Debug for Zlib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zlib").field("max_idle", &self.max_idle).finish_non_exhaustive()
    }
}

impl Codec for Zlib {
    fn compressor(&self, window_bits: u8, level: u8) -> Box<dyn Compressor> {
        let settings = (window_bits, level);
        self.with_pool(|pool| take(&mut pool.compressors, &settings)).flatten().unwrap_or_else(|| {
            let window_bits = i32::from(window_bits.clamp(9, 15));
            Box::new(Deflate::new_with_config(DeflateConfig {
                level: level.clamp(1, 9).into(),
                window_bits: -window_bits, // no header
                // A small negotiated window implies little memory overall; at 15 bits this is zlib's default.
                mem_level: (window_bits - 7).max(4),
                ..DeflateConfig::default()
            }))
        })
    }

    fn decompressor(&self, window_bits: u8) -> Box<dyn Decompressor> {
        self.with_pool(|pool| take(&mut pool.decompressors, &window_bits))
            .flatten()
            .unwrap_or_else(|| Box::new(Inflating::new(window_bits)))
    }

    fn recycle_compressor(&self, window_bits: u8, level: u8, compressor: Box<dyn Compressor>) {
        let settings = (window_bits, level);
        drop(self.with_pool(|pool| put(&mut pool.compressors, self.max_idle, settings, compressor)));
    }

    fn recycle_decompressor(&self, window_bits: u8, decompressor: Box<dyn Decompressor>) {
        drop(self.with_pool(|pool| put(&mut pool.decompressors, self.max_idle, window_bits, decompressor)));
    }
}

fn take<K: PartialEq, V>(pool: &mut Vec<(K, V)>, key: &K) -> Option<V> {
    let at = pool.iter().rposition(|(other, _)| other == key)?;
    Some(pool.remove(at).1)
}

/// Adds a state, and returns the one that there is no room for. That is the oldest, so that states of unused
/// settings do not stay forever.
fn put<K, V>(pool: &mut Vec<(K, V)>, max: usize, key: K, value: V) -> Option<(K, V)> {
    if max == 0 {
        return Some((key, value));
    }
    let oldest = (pool.len() >= max).then(|| pool.remove(0));
    pool.push((key, value));
    oldest
}

impl Compressor for Deflate {
    fn compress(&mut self, data: &[u8], forget: bool, out: &mut [u8]) -> Result<usize, CodecError> {
        // A full flush resets the history at a lower cost than a reset.
        let flush = if forget { DeflateFlush::FullFlush } else { DeflateFlush::SyncFlush };
        let (total_in, total_out) = (self.total_in(), self.total_out());
        let (mut taken, mut len) = (0, 0);
        loop {
            let room = &mut out[len..];
            let most = room.len();
            Deflate::compress(self, &data[taken..], room, flush).map_err(|_| CodecError)?;
            let before = (taken, len);
            (taken, len) = ((self.total_in() - total_in) as usize, (self.total_out() - total_out) as usize);
            // With room left, everything has been flushed; but one call never processes more than 4 GiB.
            match len - before.1 {
                all if all == most => return Err(CodecError),
                some if some < u32::MAX as usize && taken == data.len() => return Ok(len),
                _ if (taken, len) == before => return Err(CodecError),
                _ => {}
            }
        }
    }
}

/// A decompressor that continues after blocks marked as final, with the same window.
///
/// ```text
/// ring   │ this time round ...... │ room │ ........ the time before │
///        0                        at     at most SLACK              ring.len()
/// ```
struct Inflating {
    stream: Option<Inflate>,
    /// Whether a zlib stream is in progress. A final block ends it, and its window cannot be read.
    live: bool,
    window: usize,
    /// The output, at least one window of it; new data overwrites the oldest. zlib may write slightly more
    /// than it reports, into the slack.
    ring: Box<[u8]>,
    at: usize,
    /// Whether the ring has wrapped around.
    wrapped: bool,
    /// Whether the last block was final, and nothing has followed.
    ended: bool,
    /// What is left to the message in progress for blocks that begin after a final one.
    credit: u64,
}

impl Inflating {
    fn new(window_bits: u8) -> Self {
        // Compressors that announce a window of 2^8 are known to use 2^9.
        let window = 1 << window_bits.clamp(9, 15);
        let ring = alloc::vec![0; window + SLACK].into();
        Self { stream: None, live: false, window, ring, at: 0, wrapped: false, ended: false, credit: CREDIT }
    }

    /// Returns the stream in progress, or a new one with the previous window, and the room for its output.
    fn stream(&mut self) -> Result<(&mut Inflate, &mut [u8]), CodecError> {
        let (now, before) = self.ring.split_at_mut(self.at);
        // Its own window has this size in any case.
        let stream = self.stream.get_or_insert_with(|| Inflate::new(false, 15));
        if !self.live {
            if self.ended {
                self.credit = self.credit.checked_sub(RESTART).ok_or(CodecError)?;
            }
            stream.reset(false);
            let older = if self.wrapped { &before[before.len().min(SLACK)..] } else { &[] };
            for part in [older, now] {
                let part = &part[part.len().saturating_sub(self.window)..];
                stream.set_dictionary(part).map_err(|_| CodecError)?;
            }
            (self.live, self.ended) = (true, false);
        }
        Ok((stream, before))
    }

    /// Consumes from `input`, and returns how much.
    fn step(&mut self, input: &[u8]) -> Result<usize, CodecError> {
        let (stream, room) = self.stream()?;
        let (total_in, total_out) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(input, room, InflateFlush::NoFlush);
        let consumed = (stream.total_in() - total_in) as usize;
        let produced = (stream.total_out() - total_out) as usize;
        self.at += produced;
        self.credit = self.credit.saturating_add(produced as u64);
        if status.map_err(|_| CodecError)? == Status::StreamEnd {
            (self.live, self.ended) = (false, true);
        }
        Ok(consumed)
    }

    /// Consumes the end of a message that the sender has left out (RFC 7692 §7.2.2). Returns `false` if its blocks do
    /// not end there.
    fn is_end(&mut self) -> Result<bool, CodecError> {
        let (stream, _) = self.stream()?;
        let (total_in, total_out) = (stream.total_in(), stream.total_out());
        // At the end of a block zlib stops; inside one it would consume the next byte as well.
        let tail = [0x00, 0x00, 0xFF, 0xFF, 0x00];
        let status = stream.decompress(&tail, &mut [0], InflateFlush::Block).map_err(|_| CodecError)?;
        let is_end = (stream.total_in() - total_in, stream.total_out() - total_out) == (4, 0);
        self.live &= status != Status::StreamEnd;
        Ok(is_end)
    }
}

impl Decompressor for Inflating {
    fn decompress(&mut self, input: &[u8]) -> Result<Inflated<'_>, CodecError> {
        if self.at == self.ring.len() {
            (self.at, self.wrapped) = (0, true);
        }
        let (start, mut consumed) = (self.at, 0);
        let done = loop {
            // Between two streams nothing is held back.
            if !self.live && consumed == input.len() {
                break true;
            }
            match self.step(&input[consumed..]) {
                Ok(n) => consumed += n,
                // The error recurs with the same input.
                Err(_) if self.at > start => break false,
                Err(error) => return Err(error),
            }
            if self.at == self.ring.len() {
                break false;
            }
            if self.live {
                break true;
            }
        };
        Ok(Inflated { consumed, data: &self.ring[start..self.at], done })
    }

    fn end_message(&mut self) -> Result<(), CodecError> {
        self.credit = CREDIT;
        let is_end = core::mem::take(&mut self.ended) || self.is_end()?;
        // With a small negotiated window, memory matters most: the ring alone is sufficient.
        if self.window < 1 << 15 {
            (self.stream, self.live) = (None, false);
        }
        if is_end { Ok(()) } else { Err(CodecError) }
    }

    fn forget(&mut self) {
        (self.live, self.ended, self.credit) = (false, false, CREDIT);
        (self.at, self.wrapped) = (0, false);
    }
}

/// What a block after a final one costs a message: it needs a new stream, with a copy of the window. Each decompressed
/// byte earns 1, so that no message makes more work than its length is worth.
const RESTART: u64 = 256;
/// For 255 blocks without data: no legitimate message needs many.
const CREDIT: u64 = 255 * RESTART;
/// More than zlib writes beyond what it reports.
const SLACK: usize = 4 * 1024;
