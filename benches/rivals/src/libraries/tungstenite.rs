use std::io::ErrorKind;

use super::{Backlog, Broadcast, Echo, Handshake, LIMIT, Library};
use crate::wire::Wire;
use crate::{Message, Role};

pub struct Tungstenite {
    socket: tungstenite::WebSocket<Wire>,
    message: tungstenite::Message,
}

impl Library for Tungstenite {
    const NAME: &str = "tungstenite";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let config = config(&wire);
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

impl Broadcast for Tungstenite {
    type Shared = tungstenite::Message;

    fn share(message: &Message) -> tungstenite::Message {
        tungstenite::Message::Binary(message.payload.clone().into())
    }

    fn queue(&mut self, message: &tungstenite::Message) {
        self.socket.write(message.clone()).unwrap();
    }
}

impl Backlog for Tungstenite {
    fn queue_own(&mut self) {
        let message = self.message.clone();
        or_blocked(self.socket.write(message));
    }

    fn write(&mut self, bytes: usize) {
        self.socket.get_mut().accept(bytes);
        or_blocked(self.socket.flush());
        self.socket.get_mut().accept(0);
    }
}

/// What it could not write it has kept.
fn or_blocked(result: tungstenite::Result<()>) {
    match result {
        Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
        result => result.unwrap(),
    }
}

impl Handshake for Tungstenite {
    type Kept = ();

    fn accept(wire: &mut Wire, (): &mut ()) {
        let config = config(wire);
        tungstenite::accept_with_config(wire, Some(config)).unwrap();
    }
}

fn config(wire: &Wire) -> tungstenite::protocol::WebSocketConfig {
    tungstenite::protocol::WebSocketConfig::default()
        .read_buffer_size(wire.read_size())
        .max_frame_size(Some(LIMIT))
        .max_message_size(Some(LIMIT))
}

pub struct EchoTungstenite(tungstenite::WebSocket<&'static mut Wire>);

impl Echo for EchoTungstenite {
    const NAME: &str = Tungstenite::NAME;
    const STATE: usize = size_of::<Self>() - size_of::<&Wire>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        Self(tungstenite::WebSocket::from_raw_socket(wire, tungstenite::protocol::Role::Server, None))
    }

    fn echo(&mut self) {
        let message = self.0.read().unwrap();
        self.0.send(message).unwrap();
    }
}
