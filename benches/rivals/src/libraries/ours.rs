use sansocket::deflate::{Deflate, Params};
use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{Config, Connection, Event, Input, OsRandom};

use super::{Deflated, Echo, Handshake, Library, SplitMix};
use crate::wire::Wire;
use crate::{Message, Role};

/// Which build of this crate it is.
pub const NAME: &str = if cfg!(feature = "simd") { SIMD } else { SAFE };
pub const SAFE: &str = "sansocket";
pub const SIMD: &str = "sansocket, simd";
const OS_MASKS: &str = if cfg!(feature = "simd") { "simd, OS masks" } else { "OS masks" };

/// This crate, with masks from a fast generator or from the operating system.
pub struct Sansocket<const OS_RANDOM: bool> {
    wire: Wire,
    connection: Connection,
    buf: Vec<u8>,
    message: Message,
    role: Role,
}

impl<const OS_RANDOM: bool> Library for Sansocket<OS_RANDOM> {
    const NAME: &str = if OS_RANDOM { OS_MASKS } else { NAME };

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let config = Config::default();
        let connection = match role {
            Role::Server => Connection::server(config),
            Role::Client if OS_RANDOM => Connection::client(config, OsRandom),
            Role::Client => Connection::client(config, SplitMix(1)),
        };
        Self { buf: vec![0; wire.read_size()], wire, connection, message: message.clone(), role }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        let mut left = n;
        while left > 0 {
            let received = self.wire.receive(&mut self.buf);
            let mut input = Input::new(&mut self.buf[..received]);
            while let Some(event) = self.connection.recv(&mut input) {
                if let Event::Message(message) = event {
                    each(message.as_bytes());
                    left -= 1;
                }
            }
        }
    }

    fn send(&mut self, n: usize, flush: usize) {
        let payload = &self.message.payload[..];
        if self.role == Role::Server && payload.len() >= VECTORED {
            for _ in 0..n {
                let mask =
                    self.connection.send_header(sansocket::frame::Kind::Binary, payload.len()).unwrap();
                assert!(mask.is_none());
                let header = self.connection.output();
                let len = header.len() + payload.len();
                self.wire.send(header);
                self.wire.send(payload);
                self.connection.output_written(len);
            }
            return;
        }
        for i in 1..=n {
            self.connection.send_binary(payload).unwrap();
            if i % flush == 0 {
                let output = self.connection.output();
                let len = output.len();
                self.wire.send(output);
                self.connection.output_written(len);
            }
        }
    }
}

/// From how many bytes on a payload is written apart from its header.
const VECTORED: usize = 1024;

impl Handshake for Sansocket<false> {
    /// The buffer to read into.
    type Kept = Vec<u8>;

    fn accept(wire: &mut Wire, buf: &mut Vec<u8>) {
        buf.resize(wire.read_size(), 0);
        let received = wire.receive(buf);
        let mut input = Input::new(&mut buf[..received]);
        match ServerHandshake::new(Config::default()).recv(&mut input) {
            ServerProgress::Upgrade(request) => {
                let mut connection = request.accept();
                let output = connection.output();
                let len = output.len();
                wire.send(output);
                connection.output_written(len);
            }
            _ => panic!("the request is valid, and comes at once"),
        }
    }
}

pub struct DeflatedSansocket(Sansocket<false>);

impl Deflated for DeflatedSansocket {
    const NAME: &str = NAME;
    type Message = Vec<u8>;

    fn new(wire: Wire, takeover: bool) -> Self {
        let mut params = Params::default();
        params.server_no_context_takeover = !takeover;
        params.client_no_context_takeover = !takeover;
        let unused = Message { text: false, payload: Vec::new() };
        let mut library = Sansocket::new(Role::Server, wire, &unused);
        library.connection =
            Connection::server(Config::default()).with_deflate(&Deflate::default().level(1), &params);
        Self(library)
    }

    fn message(payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }

    fn receive(&mut self, n: usize, each: impl FnMut(&[u8])) {
        self.0.receive(n, each);
    }

    fn send(&mut self, message: &mut Vec<u8>) {
        let connection = &mut self.0.connection;
        connection.send_binary(message).unwrap();
        let output = connection.output();
        let len = output.len();
        self.0.wire.send(output);
        connection.output_written(len);
    }
}

pub struct EchoSansocket {
    connection: Connection,
    wire: &'static mut Wire,
    buf: &'static mut [u8],
}

impl Echo for EchoSansocket {
    const NAME: &str = NAME;
    const STATE: usize = size_of::<Connection>();

    fn new(wire: &'static mut Wire, buf: &'static mut [u8]) -> Self {
        Self { connection: Connection::server(Config::default()), wire, buf }
    }

    fn echo(&mut self) {
        while !self.connection.wants_write() {
            let received = self.wire.receive(self.buf);
            let mut input = Input::new(&mut self.buf[..received]);
            while let Some(event) = self.connection.recv(&mut input) {
                if let Event::Message(message) = event {
                    self.connection.send(&message).unwrap();
                }
            }
        }
        let output = self.connection.output();
        let len = output.len();
        self.wire.send(output);
        self.connection.output_written(len);
    }
}
