//! Echo over loopback: the tokio adapter beside other libraries, with the same client for all.
//!
//! ```text
//! cargo run --release -- [SECONDS]
//! ```
//!
//! The client writes frames that were encoded before and counts bytes, so that what is measured is the server. Each server runs
//! on one thread and echoes the way its own documentation does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

mod servers;

fn main() {
    let seconds = std::env::args().nth(1).map_or(2.0, |arg| arg.parse().expect("seconds"));
    let time = Duration::from_secs_f64(seconds);
    let servers: [(&str, fn(TcpListener)); 5] = [
        ("sansocket read", servers::sansocket_batch),
        ("sansocket recv", servers::sansocket_recv),
        ("tokio-tungstenite", servers::tungstenite),
        ("fastwebsockets", servers::fastwebsockets),
        ("tokio-websockets", servers::tokio_websockets),
    ];
    let addresses = servers.map(|(name, serve)| (name, start(serve)));
    let rows = [(16, true), (128, true), (1024, true), (65536, true), (16, false), (1024, false)];
    println!("{:<28}{}", "messages/s", servers.map(|(name, _)| format!("{name:>20}")).concat());
    for (size, pipelined) in rows {
        let name = format!("{} {size} B", if pipelined { "pipelined" } else { "ping-pong" });
        print!("{name:<28}");
        for (_, address) in &addresses {
            // The better of two, as other work on the machine only ever makes it slower.
            let rate =
                |_| if pipelined { pipeline(*address, size, time) } else { ping_pong(*address, size, time) };
            let best = (0..2).map(rate).fold(0.0, f64::max);
            print!("{best:>20.0}");
            let _ = std::io::stdout().flush();
        }
        println!();
    }
}

fn start(serve: fn(TcpListener)) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.set_nonblocking(true).expect("sockets can be non-blocking");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            serve(TcpListener::from_std(listener).expect("it is non-blocking"));
            std::future::pending::<()>().await;
        });
    });
    address
}

fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("it is TCP");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        head.push(byte[0]);
    }
    stream
}

/// A masked binary frame, and how long its echo is.
fn frame(size: usize) -> (Vec<u8>, usize) {
    let mut frame = vec![0x82];
    let header = match size {
        0..=125 => {
            frame.push(0x80 | size as u8);
            2
        }
        126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(size as u16).to_be_bytes());
            4
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
            10
        }
    };
    frame.extend_from_slice(&[1, 2, 3, 4]);
    frame.extend((0..size).map(|i| i as u8));
    (frame, header + size)
}

fn pipeline(address: SocketAddr, size: usize, time: Duration) -> f64 {
    let mut stream = open(address);
    let (frame, echo) = frame(size);
    let block = frame.repeat((65536 / frame.len()).max(1));
    let began = Instant::now();
    let mut writer = stream.try_clone().expect("a second handle");
    let writing = thread::spawn(move || {
        while began.elapsed() < time {
            writer.write_all(&block).expect("the server reads");
        }
        // A Close, so that the reader gets to an end.
        writer.write_all(&[0x88, 0x80, 0, 0, 0, 0]).expect("the server reads");
    });
    let (mut bytes, mut buf) = (0, vec![0; 256 * 1024]);
    loop {
        match stream.read(&mut buf) {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes += n,
        }
    }
    let rate = (bytes / echo) as f64 / began.elapsed().as_secs_f64();
    writing.join().expect("it wrote");
    rate
}

fn ping_pong(address: SocketAddr, size: usize, time: Duration) -> f64 {
    let mut stream = open(address);
    let (frame, echo) = frame(size);
    let (mut buf, mut count, began) = (vec![0; echo], 0, Instant::now());
    while began.elapsed() < time {
        stream.write_all(&frame).expect("the server reads");
        stream.read_exact(&mut buf).expect("the server answers");
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}
