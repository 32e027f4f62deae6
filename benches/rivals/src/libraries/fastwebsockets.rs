use super::{Echo, LIMIT, Library, run};
use crate::wire::Wire;
use crate::{Message, Role};

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
        let mut socket = fastwebsockets::WebSocket::after_handshake(wire, role);
        socket.set_max_message_size(LIMIT);
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

pub struct EchoFastwebsockets(fastwebsockets::FragmentCollector<&'static mut Wire>);

impl Echo for EchoFastwebsockets {
    const NAME: &str = Fastwebsockets::NAME;
    const STATE: usize = size_of::<Self>() - size_of::<&Wire>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        let socket = fastwebsockets::WebSocket::after_handshake(wire, fastwebsockets::Role::Server);
        Self(fastwebsockets::FragmentCollector::new(socket))
    }

    fn echo(&mut self) {
        run(async {
            let frame = self.0.read_frame().await.unwrap();
            self.0.write_frame(frame).await.unwrap();
        });
    }
}
