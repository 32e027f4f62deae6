//! The read buffer: the same events as with an input, large messages borrowed, memory only for what has arrived.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::borrow::Cow;
use std::mem;

use common::*;
use counting::measure;
use sansocket::{Config, Connection, Event, Input, Message, ProtocolError, ReadBuffer, State};

/// Reads `bytes` through a buffer, at most `most` bytes a read, and gives each event to `handle`.
fn read(
    connection: &mut Connection,
    buffer: &mut ReadBuffer,
    mut bytes: &[u8],
    mut most: impl FnMut() -> usize,
    mut handle: impl FnMut(&Event<'_>),
) {
    while !bytes.is_empty() {
        let space = buffer.space();
        let n = space.len().min(bytes.len()).min(most().max(1));
        space[..n].copy_from_slice(&bytes[..n]);
        bytes = &bytes[n..];
        buffer.filled(n);
        let mut input = buffer.input();
        while let Some(event) = connection.recv(&mut input) {
            handle(&event);
        }
    }
}

fn is_borrowed(event: &Event<'_>) -> bool {
    matches!(event, Event::Message(Message::Text(Cow::Borrowed(_)) | Message::Binary(Cow::Borrowed(_))))
}

#[test]
fn the_same_events_as_the_model_at_every_cut() {
    let close = close_payload(1000, "bye");
    for role in Role::BOTH {
        let table: [Frames<'_>; 9] = [
            &[(TEXT, b"Hello"), (BINARY, &[7; 300]), (CLOSE, &close)],
            &[(TEXT, "gr\u{fc}n \u{20ac}\u{1f980}".as_bytes()), (PING, b"p"), (TEXT, b"")],
            &[(FIRST_TEXT, b"a\xE2\x82"), (PING, b"p"), (LAST, b"\xACb"), (TEXT, b"next")],
            &[(FIRST_BINARY, &[1; 200]), (MIDDLE, b""), (LAST, &[2; 200])],
            &[(TEXT, b"good \xE2\x28\xA1 and more text")],
            &[(TEXT, b"cut \xE2\x82"), (TEXT, b"next")],
            &[(BINARY, &[7; 900]), (BINARY, &[7; 1001])],
            &[(PING, &[7; 125]), (PONG, b"x"), (0xFF, b"x")],
            &[(TEXT, b"x"), (0x80, b"x")],
        ];
        for frames in table {
            let bytes = role.frames(frames);
            let expected = model(role, LIMITS, &bytes).events;
            for max_frame in [0, 5, 100, 1 << 20] {
                for cut in 0..bytes.len() {
                    let mut buffer = ReadBuffer::new(64, max_frame);
                    let (mut connection, mut seen) = (role.connection(config(LIMITS)), Collector::default());
                    for piece in [&bytes[..cut], &bytes[cut..]] {
                        read(&mut connection, &mut buffer, piece, || usize::MAX, |event| seen.push(event));
                    }
                    assert_eq!(seen.events, expected, "{max_frame} {cut}");
                }
                let mut buffer = ReadBuffer::new(64, max_frame);
                let (mut connection, mut seen) = (role.connection(config(LIMITS)), Collector::default());
                read(&mut connection, &mut buffer, &bytes, || 1, |event| seen.push(event));
                assert_eq!(seen.events, expected, "{max_frame} byte by byte");
            }
        }
    }
}

#[test]
fn a_rule_is_checked_at_the_byte_that_breaks_it() {
    for role in Role::BOTH {
        let long = [b"valid text, ".repeat(300).as_slice(), b"\xE2\x28", &[b'x'; 5000]].concat();
        let frames = [role.frame(TEXT, &long), role.frame(0x83, b"xyz"), role.frame(CLOSE, b"\x03\xED")];
        for bytes in frames {
            let breaks = breaking_byte(role, NO_LIMITS, &bytes).expect("it breaks a rule");
            let (mut connection, mut buffer) = (role.connection(Config::default()), ReadBuffer::default());
            let mut failed = false;
            read(
                &mut connection,
                &mut buffer,
                &bytes[..breaks - 1],
                || 700,
                |event| {
                    failed |= matches!(event, Event::Failed(_));
                },
            );
            assert!(!failed);
            read(
                &mut connection,
                &mut buffer,
                &bytes[breaks - 1..breaks],
                || 1,
                |event| {
                    failed |= matches!(event, Event::Failed(_));
                },
            );
            assert!(failed, "at byte {breaks}");
        }
    }
}

/// Not only if it comes last, and with any mask.
#[test]
fn bad_text_is_refused_in_the_read_that_brings_it() {
    for key in [[0; 4], [0x7F; 4], [0x80; 4], [0xFF, 0, 0x81, 1]] {
        for bad in [&b"\xE2\x28"[..], &[0xFF; 16], &[0x80]] {
            for before in [0, 7, 64, 300] {
                let text = [&vec![b'x'; before], bad, &[b'x'; 2000]].concat();
                let bytes = frame(TEXT, Some(key), &text);
                let (mut connection, mut buffer) = (open(Role::Server), ReadBuffer::default());
                buffer.extend_from_slice(&bytes[..before + bad.len() + 200]);
                let event = connection.recv(&mut buffer.input());
                assert_eq!(
                    event,
                    Some(Event::Failed(ProtocolError::InvalidUtf8)),
                    "{key:?} {bad:?} {before}"
                );
            }
        }
    }
}

#[test]
fn messages_in_random_cuts_are_borrowed_if_they_fit() {
    const MAX_FRAME: usize = 100_000;
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let role = rng.pick(&Role::BOTH);
        let mut connection = role.connection(Config::default());
        let size = rng.pick(&[64, 4 << 10, 16 << 10]);
        let mut buffer = ReadBuffer::new(size, MAX_FRAME);
        let (mut expected, mut wire) = (Vec::new(), Vec::new());
        for _ in 0..120 {
            let len = match rng.below(12) {
                0 => rng.below(150_000),
                1..=3 => rng.below(20_000),
                _ => rng.below(200),
            };
            let payload = vec![b'a' + (len % 26) as u8; len];
            let first = rng.pick(&[TEXT, BINARY, BINARY]);
            let frame = role.frame(first, &payload);
            expected.push((first, len, frame.len() <= MAX_FRAME));
            wire.extend(frame);
            if rng.one_in(5) {
                wire.extend(role.frame(PING, b"p"));
            }
        }
        let (mut messages, most) = (Vec::new(), rng.pick(&[100, 3000, 1 << 20]));
        read(
            &mut connection,
            &mut buffer,
            &wire,
            || 1 + rng.below(most),
            |event| {
                if let Event::Message(message) = event {
                    let bytes = message.as_bytes();
                    assert!(bytes.iter().all(|byte| *byte == b'a' + (bytes.len() % 26) as u8));
                    let first = if message.as_text().is_some() { TEXT } else { BINARY };
                    messages.push((first, bytes.len(), is_borrowed(event)));
                }
            },
        );
        assert_eq!(messages.len(), expected.len());
        for (message, expected) in messages.iter().zip(&expected) {
            assert_eq!((message.0, message.1), (expected.0, expected.1));
            assert!(message.2 || !expected.2, "{expected:?} fits, and was not borrowed");
        }
    }
}

#[test]
fn a_payload_stays_behind_what_was_consumed_and_before_what_was_not() {
    for role in Role::BOTH {
        let payloads = [&[b'a'; 5][..], &[b'b'; 700], b"", &[b'c'; 126]];
        let frames = Vec::from_iter(payloads.map(|payload| role.frame(BINARY, payload)));
        let bytes = frames.concat();
        for most in [1, 90, usize::MAX] {
            let (mut connection, mut buffer) = (open(role), ReadBuffer::new(1000, 1000));
            let (mut read, mut received, mut rest) = (0, 0, &bytes[..]);
            while received < payloads.len() {
                let space = buffer.space();
                let n = space.len().min(rest.len()).min(most);
                space[..n].copy_from_slice(&rest[..n]);
                buffer.filled(n);
                (read, rest) = (read + n, &rest[n..]);
                loop {
                    let mut input = buffer.input();
                    let Some(event) = connection.recv(&mut input) else { break };
                    assert!(is_borrowed(&event), "{event:?}");
                    drop(input);
                    assert!(buffer.consumed().ends_with(payloads[received]), "{most}");
                    received += 1;
                    let consumed = frames[..received].concat().len();
                    assert_eq!(buffer.unread(), &bytes[consumed..read]);
                    assert_eq!(buffer.is_empty(), consumed == read);
                }
            }
        }
    }
}

#[test]
fn steady_messages_allocate_nothing_and_quiet_rounds_give_memory_back() {
    for role in Role::BOTH {
        let frame = role.frame(BINARY, &vec![7; 200_000]);
        let (mut connection, mut buffer) = (role.connection(Config::default()), ReadBuffer::default());
        let mut messages = 0;
        let mut receive = |frame: &[u8], buffer: &mut ReadBuffer| {
            read(
                &mut connection,
                buffer,
                frame,
                || usize::MAX,
                |event| {
                    assert!(is_borrowed(event));
                    messages += 1;
                },
            );
        };
        (0..3).for_each(|_| receive(&frame, &mut buffer));
        let (used, ()) = measure(|| (0..20).for_each(|_| receive(&frame, &mut buffer)));
        assert_eq!(used.calls, 0, "{used:?}");
        let (used, ()) = measure(|| (0..3).for_each(|_| assert!(!buffer.space().is_empty())));
        assert_eq!(used.held, 0, "to ask again without having read is no round: {used:?}");
        let small = role.frame(TEXT, b"small");
        let (used, ()) = measure(|| (0..2).for_each(|_| receive(&small, &mut buffer)));
        assert!(used.held <= (16 << 10) - 200_000, "{used:?}");
        let (used, ()) = measure(|| (0..20).for_each(|_| receive(&small, &mut buffer)));
        assert_eq!(used.calls, 0, "{used:?}");
        let (used, ()) = measure(|| buffer.release());
        assert_eq!((used.held, buffer.is_empty()), (-(16 << 10), true));
        assert_eq!(messages, 45);
    }
}

#[test]
fn what_is_announced_takes_no_memory() {
    for role in Role::BOTH {
        let mut connection = role.connection(config(NO_LIMITS));
        let mut buffer = ReadBuffer::new(1024, usize::MAX);
        // As long as a frame can be that is kept in one piece.
        let mut bytes = header(BINARY, role.key(), Form::Eight, isize::MAX as u64 / 2);
        let mut arrived = bytes.len();
        let (used, ()) = measure(|| {
            read(&mut connection, &mut buffer, &bytes, || usize::MAX, |_| panic!("no event"));
            assert!((512..=1024).contains(&buffer.space().len()));
        });
        assert!(used.peak < 3000, "{used:?}");
        bytes = vec![7; 10_000];
        for _ in 0..20 {
            read(&mut connection, &mut buffer, &bytes, || usize::MAX, |_| panic!("no event"));
            arrived += bytes.len();
            assert!(buffer.space().len() <= 8 * arrived.max(128));
            assert_eq!(buffer.unread().len(), arrived);
        }
        let (used, ()) = measure(|| buffer.release());
        assert_eq!(used.held, 0, "what is unread stays");
        assert_eq!(buffer.into_unread().len(), arrived);
    }
}

#[test]
fn space_for_the_rest_of_a_frame_and_the_same_when_nothing_was_read() {
    let frame = Role::Client.frame(BINARY, &[7; 50_000]);
    let (mut connection, mut buffer) = (open(Role::Client), ReadBuffer::new(1000, 1 << 20));
    for expected in [1000, 8000, 50_004 - 9000] {
        let before = buffer.space().as_ptr();
        assert_eq!(buffer.space().len(), expected);
        buffer.filled(0);
        let mut input = buffer.input();
        assert_eq!(connection.recv(&mut input), None);
        drop(input);
        assert_eq!((buffer.space().as_ptr(), buffer.space().len()), (before, expected), "a read was pending");
        let mut n = 0;
        read(&mut connection, &mut buffer, &frame[..expected], || usize::MAX, |_| n += 1);
        assert_eq!(n, usize::from(expected > 8000));
    }
    // Behind a message that is consumed.
    let (mut connection, mut buffer) = (open(Role::Client), ReadBuffer::new(1000, 1 << 20));
    let bytes = [Role::Client.frame(TEXT, b"consumed"), frame].concat();
    read(&mut connection, &mut buffer, &bytes[..1000], || usize::MAX, |_| {});
    assert_eq!((buffer.unread().len(), buffer.space().len()), (990, 8 * 990));
}

#[test]
fn a_frame_that_is_cut_moves_to_the_front_if_that_makes_enough_space() {
    let bytes = Role::Server.frames(&[(BINARY, &[7; 600]), (BINARY, &[8; 300])]);
    let (mut connection, mut buffer) = (open(Role::Server), ReadBuffer::new(1000, 1000));
    let mut messages = 0;
    read(&mut connection, &mut buffer, &bytes[..700], || usize::MAX, |_| messages += 1);
    let (used, space) = measure(|| buffer.space().len());
    assert_eq!((used.calls, space), (0, 1000 - (700 - 608)));
    read(&mut connection, &mut buffer, &bytes[700..], || usize::MAX, |_| messages += 1);
    assert_eq!(messages, 2);
}

#[test]
fn a_buffer_that_is_long_enough_is_kept() {
    // Two frames that need it, one that is complete and one that is not, which moves to the front.
    let payloads = [2992, 2992, 492, 2592].map(|len| vec![7; len]);
    let bytes = Role::Server.frames(&payloads.each_ref().map(|payload| (BINARY, &payload[..])));
    let (mut connection, mut buffer) = (open(Role::Server), ReadBuffer::new(1000, 3000));
    let mut messages = 0;
    read(&mut connection, &mut buffer, &bytes[..9000], || usize::MAX, |_| messages += 1);
    assert_eq!((messages, buffer.unread().len()), (3, 2500));
    let (used, space) = measure(|| buffer.space().len());
    assert_eq!((used.calls, space), (0, 500));
    // What nobody has received yet.
    let mut buffer = ReadBuffer::new(1000, 3000);
    buffer.space().copy_from_slice(&Role::Server.frame(BINARY, &[7; 492]).repeat(2));
    buffer.filled(1000);
    assert!(open(Role::Server).recv(&mut buffer.input()).is_some());
    let (used, space) = measure(|| buffer.space().len());
    assert_eq!((used.calls, space), (0, 500));
}

#[test]
fn another_input_in_place_of_the_one_that_was_lent_harms_nothing() {
    let (mut connection, mut buffer) = (open(Role::Client), ReadBuffer::default());
    let bytes = Role::Client.frames(&[(TEXT, b"complete"), (TEXT, b"cut")]);
    read(&mut connection, &mut buffer, &bytes[..13], || usize::MAX, |_| {});
    let mut other = [0; 500];
    let mut input = buffer.input();
    *input = Input::new(&mut other);
    drop(input);
    assert_eq!(buffer.unread(), &bytes[10..13]);
}

#[test]
fn a_frame_that_stays_is_heard_once() {
    use core::time::Duration;
    let secs = Duration::from_secs;
    let timed = Config::default().ping_interval(Some(secs(30))).pong_timeout(secs(10));
    let (mut connection, mut buffer) = (Connection::server(timed), ReadBuffer::default());
    connection.handle_timeout(secs(0));
    let frame = Role::Server.frame(BINARY, &[7; 500]);
    connection.handle_timeout(secs(20));
    read(&mut connection, &mut buffer, &frame[..300], || usize::MAX, |_| panic!("no event"));
    connection.handle_timeout(secs(20));
    assert_eq!(connection.next_timeout(), Some(secs(50)), "it has arrived");
    assert_eq!(connection.recv(&mut buffer.input()), None);
    connection.handle_timeout(secs(40));
    assert_eq!(connection.next_timeout(), Some(secs(50)), "nothing more has arrived");
    // Nor is there anything new in the same input.
    buffer.extend_from_slice(&frame[300..400]);
    let mut input = buffer.input();
    assert_eq!(connection.recv(&mut input), None);
    connection.handle_timeout(secs(45));
    assert_eq!(connection.next_timeout(), Some(secs(75)));
    assert_eq!(connection.recv(&mut input), None);
    connection.handle_timeout(secs(60));
    assert_eq!(connection.next_timeout(), Some(secs(75)));
}

#[test]
fn a_long_message_that_stays_is_not_idle() {
    use core::time::Duration;
    let secs = Duration::from_secs;
    for before in [&[][..], b"before"] {
        let idle = Config::default().idle_timeout(Some(secs(30)));
        let (mut connection, mut buffer) = (Connection::server(idle), ReadBuffer::default());
        connection.handle_timeout(secs(0));
        let mut bytes = if before.is_empty() { Vec::new() } else { Role::Server.frame(BINARY, before) };
        bytes.extend(Role::Server.frame(BINARY, &[7; 5000]));
        for second in 1..=100 {
            let piece: Vec<u8> = bytes.drain(..40).collect();
            buffer.extend_from_slice(&piece);
            let mut input = buffer.input();
            while connection.recv(&mut input).is_some() {}
            drop(input);
            connection.handle_timeout(secs(second));
            assert_eq!(connection.state(), State::Open, "{second} s");
        }
        // Without more of the message it is idle.
        connection.handle_timeout(secs(130));
        assert_eq!(connection.state(), State::CloseSent);
    }
    // Behind something that is no message.
    let idle = Config::default().idle_timeout(Some(secs(30)));
    let (mut connection, mut buffer) = (Connection::server(idle), ReadBuffer::default());
    connection.handle_timeout(secs(0));
    buffer.extend_from_slice(&Role::Server.frames(&[(PING, b""), (BINARY, &[7; 500])])[..100]);
    let mut input = buffer.input();
    assert!(matches!(connection.recv(&mut input), Some(Event::Ping(_))));
    assert_eq!(connection.recv(&mut input), None);
    connection.handle_timeout(secs(25));
    assert_eq!(connection.next_timeout(), Some(secs(55)));
}

#[test]
fn an_input_is_made_of_bytes() {
    let mut bytes = *b"\x81\x02hi";
    let mut input = Input::from(&mut bytes[..]);
    let mut connection = open(Role::Client);
    assert!(matches!(connection.recv(&mut input), Some(Event::Message(message)) if message == "hi"));
}

#[test]
fn the_end_of_the_stream_inside_a_frame_that_stays() {
    for role in Role::BOTH {
        let (mut connection, mut buffer) = (open(role), ReadBuffer::default());
        let frame = role.frame(TEXT, b"Hello");
        read(&mut connection, &mut buffer, &frame[..frame.len() - 1], || usize::MAX, |_| panic!("no event"));
        assert!(!buffer.is_empty());
        connection.recv_eof();
        let event = connection.recv(&mut buffer.input());
        assert_eq!(event, Some(Event::Failed(ProtocolError::UnexpectedEof)));
        drop(event);
        assert!(buffer.is_empty());
    }
}

#[test]
fn copied_bytes_give_the_same_events_at_every_cut() {
    for role in Role::BOTH {
        let bytes =
            role.frames(&[(TEXT, b"Hello"), (PING, b"p"), (BINARY, &[7; 300]), (TEXT, b"cut \xE2\x82")]);
        let expected = model(role, LIMITS, &bytes).events;
        for max_frame in [0, 100, 1 << 20] {
            for cut in 0..bytes.len() {
                let mut buffer = ReadBuffer::new(64, max_frame);
                let (mut connection, mut seen) = (role.connection(config(LIMITS)), Collector::default());
                for piece in [&bytes[..cut], &[], &bytes[cut..]] {
                    buffer.extend_from_slice(piece);
                    let mut input = buffer.input();
                    while let Some(event) = connection.recv(&mut input) {
                        seen.push(&event);
                    }
                }
                assert_eq!(seen.events, expected, "{max_frame} {cut}");
            }
        }
    }
}

#[test]
fn copied_bytes_allocate_nothing_once_there_is_room_and_large_messages_are_borrowed() {
    let role = Role::Server;
    let (small, large) = (role.frame(BINARY, &[7; 1000]), role.frame(BINARY, &[7; 500_000]));
    let (mut connection, mut buffer) = (role.connection(Config::default()), ReadBuffer::default());
    let mut messages = 0;
    let mut run = |bytes: &[u8]| {
        for piece in bytes.chunks(16 << 10) {
            buffer.extend_from_slice(piece);
            let mut input = buffer.input();
            while let Some(event) = connection.recv(&mut input) {
                assert!(is_borrowed(&event));
                messages += 1;
            }
        }
    };
    run(&small);
    let (used, ()) = measure(|| (0..100).for_each(|_| run(&small)));
    assert_eq!(used.calls, 0, "{used:?}");
    let (used, ()) = measure(|| run(&large));
    // The complete frame, and the smaller buffer before it while it is copied.
    assert!(used.calls <= 4 && used.peak < 1_000_000, "{used:?}");
    assert_eq!(messages, 102);
}

#[test]
fn the_bytes_consumed_end_with_a_borrowed_payload_until_the_next_read() {
    let frames: Frames<'_> =
        &[(TEXT, b"before"), (BINARY, &[7; 20_000]), (PING, b"p"), (TEXT, b""), (TEXT, b"behind")];
    for most in [1, 700, 1 << 20] {
        let (mut connection, mut buffer) = (open(Role::Server), ReadBuffer::new(64, 1 << 20));
        let (mut unread, mut sent) = (Role::Server.frames(frames), Vec::new());
        while !unread.is_empty() {
            let rest = unread.split_off(most.min(unread.len()));
            buffer.extend_from_slice(&mem::replace(&mut unread, rest));
            loop {
                let mut input = buffer.input();
                let Some(event) = connection.recv(&mut input) else { break };
                let Event::Message(message) = event else { continue };
                connection.send_header(message.kind(), message.len()).expect("open");
                drop(input);
                while connection.wants_write() || connection.payload_owed() > 0 {
                    let owed = connection.payload_owed() as usize;
                    let consumed = buffer.consumed();
                    let waiting = [connection.output(), &consumed[consumed.len() - owed..]].concat();
                    let n = waiting.len().min(3000);
                    sent.extend_from_slice(&waiting[..n]);
                    connection.output_written(n);
                }
            }
        }
        let messages: Vec<_> = frames.iter().filter(|frame| frame.0 != PING).copied().collect();
        sent.extend_from_slice(connection.output());
        let pong = Role::Client.frame(PONG, b"p");
        let at = sent.windows(pong.len()).position(|bytes| bytes == pong).expect("the Ping is answered");
        sent.drain(at..at + pong.len());
        assert!(sent == Role::Client.frames(&messages), "at most {most} bytes a read");
    }
}
