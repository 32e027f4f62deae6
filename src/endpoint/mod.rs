//! The complete life of one transport: [`Server`] and [`Client`], from the first byte to the last.
//!
//! ```text
//! Server   head ─▶ request to decide on ─▶ connection ──────────▶ end
//!            └──────────────┴─▶ HTTP response, lingering end ─▶ end
//! Client   dial ─▶ proxy: TLS, tunnel ─▶ start TLS ─▶ handshake ─▶ connection ─▶ end
//!            ▲                                           ├─▶ refusal ─▶ end
//!            └────────────────── redirect ───────────────┘
//! ```
//!
//! Both speak [`Connection`]'s words in every phase, so that an event loop writes its I/O once. While it opens, the
//! phase is in a box beside the connection; once it is open, the box is gone.

mod addresses;
mod client;
#[cfg(any(feature = "aio", feature = "net"))]
mod driven;
mod open_error;
mod options;
mod reconnect;
mod server;

pub use addresses::{Addresses, Attempt};
pub use client::{Client, ClientEvent, Step};
#[cfg(any(feature = "aio", feature = "net"))]
pub(crate) use driven::Endpoint;
pub use open_error::OpenError;
pub use options::ConnectOptions;
pub use reconnect::Reconnect;
pub use server::{Answer, Server, ServerEvent};

/// The words that need not ask for the phase: before a connection is open, its output, its state and its end are
/// those of the handshake.
macro_rules! common_words {
    () => {
        /// The next bytes to write, in order, whatever the phase; see [`Connection::output`].
        #[inline]
        #[must_use]
        pub fn output(&self) -> &[u8] {
            self.connection.output()
        }

        /// The next bytes to write, for a vectored write; see [`Connection::output_slices`].
        pub fn output_slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
            self.connection.output_slices(into)
        }

        /// How many bytes of output were not written yet; see [`Connection::output_len`].
        #[inline]
        #[must_use]
        pub fn output_len(&self) -> usize {
            self.connection.output_len()
        }

        /// Takes the next piece of the output, to be written by somebody who needs to own it; see
        /// [`Connection::take_output`].
        pub fn take_output(&mut self) -> Option<Segment> {
            self.connection.take_output()
        }

        /// The next `n` bytes of the output have been written; see [`Connection::output_written`].
        #[inline]
        pub fn output_written(&mut self, n: usize) {
            self.connection.output_written(n);
        }

        /// Whether there is output to write.
        #[inline]
        #[must_use]
        pub fn wants_write(&self) -> bool {
            self.connection.wants_write()
        }

        /// Whether to shut down the transport's writing side, once; see [`Connection::should_shutdown`].
        #[inline]
        #[must_use]
        pub fn should_shutdown(&self) -> bool {
            self.connection.should_shutdown()
        }

        /// Whether the transport can be dropped: nothing is left to write, to read or to report.
        #[inline]
        #[must_use]
        pub fn is_ended(&self) -> bool {
            self.opening.is_none() && self.connection.is_ended()
        }

        /// Where the connection is in its life.
        #[inline]
        #[must_use]
        pub fn state(&self) -> State {
            self.connection.state()
        }

        /// The connection, for sending and all else. It is there in every phase; sending is refused with
        /// [`SendError::NotOpen`](crate::SendError::NotOpen) until it is open. Bytes are received by this endpoint's own `recv`: the
        /// connection's would take those of the opening handshake for frames.
        #[inline]
        pub fn connection(&mut self) -> &mut Connection {
            &mut self.connection
        }

        /// The connection alone, for [`split`](Connection::split) or to save the endpoint's own
        /// bookkeeping. It is complete: nothing stays behind.
        ///
        /// # Errors
        /// The endpoint, while it is opening.
        pub fn into_connection(self) -> Result<Connection, Self> {
            if self.opening.is_none() { Ok(self.connection) } else { Err(self) }
        }
    };
}
use common_words;
