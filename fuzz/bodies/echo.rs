//! Messages sent on from the buffer that they were read into, however short the writes are: their payload stays where it is until
//! all of it was written, nothing is sent in between, and what arrives is what was received: I4, I8, I9, I10, I13.

use std::borrow::Cow;

use arbitrary::Arbitrary;
use sansocket::{CloseCode, Connection, Event, Message, ReadBuffer, SendError};

use super::{structured, transcript};
use crate::common::{Collector, NO_LIMITS, Role, Seen, config, model};

#[derive(Debug, Arbitrary)]
struct Talk<'d> {
    client: bool,
    size: u16,
    max_frame: u16,
    /// From how many bytes on a message is sent on from the buffer.
    from: u8,
    frames: Vec<Piece<'d>>,
    acts: Vec<Act>,
}

#[derive(Debug, Arbitrary)]
enum Piece<'d> {
    Frame(u8, &'d [u8]),
    Long { first: u8, len: u16 },
    Bytes(&'d [u8]),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Act {
    /// Reads so many bytes at most, unless a payload waits in the buffer.
    Read(u16),
    /// A write that takes so many bytes at most.
    Write(u16),
    /// Copies the rest of the payload to the output after all.
    Buffer,
    Send(u8),
    Close,
    Release,
}

/// `data`: frames, and what happens one after the other.
pub(crate) fn body(data: &[u8]) {
    let Some(talk) = structured::<Talk<'_>>(data) else { return };
    let role = if talk.client { Role::Client } else { Role::Server };
    let bytes = Vec::from_iter(talk.frames.iter().take(MAX_FRAMES).map(|piece| piece.bytes(role))).concat();
    let expected = model(role, NO_LIMITS, &bytes);
    let mut echo = Echo {
        connection: role.connection(config(NO_LIMITS)),
        buffer: ReadBuffer::new(usize::from(talk.size), usize::from(talk.max_frame)),
        from: usize::from(talk.from),
        left: &bytes,
        seen: Collector::default(),
        payload: Vec::new(),
        masked: None,
        written: Vec::new(),
        sent: Vec::new(),
    };
    for act in talk.acts.iter().take(MAX_ACTS) {
        echo.act(*act);
        echo.check();
    }
    loop {
        echo.act(Act::Write(u16::MAX));
        echo.act(Act::Read(u16::MAX));
        echo.check();
        if echo.left.is_empty() && echo.rest().is_empty() && !echo.connection.wants_write() {
            break;
        }
    }
    assert_eq!(echo.seen.events, expected.events, "I13");

    let read = transcript::decode(role.opposite(), &echo.written, None);
    assert_eq!(read.error(), None, "I8");
    let is_message = |seen: &&Seen| matches!(seen, Seen::Text(_) | Seen::Binary(_));
    assert_eq!(
        Vec::from_iter(read.events.iter().filter(is_message)),
        Vec::from_iter(&echo.sent),
        "I9: what arrives is what was sent"
    );
    let mut pings = expected.events.iter();
    for event in &read.events {
        if let Seen::Pong(payload) = event {
            let answers = |seen: &Seen| matches!(seen, Seen::Ping(ping) if ping == payload);
            assert!(pings.any(answers), "I9: each Pong answers a Ping, in order");
        }
    }
    let closes = read.events.iter().filter(|seen| matches!(seen, Seen::Close(_))).count();
    assert!(closes <= 1 && (closes == 0 || read.is_over()), "I10");
}

struct Echo<'b> {
    connection: Connection,
    buffer: ReadBuffer,
    from: usize,
    left: &'b [u8],
    seen: Collector,
    /// The payload that is being sent on, as it was received.
    payload: Vec<u8>,
    /// The same as a client writes it; a server writes it from the buffer.
    masked: Option<Vec<u8>>,
    written: Vec<u8>,
    /// What was sent, in order.
    sent: Vec<Seen>,
}

impl Echo<'_> {
    fn act(&mut self, act: Act) {
        let owed = self.connection.payload_owed();
        match act {
            Act::Read(_) | Act::Release if owed > 0 => {}
            Act::Read(n) => self.read(usize::from(n)),
            Act::Release => self.buffer.release(),
            Act::Write(n) => self.write(usize::from(n)),
            Act::Buffer => {
                let rest = self.rest().to_vec();
                self.connection.buffer_payload(&rest);
                assert_eq!(self.connection.payload_owed(), 0);
            }
            Act::Send(len) => {
                let message = Message::from(vec![b'x'; usize::from(len)]);
                self.send(&message);
            }
            Act::Close => drop(self.connection.close(CloseCode::NORMAL, "")),
        }
    }

    /// What of the payload is still to be written.
    fn rest(&self) -> &[u8] {
        let owed = usize::try_from(self.connection.payload_owed()).unwrap_or(usize::MAX);
        let payload = self.masked.as_deref().unwrap_or(self.buffer.consumed());
        assert!(owed <= self.payload.len());
        &payload[payload.len().saturating_sub(owed)..]
    }

    fn check(&mut self) {
        if self.connection.payload_owed() == 0 {
            return;
        }
        assert!(self.buffer.consumed().ends_with(&self.payload), "the payload stays where it was read");
        let before = (self.connection.output_len(), self.connection.payload_owed());
        if self.connection.can_send() {
            assert_eq!(self.connection.send_text("between"), Err(SendError::PayloadOwed));
            assert_eq!(self.connection.ping(b"between"), Err(SendError::PayloadOwed));
        }
        assert_eq!(before, (self.connection.output_len(), self.connection.payload_owed()));
    }

    fn read(&mut self, n: usize) {
        let space = self.buffer.space();
        let n = n.min(space.len()).min(self.left.len());
        space[..n].copy_from_slice(&self.left[..n]);
        self.buffer.filled(n);
        self.left = &self.left[n..];
        while self.receive() && self.connection.payload_owed() == 0 {}
    }

    /// Receives one event, if there is one.
    fn receive(&mut self) -> bool {
        let mut input = self.buffer.input();
        let Some(event) = self.connection.recv(&mut input) else { return false };
        let is_over = matches!(self.seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
        assert!(!is_over, "I4: {event:?}");
        self.seen.push(&event);
        let Event::Message(message) = event else { return true };
        let is_borrowed =
            matches!(message, Message::Text(Cow::Borrowed(_)) | Message::Binary(Cow::Borrowed(_)));
        if !is_borrowed || message.as_bytes().len() < self.from {
            let message = message.into_owned();
            drop(input);
            self.send(&message);
            return true;
        }
        if let Ok(mask) = self.connection.send_header(message.kind(), message.as_bytes().len()) {
            self.payload = message.as_bytes().to_vec();
            self.masked = mask.map(|mut mask| {
                let mut payload = self.payload.clone();
                mask.apply(&mut payload);
                payload
            });
            self.sent.push(seen(&message));
        }
        true
    }

    fn send(&mut self, message: &Message<'_>) {
        if self.connection.send(message).is_ok() {
            self.sent.push(seen(message));
        }
    }

    /// One write of the output and, behind it, of the payload.
    fn write(&mut self, n: usize) {
        let mut slices = [&[][..]; 16];
        let len = self.connection.output_slices(&mut slices);
        let output = slices[..len].concat();
        let mut wire = output.clone();
        if output.len() == self.connection.output_len() {
            wire.extend_from_slice(self.rest());
        }
        wire.truncate(n);
        self.connection.output_written(wire.len());
        self.written.extend(wire);
    }
}

fn seen(message: &Message<'_>) -> Seen {
    match message {
        Message::Text(text) => Seen::Text(text.to_string()),
        Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
    }
}

impl Piece<'_> {
    fn bytes(&self, role: Role) -> Vec<u8> {
        match self {
            Self::Frame(first, payload) => role.frame(*first, payload),
            Self::Long { first, len } => {
                let payload = (0..u32::from(len % MAX_LEN)).map(|i| b'a' + (i * 7 / 5 % 26) as u8);
                role.frame(*first, &Vec::from_iter(payload))
            }
            Self::Bytes(bytes) => bytes.to_vec(),
        }
    }
}

const MAX_FRAMES: usize = 12;
const MAX_ACTS: usize = 60;
/// Above it a payload is moved to the output and not copied.
const MAX_LEN: u16 = 10_000;
