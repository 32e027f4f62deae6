//! An echo server on tokio: a task for each connection, all cores, all that one read brought answered with
//! one write.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_echo -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```

#[path = "common/server.rs"]
mod common;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use common::{Options, on_signal, page};
use sansocket::tokio::server::{Server, Slot};
use sansocket::tokio::{Accepting, Error, Incoming, ReadHalf, WriteHalf};
use sansocket::{Config, Event};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

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

    let (stop, stopping) = oneshot::channel();
    on_signal(move || {
        let _ = stop.send(());
    })?;
    let config = options.config;
    let server = Server::default().grace(Duration::from_secs(3));
    // Whatever ends one connection is that connection's business only.
    server.serve(listener, stopping, |stream, slot| connection(stream, config, slot)).await;
    println!("stopped");
    Ok(())
}

async fn connection(stream: TcpStream, config: Config, slot: Slot) -> Result<(), Error> {
    // Boxed, so that the task of an open connection is not as large as its handshake was.
    let incoming = Box::pin(async { Accepting::new(stream, config).advance().await }).await?;
    match incoming {
        Incoming::Upgrade(upgrade) => {
            let ws = Box::pin(upgrade.accept()).await?;
            let (reader, writer) = slot.open(ws);
            echo(reader, writer).await?;
        }
        Incoming::Http(http) => {
            let page = page(http.request.path());
            Box::pin(http.respond(&page)).await?;
        }
    }
    Ok(())
}

async fn echo(
    mut reader: ReadHalf<OwnedReadHalf, OwnedWriteHalf>,
    mut writer: WriteHalf<OwnedWriteHalf>,
) -> io::Result<()> {
    while let Some(mut batch) = reader.read().await? {
        // An error of the writer means that the connection is closing, or that the reader finds out more.
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                if message.len() < DIRECT_FROM {
                    let _ = writer.feed(&message);
                } else {
                    let _ = writer.send(&message).await;
                }
            }
        }
        // A peer that does not read is not read from either.
        let _ = writer.flush().await;
    }
    Ok(())
}

/// From this size on a message is written at once, from where it was read.
const DIRECT_FROM: usize = 16 * 1024;
