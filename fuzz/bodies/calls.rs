//! Any public calls in any order, on a connection and on its two halves in lockstep, with compression and with times that go back
//! and forth: both do the same, what was sent arrives, what is written is legal by an independent reading, and every deadline makes
//! progress: I2, I3, I4, I8, I9, I10, I11, I14.

use core::time::Duration;
use std::collections::VecDeque;

use arbitrary::Arbitrary;
use sansocket::deflate::{Deflate, Params, Zlib};
use sansocket::frame::{Kind, Mask};
use sansocket::{
    CloseCode, Config, Connection, EncodedMessage, Input, Message, Receiver, Segment, SendError, Sender,
    State,
};

use super::structured;
use super::transcript;
use crate::common::{Collector, LIMITS, Mode, Role, Seen, config};

#[derive(Debug, Arbitrary)]
struct Life<'d> {
    client: bool,
    deflate: Option<(bool, bool, u8, u8)>,
    timers: [u8; 5],
    large: bool,
    calls: Vec<Call<'d>>,
}

#[derive(Debug, Arbitrary)]
enum Call<'d> {
    /// Any bytes from the peer.
    Bytes {
        chunks: bool,
        bytes: &'d [u8],
    },
    /// A frame with the mask that is due.
    Frame {
        chunks: bool,
        first: u8,
        payload: &'d [u8],
    },
    Text(u8, bool),
    Binary(&'d [u8]),
    Encoded(&'d [u8]),
    Fragment {
        text: bool,
        payload: &'d [u8],
        last: bool,
    },
    Ping(u8),
    Pong(u8),
    Close(u16, u8),
    /// Large enough for a piece of the output of its own.
    Owned(u8),
    Header(u16),
    BufferPayload(u8),
    Compress(bool),
    Write(u16),
    Take,
    Shrink,
    End,
    Error,
    /// Seconds forward, or back.
    Time(i8),
    /// As long as it asks to be called now.
    Due,
}

/// Without a pool: a compressor that was used before finds other matches than a new one.
static ZLIB: Zlib = Zlib::new(0);

/// `data`: a role, parameters, and the calls of a life.
pub(crate) fn body(data: &[u8]) {
    let Some(life) = structured::<Life<'_>>(data) else { return };
    let role = if life.client { Role::Client } else { Role::Server };
    let mut ends = [false, true].map(|halves| Fuzzed::new(role, &life, halves));
    for call in life.calls.iter().take(MAX_CALLS) {
        ends.iter_mut().for_each(|end| end.call(call));
        let [whole, halves] = &ends;
        assert_eq!(whole.seen.events, halves.seen.events, "the halves see the same: {call:?}");
        assert_eq!(whole.end.output(), halves.end.output(), "the halves say the same: {call:?}");
        assert_eq!(whole.end.advice(), halves.end.advice(), "the halves advise the same: {call:?}");
    }
    ends.into_iter().for_each(Fuzzed::finish);
}

/// A connection as it is, or its halves with a notice between them.
enum End {
    Whole(Connection),
    Halves(Receiver, Sender),
}

/// The same call on a connection and on the half that sends.
macro_rules! send {
    ($self:expr, $end:ident => $call:expr) => {
        match $self {
            End::Whole($end) => $call,
            End::Halves(_, $end) => $call,
        }
    };
}

impl End {
    /// All output that is not in flight.
    fn output(&self) -> Vec<u8> {
        send!(self, end => {
            let mut slices = [&[][..]; MAX_CALLS + 1];
            let n = end.output_slices(&mut slices);
            assert!(slices[..n].first().is_none_or(|first| *first == end.output()));
            slices[..n].concat()
        })
    }

    /// All bytes that were not written yet.
    fn output_len(&self) -> usize {
        send!(self, end => end.output_len())
    }

    /// Everything that the loop is told.
    fn advice(&self) -> (State, u64, [bool; 3], Option<Duration>) {
        send!(self, end => {
            let flags = [end.wants_write(), end.should_shutdown(), end.wants_read()];
            (end.state(), end.payload_owed(), flags, end.next_timeout())
        })
    }

    /// One read, to its end.
    fn receive(&mut self, mode: Mode, bytes: &[u8], seen: &mut Collector) {
        match self {
            Self::Whole(connection) => crate::common::feed(connection, mode, bytes, seen),
            Self::Halves(receiver, sender) => {
                let mut buffer = bytes.to_vec();
                let mut input = Input::new(&mut buffer);
                loop {
                    let event = match mode {
                        Mode::Messages => receiver.recv(&mut input),
                        Mode::Chunks => receiver.recv_chunk(&mut input),
                    };
                    if receiver.has_reply() {
                        sender.notice(receiver.take_notice());
                    }
                    let Some(event) = event else { break };
                    seen.push(&event);
                }
                assert!(input.is_empty(), "I2");
                sender.notice(receiver.take_notice());
            }
        }
    }

    fn time(&mut self, now: Duration, seen: &mut Collector) {
        match self {
            Self::Whole(connection) => connection.handle_timeout(now),
            Self::Halves(receiver, sender) => {
                sender.handle_timeout(now);
                if let Some(error) = sender.lost() {
                    receiver.lose(error);
                }
            }
        }
        self.receive(Mode::Messages, &[], seen);
    }
}

struct Fuzzed {
    role: Role,
    end: End,
    no_takeover: Option<bool>,
    seen: Collector,
    /// Messages whose last byte was accepted, and the one in fragments.
    sent: Vec<Seen>,
    fragments: Option<(Kind, Vec<u8>)>,
    /// What was taken from the output.
    in_flight: VecDeque<Segment>,
    /// Payload that we owe, masked.
    owed: Vec<u8>,
    max_output: usize,
    /// How much was put into the output whatever its limit.
    buffered: usize,
    written: Vec<u8>,
    /// Whether output was dropped: the transport failed, or the peer was given up.
    dropped: bool,
    now: Duration,
}

impl Fuzzed {
    fn new(role: Role, life: &Life<'_>, halves: bool) -> Self {
        let mut connection = role.connection(settings(life));
        let mut no_takeover = None;
        if let Some((server, client, server_bits, client_bits)) = life.deflate {
            let mut params = Params::default();
            (params.server_no_context_takeover, params.client_no_context_takeover) = (server, client);
            params.server_max_window_bits = 9 + server_bits % 7;
            params.client_max_window_bits = 9 + client_bits % 7;
            let deflate = Deflate::new(&ZLIB).threshold(usize::from(server_bits)).level(1 + client_bits % 9);
            connection = connection.with_deflate(&deflate, &params);
            no_takeover = Some(if role == Role::Server { server } else { client });
        }
        let end = if halves {
            let (receiver, sender) = connection.split();
            End::Halves(receiver, sender)
        } else {
            End::Whole(connection)
        };
        Self {
            role,
            end,
            no_takeover,
            seen: Collector::default(),
            sent: Vec::new(),
            fragments: None,
            in_flight: VecDeque::new(),
            owed: Vec::new(),
            max_output: max_output(life),
            buffered: 0,
            written: Vec::new(),
            dropped: false,
            now: Duration::from_secs(1 << 20),
        }
    }

    fn call(&mut self, call: &Call<'_>) {
        let mode = |chunks: &bool| if *chunks { Mode::Chunks } else { Mode::Messages };
        match call {
            Call::Bytes { chunks, bytes } => self.end.receive(mode(chunks), bytes, &mut self.seen),
            Call::Frame { chunks, first, payload } => {
                let frame = self.role.frame(*first, payload);
                self.end.receive(mode(chunks), &frame, &mut self.seen);
            }
            Call::Text(len, euro) => {
                let text = if *euro { "€" } else { "a" }.repeat(usize::from(*len));
                self.send(Some(Seen::Text(text.clone())), |end| send!(end, end => end.send_text(&text)));
            }
            Call::Binary(bytes) => {
                let message = Message::from(*bytes);
                self.send(Some(Seen::Binary(bytes.to_vec())), |end| send!(end, end => end.send(&message)));
            }
            Call::Encoded(bytes) => {
                let message = EncodedMessage::compressed(&Message::from(*bytes), &Deflate::new(&ZLIB));
                self.send(
                    Some(Seen::Binary(bytes.to_vec())),
                    |end| send!(end, end => end.send_encoded(&message)),
                );
            }
            Call::Fragment { text, payload, last } => self.fragment(*text, payload, *last),
            Call::Ping(len) => {
                let payload = vec![b'i'; usize::from(*len)];
                self.send(None, |end| send!(end, end => end.ping(&payload)));
            }
            Call::Pong(len) => {
                let payload = vec![b'o'; usize::from(*len)];
                self.send(None, |end| send!(end, end => end.pong(&payload)));
            }
            Call::Close(code, len) => {
                let code = CloseCode::new(*code).unwrap_or(CloseCode::NORMAL);
                let reason = "€".repeat(usize::from(*len));
                self.send(None, |end| send!(end, end => end.close(code, &reason)));
            }
            Call::Owned(len) => {
                let bytes = vec![9; usize::from(*len) * 80];
                let message = Message::from(bytes.clone());
                self.send(Some(Seen::Binary(bytes)), |end| send!(end, end => end.send_owned(message)));
            }
            Call::Header(len) => self.header(usize::from(*len)),
            Call::BufferPayload(n) => {
                let part = Vec::from_iter(self.owed.drain(..usize::from(*n).min(self.owed.len())));
                send!(&mut self.end, end => end.buffer_payload(&part));
                self.buffered += part.len();
            }
            Call::Compress(enabled) => send!(&mut self.end, end => end.compress(*enabled)),
            Call::Write(n) => self.write(usize::from(*n)),
            Call::Take => self.in_flight.extend(send!(&mut self.end, end => end.take_output())),
            Call::Shrink => send!(&mut self.end, end => end.shrink()),
            Call::End => {
                match &mut self.end {
                    End::Whole(connection) => connection.recv_eof(),
                    End::Halves(receiver, _) => receiver.recv_eof(),
                }
                self.end.receive(Mode::Messages, &[], &mut self.seen);
            }
            Call::Error => {
                self.dropped = true;
                match &mut self.end {
                    End::Whole(connection) => connection.recv_error(),
                    End::Halves(receiver, sender) => {
                        receiver.recv_error();
                        sender.abort();
                    }
                }
                self.end.receive(Mode::Messages, &[], &mut self.seen);
            }
            Call::Time(seconds) => {
                let step = Duration::from_secs(u64::from(seconds.unsigned_abs()));
                self.now =
                    if *seconds < 0 { self.now.saturating_sub(step) } else { self.now.saturating_add(step) };
                self.end.time(self.now, &mut self.seen);
            }
            Call::Due => self.due(),
        }
        self.check();
    }

    /// Whoever calls whenever asked to is soon asked for a later time.
    fn due(&mut self) {
        for _ in 0..8 {
            match self.end.advice().3 {
                Some(next) => self.now = self.now.max(next),
                None => return,
            }
            self.end.time(self.now, &mut self.seen);
            if self.end.advice().3.is_none_or(|next| next > self.now) {
                return;
            }
        }
        panic!("I14: `next_timeout` makes no progress");
    }

    fn send(&mut self, seen: Option<Seen>, call: impl FnOnce(&mut End) -> Result<(), SendError>) -> bool {
        let (before, state) = (self.end.output_len(), self.end.advice().0);
        let result = call(&mut self.end);
        match result {
            Ok(()) => {
                assert_eq!(state, State::Open, "I10");
                self.sent.extend(seen);
            }
            Err(_) => assert_eq!(self.end.output_len(), before, "an error changes nothing"),
        }
        result.is_ok()
    }

    fn fragment(&mut self, text: bool, payload: &[u8], last: bool) {
        let owned = String::from_utf8_lossy(payload).into_owned();
        let message = if text { Message::from(owned.as_str()) } else { Message::from(payload) };
        if !self.send(None, |end| send!(end, end => end.send_fragment(&message, last))) {
            return;
        }
        let (kind, mut bytes) = self.fragments.take().unwrap_or((message.kind(), Vec::new()));
        assert_eq!(kind, message.kind(), "fragments of two kinds are refused");
        bytes.extend_from_slice(message.as_bytes());
        match (last, kind) {
            (false, _) => self.fragments = Some((kind, bytes)),
            (true, Kind::Text) => self.sent.push(Seen::Text(String::from_utf8_lossy(&bytes).into_owned())),
            (true, Kind::Binary) => self.sent.push(Seen::Binary(bytes)),
        }
    }

    fn header(&mut self, len: usize) {
        let mut payload = vec![7; len];
        let mut key: Option<Mask> = None;
        let seen = Seen::Binary(payload.clone());
        let sent = self.send(Some(seen), |end| {
            send!(end, end => end.send_header(Kind::Binary, len)).map(|mask| key = mask)
        });
        if let Some(mut mask) = key {
            mask.apply(&mut payload);
        }
        if sent {
            self.owed = payload;
        }
    }

    fn write(&mut self, n: usize) {
        let flying = Vec::from_iter(self.in_flight.iter().map(|segment| segment.as_ref().to_vec())).concat();
        let output = self.end.output();
        let mut bytes = [&flying[..], &output, &self.owed].concat();
        bytes.truncate(n);
        self.owed.drain(..bytes.len().saturating_sub(flying.len() + output.len()));
        let mut landed = bytes.len().min(flying.len());
        while landed > 0 {
            let Some(segment) = self.in_flight.front_mut() else { break };
            let n = landed.min(segment.len());
            segment.advance(n);
            landed -= n;
            if segment.is_empty() {
                self.in_flight.pop_front();
            }
        }
        send!(&mut self.end, end => end.output_written(bytes.len()));
        self.written.extend(bytes);
    }

    fn check(&mut self) {
        let (state, owed, _, next) = self.end.advice();
        let over = matches!(self.seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
        assert!(!over || state != State::Open, "I4");
        assert!(self.end.output_len() <= self.max_output + REPLIES + self.buffered, "I11");
        if self.end.output_len() == 0 && !self.in_flight.is_empty() {
            self.in_flight.clear();
            self.dropped = true;
        }
        let flying: usize = self.in_flight.iter().map(Segment::len).sum();
        assert_eq!(self.end.output().len() + flying, self.end.output_len());
        if owed == 0 && !self.owed.is_empty() {
            self.owed.clear();
            self.dropped = true;
        }
        assert_eq!(owed, self.owed.len() as u64);
        if let Some(Seen::Failed(error)) = self.seen.events.last() {
            self.dropped |= error.close_code().is_none();
        }
        if state == State::Ended && self.end.output_len() == 0 && self.owed.is_empty() {
            assert_eq!(next, None, "I14: nothing is due behind the end");
            // A peer that was given up behind its own Close is not told of.
            self.dropped = true;
        }
        send!(&self.end, end => {
            assert_eq!(end.wants_write(), !end.output().is_empty());
            assert!(!end.should_shutdown() || end.output_len() == 0 && end.payload_owed() == 0);
        });
    }

    /// Writes all that is left and judges what was written.
    fn finish(mut self) {
        while self.end.output_len() > 0 || !self.owed.is_empty() {
            self.write(usize::MAX);
        }
        let written = transcript::decode(self.role.opposite(), &self.written, self.no_takeover);
        assert_eq!(written.error(), None, "I8");
        let is_close = |event: &&Seen| matches!(event, Seen::Close(_));
        let closes = written.events.iter().filter(is_close).count();
        let state = self.end.advice().0;
        assert!(
            closes == 1 || closes == 0 && (self.dropped || state == State::Open),
            "I10: one Close if one is due"
        );
        let is_data = |event: &&Seen| matches!(event, Seen::Text(_) | Seen::Binary(_));
        let arrived = Vec::from_iter(written.events.iter().filter(is_data).cloned());
        assert!(self.sent.starts_with(&arrived), "I9: what was accepted arrives, in order");
        assert!(self.dropped || self.sent.len() == arrived.len(), "I9: all of it");
    }
}

fn settings(life: &Life<'_>) -> Config {
    let seconds = |which: u8| {
        let times = [0, 1, 2, 5, 60, u64::MAX];
        Duration::from_secs(times[usize::from(which) % times.len()])
    };
    let [ping, pong, idle, close, write] = life.timers;
    let some = |which: u8| (which >= 128).then(|| seconds(which));
    config(LIMITS)
        .max_output(max_output(life))
        .high_water(100)
        .ping_interval(some(ping))
        .pong_timeout(seconds(pong))
        .idle_timeout(some(idle))
        .close_timeout(seconds(close))
        .write_timeout(some(write))
}

const MAX_CALLS: usize = 60;
fn max_output(life: &Life<'_>) -> usize {
    if life.large { 25_000 } else { 400 }
}

/// Sixteen Pongs, the latest one, a Ping and a Close.
const REPLIES: usize = 19 * (2 + 4 + 125);
