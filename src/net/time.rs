//! Time on a stream that blocks: [`Clock`], and [`Timeout`], what a stream was told last.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::time::Instant;

/// The time on the scale of a connection's timers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
    /// What the timers showed then.
    before: Duration,
}

impl Clock {
    pub(super) fn from(before: Duration) -> Self {
        Self { began: Instant::now(), before }
    }

    pub(super) fn now(&self) -> Duration {
        self.before.saturating_add(self.began.elapsed())
    }
}

/// A timeout of a stream. Telling it is a system call, so that it is told only when it has to be: a shorter one
/// than wanted is left, and told anew when it has ended a wait too early.
#[derive(Debug, Default)]
pub(super) struct Timeout {
    /// What the stream was told; `None`: nothing that is known.
    told: Option<Option<Duration>>,
    /// It ended the last wait.
    over: bool,
}

impl Timeout {
    /// Makes sure that the stream waits no longer than `wanted`, by telling it with `tell`.
    pub(super) fn bound(
        &mut self,
        wanted: Option<Duration>,
        tell: impl FnOnce(Option<Duration>) -> io::Result<()>,
    ) -> io::Result<()> {
        let is_short_enough = match (self.told, wanted) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(None), Some(_)) => false,
            // A little later is in time.
            (Some(Some(told)), Some(wanted)) => told <= wanted.saturating_add(wanted / 128 + LATE),
        };
        if self.over || !is_short_enough {
            // A little earlier would be for nothing.
            let timeout = wanted.map(|wanted| wanted.saturating_add(LATE));
            tell(timeout)?;
            (self.told, self.over) = (Some(timeout), false);
        }
        Ok(())
    }

    /// A wait ended: if it goes on, the stream is told anew.
    pub(super) fn is_over(&mut self) {
        self.over = true;
    }

    /// The same, if that is what an error of a call that began then means.
    #[cfg(feature = "rustls")]
    pub(super) fn ended_wait(&mut self, error: &io::Error, began: Instant) {
        self.over |= is_later(error) && began.elapsed() >= AT_ONCE;
    }

    /// Gives the stream back without a timeout.
    pub(super) fn lift(&self, tell: impl FnOnce(Option<Duration>) -> io::Result<()>) {
        if matches!(self.told, Some(Some(_))) {
            // A stream that cannot do so will say what is wrong with it when it is used.
            let _ = tell(None);
        }
    }
}

/// Whether a stream says "not now": `TimedOut` is what some systems call a timeout of a blocking stream.
pub(super) fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

pub(super) fn later_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if is_later(&error) { Ok(()) } else { Err(error) })
}

/// How much later than needed a wait may end. Systems that count in ticks can be as much too early.
const LATE: Duration = Duration::from_millis(5);

/// A stream that says "not now" within this time does not block.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);

/// The earlier of two times, of which `None` is never.
pub(super) fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}
