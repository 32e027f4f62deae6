//! Frames (RFC 6455 §5): what is legal, what is refused, and at which byte.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use common::*;
use sansocket::frame::{self, CloseFrame, ControlPayload, Decoder, Header, Limits, Opcode};
use sansocket::{Input, ProtocolError};

// ---- both directions ----

#[test]
fn control_payloads_are_equal_if_their_bytes_are() {
    let payload = |bytes| ControlPayload::new(bytes).expect("a short payload");
    assert_eq!(payload(b"ab"), payload(b"ab"));
    for other in [&b"ac"[..], b"a", b"abc", b""] {
        assert_ne!(payload(b"ab"), payload(other));
    }
}

#[test]
fn rfc_6455_section_5_7_examples_in_both_directions() {
    let medium = vec![b'm'; 256];
    let long = vec![b'l'; 65536];
    let hello = b"Hello";
    // What a server receives is masked, what a client receives is not.
    let table: [(Role, &[u8], u8, &[u8]); 8] = [
        (Role::Client, b"\x81\x05\x48\x65\x6c\x6c\x6f", TEXT, hello),
        (Role::Server, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", TEXT, hello),
        (Role::Client, b"\x01\x03\x48\x65\x6c", FIRST_TEXT, b"Hel"),
        (Role::Client, b"\x80\x02\x6c\x6f", LAST, b"lo"),
        (Role::Client, b"\x89\x05\x48\x65\x6c\x6c\x6f", PING, hello),
        (Role::Server, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", PONG, hello),
        (Role::Client, &[b"\x82\x7E\x01\x00", &medium[..]].concat(), BINARY, &medium),
        (Role::Client, &[b"\x82\x7F\0\0\0\0\0\x01\0\0", &long[..]].concat(), BINARY, &long),
    ];
    for (role, bytes, first, payload) in table {
        both_directions(role, bytes, first, payload);
    }
    let hello = [b"\x01\x03Hel".as_slice(), b"\x80\x02lo"].concat();
    assert_eq!(run_all_cuts(Role::Client, LIMITS, &hello).events, [Seen::Text("Hello".into())]);
}

#[test]
fn every_length_form_in_both_directions() {
    for len in [0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 200_000] {
        let payload = Rng::new(len).bytes(len as usize);
        for role in Role::BOTH {
            let bytes = role.frame(BINARY, &payload);
            both_directions(role, &bytes, BINARY, &payload);
            if len < 1000 {
                run_all_cuts(role, LIMITS, &bytes);
            }
        }
    }
}

/// Decoding `bytes` gives the frame, and encoding the frame gives `bytes`.
fn both_directions(role: Role, bytes: &[u8], first: u8, payload: &[u8]) {
    let (fin, opcode) = (first & 0x80 != 0, Opcode::new(first & 15).expect("a legal opcode"));
    let header = Header { fin, rsv1: false, opcode, mask: role.key(), payload_len: payload.len() as u64 };
    let mut out = vec![0xAA; bytes.len()];
    assert_eq!(frame::encode(header, payload, &mut out), Ok(bytes.len()));
    assert_eq!(out, bytes);
    let other_length = Header { payload_len: header.payload_len ^ 1, ..header };
    assert_eq!(frame::encode(other_length, payload, &mut out), Ok(bytes.len()));
    assert_eq!(out, bytes, "the length is that of the payload");
    let mut short = vec![0xAA; bytes.len() - 1];
    let too_small = frame::BufferTooSmall { needed: bytes.len() };
    assert_eq!(frame::encode(header, payload, &mut short), Err(too_small));
    assert!(short.iter().all(|byte| *byte == 0xAA), "an error writes nothing");

    let mut decoder = decoder(role, NO_LIMITS);
    if opcode == Opcode::Continuation {
        decoder.next(&mut Input::new(&mut role.frame(FIRST_TEXT, b""))).expect("a first fragment");
    }
    let mut received = bytes.to_vec();
    let mut input = Input::new(&mut received);
    let chunk = decoder.next(&mut input).expect("legal").expect("whole");
    assert_eq!((chunk.header, chunk.start, chunk.end, &*chunk.payload), (header, true, true, payload));
    assert_eq!((decoder.next(&mut input), input.len()), (Ok(None), 0));
}

fn decoder(role: Role, limits: Limits) -> Decoder {
    match role {
        Role::Server => Decoder::server(limits),
        Role::Client => Decoder::client(limits),
    }
}

// ---- every combination ----

/// What may come before the frame in question.
const STATES: [Frames<'_>; 5] = [
    &[],
    &[(FIRST_TEXT, b"t")],
    &[(FIRST_BINARY, b"b"), (MIDDLE, b"")],
    &[(FIRST_TEXT, b"\xE2\x82")], // inside a code point
    &[(TEXT, b"whole"), (PING, b"p")],
];

#[test]
fn every_first_byte_and_mask_in_every_state_equals_the_model() {
    for role in Role::BOTH {
        for state in STATES {
            for first in 0..=0xFF {
                for key in [None, Some(KEY)] {
                    let bytes = [role.frames(state), frame(first, key, b"\x03\xE8ab")].concat();
                    let outcome = run_all_cuts(role, LIMITS, &bytes);
                    let legal = outcome.error().is_none();
                    assert!(!legal || key == role.key() && first & 0x70 == 0, "traps 27, 30: {bytes:02x?}");
                }
            }
        }
    }
}

#[test]
fn every_second_byte_of_every_opcode_equals_the_model() {
    for role in Role::BOTH {
        for first in [TEXT, BINARY, CLOSE, PING, PONG, FIRST_TEXT] {
            for second in 0..=0xFF {
                for rest in [[0; 14], [0x7F; 14], [0x80; 14]] {
                    run_all_cuts(role, LIMITS, &[&[first, second], &rest[..]].concat());
                }
            }
        }
    }
}

#[test]
fn random_frames_legal_and_broken_equal_the_model() {
    for seed in 0..1500 {
        let mut rng = Rng::new(seed);
        let role = rng.pick(&Role::BOTH);
        let mut bytes = Vec::new();
        for _ in 0..1 + rng.below(8) {
            let first =
                rng.pick(&[TEXT, BINARY, FIRST_TEXT, FIRST_BINARY, MIDDLE, LAST, LAST, PING, PONG, CLOSE]);
            let payload = match first {
                CLOSE => close_payload(rng.pick(&[1000, 1001, 1005, 3000, 4999, 5000]), &rng.text(3)),
                TEXT | FIRST_TEXT => rng.text(10).into_bytes(),
                _ => {
                    let len = rng.pick(&[0, 1, 3, 20, 125, 126]);
                    rng.bytes(len)
                }
            };
            let cut = if rng.one_in(8) { rng.below(payload.len()) } else { payload.len() };
            bytes.extend(role.frame(first, &payload[..cut]));
        }
        if rng.one_in(2) {
            let at = rng.below(bytes.len());
            bytes[at] = rng.number() as u8;
        }
        run_all_cuts(role, LIMITS, &bytes);
    }
}

// ---- refused at the byte that breaks the rule ----

/// `bytes` fail with `error` at the last of them, whole or byte by byte, in either role (the mask of the second byte is set
/// for a server), and nothing that comes behind them makes a difference.
fn refused_at_the_last_byte(before: Frames<'_>, bytes: &[u8], error: ProtocolError) {
    for role in Role::BOTH {
        let mut broken = bytes.to_vec();
        if role == Role::Server
            && let Some(second) = broken.get_mut(1)
        {
            *second |= 0x80;
        }
        let broken = [role.frames(before), broken].concat();
        let outcome = run_all_cuts(role, LIMITS, &broken);
        assert_eq!(outcome.error(), Some(error), "{role:?} {broken:02x?}");
        assert_eq!(breaking_byte(role, LIMITS, &broken), Some(broken.len()), "{role:?} {broken:02x?}");
    }
}

#[test]
fn every_illegal_header_is_refused_at_the_byte_that_breaks_it() {
    use ProtocolError::*;
    let fragment: Frames<'_> = &[(FIRST_BINARY, b"x")];
    for rsv in 1..=7 {
        for opcode in [0, 1, 2, 8, 9, 10] {
            let before = if opcode == 0 { fragment } else { &[] };
            refused_at_the_last_byte(before, &[0x80 | rsv << 4 | opcode], ReservedBits);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for fin in [0, 0x80] {
            refused_at_the_last_byte(&[], &[fin | opcode], ReservedOpcode(opcode));
        }
    }
    let table: [(Frames<'_>, &[u8], ProtocolError); 20] = [
        (&[], b"\x08", FragmentedControl),
        (&[], b"\x09", FragmentedControl),
        (fragment, b"\x0A", FragmentedControl),
        (&[], b"\x00", UnexpectedContinuation),
        (&[(TEXT, b"whole")], b"\x80", UnexpectedContinuation),
        (fragment, b"\x01", ExpectedContinuation),
        (fragment, b"\x02", ExpectedContinuation),
        (fragment, b"\x81", ExpectedContinuation),
        (fragment, b"\x82", ExpectedContinuation),
        (&[], b"\x88\x01", CloseTooShort),
        (&[], b"\x88\x7E", ControlTooLong),
        (&[], b"\x89\x7E", ControlTooLong),
        (fragment, b"\x8A\x7F", ControlTooLong),
        (&[], b"\x81\x7E\x00\x00", NonMinimalLength),
        (&[], b"\x81\x7E\x00\x7D", NonMinimalLength),
        (&[], b"\x82\x7F\0\0\0\0\0\0", NonMinimalLength),
        (&[], b"\x82\x7F\x80", LengthTooLarge),
        (&[], b"\x82\x7F\xFF", LengthTooLarge),
        (&[], b"\x82\x7E\x03\xE9", FrameTooLarge),
        (&[(FIRST_TEXT, &[b'x'; 1000])], b"\x80\x7E\x01\xF5", MessageTooLarge),
    ];
    for (before, bytes, error) in table {
        refused_at_the_last_byte(before, bytes, error);
    }
}

#[test]
fn trap_27_masks_are_required_from_clients_and_forbidden_to_servers_on_every_frame() {
    for payload in [b"".as_slice(), b"ab", &[7; 125]] {
        for first in [TEXT, BINARY, FIRST_TEXT, PING, PONG, CLOSE] {
            for role in Role::BOTH {
                let wrong = frame(first, role.opposite().key(), payload);
                let outcome = run_all_cuts(role, LIMITS, &wrong[..2]);
                let error = match role {
                    Role::Server => ProtocolError::UnmaskedFrame,
                    Role::Client => ProtocolError::MaskedFrame,
                };
                assert_eq!(outcome.error(), Some(error));
                assert_eq!(breaking_byte(role, LIMITS, &wrong), Some(2));
            }
        }
    }
}

#[test]
fn trap_23_length_must_be_minimal() {
    for (form, len) in
        [(Form::Two, 0), (Form::Two, 125), (Form::Eight, 0), (Form::Eight, 126), (Form::Eight, 65535)]
    {
        for role in Role::BOTH {
            let bytes = header(BINARY, role.key(), form, len);
            let outcome = run_all_cuts(role, NO_LIMITS, &bytes);
            assert_eq!(outcome.error(), Some(ProtocolError::NonMinimalLength), "{form:?} {len}");
        }
    }
    for (form, len) in [(Form::Two, 126), (Form::Two, 65535), (Form::Eight, 65536)] {
        for role in Role::BOTH {
            assert_eq!(run_all_cuts(role, NO_LIMITS, &header(BINARY, role.key(), form, len)).events, []);
        }
    }
}

#[test]
fn trap_30_31_rsv1_without_an_extension_fails() {
    for first in [0xC1, 0xC2, 0x41, 0xC8, 0xC9, 0xCA] {
        for role in Role::BOTH {
            let outcome = run_all_cuts(role, LIMITS, &role.frame(first, b"x"));
            assert_eq!(outcome.error(), Some(ProtocolError::ReservedBits));
        }
    }
}

#[test]
fn trap_32_reserved_opcodes_fail_at_the_header() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refused_at_the_last_byte(
            &[(TEXT, b"before")],
            &[0x80 | opcode],
            ProtocolError::ReservedOpcode(opcode),
        );
    }
}

#[test]
fn trap_33_control_frames_pass_between_fragments_and_a_pong_needs_no_ping() {
    let frames: Frames<'_> = &[
        (PONG, b"nobody asked"),
        (FIRST_TEXT, b"a"),
        (PING, &[7; 125]),
        (MIDDLE, b"b"),
        (PONG, b""),
        (LAST, b"c"),
    ];
    let expected = [
        Seen::Pong(b"nobody asked".to_vec()),
        Seen::Ping(vec![7; 125]),
        Seen::Pong(vec![]),
        Seen::Text("abc".into()),
    ];
    for role in Role::BOTH {
        assert_eq!(run_all_cuts(role, LIMITS, &role.frames(frames)).events, expected);
    }
}

#[test]
fn trap_34_35_fragments_out_of_order() {
    for (frames, error) in [
        (&[(FIRST_TEXT, b"a"), (FIRST_TEXT, b"b")], ProtocolError::ExpectedContinuation),
        (&[(FIRST_TEXT, b"a"), (BINARY, b"b")], ProtocolError::ExpectedContinuation),
        (&[(BINARY, b"a"), (LAST, b"b")], ProtocolError::UnexpectedContinuation),
        (&[(PING, b"a"), (MIDDLE, b"b")], ProtocolError::UnexpectedContinuation),
    ] {
        for role in Role::BOTH {
            let frames = frames.map(|(first, payload)| (first, payload.as_slice()));
            assert_eq!(run_all_cuts(role, LIMITS, &role.frames(&frames)).error(), Some(error));
        }
    }
}

#[test]
fn trap_36_empty_fragments_and_empty_messages_are_legal() {
    let frames: Frames<'_> = &[
        (TEXT, b""),
        (BINARY, b""),
        (FIRST_TEXT, b""),
        (LAST, b""),
        (FIRST_BINARY, b""),
        (MIDDLE, b""),
        (MIDDLE, b"x"),
        (MIDDLE, b""),
        (LAST, b""),
    ];
    let expected =
        [Seen::Text("".into()), Seen::Binary(vec![]), Seen::Text("".into()), Seen::Binary(b"x".to_vec())];
    for role in Role::BOTH {
        assert_eq!(run_all_cuts(role, LIMITS, &role.frames(frames)).events, expected);
    }
}

// ---- lengths and limits ----

#[test]
fn trap_25_26_limits_are_inclusive_and_met_before_any_payload() {
    use ProtocolError::{FrameTooLarge, MessageTooLarge};
    for max in [0, 1, 125, 126, 127, 65535, 65536] {
        let frame_limit = Limits { max_frame: max, max_message: u64::MAX, ..LIMITS };
        let message_limit = Limits { max_frame: u64::MAX, max_message: max, ..LIMITS };
        for (limits, error) in [(frame_limit, FrameTooLarge), (message_limit, MessageTooLarge)] {
            for role in Role::BOTH {
                for first in [TEXT, BINARY, FIRST_TEXT] {
                    let fits = header(first, role.key(), Form::shortest(max), max);
                    assert_eq!(run_all_cuts(role, limits, &fits).error(), None);
                    let over = header(first, role.key(), Form::shortest(max + 1), max + 1);
                    let length_end = over.len() - role.key().map_or(0, |key| key.len());
                    assert_eq!(run_all_cuts(role, limits, &over[..length_end]).error(), Some(error));
                    assert_eq!(breaking_byte(role, limits, &over), Some(length_end), "not even the mask");
                }
                let whole = role.frame(BINARY, &vec![7; max as usize]);
                assert_eq!(run_all_cuts(role, limits, &whole).events, [Seen::Binary(vec![7; max as usize])]);
            }
        }
    }
    assert_eq!(FrameTooLarge.close_code().map(u16::from), Some(1009));
    assert_eq!(MessageTooLarge.close_code().map(u16::from), Some(1009));
}

#[test]
fn control_frames_do_not_count_against_any_limit() {
    let limits = Limits { max_frame: 0, max_message: 0, max_fragments: 1 };
    for role in Role::BOTH {
        let bytes = role.frames(&[(FIRST_TEXT, b""), (PING, &[1; 125]), (PONG, &[2; 125])]);
        assert_eq!(
            run_all_cuts(role, limits, &bytes).events,
            [Seen::Ping(vec![1; 125]), Seen::Pong(vec![2; 125])]
        );
    }
}

#[test]
fn message_limit_over_fragments_is_exact() {
    let limits = Limits { max_frame: 100, max_message: 100, max_fragments: 100 };
    for role in Role::BOTH {
        for (last, error) in [(40, None), (41, Some(ProtocolError::MessageTooLarge))] {
            let bytes = role.frames(&[(FIRST_TEXT, &[b'x'; 60]), (MIDDLE, b""), (LAST, &vec![b'y'; last])]);
            assert_eq!(run_all_cuts(role, limits, &bytes).error(), error);
        }
        // The count begins anew with each message.
        let twice = role.frames(&[(FIRST_TEXT, &[b'x'; 60]), (LAST, &[b'x'; 40]), (TEXT, &[b'x'; 100])]);
        assert_eq!(run_all_cuts(role, limits, &twice).events.len(), 2);
    }
}

#[test]
fn fragment_limit_is_exact_and_one_more_for_every_16_bytes() {
    let limits = Limits { max_fragments: 3, ..LIMITS };
    let table: [(&[usize], bool); 9] = [
        (&[0, 0, 0], true),
        (&[0, 0, 0, 0], false),
        (&[15, 0, 0], true),
        (&[15, 0, 0, 0], false),
        (&[15, 0, 0, 1], true),
        (&[16, 0, 0, 0], true),
        (&[16, 0, 0, 0, 15], false),
        (&[0, 0, 0, 32, 0], true),
        (&[16; 90], true),
    ];
    for (sizes, legal) in table {
        for role in Role::BOTH {
            let last = sizes.len() - 1;
            let frames = sizes.iter().enumerate().flat_map(|(i, size)| {
                let first = if i == 0 { FIRST_BINARY } else { MIDDLE } | if i == last { 0x80 } else { 0 };
                role.frame(first, &vec![7; *size])
            });
            let error = (!legal).then_some(ProtocolError::TooManyFragments);
            assert_eq!(run_all_cuts(role, limits, &Vec::from_iter(frames)).error(), error, "{sizes:?}");
        }
    }
    // A message in one frame has no fragments.
    let none = Limits { max_fragments: 0, ..LIMITS };
    assert_eq!(run_all_cuts(Role::Client, none, &Role::Client.frame(TEXT, b"")).error(), None);
}

/// Lengths at the edges of 63 and 64 bits, then more frames: an error or endless payload, and an end to the work.
fn huge_lengths(role: Role, first: u8) {
    let more = role.frames(&[(TEXT, b"more"), (PING, b"")]).repeat(20);
    for (len, error) in [
        ((1 << 63) - 1, None),
        (1 << 63, Some(ProtocolError::LengthTooLarge)),
        (u64::MAX, Some(ProtocolError::LengthTooLarge)),
    ] {
        for limits in [LIMITS, NO_LIMITS, Limits { max_message: u64::MAX, ..LIMITS }] {
            let bytes = [header(first, role.key(), Form::Eight, len), more.clone()].concat();
            let outcome = run_all_cuts(role, limits, &bytes);
            let too_large = (limits != NO_LIMITS).then_some(ProtocolError::FrameTooLarge);
            assert_eq!(outcome.error(), error.or(too_large), "{len:#x}");
        }
        // The sum of two such lengths must not wrap around either.
        let twice =
            [role.frame(FIRST_BINARY, b"x"), header(LAST, role.key(), Form::Eight, len), more.clone()];
        run_all_cuts(role, NO_LIMITS, &twice.concat());
    }
}

#[test]
fn cve_2020_27813_cve_2020_13935_trap_24_huge_lengths_on_a_server() {
    for first in [BINARY, FIRST_BINARY] {
        huge_lengths(Role::Server, first);
    }
}

#[test]
fn cve_2026_1528_huge_lengths_on_a_client() {
    for first in [BINARY, FIRST_BINARY] {
        huge_lengths(Role::Client, first);
    }
}

#[test]
fn cve_2026_54466_payload_that_looks_like_frames_is_payload() {
    for role in Role::BOTH {
        let looks = role.frames(&[(TEXT, b"inner"), (CLOSE, b"\x03\xE8"), (PING, b"p")]);
        let bytes = role.frames(&[(BINARY, &looks), (FIRST_BINARY, &looks), (LAST, &looks)]);
        let expected = [Seen::Binary(looks.clone()), Seen::Binary(looks.repeat(2))];
        assert_eq!(run_all_cuts(role, LIMITS, &bytes).events, expected);
    }
}

#[test]
fn cve_2026_0716_default_limits_are_finite() {
    for role in Role::BOTH {
        let mut connection = role.connection(sansocket::Config::default());
        let over = header(BINARY, role.key(), Form::Eight, (16 << 20) + 1);
        assert_eq!(events(&mut connection, &over), [Seen::Failed(ProtocolError::FrameTooLarge)]);
    }
}

#[test]
fn cve_2014_0193_endless_continuations_end_at_the_message_limit() {
    let limits = Limits { max_frame: 64 << 10, max_message: 1 << 20, max_fragments: 1000 };
    for role in Role::BOTH {
        let piece = vec![7; 64 << 10];
        let (first, next) = (role.frame(FIRST_BINARY, &piece), role.frame(MIDDLE, &piece));
        for mode in [Mode::Messages, Mode::Chunks] {
            let (mut connection, mut seen) = (role.connection(config(limits)), Collector::default());
            feed(&mut connection, mode, &first, &mut seen);
            for fragments in 2..40 {
                feed(&mut connection, mode, &next, &mut seen);
                let failed = seen.events == [Seen::Failed(ProtocolError::MessageTooLarge)];
                assert_eq!(failed, fragments > 16);
            }
        }
    }
}

// ---- masks and text ----

#[test]
fn trap_29_mask_phase_survives_every_cut() {
    for len in 0..40 {
        let payload = Rng::new(len).bytes(len as usize);
        run_all_cuts(Role::Server, LIMITS, &Role::Server.frames(&[(BINARY, &payload), (PING, &payload)]));
    }
}

const TEXTS: [(&[u8], bool); 24] = [
    (b"", true),
    ("κόσμε, 水, 🦀 and \u{10FFFF}\0".as_bytes(), true),
    (b"\xEF\xBB\xBFwith a byte order mark", true),
    (b"\xED\x9F\xBF\xEE\x80\x80", true),      // around the surrogates
    (b"\xCE\xBA\xED\xA0\x80edited", false),   // Autobahn 6.3: a surrogate
    (b"\xCE\xBA\xF4\x90\x80\x80edit", false), // Autobahn 6.4: over U+10FFFF
    (b"ab\xED\xBF\xBF", false),
    (b"a\x80", false),
    (b"a\xBF\xBF", false),
    (b"a\xC0\x80", false), // overlong
    (b"a\xC1\xBF", false),
    (b"a\xE0\x9F\xBF", false),
    (b"a\xF0\x8F\xBF\xBF", false),
    (b"a\xF5\x80\x80\x80", false),
    (b"a\xF8\x88\x80\x80\x80", false),
    (b"a\xFE", false),
    (b"a\xFF", false),
    (b"a\xC3", false), // truncated
    (b"a\xE2\x82", false),
    (b"a\xF0\x9F\xA6", false),
    (b"a\xE2\x28\xA1", false),
    (b"a\xF0\x9F\x28\x80", false),
    (b"a\xF0\x9F\xA6(", false),
    (b"\x80\x80\x80", false),
];

#[test]
fn trap_37_text_is_checked_over_fragment_and_chunk_boundaries() {
    for (text, valid) in TEXTS {
        for role in Role::BOTH {
            for a in 0..=text.len() {
                for b in a..=text.len().min(a + 3) {
                    let bytes = role.frames(&[
                        (FIRST_TEXT, &text[..a]),
                        (PING, b"ping"),
                        (MIDDLE, &text[a..b]),
                        (LAST, &text[b..]),
                        (TEXT, b"next"),
                    ]);
                    let outcome = run_some_cuts(role, &bytes, a + b);
                    assert_eq!(
                        outcome.error(),
                        (!valid).then_some(ProtocolError::InvalidUtf8),
                        "{text:02x?}"
                    );
                }
            }
        }
    }
}

/// Every cut for one in a few inputs, some cuts for the others.
fn run_some_cuts(role: Role, bytes: &[u8], n: usize) -> Outcome {
    if n.is_multiple_of(7) {
        run_all_cuts(role, LIMITS, bytes)
    } else {
        run_cuts(role, LIMITS, bytes, &[bytes.len() / 2])
    }
}

#[test]
fn trap_38_bad_text_is_refused_at_its_earliest_byte() {
    let table: [(&[u8], usize); 8] = [
        (b"ab\xED\xA0\x80cd", 4),
        (b"ab\xF4\x90\x80\x80", 4),
        (b"ab\xC0\x80", 3),
        (b"ab\xE0\x80\x80", 4),
        (b"ab\xF0\x80\x80\x80", 4),
        (b"ab\xF5\x80", 3),
        (b"ab\x80", 3),
        (b"ab\xE2\x82\x28cd", 5),
    ];
    for (text, at) in table {
        for role in Role::BOTH {
            let head = header(TEXT, role.key(), Form::Short, 100);
            let bytes = [head.clone(), masked(role.key().unwrap_or_default(), text).collect()].concat();
            assert_eq!(run_all_cuts(role, LIMITS, &bytes).error(), Some(ProtocolError::InvalidUtf8));
            assert_eq!(breaking_byte(role, LIMITS, &bytes), Some(head.len() + at), "{text:02x?}");
        }
    }
}

// ---- close payloads ----

#[test]
fn trap_41_every_close_code() {
    for code in 0..=u16::MAX {
        let legal = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let bytes = Role::Client.frame(CLOSE, &code.to_be_bytes());
        let expected = match legal {
            true => Seen::Close(Some((code, String::new()))),
            false => Seen::Failed(ProtocolError::InvalidCloseCode(code)),
        };
        let mut client = Role::Client.connection(config(LIMITS));
        assert_eq!(events(&mut client, &bytes), [expected]);
        let answer = if legal { code } else { 1002 };
        assert!(plain(client.output())[0].1.starts_with(&answer.to_be_bytes()));
    }
    for code in [0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 2999, 3000, 4999, 5000, 65535] {
        for role in Role::BOTH {
            run_all_cuts(role, LIMITS, &role.frame(CLOSE, &close_payload(code, "why: ü")));
        }
    }
}

#[test]
fn trap_40_close_payloads() {
    use ProtocolError::{CloseTooShort, ControlTooLong, InvalidUtf8};
    let reason = "r".repeat(123);
    let close = |code, reason: &str| Ok(Seen::Close(Some((code, reason.to_owned()))));
    let table: [(&[u8], Result<Seen, ProtocolError>); 8] = [
        (b"", Ok(Seen::Close(None))),
        (b"\x03", Err(CloseTooShort)),
        (b"\x03\xE8", close(1000, "")),
        (b"\x03\xE9bye \xE2\x82\xAC", close(1001, "bye €")),
        (b"\x03\xE8\xE2\x82", Err(InvalidUtf8)),
        (b"\x03\xE8a\xED\xA0\x80", Err(InvalidUtf8)),
        (&close_payload(1000, &reason), close(1000, &reason)),
        (&close_payload(1000, &format!("{reason}r")), Err(ControlTooLong)),
    ];
    for (payload, expected) in table {
        for role in Role::BOTH {
            let events = run_all_cuts(role, LIMITS, &role.frame(CLOSE, payload)).events;
            assert_eq!(events, [expected.clone().unwrap_or_else(Seen::Failed)]);
        }
        match CloseFrame::parse(payload) {
            Ok(frame) => assert_eq!(frame.as_ref().map_or(&[][..], CloseFrame::as_bytes), payload),
            Err(error) => assert_eq!(Err(error), expected),
        }
    }
}

#[test]
fn a_bad_close_reason_is_refused_before_the_rest_of_it_arrives() {
    for role in Role::BOTH {
        let bytes = role.frame(CLOSE, b"\x03\xE8ab\xFFmore than that");
        let head = bytes.len() - 19;
        assert_eq!(breaking_byte(role, LIMITS, &bytes), Some(head + 5));
        run_all_cuts(role, LIMITS, &bytes);
    }
}
