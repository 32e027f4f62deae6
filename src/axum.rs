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
//! Route it with `Router::new().route("/echo", any(echo))`. Use `any`, because over HTTP/2 the request is not
//! a GET but an extended CONNECT (RFC 8441). HTTP/2 requires axum's feature `http2`. `axum::serve` then
//! announces extended CONNECT to clients; a custom server loop must call `enable_connect_protocol` of hyper's
//! HTTP/2 builder. The handler is the same.
//!
//! [`WebSocketUpgrade::on_upgrade`] accepts the request. Requests that are not accepted become a
//! [`Rejection`]:
//!
//! | request | answer |
//! |---|---|
//! | not for a WebSocket, such as for a page | 426 with `Upgrade: websocket`; over HTTP/2, 400 |
//! | a version other than 13 | 426 with `Sec-WebSocket-Version: 13`; over HTTP/2, 400 with the same header |
//! | another method | 405 with `Allow: GET` |
//! | an `Origin` that [`check_origin`](WebSocketUpgrade::check_origin) refuses | 403 |
//! | any other broken rule | the status of [`HandshakeError::status`](crate::handshake::HandshakeError::status) |
//! | on a server that cannot upgrade | 500 |
//!
//! A handler that also serves a page at the same path takes a `Result<WebSocketUpgrade, Rejection>`.
//!
//! **Latency.** axum does not set TCP_NODELAY, without which several short messages in a row can take 40 ms. Set it with
//! `axum::serve::ListenerExt`: `listener.tap_io(|stream| { let _ = stream.set_nodelay(true); })`.
//!
//! **Stopping.** The graceful shutdown of `axum::serve` closes no WebSocket. Over HTTP/1.1 it does not wait for them either;
//! over HTTP/2 it waits for ever. Let each handler join a [`Group`](crate::tokio::server::Group), and call its
//! [`close`](crate::tokio::server::Group::close) at the end of the future that `with_graceful_shutdown` takes. After `serve`
//! has returned, [`wait_empty`](crate::tokio::server::Group::wait_empty). Put a `timeout` around both.
//!
//! **Coming from `axum::extract::ws`.** The handler stays; [`migration`](crate::tokio::migration#what-differs) says how the
//! WebSocket in it differs.
//!
//! | there | here |
//! |---|---|
//! | `WebSocketUpgrade`, `on_upgrade` | the same |
//! | `on_failed_upgrade` | [`on_failed`](WebSocketUpgrade::on_failed) |
//! | `protocols`; `requested_protocols`, `set_selected_protocol`, `selected_protocol` | [`choose_supported`](UpgradeRequest::choose_supported); [`subprotocols`](UpgradeRequest::subprotocols), [`choose_subprotocol`](UpgradeRequest::choose_subprotocol), [`subprotocol`](UpgradeRequest::subprotocol) |
//! | `max_message_size`, `max_frame_size`, `max_write_buffer_size` | [`set_config`](UpgradeRequest::set_config) with a [`Config`]: `max_message`, `max_frame`, `max_output` |
//! | `write_buffer_size` | nothing: `send` writes at once, [`feed`](crate::aio::WebSocket::feed) does not |
//! | `read_buffer_size` | [`set_read_buffer`](crate::aio::WebSocket::set_read_buffer), in the handler |
//! | `accept_unmasked_frames` | nothing: RFC 6455 §5.1 forbids it |
//! | `WebSocketUpgradeRejection` | [`Rejection`] |
//! | `WebSocket::recv`, `send` | [`recv`](crate::aio::WebSocket::recv) returns events, also a Close, and `None` at the end; [`send`](crate::aio::WebSocket::send), [`send_text`](crate::aio::WebSocket::send_text), [`send_binary`](crate::aio::WebSocket::send_binary) |
//! | `WebSocket::protocol` | `upgrade.subprotocol()`, before `on_upgrade` |
//! | `StreamExt::split` | the same, or [`into_split`](crate::tokio::WebSocket::into_split) |
//! | `Message`, `Utf8Bytes`, `CloseFrame`, `close_code` | [`Message`](crate::Message), `Cow<str>`, [`CloseFrame`](crate::CloseFrame), [`CloseCode`](crate::CloseCode) |
//!
//! Import names from `sansocket::axum`, not the module itself, which would hide the crate `axum`.
//!
//! This module uses types of axum-core 0.5, which axum 0.8 re-exports in `axum::response` and
//! `axum::extract`.

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
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use hyper::ext::Protocol;
use hyper::rt::{Read, Write};
use hyper::upgrade::OnUpgrade;

use crate::Config;
use crate::handshake::{ConnectRequest, OriginPolicy, Refusal, UpgradeRequest};
use crate::tokio::behind_a_lock;

/// The WebSocket in a handler.
pub type WebSocket = crate::tokio::WebSocket<Upgraded>;

/// An extractor for a client's valid request for a WebSocket.
///
/// It dereferences to the [`UpgradeRequest`], which has the request's path, headers, subprotocols and
/// `Origin`, and the methods to set subprotocol, headers and configuration of the response:
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
    /// Allows only web pages that `policy` allows; required on a server that authenticates by cookies.
    /// Without this call, every page may connect.
    ///
    /// # Errors
    /// [`Rejection::Origin`], for the handler to return.
    pub fn check_origin(self, policy: &OriginPolicy) -> Result<Self, Rejection> {
        if policy.check(&self) { Ok(self) } else { Err(Rejection::Origin) }
    }

    /// Calls `callback` if the connection is lost before it is open, for example if the client disconnects
    /// before the response. The handler of [`on_upgrade`](Self::on_upgrade) is then dropped without being
    /// called; without a callback, silently.
    #[doc(alias = "on_failed_upgrade")]
    pub fn on_failed(self, callback: impl FnOnce(io::Error) + Send + 'static) -> Self {
        Self { on_failed: Some(Box::new(callback)), ..self }
    }

    /// Returns the response that accepts. After it is written, `handler` gets the WebSocket, in a task of its
    /// own.
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

/// Why a request is not upgraded. As a response, it is the answer to the client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Rejection {
    /// The request breaks a rule of the handshake, or does not ask for a WebSocket.
    Refused(Refusal),
    /// The [`OriginPolicy`] does not allow the request's `Origin`.
    Origin,
    /// The server does not provide the connection of this request: it is not hyper, or an earlier layer has
    /// taken it.
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
        // hyper fills its own kind of buffer. Without `unsafe`, its memory must be zeroed first. The limit
        // keeps that cost negligible compared with a read.
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
        // Over HTTP/2, where it has no vectored writes, hyper takes whatever it is given, however small the peer's window
        // is. In pieces, what it holds is bounded, and the rest waits here, with a deadline.
        let most = if self.0.is_write_vectored() { usize::MAX } else { MAX_WRITE };
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(most)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.0.is_write_vectored() {
            return Pin::new(&mut self.0).poll_write_vectored(cx, bufs);
        }
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| buf))
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

// HTTP/2 has one state for both directions.
behind_a_lock! {
    () Upgraded;
}

/// Maximum bytes offered to a read.
const MAX_READ: usize = 64 * 1024;
/// Maximum bytes of a write over HTTP/2.
const MAX_WRITE: usize = 16 * 1024;
