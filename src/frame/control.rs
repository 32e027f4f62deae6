//! [`ControlPayload`]: the payload of a Ping or a Pong.

use core::fmt;
use core::ops::Deref;

use crate::error::SendError;

/// The payload of a control frame, at most 125 bytes, by value (RFC 6455 §5.5). It dereferences to its bytes.
///
/// ```
/// use sansocket::frame::ControlPayload;
/// let payload: ControlPayload = b"Hello".try_into()?;
/// assert_eq!(*payload, *b"Hello");
/// assert!(ControlPayload::try_from(&[0; 126]).is_err());
/// # Ok::<(), sansocket::SendError>(())
/// ```
#[derive(Clone, Copy)]
pub struct ControlPayload {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl ControlPayload {
    /// Maximum length of the payload of a control frame in bytes.
    pub const MAX_LEN: usize = 125;

    /// The empty payload.
    pub const EMPTY: Self = Self { bytes: [0; Self::MAX_LEN], len: 0 };

    /// Copies `bytes`; returns `None` if there are more than 125.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut payload = Self::EMPTY;
        payload.push(bytes).then_some(payload)
    }

    /// Appends `bytes`, for a payload that arrives in several parts; returns `true` if they fit. If the payload
    /// would exceed 125 bytes, nothing is appended. All parts of a control frame from a
    /// [`Decoder`](super::Decoder) fit.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let start = usize::from(self.len);
        let Some(to) = self.bytes.get_mut(start..start + bytes.len()) else { return false };
        to.copy_from_slice(bytes);
        self.len += bytes.len() as u8;
        true
    }
}

impl TryFrom<&[u8]> for ControlPayload {
    type Error = SendError;

    /// Fails with [`SendError::ControlTooLong`] if there are more than 125 bytes.
    fn try_from(bytes: &[u8]) -> Result<Self, SendError> {
        Self::new(bytes).ok_or(SendError::ControlTooLong)
    }
}

impl<const N: usize> TryFrom<&[u8; N]> for ControlPayload {
    type Error = SendError;

    fn try_from(bytes: &[u8; N]) -> Result<Self, SendError> {
        bytes.as_slice().try_into()
    }
}

impl Deref for ControlPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for ControlPayload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for ControlPayload {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ControlPayload {}

/// Shows only the length.
impl fmt::Debug for ControlPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlPayload({} bytes)", self.len())
    }
}
