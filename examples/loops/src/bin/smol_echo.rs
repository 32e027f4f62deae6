//! An echo server on smol: the adapter for `futures-io`, with smol's streams and sleep.
//!
//! ```text
//! cd examples/loops
//! cargo run --release --bin smol_echo -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```

#[path = "../../../common/server.rs"]
mod common;
#[path = "../../../common/first.rs"]
mod first;

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use common::{Options, on_signal, page};
use first::{First, first};
use sansocket::futures_io::{Accepting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Event, State};
use smol::channel::{Receiver, bounded};
use smol::net::{TcpListener, TcpStream};
use smol::{Timer, block_on, spawn};

fn main() -> ExitCode {
    match block_on(serve(&Options::parse("smol_echo"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Nothing is sent: every receiver learns when the last sender has gone.
type Gone = Receiver<Infallible>;

async fn serve(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen))
    })?;
    let (address, max_message) = (listener.local_addr()?, options.max_message);
    println!("echo server on ws://{address}/, for messages of up to {max_message} bytes");

    let (stop, stopping): (_, Gone) = bounded(1);
    let (alive, all_gone): (_, Gone) = bounded(1);
    on_signal(move || drop(stop))?;
    loop {
        // In this order: while no file descriptor is left, `accept` is always ready.
        match first(stopping.recv(), listener.accept()).await {
            First::One(_) => break,
            First::Other(Ok((stream, _))) => {
                let (config, stopping, alive) = (options.config, stopping.clone(), alive.clone());
                spawn(async move {
                    // Whatever ends one connection is that connection's business only.
                    let _ = connection(stream, config, stopping).await;
                    drop(alive);
                })
                .detach();
            }
            // Such as too many open files: some will be closed.
            First::Other(Err(_)) => drop(Timer::after(Duration::from_millis(50)).await),
        }
    }
    drop(alive);
    first(all_gone.recv(), Timer::after(Duration::from_secs(3))).await;
    println!("stopped");
    Ok(())
}

async fn connection(stream: TcpStream, config: Config, stopping: Gone) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    // Boxed, so that the task of an open connection is not as large as its handshake was.
    let incoming = Box::pin(async { Accepting::new(stream, config, Timer::after).advance().await }).await?;
    match incoming {
        Incoming::Upgrade(upgrade) => {
            let mut ws = Box::pin(upgrade.accept()).await?;
            // All state is in the WebSocket: nothing is lost when the echo is dropped.
            match first(echo(&mut ws), stopping.recv()).await {
                First::One(ended) => ended?,
                First::Other(_) => {
                    // Closing already is fine; what is still on its way is received.
                    let _ = ws.connection_mut().close(CloseCode::GOING_AWAY, "the server is shutting down");
                    echo(&mut ws).await?;
                }
            }
        }
        Incoming::Http(http) => {
            let page = page(http.request.path());
            Box::pin(http.respond(&page)).await?;
        }
    }
    Ok(())
}

async fn echo(ws: &mut WebSocket<TcpStream, Timer>) -> io::Result<()> {
    while let Some(mut batch) = ws.read().await? {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event
                // What arrives after our own Close has no answer.
                && batch.connection().state() == State::Open
            {
                if message.len() < DIRECT_FROM {
                    batch.feed_owned(message)?; // written by the next `read`
                } else {
                    batch.send(&message).await?;
                }
            }
        }
    }
    Ok(())
}

/// From this size on a message is written at once, from where it was read.
const DIRECT_FROM: usize = 16 * 1024;
