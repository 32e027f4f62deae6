//! An echo server on io_uring: one thread, [`Server`] without an adapter.
//!
//! ```text
//! cd examples/loops
//! cargo run --release --bin io_uring_echo -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```
//!
//! One operation accepts all connections. A peer has at most one operation that receives, into a buffer that the kernel
//! takes from a ring, and one that sends: a piece of the output that stays here, in flight, until its completion.
//! While too much of it waits, nothing is received. Every piece in flight is memory of its own, so that messages of 64 KiB and
//! more cost about three times as much as in `epoll_echo`, which writes them from where they were read.

#[path = "../../../../common/server.rs"]
mod common;

#[cfg(target_os = "linux")]
mod buffers;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod serve;

use std::io;
use std::process::ExitCode;

use common::Options;

fn main() -> ExitCode {
    let Err(error) = serve(&Options::parse("io_uring_echo")) else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::from(if error.kind() == io::ErrorKind::Unsupported { UNSUPPORTED } else { 1 })
}

#[cfg(target_os = "linux")]
use serve::serve;

#[cfg(not(target_os = "linux"))]
fn serve(_: &Options) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "io_uring: expected Linux"))
}

/// The exit status where the system has no io_uring.
const UNSUPPORTED: u8 = 69;
