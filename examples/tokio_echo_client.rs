//! A client on tokio that echoes every message until the connection ends; also the client under test of the
//! Autobahn|Testsuite.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_echo_client -- URL [--max-message BYTES] [--deflate] [--agent NAME]
//! ```
//!
//! With `--agent` it runs all cases of the suite's fuzzing server at URL. Exit status: 0 after a closing
//! handshake, 1 if the connection was lost or failed, 2 if it could not be opened.

use std::process::ExitCode;
use std::time::Duration;

use sansocket::deflate::Deflate;
use sansocket::handshake::ClientRequest;
use sansocket::tokio::{ClientStream, Error, WebSocket, connect_with};
use sansocket::{Config, Event, Message};

const USAGE: &str = "usage: tokio_echo_client URL [--max-message BYTES] [--deflate] [--agent NAME]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = match &options.agent {
        None => options.echo(&options.url).await,
        Some(agent) => options.run_suite(agent).await,
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

    async fn connect(&self, url: &str) -> Result<WebSocket<ClientStream>, Stopped> {
        let request = ClientRequest::new(url).map_err(Error::from)?;
        let (ws, _) = connect_with(request, self.config).await?;
        Ok(ws)
    }

    async fn echo(&self, url: &str) -> Result<(), Stopped> {
        echo(self.connect(url).await?).await
    }

    /// Every case of the fuzzing server, then the report.
    async fn run_suite(&self, agent: &str) -> Result<(), Stopped> {
        let base = self.url.trim_end_matches('/');
        let mut count = 0;
        let mut ws = self.connect(&format!("{base}/getCaseCount")).await?;
        while let Some(event) = ws.recv().await.map_err(|error| Stopped::Lost(error.to_string()))? {
            if let Event::Message(Message::Text(text)) = event {
                count =
                    text.parse().map_err(|_| Stopped::Lost(format!("{text:?} is not a number of cases")))?;
            }
        }
        for case in 1..=count {
            // In many cases the suite breaks the connection on purpose.
            match self.echo(&format!("{base}/runCase?case={case}&agent={agent}")).await {
                Ok(()) | Err(Stopped::Lost(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.echo(&format!("{base}/updateReports?agent={agent}")).await
    }
}

enum Stopped {
    NotOpened(Error),
    Lost(String),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::NotOpened(error)
    }
}

async fn echo(mut ws: WebSocket<ClientStream>) -> Result<(), Stopped> {
    let mut failed = None;
    while let Some(mut batch) = ws.read().await.map_err(|error| Stopped::Lost(error.to_string()))? {
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
