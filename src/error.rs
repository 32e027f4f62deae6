//! [`ProtocolError`], caused by the peer, and [`SendError`], caused by the caller.

use core::fmt;

use crate::frame::CloseCode;

/// How the peer broke the protocol, or how the connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit that no negotiated extension uses in this frame.
    ReservedBits,
    /// A reserved opcode.
    ReservedOpcode(u8),
    /// A control frame without FIN.
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A client's frame without a masking key.
    UnmaskedFrame,
    /// A server's frame with a masking key.
    MaskedFrame,
    /// A length that is not in its shortest form.
    NonMinimalLength,
    /// A length whose most significant bit is set.
    LengthTooLarge,
    /// A continuation frame outside a fragmented message.
    UnexpectedContinuation,
    /// A new message inside a fragmented one.
    ExpectedContinuation,
    /// A Close frame with one byte of payload.
    CloseTooShort,
    /// A Close frame with a code that must not appear on the wire.
    InvalidCloseCode(u16),
    /// A text message or a close reason that is not UTF-8.
    InvalidUtf8,
    /// A compressed message that is not valid DEFLATE, or is truncated.
    InvalidDeflate,
    /// A frame over [`max_frame`](crate::Config::max_frame).
    FrameTooLarge,
    /// A message over [`max_message`](crate::Config::max_message).
    MessageTooLarge,
    /// A message of more and smaller fragments than [`max_fragments`](crate::Config::max_fragments) allows.
    TooManyFragments,
    /// The transport ended without a closing handshake.
    UnexpectedEof,
    /// The transport failed, as reported by the caller.
    TransportFailed,
    /// Nothing arrived within [`pong_timeout`](crate::Config::pong_timeout) of a Ping, or there was no room for a due
    /// Ping in that time.
    PongTimeout,
    /// The peer did not answer our Close within [`close_timeout`](crate::Config::close_timeout).
    CloseTimeout,
    /// The peer did not accept output within [`write_timeout`](crate::Config::write_timeout).
    WriteTimeout,
}

impl ProtocolError {
    /// Returns the code of the Close frame for the peer (RFC 6455 §7.4.1); `None` if the peer is lost, which
    /// corresponds to 1006.
    #[must_use]
    pub const fn close_code(self) -> Option<CloseCode> {
        Some(match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD_DATA,
            Self::FrameTooLarge | Self::MessageTooLarge | Self::TooManyFragments => {
                CloseCode::MESSAGE_TOO_BIG
            }
            Self::UnexpectedEof
            | Self::TransportFailed
            | Self::PongTimeout
            | Self::CloseTimeout
            | Self::WriteTimeout => return None,
            _ => CloseCode::PROTOCOL_ERROR,
        })
    }

    /// Returns the section of RFC 6455 whose rule was broken. For a compressed message, it is the section
    /// about data that does not match its type.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::ReservedBits | Self::ReservedOpcode(_) | Self::NonMinimalLength | Self::LengthTooLarge => {
                "5.2"
            }
            Self::UnmaskedFrame | Self::MaskedFrame => "5.1",
            Self::FragmentedControl | Self::ControlTooLong => "5.5",
            Self::UnexpectedContinuation | Self::ExpectedContinuation => "5.4",
            Self::CloseTooShort => "5.5.1",
            Self::InvalidCloseCode(_) => "7.4",
            Self::InvalidUtf8 => "8.1",
            Self::InvalidDeflate => "7.4.1",
            Self::FrameTooLarge | Self::MessageTooLarge | Self::TooManyFragments => "10.4",
            Self::UnexpectedEof
            | Self::TransportFailed
            | Self::PongTimeout
            | Self::CloseTimeout
            | Self::WriteTimeout => "7.2",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => {
                f.write_str("a reserved bit is set that no negotiated extension uses in this frame")
            }
            Self::ReservedOpcode(opcode) => write!(f, "opcode {opcode:#x} is reserved"),
            Self::FragmentedControl => f.write_str("a control frame is fragmented"),
            Self::ControlTooLong => f.write_str("a control frame is longer than 125 bytes"),
            Self::UnmaskedFrame => f.write_str("a frame from the client is not masked"),
            Self::MaskedFrame => f.write_str("a frame from the server is masked"),
            Self::NonMinimalLength => f.write_str("a payload length is not in its shortest form"),
            Self::LengthTooLarge => f.write_str("a payload length is 2^63 or more"),
            Self::UnexpectedContinuation => {
                f.write_str("a continuation frame arrived outside a fragmented message")
            }
            Self::ExpectedContinuation => f.write_str("a new message began inside a fragmented one"),
            Self::CloseTooShort => f.write_str("a Close frame has one byte of payload: a code has two"),
            Self::InvalidCloseCode(code) => write!(f, "close code {code} must not be in a Close frame"),
            Self::InvalidUtf8 => f.write_str("a text is not valid UTF-8"),
            Self::InvalidDeflate => f.write_str("a compressed message is not valid DEFLATE, or is cut short"),
            Self::FrameTooLarge => f.write_str("a frame is larger than the configured limit"),
            Self::MessageTooLarge => f.write_str("a message is larger than the configured limit"),
            Self::TooManyFragments => {
                f.write_str("a message has more tiny fragments than the configured limit")
            }
            Self::UnexpectedEof => f.write_str("the transport ended without a closing handshake"),
            Self::TransportFailed => f.write_str("the transport failed"),
            Self::PongTimeout => f.write_str("nothing arrived in time after a Ping"),
            Self::WriteTimeout => f.write_str("the peer did not take in time what was sent to it"),
            Self::CloseTimeout => f.write_str("the peer did not answer the Close in time"),
        }?;
        write!(f, " (RFC 6455 section {})", self.section())
    }
}

impl core::error::Error for ProtocolError {}

/// Why a send failed. The connection is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// The opening handshake is not complete.
    NotOpen,
    /// A Close frame was sent or received, or the connection failed: sending is over.
    Closed,
    /// The output would exceed [`max_output`](crate::Config::max_output): write it first.
    OutputFull,
    /// The frame alone exceeds [`max_output`](crate::Config::max_output): it can never be sent.
    TooLarge,
    /// The payload of a Ping or Pong is longer than 125 bytes.
    ControlTooLong,
    /// The length of a payload is 2^63 or more, which no frame can have.
    PayloadTooLong,
    /// A fragmented message is in progress: finish it first. Control frames may be sent.
    InFragments,
    /// A fragment of another kind than the message in progress: text and binary cannot be mixed.
    MixedFragments,
    /// The payload of a previously announced message has not been completely written.
    PayloadOwed,
    /// The codec failed to compress the message.
    Compression,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "the opening handshake is not complete",
            Self::Closed => "the connection is closing or closed",
            Self::OutputFull => "the output is full: write what is waiting first",
            Self::TooLarge => "the frame exceeds max_output, even in an empty output",
            Self::ControlTooLong => "the payload of a control frame is longer than 125 bytes",
            Self::PayloadTooLong => "the payload of a frame is 2^63 bytes or longer",
            Self::InFragments => "a message in fragments is in progress",
            Self::MixedFragments => "the fragments of a message are not all text or all binary",
            Self::PayloadOwed => "the payload of the message before has not been written yet",
            Self::Compression => "the codec failed to compress the message",
        })
    }
}

impl core::error::Error for SendError {}

/// The kind is `UnexpectedEof` for a transport that ended, `BrokenPipe` for one that failed, `TimedOut` for a missed
/// deadline, and `InvalidData` for everything else.
#[cfg(feature = "std")]
impl From<ProtocolError> for std::io::Error {
    fn from(error: ProtocolError) -> Self {
        let kind = match error {
            ProtocolError::UnexpectedEof => std::io::ErrorKind::UnexpectedEof,
            ProtocolError::PongTimeout | ProtocolError::CloseTimeout | ProtocolError::WriteTimeout => {
                std::io::ErrorKind::TimedOut
            }
            ProtocolError::TransportFailed => std::io::ErrorKind::BrokenPipe,
            _ => std::io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// The kind is `NotConnected` for `NotOpen` and `Closed`, `WouldBlock` for `OutputFull`, and `InvalidInput` for
/// everything else.
#[cfg(feature = "std")]
impl From<SendError> for std::io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::NotOpen | SendError::Closed => std::io::ErrorKind::NotConnected,
            SendError::OutputFull => std::io::ErrorKind::WouldBlock,
            _ => std::io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
