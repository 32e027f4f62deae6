//! An echo server: a thread for each connection, all that one read brought answered with one write.
//!
//! ```text
//! cargo run --release --features net --example echo_server -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```

use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::deflate::Deflate;
use sansocket::handshake::Response;
use sansocket::net::{self, Accepting, Incoming, Step, WebSocket};
use sansocket::{CloseCode, Config, Event, SendError, State};

const USAGE: &str = "usage: echo_server [--listen ADDR:PORT] [--max-message BYTES] [--deflate]";

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Ok(options) => match serve(options) {
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

/// What all threads share.
#[derive(Default)]
struct Server {
    stopping: AtomicBool,
    connections: AtomicUsize,
}

/// One connection, until it is dropped.
struct Counted(Arc<Server>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve(options: Options) -> io::Result<()> {
    let config = Config::default()
        .max_frame(options.max_message)
        .max_message(options.max_message)
        .max_output(usize::try_from(options.max_message).unwrap_or(usize::MAX).saturating_add(64 << 20))
        .deflate(options.deflate.then(Deflate::default))
        .ping_interval(Some(Duration::from_secs(30)));
    let listener = TcpListener::bind(&options.listen).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen))
    })?;
    let address = listener.local_addr()?;
    let server = Arc::new(Server::default());
    ctrlc::set_handler({
        let server = Arc::clone(&server);
        move || {
            server.stopping.store(true, Ordering::SeqCst);
            // The accepting thread waits in the system: a connection wakes it, as soon as there is a file
            // left for one.
            while TcpStream::connect(address).is_err() {
                thread::sleep(TICK / 10);
            }
        }
    })
    .map_err(io::Error::other)?;

    // Nobody has to read this.
    let _ = write!(
        io::stdout(),
        "echo server on ws://{address}/, for messages of up to {} bytes\n\
         try it: open http://{address}/ in a browser, or run\n    \
         cargo run --release --features net --example client -- ws://{address}/\n",
        options.max_message
    );

    for stream in listener.incoming() {
        if server.stopping.load(Ordering::SeqCst) {
            break;
        }
        match stream {
            Ok(stream) => {
                server.connections.fetch_add(1, Ordering::SeqCst);
                let counted = Counted(Arc::clone(&server));
                // Without a thread for it the connection is dropped.
                let _ = thread::Builder::new().spawn(move || {
                    // Whatever ends one connection is that connection's business only.
                    let _ = connection(&counted.0, stream, config);
                });
            }
            // Such as too many open files: some will be closed.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }

    let stopped = Instant::now();
    while server.connections.load(Ordering::SeqCst) > 0 && stopped.elapsed() < Duration::from_secs(3) {
        thread::sleep(TICK / 10);
    }
    let _ = writeln!(io::stdout(), "stopped");
    Ok(())
}

fn connection(server: &Server, stream: TcpStream, config: Config) -> Result<(), net::Error> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    match Accepting::new(stream, config).advance()? {
        Step::Done(Incoming::Upgrade(upgrade)) => echo(server, upgrade.accept()?)?,
        Step::Done(Incoming::Http(http)) => {
            let page = page(http.request.path());
            http.respond(&page)?;
        }
        Step::Blocked(_) => return Err(io::Error::from(ErrorKind::TimedOut).into()),
    }
    Ok(())
}

fn echo(server: &Server, mut ws: WebSocket<TcpStream>) -> io::Result<()> {
    ws.set_read_timeout(Some(TICK));
    loop {
        if server.stopping.load(Ordering::SeqCst) && ws.connection().state() == State::Open {
            ws.close(CloseCode::GOING_AWAY, "the server is shutting down")?;
        }
        match ws.read() {
            Ok(Some(mut batch)) => {
                while let Some(event) = batch.recv() {
                    if let Event::Message(message) = event {
                        match batch.feed(&message) {
                            // What arrives after our own Close has no answer.
                            Ok(()) | Err(SendError::Closed) => {}
                            Err(error) => return Err(error.into()),
                        }
                    }
                }
                // All answers at once. The timeout for writing ends a connection whose peer reads nothing.
                ws.flush()?;
            }
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if ws.connection().wants_write() {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn page(path: &str) -> Response {
    let (status, content_type, body) = match path {
        "/" => (200, "text/html; charset=utf-8", PAGE),
        _ => (404, "text/plain", "There is only /, and WebSockets everywhere.\n"),
    };
    Response::new(status)
        .and_then(|response| response.header("Content-Type", content_type))
        .map(|response| response.body(body))
        .expect("the status and the header are valid")
}

/// How often a waiting connection looks whether the server is stopping.
const TICK: Duration = Duration::from_millis(500);

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
