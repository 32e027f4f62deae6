//! Time on a blocking stream: [`Clock`], and [`Timeout`], the most recent timeout of a stream.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::time::Instant;

use super::driver::TURN;

/// The time on the scale of a connection's timers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
    /// The time of the timers at that moment.
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

/// A timeout of a stream. Setting it is a system call, so it is only set when necessary: one that is too
/// short is left until it ends a wait too early.
#[derive(Debug, Default)]
pub(super) struct Timeout {
    /// The timeout that was set; `None` if unknown.
    told: Option<Option<Duration>>,
    /// Whether it ended the last wait.
    over: bool,
}

impl Timeout {
    /// Ensures that the stream waits hardly longer than `wanted`, at most by a 128th and [`LATE`], by setting its timeout
    /// with `tell`.
    pub(super) fn bound(
        &mut self,
        wanted: Option<Duration>,
        tell: impl FnOnce(Option<Duration>) -> io::Result<()>,
    ) -> io::Result<()> {
        let is_short_enough = match (self.told, wanted) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(None), Some(_)) => false,
            // Slightly later is still in time.
            (Some(Some(told)), Some(wanted)) => told <= wanted.saturating_add(wanted / 128 + LATE),
        };
        if self.over || !is_short_enough {
            // Slightly earlier would be in vain.
            let timeout = wanted.map(|wanted| wanted.saturating_add(LATE));
            tell(timeout)?;
            (self.told, self.over) = (Some(timeout), false);
        }
        Ok(())
    }

    /// Records that the timeout ended a wait: the next one sets it again.
    pub(super) fn expire(&mut self) {
        self.over = true;
    }

    /// Like [`expire`](Self::expire), if the error of a call that began at `began` indicates that. Returns `true` if
    /// the call was to wait longer, for `wanted`.
    #[cfg(feature = "tls")]
    pub(super) fn was_too_short(
        &mut self,
        wanted: Option<Duration>,
        error: &io::Error,
        began: Instant,
    ) -> bool {
        let ended_wait = is_later(error) && began.elapsed() >= AT_ONCE;
        self.over |= ended_wait;
        let told = self.told.flatten().unwrap_or(Duration::MAX);
        ended_wait && told < wanted.unwrap_or(Duration::MAX)
    }

    /// Removes the timeout from the stream.
    pub(super) fn lift(&self, tell: impl FnOnce(Option<Duration>) -> io::Result<()>) {
        if self.told != Some(None) {
            // A stream that cannot do so will fail when it is used.
            let _ = tell(None);
        }
    }
}

/// Returns `true` if the error means "not now". Windows uses `TimedOut` for the timeout of a blocking stream, and so may
/// a stream of one's own; elsewhere the system means that TCP has given up the peer.
pub(super) fn is_later(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::WouldBlock => true,
        ErrorKind::TimedOut => cfg!(windows) || error.raw_os_error().is_none(),
        _ => false,
    }
}

/// Returns `true` if a writer that came after a deadline, at the time `late`, does not look at it yet. What put it off
/// may have arrived but not been received: what the stream takes soon is written first.
pub(super) fn judges_later(late: Option<Duration>, now: Duration) -> bool {
    late.is_some_and(|late| now.saturating_sub(late) < TURN)
}

pub(super) fn later_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if is_later(&error) { Ok(()) } else { Err(error) })
}

/// Maximum delay of the end of a wait. Systems that count in ticks can be early by as much.
const LATE: Duration = Duration::from_millis(5);

/// A stream that returns "not now" within this time is non-blocking.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);

/// Returns the earlier of two times; `None` is never.
pub(super) fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_of_a_lost_peer_is_not_later() {
        assert!(is_later(&ErrorKind::WouldBlock.into()));
        assert!(is_later(&ErrorKind::TimedOut.into()), "of a stream of one's own");
        assert!(!is_later(&ErrorKind::ConnectionReset.into()));
        #[cfg(target_os = "linux")]
        assert!(!is_later(&io::Error::from_raw_os_error(110)), "ETIMEDOUT");
    }
}
