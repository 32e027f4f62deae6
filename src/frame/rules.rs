//! [`Rules`]: which headers are allowed, given the role, the extensions, the limits and the previous frames
//! (RFC 6455 §5.1, §5.2, §5.4, §5.5).
//!
//! Each part of a header has its own check, so that a rule is checked at the byte that breaks it:
//!
//! | byte | check | rules |
//! |---|---|---|
//! | first | [`check_first`](Rules::check_first) | RSV bits, fragmented control frames, order of fragments |
//! | second | [`check_second`](Rules::check_second) | mask, length of control frames |
//! | last of the length | [`check_size`](Rules::check_size) | limits of data frames |

use super::header::{Header, Opcode, RSV1};
use crate::error::ProtocolError;

/// Limits for received frames and messages; each limit is inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum payload of a data frame in bytes. A compressed frame may exceed it by an eighth plus 64 bytes.
    pub max_frame: u64,
    /// Maximum payload of a message in bytes, summed over its fragments.
    pub max_message: u64,
    /// Maximum number of fragments of a message, in addition to one for every 16 payload bytes.
    pub max_fragments: u32,
}

impl Limits {
    /// No limits beyond those of the frame format.
    pub const NONE: Self = Self { max_frame: u64::MAX, max_message: u64::MAX, max_fragments: u32::MAX };

    /// Returns the maximum payload in bytes of a message in one frame.
    #[inline]
    pub(super) fn max_whole(&self) -> u64 {
        self.max_frame.min(self.max_message)
    }
}

/// Which headers are allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether a masking key is required; `None` if it is optional.
    pub(crate) masked: Option<bool>,
    /// Whether an extension that uses RSV1 was negotiated.
    pub(crate) rsv1: bool,
    pub(crate) limits: Limits,
    /// The message in progress; `None` if unknown.
    pub(crate) fragments: Option<Fragments>,
}

impl Rules {
    /// The rules that every header must follow, on any connection.
    pub(super) const ANY: Self = Self { masked: None, rsv1: true, limits: Limits::NONE, fragments: None };

    /// Checks the first byte: FIN, the reserved bits (`rsv`) and the opcode.
    #[inline]
    pub(super) fn check_first(&self, opcode: Opcode, fin: bool, rsv: u8) -> Result<(), ProtocolError> {
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (§5.2); RFC
        // 7692 §6.1 gives RSV1 a meaning on the first fragment of a message only.
        let starts = matches!(opcode, Opcode::Text | Opcode::Binary);
        let allowed = if self.rsv1 && starts { RSV1 } else { 0 };
        if rsv & !allowed != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        // "All control frames [...] MUST NOT be fragmented" (§5.5).
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControl);
        }
        self.check_order(opcode)
    }

    /// Checks the second byte: the mask bit, and the 7-bit length (`short`).
    #[inline]
    pub(super) fn check_second(&self, opcode: Opcode, masked: bool, short: u8) -> Result<(), ProtocolError> {
        // "a server MUST close the connection upon receiving a frame that is not masked", "a client MUST
        // close a connection if it detects a masked frame" (§5.1).
        match self.masked {
            Some(true) if !masked => return Err(ProtocolError::UnmaskedFrame),
            Some(false) if masked => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        match opcode {
            // "All control frames MUST have a payload length of 125 bytes or less" (§5.5).
            opcode if opcode.is_control() && short > 125 => Err(ProtocolError::ControlTooLong),
            // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
            // (§5.5.1).
            Opcode::Close if short == 1 => Err(ProtocolError::CloseTooShort),
            _ => Ok(()),
        }
    }

    /// Checks the length of a data frame, before its masking key is known.
    pub(super) fn check_size(&self, header: &Header) -> Result<(), ProtocolError> {
        let after = self.fragments.unwrap_or_default().with(header);
        let whole = header.fin && header.opcode != Opcode::Continuation;
        // Compressing incompressible data adds up to an eighth.
        let max_frame = match self.limits.max_frame {
            max if after.compressed => max.saturating_add(max / 8).saturating_add(64),
            max => max,
        };
        if header.payload_len > max_frame {
            Err(ProtocolError::FrameTooLarge)
        } else if after.payload_len > self.limits.max_message && !after.compressed {
            // The decompressor limits the size of a compressed message.
            Err(ProtocolError::MessageTooLarge)
        } else if !whole && after.are_too_many(self.limits.max_fragments) {
            Err(ProtocolError::TooManyFragments)
        } else {
            Ok(())
        }
    }

    /// "A fragmented message consists of a single frame with the FIN bit clear and an opcode other than 0,
    /// followed by zero or more frames with the FIN bit clear and the opcode set to 0, and terminated by a
    /// single frame with the FIN bit set and an opcode of 0" (§5.4).
    ///
    /// | in progress | text, binary | continuation | control |
    /// |---|---|---|---|
    /// | no message | begins one | error | allowed |
    /// | a message | error | continues it | allowed |
    #[inline]
    fn check_order(&self, opcode: Opcode) -> Result<(), ProtocolError> {
        let in_message = self.fragments.map(|fragments| fragments.count > 0);
        match (in_message, opcode) {
            (Some(false), Opcode::Continuation) => Err(ProtocolError::UnexpectedContinuation),
            (Some(true), Opcode::Text | Opcode::Binary) => Err(ProtocolError::ExpectedContinuation),
            _ => Ok(()),
        }
    }
}

/// The fragments of a message so far; none if no message is in progress.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fragments {
    pub(crate) count: u32,
    pub(crate) payload_len: u64,
    /// Whether the message has RSV1; between messages, whether the last one had it.
    pub(crate) compressed: bool,
}

impl Fragments {
    /// Returns the fragments including one more data frame, which may be the last.
    #[inline]
    fn with(self, header: &Header) -> Self {
        let compressed = if header.opcode == Opcode::Continuation { self.compressed } else { header.rsv1 };
        let payload_len = self.payload_len.saturating_add(header.payload_len);
        Self { count: self.count.saturating_add(1), payload_len, compressed }
    }

    /// Returns the fragments in progress after this data frame.
    #[inline]
    pub(crate) fn after(self, header: &Header) -> Self {
        let with = self.with(header);
        if header.fin { Self { count: 0, payload_len: 0, ..with } } else { with }
    }

    #[inline]
    fn are_too_many(&self, max: u32) -> bool {
        u64::from(self.count) > u64::from(max).saturating_add(self.payload_len / 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { masked: Some(true), limits: LIMITS, ..Rules::ANY };
    const LIMITS: Limits = Limits { max_frame: 1000, max_message: 1500, max_fragments: 2 };

    #[test]
    fn the_order_of_fragments_is_the_table() {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        use ProtocolError::{ExpectedContinuation, UnexpectedContinuation};
        let none = Fragments::default();
        let one = Fragments { count: 1, ..none };
        let table = [
            (None, [Ok(()), Ok(()), Ok(())]),
            (Some(none), [Ok(()), Err(UnexpectedContinuation), Ok(())]),
            (Some(one), [Err(ExpectedContinuation), Ok(()), Ok(())]),
        ];
        for (fragments, [starts, continues, control]) in table {
            let rules = Rules { fragments, ..RULES };
            for (opcodes, expected) in
                [(&[Text, Binary][..], starts), (&[Continuation], continues), (&[Close, Ping, Pong], control)]
            {
                for &opcode in opcodes {
                    assert_eq!(rules.check_first(opcode, true, 0), expected, "{fragments:?} {opcode:?}");
                }
            }
        }
    }

    #[test]
    fn the_limits_of_a_fragment_count_those_before_it() {
        use ProtocolError::{FrameTooLarge, MessageTooLarge, TooManyFragments};
        let cases = [
            // previous fragments, their payload, compressed, payload of this frame
            (0, 0, false, 1000, Ok(())),
            (0, 0, false, 1001, Err(FrameTooLarge)),
            (0, 0, true, 1000 + 125 + 64, Ok(())),
            (0, 0, true, 1000 + 125 + 65, Err(FrameTooLarge)),
            (1, 600, false, 900, Ok(())),
            (1, 600, false, 901, Err(MessageTooLarge)),
            (1, 600, true, 901, Ok(())),
            (2, 0, false, 15, Err(TooManyFragments)),
            (2, 0, false, 16, Ok(())),
            (u32::MAX, u64::MAX, true, 0, Ok(())),
        ];
        for (count, before, compressed, payload_len, expected) in cases {
            let fragments = Some(Fragments { count, payload_len: before, compressed });
            let (opcode, rsv1) =
                if count == 0 { (Opcode::Text, compressed) } else { (Opcode::Continuation, false) };
            let header = Header { fin: false, rsv1, opcode, mask: None, payload_len };
            let rules = Rules { fragments, ..RULES };
            assert_eq!(rules.check_size(&header), expected, "{header:?} after {fragments:?}");
        }
    }
}
