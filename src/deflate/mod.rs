//! permessage-deflate (RFC 7692): smaller messages, for time and memory.
//!
//! Compression is off until [`Config::deflate`](crate::Config::deflate) turns it on; then the handshake negotiates
//! it, and every message that is received compressed arrives as if it had not been.
//!
#![cfg_attr(feature = "deflate", doc = "```")]
#![cfg_attr(not(feature = "deflate"), doc = "```ignore")]
//! use sansocket::Config;
//! use sansocket::deflate::Deflate;
//! let config = Config::default().deflate(Some(Deflate::default().server_no_context_takeover(true)));
//! ```
//!
//! **Secrets.** Who can make a peer send chosen text in the same message, or in the same compression context, as a
//! secret can find the secret out by the length of what is sent (CRIME, BREACH). Do not compress a message that
//! mixes the two: see [`Connection::compress`](crate::Connection::compress).
//!
//! **Memory.** Without context takeover, a connection holds nothing while no message is under way; what works comes
//! from a pool. With it, these are held between messages too, as measured with `Zlib`:
//!
//! | window       | compressor | decompressor | between messages | 10 000 connections |
//! |--------------|------------|--------------|------------------|--------------------|
//! | 15 bits      | 371 KiB    | 83 KiB       | all of it        | 4.3 GiB            |
//! | 12 bits      | 161 KiB    | 55 KiB       | 170 KiB          | 1.6 GiB            |
//! | 9 bits       | 140 KiB    | 51 KiB       | 145 KiB          | 1.4 GiB            |
//! | no takeover  | 371 KiB    | 83 KiB       | 104 bytes        | 1 MiB              |
//!
//! Who serves many connections asks for
//! [no context takeover of the server](Deflate::server_no_context_takeover) at least: that leaves 0.8 GiB of the
//! first line.
//!
//! Negotiation is pure parsing and always there. The codec behind it is a [`Codec`]: with the feature `deflate`
//! that is `Zlib`, without it one of your own.

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
