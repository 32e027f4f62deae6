//! [`Header`]: the header of a frame, parsed and encoded (RFC 6455 §5.2).

use core::ops::Deref;

use super::rules::Rules;
use crate::error::ProtocolError;

/// The type of a frame (RFC 6455 §5.2 and §11.8). Reserved opcodes cannot be represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message in progress.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A request for a Pong.
    Ping = 0x9,
    /// The reply to a Ping, or an unsolicited heartbeat.
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode of these four bits, or `None` for the reserved ones, 0x3–0x7 and 0xB–0xF.
    #[inline]
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Returns `true` for a control frame: Close, Ping or Pong (RFC 6455 §5.5).
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The type of a message: text or binary (RFC 6455 §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Arbitrary bytes.
    Binary,
}

impl Kind {
    /// Returns the opcode of the first frame of a message.
    #[inline]
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// The header of a frame (RFC 6455 §5.2).
///
/// ```
/// use sansocket::frame::{Header, Opcode};
/// let opcode = Opcode::Text;
/// let header = Header { fin: true, rsv1: false, opcode, mask: None, payload_len: 5 };
/// assert_eq!(*header.encode(), [0x81, 0x05]);
/// assert_eq!(Header::parse(b"\x81\x05Hello"), Ok(Some((header, 2))));
/// assert_eq!(Header::parse(b"\x81"), Ok(None)); // more bytes are needed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Whether this is the final fragment of its message.
    pub fin: bool,
    /// The bit that permessage-deflate uses to mark a compressed message (RFC 7692 §6).
    pub rsv1: bool,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The masking key: always present from a client, never from a server (§5.1).
    pub mask: Option<[u8; 4]>,
    /// Length of the payload that follows, in bytes.
    pub payload_len: u64,
}

impl Header {
    /// Maximum length of a header in bytes.
    pub const MAX_LEN: usize = 14;

    /// Parses the header at the front of `bytes`; returns it with its length in bytes, or `None` if `bytes`
    /// ends inside it.
    ///
    /// # Errors
    /// Fails at the first byte that is invalid for either role and at any time: reserved bits RSV2 and RSV3, RSV1
    /// on any frame but the first of a message, reserved opcodes, fragmented or long control frames, a Close
    /// of one byte, and lengths that are not minimal or are 2^63 or more.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        Self::parse_by(&Rules::ANY, bytes)
    }

    /// Like [`parse`](Self::parse), with the rules that depend on the connection. `bytes` may be any prefix
    /// of a header. The rules are checked in the order of the bytes, so that the result does not depend on
    /// where the input was cut.
    pub(crate) fn parse_by(rules: &Rules, bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let fin = first & FIN != 0;
        let Some(opcode) = Opcode::new(first & 0xF) else {
            return Err(ProtocolError::ReservedOpcode(first & 0xF));
        };
        rules.check_first(opcode, fin, first & RSV)?;

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & MASK != 0;
        let short = second & 0x7F;
        rules.check_second(opcode, masked, short)?;

        // "the minimal number of bytes MUST be used to encode the length" and, of eight bytes, "the most
        // significant bit MUST be 0" (§5.2).
        let length = &bytes[2..];
        let (payload_len, length_len) = match short {
            126 => match *length {
                [0, low, ..] if low < 126 => return Err(ProtocolError::NonMinimalLength),
                [high, low, ..] => (u64::from(u16::from_be_bytes([high, low])), 2),
                _ => return Ok(None),
            },
            127 => match *length {
                [high, ..] if high & 0x80 != 0 => return Err(ProtocolError::LengthTooLarge),
                [0, 0, 0, 0, 0, 0, ..] => return Err(ProtocolError::NonMinimalLength),
                [a, b, c, d, e, f, g, h, ..] => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 8),
                _ => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let header = Self { fin, rsv1: first & RSV1 != 0, opcode, mask: None, payload_len };
        if !opcode.is_control() {
            rules.check_size(&header)?;
        }

        let after_length = &length[length_len..];
        let (mask, mask_len) = match (masked, after_length) {
            (false, _) => (None, 0),
            (true, &[a, b, c, d, ..]) => (Some([a, b, c, d]), 4),
            (true, _) => return Ok(None),
        };
        Ok(Some((Self { mask, ..header }, 2 + length_len + mask_len)))
    }

    /// Returns the length of the header in bytes.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no header is empty")]
    pub const fn len(&self) -> usize {
        let length_len = match self.payload_len {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length_len + if self.mask.is_some() { 4 } else { 0 }
    }

    /// Returns the bytes of the header, with the length in its shortest form.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> EncodedHeader {
        let mut bytes = [0; Self::MAX_LEN];
        let len = self.write(&mut bytes);
        EncodedHeader { bytes, len }
    }

    /// Writes the bytes of the header to the front of `bytes`; returns their number.
    #[inline]
    pub(crate) fn write(&self, bytes: &mut [u8; Self::MAX_LEN]) -> usize {
        bytes[0] = if self.fin { FIN } else { 0 } | if self.rsv1 { RSV1 } else { 0 } | self.opcode as u8;
        let mut len = match self.payload_len {
            short @ 0..=125 => {
                bytes[1] = short as u8;
                2
            }
            medium @ 126..=0xFFFF => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(medium as u16).to_be_bytes());
                4
            }
            long => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&long.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.mask {
            bytes[1] |= MASK;
            bytes[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        len
    }
}

/// The bytes of a [`Header`]; it dereferences to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedHeader {
    bytes: [u8; Header::MAX_LEN],
    len: usize,
}

impl Deref for EncodedHeader {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

const FIN: u8 = 0x80;
/// The three reserved bits.
const RSV: u8 = 0x70;
/// The first reserved bit.
pub(super) const RSV1: u8 = 0x40;
const MASK: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    const fn header(opcode: Opcode, fin: bool, mask: Option<[u8; 4]>, payload_len: u64) -> Header {
        Header { fin, rsv1: false, opcode, mask, payload_len }
    }

    #[test]
    fn both_directions() {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
        let table: [(&[u8], Header); 14] = [
            // RFC 6455 §5.7
            (b"\x81\x05", header(Text, true, None, 5)),
            (b"\x81\x85\x37\xFA\x21\x3D", header(Text, true, Some(KEY), 5)),
            (b"\x01\x03", header(Text, false, None, 3)),
            (b"\x80\x02", header(Continuation, true, None, 2)),
            (b"\x89\x05", header(Ping, true, None, 5)),
            (b"\x8A\x85\x37\xFA\x21\x3D", header(Pong, true, Some(KEY), 5)),
            (b"\x82\x7E\x01\x00", header(Binary, true, None, 256)),
            (b"\x82\x7F\0\0\0\0\0\x01\0\0", header(Binary, true, None, 65536)),
            // the limits of each form of the length
            (b"\x82\x7D", header(Binary, true, None, 125)),
            (b"\x82\x7E\x00\x7E", header(Binary, true, None, 126)),
            (b"\x82\x7E\xFF\xFF", header(Binary, true, None, 65535)),
            (b"\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x37\xFA\x21\x3D", {
                header(Binary, true, Some(KEY), u64::MAX >> 1)
            }),
            (b"\x88\x00", header(Close, true, None, 0)),
            (b"\xC1\x00", Header { rsv1: true, ..header(Text, true, None, 0) }),
        ];
        for (bytes, header) in table {
            assert_eq!(Header::parse(bytes), Ok(Some((header, bytes.len()))), "{bytes:02x?}");
            assert_eq!(*header.encode(), *bytes);
            assert_eq!(header.len(), bytes.len());
            for cut in 0..bytes.len() {
                assert_eq!(Header::parse(&bytes[..cut]), Ok(None), "{bytes:02x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn refused_at_the_byte_that_breaks_it() {
        use ProtocolError::*;
        let table: [(&[u8], ProtocolError); 13] = [
            (b"\xA1", ReservedBits),
            (b"\x91", ReservedBits),
            (b"\xC0", ReservedBits),
            (b"\xC9", ReservedBits),
            (b"\x83", ReservedOpcode(3)),
            (b"\x8F", ReservedOpcode(15)),
            (b"\x09", FragmentedControl),
            (b"\x89\x7E", ControlTooLong),
            (b"\x8A\xFF", ControlTooLong),
            (b"\x88\x01", CloseTooShort),
            (b"\x82\x7E\x00\x7D", NonMinimalLength),
            (b"\x82\x7F\0\0\0\0\0\0", NonMinimalLength),
            (b"\x82\x7F\x80", LengthTooLarge),
        ];
        for (bytes, error) in table {
            assert_eq!(Header::parse(bytes), Err(error), "{bytes:02x?}");
            assert_eq!(Header::parse(&bytes[..bytes.len() - 1]), Ok(None), "{bytes:02x?}");
        }
    }
}
