//! What the echo programs configure alike.

use sansocket::Config;

/// For messages of up to `max_message` bytes, and as many answers as one read may need.
pub(crate) fn config(max_message: u64) -> Config {
    Config::default()
        .max_frame(max_message)
        .max_message(max_message)
        .max_output(usize::try_from(max_message).unwrap_or(usize::MAX).saturating_add(64 << 20))
}
