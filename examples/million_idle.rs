//! What very many idle server connections cost: the state of the protocol alone, or with real sockets.
//!
//! ```text
//! cargo run --release --example million_idle -- [CONNECTIONS]
//! cargo run --release --example million_idle -- --sockets [CONNECTIONS]
//! ```
//!
//! Without sockets each connection has done its opening handshake, received a message and answered it, and now waits.
//!
//! With sockets this process serves, over loopback, one that it starts as the client. All connections are opened, each is
//! pinged, every tenth gets a message and sends it back, all wait, and all are closed. There are as many as this system
//! lets a process have files open: `ulimit -Hn` tells.

#[path = "common/options.rs"]
mod options;

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use lexopt::Arg::{Long, Value};
use lexopt::ValueExt;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{Config, Connection, Event, Input};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "usage: million_idle [--sockets] [CONNECTIONS]

Prints what idle server connections cost.

  --sockets     one socket each, over loopback
  CONNECTIONS   how many (1000000; with --sockets, the limit of open files)
  -h, --help    print this";

/// What is to be done.
enum Task {
    State(usize),
    Sockets(Option<usize>),
    /// Started by `Sockets`: how many connections, and where to.
    Client(usize, Vec<String>),
}

fn main() -> Result<()> {
    let task = options::parse(USAGE, |args| {
        let (mut with_sockets, mut is_client, mut count, mut addresses) = (false, false, None, vec![]);
        while let Some(arg) = args.next()? {
            match arg {
                Long("sockets") => with_sockets = true,
                Long("client") => is_client = true,
                Value(value) if count.is_none() => {
                    count = Some(options::value(value, "CONNECTIONS", "a number")?);
                }
                Value(address) if is_client => addresses.push(address.string()?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(match count {
            Some(count) if is_client => Task::Client(count, addresses),
            _ if with_sockets => Task::Sockets(count),
            _ => Task::State(count.unwrap_or(1_000_000)),
        })
    });
    match task {
        Task::State(count) => state(count),
        Task::Sockets(count) => sockets(count),
        Task::Client(count, addresses) => client(count, &addresses),
    }
}

fn state(count: usize) -> Result<()> {
    let mut connections = Vec::with_capacity(count);
    let before = HEAP.load(Ordering::Relaxed);
    for _ in 0..count {
        connections.push(idle()?);
    }
    let heap = HEAP.load(Ordering::Relaxed) - before;
    println!("{count} idle connections");
    println!("{:>6} bytes of state each", size_of::<Connection>());
    println!("{:>6} bytes of heap each", heap / count.max(1));
    println!("{:>6} MiB in all", (count * size_of::<Connection>() + heap) >> 20);
    Ok(())
}

/// A connection that has had some traffic and is idle.
fn idle() -> Result<Connection> {
    let mut request = *REQUEST;
    let handshake = ServerHandshake::new(Config::default());
    let ServerProgress::Upgrade(request) = handshake.recv(&mut Input::new(&mut request)) else {
        return Err("the request is valid".into());
    };
    let mut connection = request.accept();
    let mut message = *MESSAGE;
    let mut input = Input::new(&mut message);
    while let Some(event) = connection.recv(&mut input) {
        if let Event::Message(message) = event {
            connection.send(&message)?;
        }
    }
    connection.output_written(connection.output().len());
    connection.shrink();
    Ok(connection)
}

/// The server, and what it costs.
fn sockets(count: Option<usize>) -> Result<()> {
    let files = usize::try_from(rlimit::increase_nofile_limit(u64::MAX)?)?;
    let count = count.unwrap_or(usize::MAX).min(files.saturating_sub(64));
    // One address has fewer ports for clients than there can be files.
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listeners: Vec<_> =
        (0..count.div_ceil(10_000)).map(|_| TcpListener::bind(any)).collect::<io::Result<_>>()?;
    let mut client = Command::new(std::env::current_exe()?);
    client.args(["--client", &count.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    for listener in &listeners {
        client.arg(listener.local_addr()?.to_string());
    }
    let before = (resident(), HEAP.load(Ordering::Relaxed));
    let server = thread::spawn(move || serve(listeners, count));
    let mut client = client.spawn()?;
    // It says what it has done, and goes on when it is told to.
    let (mut go_on, said) = (client.stdin.take(), client.stdout.take());
    for said in io::BufReader::new(said.ok_or("no pipe")?).lines() {
        let resident = resident().saturating_sub(before.0) / count.max(1);
        let heap = HEAP.load(Ordering::Relaxed).saturating_sub(before.1) / count.max(1);
        println!("{:>10}: {resident} bytes of memory each, of them {heap} of heap", said?);
        go_on.as_mut().ok_or("no pipe")?.write_all(b"\n")?;
    }
    let closed = server.join().map_err(|_| "the server panicked")??;
    if !client.wait()?.success() {
        return Err("the client has failed".into());
    }
    println!("{:>10}: {closed} connections", "closed");
    Ok(())
}

struct Peer {
    stream: TcpStream,
    protocol: Protocol,
    shut_down: bool,
}

enum Protocol {
    /// Taken while it is advanced.
    Handshake(Option<Box<ServerHandshake>>),
    Open(Connection),
}

/// Serves until `count` connections have come and were closed as they should be; returns how many.
fn serve(mut listeners: Vec<TcpListener>, count: usize) -> Result<usize> {
    let mut poll = Poll::new()?;
    for (i, listener) in listeners.iter_mut().enumerate() {
        poll.registry().register(listener, Token(i), Interest::READABLE)?;
    }
    let (mut peers, mut closed) = (Vec::with_capacity(count), 0);
    let (mut events, mut buf) = (Events::with_capacity(1024), vec![0; 16 * 1024]);
    while closed < count {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err("nothing happens".into());
        }
        for event in &events {
            let Token(i) = event.token();
            if let Some(listener) = listeners.get(i) {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(listeners.len() + peers.len());
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    let protocol =
                        Protocol::Handshake(Some(Box::new(ServerHandshake::new(Config::default()))));
                    peers.push(Some(Peer { stream, protocol, shut_down: false }));
                }
            } else if let Some(peer) = &mut peers[i - listeners.len()]
                && !peer.go_on(&mut buf)?
            {
                peers[i - listeners.len()] = None;
                closed += 1;
            }
        }
    }
    Ok(closed)
}

impl Peer {
    /// Reads until there is no more, and answers; false when the connection is over. What is written here is so little
    /// that the stream always takes it.
    fn go_on(&mut self, buf: &mut [u8]) -> Result<bool> {
        loop {
            let n = match self.stream.read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                n => n?,
            };
            let mut input = Input::new(&mut buf[..n]);
            if let Protocol::Handshake(handshake) = &mut self.protocol {
                match handshake.take().ok_or("a handshake twice")?.recv(&mut input) {
                    ServerProgress::Incomplete(more) if n > 0 => *handshake = Some(Box::new(more)),
                    ServerProgress::Upgrade(request) => self.protocol = Protocol::Open(request.accept()),
                    _ => return Err("this is no handshake".into()),
                }
            }
            let Protocol::Open(connection) = &mut self.protocol else { continue };
            if n == 0 {
                connection.recv_eof();
            }
            while let Some(event) = connection.recv(&mut input) {
                match event {
                    Event::Message(message) => connection.send(&message)?,
                    Event::Failed(error) => return Err(error.into()),
                    _ => {}
                }
            }
            self.stream.write_all(connection.output())?;
            connection.output_written(connection.output().len());
            connection.shrink();
            if connection.should_shutdown() && !self.shut_down {
                self.shut_down = true;
                self.stream.shutdown(Shutdown::Write)?;
            }
            if connection.is_ended() {
                return Ok(false);
            }
        }
    }
}

/// The other process: `count` connections, one after the other, in bytes as they are.
fn client(count: usize, addresses: &[String]) -> Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut streams = Vec::new();
    for address in addresses.iter().cycle().take(count) {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(REQUEST)?;
        expect(&mut stream, RESPONSE)?;
        streams.push(stream);
    }
    say("open")?;
    for (every, bytes, answer) in [(1, PING, PONG), (10, MESSAGE, ECHO)] {
        streams.iter_mut().step_by(every).try_for_each(|stream| stream.write_all(bytes))?;
        streams.iter_mut().step_by(every).try_for_each(|stream| expect(stream, answer))?;
    }
    say("answered")?;
    for stream in &mut streams {
        stream.write_all(CLOSE)?;
        expect(stream, CLOSED)?;
        if stream.read(&mut [0])? != 0 {
            return Err("there is more after the Close".into());
        }
    }
    Ok(())
}

fn expect(stream: &mut impl Read, answer: &[u8]) -> Result<()> {
    let mut bytes = vec![0; answer.len()];
    stream.read_exact(&mut bytes)?;
    if bytes == answer { Ok(()) } else { Err(String::from_utf8_lossy(&bytes).into()) }
}

/// Says what was done, and waits to go on.
fn say(done: &str) -> io::Result<()> {
    println!("{done}");
    io::stdin().read_line(&mut String::new()).map(drop)
}

/// How many bytes of memory this process has.
fn resident() -> usize {
    // Where there is no such file, nothing is known.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).map_or(0, |kib: usize| kib << 10)
}

const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST: &[u8; 148] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// "Hello", masked.
const MESSAGE: &[u8; 11] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const ECHO: &[u8] = b"\x81\x05Hello";
const PING: &[u8] = b"\x89\x82\x37\xfa\x21\x3d\x5f\x93";
const PONG: &[u8] = b"\x8a\x02hi";
/// 1000.
const CLOSE: &[u8] = b"\x88\x82\x37\xfa\x21\x3d\x34\x12";
const CLOSED: &[u8] = b"\x88\x02\x03\xe8";

static HEAP: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting what it has given out.
struct Counting;

// SAFETY: every call is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HEAP.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
