//! [`ReadBuffer`]: where bytes are read into, and where messages stay until they are complete.
//!
//! ```text
//! bytes   │ consumed │ unread: a frame that is cut │ space, initialised │
//!         0          start                         end                  bytes.len()
//! ```
//!
//! Before it is read into again, an unread frame moves to the front if there is not enough space behind it.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::{Deref, DerefMut};

use crate::input::{Hold, Input};

/// A buffer to read into, kept between reads, from which also large messages are borrowed.
///
/// An [`Input`] over a buffer of one's own takes every byte; a message that came in several reads is copied to
/// memory of its own. A `ReadBuffer` leaves a message that is cut where it is, offers the space for its rest, and lends it when
/// it is complete: nothing is copied, and no memory is allocated for each message. What does not fit is received as ever.
///
/// ```
/// use std::io::Read;
/// use sansocket::{Config, Connection, Event, ReadBuffer};
/// let mut connection = Connection::server(Config::default());
/// let mut buffer = ReadBuffer::default();
/// let mut transport: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
/// # let mut messages = 0;
/// loop {
///     let mut input = buffer.input();
///     while let Some(event) = connection.recv(&mut input) {
///         if let Event::Message(message) = event {
///             assert_eq!(message.as_text(), Some("Hello"));
/// #           messages += 1;
///         }
///     }
///     drop(input); // tells the buffer what was left
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
    /// The most that was in the buffer in the round before: from empty to empty.
    last_round: usize,
}

/// Where in the buffer the bytes are that were not consumed.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    start: usize,
    end: usize,
    /// How long the frame is that begins there, if that is known; otherwise 0.
    frame: usize,
    /// How much of its payload is known to be valid text.
    checked: usize,
    /// How many of the bytes there have been lent before.
    stayed: usize,
}

impl ReadBuffer {
    /// `size`: how many bytes a read is offered. `max_frame`: the maximum payload of a frame that stays here until it is complete;
    /// a longer one is put together in the connection. Allocates nothing yet.
    #[must_use]
    pub fn new(size: usize, max_frame: usize) -> Self {
        let size = size.max(SMALLEST);
        Self { bytes: Vec::new(), unread: Unread::default(), size, max_frame, last_round: 0 }
    }

    /// Space to read into: the size that [`new`](Self::new) was told, or half of it if the rest is taken. If a frame is cut
    /// it is at least the space for its rest, but for this at most eight times as much as has arrived of it: memory is not for
    /// what was only announced.
    ///
    /// What was read is told with [`filled`](Self::filled). To ask again without having read is fine.
    pub fn space(&mut self) -> &mut [u8] {
        let Unread { start, end, frame, .. } = self.unread;
        let unread = end - start;
        if unread == 0 && end > 0 {
            self.round_over();
        }
        let rest = frame.saturating_sub(unread).min(unread.saturating_mul(AHEAD));
        let least = rest.max(self.size / 2);
        if self.bytes.len() - self.unread.end < least {
            self.make_space(least);
        }
        let space = &mut self.bytes[self.unread.end..];
        let len = space.len().min(rest.max(self.size));
        &mut space[..len]
    }

    /// The first `n` bytes of the [space](Self::space) were read.
    pub fn filled(&mut self, n: usize) {
        self.unread.end = self.unread.end.saturating_add(n).min(self.bytes.len());
    }

    /// The same space as capacity behind the bytes, for whoever appends to a `Vec`: nothing is zeroed. What was appended
    /// is told with [`appended`](Self::appended).
    #[cfg(feature = "aio")]
    pub(crate) fn spare(&mut self) -> &mut Vec<u8> {
        let Unread { start, end, frame, .. } = self.unread;
        let unread = end - start;
        if unread == 0 {
            (self.unread.start, self.unread.end) = (0, 0);
        }
        let space = frame.saturating_sub(unread).min(unread.saturating_mul(AHEAD)).max(self.size);
        self.bytes.truncate(self.unread.end);
        if self.bytes.capacity() - self.bytes.len() < space {
            self.bytes.drain(..self.unread.start);
            (self.unread.start, self.unread.end) = (0, self.bytes.len());
            self.bytes.reserve_exact(space);
        }
        &mut self.bytes
    }

    /// The same buffer with reads of another size.
    #[cfg(feature = "aio")]
    pub(crate) fn resized(mut self, size: usize) -> Self {
        self.size = size.max(SMALLEST);
        self
    }

    /// How much memory it has.
    #[cfg(feature = "aio")]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes were appended to the [spare](Self::spare) ones.
    #[cfg(feature = "aio")]
    pub(crate) fn appended(&mut self) {
        self.unread.end = self.bytes.len();
    }

    /// Bytes to begin with.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn with_unread(mut self, unread: Vec<u8>) -> Self {
        self.unread = Unread { end: unread.len(), ..Unread::default() };
        self.bytes = unread;
        self
    }

    /// Lends what has not been consumed, for [`Connection::recv`](super::Connection::recv) and everything else that takes an
    /// [`Input`]. `None` from `recv` means: read more; a frame that is cut may be left then.
    #[inline]
    pub fn input(&mut self) -> Lent<'_> {
        let (input, unread) = self.parts();
        Lent { input, unread }
    }

    /// The same in two parts, for who tells [`Unread::left`] after each event and needs no `Drop` for it: a value that
    /// has one keeps what it borrows to the end of its scope.
    #[inline]
    pub(crate) fn parts(&mut self) -> (Input<'_>, &mut Unread) {
        let Self { bytes, unread, max_frame, .. } = self;
        let bytes = &mut bytes[unread.start..unread.end];
        let Unread { frame, checked, stayed, .. } = *unread;
        let hold = Hold { max_frame: *max_frame, lent: bytes.len(), stayed, checked, frame };
        (Input::holding(bytes, hold), unread)
    }

    /// What has been consumed since the buffer was read into. At its end is the payload of the message that was received
    /// last, if that was borrowed from here.
    ///
    /// So a large message can be sent on from where it was read, however long that takes: see
    /// [`Connection::send_header`](super::Connection::send_header), and receive and read no more meanwhile.
    #[must_use]
    pub fn consumed(&self) -> &[u8] {
        &self.bytes[..self.unread.start]
    }

    /// What has not been consumed.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.unread.start..self.unread.end]
    }

    /// Whether everything has been consumed.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unread.start == self.unread.end
    }

    /// What has not been consumed, for somebody who goes on without the buffer.
    #[must_use]
    pub fn into_unread(mut self) -> Vec<u8> {
        self.bytes.truncate(self.unread.end);
        self.bytes.drain(..self.unread.start);
        self.bytes
    }

    /// Frees the memory if nothing is unread, as when a connection goes quiet.
    pub fn release(&mut self) {
        if self.is_empty() {
            (self.bytes, self.unread) = (Vec::new(), Unread::default());
        }
    }

    /// All was consumed: memory that neither this round nor the one before has needed is freed.
    fn round_over(&mut self) {
        let round = mem::take(&mut self.unread).end;
        let last = mem::replace(&mut self.last_round, round);
        if self.bytes.len() > self.size.max(last.min(round).saturating_mul(2)) {
            self.bytes = Vec::new();
        }
    }

    #[cold]
    fn make_space(&mut self, least: usize) {
        let Unread { start, end, .. } = self.unread;
        if end - start + least <= self.bytes.len() {
            self.bytes.copy_within(start..end, 0);
        } else {
            // New memory comes zeroed from the system, and only what is unread is copied.
            let mut larger = vec![0; (end - start).saturating_add(least).max(self.size)];
            larger[..end - start].copy_from_slice(&self.bytes[start..end]);
            self.bytes = larger;
        }
        (self.unread.start, self.unread.end) = (0, end - start);
    }
}

impl Default for ReadBuffer {
    /// 16 KiB a read, and frames of up to 1 MiB of payload.
    fn default() -> Self {
        Self::new(16 << 10, 1 << 20)
    }
}

impl fmt::Debug for ReadBuffer {
    /// Without the bytes, which are somebody's messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer")
            .field("unread", &self.unread().len())
            .field("capacity", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The [`Input`] that a [`ReadBuffer`] lends; it dereferences to it. When it is dropped the buffer learns what was left.
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
    /// What is in `input` was left.
    #[inline]
    pub(crate) fn left(&mut self, input: &Input<'_>) {
        let left = input.len().min(self.end - self.start);
        let (end, Hold { frame, checked, .. }) = (self.end, input.held());
        *self = Self { start: end - left, end, frame, checked, stayed: left };
    }
}

/// How many times as much as has arrived of a frame there is space for.
const AHEAD: usize = 8;
/// A read of nothing would look like the end of the stream.
const SMALLEST: usize = 64;
