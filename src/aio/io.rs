//! [`Read`], [`Write`] and [`Timer`]: the interface of a runtime.

use core::task::{Context, Poll};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::vec::Vec;

/// A readable stream. `T` is the runtime's [`Timer`]: it distinguishes the traits of several runtimes.
pub trait Read<T> {
    /// Reads once and appends to `bytes`, at most as much as its spare capacity, which is never zero. Returns the
    /// number of bytes; 0 means the end of the stream.
    fn poll_read(&mut self, bytes: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>>;
}

/// A writable stream.
pub trait Write<T> {
    /// Writes once, from the first slice on. Returns the number of bytes that were taken; 0 is an error
    /// (`WriteZero`).
    fn poll_write(&mut self, slices: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>>;

    /// Writes what the stream itself has buffered.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the writing side. Reading must still be possible.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream in both directions.
pub trait Io<T>: Read<T> + Write<T> {}

impl<S: Read<T> + Write<T>, T> Io<T> for S {}

/// A moment: the shortest sleep of most runtimes.
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(crate) const MOMENT: Duration = Duration::from_millis(1);

/// A runtime's clock, with one sleep on it.
pub trait Timer {
    /// Returns the time on the connection's scale.
    fn now(&self) -> Duration;

    /// Ready once the time is `due`; until then pending, and the task is woken at that time. Each call replaces
    /// the `due` of the one before; `None` means never.
    fn poll(&mut self, due: Option<Duration>, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready 1 ms after the first call, which sets `begun`; the sleep of [`poll`](Self::poll) ends with it. By then
    /// the runtime has asked the system about its streams: until that, a stream of tokio may have nothing to read although
    /// something has arrived.
    fn poll_moment(&mut self, begun: &mut bool, cx: &mut Context<'_>) -> Poll<()>;

    /// Returns another sleep on the same clock.
    fn another(&self) -> Self;
}
