//! A transparent proxy that shows the frames of both directions, and can delay, drop, corrupt or cut them: for testing
//! against a bad network.
//!
//! ```text
//! cargo run --release --example tap -- 127.0.0.1:9001     # then connect to ws://127.0.0.1:9000/
//! ```
//!
//! It is no end of the connection that it shows: what it reads goes on as it came, whether it is understood or not.

#[path = "common/options.rs"]
mod options;
#[path = "common/trace.rs"]
mod trace;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use lexopt::Arg::{Long, Value};
use lexopt::{Error, Parser};
use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{Config, Input};
use trace::Trace;

const USAGE: &str = "usage: tap [OPTION]... HOST:PORT

Passes connections on to HOST:PORT, without TLS, and shows their frames: N> from the client, N< from the server of
connection N.

  HOST:PORT            the server
  --listen ADDR:PORT   where to listen (127.0.0.1:9000)
  --from END           apply these only to frames of the `client`, or of the `server`:
  --delay MS           wait MS milliseconds before each frame
  --drop N             drop every Nth frame
  --corrupt N          change the last bit of every Nth frame, if it has a payload
  --cut N              end the connection in the middle of the Nth frame
  -h, --help           print this";

#[derive(Clone, Default)]
struct Options {
    target: String,
    listen: String,
    /// Whose frames meet with faults; `None`: everybody's.
    from: Option<End>,
    faults: Faults,
}

/// What happens to the frames of one direction. Numbers count its frames; 0: none.
#[derive(Clone, Copy, Default)]
struct Faults {
    delay: Duration,
    drop: u64,
    corrupt: u64,
    cut: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Server,
}

fn main() -> io::Result<()> {
    let options = options::parse(USAGE, read_options);
    let listener = TcpListener::bind(&options.listen)?;
    show(&format!("ws://{}/ leads to {}", listener.local_addr()?, options.target));
    let began = Instant::now();
    for (number, client) in (1_u64..).zip(listener.incoming()) {
        let Ok(client) = client else {
            thread::sleep(Duration::from_millis(50)); // such as too many open files
            continue;
        };
        let options = options.clone();
        let tapped = thread::Builder::new().spawn(move || {
            if let Err(error) = connection(number, client, &options, began) {
                show(&format!("{number}: {}: {error}", options.target));
            }
        });
        if let Err(error) = tapped {
            show(&format!("{number}: {error}"));
        }
    }
    Ok(())
}

fn read_options(args: &mut Parser) -> Result<Options, Error> {
    let mut options = Options { listen: "127.0.0.1:9000".into(), ..Options::default() };
    let mut target = None;
    while let Some(arg) = args.next()? {
        let faults = &mut options.faults;
        match arg {
            Long("listen") => options.listen = options::address(args.value()?, "--listen")?,
            Long("from") => {
                options.from = Some(match args.value()?.to_str() {
                    Some("client") => End::Client,
                    Some("server") => End::Server,
                    _ => return Err("--from: expected `client` or `server`".into()),
                });
            }
            Long("delay") => {
                let delay = options::value(args.value()?, "--delay", "a number of milliseconds")?;
                faults.delay = Duration::from_millis(delay);
            }
            Long("drop") => faults.drop = options::value(args.value()?, "--drop", "a number")?,
            Long("corrupt") => faults.corrupt = options::value(args.value()?, "--corrupt", "a number")?,
            Long("cut") => faults.cut = options::value(args.value()?, "--cut", "a number")?,
            Value(value) if target.is_none() => target = Some(options::address(value, "HOST:PORT")?),
            _ => return Err(arg.unexpected()),
        }
    }
    options.target = target.ok_or("HOST:PORT is missing: expected the server, such as 127.0.0.1:9001")?;
    Ok(options)
}

/// Both directions of one connection, the second one in a thread of its own.
fn connection(number: u64, client: TcpStream, options: &Options, began: Instant) -> io::Result<()> {
    let server = TcpStream::connect(&options.target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (to_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let faults = |end| match options.from {
        Some(from) if from != end => Faults::default(),
        _ => options.faults,
    };
    let request = Phase::Request(ServerHandshake::new(Config::default()));
    let trace = Trace::of_client(format!("{number}>"), began);
    let requests = Direction::new(request, trace, faults(End::Client));
    let trace = Trace::of_server(format!("{number}<"), began);
    let answers = Direction::new(Phase::Response(Vec::new()), trace, faults(End::Server));
    thread::Builder::new().spawn(move || answers.run(server, to_client))?;
    requests.run(client, to_server);
    Ok(())
}

/// What one end sends the other one.
struct Direction {
    phase: Phase,
    trace: Trace,
    faults: Faults,
    frames: u64,
    /// Read and not passed on yet: the beginning of a header.
    held: Vec<u8>,
}

enum Phase {
    Request(ServerHandshake),
    Response(Vec<u8>),
    Frames,
    /// Something else than a WebSocket.
    Unseen,
}

impl Direction {
    fn new(phase: Phase, trace: Trace, faults: Faults) -> Self {
        Self { phase, trace, faults, frames: 0, held: Vec::new() }
    }

    /// Passes on all that is read, and the end behind it.
    fn run(mut self, mut from: TcpStream, mut to: TcpStream) {
        let mut buf = vec![0; 64 * 1024];
        let ended = loop {
            match from.read(&mut buf) {
                Ok(0) => break to.write_all(&self.held).map(|()| Shutdown::Write),
                Ok(n) => match self.pass(&buf[..n], &mut to) {
                    Ok(true) => {}
                    Ok(false) => break Ok(Shutdown::Both),
                    Err(error) => break Err(error),
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let how = ended.unwrap_or_else(|error| {
            self.show(&format!("broken: {error}"));
            Shutdown::Both
        });
        self.show("end");
        let _ = to.shutdown(how);
        if how == Shutdown::Both {
            let _ = from.shutdown(how);
        }
    }

    /// `false`: the connection is to end here.
    fn pass(&mut self, bytes: &[u8], to: &mut TcpStream) -> io::Result<bool> {
        let head = self.head(bytes);
        to.write_all(&bytes[..head])?;
        match self.phase {
            Phase::Frames => self.frames(&bytes[head..], to),
            _ => Ok(true),
        }
    }

    /// How many bytes belong to the head in front of the frames, or are not understood.
    fn head(&mut self, bytes: &[u8]) -> usize {
        match std::mem::replace(&mut self.phase, Phase::Unseen) {
            Phase::Request(handshake) => {
                let mut copy = bytes.to_vec();
                let mut input = Input::new(&mut copy);
                match handshake.recv(&mut input) {
                    ServerProgress::Incomplete(handshake) => self.phase = Phase::Request(handshake),
                    ServerProgress::Upgrade(request) => {
                        self.show(&format!("GET {}, Host: {}", request.target(), request.host()));
                        self.show_headers(request.headers());
                        self.phase = Phase::Frames;
                        return bytes.len() - input.len();
                    }
                    ServerProgress::Http(request) => {
                        self.show(&format!("{} {}: no WebSocket", request.method(), request.target()));
                    }
                    ServerProgress::Refused(refusal) => self.show(&format!("broken: {}", refusal.error())),
                }
            }
            Phase::Response(mut head) => {
                let before = head.len();
                head.extend_from_slice(bytes);
                let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
                    if head.len() < MAX_HEAD {
                        self.phase = Phase::Response(head);
                    }
                    return bytes.len();
                };
                let text = String::from_utf8_lossy(&head[..end]).into_owned();
                let mut lines = text.split("\r\n");
                let status = lines.next().unwrap_or_default();
                // No escape sequence of the server gets to the terminal.
                self.show(&status.escape_debug().to_string());
                let headers = lines.filter_map(|line| line.split_once(':'));
                self.show_headers(headers.map(|(name, value)| (name, value.trim().as_bytes())));
                if status.split(' ').nth(1) == Some("101") {
                    self.phase = Phase::Frames;
                    return end + 4 - before;
                }
            }
            Phase::Frames => {
                self.phase = Phase::Frames;
                return 0;
            }
            Phase::Unseen => {}
        }
        bytes.len()
    }

    /// Frame by frame, with the faults that were asked for.
    fn frames(&mut self, bytes: &[u8], to: &mut TcpStream) -> io::Result<bool> {
        let mut copy = bytes.to_vec();
        let (mut input, mut passed) = (Input::new(&mut copy), 0);
        while let Some(part) = self.trace.next(&mut input, |line| show(&line)) {
            let end = bytes.len() - input.len();
            self.held.extend_from_slice(&bytes[passed..end]);
            passed = end;
            if part.start {
                self.frames += 1;
                thread::sleep(self.faults.delay);
            }
            let is_due = |every: u64| every > 0 && self.frames.is_multiple_of(every);
            if is_due(self.faults.drop) {
                if part.end {
                    self.show("dropped");
                }
            } else {
                if self.frames == self.faults.cut && (part.end || !part.payload.is_empty()) {
                    to.write_all(&self.held[..self.held.len().div_ceil(2)])?;
                    self.show("cut");
                    return Ok(false);
                }
                if is_due(self.faults.corrupt) && part.end && !part.payload.is_empty() {
                    self.held.last_mut().into_iter().for_each(|byte| *byte ^= 1);
                    self.show("corrupted");
                }
                to.write_all(&self.held)?;
            }
            self.held.clear();
        }
        self.held.extend_from_slice(&bytes[passed..]);
        if self.trace.is_broken() {
            to.write_all(&self.held)?;
            self.held.clear();
        }
        Ok(true)
    }

    fn show(&self, what: &str) {
        show(&self.trace.line(what));
    }

    /// Those of the handshake.
    fn show_headers<'a>(&self, headers: impl Iterator<Item = (&'a str, &'a [u8])>) {
        for (name, value) in headers {
            if name.to_ascii_lowercase().starts_with("sec-websocket-") || name.eq_ignore_ascii_case("Origin")
            {
                self.show(&format!("{}: {}", name.escape_debug(), value.escape_ascii()));
            }
        }
    }
}

/// A reader that is gone needs no more.
fn show(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A response with a longer head is passed on without being shown.
const MAX_HEAD: usize = 64 * 1024;
