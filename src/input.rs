//! [`Input`]: received bytes, borrowed by the protocol.

use core::{fmt, mem};

/// Received bytes, consumed from the front.
///
/// The protocol works in this buffer: payloads are unmasked in place and borrowed from there. Events borrow
/// from the buffer (`'b`) and from nothing else.
///
/// ```
/// let mut buf = *b"abc";
/// let mut input = sansocket::Input::new(&mut buf);
/// assert_eq!(input.take(2), b"ab");
/// assert_eq!(input.as_slice(), b"c");
/// ```
#[derive(Default)]
pub struct Input<'b> {
    bytes: &'b mut [u8],
    #[cfg(feature = "alloc")]
    hold: Hold,
}

/// Shared knowledge of a buffer's owner and the protocol about an incomplete frame that may stay in the
/// buffer.
#[cfg(feature = "alloc")]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hold {
    /// Maximum payload of a frame that stays until it is complete; 0: none stays.
    pub(crate) max_frame: usize,
    /// Initial number of bytes. The following fields are about the frame at their front.
    pub(crate) lent: usize,
    /// How many of them a receiver has seen and left.
    pub(crate) stayed: usize,
    /// Length of its payload's prefix that is known to be valid text.
    pub(crate) checked: usize,
    /// Its length, or 0 if unknown.
    pub(crate) frame: usize,
}

impl<'b> Input<'b> {
    /// Creates an input over `bytes`, as they were received.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            #[cfg(feature = "alloc")]
            hold: Hold::default(),
        }
    }

    /// Creates an input for an owner that keeps an incomplete frame.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn holding(bytes: &'b mut [u8], hold: Hold) -> Self {
        Self { bytes, hold }
    }

    /// Returns `true` if an incomplete frame may stay.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        self.hold.max_frame > 0
    }

    /// Returns what is known about the frame at the front.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn held(&self) -> Hold {
        if self.bytes.len() == self.hold.lent {
            self.hold
        } else {
            Hold { max_frame: self.hold.max_frame, lent: self.bytes.len(), ..Hold::default() }
        }
    }

    /// Marks the frame at the front as staying.
    #[cfg(feature = "alloc")]
    pub(crate) fn hold(&mut self, frame: usize, checked: usize) {
        self.hold = Hold { stayed: self.bytes.len(), frame, checked, ..self.held() };
    }

    /// Returns `true` if there are bytes that no receiver has seen.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn has_new(&self) -> bool {
        self.bytes.len() > self.held().stayed
    }

    /// Returns `true` if a part of a message stays at the front.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn keeps_message(&self) -> bool {
        self.hold.frame > 0 && self.bytes.len() == self.hold.lent
    }

    /// Returns the number of remaining bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns `true` if every byte has been consumed.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the remaining bytes without consuming them.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes
    }

    /// Consumes the next `n` bytes, or all remaining ones if fewer.
    #[inline]
    pub fn take(&mut self, n: usize) -> &'b mut [u8] {
        let bytes = mem::take(&mut self.bytes);
        let (taken, left) = bytes.split_at_mut(n.min(bytes.len()));
        self.bytes = left;
        taken
    }
}

impl fmt::Debug for Input<'_> {
    /// Omits the bytes: they are private messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl<'b> From<&'b mut [u8]> for Input<'b> {
    #[inline]
    fn from(bytes: &'b mut [u8]) -> Self {
        Self::new(bytes)
    }
}
