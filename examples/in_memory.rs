//! Two ends in memory: how to test a protocol of your own without a socket, a thread or a clock.
//!
//! ```text
//! cargo run --release --example in_memory -- [--runs N] [--seed N]
//! ```
//!
//! The protocol here delivers numbered notes: the server acknowledges each, and what it has not acknowledged when a connection
//! is lost the client sends again over the next one. The transport delays, cuts at any byte, and breaks; time is virtual.
//! Every note has to arrive once, and in order. A run that fails is repeated by its seed.

#[path = "common/options.rs"]
mod options;

use std::collections::VecDeque;
use std::time::Duration;

use lexopt::Arg::Long;
use sansocket::handshake::ClientRequest;
use sansocket::{Client, ClientEvent, CloseCode, Config, Event, Input, Reconnect, Server, ServerEvent};

const USAGE: &str = "usage: in_memory [--runs N] [--seed N]

Tests a protocol over transports in memory that cut and break.

  --runs N     how many times (1000)
  --seed N     seed of the first run (0)
  -h, --help   print this";

fn main() {
    let (runs, first) = options::parse(USAGE, |args| {
        let (mut runs, mut seed) = (1000, 0);
        while let Some(arg) = args.next()? {
            match arg {
                Long("runs") => runs = options::value(args.value()?, "--runs", "a number")?,
                Long("seed") => seed = options::value(args.value()?, "--seed", "a number")?,
                _ => return Err(arg.unexpected()),
            }
        }
        Ok((runs, seed))
    });
    let (mut transports, mut time) = (0, Duration::ZERO);
    for seed in (first..).take(runs) {
        let world = run(seed);
        transports += world.transports;
        time += world.now;
    }
    let hours = time.as_secs() / 3600;
    println!("{runs} runs, {transports} transports, {hours} hours: every note arrived once and in order");
}

/// Delivers notes until all are acknowledged.
pub(crate) fn run(seed: u64) -> World {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let notes: Vec<_> = (0..NOTES).map(|i| format!("{i}{}", "é".repeat(chance.below(3000)))).collect();
    let (sender, receiver) = (Sender { notes: notes.clone(), ..Sender::default() }, Receiver::default());
    let mut world = World { chance, now: Duration::ZERO, transports: 0, sender, receiver };
    let mut reconnect = Reconnect::default();
    while world.sender.acknowledged < NOTES {
        world.transport(&mut reconnect);
        let mut random = world.chance.clone();
        if let Some(at) = reconnect.retry_at(world.now, &mut |bytes: &mut [u8]| random.fill(bytes)) {
            world.now = at;
        }
    }
    assert_eq!(world.receiver.notes, notes, "seed {seed}");
    world
}

/// The client's end of the protocol.
#[derive(Default)]
struct Sender {
    notes: Vec<String>,
    sent: usize,
    acknowledged: usize,
}

/// The server's.
#[derive(Default)]
struct Receiver {
    notes: Vec<String>,
}

impl Receiver {
    /// Takes a note, and tells how many there are.
    fn receive(&mut self, message: &str) -> String {
        if let Some((number, note)) = message.split_once(' ')
            && number.parse() == Ok(self.notes.len())
        {
            self.notes.push(note.to_owned());
        }
        self.notes.len().to_string()
    }
}

pub(crate) struct World {
    chance: Chance,
    pub(crate) now: Duration,
    pub(crate) transports: usize,
    sender: Sender,
    receiver: Receiver,
}

impl World {
    /// One transport, from the opening handshake to the end, or until it breaks.
    fn transport(&mut self, reconnect: &mut Reconnect) {
        self.transports += 1;
        let request = ClientRequest::new("ws://localhost/").expect("a valid URL");
        let mut random = self.chance.clone();
        let mut client = Client::new(request, Config::default(), move |bytes: &mut [u8]| random.fill(bytes));
        client.connected();
        let mut server = Server::new(Config::default());
        let (mut up, mut down) = (Wire::default(), Wire::default());
        let breaks_at = self.now + Duration::from_millis(self.chance.below(1000) as u64);
        while !client.is_ended() || !server.is_ended() {
            self.now += Duration::from_millis(self.chance.below(50) as u64 + 1);
            if self.now >= breaks_at {
                client.recv_error();
                server.recv_error();
            }

            let mut bytes = up.take(&mut self.chance);
            let mut input = Input::new(&mut bytes);
            while let Some(event) = server.recv(&mut input) {
                match event {
                    ServerEvent::Upgrade(request) => server.answer(request.accept()),
                    ServerEvent::Open(Event::Message(message)) => {
                        let answer = self.receiver.receive(message.as_text().unwrap_or_default());
                        let _ = server.connection().send_text(&answer);
                    }
                    _ => {}
                }
            }
            server.handle_timeout(self.now);
            server.output_written(down.put(server.output(), &mut self.chance));
            down.ended |= server.should_shutdown();
            if up.is_over() {
                server.recv_eof();
            }

            let mut bytes = down.take(&mut self.chance);
            let mut input = Input::new(&mut bytes);
            while let Some(event) = client.recv(&mut input) {
                reconnect.observe(&event, self.now);
                match event {
                    ClientEvent::Opened(_) => self.sender.sent = self.sender.acknowledged,
                    ClientEvent::Open(Event::Message(message)) => {
                        self.sender.acknowledged = message.as_text().unwrap_or_default().parse().unwrap_or(0);
                    }
                    _ => {}
                }
            }
            client.handle_timeout(self.now);
            let Sender { notes, sent, acknowledged } = &mut self.sender;
            while let Some(note) = notes.get(*sent)
                && client.connection().send_text(&format!("{sent} {note}")).is_ok()
            {
                *sent += 1;
            }
            if *acknowledged == NOTES {
                // Refused if the connection is not open any more.
                let _ = client.connection().close(CloseCode::NORMAL, "");
            }
            client.output_written(up.put(client.output(), &mut self.chance));
            up.ended |= client.should_shutdown();
            if down.is_over() {
                client.recv_eof();
            }
        }
    }
}

/// One direction of a transport.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Wire {
    /// Some of the output is written.
    fn put(&mut self, output: &[u8], chance: &mut Chance) -> usize {
        let n = chance.below(output.len() + 1);
        self.bytes.extend(&output[..n]);
        n
    }

    /// Some of what was written arrives.
    fn take(&mut self, chance: &mut Chance) -> Vec<u8> {
        let n = chance.below(self.bytes.len() + 1);
        self.bytes.drain(..n).collect()
    }

    fn is_over(&self) -> bool {
        self.ended && self.bytes.is_empty()
    }
}

/// xorshift64*: the same numbers for the same seed. For real masks there is `OsRandom`.
#[derive(Clone)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.below(256) as u8);
    }
}

const NOTES: usize = 20;
