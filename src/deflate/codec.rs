//! [`Codec`]: what compresses and decompresses.

use alloc::boxed::Box;
use core::fmt;

/// A source of raw DEFLATE (RFC 1951) compressors and decompressors, shared by any number of connections.
pub trait Codec: fmt::Debug + Send + Sync {
    /// A compressor with a window of 2^`window_bits` bytes, 9 to 15, at a level from 1, the fastest, to 9,
    /// the smallest.
    fn compressor(&self, window_bits: u8, level: u8) -> Box<dyn Compressor>;

    /// A decompressor with a window of 2^`window_bits` bytes, 8 to 15.
    fn decompressor(&self, window_bits: u8) -> Box<dyn Decompressor>;

    /// Takes back a compressor whose last message was compressed to be forgotten.
    fn recycle_compressor(&self, _window_bits: u8, _level: u8, _compressor: Box<dyn Compressor>) {}

    /// Takes back a decompressor that has forgotten everything.
    fn recycle_decompressor(&self, _window_bits: u8, _decompressor: Box<dyn Decompressor>) {}
}

/// Compresses messages one after the other.
pub trait Compressor: Send + Sync {
    /// Writes `data` to the front of `out`, compressed and flushed to an empty block without compression, so
    /// that it ends with `00 00 FF FF`; and tells how many bytes that are, none if there is nothing to flush.
    ///
    /// `out` has room for 9 bits for each byte and 64 bytes more.
    ///
    /// `forget`: nothing that is compressed later refers to this or to anything before it.
    ///
    /// # Errors
    /// If the codec fails, for whatever reason of its own.
    fn compress(&mut self, data: &[u8], forget: bool, out: &mut [u8]) -> Result<usize, CodecError>;
}

/// Decompresses messages one after the other.
pub trait Decompressor: Send + Sync {
    /// Decompresses from the front of `input`, across blocks that are marked as final, as much as a buffer of
    /// its own has room for.
    ///
    /// # Errors
    /// If `input` is not valid, or refers to data from before the beginning. What comes before that has been
    /// returned by earlier calls.
    fn decompress(&mut self, input: &[u8]) -> Result<Inflated<'_>, CodecError>;

    /// Appends `00 00 FF FF`, the end of every message, all of whose output has been returned.
    ///
    /// # Errors
    /// If that does not end a block: the message was cut short.
    fn end_message(&mut self) -> Result<(), CodecError>;

    /// Forgets everything, as if it were new.
    fn forget(&mut self);
}

/// What came of a call of [`Decompressor::decompress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inflated<'a> {
    /// Bytes taken from the input.
    pub consumed: usize,
    /// The decompressed bytes.
    pub data: &'a [u8],
    /// Whether this is all that the input gives. Otherwise there was no room for more, or an error follows.
    pub done: bool,
}

/// The codec cannot go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CodecError;

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data is not valid DEFLATE, or the codec failed")
    }
}

impl core::error::Error for CodecError {}
