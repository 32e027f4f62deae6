//! What the echo clients share and what has nothing to do with how they connect: options, and how they end.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use sansocket::Config;
use sansocket::deflate::Deflate;

pub(crate) struct Options {
    pub(crate) url: String,
    /// What the suite is to call us, if it is to be run.
    pub(crate) agent: Option<String>,
    pub(crate) config: Config,
}

impl Options {
    /// Those of the command line of this program; otherwise what is wrong with them.
    pub(crate) fn parse(program: &str) -> Result<Self, String> {
        Self::of(std::env::args().skip(1)).map_err(|error| {
            format!("{error}\nusage: {program} URL [--max-message BYTES] [--deflate] [--agent NAME]")
        })
    }

    fn of(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut url, mut agent, mut max_message, mut deflate) = (None, None, 16 << 20, None);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--agent" => agent = Some(value()?),
                "--max-message" => max_message = value()?.parse().map_err(|e| format!("{arg}: {e}"))?,
                "--deflate" => deflate = Some(Deflate::default()),
                _ if arg.starts_with('-') || url.is_some() => return Err(format!("unknown option {arg}")),
                _ => url = Some(arg),
            }
        }
        let config = Config::default()
            .max_frame(max_message)
            .max_message(max_message)
            .max_output(usize::try_from(max_message).unwrap_or(usize::MAX).saturating_add(64 << 20))
            .deflate(deflate)
            .close_timeout(Duration::from_secs(2));
        Ok(Self { url: url.ok_or("no URL")?, agent, config })
    }
}

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
