//! What the echo clients share and what has nothing to do with how they connect: options, and how they end.

#[path = "config.rs"]
mod config;
#[path = "deflate.rs"]
mod deflate;
#[path = "options.rs"]
mod options;

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use lexopt::Arg::{Long, Value};
use lexopt::ValueExt;
use sansocket::Config;

pub(crate) struct Options {
    pub(crate) url: String,
    /// What the suite is to call us, if it is to be run.
    pub(crate) agent: Option<String>,
    pub(crate) config: Config,
}

impl Options {
    /// Those of the command line of this program.
    pub(crate) fn parse(program: &str) -> Self {
        options::parse(&format!("usage: {program} {OPTIONS}"), |args| {
            let (mut url, mut agent, mut max_message, mut deflate) = (None, None, 16 << 20, None);
            while let Some(arg) = args.next()? {
                match arg {
                    Long("agent") => agent = Some(args.value()?.string()?),
                    Long("max-message") => {
                        max_message = options::value(args.value()?, "--max-message", "a number of bytes")?
                    }
                    Long("deflate") => deflate = deflate::option()?,
                    Value(value) if url.is_none() => url = Some(value.string()?),
                    _ => return Err(arg.unexpected()),
                }
            }
            let url = url.ok_or("URL is missing: expected ws://HOST[:PORT]/PATH")?;
            let config = config::config(max_message).deflate(deflate).close_timeout(Duration::from_secs(2));
            Ok(Self { url, agent, config })
        })
    }
}

const OPTIONS: &str = "URL [--max-message BYTES] [--deflate] [--agent NAME]

Echoes every message until the connection ends. Exit status: 0 after a closing handshake, 1 if the connection was lost or
failed, 2 if it could not be opened.

  URL                   ws://HOST[:PORT]/PATH
  --max-message BYTES   maximum size of a message (16777216)
  --deflate             offer compression
  --agent NAME          run all cases of the Autobahn|Testsuite's fuzzing server at URL, under this name
  -h, --help            print this";

/// Why there was no closing handshake.
pub(crate) enum Stopped {
    NotOpened(String),
    Lost(String),
}

impl Stopped {
    pub(crate) fn not_opened(error: impl Display) -> Self {
        Self::NotOpened(error.to_string())
    }

    pub(crate) fn lost(error: impl Display) -> Self {
        Self::Lost(error.to_string())
    }

    /// Says why.
    pub(crate) fn report(&self, url: &str) -> ExitCode {
        let (Self::NotOpened(why) | Self::Lost(why)) = self;
        eprintln!("{url}: {why}");
        ExitCode::from(if matches!(self, Self::Lost(_)) { 1 } else { 2 })
    }
}
