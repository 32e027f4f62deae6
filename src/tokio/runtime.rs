//! What tokio brings to the loops of `aio`: its streams, and [`Timer`], its clock.

use core::future::{Future, poll_fn};
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, IoSlice};
use std::vec::Vec;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use ::tokio::task::unconstrained;
use ::tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::aio;

// A connection ends its turn itself. What tokio puts off because a task has had its turn would look like a read that found
// nothing, or like a stream that is full.

impl<S: AsyncRead + Unpin> aio::Read<Timer> for S {
    fn poll_read(&mut self, bytes: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // The future keeps nothing of its own: it can be made anew for every poll.
        pin!(unconstrained(self.read_buf(bytes))).poll(cx)
    }
}

impl<S: AsyncWrite + Unpin> aio::Write<Timer> for S {
    fn poll_write(&mut self, slices: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let write = poll_fn(|cx| match slices {
            [slice] => Pin::new(&mut *self).poll_write(cx, slice),
            _ => Pin::new(&mut *self).poll_write_vectored(cx, slices),
        });
        pin!(unconstrained(write)).poll(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(unconstrained(poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)))).poll(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(unconstrained(poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)))).poll(cx)
    }
}

/// A connection's deadlines on tokio's clock. Without anything to wait for there is no sleep.
#[derive(Debug)]
pub struct Timer {
    began: Instant,
    /// What that was on the connection's scale, in microseconds.
    before: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// For a connection that was told this time last.
    pub(super) fn new(before: Duration) -> Self {
        let before = u64::try_from(before.as_micros()).unwrap_or(u64::MAX);
        Self { began: Instant::now(), before, sleep: None }
    }

    /// That time on the clock; `None` if it never comes.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.began.checked_add(at.saturating_sub(Duration::from_micros(self.before)))
    }
}

impl aio::Timer for Timer {
    fn now(&self) -> Duration {
        Duration::from_micros(self.before).saturating_add(self.began.elapsed())
    }

    fn poll(&mut self, due: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due.and_then(|due| self.instant(due)) else {
            self.sleep = None;
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // With every message the deadline moves on. A timer that is early is left alone until it fires: that
        // is much rarer.
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(pin!(unconstrained(sleep.as_mut())).poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }

    fn poll_moment(&mut self, begun: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
        if !mem::replace(begun, true) {
            self.sleep = Some(Box::pin(sleep(aio::MOMENT)));
        }
        self.sleep.as_mut().map_or(Poll::Ready(()), |sleep| pin!(unconstrained(sleep.as_mut())).poll(cx))
    }

    fn another(&self) -> Self {
        Self { began: self.began, before: self.before, sleep: None }
    }
}
