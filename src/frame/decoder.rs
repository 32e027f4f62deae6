//! [`Decoder`]: bytes to frames, without `alloc`.
//!
//! ```text
//! input   │ header │ payload ............ │ header │ payl          cut anywhere
//!             │         │ unmasked in place    │       │
//!             ▼         ▼ and borrowed         ▼       ▼
//!         partial     Part { start, end }  partial  Part { start }, later Part { end }
//!         (only if the header is cut)
//! ```

use core::fmt;

use super::header::{Header, Kind, Opcode};
use super::mask::Mask;
use super::rules::{Fragments, Limits, Rules};
use crate::error::ProtocolError;
use crate::input::Input;

/// A part of a frame. Its payload is unmasked in the buffer in which it was received.
#[derive(PartialEq, Eq)]
pub struct Part<'b> {
    /// The header of the frame.
    pub header: Header,
    /// Whether this is the first part of the frame.
    pub start: bool,
    /// Whether this is the last part of the frame.
    pub end: bool,
    /// The payload bytes that have arrived.
    pub payload: &'b mut [u8],
}

/// Shows only the length of the payload.
impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("header", &self.header)
            .field("start", &self.start)
            .field("end", &self.end)
            .field("len", &self.payload.len())
            .finish()
    }
}

/// A part of a frame with its payload as received.
#[derive(Debug)]
pub(crate) struct Masked<'b> {
    pub(crate) part: Part<'b>,
    pub(crate) mask: Option<Mask>,
}

impl<'b> Masked<'b> {
    pub(crate) fn unmask(self) -> Part<'b> {
        if let Some(mut mask) = self.mask {
            mask.apply(self.part.payload);
        }
        self.part
    }
}

/// Decodes received bytes into parts of frames, and checks the rules of RFC 6455 §5 about headers, masks and the
/// order of fragments, and the limits.
///
/// Each rule is checked at the byte that breaks it. The content of payloads (UTF-8, close codes) and what follows a
/// Close frame are not checked here.
///
/// ```
/// use sansocket::Input;
/// use sansocket::frame::{Decoder, Limits};
/// let limits = Limits { max_frame: 1024, max_message: 1024, max_fragments: 16 };
/// let mut decoder = Decoder::client(limits); // what a server sent
/// let mut bytes = *b"\x81\x05Hello";
/// let mut input = Input::new(&mut bytes);
/// let part = decoder.next(&mut input)?.unwrap();
/// assert_eq!(part.payload, b"Hello");
/// assert!(part.start && part.end);
/// assert_eq!(decoder.next(&mut input)?, None);
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    state: State,
    /// Whether the peer is a client, whose frames are masked.
    masked: bool,
    /// Whether an extension that uses RSV1 was negotiated.
    rsv1: bool,
    limits: Limits,
    fragments: Fragments,
    /// The beginning of an incomplete header.
    partial: [u8; Header::MAX_LEN],
    /// The current frame, in `State::Payload`.
    header: Header,
    mask: Mask,
    /// Payload bytes missing from the current frame.
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a header; `have` bytes of it are in `partial`.
    Header { have: u8 },
    /// In the payload of `header`, whose first part was returned.
    Payload,
    /// Failed permanently.
    Failed(ProtocolError),
}

impl Decoder {
    /// Creates a decoder for a client, which receives unmasked frames.
    #[must_use]
    pub const fn client(limits: Limits) -> Self {
        Self::new(false, limits)
    }

    /// Creates a decoder for a server, which receives masked frames.
    #[must_use]
    pub const fn server(limits: Limits) -> Self {
        Self::new(true, limits)
    }

    const fn new(masked: bool, limits: Limits) -> Self {
        Self {
            state: State::Header { have: 0 },
            masked,
            rsv1: false,
            limits,
            fragments: Fragments { count: 0, payload_len: 0, compressed: false },
            partial: [0; Header::MAX_LEN],
            header: Header { fin: true, rsv1: false, opcode: Opcode::Pong, mask: None, payload_len: 0 },
            mask: Mask::new([0; 4]),
            left: 0,
        }
    }

    /// Allows RSV1 on the first frame of a message, as permessage-deflate uses it (RFC 7692 §6). The caller
    /// must then apply the message limit to the decompressed data.
    #[must_use]
    pub const fn with_rsv1(mut self) -> Self {
        self.rsv1 = true;
        self
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn allow_rsv1(&mut self) {
        self.rsv1 = true;
    }

    /// Returns the next part of a frame. `None` means that the input is used up.
    ///
    /// A frame without any payload received yields an empty first part at once, so that its header is known.
    ///
    /// # Errors
    /// Fails at the first byte that breaks a rule, and with the same error on every later call.
    pub fn next<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Part<'b>>, ProtocolError> {
        self.next_up_to(input, usize::MAX, usize::MAX)
    }

    /// Like [`next`](Self::next), with at most `max` bytes of a data frame's payload, or `max_compressed` if
    /// its message is compressed.
    pub(crate) fn next_up_to<'b>(
        &mut self,
        input: &mut Input<'b>,
        max: usize,
        max_compressed: usize,
    ) -> Result<Option<Part<'b>>, ProtocolError> {
        Ok(self.next_masked(input, max, max_compressed)?.map(Masked::unmask))
    }

    /// Like [`next_up_to`](Self::next_up_to), with the payload as received.
    #[inline]
    pub(crate) fn next_masked<'b>(
        &mut self,
        input: &mut Input<'b>,
        max: usize,
        max_compressed: usize,
    ) -> Result<Option<Masked<'b>>, ProtocolError> {
        let start = match self.state {
            State::Header { have } => match self.read_header(have, input) {
                Ok(true) => true,
                Ok(false) => return Ok(None),
                Err(error) => {
                    self.state = State::Failed(error);
                    return Err(error);
                }
            },
            State::Payload if input.is_empty() => return Ok(None),
            State::Payload => false,
            State::Failed(error) => return Err(error),
        };
        let max = match self.header.opcode.is_control() {
            true => usize::MAX,
            false if self.fragments.compressed => max_compressed,
            false => max,
        };
        let payload = input.take(usize::try_from(self.left).unwrap_or(usize::MAX).min(max));
        let mask = self.masked.then_some(self.mask);
        self.mask = self.mask.after(payload.len());
        self.left -= payload.len() as u64;
        let end = self.left == 0;
        self.state = if end { State::Header { have: 0 } } else { State::Payload };
        Ok(Some(Masked { part: Part { header: self.header, start, end, payload }, mask }))
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns `true` if the message of the most recent frame is compressed.
    #[cfg(feature = "alloc")]
    pub(crate) const fn is_compressed(&self) -> bool {
        self.fragments.compressed
    }

    /// Returns how many payload bytes are missing from the current frame.
    #[cfg(feature = "alloc")]
    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    /// Returns the complete message at the front of `input` and its unmasked payload, if it is there in one
    /// plain frame: the fast path for most messages. `None` says nothing about other input, which is left to
    /// [`next`](Self::next) with all the rules.
    #[inline]
    pub fn next_whole<'b>(&mut self, input: &mut Input<'b>) -> Option<(Kind, &'b mut [u8])> {
        match self.next_short(input) {
            None => self.next_long(input),
            short => short,
        }
    }

    /// Like [`next_whole`](Self::next_whole), for a message of at most 125 bytes, if the input has the six
    /// bytes of a masked header.
    #[inline]
    fn next_short<'b>(&mut self, input: &mut Input<'b>) -> Option<(Kind, &'b mut [u8])> {
        let &[first, second, a, b, c, d] = input.as_slice().first_chunk()?;
        let (mask_bit, header_len) = if self.masked { (0x80, 6) } else { (0, 2) };
        let payload_len = second ^ mask_bit;
        let kind = whole_message(first)?;
        if payload_len > 125
            || u64::from(payload_len) > self.limits.max_whole()
            || input.len() < header_len + usize::from(payload_len)
            || !self.is_between_messages()
        {
            return None;
        }
        let frame = input.take(header_len + usize::from(payload_len));
        let payload = &mut frame[header_len..];
        if self.masked {
            Mask::new([a, b, c, d]).apply(payload);
        }
        Some((kind, payload))
    }

    #[inline(never)]
    fn next_long<'b>(&mut self, input: &mut Input<'b>) -> Option<(Kind, &'b mut [u8])> {
        let whole = self.peek_whole(input.as_slice())?;
        let (_, payload) = input.take(whole.header_len + whole.payload_len).split_at_mut(whole.header_len);
        if self.masked {
            Mask::new(whole.key).apply(payload);
        }
        Some((whole.kind, payload))
    }

    /// Returns `true` if the next byte begins a frame and a message.
    #[inline]
    fn is_between_messages(&self) -> bool {
        self.state == (State::Header { have: 0 }) && self.fragments.count == 0
    }

    /// Returns the position in `bytes` of the message that [`next_whole`](Self::next_whole) would return.
    #[inline]
    pub(crate) fn peek_whole(&self, bytes: &[u8]) -> Option<Whole> {
        if !self.is_between_messages() {
            return None;
        }
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let kind = whole_message(first)?;
        if (second & 0x80 != 0) != self.masked {
            return None;
        }
        let (len, shortest, rest) = match second & 0x7F {
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*len)), 126, rest)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*len), 0x1_0000, rest)
            }
            short => (u64::from(short), 0, rest),
        };
        let (key, payload) = if self.masked { rest.split_first_chunk()? } else { (&[0; 4], rest) };
        let payload_len = usize::try_from(len).ok()?;
        if len < shortest || len > self.limits.max_whole() || payload_len > payload.len() {
            return None;
        }
        Some(Whole { kind, key: *key, header_len: bytes.len() - payload.len(), payload_len })
    }

    /// Returns the frame at the front of `bytes` if it is incomplete: in its header, or in its payload for a
    /// message that [`next_whole`](Self::next_whole) would return. The result is also `None` if it breaks a
    /// rule.
    #[cfg(feature = "alloc")]
    pub(crate) fn peek_cut(&self, bytes: &[u8]) -> Option<Cut> {
        if !self.is_between_messages() || bytes.is_empty() {
            return None;
        }
        let Some((header, header_len)) = Header::parse_by(&self.rules(), bytes).ok()? else {
            return Some(Cut::Header);
        };
        let kind = whole_message(bytes[0])?;
        let payload_len = usize::try_from(header.payload_len).ok()?;
        let is_cut = payload_len > bytes.len() - header_len;
        is_cut.then(|| Cut::Payload { kind, mask: header.mask.map(Mask::new), header_len, payload_len })
    }

    fn rules(&self) -> Rules {
        Rules {
            masked: Some(self.masked),
            rsv1: self.rsv1,
            limits: self.limits,
            fragments: Some(self.fragments),
        }
    }

    /// Reads the header of the next frame, after `have` earlier bytes; returns `false` if it is still
    /// incomplete.
    fn read_header(&mut self, have: u8, input: &mut Input<'_>) -> Result<bool, ProtocolError> {
        let rules = self.rules();
        let have = usize::from(have);
        let bytes = input.as_slice();
        let more = bytes.len().min(Header::MAX_LEN - have);
        // A header that is complete in the input, the most common case, is parsed there.
        let parsed = if have == 0 {
            Header::parse_by(&rules, bytes)?
        } else {
            self.partial[have..have + more].copy_from_slice(&bytes[..more]);
            Header::parse_by(&rules, &self.partial[..have + more])?
        };
        let Some((header, len)) = parsed else {
            self.partial[have..have + more].copy_from_slice(input.take(more));
            self.state = State::Header { have: (have + more) as u8 };
            return Ok(false);
        };
        input.take(len - have);
        if !header.opcode.is_control() {
            self.fragments = self.fragments.after(&header);
        }
        self.header = header;
        self.mask = Mask::new(header.mask.unwrap_or_default());
        self.left = header.payload_len;
        Ok(true)
    }
}

/// Returns the kind of a message that is a single uncompressed frame with this first byte, if it is one.
#[inline]
fn whole_message(first: u8) -> Option<Kind> {
    match first {
        0x81 => Some(Kind::Text),
        0x82 => Some(Kind::Binary),
        _ => None,
    }
}

/// Position of a complete message in the input.
#[derive(Debug)]
pub(crate) struct Whole {
    kind: Kind,
    key: [u8; 4],
    header_len: usize,
    payload_len: usize,
}

/// Where the frame at the front of the input ends early.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub(crate) enum Cut {
    Header,
    Payload { kind: Kind, mask: Option<Mask>, header_len: usize, payload_len: usize },
}
