//! Two connections, each the other's peer: every sequence of calls of both, and of bytes that arrive, in one piece or in two, and
//! of streams that end.

use super::common::*;
use sansocket::{CloseCode, Connection, Message, ProtocolError, SendError, State};

/// What one end, the sending one, does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Text,
    Fragment,
    LastFragment,
    Ping,
    Close,
    /// It writes what waits, and the stream from it to the other end is lost behind that.
    Lose,
    /// What it has written arrives, and the end of the stream behind that.
    Deliver,
    /// One byte of that arrives, or the end of the stream if there is none.
    DeliverByte,
}

impl Act {
    const ALL: [Self; 8] = [
        Self::Text,
        Self::Fragment,
        Self::LastFragment,
        Self::Ping,
        Self::Close,
        Self::Lose,
        Self::Deliver,
        Self::DeliverByte,
    ];

    fn is_call(self) -> bool {
        !matches!(self, Self::Deliver | Self::DeliverByte)
    }
}

/// Who does something, the server or the client, and what.
type Step = (usize, Act);

/// Each has a code of its own.
const CODES: [CloseCode; 2] = [CloseCode::GOING_AWAY, CloseCode::NORMAL];

struct End {
    connection: Connection,
    seen: Collector,
    /// All that was written, and how much of it has arrived.
    wrote: Vec<u8>,
    arrived: usize,
    /// No more is written.
    is_over: bool,
}

impl End {
    fn new(role: Role) -> Self {
        let (connection, seen) = (open(role), Collector::default());
        Self { connection, seen, wrote: Vec::new(), arrived: 0, is_over: false }
    }

    fn call(&mut self, who: usize, act: Act, payload: &str) -> Result<(), SendError> {
        match act {
            Act::Text => self.connection.send_text(payload),
            Act::Fragment | Act::LastFragment => {
                self.connection.send_fragment(&Message::from(payload), act == Act::LastFragment)
            }
            Act::Ping => self.connection.ping(payload.as_bytes()),
            Act::Close => self.connection.close(CODES[who], "bye"),
            _ => {
                self.write();
                self.is_over = true;
                Ok(())
            }
        }
    }

    fn write(&mut self) {
        let output = self.connection.output();
        if !self.is_over {
            self.wrote.extend_from_slice(output);
        }
        self.connection.output_written(output.len());
        if !self.is_over {
            self.is_over = self.connection.should_shutdown();
        }
    }

    /// Writes, and lets `to` have at most this many bytes.
    fn deliver(&mut self, to: &mut Self, most: usize) {
        self.write();
        let rest = &self.wrote[self.arrived..];
        let bytes = &rest[..rest.len().min(most)];
        feed(&mut to.connection, Mode::Messages, bytes, &mut to.seen);
        self.arrived += bytes.len();
        if self.is_over && bytes.len() < most {
            to.connection.recv_eof();
            feed(&mut to.connection, Mode::Messages, b"", &mut to.seen);
        }
    }
}

/// What an end is to be: RFC 6455 with frames instead of bytes.
struct Expected {
    state: State,
    events: Vec<Seen>,
    /// Whether a message is being sent in fragments, and what of one has arrived.
    in_fragments: bool,
    partial: String,
    /// All that was sent, and how much of it has arrived: frames, and bytes of the next one.
    frames: Vec<(u8, Vec<u8>)>,
    arrived: (usize, usize),
    /// How many frames there are before the end of the stream.
    end: Option<usize>,
}

impl Expected {
    fn new() -> Self {
        Self {
            state: State::Open,
            events: Vec::new(),
            in_fragments: false,
            partial: String::new(),
            frames: Vec::new(),
            arrived: (0, 0),
            end: None,
        }
    }

    fn call(&mut self, who: usize, act: Act, payload: &str) -> Result<(), SendError> {
        let payload = payload.as_bytes().to_vec();
        if act == Act::Lose {
            self.end.get_or_insert(self.frames.len());
            return Ok(());
        }
        // §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        let frame = match act {
            // §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".
            Act::Text if self.in_fragments => return Err(SendError::InFragments),
            Act::Text => (TEXT, payload),
            Act::Ping => (PING, payload),
            Act::Close => {
                self.state = State::CloseSent;
                (CLOSE, close_payload(CODES[who].get(), "bye"))
            }
            _ => {
                let opcode = if self.in_fragments { MIDDLE } else { FIRST_TEXT };
                self.in_fragments = act == Act::Fragment;
                (if self.in_fragments { opcode } else { 0x80 | opcode }, payload)
            }
        };
        self.frames.push(frame);
        Ok(())
    }

    /// Lets `to` have what was sent, or one byte of it. `false`: nothing is on its way.
    fn deliver(&mut self, role: Role, to: &mut Self, act: Act) -> bool {
        // §7.1.1: the server ends the stream first, unless the client has lost it.
        if self.state == State::Ended || self.state == State::Closed && role == Role::Server {
            self.end.get_or_insert(self.frames.len());
        }
        let before = (self.arrived, to.state);
        while self.arrived.0 < self.end.unwrap_or(self.frames.len()) {
            let (first, payload) = &self.frames[self.arrived.0];
            let len = 2 + if role == Role::Client { 4 } else { 0 } + payload.len();
            self.arrived.1 = if act == Act::Deliver { len } else { self.arrived.1 + 1 };
            if self.arrived.1 == len {
                to.hear(*first, payload);
                self.arrived = (self.arrived.0 + 1, 0);
            }
            if act == Act::DeliverByte {
                return true;
            }
        }
        if self.end.is_some() {
            to.hear_the_end();
        }
        before != (self.arrived, to.state)
    }

    fn hear(&mut self, first: u8, payload: &[u8]) {
        // §1.4: "After receiving a control frame indicating the connection should be closed, a peer discards any further data".
        if !matches!(self.state, State::Open | State::CloseSent) {
            return;
        }
        match first {
            PING => {
                // §5.5.2: "unless it already received a Close frame".
                self.frames.push((PONG, payload.to_vec()));
                self.events.push(Seen::Ping(payload.to_vec()));
            }
            PONG => self.events.push(Seen::Pong(payload.to_vec())),
            CLOSE => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = String::from_utf8_lossy(&payload[2..]).into_owned();
                self.events.push(Seen::Close(Some((code, reason))));
                // §5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send
                // a Close frame in response", with the same code.
                if self.state == State::Open {
                    self.frames.push((CLOSE, close_payload(code, "")));
                }
                self.state = State::Closed;
            }
            _ => {
                self.partial.push_str(core::str::from_utf8(payload).unwrap());
                if first & 0x80 != 0 {
                    self.events.push(Seen::Text(core::mem::take(&mut self.partial)));
                }
            }
        }
    }

    fn hear_the_end(&mut self) {
        // §7.1.5: no Close was received, that is 1006.
        if matches!(self.state, State::Open | State::CloseSent) {
            self.events.push(Seen::Failed(ProtocolError::UnexpectedEof));
        }
        self.state = State::Ended;
    }
}

struct Pair {
    ends: [End; 2],
    expected: [Expected; 2],
}

impl Pair {
    fn new() -> Self {
        Self { ends: Role::BOTH.map(End::new), expected: [Expected::new(), Expected::new()] }
    }

    /// `false` if nothing happens.
    fn step(&mut self, (who, act): Step) -> bool {
        let [end, other] = self.ends.get_disjoint_mut([who, 1 - who]).unwrap();
        let [expected, to] = self.expected.get_disjoint_mut([who, 1 - who]).unwrap();
        if act.is_call() {
            let was_lost = act == Act::Lose && expected.end.is_some();
            // No two are the same.
            let payload = expected.frames.len().to_string();
            let result = expected.call(who, act, &payload);
            assert_eq!(end.call(who, act, &payload), result);
            return result.is_ok() && !was_lost;
        }
        end.deliver(other, if act == Act::Deliver { usize::MAX } else { 1 });
        expected.deliver(Role::BOTH[who], to, act)
    }

    fn check(&self) {
        for (end, expected) in self.ends.iter().zip(&self.expected) {
            assert_eq!(end.connection.state(), expected.state);
            assert_eq!(end.seen.events, expected.events);
            let (bytes, frames) = match expected.end {
                Some(len) => (end.wrote.clone(), &expected.frames[..len]),
                None => ([&end.wrote, end.connection.output()].concat(), &expected.frames[..]),
            };
            assert_eq!(plain(&bytes), frames);
        }
    }

    /// Lets all arrive. Then both ends agree: it is over if one of them has closed or was lost, and open otherwise.
    fn settle(&mut self, steps: &[Step]) {
        while self.step((0, Act::Deliver)) | self.step((1, Act::Deliver)) {}
        self.check();
        let is_over = steps.iter().any(|(_, act)| matches!(act, Act::Close | Act::Lose));
        let state = if is_over { State::Ended } else { State::Open };
        for end in &self.ends {
            assert_eq!((end.connection.state(), end.connection.is_ended()), (state, is_over));
        }
    }
}

/// Runs `steps` and all sequences that begin with them and are at most `len` longer; tells how many.
fn walk(steps: &mut Vec<Step>, len: usize) -> usize {
    let mut pair = Pair::new();
    let shown = Shown(steps);
    // All but the last step were judged before.
    let happened = steps.iter().fold(true, |_, step| pair.step(*step));
    pair.check();
    pair.settle(steps);
    drop(shown);
    // What nothing happens in is the same as a shorter sequence.
    if len == 0 || !happened {
        return 1;
    }
    let mut count = 1;
    for step in (0..2).flat_map(|who| Act::ALL.map(|act| (who, act))) {
        // Calls of two ends do not see each other: one order of them is enough.
        let is_other_order = |last: &Step| last.1.is_call() && step.1.is_call() && last.0 > step.0;
        if !steps.last().is_some_and(is_other_order) {
            steps.push(step);
            count += walk(steps, len - 1);
            steps.pop();
        }
    }
    count
}

/// Prints the sequence that fails.
struct Shown<'a>(&'a [Step]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0);
        }
    }
}

#[test]
fn two_ends_in_every_order_say_and_hear_what_the_rfc_has_them() {
    let count = walk(&mut Vec::new(), LEN);
    assert!(count > 100_000, "{count}");
}

/// How long the longest sequence is, without the bytes that arrive at last.
const LEN: usize = 5;
