//! The connection: closing (RFC 6455 §7), control frames, sending, and limits of the output.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use common::*;
use sansocket::frame::{ControlPayload, Kind};
use sansocket::{
    CloseCode, Config, Connection, EncodedMessage, Event, Input, Message, Notice, ProtocolError, SendError,
    State,
};

// ---- helpers ----

type Send = fn(&mut Connection) -> Result<(), SendError>;

/// Every way to send something.
const SENDS: [(&str, Send); 11] = [
    ("send", |c| c.send(&Message::from("x"))),
    ("send_text", |c| c.send_text("x")),
    ("send_binary", |c| c.send_binary(b"x")),
    ("send_owned", |c| c.send_owned(Message::from(vec![7; 20_000]))),
    ("send_binary_owned", |c| c.send_binary_owned(vec![7; 20_000])),
    ("send_encoded", |c| c.send_encoded(&EncodedMessage::new(&Message::from("x")))),
    ("send_fragment", |c| c.send_fragment(&Message::from("x"), true)),
    ("send_header", |c| c.send_header(Kind::Text, 1).map(|_| ())),
    ("ping", |c| c.ping(b"x")),
    ("pong", |c| c.pong(b"x")),
    ("close", |c| c.close(CloseCode::NORMAL, "x")),
];

/// The calls `SENDS` are refused with `error`, and change nothing.
fn refused(connection: &mut Connection, names: &[&str], error: SendError) {
    let before = format!("{connection:?}");
    for (name, send) in SENDS.iter().filter(|(name, _)| names.contains(name)) {
        assert_eq!(send(connection), Err(error), "{name}");
        assert_eq!(format!("{connection:?}"), before, "{name} changed something");
    }
}

fn all_sends() -> Vec<&'static str> {
    SENDS.iter().map(|(name, _)| *name).collect()
}

/// Everything about a connection that is over: nothing may be sent, and nothing that arrives matters.
fn is_over(connection: &mut Connection, role: Role) {
    refused(connection, &all_sends(), SendError::Closed);
    let output = connection.output().to_vec();
    assert_eq!(receive(connection, role, &[(TEXT, b"late"), (PING, b""), (CLOSE, b"")]), []);
    assert_eq!(events(connection, &[0xFF; 50]), []);
    assert_eq!(connection.output(), output, "no Pong and no second Close");
}

fn close(code: u16, reason: &str) -> Seen {
    Seen::Close(Some((code, reason.to_owned())))
}

fn bye() -> Vec<u8> {
    close_payload(1001, "bye")
}

// ---- closing ----

#[test]
fn trap_45_we_close_first() {
    for role in Role::BOTH {
        let mut connection = open(role);
        connection.close(CloseCode::GOING_AWAY, "bye").expect("open");
        assert_eq!(connection.state(), State::CloseSent);
        assert_eq!(plain(connection.output()), [(CLOSE, bye())]);
        refused(&mut connection, &all_sends(), SendError::Closed);
        // Messages go on arriving, and Pings are answered, until the peer's Close.
        let seen = receive(&mut connection, role, &[(TEXT, b"still"), (PING, b"p")]);
        assert_eq!(seen, [Seen::Text("still".into()), Seen::Ping(b"p".to_vec())]);
        assert_eq!(written(&mut connection), [(CLOSE, bye()), (PONG, b"p".to_vec())], "trap 45");
        assert!(connection.wants_read() && !connection.should_shutdown() && !connection.is_ended());

        assert_eq!(receive(&mut connection, role, &[(CLOSE, &bye()), (TEXT, b"late")]), [close(1001, "bye")]);
        assert_eq!(connection.state(), State::Closed);
        assert!(!connection.wants_write(), "trap 47: no second Close");
        is_over(&mut connection, role);
        ends(&mut connection, role);
    }
}

#[test]
fn trap_44_they_close_first_and_the_code_is_echoed() {
    for role in Role::BOTH {
        for code in [1000, 1001, 1003, 1011, 1014, 3000, 4999] {
            let mut connection = open(role);
            let payload = close_payload(code, "reason");
            let seen = receive(&mut connection, role, &[(CLOSE, &payload), (TEXT, b"late")]);
            assert_eq!(seen, [close(code, "reason")]);
            assert_eq!(connection.state(), State::Closed);
            is_over(&mut connection, role);
            assert!(!connection.should_shutdown(), "the answer is not written yet");
            assert_eq!(written(&mut connection), [(CLOSE, code.to_be_bytes().to_vec())]);
            ends(&mut connection, role);
        }
    }
}

/// After the closing handshake, all written: the server goes first, the client waits for it (trap 49).
fn ends(connection: &mut Connection, role: Role) {
    assert!(!connection.wants_write());
    assert_eq!(connection.should_shutdown(), role == Role::Server, "trap 49");
    assert!(connection.wants_read() && !connection.is_ended());
    assert_eq!(eof(connection), None);
    assert!(connection.should_shutdown() && connection.is_ended() && !connection.wants_read());
    assert_eq!(connection.state(), State::Ended);
    assert_eq!(connection.next_timeout(), None);
}

#[test]
fn trap_42_an_empty_close_is_answered_empty_and_reported_as_1005() {
    for role in Role::BOTH {
        let mut connection = open(role);
        let mut bytes = role.frame(CLOSE, b"");
        let event = connection.recv(&mut Input::new(&mut bytes)).expect("an event");
        assert_eq!((&event, event.close_code()), (&Event::Close(None), Some(1005)));
        assert_eq!(written(&mut connection), [(CLOSE, vec![])]);
    }
}

#[test]
fn trap_44_our_reason_is_cut_between_code_points() {
    let long = "€".repeat(60);
    for role in Role::BOTH {
        let mut connection = open(role);
        connection.close(CloseCode::NORMAL, &long).expect("open");
        assert_eq!(written(&mut connection), [(CLOSE, close_payload(1000, &long[..123]))]);
    }
}

#[test]
fn trap_47_simultaneous_close_ends_with_one_close_each() {
    let (mut server, mut client) = (open(Role::Server), open(Role::Client));
    server.close(CloseCode::NORMAL, "server").expect("open");
    client.close(CloseCode::GOING_AWAY, "client").expect("open");
    let (from_server, from_client) = (take_all(&mut server), take_all(&mut client));
    assert_eq!(events(&mut server, &from_client), [close(1001, "client")]);
    assert_eq!(events(&mut client, &from_server), [close(1000, "server")]);
    for (connection, role) in [(&mut server, Role::Server), (&mut client, Role::Client)] {
        assert_eq!(connection.state(), State::Closed);
        ends(connection, role);
    }
}

#[test]
fn trap_48_close_inside_a_fragmented_message() {
    for role in Role::BOTH {
        let bytes = role.frames(&[(FIRST_TEXT, b"a\xE2"), (CLOSE, &bye()), (LAST, b"b")]);
        assert_eq!(run_all_cuts(role, LIMITS, &bytes).events, [close(1001, "bye")]);
        // And we may do the same.
        let mut connection = open(role);
        connection.send_fragment(&Message::from("a"), false).expect("open");
        connection.close(CloseCode::GOING_AWAY, "bye").expect("open");
        refused(&mut connection, &["send_fragment"], SendError::Closed);
        assert_eq!(written(&mut connection), [(FIRST_TEXT, b"a".to_vec()), (CLOSE, bye())]);
    }
}

#[test]
fn trap_46_nothing_after_a_close_is_reported_or_answered() {
    for role in Role::BOTH {
        let frames: Frames<'_> = &[(PING, b"1"), (CLOSE, b""), (PING, b"2"), (TEXT, b"x"), (0xFF, b"x")];
        let expected = [Seen::Ping(b"1".to_vec()), Seen::Close(None)];
        assert_eq!(run_all_cuts(role, LIMITS, &role.frames(frames)).events, expected);
    }
}

#[test]
fn trap_43_eof_without_a_close_is_1006_in_every_state_and_never_sent() {
    type Prepare = fn(&mut Connection, Role);
    let abnormal: [Prepare; 7] = [
        |_, _| {},
        |c, _| assert_eq!(c.close(CloseCode::NORMAL, ""), Ok(())),
        |c, _| assert_eq!(events(c, &[0x81]), []),
        |c, role| assert_eq!(events(c, &role.frame(FIRST_TEXT, b"a\xE2")), []),
        |c, role| assert_eq!(events(c, &role.frame(BINARY, b"0123456789")[..9]), []),
        |c, role| assert_eq!(events(c, &role.frame(CLOSE, b"\x03\xE8")[..3]), []),
        |c, _| assert_eq!(c.send_fragment(&Message::from("x"), false), Ok(())),
    ];
    for role in Role::BOTH {
        for (i, prepare) in abnormal.iter().enumerate() {
            let mut connection = open(role);
            prepare(&mut connection, role);
            let output = connection.output().to_vec();
            let event = eof(&mut connection);
            assert_eq!(event, Some(Event::Failed(ProtocolError::UnexpectedEof)), "state {i}");
            assert_eq!(event.and_then(|event| event.close_code()), Some(1006));
            assert_eq!(connection.output(), output, "nobody is there to be told");
            assert!(!connection.wants_read());
            assert_eq!(eof(&mut connection), None, "once");
            is_over(&mut connection, role);
            let _ = take_all(&mut connection);
            assert!(connection.is_ended() && connection.should_shutdown());
        }
        let mut connection = open(role);
        connection.recv_eof();
        assert!(!connection.wants_read() && connection.has_last_words(), "before it is reported");
        // After a Close or a failure it was to be expected.
        for bytes in [role.frame(CLOSE, b""), vec![0xFF; 2]] {
            let mut connection = open(role);
            events(&mut connection, &bytes);
            assert_eq!(eof(&mut connection), None);
            assert!(connection.wants_write() && !connection.is_ended(), "our Close can still be written");
            let _ = take_all(&mut connection);
            assert!(connection.is_ended());
        }
    }
}

#[test]
fn trap_50_a_failure_writes_the_right_close_and_asks_for_shutdown() {
    let table: [(u8, &[u8], u16); 6] = [
        (0xFF, b"x", 1002),
        (0x80, b"x", 1002),
        (CLOSE, b"\x03\xED", 1002),
        (TEXT, b"\xFF", 1007),
        (CLOSE, b"\x03\xE8\xFF", 1007),
        (BINARY, &[0; 1001], 1009),
    ];
    for role in Role::BOTH {
        for (first, payload, code) in table {
            let mut connection = role.connection(config(LIMITS));
            assert!(connection.can_send());
            connection.send_text("accepted before").expect("open");
            let seen = receive(&mut connection, role, &[(TEXT, b"good"), (first, payload), (TEXT, b"late")]);
            assert!(
                matches!(seen[..], [Seen::Text(_), Seen::Failed(_)]),
                "what came before is delivered: {seen:?}"
            );
            assert_eq!((connection.state(), connection.can_send()), (State::Failed, false));
            is_over(&mut connection, role);
            assert!(!connection.should_shutdown(), "the Close is not written yet");
            let frames = written(&mut connection);
            assert_eq!(frames[0], (TEXT, b"accepted before".to_vec()), "nothing accepted is lost");
            assert_eq!((frames.len(), frames[1].0, &frames[1].1[..2]), (2, CLOSE, &code.to_be_bytes()[..]));
            assert!(connection.should_shutdown() && connection.wants_read() && !connection.is_ended());
            assert_eq!(eof(&mut connection), None);
            assert!(connection.is_ended());
        }
    }
}

#[test]
fn a_failure_after_our_close_sends_no_second_one() {
    for role in Role::BOTH {
        let mut connection = open(role);
        connection.close(CloseCode::NORMAL, "").expect("open");
        assert_eq!(receive(&mut connection, role, &[(0xFF, b"")]).len(), 1);
        assert_eq!(written(&mut connection), [(CLOSE, close_payload(1000, ""))]);
        assert!(connection.should_shutdown());
    }
}

#[test]
fn a_failure_that_waits_behind_valid_text_is_not_lost_at_the_end_of_the_transport() {
    for role in Role::BOTH {
        let mut connection = open(role);
        let mut bytes = role.frame(TEXT, b"good\xFF");
        let mut input = Input::new(&mut bytes);
        assert!(matches!(connection.recv_chunk(&mut input), Some(Event::Chunk(_))));
        assert_eq!(eof(&mut connection), Some(Event::Failed(ProtocolError::InvalidUtf8)));
        assert_eq!(&written(&mut connection)[0].1[..2], 1007_u16.to_be_bytes());
        assert!(connection.is_ended());
    }
}

// ---- caller errors ----

#[test]
fn caller_errors_change_nothing() {
    let data = ["send", "send_text", "send_binary", "send_owned", "send_encoded", "send_header"];
    for role in Role::BOTH {
        let mut connection = open(role);
        for (len, expected) in [(125, Ok(())), (126, Err(SendError::ControlTooLong))] {
            assert_eq!(connection.ping(&vec![1; len]), expected);
            assert_eq!(connection.pong(&vec![1; len]), expected);
        }
        assert_eq!(written(&mut connection), [(PING, vec![1; 125]), (PONG, vec![1; 125])]);

        connection.send_fragment(&Message::from("a"), false).expect("open");
        refused(&mut connection, &data, SendError::InFragments);
        let before = format!("{connection:?}");
        let binary = Message::from(&b"b"[..]);
        assert_eq!(connection.send_fragment(&binary, false), Err(SendError::MixedFragments));
        assert_eq!(format!("{connection:?}"), before);
        assert_eq!(connection.ping(b"between"), Ok(()));
        assert_eq!(connection.send_fragment(&Message::from("c"), true), Ok(()));
        let expected = [(FIRST_TEXT, b"a".to_vec()), (PING, b"between".to_vec()), (LAST, b"c".to_vec())];
        assert_eq!(written(&mut connection), expected);

        connection.send_header(Kind::Binary, 10).expect("open");
        let all_but_close = Vec::from_iter(all_sends().into_iter().filter(|name| *name != "close"));
        refused(&mut connection, &all_but_close, SendError::PayloadOwed);
    }
}

#[test]
fn a_control_payload_has_at_most_125_bytes() {
    assert_eq!(ControlPayload::try_from(&[7; 125]).as_deref(), Ok(&[7; 125][..]));
    assert_eq!(ControlPayload::try_from(&[7; 126]), Err(SendError::ControlTooLong));
    assert_eq!(ControlPayload::try_from(&b""[..]), Ok(ControlPayload::EMPTY));
    assert_eq!(ControlPayload::try_from(&[7; 126][..]), Err(SendError::ControlTooLong));
    let payload = ControlPayload::try_from(b"ping").expect("a short payload");
    assert_eq!((payload.as_ref(), &*payload), (&b"ping"[..], &b"ping"[..]));
}

#[test]
fn a_length_that_no_frame_can_have_is_refused() {
    let Ok(len) = usize::try_from(1_u64 << 63) else { return };
    for role in Role::BOTH {
        let mut connection = open(role);
        assert_eq!(connection.send_header(Kind::Binary, len - 1).map(|_| ()), Ok(()));
        let mut connection = open(role);
        for len in [len, usize::MAX] {
            assert_eq!(connection.send_header(Kind::Binary, len), Err(SendError::PayloadTooLong));
        }
        assert!(!connection.wants_write() && connection.payload_owed() == 0);
    }
}

#[test]
fn more_written_than_there_was_changes_nothing() {
    for role in Role::BOTH {
        let mut connection = open(role);
        connection.output_written(usize::MAX);
        connection.buffer_payload(b"nothing is owed");
        assert!(!connection.wants_write());
        connection.send_header(Kind::Binary, 3).expect("open");
        connection.output_written(usize::MAX);
        assert_eq!((connection.payload_owed(), connection.send_text("next")), (0, Ok(())));
    }
}

// ---- the output ----

type DynSend<'a> = dyn Fn(&mut Connection) -> Result<(), SendError> + 'a;

#[test]
fn output_limit_is_exact() {
    let mask_len = |role| if role == Role::Client { 4 } else { 0 };
    for role in Role::BOTH {
        for (payload, header) in [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)] {
            let frame = header + payload + mask_len(role);
            let bytes = vec![7; payload];
            let sends: [&DynSend<'_>; 4] = [
                &|c| c.send_binary(&bytes),
                &|c| c.send_owned(Message::from(bytes.clone())),
                &|c| c.send_encoded(&EncodedMessage::new(&Message::from(&bytes[..]))),
                &|c| c.send_fragment(&Message::from(&bytes[..]), false),
            ];
            for (i, send) in sends.iter().enumerate() {
                let mut fits = role.connection(Config::default().max_output(frame));
                assert_eq!((send(&mut fits), fits.output_len()), (Ok(()), frame), "{i}");
                let ping = 3 + mask_len(role);
                let full = if ping > frame { SendError::TooLarge } else { SendError::OutputFull };
                refused(&mut fits, &["ping", "pong"], full);
                let mut over = role.connection(Config::default().max_output(frame - 1));
                assert_eq!((send(&mut over), over.wants_write()), (Err(SendError::TooLarge), false), "{i}");
            }
            // A payload that the caller writes does not count, but all of its header does.
            let header = frame - payload;
            let mut fits = role.connection(Config::default().max_output(header));
            assert!(fits.send_header(Kind::Binary, payload).is_ok() && fits.output().len() == header);
            let mut over = role.connection(Config::default().max_output(header - 1));
            assert_eq!(over.send_header(Kind::Binary, payload), Err(SendError::TooLarge));
        }
        // Replies are never refused: there are only a few of them.
        let mut full = role.connection(Config::default().max_output(0));
        receive(&mut full, role, &[(PING, b"p"), (CLOSE, &bye())]);
        assert_eq!(written(&mut full), [(PONG, b"p".to_vec()), (CLOSE, bye()[..2].to_vec())]);
    }
}

#[test]
fn cve_2020_35896_sends_that_nobody_writes_are_refused_at_the_limit() {
    for role in Role::BOTH {
        let mut connection = role.connection(Config::default().max_output(10_000));
        let accepted = (0..100_000).filter(|_| connection.send_binary(&[7; 100]).is_ok()).count();
        assert_eq!(sent(connection.output()).len(), accepted);
        assert!((9_800..=10_000).contains(&connection.output().len()));
        connection.output_written(200);
        assert_eq!(connection.send_binary(&[7; 100]), Ok(()), "writing makes room");
    }
}

#[test]
fn only_a_server_stops_reading_while_its_output_is_high() {
    for role in Role::BOTH {
        let mut connection = role.connection(Config::default().high_water(1000));
        connection.send_binary(&[7; 900]).expect("open");
        assert!(connection.wants_read());
        connection.send_binary(&[7; 900]).expect("open");
        assert_eq!(connection.wants_read(), role == Role::Client);
        connection.output_written(1000);
        assert!(connection.wants_read() && connection.wants_write());
    }
}

/// After a Close of the peer, as after a failure, input is dropped, and reading it delays nothing.
#[test]
fn an_output_that_is_high_does_not_stop_the_reading_of_what_is_dropped() {
    for (peer, state) in [((0x88, &b""[..]), State::Closed), ((0x83, b""), State::Failed)] {
        for role in Role::BOTH {
            let mut connection = role.connection(Config::default().high_water(1000));
            connection.send_binary(&[7; 2000]).expect("open");
            events(&mut connection, &role.frame(peer.0, peer.1));
            assert_eq!((connection.state(), connection.wants_read()), (state, true), "{role:?}");
        }
    }
}

#[test]
fn output_is_the_same_however_it_is_written() {
    for role in Role::BOTH {
        let mut whole = open(role);
        let mut pieces = open(role);
        let (mut rng, mut wire) = (Rng::new(3), Vec::new());
        for i in 0..500 {
            let payload = rng.bytes(i % 90 * (i % 7));
            for connection in [&mut whole, &mut pieces] {
                connection.send_binary(&payload).expect("open");
            }
            let n = rng.below(pieces.output().len() + 1);
            wire.extend_from_slice(&pieces.output()[..n]);
            pieces.output_written(n);
        }
        wire.extend(take_all(&mut pieces));
        assert_eq!(wire, take_all(&mut whole));
    }
}

#[test]
fn ws_1_0_1_every_byte_of_output_is_a_function_of_inputs() {
    for role in Role::BOTH {
        let run = |junk: u8| {
            let mut connection = open(role);
            // What the buffers held before must not show.
            connection.send_binary(&[junk; 3000]).expect("open");
            connection.output_written(3006 + role.opposite().key().map_or(0, |key| key.len()));
            let mut wire = take_all(&mut connection);
            for len in [0, 1, 7, 125, 126, 300] {
                connection.send_binary(&vec![1; len]).expect("open");
                connection.ping(&vec![2; len.min(125)]).expect("open");
                connection.output_written(len / 2);
                receive(&mut connection, role, &[(PING, &vec![3; len.min(125)])]);
                connection.send_fragment(&Message::from("text"), true).expect("open");
                wire.extend(take_all(&mut connection));
            }
            connection.close(CloseCode::NORMAL, "done").expect("open");
            wire.extend(take_all(&mut connection));
            wire
        };
        assert_eq!(run(0xAA), run(0x55));
    }
}

#[test]
fn cve_2025_10148_trap_28_a_fresh_mask_for_every_frame() {
    let mut client = open(Role::Client);
    let mut stream = Rng::new(1); // as in `Role::connection`
    let mut keys = Vec::new();
    for i in 0..10_000 {
        match i % 6 {
            0 => client.send_text("x"),
            1 => client.ping(b""),
            2 => client.pong(b"y"),
            3 => client.send_encoded(&EncodedMessage::new(&Message::from("z"))),
            4 => client.send_fragment(&Message::from("f"), i % 4 == 0),
            _ if i % 12 == 5 => {
                receive(&mut client, Role::Client, &[(PING, b"answer me")]);
                Ok(())
            }
            _ => client.send_header(Kind::Text, 0).map(|_| ()),
        }
        .or_else(|_| client.ping(b"in fragments"))
        .expect("open");
        keys.extend(sent(&take_all(&mut client)).into_iter().map(|frame| frame.key));
    }
    assert_eq!(keys.len(), 10_000);
    for key in keys {
        let mut expected = [0; 4];
        stream.fill(&mut expected);
        assert_eq!(key, Some(expected));
    }
}

#[test]
fn an_encoded_message_is_the_same_as_a_sent_one() {
    for role in Role::BOTH {
        for message in [Message::from(""), Message::from("text"), Message::from(vec![7; 70_000])] {
            let (mut sends, mut encoded) = (open(role), open(role));
            sends.send(&message).expect("open");
            let news = EncodedMessage::new(&message);
            encoded.send_encoded(&news.clone()).expect("open");
            assert_eq!(output(&sends), output(&encoded));
            assert_eq!((news.kind(), news.payload()), (message.kind(), message.as_bytes()));
            assert!(role == Role::Client || encoded.output() == news.frame());
        }
    }
}

// ---- pings ----

#[test]
fn trap_51_ten_pings_are_answered_by_ten_pongs_with_their_payloads() {
    for role in Role::BOTH {
        let mut connection = open(role);
        let payloads: Vec<Vec<u8>> = (0..10).map(|i| vec![i as u8; i * 125 / 9]).collect();
        for payload in &payloads {
            assert_eq!(receive(&mut connection, role, &[(PING, payload)]), [Seen::Ping(payload.clone())]);
        }
        assert_eq!(
            written(&mut connection),
            Vec::from_iter(payloads.into_iter().map(|payload| (PONG, payload)))
        );
    }
}

/// As many Pongs as ever may wait, after one that waited in front of a payload of the caller's.
#[test]
fn pongs_that_were_written_make_room_for_others() {
    for role in Role::BOTH {
        for owed in 0..3 {
            let mut connection = open(role);
            receive(&mut connection, role, &[(PING, b"1")]);
            connection.send_header(Kind::Binary, owed).expect("open");
            connection.output_written(connection.output_len());
            connection.output_written(owed);
            let pings = [(PING, &b"2"[..]); 16];
            receive(&mut connection, role, &pings);
            assert_eq!(written(&mut connection), vec![(PONG, b"2".to_vec()); 16], "{owed}");
        }
    }
}

#[test]
fn a_message_equals_its_payload_of_the_same_kind() {
    let (text, binary) = (Message::from("ab"), Message::from(&b"ab"[..]));
    let (bytes, other) = (&b"ab"[..], &b"ac"[..]);
    assert!(text == "ab" && text != "ac" && binary != "ab");
    assert!(binary == *bytes && binary == bytes && binary == b"ab" && binary != binary.as_bytes()[..1]);
    assert!(binary != *other && binary != other && binary != b"ac");
    assert!(text != *bytes && text != bytes && text != b"ab" && text != binary);
}

#[test]
fn cve_2020_35896_cve_2025_5399_a_flood_of_pings_leaves_a_few_pongs_and_the_latest() {
    for role in Role::BOTH {
        let mut connection = open(role);
        let flood: Vec<u8> = (0..1000_u32).flat_map(|i| role.frame(PING, &i.to_be_bytes())).collect();
        for _ in 0..1000 {
            let mut bytes = flood.clone();
            let mut input = Input::new(&mut bytes);
            while connection.recv(&mut input).is_some() {}
        }
        assert!(connection.output().len() <= 16 * (2 + 4 + 125));
        let mut pongs = written(&mut connection);
        assert!(connection.wants_write(), "the latest one comes when those are written");
        pongs.extend(written(&mut connection));
        assert!(!connection.wants_write());
        assert_eq!(pongs.len(), 17);
        assert_eq!(pongs[16], (PONG, 999_u32.to_be_bytes().to_vec()));
        let first = Vec::from_iter((0..16_u32).map(|i| (PONG, i.to_be_bytes().to_vec())));
        assert_eq!(pongs[..16], first);
        // And it goes on as before.
        receive(&mut connection, role, &[(PING, b"a"), (PING, b"b")]);
        assert_eq!(written(&mut connection), [(PONG, b"a".to_vec()), (PONG, b"b".to_vec())]);
    }
}

#[test]
fn cve_2025_5399_the_latest_pong_is_dropped_when_a_close_comes() {
    for role in Role::BOTH {
        let mut connection = open(role);
        receive(&mut connection, role, &[(PING, b"p" as &[u8]); 20]);
        receive(&mut connection, role, &[(CLOSE, b"")]);
        let mut frames = written(&mut connection);
        frames.extend(written(&mut connection));
        assert_eq!((frames.len(), frames.last()), (17, Some(&(CLOSE, vec![]))));
    }
}

#[test]
fn trap_52_a_pong_of_the_peer_is_reported_and_not_answered() {
    for role in Role::BOTH {
        let mut connection = open(role);
        assert_eq!(
            receive(&mut connection, role, &[(PONG, b"heartbeat")]),
            [Seen::Pong(b"heartbeat".to_vec())]
        );
        connection.pong(b"mine").expect("open");
        assert_eq!(written(&mut connection), [(PONG, b"mine".to_vec())]);
    }
}

// ---- payload that the caller writes ----

/// What the peer sends while a payload is owed, and what follows that payload on the wire.
fn while_owed(role: Role, frames: Frames<'_>, calls: impl Fn(&mut Connection), behind: &[(u8, Vec<u8>)]) {
    let payload = Rng::new(9).bytes(300);
    for written_first in [0, 1, 4, 100, 299] {
        for buffered in [0, 1, 150, 300] {
            let mut connection = open(role);
            connection.send_text("before").expect("open");
            let mask = connection.send_header(Kind::Binary, payload.len()).expect("open");
            let mut body = payload.clone();
            mask.into_iter().for_each(|mut mask| mask.apply(&mut body));
            let head = connection.output().len();
            let mut wire = [connection.output(), &body].concat();
            let wire_len = wire.len();

            connection.output_written(written_first);
            receive(&mut connection, role, frames);
            calls(&mut connection);
            let waits = head.saturating_sub(written_first);
            assert_eq!(connection.output().len(), waits, "replies wait behind the payload");
            let owed = body.len() - written_first.saturating_sub(head);
            assert_eq!(connection.payload_owed(), owed as u64);
            assert!(!connection.should_shutdown());
            let buffered = buffered.min(owed);
            connection.buffer_payload(&body[body.len() - owed..][..buffered]);
            if buffered < owed {
                connection.output_written(wire_len - written_first);
            } else {
                wire.truncate(written_first);
            }
            assert_eq!(connection.payload_owed(), 0);
            while connection.wants_write() {
                wire.extend(take_all(&mut connection));
            }
            let expected = [(TEXT, b"before".to_vec()), (BINARY, payload.clone())];
            assert_eq!(plain(&wire), [&expected, behind].concat());
        }
    }
}

#[test]
fn replies_wait_for_a_payload_that_is_owed() {
    let pong = |payload: &[u8]| (PONG, payload.to_vec());
    let our_close = [(CLOSE, bye())];
    for role in Role::BOTH {
        let nothing = |_: &mut Connection| {};
        while_owed(role, &[], nothing, &[]);
        while_owed(role, &[(PING, b"1"), (PING, b"2")], nothing, &[pong(b"2")]);
        while_owed(role, &[(CLOSE, &bye())], nothing, &[(CLOSE, bye()[..2].to_vec())]);
        while_owed(role, &[(PING, b"1"), (CLOSE, b"")], nothing, &[(CLOSE, vec![])]);
        let close = |c: &mut Connection| c.close(CloseCode::GOING_AWAY, "bye").expect("open");
        while_owed(role, &[(PING, b"1")], close, &[&[pong(b"1")], &our_close[..]].concat());
        let close_then_theirs = |c: &mut Connection| {
            close(c);
            assert_eq!(receive(c, role, &[(CLOSE, b"")]), [Seen::Close(None)]);
        };
        while_owed(role, &[], close_then_theirs, &our_close);
        let close_then_failure = |c: &mut Connection| {
            close(c);
            assert_eq!(receive(c, role, &[(0xFF, b"")]).len(), 1);
        };
        while_owed(role, &[(PING, b"1")], close_then_failure, &our_close);
    }
}

#[test]
fn a_failure_while_a_payload_is_owed_is_told_behind_it() {
    for role in Role::BOTH {
        let mut connection = open(role);
        connection.send_header(Kind::Text, 5).expect("open");
        receive(&mut connection, role, &[(TEXT, b"\xFF")]);
        let header = connection.output().len();
        connection.output_written(header);
        assert!(!connection.wants_write() && !connection.should_shutdown());
        connection.output_written(5);
        assert_eq!(&plain(connection.output())[0].1[..2], 1007_u16.to_be_bytes());
        refused(&mut connection, &all_sends(), SendError::Closed);
    }
}

// ---- halves ----

#[test]
fn split_halves_with_replies_carried_over_equal_a_connection() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let role = rng.pick(&Role::BOTH);
        let (mut whole, (mut receiver, mut sender)) =
            (role.connection(config(LIMITS)), role.connection(config(LIMITS)).split());
        for _ in 0..20 {
            let first = rng.pick(&[TEXT, BINARY, FIRST_TEXT, LAST, PING, PING, PONG, CLOSE]);
            let payload = if first == CLOSE { bye() } else { rng.text(3).into_bytes() };
            let mut bytes = role.frame(first, &payload);
            let mut same = bytes.clone();
            let (mut input, mut other) = (Input::new(&mut bytes), Input::new(&mut same));
            loop {
                let event = receiver.recv(&mut other);
                assert_eq!(whole.recv(&mut input), event);
                let asks = matches!(event, Some(Event::Ping(_) | Event::Close(_) | Event::Failed(_)));
                assert_eq!(receiver.has_reply(), asks);
                if receiver.has_reply() {
                    sender.notice(receiver.take_notice());
                }
                if event.is_none() {
                    break;
                }
            }
            sender.notice(receiver.take_notice());
            assert_eq!(receiver.take_notice(), Notice::default(), "once");
            assert_eq!(whole.send_text("out"), sender.send_text("out"));
            let n = rng.below(20);
            whole.output_written(n);
            sender.output_written(n);
            let state = |s: &Connection| (s.state(), s.wants_read(), s.should_shutdown());
            assert_eq!(whole.output(), sender.output());
            assert_eq!(state(&whole), (sender.state(), sender.wants_read(), sender.should_shutdown()));
            if rng.one_in(4) {
                (receiver, sender) = Connection::reunite(receiver, sender).split();
            }
        }
    }
}

#[test]
fn halves_are_reunited_with_what_the_sender_was_not_told() {
    for role in Role::BOTH {
        for (frame, reply) in [(PING, PONG), (CLOSE, CLOSE)] {
            let (mut receiver, sender) = open(role).split();
            let mut bytes = role.frame(frame, b"");
            assert!(receiver.recv(&mut Input::new(&mut bytes)).is_some());
            receiver.recv_eof();
            let mut connection = Connection::reunite(receiver, sender);
            assert_eq!(written(&mut connection), [(reply, vec![])]);
            while connection.recv(&mut Input::new(&mut [])).is_some() {}
            assert!(connection.is_ended());
        }
    }
}

#[test]
fn halves_are_reunited_with_what_the_receiver_was_not_told() {
    for role in Role::BOTH {
        let (receiver, mut sender) = open(role).split();
        sender.abort();
        let mut connection = Connection::reunite(receiver, sender);
        assert!(connection.has_last_words() && connection.next_timeout().is_some(), "a loop must not sleep");
        let mut bytes = role.frames(&[(TEXT, b"arrived")]);
        let mut input = Input::new(&mut bytes);
        let events: Vec<_> = core::iter::from_fn(|| connection.recv(&mut input)).collect();
        let failed = Event::Failed(ProtocolError::TransportFailed);
        assert_eq!(events, [Event::Message(Message::from("arrived")), failed]);
        assert!(connection.is_ended());
    }
}

#[test]
fn replies_that_come_late_do_no_harm() {
    // The sender closes and ends on its own while the receiver's replies are on their way.
    for role in Role::BOTH {
        let (mut receiver, mut sender) = open(role).split();
        let mut bytes = role.frames(&[(PING, b"p"), (CLOSE, &bye())]);
        let mut input = Input::new(&mut bytes);
        assert_eq!(core::iter::from_fn(|| receiver.recv(&mut input)).count(), 2);
        let notice = receiver.take_notice();
        receiver.recv_eof();
        let end = receiver.take_notice();
        sender.close(CloseCode::NORMAL, "").expect("open");
        sender.notice(notice);
        sender.notice(notice);
        sender.notice(end);
        sender.notice(notice);
        assert_eq!(plain(sender.output()), [(CLOSE, close_payload(1000, "")), (PONG, b"p".to_vec())]);
        assert_eq!(sender.state(), State::Ended);
    }
}

#[test]
fn messages_and_chunks_may_be_mixed() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let role = rng.pick(&Role::BOTH);
        let text = rng.text(30);
        let (a, b) = (rng.below(text.len()), rng.below(text.len()));
        let (a, b) = (a.min(b), a.max(b));
        let bytes = role.frames(&[
            (FIRST_TEXT, &text.as_bytes()[..a]),
            (PING, b"p"),
            (MIDDLE, &text.as_bytes()[a..b]),
            (LAST, &text.as_bytes()[b..]),
            (BINARY, b"next"),
        ]);
        let (mut connection, mut seen, mut at) = (open(role), Collector::default(), 0);
        while at < bytes.len() {
            let end = bytes.len().min(at + 1 + rng.below(20));
            feed(&mut connection, rng.pick(&[Mode::Messages, Mode::Chunks]), &bytes[at..end], &mut seen);
            at = end;
        }
        assert_eq!(seen.events, model(role, LIMITS, &bytes).events);
    }
}
