//! What an idle accepted connection holds on the heap: its task with the WebSocket in it, its socket in tokio's driver, and no
//! buffer.
//!
//! `IDLE_CONNECTIONS=10000` measures as many; each takes two file descriptors.
#![cfg(feature = "tokio")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use sansocket::Event;
use sansocket::tokio::{WebSocket, accept};
use tokio::net::TcpListener;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it does what the system's allocator does, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn an_idle_connection_holds_no_buffer() {
    let connections = std::env::var("IDLE_CONNECTIONS").map_or(400, |n| n.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut ws = accept(stream).await.unwrap();
                while let Some(mut batch) = ws.read().await.unwrap() {
                    while let Some(event) = batch.recv() {
                        if let Event::Message(message) = event {
                            batch.feed(&message).unwrap();
                        }
                    }
                }
            });
        }
    });
    // What the runtime needs for the first ones is not theirs.
    let mut streams: Vec<TcpStream> = (0..10).map(|_| open(address)).collect();
    streams.reserve(connections);
    let before = settled();
    for _ in 0..connections {
        streams.push(open(address));
    }
    let each = (settled() - before) / connections;
    println!("{} bytes of WebSocket", size_of::<WebSocket<tokio::net::TcpStream>>());
    println!("{each} bytes of heap for each of {connections} idle connections");
    // Measured: 1024, of which 584 are the WebSocket. The rest is tokio's: the task around it with its future, 768 bytes in all,
    // which come in steps of 128, and 256 that its driver keeps for a socket.
    assert!(size_of::<WebSocket<tokio::net::TcpStream>>() <= 584);
    assert!(each <= 1024, "{each}");

    // A large message leaves nothing behind in its connection: neither where it was put together nor where its echo waited.
    // Each of the two threads keeps some read buffers, for all connections.
    let before = settled();
    streams.iter_mut().take(100).for_each(|stream| echo(stream, 1_000_000));
    let after = settled();
    let kept = 2 * 4 * (2 << 20);
    assert!(after < before + kept + 100 * 1024, "{before} {after}");
    // None of these is larger than 2 MiB.
    streams.iter_mut().take(10).for_each(|stream| echo(stream, 3_000_000));
    let large = settled();
    assert!(large < after + 100 * 1024, "{after} {large}");
}

/// Sends a message of so many bytes, 65,536 or more, and reads its echo.
fn echo(stream: &mut TcpStream, len: usize) {
    let frame = [&[0x82, 0xff][..], &(len as u64).to_be_bytes(), &[0; 4], &vec![7; len]].concat();
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&frame).unwrap());
        stream.read_exact(&mut vec![0; len + 10]).unwrap();
    });
}

fn open(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    // Some messages there and back, so that the connection has been at work.
    let mut head = [0; 1024];
    let mut n = 0;
    while !head[..n].ends_with(b"\r\n\r\n") {
        n += stream.read(&mut head[n..]).unwrap();
    }
    for _ in 0..5 {
        stream.write_all(b"\x81\x81\0\0\0\0x").unwrap();
        stream.read_exact(&mut head[..3]).unwrap();
        assert_eq!(&head[..3], b"\x81\x01x");
    }
    stream
}

/// How much is on the heap when every task waits again.
fn settled() -> usize {
    let mut live = 0;
    for _ in 0..100 {
        let before = std::mem::replace(&mut live, LIVE.load(Ordering::Relaxed));
        if live == before {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    live
}
