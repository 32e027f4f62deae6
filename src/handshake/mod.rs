//! The opening handshake (RFC 6455 §4): bytes in, a [`Connection`](crate::Connection) out.
//!
//! # Server
//!
//! [`ServerHandshake`] takes bytes until the request is whole. What follows the head stays in the
//! [`Input`](crate::Input): it belongs to the connection.
//!
#![cfg_attr(feature = "alloc", doc = "```")]
#![cfg_attr(not(feature = "alloc"), doc = "```ignore")]
//! use sansocket::handshake::{ServerHandshake, ServerProgress};
//! use sansocket::{Config, Input};
//!
//! let mut received = *b"GET /chat HTTP/1.1\r\n\
//!     Host: server.example.com\r\n\
//!     Upgrade: websocket\r\n\
//!     Connection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!     Sec-WebSocket-Protocol: chat, superchat\r\n\
//!     Sec-WebSocket-Version: 13\r\n\r\n";
//! let mut input = Input::new(&mut received);
//!
//! let handshake = ServerHandshake::new(Config::default());
//! match handshake.recv(&mut input) {
//!     ServerProgress::Incomplete(_handshake) => { /* read more, then recv again */ }
//!     ServerProgress::Upgrade(mut request) => {
//!         assert_eq!(request.path(), "/chat");
//!         request.choose_supported(&["superchat"]);
//!         let mut connection = request.accept();
//!         assert!(connection.output().starts_with(b"HTTP/1.1 101 ")); // write it, then go on with `input`
//!     }
//!     ServerProgress::Http(_request) => { /* serve a page with `respond` */ }
//!     ServerProgress::Refused(_refusal) => { /* write `response`, end the transport */ }
//! }
//! ```
//!
//! A request that does not get whole in time is refused as well: [`ServerHandshake::timed_out`].
//!
//! Before accepting, a server that trusts cookies asks its [`OriginPolicy`].
//!
//! # Client
//!
#![cfg_attr(feature = "alloc", doc = "```")]
#![cfg_attr(not(feature = "alloc"), doc = "```ignore")]
//! use sansocket::handshake::{ClientHandshake, ClientProgress, ClientRequest};
//! use sansocket::{Config, Input};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = ClientRequest::new("ws://server.example.com/chat")?.subprotocol("chat")?;
//! // For real, `OsRandom`.
//! let random = |bytes: &mut [u8]| bytes.copy_from_slice(&b"the sample nonce"[..bytes.len()]);
//! let mut handshake = ClientHandshake::new(request, Config::default(), random);
//! let written = handshake.output().len(); // write it to the host and port of the URL
//! handshake.output_written(written);
//!
//! let mut received = *b"HTTP/1.1 101 Switching Protocols\r\n\
//!     Upgrade: websocket\r\n\
//!     Connection: Upgrade\r\n\
//!     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
//!     Sec-WebSocket-Protocol: chat\r\n\r\n";
//! match handshake.recv(&mut Input::new(&mut received)) {
//!     ClientProgress::Incomplete(_handshake) => { /* read more, then recv again; at the end, recv_eof */ }
//!     ClientProgress::Connected(_connection, established) => {
//!         assert_eq!(established.subprotocol(), Some("chat"));
//!     }
//!     ClientProgress::Refused(response) => return Err(format!("status {}", response.status()).into()),
//!     ClientProgress::Failed(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A refusal may be a redirect: [`Redirects`] says where to, if it is to be followed. The way through a proxy is a
//! [`ProxyHandshake`] or a [`Socks5Handshake`], before TLS and before this one.
//!
//! # Inside other HTTP libraries
//!
//! When somebody else reads and writes HTTP, the same checks work on name-value pairs:
//! [`UpgradeRequest::from_parts`] and [`UpgradeRequest::accept_parts`], [`ClientHandshake::headers`] and
//! [`ClientHandshake::recv_parts`], and with the feature `http` on the types of that crate; for HTTP/2 and HTTP/3 [`ConnectRequest`] and [`ConnectHandshake`].

mod accept_key;
#[cfg(feature = "alloc")]
mod answer;
#[cfg(feature = "alloc")]
mod check;
#[cfg(feature = "alloc")]
mod client;
#[cfg(feature = "alloc")]
mod client_request;
#[cfg(feature = "alloc")]
mod extended_connect;
#[cfg(feature = "alloc")]
mod http_request;
#[cfg(feature = "http")]
mod http_types;
#[cfg(feature = "alloc")]
pub(crate) mod opening;
#[cfg(feature = "alloc")]
mod origin;
#[cfg(feature = "alloc")]
mod proxy;
#[cfg(feature = "alloc")]
mod proxy_env;
#[cfg(feature = "alloc")]
mod redirect;
#[cfg(feature = "alloc")]
mod refusal;
#[cfg(feature = "alloc")]
mod request;
#[cfg(feature = "alloc")]
mod retry_after;
#[cfg(feature = "alloc")]
mod server;
#[cfg(feature = "alloc")]
mod socks5;
#[cfg(feature = "alloc")]
mod tunnel;

pub use accept_key::accept_key;
#[cfg(feature = "alloc")]
pub use {
    answer::RefusedResponse,
    client::{ClientHandshake, ClientProgress, Established},
    client_request::ClientRequest,
    extended_connect::{ConnectHandshake, ConnectRequest, PseudoHeaders},
    http_request::{HttpRequest, HttpRequestParts},
    origin::OriginPolicy,
    proxy::{Proxy, ProxyHandshake, ProxyProgress, ProxyProtocol},
    proxy_env::ProxyVarError,
    redirect::{RedirectError, Redirects},
    refusal::Refusal,
    request::{Accepted, UpgradeRequest},
    server::{ServerHandshake, ServerProgress},
    socks5::{Socks5Error, Socks5Handshake, Socks5Progress},
};

#[cfg(feature = "alloc")]
pub(crate) use {
    opening::{Opened, Opening},
    tunnel::{ProxyTunnel, Tunnel, TunnelError},
};

#[cfg(feature = "alloc")]
pub use crate::http::{ArgumentError, Extension, HandshakeError, Headers, Response, Url, UrlError};
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use http_types::RequestError;

/// The limits of a peer's head.
#[cfg(feature = "alloc")]
fn head_limits(config: &crate::Config) -> crate::http::Limits {
    crate::http::Limits { max_head: config.max_head, max_headers: config.max_headers }
}
