use std::str;

use bytes::BytesMut;

use super::{Echo, Handshake, Library, run};
use crate::wire::Wire;
use crate::{Message, Role};

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

impl Handshake for Soketto {
    type Kept = BytesMut;

    fn accept(wire: &mut Wire, buf: &mut BytesMut) {
        use soketto::handshake::server::{Response, Server};
        run(async {
            let mut server = Server::new(wire);
            server.set_buffer(std::mem::take(buf));
            let key = server.receive_request().await.unwrap().key();
            server.send_response(&Response::Accept { key, protocol: None }).await.unwrap();
            *buf = server.take_buffer();
            server.into_builder().finish();
        });
    }
}

/// Without context takeover, which it does not have; its level cannot be chosen and is 1.
#[cfg(feature = "c-zlib")]
pub struct DeflatedSoketto(Soketto);

#[cfg(feature = "c-zlib")]
impl super::Deflated for DeflatedSoketto {
    const NAME: &str = Soketto::NAME;
    type Message = Vec<u8>;

    fn new(wire: Wire, takeover: bool) -> Self {
        use soketto::connection::{Builder, Mode};
        use soketto::extension::{Extension, deflate::Deflate};
        assert!(!takeover);
        let mut deflate = Deflate::new(Mode::Server);
        deflate.configure(&[]).unwrap();
        let mut builder = Builder::new(wire, Mode::Server);
        builder.add_extensions([Box::new(deflate) as Box<dyn Extension + Send>]);
        let (sender, receiver) = builder.finish();
        Self(Soketto { sender, receiver, message: Vec::new(), payload: Vec::new() })
    }

    fn message(payload: &[u8]) -> Vec<u8> {
        payload.to_vec()
    }

    fn receive(&mut self, n: usize, each: impl FnMut(&[u8])) {
        self.0.receive(n, each);
    }

    fn send(&mut self, message: &mut Vec<u8>) {
        run(async {
            self.0.sender.send_binary(&*message).await.unwrap();
            self.0.sender.flush().await.unwrap();
        });
    }
}

/// Its transport is on the heap, which has the reference to it.
pub struct EchoSoketto {
    sender: soketto::Sender<&'static mut Wire>,
    receiver: soketto::Receiver<&'static mut Wire>,
}

impl Echo for EchoSoketto {
    const NAME: &str = Soketto::NAME;
    const STATE: usize = size_of::<Self>();

    fn new(wire: &'static mut Wire, _: &'static mut [u8]) -> Self {
        let mode = soketto::connection::Mode::Server;
        let (sender, receiver) = soketto::connection::Builder::new(wire, mode).finish();
        Self { sender, receiver }
    }

    fn echo(&mut self) {
        run(async {
            let mut message = Vec::new();
            self.receiver.receive_data(&mut message).await.unwrap();
            self.sender.send_binary(message).await.unwrap();
            self.sender.flush().await.unwrap();
        });
    }
}
