//! WebSocket without sockets.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "alloc")]
mod connection;
mod input;
mod random;

pub mod handshake;

#[cfg(feature = "alloc")]
pub use connection::{Config, Connection};
pub use input::Input;
#[cfg(feature = "getrandom")]
pub use random::OsRandom;
pub use random::Random;
