//! [`CloseCode`] and [`CloseFrame`]: why a connection closes (RFC 6455 §5.5.1, §7.4).

use core::fmt;
use core::str;

use super::control::ControlPayload;
use crate::error::ProtocolError;

/// A status code that may appear in a Close frame: 1000–1003, 1007–1014 and 3000–4999 (RFC 6455 §7.4 and
/// IANA's registry).
///
/// Other codes cannot be represented. 1005 and 1006 never appear on the wire: they mean "no code" and "no
/// Close frame".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: a rule of the protocol was broken.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: an unacceptable type of data, such as binary at an endpoint that only understands text.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: data that does not match its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD_DATA: Self = Self(1007);
    /// 1008: a message that violates a policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message that is too big.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client expected an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server encountered an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service is restarting.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: the server, as a gateway, got an invalid response from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// Returns the code with this number, or `None` if it must not appear in a Close frame.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number of the code.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The code and the reason of a Close frame, by value.
///
/// ```
/// use sansocket::frame::{CloseCode, CloseFrame};
/// let frame = CloseFrame::parse(b"\x03\xE8bye")?.unwrap();
/// assert_eq!((frame.code(), frame.reason()), (CloseCode::NORMAL, "bye"));
/// assert_eq!(frame.as_bytes(), b"\x03\xE8bye");
/// assert_eq!(CloseFrame::parse(b"")?, None);
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    /// The code, then the reason, as on the wire.
    payload: ControlPayload,
}

impl CloseFrame {
    /// Maximum length of a reason in bytes.
    pub const MAX_REASON_LEN: usize = ControlPayload::MAX_LEN - 2;

    /// Creates a Close with this code and reason. The reason is truncated to 123 bytes, between two code
    /// points.
    #[must_use]
    pub fn new(code: CloseCode, reason: &str) -> Self {
        let len = (0..=Self::MAX_REASON_LEN).rev().find(|len| reason.is_char_boundary(*len)).unwrap_or(0);
        let reason = &reason[..len];
        let mut payload = ControlPayload::EMPTY;
        let fits = payload.push(&code.get().to_be_bytes()) && payload.push(reason.as_bytes());
        debug_assert!(fits);
        Self { code, payload }
    }

    /// Parses the payload of a Close frame; returns `None` if it is empty.
    ///
    /// # Errors
    /// [`InvalidCloseCode`](ProtocolError::InvalidCloseCode), [`CloseTooShort`](ProtocolError::CloseTooShort)
    /// for a single byte, [`InvalidUtf8`](ProtocolError::InvalidUtf8) in the reason, and
    /// [`ControlTooLong`](ProtocolError::ControlTooLong) for more than 125 bytes.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let payload = ControlPayload::new(payload).ok_or(ProtocolError::ControlTooLong)?;
        Self::check_prefix(&payload)?;
        match *payload {
            [] => Ok(None),
            [high, low, ref reason @ ..] => {
                let number = u16::from_be_bytes([high, low]);
                let code = CloseCode::new(number).ok_or(ProtocolError::InvalidCloseCode(number))?;
                str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
                Ok(Some(Self { code, payload }))
            }
            [_] => Err(ProtocolError::CloseTooShort),
        }
    }

    /// Rejects the beginning of a Close payload as soon as no further bytes can make it valid.
    pub(crate) fn check_prefix(payload: &[u8]) -> Result<(), ProtocolError> {
        let &[high, low, ref reason @ ..] = payload else { return Ok(()) };
        let number = u16::from_be_bytes([high, low]);
        if CloseCode::new(number).is_none() {
            return Err(ProtocolError::InvalidCloseCode(number));
        }
        match str::from_utf8(reason) {
            Err(e) if e.error_len().is_some() => Err(ProtocolError::InvalidUtf8),
            _ => Ok(()),
        }
    }

    /// Returns the status code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// Returns the reason; empty if there is none.
    #[must_use]
    pub fn reason(&self) -> &str {
        str::from_utf8(&self.payload[2..]).unwrap_or_default()
    }

    /// Returns the payload of the Close frame: the code, big-endian, then the reason.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.payload
    }
}

impl fmt::Debug for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseFrame").field("code", &self.code.0).field("reason", &self.reason()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_41_codes_that_may_be_on_the_wire() {
        for code in 0..=u16::MAX {
            let legal = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            assert_eq!(CloseCode::new(code).map(CloseCode::get), legal.then_some(code));
            let parsed = CloseFrame::parse(&code.to_be_bytes());
            if legal {
                let frame = parsed.unwrap().unwrap();
                assert_eq!((frame.code().get(), frame.reason()), (code, ""));
            } else {
                assert_eq!(parsed, Err(ProtocolError::InvalidCloseCode(code)));
            }
        }
    }

    #[test]
    fn trap_40_44_payloads() {
        assert_eq!(CloseFrame::parse(b""), Ok(None));
        assert_eq!(CloseFrame::parse(b"\x03"), Err(ProtocolError::CloseTooShort));
        assert_eq!(CloseFrame::parse(b"\x03\xE8\xC3"), Err(ProtocolError::InvalidUtf8));
        assert_eq!(CloseFrame::parse(b"\x03\xE8\xFF"), Err(ProtocolError::InvalidUtf8));
        assert_eq!(CloseFrame::parse(&[3; 126]), Err(ProtocolError::ControlTooLong));
        assert_eq!(CloseFrame::check_prefix(b"\x03\xE8\xC3"), Ok(()));
        assert_eq!(CloseFrame::check_prefix(b"\x03\xE8\xED\xA0"), Err(ProtocolError::InvalidUtf8));
        assert_eq!(CloseFrame::check_prefix(b"\x03\xED"), Err(ProtocolError::InvalidCloseCode(1005)));

        let long = "ü".repeat(62); // 124 bytes: the limit is inside the last code point
        let frame = CloseFrame::new(CloseCode::NORMAL, &long);
        assert_eq!(frame.reason(), &long[..122]);
        assert_eq!(CloseFrame::parse(frame.as_bytes()), Ok(Some(frame)));
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"x".repeat(200)).as_bytes().len(), 125);
    }
}
