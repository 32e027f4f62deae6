//! What 10 000 connections cost a server that has nothing to do.

use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::load;
use super::process::{self, Program};
use super::{RAW, is_ours};
use crate::report::Line;

pub const MEMORY: &str = "loopback, memory";

pub const NOTE: &str = "What the server's process grows by for each of 10 000 connections (fewer where the system allows fewer \
    files): its resident memory that is no file. Each connection has had its handshake and one message, which came back; after \
    that nothing happens for two seconds. The system's own memory for sockets is not in it. \"net\" has a thread for each \
    connection.";

const CONNECTIONS: usize = 10_000;
/// Of a process besides its connections.
const OTHER_FILES: u64 = 100;
/// Longer than what servers do now and then, such as giving memory back.
const SETTLE: Duration = Duration::from_secs(2);

pub struct Row {
    pub name: String,
    payload: usize,
}

pub fn rows() -> impl Iterator<Item = Row> {
    [("16 B", 16), ("64 KiB", 64 << 10)].into_iter().map(|(size, payload)| {
        let name = format!("idle connection, after a message of {size}");
        Row { name, payload }
    })
}

impl Row {
    pub fn measure(&self, programs: &[Program]) -> Line {
        let connections = CONNECTIONS.min(files());
        let programs = programs.iter().filter(|program| program.name != RAW);
        let values: Vec<_> =
            programs.map(|program| (program.name, self.each(program, connections))).collect();
        let (ours, rivals) = values.into_iter().partition(|(name, _)| is_ours(name));
        Line {
            section: MEMORY,
            name: self.name.clone(),
            unit: "bytes",
            lower_is_better: true,
            floor: None,
            ours,
            rivals,
        }
    }

    /// Bytes for each connection, of a server that was started for this.
    fn each(&self, program: &Program, connections: usize) -> f64 {
        let server = &process::start_all(std::slice::from_ref(program))[0];
        let (frame, echo) = load::frame(self.payload);
        let open = |_| {
            load::open(server.address, true, &frame, &echo)
                .unwrap_or_else(|why| panic!("{}, {}: {why}", server.name, self.name))
        };
        // What all share is there after the first.
        let _first = open(0);
        let before = server.memory();
        let streams: Vec<_> = (0..connections).map(open).collect();
        thread::sleep(SETTLE);
        let grown = server.memory().saturating_sub(before);
        drop(streams);
        (grown as f64 / connections as f64).round()
    }
}

/// How many connections one process may have here. Those that it starts may have as many.
fn files() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let files = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)
}
