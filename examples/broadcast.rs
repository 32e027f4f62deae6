//! Sends each message to all connections: encoded once, shared by all. A connection that is too slow is
//! dropped.
//!
//! ```text
//! cargo run --release --features tokio --example broadcast -- [--listen ADDR:PORT]
//! ```
//!
//! The policy: up to 64 KiB may wait for a connection. One that falls further behind is closed with code 1013; the others
//! never wait for it, and memory stays bounded.

#[path = "common/address.rs"]
mod address;
#[path = "common/stop.rs"]
mod stop;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sansocket::tokio::server::{Group, Server, Slot, Slow};
use sansocket::tokio::{Error, accept_with};
use sansocket::{Config, EncodedMessage, Event};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

const USAGE: &str = "usage: broadcast [--listen ADDR:PORT]

Sends each message to all connections. Ctrl-C or SIGTERM closes all connections.

  --listen ADDR:PORT   where to listen (127.0.0.1:9001)
  -h, --help           print this";

fn main() -> io::Result<()> {
    let address = address::parse(USAGE);
    Runtime::new()?.block_on(serve(&address))
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("broadcasting on ws://{}/", listener.local_addr()?);
    let stop = Arc::new(Notify::new());
    stop::on_signal({
        let stop = Arc::clone(&stop);
        move || stop.notify_one()
    })?;
    let all = Group::new(Slow::Disconnect);
    let member = |stream: TcpStream, slot| {
        let all = all.clone();
        async move {
            let peer = stream.peer_addr();
            if let Err(error) = member(stream, slot, &all).await {
                eprintln!("{peer:?}: {error}");
            }
        }
    };
    Server::default().serve(listener, stop.notified(), member).await;
    Ok(())
}

async fn member(stream: TcpStream, slot: Slot, all: &Group) -> Result<(), Error> {
    let config = Config::default().ping_interval(Some(Duration::from_secs(30)));
    let (mut reader, writer) = slot.open(accept_with(stream, config).await?);
    let _member = all.join(writer.share());
    while let Some(event) = reader.recv().await? {
        if let Event::Message(message) = event {
            all.broadcast(&EncodedMessage::new(&message));
        }
    }
    Ok(())
}
