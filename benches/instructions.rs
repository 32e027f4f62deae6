//! Instructions a message of a few paths, beside the figures of the last time: times are too noisy to notice a
//! small loss.
//!
//! ```text
//! cd benches
//! cargo bench --bench instructions                 fails if a path has become more than 3 % longer
//! cargo bench --bench instructions -- --write      keeps today's figures for the next time
//! ```
//!
//! Valgrind counts them, in this program run again for each path. As a test every path runs, uncounted.
//!
//! And what a peer chooses the length of must take a time that is linear in it, or nearly: that is counted for two lengths.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]

mod common;

use std::env;
use std::fs;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use common::payloads::REQUEST;
use common::{Ascii, Binary, Payload, Role, accept};
use sansocket::{Config, Connection, EncodedMessage, Event, Input, Message, ReadBuffer, Server, ServerEvent};

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.tsv");

/// How much longer a path may be than it was: compilers differ a little.
const TOLERANCE: f64 = 1.03;

/// How many messages one call of a path is.
const MESSAGES: usize = 96;

type Path = Box<dyn FnMut()>;
type Named = (&'static str, fn() -> Path);
type Work = (&'static str, fn(usize) -> Path);

const PATHS: &[Named] = &[
    ("receive, server, 16 B", || receive(Role::Server, Binary::message(16))),
    ("receive, endpoint, 16 B", receive_endpoint),
    ("receive, server, 125 B", || receive(Role::Server, Binary::message(125))),
    ("receive, server, 1 KiB", || receive(Role::Server, Binary::message(1024))),
    ("receive, server, 1 KiB in two pieces", || receive_cut(Binary::message(1024))),
    ("receive, server, text, 125 B", || receive(Role::Server, Ascii::message(125))),
    ("receive, client, 16 B", || receive(Role::Client, Binary::message(16))),
    ("receive, server, 16 KiB, read buffer", || receive_buffered(Binary::message(16 << 10))),
    ("answer a ping", ping),
    ("receive and send, server, 16 B", echo),
    ("receive and send, endpoint, 16 B", echo_endpoint),
    ("send, server, 16 B, each written", || send(Role::Server, 16, 1)),
    ("send, server, 16 B, every 32 written", || send(Role::Server, 16, 32)),
    ("send, server, 1 KiB, each written", || send(Role::Server, 1024, 1)),
    ("send, server, 16 KiB shared, each written", send_shared),
    ("send, client, 16 B, each written", || send(Role::Client, 16, 1)),
    ("send, client, 16 B, every 32 written", || send(Role::Client, 16, 32)),
    ("send, client, 1 KiB, each written", || send(Role::Client, 1024, 1)),
    ("handshake of a server", handshake),
];

/// The work of so many bytes of a peer.
const WORK: &[Work] = &[
    ("subprotocols", |len| head(len, "Sec-WebSocket-Protocol: ", |i| format!("p{i},"))),
    ("extensions", |len| head(len, "Sec-WebSocket-Extensions: ", |i| format!("e{i}; a=\"\\b\", "))),
    ("header lines", |len| head(len, "", |i| format!("X-{i}: v\r\n"))),
    ("a head byte by byte", |len| slowly(head_of(len, "", |i| format!("X-{i}: v\r\n")))),
    ("a message byte by byte", |len| slowly(after_request(&frame(0x81, len)))),
    ("fragments of a byte", |len| slowly(after_request(&fragments(len / 7)))),
    ("pings", |len| slowly(after_request(&frame(0x89, 0).repeat(len / 6)))),
];
const LENGTHS: [usize; 2] = [8 << 10, 32 << 10];
/// How much more four times the length may take: sorting takes a little more than four times as much, a square sixteen times.
const FOURFOLD: f64 = 5.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", path, calls] => run(path.parse().unwrap(), calls.parse().unwrap()),
        _ if arguments.iter().any(|argument| argument == "--write") => write(),
        _ if arguments.iter().any(|argument| argument == "--bench") => return compare(),
        _ => (0..PATHS.len() + LENGTHS.len() * WORK.len()).for_each(|path| run(path, 3)),
    }
    ExitCode::SUCCESS
}

fn run(path: usize, calls: usize) {
    let mut call = match path.checked_sub(PATHS.len()) {
        None => PATHS[path].1(),
        Some(work) => WORK[work / LENGTHS.len()].1(LENGTHS[work % LENGTHS.len()]),
    };
    (0..calls).for_each(|_| call());
}

fn write() {
    let lines: String =
        (0..PATHS.len()).map(|path| format!("{}\t{:.1}\n", PATHS[path].0, a_message(path))).collect();
    print!("{lines}");
    fs::write(FIGURES, lines).unwrap();
}

fn compare() -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("nothing is counted: valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    let figures = fs::read_to_string(FIGURES).unwrap();
    let mut result = ExitCode::SUCCESS;
    for (path, (name, _)) in PATHS.iter().enumerate() {
        let before =
            figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')?.parse().ok());
        let (now, before): (f64, f64) = (a_message(path), before.unwrap());
        let verdict = match now / before {
            ratio if ratio > TOLERANCE => {
                result = ExitCode::FAILURE;
                "LONGER"
            }
            ratio if ratio < 1.0 / TOLERANCE => "shorter: --write keeps it",
            _ => "",
        };
        println!("{name:<40}{before:>10.1}{now:>10.1} {verdict}");
    }
    println!("{:<40}{:>10}{:>10}", "a byte, of so many", LENGTHS[0], LENGTHS[1]);
    for (work, (name, _)) in WORK.iter().enumerate() {
        let path = PATHS.len() + LENGTHS.len() * work;
        let [short, long] = [path, path + 1].map(|path| count(path, [1, 3]));
        let verdict = if long > FOURFOLD * short {
            result = ExitCode::FAILURE;
            "NOT LINEAR"
        } else {
            ""
        };
        let a_byte = |count: f64, len: usize| count / len as f64;
        println!("{name:<40}{:>10.1}{:>10.1} {verdict}", a_byte(short, LENGTHS[0]), a_byte(long, LENGTHS[1]));
    }
    result
}

fn a_message(path: usize) -> f64 {
    count(path, [10, 60]) / MESSAGES as f64
}

/// Instructions a call, without what starting the program and preparing takes.
fn count(path: usize, calls: [usize; 2]) -> f64 {
    let collected = |calls: usize| -> f64 {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env::current_exe().unwrap())
            .args(["--run", &path.to_string(), &calls.to_string()])
            .output()
            .expect("valgrind is installed");
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = report.lines().find_map(|line| line.split_once("Collected : ")?.1.parse().ok());
        count.unwrap_or_else(|| panic!("{report}"))
    };
    (collected(calls[1]) - collected(calls[0])) / (calls[1] - calls[0]) as f64
}

/// Masking keys of zeros leave the payload as it is, so that the same bytes can be received again.
fn zeros(bytes: &mut [u8]) {
    bytes.fill(0);
}

fn connection(role: Role) -> Connection {
    match role {
        Role::Server => Connection::server(Config::default()),
        Role::Client => Connection::client(Config::default(), zeros),
    }
}

/// What the other end sends.
fn stream(role: Role, message: &Message<'_>) -> Vec<u8> {
    let mut peer = connection(match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    });
    (0..MESSAGES).for_each(|_| peer.send(message).unwrap());
    peer.output().to_vec()
}

fn receive(role: Role, message: Message<'static>) -> Path {
    let (mut connection, mut bytes) = (connection(role), stream(role, &message));
    Box::new(move || assert_eq!(messages(&mut connection, &mut bytes), MESSAGES))
}

/// A [`Server`] whose connection is open.
fn endpoint() -> Server {
    let mut server = Server::new(Config::default());
    let mut request = REQUEST.to_vec();
    match server.recv(&mut Input::new(&mut request)) {
        Some(ServerEvent::Upgrade(request)) => server.answer(request.accept()),
        other => panic!("{other:?}"),
    }
    server.output_written(server.output().len());
    server
}

fn receive_endpoint() -> Path {
    let (mut server, mut bytes) = (endpoint(), stream(Role::Server, &Binary::message(16)));
    Box::new(move || assert_eq!(endpoint_messages(&mut server, &mut bytes), MESSAGES))
}

#[inline(never)]
fn endpoint_messages(server: &mut Server, bytes: &mut [u8]) -> usize {
    let (mut input, mut count) = (Input::new(bytes), 0);
    while let Some(event) = server.recv(&mut input) {
        if let ServerEvent::Open(Event::Message(message)) = event {
            black_box(message.as_bytes());
            count += 1;
        }
    }
    count
}

/// Each message is sent back, and all of it is written at once.
fn echo() -> Path {
    let (mut connection, mut bytes) = (connection(Role::Server), stream(Role::Server, &Binary::message(16)));
    Box::new(move || {
        echo_messages(&mut connection, &mut bytes);
        written(&mut connection);
    })
}

#[inline(never)]
fn echo_messages(connection: &mut Connection, bytes: &mut [u8]) {
    let mut input = Input::new(bytes);
    while let Some(event) = connection.recv(&mut input) {
        if let Event::Message(message) = event {
            connection.send(&message).unwrap();
        }
    }
}

fn echo_endpoint() -> Path {
    let (mut server, mut bytes) = (endpoint(), stream(Role::Server, &Binary::message(16)));
    Box::new(move || {
        echo_endpoint_messages(&mut server, &mut bytes);
        written(server.connection());
    })
}

#[inline(never)]
fn echo_endpoint_messages(server: &mut Server, bytes: &mut [u8]) {
    let mut input = Input::new(bytes);
    while let Some(event) = server.recv(&mut input) {
        if let ServerEvent::Open(Event::Message(message)) = event {
            server.connection().send(&message).unwrap();
        }
    }
}

fn receive_cut(message: Message<'static>) -> Path {
    let (mut connection, mut bytes) = (connection(Role::Server), stream(Role::Server, &message));
    let half = bytes.len() / MESSAGES / 2;
    Box::new(move || {
        let received: usize = bytes.chunks_mut(half).map(|piece| messages(&mut connection, piece)).sum();
        assert_eq!(received, MESSAGES);
    })
}

fn receive_buffered(message: Message<'static>) -> Path {
    let (mut connection, bytes) = (connection(Role::Server), stream(Role::Server, &message));
    let mut buffer = ReadBuffer::new(4 << 10, 1 << 20);
    Box::new(move || {
        let (mut rest, mut count) = (&bytes[..], 0);
        while !rest.is_empty() {
            let space = buffer.space();
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            buffer.filled(n);
            let mut input = buffer.input();
            while let Some(event) = connection.recv(&mut input) {
                count += usize::from(matches!(black_box(event), Event::Message(_)));
            }
        }
        assert_eq!(count, MESSAGES);
    })
}

#[inline(never)]
fn messages(connection: &mut Connection, bytes: &mut [u8]) -> usize {
    let (mut input, mut count) = (Input::new(bytes), 0);
    while let Some(event) = connection.recv(&mut input) {
        if let Event::Message(message) = event {
            black_box(message.as_bytes());
            count += 1;
        }
    }
    count
}

fn ping() -> Path {
    let (mut connection, ping) = (connection(Role::Server), *b"\x89\x84\0\0\0\0ping");
    Box::new(move || {
        for _ in 0..MESSAGES {
            let mut bytes = ping;
            assert!(matches!(connection.recv(&mut Input::new(&mut bytes)), Some(Event::Ping(_))));
            written(&mut connection);
        }
    })
}

fn send(role: Role, size: usize, flush: usize) -> Path {
    let (mut connection, message) = (connection(role), Binary::message(size));
    Box::new(move || {
        for _ in 0..MESSAGES / flush {
            for _ in 0..flush {
                connection.send(black_box(&message)).unwrap();
            }
            written(&mut connection);
        }
    })
}

fn send_shared() -> Path {
    let mut connection = connection(Role::Server);
    let message = EncodedMessage::new(&Binary::message(16 << 10));
    Box::new(move || {
        for _ in 0..MESSAGES {
            connection.send_encoded(black_box(&message)).unwrap();
            written(&mut connection);
        }
    })
}

fn written(connection: &mut Connection) {
    let len = black_box(connection.output()).len();
    connection.output_written(len);
}

fn handshake() -> Path {
    let mut request = REQUEST.to_vec();
    Box::new(move || {
        for _ in 0..MESSAGES {
            black_box(accept(&mut request));
        }
    })
}

/// A request with about so many bytes of this header, or of these lines.
fn head_of(len: usize, name: &str, part: fn(usize) -> String) -> Vec<u8> {
    let start = REQUEST.strip_suffix(b"\r\n").unwrap();
    let mut head = [start, name.as_bytes()].concat();
    (0..)
        .map(part)
        .take_while(|part| {
            head.extend_from_slice(part.as_bytes());
            head.len() < len
        })
        .count();
    while !name.is_empty() && matches!(head.last(), Some(b' ' | b',')) {
        head.pop();
    }
    head.extend_from_slice(if name.is_empty() { b"\r\n" } else { b"\r\n\r\n" });
    head
}

fn head(len: usize, name: &str, part: fn(usize) -> String) -> Path {
    let mut bytes = head_of(len, name, part);
    Box::new(move || {
        let mut server = large();
        let event = server.recv(&mut Input::new(&mut bytes));
        assert!(matches!(black_box(event), Some(ServerEvent::Upgrade(_))));
    })
}

/// A byte at a time.
fn slowly(bytes: Vec<u8>) -> Path {
    Box::new(move || {
        let (mut server, mut buffer, mut events) = (large(), ReadBuffer::new(4 << 10, 1 << 20), 0);
        for byte in &bytes {
            buffer.space()[0] = *byte;
            buffer.filled(1);
            let mut input = buffer.input();
            while let Some(event) = server.recv(&mut input) {
                events += 1;
                if let ServerEvent::Upgrade(request) = event {
                    server.answer(request.accept());
                }
            }
            server.output_written(server.output().len());
        }
        assert!(events > 0);
    })
}

fn large() -> Server {
    Server::new(Config::default().max_head(1 << 20).max_headers(100_000))
}

fn after_request(frames: &[u8]) -> Vec<u8> {
    [REQUEST, frames].concat()
}

/// A frame with so many bytes of payload, and a mask of zeros.
fn frame(first: u8, len: usize) -> Vec<u8> {
    let (short, extended) = match u16::try_from(len).unwrap() {
        len @ ..126 => (len as u8, Vec::new()),
        len => (126, len.to_be_bytes().to_vec()),
    };
    [&[first, 0x80 | short], &extended[..], &[0; 4], &vec![b'a'; len]].concat()
}

fn fragments(count: usize) -> Vec<u8> {
    [frame(0x01, 1), frame(0x00, 1).repeat(count), frame(0x80, 1)].concat()
}
