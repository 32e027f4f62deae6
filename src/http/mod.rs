//! The parts of HTTP/1.1 that an opening handshake needs: heads, URLs and responses.
//!
//! ```text
//! bytes ─▶ HeadReader ─▶ Head { RequestLine or StatusLine, Headers }     Response ─▶ bytes
//!                         └▶ Extension, one for each offer
//! ```
//!
//! [`handshake`](crate::handshake) decides which heads open a WebSocket, and re-exports the public types.

mod error;
mod extensions;
mod grammar;
mod head;
mod head_reader;
mod response;
mod start_line;
mod url;

pub use error::{ArgumentError, HandshakeError, UrlError};
pub use extensions::Extension;
pub(crate) use extensions::Extensions;
pub(crate) use grammar::{is_same, is_token, letters_digits_and, list, push_header, push_line, text};
pub use head::Headers;
pub(crate) use head::{Field, Head, Span};
pub(crate) use head_reader::{HeadReader, Limits};
pub use response::Response;
pub(crate) use start_line::{RequestLine, StatusLine};
pub use url::Url;
pub(crate) use url::{
    basic, is_same_host, is_scheme, is_web_scheme, split_port, split_uri, user_and_password,
};
