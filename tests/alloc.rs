//! Memory: what is allocated, and when. A test program of its own, for its counting allocator.
#![cfg(feature = "alloc")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::*;
use counting::{Used, measure};
use sansocket::frame::Limits;
use sansocket::{Config, Connection, EncodedMessage, Event, Input, Message, ProtocolError};

/// Receives without allocating anything of its own, and gives each event to `handle`.
fn drain(connection: &mut Connection, bytes: &mut [u8], mut handle: impl FnMut(&mut Connection, Event<'_>)) {
    let mut input = Input::new(bytes);
    while let Some(event) = connection.recv(&mut input) {
        handle(connection, event);
    }
}

fn error(event: &Event<'_>) -> Option<ProtocolError> {
    match event {
        Event::Failed(error) => Some(*error),
        _ => None,
    }
}

// ---- small ----

#[test]
fn a_connection_is_at_most_512_bytes_and_an_idle_server_holds_no_heap() {
    assert!(size_of::<Connection>() <= 512, "{}", size_of::<Connection>());
    let (used, mut server) = measure(|| Connection::server(Config::default()));
    assert_eq!(used.calls, 0);
    let (used, ()) = measure(|| {
        let mut bytes = Role::Server.frame(TEXT, b"Hello");
        drain(&mut server, &mut bytes, |_, event| assert!(matches!(event, Event::Message(_))));
        server.send_text("Hello").expect("open");
        server.output_written(7);
    });
    assert_eq!(used.held, 0, "idle again: {used:?}");
}

#[test]
fn steady_traffic_allocates_nothing() {
    for role in Role::BOTH {
        for len in [16, 1024, 16 << 10] {
            let mut connection = role.connection(Config::default());
            let frame = role.frame(BINARY, &vec![7; len]);
            let mut buffer = vec![0; frame.len() * 4];
            let mut round = |connection: &mut Connection| {
                buffer.chunks_mut(frame.len()).for_each(|chunk| chunk.copy_from_slice(&frame));
                drain(connection, &mut buffer, |connection, event| match event {
                    Event::Message(message) => connection.send(&message).expect("open"),
                    event => assert_eq!(error(&event), None),
                });
                connection.output_written(usize::MAX);
            };
            (0..4).for_each(|_| round(&mut connection));
            let (used, ()) = measure(|| (0..300).for_each(|_| round(&mut connection)));
            assert_eq!(used.calls, 0, "{role:?} {len}: {used:?}");
        }
    }
}

#[test]
fn a_big_message_leaves_nothing_behind() {
    for role in Role::BOTH {
        let (used, connection) = measure(|| {
            let mut connection = role.connection(Config::default());
            let mut bytes = role.frame(BINARY, &vec![7; 1 << 20]);
            for half in bytes.chunks_mut(600_000) {
                drain(&mut connection, half, |connection, event| match event {
                    Event::Message(message) => connection.send(&message).expect("open"),
                    event => assert_eq!(error(&event), None),
                });
            }
            connection.output_written(usize::MAX);
            connection
        });
        assert!(used.held <= 4096, "{role:?} {used:?}");
        drop(connection);
    }
}

#[test]
fn large_owned_and_shared_messages_are_not_copied_and_leave_nothing() {
    for role in Role::BOTH {
        let mut connection = role.connection(Config::default());
        let large = Message::from(vec![7; 1 << 20]);
        let (used, ()) = measure(|| {
            connection.send_owned(large).expect("open");
            assert!(connection.wants_write());
        });
        assert!((0..1024).contains(&used.held) && used.peak < 1024, "{role:?} {used:?}");
        connection.output_written(usize::MAX);
        assert!(!connection.wants_write());
    }
    // A broadcast: what each receiver takes, whatever the size.
    let news = EncodedMessage::new(&Message::from(vec![7; 16 << 10]));
    let (used, mut connections) = measure(|| {
        [(); 100].map(|()| {
            let mut connection = Connection::server(Config::default());
            connection.send_encoded(&news).expect("open");
            connection
        })
    });
    assert!(used.held <= 100 * 128, "{used:?}");
    let (used, ()) = measure(|| connections.iter_mut().for_each(|c| c.output_written(usize::MAX)));
    assert!(used.held < 0 && used.calls == 0, "{used:?}");
}

#[test]
fn a_server_that_is_told_to_shrink_holds_no_heap() {
    let (used, mut server) = measure(|| Connection::server(Config::default()));
    assert_eq!(used.calls, 0);
    let (used, ()) = measure(|| {
        for _ in 0..10 {
            server.send_text("Hello").expect("open");
            server.output_written(7);
        }
        server.shrink();
    });
    assert_eq!(used.held, 0, "{used:?}");
}

/// A peer that reads slowly: what is appended to a backlog goes to blocks that were written before.
#[test]
fn a_steady_backlog_allocates_nothing() {
    for len in [1000, 100_000] {
        let mut server = Connection::server(Config::default());
        let message = vec![7; len];
        let mut round = |n: usize| {
            for _ in 0..n {
                server.send_binary(&message).expect("there is room");
                server.output_written(len + if len < 1 << 16 { 4 } else { 10 });
            }
        };
        round(1);
        (0..300_000 / len).for_each(|_| server.send_binary(&message).expect("there is room"));
        let mut round = |n: usize| {
            for _ in 0..n {
                server.send_binary(&message).expect("there is room");
                server.output_written(len + if len < 1 << 16 { 4 } else { 10 });
            }
        };
        round(3_000_000 / len);
        let (used, ()) = measure(|| round(3_000_000 / len));
        assert_eq!((used.calls, used.held), (0, 0), "{len}: {used:?}");
    }
}

// ---- what the peer announces ----

#[test]
fn cve_2022_35922_an_announced_length_allocates_nothing() {
    for (limits, len) in [
        (Config::default(), (1 << 63) - 1),
        (config(NO_LIMITS), (1 << 63) - 1),
        (config(Limits { max_frame: 1 << 30, max_message: 1 << 30, max_fragments: 1 }), 1 << 30),
    ] {
        for role in Role::BOTH {
            for first in [TEXT, BINARY, FIRST_BINARY] {
                let mut bytes = header(first, role.key(), Form::Eight, len);
                let mut few = [role.key().map_or(b'x', |key| key[0] ^ b'x')];
                let mut connection = role.connection(limits);
                let (used, ()) = measure(|| {
                    drain(&mut connection, &mut bytes, |_, _| {});
                    drain(&mut connection, &mut few, |_, _| {});
                });
                assert!(used.peak < 1024, "{len:#x} {used:?}");
            }
        }
    }
}

#[test]
fn memory_is_at_most_four_times_what_arrived() {
    for first in [TEXT, BINARY] {
        let mut connection = Role::Client.connection(config(NO_LIMITS));
        let mut head = header(first, None, Form::Eight, 1 << 40);
        drain(&mut connection, &mut head, |_, _| {});
        let (mut arrived, mut piece) = (0, vec![b'x'; 700]);
        let (used, ()) = measure(|| {
            while arrived < 1_000_000 {
                drain(&mut connection, &mut piece, |_, _| {});
                arrived += 700;
            }
        });
        // While a buffer grows, the old one and the new one are there at the same time.
        assert!(used.held <= 4 * arrived && used.peak <= 5 * arrived, "{used:?} after {arrived}");
    }
}

/// Of fragments nobody knows how many more there are.
#[test]
fn fragments_take_at_most_twice_what_arrived() {
    for first in [FIRST_TEXT, FIRST_BINARY] {
        let mut connection = Role::Client.connection(config(NO_LIMITS));
        drain(&mut connection, &mut frame(first, None, b""), |_, _| {});
        let fragment = frame(MIDDLE, None, &[b'x'; 700]);
        let (mut arrived, mut held) = (0, 0);
        for _ in 0..1000 {
            let mut fragment = fragment.clone();
            held += measure(|| drain(&mut connection, &mut fragment, |_, _| {})).0.held;
            arrived += 704;
            assert!(held <= 2 * arrived + 100, "{first:#x}: {held} after {arrived}");
        }
    }
}

#[test]
fn a_whole_frame_is_never_held_twice() {
    for role in Role::BOTH {
        let mut bytes = role.frame(BINARY, &vec![7; 1 << 20]);
        let mut connection = role.connection(Config::default());
        let (used, ()) = measure(|| drain(&mut connection, &mut bytes, |_, _| {}));
        assert_eq!(used.calls, 0, "borrowed");
    }
}

#[test]
fn chunks_of_a_huge_message_need_no_memory() {
    let mut connection = Role::Server.connection(config(NO_LIMITS));
    let mut head = header(TEXT, Some(KEY), Form::Eight, 1 << 40);
    drain(&mut connection, &mut head, |_, _| {});
    let text = "ä€🦀".repeat(1000);
    let mut bytes = Vec::from_iter(masked(KEY, text.as_bytes()));
    let (used, ()) = measure(|| {
        for piece in bytes.chunks_mut(997) {
            let mut input = Input::new(piece);
            while connection.recv_chunk(&mut input).is_some() {}
        }
    });
    assert!(used.peak < 16 && used.held == 0, "one cut code point at a time: {used:?}");
}

// ---- fragments ----

/// Feeds `times` copies of `next` behind `first`, many at a time.
fn flood(
    role: Role,
    config: Config,
    first: &[u8],
    next: &[u8],
    times: usize,
) -> (Used, Option<ProtocolError>) {
    let mut connection = role.connection(config);
    drain(&mut connection, &mut first.to_vec(), |_, _| {});
    let block = next.repeat(10_000);
    let mut buffer = block.clone();
    measure(|| {
        let mut failed = None;
        for _ in 0..times / 10_000 {
            buffer.copy_from_slice(&block);
            drain(&mut connection, &mut buffer, |_, event| failed = failed.or(error(&event)));
        }
        failed
    })
}

#[test]
fn cve_2026_48779_ten_million_tiny_continuations_are_too_many() {
    for role in Role::BOTH {
        for payload in [b"".as_slice(), b"x"] {
            let (first, next) = (role.frame(FIRST_TEXT, b""), role.frame(MIDDLE, payload));
            let (used, failed) = flood(role, Config::default(), &first, &next, 10_000_000);
            assert_eq!(failed, Some(ProtocolError::TooManyFragments));
            assert!(used.peak <= 64 << 10, "{used:?}");
        }
    }
}

#[test]
fn cve_2026_12151_memory_is_that_of_the_payload_whatever_the_fragments() {
    let limits = Limits { max_frame: 1 << 20, max_message: 1 << 20, max_fragments: u32::MAX };
    for (payload, most) in [(b"".as_slice(), 0), (b"x", 3 * 300_000)] {
        let (first, next) = (Role::Client.frame(FIRST_BINARY, b""), Role::Client.frame(MIDDLE, payload));
        let (used, failed) = flood(Role::Client, config(limits), &first, &next, 300_000);
        assert_eq!(failed, None);
        assert!(used.peak <= most, "{used:?}");
    }
}

#[test]
fn autobahn_9_3_1_four_mebibytes_in_frames_of_64_bytes_pass() {
    for role in Role::BOTH {
        let mut bytes = role.frame(FIRST_BINARY, &[7; 64]);
        bytes.extend(role.frame(MIDDLE, &[7; 64]).repeat(65_534));
        bytes.extend(role.frame(LAST, &[7; 64]));
        let mut connection = role.connection(Config::default());
        let mut whole = None;
        drain(&mut connection, &mut bytes, |_, event| match event {
            Event::Message(Message::Binary(bytes)) => whole = Some(bytes.into_owned()),
            event => assert_eq!(error(&event), None),
        });
        assert!(whole.is_some_and(|bytes| bytes == vec![7; 4 << 20]));
    }
}

#[test]
fn cve_2014_0193_endless_continuations_hold_no_more_than_the_limit() {
    for role in Role::BOTH {
        let next = role.frame(MIDDLE, &[7; 1024]);
        let limits = Limits { max_frame: 1 << 20, max_message: 1 << 20, max_fragments: 16 };
        let (used, failed) = flood(role, config(limits), &role.frame(FIRST_BINARY, b""), &next, 20_000);
        assert_eq!(failed, Some(ProtocolError::MessageTooLarge));
        assert!(used.peak <= 3 << 20 && used.held <= 4096, "{used:?}");
    }
}

#[test]
fn cve_2020_35896_a_flood_of_pings_holds_a_few_kibibytes() {
    for role in Role::BOTH {
        let ping = role.frame(PING, &[7; 125]);
        let (used, failed) = flood(role, Config::default(), &ping, &ping, 1_000_000);
        assert_eq!(failed, None);
        assert!(used.peak <= 8192, "{used:?}");
    }
}
