use super::{Deflated, Echo, Handshake, LIMIT, Library, run};
use crate::wire::Wire;
use crate::{Message, Role};

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
            Role::Server => {
                let mut socket = WtxSocket::new((), false, random, wire, buffer);
                socket.set_max_payload_len(LIMIT);
                WtxRole::Server(socket)
            }
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

impl Handshake for Wtx {
    type Kept = Buffer;

    fn accept(wire: &mut Wire, buffer: &mut Buffer) {
        run(wtx::web_socket::WebSocketAcceptor::default().wsb(&mut buffer.0).accept(wire)).unwrap();
    }
}

pub struct Buffer(wtx::web_socket::WebSocketBuffer);

impl Default for Buffer {
    fn default() -> Self {
        Self(wtx::web_socket::WebSocketBuffer::new())
    }
}

type Negotiated = Option<wtx::web_socket::compression::NegotiatedFlate2>;

/// Without context takeover, which it does not have.
pub struct DeflatedWtx {
    socket: wtx::web_socket::WebSocketOwned<Negotiated, wtx::rng::Xorshift64, Wire, false>,
    buffer: wtx::collection::Vector<u8>,
}

impl Deflated for DeflatedWtx {
    const NAME: &str = Wtx::NAME;
    type Message = Vec<u8>;

    fn new(wire: Wire, takeover: bool) -> Self {
        use wtx::web_socket::compression::{
            Compression, CompressionLevel, DeflateConfig, Flate2, WindowBits,
        };
        assert!(!takeover);
        let flate2 = Flate2::from(DeflateConfig {
            client_max_window_bits: WindowBits::Fifteen,
            compression_level: CompressionLevel::One,
            server_max_window_bits: WindowBits::Fifteen,
        });
        let header: [&[u8]; 2] = [b"sec-websocket-extensions", b"permessage-deflate"];
        let negotiated = Compression::<false>::negotiate(flate2, [header].into_iter()).unwrap();
        assert!(negotiated.is_some());
        let (random, buffer) = (wtx::rng::Xorshift64::new(1), wtx::web_socket::WebSocketBuffer::new());
        let socket = wtx::web_socket::WebSocketOwned::new(negotiated, false, random, wire, buffer);
        Self { socket, buffer: wtx::collection::Vector::new() }
    }

    fn message(payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        use wtx::web_socket::WebSocketPayloadOrigin::Adaptive;
        run(async {
            for _ in 0..n {
                self.buffer.clear();
                each(self.socket.read_frame(&mut self.buffer, Adaptive).await.unwrap().payload());
            }
        });
    }

    fn send(&mut self, message: &mut Vec<u8>) {
        use wtx::web_socket::{FrameMut, OpCode};
        let mut frame = FrameMut::new_fin(OpCode::Binary, &mut message[..]);
        run(self.socket.write_frame(&mut frame)).unwrap();
    }
}

pub struct EchoWtx {
    socket: wtx::web_socket::WebSocketOwned<(), wtx::rng::Xorshift64, &'static mut Wire, false>,
    buffer: wtx::collection::Vector<u8>,
}

impl Echo for EchoWtx {
    const NAME: &str = Wtx::NAME;
    const STATE: usize = size_of::<Self>() - size_of::<&Wire>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        let (random, buffer) = (wtx::rng::Xorshift64::new(1), wtx::web_socket::WebSocketBuffer::new());
        let socket = wtx::web_socket::WebSocketOwned::new((), false, random, wire, buffer);
        Self { socket, buffer: wtx::collection::Vector::new() }
    }

    fn echo(&mut self) {
        use wtx::web_socket::WebSocketPayloadOrigin::Adaptive;
        run(async {
            self.buffer.clear();
            // It can send a message only when that is not lent any more.
            let received = self.socket.read_frame(&mut self.buffer, Adaptive).await.unwrap();
            let mut payload = received.payload().to_vec();
            let mut frame = wtx::web_socket::FrameMut::new_fin(received.op_code(), &mut payload[..]);
            self.socket.write_frame(&mut frame).await.unwrap();
        });
    }
}
