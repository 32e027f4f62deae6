//! WebSocket without sockets.
#![no_std]
#![forbid(unsafe_code)]
// What could panic is written so that it cannot; and nothing comes from `std` that is in `core`.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]
#![deny(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(any(feature = "net", feature = "tokio"))]
mod adapter;
#[cfg(feature = "alloc")]
mod connection;
mod error;
mod input;
mod random;

pub mod frame;
pub mod handshake;
#[cfg(feature = "net")]
#[cfg_attr(docsrs, doc(cfg(feature = "net")))]
pub mod net;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tokio;

#[cfg(feature = "alloc")]
pub use connection::{
    Chunk, Config, Connection, EncodedMessage, Event, Message, Receiver, Reply, Sender, State,
};
pub use error::{ProtocolError, SendError};
pub use frame::CloseCode;
pub use input::Input;
#[cfg(feature = "getrandom")]
pub use random::OsRandom;
pub use random::Random;
