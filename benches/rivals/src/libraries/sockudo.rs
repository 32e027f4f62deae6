use bytes::BytesMut;

use super::Library;
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
