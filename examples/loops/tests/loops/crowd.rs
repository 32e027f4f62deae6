//! Many peers of a kind at once, and one beside them that is to notice nothing.
//!
//! `cargo test --test loops -- --nocapture` prints how long its echoes took, and the memory of each program.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use sansocket::handshake::UpgradeRequest;
use sansocket::{Config, Connection, Message};

use super::peer::{BINARY, CLOSE, PING, PONG, Peer, REQUEST, TEXT, frame};
use super::program::{Program, each, each_with, one_by_one, say_aloud, turn};

/// So many connections, or fewer, which it says: this process holds their other ends.
fn as_far_as_files_go(connections: usize) -> usize {
    let limit = rlimit::increase_nofile_limit(FILES).unwrap() as usize;
    let possible = connections.min(limit / 2);
    if possible < connections {
        say_aloud(&format!(
            "REDUCED: {possible} connections, not {connections}: {limit} open files at most\n"
        ));
    }
    possible
}

/// What all tests of this process may need at once.
const FILES: u64 = 4000;
/// What a program needs besides the connections of a crowd.
const FILES_OF_PROGRAM: usize = 100;

/// Many echoes, one after the other.
fn expect_prompt_echoes(program: &Program, peer: &mut Peer, meanwhile: &str) {
    let began = Instant::now();
    let delays = Vec::from_iter((1..=ECHOES).map(|echo| {
        sleep(Duration::from_millis(5));
        let delay = peer.expect_echo();
        let took = began.elapsed();
        assert!(took < ECHOES_WITHIN, "{}, {meanwhile}: {echo} echoes in {took:?}", program.name);
        delay
    }));
    expect_prompt(program, delays, meanwhile);
}

/// A busy machine delays a few; a loop that starves its peers delays all.
fn expect_prompt(program: &Program, mut delays: Vec<Duration>, meanwhile: &str) {
    delays.sort();
    let (median, maximum) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    eprintln!("{}, {meanwhile}: echo in {median:.1?}, at most {maximum:.1?}", program.name);
    assert!(median < MEDIAN_WITHIN, "{}, {meanwhile}: {median:?}", program.name);
}

const ECHOES: usize = 50;
const ECHOES_WITHIN: Duration = Duration::from_secs(15);
const MEDIAN_WITHIN: Duration = Duration::from_secs(1);

/// Four of a kind at once, then one of each kind.
#[test]
fn floods_delay_nobody() {
    let rubbish = Vec::from_iter((0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
    let floods = [
        ("pings", frame(PING, b"").repeat(10_000)),
        ("pongs", frame(PONG, b"").repeat(10_000)),
        ("empty fragments", empty_fragments()),
        ("empty messages", frame(BINARY, b"").repeat(10_000)),
        ("rubbish", rubbish),
    ];
    let all = floods.each_ref().map(|(_, bytes)| &bytes[..]);
    one_by_one(1024, |program| {
        for (kind, bytes) in &floods {
            expect_prompt_echoes_during(&[&bytes[..]; 4], program, kind);
        }
        expect_prompt_echoes_during(&all, program, "all floods");
    });
}

/// Every other one reads what it is sent.
fn expect_prompt_echoes_during(floods: &[&[u8]], program: &Program, kind: &str) {
    let mut other = Peer::open(program);
    let over = AtomicBool::new(false);
    let taken = Vec::from_iter(floods.iter().map(|_| AtomicUsize::new(0)));
    let is_flood = || taken.iter().all(|taken| taken.load(Ordering::Relaxed) > 100_000);
    scope(|scope| {
        // Also when an assertion fails.
        let _over = Over(&over);
        for (i, (bytes, taken)) in floods.iter().zip(&taken).enumerate() {
            let over = &over;
            scope.spawn(move || flood(program, bytes, i % 2 == 0, over, taken));
        }
        let began = Instant::now();
        while !is_flood() {
            assert!(began.elapsed() < Duration::from_secs(20), "{}, {kind}: {taken:?} bytes", program.name);
            sleep(Duration::from_millis(5));
        }
        expect_prompt_echoes(program, &mut other, kind);
        program.expect_memory(64 << 20, kind);
    });
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends `bytes` over and over, on new connections where it is refused; counts what was taken.
fn flood(program: &Program, bytes: &[u8], reads: bool, over: &AtomicBool, taken: &AtomicUsize) {
    let goes_on = || !over.load(Ordering::Relaxed);
    while goes_on() {
        let stream = program.connect();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        scope(|scope| {
            if reads {
                scope.spawn(|| io::copy(&mut &stream, &mut io::sink()));
            }
            let mut rest: &[u8] = REQUEST;
            while goes_on() {
                let Ok(n) = (&stream).write(rest) else { break };
                taken.fetch_add(n, Ordering::Relaxed);
                rest = if n == rest.len() { bytes } else { &rest[n..] };
            }
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

/// A message that never ends and never has a byte, until there are too many fragments.
fn empty_fragments() -> Vec<u8> {
    let mut frames = frame(BINARY, b"");
    frames[0] = BINARY;
    let mut next = frame(0, b"");
    next[0] = 0;
    frames.extend(next.repeat(20_000));
    frames
}

#[test]
fn five_hundred_that_never_read_cost_the_others_nothing() {
    let crowd = as_far_as_files_go(500);
    let messages = frame(BINARY, &[9; 100_000]).repeat(6);
    one_by_one(crowd + FILES_OF_PROGRAM, |program| {
        let mut other = Peer::open(program);
        let mut deaf = Vec::from_iter((0..crowd).map(|_| (Peer::open(program), &messages[..])));
        for _ in 0..10 {
            for (peer, rest) in &mut deaf {
                peer.stream.set_nonblocking(true).unwrap();
                *rest = &rest[peer.stream.write(rest).unwrap_or(0)..];
            }
        }
        let sent = crowd * messages.len() - deaf.iter().map(|(_, rest)| rest.len()).sum::<usize>();
        eprintln!("{}: {} kB from each peer that never reads", program.name, sent / crowd / 1000);
        assert!(sent > crowd * 300_000, "{sent} bytes are not too much for a socket");
        // It answers as far as it can, and then rests.
        expect_prompt_echoes(program, &mut other, "peers that never read");
        let busy = || program.busy(Duration::from_millis(300));
        assert!((0..30).any(|_| busy() < Duration::from_millis(100)), "{:?} of 300 ms", busy());
        other.expect_prompt_echo();
        // At most a read buffer for each, less than they have sent.
        program.expect_memory((32 << 20) + crowd * (256 << 10), "peers that never read");
        drop(deaf);
        other.expect_prompt_echo();
    });
}

/// 20,000 for each program, ten at a time. The server ends each stream first: it has the wait that follows (TIME_WAIT), and
/// the peers do not run out of ports.
#[test]
fn twenty_thousand_come_and_go_and_leave_nothing() {
    let _turn = turn();
    each(|program| {
        let files = program.files();
        come_and_go(program, 2000);
        let before = program.memory();
        let began = Instant::now();
        come_and_go(program, 18_000);
        eprintln!("{}: 18000 connections in {:.1?}", program.name, began.elapsed());
        program.expect_memory(before + (8 << 20), "after 20,000 connections");
        // What belongs to a runtime may have come since.
        let left = || program.files() - files;
        let began = Instant::now();
        while left() >= 10 {
            assert!(began.elapsed() < Duration::from_secs(10), "{}: {} more files", program.name, left());
            sleep(Duration::from_millis(100));
        }
    });
}

fn come_and_go(program: &Program, connections: usize) {
    let left = AtomicUsize::new(connections);
    let one_less = |left: usize| left.checked_sub(1);
    scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
                    let mut peer = Peer::open(program);
                    let frames = [frame(TEXT, b"hello"), frame(CLOSE, b"\x03\xE8")].concat();
                    peer.stream.write_all(&frames).unwrap();
                    peer.expect(TEXT, b"hello");
                    peer.expect(CLOSE, b"\x03\xE8");
                    peer.expect_end();
                }
            });
        }
    });
}

/// A byte at a time: 50 send a request that never ends, 50 a message. The first 10 kB of either come at once.
#[test]
fn a_hundred_that_drip_delay_nobody() {
    // Five programs, and two kinds.
    let crowd = as_far_as_files_go(500) / 10;
    each(|program| {
        let mut other = Peer::open(program);
        let message = frame(BINARY, &[8; 10_000]);
        let (begun, rest) = message.split_at(message.len() - 1000);
        let mut slow = Vec::from_iter((0..crowd).map(|_| Peer::open(program)));
        for peer in &mut slow {
            peer.stream.write_all(begun).unwrap();
        }
        let mut endless = Vec::from_iter((0..crowd).map(|_| program.connect()));
        for stream in &mut endless {
            stream.write_all(&REQUEST[..REQUEST.len() - 2]).unwrap();
            stream.write_all(&[b"X: ", &[b'x'; 10_000][..]].concat()).unwrap();
            stream.set_nonblocking(true).unwrap();
        }
        let (began, cpu, mut delays, mut told) = (Instant::now(), program.cpu(), Vec::new(), 0);
        while !endless.is_empty() {
            assert!(began.elapsed() < Duration::from_secs(30), "{} drip for ever", endless.len());
            for peer in &mut slow {
                peer.stream.write_all(&rest[delays.len()..][..1]).unwrap();
            }
            endless.retain_mut(|stream| drip(stream, &mut told));
            delays.push(other.expect_echo());
            if delays.len() == 20 {
                program.expect_memory(64 << 20, "peers that drip");
            }
            sleep(Duration::from_millis(200));
        }
        let (busy, time) = (program.cpu() - cpu, began.elapsed());
        eprintln!("{}, peers that drip: {busy:.1?} of {time:.1?} busy", program.name);
        assert!(busy < time / 2, "{}: {busy:?} of {time:?}", program.name);
        // The drip that meets the answer on its way may cost the answer.
        assert!(told > crowd / 2, "{told} of {crowd} were told");
        for peer in &mut slow {
            peer.stream.write_all(&rest[delays.len()..]).unwrap();
            peer.expect(BINARY, &[8; 10_000]);
        }
        expect_prompt(program, delays, "peers that drip");
    });
}

/// One more byte, until the server has had enough: false then. It may say so.
fn drip(stream: &mut TcpStream, told: &mut usize) -> bool {
    let mut answer = [0; 100];
    match stream.read(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => return stream.write_all(b"x").is_ok(),
        Ok(n) if n > 0 => {
            assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
            *told += 1;
        }
        _ => {}
    }
    false
}

/// Few bytes that become 4 MiB, on 50 connections at once, where a message may have 1 MiB.
#[test]
fn fifty_bombs_are_refused_and_delay_nobody() {
    let bomb = frame(0x40 | BINARY, &compressed(&vec![0; 4 << 20]));
    assert!(bomb.len() < 50_000);
    each_with(1024, &["--deflate", "--max-message", "1048576"], |program| {
        let mut other = Peer::open(program);
        let mut peers = Vec::from_iter((0..50).map(|_| {
            let mut peer = Peer::new(program.connect());
            let request = String::from_utf8_lossy(REQUEST)
                .replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
            peer.stream.write_all(request.as_bytes()).unwrap();
            peer.expect_response();
            peer
        }));
        for peer in &mut peers {
            peer.stream.write_all(&bomb).unwrap();
        }
        other.expect_prompt_echo();
        for peer in &mut peers {
            assert_eq!(peer.receive(CLOSE)[..2], 1009_u16.to_be_bytes());
        }
        // "about five times `max_message`", for each connection
        program.expect_memory(50 * (5 << 20), "after 50 bombs");
    });
}

/// The payload of `data` as a compressed message.
fn compressed(data: &[u8]) -> Vec<u8> {
    let mut sender = compressing();
    sender.send(&Message::from(data)).unwrap();
    let mut frame = Vec::new();
    while sender.wants_write() {
        frame.extend_from_slice(sender.output());
        sender.output_written(sender.output().len());
    }
    assert_eq!(frame[..2], [0xC2, 126], "a length of 16 bits");
    frame.split_off(4)
}

fn compressing() -> Connection {
    let headers = [
        ("host", "a"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    let config = Config::default().deflate(Some(sansocket::deflate::Deflate::default()));
    UpgradeRequest::from_parts("GET", "/", headers, config).unwrap().accept_parts().1
}

#[test]
fn a_signal_closes_a_thousand() {
    let crowd = as_far_as_files_go(1000);
    one_by_one(crowd + FILES_OF_PROGRAM, |program| {
        let mut peers = Vec::from_iter((0..crowd).map(|_| Peer::open(program)));
        program.terminate();
        let asked = Instant::now();
        let payloads = Vec::from_iter(peers.iter_mut().map(|peer| peer.receive(CLOSE)));
        // At most a thread for each.
        program.expect_memory(crowd * (128 << 10), "open connections after SIGTERM");
        for (peer, payload) in peers.iter_mut().zip(payloads) {
            assert_eq!(payload[..2], 1001_u16.to_be_bytes());
            peer.stream.write_all(&frame(CLOSE, &payload)).unwrap();
        }
        for mut peer in peers {
            peer.expect_end();
        }
        assert!(program.wait().success());
        eprintln!("{}: stopped {:.1?} after SIGTERM", program.name, asked.elapsed());
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    });
}
