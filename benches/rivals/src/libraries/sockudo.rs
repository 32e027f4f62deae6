use bytes::{Buf, BytesMut};

use super::{Backlog, Broadcast, Deflated, Echo, Handshake, LIMIT, Library};
use crate::wire::Wire;
use crate::{Message, Role};

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
        Self {
            wire,
            protocol: protocol(role),
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

impl Broadcast for Sockudo {
    type Shared = sockudo_ws::Message;

    fn share(message: &Message) -> sockudo_ws::Message {
        sockudo_ws::Message::binary(message.payload.clone())
    }

    fn queue(&mut self, message: &sockudo_ws::Message) {
        self.protocol.encode_message(message, &mut self.out).unwrap();
    }
}

impl Backlog for Sockudo {
    fn queue_own(&mut self) {
        self.protocol.encode_message(&self.message, &mut self.out).unwrap();
    }

    fn write(&mut self, bytes: usize) {
        self.wire.send(&self.out[..bytes]);
        self.out.advance(bytes);
    }
}

impl Handshake for Sockudo {
    /// The buffer to read into.
    type Kept = BytesMut;

    fn accept(wire: &mut Wire, buf: &mut BytesMut) {
        use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
        buf.clear();
        buf.extend_from_slice(wire.next(usize::MAX));
        let (request, _) = parse_request(buf).unwrap().unwrap();
        wire.send(&build_response(&generate_accept_key(request.key), None, None));
        protocol(Role::Server);
    }
}

fn protocol(role: Role) -> sockudo_ws::protocol::Protocol {
    let role = match role {
        Role::Server => sockudo_ws::protocol::Role::Server,
        Role::Client => sockudo_ws::protocol::Role::Client,
    };
    sockudo_ws::protocol::Protocol::new(role, LIMIT, LIMIT)
}

pub struct DeflatedSockudo {
    wire: Wire,
    protocol: sockudo_ws::protocol::CompressedProtocol,
    buf: BytesMut,
    messages: Vec<sockudo_ws::Message>,
    out: BytesMut,
}

impl Deflated for DeflatedSockudo {
    const NAME: &str = Sockudo::NAME;
    type Message = sockudo_ws::Message;

    fn new(wire: Wire, takeover: bool) -> Self {
        let config = sockudo_ws::deflate::DeflateConfig {
            server_no_context_takeover: !takeover,
            client_no_context_takeover: !takeover,
            compression_level: 1,
            ..Default::default()
        };
        Self {
            wire,
            protocol: sockudo_ws::protocol::CompressedProtocol::server(LIMIT, LIMIT, config),
            buf: BytesMut::new(),
            messages: Vec::new(),
            out: BytesMut::new(),
        }
    }

    fn message(payload: &[u8]) -> sockudo_ws::Message {
        sockudo_ws::Message::binary(payload.to_vec())
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        let mut left = n;
        while left > 0 {
            self.buf.extend_from_slice(self.wire.next(usize::MAX));
            self.protocol.process_into(&mut self.buf, &mut self.messages).unwrap();
            for message in self.messages.iter().take(left) {
                each(message.as_bytes());
            }
            left = left.saturating_sub(self.messages.len());
        }
    }

    fn send(&mut self, message: &mut sockudo_ws::Message) {
        self.protocol.encode_message(message, &mut self.out).unwrap();
        self.wire.send(&self.out);
        self.out.clear();
    }
}

pub struct EchoSockudo {
    connection: SockudoConnection,
    wire: &'static mut Wire,
}

/// What there has to be for each connection.
struct SockudoConnection {
    protocol: sockudo_ws::protocol::Protocol,
    received: BytesMut,
    out: BytesMut,
}

impl Echo for EchoSockudo {
    const NAME: &str = Sockudo::NAME;
    const STATE: usize = size_of::<SockudoConnection>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        let (received, out) = (BytesMut::new(), BytesMut::new());
        Self { connection: SockudoConnection { protocol: protocol(Role::Server), received, out }, wire }
    }

    fn echo(&mut self) {
        let SockudoConnection { protocol, received, out } = &mut self.connection;
        let mut messages = Vec::new();
        while messages.is_empty() {
            received.extend_from_slice(self.wire.next(usize::MAX));
            protocol.process_into(received, &mut messages).unwrap();
        }
        for message in messages {
            protocol.encode_message(&message, out).unwrap();
        }
        self.wire.send(out);
        out.clear();
    }
}
