//! [`Turn`]: how much one connection does before others have their turn.

use core::task::{Context, Poll};

/// What is left of a turn.
///
/// A peer that floods keeps its stream readable forever, so that its task would never wait. A runtime looks at its
/// sockets only once in some 60 polls of tasks: each poll has to be short if nobody is to wait for long.
#[derive(Debug)]
pub(super) struct Turn(u16);

/// An event is one of these.
const LEN: u16 = 512;

/// As many events as a read is worth, and the bytes that it brings.
const READ: usize = 16;
const BYTES: usize = 512;

/// The payload bytes that an event is worth: decompressed it can be a thousand times what was read.
const PAYLOAD: usize = 4096;

impl Turn {
    pub(super) const fn new() -> Self {
        Self(LEN)
    }

    /// The task waits: a new turn begins when it is woken.
    pub(super) fn end(&mut self) {
        self.0 = LEN;
    }

    /// Whether the next event has to wait for the next turn.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.0 == 0
    }

    /// An event with a payload of this length is handed out.
    #[inline]
    pub(super) fn event(&mut self, payload: usize) {
        self.0 = self.0.saturating_sub(u16::try_from(1 + payload / PAYLOAD).unwrap_or(u16::MAX));
    }

    /// So many bytes were read.
    pub(super) fn read(&mut self, n: usize) {
        self.0 = self.0.saturating_sub(u16::try_from(READ + n / BYTES).unwrap_or(u16::MAX));
    }

    /// Pending, once, if the turn is over: the task is woken when others have had theirs.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.0 > 0 {
            return Poll::Ready(());
        }
        self.end();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
