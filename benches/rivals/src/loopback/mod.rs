//! Echo over loopback TCP: each server a process on one core, one client for all of them on another.
//!
//! Pipelined, the client keeps 64 KiB of frames on their way in each connection: 2978 messages of 16 B, or 63 of 1 KiB. In
//! ping-pong it is one message. Servers take turns, and the best turn of each counts.
//!
//! uWebSockets is C++ and does not come with this package. Whoever has its sources, such as the crate libuwebsockets-sys
//! 0.0.10 (`cargo info` unpacks it into `~/.cargo/registry/src`), builds its echo server as its own makefile does, with the
//! port as an argument and without compression:
//!
//! ```text
//! cd uWebSockets && make -C uSockets
//! sed -e 's/int main()/int main(int, char **argv)/' -e 's/listen(9001/listen(atoi(argv[1])/' \
//!     -e 's/uWS::CompressOptions(.*)/uWS::DISABLED/' examples/EchoServer.cpp > echo.cpp
//! g++ -march=native -O3 -flto -std=c++20 -DUWS_NO_ZLIB -Isrc -IuSockets/src echo.cpp uSockets/*.o -o echo
//! ```
//!
//! and says `--server 'uWebSockets=path/to/echo {port}'`.

mod load;
mod servers;

use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::report::{Line, Report};
use crate::{Options, libraries};
use load::Load;

const WINDOW: usize = 64 << 10;
const WARM_UP: Duration = Duration::from_millis(100);
const TURN: Duration = Duration::from_millis(300);
/// A turn is that much longer than a round elsewhere.
const ROUNDS_FOR_ONE: usize = 3;

const RAW: &str = "raw byte echo";
const TOKIO: &str = if cfg!(feature = "simd") { "sansocket, simd, tokio" } else { "sansocket, tokio" };
type Serve = fn(SocketAddr);
const SERVERS: [(&str, Serve); 5] = [
    (TOKIO, servers::sansocket),
    (RAW, servers::raw),
    ("tokio-tungstenite", servers::tungstenite),
    ("fastwebsockets", servers::fastwebsockets),
    ("tokio-websockets", servers::tokio_websockets),
];

pub fn run(options: &Options, report: &mut Report) {
    let rows: Vec<Row> = rows().filter(|row| options.wants(SECTION, &row.name)).collect();
    if rows.is_empty() {
        return;
    }
    let servers = start(options);
    let mut by_cpu = Vec::new();
    for row in rows {
        let [line, line_by_cpu] = row.measure(&servers, options.rounds.div_ceil(ROUNDS_FOR_ONE));
        report.add(line);
        by_cpu.push(line_by_cpu);
    }
    by_cpu.into_iter().for_each(|line| report.add(line));
}

pub const NOTE: &str = "Thousand messages a second. Each server is a process on one core, the client is on another, and \
    no copy of what comes back is made for it. Pipelined is 64 KiB of frames on their way in each connection: 2978 \
    messages of 16 B, 63 of 1 KiB. \"sansocket\" is `examples/epoll_echo.rs`, the \
    others are loops as their documentation has them.";
pub const NOTE_BY_CPU: &str = "The same by the server's own CPU time: what other work on the machine takes away, or the \
    client is too slow for, does not show here.";

pub const SECTION: &str = "loopback";
pub const BY_CPU: &str = "loopback, a second of the server's CPU";

struct Row {
    name: String,
    connections: usize,
    payload: usize,
    window: usize,
}

fn rows() -> impl Iterator<Item = Row> {
    let mut rows = Vec::new();
    for (how, window, counts) in [("pipelined", WINDOW, &[1, 10, 100][..]), ("ping-pong", 0, &[1, 10])] {
        for (size, payload) in [("16 B", 16), ("1 KiB", 1 << 10)] {
            for &connections in counts {
                let s = if connections == 1 { "" } else { "s" };
                let name = format!("echo {size}, {connections} connection{s}, {how}");
                rows.push(Row { name, connections, payload, window });
            }
        }
    }
    rows.into_iter()
}

impl Row {
    /// In a second, and in a second of the server's CPU time.
    fn measure(&self, servers: &[Server], rounds: usize) -> [Line; 2] {
        let mut best = vec![[0.0_f64; 2]; servers.len()];
        for _ in 0..rounds {
            for (best, server) in best.iter_mut().zip(servers) {
                let is_raw = server.name == RAW;
                let mut load =
                    Load::open(server.address, !is_raw, self.connections, self.payload, self.window);
                load.run(WARM_UP);
                let (began, cpu) = (Instant::now(), server.cpu());
                let echoed = load.run(TURN) as f64;
                let (time, cpu) = (began.elapsed(), server.cpu() - cpu);
                best[0] = best[0].max(echoed / time.as_secs_f64());
                best[1] = best[1].max(echoed / cpu.as_secs_f64());
            }
        }
        [(0, SECTION), (1, BY_CPU)].map(|(i, section)| {
            let values = || servers.iter().zip(&best).map(|(server, best)| (server.name, best[i] / 1e3));
            Line {
                section,
                name: self.name.clone(),
                unit: "k/s",
                lower_is_better: false,
                floor: values().find(|(name, _)| *name == RAW),
                ours: values().filter(|(name, _)| is_ours(name)).collect(),
                rivals: values().filter(|(name, _)| !is_ours(name) && *name != RAW).collect(),
            }
        })
    }
}

fn is_ours(name: &str) -> bool {
    name == libraries::NAME || name == TOKIO
}

/// What a process that [`start`] made does.
pub fn serve(name: &str, address: &str) {
    let (_, serve) = SERVERS.iter().find(|(known, _)| *known == name).expect("a server's name");
    serve(address.parse().expect("an address"));
}

/// Starts all servers on one core, and goes to another one.
fn start(options: &Options) -> Vec<Server> {
    let this = std::env::current_exe().expect("a path");
    let epoll = build_example("epoll_echo", &this);
    pin(1);
    let mut servers = vec![Server::new(libraries::NAME, |address| command(&epoll, ["--listen", &address]))];
    for (name, _) in SERVERS {
        servers.push(Server::new(name, |address| command(&this, ["serve", name, &address])));
    }
    for server in &options.servers {
        let (name, line) = server.split_once('=').expect("--server NAME=COMMAND");
        servers.push(Server::new(name.to_owned().leak(), |address| {
            let (_, port) = address.rsplit_once(':').expect("a port");
            let line = line.replace("{port}", port);
            let mut words = line.split_whitespace();
            command(words.next().expect("a command"), words)
        }));
    }
    if options.servers.is_empty() {
        eprintln!("without uWebSockets: src/loopback/mod.rs says how to have it");
    }
    pin(0);
    servers
}

/// An example of the library is a binary of this package too, so that it is built like everything here.
fn build_example(name: &str, this: &Path) -> impl AsRef<OsStr> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--quiet", "--release", "--bin", name, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .args(cfg!(feature = "simd").then_some("--features=simd"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{name} cannot be built");
    this.with_file_name(name)
}

fn command(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// From now on this thread, and what it starts, has this core only. Where there is no such core, any.
fn pin(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &cores);
    }
}

struct Server {
    name: &'static str,
    address: SocketAddr,
    process: Child,
}

impl Server {
    fn new(name: &'static str, command: impl FnOnce(String) -> Command) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("loopback");
        let process = command(address.to_string()).stdout(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| panic!("{name}: {error}"));
        let server = Self { name, address, process };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(5), "{name} does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// How long it has been running on a CPU.
    fn cpu(&self) -> Duration {
        let times = fs::read_to_string(format!("/proc/{}/schedstat", self.process.id())).expect("it runs");
        let ns = times.split_whitespace().next().and_then(|ns| ns.parse().ok());
        Duration::from_nanos(ns.expect("nanoseconds"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
