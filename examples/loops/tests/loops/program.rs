//! [`Program`]: a server in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// It runs until it is dropped.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    child: Child,
    pub(crate) address: String,
    /// It would fail to say something that nobody can hear.
    _stdout: BufReader<ChildStdout>,
}

/// Runs `test` against each of the programs, at the same time.
pub(crate) fn each(test: impl Fn(&mut Program) + Sync) {
    each_with(1024, &[], test);
}

/// The same, with a limit of open files and more arguments.
pub(crate) fn each_with(files: usize, args: &[&str], test: impl Fn(&mut Program) + Sync) {
    thread::scope(|scope| {
        for path in PROGRAMS {
            scope.spawn({
                let test = &test;
                move || run(path, files, args, test)
            });
        }
    });
}

/// The same, one program after the other.
pub(crate) fn one_by_one(files: usize, test: impl Fn(&mut Program)) {
    let _turn = turn();
    for path in PROGRAMS {
        run(path, files, &[], &test);
    }
}

/// While it is held, no other test that takes the machine for itself runs.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(path: &'static str, files: usize, args: &[&str], test: impl Fn(&mut Program)) {
    match Program::start(path, files, args) {
        Ok(mut program) => test(&mut program),
        Err(why) => say_aloud(&format!("SKIPPED: {path}: {why}\n")),
    }
}

/// Not by a macro, whose output a test that passes keeps back.
pub(crate) fn say_aloud(what: &str) {
    stderr().write_all(what.as_bytes()).unwrap();
}

const PROGRAMS: [&str; 5] = [
    env!("CARGO_BIN_EXE_smol_echo"),
    env!("CARGO_BIN_EXE_io_uring_echo"),
    env!("CARGO_BIN_EXE_epoll_echo"),
    env!("CARGO_BIN_EXE_tokio_echo"),
    env!("CARGO_BIN_EXE_echo_server"),
];

const START: &str = r#"ulimit -n "$1" && shift && exec "$0" --listen 127.0.0.1:0 "$@""#;

impl Program {
    /// An error: the system does not offer what it needs.
    fn start(path: &'static str, files: usize, args: &[&str]) -> Result<Self, String> {
        let mut child = Command::new("sh")
            .args(["-c", START, path, &files.to_string()])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut said).unwrap();
        let Some((_, url)) = said.split_once("ws://") else {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(69), "{why}");
            return Err(why);
        };
        let address = url.split('/').next().unwrap().to_owned();
        let name = path.rsplit('/').next().unwrap();
        Ok(Self { name, child, address, _stdout: stdout })
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// How much time of a processor it takes in so much time, measured now.
    pub(crate) fn busy(&self, time: Duration) -> Duration {
        let (before, began) = (self.cpu(), Instant::now());
        sleep(time);
        let busy = self.cpu() - before;
        busy.mul_f64(time.div_duration_f64(began.elapsed()))
    }

    /// How much time of a processor it has taken so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name: user and system time are the 12th and 13th, in hundredths of a second.
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').collect::<Vec<_>>();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// Resident bytes.
    pub(crate) fn memory(&self) -> usize {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    /// It holds at most `limit` bytes; with `--nocapture`, how many.
    pub(crate) fn expect_memory(&self, limit: usize, when: &str) {
        let memory = self.memory();
        eprintln!("{}, {when}: {:.1} MB", self.name, memory as f64 / 1e6);
        assert!(memory <= limit, "{}, {when}: {memory} bytes", self.name);
    }

    /// How many file descriptors are open.
    pub(crate) fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None => sleep(Duration::from_millis(20)),
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it does not stop");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
