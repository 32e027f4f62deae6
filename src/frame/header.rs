//! [`Header`]: the head of a frame, parsed and encoded (RFC 6455 §5.2).

use core::ops::Deref;

use super::decoder::Limits;
use crate::error::ProtocolError;

/// What a frame is (RFC 6455 §5.2 and §11.8). The reserved opcodes cannot be represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message that is under way.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// A request for a Pong.
    Ping = 0x9,
    /// The answer to a Ping, or a heartbeat nobody asked for.
    Pong = 0xA,
}

impl Opcode {
    /// The opcode of these four bits; `None` for the reserved ones, 0x3–0x7 and 0xB–0xF.
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

    /// Whether it is a control frame: Close, Ping or Pong (RFC 6455 §5.5).
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// Whether a message is text or binary (RFC 6455 §5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

impl Kind {
    /// The opcode of a message's first frame.
    #[inline]
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// The head of a frame (RFC 6455 §5.2).
///
/// ```
/// use sansocket::frame::{Header, Opcode};
/// let header = Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: None, payload_len: 5 };
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
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key: always present from a client, never from a server (§5.1).
    pub mask: Option<[u8; 4]>,
    /// How many payload bytes follow.
    pub payload_len: u64,
}

impl Header {
    /// The most bytes that a header takes.
    pub const MAX_LEN: usize = 14;

    /// Reads the header at the front of `bytes` and tells its length in bytes; `None` if `bytes` ends inside
    /// it.
    ///
    /// # Errors
    /// The first byte that cannot belong to any header, whoever sent it and whatever came before: reserved
    /// bits RSV2 and RSV3, reserved opcodes, fragmented or long control frames, and lengths that are not
    /// minimal.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        Self::parse_by(&Rules::ANY, bytes)
    }

    /// The same, with the rules that depend on the connection. `bytes` may be any prefix of a header, and
    /// each rule is checked in the order of the bytes, so that where the input was cut makes no difference.
    pub(crate) fn parse_by(rules: &Rules, bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        let Some(opcode) = Opcode::new(first & 0xF) else {
            return Err(ProtocolError::ReservedOpcode(first & 0xF));
        };
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (§5.2); RFC
        // 7692 §6.1 gives RSV1 a meaning on the first fragment of a message only.
        let starts = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & (RSV2 | RSV3) != 0 || rsv1 && !(rules.rsv1 && starts) {
            return Err(ProtocolError::ReservedBits);
        }
        // "All control frames [...] MUST NOT be fragmented" (§5.5).
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        rules.check_order(opcode)?;

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & MASK != 0;
        // "a server MUST close the connection upon receiving a frame that is not masked", "a client MUST
        // close a connection if it detects a masked frame" (§5.1).
        match rules.masked {
            Some(true) if !masked => return Err(ProtocolError::UnmaskedFrame),
            Some(false) if masked => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        let short = second & 0x7F;
        if opcode.is_control() {
            // "All control frames MUST have a payload length of 125 bytes or less" (§5.5).
            if short > 125 {
                return Err(ProtocolError::ControlTooLong);
            }
            // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
            // (§5.5.1).
            if opcode == Opcode::Close && short == 1 {
                return Err(ProtocolError::CloseTooShort);
            }
        }

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
        let header = Self { fin, rsv1, opcode, mask: None, payload_len };
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

    /// How many bytes the header takes.
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

    /// The header's bytes, with the shortest form of the length.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> EncodedHeader {
        let mut bytes = [0; Self::MAX_LEN];
        let len = self.write(&mut bytes);
        EncodedHeader { bytes, len }
    }

    /// Writes the header's bytes to the front of `bytes` and tells how many they are.
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

/// What a header may be, given the role, the extensions, the limits and the frames before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether a masking key must be there; `None` if either is fine.
    pub(crate) masked: Option<bool>,
    /// Whether an extension that uses RSV1 was negotiated.
    pub(crate) rsv1: bool,
    pub(crate) limits: Limits,
    /// The message under way; `None` if nothing is known about it.
    pub(crate) fragments: Option<Fragments>,
}

/// The fragments of a message so far; none if no message is under way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fragments {
    pub(crate) count: u32,
    pub(crate) payload_len: u64,
    /// Whether the message has RSV1; of the last message, if none is under way.
    pub(crate) compressed: bool,
}

impl Rules {
    const ANY: Self = Self { masked: None, rsv1: true, limits: Limits::NONE, fragments: None };

    /// "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0,
    /// followed by zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a
    /// single frame with the FIN bit set and an opcode of 0" (§5.4).
    fn check_order(&self, opcode: Opcode) -> Result<(), ProtocolError> {
        let in_message = self.fragments.map(|fragments| fragments.count > 0);
        match (opcode, in_message) {
            (Opcode::Text | Opcode::Binary, Some(true)) => Err(ProtocolError::ExpectedContinuation),
            (Opcode::Continuation, Some(false)) => Err(ProtocolError::UnexpectedContinuation),
            _ => Ok(()),
        }
    }

    /// Of a data frame with this header, whose mask is not known yet.
    fn check_size(&self, header: &Header) -> Result<(), ProtocolError> {
        let after = self.fragments.unwrap_or_default().with(header);
        let whole = header.fin && header.opcode != Opcode::Continuation;
        // Compressing what cannot be compressed adds up to an eighth.
        let max_frame = match self.limits.max_frame {
            max if after.compressed => max.saturating_add(max / 8).saturating_add(64),
            max => max,
        };
        if header.payload_len > max_frame {
            Err(ProtocolError::FrameTooLarge)
        } else if after.payload_len > self.limits.max_message && !after.compressed {
            // What a compressed message becomes is for whoever decompresses it.
            Err(ProtocolError::MessageTooLarge)
        } else if !whole && after.are_too_many(self.limits.max_fragments) {
            Err(ProtocolError::TooManyFragments)
        } else {
            Ok(())
        }
    }
}

impl Fragments {
    /// With one data frame more, which may be the last.
    fn with(self, header: &Header) -> Self {
        let compressed = if header.opcode == Opcode::Continuation { self.compressed } else { header.rsv1 };
        let payload_len = self.payload_len.saturating_add(header.payload_len);
        Self { count: self.count.saturating_add(1), payload_len, compressed }
    }

    /// What is under way behind this data frame.
    pub(crate) fn after(self, header: &Header) -> Self {
        let with = self.with(header);
        if header.fin { Self { count: 0, payload_len: 0, ..with } } else { with }
    }

    fn are_too_many(&self, max: u32) -> bool {
        u64::from(self.count) > u64::from(max).saturating_add(self.payload_len / 16)
    }
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;
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
            // the edges of each form of the length
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
