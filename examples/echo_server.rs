//! An echo server: a thread for each connection, all that one read brought answered with one write.
//!
//! ```text
//! cargo run --release --features net --example echo_server -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```

#[path = "common/server.rs"]
mod common;

use std::io::{self, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Options, on_signal, page};
use sansocket::net::{self, Accepting, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Event, State};

fn main() -> ExitCode {
    match serve(&Options::parse("echo_server")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
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

fn serve(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind(&options.listen).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen))
    })?;
    let address = listener.local_addr()?;
    let server = Arc::new(Server::default());
    on_signal({
        let server = Arc::clone(&server);
        move || {
            server.stopping.store(true, Ordering::SeqCst);
            // The accepting thread waits in the system: a connection wakes it, as soon as there is a file
            // left for one.
            while TcpStream::connect(address).is_err() {
                thread::sleep(TICK / 10);
            }
        }
    })?;

    // Nobody has to read this.
    let _ = write!(
        io::stdout(),
        "echo server on ws://{address}/, for messages of up to {} bytes\n\
         try it: open http://{address}/ in a browser, or run\n    \
         cargo run --release --features net --example client -- ws://{address}/\n",
        options.max_message
    );

    let config = options.config;
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
    match Accepting::new(stream, config).finish()? {
        Incoming::Upgrade(upgrade) => echo(server, upgrade.accept()?)?,
        Incoming::Http(http) => {
            let page = page(http.request.path());
            http.respond(&page)?;
        }
    }
    Ok(())
}

fn echo(server: &Server, mut ws: WebSocket<TcpStream>) -> io::Result<()> {
    ws.set_read_timeout(Some(TICK));
    loop {
        if server.stopping.load(Ordering::SeqCst) && ws.can_send() {
            ws.close(CloseCode::GOING_AWAY, "the server is shutting down")?;
        }
        match ws.read() {
            Ok(Some(mut batch)) => {
                while let Some(event) = batch.recv() {
                    if let Event::Message(message) = event
                        // What arrives after our own Close has no answer.
                        && batch.connection().state() == State::Open
                    {
                        if message.len() < DIRECT_FROM {
                            batch.feed_owned(message)?;
                        } else {
                            batch.send(&message)?;
                        }
                    }
                }
                // All answers at once. A deadline ends a connection whose peer reads nothing.
                ws.flush()?;
            }
            Ok(None) => return Ok(()),
            // A look whether the server is stopping.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// How often a waiting connection looks whether the server is stopping.
const TICK: Duration = Duration::from_millis(500);
/// From this size on a message is written at once, from where it was read.
const DIRECT_FROM: usize = 16 * 1024;
