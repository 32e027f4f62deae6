//! What the tests share: a generator, frames of any bits, the reference model, and the helper that tries every cut.
#![allow(dead_code, unused_imports, reason = "each test uses a part of this module")]

mod inflate;
mod model;

use sansocket::frame::{CloseFrame, Kind, Limits};
use sansocket::{Config, Connection, Event, Input, Message};

pub(crate) use inflate::{Blocks, Naive, Say, compressed};
pub(crate) use model::{Outcome, Seen, breaking_byte, model};

/// Small enough to be met by small tests.
pub(crate) const LIMITS: Limits = Limits { max_frame: 1000, max_message: 1500, max_fragments: 8 };
pub(crate) const NO_LIMITS: Limits =
    Limits { max_frame: u64::MAX, max_message: u64::MAX, max_fragments: u32::MAX };
/// The key of RFC 6455 §5.7.
pub(crate) const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;
pub(crate) const FIRST_TEXT: u8 = 0x01;
pub(crate) const FIRST_BINARY: u8 = 0x02;
pub(crate) const MIDDLE: u8 = 0x00;
pub(crate) const LAST: u8 = 0x80;

pub(crate) fn config(limits: Limits) -> Config {
    Config::default()
        .max_frame(limits.max_frame)
        .max_message(limits.max_message)
        .max_fragments(limits.max_fragments)
}

// ---- roles ----

/// The role of the endpoint under test, or of the one that receives the bytes in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

impl Role {
    pub(crate) const BOTH: [Self; 2] = [Self::Server, Self::Client];

    pub(crate) fn opposite(self) -> Self {
        if self == Self::Server { Self::Client } else { Self::Server }
    }

    pub(crate) fn connection(self, config: Config) -> Connection {
        let mut rng = Rng::new(1);
        match self {
            Self::Server => Connection::server(config),
            Self::Client => Connection::client(config, move |bytes: &mut [u8]| rng.fill(bytes)),
        }
    }

    /// The key of a frame that this role may receive.
    pub(crate) fn key(self) -> Option<[u8; 4]> {
        (self == Self::Server).then_some(KEY)
    }

    /// A frame that this role may receive, as far as masking goes.
    pub(crate) fn frame(self, first: u8, payload: &[u8]) -> Vec<u8> {
        frame(first, self.key(), payload)
    }

    /// Frames that this role may receive, as far as masking goes.
    pub(crate) fn frames(self, frames: Frames<'_>) -> Vec<u8> {
        frames.iter().flat_map(|(first, payload)| self.frame(*first, payload)).collect()
    }
}

// ---- frames of any bits ----

/// The first byte and the payload of each frame.
pub(crate) type Frames<'a> = &'a [(u8, &'a [u8])];

/// How the length of a header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Short,
    Two,
    Eight,
}

impl Form {
    pub(crate) fn shortest(len: u64) -> Self {
        match len {
            0..=125 => Self::Short,
            126..=0xFFFF => Self::Two,
            _ => Self::Eight,
        }
    }
}

pub(crate) fn header(first: u8, key: Option<[u8; 4]>, form: Form, len: u64) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let (short, length) = match form {
        Form::Short => (len as u8, Vec::new()),
        Form::Two => (126, (len as u16).to_be_bytes().to_vec()),
        Form::Eight => (127, len.to_be_bytes().to_vec()),
    };
    [first, mask | short].into_iter().chain(length).chain(key.into_iter().flatten()).collect()
}

pub(crate) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u64;
    let mut bytes = header(first, key, Form::shortest(len), len);
    bytes.extend(masked(key.unwrap_or_default(), payload));
    bytes
}

pub(crate) fn masked(key: [u8; 4], payload: &[u8]) -> impl Iterator<Item = u8> {
    payload.iter().enumerate().map(move |(i, byte)| byte ^ key[i % 4])
}

pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A frame as it stood on the wire, its payload unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

/// The frames of our own output; every one of them has to be whole.
pub(crate) fn sent(mut bytes: &[u8]) -> Vec<Sent> {
    fn take<'b>(bytes: &mut &'b [u8], n: usize) -> &'b [u8] {
        assert!(n <= bytes.len(), "the output ends inside a frame");
        let (front, rest) = bytes.split_at(n);
        *bytes = rest;
        front
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let head = take(&mut bytes, 2);
        let len = match head[1] & 0x7F {
            126 => number(take(&mut bytes, 2)),
            127 => number(take(&mut bytes, 8)),
            short => usize::from(short),
        };
        let key = if head[1] & 0x80 == 0 { None } else { take(&mut bytes, 4).first_chunk().copied() };
        let payload = masked(key.unwrap_or_default(), take(&mut bytes, len)).collect();
        frames.push(Sent { first: head[0], key, payload });
    }
    frames
}

/// The first byte and the payload of each frame of our own output.
pub(crate) fn plain(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    sent(bytes).into_iter().map(|frame| (frame.first, frame.payload)).collect()
}

// ---- receiving ----

/// Ends the transport, and what that means.
pub(crate) fn eof(connection: &mut Connection) -> Option<Event<'static>> {
    connection.recv_eof();
    connection.recv(&mut Input::new(&mut [])).map(Event::into_owned)
}

/// Tells the time, and what that means.
pub(crate) fn timeout(connection: &mut Connection, now: core::time::Duration) -> Option<Event<'static>> {
    connection.handle_timeout(now);
    connection.has_last_words().then(|| connection.recv(&mut Input::new(&mut [])).map(Event::into_owned))?
}

/// Puts the pieces of messages together, whichever of `recv` and `recv_chunk` they came from.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) events: Vec<Seen>,
    partial: Option<(Kind, Vec<u8>)>,
}

impl Collector {
    pub(crate) fn push(&mut self, event: &Event<'_>) {
        let seen = match event {
            Event::Message(message) => self.piece(message, true),
            Event::Chunk(chunk) => {
                assert_eq!(chunk.first, self.partial.is_none(), "`first` is the first piece and no other");
                assert!(chunk.last || !chunk.data.as_bytes().is_empty(), "an empty piece tells nothing");
                self.piece(&chunk.data, chunk.last)
            }
            Event::Ping(payload) => Some(Seen::Ping(payload.to_vec())),
            Event::Pong(payload) => Some(Seen::Pong(payload.to_vec())),
            Event::Close(frame) => Some(Seen::Close(frame.as_deref().map(close_seen))),
            Event::Failed(error) => Some(Seen::Failed(*error)),
            _ => None,
        };
        self.events.extend(seen);
    }

    fn piece(&mut self, data: &Message<'_>, last: bool) -> Option<Seen> {
        let (kind, mut bytes) = self.partial.take().unwrap_or((data.kind(), Vec::new()));
        assert_eq!(kind, data.kind(), "all pieces of a message are of one kind");
        bytes.extend_from_slice(data.as_bytes());
        if !last {
            self.partial = Some((kind, bytes));
            return None;
        }
        Some(match kind {
            Kind::Text => Seen::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Kind::Binary => Seen::Binary(bytes),
        })
    }

    pub(crate) fn outcome(self) -> Outcome {
        Outcome { events: self.events, partial: self.partial.unwrap_or((Kind::Binary, Vec::new())).1 }
    }
}

fn close_seen(frame: &CloseFrame) -> (u16, String) {
    (frame.code().get(), frame.reason().to_owned())
}

/// Which method receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Messages,
    Chunks,
}

/// Lets `connection` receive one piece of input and checks I2, I3 and I4 on the way.
pub(crate) fn feed(connection: &mut Connection, mode: Mode, bytes: &[u8], seen: &mut Collector) {
    let mut buffer = bytes.to_vec();
    let mut input = Input::new(&mut buffer);
    let mut events = 0;
    loop {
        let event = match mode {
            Mode::Messages => connection.recv(&mut input),
            Mode::Chunks => connection.recv_chunk(&mut input),
        };
        let Some(event) = event else { break };
        let over = matches!(seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
        assert!(!over, "I4: {event:?} after the last event");
        seen.push(&event);
        events += 1;
        assert!(events <= bytes.len() + 1, "I3: the number of events is bounded by the bytes");
    }
    assert!(input.is_empty(), "I2: `None` means that the input is used up");
}

/// All events of `bytes`.
pub(crate) fn events(connection: &mut Connection, bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Collector::default();
    feed(connection, Mode::Messages, bytes, &mut seen);
    seen.events
}

pub(crate) fn open(role: Role) -> Connection {
    role.connection(Config::default())
}

/// Writes all output, and tells its frames.
pub(crate) fn written(connection: &mut Connection) -> Vec<(u8, Vec<u8>)> {
    plain(&take_all(connection))
}

/// Writes all output that waits now, and tells its bytes.
pub(crate) fn take_all(connection: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(segment) = connection.take_output() {
        bytes.extend_from_slice(segment.as_ref());
    }
    connection.output_written(bytes.len());
    bytes
}

/// All output that is not in flight.
pub(crate) fn output(connection: &Connection) -> Vec<u8> {
    let mut slices = vec![&[][..]; connection.output_len()];
    let n = connection.output_slices(&mut slices);
    slices[..n].concat()
}

/// All events of `frames`.
pub(crate) fn receive(connection: &mut Connection, role: Role, frames: Frames<'_>) -> Vec<Seen> {
    events(connection, &role.frames(frames))
}

/// Receives `bytes` whole, byte by byte, cut in two at every place (or many places, if it is long) and with bytes behind it,
/// as messages and as chunks, and compares all of it with the model: I1 to I6, I13, and I8 for what we answer.
pub(crate) fn run_all_cuts(role: Role, limits: Limits, bytes: &[u8]) -> Outcome {
    let expected = model(role, limits, bytes);
    run(role, limits, bytes, &[], &expected);
    let failed_at = run(role, limits, bytes, &Vec::from_iter(1..bytes.len()), &expected);
    if bytes.len() <= EVERY_CUT {
        assert_eq!(failed_at, breaking_byte(role, limits, bytes), "refused at the byte that breaks the rule");
        for cut in 1..bytes.len() {
            run(role, limits, bytes, &[cut], &expected);
        }
    } else {
        let mut rng = Rng::new(bytes.len() as u64);
        for _ in 0..RANDOM_CUTS {
            let mut cuts = Vec::from_iter((0..=rng.below(4)).map(|_| rng.below(bytes.len())));
            cuts.sort_unstable();
            run(role, limits, bytes, &cuts, &expected);
        }
    }
    for behind in [role.frame(TEXT, b"behind"), vec![0xFF; 20], vec![0; 20]] {
        let more = [bytes, &behind].concat();
        let extended = model(role, limits, &more);
        assert!(
            extended.events.starts_with(&expected.events) && (!expected.is_over() || extended == expected),
            "I5"
        );
        run(role, limits, &more, &[], &extended);
        run(role, limits, &more, &[bytes.len()], &extended);
    }
    expected
}

/// The same with these cuts only, where there are many inputs.
pub(crate) fn run_cuts(role: Role, limits: Limits, bytes: &[u8], cuts: &[usize]) -> Outcome {
    let expected = model(role, limits, bytes);
    run(role, limits, bytes, &[], &expected);
    run(role, limits, bytes, &Vec::from_iter(1..bytes.len()), &expected);
    run(role, limits, bytes, cuts, &expected);
    expected
}

/// Receives `bytes` cut at `cuts`, and tells how many of them it took to fail.
fn run(role: Role, limits: Limits, bytes: &[u8], cuts: &[usize], expected: &Outcome) -> Option<usize> {
    let mut failed_at = None;
    for mode in [Mode::Messages, Mode::Chunks] {
        let mut connection = role.connection(config(limits));
        let mut seen = Collector::default();
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let mut at = 0;
        failed_at = None;
        for end in ends {
            feed(&mut connection, mode, &bytes[at..end], &mut seen);
            at = end;
            if failed_at.is_none() && matches!(seen.events.last(), Some(Seen::Failed(_))) {
                failed_at = Some(at);
            }
        }
        let outcome = seen.outcome();
        let context = || format!("{role:?} {mode:?} {:02x?} cut at {cuts:?}", &bytes[..bytes.len().min(200)]);
        assert_eq!(outcome.events, expected.events, "I1, I13: {}", context());
        if mode == Mode::Chunks {
            assert_eq!(outcome.partial, expected.partial, "I6, I7, I13: {}", context());
        }
        check_answers(role, &outcome, connection.output());
    }
    failed_at
}

/// I8, and what §5.5 and §7.1.7 have us answer.
fn check_answers(role: Role, outcome: &Outcome, output: &[u8]) {
    let decoded = model(role.opposite(), NO_LIMITS, output);
    assert_eq!(decoded.error(), None, "I8: {output:02x?}");
    let answer = match outcome.events.last() {
        Some(Seen::Close(frame)) => {
            Some(frame.as_ref().map_or(Vec::new(), |(code, _)| code.to_be_bytes().to_vec()))
        }
        Some(Seen::Failed(error)) => error.close_code().map(|code| code.get().to_be_bytes().to_vec()),
        _ => None,
    };
    let mut frames = plain(output);
    let close = frames.pop_if(|(first, _)| *first == CLOSE).map(|(_, payload)| payload);
    assert_eq!(
        close.map(|payload| payload[..payload.len().min(2)].to_vec()),
        answer,
        "one Close with this code"
    );
    let pings = outcome.events.iter().filter_map(|event| match event {
        Seen::Ping(payload) => Some((PONG, payload.clone())),
        _ => None,
    });
    let pings = Vec::from_iter(pings);
    assert_eq!(frames[..], pings[..pings.len().min(16)], "a Pong for each Ping, up to 16");
}

const EVERY_CUT: usize = 160;
const RANDOM_CUTS: usize = 24;

// ---- randomness ----

/// Xorshift64*: the same numbers for the same seed, everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number less than `n`; 0 if that is none.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.number() >> 33) as usize % n.max(1)
    }

    /// Whether something that happens once in `n` times does so now.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.number() as u8);
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        bytes
    }

    /// Text of this many code points of one to four bytes.
    pub(crate) fn text(&mut self, len: usize) -> String {
        (0..len).map(|_| self.pick(&['a', 'z', '\0', 'ü', '€', '\u{FFFF}', '🦀', '\u{10FFFF}'])).collect()
    }
}
