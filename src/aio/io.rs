//! [`Read`], [`Write`] and [`Timer`]: what a runtime brings.

use core::task::{Context, Poll};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::vec::Vec;

/// A stream that can be read from. `T` is the runtime's [`Timer`]: it tells apart the traits of several runtimes.
pub trait Read<T> {
    /// Reads once into the spare capacity of `bytes`, which is not empty; 0: the end of the stream.
    fn poll_read(&mut self, bytes: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>>;
}

/// A stream that can be written to.
pub trait Write<T> {
    /// Writes once, of the first slice and what comes behind it.
    fn poll_write(&mut self, slices: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>>;

    /// Writes what the stream itself keeps back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the writing side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream in both directions.
pub trait Io<T>: Read<T> + Write<T> {}

impl<S: Read<T> + Write<T>, T> Io<T> for S {}

/// A runtime's clock, and one sleep on it.
pub trait Timer {
    /// The time on the connection's scale.
    fn now(&self) -> Duration;

    /// Ready when it is `due`; the task is woken then. `None`: never.
    fn poll(&mut self, due: Option<Duration>, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the time of the `poll` before has come.
    fn poll_again(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Another sleep on the same clock.
    fn another(&self) -> Self;
}
