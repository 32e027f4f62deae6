//! WebSockets over one stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), many over one connection.
//!
//! [`WebSocket`] is the loop around a [`sansocket::Connection`], the same for both; [`Transport`] is a stream as it needs it:
//!
//! | WebSocket over TCP | HTTP/2 | HTTP/3 |
//! |---|---|---|
//! | received bytes | DATA; the window is given back as the bytes are received | DATA |
//! | a full socket | no window left | no QUIC credit left |
//! | end of the stream (FIN) | END_STREAM | FIN |
//! | reset (RST) | RST_STREAM, CANCEL | RESET_STREAM and STOP_SENDING, H3_REQUEST_CANCELLED |
//!
//! RFC 8441 §5: "Orderly TCP-level closures are represented as END_STREAM flags […] RST exceptions are represented with the
//! RST_STREAM frame […] with the CANCEL error code." RFC 9220 §3 says the same of HTTP/3. After a closing
//! handshake the stream ends with END_STREAM, from the server first; a WebSocket that is given up or dropped resets its stream.

mod socket;

pub mod certificate;
pub mod h2;
pub mod h3;

pub use socket::{Reset, Transport, WebSocket};

/// Sends every message back, until the end.
pub async fn echo<T: Transport>(mut ws: WebSocket<T>) {
    let echo = |connection: &mut sansocket::Connection, event: sansocket::Event<'_>| {
        if let sansocket::Event::Message(message) = event {
            // What cannot be sent any more, after our Close, needs no answer.
            let _ = connection.send_owned(message);
        }
    };
    while ws.turn(echo).await {}
}

/// Maximum number of WebSockets on one connection.
pub const MAX_STREAMS: u32 = 200;
/// Bytes that a peer may send on one stream before they are received.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all streams of a connection together, so that streams that are not read never use up the window of others.
pub const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;
