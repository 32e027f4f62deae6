//! What waits to be written: one message in the queues of many connections, and many messages in the queue of one.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::allocator::count;
use crate::libraries::{self, Backlog, Broadcast};
use crate::report::{Line, Report, Value};
use crate::rounds;
use crate::wire::Wire;
use crate::{Message, Options, Role, messages};

pub const SECTION: &str = "queue";

pub const NOTE: &str = "Servers. A broadcast prepares one message and queues it in 10 000 connections that were idle; nothing is \
    written. sansocket and tokio-websockets share the payload, the others copy it. Not here: fastwebsockets and wtx, which write \
    each message at once, soketto, and websocket-sans-io, which has no queue. A backlog is what one connection has queued for a \
    peer that does not read, in messages of 1 kB, and its time is that of one of them: all are queued, then all are written, \
    64 KiB at a time; or, where the backlog stands, one is written for each that is queued. tokio-websockets and yawc are not \
    in it: they wait before they queue that much.";

const CONNECTIONS: usize = 10_000;
const BROADCAST: &str = "broadcast of 16 KiB to 10 000";
const BACKLOG: usize = 32 << 20;
const EACH: usize = 1000;
const HEADER: usize = 4;
const WRITE: usize = 64 << 10;
/// These rounds are that much longer than others.
const ROUNDS_FOR_ONE: usize = 3;

macro_rules! broadcasting {
    ($call:ident($($argument:expr),*)) => {
        [
            $call::<libraries::Sansocket<false>>($($argument),*),
            $call::<libraries::Tungstenite>($($argument),*),
            $call::<libraries::TokioWebsockets>($($argument),*),
            $call::<libraries::Sockudo>($($argument),*),
            $call::<libraries::Yawc>($($argument),*),
        ]
    };
}

macro_rules! backlogged {
    ($call:ident($($argument:expr),*)) => {
        [
            $call::<libraries::Sansocket<false>>($($argument),*),
            $call::<libraries::Tungstenite>($($argument),*),
            $call::<libraries::Sockudo>($($argument),*),
        ]
    };
}

pub fn run(options: &Options, report: &mut Report) {
    let rounds = options.rounds.div_ceil(ROUNDS_FOR_ONE);
    let mut add = |name: String, unit, values: &mut dyn FnMut() -> Vec<Value>| {
        if options.wants(SECTION, &name) {
            let values = values();
            report.add(Line {
                section: SECTION,
                name,
                unit,
                lower_is_better: true,
                floor: None,
                ours: values[..1].to_vec(),
                rivals: values[1..].to_vec(),
            });
        }
    };
    add(format!("{BROADCAST}, time of each"), "ns", &mut || {
        best(rounds, &mut broadcasting!(broadcast(CONNECTIONS)))
    });
    add(format!("{BROADCAST}, heap of each"), "bytes", &mut || broadcasting!(heap(CONNECTIONS)).to_vec());
    add("backlog of 32 MiB, queued, then written".into(), "ns", &mut || {
        best(rounds, &mut backlogged!(filled(BACKLOG)))
    });
    add("backlog of 32 MiB that stands".into(), "ns", &mut || {
        best(rounds, &mut backlogged!(standing(BACKLOG)))
    });
}

/// One library's round: nanoseconds for each connection or message.
struct Runner {
    name: &'static str,
    round: Box<dyn FnMut() -> f64>,
}

fn best(rounds: usize, runners: &mut [Runner]) -> Vec<Value> {
    let mut best: Vec<_> = runners.iter().map(|runner| (runner.name, f64::INFINITY)).collect();
    for i in rounds::turns(rounds, runners.len()) {
        best[i].1 = best[i].1.min((runners[i].round)());
    }
    best
}

fn broadcast<L: Broadcast>(connections: usize) -> Runner {
    let message = messages::binary(16 << 10);
    let round = move || {
        let mut connections = idle::<L>(connections);
        let began = Instant::now();
        let shared = L::share(&message);
        connections.iter_mut().for_each(|connection| connection.queue(&shared));
        nanoseconds(began.elapsed(), connections.len())
    };
    Runner { name: L::NAME, round: Box::new(round) }
}

fn heap<L: Broadcast>(connections: usize) -> Value {
    let mut connections = idle::<L>(connections);
    let (shared, counted) = count(|| {
        let shared = L::share(&messages::binary(16 << 10));
        connections.iter_mut().for_each(|connection| connection.queue(&shared));
        shared
    });
    drop(shared);
    (L::NAME, (counted.live as f64 / connections.len() as f64).round())
}

fn idle<L: Broadcast>(connections: usize) -> Vec<L> {
    let nothing = Message { text: false, payload: Vec::new() };
    (0..connections).map(|_| L::new(Role::Server, Wire::blocked(), &nothing)).collect()
}

/// All is queued, then all is written.
fn filled<L: Backlog>(bytes: usize) -> Runner {
    let (mut connection, messages) = (connection::<L>(), bytes / EACH);
    let round = move || {
        let began = Instant::now();
        (0..messages).for_each(|_| connection.queue_own());
        let mut left = messages * (HEADER + EACH);
        while left > 0 {
            let n = left.min(WRITE);
            connection.write(n);
            left -= n;
        }
        nanoseconds(began.elapsed(), messages)
    };
    Runner { name: L::NAME, round: Box::new(round) }
}

/// One is queued and one is written, until all that waits was replaced twice, so that whatever is moved now and then counts.
fn standing<L: Backlog>(bytes: usize) -> Runner {
    const AT_ONCE: usize = 64;
    let mut connection = None;
    let round = move || {
        let connection = connection.get_or_insert_with(|| {
            let mut connection = self::connection::<L>();
            (0..bytes / EACH).for_each(|_| connection.queue_own());
            connection
        });
        let (began, mut messages) = (Instant::now(), 0);
        while messages < 2 * bytes / EACH && began.elapsed() < ENOUGH {
            for _ in 0..AT_ONCE {
                connection.queue_own();
                connection.write(HEADER + EACH);
            }
            messages += AT_ONCE;
        }
        nanoseconds(began.elapsed(), messages)
    };
    Runner { name: L::NAME, round: Box::new(round) }
}

/// For those to whom each message costs the same, and much.
const ENOUGH: Duration = Duration::from_millis(300);

fn connection<L: Backlog>() -> L {
    let mut wire = Wire::new(&Arc::from([]), 4 << 10, None);
    wire.accept(0);
    black_box(L::new(Role::Server, wire, &messages::binary(EACH)))
}

fn nanoseconds(time: Duration, each: usize) -> f64 {
    time.as_nanos() as f64 / each as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;
    use crate::wire::Record;

    #[test]
    fn what_is_queued_is_written_in_order() {
        backlogged!(prove());
    }

    fn prove<L: Backlog>() {
        let record = Record::default();
        let mut wire = Wire::new(&Arc::from([]), 4 << 10, Some(&record));
        wire.accept(0);
        let message = messages::binary(EACH);
        let mut connection = L::new(Role::Server, wire, &message);
        (0..300).for_each(|_| connection.queue_own());
        assert!(record.lock().unwrap().is_empty(), "{}", L::NAME);
        for bytes in [1, 2, HEADER + EACH - 3, 299 * (HEADER + EACH)] {
            connection.write(bytes);
        }
        assert!(naive::decode(Role::Server, &record.lock().unwrap()) == vec![message; 300], "{}", L::NAME);
    }

    #[test]
    fn all_broadcast_and_queue() {
        for (name, heap) in broadcasting!(heap(10)) {
            assert!(heap > 0.0, "{name}");
        }
        for mut runner in broadcasting!(broadcast(10)).into_iter().chain(backlogged!(standing(10 * EACH))) {
            assert!((runner.round)() > 0.0, "{}", runner.name);
        }
    }
}
