//! [`Receiver`]: the half of a connection that turns bytes into events.
//!
//! ```text
//! input ─▶ Decoder ─▶ data     complete in the input ─▶ Message, borrowed
//!             │                cut ─▶ Assembly ─▶ Message, owned       (recv)
//!             │                or piece by piece ─▶ Chunk              (recv_chunk)
//!             └─▶ control  complete in the input ─▶ Ping, Pong, Close    borrowed
//!                          cut ─▶ ControlPayload ─▶ the same, owned
//! ```

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::mem;

use super::config::Config;
use super::event::{Chunk, Event};
use super::message::{Assembly, Message};
use super::notice::Notice;
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{self, CloseFrame, ControlPayload, Cut, Decoder, Kind, Mask, Masked, Opcode, Utf8};
use crate::input::Input;

/// The half of a [`Connection`](super::Connection) that turns received bytes into events.
#[derive(Debug)]
pub struct Receiver {
    decoder: Decoder,
    /// Decompresses, if negotiated.
    inflater: Option<Box<Inflater>>,
    /// The data message in progress.
    message: Option<Partial>,
    /// Whether a part of a data frame has arrived that [`is_message`](Self::is_message) has not reported.
    data_arrived: bool,
    /// The incomplete code point of a text message.
    utf8: Utf8,
    /// The payload of an incomplete control frame; rare.
    control: Option<Box<ControlPayload>>,
    state: State,
    /// Why the input ended: reported once it is used up, unless the connection was already over.
    end: Option<ProtocolError>,
    /// What the sender has not been told: that bytes arrived, whether they contained part of a message, and
    /// the replies, whose memory is reused. A [`Connection`](super::Connection) tells it at once, so this is
    /// only used by a half in the hands of a caller.
    pub(crate) heard_noticed: bool,
    pub(crate) message_noticed: bool,
    pub(crate) noticed: Option<Box<Notice>>,
}

/// An incomplete data message.
#[derive(Debug)]
struct Partial {
    assembly: Assembly,
    /// Whether a piece of it was returned.
    begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// An error found after bytes that were returned, or by the sender's timers; it is reported next.
    Failing(ProtocolError),
    /// A Close or a failure was reported: further input is dropped.
    Done,
}

impl Receiver {
    pub(crate) fn server(config: &Config) -> Self {
        Self::new(Decoder::server(config.limits()))
    }

    pub(crate) fn client(config: &Config) -> Self {
        Self::new(Decoder::client(config.limits()))
    }

    fn new(decoder: Decoder) -> Self {
        Self {
            decoder,
            inflater: None,
            message: None,
            data_arrived: false,
            utf8: Utf8::new(),
            control: None,
            state: State::Open,
            end: None,
            heard_noticed: false,
            message_noticed: false,
            noticed: None,
        }
    }

    pub(crate) fn max_message(&self) -> u64 {
        self.decoder.limits().max_message
    }

    pub(crate) fn set_inflater(&mut self, inflater: Box<Inflater>) {
        self.decoder.allow_rsv1();
        self.inflater = Some(inflater);
    }

    /// See [`Connection::recv`](super::Connection::recv). The [notice](Self::take_notice) holds what to tell
    /// the sender.
    #[inline]
    pub fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        if let Some(message) = self.recv_whole(input) {
            self.message_noticed = true;
            return Some(Event::Message(message));
        }
        let arrived = input.has_new();
        let event = self.next_event(input);
        self.note(arrived, input, event.as_ref());
        event
    }

    /// See [`Connection::recv_chunk`](super::Connection::recv_chunk). The [notice](Self::take_notice) holds
    /// what to tell the sender.
    pub fn recv_chunk<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        let arrived = input.has_new();
        let event = self.next_chunk(input);
        self.note(arrived, input, event.as_ref());
        event
    }

    /// Returns what to tell the [`Sender`](super::Sender) since the last call; see [`Notice`].
    pub fn take_notice(&mut self) -> Notice {
        let mut notice = match &mut self.noticed {
            Some(noticed) => mem::take(&mut **noticed),
            None => Notice::default(),
        };
        notice.message = mem::take(&mut self.message_noticed);
        notice.heard = mem::take(&mut self.heard_noticed) || notice.message;
        notice.eof = self.has_ended();
        notice
    }

    /// Returns `true` if the [notice](Self::take_notice) holds a reply to a Ping or a Close, or a failure.
    /// Pass it on without waiting for the end of the input.
    #[inline]
    #[must_use]
    pub fn has_reply(&self) -> bool {
        self.noticed.as_ref().is_some_and(|notice| notice.has_reply())
    }

    fn note(&mut self, arrived: bool, input: &Input<'_>, event: Option<&Event<'_>>) {
        self.heard_noticed |= arrived;
        self.message_noticed |= arrived && self.is_message(input);
        if let Some(reply) = self.reply(event) {
            self.noticed.get_or_insert_default().merge(reply);
        }
    }

    /// Returns `true` if a part of a message has arrived since the last call.
    #[inline]
    pub(crate) fn is_message(&mut self, input: &Input<'_>) -> bool {
        mem::take(&mut self.data_arrived) || input.keeps_message()
    }

    /// Returns what the sender must do about this event, or about the end of the stream, if anything.
    #[inline]
    pub(crate) fn reply(&self, event: Option<&Event<'_>>) -> Option<Notice> {
        let notice = Notice::of(event?)?;
        Some(Notice { eof: self.has_ended(), ..notice })
    }

    /// See [`Connection::recv_eof`](super::Connection::recv_eof).
    pub fn recv_eof(&mut self) {
        self.lose_after_input(ProtocolError::UnexpectedEof);
    }

    /// See [`Connection::recv_error`](super::Connection::recv_error). [Abort](super::Sender::abort) the
    /// [`Sender`](super::Sender) as well.
    pub fn recv_error(&mut self) {
        self.lose_after_input(ProtocolError::TransportFailed);
    }

    /// Like [`lose`](Self::lose), but the remaining input comes first.
    pub(crate) fn lose_after_input(&mut self, error: ProtocolError) {
        self.end = self.end.or(Some(error));
    }

    /// Records that the sender gave up the connection for this reason
    /// ([`Sender::lost`](super::Sender::lost)). The next `recv` reports it, unless the connection was already
    /// over.
    pub fn lose(&mut self, error: ProtocolError) {
        if self.state == State::Open && self.end.is_none() {
            self.state = State::Failing(error);
        }
    }

    /// Returns `true` if a Close or a failure was reported: further input is dropped.
    #[inline]
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Done
    }

    /// Returns `true` if the transport has ended and everything before its end was reported.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some() && self.is_ended()
    }

    /// Returns `true` if the transport may deliver more.
    #[inline]
    pub(crate) fn wants_read(&self) -> bool {
        self.end.is_none()
    }

    /// Returns `true` if nothing has ended the input, as far as the receiver knows.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open && self.end.is_none()
    }

    /// Returns `true` if the next `recv` reports the end, without any input.
    pub(crate) fn has_last_words(&self) -> bool {
        match self.state {
            State::Open => self.end.is_some(),
            State::Failing(_) => true,
            State::Done => false,
        }
    }

    /// Returns the message at the front of the input if it is complete there, the most common case. The rest
    /// is left to [`recv_any`](Self::recv_any), which checks all the rules.
    ///
    /// Always inlined, so that the event is created where the caller needs it: moving it would cost as much
    /// as everything else.
    #[inline(always)]
    pub(crate) fn recv_whole<'b>(&mut self, input: &mut Input<'b>) -> Option<Message<'b>> {
        if self.state != State::Open {
            return None;
        }
        let (kind, payload) = self.decoder.next_whole(input)?;
        let message = whole(kind, payload);
        if let Err(error) = message {
            self.state = State::Failing(error);
        }
        message.ok()
    }

    /// Returns `true` if [`recv`](Self::recv) would immediately borrow a message from these bytes, or refuse
    /// it.
    #[cfg(any(feature = "aio", feature = "net"))]
    pub(crate) fn is_whole(&self, bytes: &[u8]) -> bool {
        self.state == State::Open && self.decoder.peek_whole(bytes).is_some()
    }

    pub(crate) fn next_chunk<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        // The part that `recv` has assembled becomes the first piece: nothing is lost.
        if let Some(partial) = &mut self.message
            && !partial.assembly.is_empty()
        {
            let empty = Assembly::new(partial.assembly.kind());
            let data = mem::replace(&mut partial.assembly, empty).into();
            return Some(Event::Chunk(Chunk {
                first: !mem::replace(&mut partial.begun, true),
                last: false,
                data,
            }));
        }
        // A little compressed data can expand to a lot: decompress in small steps, each an event.
        self.events(input, COMPRESSED_STEP, Self::chunk)
    }

    #[inline(never)]
    pub(crate) fn next_event<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        if input.holds() && self.hold(input).is_some() {
            return None;
        }
        self.events(input, usize::MAX, Self::assemble)
    }

    /// Leaves the frame at the front of the input there if it is incomplete and may stay until it is
    /// complete. The part of its header and text that has arrived is checked; if it breaks a rule, the result
    /// is also `None`, and the regular path reports the violation.
    #[inline(never)]
    fn hold(&self, input: &mut Input<'_>) -> Option<()> {
        if self.state != State::Open || self.end.is_some() {
            return None;
        }
        let (bytes, held) = (input.as_slice(), input.held());
        let (kind, mask, header_len, payload_len) = match self.decoder.peek_cut(bytes)? {
            Cut::Header => {
                input.hold(0, 0);
                return Some(());
            }
            Cut::Payload { kind, mask, header_len, payload_len } => (kind, mask, header_len, payload_len),
        };
        let frame = header_len.checked_add(payload_len).filter(|_| payload_len <= held.max_frame)?;
        let checked = match kind {
            Kind::Binary => 0,
            Kind::Text => {
                let unchecked = bytes.get(header_len + held.checked..)?;
                held.checked + valid_len(unchecked, mask, held.checked)?
            }
        };
        input.hold(frame, checked);
        Some(())
    }

    /// Returns the next event. `data` turns pieces of data frames into events. Pieces of compressed messages
    /// have at most `compressed_step` bytes.
    #[inline]
    fn events<'b>(
        &mut self,
        input: &mut Input<'b>,
        compressed_step: usize,
        data: impl Fn(&mut Self, Masked<'b>) -> Result<Option<Event<'b>>, ProtocolError>,
    ) -> Option<Event<'b>> {
        loop {
            match self.state {
                State::Open => {}
                State::Failing(error) => return Some(self.fail(error)),
                State::Done => {
                    input.take(usize::MAX);
                    return None;
                }
            }
            // An incomplete code point is completed in a step of its own, so that only this code point has to
            // be owned.
            let max = match self.utf8.missing() {
                0 => usize::MAX,
                missing => missing,
            };
            let event = match self.decoder.next_masked(input, max, compressed_step) {
                Ok(None) => {
                    let error = self.end?;
                    // Nothing more follows of an incomplete frame.
                    input.take(usize::MAX);
                    return Some(self.fail(error));
                }
                Ok(Some(frame)) if frame.part.header.opcode.is_control() => self.control(frame.unmask()),
                Ok(Some(frame)) => {
                    self.data_arrived = true;
                    data(self, frame)
                }
                Err(error) => Err(error),
            };
            if let Some(event) = event.unwrap_or_else(|error| Some(self.fail(error))) {
                return Some(event);
            }
        }
    }

    /// Fails the connection: returns the last event.
    #[cold]
    fn fail(&mut self, error: ProtocolError) -> Event<'static> {
        self.finish();
        Event::Failed(error)
    }

    /// Ends reporting: further input is dropped.
    pub(crate) fn finish(&mut self) {
        self.state = State::Done;
        (self.message, self.control, self.inflater) = (None, None, None);
    }

    /// Handles a piece of a control frame; returns the event at the last piece.
    fn control<'b>(&mut self, frame: frame::Part<'b>) -> Result<Option<Event<'b>>, ProtocolError> {
        let frame::Part { header, payload, end, .. } = frame;
        let payload: Cow<'b, [u8]> = if end && self.control.is_none() {
            Cow::Borrowed(payload)
        } else {
            let begun = self.control.get_or_insert_with(|| Box::new(ControlPayload::EMPTY));
            // The decoder has refused anything that would not fit.
            begun.push(payload);
            if header.opcode == Opcode::Close {
                CloseFrame::check_prefix(begun)?;
            }
            if !end {
                return Ok(None);
            }
            let whole = begun.to_vec();
            self.control = None;
            Cow::Owned(whole)
        };
        Ok(Some(match header.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => {
                let close = CloseFrame::parse(&payload)?;
                self.finish();
                Event::Close(close.map(Box::new))
            }
        }))
    }

    /// Handles a piece of a data frame for `recv`; returns the message at the last piece.
    fn assemble<'b>(&mut self, frame: Masked<'b>) -> Result<Option<Event<'b>>, ProtocolError> {
        let frame::Part { header, end, .. } = frame.part;
        let last = end && header.fin;
        let partial = self.message.get_or_insert_with(|| Partial::new(header.opcode));
        if let Some(inflater) = &mut self.inflater
            && self.decoder.is_compressed()
        {
            let push = |piece: &[u8], done, left| {
                let most = if done && last { 0 } else { left };
                partial.assembly.push_inflated(piece, most, &mut self.utf8)
            };
            inflater.inflate(frame.unmask().payload, last, push)?;
        } else if last && partial.assembly.is_empty() && self.utf8.is_complete() {
            let kind = partial.assembly.kind();
            self.message = None;
            return whole(kind, frame.unmask().payload).map(|message| Some(Event::Message(message)));
        } else {
            let to_come = if header.fin { self.decoder.left() } else { u64::MAX };
            partial.assembly.push_masked(frame, to_come, &mut self.utf8)?;
        }
        if !last {
            return Ok(None);
        }
        if !self.utf8.is_complete() {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(self.message.take().map(|partial| Event::Message(partial.assembly.into())))
    }

    /// Handles a piece of a data frame for `recv_chunk`.
    fn chunk<'b>(&mut self, frame: Masked<'b>) -> Result<Option<Event<'b>>, ProtocolError> {
        let frame = frame.unmask();
        let mut last = frame.end && frame.header.fin;
        let payload = &*frame.payload;
        let partial = self.message.get_or_insert_with(|| Partial::new(frame.header.opcode));
        let (data, mut result) = match (&mut self.inflater, partial.assembly.kind()) {
            (Some(inflater), kind) if self.decoder.is_compressed() => {
                let mut data = Assembly::new(kind);
                let push = |piece: &[u8], done, left| {
                    let most = if done { 0 } else { left };
                    data.push_inflated(piece, most, &mut self.utf8)
                };
                let result = inflater.inflate(payload, last, push);
                (data.into(), result)
            }
            (_, Kind::Binary) => (Message::from(payload), Ok(())),
            (_, Kind::Text) => match self.utf8.push(payload) {
                Ok(valid) => (valid.into(), Ok(())),
                Err(invalid) => (invalid.valid.into(), Err(ProtocolError::InvalidUtf8)),
            },
        };
        if last && result.is_ok() && !self.utf8.is_complete() {
            result = Err(ProtocolError::InvalidUtf8);
        }
        // The bytes before the invalid one are returned first, as if they had arrived separately.
        if let Err(error) = result {
            self.state = State::Failing(error);
            last = false;
        }
        if data.as_bytes().is_empty() && !last {
            return Ok(None);
        }
        let first = !mem::replace(&mut partial.begun, true);
        if last {
            self.message = None;
        }
        Ok(Some(Event::Chunk(Chunk { first, last, data })))
    }
}

impl Partial {
    /// Creates the state of a message whose first frame has this opcode.
    fn new(opcode: Opcode) -> Self {
        let kind = if opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
        Self { assembly: Assembly::new(kind), begun: false }
    }
}

/// Returns the length of the prefix of `payload` that consists of complete code points, or `None` if it is
/// not text. The payload is masked, and begins `at` bytes into its frame.
fn valid_len(payload: &[u8], mask: Option<Mask>, at: usize) -> Option<usize> {
    let (mut mask, mut utf8, mut unmasked) = (mask.map(|mask| mask.after(at)), Utf8::new(), [0; 1024]);
    for piece in payload.chunks(unmasked.len()) {
        let text = match &mut mask {
            None => piece,
            Some(mask) if utf8.is_complete() && mask.is_ascii(piece) => {
                *mask = mask.after(piece.len());
                continue;
            }
            Some(mask) => {
                mask.copy(piece, &mut unmasked);
                &unmasked[..piece.len()]
            }
        };
        utf8.push(text).ok()?;
    }
    Some(payload.len() - utf8.pending())
}

/// Returns a message whose complete payload is in the input.
#[inline]
fn whole(kind: Kind, payload: &[u8]) -> Result<Message<'_>, ProtocolError> {
    Ok(match kind {
        Kind::Text => Message::from(frame::validate(payload).ok_or(ProtocolError::InvalidUtf8)?),
        Kind::Binary => Message::from(payload),
    })
}

/// Compressed bytes per chunk: even at the best possible ratio of about 1000, no more than half a megabyte.
const COMPRESSED_STEP: usize = 512;
