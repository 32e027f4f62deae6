//! The programs in C and Python, each with a real peer on a real socket. Without a C compiler, Python or valgrind, the test
//! that needs it says that it is skipped.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sansocket::{CloseCode, Event, Message, net};

/// Where cargo has put the libraries.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(1).unwrap().to_owned()
}

/// Not by `eprintln!`, which the test harness swallows.
fn skipped(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

fn exists(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Compiles `echo_server.c` with the static library; `None` if there is no C compiler.
fn echo_server(name: &str) -> Option<PathBuf> {
    if !exists("cc") {
        skipped("there is no C compiler");
        return None;
    }
    let program = libraries().join(name);
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1", "echo_server.c"])
        .arg(libraries().join("libsansocket_c.a"))
        .args(["-lpthread", "-ldl", "-lm", "-o"])
        .arg(&program)
        .status();
    assert!(compiled.unwrap().success());
    Some(program)
}

/// A server that runs until it is dropped.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.arg("0").stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.split("ws://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { child, address }
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends `bytes` and tells all that is answered.
    fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        stream.write_all(bytes).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// A client that sends messages of several sizes gets them back.
    fn echoes(&self) {
        let mut ws = net::connect(format!("ws://{}/", self.address)).unwrap();
        let messages = [
            Message::from(""),
            Message::from("Hello"),
            Message::from(vec![7; 70_000]),
            Message::from(vec![9; 3_000_000]),
        ];
        for message in messages {
            ws.send(&message).unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Event::Message(message)));
        }
        ws.close(CloseCode::NORMAL, "bye").unwrap();
        assert!(
            matches!(ws.recv().unwrap(), Some(Event::Close(Some(close))) if close.code() == CloseCode::NORMAL)
        );
        assert_eq!(ws.recv().unwrap(), None);
    }

    /// Whatever hostile peers send, the answer is the right one and the others are served.
    fn survives(&self) {
        let frames = |frames: &[u8]| [REQUEST, frames].concat();
        let close = |answer: &[u8]| answer.split(|byte| *byte == 0x88).next_back().unwrap()[1..].to_vec();
        assert!(self.exchange(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
        assert!(self.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with(b"HTTP/1.1 404 "));
        assert!(self.exchange(&[b'a'; 100_000]).starts_with(b"HTTP/1.1 4"));
        assert_eq!(self.exchange(b""), b"");
        assert!(close(&self.exchange(&frames(b"\x81\x05Hello"))).starts_with(b"\x03\xEA"), "not masked");
        assert!(close(&self.exchange(&frames(b"\x83\x80\0\0\0\0"))).starts_with(b"\x03\xEA"), "reserved");
        assert!(
            close(&self.exchange(&frames(b"\x81\x81\0\0\0\0\xFF"))).starts_with(b"\x03\xEF"),
            "not UTF-8"
        );
        let huge = frames(b"\x82\xFF\0\0\0\xFF\xFF\xFF\xFF\xFF\0\0\0\0");
        assert!(close(&self.exchange(&huge)).starts_with(b"\x03\xF1"), "too big");
        // Byte by byte.
        let mut drip = self.stream();
        drip.set_nodelay(true).unwrap();
        for byte in frames(b"\x81\x82\0\0\0\0hi\x89\x80\0\0\0\0\x88\x80\0\0\0\0") {
            drip.write_all(&[byte]).unwrap();
        }
        let mut answer = Vec::new();
        drip.read_to_end(&mut answer).unwrap();
        assert!(answer.ends_with(b"\x81\x02hi\x8A\x00\x88\x00"), "{answer:?}");
        // Rubbish, and peers that vanish with their answers unread.
        let mut seed = 1_u32;
        for _ in 0..200 {
            let rubbish: Vec<u8> = (0..seed % 300)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 17;
                    seed ^= seed << 5;
                    seed as u8
                })
                .collect();
            seed = seed.wrapping_add(1);
            let _ = self.stream().write_all(&frames(&rubbish));
            let _ = self.stream().write_all(&rubbish);
        }
        self.echoes();
    }

    /// Asks the server to stop, and waits until it has freed everything.
    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_echo_server_in_c() {
    let Some(program) = echo_server("c_echo_server") else { return };
    let server = Running::start(&mut Command::new(program));
    server.echoes();
    // Many at once, one of which never reads.
    let mut idle = server.stream();
    idle.write_all(REQUEST).unwrap();
    let mut clients: Vec<_> =
        (0..50).map(|_| net::connect(format!("ws://{}/", server.address)).unwrap()).collect();
    for (i, ws) in clients.iter_mut().enumerate() {
        ws.send_text(&i.to_string()).unwrap();
    }
    for (i, ws) in clients.iter_mut().enumerate() {
        assert_eq!(ws.recv().unwrap(), Some(Event::Message(Message::from(i.to_string()))));
    }
    server.survives();
    server.stop();
}

#[test]
fn the_same_under_valgrind_reads_and_frees_what_it_should() {
    let Some(program) = echo_server("c_echo_server_checked") else { return };
    if !exists("valgrind") {
        skipped("there is no valgrind");
        return;
    }
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--leak-check=full", "--error-exitcode=9"]).arg(program);
    let server = Running::start(&mut command);
    let ws = net::connect(format!("ws://{}/", server.address)).unwrap();
    server.survives();
    server.stop();
    drop(ws);
}

#[test]
fn a_client_in_python() {
    if !exists("python3") {
        skipped("there is no python3");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut ws = net::accept(listener.accept().unwrap().0).unwrap();
        while let Some(mut batch) = ws.read().unwrap() {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.feed(&message).unwrap();
                }
            }
        }
    });
    let library = libraries().join(if cfg!(target_os = "macos") {
        "libsansocket_c.dylib"
    } else {
        "libsansocket_c.so"
    });
    assert!(Path::new("client.py").exists(), "cargo runs tests in the folder of their package");
    let said = Command::new("python3").arg("client.py").arg(library).arg(url).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(said.stdout, b"all came back\n");
    if server.join().is_err() {
        panic!("the server saw another end than a closing handshake");
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
