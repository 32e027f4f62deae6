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
}

/// The length alone.
impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes)", self.len())
    }
}

impl<'b> Input<'b> {
    /// Lends `bytes`, as they were received.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes }
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

impl<'b> From<&'b mut [u8]> for Input<'b> {
    #[inline]
    fn from(bytes: &'b mut [u8]) -> Self {
        Self::new(bytes)
    }
}
