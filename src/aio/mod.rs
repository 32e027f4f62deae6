//! The parts shared by asynchronous adapters: everything except the stream traits and the clock.
//!
//! With tokio, use [`tokio`](crate::tokio), which has these types with its [`Timer`](crate::tokio::Timer);
//! with smol, use [`futures_io`](crate::futures_io). A runtime with its own traits needs a type that
//! implements [`Timer`], and [`Read`] and [`Write`] for its streams.
//!
//! ```text
//! Driver     stream, endpoint, ReadBuffer, Outgoing, timer
//!            one loop for every phase and both roles
//!   Accepting, Upgrade, Http     a Server being driven
//!   Connecting                   a Client being driven
//!   WebSocket                    a Connection being driven
//! ReadHalf, WriteHalf            the same loop, cut in two; SharedSender for more tasks
//! ```
//!
//! One turn of every loop: events, `handle_timeout`, write, flush, shut down once, then read or wait until
//! the next timeout. This module makes no protocol decisions, and no future of a WebSocket or of its
//! halves holds any state.

mod batch;
mod command;
mod driver;
mod handshake;
mod io;
mod methods;
mod read_buffer;
mod sink;
mod split;
mod turn;
mod wakers;
mod web_socket;
mod writing;

pub use batch::Batch;
pub use command::Command;
#[cfg(feature = "tokio")]
pub(crate) use driver::Driver;
#[cfg(feature = "tokio")]
pub(crate) use handshake::poll_opened;
pub use handshake::{Accepting, Connecting, Http, Incoming, Upgrade};
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(crate) use io::MOMENT;
pub use io::{Io, Read, Timer, Write};
pub use split::{ReadBatch, ReadHalf, SharedSender, WriteHalf};
pub use web_socket::WebSocket;

pub use crate::adapter::Error;
