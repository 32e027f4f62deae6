//! Many connections at random for a long time: messages, fragments, pings, futures that are dropped, half-closes and resets.
//!
//! ```text
//! cargo run --release --bin soak -- [SECONDS]
//! ```
//!
//! Every message carries its number and must come back once and in order; memory must stay flat; at the end every connection is
//! gone. Exit status 0 if all of that was so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sansocket::handshake::ClientRequest;
use sansocket::tokio::{WebSocket, accept, client};
use sansocket::{CloseCode, Config, Event, Message};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    connections: AtomicU64,
    messages: AtomicU64,
    broken: AtomicU64,
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).map_or(900, |arg| arg.parse().expect("seconds"));
    let until = Instant::now() + Duration::from_secs(seconds);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    let counts = Arc::new(Counts::default());
    tokio::spawn(serve(listener, Arc::clone(&counts)));
    let clients: Vec<_> = (1..=64)
        .map(|seed| {
            let counts = Arc::clone(&counts);
            tokio::spawn(async move {
                let mut chance = Chance(seed);
                while Instant::now() < until {
                    let stream = TcpStream::connect(address).await.expect("the server listens");
                    converse(stream, &mut chance, &counts).await;
                }
            })
        })
        .collect();
    let mut first = 0;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_secs((seconds / 10).max(1))).await;
        let resident = resident();
        first = if first == 0 { resident } else { first };
        println!(
            "{} connections, {} messages, {} broken on purpose, {resident} KiB resident",
            counts.connections.load(Ordering::Relaxed),
            counts.messages.load(Ordering::Relaxed),
            counts.broken.load(Ordering::Relaxed),
        );
    }
    for client in clients {
        client.await.expect("nothing was lost");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (open, last) = (counts.open.load(Ordering::SeqCst), resident());
    println!("{open} connections left, {first} KiB at first, {last} KiB at last");
    assert_eq!(open, 0);
    assert!(last < first * 3 / 2 + 4096, "memory grew");
}

async fn serve(listener: TcpListener, counts: Arc<Counts>) {
    loop {
        let (stream, _) = listener.accept().await.expect("loopback");
        let counts = Arc::clone(&counts);
        counts.open.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            if let Ok(mut ws) = accept(stream).await {
                // Futures are dropped here as well: what `read` has not taken comes with the next one.
                loop {
                    match timeout(Duration::from_millis(1), ws.read()).await {
                        Err(_) => {}
                        Ok(Ok(Some(mut batch))) => {
                            while let Some(event) = batch.recv() {
                                if let Event::Message(message) = event {
                                    let _ = batch.feed(&message);
                                }
                            }
                        }
                        Ok(_) => break,
                    }
                }
            }
            counts.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn converse(stream: TcpStream, chance: &mut Chance, counts: &Counts) {
    let request = ClientRequest::new("ws://soak/").expect("a URL");
    let config = Config::default().close_timeout(Duration::from_secs(5));
    let (mut ws, _) = client(stream, request, config).await.expect("a handshake");
    counts.connections.fetch_add(1, Ordering::Relaxed);
    let mut expected = VecDeque::new();
    for number in 0..chance.below(300) {
        let message = chance.message(number);
        match chance.below(6) {
            0 if !message.as_bytes().is_empty() => {
                let bytes = message.as_bytes();
                let cut = chance.below(bytes.len());
                ws.send_fragment(&Message::from(&bytes[..cut]), false).await.expect("it is open");
                ws.ping(b"in between").await.expect("it is open");
                ws.send_fragment(&Message::from(&bytes[cut..]), true).await.expect("it is open");
            }
            1 => {
                // Dropped before it was ready, it has sent nothing.
                while timeout(Duration::from_micros(50), ws.send(&message)).await.is_err() {
                    receive(&mut ws, &mut expected, counts, Duration::from_micros(50)).await;
                }
            }
            2 => ws.feed(&message).expect("room"),
            _ => ws.send(&message).await.expect("it is open"),
        }
        expected.push_back(message);
        if chance.below(2) == 0 || expected.len() > 20 {
            receive(&mut ws, &mut expected, counts, Duration::from_micros(chance.below(500) as u64)).await;
        }
        if chance.below(3000) == 0 {
            // A reset, or only one direction ends; both in the middle of everything.
            counts.broken.fetch_add(1, Ordering::Relaxed);
            let (mut stream, _, _) = ws.into_parts();
            if chance.below(2) == 0 {
                stream.set_zero_linger().expect("it is TCP");
            } else {
                let _ = stream.shutdown().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            return;
        }
    }
    ws.flush().await.expect("it is open");
    while !expected.is_empty() {
        receive(&mut ws, &mut expected, counts, Duration::from_secs(20)).await;
    }
    ws.close(CloseCode::NORMAL, "").await.expect("it is open");
    ws.finish().await.expect("a closing handshake");
}

/// Receives one event, if it comes in time.
async fn receive(
    ws: &mut WebSocket<TcpStream>,
    expected: &mut VecDeque<Message<'static>>,
    counts: &Counts,
    time: Duration,
) {
    if let Ok(event) = timeout(time, ws.recv()).await {
        match event.expect("no error").expect("it is open") {
            Event::Message(message) => {
                assert_eq!(Some(message.into_owned()), expected.pop_front());
                counts.messages.fetch_add(1, Ordering::Relaxed);
            }
            Event::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn message(&mut self, number: usize) -> Message<'static> {
        let len = match self.below(20) {
            0 => self.below(200_000),
            1..=5 => self.below(5_000),
            _ => self.below(100),
        };
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.resize(8 + len, number as u8);
        bytes.into()
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
