//! Whatever arrives compressed, however it is cut, becomes what an independent decompressor makes of it, up
//! to the limit and as far as it is valid: I1, I2, I3, I4, I6, I7, I11, I13.

use sansocket::deflate::{Codec, Deflate, Params, Zlib};
use sansocket::{Config, ProtocolError as E};

use super::Tape;
use crate::common::{Collector, LAST, MIDDLE, Mode, Naive, Outcome, PING, Role, Seen, feed};

static ZLIB: Zlib = Zlib::new(4);

/// `data`: role, takeover, limit, two cuts; then messages, each a byte of what it is, a length and its bytes. Few messages and few
/// runs for each input: the fuzzer tries the others in the next one.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let role = tape.pick(&Role::BOTH);
    let no_takeover = tape.byte() % 2 == 1;
    let limit = tape.pick(&[1 << 14, 300, 20, 0]);
    let places = [tape.byte(), tape.byte()];
    let mut left = MAX_MESSAGES;

    let (mut bytes, mut naive, mut expected) =
        (Vec::new(), Naive { limit: Some(limit), ..Naive::default() }, Outcome::default());
    while !tape.is_empty() && left > 0 {
        left -= 1;
        let what = tape.byte();
        let len = usize::from(tape.byte());
        let content = tape.take(len);
        let text = what & 1 == 1;
        let opcode = if text { 1 } else { 2 };
        let (rsv1, payload) = match what >> 1 & 3 {
            0 => (0, content.to_vec()),
            1 => (0x40, compressed(content)),
            _ => (0x40, content.to_vec()),
        };
        let split = if what & 8 == 0 { None } else { Some(payload.split_at(payload.len() / 2)) };
        match split {
            None => bytes.extend(role.frame(0x80 | rsv1 | opcode, &payload)),
            Some((front, back)) => {
                bytes.extend(role.frame(rsv1 | opcode, front));
                bytes.extend(role.frame(MIDDLE, b""));
                bytes.extend(role.frame(LAST, back));
            }
        }
        if what & 16 != 0 {
            bytes.extend(role.frame(PING, b"ping"));
        }
        if expected.is_over() {
            continue;
        }
        if no_takeover {
            naive.history.clear();
        }
        let inflated = if rsv1 == 0 { Ok(payload.clone()) } else { naive.message(&payload) };
        message(&mut expected, text, limit, rsv1 == 0, inflated, split.map(|(front, _)| front.len()));
        if what & 16 != 0 && !expected.is_over() {
            expected.events.push(Seen::Ping(b"ping".to_vec()));
        }
    }

    let cuts = places.map(|place| usize::from(place) * bytes.len() / 256);
    let mut params = Params::default();
    (params.server_no_context_takeover, params.client_no_context_takeover) = (no_takeover, no_takeover);
    let pair = [cuts[0].min(cuts[1]), cuts[0].max(cuts[1])];
    let everywhere = Vec::from_iter(1..bytes.len());
    let cuts = if places[0] == places[1] { &everywhere[..] } else { &pair };
    let modes =
        if places[0] < places[1] { [Mode::Messages, Mode::Chunks] } else { [Mode::Chunks, Mode::Messages] };
    for (mode, cuts) in modes.into_iter().zip([&[][..], cuts]) {
        let config = Config::default().max_message(limit as u64);
        let mut connection = role.connection(config).with_deflate(&Deflate::new(&ZLIB), &params);
        let (mut seen, mut at) = (Collector::default(), 0);
        for end in cuts.iter().copied().chain([bytes.len()]) {
            feed(&mut connection, mode, &bytes[at..end], &mut seen);
            at = end;
        }
        let outcome = seen.outcome();
        assert_eq!(outcome.events, expected.events, "I1, I13");
        if mode == Mode::Chunks {
            assert_eq!(outcome.partial, expected.partial, "I6, I7");
        }
    }
}

/// What a message becomes. `half`: how long its first fragment is, if it is not compressed.
fn message(
    expected: &mut Outcome,
    text: bool,
    limit: usize,
    plain: bool,
    inflated: Result<Vec<u8>, Vec<u8>>,
    half: Option<usize>,
) {
    let (data, valid) = match inflated {
        Ok(data) => (data, true),
        Err(data) => (data, false),
    };
    // The size of a frame that is not compressed is known before its payload.
    let within = match half {
        _ if !plain || data.len() <= limit => data.len().min(limit),
        Some(half) if half <= limit => half,
        _ => 0,
    };
    let start = &data[..within];
    let utf8 = core::str::from_utf8(start);
    let good = utf8.map_or_else(|error| error.valid_up_to(), str::len);
    let error = if text && utf8.is_err_and(|error| error.error_len().is_some()) {
        E::InvalidUtf8
    } else if data.len() > limit {
        E::MessageTooLarge
    } else if !valid {
        E::InvalidDeflate
    } else if text && utf8.is_err() {
        E::InvalidUtf8
    } else {
        expected.events.push(if text {
            Seen::Text(String::from_utf8_lossy(&data).into_owned())
        } else {
            Seen::Binary(data)
        });
        return;
    };
    expected.events.push(Seen::Failed(error));
    expected.partial = if text { start[..good].to_vec() } else { start.to_vec() };
}

/// As a peer would compress it.
fn compressed(content: &[u8]) -> Vec<u8> {
    // Few levels: what the pool has of them is not made again.
    let level = [1, 6, 9][content.len() % 3];
    let mut compressor = ZLIB.compressor(15, level);
    let mut out = vec![0; content.len() + content.len() / 8 + 64];
    let len = compressor.compress(content, true, &mut out).unwrap_or(0);
    out.truncate(len.saturating_sub(4));
    ZLIB.recycle_compressor(15, level, compressor);
    if out.is_empty() { vec![0] } else { out }
}

const MAX_MESSAGES: usize = 4;
