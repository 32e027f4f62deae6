//! What a million idle server connections cost: the state of the protocol alone, without sockets.
//!
//! ```text
//! cargo run --release --example million_idle -- [CONNECTIONS]
//! ```
//!
//! Each connection has done its opening handshake, received a message and answered it, and now waits.

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{Config, Connection, Event, Input};

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let mut connections = Vec::with_capacity(count);
    let before = HEAP.load(Ordering::Relaxed);
    for _ in 0..count {
        connections.push(idle()?);
    }
    let heap = HEAP.load(Ordering::Relaxed) - before;
    println!("{count} idle connections");
    println!("{:>6} bytes of state each", size_of::<Connection>());
    println!("{:>6} bytes of heap each", heap / count.max(1));
    println!("{:>6} MiB in all", (count * size_of::<Connection>() + heap) >> 20);
    Ok(())
}

/// A connection that has had some traffic and is idle.
fn idle() -> Result<Connection, Box<dyn Error>> {
    let mut request = *b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let handshake = ServerHandshake::new(Config::default());
    let ServerProgress::Upgrade(request) = handshake.recv(&mut Input::new(&mut request)) else {
        return Err("the request is valid".into());
    };
    let mut connection = request.accept();
    let mut message = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let mut input = Input::new(&mut message);
    while let Some(event) = connection.recv(&mut input) {
        if let Event::Message(message) = event {
            connection.send(&message)?;
        }
    }
    connection.output_written(connection.output().len());
    connection.shrink();
    Ok(connection)
}

static HEAP: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting what it has given out.
struct Counting;

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HEAP.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
