//! [`Output`]: the bytes waiting to be written.
//!
//! ```text
//! in flight ▷ segments: owned, shared, headers ▷ tail: small frames, one behind the other
//!
//! tail    │ written │ waiting ............ │ room, initialised │
//!         0         start                  end                 tail.len()
//! ```
//!
//! Usually there is only the tail. A large payload becomes a segment; the waiting bytes of the tail, and the
//! header, become segments before it. So the order of the queue is the order on the wire.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::{fmt, mem};

use super::segment::Segment;
use crate::frame::Header;

/// A queue of bytes: appended at the end, written from the front.
///
/// The room of the tail stays initialised, so appending never zeroes memory. One rule frees it: whenever
/// everything is written, the buffer keeps only the capacity that two consecutive rounds of writing needed,
/// and none after the first rounds. So neither one large message nor a few small ones leave memory behind,
/// while steady traffic never allocates.
#[derive(Default)]
pub(crate) struct Output {
    tail: Vec<u8>,
    /// Start of the waiting bytes in the tail. With anything beside the tail, that start is at 0 and this
    /// field is [`BESIDE`], which is beyond every end: code that is only correct for a tail alone then fails
    /// its first check.
    start: usize,
    end: usize,
    /// Maximum number of bytes waiting in the tail in the previous round, from empty to empty.
    last_round: usize,
    /// A buffer up to this size is always kept: none in the first rounds, then [`KEPT`].
    kept: usize,
    /// Number of the first rounds that are over.
    rounds: u8,
    /// Bytes outside the tail, in segments or in flight, plus [`BESIDE`] if there are any.
    beside: usize,
    /// Those of them that were taken and are not written yet.
    in_flight: usize,
    queue: Option<Box<Queue>>,
}

/// What precedes the tail.
struct Queue {
    /// None is empty.
    segments: VecDeque<Segment>,
    /// A written tail for reuse: zeroing a new one would cost as much as filling it.
    spare: Vec<u8>,
}

impl Output {
    /// Maximum for the counters: a quarter of the address space. Shared bytes can add up to more than the memory.
    pub(crate) const MAX: usize = BESIDE / 2;

    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { end: bytes.len(), tail: bytes, ..Self::default() }
    }

    /// Returns `true` if no byte was reported as written or taken.
    pub(crate) fn is_untouched(&self) -> bool {
        self.start == 0
    }

    /// Returns the next contiguous bytes to write.
    #[inline]
    pub(crate) fn waiting(&self) -> &[u8] {
        match self.tail.get(self.start..self.end) {
            Some(tail) => tail,
            // No call here: the registers that it needs would cost more than everything else.
            None => match self.queue.as_ref().and_then(|queue| queue.segments.front()) {
                Some(segment) => segment.as_ref(),
                None => &self.tail[..self.end],
            },
        }
    }

    /// Fills `into` with the next pieces to write; returns how many there are.
    pub(crate) fn slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
        let segments = self.queue.iter().flat_map(|queue| &queue.segments).map(Segment::as_ref);
        let tail = Some(&self.tail[self.tail_start()..self.end]).filter(|tail| !tail.is_empty());
        into.iter_mut().zip(segments.chain(tail)).map(|(to, slice)| *to = slice).count()
    }

    /// Returns the number of unwritten bytes, including those in flight.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end.wrapping_sub(self.start).wrapping_add(self.beside)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `true` if any bytes are not in flight.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.len() > self.in_flight
    }

    fn tail_start(&self) -> usize {
        self.start & !BESIDE
    }

    fn tail_len(&self) -> usize {
        self.end - self.tail_start()
    }

    fn has_beside(&self) -> bool {
        self.beside > 0
    }

    /// Adds `n` bytes beside the tail, whose own bytes begin at 0.
    fn add_beside(&mut self, n: usize) {
        (self.start, self.beside) = (BESIDE, (self.beside + n) | BESIDE);
    }

    fn remove_beside(&mut self, n: usize) {
        self.beside -= n;
        if self.beside == BESIDE {
            (self.start, self.beside) = (0, 0);
        }
    }

    /// Returns at least `n` bytes of room after the waiting bytes. Report the bytes used with
    /// [`appended`](Self::appended).
    #[inline]
    pub(crate) fn room(&mut self, n: usize) -> &mut [u8] {
        if self.tail.len() - self.end < n {
            self.make_room(n);
        }
        &mut self.tail[self.end..]
    }

    /// Returns `N` bytes of room if they exist, without making room.
    #[inline]
    pub(crate) fn spare<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.tail.get_mut(self.end..)?.first_chunk_mut()
    }

    #[inline]
    pub(crate) fn appended(&mut self, n: usize) {
        self.end += n;
        debug_assert!(self.end <= self.tail.len());
    }

    /// Frees most of a large room after little was [`appended`](Self::appended), as compression does: what waits holds
    /// at most twice what it counts for, or two blocks.
    pub(crate) fn trim(&mut self) {
        let len = self.end.max(BLOCK);
        if self.tail.len() / 2 > len {
            self.tail.truncate(len);
            self.tail.shrink_to_fit();
            // What is left is no room for the next one: it is not kept for it.
            self.last_round = 0;
        }
    }

    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.appended(bytes.len());
    }

    /// Appends a frame header, and its payload without a copy.
    pub(crate) fn append_frame(&mut self, header: &Header, payload: Segment) {
        if self.tail_len() == 0 {
            self.push(Segment::header(header));
        } else {
            let encoded = header.encode();
            self.append(&encoded);
        }
        self.append_segment(payload);
    }

    /// Appends bytes without a copy.
    pub(crate) fn append_segment(&mut self, segment: Segment) {
        self.seal();
        self.push(segment);
    }

    /// Turns the tail into a segment.
    fn seal(&mut self) {
        if let Some(tail) = self.take_tail() {
            self.push(tail);
        }
    }

    #[inline]
    fn take_tail(&mut self) -> Option<Segment> {
        if self.tail_len() == 0 { None } else { Some(self.take_waiting_tail()) }
    }

    // Not in the way of what is appended as a segment to nothing.
    #[inline(never)]
    fn take_waiting_tail(&mut self) -> Segment {
        let (mut tail, start) = (mem::take(&mut self.tail), self.tail_start());
        tail.truncate(mem::take(&mut self.end));
        if tail.capacity() / 2 > tail.len().max(KEPT) {
            tail.shrink_to_fit();
        }
        self.start -= start;
        Segment::tail(tail, start)
    }

    fn push(&mut self, segment: Segment) {
        if segment.is_empty() {
            return;
        }
        self.add_beside(segment.len());
        // Capacity for one segment: of the connections with a queue, most have only one waiting.
        let queue = self.queue.get_or_insert_with(|| {
            Box::new(Queue { segments: VecDeque::with_capacity(1), spare: Vec::new() })
        });
        queue.segments.push_back(segment);
    }

    /// Takes the next piece for an external writer. It is in flight until [`written`](Self::written) counts
    /// it.
    pub(crate) fn take(&mut self) -> Option<Segment> {
        let segment = match self.queue.as_mut().and_then(|queue| queue.segments.pop_front()) {
            Some(segment) => segment.pinned(),
            None => {
                let tail = self.take_tail()?;
                self.add_beside(tail.len());
                tail
            }
        };
        self.in_flight += segment.len();
        self.free_queue();
        Some(segment)
    }

    /// Returns `true` if the `n` bytes are everything, and all in the tail.
    #[inline]
    pub(crate) fn is_all_in_tail(&self, n: usize) -> bool {
        n == self.end.wrapping_sub(self.start)
    }

    /// Like [`written`](Self::written), for the complete tail without anything beside it.
    #[inline]
    pub(crate) fn tail_written(&mut self) {
        if self.end > 0 {
            self.round_over();
        }
    }

    /// Removes the first `n` bytes, those in flight first; `n` is at most [`len`](Self::len).
    #[inline]
    pub(crate) fn written(&mut self, n: usize) {
        if self.has_beside() {
            self.written_beside(n);
        } else if n < self.tail_len() {
            self.start += n;
        } else {
            self.tail_written();
        }
    }

    #[inline(never)]
    fn written_beside(&mut self, n: usize) {
        let landed = n.min(self.in_flight);
        self.in_flight -= landed;
        self.remove_beside(landed);
        let mut n = n - landed;
        while n > 0
            && let Some(queue) = &mut self.queue
            && let Some(segment) = queue.segments.front_mut()
        {
            let written = n.min(segment.len());
            segment.advance(written);
            if segment.is_empty() {
                let written = queue.segments.pop_front().and_then(Segment::into_buffer);
                queue.recycle(written.unwrap_or_default());
            }
            self.remove_beside(written);
            n -= written;
        }
        self.free_queue();
        if !self.has_beside() {
            self.written(n);
        }
    }

    fn free_queue(&mut self) {
        if self.queue.as_ref().is_some_and(|queue| queue.segments.is_empty()) {
            self.queue = None;
        }
    }

    /// Frees the buffer if it is empty.
    pub(crate) fn shrink(&mut self) {
        if self.tail_len() == 0 {
            (self.tail, self.last_round, self.rounds, self.kept) = (Vec::new(), 0, 0, 0);
        }
    }

    /// Frees a buffer so small that allocating it again costs almost nothing; a larger one serves steady
    /// traffic.
    #[cfg(feature = "aio")]
    pub(crate) fn rest(&mut self) {
        if self.is_empty() && self.tail.len() <= SMALLEST {
            self.tail = Vec::new();
        }
    }

    #[inline]
    fn round_over(&mut self) {
        let round = self.end;
        (self.start, self.end) = (0, 0);
        let last = mem::replace(&mut self.last_round, round);
        if self.tail.len() > self.kept {
            self.free_unless_needed(last.min(round));
        }
    }

    /// Frees a buffer much larger than two rounds have `needed`, or one of the first rounds.
    #[inline(never)]
    fn free_unless_needed(&mut self, needed: usize) {
        let kept = if self.kept == 0 { 0 } else { KEPT.max(2 * needed) };
        if self.kept == 0 {
            self.rounds += 1;
            self.kept = if self.rounds < FIRST_ROUNDS { 0 } else { KEPT };
        }
        if self.tail.len() > kept {
            self.tail = Vec::new();
        }
    }

    #[cold]
    fn make_room(&mut self, n: usize) {
        let (start, waiting) = (self.tail_start(), self.tail_len());
        if waiting >= BLOCK && (start > 0 || self.has_beside()) {
            // A backlog: moving it repeatedly would cost more than everything else.
            self.seal();
            let spare = self.queue.as_mut().map(|queue| mem::take(&mut queue.spare));
            self.tail = spare.filter(|spare| spare.len() >= n).unwrap_or_else(|| vec![0; n.max(BLOCK)]);
        } else if start > 0 && start >= waiting / 4 {
            // Each written byte pays for moving a few others, so this makes room without more memory.
            self.tail.copy_within(start..self.end, 0);
            (self.start, self.end) = (0, waiting);
        }
        let needed = self.end.saturating_add(n);
        if needed > self.tail.len() {
            let len = grown(self.tail.len(), needed);
            if self.end == 0 {
                self.tail = vec![0; len];
            } else {
                // `resize` alone would double it.
                self.tail.reserve_exact(len - self.tail.len());
                self.tail.resize(len, 0);
            }
        }
    }
}

/// Returns the next length of a buffer of `len` bytes: twice as many, or a quarter more if it is large, but not more than
/// a buffer can hold.
fn grown(len: usize, needed: usize) -> usize {
    let more = if len < BLOCK { len } else { len / 4 };
    needed.max((len + more).min(Output::MAX)).max(SMALLEST)
}

impl Queue {
    /// Keeps a written tail for reuse.
    fn recycle(&mut self, mut tail: Vec<u8>) {
        if (BLOCK..=4 * BLOCK).contains(&tail.capacity()) && self.spare.is_empty() {
            tail.resize(tail.capacity(), 0);
            self.spare = tail;
        }
    }
}

impl fmt::Debug for Output {
    /// Omits the bytes: they are private messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.queue.as_ref().map_or(0, |queue| queue.segments.len());
        f.debug_struct("Output")
            .field("len", &self.len())
            .field("in_flight", &self.in_flight)
            .field("segments", &segments)
            .finish_non_exhaustive()
    }
}

/// More than any buffer can hold.
const BESIDE: usize = 1 << (usize::BITS - 1);
/// Rounds that keep no buffer: the handshake, and what may be the only message for a long time.
const FIRST_ROUNDS: u8 = 3;
/// Buffer size that is always kept after the first rounds.
const KEPT: usize = 4096;
const SMALLEST: usize = 256;
/// From this size on, waiting bytes are not moved to make room after them.
const BLOCK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn round(output: &mut Output, n: usize) {
        output.append(&vec![7; n]);
        assert!(output.waiting().iter().all(|byte| *byte == 7));
        output.written(output.len());
    }

    #[test]
    fn a_big_message_leaves_nothing_and_steady_traffic_keeps_its_buffer() {
        let mut output = Output::default();
        for n in [129, 16, 1000] {
            round(&mut output, n);
            assert_eq!(output.tail.capacity(), 0, "the handshake, and the first messages");
        }
        round(&mut output, 16);
        assert!((16..=KEPT).contains(&output.tail.len()));
        round(&mut output, 1 << 20);
        assert_eq!(output.tail.capacity(), 0);
        round(&mut output, 1 << 20);
        let kept = output.tail.as_ptr();
        output.written(0);
        round(&mut output, 1 << 20);
        assert_eq!(output.tail.as_ptr(), kept);
        round(&mut output, 16);
        assert_eq!(output.tail.capacity(), 0);
    }

    #[test]
    fn a_little_more_behind_a_lot_takes_the_room_of_what_was_written() {
        let mut output = Output::default();
        output.append(&vec![7; 1 << 16]);
        output.written(1 << 14);
        output.append(&[8; 100]);
        assert_eq!(output.tail.len(), 1 << 16);
        assert!(output.waiting()[..3 << 14].iter().all(|byte| *byte == 7));
        assert_eq!(output.waiting()[3 << 14..], [8; 100]);
    }

    #[test]
    fn a_buffer_grows_to_no_more_than_any_can_hold() {
        assert_eq!((grown(0, 1), grown(1 << 15, (1 << 15) + 1)), (SMALLEST, 1 << 16));
        assert_eq!(grown(1 << 20, (1 << 20) + 1), 5 << 18);
        for (len, needed) in [(Output::MAX / 5 * 4 + 4, Output::MAX - 1), (Output::MAX, Output::MAX + 14)] {
            assert_eq!(grown(len, needed), Output::MAX.max(needed));
            assert!(grown(len, needed) <= isize::MAX.unsigned_abs());
        }
    }

    #[test]
    fn a_backlog_is_not_moved_and_its_blocks_are_used_again() {
        let mut output = Output::default();
        for _ in 0..100 {
            output.append(&[7; 10_000]);
        }
        let first = output.waiting().as_ptr();
        let (mut blocks, mut most) = (Vec::new(), 0);
        for _ in 0..10_000 {
            output.append(&[7; 10_000]);
            let block = output.tail.as_ptr();
            if blocks.last() != Some(&block) {
                blocks.push(block);
            }
            let n = output.waiting().len().min(10_000);
            output.written(n);
            output.written(10_000 - n);
            most = most.max(output.len());
        }
        assert_eq!((blocks[0], most), (first, 1_000_000));
        blocks.sort_unstable();
        blocks.dedup();
        assert!(blocks.len() < 40, "{}", blocks.len());
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
        let rest = output.take().expect("something waits");
        assert!(rest.as_ref().iter().all(|byte| {
            next_out = next_out.wrapping_add(1);
            *byte == next_out
        }));
        assert_eq!(next_in, next_out);
        assert!(!output.is_waiting() && !output.is_empty());
        output.written(rest.len());
        assert!(output.is_empty());
    }
}
