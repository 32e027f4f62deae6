//! [`Addresses`]: when to try which address of a host (RFC 8305).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Connection attempts to the addresses of a host, staggered so that an unresponsive address costs little
/// time ("Happy Eyeballs", RFC 8305). No clock, no socket.
///
/// Attempts run in parallel: the next one starts 250 ms after the previous one, or as soon as one fails. IPv6
/// and IPv4 alternate. The first connection wins; then drop this value and all other attempts.
///
/// 1. Call [`next_attempt`](Self::next_attempt) with the time. While it returns [`Attempt::Start`], begin to
///    connect to that address and call it again.
/// 2. [`Attempt::Wait`]: wait until an attempt ends, or until the time in it.
/// 3. When an attempt fails, call [`failed`](Self::failed).
/// 4. [`Attempt::Exhausted`]: all attempts failed.
///
/// ```
/// use core::time::Duration;
/// use sansocket::{Addresses, Attempt};
///
/// # fn main() -> Result<(), core::net::AddrParseError> {
/// let found = [
///     "[2001:db8::1]:443".parse()?,
///     "[2001:db8::2]:443".parse()?,
///     "192.0.2.1:443".parse()?,
/// ];
/// let mut addresses = Addresses::new(found);
/// let ms = Duration::from_millis;
/// assert_eq!(addresses.next_attempt(ms(0)), Attempt::Start(found[0]));
/// assert_eq!(addresses.next_attempt(ms(0)), Attempt::Wait(Some(ms(250))));
/// assert_eq!(addresses.next_attempt(ms(250)), Attempt::Start(found[2]));
/// addresses.failed();
/// assert_eq!(addresses.next_attempt(ms(260)), Attempt::Start(found[1]));
/// assert_eq!(addresses.next_attempt(ms(260)), Attempt::Wait(None));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Addresses {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    delay: Duration,
    /// When the next attempt starts; `None`: now.
    next_at: Option<Duration>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Attempt {
    /// Begin to connect to this address, then call again.
    Start(SocketAddr),
    /// Wait until an attempt ends, or until this time if there is one; then call again.
    Wait(Option<Duration>),
    /// Every attempt failed, or there was no address.
    Exhausted,
}

impl Addresses {
    /// Creates the attempts from addresses in order of preference (RFC 6724), as the system resolver returns
    /// them. Duplicates are tried once.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut families = [const { VecDeque::new() }; 2];
        let mut seen = Vec::new();
        for address in addresses {
            if !seen.contains(&address) {
                seen.push(address);
                families[usize::from(address.is_ipv4())].push_back(address);
            }
        }
        // §4: "If the first address in the list is an IPv6 address, then the first IPv4 address in the list
        // should be moved up in the list to be second in the list." The rest alternates likewise, whichever
        // family is first.
        let [mut this, mut other] = families;
        if seen.first().is_some_and(SocketAddr::is_ipv4) {
            core::mem::swap(&mut this, &mut other);
        }
        let mut waiting = VecDeque::with_capacity(seen.len());
        while let Some(address) = this.pop_front().or_else(|| other.pop_front()) {
            waiting.push_back(address);
            core::mem::swap(&mut this, &mut other);
        }
        Self { waiting, running: 0, delay: ATTEMPT_DELAY, next_at: None }
    }

    /// Time between the starts of two attempts. Minimum: 10 ms, as in RFC 8305 §5. Default: 250 ms, as
    /// recommended there.
    #[must_use]
    pub fn attempt_delay(self, delay: Duration) -> Self {
        Self { delay: delay.max(MIN_ATTEMPT_DELAY), ..self }
    }

    /// Returns what to do at the time `now`, which is on any monotonic scale.
    pub fn next_attempt(&mut self, now: Duration) -> Attempt {
        let is_due = self.next_at.is_none_or(|at| now >= at);
        if let Some(address) = is_due.then(|| self.waiting.pop_front()).flatten() {
            self.running += 1;
            self.next_at = Some(now.saturating_add(self.delay));
            return Attempt::Start(address);
        }
        match (self.waiting.is_empty(), self.running) {
            (false, _) => Attempt::Wait(self.next_at),
            (true, 0) => Attempt::Exhausted,
            (true, _) => Attempt::Wait(None),
        }
    }

    /// Records that an attempt failed: the next one need not wait.
    pub fn failed(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.next_at = None;
    }
}

/// RFC 8305 §5 and §8.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
const MIN_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use Attempt::{Exhausted, Start, Wait};

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// `6a` is an IPv6 address, `4b` an IPv4 address.
    fn address(name: &str) -> SocketAddr {
        let (family, host) = name.split_at(1);
        let text =
            if family == "6" { format!("[::{host}]:80") } else { format!("192.0.2.{}:80", host.len()) };
        text.parse().unwrap()
    }

    fn addresses(names: &str) -> Addresses {
        Addresses::new(names.split_whitespace().map(address))
    }

    #[test]
    fn families_take_turns_from_that_of_the_first() {
        let cases = [
            ("", ""),
            ("6a", "6a"),
            ("4a", "4a"),
            ("6a 6b 4a", "6a 4a 6b"),
            ("6a 6b 6c 4a 4aa 4aaa", "6a 4a 6b 4aa 6c 4aaa"),
            ("4a 4aa 6b 4aaa", "4a 6b 4aa 4aaa"),
            ("4a 6a 6b 6c", "4a 6a 6b 6c"),
            ("6a 6a 4a 6a 4a", "6a 4a"),
        ];
        for (given, expected) in cases {
            let (mut addresses, mut order) = (addresses(given), Vec::new());
            while let Start(address) = addresses.next_attempt(ms(0)) {
                order.push(address);
                addresses.failed();
            }
            assert_eq!(addresses.next_attempt(ms(0)), Exhausted);
            assert_eq!(order, expected.split_whitespace().map(address).collect::<Vec<_>>(), "{given}");
        }
    }

    #[test]
    fn an_attempt_starts_when_it_is_due_or_when_one_has_failed() {
        let mut all = addresses("6a 4a 6b 4aa");
        assert_eq!(all.next_attempt(ms(1000)), Start(address("6a")));
        for now in [1000, 1001, 1249] {
            assert_eq!(all.next_attempt(ms(now)), Wait(Some(ms(1250))));
        }
        // Late: the delay counts from the actual start.
        assert_eq!(all.next_attempt(ms(1300)), Start(address("4a")));
        assert_eq!(all.next_attempt(ms(1300)), Wait(Some(ms(1550))));
        all.failed();
        assert_eq!(all.next_attempt(ms(1301)), Start(address("6b")));
        assert_eq!(all.next_attempt(ms(1301)), Wait(Some(ms(1551))));
        // Two that fail at once start one: it may be the one that works.
        all.failed();
        all.failed();
        assert_eq!(all.next_attempt(ms(1302)), Start(address("4aa")));
        assert_eq!(all.next_attempt(ms(9999)), Wait(None), "the last one has no limit here");
        all.failed();
        assert_eq!(all.next_attempt(ms(9999)), Exhausted);
        all.failed();
        assert_eq!(all.next_attempt(ms(9999)), Exhausted, "a failure too many");
    }

    #[test]
    fn the_delay_has_a_minimum() {
        for (delay, expected) in [(0, 10), (9, 10), (10, 10), (100, 100)] {
            let mut all = addresses("6a 4a").attempt_delay(ms(delay));
            assert_eq!(all.next_attempt(ms(0)), Start(address("6a")));
            assert_eq!(all.next_attempt(ms(0)), Wait(Some(ms(expected))));
        }
        let mut all = addresses("6a 4a");
        assert_eq!(all.next_attempt(Duration::MAX), Start(address("6a")));
        assert_eq!(all.next_attempt(Duration::MAX), Start(address("4a")), "the scale has an end");
    }
}
