//! The same work in other libraries, side by side in one process, as a Markdown table.
//!
//! ```text
//! cargo run --release                                   everything
//! cargo run --release -- --write                        and into RESULTS.md and summary.md
//! cargo run --release -- --filter "receive server 16 B" --rounds 30
//! cargo run --release -- --filter loopback --rounds 5 --server 'uWebSockets=path/to/echo {port}'
//! ```
//!
//! Each received byte is copied once out of a prepared stream, each sent byte once into a ring of 64 KiB. A message counts
//! when it is handed over whole, as one slice, text proved to be UTF-8. Every library is first proved to receive and send
//! the right messages; then they take turns, and the best round of each counts. Read ratios, not absolute figures.
//!
//! Then echo servers as processes, over loopback TCP; see `loopback`.

mod allocator;
mod deflate;
mod handshake;
mod libraries;
#[cfg(target_os = "linux")]
mod loopback;
mod memory;
mod messages;
mod naive;
mod report;
mod rounds;
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
    let mut report = Report::new(NOTES);
    messages::run(&options, &mut report);
    handshake::run(&options, &mut report);
    deflate::run(&options, &mut report);
    memory::run(&options, &mut report);
    #[cfg(target_os = "linux")]
    loopback::run(&options, &mut report);
    if options.write {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::write(folder.join("RESULTS.md"), report.markdown()).unwrap();
        fs::write(folder.join("summary.md"), report::summary(&report.lines, SUMMARY)).unwrap();
    }
}

pub struct Options {
    filter: String,
    pub rounds: usize,
    write: bool,
    /// Echo servers that are not of this package, as `NAME=COMMAND {port}`.
    pub servers: Vec<String>,
}

impl Options {
    fn from_arguments() -> Self {
        let mut options = Self { filter: String::new(), rounds: 15, write: false, servers: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("a value");
            match argument.as_str() {
                "--filter" => options.filter = value(),
                "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
                "--server" => options.servers.push(value()),
                "--write" => options.write = true,
                _ => {
                    panic!("usage: [--filter words of a row] [--rounds n] [--write] [--server name=command]")
                }
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

const NOTES: &[(&str, &str)] = &[
    ("handshake", handshake::NOTE),
    ("deflate", deflate::NOTE),
    ("memory", memory::NOTE),
    #[cfg(target_os = "linux")]
    ("loopback", loopback::NOTE),
    #[cfg(target_os = "linux")]
    (loopback::BY_CPU, loopback::NOTE_BY_CPU),
];
