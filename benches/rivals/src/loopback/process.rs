//! [`Server`]: an echo server as a process, on a core of its own.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// How a server is started.
pub struct Program {
    pub name: &'static str,
    path: PathBuf,
    arguments: Arguments,
}

enum Arguments {
    /// `--listen ADDRESS:PORT`
    Listen,
    /// `serve NAME ADDRESS:PORT`
    Serve,
    /// `PORT`
    Port,
}

impl Program {
    /// A server in this program.
    pub fn this(name: &'static str) -> Self {
        Self { name, path: this(), arguments: Arguments::Serve }
    }

    /// A program whose only argument is the port.
    pub fn with_port(name: &'static str, path: PathBuf) -> Self {
        Self { name, path, arguments: Arguments::Port }
    }

    fn command(&self, address: SocketAddr) -> Command {
        let arguments: Vec<OsString> = match self.arguments {
            Arguments::Listen => vec!["--listen".into(), address.to_string().into()],
            Arguments::Serve => vec!["serve".into(), self.name.into(), address.to_string().into()],
            Arguments::Port => vec![address.port().to_string().into()],
        };
        let mut command = Command::new(&self.path);
        command.args(arguments).stdout(Stdio::null());
        command
    }
}

/// Examples of the library, which are binaries of this package too, so that they are built like everything here.
pub fn examples(examples: &[(&'static str, &str)]) -> Vec<Program> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--quiet", "--release", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .args(examples.iter().flat_map(|(_, example)| ["--bin", example]))
        .args(cfg!(feature = "simd").then_some("--features=simd"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "the examples cannot be built");
    let path = |example| this().with_file_name(example);
    let program = |&(name, example)| Program { name, path: path(example), arguments: Arguments::Listen };
    examples.iter().map(program).collect()
}

fn this() -> PathBuf {
    std::env::current_exe().expect("a path")
}

/// Starts all on one core, and goes to another one.
pub fn start_all(programs: &[Program]) -> Vec<Server> {
    pin(1);
    let servers = programs.iter().map(Server::start).collect();
    pin(0);
    servers
}

/// From now on this thread, and what it starts, has this core only. Where there is no such core, any.
fn pin(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &cores);
    }
}

pub struct Server {
    pub name: &'static str,
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    fn start(program: &Program) -> Self {
        let name = program.name;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("loopback");
        let process = program.command(address).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let server = Self { name, address, process };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(5), "{name} does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    /// How long it has been running on a CPU, with all its threads.
    pub fn cpu(&self) -> Duration {
        let pid = Pid::from_raw(self.process.id().try_into().expect("a process id"));
        clock_getcpuclockid(pid).and_then(clock_gettime).expect("it runs").into()
    }

    /// Bytes of its memory that are no files.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("Linux tells it") << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
