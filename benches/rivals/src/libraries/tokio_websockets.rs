use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};

use super::{Broadcast, Echo, Handshake, LIMIT, Library, run};
use crate::wire::Wire;
use crate::{Message, Role};

pub struct TokioWebsockets {
    socket: tokio_websockets::WebSocketStream<Wire>,
    message: tokio_websockets::Message,
}

impl Library for TokioWebsockets {
    const NAME: &str = "tokio-websockets";

    fn new(role: Role, wire: Wire, message: &Message) -> Self {
        let limits = tokio_websockets::Limits::default().max_payload_len(Some(LIMIT));
        let socket = match role {
            Role::Server => tokio_websockets::ServerBuilder::new().limits(limits).serve(wire),
            Role::Client => tokio_websockets::ClientBuilder::new().limits(limits).take_over(wire),
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

impl Broadcast for TokioWebsockets {
    type Shared = tokio_websockets::Message;

    fn share(message: &Message) -> tokio_websockets::Message {
        tokio_websockets::Message::binary(Bytes::from(message.payload.clone()))
    }

    fn queue(&mut self, message: &tokio_websockets::Message) {
        run(self.socket.feed(message.clone())).unwrap();
    }
}

impl Handshake for TokioWebsockets {
    /// A builder serves many.
    type Kept = tokio_websockets::ServerBuilder;

    fn accept(wire: &mut Wire, builder: &mut tokio_websockets::ServerBuilder) {
        run(builder.accept(wire)).unwrap();
    }
}

pub struct EchoTokioWebsockets(tokio_websockets::WebSocketStream<&'static mut Wire>);

impl Echo for EchoTokioWebsockets {
    const NAME: &str = TokioWebsockets::NAME;
    const STATE: usize = size_of::<Self>() - size_of::<&Wire>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        Self(tokio_websockets::ServerBuilder::new().serve(wire))
    }

    fn echo(&mut self) {
        run(async {
            let message = self.0.next().await.unwrap().unwrap();
            self.0.send(message).await.unwrap();
        });
    }
}
