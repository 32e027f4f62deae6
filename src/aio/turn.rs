//! [`Turn`]: how much one connection does before other tasks have their turn.

use core::task::{Context, Poll};

/// The rest of a turn, of the receiver or of the writers.
///
/// The stream of a flooding peer stays readable forever, so its task would never wait. A runtime checks its
/// sockets only about once in 60 polls of tasks, so each poll must be short to keep the others responsive.
#[derive(Debug)]
pub(super) struct Turn(u16);

impl Default for Turn {
    fn default() -> Self {
        Self(LEN)
    }
}

/// Length of a turn in events.
const LEN: u16 = 512;

/// The cost of a read or a write in events, plus one for this many bytes.
const CALL: usize = 16;
const BYTES: usize = 512;

/// Payload bytes that cost as much as an event: decompressed data can be a thousand times the input.
const PAYLOAD: usize = 4096;

impl Turn {
    /// Ends the turn because the task waits: a new one begins when it is woken.
    pub(super) fn end(&mut self) {
        self.0 = LEN;
    }

    /// Returns `true` if the next event must wait for the next turn.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.0 == 0
    }

    /// Counts an event with a payload of this length.
    #[inline]
    pub(super) fn event(&mut self, payload: usize) {
        self.0 = self.0.saturating_sub(u16::try_from(1 + payload / PAYLOAD).unwrap_or(u16::MAX));
    }

    /// Counts `n` bytes read or written at once.
    pub(super) fn moved(&mut self, n: usize) {
        self.0 = self.0.saturating_sub(u16::try_from(CALL + n / BYTES).unwrap_or(u16::MAX));
    }

    /// Pending once if the turn is over: the task is woken after others have had their turn.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.0 > 0 {
            return Poll::Ready(());
        }
        self.end();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
