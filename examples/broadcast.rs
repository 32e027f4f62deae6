//! Whatever one connection sends, all get: encoded once, shared by all, and a connection that is too slow is
//! dropped.
//!
//! ```text
//! cargo run --release --features tokio --example broadcast -- [ADDR:PORT]
//! ```
//!
//! The policy: up to 256 messages may wait for a connection. One that falls further behind is closed with
//! code 1008, and one that takes nothing at all for five seconds is dropped; the others never wait for it,
//! and memory stays bounded.

#[path = "common/address.rs"]
mod address;
#[path = "common/first.rs"]
mod first;

use std::io;
use std::pin::pin;
use std::time::Duration;

use first::{First, first};
use sansocket::tokio::{WebSocket, accept};
use sansocket::{CloseCode, EncodedMessage, Event};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;

const USAGE: &str = "usage: broadcast [ADDR:PORT]

Sends whatever one connection sends to all of them.

  ADDR:PORT    where to listen (127.0.0.1:9001)
  -h, --help   print this";

fn main() -> io::Result<()> {
    let address = address::parse(USAGE);
    Runtime::new()?.block_on(serve(&address))
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("broadcasting on ws://{}/", listener.local_addr()?);
    let (news, _) = broadcast::channel(256);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Such as too many open files: some will be closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let news = news.clone();
        tokio::spawn(async move {
            let result = async {
                stream.set_nodelay(true)?;
                let ws = Box::pin(accept(stream)).await.map_err(io::Error::other)?;
                member(ws, news).await
            };
            if let Err(error) = result.await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

async fn member(ws: WebSocket<TcpStream>, news: broadcast::Sender<EncodedMessage>) -> io::Result<()> {
    let mut inbox = news.subscribe();
    let (mut reader, mut writer) = ws.into_split();
    let sending = async move {
        loop {
            match inbox.recv().await {
                // Clones share the bytes; sending waits while the connection's own output is full.
                Ok(message) => timeout(PATIENCE, writer.send_encoded(&message)).await??,
                Err(RecvError::Lagged(_)) => {
                    return timeout(PATIENCE, writer.close(CloseCode::POLICY_VIOLATION, "too slow")).await?;
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    };
    let mut receiving = pin!(async move {
        while let Some(event) = reader.recv().await? {
            if let Event::Message(message) = event {
                // Nobody is listening: that is no error.
                let _ = news.send(EncodedMessage::new(&message));
            }
        }
        Ok(())
    });
    match first(&mut receiving, sending).await {
        First::One(result) => result,
        First::Other(result) => {
            result?;
            // The reading half finishes the closing handshake.
            receiving.await
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
