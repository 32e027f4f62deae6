//! WebSockets over one stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), many of them over one connection.
//!
//! [`WebSocket`] is the loop around a [`sansocket::Connection`], the same for both; [`Transport`] is what it asks of a stream:
//!
//! | WebSocket over TCP | HTTP/2 | HTTP/3 |
//! |---|---|---|
//! | received bytes | DATA, its window given back when they were received | DATA |
//! | a socket that is full | no window left | no QUIC credit left |
//! | end of the stream (FIN) | END_STREAM | FIN |
//! | reset (RST) | RST_STREAM, CANCEL | RESET_STREAM and STOP_SENDING, H3_REQUEST_CANCELLED |
//!
//! RFC 8441 §5: "Orderly TCP-level closures are represented as END_STREAM flags […] RST exceptions are represented with the
//! RST_STREAM frame […] with the CANCEL error code." RFC 9220 §3 says the same of HTTP/3 in its words. A WebSocket whose
//! closing handshake is over ends with END_STREAM, the server's first; one that is given up, or that was dropped, is reset.

mod socket;

pub mod certificate;
pub mod h2;
pub mod h3;

pub use socket::{Reset, Transport, WebSocket};

/// Maximum number of WebSockets on one connection.
pub const MAX_STREAMS: u32 = 200;
/// Bytes that a peer may send on one stream before they were received.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all streams of a connection together: a stream that is not read leaves the others theirs.
pub const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;
