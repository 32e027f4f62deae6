//! A channel into a WebSocket: many tasks send, one half writes, the other one prints the answers.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_split_client -- URL
//! ```

#[path = "common/url.rs"]
mod url;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use sansocket::tokio::connect;
use sansocket::{CloseCode, Event, Message};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::sleep;

const USAGE: &str = "usage: tokio_split_client URL

Three tasks send three messages each over one connection; what arrives is printed. Exit status: 0 after a closing handshake, 1
without one, 2 for a wrong argument.

  URL          ws://HOST[:PORT]/PATH
  -h, --help   print this";

fn main() -> ExitCode {
    let url = url::parse(USAGE);
    let result = Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(run(&url)));
    if let Err(error) = result {
        eprintln!("{url}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

async fn run(url: &str) -> Result<(), Box<dyn Error>> {
    let (mut reader, mut writer) = connect(url).await?.into_split();
    let (outbox, mut waiting) = mpsc::channel::<Message<'static>>(8);
    for task in 1..=3 {
        let outbox = outbox.clone();
        tokio::spawn(async move {
            for number in 1..=3 {
                // It waits while the channel is full, and fails once the connection is gone.
                if outbox.send(format!("task {task}, message {number}").into()).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
    }
    drop(outbox);
    tokio::spawn(async move {
        while let Some(message) = waiting.recv().await {
            writer.send_owned(message).await?;
        }
        // The last sender is gone.
        writer.close(CloseCode::NORMAL, "").await
    });
    while let Some(event) = reader.recv().await? {
        match event {
            Event::Message(message) => println!("{}", message.as_text().unwrap_or("(binary)")),
            Event::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
