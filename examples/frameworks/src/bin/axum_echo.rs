//! A WebSocket echo as an axum handler. The extractor is all that is needed.
//!
//! ```text
//! cd examples/frameworks
//! cargo run --release --bin axum_echo -- [ADDR:PORT]
//! ```

#[path = "../../../common/address.rs"]
mod address;

use std::io;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sansocket::handshake::UpgradeRequest;
use sansocket::tokio::WebSocket;
use sansocket::{Config, Event};
use tokio::net::TcpListener;

const USAGE: &str = "usage: axum_echo [ADDR:PORT]

An echo server as an axum handler, at /echo.

  ADDR:PORT    where to listen (127.0.0.1:9001)
  -h, --help   print this";

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(address::parse(USAGE)).await?;
    println!("WebSocket echo on ws://{}/echo", listener.local_addr()?);
    serve(listener).await
}

/// Serves until the listener fails.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let app =
        Router::new().route("/", get(async || "The WebSocket is at /echo.\n")).route("/echo", get(handler));
    axum::serve(listener, app).await
}

async fn handler(mut upgrade: Upgrade) -> Response {
    upgrade.request.choose_supported(&["echo"]);
    upgrade.accept(|mut ws| async move {
        while let Some(event) = ws.recv().await? {
            if let Event::Message(message) = event {
                let message = message.into_owned();
                ws.send(&message).await?;
            }
        }
        Ok(())
    })
}

/// An extractor: the request for a WebSocket, or the response that refuses it.
struct Upgrade {
    request: UpgradeRequest,
    upgraded: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let request = UpgradeRequest::from_http(parts, Config::default())
            .map_err(|refusal| refusal.to_http().map(Body::from))?;
        let upgraded = parts.extensions.remove().expect("hyper has put it there for HTTP/1.1");
        Ok(Self { request, upgraded })
    }
}

impl Upgrade {
    /// Accepts, and runs `serve` in a task of its own.
    fn accept<F>(self, serve: impl FnOnce(WebSocket<TokioIo<Upgraded>>) -> F + Send + 'static) -> Response
    where
        F: Future<Output = io::Result<()>> + Send,
    {
        let (accepted, connection) = self.request.accept_parts();
        tokio::spawn(async move {
            let result = match self.upgraded.await {
                Ok(stream) => {
                    serve(WebSocket::from_parts(TokioIo::new(stream), connection, Vec::new())).await
                }
                Err(error) => Err(io::Error::other(error)),
            };
            if let Err(error) = result {
                eprintln!("{error}");
            }
        });
        accepted.to_http().map(|()| Body::empty())
    }
}
