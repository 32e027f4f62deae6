//! A client for the command line: lines from standard input go out as text messages, what arrives is printed.
//!
//! ```text
//! cargo run --release --features net --example client -- URL [--protocol P]... [--header 'NAME: VALUE']... [--deflate]
//! ```
//!
//! It ends with a closing handshake at the end of the input. Exit status: 0 after a closing handshake, 2 for a
//! wrong command line, 1 otherwise.

#[path = "common/deflate.rs"]
mod deflate;
#[path = "common/options.rs"]
mod options;

use std::io::{self, BufRead, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use lexopt::Arg::{Long, Value};
use lexopt::{Error, Parser, ValueExt};
use sansocket::handshake::ClientRequest;
use sansocket::net;
use sansocket::{CloseCode, Config, Event, Message, State};

const USAGE: &str = "usage: client URL [--protocol P]... [--header 'NAME: VALUE']... [--deflate]

Sends lines from standard input as text messages, and prints what arrives.

  URL                      ws://HOST[:PORT]/PATH
  --protocol P             offer this subprotocol
  --header 'NAME: VALUE'   send this header with the request
  --deflate                offer compression
  -h, --help               print this";

fn main() -> ExitCode {
    let (request, config) = options::parse(USAGE, options);
    match talk(request, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn options(args: &mut Parser) -> Result<(ClientRequest, Config), Error> {
    let (mut url, mut protocols, mut headers, mut deflate) = (None, vec![], vec![], None);
    while let Some(arg) = args.next()? {
        match arg {
            Long("protocol") => protocols.push(args.value()?.string()?),
            Long("header") => headers.push(args.value()?.string()?),
            Long("deflate") => deflate = deflate::option()?,
            Value(value) if url.is_none() => url = Some(value.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    let url = url.ok_or("URL is missing: expected ws://HOST[:PORT]/PATH")?;
    let mut request = ClientRequest::new(&url).map_err(|e| format!("{url}: {e}"))?;
    for protocol in protocols {
        request = request.subprotocol(&protocol).map_err(|e| format!("--protocol {protocol}: {e}"))?;
    }
    for header in headers {
        let (name, value) =
            header.split_once(':').ok_or_else(|| format!("--header {header}: expected 'NAME: VALUE'"))?;
        request = request.header(name, value.trim()).map_err(|e| format!("--header {header}: {e}"))?;
    }
    Ok((request, Config::default().deflate(deflate).close_timeout(Duration::from_secs(3))))
}

fn talk(request: ClientRequest, config: Config) -> Result<(), String> {
    let (mut ws, established) = net::connect_with(request, config).map_err(|e| e.to_string())?;
    if let Some(subprotocol) = established.subprotocol() {
        eprintln!("connected, subprotocol {subprotocol}");
    } else {
        eprintln!("connected");
    }

    let lines = read_lines();
    // Two things to wait for, and one thread: look at the keyboard every now and then.
    ws.set_read_timeout(Some(Duration::from_millis(10)));
    let mut result = Err("the connection ended without a closing handshake".into());
    loop {
        while ws.connection().state() == State::Open {
            match lines.try_recv() {
                Ok(line) => ws.send_text(&line).map_err(|e| e.to_string())?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    ws.close(CloseCode::NORMAL, "").map_err(|e| e.to_string())?
                }
            }
        }
        match ws.recv() {
            Ok(Some(Event::Message(message))) => print(&message).map_err(|e| e.to_string())?,
            Ok(Some(Event::Close(frame))) => {
                match frame {
                    Some(frame) => {
                        eprintln!("{}", format!("closed: {} {}", frame.code(), frame.reason()).trim_end())
                    }
                    None => eprintln!("closed: 1005 (no code was given)"),
                }
                result = Ok(());
            }
            Ok(Some(Event::Failed(error))) => result = Err(format!("closed: 1006, {error}")),
            Ok(Some(_)) => {}
            Ok(None) => return result,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// The lines of standard input, read by a thread of its own.
fn read_lines() -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            match line {
                Ok(line) => {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    eprintln!("standard input: {error}");
                    break;
                }
            }
        }
    });
    lines
}

fn print(message: &Message<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match message {
        Message::Text(text) => writeln!(out, "{text}")?,
        Message::Binary(bytes) => writeln!(out, "binary, {} bytes: {}", bytes.len(), bytes.escape_ascii())?,
    }
    out.flush()
}
