//! [`Segment`]: a piece of the output that owns its bytes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::message::Message;
use crate::frame::{Header, Mask};

/// A piece of the output that owns or shares its bytes; see
/// [`Connection::take_output`](super::Connection::take_output).
///
/// Moving the segment does not move the bytes, so an operating system may read them in the meantime.
///
/// ```
/// use sansocket::Segment;
/// let mut segment = Segment::from(b"abc".to_vec());
/// segment.advance(1); // after a short write
/// assert_eq!(segment.as_ref(), b"bc");
/// ```
pub struct Segment {
    bytes: Bytes,
    /// Start of the remaining bytes.
    start: usize,
}

enum Bytes {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
    Static(&'static [u8]),
    #[cfg(feature = "bytes")]
    Counted(bytes::Bytes),
    /// A frame header, in the queue only: its bytes would move with the segment.
    Header {
        bytes: [u8; Header::MAX_LEN],
        len: u8,
    },
}

impl Segment {
    /// Creates a segment of the bytes of `vec` from `start` on.
    pub(super) const fn tail(vec: Vec<u8>, start: usize) -> Self {
        Self { bytes: Bytes::Owned(vec), start }
    }

    /// Creates a segment of a frame header, without an allocation.
    pub(super) fn header(header: &Header) -> Self {
        let mut bytes = [0; Header::MAX_LEN];
        let len = header.write(&mut bytes) as u8;
        Self { bytes: Bytes::Header { bytes, len }, start: 0 }
    }

    /// Returns the number of remaining bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Returns `true` if no bytes remain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Skips the first `n` bytes, or all remaining ones if fewer.
    pub fn advance(&mut self, n: usize) {
        self.start += n.min(self.len());
    }

    /// Converts into a segment whose bytes do not move with it.
    pub(super) fn pinned(self) -> Self {
        match self.bytes {
            Bytes::Header { .. } => Self::from(self.as_ref().to_vec()),
            _ => self,
        }
    }

    /// Masks the bytes: in place if the segment owns them alone, otherwise in a copy.
    pub(super) fn masked(self, mut mask: Mask) -> Self {
        match self.bytes {
            Bytes::Owned(mut vec) => {
                mask.apply(&mut vec[self.start..]);
                Self::tail(vec, self.start)
            }
            #[cfg(feature = "bytes")]
            Bytes::Counted(bytes) => match bytes.try_into_mut() {
                Ok(mut bytes) => {
                    mask.apply(&mut bytes[self.start..]);
                    Self { bytes: Bytes::Counted(bytes.freeze()), start: self.start }
                }
                Err(bytes) => Self::masked_copy(&bytes[self.start..], mask),
            },
            _ => Self::masked_copy(self.as_ref(), mask),
        }
    }

    fn masked_copy(bytes: &[u8], mask: Mask) -> Self {
        let mut vec = Vec::with_capacity(bytes.len());
        mask.append(bytes, &mut vec);
        Self::from(vec)
    }

    /// Returns the buffer if the segment is its only owner.
    pub(super) fn into_buffer(self) -> Option<Vec<u8>> {
        match self.bytes {
            Bytes::Owned(vec) => Some(vec),
            _ => None,
        }
    }
}

impl AsRef<[u8]> for Segment {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        let bytes = match &self.bytes {
            Bytes::Owned(vec) => vec,
            Bytes::Shared(shared) => &**shared,
            Bytes::Static(bytes) => bytes,
            #[cfg(feature = "bytes")]
            Bytes::Counted(bytes) => bytes,
            Bytes::Header { bytes, len } => &bytes[..usize::from(*len)],
        };
        bytes.get(self.start..).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Segment {
    fn from(vec: Vec<u8>) -> Self {
        Self::tail(vec, 0)
    }
}

impl From<String> for Segment {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Arc<[u8]>> for Segment {
    fn from(shared: Arc<[u8]>) -> Self {
        Self { bytes: Bytes::Shared(shared), start: 0 }
    }
}

impl From<&'static [u8]> for Segment {
    fn from(bytes: &'static [u8]) -> Self {
        Self { bytes: Bytes::Static(bytes), start: 0 }
    }
}

#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl From<bytes::Bytes> for Segment {
    /// Converts without a copy.
    fn from(bytes: bytes::Bytes) -> Self {
        Self { bytes: Bytes::Counted(bytes), start: 0 }
    }
}

#[cfg(feature = "bytes")]
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
impl From<Segment> for bytes::Bytes {
    /// Without a copy, for libraries that send `Bytes`, such as those of HTTP/2 and QUIC.
    fn from(segment: Segment) -> Self {
        let bytes = match segment.bytes {
            Bytes::Owned(vec) => Self::from(vec),
            Bytes::Shared(shared) => Self::from_owner(shared),
            Bytes::Static(bytes) => Self::from_static(bytes),
            Bytes::Counted(bytes) => bytes,
            Bytes::Header { bytes, len } => Self::copy_from_slice(&bytes[..usize::from(len)]),
        };
        bytes.slice(segment.start.min(bytes.len())..)
    }
}

impl From<Message<'static>> for Segment {
    /// Converts the payload without a copy.
    fn from(message: Message<'static>) -> Self {
        match message {
            Message::Text(Cow::Owned(text)) => Self::from(text),
            Message::Text(Cow::Borrowed(text)) => Self::from(text.as_bytes()),
            Message::Binary(Cow::Owned(vec)) => Self::from(vec),
            Message::Binary(Cow::Borrowed(bytes)) => Self::from(bytes),
        }
    }
}

impl fmt::Debug for Segment {
    /// Omits the bytes: they are private messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("len", &self.len()).finish_non_exhaustive()
    }
}
