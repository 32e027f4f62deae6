//! A server and a client wired together in memory, with seeded sizes of reads and writes and virtual time: I8, I9, I14.

use core::time::Duration;
use std::collections::VecDeque;

use sansocket::handshake::{ClientRequest, UpgradeRequest};
use sansocket::{
    Client, ClientEvent, CloseCode, Config, Event, Input, Message, Server, ServerEvent, State, Step,
};

use super::common::Rng;
use super::secs;

#[test]
fn what_one_end_sends_the_other_gets_from_the_request_to_the_close() {
    for seed in 0..600 {
        let mut pair = Pair::new(seed);
        for _ in 0..200 {
            pair.step();
        }
        pair.finish();
    }
}

struct Pair {
    rng: Rng,
    now: Duration,
    server: Server,
    client: Client,
    /// What is on its way to the server and to the client, and whether the end of the stream is behind it.
    to_server: (VecDeque<u8>, bool),
    to_client: (VecDeque<u8>, bool),
    request: Option<Box<UpgradeRequest>>,
    /// Messages that were accepted by one end, in order, and have not been received by the other.
    from_server: VecDeque<Vec<u8>>,
    from_client: VecDeque<Vec<u8>>,
    upgraded: bool,
    opened: bool,
    closed: [bool; 2],
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = Config::default()
            .high_water(rng.pick(&[0, 1000, 64 << 10]))
            .handshake_timeout(secs(100_000))
            .ping_interval(rng.one_in(2).then_some(secs(3)))
            .pong_timeout(secs(100_000))
            .close_timeout(secs(100_000))
            .write_timeout(None);
        let request = ClientRequest::new("ws://a/").expect("a valid URL");
        let mut random = Rng::new(seed);
        Self {
            rng,
            now: Duration::ZERO,
            server: Server::new(config),
            client: Client::new(request, config, move |bytes: &mut [u8]| random.fill(bytes)),
            to_server: (VecDeque::new(), false),
            to_client: (VecDeque::new(), false),
            request: None,
            from_server: VecDeque::new(),
            from_client: VecDeque::new(),
            upgraded: false,
            opened: false,
            closed: [false; 2],
        }
    }

    fn step(&mut self) {
        match self.rng.below(12) {
            0..=1 => self.server_reads(300),
            2..=3 => self.client_reads(300),
            4..=5 => self.write(300),
            6 => self.decide(),
            7 => {
                self.now += Duration::from_millis(self.rng.number() % 1000);
                self.server.handle_timeout(self.now);
                self.client.handle_timeout(self.now);
            }
            _ => {
                let len = self.rng.below(400);
                let payload = self.rng.bytes(len);
                let (connection, accepted) = match self.rng.one_in(2) {
                    true => (self.server.connection(), &mut self.from_server),
                    false => (self.client.connection(), &mut self.from_client),
                };
                let open = connection.state() == State::Open;
                assert_eq!(connection.send_binary(&payload).is_ok(), open);
                if open {
                    accepted.push_back(payload);
                }
            }
        }
        if let Step::Dial { .. } = self.client.step() {
            self.client.connected();
        }
    }

    fn decide(&mut self) {
        if let Some(request) = self.request.take() {
            self.server.answer(request.accept());
        }
    }

    fn server_reads(&mut self, most: usize) {
        let n = self.rng.below(most + 1).min(self.to_server.0.len());
        let mut bytes: Vec<u8> = match self.server.wants_read() {
            true => self.to_server.0.drain(..n).collect(),
            false => Vec::new(),
        };
        if self.server.wants_read() && self.to_server == (VecDeque::new(), true) && bytes.is_empty() {
            self.server.recv_eof();
        }
        let mut input = Input::new(&mut bytes);
        while let Some(event) = self.server.recv(&mut input) {
            match event {
                ServerEvent::Upgrade(request) => {
                    assert!(!self.upgraded, "I14: one request");
                    self.upgraded = true;
                    // At once, or when it is time.
                    self.request = Some(request);
                    if self.now.as_millis().is_multiple_of(2)
                        && let Some(request) = self.request.take()
                    {
                        self.server.answer(request.accept());
                    }
                }
                ServerEvent::Open(Event::Message(Message::Binary(bytes))) => {
                    assert_eq!(self.from_client.pop_front().as_deref(), Some(&*bytes), "I9");
                }
                ServerEvent::Open(Event::Close(_)) => self.closed[0] = true,
                ServerEvent::Open(Event::Ping(_) | Event::Pong(_)) => {}
                other => panic!("I8: {other:?}"),
            }
        }
    }

    fn client_reads(&mut self, most: usize) {
        let n = self.rng.below(most + 1).min(self.to_client.0.len());
        let mut bytes: Vec<u8> = match self.client.wants_read() {
            true => self.to_client.0.drain(..n).collect(),
            false => Vec::new(),
        };
        if self.client.wants_read() && self.to_client == (VecDeque::new(), true) && bytes.is_empty() {
            self.client.recv_eof();
        }
        let mut input = Input::new(&mut bytes);
        while let Some(event) = self.client.recv(&mut input) {
            match event {
                ClientEvent::Opened(_) => {
                    assert!(self.upgraded && !self.opened, "I14: one connection");
                    self.opened = true;
                }
                ClientEvent::Open(Event::Message(Message::Binary(bytes))) => {
                    assert_eq!(self.from_server.pop_front().as_deref(), Some(&*bytes), "I9");
                }
                ClientEvent::Open(Event::Close(_)) => self.closed[1] = true,
                ClientEvent::Open(Event::Ping(_) | Event::Pong(_)) => {}
                other => panic!("I8: {other:?}"),
            }
        }
    }

    fn write(&mut self, most: usize) {
        for server in [true, false] {
            let n = self.rng.below(most + 1);
            let (output, wire) = match server {
                true => (self.server.output(), &mut self.to_client),
                false => (self.client.output(), &mut self.to_server),
            };
            let n = n.min(output.len());
            assert!(n == 0 || !wire.1, "nothing is written behind the end");
            wire.0.extend(&output[..n]);
            match server {
                true => self.server.output_written(n),
                false => self.client.output_written(n),
            }
        }
        self.to_client.1 |= self.server.should_shutdown();
        self.to_server.1 |= self.client.should_shutdown();
    }

    /// Lets everything arrive, closes, and lets that arrive too.
    fn finish(&mut self) {
        for round in 0..100_000 {
            self.step_to_the_end();
            if round == 1000 {
                let _ = match self.rng.one_in(2) {
                    true => self.server.close(CloseCode::NORMAL, "bye"),
                    false => self.client.close(CloseCode::NORMAL, "bye"),
                };
            }
            if self.server.is_ended() && self.client.is_ended() {
                break;
            }
        }
        assert!(self.server.is_ended() && self.client.is_ended(), "I14: {:?} {:?}", self.server, self.client);
        assert!(self.from_server.is_empty() && self.from_client.is_empty(), "I9: all has arrived");
        assert_eq!((self.upgraded, self.opened, self.closed), (true, true, [true; 2]));
    }

    fn step_to_the_end(&mut self) {
        if let Step::Dial { .. } = self.client.step() {
            self.client.connected();
        }
        self.decide();
        self.write(1 << 20);
        self.server_reads(1 << 20);
        self.client_reads(1 << 20);
    }
}
