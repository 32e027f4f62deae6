//! [`Output`]: the bytes that wait to be written.
//!
//! ```text
//! bytes   │ written │ waiting ............ │ room, initialised │
//!         0         start                  end                 bytes.len()
//! ```

use alloc::vec::Vec;
use core::{fmt, mem};

/// A queue of bytes: appended at the end, written from the front.
///
/// Its room is kept initialised, so that appending never has to zero anything, and it is given back by one
/// rule: whenever all has been written, the buffer is kept only as large as two rounds of writing in a row
/// have needed. So a single big message leaves nothing behind, while steady traffic never allocates.
#[derive(Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The most that waited in the round before: from empty to empty.
    last_round: usize,
}

impl Output {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { start: 0, end: bytes.len(), bytes, last_round: 0 }
    }

    #[inline]
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// At least `n` bytes of room behind what waits; [`appended`](Self::appended) tells how many of them were
    /// used.
    #[inline]
    pub(crate) fn room(&mut self, n: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < n {
            self.make_room(n);
        }
        &mut self.bytes[self.end..]
    }

    /// The same without making room: if `N` bytes of it are there already.
    #[inline]
    pub(crate) fn spare<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.bytes.get_mut(self.end..)?.first_chunk_mut()
    }

    #[inline]
    pub(crate) fn appended(&mut self, n: usize) {
        self.end += n;
        debug_assert!(self.end <= self.bytes.len());
    }

    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.appended(bytes.len());
    }

    /// Forgets the first `n` waiting bytes; `n` is at most [`len`](Self::len).
    #[inline]
    pub(crate) fn written(&mut self, n: usize) {
        if n < self.len() {
            self.start += n;
        } else if self.end > 0 {
            self.round_over();
        }
    }

    /// Everything that waits, as a buffer of its own.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.bytes);
        bytes.truncate(self.end);
        bytes.drain(..self.start);
        (self.start, self.end) = (0, 0);
        bytes
    }

    /// Frees the buffer if nothing waits in it.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Frees a buffer so small that making it again costs next to nothing; a larger one is for steady traffic.
    #[cfg(feature = "tokio")]
    pub(crate) fn rest(&mut self) {
        if self.is_empty() && self.bytes.len() <= SMALLEST {
            self.bytes = Vec::new();
            (self.start, self.end) = (0, 0);
        }
    }

    #[inline]
    fn round_over(&mut self) {
        let round = self.end;
        (self.start, self.end) = (0, 0);
        let last = mem::replace(&mut self.last_round, round);
        if self.bytes.len() > KEPT || last == 0 {
            self.free_unless_needed(last.min(round));
        }
    }

    /// Frees a buffer that is much larger than what each of two rounds has `needed`.
    fn free_unless_needed(&mut self, needed: usize) {
        let kept = if needed == 0 { 0 } else { KEPT.max(2 * needed) };
        if self.bytes.len() > kept {
            self.bytes = Vec::new();
        }
    }

    #[cold]
    fn make_room(&mut self, n: usize) {
        // Each byte that was written pays for moving a few: then room is made without more memory.
        if self.start > 0 && self.start >= self.len() / 4 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let needed = self.end.saturating_add(n);
        if needed > self.bytes.len() {
            self.bytes.resize(needed.max(2 * self.bytes.len()).max(SMALLEST), 0);
        }
    }
}

/// What is kept between rounds in any case, once there was more than one.
const KEPT: usize = 4096;
const SMALLEST: usize = 256;

/// Without the bytes, which nobody wants in a log.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(output: &mut Output, n: usize) {
        output.append(&alloc::vec![7; n]);
        assert!(output.waiting().iter().all(|byte| *byte == 7));
        output.written(output.len());
    }

    #[test]
    fn a_big_message_leaves_nothing_and_steady_traffic_keeps_its_buffer() {
        let mut output = Output::default();
        round(&mut output, 129);
        assert_eq!(output.bytes.capacity(), 0, "the first round is the handshake");
        round(&mut output, 16);
        assert!((16..=KEPT).contains(&output.bytes.len()));
        round(&mut output, 1 << 20);
        assert_eq!(output.bytes.capacity(), 0);
        round(&mut output, 1 << 20);
        let kept = output.bytes.as_ptr();
        output.written(0);
        round(&mut output, 1 << 20);
        assert_eq!(output.bytes.as_ptr(), kept);
        round(&mut output, 16);
        assert_eq!(output.bytes.capacity(), 0);
    }

    #[test]
    fn a_little_more_behind_a_lot_takes_the_room_of_what_was_written() {
        let mut output = Output::default();
        output.append(&alloc::vec![7; 1 << 20]);
        output.written(1 << 18);
        output.append(&[8; 100]);
        assert_eq!(output.bytes.len(), 1 << 20);
        assert!(output.waiting()[..3 << 18].iter().all(|byte| *byte == 7));
        assert_eq!(output.waiting()[3 << 18..], [8; 100]);
    }

    #[test]
    fn order_survives_growing_and_moving() {
        let mut output = Output::default();
        let (mut next_in, mut next_out) = (0_u8, 0_u8);
        for step in 0..2000_usize {
            let bytes: Vec<u8> = (0..step % 37)
                .map(|_| {
                    next_in = next_in.wrapping_add(1);
                    next_in
                })
                .collect();
            output.append(&bytes);
            let n = (step * 7 % 41).min(output.len());
            for byte in &output.waiting()[..n] {
                next_out = next_out.wrapping_add(1);
                assert_eq!(*byte, next_out);
            }
            output.written(n);
        }
        let rest = output.take();
        assert!(rest.iter().all(|byte| {
            next_out = next_out.wrapping_add(1);
            *byte == next_out
        }));
        assert_eq!(next_in, next_out);
        assert!(output.is_empty());
    }
}
