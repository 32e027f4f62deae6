//! Sends the lines of standard input, prints what arrives: two halves, two tasks.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_client -- URL
//! ```

#[path = "common/url.rs"]
mod url;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use sansocket::tokio::connect;
use sansocket::{CloseCode, Event};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const USAGE: &str = "usage: tokio_client URL

Sends each line of standard input as a text message and prints the messages that arrive. At the end of the input it closes the
connection. Exit status: 0 after a closing handshake, 1 without one, 2 for a wrong argument.

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
    let mut lines = read_lines();
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            if let Err(error) = writer.send_text(&line).await {
                eprintln!("a line of {} bytes: {error}", line.len());
                break;
            }
        }
        writer.close(CloseCode::NORMAL, "").await
    });
    // What ends the connection also arrives here.
    while let Some(event) = reader.recv().await? {
        match event {
            Event::Message(message) => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(message.as_bytes())?;
                stdout.write_all(b"\n")?;
            }
            Event::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// In a thread, since reading a terminal blocks.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}
