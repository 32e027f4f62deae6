//! [`Codec`]: compression and decompression.

use alloc::boxed::Box;
use core::fmt;

/// A source of raw DEFLATE (RFC 1951) compressors and decompressors, shared by any number of connections.
pub trait Codec: fmt::Debug + Send + Sync {
    /// Returns a compressor with a window of 2^`window_bits` bytes, 9 to 15, at a level from 1 (fastest) to 9
    /// (smallest).
    fn compressor(&self, window_bits: u8, level: u8) -> Box<dyn Compressor>;

    /// Returns a decompressor with a window of 2^`window_bits` bytes, 8 to 15.
    fn decompressor(&self, window_bits: u8) -> Box<dyn Decompressor>;

    /// Takes back a compressor whose last message was compressed with `forget`.
    fn recycle_compressor(&self, _window_bits: u8, _level: u8, _compressor: Box<dyn Compressor>) {}

    /// Takes back a decompressor after [`forget`](Decompressor::forget).
    fn recycle_decompressor(&self, _window_bits: u8, _decompressor: Box<dyn Decompressor>) {}
}

/// Compresses a sequence of messages.
pub trait Compressor: Send + Sync {
    /// Compresses `data` to the front of `out`, and flushes with an empty uncompressed block, so that the
    /// output ends with `00 00 FF FF`. Returns the length of the output, which is zero if there is nothing to
    /// flush.
    ///
    /// * `out` has room for 9 bits per byte of `data`, and 64 bytes more.
    /// * `forget`: later data must not refer to `data` or to anything before it.
    ///
    /// # Errors
    /// Any failure of the codec.
    fn compress(&mut self, data: &[u8], forget: bool, out: &mut [u8]) -> Result<usize, CodecError>;
}

/// Decompresses a sequence of messages.
pub trait Decompressor: Send + Sync {
    /// Decompresses from the front of `input`, across blocks marked as final, as much as fits into an
    /// internal buffer.
    ///
    /// # Errors
    /// Fails if `input` is invalid, or refers to data from before the beginning. Earlier calls have returned
    /// all data before the error.
    fn decompress(&mut self, input: &[u8]) -> Result<Inflated<'_>, CodecError>;

    /// Appends `00 00 FF FF`, the end of every message, after all its output has been returned.
    ///
    /// # Errors
    /// Fails if that does not end a block: the message was truncated.
    fn end_message(&mut self) -> Result<(), CodecError>;

    /// Forgets all previous data, like a new decompressor.
    fn forget(&mut self);
}

/// The result of [`Decompressor::decompress`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Inflated<'a> {
    /// Number of input bytes consumed.
    pub consumed: usize,
    /// The decompressed bytes.
    pub data: &'a [u8],
    /// Whether this is all of the input's data. Otherwise the buffer was full, or an error follows.
    pub done: bool,
}

impl fmt::Debug for Inflated<'_> {
    /// Omits the data: they are private messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflated")
            .field("consumed", &self.consumed)
            .field("len", &self.data.len())
            .field("done", &self.done)
            .finish()
    }
}

/// The error of a codec that cannot continue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CodecError;

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data is not valid DEFLATE, or the codec failed")
    }
}

impl core::error::Error for CodecError {}
