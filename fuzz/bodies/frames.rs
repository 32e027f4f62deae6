//! Whatever arrives, however it is cut, the events are those of the model: I1 to I8, I13.

use sansocket::frame::Limits;

use super::Tape;
use crate::common::{LIMITS, NO_LIMITS, Role, breaking_byte, model, run_cuts};

/// `data`: role, limits, two cuts, then the bytes that arrive.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let role = tape.pick(&Role::BOTH);
    let tiny = Limits { max_frame: 20, max_message: 30, max_fragments: 2 };
    let limits = tape.pick(&[LIMITS, tiny, NO_LIMITS]);
    let cuts = tape.cuts(data.len().saturating_sub(4));
    let bytes = tape.take(2000);
    let whole = run_cuts(role, limits, bytes, &cuts);
    let prefix = run_cuts(role, limits, &bytes[..cuts[0]], &[]);
    assert!(whole.events.starts_with(&prefix.events), "I5: a longer input only adds events");
    if let Some(at) = breaking_byte(role, limits, bytes) {
        assert_eq!(model(role, limits, &bytes[..at]), whole, "I5: and none after a failure");
    }
}
