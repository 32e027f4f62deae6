//! permessage-deflate (RFC 7692): smaller messages, for time and memory.
//!
//! Compression is off until [`Config::deflate`](crate::Config::deflate) turns it on; then the handshake negotiates it, and every
//! message that is received compressed arrives as if it had not been.
//!
#![cfg_attr(feature = "deflate", doc = "```")]
#![cfg_attr(not(feature = "deflate"), doc = "```ignore")]
//! use sansocket::Config;
//! use sansocket::deflate::Deflate;
//! let config = Config::default().deflate(Some(Deflate::default().server_no_context_takeover(true)));
//! ```
//!
//! **Secrets.** Who can make a peer send chosen text in the same message, or in the same compression context, as a secret can find the
//! secret out by the length of what is sent (CRIME, BREACH). Do not compress a message that mixes the two: see
//! [`Connection::compress`](crate::Connection::compress).
//!
//! **Memory.** A compressing connection holds about 300 KiB and a decompressing one about 40 KiB while a message is under way, and with
//! context takeover also between messages; smaller windows make both smaller.
//!
//! Negotiation is pure parsing and always there. The codec behind it is a [`Codec`]: with the feature `deflate` that is
//! [`Zlib`], without it one of your own.

mod codec;
mod messages;
mod negotiation;
#[cfg(feature = "deflate")]
mod zlib;

pub use codec::{Codec, CodecError, Compressor, Decompressor, Inflated};
pub(crate) use messages::{Deflater, Inflater};
pub use negotiation::{Deflate, Params};
#[cfg(feature = "deflate")]
#[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
pub use zlib::Zlib;
