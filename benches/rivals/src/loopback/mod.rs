//! Echo over loopback TCP: each server a process on one core, one client for all of them on another.
//!
//! Pipelined, the client keeps 64 KiB of frames on their way in each connection, and at least four: 2978 messages of 16 B,
//! 63 of 1 KiB, 4 of 64 KiB or of 1 MiB. In ping-pong it is one message. Servers take turns, and the best turn of each counts.
//! Then each serves 10 000 connections that are idle, alone, and its memory is measured.
//!
//! uWebSockets is C++ and does not come with this package: whoever has its sources builds an echo server, and says
//! `--uwebsockets PROGRAM --uwebsockets-version VERSION`. `PROGRAM PORT` has to listen on 127.0.0.1 and that port, to send text
//! and binary messages of up to 16 MiB back as they came, not to compress, and to outlive clients that go away in the middle of a
//! message (SIGPIPE).

mod idle;
mod load;
mod process;
mod servers;

use std::net::SocketAddr;
use std::time::Duration;

use crate::libraries::{IO_URING, NAME, NET, TOKIO};
use crate::report::{Line, Report};
use crate::{Options, rounds};
use load::Load;
use process::{Program, Server};

pub use idle::{MEMORY, NOTE as NOTE_MEMORY};

const WINDOW: usize = 64 << 10;
const FRAMES: usize = 4;
const WARM_UP: Duration = Duration::from_millis(100);
const TURN: Duration = Duration::from_millis(250);
const QUICK_TURN: Duration = Duration::from_millis(100);
/// A turn is that much longer than a round elsewhere.
const ROUNDS_FOR_ONE: usize = 3;

/// Examples of this crate.
const EXAMPLES: [(&str, &str); 4] =
    [(NAME, "epoll_echo"), (TOKIO, "tokio_echo"), (NET, "echo_server"), (IO_URING, "io_uring_echo")];
const RAW: &str = "raw byte echo";
const UWEBSOCKETS: &str = "uWebSockets";
type Serve = fn(SocketAddr);
const SERVERS: [(&str, Serve); 8] = [
    (RAW, servers::raw),
    ("tokio-tungstenite", servers::tungstenite),
    ("fastwebsockets", servers::fastwebsockets),
    ("tokio-websockets", servers::tokio_websockets),
    ("sockudo-ws", servers::sockudo),
    ("wtx", servers::wtx),
    ("soketto", servers::soketto),
    ("yawc", servers::yawc),
];

pub const NOTE: &str = "Each server is a process on one core, the client is on another, and no copy of what comes back is made \
    for it. Pipelined is 64 KiB of frames on their way in each connection, and at least four: 2978 messages of 16 B, 63 of \
    1 KiB, 4 of 64 KiB or of 1 MiB. \"sansocket\" is `examples/epoll_echo.rs`, \"tokio\" is `tokio_echo.rs`, \"net\" is \
    `echo_server.rs`, a thread for each connection, \"io_uring\" is `io_uring_echo` of `examples/loops`. The tokio servers of others write once nothing more is there to be read, \
    where their libraries can: fastwebsockets and wtx write each message, and soketto cannot be asked whether there is more. \
    uWebSockets is C++, built as it is by itself: `-O3 -flto -march=native`.";
pub const NOTE_BY_CPU: &str = "The same by the server's own CPU time: what other work on the machine takes away, or the \
    client is too slow for, does not show here.";

pub const SECTION: &str = "loopback";
pub const BY_CPU: &str = "loopback, a second of the server's CPU";

pub fn run(options: &Options, report: &mut Report) {
    let rows: Vec<Row> = rows().filter(|row| options.wants(SECTION, &row.name)).collect();
    let idle = idle::rows().filter(|row| options.wants(MEMORY, &row.name)).collect::<Vec<_>>();
    if rows.is_empty() && idle.is_empty() {
        return;
    }
    let programs = programs(options);
    if !rows.is_empty() {
        let servers = process::start_all(&programs);
        let (turn, rounds) = if options.quick {
            (QUICK_TURN, options.rounds)
        } else {
            (TURN, options.rounds.div_ceil(ROUNDS_FOR_ONE))
        };
        let mut by_cpu = Vec::new();
        for row in rows {
            let [line, line_by_cpu] = row.measure(&servers, rounds, turn);
            report.add(line);
            by_cpu.push(line_by_cpu);
        }
        by_cpu.into_iter().for_each(|line| report.add(line));
    }
    idle.into_iter().for_each(|row| report.add(row.measure(&programs)));
}

/// What a process that [`process`] started does.
pub fn serve(name: &str, address: &str) {
    let (_, serve) = SERVERS.iter().find(|(known, _)| *known == name).expect("a server's name");
    serve(address.parse().expect("an address"));
}

fn programs(options: &Options) -> Vec<Program> {
    let mut programs = process::examples(&EXAMPLES);
    programs.extend(SERVERS.map(|(name, _)| Program::this(name)));
    match &options.uwebsockets {
        Some((path, version)) => {
            let name = format!("{UWEBSOCKETS} {version}").leak();
            programs.push(Program::with_port(name, path.clone()));
        }
        None => eprintln!("without uWebSockets: src/loopback/mod.rs says how to have it"),
    }
    programs
}

struct Row {
    name: String,
    connections: usize,
    payload: usize,
    window: usize,
}

fn rows() -> impl Iterator<Item = Row> {
    const SIZES: [(&str, usize); 4] =
        [("16 B", 16), ("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)];
    let mut rows = Vec::new();
    for is_pipelined in [true, false] {
        for (size, payload) in SIZES {
            for connections in [1, 10, 100] {
                let s = if connections == 1 { "" } else { "s" };
                let (how, window) =
                    if is_pipelined { ("pipelined", WINDOW.max(FRAMES * payload)) } else { ("ping-pong", 0) };
                let name = format!("echo {size}, {connections} connection{s}, {how}");
                rows.push(Row { name, connections, payload, window });
            }
        }
    }
    rows.into_iter()
}

impl Row {
    /// In a second, and in a second of the server's CPU time.
    fn measure(&self, servers: &[Server], rounds: usize, turn: Duration) -> [Line; 2] {
        let mut best = vec![[0.0_f64; 2]; servers.len()];
        for i in rounds::turns(rounds, servers.len()) {
            let (server, best) = (&servers[i], &mut best[i]);
            let handshake = server.name != RAW;
            let load = Load::open(server.address, handshake, self.connections, self.payload, self.window);
            let mut load = load.unwrap_or_else(|why| panic!("{}, {}: {why}", server.name, self.name));
            load.run(WARM_UP);
            let cpu = server.cpu();
            let (echoed, time) = load.run(turn);
            let cpu = server.cpu() - cpu;
            best[0] = best[0].max(echoed / time.as_secs_f64());
            if !cpu.is_zero() {
                best[1] = best[1].max(echoed / cpu.as_secs_f64());
            }
        }
        // Thousand messages a second, or million bytes of payload in each direction.
        let (unit, each) =
            if self.payload < 64 << 10 { ("k/s", 1e-3) } else { ("MB/s", 1e-6 * self.payload as f64) };
        [(0, SECTION), (1, BY_CPU)].map(|(i, section)| {
            let values = || servers.iter().zip(&best).map(|(server, best)| (server.name, best[i] * each));
            Line {
                section,
                name: self.name.clone(),
                unit,
                lower_is_better: false,
                floor: values().find(|(name, _)| *name == RAW),
                ours: values().filter(|(name, _)| is_ours(name)).collect(),
                rivals: values().filter(|(name, _)| !is_ours(name) && *name != RAW).collect(),
            }
        })
    }
}

fn is_ours(name: &str) -> bool {
    EXAMPLES.iter().any(|(example, _)| *example == name)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn all_servers_echo() {
        for (name, serve) in SERVERS {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            // It serves until the tests are over.
            thread::spawn(move || serve(address));
            let open = |payload| Load::open(address, name != RAW, 3, payload, 4 * payload);
            let mut load = (0..100).find_map(|_| open(16).map_err(|_| thread::sleep(WARM_UP)).ok());
            let (echoed, _) = load.as_mut().unwrap_or_else(|| panic!("{name}")).run(WARM_UP);
            assert!(echoed > 0.0, "{name}");
            let (echoed, _) = open(1 << 20).unwrap_or_else(|why| panic!("{name}: {why}")).run(WARM_UP);
            assert!(echoed > 0.0, "{name}");
        }
    }
}
