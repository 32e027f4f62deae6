//! The same work in other libraries, side by side in one process, as Markdown.
//!
//! ```text
//! cargo run --release                                   everything
//! cargo run --release -- --write                        and into RESULTS.md, results.svg, summary.md and summary.svg
//! cargo run --release -- --filter "receive server 16 B" --rounds 30
//! cargo run --release -- --filter loopback --rounds 5 --server 'uWebSockets=path/to/echo {port}'
//! cargo run --release -- --save a.tsv                   keeps the lines;
//! cargo run --release -- --with a.tsv --write           adds the columns and lines kept by another build or program
//! ```
//!
//! Each received byte is copied once out of a prepared stream, each sent byte once into a ring of 64 KiB. A message counts
//! when it is handed over whole, as one slice, text proved to be UTF-8. Every library is first proved to receive and send
//! the right messages; then they take turns, and the best round of each counts. Read ratios, not absolute figures.
//! `cargo test` proves them all without measuring.
//!
//! At the end echo servers, as processes, over loopback TCP; see `loopback`. `cargo run --release --bin soak` is another
//! program: the tokio adapter under random traffic.

mod allocator;
mod deflate;
mod handshake;
mod libraries;
#[cfg(target_os = "linux")]
mod loopback;
mod machine;
mod memory;
mod messages;
mod naive;
#[path = "../../common/payloads.rs"]
mod payloads;
mod plot;
mod report;
mod rounds;
mod saved;
mod wire;

use std::fs;
use std::path::Path;

use report::Report;

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

fn main() {
    #[cfg(target_os = "linux")]
    if let [_, serve, name, address] = &std::env::args().collect::<Vec<_>>()[..]
        && serve == "serve"
    {
        return loopback::serve(name, address);
    }
    let options = Options::from_arguments();
    // Before the work itself loads the machine.
    let head = machine::head(options.rounds);
    let saved = options.with.iter().flat_map(|file| saved::read(&fs::read_to_string(file).unwrap()));
    let mut report = Report::new(NOTES, saved.collect());
    println!("{head}");
    messages::run(&options, &mut report);
    handshake::run(&options, &mut report);
    deflate::run(&options, &mut report);
    memory::run(&options, &mut report);
    #[cfg(target_os = "linux")]
    loopback::run(&options, &mut report);
    if let Some(file) = &options.save {
        fs::write(file, saved::write(&report.lines)).unwrap();
    }
    report.finish();
    if options.write {
        write(&head, &report);
    }
}

fn write(head: &str, report: &Report) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chosen = || report::select(&report.lines, SUMMARY);
    fs::write(folder.join("RESULTS.md"), format!("{head}\n![]({PLOT})\n{}", report.markdown())).unwrap();
    fs::write(folder.join(PLOT), plot::svg(report.lines.iter())).unwrap();
    fs::write(
        folder.join("summary.md"),
        report::summary(&chosen().collect::<Vec<_>>(), &[libraries::SAFE, libraries::SIMD]),
    )
    .unwrap();
    fs::write(folder.join("summary.svg"), plot::svg(chosen())).unwrap();
}

const PLOT: &str = "results.svg";

#[derive(Default)]
pub struct Options {
    filter: String,
    pub rounds: usize,
    write: bool,
    /// Echo servers that are not of this package, as `NAME=COMMAND {port}`.
    pub servers: Vec<String>,
    save: Option<String>,
    with: Vec<String>,
}

const USAGE: &str =
    "[--filter words] [--rounds n] [--server name=command]... [--save file] [--with file]... [--write]";

impl Options {
    fn from_arguments() -> Self {
        let mut options = Self { rounds: 30, ..Self::default() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("a value");
            match argument.as_str() {
                "--filter" => options.filter = value(),
                "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
                "--server" => options.servers.push(value()),
                "--write" => options.write = true,
                "--save" => options.save = Some(value()),
                "--with" => options.with.push(value()),
                _ => panic!("usage: {USAGE}"),
            }
        }
        options
    }

    /// Whether all words of the filter are in the row's name.
    pub fn wants(&self, section: &str, name: &str) -> bool {
        let name = format!("{section} {name}");
        self.filter.split_whitespace().all(|word| name.contains(word))
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
    ("handshake", "server, a browser's request of 570 B"),
    ("deflate", "receive 1 KiB, takeover"),
    ("deflate", "send 1 KiB, takeover"),
    ("memory", "idle connection, its type"),
    ("memory", "idle connection, its heap"),
    ("memory", "heap after 1 MiB"),
    ("memory", "each message of 16 B received"),
    ("memory", "each message of 16 B sent"),
    ("loopback", "echo 16 B, 10 connections, pipelined"),
    ("loopback", "echo 16 B, 100 connections, pipelined"),
    ("loopback", "echo 1 KiB, 10 connections, pipelined"),
    ("loopback", "echo 1 KiB, 100 connections, pipelined"),
];

/// How it was measured, for the results.
const ABOUT: &str = "\
All in one process and one thread, except over loopback. Each received byte is copied once out of a prepared stream, each sent byte once into a ring of
64 KiB, so memcpy is the floor. A message counts when it is handed over whole, as one slice, text proved to be UTF-8. Every
library is first proved to receive and send the right messages; then they take turns, and the best round of each counts. Read
ratios, not absolute figures: 2.00 is twice as good as the best rival, whatever the unit. M/s and k/s count messages, or
handshakes. Columns of other builds were measured apart.
";

const NOTES: &[(&str, &str)] = &[
    ("receive", messages::RECEIVE_NOTE),
    ("send", messages::SEND_NOTE),
    ("handshake", handshake::NOTE),
    ("deflate", deflate::NOTE),
    ("memory", memory::NOTE),
    #[cfg(target_os = "linux")]
    (loopback::SECTION, loopback::NOTE),
    #[cfg(target_os = "linux")]
    (loopback::BY_CPU, loopback::NOTE_BY_CPU),
];
