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
    for i in turns(rounds, runners.len()) {
        let start = Instant::now();
        runners[i].run();
        best[i].1 = start.elapsed().min(best[i].1);
    }
    best
}

/// Whose turn it is: every other round goes backwards, so that the one before is not always the same.
pub fn turns(rounds: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..rounds).flat_map(move |round| (0..count).map(move |i| if round % 2 == 0 { i } else { count - 1 - i }))
}

#[test]
fn each_once_a_round() {
    assert_eq!(turns(3, 3).collect::<Vec<_>>(), [0, 1, 2, 2, 1, 0, 0, 1, 2]);
}
