//! [`Receiver`]: the half of a connection that turns bytes into events.
//!
//! ```text
//! input ─▶ Decoder ─▶ data     whole in the input ─▶ Message, borrowed
//!             │                cut ─▶ Assembly ─▶ Message, owned       (recv)
//!             │                or piece by piece ─▶ Chunk              (recv_chunk)
//!             └─▶ control  ─▶ ControlPayload ─▶ Ping, Pong, Close      by value
//! ```

use alloc::boxed::Box;
use core::mem;

use super::config::Config;
use super::message::{Assembly, Message};
use super::sender::Reply;
use crate::deflate::Inflater;
use crate::error::ProtocolError;
use crate::frame::{self, CloseFrame, ControlPayload, Decoder, Kind, Opcode, Utf8};
use crate::input::Input;

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A whole message, from [`recv`](Receiver::recv); borrowed from the input if its payload lay whole in
    /// it.
    Message(Message<'b>),
    /// A piece of a message, from [`recv_chunk`](Receiver::recv_chunk).
    Chunk(Chunk<'b>),
    /// A Ping; the Pong is in the output already.
    Ping(ControlPayload),
    /// A Pong, asked for or not.
    Pong(ControlPayload),
    /// The peer closes, with this code and reason. The answer is in the output already, and no more messages
    /// follow.
    Close(Option<CloseFrame>),
    /// The connection failed (§7.1.7). The Close that tells the peer is in the output already, and nothing
    /// follows.
    Failed(ProtocolError),
}

/// A piece of a message, as it arrived. How a message is cut into pieces means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// Whether the message begins with this piece.
    pub first: bool,
    /// Whether the message ends with this piece.
    pub last: bool,
    /// The piece; text is never cut inside a code point.
    pub data: Message<'b>,
}

impl Event<'_> {
    /// _The WebSocket Connection Close Code_ (§7.1.5), if this event ends the connection: 1005 for a Close
    /// without a code, 1006 if there was no Close.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Close(Some(frame)) => Some(frame.code().get()),
            Self::Close(None) => Some(1005),
            Self::Failed(_) => Some(1006),
            _ => None,
        }
    }

    /// The same event, borrowing nothing; see [`Message::into_owned`].
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::Message(message) => Event::Message(message.into_owned()),
            Self::Chunk(Chunk { first, last, data }) => {
                Event::Chunk(Chunk { first, last, data: data.into_owned() })
            }
            Self::Ping(payload) => Event::Ping(payload),
            Self::Pong(payload) => Event::Pong(payload),
            Self::Close(frame) => Event::Close(frame),
            Self::Failed(error) => Event::Failed(error),
        }
    }

    /// What the [`Sender`](super::Sender) has to be told about this event. A
    /// [`Connection`](super::Connection) does so by itself; with two halves it is up to you.
    #[inline]
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
        match self {
            Self::Message(_) | Self::Chunk(_) | Self::Pong(_) => None,
            Self::Ping(payload) => Some(Reply::Pong(*payload)),
            Self::Close(frame) => Some(Reply::Close(frame.as_ref().map(CloseFrame::code))),
            Self::Failed(error) => Some(Reply::Fail(*error)),
        }
    }
}

/// The half of a [`Connection`](super::Connection) that turns received bytes into events.
#[derive(Debug)]
pub struct Receiver {
    decoder: Decoder,
    /// Decompresses, if that was negotiated.
    inflater: Option<Box<Inflater>>,
    /// The data message under way.
    message: Option<Partial>,
    /// The cut code point of a text message.
    utf8: Utf8,
    /// The payload of a control frame that was cut; few are.
    control: Option<Box<ControlPayload>>,
    state: State,
}

/// A data message of which not everything has arrived.
#[derive(Debug)]
struct Partial {
    assembly: Assembly,
    /// Whether a piece of it was handed out.
    begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// An error was found behind bytes that were handed out, and is reported next.
    Failing(ProtocolError),
    /// A Close or a failure was reported: whatever else arrives is dropped.
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
        Self { decoder, inflater: None, message: None, utf8: Utf8::new(), control: None, state: State::Open }
    }

    pub(crate) fn max_message(&self) -> u64 {
        self.decoder.limits().max_message
    }

    pub(crate) fn with_inflater(self, inflater: Box<Inflater>) -> Self {
        Self { decoder: self.decoder.with_rsv1(), inflater: Some(inflater), ..self }
    }

    /// See [`Connection::recv`](super::Connection::recv).
    #[inline]
    pub fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        match self.recv_whole(input) {
            Some(message) => Some(Event::Message(message)),
            None => self.recv_any(input),
        }
    }

    /// The message at the front of the input, if it lies there whole, as most do. Anything else is left for
    /// [`recv_any`](Self::recv_any), which knows all the rules.
    ///
    /// Always inlined, so that the event is made where the caller wants it: moving it there costs as much as
    /// all the rest.
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

    /// Whether a part of a message has arrived, and not yet its end.
    pub(crate) fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Whether [`recv`](Self::recv) would at once borrow a message from these bytes, or refuse it.
    #[cfg(any(feature = "net", feature = "tokio"))]
    pub(crate) fn is_whole(&self, bytes: &[u8]) -> bool {
        self.state == State::Open && self.decoder.peek_whole(bytes).is_some()
    }

    /// See [`Connection::recv_chunk`](super::Connection::recv_chunk).
    pub fn recv_chunk<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        // What `recv` has put together of this message is its first piece: nothing of it is lost.
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
        // A little compressed data can become a lot: it is decompressed in small steps, each an event.
        self.events(input, COMPRESSED_STEP, Self::chunk)
    }

    /// See [`Connection::recv_eof`](super::Connection::recv_eof).
    pub fn recv_eof(&mut self) -> Option<Event<'static>> {
        match self.state {
            State::Open => Some(self.fail(ProtocolError::UnexpectedEof)),
            State::Failing(error) => Some(self.fail(error)),
            State::Done => None,
        }
    }

    #[inline(never)]
    pub(crate) fn recv_any<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        self.events(input, usize::MAX, Self::assemble)
    }

    /// The next event; `data` makes one of a piece of a data frame, if it is time. Pieces of compressed
    /// messages have at most `compressed_step` bytes.
    #[inline]
    fn events<'b>(
        &mut self,
        input: &mut Input<'b>,
        compressed_step: usize,
        data: impl Fn(&mut Self, frame::Chunk<'b>) -> Result<Option<Event<'b>>, ProtocolError>,
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
            // Completing a cut code point is a step of its own, so that only this code point has to be owned.
            let max = match self.utf8.missing() {
                0 => usize::MAX,
                missing => missing,
            };
            let event = match self.decoder.next_up_to(input, max, compressed_step) {
                Ok(None) => return None,
                Ok(Some(frame)) if frame.header.opcode.is_control() => self.control(frame),
                Ok(Some(frame)) => data(self, frame),
                Err(error) => Err(error),
            };
            if let Some(event) = event.unwrap_or_else(|error| Some(self.fail(error))) {
                return Some(event);
            }
        }
    }

    /// The last event of all.
    #[cold]
    fn fail(&mut self, error: ProtocolError) -> Event<'static> {
        self.finish();
        Event::Failed(error)
    }

    /// Nothing more is reported: whatever arrives is dropped.
    pub(crate) fn finish(&mut self) {
        self.state = State::Done;
        (self.message, self.control, self.inflater) = (None, None, None);
    }

    /// A piece of a control frame: the event if it is the last one.
    fn control(&mut self, frame: frame::Chunk<'_>) -> Result<Option<Event<'static>>, ProtocolError> {
        let mut payload = self.control.take().map_or(ControlPayload::EMPTY, |begun| *begun);
        // The decoder has refused whatever would not fit.
        payload.push(frame.payload);
        if frame.header.opcode == Opcode::Close {
            CloseFrame::check_prefix(&payload)?;
        }
        if !frame.end {
            self.control = Some(Box::new(payload));
            return Ok(None);
        }
        Ok(Some(match frame.header.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => {
                let close = CloseFrame::parse(&payload)?;
                self.finish();
                Event::Close(close)
            }
        }))
    }

    /// A piece of a data frame, for `recv`: the message if it is the last one.
    fn assemble<'b>(&mut self, frame: frame::Chunk<'b>) -> Result<Option<Event<'b>>, ProtocolError> {
        let last = frame.end && frame.header.fin;
        let partial = self.message.get_or_insert_with(|| Partial::new(frame.header.opcode));
        if let Some(inflater) = &mut self.inflater
            && self.decoder.is_compressed()
        {
            let push = |piece: &[u8], done, left| {
                let most = if done && last { 0 } else { left };
                partial.assembly.push_inflated(piece, most, &mut self.utf8)
            };
            inflater.inflate(frame.payload, last, push)?;
        } else if last && partial.assembly.is_empty() && self.utf8.is_complete() {
            let kind = partial.assembly.kind();
            self.message = None;
            return whole(kind, frame.payload).map(|message| Some(Event::Message(message)));
        } else {
            let to_come = if frame.header.fin { self.decoder.left() } else { u64::MAX };
            partial.assembly.push(frame.payload, to_come, &mut self.utf8)?;
        }
        if !last {
            return Ok(None);
        }
        if !self.utf8.is_complete() {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(self.message.take().map(|partial| Event::Message(partial.assembly.into())))
    }

    /// A piece of a data frame, for `recv_chunk`.
    fn chunk<'b>(&mut self, frame: frame::Chunk<'b>) -> Result<Option<Event<'b>>, ProtocolError> {
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
        // What came before the bad byte is handed out first, as it is when it comes alone.
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
    /// A message whose first frame has this opcode.
    fn new(opcode: Opcode) -> Self {
        let kind = if opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
        Self { assembly: Assembly::new(kind), begun: false }
    }
}

/// A message whose whole payload lies in the input.
#[inline]
fn whole(kind: Kind, payload: &[u8]) -> Result<Message<'_>, ProtocolError> {
    Ok(match kind {
        Kind::Text => Message::from(frame::validate(payload).ok_or(ProtocolError::InvalidUtf8)?),
        Kind::Binary => Message::from(payload),
    })
}

/// How many compressed bytes at a time become a chunk: even at the best possible ratio, of about 1000, no
/// more than half a megabyte.
const COMPRESSED_STEP: usize = 512;
