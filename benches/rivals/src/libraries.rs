//! The libraries, each behind the same two calls.

use std::pin::pin;
use std::str;
use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use sansocket::{Config, Connection, Event, Input, OsRandom, Random};

use crate::wire::Wire;
use crate::{Message, Role};

pub trait Library: Sized + 'static {
    const NAME: &str;

    /// A connection after its handshake. `message` is what it will send.
    fn new(role: Role, wire: Wire, message: &Message) -> Self;

    /// Receives `n` messages and hands each over as one slice.
    fn receive(&mut self, n: usize, each: impl FnMut(&[u8]));

    /// Sends the message `n` times, and flushes after every `flush` of them.
    fn send(&mut self, n: usize, flush: usize);
}

/// The work that nobody can avoid, and nothing else.
pub struct Memcpy {
    wire: Wire,
    buf: Vec<u8>,
    payload: Vec<u8>,
}

impl Library for Memcpy {
    const NAME: &str = "memcpy";

    fn new(_: Role, wire: Wire, message: &Message) -> Self {
        Self { buf: vec![0; wire.read_size()], wire, payload: message.payload.clone() }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        let mut left = n * self.payload.len();
        while left > 0 {
            let received = self.wire.receive(&mut self.buf);
            each(&self.buf[..received]);
            left = left.saturating_sub(received);
        }
    }

    fn send(&mut self, n: usize, _: usize) {
        for _ in 0..n {
            self.wire.send(&self.payload);
        }
    }
}

/// This crate, with masks from a fast generator or from the operating system.
pub struct Sansocket<const OS_RANDOM: bool> {
    wire: Wire,
    connection: Connection,
    buf: Vec<u8>,
    message: Message,
    role: Role,
}

impl<const OS_RANDOM: bool> Library for Sansocket<OS_RANDOM> {
    const NAME: &str = if OS_RANDOM { "sansocket, OS masks" } else { "sansocket" };

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

/// A generator as fast, and as weak, as those of the rivals.
struct SplitMix(u64);

impl Random for SplitMix {
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            word.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes()[..word.len()]);
        }
    }
}

pub struct Tungstenite {
    socket: tungstenite::WebSocket<Wire>,
    message: tungstenite::Message,
}

impl Library for Tungstenite {
    const NAME: &str = "tungstenite";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let config = tungstenite::protocol::WebSocketConfig::default().read_buffer_size(wire.read_size());
        let role = match role {
            Role::Server => tungstenite::protocol::Role::Server,
            Role::Client => tungstenite::protocol::Role::Client,
        };
        let message = tungstenite::Message::Binary(message.payload.clone().into());
        Self { socket: tungstenite::WebSocket::from_raw_socket(wire, role, Some(config)), message }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        for _ in 0..n {
            match self.socket.read().unwrap() {
                tungstenite::Message::Binary(bytes) => each(&bytes),
                tungstenite::Message::Text(text) => each(text.as_bytes()),
                _ => {}
            }
        }
    }

    fn send(&mut self, n: usize, flush: usize) {
        for i in 1..=n {
            self.socket.write(self.message.clone()).unwrap();
            if i % flush == 0 {
                self.socket.flush().unwrap();
            }
        }
    }
}

/// It checks no rules and joins nothing, so its caller does.
pub struct WebsocketSansIo {
    wire: Wire,
    decoder: websocket_sans_io::WebsocketFrameDecoder,
    encoder: websocket_sans_io::WebsocketFrameEncoder,
    buf: Vec<u8>,
    message: Vec<u8>,
    len: usize,
    out: Vec<u8>,
    payload: Vec<u8>,
    random: Option<SplitMix>,
}

impl Library for WebsocketSansIo {
    const NAME: &str = "websocket-sans-io";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        Self {
            buf: vec![0; wire.read_size()],
            wire,
            decoder: websocket_sans_io::WebsocketFrameDecoder::new(),
            encoder: websocket_sans_io::WebsocketFrameEncoder::new(),
            message: Vec::new(),
            len: 0,
            out: Vec::new(),
            payload: message.payload.clone(),
            random: (role == Role::Client).then_some(SplitMix(1)),
        }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        use websocket_sans_io::{Opcode, WebsocketFrameEvent as Event};
        let check = |opcode, bytes: &[u8]| assert!(opcode != Opcode::Text || str::from_utf8(bytes).is_ok());
        let mut left = n;
        while left > 0 {
            let received = self.wire.receive(&mut self.buf);
            let mut rest = &mut self.buf[..received];
            loop {
                let result = self.decoder.add_data(rest).unwrap();
                let (used, behind) = rest.split_at_mut(result.consumed_bytes);
                rest = behind;
                match result.event {
                    Some(Event::Start { frame_info, .. }) => {
                        assert!(frame_info.is_reasonable());
                        self.len = frame_info.payload_length as usize;
                    }
                    Some(Event::PayloadChunk { original_opcode }) if used.len() == self.len => {
                        check(original_opcode, used);
                        each(used);
                        left -= 1;
                    }
                    Some(Event::PayloadChunk { original_opcode }) => {
                        self.message.extend_from_slice(used);
                        if self.message.len() == self.len {
                            check(original_opcode, &self.message);
                            each(&self.message);
                            self.message.clear();
                            left -= 1;
                        }
                    }
                    Some(Event::End { .. }) => {}
                    None if rest.is_empty() => break,
                    None => {}
                }
            }
        }
    }

    fn send(&mut self, n: usize, flush: usize) {
        for i in 1..=n {
            let mask = self.random.as_mut().map(|random| {
                let mut key = [0; 4];
                random.fill(&mut key);
                key
            });
            let header = self.encoder.start_frame(&websocket_sans_io::FrameInfo {
                opcode: websocket_sans_io::Opcode::Binary,
                payload_length: self.payload.len() as u64,
                mask,
                fin: true,
                reserved: 0,
            });
            self.out.extend_from_slice(&header);
            let start = self.out.len();
            self.out.extend_from_slice(&self.payload);
            self.encoder.transform_frame_payload(&mut self.out[start..]);
            if i % flush == 0 {
                self.wire.send(&self.out);
                self.out.clear();
            }
        }
    }
}

pub struct TokioWebsockets {
    socket: tokio_websockets::WebSocketStream<Wire>,
    message: tokio_websockets::Message,
}

impl Library for TokioWebsockets {
    const NAME: &str = "tokio-websockets";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let socket = match role {
            Role::Server => tokio_websockets::ServerBuilder::new().serve(wire),
            Role::Client => tokio_websockets::ClientBuilder::new().take_over(wire),
        };
        Self { socket, message: tokio_websockets::Message::binary(Bytes::from(message.payload.clone())) }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        run(async {
            for _ in 0..n {
                let message = self.socket.next().await.unwrap().unwrap();
                each(message.as_payload());
            }
        });
    }

    fn send(&mut self, n: usize, flush: usize) {
        run(async {
            for i in 1..=n {
                self.socket.feed(self.message.clone()).await.unwrap();
                if i % flush == 0 {
                    self.socket.flush().await.unwrap();
                }
            }
        });
    }
}

/// Its protocol without its streams: what is fastest in it.
pub struct Sockudo {
    wire: Wire,
    protocol: sockudo_ws::protocol::Protocol,
    buf: BytesMut,
    messages: Vec<sockudo_ws::Message>,
    message: sockudo_ws::Message,
    out: BytesMut,
}

impl Library for Sockudo {
    const NAME: &str = "sockudo-ws";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let role = match role {
            Role::Server => sockudo_ws::protocol::Role::Server,
            Role::Client => sockudo_ws::protocol::Role::Client,
        };
        Self {
            wire,
            protocol: sockudo_ws::protocol::Protocol::new(role, 64 << 20, 64 << 20),
            buf: BytesMut::new(),
            messages: Vec::new(),
            message: sockudo_ws::Message::binary(message.payload.clone()),
            out: BytesMut::new(),
        }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        let mut left = n;
        while left > 0 {
            self.buf.extend_from_slice(self.wire.next(usize::MAX));
            self.protocol.process_into(&mut self.buf, &mut self.messages).unwrap();
            for message in &self.messages {
                each(message.as_bytes());
                left -= 1;
            }
        }
    }

    fn send(&mut self, n: usize, flush: usize) {
        for i in 1..=n {
            self.protocol.encode_message(&self.message, &mut self.out).unwrap();
            if i % flush == 0 {
                self.wire.send(&self.out);
                self.out.clear();
            }
        }
    }
}

type WtxSocket<const CLIENT: bool> = wtx::web_socket::WebSocketOwned<(), wtx::rng::Xorshift64, Wire, CLIENT>;

/// It masks what it is given in place, so a client gives it a copy. It writes at once, so nothing is flushed.
pub struct Wtx {
    socket: WtxRole,
    buffer: wtx::collection::Vector<u8>,
    payload: Vec<u8>,
    masked: Vec<u8>,
}

enum WtxRole {
    Server(WtxSocket<false>),
    Client(WtxSocket<true>),
}

impl Library for Wtx {
    const NAME: &str = "wtx";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let (random, buffer) = (wtx::rng::Xorshift64::new(1), wtx::web_socket::WebSocketBuffer::new());
        let socket = match role {
            Role::Server => WtxRole::Server(WtxSocket::new((), false, random, wire, buffer)),
            Role::Client => WtxRole::Client(WtxSocket::new((), false, random, wire, buffer)),
        };
        let payload = message.payload.clone();
        Self { socket, buffer: wtx::collection::Vector::new(), masked: payload.clone(), payload }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        use wtx::web_socket::WebSocketPayloadOrigin::Adaptive;
        run(async {
            for _ in 0..n {
                self.buffer.clear();
                match &mut self.socket {
                    WtxRole::Server(socket) => {
                        each(socket.read_frame(&mut self.buffer, Adaptive).await.unwrap().payload());
                    }
                    WtxRole::Client(socket) => {
                        each(socket.read_frame(&mut self.buffer, Adaptive).await.unwrap().payload());
                    }
                }
            }
        });
    }

    fn send(&mut self, n: usize, _: usize) {
        use wtx::web_socket::{FrameMut, OpCode};
        run(async {
            for _ in 0..n {
                match &mut self.socket {
                    WtxRole::Server(socket) => {
                        let mut frame = FrameMut::new_fin(OpCode::Binary, &mut self.payload[..]);
                        socket.write_frame(&mut frame).await.unwrap();
                    }
                    WtxRole::Client(socket) => {
                        self.masked.copy_from_slice(&self.payload);
                        let mut frame = FrameMut::new_fin(OpCode::Binary, &mut self.masked[..]);
                        socket.write_frame(&mut frame).await.unwrap();
                    }
                }
            }
        });
    }
}

pub struct Fastwebsockets {
    socket: fastwebsockets::FragmentCollector<Wire>,
    payload: &'static [u8],
}

impl Library for Fastwebsockets {
    const NAME: &str = "fastwebsockets";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let role = match role {
            Role::Server => fastwebsockets::Role::Server,
            Role::Client => fastwebsockets::Role::Client,
        };
        let socket = fastwebsockets::WebSocket::after_handshake(wire, role);
        // A frame's lifetime is that of the socket's type: the payload has to outlive it.
        let payload = message.payload.clone().leak();
        Self { socket: fastwebsockets::FragmentCollector::new(socket), payload }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        run(async {
            for _ in 0..n {
                each(&self.socket.read_frame().await.unwrap().payload);
            }
        });
    }

    fn send(&mut self, n: usize, _: usize) {
        run(async {
            for _ in 0..n {
                let frame = fastwebsockets::Frame::binary(fastwebsockets::Payload::Borrowed(self.payload));
                self.socket.write_frame(frame).await.unwrap();
            }
        });
    }
}

/// Text is checked by its caller.
pub struct Soketto {
    sender: soketto::Sender<Wire>,
    receiver: soketto::Receiver<Wire>,
    message: Vec<u8>,
    payload: Vec<u8>,
}

impl Library for Soketto {
    const NAME: &str = "soketto";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let mode = match role {
            Role::Server => soketto::connection::Mode::Server,
            Role::Client => soketto::connection::Mode::Client,
        };
        let (sender, receiver) = soketto::connection::Builder::new(wire, mode).finish();
        Self { sender, receiver, message: Vec::new(), payload: message.payload.clone() }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        run(async {
            for _ in 0..n {
                self.message.clear();
                let data = self.receiver.receive_data(&mut self.message).await.unwrap();
                assert!(!data.is_text() || str::from_utf8(&self.message).is_ok());
                each(&self.message);
            }
        });
    }

    fn send(&mut self, n: usize, flush: usize) {
        run(async {
            for i in 1..=n {
                self.sender.send_binary(&self.payload).await.unwrap();
                if i % flush == 0 {
                    self.sender.flush().await.unwrap();
                }
            }
        });
    }
}

pub struct Yawc {
    socket: yawc::WebSocket<Wire>,
    payload: Bytes,
}

impl Library for Yawc {
    const NAME: &str = "yawc";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let role = match role {
            Role::Server => yawc::Role::Server,
            Role::Client => yawc::Role::Client,
        };
        let options = yawc::Options::default().with_utf8().with_max_payload_read(64 << 20);
        let socket = yawc::WebSocket::from_stream(wire, role, options).unwrap();
        Self { socket, payload: message.payload.clone().into() }
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        run(async {
            for _ in 0..n {
                each(self.socket.next_frame().await.unwrap().payload());
            }
        });
    }

    fn send(&mut self, n: usize, flush: usize) {
        run(async {
            for i in 1..=n {
                self.socket.feed(yawc::Frame::binary(self.payload.clone())).await.unwrap();
                if i % flush == 0 {
                    self.socket.flush().await.unwrap();
                }
            }
        });
    }
}

/// Runs a future whose transport is always ready.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
