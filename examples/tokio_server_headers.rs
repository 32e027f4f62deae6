//! A server that looks at each request before it answers: prints the headers, refuses, or accepts with a header of its own.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_server_headers -- [--listen ADDR:PORT]
//! ```

#[path = "common/address.rs"]
mod address;

use std::error::Error;
use std::io;
use std::time::Duration;

use sansocket::handshake::{Headers, Response};
use sansocket::tokio::{Accepting, Incoming};
use sansocket::{Config, Event};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::sleep;

const USAGE: &str = "usage: tokio_server_headers [--listen ADDR:PORT]

Prints the headers of every request, and echoes messages at /socket; other paths are refused.

  --listen ADDR:PORT   where to listen (127.0.0.1:9001)
  -h, --help           print this";

fn main() -> io::Result<()> {
    let address = address::parse(USAGE);
    Runtime::new()?.block_on(serve(&address))
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("echo server on ws://{}/socket", listener.local_addr()?);
    loop {
        match listener.accept().await {
            // What ends one connection ends its own task only.
            Ok((stream, _)) => drop(tokio::spawn(connection(stream))),
            Err(_) => sleep(Duration::from_millis(50)).await, // such as too many open files
        }
    }
}

async fn connection(stream: TcpStream) -> Result<(), Box<dyn Error + Send + Sync>> {
    let config = Config::default().ping_interval(Some(Duration::from_secs(30)));
    let mut ws = match Accepting::new(stream, config).advance().await? {
        Incoming::Upgrade(mut upgrade) => {
            print(upgrade.request.path(), upgrade.request.headers());
            if upgrade.request.path() != "/socket" {
                return Ok(upgrade.reject(&Response::new(404)?).await?);
            }
            upgrade.request.choose_supported(&["echo"]);
            upgrade.request.add_header("X-Served-By", "tokio_server_headers")?;
            upgrade.accept().await?
        }
        Incoming::Http(http) => {
            print(http.request.path(), http.request.headers());
            return Ok(http.respond(&Response::new(404)?).await?);
        }
    };
    while let Some(mut batch) = ws.read().await? {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                batch.feed(&message)?;
            }
        }
    }
    Ok(())
}

fn print(path: &str, headers: Headers<'_>) {
    println!("request for {path}");
    for (name, value) in headers {
        println!("  {name}: {}", value.escape_ascii());
    }
}
