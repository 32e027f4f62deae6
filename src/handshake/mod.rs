//! The opening handshake (RFC 6455 §4): bytes in, a [`Connection`](crate::Connection) out.
//!
//! # Server
//!
//! [`ServerHandshake`] consumes bytes until the request is complete. Bytes after the head stay in the
//! [`Input`](crate::Input): they belong to the connection.
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
//!         // Write it, then continue with `input`.
//!         assert!(connection.output().starts_with(b"HTTP/1.1 101 "));
//!     }
//!     ServerProgress::Http(_request) => { /* serve a page with `respond` */ }
//!     ServerProgress::Refused(_refusal) => { /* write `response`, end the transport */ }
//! }
//! ```
//!
//! A request that is not complete in time is refused with [`ServerHandshake::timed_out`].
//!
//! A server that authenticates by cookies must check its [`OriginPolicy`] before it accepts.
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
//! // In a real program, use `OsRandom`.
//! let nonce = b"the sample nonce";
//! let random = |bytes: &mut [u8]| bytes.copy_from_slice(&nonce[..bytes.len()]);
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
//!     // Read more, then call `recv` again; at the end, `recv_eof`.
//!     ClientProgress::Incomplete(_handshake) => {}
//!     ClientProgress::Connected(_connection, established) => {
//!         assert_eq!(established.subprotocol(), Some("chat"));
//!     }
//!     ClientProgress::Refused(response) => {
//!         return Err(format!("status {}", response.status()).into());
//!     }
//!     ClientProgress::Failed(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A refusal may be a redirect: [`Redirects`] returns the request that follows it, if allowed. A
//! [`ProxyHandshake`] or a [`Socks5Handshake`] opens the tunnel through a proxy, before TLS and before this
//! handshake.
//!
//! # Inside other HTTP libraries
//!
//! If other code reads and writes HTTP, the same checks work on name-value pairs:
//!
//! * HTTP/1.1: [`UpgradeRequest::from_parts`] and [`UpgradeRequest::accept_parts`],
//!   [`ClientHandshake::headers`] and [`ClientHandshake::recv_parts`];
//! * HTTP/2 and HTTP/3: [`ConnectRequest`] and [`ConnectHandshake`].
//!
//! With the feature `http`, they also work on the types of that crate.

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

/// Returns the limits for a peer's head.
#[cfg(feature = "alloc")]
fn head_limits(config: &crate::Config) -> crate::http::Limits {
    crate::http::Limits { max_head: config.max_head, max_headers: config.max_headers }
}
