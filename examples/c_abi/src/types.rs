//! The values that cross the border, as `sansocket.h` declares them.

use std::ptr;
use std::time::Duration;

use sansocket::{Config, SendError};

/// `sansocket_config`
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Maximum payload bytes of a received message; 0: the default.
    pub max_message: u64,
    /// Milliseconds of silence before a Ping; 0: none.
    pub ping_interval_ms: u64,
    /// Milliseconds without a message before closing; 0: never.
    pub idle_timeout_ms: u64,
}

impl Limits {
    pub(crate) fn config(self) -> Config {
        let time = |ms| (ms > 0).then(|| Duration::from_millis(ms));
        let config = Config::default()
            .ping_interval(time(self.ping_interval_ms))
            .idle_timeout(time(self.idle_timeout_ms));
        match self.max_message {
            0 => config,
            bytes => config.max_message(bytes).max_frame(bytes),
        }
    }
}

/// `sansocket_bytes`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    /// Where they begin; NULL if there are none.
    pub ptr: *const u8,
    /// How many there are.
    pub len: usize,
}

impl Bytes {
    pub(crate) const NONE: Self = Self { ptr: ptr::null(), len: 0 };
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        if bytes.is_empty() { Self::NONE } else { Self { ptr: bytes.as_ptr(), len: bytes.len() } }
    }
}

/// `sansocket_event_kind`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the header documents them")]
pub enum EventKind {
    None,
    Upgrade,
    Http,
    Opened,
    Text,
    Binary,
    Ping,
    Pong,
    Close,
    Failed,
    Refused,
}

/// `sansocket_event`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// A close code or an HTTP status, otherwise 0.
    pub code: u16,
    /// The payload, as the header says for each kind.
    pub payload: Bytes,
}

impl Event {
    pub(crate) const NONE: Self = Self { kind: EventKind::None, code: 0, payload: Bytes::NONE };
}

/// `sansocket_step_kind`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the header documents them")]
pub enum StepKind {
    Run,
    Dial,
    StartTls,
}

/// `sansocket_next_step`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NextStep {
    /// What to do.
    pub kind: StepKind,
    /// The port to dial.
    pub port: u16,
    /// The host to dial, or the name of the peer of TLS.
    pub name: Bytes,
}

impl NextStep {
    pub(crate) const RUN: Self = Self { kind: StepKind::Run, port: 0, name: Bytes::NONE };
}

/// `sansocket_status`
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the header documents them")]
pub enum Status {
    Ok,
    Closed,
    Full,
    Invalid,
}

impl From<Result<(), SendError>> for Status {
    fn from(sent: Result<(), SendError>) -> Self {
        match sent {
            Ok(()) => Self::Ok,
            Err(SendError::NotOpen | SendError::Closed) => Self::Closed,
            Err(SendError::OutputFull) => Self::Full,
            Err(_) => Self::Invalid,
        }
    }
}
