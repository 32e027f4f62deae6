//! The same input to this crate and to others: they agree, but for the differences that are listed, each with the sentence of the
//! RFC that decides it.

mod frames;
mod head;
mod inflate;
mod url;

use crate::bodies::Target;

/// The body of each target by its name.
pub(crate) const TARGETS: [Target; 4] = [
    ("differential_frames", frames::body),
    ("differential_head", head::body),
    ("differential_inflate", inflate::body),
    ("differential_url", url::body),
];

/// A difference that is allowed: what it is, and who says so.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// The library that does it differently.
    pub library: &'static str,
    /// What it does.
    pub what: &'static str,
    /// The sentence that this crate follows, with its section.
    pub rule: &'static str,
}

/// Every difference that a body allows.
pub const DIFFERENCES: &[Difference] = &[
    frames::NON_MINIMAL,
    frames::CLOSE_CODE,
    frames::CODE_1014,
    head::LONE_LF,
    head::EMPTY_LINES,
    head::MINOR_VERSION,
    head::TARGET,
    url::LENIENT_PATH,
    url::IP_FUTURE,
    url::PORT,
    url::FRAGMENT,
    url::USER_INFO,
    url::ENCODED_DOT,
];
