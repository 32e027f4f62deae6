use sansocket::deflate::{Deflate, Params};
use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{Config, Connection, EncodedMessage, Event, Input, OsRandom, ReadBuffer};

use super::{Backlog, Broadcast, Deflated, Echo, Handshake, LIMIT, Library, SplitMix};
use crate::wire::Wire;
use crate::{Message, Role};

/// Which build of this crate it is.
pub const NAME: &str = if cfg!(feature = "simd") { SIMD } else { SAFE };
pub const SAFE: &str = "sansocket";
pub const SIMD: &str = "sansocket, simd";
pub const READ_BUFFER: &str = if cfg!(feature = "simd") { "simd, ReadBuffer" } else { "ReadBuffer" };
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
        let config = config();
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
                write(&mut self.connection, &mut self.wire);
            }
        }
    }
}

/// This crate, reading into a buffer in which a message that is cut stays until it is complete.
pub struct Buffered {
    wire: Wire,
    connection: Connection,
    buffer: ReadBuffer,
}

impl Library for Buffered {
    const NAME: &str = READ_BUFFER;

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let buffer = ReadBuffer::new(wire.read_size(), LIMIT);
        let Sansocket { wire, connection, .. } = Sansocket::<false>::new(role, wire, message);
        Self { wire, connection, buffer }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        let mut left = n;
        while left > 0 {
            let received = self.wire.receive(self.buffer.space());
            self.buffer.filled(received);
            let mut input = self.buffer.input();
            while let Some(event) = self.connection.recv(&mut input) {
                if let Event::Message(message) = event {
                    each(message.as_bytes());
                    left -= 1;
                }
            }
        }
    }

    fn send(&mut self, _: usize, _: usize) {
        unreachable!("it sends as the other does")
    }
}

/// Writes all that is waiting.
fn write(connection: &mut Connection, wire: &mut Wire) {
    while connection.wants_write() {
        let output = connection.output();
        let len = output.len();
        wire.send(output);
        connection.output_written(len);
    }
}

/// From how many bytes on a payload is written apart from its header.
const VECTORED: usize = 1024;

pub(super) fn config() -> Config {
    Config::default().max_frame(LIMIT as u64).max_message(LIMIT as u64).max_output(LIMIT)
}

impl Broadcast for Sansocket<false> {
    type Shared = EncodedMessage;

    fn share(message: &Message) -> EncodedMessage {
        EncodedMessage::new(&sansocket::Message::from(&message.payload[..]))
    }

    fn queue(&mut self, message: &EncodedMessage) {
        self.connection.send_encoded(message).unwrap();
    }
}

impl Backlog for Sansocket<false> {
    fn queue_own(&mut self) {
        self.connection.send_binary(&self.message.payload).unwrap();
    }

    fn write(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let output = self.connection.output();
            let n = output.len().min(bytes);
            self.wire.send(&output[..n]);
            self.connection.output_written(n);
            bytes -= n;
        }
    }
}

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
                write(&mut connection, wire);
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
        self.0.connection.send_binary(message).unwrap();
        write(&mut self.0.connection, &mut self.0.wire);
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
        write(&mut self.connection, self.wire);
    }
}
