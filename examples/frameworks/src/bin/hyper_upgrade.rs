//! A WebSocket echo inside a hyper server, which also serves ordinary requests.
//!
//! ```text
//! cd examples/frameworks
//! cargo run --release --bin hyper_upgrade -- [--listen ADDR:PORT]
//! ```

#[path = "../../../common/address.rs"]
mod address;

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use sansocket::handshake::UpgradeRequest;
use sansocket::tokio::WebSocket;
use sansocket::{Config, Connection, Event};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const USAGE: &str = "usage: hyper_upgrade [--listen ADDR:PORT]

An echo server inside hyper, at /echo.

  --listen ADDR:PORT   where to listen (127.0.0.1:9001)
  -h, --help           print this";

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(address::parse(USAGE)).await?;
    println!("WebSocket echo on ws://{0}/echo, a page on http://{0}/", listener.local_addr()?);
    serve(listener).await
}

/// Serves every connection in a task of its own.
async fn serve(listener: TcpListener) -> ! {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream))),
            Err(_) => sleep(Duration::from_millis(50)).await, // such as too many open files
        }
    }
}

async fn connection(stream: TcpStream) {
    // With a timer, a head has to be complete in 30 s.
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service_fn(respond));
    if let Err(error) = http.with_upgrades().await {
        eprintln!("{error}");
    }
}

async fn respond(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/echo" {
        return Ok(Response::new("The WebSocket is at /echo.\n".into()));
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let config = Config::default().ping_interval(Some(Duration::from_secs(30)));
    Ok(match UpgradeRequest::from_http(&parts, config) {
        Ok(upgrade) => {
            let (accepted, connection) = upgrade.accept_parts();
            // hyper hands the stream over when the response is written.
            tokio::spawn(async move {
                let result = match upgraded.await {
                    Ok(stream) => echo(TokioIo::new(stream), connection).await,
                    Err(error) => Err(io::Error::other(error)),
                };
                if let Err(error) = result {
                    eprintln!("{error}");
                }
            });
            accepted.to_http().map(|()| Full::default())
        }
        Err(refusal) => refusal.to_http().map(Full::from),
    })
}

async fn echo(stream: TokioIo<hyper::upgrade::Upgraded>, connection: Connection) -> io::Result<()> {
    let mut ws = WebSocket::from_parts(stream, connection, Vec::new());
    while let Some(mut batch) = ws.read().await? {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                batch.feed(&message)?;
            }
        }
    }
    Ok(())
}
