//! Compressed messages (RFC 7692 §6 and §7.2), received and sent, against an independent decompressor.
#![cfg(feature = "deflate")]

mod common;

use common::*;
use sansocket::deflate::{Codec, CodecError, Compressor, Decompressor, Deflate, Inflated, Params, Zlib};
use sansocket::frame::Kind;
use sansocket::{Config, Connection, EncodedMessage, Event, Input, Message, ProtocolError as E, SendError};

/// The first byte of a compressed message.
const Z_TEXT: u8 = 0xC1;
const Z_BINARY: u8 = 0xC2;
const Z_FIRST_TEXT: u8 = 0x41;
const Z_FIRST_BINARY: u8 = 0x42;
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

/// Parameters for both directions alike.
fn params(no_context_takeover: bool, window_bits: u8) -> Params {
    let mut params = Params::default();
    (params.server_no_context_takeover, params.client_no_context_takeover) =
        (no_context_takeover, no_context_takeover);
    (params.server_max_window_bits, params.client_max_window_bits) = (window_bits, window_bits);
    params
}

fn takeover() -> Params {
    params(false, 15)
}

fn with(role: Role, config: Config, params: Params) -> Connection {
    role.connection(config).with_deflate(&Deflate::default().threshold(0), &params)
}

fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

/// Receives `frames` whole, byte by byte, and cut in two at every place or at many, as messages and as
/// chunks: the events are always these, and so is what was handed out of an unfinished message.
fn check(params: Params, config: Config, frames: Frames<'_>, expected: &[Seen], partial: &[u8]) {
    for role in Role::BOTH {
        let bytes = role.frames(frames);
        check_bytes(role, params, config, &bytes, expected, Some(partial));
    }
}

fn check_bytes(
    role: Role,
    params: Params,
    config: Config,
    bytes: &[u8],
    expected: &[Seen],
    partial: Option<&[u8]>,
) {
    let mut rng = Rng::new(bytes.len() as u64);
    let mut all = vec![vec![], Vec::from_iter(1..bytes.len())];
    if bytes.len() <= 100 {
        all.extend((1..bytes.len()).map(|cut| vec![cut]));
    } else {
        all.extend((0..6).map(|_| {
            let mut cuts = Vec::from_iter((0..=rng.below(5)).map(|_| rng.below(bytes.len())));
            cuts.sort_unstable();
            cuts
        }));
    }
    for cuts in all {
        for mode in [Mode::Messages, Mode::Chunks] {
            let mut connection = with(role, config, params);
            let mut seen = Collector::default();
            let mut at = 0;
            for end in cuts.iter().copied().chain([bytes.len()]) {
                feed(&mut connection, mode, &bytes[at..end], &mut seen);
                at = end;
            }
            let outcome = seen.outcome();
            let context =
                || format!("{role:?} {mode:?} {:02x?} cut at {cuts:?}", &bytes[..bytes.len().min(100)]);
            assert_eq!(outcome.events, expected, "I1: {}", context());
            if let (Mode::Chunks, Some(partial)) = (mode, partial) {
                assert_eq!(outcome.partial, partial, "I1, I6, I7: {}", context());
            }
            if let Some(Seen::Failed(error)) = expected.last() {
                let close = written(&mut connection).pop().expect("a Close");
                let code = error.close_code().expect("a code").get();
                assert!(close.0 == CLOSE && close.1.starts_with(&code.to_be_bytes()));
                // It is final.
                let more = role.frame(Z_TEXT, HELLO);
                assert_eq!(events(&mut connection, &more), [], "I4");
                assert_eq!(connection.send_text("x"), Err(SendError::Closed));
            }
        }
    }
}

fn passes(params: Params, frames: Frames<'_>, expected: &[Seen]) {
    check(params, Config::default(), frames, expected, b"");
}

/// What comes before the failure is seen; `partial` is what `recv_chunk` hands out of the message that is not
/// valid.
fn fails(params: Params, frames: Frames<'_>, before: &[Seen], error: E, partial: &[u8]) {
    let expected = [before, &[Seen::Failed(error)]].concat();
    check(params, Config::default(), frames, &expected, partial);
}

// ---- received: the examples ----

#[test]
fn the_examples_of_section_7_2_3() {
    // 1: one block, in one frame and in two
    assert_eq!(Role::Client.frame(Z_TEXT, HELLO), b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
    passes(takeover(), &[(Z_TEXT, HELLO)], &[text("Hello")]);
    let two: Frames<'_> = &[(Z_FIRST_TEXT, b"\xf2\x48\xcd"), (LAST, b"\xc9\xc9\x07\x00")];
    assert_eq!(Role::Client.frames(two), b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00");
    passes(takeover(), two, &[text("Hello")]);
    // 2: the window is shared, also over a message in between that is not compressed
    let again = b"\xf2\x00\x11\x00\x00";
    passes(takeover(), &[(Z_TEXT, HELLO), (Z_TEXT, again)], &[text("Hello"), text("Hello")]);
    let between: Frames<'_> = &[(Z_TEXT, HELLO), (TEXT, b"plain"), (Z_TEXT, again)];
    passes(takeover(), between, &[text("Hello"), text("plain"), text("Hello")]);
    passes(params(true, 15), &[(Z_TEXT, HELLO), (Z_TEXT, HELLO)], &[text("Hello"), text("Hello")]);
    // 3: a block without compression
    let stored = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    assert_eq!(Role::Client.frame(Z_TEXT, stored)[..2], *b"\xc1\x0b");
    passes(takeover(), &[(Z_TEXT, stored)], &[text("Hello")]);
    // 4: BFINAL
    passes(takeover(), &[(Z_TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")], &[text("Hello")]);
    // 5: two blocks
    let two = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    passes(takeover(), &[(Z_TEXT, two)], &[text("Hello")]);
    // 6: an empty fragment at the end
    let frames: Frames<'_> =
        &[(Z_FIRST_TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"), (LAST, b"\x00")];
    passes(takeover(), frames, &[text("Hello")]);
}

#[test]
fn a_window_is_not_shared_when_there_is_no_takeover() {
    let frames: Frames<'_> = &[(Z_TEXT, HELLO), (Z_TEXT, b"\xf2\x00\x11\x00\x00")];
    // 'H' is a literal, and what it goes on with lies before the beginning.
    fails(params(true, 15), frames, &[text("Hello")], E::InvalidDeflate, b"H");
}

#[test]
fn the_same_bytes_are_made() {
    for role in Role::BOTH {
        for (params, again) in [(takeover(), b"\x02\x13\x00\x00".as_slice()), (params(true, 15), HELLO)] {
            let mut connection = with(role, Config::default(), params);
            for expected in [HELLO, again] {
                connection.send_text("Hello").expect("open");
                assert_eq!(written(&mut connection), [(Z_TEXT, expected.to_vec())]);
            }
            // Other messages do not concern the window.
            connection.compress(false);
            connection.send_text("Hello").expect("open");
            assert_eq!(written(&mut connection), [(TEXT, b"Hello".to_vec())]);
            connection.compress(true);
            connection.ping(b"Hello").expect("open");
            connection.send_text("").expect("open");
            connection.send_binary(b"").expect("open");
            assert_eq!(
                written(&mut connection),
                [(PING, b"Hello".to_vec()), (Z_TEXT, vec![0]), (Z_BINARY, vec![0])],
                "trap 60: an empty message is one byte"
            );
        }
    }
}

// ---- received: RSV1 ----

#[test]
fn trap_30_63_rsv1_is_for_the_first_frame_of_data() {
    for frame in [(0xC0, HELLO), (0x40, HELLO)] {
        fails(takeover(), &[(Z_FIRST_TEXT, HELLO), frame], &[], E::ReservedBits, b"Hello");
        fails(takeover(), &[(FIRST_TEXT, b"Hel"), frame], &[], E::ReservedBits, b"Hel");
        fails(takeover(), &[frame], &[], E::ReservedBits, b"");
    }
    for control in [0xC8, 0xC9, 0xCA] {
        fails(takeover(), &[(control, b"")], &[], E::ReservedBits, b"");
        fails(takeover(), &[(Z_TEXT, HELLO), (control, b"")], &[text("Hello")], E::ReservedBits, b"");
    }
    for first in [0xA1, 0x91, 0xE1, 0xD1, 0xF2] {
        fails(takeover(), &[(first, HELLO)], &[], E::ReservedBits, b"");
    }
}

#[test]
fn trap_31_without_negotiation_nothing_is_inflated() {
    for role in Role::BOTH {
        for first in [Z_TEXT, Z_BINARY, Z_FIRST_TEXT, Z_FIRST_BINARY] {
            for mode in [Mode::Messages, Mode::Chunks] {
                let (mut connection, mut seen) = (open(role), Collector::default());
                feed(&mut connection, mode, &role.frame(first, HELLO), &mut seen);
                assert_eq!(seen.outcome().events, [Seen::Failed(E::ReservedBits)]);
                assert_eq!(written(&mut connection)[0].1[..2], 1002_u16.to_be_bytes());
            }
        }
    }
}

// ---- received: fragments ----

#[test]
fn trap_64_fragments_of_both_sorts_with_control_frames_between() {
    let long = Blocks::default().fixed(false, &[Say::Bytes(b"compressed ")]).message();
    let frames: Frames<'_> = &[
        (Z_FIRST_TEXT, b""),
        (PING, b"1"),
        (MIDDLE, &long[..3]),
        (MIDDLE, b""),
        (PONG, b"2"),
        (LAST, &long[3..]),
        (FIRST_TEXT, b"pl"),
        (PING, b"3"),
        (MIDDLE, b""),
        (LAST, b"ain"),
        (Z_TEXT, HELLO),
        (TEXT, b""),
        (Z_FIRST_BINARY, HELLO),
        (LAST, b"\0\0\xff\xff\0"),
        (CLOSE, b""),
    ];
    let expected = [
        Seen::Ping(b"1".to_vec()),
        Seen::Pong(b"2".to_vec()),
        text("compressed "),
        Seen::Ping(b"3".to_vec()),
        text("plain"),
        text("Hello"),
        text(""),
        Seen::Binary(b"Hello".to_vec()),
        Seen::Close(None),
    ];
    passes(takeover(), frames, &expected);
    passes(params(true, 9), frames, &expected);
}

#[test]
fn empty_messages_and_empty_fragments_again_and_again() {
    for params in [takeover(), params(true, 15), params(false, 9)] {
        let frames: Frames<'_> = &[
            (Z_TEXT, b"\0"),
            (Z_TEXT, b"\0"),
            (Z_FIRST_TEXT, b""),
            (MIDDLE, b""),
            (LAST, b"\0"),
            (Z_FIRST_TEXT, b"\0\0\0\xff\xff"),
            (MIDDLE, b"\0\0\0\xff\xff\0\0\0\xff\xff"),
            (LAST, b"\0"),
            (Z_TEXT, b"\x02\0"), // an empty block with fixed codes
            (Z_TEXT, b"\x03\0"), // and a final one
            (Z_TEXT, b"\x03\0\0"),
            (Z_TEXT, b"\x01\0\0\xff\xff"),
            (Z_TEXT, b"\x01\0\0\xff\xff\0"),
            (Z_TEXT, b"\x01"), // whose tail is the one that is appended
            (Z_TEXT, HELLO),
        ];
        let mut expected = vec![text(""); 10];
        expected.push(text("Hello"));
        passes(params, frames, &expected);
    }
}

#[test]
fn a_message_of_no_bytes_at_all_is_not_valid() {
    for before in [b"\0".as_slice(), b"\x03\0", b"\x03\0\0", b"\x01", HELLO] {
        for params in [takeover(), params(true, 15), params(false, 9)] {
            let expected = [text(if before == HELLO { "Hello" } else { "" })];
            fails(params, &[(Z_TEXT, before), (Z_TEXT, b"")], &expected, E::InvalidDeflate, b"");
            let frames: Frames<'_> = &[(Z_TEXT, before), (Z_FIRST_TEXT, b""), (MIDDLE, b""), (LAST, b"")];
            fails(params, frames, &expected, E::InvalidDeflate, b"");
        }
    }
}

#[test]
fn sent_in_empty_fragments() {
    for params in [takeover(), params(true, 15), params(true, 9)] {
        for role in Role::BOTH {
            let mut connection = with(role, Config::default(), params);
            let mut peer = with(role.opposite(), Config::default(), params);
            for fragments in [
                &["", ""][..],
                &["Hello", ""],
                &["", "Hello"],
                &["", "", "", "Hello", "", "", ""],
                &["Hel", "lo"],
                &[""],
                &["Hello"],
                &["Hello Hello Hello", "", "Hello Hello Hello"],
            ] {
                for (i, fragment) in fragments.iter().enumerate() {
                    let last = i + 1 == fragments.len();
                    connection.send_fragment(&Message::from(*fragment), last).expect("open");
                }
                let bytes = take_all(&mut connection);
                let frames = plain(&bytes);
                for (i, (first, payload)) in frames.iter().enumerate() {
                    let last = i + 1 == frames.len();
                    let opcode = if i == 0 { 0x41 } else { 0 };
                    assert_eq!(*first, opcode | if last { 0x80 } else { 0 }, "RSV1 on the first frame only");
                    if !last {
                        assert!(payload.is_empty() || payload.ends_with(b"\0\0\xff\xff"), "§7.2.1");
                    }
                }
                let joined = frames.iter().flat_map(|(_, payload)| payload.clone());
                let mut independent = Naive { history: peer_history(&params, "x"), ..Naive::default() };
                drop(independent.message(&Vec::from_iter(joined)));
                assert_eq!(events(&mut peer, &bytes), [text(&fragments.concat())], "{fragments:?}");
            }
        }
    }
}

/// Enough to refer to.
fn peer_history(_: &Params, with: &str) -> Vec<u8> {
    with.repeat(40_000).into_bytes()
}

#[test]
fn a_message_in_fragments_is_compressed_or_not_from_its_beginning() {
    let mut connection = with(Role::Server, Config::default(), takeover());
    connection.send_fragment(&Message::from("a"), false).expect("open");
    connection.compress(false);
    connection.send_fragment(&Message::from("b"), true).expect("open");
    connection.send_fragment(&Message::from("c"), false).expect("open");
    connection.compress(true);
    connection.send_fragment(&Message::from("d"), true).expect("open");
    let bytes = take_all(&mut connection);
    let firsts = Vec::from_iter(plain(&bytes).into_iter().map(|(first, _)| first));
    assert_eq!(firsts, [Z_FIRST_TEXT, LAST, FIRST_TEXT, LAST]);
    let mut peer = with(Role::Client, Config::default(), takeover());
    assert_eq!(events(&mut peer, &bytes), [text("ab"), text("cd")]);
}

// ---- received: final blocks ----

#[test]
fn trap_61_blocks_that_are_marked_as_final() {
    let say = |bytes| [Say::Bytes(bytes)];
    let (a, b) = (say(b"first "), say(b"second"));
    let new = Blocks::default;
    let messages = [
        new().fixed(true, &a).fixed(true, &b).message(),
        new().fixed(true, &a).fixed(true, &b).bare(), // without the byte behind it
        new().fixed(true, &a).fixed(false, &b).message(),
        new().fixed(false, &a).fixed(true, &b).message(),
        new().stored(true, b"first ").stored(true, b"second").bare(),
        new().stored(true, b"first ").fixed(true, &b).message(),
        new().fixed(true, &[]).fixed(true, &a).fixed(true, &[]).fixed(true, &b).fixed(true, &[]).bare(),
        // The second block refers to the first, beyond its end.
        new().fixed(true, &a).fixed(true, &[Say::Bytes(b"second"), Say::Copy(6, 6)]).bare(),
    ];
    // Whatever came before, the next message may refer to it.
    let back = new().fixed(false, &[Say::Copy(6, 6)]).message();
    let all = new().fixed(true, &[Say::Copy(6, 12), Say::Copy(6, 12)]).message();
    for message in &messages[..7] {
        let frames: Frames<'_> =
            &[(Z_TEXT, message), (Z_TEXT, &back), (Z_TEXT, message), (Z_TEXT, &all), (Z_TEXT, HELLO)];
        let expected =
            [text("first second"), text("second"), text("first second"), text("first second"), text("Hello")];
        passes(takeover(), frames, &expected);
        passes(params(false, 9), frames, &expected);
        // In the message itself too.
        let frames: Frames<'_> = &[(Z_TEXT, message), (Z_TEXT, &back)];
        fails(params(true, 15), frames, &[text("first second")], E::InvalidDeflate, b"");
    }
    let within = &messages[7];
    passes(
        params(true, 15),
        &[(Z_TEXT, within), (Z_TEXT, within)],
        &[text("first secondsecond"), text("first secondsecond")],
    );
}

#[test]
fn the_whole_window_survives_a_final_block() {
    let mut rng = Rng::new(5);
    let noise = rng.bytes(40_000);
    for bits in [9, 11, 15] {
        let window = 1_usize << bits;
        for len in [1, window - 1, window, window + 1, window + 300, 2 * window, 40_000] {
            let len = len.min(noise.len());
            let mut blocks = Blocks::default();
            for part in noise[..len].chunks(20_000) {
                blocks = blocks.stored(true, part);
            }
            let farthest = len.min(window);
            let back = Blocks::default()
                .fixed(true, &[Say::Copy(3, farthest.max(3)), Say::Copy(3, farthest.max(3))]);
            let mut naive = Naive::default();
            let (first, second) = (blocks.bare(), back.message());
            let expected = [naive.message(&first), naive.message(&second)];
            let expected = expected.map(|message| message.map(Seen::Binary));
            let expected = match expected {
                [Ok(first), Ok(second)] => [first, second],
                [Ok(first), Err(_)] => [first, Seen::Failed(E::InvalidDeflate)],
                expected => panic!("{expected:?}"),
            };
            let bytes = Role::Client.frames(&[(Z_BINARY, &first), (Z_BINARY, &second)]);
            let config = Config::default();
            let cuts: Vec<usize> = (0..5).map(|_| rng.below(bytes.len())).collect();
            for mode in [Mode::Messages, Mode::Chunks] {
                for piece in [bytes.len(), 997, cuts[0].max(1)] {
                    let mut connection = with(Role::Client, config, params(false, bits));
                    let mut seen = Collector::default();
                    for piece in bytes.chunks(piece) {
                        feed(&mut connection, mode, piece, &mut seen);
                    }
                    assert!(seen.outcome().events == expected, "{bits} {len} {mode:?}");
                }
            }
        }
    }
}

/// What a decompressor writes beyond its output overwrites nothing that a message may still refer to.
#[test]
fn copies_from_the_far_end_of_the_window_are_right_in_any_message() {
    for bits in [9, 10, 15] {
        let window = 1_usize << bits;
        for seed in 0..3 {
            let (mut rng, mut naive, mut len) = (Rng::new(seed), Naive::default(), 0);
            let mut connection = with(Role::Client, Config::default(), params(false, bits));
            for number in 0..120 {
                let noise = rng.bytes(1 + number % 40);
                let mut says = vec![Say::Bytes(&noise)];
                len += noise.len();
                for _ in 0..rng.below(20) {
                    let (copied, near) = (rng.pick(&[3, 10, 258]), rng.below(40));
                    says.push(Say::Copy(copied, len.min(window).saturating_sub(near).max(1)));
                    len += copied;
                }
                let message = Blocks::default().fixed(rng.one_in(3), &says).message();
                let expected = naive.message(&message).expect("legal");
                let bytes = Role::Client.frame(Z_BINARY, &message);
                let seen = events(&mut connection, &bytes);
                assert!(seen == [Seen::Binary(expected)], "{bits} {seed} {number}");
            }
        }
    }
}

#[test]
fn final_blocks_that_say_little_are_not_many() {
    // What follows one needs a new stream with the whole window, and two bytes are few for that.
    let nothing = b"\x03\0".repeat(256);
    let frames: Frames<'_> = &[(Z_TEXT, &nothing), (Z_TEXT, HELLO), (Z_TEXT, &nothing)];
    passes(takeover(), frames, &[text(""), text("Hello"), text("")]);
    let some = Blocks::default().fixed(true, &[Say::Bytes(b"!")]).bare();
    let enough = Blocks::default().fixed(true, &[Say::Bytes(&[b'!'; 256])]).bare();
    let passing: [Vec<u8>; 3] =
        [some.repeat(256), some.repeat(257), [enough.repeat(100), nothing.clone()].concat()];
    for (message, len) in passing.iter().zip([256, 257, 25_600]) {
        passes(takeover(), &[(Z_TEXT, message)], &[text(&"!".repeat(len))]);
        assert!(Naive::default().message(message).is_ok());
    }
    for params in [takeover(), params(true, 9)] {
        for (message, len) in [
            ([&nothing[..], b"\x03\0"].concat(), 0),
            ([&nothing[..255 * 2], &some[..], b"\x03\0"].concat(), 1),
            (some.repeat(258), 257),
            ([enough.repeat(100), nothing.clone(), some.clone()].concat(), 25_600),
        ] {
            fails(params, &[(Z_TEXT, &message)], &[], E::InvalidDeflate, &vec![b'!'; len]);
            assert!(Naive::default().message(&message).is_err());
        }
    }
}

// ---- received: what is not valid ----

#[test]
fn every_message_that_is_cut_short_fails() {
    let dictionary = "a message which is long enough, and repeats itself: a message which is long enough";
    let zlib = Zlib::new(0);
    let mut messages = vec![
        HELLO.to_vec(),
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00".to_vec(),
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00".to_vec(),
        Blocks::default().fixed(true, &[Say::Bytes(b"abc")]).fixed(false, &[Say::Copy(5, 3)]).message(),
    ];
    for level in [1, 6, 9] {
        let mut out = compressed(&mut *zlib.compressor(15, level), dictionary.repeat(3).as_bytes());
        out.truncate(out.len() - 4);
        messages.push(out);
    }
    for message in messages {
        for cut in 0..message.len() {
            let mut naive = Naive::default();
            let (expected, partial) = match naive.message(&message[..cut]) {
                Ok(data) => (Seen::Binary(data), Vec::new()),
                Err(partial) => (Seen::Failed(E::InvalidDeflate), partial),
            };
            // Where a block ends, and one without compression begins, a message may end.
            let whole = message[cut - cut.min(1)] == 0 || message[..cut].ends_with(&[3]);
            assert!(whole || matches!(expected, Seen::Failed(_)), "{cut} of {message:02x?}");
            let bytes = Role::Client.frame(Z_BINARY, &message[..cut]);
            let config = Config::default();
            check_bytes(Role::Client, takeover(), config, &bytes, &[expected], Some(&partial));
        }
    }
}

#[test]
fn data_that_is_no_deflate_fails_with_1007() {
    assert_eq!(E::InvalidDeflate.close_code(), Some(sansocket::CloseCode::INVALID_PAYLOAD_DATA));
    for payload in [
        b"\x06\0".as_slice(),            // a block of the reserved type
        b"\x07\0",                       // and a final one
        b"\0\0\0\0\0\0",                 // a length without its complement
        b"\x05\0\0\0\0\0\0\0\0\0",       // codes that make no tree
        b"\xFC\xFF\xFF\xFF\xFF\xFF\xFF", // too many of them
        b"\xf2\xc8\x1e\x06",             // after something that is valid
        b"\x02\x01\0\0\0\0",
        b"\x62\x02\x21\0\0", // refers to before the beginning
    ] {
        let mut naive = Naive::default();
        let alone = naive.message(payload).expect_err("not valid");
        fails(params(true, 9), &[(Z_BINARY, payload)], &[], E::InvalidDeflate, &alone);
        // The last one refers to what now is there.
        let mut naive = Naive { history: b"Hello".to_vec(), ..Naive::default() };
        if let Err(behind) = naive.message(payload) {
            let frames: Frames<'_> = &[(Z_TEXT, HELLO), (Z_BINARY, payload)];
            fails(takeover(), frames, &[text("Hello")], E::InvalidDeflate, &behind);
        }
    }
}

#[test]
fn flipped_bits_are_seen_as_an_independent_decompressor_sees_them() {
    let zlib = Zlib::new(0);
    let mut rng = Rng::new(11);
    let words = ["lorem ", "ipsum ", "dolor ", "sit ", "amet, ", "consectetur ", "123", "\u{20ac}"];
    for round in 0..400 {
        let plain: String = (0..1 + rng.below(80)).map(|_| rng.pick(&words)).collect();
        let level = rng.pick(&[1, 3, 9]);
        let mut payload = compressed(&mut *zlib.compressor(15, level), plain.as_bytes());
        payload.truncate(payload.len() - 4);
        for _ in 0..rng.below(3) {
            let at = rng.below(payload.len());
            payload[at] ^= 1 << rng.below(8);
        }
        let mut naive = Naive::default();
        let (expected, partial) = match naive.message(&payload) {
            Ok(data) => (Seen::Binary(data), Vec::new()),
            Err(partial) => (Seen::Failed(E::InvalidDeflate), partial),
        };
        let role = rng.pick(&Role::BOTH);
        let bytes = role.frame(Z_BINARY, &payload);
        let cut = rng.below(bytes.len());
        for (mode, cut) in [(Mode::Messages, cut), (Mode::Chunks, cut), (Mode::Chunks, bytes.len())] {
            let mut connection = with(role, Config::default(), takeover());
            let mut seen = Collector::default();
            feed(&mut connection, mode, &bytes[..cut], &mut seen);
            feed(&mut connection, mode, &bytes[cut..], &mut seen);
            let outcome = seen.outcome();
            assert_eq!(outcome.events, std::slice::from_ref(&expected), "{round} {payload:02x?}");
            assert!(mode == Mode::Messages || outcome.partial == partial, "{round} {payload:02x?}");
        }
    }
}

#[test]
fn trap_39_text_is_checked_when_it_is_inflated_and_at_once() {
    let stored = |bytes: &[u8]| Blocks::default().stored(false, bytes).message();
    // Not at the end, and not in pieces that happen to be valid.
    passes(takeover(), &[(Z_TEXT, &stored("ä€🦀".as_bytes()))], &[text("ä€🦀")]);
    fails(takeover(), &[(Z_TEXT, &stored(b"good\xff"))], &[], E::InvalidUtf8, b"good");
    fails(takeover(), &[(Z_TEXT, &stored(b"cut \xe2\x82"))], &[], E::InvalidUtf8, b"cut ");
    // The bad byte is there, the rest never comes.
    let (bad, more) = (stored(b"\xed\xa0\x80"), stored(&[b'x'; 50]));
    fails(takeover(), &[(Z_FIRST_TEXT, &[&bad[..], &[0, 0, 0xFF, 0xFF]].concat())], &[], E::InvalidUtf8, b"");
    fails(takeover(), &[(Z_FIRST_TEXT, &bad[..7])], &[], E::InvalidUtf8, b"");
    // The compressed bytes need not be UTF-8, and binary is not checked.
    passes(
        takeover(),
        &[(Z_TEXT, HELLO), (Z_BINARY, &bad), (Z_BINARY, &more)],
        &[text("Hello"), Seen::Binary(b"\xed\xa0\x80".to_vec()), Seen::Binary(vec![b'x'; 50])],
    );
    // A code point cut by a fragment.
    let frames: Frames<'_> = &[
        (Z_FIRST_TEXT, &Blocks::default().stored(false, b"\xf0\x9f").flushed()),
        (PING, b""),
        (LAST, &stored(b"\xa6\x80")),
    ];
    passes(takeover(), frames, &[Seen::Ping(vec![]), text("🦀")]);
}

// ---- limits ----

/// Zeros, compressed to two bits for each 258 of them.
fn zeros(len: usize) -> Vec<u8> {
    let mut out = compressed(&mut *Zlib::new(0).compressor(15, 9), &vec![0; len]);
    out.truncate(out.len() - 4);
    out
}

#[test]
fn websockets_1715_a_limit_is_exact() {
    for limit in [0, 1, 257, 258, 1000, 4095, 4096, 4097, 5000] {
        let config = Config::default().max_message(limit as u64);
        for over in (0..10).chain([100, 257, 258, 259, 300]) {
            let message = zeros(limit + over);
            let bytes = Role::Client.frame(Z_BINARY, &message);
            let halves = message.split_at(message.len() / 2);
            let fragments = Role::Client.frames(&[(Z_FIRST_BINARY, halves.0), (LAST, halves.1)]);
            let expected =
                if over == 0 { Seen::Binary(vec![0; limit]) } else { Seen::Failed(E::MessageTooLarge) };
            let partial = vec![0; if over == 0 { 0 } else { limit }];
            for bytes in [bytes, fragments] {
                for mode in [Mode::Messages, Mode::Chunks] {
                    for piece in [1, bytes.len() / 2 + 1, bytes.len()] {
                        let mut connection = with(Role::Client, config, takeover());
                        let mut seen = Collector::default();
                        bytes.chunks(piece).for_each(|piece| feed(&mut connection, mode, piece, &mut seen));
                        let outcome = seen.outcome();
                        assert!(outcome.events == [expected.clone()], "{limit} + {over} by {piece}");
                        assert!(mode == Mode::Messages || outcome.partial == partial);
                    }
                }
            }
        }
    }
}

#[test]
fn a_limit_counts_each_message_by_itself_and_only_what_is_inflated() {
    let config = Config::default().max_message(20);
    let hello = Blocks::default().fixed(false, &[Say::Bytes(b"0123456789")]).message();
    let twice = Blocks::default().fixed(false, &[Say::Copy(10, 10), Say::Copy(10, 10)]).message();
    let thrice =
        Blocks::default().fixed(false, &[Say::Copy(10, 10), Say::Copy(10, 10), Say::Copy(3, 10)]).message();
    let good = [Seen::Binary(b"0123456789".to_vec()), Seen::Binary(b"01234567890123456789".to_vec())];
    let thrice_good = [good.clone(), good.clone(), good.clone()].concat();
    let frames: Vec<(u8, &[u8])> = [(Z_BINARY, &hello[..]), (Z_BINARY, &twice[..])].repeat(3);
    check(takeover(), config, &frames, &thrice_good, b"");
    // Good messages first, and one byte too many then: context takeover.
    let frames: Vec<(u8, &[u8])> = [&frames[..], &[(Z_BINARY, &thrice[..])]].concat();
    let expected = [thrice_good, vec![Seen::Failed(E::MessageTooLarge)]].concat();
    check(takeover(), config, &frames, &expected, b"01234567890123456789");
    // More compressed bytes than the limit are fine: blocks that say nothing.
    let empty = Blocks::default().flushed().repeat(30);
    let padded = [&empty[..], &hello].concat();
    let frames: Frames<'_> = &[(Z_FIRST_BINARY, &empty), (LAST, &padded)];
    check(takeover(), config, frames, &good[..1], b"");
    // Messages that are not compressed have the same limit.
    check(takeover(), config, &[(BINARY, &[7; 20])], &[Seen::Binary(vec![7; 20])], b"");
    let too_large = [Seen::Failed(E::MessageTooLarge)];
    check(
        takeover(),
        config,
        &[(Z_BINARY, &hello), (BINARY, &[7; 21])],
        &[&good[..1], &too_large].concat(),
        b"",
    );
    // And frames theirs, with room for what compressing can add.
    let config = config.max_frame(8);
    let frame_too_large = [Seen::Failed(E::FrameTooLarge)];
    check(takeover(), config, &[(BINARY, &[7; 9])], &frame_too_large, b"");
    check(takeover(), config, &[(Z_BINARY, &[7; 8 + 1 + 64 + 1])], &frame_too_large, b"");
    check(takeover(), config, &[(Z_BINARY, &[7; 8 + 1 + 64])], &[Seen::Failed(E::InvalidDeflate)], b"");
}

#[test]
fn the_tail_brings_nothing_over_the_limit() {
    // A block without compression that lacks its last bytes: the tail would be they.
    for missing in 1..=4_usize {
        let data = [7; 20];
        let whole = Blocks::default().stored(false, &data).bare();
        let cut = &whole[..whole.len() - missing];
        for limit in [20 - missing as u64, 20] {
            let config = Config::default().max_message(limit);
            let partial = &data[..20 - missing];
            check(takeover(), config, &[(Z_BINARY, cut)], &[Seen::Failed(E::InvalidDeflate)], partial);
        }
    }
}

#[test]
fn fragments_that_inflate_to_nothing_are_bounded() {
    // Five bytes are few for a fragment, and there are too many of them; more bytes cost the peer more than
    // us.
    let config = Config::default().max_fragments(50);
    let empty = b"\0\0\0\xff\xff".as_slice();
    let frames: Vec<(u8, &[u8])> =
        std::iter::once((Z_FIRST_BINARY, empty)).chain(std::iter::repeat_n((MIDDLE, empty), 200)).collect();
    check(takeover(), config, &frames, &[Seen::Failed(E::TooManyFragments)], b"");
}

// ---- sent and received ----

#[test]
fn every_window_takeover_level_and_size_round_trip() {
    let mut rng = Rng::new(3);
    let noise = rng.bytes(1 << 20);
    let json: Vec<u8> = (0..)
        .flat_map(|i: u32| {
            format!("{{\"id\":{i},\"name\":\"user{}\",\"on\":true}},", i * 7919 % 1000).into_bytes()
        })
        .take(1 << 20)
        .collect();
    let sizes = [0, 1, 2, 64, 511, 513, 4097, 20_000];
    for bits in 9..=15 {
        for no_takeover in [false, true] {
            for level in [1, 6, 9] {
                let role = rng.pick(&Role::BOTH);
                let deflate = Deflate::default().threshold(0).level(level);
                let params = params(no_takeover, bits);
                let mut connection = open(role).with_deflate(&deflate, &params);
                let mut peer = open(role.opposite()).with_deflate(&deflate, &params);
                let mut naive = Naive::default();
                let huge = bits == 15 && level == 1;
                for size in sizes.into_iter().chain(huge.then_some(1 << 20)) {
                    for data in [&noise[..size], &json[..size], &vec![0; size][..]] {
                        connection.send_binary(data).expect("open");
                        let bytes = take_all(&mut connection);
                        // An independent decompressor agrees, and no distance is larger than the window.
                        let frame = sent(&bytes).pop().expect("a frame");
                        if no_takeover {
                            naive.history.clear();
                        }
                        assert!(
                            naive.message(&frame.payload).as_deref() == Ok(data),
                            "{bits} {level} {size}"
                        );
                        assert!(frame.first == Z_BINARY && naive.farthest <= 1 << bits);
                        // Keep it short: it is slow.
                        let old = naive.history.len().saturating_sub(1 << 15);
                        naive.history.drain(..old);
                        let mut seen = Collector::default();
                        let mode = rng.pick(&[Mode::Messages, Mode::Chunks]);
                        for piece in bytes.chunks(1 + rng.below(2 * bytes.len())) {
                            feed(&mut peer, mode, piece, &mut seen);
                        }
                        assert!(
                            seen.outcome().events == [Seen::Binary(data.to_vec())],
                            "{bits} {level} {size}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn what_begins_with_recv_may_go_on_with_recv_chunk_and_the_other_way_round() {
    let zlib = Zlib::new(0);
    let plain = "ä€🦀 and so on, ".repeat(700);
    let mut payload = compressed(&mut *zlib.compressor(15, 1), plain.as_bytes());
    payload.truncate(payload.len() - 4);
    let bytes = Role::Server.frame(Z_TEXT, &payload);
    let mut rng = Rng::new(1);
    for _ in 0..50 {
        let mut connection = with(Role::Server, Config::default(), takeover());
        let mut got = String::new();
        for piece in bytes.chunks(1 + rng.below(100)) {
            let mut piece = piece.to_vec();
            let mut input = Input::new(&mut piece);
            let whole = rng.one_in(2);
            while let Some(event) =
                if whole { connection.recv(&mut input) } else { connection.recv_chunk(&mut input) }
            {
                match event {
                    Event::Message(message) => got += message.as_text().expect("text"),
                    Event::Chunk(chunk) => got += chunk.data.as_text().expect("text"),
                    event => panic!("{event:?}"),
                }
            }
        }
        assert_eq!(got, plain);
    }
}

#[test]
fn a_threshold_is_inclusive_and_trap_66_each_message_may_opt_out() {
    let deflate = Deflate::default().threshold(10);
    for role in Role::BOTH {
        let mut connection = open(role).with_deflate(&deflate, &takeover());
        for (len, first) in [(0, BINARY), (9, BINARY), (10, Z_BINARY), (11, Z_BINARY)] {
            assert_eq!(connection.compresses(len), first == Z_BINARY);
            connection.send_binary(&vec![7; len]).expect("open");
            assert_eq!(written(&mut connection)[0].0, first, "{len}");
        }
        connection.compress(false);
        assert!(!connection.compresses(11));
        connection.send_text("a secret that must not be compressed").expect("open");
        assert_eq!(written(&mut connection)[0].0, TEXT);
        connection.compress(true);
        connection.send_text("and something else").expect("open");
        assert_eq!(written(&mut connection)[0].0, Z_TEXT);
        // Written by the caller itself: as it is.
        let mask = connection.send_header(Kind::Text, 20).expect("open");
        assert_eq!(mask.is_some(), role == Role::Client);
        assert_eq!(connection.output()[0], TEXT);
    }
    // Nothing was negotiated.
    let mut connection = open(Role::Server);
    connection.compress(true);
    connection.send_text("as it is").expect("open");
    assert_eq!(written(&mut connection)[0].0, TEXT);
}

// ---- encoded once ----

#[test]
fn one_encoded_message_for_connections_of_all_parameters() {
    let long = "the same news for everybody, the same news for everybody, ".repeat(30);
    let message = Message::from(long.as_str());
    for wanted in [9, 12, 15] {
        let news = EncodedMessage::compressed(&message, &Deflate::default().server_max_window_bits(wanted));
        assert_eq!((news.kind(), news.payload()), (Kind::Text, long.as_bytes()));
        assert_eq!(news.compressed_frame(wanted - 1), None);
        assert_eq!(news.compressed_frame(wanted).expect("compressed")[0], Z_TEXT);
        for bits in 8..=15 {
            for no_takeover in [false, true] {
                for role in Role::BOTH {
                    let params = params(no_takeover, bits);
                    let mut connection = with(role, Config::default(), params);
                    let mut peer = with(role.opposite(), Config::default(), params);
                    for _ in 0..3 {
                        connection.send_text("own words, own words, own words").expect("open");
                        connection.send_encoded(&news).expect("open");
                        connection.send_encoded(&news).expect("open");
                        connection
                            .send_text("own words, own words, the same news for everybody")
                            .expect("open");
                        let bytes = take_all(&mut connection);
                        let compressed = role == Role::Server && bits >= wanted;
                        let first = if compressed { Z_TEXT } else { TEXT };
                        let firsts = Vec::from_iter(plain(&bytes).into_iter().map(|(first, _)| first));
                        let own = if bits == 8 { TEXT } else { Z_TEXT };
                        assert_eq!(firsts, [own, first, first, own]);
                        assert_eq!(
                            events(&mut peer, &bytes),
                            [
                                text("own words, own words, own words"),
                                text(&long),
                                text(&long),
                                text("own words, own words, the same news for everybody"),
                            ]
                        );
                    }
                }
            }
        }
    }
    let noise = Message::from(Rng::new(1).bytes(1000));
    for message in [Message::from(""), Message::from("short"), noise] {
        let encoded = EncodedMessage::compressed(&message, &Deflate::default());
        assert_eq!(encoded.compressed_frame(15), None, "it would not get smaller");
        assert_eq!(encoded, EncodedMessage::new(&message));
    }
    // Opted out, or never agreed: as it is.
    let news = EncodedMessage::compressed(&message, &Deflate::default());
    let mut connection = with(Role::Server, Config::default(), takeover());
    connection.compress(false);
    for mut connection in [connection, open(Role::Server)] {
        connection.send_encoded(&news).expect("open");
        assert_eq!(connection.output(), news.frame());
    }
}

// ---- refused ----

#[test]
fn a_send_that_is_refused_changes_nothing() {
    let mut rng = Rng::new(9);
    let noise = rng.bytes(3000);
    for params in [takeover(), params(true, 15), params(false, 9)] {
        for role in Role::BOTH {
            for level in [1, 6] {
                for max_output in 0..160 {
                    let config = Config::default().max_output(max_output * 20);
                    let deflate = Deflate::default().threshold(0).level(level);
                    let mut connection = role.connection(config).with_deflate(&deflate, &params);
                    let mut peer = open(role.opposite()).with_deflate(&deflate, &params);
                    let (mut accepted, mut fragments) = (Vec::new(), Vec::new());
                    for _ in 0..12 {
                        let at = rng.below(noise.len());
                        let data = &noise[at..noise.len().min(at + rng.below(1500))];
                        let before = connection.output().to_vec();
                        let last = rng.one_in(2);
                        let result = if fragments.is_empty() && rng.one_in(2) {
                            connection
                                .send_binary(data)
                                .inspect(|()| accepted.push(Seen::Binary(data.to_vec())))
                        } else {
                            connection.send_fragment(&Message::from(data), last).inspect(|()| {
                                fragments.push(data);
                                if last {
                                    accepted.push(Seen::Binary(fragments.concat()));
                                    fragments.clear();
                                }
                            })
                        };
                        match result {
                            Ok(()) => assert!(
                                connection.output().len() <= max_output * 20,
                                "{level} {}",
                                data.len()
                            ),
                            Err(error) => {
                                assert!(matches!(error, SendError::OutputFull | SendError::TooLarge));
                                assert_eq!(connection.output(), before);
                            }
                        }
                        if rng.one_in(3) {
                            let bytes = take_all(&mut connection);
                            let mut received = events(&mut peer, &bytes);
                            let expected = accepted.drain(..received.len());
                            assert!(received.drain(..).eq(expected));
                        }
                    }
                    assert_eq!(events(&mut peer, &take_all(&mut connection)), accepted);
                }
            }
        }
    }
}

/// Whether a message can be sent does not depend on what the peer negotiated.
#[test]
fn a_message_that_might_not_fit_if_compressed_is_sent_uncompressed() {
    for role in Role::BOTH {
        let (payload, header) = (vec![7; 1000], if role == Role::Client { 8 } else { 4 });
        for is_owned in [false, true] {
            for (max_output, is_compressed) in [(header + 1000, false), (1000 + 125 + 64 + 14, true)] {
                let config = Config::default().max_output(max_output);
                let mut connection = role.connection(config).with_deflate(&Deflate::default(), &takeover());
                assert_eq!(connection.compresses(1000), is_compressed);
                let sent = match is_owned {
                    false => connection.send_binary(&payload),
                    true => connection.send_binary_owned(payload.clone()),
                };
                assert_eq!(sent, Ok(()));
                assert_eq!(connection.output_len() < 100, is_compressed);
                let mut peer = open(role.opposite()).with_deflate(&Deflate::default(), &takeover());
                assert_eq!(events(&mut peer, &take_all(&mut connection)), [Seen::Binary(payload.clone())]);
            }
        }
    }
}

#[test]
fn a_higher_level_compresses_more() {
    let text = Vec::from_iter((0..5000).flat_map(|i| format!("{} {} ", i % 97, i % 89).into_bytes()));
    let lengths = [1, 6, 9].map(|level| {
        let deflate = Deflate::default().level(level);
        let mut connection = open(Role::Server).with_deflate(&deflate, &takeover());
        connection.send_binary(&text).expect("open");
        connection.output_len()
    });
    assert!(lengths[0] > lengths[1] && lengths[1] > lengths[2], "{lengths:?}");
}

#[test]
fn what_can_be_sent_at_most_is_known_before() {
    // Noise is what grows, and fixed codes, which the fastest level uses, let it grow by an eighth.
    let noise = Rng::new(9).bytes(100_000);
    for level in 1..=9 {
        for bits in [9, 15] {
            for len in [0, 1, 10, 100, 1000, 5000, 70_000, 100_000] {
                let deflate = Deflate::default().threshold(0).level(level);
                let mut connection = open(Role::Server).with_deflate(&deflate, &params(false, bits));
                for _ in 0..2 {
                    connection.send_binary(&noise[..len]).expect("open");
                    let sent = take_all(&mut connection).len();
                    assert!(sent <= len + len / 8 + 64 + 10, "{level} {bits} {len}: {sent}");
                }
            }
        }
    }
}

// ---- other codecs ----

/// Blocks without compression, and every now and then nothing at all.
#[derive(Debug)]
struct Moody {
    fails: fn(usize) -> bool,
}

struct Mood {
    moody: &'static Moody,
    calls: usize,
}

impl Codec for &'static Moody {
    fn compressor(&self, _: u8, _: u8) -> Box<dyn Compressor> {
        Box::new(Mood { moody: self, calls: 0 })
    }

    fn decompressor(&self, _: u8) -> Box<dyn Decompressor> {
        Box::new(Mood { moody: self, calls: 0 })
    }
}

impl Compressor for Mood {
    fn compress(&mut self, data: &[u8], _: bool, out: &mut [u8]) -> Result<usize, CodecError> {
        self.calls += 1;
        if (self.moody.fails)(self.calls) {
            out[..4].copy_from_slice(b"mess");
            return Err(CodecError);
        }
        let mut blocks = Blocks::default();
        for part in data.chunks(0xFFFF) {
            blocks = blocks.stored(false, part);
        }
        let all = blocks.flushed();
        out[..all.len()].copy_from_slice(&all);
        // And tales here, too.
        Ok(match data {
            b"far" => usize::MAX,
            b"not" => 3,
            b"later" => 0,
            _ => all.len(),
        })
    }
}

impl Decompressor for Mood {
    fn decompress(&mut self, input: &[u8]) -> Result<Inflated<'_>, CodecError> {
        self.calls += 1;
        if (self.moody.fails)(self.calls) {
            return Err(CodecError);
        }
        // A codec that tells tales.
        Ok(match input {
            b"far" => Inflated { consumed: usize::MAX, data: b"too far", done: false },
            b"not" => Inflated { consumed: 0, data: b"", done: false },
            b"little" => Inflated { consumed: 1, data: b"x", done: true },
            b"endless" => Inflated { consumed: 0, data: b"on and on", done: false },
            _ => Inflated { consumed: input.len(), data: b"data", done: true },
        })
    }

    fn end_message(&mut self) -> Result<(), CodecError> {
        Ok(())
    }

    fn forget(&mut self) {}
}

static SECOND: &Moody = &Moody { fails: |call| call % 2 == 0 };
static NEVER: &Moody = &Moody { fails: |_| false };
static ALWAYS: &Moody = &Moody { fails: |_| true };

#[test]
fn a_codec_that_fails_is_an_error_and_the_next_message_is_fine() {
    for params in [takeover(), params(true, 15)] {
        for role in Role::BOTH {
            let mut connection = open(role).with_deflate(&Deflate::new(&SECOND).threshold(0), &params);
            let mut peer = with(role.opposite(), Config::default(), params);
            let mut fails = 0;
            for i in 0..10 {
                let message = format!("message {i}");
                match connection.send_text(&message) {
                    Ok(()) => assert_eq!(events(&mut peer, &take_all(&mut connection)), [text(&message)]),
                    Err(error) => {
                        assert_eq!((error, connection.output()), (SendError::Compression, &b""[..]));
                        fails += 1;
                    }
                }
                // In fragments.
                let mut sent = String::new();
                for last in [false, false, true] {
                    while let Err(error) = connection.send_fragment(&Message::from("part "), last) {
                        assert_eq!(error, SendError::Compression);
                        fails += 1;
                    }
                    sent += "part ";
                }
                assert_eq!(events(&mut peer, &take_all(&mut connection)), [text(&sent)]);
            }
            assert!(fails > 5 || params.server_no_context_takeover, "{fails}");
            let mut connection = open(role).with_deflate(&Deflate::new(&ALWAYS).threshold(0), &params);
            assert_eq!(connection.send_text("x"), Err(SendError::Compression));
            assert_eq!(connection.send_fragment(&Message::from("x"), false), Err(SendError::Compression));
            connection.compress(false);
            assert_eq!(connection.send_text("x"), Ok(()), "no message in fragments was begun");
            assert_eq!(events(&mut connection, &role.frame(Z_TEXT, b"x")), [Seen::Failed(E::InvalidDeflate)]);
        }
    }
    let encoded = EncodedMessage::compressed(&Message::from("x"), &Deflate::new(&ALWAYS));
    assert_eq!(encoded.compressed_frame(15), None);
}

#[test]
fn a_codec_that_lies_does_not_panic() {
    for role in Role::BOTH {
        let mut connection = open(role).with_deflate(&Deflate::new(&NEVER), &takeover());
        assert_eq!(events(&mut connection, &role.frame(Z_TEXT, b"any")), [text("data")]);
        let deflate = Deflate::new(&NEVER).threshold(0);
        let mut connection = open(role).with_deflate(&deflate, &takeover());
        for lie in ["far", "not"] {
            assert_eq!(connection.send_text(lie), Err(SendError::Compression));
            assert_eq!(connection.output(), b"");
        }
        assert_eq!(connection.send_text("any"), Ok(()));
        take_all(&mut connection);
        // Nothing comes of a fragment, and at the end what an empty message consists of.
        for last in [false, true] {
            connection.send_fragment(&Message::from("later"), last).expect("open");
        }
        let sent = take_all(&mut connection);
        assert_eq!(plain(&sent), [(Z_TEXT & !0x80, vec![]), (LAST, vec![0])]);
        for (lie, error) in [
            ("far", E::InvalidDeflate),
            ("not", E::InvalidDeflate),
            ("little", E::InvalidDeflate),
            ("endless", E::MessageTooLarge),
        ] {
            let mut connection =
                role.connection(Config::default().max_message(100)).with_deflate(&deflate, &takeover());
            assert_eq!(events(&mut connection, &role.frame(Z_TEXT, lie.as_bytes())), [Seen::Failed(error)]);
        }
    }
}
