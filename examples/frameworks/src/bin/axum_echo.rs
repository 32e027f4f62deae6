//! A WebSocket echo as an axum handler, over HTTP/1.1 and HTTP/2, for pages of this server and for programs.
//!
//! `axum::serve` has no deadline for the head of a request: on the open internet, put a proxy in front of it, or serve with
//! hyper and a timer, as `hyper_upgrade` does.
//!
//! ```text
//! cd examples/frameworks
//! cargo run --release --bin axum_echo -- [--listen ADDR:PORT]
//! ```

#[path = "../../../common/address.rs"]
mod address;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use sansocket::axum::{Rejection, WebSocketUpgrade};
use sansocket::handshake::OriginPolicy;
use sansocket::{Config, Event};
use tokio::net::TcpListener;

const USAGE: &str = "usage: axum_echo [--listen ADDR:PORT]

An echo server as an axum handler, at /echo.

  --listen ADDR:PORT   where to listen (127.0.0.1:9001)
  -h, --help           print this";

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(address::parse(USAGE)).await?;
    println!("WebSocket echo on ws://{}/echo", listener.local_addr()?);
    let app = Router::new()
        .route("/", get(async || "The WebSocket is at /echo.\n"))
        // Over HTTP/2 it is a CONNECT.
        .route("/echo", any(echo));
    // Complete messages are written: waiting to fill packets only costs time.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    axum::serve(listener, app).await
}

async fn echo(upgrade: WebSocketUpgrade) -> Result<Response, Rejection> {
    let mut upgrade = upgrade.check_origin(&OriginPolicy::same_origin())?;
    upgrade.choose_supported(&["echo"]);
    upgrade.set_config(Config::default().max_message(1 << 20).ping_interval(Some(Duration::from_secs(30))));
    let upgrade = upgrade.on_failed(|error| eprintln!("{error}"));
    Ok(upgrade.on_upgrade(async |mut ws| {
        while let Ok(Some(mut batch)) = ws.read().await {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    let _ = batch.feed(&message); // written by the next `read`
                }
            }
        }
    }))
}
