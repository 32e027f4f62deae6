//! An echo server on tokio: a task for each connection, all cores, all that one read brought answered with
//! one write.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_echo -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use sansocket::deflate::Deflate;
use sansocket::handshake::Response;
use sansocket::tokio::{Accepting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Event, SendError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

const USAGE: &str = "usage: tokio_echo [--listen ADDR:PORT] [--max-message BYTES] [--deflate]";

#[tokio::main]
async fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Ok(options) => match serve(options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        },
        Err(error) => fail(&format!("{error}\n{USAGE}")),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

struct Options {
    listen: String,
    max_message: u64,
    deflate: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { listen: "127.0.0.1:9001".into(), max_message: 16 << 20, deflate: false };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--listen" => options.listen = value()?,
                "--max-message" => {
                    options.max_message = value()?.parse().map_err(|e| format!("{arg}: {e}"))?
                }
                "--deflate" => options.deflate = true,
                _ => return Err(format!("unknown option {arg}")),
            }
        }
        Ok(options)
    }
}

async fn serve(options: Options) -> io::Result<()> {
    let config = Config::default()
        .max_frame(options.max_message)
        .max_message(options.max_message)
        .max_output(usize::try_from(options.max_message).unwrap_or(usize::MAX).saturating_add(64 << 20))
        .deflate(options.deflate.then(Deflate::default))
        .ping_interval(Some(Duration::from_secs(30)));
    let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen))
    })?;
    let address = listener.local_addr()?;
    println!("echo server on ws://{address}/, for messages of up to {} bytes", options.max_message);
    println!("try it: open http://{address}/ in a browser, or run");
    println!("    cargo run --release --features net --example client -- ws://{address}/");

    // Every task holds both: it sees the value change, and when the last one is gone the other channel ends.
    let (stop, stopping) = watch::channel(false);
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let mut stop_signal = std::pin::pin!(stop_signal());
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            result = &mut stop_signal => break result?,
        };
        match stream {
            Ok((stream, _)) => {
                let (stopping, alive) = (stopping.clone(), alive.clone());
                tokio::spawn(async move {
                    // Whatever ends one connection is that connection's business only.
                    let _ = connection(stream, config, stopping).await;
                    drop(alive);
                });
            }
            // Such as too many open files: some will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    stop.send_replace(true);
    drop(alive);
    let _ = tokio::time::timeout(Duration::from_secs(3), all_gone.recv()).await;
    println!("stopped");
    Ok(())
}

#[cfg(unix)]
async fn stop_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

async fn connection(stream: TcpStream, config: Config, stopping: watch::Receiver<bool>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    // Boxed, so that the task of an open connection is not as large as its handshake was.
    let incoming = Box::pin(async { Accepting::new(stream, config).advance().await }).await?;
    match incoming {
        Incoming::Upgrade(upgrade) => {
            let ws = Box::pin(upgrade.accept()).await?;
            echo(ws, stopping).await?;
        }
        Incoming::Http(http) => {
            let page = page(http.request.target());
            Box::pin(http.respond(&page)).await?;
        }
    }
    Ok(())
}

async fn echo(mut ws: WebSocket<TcpStream>, mut stopping: watch::Receiver<bool>) -> io::Result<()> {
    let mut stopped = false;
    loop {
        // `read` is cancel-safe: nothing is lost when the other branch wins.
        let batch = tokio::select! {
            batch = ws.read() => batch?,
            _ = stopping.changed(), if !stopped => {
                stopped = true;
                // Closing already is fine; what is still on its way is received.
                let _ = ws.connection_mut().close(CloseCode::GOING_AWAY, "the server is shutting down");
                continue;
            }
        };
        let Some(mut batch) = batch else { return Ok(()) };
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                match batch.feed(&message) {
                    // What arrives after our own Close has no answer.
                    Ok(()) | Err(SendError::Closed) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

fn page(target: &str) -> Response {
    let (status, content_type, body) = match target {
        "/" => (200, "text/html; charset=utf-8", PAGE),
        _ => (404, "text/plain", "There is only /, and WebSockets everywhere.\n"),
    };
    Response::new(status)
        .and_then(|response| response.header("Content-Type", content_type))
        .map(|response| response.body(body))
        .expect("the status and the header are valid")
}

const PAGE: &str = r#"<!DOCTYPE html>
<meta charset="utf-8">
<title>sansocket echo</title>
<h1>sansocket echo</h1>
<form><input id="text" size="40" placeholder="type and press Enter" autofocus disabled></form>
<pre id="log"></pre>
<script>
const log = line => document.getElementById("log").textContent += line + "\n";
const text = document.getElementById("text");
const ws = new WebSocket("ws://" + location.host + "/");
ws.onopen = () => { log("open"); text.disabled = false; text.focus(); };
ws.onmessage = event => log("< " + event.data);
ws.onclose = event => { log("closed: " + event.code + " " + event.reason); text.disabled = true; };
document.querySelector("form").onsubmit = event => {
    event.preventDefault();
    log("> " + text.value);
    ws.send(text.value);
    text.value = "";
};
</script>
"#;
