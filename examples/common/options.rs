//! What all examples do with their command lines.
#![allow(dead_code, clippy::allow_attributes, reason = "not every example has every kind of option")]

use std::env;
use std::ffi::OsString;
use std::process;
use std::str::FromStr;

use lexopt::{Error, Parser};

/// The options that `read` takes from the command line. `--help` prints the usage and exits with 0; an error is printed and
/// exits with 2.
pub(crate) fn parse<T>(usage: &str, read: impl FnOnce(&mut Parser) -> Result<T, Error>) -> T {
    if env::args_os().any(|arg| arg == "--help" || arg == "-h") {
        println!("{usage}");
        process::exit(0);
    }
    read(&mut Parser::from_env()).unwrap_or_else(|error| {
        eprintln!("{error}; see --help");
        process::exit(2)
    })
}

/// The value of the option or argument `name`, which is to be what `expected` says.
pub(crate) fn value<T: FromStr>(value: OsString, name: &str, expected: &str) -> Result<T, Error> {
    let parsed = value.to_str().and_then(|value| value.parse().ok());
    parsed.ok_or_else(|| format!("{name} {}: expected {expected}", value.to_string_lossy()).into())
}

/// Where to listen. Names are looked up by whoever does.
pub(crate) fn address(address: OsString, name: &str) -> Result<String, Error> {
    let address: String = value(address, name, EXPECTED)?;
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(address),
        _ => Err(format!("{name} {address}: expected {EXPECTED}").into()),
    }
}

const EXPECTED: &str = "ADDR:PORT, such as 127.0.0.1:9001";
