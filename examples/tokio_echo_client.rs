//! A client on tokio that echoes every message until the connection ends; also the client under test of the
//! Autobahn|Testsuite.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_echo_client -- URL [--max-message BYTES] [--deflate] [--agent NAME]
//! ```
//!
//! With `--agent` it runs all cases of the suite's fuzzing server at URL. Exit status: 0 after a closing
//! handshake, 1 if the connection was lost or failed, 2 if it could not be opened.

#[path = "common/client.rs"]
mod common;

use std::process::ExitCode;

use common::{Options, Stopped};
use sansocket::handshake::ClientRequest;
use sansocket::tokio::{ClientStream, WebSocket, connect_with};
use sansocket::{Event, Message};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let options = Options::parse("tokio_echo_client");
    let runtime = Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Stopped::not_opened).and_then(|runtime| runtime.block_on(run(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => stopped.report(&options.url),
    }
}

async fn run(options: &Options) -> Result<(), Stopped> {
    match &options.agent {
        None => connect_and_echo(options, &options.url).await,
        Some(agent) => run_suite(options, agent).await,
    }
}

async fn connect(options: &Options, url: &str) -> Result<WebSocket<ClientStream>, Stopped> {
    let request = ClientRequest::new(url).map_err(Stopped::not_opened)?;
    let (ws, _) = connect_with(request, options.config).await.map_err(Stopped::not_opened)?;
    Ok(ws)
}

async fn connect_and_echo(options: &Options, url: &str) -> Result<(), Stopped> {
    echo(connect(options, url).await?).await
}

/// Every case of the fuzzing server, then the report.
async fn run_suite(options: &Options, agent: &str) -> Result<(), Stopped> {
    let base = options.url.trim_end_matches('/');
    let mut count = 0;
    let mut ws = connect(options, &format!("{base}/getCaseCount")).await?;
    while let Some(event) = ws.recv().await.map_err(Stopped::lost)? {
        if let Event::Message(Message::Text(text)) = event {
            count = text.parse().map_err(|_| Stopped::Lost(format!("{text:?} is not a number of cases")))?;
        }
    }
    for case in 1..=count {
        // In many cases the suite breaks the connection on purpose.
        match connect_and_echo(options, &format!("{base}/runCase?case={case}&agent={agent}")).await {
            Ok(()) | Err(Stopped::Lost(_)) => {}
            Err(error) => return Err(error),
        }
    }
    connect_and_echo(options, &format!("{base}/updateReports?agent={agent}")).await
}

async fn echo(mut ws: WebSocket<ClientStream>) -> Result<(), Stopped> {
    let mut failed = None;
    while let Some(mut batch) = ws.read().await.map_err(Stopped::lost)? {
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
