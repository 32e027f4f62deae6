//! Two connections over a transport that delays and stalls, in virtual time: a peer that answers is never lost, and one that is gone
//! always is, whatever either end is sending, and even if the loop of one is late: I14.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use core::time::Duration;
use std::collections::VecDeque;

use common::*;
use sansocket::{CloseCode, Config, Connection, Event, Input, Kind, ProtocolError};

/// Far less than [`PATIENCE`], in both directions together.
const LONGEST_STALL: usize = 5;
const LONGEST_DELAY: usize = 2;
const PATIENCE: Duration = Duration::from_secs(20);
/// For longer than that, the loop of a busy end does nothing; the other end is more patient.
const BUSIEST: usize = 30;
const MORE_PATIENCE: Duration = Duration::from_secs(80);
/// Enough for every deadline, one after the other.
const LIFE: u64 = 400;

#[test]
fn a_peer_that_answers_is_never_lost() {
    for seed in 0..800 {
        let ends = live(seed, None);
        for end in ends {
            assert_eq!(end.failed, None, "seed {seed}: {end:?}");
            assert_eq!(end.connection.is_ended(), end.closes, "seed {seed}: {end:?}");
        }
    }
}

#[test]
fn a_peer_that_is_gone_is_always_lost() {
    for seed in 0..400 {
        for end in live(seed, Some(seed % 100)) {
            assert!(end.connection.is_ended(), "seed {seed}: {end:?}");
        }
    }
}

#[derive(Debug)]
struct End {
    connection: Connection,
    /// How often it sends: each second, rarely, never.
    idle: usize,
    /// On the way to it, with the time of arrival; nothing: the end of the stream.
    arriving: VecDeque<(u64, Vec<u8>)>,
    /// For how long its transport takes nothing.
    stall: usize,
    /// For how long its loop does nothing.
    busy: usize,
    shut_down: bool,
    /// Whether either end closes the connection.
    closes: bool,
    failed: Option<ProtocolError>,
}

/// Lets both ends run, until the transport of both is `gone`: it delivers nothing more.
fn live(seed: u64, gone: Option<u64>) -> [End; 2] {
    let mut rng = Rng::new(seed);
    let gets_busy = rng.one_in(2);
    let patience = if gets_busy { MORE_PATIENCE } else { PATIENCE };
    let config = Config::default()
        .ping_interval(Some(Duration::from_secs(rng.pick(&[5, 10, 30]))))
        .pong_timeout(patience)
        .close_timeout(patience)
        .write_timeout(Some(patience * 3))
        .max_output(rng.pick(&[200, 5_000, 1 << 20]))
        .high_water(rng.pick(&[0, 1000, 64 << 10]));
    let closes = rng.one_in(2);
    let mut ends = Role::BOTH.map(|role| End {
        connection: role.connection(if role == Role::Server {
            config.pong_timeout(PATIENCE)
        } else {
            config
        }),
        idle: rng.pick(&[1, 8, 25, usize::MAX]),
        arriving: VecDeque::new(),
        stall: 0,
        busy: 0,
        shut_down: false,
        closes,
        failed: None,
    });
    // Once gone, the transport takes this much, and loses it.
    let mut buffers = [rng.pick(&[0, 10_000, 100_000]); 2];
    for now in 0..LIFE {
        for i in 0..2 {
            let is_gone = gone.is_some_and(|gone| now >= gone);
            let end = &mut ends[i];
            if gets_busy && i == 0 && end.is_busy(&mut rng) {
                continue;
            }
            end.receive(now);
            if closes && i == 0 && now >= LIFE / 2 {
                // The other one may have been faster, if it was lost.
                let _ = end.connection.close(CloseCode::NORMAL, "");
            }
            end.send(&mut rng);
            let room = end.room(&mut rng);
            let written = end.write(if is_gone { room.min(buffers[i]) } else { room });
            buffers[i] -= if is_gone { written.len() } else { 0 };
            let ends_stream = end.connection.should_shutdown() && !end.shut_down;
            end.shut_down |= ends_stream;
            if !is_gone {
                let other = &mut ends[1 - i].arriving;
                let at = now + 1 + rng.below(LONGEST_DELAY) as u64;
                let at = other.back().map_or(at, |(last, _)| at.max(*last));
                other.extend((!written.is_empty()).then_some((at, written)));
                other.extend(ends_stream.then_some((at, Vec::new())));
            }
        }
    }
    ends
}

impl End {
    /// Like a loop that sleeps until the next deadline or until something arrives, and receives that first.
    fn receive(&mut self, now: u64) {
        let now_at = Duration::from_secs(now);
        let has_news = self.arriving.front().is_some_and(|(at, _)| *at <= now);
        let is_due = self.connection.next_timeout().is_some_and(|due| due <= now_at);
        self.receive_all(now);
        if has_news || is_due {
            self.connection.handle_timeout(now_at);
            self.receive_all(now);
        }
    }

    fn receive_all(&mut self, now: u64) {
        loop {
            let is_due = self.arriving.front().is_some_and(|(at, _)| *at <= now);
            let read = if is_due && self.connection.wants_read() { self.arriving.pop_front() } else { None };
            let (was_read, mut bytes) = (read.is_some(), read.map_or(Vec::new(), |(_, bytes)| bytes));
            if was_read && bytes.is_empty() {
                self.connection.recv_eof();
            }
            let mut input = Input::new(&mut bytes);
            while let Some(event) = self.connection.recv(&mut input) {
                if let Event::Failed(error) = event {
                    self.failed = Some(error);
                }
            }
            if !was_read {
                return;
            }
        }
    }

    /// Its loop has written everything before it does something else.
    fn is_busy(&mut self, rng: &mut Rng) -> bool {
        let waits = self.connection.output_len() > 0 || self.connection.payload_owed() > 0;
        self.busy = match self.busy {
            0 if !waits && rng.one_in(10) => rng.below(BUSIEST),
            busy => busy.saturating_sub(1),
        };
        self.busy > 0
    }

    /// What does not fit is not sent.
    fn send(&mut self, rng: &mut Rng) {
        if self.idle == usize::MAX || !rng.one_in(self.idle) {
            return;
        }
        let (connection, len) = (&mut self.connection, rng.below(50_000));
        let _ = match rng.below(5) {
            0 => connection.send_binary(&vec![7; len % 3000]),
            1 => connection.send_binary_owned(vec![7; len]),
            2 => connection.ping(b"another"),
            3 => connection.pong(b""),
            // Binary: whatever the mask makes of it is a payload.
            _ => connection.send_header(Kind::Binary, len).map(drop),
        };
    }

    /// How much the transport takes in this second.
    fn room(&mut self, rng: &mut Rng) -> usize {
        self.stall = match self.stall {
            0 if rng.one_in(6) => 1 + rng.below(LONGEST_STALL),
            stall => stall.saturating_sub(1),
        };
        match self.stall {
            0 => rng.pick(&[10_000, 40_000, usize::MAX]),
            _ => 0,
        }
    }

    fn write(&mut self, mut room: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while room > 0 {
            let before = written.len();
            if self.connection.wants_write() {
                let output = self.connection.output();
                written.extend_from_slice(&output[..output.len().min(room)]);
            } else {
                let owed = usize::try_from(self.connection.payload_owed()).expect("less than 50,000");
                written.resize(before + owed.min(room), 7);
            }
            let n = written.len() - before;
            if n == 0 {
                break;
            }
            self.connection.output_written(n);
            room -= n;
        }
        written
    }
}
