//! Two endpoints wired together in memory, with seeded sizes of reads and writes and virtual time: I8, I9 and
//! I10.
#![cfg(feature = "alloc")]

mod common;

use core::time::Duration;
use std::collections::VecDeque;

use common::*;
use sansocket::frame::Kind;
use sansocket::{CloseCode, Config, Connection, EncodedMessage, Message, SendError, State};

#[test]
fn what_one_end_sends_the_other_gets_in_order_and_exactly() {
    for seed in 0..1000 {
        let mut pair = Pair::new(seed);
        for _ in 0..50 + seed {
            pair.step();
        }
        pair.finish();
        pair.check();
    }
}

#[test]
fn it_holds_for_big_messages_too() {
    for seed in 0..6 {
        let mut pair = Pair::new(seed);
        pair.biggest = 300_000;
        pair.wire = 100_000;
        for _ in 0..60 {
            pair.step();
        }
        pair.finish();
        pair.check();
    }
}

#[cfg(feature = "deflate")]
#[test]
fn it_holds_with_compression_of_any_parameters() {
    for seed in 0..600 {
        let mut pair = Pair::new(seed).compressing();
        for _ in 0..50 + seed / 2 {
            pair.step();
        }
        pair.finish();
        pair.check();
    }
    for seed in 0..6 {
        let mut pair = Pair::new(seed).compressing();
        pair.biggest = 60_000;
        pair.wire = 30_000;
        for _ in 0..60 {
            pair.step();
        }
        pair.finish();
        pair.check();
    }
}

struct Pair {
    rng: Rng,
    now: Duration,
    ends: [End; 2],
    biggest: usize,
    wire: usize,
}

struct End {
    role: Role,
    connection: Connection,
    /// Payload that this end owes, masked, and writes itself.
    owed: VecDeque<u8>,
    /// The message in fragments that is under way.
    fragments: Option<(Kind, Vec<u8>)>,
    /// What was accepted by this end's connection, and what the other end was told.
    accepted: Vec<Seen>,
    seen: Collector,
    /// Whether this end compresses each message for itself; `None`: it compresses nothing.
    no_takeover: Option<bool>,
    /// On the way to the other end, and all that ever was.
    wire: VecDeque<u8>,
    transcript: Vec<u8>,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut end = |role: Role| {
            let config = Config::default()
                .ping_interval(rng.one_in(2).then_some(Duration::from_secs(3)))
                .pong_timeout(Duration::from_secs(1 << 30))
                .idle_timeout(rng.one_in(8).then_some(Duration::from_secs(30)))
                .close_timeout(Duration::from_secs(1 << 30))
                .max_output(rng.pick(&[300, 5_000, 64 << 20]))
                .high_water(rng.pick(&[0, 1000, 64 << 10]));
            End {
                role,
                connection: role.connection(config),
                owed: VecDeque::new(),
                fragments: None,
                accepted: Vec::new(),
                seen: Collector::default(),
                no_takeover: None,
                wire: VecDeque::new(),
                transcript: Vec::new(),
            }
        };
        let ends = [end(Role::Server), end(Role::Client)];
        Self { rng, now: Duration::ZERO, ends, biggest: 400, wire: 300 }
    }

    /// Both ends with compression, of parameters that they could have agreed on.
    #[cfg(feature = "deflate")]
    fn compressing(mut self) -> Self {
        use sansocket::deflate::{Deflate, Params};
        let mut params = Params::default();
        params.server_no_context_takeover = self.rng.one_in(2);
        params.client_no_context_takeover = self.rng.one_in(2);
        params.server_max_window_bits = 9 + self.rng.below(7) as u8;
        params.client_max_window_bits = 9 + self.rng.below(7) as u8;
        self.ends = self.ends.map(|end| {
            let deflate = Deflate::default()
                .level(self.rng.pick(&[1, 1, 6, 9]))
                .threshold(self.rng.pick(&[0, 10, 100]))
                .server_max_window_bits(self.rng.pick(&[9, 12, 15]));
            let no_takeover = match end.role {
                Role::Server => params.server_no_context_takeover,
                Role::Client => params.client_no_context_takeover,
            };
            let connection = end.connection.with_deflate(&deflate, &params);
            End { connection, no_takeover: Some(no_takeover), ..end }
        });
        self
    }

    fn step(&mut self) {
        let i = self.rng.below(2);
        let rng = &mut self.rng;
        match rng.below(10) {
            0..=3 => self.ends[i].operate(rng, self.biggest),
            4..=6 => self.ends[i].write(1 + rng.below(self.wire)),
            7..=8 => self.read(i, self.wire),
            _ => {
                self.now += Duration::from_millis(rng.number() % 2000);
                assert_eq!(timeout(&mut self.ends[i].connection, self.now), None);
            }
        }
    }

    /// End `i` reads some of what the other one wrote.
    fn read(&mut self, i: usize, most: usize) {
        if !self.ends[i].connection.wants_read() {
            return;
        }
        let wire = &mut self.ends[1 - i].wire;
        let n = wire.len().min(1 + self.rng.below(most));
        let bytes = Vec::from_iter(wire.drain(..n));
        let mode = self.rng.pick(&[Mode::Messages, Mode::Chunks]);
        let end = &mut self.ends[i];
        feed(&mut end.connection, mode, &bytes, &mut end.seen);
    }

    /// Lets everything arrive, closes, and lets that arrive too.
    fn finish(&mut self) {
        let i = self.rng.below(2);
        for round in 0..2 {
            for _ in 0..100_000 {
                for end in &mut self.ends {
                    end.write(usize::MAX);
                }
                self.read(0, 1 << 20);
                self.read(1, 1 << 20);
                if self.ends.iter().all(End::is_quiet) {
                    break;
                }
            }
            assert!(self.ends.iter().all(End::is_quiet), "neither end waits for the other");
            if round == 0 {
                let _ = self.ends[i].connection.close(CloseCode::NORMAL, "finish");
            }
        }
    }

    fn check(self) {
        let [server, client] = self.ends;
        for (from, to) in [(&server, &client), (&client, &server)] {
            assert_eq!(to.connection.state(), State::Closed);
            assert_eq!(from.accepted, accepted(&to.seen.events), "I9: {:?}", from.role);

            let frames = sent(&from.transcript);
            assert!(frames.iter().all(|frame| frame.key.is_some() == (from.role == Role::Client)));
            let closes = frames.iter().filter(|frame| frame.first == CLOSE).count();
            assert_eq!(closes, 1, "I10: one Close");
            let behind = frames.iter().skip_while(|frame| frame.first != CLOSE).skip(1);
            assert!(behind.clone().all(|frame| frame.first == PONG), "I10: no data behind it");
            let independent = model(to.role, NO_LIMITS, &plain_transcript(from));
            assert_eq!(independent.events, to.seen.events, "I8: the model reads the same");
            // Pongs answer pings in order, though some may be left out.
            let mut pings = from.seen.events.iter().filter(|event| matches!(event, Seen::Ping(_)));
            for pong in &to.seen.events {
                if let Seen::Pong(pong) = pong
                    && pong != b"heartbeat"
                {
                    assert!(pings.any(|ping| *ping == Seen::Ping(pong.clone())), "a Pong without a Ping");
                }
            }
        }
        assert!(server.connection.should_shutdown() && !client.connection.should_shutdown(), "trap 49");
    }
}

/// What an end wrote, decompressed by an independent decompressor.
fn plain_transcript(from: &End) -> Vec<u8> {
    let Some(no_takeover) = from.no_takeover else { return from.transcript.clone() };
    let (mut naive, mut message, mut bytes) = (Naive::default(), None, Vec::new());
    for Sent { first, key, payload } in sent(&from.transcript) {
        if first & 0x40 != 0 {
            message = Some((first & 0xBF | 0x80, Vec::new()));
        }
        match &mut message {
            Some((plain_first, compressed)) if first & 0x08 == 0 => {
                compressed.extend(payload);
                if first & 0x80 != 0 {
                    if no_takeover {
                        naive.history.clear();
                    }
                    bytes.extend(frame(*plain_first, key, &naive.message(compressed).expect("valid")));
                    let old = naive.history.len().saturating_sub(1 << 15);
                    naive.history.drain(..old);
                    message = None;
                }
            }
            _ => bytes.extend(frame(first, key, &payload)),
        }
    }
    bytes
}

/// Without what connections send by themselves.
fn accepted(events: &[Seen]) -> Vec<Seen> {
    let by_caller = |event: &&Seen| match event {
        Seen::Ping(payload) => !payload.is_empty(),
        Seen::Pong(payload) => payload == b"heartbeat",
        Seen::Close(_) | Seen::Failed(_) => false,
        Seen::Text(_) | Seen::Binary(_) => true,
    };
    events.iter().filter(by_caller).cloned().collect()
}

impl End {
    /// One call of one of the sending methods.
    fn operate(&mut self, rng: &mut Rng, biggest: usize) {
        let size = match rng.below(8) {
            0 => 0,
            1 => rng.below(biggest),
            _ => rng.below(40),
        };
        let message = match rng.one_in(2) {
            true => Message::from(rng.text(size / 2)),
            false => Message::from(rng.bytes(size)),
        };
        let connection = &mut self.connection;
        let before = output(connection);
        let result = match rng.below(12) {
            0 => connection.send(&message).map(|()| Some(seen(&message))),
            1 => connection.send_owned(message.clone()).map(|()| Some(seen(&message))),
            2 => connection.send_encoded(&encoded(&message, rng)).map(|()| Some(seen(&message))),
            3..=6 => self.fragment(&message, rng.one_in(3)),
            7 => {
                let payload = format!("ping {}", rng.below(1000)).into_bytes();
                connection.ping(&payload).map(|()| Some(Seen::Ping(payload)))
            }
            8 if self.no_takeover.is_some() && rng.one_in(2) => {
                connection.compress(rng.one_in(2));
                Ok(None)
            }
            8 => connection.pong(b"heartbeat").map(|()| Some(Seen::Pong(b"heartbeat".to_vec()))),
            9..=10 => self.header(&message),
            _ if rng.one_in(12) => connection.close(CloseCode::GOING_AWAY, "bye").map(|()| None),
            _ => {
                // All that is owed, or a part of it.
                let n = if rng.one_in(2) { self.owed.len() } else { rng.below(self.owed.len()) };
                let part = Vec::from_iter(self.owed.drain(..n));
                connection.buffer_payload(&part);
                Ok(None)
            }
        };
        match result {
            Ok(seen) => self.accepted.extend(seen),
            Err(_) => assert_eq!(output(&self.connection), before, "an error changes nothing"),
        }
        assert_eq!(self.connection.payload_owed(), self.owed.len() as u64);
    }

    fn fragment(&mut self, message: &Message<'_>, last: bool) -> Result<Option<Seen>, SendError> {
        self.connection.send_fragment(message, last)?;
        let (kind, mut bytes) = self.fragments.take().unwrap_or((message.kind(), Vec::new()));
        bytes.extend_from_slice(message.as_bytes());
        if last {
            return Ok(Some(match kind {
                Kind::Text => Seen::Text(String::from_utf8_lossy(&bytes).into_owned()),
                Kind::Binary => Seen::Binary(bytes),
            }));
        }
        self.fragments = Some((kind, bytes));
        Ok(None)
    }

    fn header(&mut self, message: &Message<'_>) -> Result<Option<Seen>, SendError> {
        let mut payload = message.as_bytes().to_vec();
        if let Some(mut mask) = self.connection.send_header(message.kind(), payload.len())? {
            mask.apply(&mut payload);
        }
        self.owed.extend(payload);
        Ok(Some(seen(message)))
    }

    /// Writes some of the output and of what is owed behind it, as one vectored write would.
    fn write(&mut self, most: usize) {
        let mut bytes = output(&self.connection);
        bytes.extend(&self.owed);
        bytes.truncate(most);
        let payload = bytes.len().saturating_sub(self.connection.output_len());
        self.owed.drain(..payload);
        self.connection.output_written(bytes.len());
        self.transcript.extend_from_slice(&bytes);
        self.wire.extend(bytes);
    }

    fn is_quiet(&self) -> bool {
        self.wire.is_empty() && self.owed.is_empty() && !self.connection.wants_write()
    }
}

fn seen(message: &Message<'_>) -> Seen {
    match message {
        Message::Text(text) => Seen::Text(text.clone().into_owned()),
        Message::Binary(bytes) => Seen::Binary(bytes.clone().into_owned()),
    }
}

#[cfg(feature = "deflate")]
fn encoded(message: &Message<'_>, rng: &mut Rng) -> EncodedMessage {
    let deflate = sansocket::deflate::Deflate::default().server_max_window_bits(rng.pick(&[9, 12, 15]));
    if rng.one_in(2) { EncodedMessage::new(message) } else { EncodedMessage::compressed(message, &deflate) }
}

#[cfg(not(feature = "deflate"))]
fn encoded(message: &Message<'_>, _: &mut Rng) -> EncodedMessage {
    EncodedMessage::new(message)
}

/// What the documentation does not say is a matter of types: everything may be sent to another thread, and shared.
#[test]
fn everything_is_send_and_sync() {
    fn is<T: Send + Sync>() {}
    is::<(Connection, sansocket::Receiver, sansocket::Sender, sansocket::ReadBuffer)>();
    is::<(sansocket::Server, sansocket::Client, sansocket::Config)>();
    is::<(sansocket::Event<'_>, Message<'_>, EncodedMessage, sansocket::Segment, sansocket::Input<'_>)>();
    #[cfg(feature = "net")]
    is::<sansocket::net::WebSocket<std::net::TcpStream>>();
    #[cfg(feature = "net")]
    is::<(sansocket::net::ReadHalf<std::net::TcpStream>, sansocket::net::WriteHalf<std::net::TcpStream>)>();
    #[cfg(feature = "tokio")]
    is::<sansocket::tokio::WebSocket<tokio::net::TcpStream>>();
}
