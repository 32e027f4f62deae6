//! [`Timers`]: pings and deadlines, without a clock.
//!
//! The core learns the time only in [`Connection::handle_timeout`](super::Connection::handle_timeout). What
//! happened between two such calls counts as having happened at the later one.

use core::mem;
use core::num::NonZeroU64;
use core::time::Duration;

use super::config::Config;
use super::state::State;

#[derive(Debug)]
pub(crate) struct Timers {
    ping_interval: Option<Micros>,
    pong_timeout: Micros,
    idle_timeout: Option<Micros>,
    close_timeout: Micros,
    /// Whether the peer showed life, whether a message was sent or received, and whether something was
    /// written behind our Close, since the last call. At the beginning the first two are set, so that the
    /// first call starts the timers.
    heard: bool,
    active: bool,
    wrote: bool,
    last_heard: Micros,
    last_active: Micros,
    /// Since when a Ping waits for a sign of life.
    ping_sent: Option<Micros>,
    /// Since when the peer is to finish the closing handshake.
    closing: Option<Micros>,
    now: Micros,
}

impl Timers {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            ping_interval: config.ping_interval.map(Micros::at_least),
            pong_timeout: Micros::at_least(config.pong_timeout),
            idle_timeout: config.idle_timeout.map(Micros::at_least),
            close_timeout: Micros::at_least(config.close_timeout),
            heard: true,
            active: true,
            wrote: false,
            last_heard: Micros::ZERO,
            last_active: Micros::ZERO,
            ping_sent: None,
            closing: None,
            now: Micros::ZERO,
        }
    }

    /// Bytes have arrived.
    #[inline]
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// Output was written. A transport that could not take everything before, and takes more now, shows life
    /// as well: the peer is reading, however slowly.
    #[inline]
    pub(crate) fn wrote(&mut self, state: State, more_waits: bool) {
        if state != State::Open {
            self.wrote = true;
        }
        if more_waits {
            self.heard = true;
        }
    }

    /// A message, or a piece of one, was sent or received.
    #[inline]
    pub(crate) fn active(&mut self) {
        self.active = true;
    }

    /// The time that was told last.
    #[cfg(any(feature = "net", feature = "tokio"))]
    pub(crate) fn now(&self) -> Duration {
        self.now.into_duration()
    }

    /// When [`handle`](Self::handle) is to be called at the latest.
    pub(crate) fn next(&self, state: State) -> Option<Duration> {
        let next = match state {
            State::Open => {
                let ping = match self.ping_sent {
                    Some(sent) => Some(sent.saturating_add(self.pong_timeout)),
                    None => self.ping_interval.map(|interval| self.last_heard.saturating_add(interval)),
                };
                let idle = self.idle_timeout.map(|timeout| self.last_active.saturating_add(timeout));
                ping.into_iter().chain(idle).min()
            }
            State::CloseSent | State::Closed | State::Failed | State::Ended => {
                // What was written since is to be told at once: it starts the time anew.
                let since = self.closing.filter(|_| !self.wrote);
                Some(since.map_or(self.now, |since| since.saturating_add(self.close_timeout)))
            }
        };
        next.map(Micros::into_duration)
    }

    /// What is due at `now`.
    pub(crate) fn handle(&mut self, now: Duration, state: State) -> Due {
        self.now = self.now.max(Micros::at_most(now));
        let now = self.now;
        if mem::take(&mut self.heard) {
            self.last_heard = now;
            self.ping_sent = None;
        }
        if mem::take(&mut self.active) {
            self.last_active = now;
        }
        // A peer that is slow to read what was sent before our Close has the whole time from then on.
        if mem::take(&mut self.wrote) {
            self.closing = None;
        }
        let due = |since: Micros, timeout| now >= since.saturating_add(timeout);
        match (state, self.ping_sent, self.closing) {
            (State::Open, _, _)
                if self.idle_timeout.is_some_and(|timeout| due(self.last_active, timeout)) =>
            {
                Due::Idle
            }
            (State::Open, Some(sent), _) if due(sent, self.pong_timeout) => Due::PongTimeout,
            (State::Open, None, _)
                if self.ping_interval.is_some_and(|interval| due(self.last_heard, interval)) =>
            {
                self.ping_sent = Some(now);
                Due::Ping
            }
            (State::Open, _, _) => Due::Nothing,
            (_, _, None) => {
                self.closing = Some(now);
                Due::Nothing
            }
            (_, _, Some(since)) if due(since, self.close_timeout) => Due::CloseTimeout,
            _ => Due::Nothing,
        }
    }
}

/// A time in microseconds, half the size of a `Duration`: every connection has nine. Never zero, so that an
/// `Option` takes no more; the largest stands for whatever is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Micros(NonZeroU64);

impl Micros {
    const ZERO: Self = Self(NonZeroU64::MIN);

    fn new(micros: u128) -> Self {
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        Self(Self::ZERO.0.saturating_add(micros))
    }

    fn at_least(duration: Duration) -> Self {
        Self::new(duration.as_nanos().div_ceil(1000))
    }

    fn at_most(duration: Duration) -> Self {
        Self::new(duration.as_micros())
    }

    fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0.get() - 1))
    }

    fn into_duration(self) -> Duration {
        if self.0 == NonZeroU64::MAX { Duration::MAX } else { Duration::from_micros(self.0.get() - 1) }
    }
}

/// What [`Timers::handle`] found to be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    /// No message for too long: close.
    Idle,
    /// No sign of life after a Ping: the peer is lost.
    PongTimeout,
    /// The peer did not finish the closing handshake.
    CloseTimeout,
}
