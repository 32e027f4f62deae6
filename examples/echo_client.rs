//! A client that echoes every message until the connection ends; also the client under test of the
//! Autobahn|Testsuite.
//!
//! ```text
//! cargo run --release --features net --example echo_client -- URL [--max-message BYTES] [--deflate] [--agent NAME]
//! ```
//!
//! With `--agent` it runs all cases of the suite's fuzzing server at URL. Exit status: 0 after a closing
//! handshake, 1 if the connection was lost or failed, 2 if it could not be opened.

#[path = "common/client.rs"]
mod common;

use std::process::ExitCode;

use common::{Options, Stopped};
use sansocket::handshake::ClientRequest;
use sansocket::net::{self, ClientStream, WebSocket};
use sansocket::{Event, Message};

fn main() -> ExitCode {
    let options = Options::parse("echo_client");
    let result = match &options.agent {
        None => connect(&options, &options.url).and_then(echo),
        Some(agent) => run_suite(&options, agent),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => stopped.report(&options.url),
    }
}

fn connect(options: &Options, url: &str) -> Result<WebSocket<ClientStream>, Stopped> {
    let request = ClientRequest::new(url).map_err(Stopped::not_opened)?;
    let (ws, _) = net::connect_with(request, options.config).map_err(Stopped::not_opened)?;
    Ok(ws)
}

/// Every case of the fuzzing server, then the report.
fn run_suite(options: &Options, agent: &str) -> Result<(), Stopped> {
    let base = options.url.trim_end_matches('/');
    let mut count = 0;
    let mut ws = connect(options, &format!("{base}/getCaseCount"))?;
    while let Some(event) = ws.recv().map_err(Stopped::lost)? {
        if let Event::Message(Message::Text(text)) = event {
            count = text.parse().map_err(|_| Stopped::Lost(format!("{text:?} is not a number of cases")))?;
        }
    }
    for case in 1..=count {
        // In many cases the suite breaks the connection on purpose.
        match connect(options, &format!("{base}/runCase?case={case}&agent={agent}")).and_then(echo) {
            Ok(()) | Err(Stopped::Lost(_)) => {}
            Err(error) => return Err(error),
        }
    }
    connect(options, &format!("{base}/updateReports?agent={agent}")).and_then(echo)
}

fn echo(mut ws: WebSocket<ClientStream>) -> Result<(), Stopped> {
    let mut failed = None;
    while let Some(mut batch) = ws.read().map_err(Stopped::lost)? {
        while let Some(event) = batch.recv() {
            match event {
                Event::Message(message) => {
                    batch.feed(&message).map_err(Stopped::lost)?;
                }
                Event::Failed(error) => failed = Some(error),
                _ => {}
            }
        }
    }
    failed.map_or(Ok(()), |error| Err(Stopped::lost(error)))
}
