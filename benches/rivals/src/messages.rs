//! Messages received and sent, without compression.

use std::hint::black_box;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use crate::allocator::count;
use crate::libraries::{self, Library};
use crate::report::{Line, Report, Value};
use crate::rounds::{self, Runner};
use crate::wire::{Record, Wire};
use crate::{Message, Options, Role, naive};

pub const RECEIVE_NOTE: &str = "\"sansocket\" reads into a buffer of its user as an `Input`, which takes every byte; \"ReadBuffer\" keeps \
    what is cut, and has rows of its own where messages are larger than a read. \"net\" and \"tokio\" are this crate's adapters, read by read. websocket-sans-io neither checks nor joins: its user here checks the reserved bits and text, and \
    joins what came in pieces. soketto's user checks text. Of sockudo-ws it is the protocol without its streams.";

pub const SEND_NOTE: &str = "\"net\" and \"tokio\" are this crate's adapters: `send` where each message is flushed, otherwise `feed` and \
    `flush`. sansocket's server writes payloads from 1 KiB on apart from their headers, as wtx does. wtx and \
    fastwebsockets write each message at once, whatever is flushed. wtx masks what it is given, so a client gives it a copy. \
    \"OS masks\" are from the operating system; all others are from fast generators.";

macro_rules! ours {
    ($call:ident($($argument:expr),*)) => {
        [
            $call::<libraries::Sansocket<false>>($($argument),*),
            $call::<libraries::Net>($($argument),*),
            $call::<libraries::Tokio>($($argument),*),
        ]
    };
}

macro_rules! others {
    ($call:ident($($argument:expr),*)) => {
        [
            $call::<libraries::Memcpy>($($argument),*),
            $call::<libraries::Tungstenite>($($argument),*),
            $call::<libraries::WebsocketSansIo>($($argument),*),
            $call::<libraries::TokioWebsockets>($($argument),*),
            $call::<libraries::Sockudo>($($argument),*),
            $call::<libraries::Wtx>($($argument),*),
            $call::<libraries::Fastwebsockets>($($argument),*),
            $call::<libraries::Soketto>($($argument),*),
            $call::<libraries::Yawc>($($argument),*),
        ]
    };
}

pub fn run(options: &Options, report: &mut Report) {
    for row in rows() {
        if !options.wants(row.section(), &row.name) {
            continue;
        }
        let mut runners = Vec::from(ours!(prepare(&row)));
        if row.is_received() {
            runners.insert(1, prepare::<libraries::Buffered>(&row));
        }
        if row.masks() {
            runners.push(prepare::<libraries::Sansocket<true>>(&row));
        }
        let ours = runners.len();
        runners.extend(others!(prepare(&row)));
        let best = rounds::best(options.rounds, &mut runners);
        let (ours, others) = best.split_at(ours);
        let line = row.line(ours, others);
        let buffered = line.clone().of(libraries::READ_BUFFER, "ReadBuffer");
        report.add(line);
        // What is cut is what the buffer is for.
        if row.message.payload.len() >= 16 << 10
            && let Some(line) = buffered
        {
            report.add(line);
        }
    }
}

/// The rows that tell how often it is allocated.
pub const ALLOCATIONS: [(&str, Work); 2] = [
    ("each message of 16 B received", Work::Receive { read: 4 << 10 }),
    ("each message of 16 B sent", Work::Send { flush: 1 }),
];

/// How often servers allocate for a message of 16 bytes, when they have done so for a while: ours, then rivals.
pub fn allocations(work: Work) -> [Vec<Value>; 2] {
    let row = Row { name: String::new(), role: Role::Server, message: binary(16), work };
    [ours!(allocated(&row)).to_vec(), others!(allocated(&row))[1..].to_vec()]
}

fn allocated<L: Library>(row: &Row) -> Value {
    let mut runner = prepare::<L>(row);
    runner.run();
    let ((), counted) = count(|| runner.run());
    (L::NAME, counted.allocations as f64 / row.count() as f64)
}

/// One row of the table.
struct Row {
    name: String,
    role: Role,
    message: Message,
    work: Work,
}

#[derive(Clone, Copy)]
pub enum Work {
    Receive { read: usize },
    Send { flush: usize },
}

fn rows() -> impl Iterator<Item = Row> {
    const SIZES: [(&str, usize); 5] =
        [("16 B", 16), ("125 B", 125), ("1 KiB", 1 << 10), ("16 KiB", 16 << 10), ("1 MiB", 1 << 20)];
    let mut rows = Vec::new();
    for (role_name, role) in [("server", Role::Server), ("client", Role::Client)] {
        for (kind, make) in
            [("binary", binary as fn(usize) -> Message), ("ASCII", ascii), ("multi-byte", multi_byte)]
        {
            for (size_name, size) in SIZES {
                for (read_name, read) in [("4 KiB", 4 << 10), ("64 KiB", 64 << 10)] {
                    let name = format!("{role_name} {size_name}, {kind}, reads of {read_name}");
                    rows.push(Row { name, role, message: make(size), work: Work::Receive { read } });
                }
            }
        }
        if role == Role::Server {
            let name = format!("{role_name} 64 MiB, binary, reads of 64 KiB");
            rows.push(Row { name, role, message: binary(HUGE), work: Work::Receive { read: 64 << 10 } });
        }
        for (size_name, size) in SIZES {
            for flush in [1, 32].into_iter().filter(|flush| flush * size <= 1 << 20) {
                let name = format!("{role_name} {size_name}, flush every {flush}");
                rows.push(Row { name, role, message: binary(size), work: Work::Send { flush } });
            }
        }
    }
    rows.into_iter()
}

/// More than most caches hold, and than an allocator keeps.
const HUGE: usize = 64 << 20;

impl Row {
    /// How many messages the stream holds: enough to fill reads, few enough to stay in the cache.
    fn messages(&self) -> usize {
        match self.message.payload.len() {
            HUGE => 1,
            len => ((256 << 10) / len).max(2),
        }
    }

    /// How many messages there are to a round: whole streams, or whole flushes.
    fn count(&self) -> usize {
        match self.work {
            Work::Receive { .. } if self.message.payload.len() == HUGE => 1,
            Work::Receive { .. } => 8 * self.messages(),
            Work::Send { flush } => (8 * self.messages()).next_multiple_of(flush),
        }
    }

    /// Million messages a second below 1 KiB, GB/s from there on.
    fn speed(&self, time: Duration) -> f64 {
        let each = time.as_secs_f64() / self.count() as f64;
        if self.message.payload.len() < 1024 {
            1e-6 / each
        } else {
            1e-9 * self.message.payload.len() as f64 / each
        }
    }

    fn is_received(&self) -> bool {
        matches!(self.work, Work::Receive { .. })
    }

    /// Whether random masks are made.
    fn masks(&self) -> bool {
        self.role == Role::Client && !self.is_received()
    }

    fn section(&self) -> &'static str {
        match self.work {
            Work::Receive { .. } => "receive",
            Work::Send { .. } => "send",
        }
    }

    fn line(&self, ours: &[(&'static str, Duration)], best: &[(&'static str, Duration)]) -> Line {
        let speeds = |best: &[(&'static str, Duration)]| {
            best.iter().map(|(name, time)| (*name, self.speed(*time))).collect::<Vec<_>>()
        };
        let (ours, others) = (speeds(ours), speeds(best));
        Line {
            section: self.section(),
            name: self.name.clone(),
            unit: if self.message.payload.len() < 1024 { "M/s" } else { "GB/s" },
            lower_is_better: false,
            floor: Some(others[0]),
            ours,
            rivals: others[1..].to_vec(),
        }
    }

    fn wire(&self, record: Option<&Record>) -> Wire {
        let (mut stream, mut key) = (Vec::new(), 0x1234_5678_u32);
        for _ in 0..self.messages() {
            key = key.wrapping_mul(0x915F_77F5).wrapping_add(1);
            naive::encode(&self.message, (self.role == Role::Server).then(|| key.to_ne_bytes()), &mut stream);
        }
        let read = match self.work {
            Work::Receive { read } => read,
            Work::Send { .. } => 4 << 10,
        };
        Wire::new(&Arc::from(stream), read, record)
    }
}

/// Prepares to measure the library, which is proved.
fn prepare<L: Library>(row: &Row) -> Runner {
    prove::<L>(row);
    let mut library = L::new(row.role, row.wire(None), &row.message);
    let (n, work) = (row.count(), row.work);
    Runner::new(L::NAME, move || match work {
        Work::Receive { .. } => library.receive(n, |payload| {
            black_box(payload);
        }),
        Work::Send { flush } => library.send(n, flush),
    })
}

/// Proves that the library does the work of this row right.
fn prove<L: Library>(row: &Row) {
    if L::NAME == libraries::Memcpy::NAME {
        return;
    }
    let record = Record::default();
    let mut library = L::new(row.role, row.wire(Some(&record)), &row.message);
    match row.work {
        Work::Receive { .. } => {
            let mut received = 0;
            library.receive(2 * row.messages(), |payload| {
                assert!(payload == row.message.payload, "{}: {}", L::NAME, row.name);
                received += 1;
            });
            assert_eq!(received, 2 * row.messages(), "{}: {}", L::NAME, row.name);
        }
        Work::Send { flush } => {
            library.send(64, flush);
            let sent = naive::decode(row.role, &record.lock().unwrap());
            assert!(sent == vec![row.message.clone(); 64], "{}: {}", L::NAME, row.name);
        }
    }
}

pub fn binary(size: usize) -> Message {
    Message { text: false, payload: (0..size).map(|i| (i * 7) as u8).collect() }
}

fn ascii(size: usize) -> Message {
    let text = b"The quick brown fox jumps over the lazy dog. ";
    Message { text: true, payload: text.iter().copied().cycle().take(size).collect() }
}

fn multi_byte(size: usize) -> Message {
    let mut text = String::new();
    for next in "Ζαφείρι δέξου πάγκαλο, 天地玄黃 宇宙洪荒 🦀 ".chars().cycle() {
        if text.len() + next.len_utf8() > size {
            break;
        }
        text.push(next);
    }
    text.extend(iter::repeat_n('.', size - text.len()));
    Message { text: true, payload: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_libraries_do_all_rows() {
        for row in rows() {
            ours!(prove(&row));
            if row.is_received() {
                prove::<libraries::Buffered>(&row);
            }
            prove::<libraries::Sansocket<true>>(&row);
            others!(prove(&row));
        }
    }
}
