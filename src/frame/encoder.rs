//! [`encode`]: from a header and a payload to bytes, without `alloc`.

use core::fmt;

use super::header::Header;
use super::mask::Mask;

/// Writes a frame to the front of `out`: `header`, then `payload`, masked if the header has a key. Returns
/// the length of the frame.
///
/// The payload length is that of `payload`; the one in the header is ignored.
///
/// ```
/// use sansocket::frame::{Header, Opcode, encode};
/// let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
/// let opcode = Opcode::Text;
/// let header = Header { fin: true, rsv1: false, opcode, mask, payload_len: 0 };
/// let mut out = [0; 32];
/// let len = encode(header, b"Hello", &mut out)?;
/// assert_eq!(&out[..len], b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); // RFC 6455 §5.7
/// # Ok::<(), sansocket::frame::BufferTooSmall>(())
/// ```
///
/// # Errors
/// Fails if `out` is too small for the frame; nothing is written then.
pub fn encode(header: Header, payload: &[u8], out: &mut [u8]) -> Result<usize, BufferTooSmall> {
    let header = Header { payload_len: payload.len() as u64, ..header };
    let head = header.encode();
    let needed = head.len() + payload.len();
    let out = out.get_mut(..needed).ok_or(BufferTooSmall { needed })?;
    let (front, back) = out.split_at_mut(head.len());
    front.copy_from_slice(&head);
    match header.mask {
        Some(key) => Mask::new(key).copy(payload, back),
        None => back.copy_from_slice(payload),
    }
    Ok(needed)
}

/// The error for a buffer that is too small for the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferTooSmall {
    /// Length of the frame in bytes.
    pub needed: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the frame takes {} bytes, more than the buffer has", self.needed)
    }
}

impl core::error::Error for BufferTooSmall {}
