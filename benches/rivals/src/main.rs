//! The same work in other libraries, side by side in one process, as Markdown.
//!
//! ```text
//! cargo run --release                                   everything
//! cargo run --release -- --quick                        everything in a few minutes, for a first look
//! cargo run --release -- --write                        and into RESULTS.md, results.svg, summary.md and summary.svg
//! cargo run --release -- --filter "receive server 16 B" --rounds 30
//! cargo run --release -- --filter loopback --uwebsockets path/to/echo --uwebsockets-version 20.79.0
//! cargo run --release -- --save a.tsv                   keeps the lines;
//! cargo run --release -- --with a.tsv --write           adds the columns and lines kept by another build or program
//! ```
//!
//! A filter is words that are all in a row's section and name; several filters choose the rows of each.
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
mod options;
#[path = "../../common/payloads.rs"]
mod payloads;
mod plot;
mod queue;
mod report;
mod rounds;
mod saved;
mod wire;

use std::fs;
use std::path::Path;

use options::Options;
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
    let head = machine::head(&options);
    let saved = options.with.iter().flat_map(|file| saved::read(&fs::read_to_string(file).unwrap()));
    let mut report = Report::new(NOTES, saved.collect());
    report.save = options.save.clone();
    println!("{head}");
    messages::run(&options, &mut report);
    queue::run(&options, &mut report);
    handshake::run(&options, &mut report);
    deflate::run(&options, &mut report);
    memory::run(&options, &mut report);
    #[cfg(target_os = "linux")]
    loopback::run(&options, &mut report);
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
    fs::write(folder.join("summary.md"), report::summary(&chosen().collect::<Vec<_>>(), &COLUMNS)).unwrap();
    fs::write(folder.join("summary.svg"), plot::svg(chosen())).unwrap();
}

/// The safe build and `simd`, each with what stands in its place in rows of its own.
const COLUMNS: [&[&str]; 2] = [&[libraries::SAFE, "ReadBuffer"], &[libraries::SIMD, "simd, ReadBuffer"]];

const PLOT: &str = "results.svg";

/// The lines that the main README shows.
const SUMMARY: &[(&str, &str)] = &[
    ("receive", "server 16 B, binary, reads of 4 KiB"),
    ("receive", "server 125 B, binary, reads of 4 KiB"),
    ("receive", "server 1 KiB, binary, reads of 64 KiB"),
    ("receive", "server 16 KiB, binary, reads of 64 KiB"),
    ("receive", "server 16 KiB, binary, reads of 64 KiB, ReadBuffer"),
    ("receive", "server 1 MiB, binary, reads of 64 KiB"),
    ("receive", "server 1 MiB, binary, reads of 64 KiB, ReadBuffer"),
    ("receive", "server 64 MiB, binary, reads of 64 KiB"),
    ("receive", "server 64 MiB, binary, reads of 64 KiB, ReadBuffer"),
    ("receive", "server 125 B, ASCII, reads of 4 KiB"),
    ("receive", "server 16 KiB, multi-byte, reads of 64 KiB"),
    ("send", "server 16 B, flush every 1"),
    ("send", "server 16 B, flush every 32"),
    ("send", "server 16 KiB, flush every 1"),
    ("send", "client 16 B, flush every 32"),
    ("send", "client 16 KiB, flush every 1"),
    ("queue", "broadcast of 16 KiB to 10 000, time of each"),
    ("queue", "broadcast of 16 KiB to 10 000, heap of each"),
    ("queue", "backlog of 32 MiB, queued, then written"),
    ("queue", "backlog of 32 MiB that stands"),
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
    ("loopback", "echo 64 KiB, 10 connections, pipelined"),
    ("loopback", "echo 64 KiB, 100 connections, pipelined"),
    ("loopback", "echo 1 MiB, 10 connections, pipelined"),
    ("loopback", "echo 1 MiB, 100 connections, pipelined"),
    ("loopback", "echo 64 KiB, 10 connections, ping-pong"),
    ("loopback", "echo 64 KiB, 100 connections, ping-pong"),
    ("loopback", "echo 1 MiB, 10 connections, ping-pong"),
    ("loopback", "echo 1 MiB, 100 connections, ping-pong"),
    ("loopback, memory", "idle connection, after a message of 64 KiB"),
];

/// How it was measured, for the results.
const ABOUT: &str = "\
All in one process and one thread, except over loopback. Each received byte is copied once out of a prepared stream, each sent byte once into a ring of
64 KiB, so memcpy is the floor. A message counts when it is handed over whole, as one slice, text proved to be UTF-8. Every
library is first proved to receive and send the right messages; then they take turns, and the best round of each counts. Read
ratios, not absolute figures: 2.00 is twice as good as the best rival, whatever the unit. M/s and k/s count messages, or
handshakes. Columns of other builds were measured apart.
";

const NOTES: report::Notes = &[
    ("receive", messages::RECEIVE_NOTE),
    ("send", messages::SEND_NOTE),
    (queue::SECTION, queue::NOTE),
    ("handshake", handshake::NOTE),
    ("deflate", deflate::NOTE),
    ("memory", memory::NOTE),
    #[cfg(target_os = "linux")]
    (loopback::SECTION, loopback::NOTE),
    #[cfg(target_os = "linux")]
    (loopback::BY_CPU, loopback::NOTE_BY_CPU),
    #[cfg(target_os = "linux")]
    (loopback::MEMORY, loopback::NOTE_MEMORY),
];
