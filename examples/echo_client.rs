//! A client that echoes every message until the connection ends; also the client under test of the
//! Autobahn|Testsuite.
//!
//! ```text
//! cargo run --release --features net --example echo_client -- URL [--max-message BYTES] [--deflate] [--agent NAME]
//! ```
//!
//! With `--agent` it runs all cases of the suite's fuzzing server at URL. Exit status: 0 after a closing
//! handshake, 1 if the connection was lost or failed, 2 if it could not be opened.

use std::process::ExitCode;
use std::time::Duration;

use sansocket::deflate::Deflate;
use sansocket::handshake::ClientRequest;
use sansocket::net::{self, ClientStream, WebSocket};
use sansocket::{Config, Event, Message};

const USAGE: &str = "usage: echo_client URL [--max-message BYTES] [--deflate] [--agent NAME]";

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = match &options.agent {
        None => options.connect(&options.url).and_then(echo),
        Some(agent) => options.run_suite(agent),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stopped::NotOpened(error)) => {
            eprintln!("{}: {error}", options.url);
            ExitCode::from(2)
        }
        Err(Stopped::Lost(why)) => {
            eprintln!("{}: {why}", options.url);
            ExitCode::from(1)
        }
    }
}

struct Options {
    url: String,
    agent: Option<String>,
    config: Config,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut url, mut agent, mut max_message, mut deflate) = (None, None, 16u64 << 20, None);
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

    fn connect(&self, url: &str) -> Result<WebSocket<ClientStream>, Stopped> {
        let request = ClientRequest::new(url).map_err(net::Error::from)?;
        let (ws, _) = net::connect_with(request, self.config)?;
        Ok(ws)
    }

    /// Every case of the fuzzing server, then the report.
    fn run_suite(&self, agent: &str) -> Result<(), Stopped> {
        let base = self.url.trim_end_matches('/');
        let mut count = 0;
        let mut ws = self.connect(&format!("{base}/getCaseCount"))?;
        while let Some(event) = ws.recv().map_err(|error| Stopped::Lost(error.to_string()))? {
            if let Event::Message(Message::Text(text)) = event {
                count =
                    text.parse().map_err(|_| Stopped::Lost(format!("{text:?} is not a number of cases")))?;
            }
        }
        for case in 1..=count {
            // In many cases the suite breaks the connection on purpose.
            match self.connect(&format!("{base}/runCase?case={case}&agent={agent}")).and_then(echo) {
                Ok(()) | Err(Stopped::Lost(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.connect(&format!("{base}/updateReports?agent={agent}")).and_then(echo)
    }
}

enum Stopped {
    NotOpened(net::Error),
    Lost(String),
}

impl From<net::Error> for Stopped {
    fn from(error: net::Error) -> Self {
        Self::NotOpened(error)
    }
}

fn echo(mut ws: WebSocket<ClientStream>) -> Result<(), Stopped> {
    let mut failed = None;
    while let Some(mut batch) = ws.read().map_err(|error| Stopped::Lost(error.to_string()))? {
        while let Some(event) = batch.recv() {
            match event {
                Event::Message(message) => {
                    batch.feed(&message).map_err(|error| Stopped::Lost(error.to_string()))?;
                }
                Event::Failed(error) => failed = Some(error),
                _ => {}
            }
        }
    }
    failed.map_or(Ok(()), |error| Err(Stopped::Lost(error.to_string())))
}
