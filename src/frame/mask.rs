//! [`Mask`]: masking and unmasking, which are the same operation (RFC 6455 §5.3).

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// A masking key with its position in the payload.
///
/// "Octet i of the transformed data is the XOR of octet i of the original data with octet at index i modulo 4
/// of the masking key" (RFC 6455 §5.3). A payload may be processed in any number of pieces: each call
/// continues where the previous one ended.
///
/// ```
/// use sansocket::frame::Mask;
/// let mut payload = *b"\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
/// let mut mask = Mask::new([0x37, 0xfa, 0x21, 0x3d]);
/// mask.apply(&mut payload[..3]);
/// mask.apply(&mut payload[3..]);
/// assert_eq!(&payload, b"Hello");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask {
    /// The key, rotated so that its first byte in memory applies to the next payload byte.
    key: u32,
}

impl Mask {
    /// Creates the mask of this key at the beginning of a payload.
    #[inline]
    #[must_use]
    pub const fn new(key: [u8; 4]) -> Self {
        Self { key: u32::from_ne_bytes(key) }
    }

    /// Masks or unmasks the next bytes of the payload in place.
    #[inline]
    pub fn apply(&mut self, payload: &mut [u8]) {
        match payload.len() {
            0..4 => {
                for (byte, key) in payload.iter_mut().zip(self.key.to_ne_bytes()) {
                    *byte ^= key;
                }
            }
            4..8 => self.apply_ends::<4>(payload),
            8..16 => self.apply_ends::<8>(payload),
            16..LONG => self.apply_words(payload),
            LONG.. => kernels::apply(*self, payload),
        }
        *self = self.after(payload.len());
    }

    /// Copies the next bytes of the payload from `from` to `to`, masked or unmasked, up to the length of the
    /// shorter slice.
    #[inline(always)]
    pub fn copy(&mut self, from: &[u8], to: &mut [u8]) {
        let len = from.len().min(to.len());
        let (from, to) = (&from[..len], &mut to[..len]);
        match len {
            0..4 => {
                for ((from, to), key) in from.iter().zip(to).zip(self.key.to_ne_bytes()) {
                    *to = from ^ key;
                }
            }
            4..8 => self.copy_ends::<4>(from, to),
            8..16 => self.copy_ends::<8>(from, to),
            16..LONG => self.copy_words(from, to),
            LONG.. => kernels::copy(*self, from, to),
        }
        *self = self.after(len);
    }

    /// Appends the next bytes of the payload, masked or unmasked. It works in blocks, so that the bytes
    /// masked in place are still in the first-level cache after the copy.
    #[cfg(feature = "alloc")]
    pub(crate) fn append(mut self, from: &[u8], to: &mut Vec<u8>) {
        to.reserve(from.len());
        for block in from.chunks(4096) {
            let start = to.len();
            to.extend_from_slice(block);
            let block = &mut to[start..];
            match block.len() {
                // Alignment to a cache line would cost more than it gains for so few bytes.
                LONG..ALIGNED_FROM => {
                    self.apply_words(block);
                    self = self.after(block.len());
                }
                _ => self.apply(block),
            }
        }
    }

    /// Returns `true` if the next bytes of the payload, masked here, are at least eight and ASCII.
    #[cfg(feature = "alloc")]
    pub(crate) fn is_ascii(self, masked: &[u8]) -> bool {
        let wide = self.wide();
        let (words, _) = masked.as_chunks::<8>();
        let any = words.iter().fold(0, |any, word| any | (u64::from_ne_bytes(*word) ^ wide));
        any.to_ne_bytes().is_ascii() && self.end::<8>(masked).is_some_and(|last| last.is_ascii())
    }

    /// Masks the first and the last `N` bytes in place; they may overlap.
    #[inline]
    fn apply_ends<const N: usize>(self, payload: &mut [u8]) {
        let last = self.end::<N>(payload);
        if let Some(first) = payload.first_chunk_mut::<N>() {
            *first = self.xor(first);
        }
        if let (Some(to), Some(last)) = (payload.last_chunk_mut(), last) {
            *to = last;
        }
    }

    /// Masks 16 bytes at a time in place, then the last 16, which may overlap the previous ones.
    #[inline(always)]
    fn apply_words(self, payload: &mut [u8]) {
        let last = self.end::<16>(payload);
        let (words, rest) = payload.as_chunks_mut::<16>();
        for word in words {
            *word = self.xor(word);
        }
        if !rest.is_empty()
            && let (Some(to), Some(last)) = (payload.last_chunk_mut(), last)
        {
            *to = last;
        }
    }

    /// [`apply`](Self::apply) for many bytes, mostly aligned to cache lines.
    #[inline(always)]
    pub(crate) fn apply_long(mut self, payload: &mut [u8]) {
        // `align_offset` may return `usize::MAX`, and with 128 bytes or more `apply` would return here.
        let unaligned = payload.as_ptr().align_offset(64).min(63).min(payload.len());
        let (head, aligned) = payload.split_at_mut(unaligned);
        self.apply(head);
        let wide = self.wide();
        let (words, rest) = aligned.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
        self.apply(rest);
    }

    /// Returns the last `N` bytes of `payload`, masked.
    #[inline]
    fn end<const N: usize>(self, payload: &[u8]) -> Option<[u8; N]> {
        payload.last_chunk().map(|last| self.after(payload.len()).xor(last))
    }

    /// [`copy`](Self::copy) for many bytes.
    #[inline(always)]
    pub(crate) fn copy_long(self, from: &[u8], to: &mut [u8]) {
        let wide = self.wide();
        let (from_words, _) = from.as_chunks::<8>();
        let (to_words, _) = to.as_chunks_mut::<8>();
        for (from, to) in from_words.iter().zip(to_words) {
            *to = (u64::from_ne_bytes(*from) ^ wide).to_ne_bytes();
        }
        self.copy_end::<8>(from, to);
    }

    /// Copies 16 bytes at a time, then the last 16, which may overlap the previous ones.
    #[inline(always)]
    fn copy_words(self, from: &[u8], to: &mut [u8]) {
        let (from_words, rest) = from.as_chunks::<16>();
        let (to_words, _) = to.as_chunks_mut::<16>();
        for (from, to) in from_words.iter().zip(to_words) {
            *to = self.xor(from);
        }
        if !rest.is_empty() {
            self.copy_end::<16>(from, to);
        }
    }

    /// Copies the first and the last `N` bytes; they may overlap.
    #[inline]
    fn copy_ends<const N: usize>(self, from: &[u8], to: &mut [u8]) {
        if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut()) {
            *to = self.xor(from);
        }
        self.copy_end::<N>(from, to);
    }

    /// Copies the last `N` bytes.
    #[inline]
    fn copy_end<const N: usize>(self, from: &[u8], to: &mut [u8]) {
        if let (Some(last), Some(to)) = (self.end::<N>(from), to.last_chunk_mut()) {
            *to = last;
        }
    }

    /// `N` is a multiple of 4.
    #[inline]
    fn xor<const N: usize>(self, bytes: &[u8; N]) -> [u8; N] {
        let mut masked = *bytes;
        for word in masked.as_chunks_mut::<4>().0 {
            *word = (u32::from_ne_bytes(*word) ^ self.key).to_ne_bytes();
        }
        masked
    }

    /// Returns the mask `n` payload bytes further on.
    #[inline]
    pub(crate) fn after(self, n: usize) -> Self {
        let bits = 8 * (n as u32 & 3);
        let key = if cfg!(target_endian = "little") {
            self.key.rotate_right(bits)
        } else {
            self.key.rotate_left(bits)
        };
        Self { key }
    }

    #[inline]
    fn wide(self) -> u64 {
        u64::from(self.key) << 32 | u64::from(self.key)
    }
}

/// Minimum number of bytes that justifies a call.
const LONG: usize = 128;

/// Minimum number of bytes for which masking after the copy starts at a cache line.
#[cfg(feature = "alloc")]
const ALIGNED_FROM: usize = 1024;

/// Selects the processor's vector instructions.
#[cfg(feature = "simd")]
use crate::simd as kernels;

#[cfg(not(feature = "simd"))]
mod kernels {
    use super::Mask;

    #[inline(never)]
    pub(super) fn apply(mask: Mask, payload: &mut [u8]) {
        mask.apply_long(payload);
    }

    #[inline(never)]
    pub(super) fn copy(mask: Mask, from: &[u8], to: &mut [u8]) {
        mask.copy_long(from, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x11, 0x22, 0x44, 0x88];

    fn naive(payload: &mut [u8], phase: usize) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= KEY[(phase + i) % 4];
        }
    }

    fn at_phase(phase: usize) -> Mask {
        let mut mask = Mask::new(KEY);
        mask.apply(&mut [0; 3][..phase]);
        mask
    }

    /// I12: every length up to 200 and some long ones, every phase and alignment.
    #[test]
    fn equals_a_byte_loop() {
        let plain: [u8; 1400] = core::array::from_fn(|i| (i * 7) as u8);
        for len in (0..=200).chain([511, 512, 513, 576, 640, 1024, 1300]) {
            for phase in 0..4 {
                for align in 0..(if len < 201 { 16 } else { 65 }) {
                    let mut expected = plain;
                    naive(&mut expected[align..align + len], phase);

                    let (mut mask, mut actual) = (at_phase(phase), plain);
                    mask.apply(&mut actual[align..align + len]);
                    assert_eq!(actual, expected, "apply {len} {phase} {align}");
                    assert_eq!(mask, at_phase((phase + len) % 4));

                    let (mut mask, mut actual) = (at_phase(phase), plain);
                    mask.copy(&plain[align..align + len], &mut actual[align..]);
                    assert_eq!(actual, expected, "copy {len} {phase} {align}");
                    assert_eq!(mask, at_phase((phase + len) % 4));
                }
            }
        }
    }

    /// I12: every cut in two.
    #[test]
    fn goes_on_where_it_ended() {
        for len in 0..=200 {
            let mut expected = [0x5A; 200];
            naive(&mut expected[..len], 0);
            for cut in 0..=len {
                let (mut mask, mut actual) = (Mask::new(KEY), [0x5A; 200]);
                mask.apply(&mut actual[..cut]);
                mask.apply(&mut actual[cut..len]);
                assert_eq!(actual, expected, "{len} cut at {cut}");
            }
        }
    }
}
