//! [`Timers`]: pings and deadlines, without a clock.
//!
//! The core learns the time only from [`Connection::handle_timeout`](super::Connection::handle_timeout).
//! Activity between two calls counts as having happened at the later one.

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
    write_timeout: Option<Micros>,
    /// Activity since the last call: bytes received; a message sent or received; a fair part of the output
    /// taken by the transport. The first two are initially set, so that the first call starts the timers.
    heard: bool,
    active: bool,
    progressed: bool,
    /// Whether the Pong to a Ping of the timers has arrived since the last call.
    ponged: bool,
    ping: Ping,
    /// Bytes taken by the transport since the last fair part was complete.
    taken: u16,
    last_heard: Micros,
    last_active: Micros,
    /// Since when output waits without a fair part of it being taken.
    stalled: Option<Micros>,
    /// When the last Ping was sent, or fell due if it is not sent yet.
    ping_sent: Micros,
    latency: Option<Micros>,
    /// Since when the peer has had to finish the closing handshake.
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
            write_timeout: config.write_timeout.map(Micros::at_least),
            heard: true,
            active: true,
            progressed: false,
            ponged: false,
            ping: Ping::Answered,
            taken: 0,
            last_heard: Micros::ZERO,
            last_active: Micros::ZERO,
            stalled: None,
            ping_sent: Micros::ZERO,
            latency: None,
            closing: None,
            now: Micros::ZERO,
        }
    }

    /// Begins at `now`, the time of the last call to the opening handshake. The caller may have been deciding
    /// since then, or waiting for the answer, so the first call to this connection begins again.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.now = self.now.max(Micros::at_most(now));
        (self.last_heard, self.last_active) = (self.now, self.now);
    }

    /// Records that bytes have arrived.
    #[inline]
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// Returns `true` if a Ping is due that had to wait.
    pub(crate) fn owes_ping(&self) -> bool {
        self.ping == Ping::Due && !self.heard
    }

    /// Records that there was no room for a Ping. Now [`stalled`](Self::stalled) reports what is written.
    pub(crate) fn ping_waits(&mut self) {
        self.stalled = self.stalled.or(Some(self.now));
    }

    /// Records that a Ping is sent now: the time for its answer begins.
    pub(crate) fn pinged(&mut self) {
        (self.ping, self.ping_sent) = (Ping::Sent, self.now);
    }

    /// Records that a Ping that had to wait is sent: the next call of [`handle`](Self::handle) brings the time.
    pub(crate) fn pinged_late(&mut self) {
        self.ping = Ping::JustSent;
    }

    /// Records that a Pong has arrived.
    pub(crate) fn ponged(&mut self) {
        self.ponged = matches!(self.ping, Ping::JustSent | Ping::Sent | Ping::Heard);
    }

    /// Returns how long the last keepalive Ping waited for its Pong.
    pub(crate) fn latency(&self) -> Option<Duration> {
        self.latency.map(Micros::into_duration)
    }

    /// Records that the transport took `n` bytes. Taking a fair part after a stall also proves that the peer
    /// is alive: it reads, however slowly. An occasional byte does not. So much is part of a message: Pongs
    /// never add up to it.
    pub(crate) fn wrote(&mut self, n: u64, more_waits: bool) {
        self.taken = self.taken.saturating_add(u16::try_from(n).unwrap_or(u16::MAX));
        if self.taken < FAIR_PART && more_waits {
            return;
        }
        self.taken = 0;
        self.progressed = true;
        if more_waits {
            (self.heard, self.active) = (true, true);
        } else {
            self.stalled = None;
        }
    }

    /// Returns zero if [`wrote`](Self::wrote) need not be called.
    #[inline]
    pub(crate) fn stalled(&self) -> u64 {
        self.stalled.map_or(0, |since| since.0.get())
    }

    /// Records that a message, or a piece of one, was sent or received.
    #[inline]
    pub(crate) fn active(&mut self) {
        self.active = true;
    }

    #[cfg(feature = "net")]
    pub(crate) fn close_timeout(&self) -> Duration {
        self.close_timeout.into_duration()
    }

    /// Returns the time of the last call.
    pub(crate) fn now(&self) -> Duration {
        self.now.into_duration()
    }

    /// Returns the latest time at which [`handle`](Self::handle) must be called. `waits`: there is output to
    /// write.
    pub(crate) fn next(&self, state: State, waits: bool) -> Option<Duration> {
        // Ping and Pong are timed at once: the next deadline of the connection may be far away.
        if state == State::Open && (self.ponged || self.ping == Ping::JustSent) {
            return Some(self.now());
        }
        self.deadline(state, waits)
    }

    /// Returns the next deadline, for the peer or for a Ping.
    pub(crate) fn deadline(&self, state: State, waits: bool) -> Option<Duration> {
        let next = match state {
            // The endpoint has its own deadline for the opening handshake.
            State::Opening => None,
            State::Open => {
                let ping = match self.ping {
                    Ping::Due | Ping::JustSent | Ping::Sent => {
                        Some(self.ping_sent.saturating_add(self.pong_timeout))
                    }
                    Ping::Heard | Ping::Answered => {
                        self.ping_interval.map(|interval| self.last_heard.saturating_add(interval))
                    }
                };
                let idle = self.idle_timeout.map(|timeout| self.last_active.saturating_add(timeout));
                let stalled = self.stalled.unwrap_or(self.now);
                let write =
                    self.write_timeout.filter(|_| waits).map(|timeout| stalled.saturating_add(timeout));
                ping.into_iter().chain(idle).chain(write).min()
            }
            State::CloseSent | State::Closed | State::Failed | State::Ended => {
                // Progress since then is handled at once: it restarts the deadline.
                let since = self.closing.filter(|_| !self.progressed);
                Some(since.map_or(self.now, |since| since.saturating_add(self.close_timeout)))
            }
        };
        next.map(Micros::into_duration)
    }

    /// Returns what is due at `now`. `waits`: there is output to write.
    pub(crate) fn handle(&mut self, now: Duration, state: State, waits: bool) -> Due {
        self.now = self.now.max(Micros::at_most(now));
        let now = self.now;
        if self.ping == Ping::JustSent {
            self.pinged();
        }
        if mem::take(&mut self.heard) {
            self.last_heard = now;
            self.ping = match self.ping {
                Ping::Due | Ping::Answered => Ping::Answered,
                Ping::JustSent | Ping::Sent | Ping::Heard => Ping::Heard,
            };
        }
        if mem::take(&mut self.ponged) {
            self.ping = Ping::Answered;
            self.latency = Some(now.since(self.ping_sent));
        }
        if mem::take(&mut self.active) {
            self.last_active = now;
        }
        if mem::take(&mut self.progressed) {
            // Progress restarts the time: the peer may be slow to read what was sent before our Close.
            (self.stalled, self.closing) = (None, None);
        }
        if !waits {
            self.stalled = None;
        } else if self.stalled.is_none() && self.write_timeout.is_some() && state == State::Open {
            (self.stalled, self.taken) = (Some(now), 0);
        }
        let due = |since: Micros, timeout| now >= since.saturating_add(timeout);
        let is_due = |since: Option<Micros>, timeout: Option<Micros>| {
            since.zip(timeout).is_some_and(|(since, timeout)| due(since, timeout))
        };
        match (state, self.ping, self.closing) {
            (State::Opening, _, _) => Due::Nothing,
            (State::Open, _, _) if is_due(Some(self.last_active), self.idle_timeout) => Due::Idle,
            (State::Open, _, _) if is_due(self.stalled, self.write_timeout) => Due::WriteTimeout,
            (State::Open, Ping::Due, _) => Due::Ping { is_late: due(self.ping_sent, self.pong_timeout) },
            (State::Open, Ping::Sent, _) if due(self.ping_sent, self.pong_timeout) => Due::PongTimeout,
            (State::Open, Ping::Heard | Ping::Answered, _)
                if is_due(Some(self.last_heard), self.ping_interval) =>
            {
                (self.ping, self.ping_sent) = (Ping::Due, now);
                Due::Ping { is_late: false }
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

/// The last Ping of the timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// There was no room to send it yet.
    Due,
    /// Sent since the last call, which did not know the time.
    JustSent,
    /// Sent: any bytes of the peer answer it.
    Sent,
    /// Bytes have arrived; its Pong may still come.
    Heard,
    /// There is none, or nothing more is expected.
    Answered,
}

/// Bytes that a slow transport must take to be given the full time again.
const FAIR_PART: u16 = 16 * 1024;

/// A time in microseconds, half the size of a `Duration`: every connection has twelve. It is never zero, so
/// an `Option` of it needs no extra space; larger times saturate.
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

    fn since(self, earlier: Self) -> Self {
        Self(Self::ZERO.0.saturating_add(self.0.get().saturating_sub(earlier.0.get())))
    }

    fn into_duration(self) -> Duration {
        if self.0 == NonZeroU64::MAX { Duration::MAX } else { Duration::from_micros(self.0.get() - 1) }
    }
}

/// The result of [`Timers::handle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Until it is sent. `is_late`: there has been no room for it in all the time for its answer.
    Ping {
        is_late: bool,
    },
    /// No message for too long: close.
    Idle,
    /// No bytes after a Ping: the peer is lost.
    PongTimeout,
    /// The peer did not finish the closing handshake.
    CloseTimeout,
    /// The peer did not take the waiting output.
    WriteTimeout,
}
