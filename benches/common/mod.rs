//! What the benchmarks share: payloads, prepared streams, a reader, a writer and a cheap source of masks.

#![expect(dead_code, unreachable_pub, reason = "each benchmark uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]

pub mod payloads;

use core::iter;

use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{Config, Connection, Event, Input, Message};

pub const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];

/// A kind of payload, as a type, so that it shows in the name of the row.
pub trait Payload {
    fn message(size: usize) -> Message<'static>;
}

pub struct Binary;
pub struct Ascii;
pub struct MultiByte;

impl Payload for Binary {
    fn message(size: usize) -> Message<'static> {
        (0..size).map(|i| (i * 7) as u8).collect::<Vec<_>>().into()
    }
}

impl Payload for Ascii {
    fn message(size: usize) -> Message<'static> {
        "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(size).collect::<String>().into()
    }
}

impl Payload for MultiByte {
    fn message(size: usize) -> Message<'static> {
        let mut text = String::with_capacity(size);
        for next in "Ζαφείρι δέξου πάγκαλο, 天地玄黃 宇宙洪荒 🦀 ".chars().cycle()
        {
            if text.len() + next.len_utf8() > size {
                break;
            }
            text.push(next);
        }
        text.extend(iter::repeat_n('.', size - text.len()));
        text.into()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Server,
    Client,
}

impl Role {
    pub fn connection(self) -> Connection {
        let config = Config::default();
        match self {
            Self::Server => Connection::server(config),
            Self::Client => Connection::client(config, cheap_random()),
        }
    }

    const fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// Random enough to measure with, and for nothing else: SplitMix64.
pub fn cheap_random() -> impl FnMut(&mut [u8]) + Send {
    let mut state = 1_u64;
    move |bytes: &mut [u8]| {
        for word in bytes.chunks_mut(8) {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            word.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes()[..word.len()]);
        }
    }
}

/// The same message over and over, as the peer of `role` sends it: small enough to stay in the cache.
pub struct Stream {
    pub bytes: Vec<u8>,
    pub messages: usize,
}

impl Stream {
    pub fn new(role: Role, message: &Message<'_>) -> Self {
        let messages = (STREAM / message.as_bytes().len()).max(2);
        let mut peer = role.peer().connection();
        for _ in 0..messages {
            peer.send(message).unwrap();
        }
        Self { bytes: peer.output().to_vec(), messages }
    }

    /// Reads all of it, `buf` by `buf`, and tells how many messages there were.
    pub fn receive(&self, connection: &mut Connection, buf: &mut [u8]) -> usize {
        let mut messages = 0;
        for read in self.bytes.chunks(buf.len()) {
            let buf = &mut buf[..read.len()];
            buf.copy_from_slice(read);
            let mut input = Input::new(buf);
            while let Some(event) = connection.recv(&mut input) {
                if let Event::Message(message) = event {
                    divan::black_box(message.as_bytes());
                    messages += 1;
                }
            }
        }
        messages
    }
}

/// Where sent bytes go: one copy each, round and round.
pub struct Ring {
    bytes: Vec<u8>,
    at: usize,
}

impl Ring {
    pub fn new() -> Self {
        Self { bytes: vec![0; 64 << 10], at: 0 }
    }

    pub fn write(&mut self, mut from: &[u8]) {
        while !from.is_empty() {
            let to = &mut self.bytes[self.at..];
            let n = to.len().min(from.len());
            to[..n].copy_from_slice(&from[..n]);
            from = &from[n..];
            self.at = (self.at + n) % self.bytes.len();
        }
    }
}

const STREAM: usize = 256 << 10;

/// A server's whole handshake.
pub fn accept(request: &mut [u8]) -> Connection {
    match ServerHandshake::new(Config::default()).recv(&mut Input::new(request)) {
        ServerProgress::Upgrade(request) => request.accept(),
        _ => unreachable!("the request is valid"),
    }
}
