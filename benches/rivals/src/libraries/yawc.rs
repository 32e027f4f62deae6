use bytes::Bytes;
use futures_util::SinkExt;

use super::{Broadcast, Deflated, Echo, LIMIT, Library, run};
use crate::wire::Wire;
use crate::{Message, Role};

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
        let options = yawc::Options::default().with_utf8().with_max_payload_read(LIMIT);
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

impl Broadcast for Yawc {
    type Shared = Bytes;

    fn share(message: &Message) -> Bytes {
        message.payload.clone().into()
    }

    fn queue(&mut self, message: &Bytes) {
        run(self.socket.feed(yawc::Frame::binary(message.clone()))).unwrap();
    }
}

pub struct DeflatedYawc(yawc::WebSocket<Wire>);

impl Deflated for DeflatedYawc {
    const NAME: &str = Yawc::NAME;
    type Message = Bytes;

    fn new(wire: Wire, takeover: bool) -> Self {
        let extensions = if takeover {
            "permessage-deflate"
        } else {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        };
        let options = yawc::Options::default()
            .with_compression_level(yawc::CompressionLevel::fast())
            .with_max_payload_read(LIMIT);
        let socket =
            yawc::WebSocket::from_stream_with_extensions(wire, yawc::Role::Server, Some(extensions), options);
        Self(socket.unwrap())
    }

    fn message(payload: &[u8]) -> Bytes {
        payload.to_vec().into()
    }

    fn receive(&mut self, n: usize, mut each: impl FnMut(&[u8])) {
        run(async {
            for _ in 0..n {
                each(self.0.next_frame().await.unwrap().payload());
            }
        });
    }

    fn send(&mut self, message: &mut Bytes) {
        run(self.0.send(yawc::Frame::binary(message.clone()))).unwrap();
    }
}

pub struct EchoYawc(yawc::WebSocket<&'static mut Wire>);

impl Echo for EchoYawc {
    const NAME: &str = Yawc::NAME;
    const STATE: usize = size_of::<Self>() - size_of::<&Wire>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        let options = yawc::Options::default().with_max_payload_read(LIMIT);
        Self(yawc::WebSocket::from_stream(wire, yawc::Role::Server, options).unwrap())
    }

    fn echo(&mut self) {
        run(async {
            let frame = self.0.next_frame().await.unwrap();
            self.0.send(frame).await.unwrap();
        });
    }
}
