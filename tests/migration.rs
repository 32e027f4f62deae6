//! The examples that do what those of tokio-tungstenite do, as programs: their input, output and exit status.
#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use sansocket::handshake::ClientRequest;
use sansocket::tokio::{Error, accept, connect, connect_with};
use sansocket::{CloseCode, Config, Event, Message};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a program may take for what it does at once.
const LIMIT: Duration = Duration::from_secs(20);

/// `cargo test` builds the examples beside the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: run `cargo build --all-features --examples`", path.display());
    Command::new(path)
}

/// Runs it in a thread. The runtime does not wait for its end, as it would with `spawn_blocking`: a program that hangs fails the test.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (returned, result) = oneshot::channel();
    thread::spawn(move || returned.send(run()).ok());
    timeout(LIMIT, result).await.expect("it ends").expect("it does not panic")
}

/// What a client printed, and how it ended.
async fn run(mut command: Command, url: String, input: &'static str) -> Output {
    blocking(move || {
        command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
}

fn lines(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stdout).unwrap().lines().collect()
}

/// A server example, until it is dropped.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(name: &str) -> Self {
        let mut child = example(name)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.split("ws://").nth(1).expect("it says where it listens");
        let address = url.split('/').next().unwrap().to_owned();
        Self { child, stdout, address }
    }

    /// Ends it; what else it has printed.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Echoes on each connection, as often as `messages` says; then it closes.
async fn echo_server(messages: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut ws = accept(listener.accept().await.unwrap().0).await.unwrap();
        for _ in 0..messages {
            let Some(Event::Message(message)) = ws.recv().await.unwrap() else { return };
            let message = message.into_owned();
            ws.send(&message).await.unwrap();
        }
        ws.close(CloseCode::GOING_AWAY, "").await.unwrap();
        ws.finish().await.unwrap();
    });
    address
}

#[tokio::test]
async fn the_client_sends_its_input_and_closes_at_its_end() {
    let address = echo_server(usize::MAX).await;
    let output = run(example("tokio_client"), format!("ws://{address}/"), "Hello\n\u{20ac}\nlast").await;
    assert_eq!(lines(&output), ["Hello", "\u{20ac}", "last"], "{output:?}");
    assert!(output.status.success());
}

#[tokio::test]
async fn the_client_ends_when_the_server_closes() {
    let address = echo_server(1).await;
    let mut command = example("tokio_client");
    // The input stays open.
    command.arg(format!("ws://{address}/")).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"Hello\n").unwrap();
    assert!(blocking(move || child.wait().unwrap()).await.success());
    drop(input);
}

#[tokio::test]
async fn clients_say_why_there_was_no_closing_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for name in ["tokio_client", "tokio_split_client"] {
        let run = tokio::spawn(run(example(name), format!("ws://{address}/"), ""));
        let accepted = timeout(LIMIT, listener.accept()).await;
        drop(accept(accepted.expect("it connects").unwrap().0).await.unwrap());
        let output = run.await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("ws://"), "{name}");
    }
    // A port where nobody listens. One that was free a moment ago may be that of another test by now.
    for name in ["tokio_client", "tokio_split_client"] {
        let output = run(example(name), "ws://127.0.0.1:1/".into(), "").await;
        assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("refused"), "{name}");
    }
}

#[tokio::test]
async fn the_split_client_forwards_what_its_tasks_send() {
    let address = echo_server(usize::MAX).await;
    let output = run(example("tokio_split_client"), format!("ws://{address}/"), "").await;
    for task in 1..=3 {
        let of_task = lines(&output).into_iter().filter(|line| line.starts_with(&format!("task {task}")));
        let expected = [1, 2, 3].map(|number| format!("task {task}, message {number}"));
        assert_eq!(of_task.collect::<Vec<_>>(), expected, "{output:?}");
    }
    assert!(lines(&output).len() == 9 && output.status.success());
}

#[tokio::test]
async fn the_server_reads_and_writes_headers() {
    let server = Server::start("tokio_server_headers");
    let request = ClientRequest::new(&format!("ws://{}/socket", server.address)).unwrap();
    let request = request.header("X-Asked-By", "a test").unwrap().subprotocol("echo").unwrap();
    let (mut ws, established) = connect_with(request, Config::default()).await.unwrap();
    assert_eq!(established.header("x-served-by"), Some(&b"tokio_server_headers"[..]));
    assert_eq!(established.subprotocol(), Some("echo"));
    let message = Message::from("Hello");
    ws.send(&message).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(message)));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    ws.finish().await.unwrap();
    let Err(Error::Refused(refused)) = connect(&*format!("ws://{}/other", server.address)).await else {
        panic!("there is only /socket")
    };
    assert_eq!(refused.status(), 404);
    let said = server.stop();
    assert!(said.contains("request for /socket\n"), "{said}");
    assert!(said.contains("\n  X-Asked-By: a test\n"), "{said}");
    assert!(said.contains("request for /other\n"), "{said}");
}

#[tokio::test]
async fn the_server_echoes_between_ticks() {
    let server = Server::start("tokio_interval_server");
    let mut ws = connect(&*format!("ws://{}/", server.address)).await.unwrap();
    ws.send_text("Hello").await.unwrap();
    let (mut ticks, mut echoes) = (0, 0);
    while ticks < 2 || echoes < 1 {
        match timeout(LIMIT, ws.recv()).await.expect("it ticks").unwrap() {
            Some(Event::Message(message)) if message == "tick" => ticks += 1,
            Some(Event::Message(message)) if message == "Hello" => echoes += 1,
            other => panic!("{other:?}"),
        }
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    ws.finish().await.unwrap();
}

#[test]
fn command_lines() {
    for name in ["tokio_client", "tokio_split_client", "tokio_server_headers", "tokio_interval_server"] {
        let output = example(name).arg("--help").output().unwrap();
        assert!(output.status.success(), "{name}");
        assert!(lines(&output)[0].starts_with(&format!("usage: {name}")), "{output:?}");
        let output = example(name).arg("--such-an-option").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("--such-an-option"), "{name}");
    }
    let output = example("tokio_interval_server").args(["--every", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
