//! [`Message`] and [`EncodedMessage`], and the assembly of messages from pieces.

mod conversions;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::deflate::{Deflate, Deflater};
use crate::error::ProtocolError;
use crate::frame::{Header, Kind, Masked, Utf8};

/// A message, or a piece of one. It is borrowed if it is contiguous in one buffer, otherwise owned.
///
/// ```
/// use sansocket::Message;
/// let message = Message::from("Hello");
/// assert_eq!(message.as_bytes(), b"Hello");
/// assert_eq!(message.as_text(), Some("Hello"));
/// assert!(message.is_text() && message == "Hello");
/// let owned: Message<'static> = message.into_owned();
/// assert_eq!(owned.into_text().as_deref(), Ok("Hello"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Message<'b> {
    /// Text, always valid UTF-8.
    Text(Cow<'b, str>),
    /// Arbitrary bytes.
    Binary(Cow<'b, [u8]>),
}

impl Message<'_> {
    /// Returns whether the message is text or binary.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// Returns the payload of either kind.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text, or `None` if the message is binary.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns `true` if the message is text.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns `true` if the message is binary.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Returns the payload length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns `true` if the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Converts into the text, copied only if borrowed.
    ///
    /// # Errors
    /// Returns the message unchanged if it is binary.
    #[doc(alias = "to_text")]
    pub fn into_text(self) -> Result<String, Self> {
        match self {
            Self::Text(text) => Ok(text.into_owned()),
            Self::Binary(_) => Err(self),
        }
    }

    /// Converts into the payload of either kind, copied only if borrowed.
    #[doc(alias = "into_data")]
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_owned().into_bytes(),
            Self::Binary(bytes) => bytes.into_owned(),
        }
    }

    /// Converts into a message that borrows nothing, copied only if borrowed.
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Message::Binary(Cow::Owned(bytes.into_owned())),
        }
    }
}

/// Shows only the length: payloads may be long, and secret.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind(), self.as_bytes().len())
    }
}

/// A message encoded once, to be sent on many connections of a server. Clones share the bytes.
///
/// ```
/// use sansocket::{Config, Connection, EncodedMessage, Message};
/// let news = EncodedMessage::new(&Message::from("news"));
/// let mut connections = [(); 2].map(|()| Connection::server(Config::default()));
/// for connection in &mut connections {
///     connection.send_encoded(&news)?;
///     assert_eq!(connection.output(), b"\x81\x04news");
/// }
/// # Ok::<(), sansocket::SendError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedMessage {
    kind: Kind,
    header_len: usize,
    frame: Arc<[u8]>,
    deflated: Option<Deflated>,
}

/// The same message, compressed.
#[derive(Clone, PartialEq, Eq)]
struct Deflated {
    window_bits: u8,
    frame: Arc<[u8]>,
}

impl EncodedMessage {
    /// Encodes `message` as one frame, in the form that a server sends. It is never compressed, whatever a connection has
    /// negotiated; see [`compressed`](Self::compressed).
    #[must_use]
    pub fn new(message: &Message<'_>) -> Self {
        let (kind, payload) = (message.kind(), message.as_bytes());
        let (header_len, frame) = encode(kind, false, payload);
        Self { kind, header_len, frame, deflated: None }
    }

    /// Encodes `message`, and also compresses it once for all servers' connections that compress, with a
    /// negotiated window of at least the one in `deflate`. Other connections send it uncompressed, and so do all if compression does not
    /// make it smaller.
    #[must_use]
    pub fn compressed(message: &Message<'_>, deflate: &Deflate) -> Self {
        let mut encoded = Self::new(message);
        let mut params = deflate.wanted();
        params.server_no_context_takeover = true;
        let mut out = alloc::vec![0; Deflater::bound(message.as_bytes().len())];
        if let Some(mut deflater) = Deflater::new(deflate, &params, false)
            && let Ok(len) = deflater.deflate(message.as_bytes(), true, &mut out)
            && len < message.as_bytes().len()
        {
            let (_, frame) = encode(message.kind(), true, &out[..len]);
            encoded.deflated = Some(Deflated { window_bits: params.server_max_window_bits, frame });
        }
        encoded
    }

    /// Returns whether the message is text or binary.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the uncompressed frame, in the form that a server sends.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Returns the compressed frame, if there is one that a window of 2^`window_bits` bytes can decompress.
    #[must_use]
    pub fn compressed_frame(&self, window_bits: u8) -> Option<&[u8]> {
        self.shared_compressed(window_bits).map(|frame| &**frame)
    }

    pub(super) const fn shared_frame(&self) -> &Arc<[u8]> {
        &self.frame
    }

    pub(super) fn shared_compressed(&self, window_bits: u8) -> Option<&Arc<[u8]>> {
        self.deflated
            .as_ref()
            .filter(|deflated| deflated.window_bits <= window_bits)
            .map(|deflated| &deflated.frame)
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.header_len..]
    }
}

impl fmt::Debug for EncodedMessage {
    /// Omits the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedMessage")
            .field("kind", &self.kind)
            .field("len", &self.payload().len())
            .field("compressed", &self.deflated.as_ref().map(|deflated| deflated.frame.len()))
            .finish_non_exhaustive()
    }
}

/// Encodes one unmasked frame; returns it with the length of its header.
fn encode(kind: Kind, rsv1: bool, payload: &[u8]) -> (usize, Arc<[u8]>) {
    let header =
        Header { fin: true, rsv1, opcode: kind.opcode(), mask: None, payload_len: payload.len() as u64 };
    let header = header.encode();
    (header.len(), [&header, payload].concat().into())
}

/// A message under assembly from pieces.
pub(crate) enum Assembly {
    Text(String),
    Binary(Vec<u8>),
}

impl Assembly {
    pub(crate) const fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(String::new()),
            Kind::Binary => Self::Binary(Vec::new()),
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends `payload`. At most `to_come` bytes of the message follow it.
    ///
    /// # Errors
    /// Fails on invalid text, after appending the valid part before it.
    pub(crate) fn push(
        &mut self,
        payload: &[u8],
        to_come: u64,
        utf8: &mut Utf8,
    ) -> Result<(), ProtocolError> {
        match self {
            Self::Text(text) => {
                let pushed = utf8.push(payload);
                let valid = pushed.unwrap_or_else(|invalid| invalid.valid);
                let more = valid.text.len() + valid.carried.map_or(0, char::len_utf8);
                // An incomplete code point has arrived but is not appended yet.
                let to_come = to_come.saturating_add(utf8.pending() as u64);
                text.reserve_exact(growth(text.len(), text.capacity(), more, to_come));
                text.extend(valid.carried);
                text.push_str(valid.text);
                pushed.map(drop).map_err(|_| ProtocolError::InvalidUtf8)
            }
            Self::Binary(bytes) => {
                bytes.reserve_exact(growth(bytes.len(), bytes.capacity(), payload.len(), to_come));
                bytes.extend_from_slice(payload);
                Ok(())
            }
        }
    }

    /// Like [`push`](Self::push) for a masked payload; binary data is unmasked by the copy.
    pub(crate) fn push_masked(
        &mut self,
        frame: Masked<'_>,
        to_come: u64,
        utf8: &mut Utf8,
    ) -> Result<(), ProtocolError> {
        match (self, frame.mask) {
            (Self::Binary(bytes), Some(mask)) => {
                let payload = frame.part.payload;
                bytes.reserve_exact(growth(bytes.len(), bytes.capacity(), payload.len(), to_come));
                mask.append(payload, bytes);
                Ok(())
            }
            (assembly, _) => assembly.push(frame.unmask().payload, to_come, utf8),
        }
    }

    /// Appends a piece of decompressed data. How much follows is unknown; the estimate is as much as there is
    /// now, and the limit is `most`.
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    pub(crate) fn push_inflated(
        &mut self,
        piece: &[u8],
        most: u64,
        utf8: &mut Utf8,
    ) -> Result<(), ProtocolError> {
        let there = self.len() + piece.len();
        self.push(piece, most.min(there as u64), utf8)
    }
}

impl fmt::Debug for Assembly {
    /// Omits the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind(), self.len())
    }
}

impl From<Assembly> for Message<'_> {
    fn from(assembly: Assembly) -> Self {
        match assembly {
            Assembly::Text(text) => Self::from(text),
            Assembly::Binary(bytes) => Self::from(bytes),
        }
    }
}

/// Returns how much to reserve for `more` bytes after `len` bytes: a small multiple of what has arrived,
/// independent of announced lengths, and no more than the message can still need.
fn growth(len: usize, capacity: usize, more: usize, to_come: u64) -> usize {
    let needed = len.saturating_add(more);
    if needed <= capacity {
        return 0;
    }
    let whole = needed.saturating_add(usize::try_from(to_come).unwrap_or(usize::MAX));
    // Each step moves the existing bytes, so a few large steps are worth spare capacity, which stays
    // untouched until it is used. Headers have arrived as well, so four reads of a power of two fit into four
    // times that.
    let factor = if to_come == u64::MAX { 2 } else { 4 };
    let ahead = needed.saturating_mul(factor).saturating_add(factor * Header::MAX_LEN);
    // No allocation may exceed `isize::MAX`, which matters on 32 bits.
    ahead.min(whole).min(isize::MAX.unsigned_abs()).max(needed) - len
}
