//! The libraries, each in a file of its own, behind the same calls.

mod adapters;
mod fastwebsockets;
mod ours;
mod sockudo;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod websocket_sans_io;
mod wtx;
mod yawc;

use std::pin::pin;
use std::task::{Context, Waker};

pub use self::adapters::{EchoNet, EchoTokio, IO_URING, NET, Net, TOKIO, Tokio};
pub use self::fastwebsockets::{EchoFastwebsockets, Fastwebsockets};
pub use self::ours::{Buffered, DeflatedSansocket, EchoSansocket, NAME, READ_BUFFER, SAFE, SIMD, Sansocket};
pub use self::sockudo::{DeflatedSockudo, EchoSockudo, Sockudo};
#[cfg(feature = "c-zlib")]
pub use self::soketto::DeflatedSoketto;
pub use self::soketto::{EchoSoketto, Soketto};
pub use self::tokio_websockets::{EchoTokioWebsockets, TokioWebsockets};
pub use self::tungstenite::{EchoTungstenite, Tungstenite};
pub use self::websocket_sans_io::WebsocketSansIo;
pub use self::wtx::{DeflatedWtx, EchoWtx, Wtx};
pub use self::yawc::{DeflatedYawc, EchoYawc, Yawc};

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

/// A library that answers a request by itself.
pub trait Handshake: Library {
    /// What can be kept from one handshake to the next.
    type Kept: Default + 'static;

    /// Reads a request, answers it, and makes a connection.
    fn accept(wire: &mut Wire, kept: &mut Self::Kept);
}

/// A library that compresses, as a server.
pub trait Deflated: Sized + 'static {
    const NAME: &str;
    /// A message as the library wants it.
    type Message: 'static;

    /// Both directions with context takeover, or both without it.
    fn new(wire: Wire, takeover: bool) -> Self;

    fn message(payload: &[u8]) -> Self::Message;

    /// Receives `n` messages and hands each over as one slice.
    fn receive(&mut self, n: usize, each: impl FnMut(&[u8]));

    /// Sends and flushes it.
    fn send(&mut self, message: &mut Self::Message);
}

/// A server's connection, as it is by default, whose memory is measured.
pub trait Echo: 'static {
    const NAME: &str;
    /// Bytes of its types, without the reference to the transport.
    const STATE: usize;

    /// `buf` is for who wants a buffer to read into that is not the connection's.
    fn new(wire: &'static mut Wire, buf: &'static mut [u8]) -> Self;

    /// Receives a message and sends it back.
    fn echo(&mut self);
}

/// A library that queues one message in many connections.
pub trait Broadcast: Library {
    /// The message, prepared once for all of them.
    type Shared: 'static;

    fn share(message: &Message) -> Self::Shared;

    /// Queues the message as a server. Nothing is written.
    fn queue(&mut self, message: &Self::Shared);
}

/// A library that queues messages without a bound while nothing is written.
pub trait Backlog: Library {
    /// Queues the message that `new` was given.
    fn queue_own(&mut self);

    /// Writes this many bytes of what is queued.
    fn write(&mut self, bytes: usize);
}

/// The maximum payload that each library is set to accept, in bytes: a message of 64 MiB is below every form of it.
const LIMIT: usize = 128 << 20;

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

/// A generator as fast, and as weak, as those of the rivals.
struct SplitMix(u64);

impl sansocket::Random for SplitMix {
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            word.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes()[..word.len()]);
        }
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
