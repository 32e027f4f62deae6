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
//! Both have the methods of [`Connection`] in every phase, so an event loop implements its I/O once. The
//! phase is boxed beside the connection until it is open; then the box is freed.

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

/// The methods that do not depend on the phase: before a connection is open, its output, its state and its
/// end are those of the handshake.
macro_rules! common_words {
    () => {
        /// Returns the next bytes to write, in order and in every phase; see [`Connection::output`].
        #[inline]
        #[must_use]
        pub fn output(&self) -> &[u8] {
            self.connection.output()
        }

        /// Fills `into` with the next bytes to write, for a vectored write; see
        /// [`Connection::output_slices`].
        pub fn output_slices<'a>(&'a self, into: &mut [&'a [u8]]) -> usize {
            self.connection.output_slices(into)
        }

        /// Returns how many output bytes are not written yet; see [`Connection::output_len`].
        #[inline]
        #[must_use]
        pub fn output_len(&self) -> usize {
            self.connection.output_len()
        }

        /// Takes the next piece of the output, for writers that need to own it; see
        /// [`Connection::take_output`].
        pub fn take_output(&mut self) -> Option<Segment> {
            self.connection.take_output()
        }

        /// Records that the next `n` bytes have been written; see [`Connection::output_written`].
        #[inline]
        pub fn output_written(&mut self, n: usize) {
            self.connection.output_written(n);
        }

        /// Returns `true` if there is output to write; see [`Connection::wants_write`].
        #[inline]
        #[must_use]
        pub fn wants_write(&self) -> bool {
            self.connection.wants_write()
        }

        /// Returns `true` if the caller should shut down the writing side of the transport, once; see
        /// [`Connection::should_shutdown`].
        #[inline]
        #[must_use]
        pub fn should_shutdown(&self) -> bool {
            self.connection.should_shutdown()
        }

        /// Returns `true` if the transport can be dropped: nothing is left to write, to read or to report.
        #[inline]
        #[must_use]
        pub fn is_ended(&self) -> bool {
            self.opening.is_none() && self.connection.is_ended()
        }

        /// Returns the state of the connection.
        #[inline]
        #[must_use]
        pub fn state(&self) -> State {
            self.connection.state()
        }

        /// Returns the connection, for sending and everything else. It exists in every phase; while it is
        /// opening, sending fails with [`SendError::NotOpen`](crate::SendError::NotOpen), and
        /// [`compress`](Connection::compress) has no effect. Receive with this endpoint's own `recv`: the
        /// connection's would treat the bytes of the opening handshake as frames.
        #[inline]
        pub fn connection(&mut self) -> &mut Connection {
            &mut self.connection
        }

        /// Converts into the connection alone, for [`split`](Connection::split), or to save the memory of the
        /// endpoint. Nothing is lost.
        ///
        /// # Errors
        /// Returns the endpoint unchanged while it is opening, and while `recv` has events of bytes that arrived
        /// before a delayed answer: receive those first.
        pub fn into_connection(self) -> Result<Connection, Self> {
            if self.opening.is_none() { Ok(self.connection) } else { Err(self) }
        }
    };
}
use common_words;
