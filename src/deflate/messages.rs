//! [`Inflater`] and [`Deflater`]: messages processed by a codec (RFC 7692 §7.2).

use alloc::boxed::Box;
use core::fmt;

use super::codec::{Codec, CodecError, Compressor, Decompressor};
use super::negotiation::{Deflate, Params};
use crate::error::ProtocolError;

/// Decompresses the messages of the peer.
pub(crate) struct Inflater {
    codec: &'static dyn Codec,
    window_bits: u8,
    no_context_takeover: bool,
    max_message: u64,
    /// Decompressed bytes of the message in progress.
    message_len: u64,
    /// Whether it has had any compressed byte.
    begun: bool,
    state: Option<Box<dyn Decompressor>>,
}

impl Inflater {
    /// Creates an inflater for the messages that a client, or a server, compresses.
    pub(crate) fn new(deflate: &Deflate, params: &Params, from_client: bool, max_message: u64) -> Box<Self> {
        let (window_bits, no_context_takeover) = params.of(from_client);
        let codec = deflate.codec;
        let (message_len, begun, state) = (0, false, None);
        Box::new(Self { codec, window_bits, no_context_takeover, max_message, message_len, begun, state })
    }

    /// Decompresses the next bytes of a message, with `last` if they are its end. `sink` receives the output
    /// in pieces, with whether it is the last piece of these bytes, and how many more the message may have.
    pub(crate) fn inflate(
        &mut self,
        mut payload: &[u8],
        last: bool,
        mut sink: impl FnMut(&[u8], bool, u64) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        self.begun |= !payload.is_empty();
        let state = self.state.get_or_insert_with(|| self.codec.decompressor(self.window_bits));
        loop {
            let step = state.decompress(payload).map_err(|_| ProtocolError::InvalidDeflate)?;
            let len = step.data.len() as u64;
            let Some(left) = (self.max_message - self.message_len).checked_sub(len) else {
                let within = usize::try_from(self.max_message - self.message_len).unwrap_or(usize::MAX);
                sink(&step.data[..within.min(step.data.len())], true, 0)?;
                return Err(ProtocolError::MessageTooLarge);
            };
            sink(step.data, step.done, left)?;
            self.message_len += len;
            payload = payload.get(step.consumed..).ok_or(ProtocolError::InvalidDeflate)?;
            match (step.done, len == 0 && step.consumed == 0) {
                (true, _) if payload.is_empty() => break,
                // The codec makes no progress.
                (true, _) | (_, true) => return Err(ProtocolError::InvalidDeflate),
                _ => {}
            }
        }
        if last {
            // Of an uncompressed block at least one byte remains, even in an empty message.
            if !core::mem::take(&mut self.begun) || state.end_message().is_err() {
                return Err(ProtocolError::InvalidDeflate);
            }
            self.message_len = 0;
            if self.no_context_takeover
                && let Some(mut state) = self.state.take()
            {
                state.forget();
                self.codec.recycle_decompressor(self.window_bits, state);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("window_bits", &self.window_bits).finish_non_exhaustive()
    }
}

/// Compresses our messages.
pub(crate) struct Deflater {
    codec: &'static dyn Codec,
    level: u8,
    threshold: usize,
    window_bits: u8,
    no_context_takeover: bool,
    /// Whether the caller wants compression.
    pub(crate) enabled: bool,
    state: Option<Box<dyn Compressor>>,
}

impl Deflater {
    /// Creates a deflater for the messages that a client, or a server, sends. `None` if no compressor has a
    /// window as small as negotiated: then nothing is compressed, which is always allowed.
    pub(crate) fn new(deflate: &Deflate, params: &Params, from_client: bool) -> Option<Box<Self>> {
        let (window_bits, no_context_takeover) = params.of(from_client);
        (window_bits > 8).then(|| {
            Box::new(Self {
                codec: deflate.codec,
                level: deflate.level,
                threshold: deflate.threshold,
                window_bits,
                no_context_takeover,
                enabled: true,
                state: None,
            })
        })
    }

    /// Returns `true` if a message of `len` bytes is worth compressing.
    #[inline]
    pub(crate) fn wants(&self, len: usize) -> bool {
        self.enabled && len >= self.threshold
    }

    /// Returns the maximum compressed size of `len` bytes: nine bits for each, the worst case of fixed codes,
    /// plus a flush, plus the end of a message.
    pub(crate) fn bound(len: usize) -> usize {
        len.saturating_add(len / 8).saturating_add(64)
    }

    /// Compresses the next bytes of a message to the front of `out`, with `last` if they are its end. `out`
    /// has room for the [`bound`](Self::bound). Returns the length of the output.
    pub(crate) fn deflate(&mut self, data: &[u8], last: bool, out: &mut [u8]) -> Result<usize, CodecError> {
        // The result of an empty flush depends on the compressor's past, even for another connection.
        if data.is_empty() && !last {
            return Ok(0);
        }
        let state = self.state.get_or_insert_with(|| self.codec.compressor(self.window_bits, self.level));
        let len = state.compress(data, last && self.no_context_takeover, out);
        let compressed = len.ok().and_then(|len| out.get(..len));
        let len = match (compressed, compressed.and_then(|all| all.strip_suffix(&TAIL))) {
            // "If the resulting data does not end with an empty DEFLATE block with no compression [...],
            // append an empty DEFLATE block with no compression to the tail end. [...] Remove 4 octets (that
            // are 0x00 0x00 0xff 0xff) from the tail end." (§7.2.1)
            (_, Some(front)) if last => front.len(),
            (Some(all), Some(_)) => all.len(),
            // Without anything to flush, this byte remains of such a block.
            (Some([]), None) if last && !out.is_empty() => {
                out[0] = 0x00;
                1
            }
            (Some([]), None) => 0,
            _ => {
                // Whatever state it is in: a new one refers to nothing.
                self.state = None;
                return Err(CodecError);
            }
        };
        if last && self.no_context_takeover {
            self.forget();
        }
        Ok(len)
    }

    /// Makes the next message independent of previous ones: another compressor was used in between.
    pub(crate) fn forget(&mut self) {
        let Some(state) = self.state.take() else { return };
        if self.no_context_takeover {
            self.codec.recycle_compressor(self.window_bits, self.level, state);
        }
    }

    pub(crate) fn window_bits(&self) -> u8 {
        self.window_bits
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("window_bits", &self.window_bits).finish_non_exhaustive()
    }
}

impl Params {
    /// Returns the window bits, and whether there is no context takeover, for the data that the client, or
    /// the server, compresses.
    fn of(&self, client: bool) -> (u8, bool) {
        if client {
            (self.client_max_window_bits, self.client_no_context_takeover)
        } else {
            (self.server_max_window_bits, self.server_no_context_takeover)
        }
    }
}

/// Removed from the end of a message, and restored by the peer.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
