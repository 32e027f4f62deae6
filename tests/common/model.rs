//! The reference model: RFC 6455 §5 to §8 read aloud, over the whole input at once. Simple, slow, and written without a look
//! at the crate's own code; only the names of the errors are shared.

use core::str;

use sansocket::ProtocolError::{self, *};
use sansocket::frame::Limits;

use super::Role;

/// An event, with the pieces of a message put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(ProtocolError),
}

/// What some bytes mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Seen>,
    /// What has arrived of a message that is not complete; text up to its last whole code point.
    pub(crate) partial: Vec<u8>,
}

impl Outcome {
    pub(crate) fn error(&self) -> Option<ProtocolError> {
        match self.events.last() {
            Some(Seen::Failed(error)) => Some(*error),
            _ => None,
        }
    }

    /// Whether nothing may follow.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.events.last(), Some(Seen::Failed(_) | Seen::Close(_)))
    }
}

/// What `bytes` mean to an endpoint of this role.
pub(crate) fn model(role: Role, limits: Limits, bytes: &[u8]) -> Outcome {
    let mut model = Model { role, limits, rest: bytes, message: None, events: Vec::new() };
    let stop = loop {
        if let Err(stop) = model.frame() {
            break stop;
        }
    };
    if let Stop::Fail(error) = stop {
        model.events.push(Seen::Failed(error));
    }
    let partial = match model.message {
        Some(Message { text: true, data, .. }) => data[..valid_up_to(&data)].to_vec(),
        Some(Message { data, .. }) => data,
        None => Vec::new(),
    };
    Outcome { events: model.events, partial }
}

/// How many bytes have to arrive until the error is certain: the model of every shorter prefix has none.
pub(crate) fn breaking_byte(role: Role, limits: Limits, bytes: &[u8]) -> Option<usize> {
    model(role, limits, bytes).error()?;
    let lengths: Vec<usize> = (0..=bytes.len()).collect();
    Some(lengths.partition_point(|len| model(role, limits, &bytes[..*len]).error().is_none()))
}

struct Model<'b> {
    role: Role,
    limits: Limits,
    rest: &'b [u8],
    message: Option<Message>,
    events: Vec<Seen>,
}

struct Message {
    text: bool,
    fragmented: bool,
    fragments: u64,
    /// As announced by the headers so far.
    len: u64,
    data: Vec<u8>,
}

enum Stop {
    More,
    Closed,
    Fail(ProtocolError),
}

impl Model<'_> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let (first, rest) = self.rest.split_first().ok_or(Stop::More)?;
        self.rest = rest;
        Ok(*first)
    }

    fn frame(&mut self) -> Result<(), Stop> {
        let first = self.byte()?;
        let (fin, rsv, opcode) = (first >> 7 == 1, first >> 4 & 7, first & 15);
        let control = opcode >= 8;
        let under_way = self.message.is_some();
        refuse(matches!(opcode, 3..=7 | 11..=15), ReservedOpcode(opcode))?;
        refuse(rsv != 0, ReservedBits)?;
        refuse(control && !fin, FragmentedControl)?;
        refuse(opcode == 0 && !under_way, UnexpectedContinuation)?;
        refuse((opcode == 1 || opcode == 2) && under_way, ExpectedContinuation)?;

        let second = self.byte()?;
        let masked = second >> 7 == 1;
        refuse(self.role == Role::Server && !masked, UnmaskedFrame)?;
        refuse(self.role == Role::Client && masked, MaskedFrame)?;
        let short = second & 0x7F;
        refuse(control && short > 125, ControlTooLong)?;
        refuse(opcode == 8 && short == 1, CloseTooShort)?;
        let len = self.length(short)?;
        if !control {
            let before = self.message.as_ref().map_or(0, |message| message.len);
            refuse(len > self.limits.max_frame, FrameTooLarge)?;
            refuse(
                u128::from(len) + u128::from(before) > u128::from(self.limits.max_message),
                MessageTooLarge,
            )?;
            self.data_header(opcode, fin, len)?;
        }
        let key = if masked { [self.byte()?, self.byte()?, self.byte()?, self.byte()?] } else { [0; 4] };

        let here = usize::try_from(len).unwrap_or(usize::MAX).min(self.rest.len());
        let (payload, rest) = self.rest.split_at(here);
        self.rest = rest;
        let payload: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        let whole = here as u64 == len;
        if control { self.control(opcode, payload, whole) } else { self.data(&payload, whole, fin) }
    }

    /// §5.2: the shortest form, and no most significant bit; wrong at the byte that makes it so.
    fn length(&mut self, short: u8) -> Result<u64, Stop> {
        let bytes = match short {
            126 => 2,
            127 => 8,
            _ => return Ok(u64::from(short)),
        };
        let mut len = 0;
        for i in 1..=bytes {
            let byte = self.byte()?;
            refuse(bytes == 8 && i == 1 && byte >= 0x80, LengthTooLarge)?;
            len = len << 8 | u64::from(byte);
            refuse(bytes == 8 && i == 6 && len == 0 || bytes == 2 && i == 2 && len < 126, NonMinimalLength)?;
        }
        Ok(len)
    }

    fn data_header(&mut self, opcode: u8, fin: bool, len: u64) -> Result<(), Stop> {
        let new = Message { text: opcode == 1, fragmented: !fin, fragments: 0, len: 0, data: Vec::new() };
        let message = self.message.get_or_insert(new);
        message.fragments += 1;
        message.len += len;
        let allowed = u64::from(self.limits.max_fragments) + message.len / 16;
        refuse(message.fragmented && message.fragments > allowed, TooManyFragments)
    }

    fn data(&mut self, payload: &[u8], whole: bool, fin: bool) -> Result<(), Stop> {
        let Some(message) = &mut self.message else { return Ok(()) };
        message.data.extend_from_slice(payload);
        let valid = valid_up_to(&message.data);
        refuse(message.text && !may_become_text(&message.data), InvalidUtf8)?;
        if !whole {
            return Err(Stop::More);
        }
        if fin {
            refuse(message.text && valid < message.data.len(), InvalidUtf8)?;
            self.events.extend(self.message.take().map(|message| match message.text {
                true => Seen::Text(String::from_utf8_lossy(&message.data).into_owned()),
                false => Seen::Binary(message.data),
            }));
        }
        Ok(())
    }

    fn control(&mut self, opcode: u8, payload: Vec<u8>, whole: bool) -> Result<(), Stop> {
        let close = match *payload {
            [high, low, ref reason @ ..] if opcode == 8 => {
                let code = u16::from_be_bytes([high, low]);
                let legal = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
                refuse(!legal, InvalidCloseCode(code))?;
                refuse(!may_become_text(reason), InvalidUtf8)?;
                refuse(whole && valid_up_to(reason) < reason.len(), InvalidUtf8)?;
                Some((code, String::from_utf8_lossy(reason).into_owned()))
            }
            _ => None,
        };
        if !whole {
            return Err(Stop::More);
        }
        self.events.push(match opcode {
            8 => Seen::Close(close),
            9 => Seen::Ping(payload),
            _ => Seen::Pong(payload),
        });
        if opcode == 8 { Err(Stop::Closed) } else { Ok(()) }
    }
}

fn refuse(broken: bool, error: ProtocolError) -> Result<(), Stop> {
    if broken { Err(Stop::Fail(error)) } else { Ok(()) }
}

fn valid_up_to(bytes: &[u8]) -> usize {
    str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len)
}

/// Whether some bytes behind these could make them UTF-8.
fn may_become_text(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok() || str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
