//! An echo server on tokio: a task for each connection, all cores, all that one read brought answered with
//! one write.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_echo -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```

#[path = "common/server.rs"]
mod common;
#[path = "common/first.rs"]
mod first;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Options, on_signal, page};
use first::{First, first};
use sansocket::tokio::server::{Server, Slot};
use sansocket::tokio::{Accepting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Event, State};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

fn main() -> ExitCode {
    let options = Options::parse("tokio_echo");
    match Runtime::new().and_then(|runtime| runtime.block_on(serve(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen))
    })?;
    let address = listener.local_addr()?;
    println!("echo server on ws://{address}/, for messages of up to {} bytes", options.max_message);
    println!("try it: open http://{address}/ in a browser, or run");
    println!("    cargo run --release --features net --example client -- ws://{address}/");

    let stop = Arc::new(Notify::new());
    on_signal({
        let stop = Arc::clone(&stop);
        move || stop.notify_one()
    })?;
    let config = options.config;
    let server = Server::default().grace(Duration::from_secs(3));
    // Whatever ends one connection is that connection's business only.
    server.serve(listener, stop.notified(), |stream, slot| connection(stream, config, slot)).await;
    println!("stopped");
    Ok(())
}

async fn connection(stream: TcpStream, config: Config, slot: Slot) -> Result<(), Error> {
    // Boxed, so that the task of an open connection is not as large as its handshake was.
    let incoming = Box::pin(async { Accepting::new(stream, config).advance().await }).await?;
    match incoming {
        Incoming::Upgrade(upgrade) => {
            let ws = Box::pin(upgrade.accept()).await?;
            echo(ws, slot).await?;
        }
        Incoming::Http(http) => {
            let page = page(http.request.path());
            Box::pin(http.respond(&page)).await?;
        }
    }
    Ok(())
}

async fn echo(mut ws: WebSocket<TcpStream>, mut slot: Slot) -> io::Result<()> {
    loop {
        // `read` is cancel-safe: nothing is lost when the other branch wins.
        let batch = match first(ws.read(), slot.stopping()).await {
            First::One(batch) => batch?,
            First::Other(_) => {
                // Closing already is fine; what is still on its way is received.
                let _ = ws.connection_mut().close(CloseCode::GOING_AWAY, "the server is shutting down");
                continue;
            }
        };
        let Some(mut batch) = batch else { return Ok(()) };
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event
                // What arrives after our own Close has no answer.
                && batch.connection().state() == State::Open
            {
                if message.len() < DIRECT_FROM {
                    batch.feed_owned(message)?;
                } else {
                    batch.send(&message).await?;
                }
            }
        }
    }
}

/// From this size on a message is written at once, from where it was read.
const DIRECT_FROM: usize = 16 * 1024;
