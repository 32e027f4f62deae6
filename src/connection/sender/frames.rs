//! How the [`Sender`] makes frames.

use super::Sender;
use crate::connection::state::State;
use crate::deflate::Deflater;
use crate::error::SendError;
use crate::frame::{Header, Kind, Mask, Opcode};

impl Sender {
    #[inline]
    pub(super) fn send_whole(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        match self.send_short(kind, payload) {
            Some(()) => Ok(()),
            None => self.send_any(kind, payload),
        }
    }

    /// Sends a short message, the most common case, if nothing prevents it. The rest is left to
    /// [`send_any`](Self::send_any), which checks all the rules.
    #[inline]
    fn send_short(&mut self, kind: Kind, payload: &[u8]) -> Option<()> {
        if self.state != State::Open
            || self.fragments.is_some()
            || self.owed > 0
            || self.deflater.is_some()
            || payload.len() > SHORT
            || self.output.len() + SHORT_FRAME > self.max_output
        {
            return None;
        }
        let room = self.output.spare::<SHORT_FRAME>()?;
        let (mask_bit, key, start) = match &mut self.masks {
            None => (0, [0; 4], 2),
            Some(masks) => (0x80, masks.ready()?, 6),
        };
        room[0] = 0x80 | kind.opcode() as u8;
        room[1] = mask_bit | payload.len() as u8;
        let end = start + payload.len();
        if mask_bit == 0 && payload.len() > 32 {
            room[start..end].copy_from_slice(payload);
        } else {
            // On a server, masking with zeros is the fastest copy of so few bytes, and the payload overwrites
            // the key.
            room[2..6].copy_from_slice(&key);
            Mask::new(key).copy(payload, &mut room[start..end]);
        }
        self.output.appended(end);
        self.timers.active();
        Some(())
    }

    #[inline(never)]
    fn send_any(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        if self.compresses(payload.len()) {
            return self.send_compressed(kind, payload);
        }
        let header = self.message_header(kind, payload.len(), payload.len())?;
        self.push(header, payload);
        Ok(())
    }

    #[inline(never)]
    fn send_compressed(&mut self, kind: Kind, payload: &[u8]) -> Result<(), SendError> {
        // Check in advance that it fits: what has been compressed must be sent.
        let bound = Deflater::bound(payload.len());
        let header = self.message_header(kind, bound, bound)?;
        self.push_compressed(header, payload)
    }

    /// "The application MUST NOT send any more data frames after sending a Close frame" (§5.5.1).
    #[inline]
    pub(super) fn may_send(&self) -> Result<(), SendError> {
        match self.state {
            State::Open => Ok(()),
            State::Opening => Err(SendError::NotOpen),
            _ => Err(SendError::Closed),
        }
    }

    /// Returns the header of a complete message if it may be sent now.
    #[inline(always)]
    pub(super) fn message_header(
        &mut self,
        kind: Kind,
        len: usize,
        buffered: usize,
    ) -> Result<Header, SendError> {
        if self.fragments.is_some() {
            return self.may_send().and(Err(SendError::InFragments));
        }
        let header = self.header(kind.opcode(), true, len, buffered)?;
        self.timers.active();
        Ok(header)
    }

    /// Returns the header of a frame if it may be sent now. `buffered` bytes of its payload go through the
    /// output.
    #[inline(always)]
    pub(super) fn header(
        &mut self,
        opcode: Opcode,
        fin: bool,
        len: usize,
        buffered: usize,
    ) -> Result<Header, SendError> {
        self.may_send()?;
        if self.owed > 0 {
            return Err(SendError::PayloadOwed);
        }
        let payload_len = len as u64;
        // "the most significant bit MUST be 0" (§5.2). No slice is that long, but an announced length may be.
        if payload_len > u64::MAX >> 1 {
            return Err(SendError::PayloadTooLong);
        }
        let mask = self.masks.as_ref().map(|_| [0; 4]);
        let header = Header { fin, rsv1: false, opcode, mask, payload_len };
        let needed = buffered.saturating_add(header.len());
        if needed > self.room() {
            let fits = needed <= self.max_output;
            return Err(if fits { SendError::OutputFull } else { SendError::TooLarge });
        }
        Ok(self.masked(header))
    }

    /// Adds a fresh masking key on a client: "A client MUST mask all frames that it sends" (§5.1).
    #[inline(always)]
    fn masked(&mut self, header: Header) -> Header {
        Header { mask: self.masks.as_mut().map(|masks| masks.next()), ..header }
    }

    /// Appends a frame to the output.
    #[inline(always)]
    pub(super) fn push(&mut self, header: Header, payload: &[u8]) {
        let room = self.output.room(Header::MAX_LEN + payload.len());
        let Some(head) = room.first_chunk_mut() else { return };
        let start = header.write(head);
        let end = start + payload.len();
        let body = &mut room[start..end];
        match header.mask {
            None => body.copy_from_slice(payload),
            Some(key) => Mask::new(key).copy(payload, body),
        }
        self.output.appended(end);
    }

    /// Appends the header of a frame whose payload the caller writes itself.
    pub(super) fn push_header(&mut self, header: Header) {
        let room = self.output.room(Header::MAX_LEN);
        let Some(head) = room.first_chunk_mut() else { return };
        let len = header.write(head);
        self.output.appended(len);
    }

    /// Appends a frame of a compressed message. `header` lacks RSV1, and its length is an upper bound.
    pub(super) fn push_compressed(&mut self, header: Header, payload: &[u8]) -> Result<(), SendError> {
        let Some(deflater) = &mut self.deflater else { return Err(SendError::Compression) };
        let (bound, at) = (Deflater::bound(payload.len()), header.len());
        let room = self.output.room(Header::MAX_LEN + bound);
        let len = deflater
            .deflate(payload, header.fin, &mut room[at..at + bound])
            .map_err(|_| SendError::Compression)?;
        // "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first
        // fragments of a data message." (RFC 7692 §6.1)
        let rsv1 = header.opcode != Opcode::Continuation;
        let header = Header { rsv1, payload_len: len as u64, ..header };
        let start = header.len();
        if start < at {
            room.copy_within(at..at + len, start);
        }
        if let Some(key) = header.mask {
            Mask::new(key).apply(&mut room[start..start + len]);
        }
        if let Some(head) = room.first_chunk_mut() {
            header.write(head);
        }
        self.output.appended(start + len);
        self.output.trim();
        Ok(())
    }

    /// Appends a control frame regardless of the limits: there are never more than a few.
    pub(super) fn push_control(&mut self, opcode: Opcode, payload: &[u8]) {
        let header = Header { fin: true, rsv1: false, opcode, mask: None, payload_len: payload.len() as u64 };
        let header = self.masked(header);
        self.push(header, payload);
    }
}

/// Maximum payload length that fits into the second byte of a header (§5.2).
const SHORT: usize = 125;
const SHORT_FRAME: usize = 6 + SHORT;
