//! A WebSocket echo as an axum handler. The extractor is all that is needed.
//!
//! ```text
//! cargo run --release --features tokio,http --example axum_echo -- [ADDR:PORT]
//! ```

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

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(&address).await?;
    println!("WebSocket echo on ws://{}/echo", listener.local_addr()?);
    serve(listener).await
}

/// Serves until the listener fails.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
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
