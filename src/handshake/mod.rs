//! The opening handshake (RFC 6455 §4).

mod accept_key;
#[cfg(feature = "alloc")]
mod error;
#[cfg(feature = "alloc")]
mod extensions;
#[cfg(feature = "alloc")]
mod grammar;
#[cfg(feature = "alloc")]
mod head;
#[cfg(feature = "alloc")]
mod request;
#[cfg(feature = "alloc")]
mod response;
#[cfg(feature = "alloc")]
mod server;
#[cfg(feature = "alloc")]
mod start_line;
#[cfg(feature = "alloc")]
mod url;

pub use accept_key::accept_key;
#[cfg(feature = "alloc")]
pub use error::{ArgumentError, HandshakeError, UrlError};
#[cfg(feature = "alloc")]
pub use extensions::Extension;
#[cfg(feature = "alloc")]
pub use head::Headers;
#[cfg(feature = "alloc")]
pub use request::{Accepted, UpgradeRequest};
#[cfg(feature = "alloc")]
pub use response::Response;
#[cfg(feature = "alloc")]
pub use server::{HttpRequest, Refusal, ServerHandshake, ServerProgress};
#[cfg(feature = "alloc")]
pub use url::Url;
