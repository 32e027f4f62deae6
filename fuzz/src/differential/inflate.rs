//! Compression: miniz_oxide inflates what we compress, and we inflate what it compresses.

use arbitrary::Arbitrary;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use sansocket::deflate::{Deflate, Params};

use crate::bodies::{drain, structured};
use crate::common::{Collector, Mode, NO_LIMITS, Role, Seen, config, feed, sent};

#[derive(Debug, Arbitrary)]
struct Talk<'d> {
    no_takeover: bool,
    bits: u8,
    level: u8,
    messages: Vec<(&'d [u8], u8)>,
}

/// `data`: parameters and messages.
pub(super) fn body(data: &[u8]) {
    let Some(talk) = structured::<Talk<'_>>(data) else { return };
    let messages = Vec::from_iter(
        talk.messages.iter().take(6).map(|(bytes, times)| bytes.repeat(1 + usize::from(times % 64))),
    );
    let mut params = Params::default();
    params.server_no_context_takeover = talk.no_takeover;
    params.server_max_window_bits = 9 + talk.bits % 7;
    let deflate = Deflate::default().level(1 + talk.level % 9).threshold(0);

    let mut sender = Role::Server.connection(config(NO_LIMITS)).with_deflate(&deflate, &params);
    for message in &messages {
        assert_eq!(sender.send_binary(message), Ok(()));
    }
    let mut state = InflateState::new(DataFormat::Raw);
    for (frame, message) in sent(&drain(&mut sender)).into_iter().zip(&messages) {
        if talk.no_takeover {
            state = InflateState::new(DataFormat::Raw);
        }
        let compressed = [&frame.payload[..], &[0x00, 0x00, 0xFF, 0xFF]].concat();
        assert_eq!(inflated(&mut state, &compressed), *message, "they inflate what we compress");
    }

    // One final block after the other: RFC 7692 §7.2.3.4 shows how such a message ends.
    let mut receiver = Role::Client.connection(config(NO_LIMITS)).with_deflate(&deflate, &Params::default());
    let mut seen = Collector::default();
    for message in &messages {
        let mut payload = compress_to_vec(message, talk.level % 11);
        payload.push(0x00);
        feed(&mut receiver, Mode::Messages, &Role::Client.frame(0xC2, &payload), &mut seen);
    }
    let expected = Vec::from_iter(messages.into_iter().map(Seen::Binary));
    assert_eq!(seen.events, expected, "we inflate what they compress");
}

fn inflated(state: &mut InflateState, mut compressed: &[u8]) -> Vec<u8> {
    let (mut out, mut buf) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let result = inflate(state, compressed, &mut buf, MZFlush::Sync);
        out.extend_from_slice(&buf[..result.bytes_written]);
        compressed = &compressed[result.bytes_consumed..];
        match result.status {
            Ok(_) if !compressed.is_empty() || result.bytes_written == buf.len() => {}
            Ok(_) => return out,
            Err(miniz_oxide::MZError::Buf) => return out,
            Err(error) => panic!("{error:?}"),
        }
    }
}
