//! An echo server over HTTP/2 (RFC 8441): many WebSockets over one connection. With `--tls` browsers speak to it.
//!
//! ```text
//! cargo run --release --bin h2_echo -- [--listen ADDR:PORT] [--tls] [--certificate FILE]
//! ```

#[path = "../command_line.rs"]
mod command_line;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sansocket::Config;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use websocket_http::h2::serve;
use websocket_http::{certificate, echo};

const USAGE: &str = "usage: h2_echo [--listen ADDR:PORT] [--tls] [--certificate FILE]

An echo server over HTTP/2, one connection for many WebSockets.

  --listen ADDR:PORT   where to listen (127.0.0.1:9001)
  --tls                over TLS, with a new certificate for localhost
  --certificate FILE   the same; where to write it, in DER, for clients that are to trust it
  -h, --help           print this";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = command_line::parse(USAGE, false);
    let tls = match options.tls {
        true => {
            Some(TlsAcceptor::from(Arc::new(certificate::server("h2", options.certificate.as_deref())?.0)))
        }
        false => None,
    };
    let listener = TcpListener::bind(options.listen).await?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    println!("WebSocket echo over HTTP/2 on {scheme}://{}/", listener.local_addr()?);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await; // such as too many open files
            continue;
        };
        // Otherwise a window update waits for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream, tls.clone()));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>) {
    let config = Config::default().ping_interval(Some(Duration::from_secs(30)));
    let result = match tls {
        None => serve(stream, config, echo).await,
        Some(tls) => match timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve(stream, config, echo).await,
            _ => return,
        },
    };
    if let Err(error) = result {
        eprintln!("{error}");
    }
}

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
