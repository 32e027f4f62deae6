//! An echo server and a client over a Unix socket, with threads: the adapter `net` over another stream than TCP.
//!
//! ```text
//! cargo run --release --features net --example unix_socket -- serve PATH
//! echo Hello | cargo run --release --features net --example unix_socket -- PATH
//! ```

#[path = "common/options.rs"]
mod options;

use std::io::{self, BufRead, ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, thread};

use lexopt::Arg::Value;
use sansocket::net::{self, Error};
use sansocket::{CloseCode, Config, Event};

const USAGE: &str = "usage: unix_socket serve PATH
       unix_socket PATH

The first is an echo server; the second sends it lines from standard input, and prints what comes back.

  PATH         of the socket
  -h, --help   print this";

fn main() -> ExitCode {
    let (serves, path) = options::parse(USAGE, |args| {
        let (mut serves, mut path) = (false, None);
        while let Some(arg) = args.next()? {
            match arg {
                Value(value) if !serves && path.is_none() && value == "serve" => serves = true,
                Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok((serves, path.ok_or("PATH is missing")?))
    });
    let done = if serves { listen(&path).and_then(serve).map_err(Error::Io) } else { talk(&path) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// Listens at `path`; a socket that a server has left there when it ended is replaced.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_left(path)? => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// Whether it is a socket that nobody listens at. Any other file stays.
fn is_left(path: &Path) -> io::Result<bool> {
    let is_socket = fs::symlink_metadata(path)?.file_type().is_socket();
    let error = UnixStream::connect(path).err();
    Ok(is_socket && error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused))
}

/// A thread for each connection.
pub(crate) fn serve(listener: UnixListener) -> io::Result<()> {
    loop {
        let spawned = listener.accept().and_then(|(stream, _)| {
            thread::Builder::new().spawn(move || {
                // Whatever ends one connection is that connection's business only.
                let _ = echo(stream);
            })
        });
        if spawned.is_err() {
            thread::sleep(Duration::from_millis(50)); // such as too many open files
        }
    }
}

fn echo(stream: UnixStream) -> Result<(), Error> {
    let mut ws = net::accept(stream)?;
    while let Some(mut batch) = ws.read()? {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                let _ = batch.feed(&message); // written by the next `read`
            }
        }
    }
    Ok(())
}

fn talk(path: &Path) -> Result<(), Error> {
    converse(path, io::stdin().lock(), io::stdout().lock())
}

/// Sends each line of `from`, and writes what comes back into `into`.
pub(crate) fn converse(path: &Path, from: impl BufRead, mut into: impl Write) -> Result<(), Error> {
    let stream = UnixStream::connect(path)?;
    // A URL has a host, and `ws` has no way to name a socket: what stands there goes into the header `Host` only.
    let (mut ws, _) = net::client(stream, "ws://localhost/", Config::default())?;
    for line in from.lines() {
        ws.send_text(&line?)?;
        while let Some(event) = ws.recv()? {
            if let Event::Message(message) = event {
                writeln!(into, "{}", message.as_text().unwrap_or("(binary)"))?;
                break;
            }
        }
    }
    ws.close(CloseCode::NORMAL, "")?;
    Ok(ws.finish()?)
}
