//! A server that echoes messages and sends one of its own at every tick: one task waits for a timer and for messages.
//!
//! ```text
//! cargo run --release --features tokio --example tokio_interval_server -- [--listen ADDR:PORT] [--every SECONDS]
//! ```

#[path = "common/first.rs"]
mod first;
#[path = "common/options.rs"]
mod options;

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use first::{First, first};
use lexopt::Arg::Long;
use sansocket::Event;
use sansocket::tokio::accept;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{interval, sleep};

const USAGE: &str = "usage: tokio_interval_server [--listen ADDR:PORT] [--every SECONDS]

Echoes every message and sends \"tick\" at regular intervals.

  --listen ADDR:PORT   where to listen (127.0.0.1:9001)
  --every SECONDS      time between two ticks (1)
  -h, --help           print this";

fn main() -> io::Result<()> {
    let (mut listen, mut every) = ("127.0.0.1:9001".to_owned(), NonZeroU32::MIN);
    options::parse(USAGE, |args| {
        while let Some(arg) = args.next()? {
            match arg {
                Long("listen") => listen = options::address(args.value()?, "--listen")?,
                Long("every") => every = options::value(args.value()?, "--every", "1 or more")?,
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(())
    });
    Runtime::new()?.block_on(serve(&listen, Duration::from_secs(every.get().into())))
}

async fn serve(address: &str, every: Duration) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("ticking on ws://{}/", listener.local_addr()?);
    loop {
        match listener.accept().await {
            // What ends one connection ends its own task only.
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, every))),
            Err(_) => sleep(Duration::from_millis(50)).await, // such as too many open files
        }
    }
}

async fn connection(stream: TcpStream, every: Duration) -> Result<(), sansocket::tokio::Error> {
    let mut ws = accept(stream).await?;
    let mut ticks = interval(every);
    loop {
        // `read` is cancel-safe: nothing is lost when the timer wins. It also writes what was fed.
        match first(ws.read(), ticks.tick()).await {
            First::One(batch) => {
                let Some(mut batch) = batch? else { return Ok(()) };
                while let Some(event) = batch.recv() {
                    if let Event::Message(message) = event {
                        let _ = batch.feed(&message);
                    }
                }
            }
            // Refused once the connection is closing: what is still on its way is received then.
            First::Other(_) => drop(ws.feed(&"tick".into())),
        }
    }
}
