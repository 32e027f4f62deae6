//! Libraries taking turns.

use std::time::{Duration, Instant};

/// What one library does in one round of a row.
pub struct Runner {
    name: &'static str,
    round: Box<dyn FnMut()>,
}

impl Runner {
    pub fn new(name: &'static str, round: impl FnMut() + 'static) -> Self {
        Self { name, round: Box::new(round) }
    }

    pub fn run(&mut self) {
        (self.round)();
    }
}

/// The time of each one's best round. They take turns, so that whatever else the machine does meets all of them.
pub fn best(rounds: usize, runners: &mut [Runner]) -> Vec<(&'static str, Duration)> {
    let mut best: Vec<_> = runners.iter().map(|runner| (runner.name, Duration::MAX)).collect();
    for _ in 0..rounds {
        for ((_, best), runner) in best.iter_mut().zip(&mut *runners) {
            let start = Instant::now();
            runner.run();
            *best = start.elapsed().min(*best);
        }
    }
    best
}
