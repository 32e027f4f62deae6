//! A client for the command line: lines from standard input go out as text messages, what arrives is printed.
//!
//! ```text
//! cargo run --release --features net,rustls,deflate --example client -- --help
//! ```
//!
//! It ends with a closing handshake at the end of the input.

mod input;
mod options;
mod tls;
mod traced;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::Established;
use sansocket::net::{self, Transport, WebSocket};
use sansocket::{CloseCode, Event, Message, OsRandom, Reconnect};

use input::Input;
use options::Options;
use traced::{Traced, trace};

/// Why the client ends, if not after a normal closing handshake.
enum Stopped {
    NotOpened(String),
    /// Standard input or output, or a message that cannot be sent.
    Here(String),
    Lost(String),
    /// By the server, and the exit status for it.
    Closed(String, u8),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let input = input::read(options.binary);
    let (began, mut reconnect) = (Instant::now(), Reconnect::default());
    loop {
        let stopped = match run(&options, &input, &mut reconnect, began) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(stopped) => stopped,
        };
        let (why, status) = match stopped {
            Stopped::NotOpened(why) => (why, 1),
            Stopped::Here(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
            Stopped::Lost(why) => (why, 3),
            Stopped::Closed(why, status) => (why, status),
        };
        eprintln!("{why}");
        let again = options.reconnect.then(|| reconnect.retry_at(began.elapsed(), &mut OsRandom)).flatten();
        let Some(at) = again else { return ExitCode::from(status) };
        let delay = at.saturating_sub(began.elapsed());
        eprintln!("connecting again in {:.1} s", delay.as_secs_f64());
        thread::sleep(delay);
    }
}

/// One connection, from dialling to its end.
fn run(
    options: &Options,
    input: &Receiver<Input>,
    reconnect: &mut Reconnect,
    began: Instant,
) -> Result<(), Stopped> {
    let connected = net::connect_with(options.request.clone(), options.connect.clone());
    let (ws, established) = connected.map_err(|error| {
        reconnect.not_opened(&error);
        Stopped::NotOpened(error.to_string())
    })?;
    reconnect.opened(began.elapsed());
    if options.verbose {
        describe(&ws, &established);
    }
    match established.subprotocol() {
        Some(subprotocol) => eprintln!("connected, subprotocol {subprotocol}"),
        None => eprintln!("connected"),
    }
    let (stream, connection, unread) = ws.into_parts();
    let stream = Traced::new(stream, &unread, options.verbose.then_some(began));
    talk(WebSocket::from_parts(stream, connection, unread), options, input, reconnect, began)
}

/// What is known about a new connection.
fn describe(ws: &WebSocket<net::ClientStream>, established: &Established) {
    if let Ok(address) = ws.stream().tcp().peer_addr() {
        eprintln!("address {address}{}", tls::describe(ws.stream()));
    }
    for (name, value) in established.headers() {
        eprintln!("< {name}: {}", value.escape_ascii());
    }
}

/// Two things to wait for, and one thread, since the directions of TLS cannot be separated: it looks at the input
/// every now and then.
fn talk<S: Transport>(
    mut ws: WebSocket<S>,
    options: &Options,
    input: &Receiver<Input>,
    reconnect: &mut Reconnect,
    began: Instant,
) -> Result<(), Stopped> {
    let mut end_of_input = None;
    let mut result = Err(Stopped::Lost("the connection ended without a closing handshake".into()));
    let mut failed = None;
    let mut is_closing = false;
    loop {
        let mut has_more = false;
        while ws.can_send() {
            // Written and received in turn by `recv`: a server that reads only what it has answered blocks nobody.
            if ws.connection().output_len() > HIGH_WATER {
                has_more = true;
                break;
            }
            match input.try_recv() {
                Ok(Input::Message(message)) => {
                    if options.verbose && options.deflate {
                        eprintln!("message of {} bytes to send", message.len());
                    }
                    ws.feed(&message).map_err(|error| Stopped::Here(error.to_string()))?;
                }
                Ok(Input::Failed(why)) => {
                    failed = Some(why);
                    let _ = ws.close(CloseCode::NORMAL, ""); // if it is lost, `recv` says so
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if end_of_input.get_or_insert_with(Instant::now).elapsed() < options.wait {
                        break;
                    }
                    is_closing = true;
                    let _ = ws.close(CloseCode::NORMAL, ""); // if it is lost, `recv` says so
                }
            }
        }
        ws.set_read_timeout(Some(if has_more { Duration::ZERO } else { TICK }));
        let event = match ws.recv() {
            Ok(Some(event)) => event,
            Ok(None) => return failed.map_or(result, |why| Err(Stopped::Here(why))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(Stopped::Lost(error.to_string())),
        };
        reconnect.observe_open(&event, began.elapsed());
        match &event {
            Event::Message(message) => {
                if options.verbose && options.deflate {
                    eprintln!("message of {} bytes received", message.len());
                }
                print(message, options.binary)
                    .map_err(|error| Stopped::Here(format!("standard output: {error}")))?;
            }
            Event::Close(frame) => {
                let code = event.close_code().unwrap_or(1005);
                let reason = frame.as_ref().map(|frame| frame.reason()).unwrap_or_default();
                let closed =
                    format!("closed: {} {}", trace::name(code), reason.escape_debug()).trim_end().to_string();
                result = match code {
                    1000 | 1001 | 1005 if is_closing => {
                        eprintln!("{closed}");
                        Ok(())
                    }
                    1000 | 1001 | 1005 => Err(Stopped::Closed(closed, 0)),
                    _ => Err(Stopped::Closed(closed, 4)),
                };
            }
            Event::Failed(error) => {
                result = Err(Stopped::Lost(format!("closed: {}: {error}", trace::name(1006))));
            }
            _ => {}
        }
    }
}

fn print(message: &Message<'_>, binary: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match message {
        message if binary => out.write_all(message.as_bytes())?,
        Message::Text(text) => writeln!(out, "{text}")?,
        Message::Binary(bytes) => writeln!(out, "binary, {} bytes: {}", bytes.len(), bytes.escape_ascii())?,
    }
    out.flush()
}

/// How long it waits for the server before it looks at the input again.
const TICK: Duration = Duration::from_millis(10);
/// With more bytes than this to be written, no more input is taken.
const HIGH_WATER: usize = 1 << 20;
