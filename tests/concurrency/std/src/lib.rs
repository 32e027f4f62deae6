//! The standard library with shuttle's locks and threads, and with a clock that only [`time::advance`] moves.
//!
//! A crate that depends on this one under the name `std` is built with it as it stands.

pub use ::std::*;

pub mod sync {
    pub use ::std::sync::*;
    pub use shuttle::sync::{Mutex, MutexGuard};

    pub use crate::condvar::Condvar;
}

pub mod thread {
    pub use shuttle::thread::{Builder, JoinHandle, sleep, spawn, yield_now};
}

pub mod time {
    pub use ::core::time::Duration;

    pub use crate::clock::{Instant, advance, reset};
}

mod clock {
    use ::std::cell::Cell;
    use ::std::ops::Sub;
    use ::std::time::Duration;

    // All threads of an execution are coroutines of one thread.
    ::std::thread_local!(static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) });

    /// Begins an execution.
    pub fn reset() {
        NOW.set(Duration::ZERO);
        crate::condvar::forget_all();
    }

    /// Lets this time pass, and wakes all whose wait is over.
    pub fn advance(by: Duration) {
        NOW.set(NOW.get() + by);
        crate::condvar::wake_due();
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Instant(Duration);

    impl Instant {
        pub fn now() -> Self {
            Self(NOW.get())
        }

        pub fn elapsed(&self) -> Duration {
            NOW.get() - self.0
        }

        pub fn checked_add(&self, duration: Duration) -> Option<Self> {
            self.0.checked_add(duration).map(Self)
        }

        pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
            self.0.saturating_sub(earlier.0)
        }
    }

    impl Sub for Instant {
        type Output = Duration;

        fn sub(self, earlier: Self) -> Duration {
            self.0 - earlier.0
        }
    }
}

mod condvar {
    use ::std::cell::RefCell;
    use ::std::sync::{Arc, LockResult, PoisonError};
    use ::std::time::Duration;
    use ::std::vec::Vec;

    use shuttle::sync::MutexGuard;

    use crate::clock::Instant;

    // Who waits with a timeout, until when.
    ::std::thread_local!(static WAITING: RefCell<Vec<(Instant, Arc<shuttle::sync::Condvar>)>> =
        const { RefCell::new(Vec::new()) });

    /// shuttle's, whose waits never time out, with timeouts.
    #[derive(Debug, Default)]
    pub struct Condvar(Arc<shuttle::sync::Condvar>);

    impl Condvar {
        pub fn new() -> Self {
            Self::default()
        }

        pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
            self.0.wait(guard)
        }

        /// Like the standard library's, it may end before its time.
        pub fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            timeout: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, bool)> {
            let Some(due) = Instant::now().checked_add(timeout) else {
                return wrap(self.wait(guard), false);
            };
            if due <= Instant::now() {
                return Ok((guard, true));
            }
            WAITING.with_borrow_mut(|waiting| waiting.push((due, Arc::clone(&self.0))));
            let waited = self.0.wait(guard);
            WAITING.with_borrow_mut(|waiting| {
                let own =
                    waiting.iter().position(|(at, condvar)| *at == due && Arc::ptr_eq(condvar, &self.0));
                own.map(|own| waiting.swap_remove(own))
            });
            wrap(waited, due <= Instant::now())
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    fn wrap<G>(waited: LockResult<G>, is_over: bool) -> LockResult<(G, bool)> {
        match waited {
            Ok(guard) => Ok((guard, is_over)),
            Err(error) => Err(PoisonError::new((error.into_inner(), is_over))),
        }
    }

    pub(crate) fn forget_all() {
        WAITING.with_borrow_mut(Vec::clear);
    }

    /// Wakes all whose time has come. Who is only about to wait is woken when more time passes.
    pub(crate) fn wake_due() {
        let now = Instant::now();
        let due = WAITING.with_borrow(|waiting| {
            waiting
                .iter()
                .filter(|(due, _)| *due <= now)
                .map(|(_, condvar)| Arc::clone(condvar))
                .collect::<Vec<_>>()
        });
        for condvar in due {
            condvar.notify_all();
        }
    }
}
