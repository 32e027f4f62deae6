//! What an end has written, as the other end reads it: decompressed by an independent decompressor, read by the model.

use crate::common::{NO_LIMITS, Naive, Outcome, Role, frame, model, sent};

/// What `bytes` mean to a receiver of this role. `no_takeover`: whether each message is compressed for itself; `None` without
/// compression. The last frame may be cut.
pub(crate) fn decode(role: Role, bytes: &[u8], no_takeover: Option<bool>) -> Outcome {
    let complete = complete_frames(bytes);
    let Some(no_takeover) = no_takeover else { return model(role, NO_LIMITS, bytes) };
    let (mut naive, mut message, mut plain) = (Naive::default(), None, Vec::new());
    for sent in sent(&bytes[..complete]) {
        if sent.first & 0x40 != 0 {
            message = Some((sent.first & 0xBF | 0x80, Vec::new()));
        }
        match &mut message {
            Some((first, compressed)) if sent.first & 0x08 == 0 => {
                compressed.extend(sent.payload);
                if sent.first & 0x80 != 0 {
                    if no_takeover {
                        naive.history.clear();
                    }
                    match naive.message(compressed) {
                        Ok(inflated) => plain.extend(frame(*first, sent.key, &inflated)),
                        Err(_) => panic!("I8: the compressed message {compressed:02x?} is not valid"),
                    }
                    message = None;
                }
            }
            _ => plain.extend(frame(sent.first, sent.key, &sent.payload)),
        }
    }
    model(role, NO_LIMITS, &plain)
}

/// How many of the bytes are complete frames.
pub(crate) fn complete_frames(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some([_, second]) = bytes.get(at..at + 2) {
        let (extended, short) = match second & 0x7F {
            126 => (2, 0),
            127 => (8, 0),
            short => (0, usize::from(short)),
        };
        let key = if second & 0x80 == 0 { 0 } else { 4 };
        let digits = bytes.get(at + 2..at + 2 + extended).unwrap_or_default();
        let len = digits.iter().fold(short, |len, digit| len << 8 | usize::from(*digit));
        let end = len.saturating_add(at + 2 + extended + key);
        if digits.len() < extended || end > bytes.len() {
            break;
        }
        at = end;
    }
    at
}
