//! permessage-deflate (RFC 7692): smaller messages, at the cost of time and memory.
//!
//! Compression is off by default. [`Config::deflate`](crate::Config::deflate) enables it; then the handshake
//! negotiates it, and compressed messages are received like any others.
//!
#![cfg_attr(feature = "deflate", doc = "```")]
#![cfg_attr(not(feature = "deflate"), doc = "```ignore")]
//! use sansocket::Config;
//! use sansocket::deflate::Deflate;
//! let deflate = Deflate::default().server_no_context_takeover(true);
//! let config = Config::default().deflate(Some(deflate));
//! ```
//!
//! **Secrets.** An attacker who can place chosen text in the same message or compression context as a secret
//! can discover the secret from the compressed length (CRIME, BREACH). Do not compress a message that
//! combines the two: see [`Connection::compress`](crate::Connection::compress), or send it as
//! [`EncodedMessage::new`](crate::EncodedMessage::new), which is never compressed, even through a `Sink` or a half of a connection.
//!
//! **Memory.** Without context takeover, a connection holds no state between messages; states for messages in
//! progress come from a pool. With context takeover, the states are kept between messages. Measured with
//! `Zlib`:
//!
//! | window       | compressor | decompressor | between messages | 10 000 connections |
//! |--------------|------------|--------------|------------------|--------------------|
//! | 15 bits      | 371 KiB    | 83 KiB       | all of it        | 4.3 GiB            |
//! | 12 bits      | 161 KiB    | 55 KiB       | 170 KiB          | 1.6 GiB            |
//! | 9 bits       | 140 KiB    | 51 KiB       | 145 KiB          | 1.4 GiB            |
//! | no takeover  | 371 KiB    | 83 KiB       | 104 bytes        | 1 MiB              |
//!
//! For many connections, request at least [no context takeover of the
//! server](Deflate::server_no_context_takeover): that reduces the first row to 0.8 GiB.
//!
//! **Limits.** What is decompressed counts for [`Config::max_message`](crate::Config::max_message). Blocks marked as final, which cost more
//! than others, are limited as well: of those that follow one in the same message, 255 are accepted, and one more for each 256 bytes of the
//! message.
//!
//! The negotiation is pure parsing and always available. The codec is a [`Codec`]: `Zlib` with the feature
//! `deflate`, or your own. In a debug build, this in the program's `Cargo.toml` halved the time of a large
//! echo (3.9 to 1.8 s for 16 MiB):
//!
//! ```toml
//! [profile.dev.package.zlib-rs]
//! opt-level = 3
//! ```

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
