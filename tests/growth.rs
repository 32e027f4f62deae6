//! Work is linear: what is appended piece by piece is moved and allocated a bounded number of times for each byte. Counted, not timed.
//! A test program of its own, for its counting allocator.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::*;
use counting::measure;
use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{Config, Input, ReadBuffer, Server};

/// A buffer of the output that is larger grows by a quarter.
const BLOCK: usize = 128 * 1024;

/// How often a buffer may grow to hold so many bytes, if it at least grows by half each time.
fn growths(bytes: usize) -> usize {
    let (mut size, mut count) = (64, 1);
    while size < bytes {
        size += size / 2;
        count += 1;
    }
    count
}

#[test]
fn an_output_that_nobody_writes_grows_by_steps() {
    for role in Role::BOTH {
        let mut connection = open(role);
        let (used, ()) =
            measure(|| (0..100_000).for_each(|_| connection.send_binary(&[7; 8]).expect("there is room")));
        let bytes = connection.output_len();
        assert!(used.calls <= 2 * growths(bytes) + 4, "{role:?} {used:?} for {bytes} bytes");
        assert_eq!(connection.output().len(), bytes, "in one piece");
    }
}

/// Messages of any size, as many as `max_output` takes: they hold a quarter more than it says, and as much as one buffer that
/// doubles; and briefly all of that twice, where the allocator copies it.
#[test]
fn an_output_that_nobody_writes_holds_no_more_than_its_limit() {
    for max in [BLOCK + 1000, 3 * BLOCK, (1 << 20) + 1000, 5 << 20] {
        for len in [10, 100, 1000, 5000, 20_000, 45_000, 66_000, 100_000, 500_000] {
            for role in Role::BOTH {
                let mut connection = role.connection(Config::default().max_output(max));
                let message = vec![7; len];
                let (used, ()) = measure(|| while connection.send_binary(&message).is_ok() {});
                assert!(connection.output_len() <= max);
                let most = (max + max / 4 + BLOCK) as isize;
                assert!(used.held <= most && used.peak <= 2 * most, "{role:?} {len} {max}: {used:?}");
            }
        }
    }
}

#[test]
fn an_output_that_is_written_byte_by_byte_is_not_moved_each_time() {
    for backlog in [1000, 20_000, 100_000] {
        let mut connection = open(Role::Server);
        connection.send_binary(&vec![7; backlog]).expect("there is room");
        let mut moves = 0;
        let (used, ()) = measure(|| {
            for _ in 0..100_000 {
                let front = connection.output().as_ptr().addr();
                connection.output_written(1);
                connection.ping(b"").expect("there is room");
                connection.output_written(1);
                moves += usize::from(connection.output().as_ptr().addr() != front + 2);
            }
        });
        assert!(used.calls <= growths(300_000), "{backlog}: {used:?}");
        // Each time after at least a quarter of what waits was written.
        assert!(moves <= growths(300_000) + 200_000 / (backlog / 4), "{backlog}: {moves} moves");
    }
}

/// What is appended to a large backlog goes elsewhere.
#[test]
fn a_large_backlog_stays_where_it_is() {
    let mut connection = open(Role::Server);
    connection.send_binary(&[7; 100_000]).expect("there is room");
    connection.output_written(1);
    let front = connection.output().as_ptr();
    connection.send_binary(&[7; 100_000]).expect("there is room");
    assert_eq!(connection.output().as_ptr(), front);
    assert_eq!(connection.output_slices(&mut [&[][..]; 3]), 2);
}

#[test]
fn a_message_that_comes_byte_by_byte_grows_by_steps() {
    for first in [TEXT, BINARY] {
        let mut connection = open(Role::Client);
        let bytes = frame(first, None, &[b'x'; 200_000]);
        let (used, ()) = measure(|| {
            for byte in &bytes {
                let mut byte = [*byte];
                let _ = connection.recv(&mut Input::new(&mut byte));
            }
        });
        assert!(used.calls <= growths(200_000) + 4, "{used:?}");
    }
}

#[test]
fn a_read_buffer_that_is_filled_in_small_reads_grows_by_steps() {
    const LEN: usize = 1_000_000;
    for (first, copied, len) in [(TEXT, false, 500), (BINARY, false, 10), (BINARY, true, 500)] {
        let (mut connection, mut buffer) = (open(Role::Client), ReadBuffer::default());
        let bytes = frame(first, None, &vec![b'x'; LEN]);
        let (used, ()) = measure(|| {
            for piece in bytes.chunks(len) {
                if copied {
                    buffer.extend_from_slice(piece);
                } else {
                    buffer.space()[..piece.len()].copy_from_slice(piece);
                    buffer.filled(piece.len());
                }
                let _ = connection.recv(&mut buffer.input());
            }
        });
        assert!(buffer.is_empty());
        assert!(used.calls <= growths(LEN), "{used:?}");
    }
}

/// Whether the pieces are copied there or read there: nothing is received in between.
#[test]
fn a_read_buffer_of_which_nothing_is_received_grows_by_steps() {
    for copied in [false, true] {
        let mut buffer = ReadBuffer::new(64, 1 << 20);
        let (used, ()) = measure(|| {
            for _ in 0..100_000 {
                if copied {
                    buffer.extend_from_slice(&[7; 10]);
                } else {
                    buffer.space()[..10].fill(7);
                    buffer.filled(10);
                }
            }
        });
        assert_eq!(buffer.unread(), [7; 1_000_000]);
        assert!(used.calls <= growths(1_000_000), "copied: {copied}, {used:?}");
        assert!(used.held <= 2_100_000, "copied: {copied}, {used:?}");
    }
}

/// A caller that takes one message for each that arrives keeps its backlog.
#[test]
fn a_backlog_in_a_read_buffer_is_rarely_moved() {
    for copied in [false, true] {
        let (mut connection, frame) = (open(Role::Server), Role::Server.frame(BINARY, &[7; 4]));
        let mut buffer = ReadBuffer::new(64, 1 << 20);
        buffer.extend_from_slice(&frame.repeat(10_000));
        let mut moves = 0;
        for _ in 0..100_000 {
            let front = buffer.unread().as_ptr().addr();
            assert!(connection.recv(&mut buffer.input()).is_some());
            if copied {
                buffer.extend_from_slice(&frame);
            } else {
                buffer.space()[..frame.len()].copy_from_slice(&frame);
                buffer.filled(frame.len());
            }
            moves += usize::from(buffer.unread().as_ptr().addr() != front + frame.len());
        }
        assert_eq!(buffer.unread().len(), 10_000 * frame.len());
        // Each time after as much as waits was received.
        assert!(moves <= 1 + 100_000 / 10_000, "copied: {copied}, {moves} moves");
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_grows_by_steps() {
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(30_000));
    let (used, ()) = measure(|| {
        let mut handshake = ServerHandshake::new(Config::default());
        for byte in head.as_bytes() {
            let mut byte = [*byte];
            match handshake.recv(&mut Input::new(&mut byte)) {
                ServerProgress::Incomplete(more) => handshake = more,
                ServerProgress::Http(_) => return,
                other => panic!("{other:?}"),
            }
        }
        panic!("the head is complete");
    });
    assert!(used.calls <= growths(head.len()) + 8, "{used:?}");
}

/// Offers of one byte take the most memory: the position of each is kept. As much as the head may follow it.
#[test]
fn a_connection_that_opens_holds_at_most_twenty_times_the_limit_of_its_head() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-";
    let all = Config::default().get_max_head();
    // Just beyond a power of two, what doubles has the most room for nothing.
    for max_head in [1000, 2200, 8300, all, all + 200] {
        for list in ["Extensions: ", "Protocol: "] {
            for pieces in [1, 2] {
                let start = format!("{start}{list}");
                let offers = (max_head - start.len()) / 2 - 2;
                let mut head = format!("{start}{}\r\n\r\n", vec!["a"; offers].join(",")).into_bytes();
                let mut frames = vec![0x80; max_head];
                let (used, _server) = measure(|| {
                    let mut server = Server::new(Config::default().max_head(max_head));
                    let last = head.len() - (pieces - 1);
                    let (front, back) = head.split_at_mut(last);
                    let mut event = server.recv(&mut Input::new(front));
                    if pieces > 1 {
                        assert!(event.is_none());
                        event = server.recv(&mut Input::new(back));
                    }
                    assert!(event.is_some(), "{list} is complete");
                    drop(event);
                    // It is being decided on, or refused.
                    assert!(server.recv(&mut Input::new(&mut frames)).is_none());
                    server
                });
                let most = 20 * max_head as isize;
                assert!(used.peak <= most, "{max_head} {list} {pieces}: {used:?}");
            }
        }
    }
}
