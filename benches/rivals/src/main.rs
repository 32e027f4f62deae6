//! The same work in other libraries, side by side in one process, as a Markdown table.
//!
//! ```text
//! cargo run --release                                   everything
//! cargo run --release -- --write                        and into RESULTS.md and summary.md
//! cargo run --release -- --filter "receive server 16 B" --rounds 30
//! ```
//!
//! Each received byte is copied once out of a prepared stream, each sent byte once into a ring of 64 KiB. A message counts
//! when it is handed over whole, as one slice, text proved to be UTF-8. Every library is first proved to receive and send
//! the right messages; then they take turns, and the best round of each counts. Read ratios, not absolute figures.

mod libraries;
mod naive;
mod report;
mod wire;

use std::fs;
use std::hint::black_box;
use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libraries::Library;
use report::{Line, Report};
use wire::{Record, Wire};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Server,
    Client,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub text: bool,
    pub payload: Vec<u8>,
}

/// One row of the table.
struct Row {
    name: String,
    role: Role,
    message: Message,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    Receive { read: usize },
    Send { flush: usize },
}

/// What one library does in one round of a row.
type Round = Box<dyn FnMut() -> Duration>;

macro_rules! libraries {
    ($call:ident($($argument:expr),*)) => {
        [
            (libraries::Sansocket::<false>::NAME, $call::<libraries::Sansocket<false>>($($argument),*)),
            (libraries::Sansocket::<true>::NAME, $call::<libraries::Sansocket<true>>($($argument),*)),
            (libraries::Memcpy::NAME, $call::<libraries::Memcpy>($($argument),*)),
            (libraries::Tungstenite::NAME, $call::<libraries::Tungstenite>($($argument),*)),
            (libraries::WebsocketSansIo::NAME, $call::<libraries::WebsocketSansIo>($($argument),*)),
            (libraries::TokioWebsockets::NAME, $call::<libraries::TokioWebsockets>($($argument),*)),
            (libraries::Sockudo::NAME, $call::<libraries::Sockudo>($($argument),*)),
            (libraries::Wtx::NAME, $call::<libraries::Wtx>($($argument),*)),
            (libraries::Fastwebsockets::NAME, $call::<libraries::Fastwebsockets>($($argument),*)),
            (libraries::Soketto::NAME, $call::<libraries::Soketto>($($argument),*)),
            (libraries::Yawc::NAME, $call::<libraries::Yawc>($($argument),*)),
        ]
    };
}
/// How many of these are not rivals: ourselves, twice, and then memcpy.
const OURS: usize = 2;

fn main() {
    let (mut filter, mut rounds, mut write) = (String::new(), 15, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match argument.as_str() {
            "--filter" => filter = value(),
            "--rounds" => rounds = value().parse().expect("a number of rounds"),
            "--write" => write = true,
            _ => panic!("usage: [--filter words of a row] [--rounds n] [--write]"),
        }
    }
    let mut report = Report::new(NOTES);
    for row in rows().filter(|row| filter.split_whitespace().all(|word| row.name.contains(word))) {
        let mut best = [Duration::MAX; 11];
        let mut libraries = libraries!(prepare(&row));
        for _ in 0..rounds {
            for (best, (_, round)) in best.iter_mut().zip(&mut libraries) {
                *best = round().min(*best);
            }
        }
        report.add(row.line(&libraries.map(|(name, _)| name), &best));
    }
    if write {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::write(folder.join("RESULTS.md"), report.markdown()).unwrap();
        fs::write(folder.join("summary.md"), report::summary(&report.lines, SUMMARY)).unwrap();
    }
}

/// The lines that the main README shows.
const SUMMARY: &[(&str, &str)] = &[
    ("receive", "server 16 B, binary, reads of 4 KiB"),
    ("receive", "server 125 B, binary, reads of 4 KiB"),
    ("receive", "server 1 KiB, binary, reads of 64 KiB"),
    ("receive", "server 16 KiB, binary, reads of 64 KiB"),
    ("receive", "server 1 MiB, binary, reads of 64 KiB"),
    ("receive", "server 125 B, ASCII, reads of 4 KiB"),
    ("receive", "server 16 KiB, multi-byte, reads of 64 KiB"),
    ("send", "server 16 B, flush every 1"),
    ("send", "server 16 B, flush every 32"),
    ("send", "server 16 KiB, flush every 1"),
    ("send", "client 16 B, flush every 32"),
    ("send", "client 16 KiB, flush every 1"),
];

const NOTES: &[(&str, &str)] = &[];

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
                    let name = format!("receive {role_name} {size_name}, {kind}, reads of {read_name}");
                    rows.push(Row { name, role, message: make(size), work: Work::Receive { read } });
                }
            }
        }
        for (size_name, size) in SIZES {
            for flush in [1, 32].into_iter().filter(|flush| flush * size <= 1 << 20) {
                let name = format!("send {role_name} {size_name}, flush every {flush}");
                rows.push(Row { name, role, message: binary(size), work: Work::Send { flush } });
            }
        }
    }
    rows.into_iter()
}

impl Row {
    /// How many messages the stream holds: enough to fill reads, few enough to stay in the cache.
    fn messages(&self) -> usize {
        ((256 << 10) / self.message.payload.len()).max(2)
    }

    /// How many messages there are to a round: whole streams, or whole flushes.
    fn count(&self) -> usize {
        match self.work {
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

    fn line(&self, names: &[&'static str], best: &[Duration]) -> Line {
        let speeds: Vec<_> = names.iter().zip(best).map(|(name, best)| (*name, self.speed(*best))).collect();
        let (section, name) = self.name.split_once(' ').unwrap();
        Line {
            section: if section == "receive" { "receive" } else { "send" },
            name: name.into(),
            unit: if self.message.payload.len() < 1024 { "M/s" } else { "GB/s" },
            lower_is_better: false,
            floor: Some(speeds[OURS]),
            ours: speeds[..OURS].to_vec(),
            rivals: speeds[OURS + 1..].to_vec(),
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

/// Proves that the library does the work of this row right, and prepares to measure it.
fn prepare<L: Library>(row: &Row) -> Round {
    if L::NAME != libraries::Memcpy::NAME {
        prove::<L>(row);
    }
    let mut library = L::new(row.role, row.wire(None), &row.message);
    let (n, work) = (row.count(), row.work);
    Box::new(move || {
        let start = Instant::now();
        match work {
            Work::Receive { .. } => library.receive(n, |payload| {
                black_box(payload);
            }),
            Work::Send { flush } => library.send(n, flush),
        }
        start.elapsed()
    })
}

fn prove<L: Library>(row: &Row) {
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

fn binary(size: usize) -> Message {
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
