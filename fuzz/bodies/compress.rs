//! What the compressing sender writes, whatever its parameters and however messages are cut into fragments, an independent
//! decompressor turns into what was sent, with the window that was agreed on; and so does our own receiver: I8, I9.

use arbitrary::Arbitrary;
use sansocket::deflate::{Deflate, Params, Zlib};
use sansocket::{Config, EncodedMessage, Message};

use super::{structured, transcript};
use crate::common::{Collector, Mode, Role, Seen, feed};

static ZLIB: Zlib = Zlib::new(4);

#[derive(Debug, Arbitrary)]
struct Talk<'d> {
    client: bool,
    server_no_takeover: bool,
    client_no_takeover: bool,
    bits: (u8, u8),
    level: u8,
    threshold: u8,
    messages: Vec<Piece<'d>>,
}

#[derive(Debug, Arbitrary)]
struct Piece<'d> {
    content: Content<'d>,
    way: Way,
}

/// What is worth compressing, and what is not.
#[derive(Debug, Arbitrary)]
enum Content<'d> {
    Bytes(&'d [u8]),
    Repeated(&'d [u8], u8),
    Text(&'d str, u8),
    /// Bytes that look random, so many times 16.
    Noise(u8, u8),
}

#[derive(Debug, Arbitrary)]
enum Way {
    Send,
    Encoded { bits: u8 },
    Fragments { cut: u8 },
    Plain,
}

/// `data`: parameters, and messages.
pub(crate) fn body(data: &[u8]) {
    let Some(talk) = structured::<Talk<'_>>(data) else { return };
    let role = if talk.client { Role::Client } else { Role::Server };
    let mut params = Params::default();
    params.server_no_context_takeover = talk.server_no_takeover;
    params.client_no_context_takeover = talk.client_no_takeover;
    params.server_max_window_bits = 9 + talk.bits.0 % 7;
    params.client_max_window_bits = 9 + talk.bits.1 % 7;
    let deflate = Deflate::new(&ZLIB).level(talk.level).threshold(usize::from(talk.threshold));
    let [mut sender, mut receiver] = [role, role.opposite()].map(|role| {
        let config = Config::default().max_output(1 << 20);
        role.connection(config).with_deflate(&deflate, &params)
    });

    let mut expected = Vec::new();
    for piece in talk.messages.iter().take(MAX_MESSAGES) {
        let message = piece.content.message();
        let accepted = match piece.way {
            Way::Send => sender.send(&message),
            Way::Encoded { bits } => {
                let deflate = deflate.server_max_window_bits(9 + bits % 7);
                sender.send_encoded(&EncodedMessage::compressed(&message, &deflate))
            }
            Way::Plain => {
                sender.compress(false);
                let accepted = sender.send(&message);
                sender.compress(true);
                accepted
            }
            Way::Fragments { cut } => fragments(&mut sender, &message, cut),
        };
        assert_eq!(accepted, Ok(()), "there is room");
        expected.push(match message {
            Message::Text(text) => Seen::Text(text.into_owned()),
            Message::Binary(bytes) => Seen::Binary(bytes.into_owned()),
        });
    }
    let written = super::drain(&mut sender);
    let no_takeover = if talk.client { talk.client_no_takeover } else { talk.server_no_takeover };
    let read = transcript::decode(role.opposite(), &written, Some(no_takeover));
    assert_eq!(read.events, expected, "I8, by an independent decompressor");
    let mut seen = Collector::default();
    for part in written.chunks(1 + usize::from(talk.threshold)) {
        feed(&mut receiver, Mode::Messages, part, &mut seen);
    }
    assert_eq!(seen.events, expected, "I9, by our own");
}

fn fragments(
    sender: &mut sansocket::Connection,
    message: &Message<'_>,
    cut: u8,
) -> Result<(), sansocket::SendError> {
    let cut = usize::from(cut);
    match message {
        Message::Text(text) => {
            let cut = (0..=cut.min(text.len())).rev().find(|cut| text.is_char_boundary(*cut)).unwrap_or(0);
            sender.send_fragment(&Message::from(&text[..cut]), false)?;
            sender.send_fragment(&Message::from(""), false)?;
            sender.send_fragment(&Message::from(&text[cut..]), true)
        }
        Message::Binary(bytes) => {
            let cut = cut.min(bytes.len());
            sender.send_fragment(&Message::from(&bytes[..cut]), false)?;
            sender.send_fragment(&Message::from(&bytes[cut..]), true)
        }
    }
}

impl Content<'_> {
    fn message(&self) -> Message<'static> {
        match self {
            Self::Bytes(bytes) => Message::from(bytes.to_vec()),
            Self::Repeated(bytes, times) => Message::from(bytes.repeat(usize::from(*times))),
            Self::Text(text, times) => Message::from(text.repeat(1 + usize::from(*times % 16))),
            Self::Noise(seed, times) => {
                let mut rng = crate::common::Rng::new(u64::from(*seed));
                Message::from(rng.bytes(16 * usize::from(*times)))
            }
        }
    }
}

const MAX_MESSAGES: usize = 12;
