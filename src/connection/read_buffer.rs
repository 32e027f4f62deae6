//! [`ReadBuffer`]: the memory for reads, in which messages stay until they are complete.
//!
//! ```text
//! bytes   │ consumed │ unread: a frame that is cut │ space, initialised │
//!         0          start                         end                  bytes.len()
//! ```
//!
//! Before the next read, an unread frame moves to the front if the space after it is too small.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::{Deref, DerefMut};

use crate::input::{Hold, Input};

/// A buffer for reads, kept between them, from which even large messages are borrowed.
///
/// An [`Input`] over your own buffer consumes every byte, and copies a message that arrives in several reads
/// to separate memory. A `ReadBuffer` leaves an incomplete message in place, offers space for the rest, and
/// lets it be borrowed when it is complete: no copy, no allocation per message. Messages that do not fit are
/// received like from any other buffer.
///
/// ```
/// use std::io::Read;
/// use sansocket::{Config, Connection, Event, ReadBuffer};
/// let mut connection = Connection::server(Config::default());
/// let mut buffer = ReadBuffer::default();
/// // RFC 6455 §5.7
/// let mut transport: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// # let mut messages = 0;
/// loop {
///     let mut input = buffer.input();
///     while let Some(event) = connection.recv(&mut input) {
///         if let Event::Message(message) = event {
///             assert_eq!(message.as_text(), Some("Hello"));
/// #           messages += 1;
///         }
///     }
///     drop(input); // tells the buffer what is left
///     let n = transport.read(buffer.space())?;
///     buffer.filled(n);
///     if n == 0 {
///         break; // connection.recv_eof() ...
///     }
/// }
/// # assert_eq!(messages, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ReadBuffer {
    bytes: Vec<u8>,
    unread: Unread,
    size: usize,
    max_frame: usize,
    /// Maximum number of bytes held in the previous round, from empty to empty.
    last_round: usize,
}

/// The position of the bytes that are not consumed.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    start: usize,
    end: usize,
    /// Length of the frame that begins there, or 0 if unknown.
    frame: usize,
    /// Length of the prefix of its payload that is known to be valid text.
    checked: usize,
    /// Number of the bytes there that a receiver has seen and left.
    stayed: usize,
}

impl ReadBuffer {
    /// Creates a buffer; allocates nothing yet.
    ///
    /// * `size`: how many bytes a read is offered, at least 64.
    /// * `max_frame`: maximum payload of a frame that stays here until it is complete. The connection
    ///   assembles longer ones.
    ///
    /// The [default](Self::default) has 16 KiB and 1 MiB.
    #[must_use]
    pub fn new(size: usize, max_frame: usize) -> Self {
        let size = size.max(SMALLEST);
        Self { bytes: Vec::new(), unread: Unread::default(), size, max_frame, last_round: 0 }
    }

    /// Returns space to read into: up to `size` bytes, and at least half of that. For an incomplete
    /// frame it is at least as long as what has arrived of it, or as its rest, and no more than that if more
    /// would move a long frame. It grows up to eight times what has arrived: announced bytes alone get no
    /// memory.
    ///
    /// Report the bytes read with [`filled`](Self::filled). Calling this again without a read is allowed.
    pub fn space(&mut self) -> &mut [u8] {
        let (half, unread, frame) = (self.size / 2, self.unread().len(), self.unread.frame);
        // More space after a long frame that fits is not worth moving it: small reads would each do so.
        let fits = half < unread && unread < frame && frame <= self.bytes.len() - self.unread.start;
        let rest = self.make_room(if fits { 0 } else { half });
        let space = &mut self.bytes[self.unread.end..];
        let len = space.len().min(rest.max(self.size));
        &mut space[..len]
    }

    /// Records that the first `n` bytes of the [space](Self::space) were read.
    pub fn filled(&mut self, n: usize) {
        self.unread.end = self.unread.end.saturating_add(n).min(self.bytes.len());
    }

    /// Appends received bytes that cannot be borrowed mutably, such as the `Bytes` of an HTTP/2 or QUIC
    /// library; replaces [`space`](Self::space) and [`filled`](Self::filled). This is their only copy:
    /// messages are borrowed from it.
    ///
    /// ```
    /// use sansocket::{Config, Connection, Event, ReadBuffer};
    /// let mut connection = Connection::server(Config::default());
    /// let mut buffer = ReadBuffer::default();
    /// for data in [&b"\x81\x85\x37\xfa\x21\x3d\x7f"[..], b"\x9f\x4d\x51\x58"] {
    ///     buffer.extend_from_slice(data);
    ///     let mut input = buffer.input();
    ///     while let Some(event) = connection.recv(&mut input) {
    ///         assert!(matches!(event, Event::Message(message) if message == "Hello"));
    ///     }
    /// }
    /// assert!(buffer.is_empty());
    /// ```
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.make_room(bytes.len());
        let end = self.unread.end + bytes.len();
        self.bytes[self.unread.end..end].copy_from_slice(bytes);
        self.unread.end = end;
    }

    /// Returns the same space as spare capacity of a `Vec`, without zeroing. Report appended bytes with
    /// [`appended`](Self::appended).
    #[cfg(feature = "aio")]
    pub(crate) fn spare(&mut self) -> &mut Vec<u8> {
        if self.is_empty() {
            (self.unread.start, self.unread.end) = (0, 0);
        }
        let (enough, rest) = self.unread.needs(self.size / 2);
        self.bytes.truncate(self.unread.end);
        if self.bytes.capacity() - self.bytes.len() < enough {
            self.bytes.drain(..self.unread.start);
            (self.unread.start, self.unread.end) = (0, self.bytes.len());
            self.bytes.reserve_exact(rest.max(self.size));
        }
        &mut self.bytes
    }

    /// Changes the size of a read.
    #[cfg(feature = "aio")]
    pub(crate) fn resized(mut self, size: usize) -> Self {
        self.size = size.max(SMALLEST);
        self
    }

    /// Returns the size of its memory in bytes.
    #[cfg(feature = "aio")]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Records that bytes were appended to the [spare](Self::spare) capacity.
    #[cfg(feature = "aio")]
    pub(crate) fn appended(&mut self) {
        self.unread.end = self.bytes.len();
    }

    /// Adds initial bytes.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn with_unread(mut self, unread: Vec<u8>) -> Self {
        self.unread = Unread { end: unread.len(), ..Unread::default() };
        self.bytes = unread;
        self
    }

    /// Returns the bytes that are not consumed, for [`Connection::recv`](super::Connection::recv) and
    /// everything else that takes an [`Input`]. When `recv` returns `None`, read more; an incomplete frame
    /// may be left.
    #[inline]
    pub fn input(&mut self) -> Lent<'_> {
        let (input, unread) = self.parts();
        Lent { input, unread }
    }

    /// Returns the same in two parts, for callers that report [`Unread::left`] after each event and need no
    /// `Drop`: a value with a `Drop` keeps its borrow to the end of its scope.
    #[inline]
    pub(crate) fn parts(&mut self) -> (Input<'_>, &mut Unread) {
        let Self { bytes, unread, max_frame, .. } = self;
        let bytes = &mut bytes[unread.start..unread.end];
        let Unread { frame, checked, stayed, .. } = *unread;
        let hold = Hold { max_frame: *max_frame, lent: bytes.len(), stayed, checked, frame };
        (Input::holding(bytes, hold), unread)
    }

    /// Returns the consumed bytes that are still in the buffer, perhaps from before the last read. They end with the payload of the last message, if that
    /// was borrowed from this buffer.
    ///
    /// So a large message can be forwarded from the memory that it was read into, in any number of writes:
    /// see [`Connection::send_header`](super::Connection::send_header). Do not receive or read in the
    /// meantime.
    #[must_use]
    pub fn consumed(&self) -> &[u8] {
        &self.bytes[..self.unread.start]
    }

    /// Returns the bytes that are not consumed.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.unread.start..self.unread.end]
    }

    /// Returns `true` if everything has been consumed.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unread.start == self.unread.end
    }

    /// Converts into the bytes that are not consumed, to continue without the buffer.
    #[must_use]
    pub fn into_unread(mut self) -> Vec<u8> {
        self.bytes.truncate(self.unread.end);
        self.bytes.drain(..self.unread.start);
        self.bytes
    }

    /// Frees the memory if nothing is unread, for a connection that goes quiet.
    pub fn release(&mut self) {
        if self.is_empty() {
            (self.bytes, self.unread) = (Vec::new(), Unread::default());
        }
    }

    /// Makes room for at least `least` bytes and for the rest of an incomplete frame, as far as what has
    /// arrived of it justifies. Returns that rest.
    fn make_room(&mut self, least: usize) -> usize {
        if self.is_empty() && self.unread.end > 0 {
            self.round_over();
        }
        let (enough, rest) = self.unread.needs(least);
        if self.bytes.len() - self.unread.end < enough {
            self.make_space(least.max(rest));
        }
        rest
    }

    /// Handles an empty buffer: frees memory that neither this round nor the one before needed.
    fn round_over(&mut self) {
        let round = mem::take(&mut self.unread).end;
        let last = mem::replace(&mut self.last_round, round);
        if self.bytes.len() > self.size.max(last.min(round).saturating_mul(2)) {
            self.bytes = Vec::new();
        }
    }

    #[cold]
    fn make_space(&mut self, least: usize) {
        let Unread { start, end, frame, .. } = self.unread;
        // What is not received makes room for as much as is moved, like a `Vec`; of a frame, the rest is known.
        let ahead = if end - start < frame { 0 } else { end - start };
        let needed = (end - start).saturating_add(least.max(ahead));
        if needed <= self.bytes.len() {
            self.bytes.copy_within(start..end, 0);
        } else {
            // The system provides new memory zeroed, and only the unread bytes are copied.
            let mut larger = vec![0; needed.max(self.size)];
            larger[..end - start].copy_from_slice(&self.bytes[start..end]);
            self.bytes = larger;
        }
        (self.unread.start, self.unread.end) = (0, end - start);
    }
}

impl Default for ReadBuffer {
    /// Offers 16 KiB to a read, and holds frames with a payload of up to 1 MiB.
    fn default() -> Self {
        Self::new(16 << 10, 1 << 20)
    }
}

impl fmt::Debug for ReadBuffer {
    /// Omits the bytes: they are private messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer")
            .field("unread", &self.unread().len())
            .field("capacity", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The [`Input`] of a [`ReadBuffer`], to which it dereferences. Dropping it tells the buffer what is left.
#[derive(Debug)]
pub struct Lent<'b> {
    input: Input<'b>,
    unread: &'b mut Unread,
}

impl<'b> Deref for Lent<'b> {
    type Target = Input<'b>;

    #[inline]
    fn deref(&self) -> &Input<'b> {
        &self.input
    }
}

impl<'b> DerefMut for Lent<'b> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Input<'b> {
        &mut self.input
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        self.unread.left(&self.input);
    }
}

impl Unread {
    /// Records that `input` is left.
    #[inline]
    pub(crate) fn left(&mut self, input: &Input<'_>) {
        let left = input.len().min(self.end - self.start);
        let (end, Hold { frame, checked, stayed, .. }) = (self.end, input.held());
        *self = Self { start: end - left, end, frame, checked, stayed };
    }

    /// Returns how much space is enough for the next read, at least `least`, and the rest of an incomplete
    /// frame, as far as what has arrived of it justifies.
    ///
    /// As much space as has arrived is enough: if every read had to have space for the complete rest, each
    /// would move the frame.
    fn needs(&self, least: usize) -> (usize, usize) {
        let unread = self.end - self.start;
        let rest = self.frame.saturating_sub(unread).min(unread.saturating_mul(AHEAD));
        (least.max(rest.min(unread)), rest)
    }
}

/// Maximum space for a frame, as a multiple of what has arrived of it.
const AHEAD: usize = 8;
/// Minimum space: an empty read would look like the end of the stream.
const SMALLEST: usize = 64;
