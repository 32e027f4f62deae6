//! The echo servers on every kind of loop, and peers that behave as peers do: well, slowly, badly, not at all.
#![cfg(target_os = "linux")]

#[path = "loops/crowd.rs"]
mod crowd;
#[path = "loops/peer.rs"]
mod peer;
#[path = "loops/program.rs"]
mod program;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use peer::{BINARY, CLOSE, PING, PONG, Peer, REQUEST, TEXT, frame};
use program::each;
use sansocket::net::connect;
use sansocket::{CloseCode, Event, Message};

#[test]
fn a_client_is_echoed_and_a_browser_gets_a_page() {
    each(|program| {
        let mut ws = connect(&*format!("ws://{}/", program.address)).unwrap();
        for message in [Message::from("Hello"), Message::from(""), Message::from(vec![7; 3_000_000])] {
            ws.send(&message).unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Event::Message(message)));
        }
        ws.close(CloseCode::NORMAL, "").unwrap();
        ws.finish().unwrap();
        let mut stream = program.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("<h1>"), "{answer}");
    });
}

#[test]
fn what_drips_in_is_echoed() {
    each(|program| {
        let mut stream = program.connect();
        stream.set_nodelay(true).unwrap();
        let drip = |stream: &mut TcpStream, bytes: &[u8]| {
            for byte in bytes {
                stream.write_all(&[*byte]).unwrap();
                sleep(Duration::from_micros(200));
            }
        };
        drip(&mut stream, REQUEST);
        let mut peer = Peer::new(stream);
        peer.expect_response();
        for (opcode, payload, answer) in [(TEXT, "héllo".as_bytes(), TEXT), (PING, b"?", PONG)] {
            drip(&mut peer.stream, &frame(opcode, payload));
            peer.expect(answer, payload);
        }
        drip(&mut peer.stream, &frame(CLOSE, &[]));
        peer.expect(CLOSE, &[]);
        peer.expect_end();
    });
}

#[test]
fn what_was_sent_before_the_end_is_echoed() {
    each(|program| {
        let mut peer = Peer::new(program.connect());
        let mut bytes = REQUEST.to_vec();
        for _ in 0..20 {
            bytes.extend(frame(BINARY, &[5; 50_000]));
        }
        peer.stream.write_all(&bytes).unwrap();
        peer.stream.shutdown(Shutdown::Write).unwrap();
        peer.expect_response();
        for _ in 0..20 {
            peer.expect(BINARY, &[5; 50_000]);
        }
        let mut rest = Vec::new();
        peer.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty() || rest[0] == 0x80 | CLOSE, "{rest:?}");
        // Half a request.
        let mut stream = program.connect();
        stream.write_all(&REQUEST[..30]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
    });
}

/// The server stops to read, holds a bounded backlog, and serves the others.
#[test]
fn a_peer_that_never_reads_costs_the_others_nothing() {
    each(|program| {
        let mut other = Peer::open(program);
        let mut deaf = Peer::open(program);
        let message = frame(BINARY, &[9; 100_000]);
        deaf.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut taken = 0;
        // What a write that times out has written is not known, so that there is one of those only.
        while taken < 100 << 20 && deaf.stream.write_all(&message).is_ok() {
            taken += message.len();
        }
        assert!(taken < 64 << 20, "it was to stop reading, and took {taken} bytes");
        other.expect_prompt_echo();
        let busy = program.busy(Duration::from_millis(500));
        assert!(busy < Duration::from_millis(250), "{busy:?} of 500 ms");
        assert!(program.memory() < 64 << 20, "{} bytes", program.memory());
        // Once it does read, it gets all that it sent.
        for _ in 0..taken / message.len() {
            deaf.expect(BINARY, &[9; 100_000]);
        }
    });
}

#[test]
fn resets_end_their_own_connections_only() {
    each(|program| {
        let mut other = Peer::open(program);
        for i in 0..200 {
            let mut stream = program.connect();
            stream.write_all(&REQUEST[..if i % 2 == 0 { REQUEST.len() } else { 30 }]).unwrap();
            if i % 2 == 0 {
                stream.write_all(&frame(BINARY, &[1; 10_000])).unwrap();
                // Something that was not read resets the connection.
                stream.read_exact(&mut [0; 10]).unwrap();
            }
        }
        other.expect_prompt_echo();
    });
}

#[test]
fn who_never_finishes_a_request_is_told_so_and_who_says_nothing_is_left() {
    each(|program| {
        let began = Instant::now();
        let (mut slow, mut silent) = (program.connect(), program.connect());
        slow.write_all(&REQUEST[..30]).unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        silent.read_to_string(&mut answer).unwrap();
        let took = began.elapsed();
        assert!(took > Duration::from_secs(9) && took < Duration::from_secs(15), "{took:?}");
    });
}

#[test]
fn broken_frames_are_told_so() {
    each(|program| {
        let mut peer = Peer::open(program);
        peer.stream.write_all(b"\xf1\x80\0\0\0\0").unwrap();
        assert_eq!(peer.receive(CLOSE)[..2], 1002_u16.to_be_bytes());
        peer.expect_end();
    });
}

/// No file descriptor is left: no spinning, nobody who is connected notices, and who waits is served later.
#[test]
fn files_run_out_and_come_back() {
    program::each_with(40, &[], |program| {
        let mut other = Peer::open(program);
        let mut waiting: Vec<_> = (0..80).map(|_| program.connect()).collect();
        for stream in &mut waiting {
            stream.write_all(REQUEST).unwrap();
        }
        other.expect_prompt_echo();
        let busy = program.busy(Duration::from_secs(1));
        assert!(busy < Duration::from_millis(300), "{busy:?} of a second");
        other.expect_prompt_echo();
        program.expect_memory(64 << 20, "without files");
        let mut last = Peer::new(waiting.pop().unwrap());
        last.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let error = last.stream.read(&mut [0]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        drop(waiting);
        last.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        last.expect_response();
        last.expect_prompt_echo();
    });
}

#[test]
fn a_signal_closes_all_and_ends_it_also_while_no_file_is_left() {
    program::each_with(40, &[], |program| {
        let mut peer = Peer::open(program);
        let mut deaf = Peer::open(program);
        let waiting: Vec<_> = (0..80).map(|_| program.connect()).collect();
        deaf.stream.set_nonblocking(true).unwrap();
        while deaf.stream.write(&frame(BINARY, &[3; 100_000])).is_ok() {}
        program.terminate();
        let payload = peer.receive(CLOSE);
        assert_eq!(payload[..2], 1001_u16.to_be_bytes());
        peer.stream.write_all(&frame(CLOSE, &payload)).unwrap();
        peer.expect_end();
        let asked = Instant::now();
        assert!(program.wait().success());
        assert!(asked.elapsed() < Duration::from_secs(10));
        drop(waiting);
    });
}
