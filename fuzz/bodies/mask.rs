//! Masking equals a byte loop, however the payload is cut and wherever it lies: I12.

use sansocket::frame::Mask;

use super::Tape;
use crate::common::masked;

/// `data`: the key, an offset in memory, two cuts, then the payload.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let key = [tape.byte(), tape.byte(), tape.byte(), tape.byte()];
    let offset = usize::from(tape.byte() % 64);
    let [a, b] = tape.cuts(data.len().saturating_sub(7));
    let plain = tape.take(usize::MAX);
    let expected = Vec::from_iter(masked(key, plain));

    let mut buffer = [&vec![0; offset], plain].concat();
    let mut mask = Mask::new(key);
    for piece in [0..a, a..b, b..plain.len()] {
        mask.apply(&mut buffer[offset..][piece]);
    }
    assert_eq!(buffer[offset..], expected, "I12: in place");

    let mut copied = vec![0; offset + plain.len()];
    let mut mask = Mask::new(key);
    for piece in [0..a, a..b, b..plain.len()] {
        mask.copy(&plain[piece.clone()], &mut copied[offset..][piece]);
    }
    assert_eq!(copied[offset..], expected, "I12: copied");
    Mask::new(key).apply(&mut buffer[offset..]);
    assert_eq!(buffer[offset..], *plain, "masking twice is nothing");
}
