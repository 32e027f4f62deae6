//! [`Alarm`]: a connection's deadlines on tokio's clock.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;

use ::tokio::time::{Instant, Sleep, sleep_until};

/// Wakes the task when something is due. Without anything to wait for there is no timer.
#[derive(Debug)]
pub(super) struct Alarm {
    began: Instant,
    /// What that was on the scale of the connection's timers.
    before: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// For a connection that was told this time last.
    pub(super) fn new(before: Duration) -> Self {
        Self { began: Instant::now(), before, sleep: None }
    }

    pub(super) fn now(&self) -> Duration {
        self.before.saturating_add(self.began.elapsed())
    }

    /// Ready when `due` has come.
    pub(super) fn poll(&mut self, due: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due.and_then(|due| self.began.checked_add(due.saturating_sub(self.before))) else {
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
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}
