//! [`Input`]: the received bytes, lent to the protocol.

use core::{fmt, mem};

/// Received bytes, shrinking from the front as they are consumed.
///
/// The protocol works in this buffer: payload is unmasked in place and lent from there, so events borrow from the
/// buffer (`'b`) and from nothing else.
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

/// What the owner of a buffer and the protocol tell one another about a frame that is cut: it may stay in the buffer.
#[cfg(feature = "alloc")]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hold {
    /// The maximum payload of a frame that stays until it is complete; 0: none does.
    pub(crate) max_frame: usize,
    /// How many bytes were lent. What is below is about the frame at the front of these.
    pub(crate) lent: usize,
    /// How many of them were there the last time, and stayed.
    pub(crate) stayed: usize,
    /// How many of its payload bytes are known to be valid text.
    pub(crate) checked: usize,
    /// How long it is; 0 if that is not known.
    pub(crate) frame: usize,
}

impl<'b> Input<'b> {
    /// Lends `bytes`, as they were received.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            #[cfg(feature = "alloc")]
            hold: Hold::default(),
        }
    }

    /// The same, for an owner that keeps a frame that is cut.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn holding(bytes: &'b mut [u8], hold: Hold) -> Self {
        Self { bytes, hold }
    }

    /// Whether a frame may stay that is cut.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        self.hold.max_frame > 0
    }

    /// What is known about the frame at the front.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn held(&self) -> Hold {
        if self.bytes.len() == self.hold.lent {
            self.hold
        } else {
            Hold { max_frame: self.hold.max_frame, lent: self.bytes.len(), ..Hold::default() }
        }
    }

    /// The frame at the front stays.
    #[cfg(feature = "alloc")]
    pub(crate) fn hold(&mut self, frame: usize, checked: usize) {
        self.hold = Hold { stayed: self.bytes.len(), frame, checked, ..self.held() };
    }

    /// Whether there is anything that was not there the last time.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn has_new(&self) -> bool {
        self.bytes.len() > self.hold.stayed
    }

    /// Whether a part of a message stays at the front.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn keeps_message(&self) -> bool {
        self.hold.frame > 0 && self.bytes.len() == self.hold.lent
    }

    /// How many bytes are left.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether every byte has been consumed.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes that are left, without consuming them.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes
    }

    /// Consumes the next `n` bytes, or all that are left if they are fewer.
    #[inline]
    pub fn take(&mut self, n: usize) -> &'b mut [u8] {
        let bytes = mem::take(&mut self.bytes);
        let (taken, left) = bytes.split_at_mut(n.min(bytes.len()));
        self.bytes = left;
        taken
    }
}

impl fmt::Debug for Input<'_> {
    /// Without the bytes, which are somebody's messages.
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
