//! Many peers of a kind at once, and one beside them that is to notice nothing.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use sansocket::handshake::UpgradeRequest;
use sansocket::{Config, Connection, Message};

use super::peer::{BINARY, CLOSE, PING, PONG, Peer, REQUEST, TEXT, frame};
use super::program::{Program, each, each_with};

/// This process holds the other end of all connections of all programs.
fn more_files() {
    assert!(rlimit::increase_nofile_limit(4000).unwrap() >= 4000, "expected a hard limit of 4000 open files");
}

/// Sends `bytes` over and over, on new connections where it is refused, until the time is up; how much was taken.
fn flood(program: &Program, bytes: &[u8], over: &AtomicBool, until: Instant) -> usize {
    let mut taken = 0;
    let goes_on = || !over.load(Ordering::Relaxed) && Instant::now() < until;
    while goes_on() {
        let mut stream = program.connect();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut rest: &[u8] = REQUEST;
        while goes_on() {
            let Ok(n) = stream.write(rest) else { break };
            taken += n;
            rest = if n == rest.len() { bytes } else { &rest[n..] };
        }
    }
    taken
}

#[test]
fn floods_delay_nobody() {
    let rubbish = Vec::from_iter((0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
    let floods =
        [frame(PING, b"").repeat(10_000), frame(PONG, b"").repeat(10_000), empty_fragments(), rubbish];
    each(|program| {
        let mut other = Peer::open(program);
        let until = Instant::now() + Duration::from_secs(60);
        let over = AtomicBool::new(false);
        scope(|scope| {
            let (program, over) = (&*program, &over);
            let flooding =
                floods.each_ref().map(|bytes| scope.spawn(move || flood(program, bytes, over, until)));
            // While all of them flood: a machine that is busy takes its time, a loop that starves its peers takes all of it.
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(1500) {
                other.expect_echo_within(Duration::from_secs(20));
                sleep(Duration::from_millis(5));
            }
            assert!(Instant::now() < until, "it was served only when the floods were over");
            over.store(true, Ordering::Relaxed);
            for flooding in flooding {
                assert!(flooding.join().unwrap() > 100_000, "that is no flood");
            }
        });
        assert!(program.memory() < 64 << 20, "{} bytes", program.memory());
    });
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

/// 500 of all programs together.
#[test]
fn five_hundred_that_never_read_cost_the_others_nothing() {
    more_files();
    let message = frame(BINARY, &[9; 100_000]);
    each(|program| {
        let mut other = Peer::open(program);
        let deaf = Vec::from_iter((0..100).map(|_| Peer::open(program)));
        for peer in &deaf {
            peer.stream.set_nonblocking(true).unwrap();
            for _ in 0..3 {
                let _ = (&peer.stream).write(&message);
            }
        }
        // It answers as far as it can, and then rests.
        other.expect_echo_within(Duration::from_secs(10));
        let busy = || program.busy(Duration::from_millis(300));
        assert!((0..30).any(|_| busy() < Duration::from_millis(100)), "{:?} of 300 ms", busy());
        other.expect_echo_within(Duration::from_secs(10));
        assert!(program.memory() < 64 << 20, "{} bytes", program.memory());
        drop(deaf);
        other.expect_echo_within(Duration::from_secs(10));
    });
}

/// 20 000 connections, of all programs together.
#[test]
fn connections_come_and_go_and_leave_nothing() {
    each(|program| {
        let mut before = 0;
        for i in 0..4000 {
            if i == 500 {
                before = program.memory();
            }
            let mut peer = Peer::open(program);
            peer.stream.write_all(&[frame(TEXT, b"hello"), frame(CLOSE, b"\x03\xE8")].concat()).unwrap();
            peer.expect(TEXT, b"hello");
            peer.expect(CLOSE, b"\x03\xE8");
            peer.expect_end();
        }
        let after = program.memory();
        assert!(after < before + (8 << 20), "{before} bytes became {after}");
    });
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
        other.expect_echo_within(Duration::from_secs(10));
        for peer in &mut peers {
            assert_eq!(peer.receive(CLOSE)[..2], 1009_u16.to_be_bytes());
        }
        // "about five times `max_message`", for each connection
        assert!(program.memory() < 50 * (5 << 20), "{} bytes", program.memory());
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

/// 1000 of all programs together.
#[test]
fn a_signal_closes_a_thousand() {
    more_files();
    each(|program| {
        let mut peers = Vec::from_iter((0..200).map(|_| Peer::open(program)));
        program.terminate();
        let asked = Instant::now();
        for peer in &mut peers {
            let payload = peer.receive(CLOSE);
            assert_eq!(payload[..2], 1001_u16.to_be_bytes());
            peer.stream.write_all(&frame(CLOSE, &payload)).unwrap();
        }
        for peer in &mut peers {
            peer.expect_end();
        }
        assert!(program.wait().success());
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    });
}
