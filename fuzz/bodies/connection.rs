//! Any calls in any order, and any bytes from the peer: nothing panics, what we write is legal, and there is never too much of
//! it: I2, I3, I4, I8, I10, I11.

use core::time::Duration;
use std::collections::VecDeque;

use sansocket::frame::{Header, Kind};
use sansocket::{CloseCode, Connection, EncodedMessage, Message, ReadBuffer, Segment, SendError, State};

use super::Tape;
use crate::common::{
    CLOSE, Collector, LIMITS, Mode, NO_LIMITS, PING, PONG, Role, Seen, config, eof, feed, model, output,
    timeout,
};

/// `data`: role, timers, limit of the output, then one operation after the other.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let role = tape.pick(&Role::BOTH);
    let timers = tape.pick(&[None, Some(Duration::from_secs(5))]);
    let max_output = tape.pick(&[400, 40_000]);
    let config = config(LIMITS)
        .max_output(max_output)
        .high_water(100)
        .ping_interval(timers)
        .idle_timeout(timers.map(|time| time * 3))
        .pong_timeout(Duration::from_secs(5))
        .close_timeout(Duration::from_secs(5));
    let buffer = timers.is_none().then(|| ReadBuffer::new(0, MAX_HELD));
    let mut fuzzed = Fuzzed {
        buffer,
        role,
        max_output,
        connection: role.connection(config),
        seen: Collector::default(),
        owed: Vec::new(),
        in_flight: VecDeque::new(),
        buffered: 0,
        written: Vec::new(),
        now: Duration::ZERO,
    };
    while !tape.is_empty() {
        fuzzed.step(&mut tape);
        fuzzed.check();
    }
    fuzzed.finish();
}

/// As [`feed`], by way of a read buffer: it holds no more than a frame that is cut, and never much more memory than arrived.
fn feed_buffer(
    connection: &mut Connection,
    buffer: &mut ReadBuffer,
    mode: Mode,
    mut bytes: &[u8],
    seen: &mut Collector,
) {
    loop {
        let space = buffer.space();
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        buffer.filled(n);
        let mut input = buffer.input();
        loop {
            let event = match mode {
                Mode::Messages => connection.recv(&mut input),
                Mode::Chunks => connection.recv_chunk(&mut input),
            };
            let Some(event) = event else { break };
            let over = matches!(seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
            assert!(!over, "I4: {event:?} after the last event");
            seen.push(&event);
        }
        assert!(mode == Mode::Messages || input.is_empty(), "I2");
        drop(input);
        assert!(buffer.unread().len() < MAX_HELD + Header::MAX_LEN, "I2: only a frame that is cut may stay");
        if bytes.is_empty() {
            return;
        }
    }
}

struct Fuzzed {
    /// What the peer sends is read into it.
    buffer: Option<ReadBuffer>,
    role: Role,
    max_output: usize,
    connection: Connection,
    seen: Collector,
    /// Payload that we owe, masked.
    owed: Vec<u8>,
    /// What was taken from the output.
    in_flight: VecDeque<Segment>,
    /// How much of such payloads was put into the output, whatever its limit.
    buffered: usize,
    /// Everything that was written.
    written: Vec<u8>,
    now: Duration,
}

impl Fuzzed {
    fn step(&mut self, tape: &mut Tape<'_>) {
        let operation = tape.byte();
        let n = usize::from(tape.byte());
        let connection = &mut self.connection;
        match operation % 23 {
            // What the peer sends: any bytes, or a frame that may well be legal.
            0..=2 => self.receive(operation, tape.take(n)),
            3..=5 => {
                let first = tape.pick(&[0x81, 0x82, 0x01, 0x02, 0x00, 0x80, PING, PING, PONG, CLOSE, 0xFF]);
                let frame = self.role.frame(first, tape.take(n % 130));
                self.receive(operation, &frame);
            }
            // What the caller does.
            6 => self.send(|c| c.send_binary(tape.take(n))),
            7 => self.send(|c| c.send_text(&String::from_utf8_lossy(tape.take(n)))),
            8 => self.send(|c| c.send_encoded(&EncodedMessage::new(&Message::from(tape.take(n))))),
            9 => self.send(|c| c.send_fragment(&Message::from(tape.take(n)), operation < 128)),
            10 => self.send(|c| c.send_fragment(&Message::from("text"), operation < 128)),
            11 => self.send(|c| c.ping(tape.take(n))),
            12 => self.send(|c| c.pong(tape.take(n))),
            13 => {
                let code = tape.pick(&[CloseCode::NORMAL, CloseCode::MESSAGE_TOO_BIG]);
                self.send(|c| c.close(code, &"€".repeat(n)));
            }
            14 => {
                let mut payload = tape.take(n).to_vec();
                if let Ok(mask) = connection.send_header(Kind::Binary, payload.len()) {
                    mask.into_iter().for_each(|mut mask| mask.apply(&mut payload));
                    self.owed = payload;
                }
            }
            15 => {
                let part = Vec::from_iter(self.owed.drain(..n.min(self.owed.len())));
                connection.buffer_payload(&part);
                self.buffered += part.len();
            }
            16 if self.in_flight.is_empty() => {
                let mut bytes = [output(connection), self.owed.clone()].concat();
                bytes.truncate(n);
                let payload = bytes.len().saturating_sub(connection.output_len());
                self.owed.drain(..payload);
                connection.output_written(bytes.len());
                self.written.extend(bytes);
            }
            16 => self.land(n),
            17 => self.in_flight.extend(connection.take_output()),
            19 => self.send(|c| c.send_owned(Message::from(tape.take(n)).into_owned())),
            // Large enough for a segment of its own, which the limit has to allow for.
            20 => self.send(|c| c.send_owned(Message::from(vec![operation; n * 100]))),
            21 => {
                self.send(|c| c.send_encoded(&EncodedMessage::new(&Message::from(vec![operation; n * 100]))))
            }
            18 if n == 0 => {
                let was_over = self.is_over();
                let last = eof(&mut self.connection);
                assert!(last.is_none() || !was_over, "I4");
                last.iter().for_each(|event| self.seen.push(event));
            }
            18 => connection.shrink(),
            _ => {
                self.now += Duration::from_secs(n as u64 % 8);
                let was_over = self.is_over();
                let lost = timeout(&mut self.connection, self.now);
                assert!(lost.is_none() || !was_over, "I4");
                lost.iter().for_each(|event| self.seen.push(event));
            }
        }
    }

    fn receive(&mut self, operation: u8, bytes: &[u8]) {
        let mode = if operation < 128 { Mode::Messages } else { Mode::Chunks };
        match &mut self.buffer {
            Some(buffer) => feed_buffer(&mut self.connection, buffer, mode, bytes, &mut self.seen),
            None => feed(&mut self.connection, mode, bytes, &mut self.seen),
        }
    }

    /// Writes `n` bytes of what is in flight.
    fn land(&mut self, n: usize) {
        let Some(segment) = self.in_flight.front_mut() else { return };
        let n = n.min(segment.len());
        self.written.extend_from_slice(&segment.as_ref()[..n]);
        segment.advance(n);
        if segment.is_empty() {
            self.in_flight.pop_front();
        }
        self.connection.output_written(n);
    }

    fn send(&mut self, call: impl FnOnce(&mut Connection) -> Result<(), SendError>) {
        let before = self.connection.output_len();
        let state = self.connection.state();
        match call(&mut self.connection) {
            Ok(()) => assert_eq!(state, State::Open, "I10"),
            Err(_) => assert_eq!(self.connection.output_len(), before, "an error changes nothing"),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)))
    }

    fn check(&mut self) {
        let connection = &self.connection;
        assert!(connection.output_len() <= self.max_output + REPLIES + self.buffered, "I11");
        assert_eq!(connection.wants_write(), !connection.output().is_empty());
        assert!(!connection.should_shutdown() || connection.output_len() == 0);
        if connection.output_len() == 0 {
            self.in_flight.clear(); // the connection was given up
        }
        let flying: usize = self.in_flight.iter().map(Segment::len).sum();
        assert_eq!(output(connection).len() + flying, connection.output_len());
        assert!(!self.is_over() || connection.state() != State::Open);
        if connection.payload_owed() == 0 {
            self.owed.clear(); // the connection was given up
        }
        assert_eq!(connection.payload_owed(), self.owed.len() as u64);
    }

    fn finish(mut self) {
        while self.connection.output_len() > 0 || !self.owed.is_empty() {
            self.in_flight.extend(self.connection.take_output());
            self.land(usize::MAX);
            if self.connection.output_len() == 0 {
                self.connection.output_written(self.owed.len());
                self.written.append(&mut self.owed);
            }
        }
        let decoded = model(self.role.opposite(), NO_LIMITS, &self.written);
        assert_eq!(decoded.error(), None, "I8");
        let closes = decoded.events.iter().filter(|event| matches!(event, Seen::Close(_))).count();
        let close_due = matches!(self.connection.state(), State::CloseSent | State::Closed | State::Failed);
        assert!(closes == 1 || closes == 0 && !close_due, "I10: one Close, and always when one is due");
    }
}

/// The longest payload of a frame that stays in the read buffer, with its header.
const MAX_HELD: usize = 100;
/// Sixteen Pongs, the latest one, and a Close.
const REPLIES: usize = 18 * (2 + 4 + 125);
