//! WebSockets in handlers of axum 0.8 (feature `axum`).
//!
//! ```
//! # extern crate axum_core as axum;
//! use axum::response::Response;
//! use sansocket::{Event, axum::{Rejection, WebSocketUpgrade}, handshake::OriginPolicy};
//!
//! async fn echo(upgrade: WebSocketUpgrade) -> Result<Response, Rejection> {
//!     let upgrade = upgrade.check_origin(&OriginPolicy::same_origin())?;
//!     Ok(upgrade.on_upgrade(async |mut ws| {
//!         while let Ok(Some(mut batch)) = ws.read().await {
//!             while let Some(event) = batch.recv() {
//!                 if let Event::Message(message) = event {
//!                     let _ = batch.feed(&message); // written by the next `read`
//!                 }
//!             }
//!         }
//!     }))
//! }
//! # fn is_handler<F: Future<Output = Result<Response, Rejection>> + Send>(_: impl FnOnce(WebSocketUpgrade) -> F) {}
//! # is_handler(echo);
//! ```
//!
//! It is routed with `Router::new().route("/echo", any(echo))`: `any`, since over HTTP/2 the request is no GET but an extended
//! CONNECT (RFC 8441). HTTP/2 takes axum's feature `http2`. `axum::serve` then tells clients that extended CONNECT is
//! understood; a server loop of your own calls `enable_connect_protocol` of hyper's HTTP/2 builder. The handler is the same.
//!
//! The client is answered by [`WebSocketUpgrade::on_upgrade`], and everything before it is a [`Rejection`]:
//!
//! | request | answer |
//! |---|---|
//! | no WebSocket, such as a page's | 426 with `Upgrade: websocket`; over HTTP/2, 400 |
//! | a version other than 13 | 426 with `Sec-WebSocket-Version: 13`; over HTTP/2, 400 with the same |
//! | another method | 405 with `Allow: GET` |
//! | an `Origin` that [`check_origin`](WebSocketUpgrade::check_origin) refuses | 403 |
//! | any other broken rule | what [`HandshakeError::status`](crate::handshake::HandshakeError::status) says |
//! | from a server that cannot upgrade | 500 |
//!
//! A handler that serves a page at the same path takes a `Result<WebSocketUpgrade, Rejection>`.
//!
//! This module's interface names types of axum-core 0.5, which axum 0.8 has as `axum::response` and `axum::extract`.

use core::error::Error;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::boxed::Box;
use std::io::{self, IoSlice};
use std::string::ToString;
use std::vec::Vec;

use ::http::request::Parts;
use ::http::{StatusCode, Version};
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use hyper::ext::Protocol;
use hyper::rt::{Read, Write};
use hyper::upgrade::OnUpgrade;

use crate::Config;
use crate::handshake::{ConnectRequest, OriginPolicy, Refusal, UpgradeRequest};
use crate::tokio::Split;

/// A WebSocket of a handler.
pub type WebSocket = crate::tokio::WebSocket<Upgraded>;

/// An extractor: a client asks for a WebSocket, and every rule of the handshake is kept.
///
/// It is also the [`UpgradeRequest`], by `Deref`, which has the request's path, headers, subprotocols and `Origin`, and where
/// subprotocol, headers and configuration are chosen:
///
/// ```
/// # extern crate axum_core as axum;
/// # use axum::response::Response;
/// # use sansocket::{Config, axum::WebSocketUpgrade};
/// async fn chat(mut upgrade: WebSocketUpgrade) -> Response {
///     upgrade.choose_supported(&["v2.chat", "v1.chat"]);
///     upgrade.set_config(Config::default().max_message(64 * 1024));
///     upgrade.on_upgrade(async |mut ws| { let _ = ws.send_text("Hello").await; })
/// }
/// ```
#[must_use = "the client waits for an answer"]
pub struct WebSocketUpgrade {
    request: Request,
    upgraded: OnUpgrade,
    on_failed: Option<Box<dyn FnOnce(io::Error) + Send>>,
}

enum Request {
    Http1(UpgradeRequest),
    Connect(ConnectRequest),
}

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let request = if parts.version <= Version::HTTP_11 {
            UpgradeRequest::from_http(parts, Config::default()).map(Request::Http1)
        } else {
            let protocol = parts.extensions.get().map(Protocol::as_str);
            ConnectRequest::from_http(parts, protocol, Config::default()).map(Request::Connect)
        };
        let request = request.map_err(Rejection::Refused)?;
        let upgraded = parts.extensions.remove().ok_or(Rejection::NotUpgradable)?;
        Ok(Self { request, upgraded, on_failed: None })
    }
}

impl WebSocketUpgrade {
    /// Lets only the web pages connect that `policy` allows: a must for a server that trusts cookies. Without it every
    /// page may.
    ///
    /// # Errors
    /// [`Rejection::Origin`], for the handler to return.
    pub fn check_origin(self, policy: &OriginPolicy) -> Result<Self, Rejection> {
        if policy.check(&self) { Ok(self) } else { Err(Rejection::Origin) }
    }

    /// Calls `callback` if the connection is lost before it is open, as when the client has gone while it was being
    /// answered. Without it that is silent: the handler of [`on_upgrade`](Self::on_upgrade) is dropped.
    #[doc(alias = "on_failed_upgrade")]
    pub fn on_failed(self, callback: impl FnOnce(io::Error) + Send + 'static) -> Self {
        Self { on_failed: Some(Box::new(callback)), ..self }
    }

    /// The response that accepts; when it is written, `handler` gets the WebSocket, in a task of its own.
    #[must_use = "the connection opens when the response is written"]
    pub fn on_upgrade<F>(self, handler: impl FnOnce(WebSocket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { request, upgraded, on_failed } = self;
        let (accepted, connection) = match request {
            Request::Http1(request) => request.accept_parts(),
            Request::Connect(request) => request.accept_parts(),
        };
        ::tokio::spawn(async move {
            match upgraded.await {
                Ok(stream) => {
                    handler(WebSocket::from_parts(Upgraded(stream), connection, Vec::new())).await;
                }
                Err(error) => {
                    if let Some(callback) = on_failed {
                        callback(io::Error::other(error));
                    }
                }
            }
        });
        accepted.to_http().map(|()| Body::empty())
    }
}

impl Deref for WebSocketUpgrade {
    type Target = UpgradeRequest;

    fn deref(&self) -> &UpgradeRequest {
        match &self.request {
            Request::Http1(request) => request,
            Request::Connect(request) => request,
        }
    }
}

impl DerefMut for WebSocketUpgrade {
    fn deref_mut(&mut self) -> &mut UpgradeRequest {
        match &mut self.request {
            Request::Http1(request) => request,
            Request::Connect(request) => request,
        }
    }
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebSocketUpgrade").field(&**self).finish()
    }
}

/// Why a request is not upgraded; as a response, what the client is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Rejection {
    /// The request breaks a rule of the handshake, or does not ask for a WebSocket.
    Refused(Refusal),
    /// The [`OriginPolicy`] does not allow the request's `Origin`.
    Origin,
    /// The server gives no connection away for this request: it is not hyper, or a layer before has taken it.
    NotUpgradable,
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Refused(refusal) => return refusal.to_http().map(Body::from),
            // RFC 6455 §4.2.2: "it MUST return an appropriate HTTP error code (e.g., 403 Forbidden)".
            Self::Origin => StatusCode::FORBIDDEN,
            Self::NotUpgradable => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.to_string()).into_response()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.error().fmt(f),
            Self::Origin => f.write_str("this Origin must not connect"),
            Self::NotUpgradable => f.write_str("the HTTP server cannot upgrade this request"),
        }
    }
}

impl Error for Rejection {}

/// The stream under a [`WebSocket`]: a connection in HTTP/1.1, one stream of a connection in HTTP/2.
#[derive(Debug)]
pub struct Upgraded(hyper::upgrade::Upgraded);

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper fills a buffer of its own kind. Without `unsafe` the memory under it has to be zeroed first: that is bounded, and
        // so little beside a read that it does not show.
        let space = buf.initialize_unfilled_to(buf.remaining().min(MAX_READ));
        let mut into = hyper::rt::ReadBuf::new(space);
        ready!(Pin::new(&mut self.0).poll_read(cx, into.unfilled()))?;
        let filled = into.filled().len();
        buf.advance(filled);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// HTTP/2 has one state for both directions, so here there is a lock between them, held for one poll at a time.
impl Split for Upgraded {
    type Read = ReadHalf<Self>;
    type Write = WriteHalf<Self>;

    fn split(self) -> (Self::Read, Self::Write) {
        ::tokio::io::split(self)
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self> {
        read.is_pair_of(&write).then(|| read.unsplit(write))
    }
}

/// What one read is offered at most.
const MAX_READ: usize = 64 * 1024;
