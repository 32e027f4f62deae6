//! An echo server over HTTP/3 (RFC 9220): many WebSockets over one QUIC connection.
//!
//! ```text
//! cargo run --release --bin h3_echo -- [--listen ADDR:PORT] [--certificate FILE]
//! ```

#[path = "../command_line.rs"]
mod command_line;

use std::error::Error;
use std::time::Duration;

use quinn::{Endpoint, Incoming};
use sansocket::Config;
use websocket_http::h3::{serve, server_config};
use websocket_http::{certificate, echo};

const USAGE: &str = "usage: h3_echo [--listen ADDR:PORT] [--certificate FILE]

An echo server over HTTP/3, with a new certificate for localhost.

  --listen ADDR:PORT   where to listen, on UDP (127.0.0.1:9001)
  --certificate FILE   where to write the certificate, in DER, for clients that are to trust it
  -h, --help           print this";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = command_line::parse(USAGE, true);
    let (tls, _) = certificate::server("h3", options.certificate.as_deref())?;
    let endpoint = Endpoint::server(server_config(tls)?, options.listen.parse()?)?;
    println!("WebSocket echo over HTTP/3 on wss://{}/", endpoint.local_addr()?);
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(connection(incoming));
    }
    Ok(())
}

async fn connection(incoming: Incoming) {
    let config = Config::default().ping_interval(Some(Duration::from_secs(30)));
    let result = match incoming.await {
        Ok(quic) => serve(quic, config, echo).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = result {
        eprintln!("{error}");
    }
}
