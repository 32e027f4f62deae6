//! Schedules, time and messages.

#![allow(dead_code, reason = "not every test uses everything")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sansocket::Message;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};
use std::{thread, time};

/// How many messages are sent.
pub const MESSAGES: usize = 4;

/// A deadline that passes.
pub const SHORT: Duration = Duration::from_millis(200);
/// One that does not: who waits for it waits forever, as far as a test is concerned.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// How much time passes at once.
const TICK: Duration = Duration::from_millis(10);

/// How many schedules of each kind.
const SCHEDULES: usize = 1_000;

/// How many schedules an exhaustive test may have.
const MOST: usize = 500_000;

/// Where both kinds begin, so that each run has the same schedules. `SHUTTLE_RANDOM_SEED` is for others.
const SEED: u64 = 1;

/// How many schedule points an execution may have. One that needs more has a thread that spins, or that waits for time to pass
/// where it should have been woken.
const STEPS: usize = 100_000;

pub fn text(i: usize) -> String {
    format!("message {i}: {}", "x".repeat(7 * i))
}

pub fn message(text: &str) -> Message<'static> {
    Message::from(text.to_owned())
}

/// Runs `body` under random schedules and under those of probabilistic concurrency testing, while time passes in a thread of its
/// own. A deadlock, a panic or too many steps fails the test, and shuttle prints the schedule, which `shuttle::replay` repeats.
pub fn check(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(move || {
        time::reset();
        let over = Arc::new(AtomicBool::new(false));
        let clock = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                while !over.load(Ordering::Relaxed) {
                    time::advance(TICK);
                    thread::yield_now();
                }
            }
        });
        body();
        over.store(true, Ordering::Relaxed);
        clock.join().expect("the clock stops");
    });
    run_random(body);
}

/// The same without a clock: whoever waits for anything but another task waits forever.
pub fn check_without_time(body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(move || {
        time::reset();
        body();
    });
    run_random(body);
}

/// Runs `body`, without a clock, under every schedule there is: few enough of them, for few enough schedule points.
pub fn check_all(body: impl Fn() + Send + Sync + 'static) {
    let body = move || {
        time::reset();
        body();
    };
    let count = run(DfsScheduler::new(Some(MOST), false), Arc::new(body));
    assert!(count < MOST, "there are more schedules");
}

fn run_random(body: Arc<impl Fn() + Send + Sync + 'static>) {
    run(RandomScheduler::new_from_seed(SEED, SCHEDULES), Arc::clone(&body));
    run(PctScheduler::new_from_seed(SEED, 3, SCHEDULES), body);
}

fn run(scheduler: impl Scheduler + 'static, body: Arc<impl Fn() + Send + Sync + 'static>) -> usize {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(STEPS);
    Runner::new(scheduler, config).run(move || body())
}
