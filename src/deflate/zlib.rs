//! [`Zlib`]: the codec of the feature `deflate`, zlib in Rust.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use std::sync::Mutex;

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

use super::codec::{Codec, CodecError, Compressor, Decompressor, Inflated};

/// zlib in Rust, with a pool of states for connections without context takeover.
///
/// Those need a state only while a message is under way; taking one from a pool costs a fraction of making one. A pool of your
/// own keeps more, or fewer:
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
    /// Keeps at most `max_idle` compressors and as many decompressors while nobody uses them.
    #[must_use]
    pub const fn new(max_idle: usize) -> Self {
        Self { pool: Mutex::new(Pool { compressors: Vec::new(), decompressors: Vec::new() }), max_idle }
    }

    /// Does something with the pool; if it is not to be had, because somebody panicked with it, there is none.
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
            Box::new(Deflate::new(level.clamp(1, 9).into(), false, window_bits.clamp(9, 15)))
        })
    }

    fn decompressor(&self, window_bits: u8) -> Box<dyn Decompressor> {
        self.with_pool(|pool| take(&mut pool.decompressors, &window_bits))
            .flatten()
            .unwrap_or_else(|| Box::new(Inflating::new(window_bits)))
    }

    fn recycle_compressor(&self, window_bits: u8, level: u8, compressor: Box<dyn Compressor>) {
        self.with_pool(|pool| put(&mut pool.compressors, self.max_idle, (window_bits, level), compressor));
    }

    fn recycle_decompressor(&self, window_bits: u8, decompressor: Box<dyn Decompressor>) {
        self.with_pool(|pool| put(&mut pool.decompressors, self.max_idle, window_bits, decompressor));
    }
}

fn take<K: PartialEq, V>(pool: &mut Vec<(K, V)>, key: &K) -> Option<V> {
    let at = pool.iter().rposition(|(other, _)| other == key)?;
    Some(pool.swap_remove(at).1)
}

fn put<K, V>(pool: &mut Vec<(K, V)>, max: usize, key: K, value: V) {
    if pool.len() < max {
        pool.push((key, value));
    }
}

impl Compressor for Deflate {
    fn compress(&mut self, data: &[u8], forget: bool, out: &mut Vec<u8>) -> Result<(), CodecError> {
        // A full flush makes everything forgotten for less than a reset.
        let flush = if forget { DeflateFlush::FullFlush } else { DeflateFlush::SyncFlush };
        let mut data = data;
        let mut room = zlib_rs::compress_bound(data.len()).saturating_add(FLUSH_LEN);
        loop {
            let start = out.len();
            out.resize(start + room, 0);
            let (total_in, total_out) = (self.total_in(), self.total_out());
            let status =
                Deflate::compress(self, data, &mut out[start..], flush).map_err(|_| CodecError::default())?;
            data = &data[(self.total_in() - total_in) as usize..];
            let produced = (self.total_out() - total_out) as usize;
            out.truncate(start + produced);
            if produced < room || status == Status::BufError {
                return Ok(());
            }
            room = FLUSH_LEN;
        }
    }
}

/// A decompressor that goes on after blocks that are marked as final, with the same window.
struct Inflating {
    inflate: Inflate,
    window_bits: u8,
    /// The last output, up to the size of the window, as a ring that begins at `oldest`. zlib's own window ends with a final
    /// block, and cannot be asked for.
    history: Vec<u8>,
    oldest: usize,
    /// Whether the last block was final, and nothing has come since.
    ended: bool,
}

impl Inflating {
    fn new(window_bits: u8) -> Self {
        // Compressors that claim a window of 2^8 are known to use 2^9.
        let window_bits = window_bits.clamp(9, 15);
        Self {
            inflate: Inflate::new(false, window_bits),
            window_bits,
            history: Vec::new(),
            oldest: 0,
            ended: false,
        }
    }

    fn remember(&mut self, output: &[u8]) {
        let window = 1 << self.window_bits;
        let output = &output[output.len().saturating_sub(window)..];
        // First the room that was never used, then around the ring.
        let (grow, rest) = output.split_at(output.len().min(window - self.history.len()));
        self.history.extend_from_slice(grow);
        let (end, start) = rest.split_at(rest.len().min(window - self.oldest));
        self.history[self.oldest..][..end.len()].copy_from_slice(end);
        self.history[..start.len()].copy_from_slice(start);
        self.oldest = (self.oldest + rest.len()) % window;
    }

    /// A new stream with the old window.
    fn restart(&mut self) -> Result<(), CodecError> {
        self.ended = false;
        self.inflate = Inflate::new(false, self.window_bits);
        self.history.rotate_left(self.oldest);
        self.oldest = 0;
        self.inflate.set_dictionary(&self.history).map(drop).map_err(|_| CodecError::default())
    }

    fn step(&mut self, input: &[u8], output: &mut [u8], flush: InflateFlush) -> Result<Inflated, CodecError> {
        let (total_in, total_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, output, flush);
        let produced = (self.inflate.total_out() - total_out) as usize;
        self.ended = status.map_err(|_| CodecError { produced })? == Status::StreamEnd;
        Ok(Inflated { consumed: (self.inflate.total_in() - total_in) as usize, produced })
    }
}

impl Decompressor for Inflating {
    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<Inflated, CodecError> {
        let mut done = Inflated { consumed: 0, produced: 0 };
        loop {
            if self.ended && done.consumed < input.len() {
                self.restart()?;
            }
            let room = &mut output[done.produced..];
            let step = self
                .step(&input[done.consumed..], room, InflateFlush::NoFlush)
                .map_err(|error| CodecError { produced: done.produced + error.produced })?;
            self.remember(&room[..step.produced]);
            done.consumed += step.consumed;
            done.produced += step.produced;
            if !self.ended || done.consumed == input.len() || done.produced == output.len() {
                return Ok(done);
            }
        }
    }

    fn end_message(&mut self) -> Result<(), CodecError> {
        if self.ended {
            return self.restart();
        }
        // At the end of a block, zlib stops; inside of one, it would take the byte behind too.
        let step = self.step(&[0x00, 0x00, 0xFF, 0xFF, 0x00], &mut [0], InflateFlush::Block)?;
        if step == (Inflated { consumed: 4, produced: 0 }) { Ok(()) } else { Err(CodecError::default()) }
    }

    fn forget(&mut self) {
        // A reset always makes the window the largest.
        if self.window_bits == 15 {
            self.inflate.reset(false);
        } else {
            self.inflate = Inflate::new(false, self.window_bits);
        }
        self.history.clear();
        (self.oldest, self.ended) = (0, false);
    }
}

/// More than a flush takes: the end of a block and an empty one.
const FLUSH_LEN: usize = 16;
