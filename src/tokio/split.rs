//! [`Split`]: streams that come apart.

use std::io;

use ::tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use ::tokio::net::{TcpStream, tcp};

use super::{ClientStream, ReadHalf, WebSocket, WriteHalf};

/// A stream whose two directions can be used by two tasks. For any other stream there is
/// [`WebSocket::split_with`], such as with [`tokio::io::split`](::tokio::io::split).
///
/// TLS and HTTP/2 have one state for both directions: there the halves share a lock, held for one poll at a time.
#[diagnostic::on_unimplemented(
    note = "any stream can be split with `WebSocket::split_with(tokio::io::split)` or `slot.open_with(ws, tokio::io::split)`"
)]
pub trait Split: Sized {
    /// The reading direction.
    type Read: AsyncRead + Unpin;
    /// The writing direction.
    type Write: AsyncWrite + Unpin;

    /// Takes the stream apart.
    fn split(self) -> (Self::Read, Self::Write);

    /// Puts the two directions together again; `None` if they belong to different streams.
    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self>;
}

impl Split for TcpStream {
    type Read = tcp::OwnedReadHalf;
    type Write = tcp::OwnedWriteHalf;

    fn split(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self> {
        read.reunite(write).ok()
    }
}

#[cfg(unix)]
impl Split for ::tokio::net::UnixStream {
    type Read = ::tokio::net::unix::OwnedReadHalf;
    type Write = ::tokio::net::unix::OwnedWriteHalf;

    fn split(self) -> (Self::Read, Self::Write) {
        self.into_split()
    }

    fn reunite(read: Self::Read, write: Self::Write) -> Option<Self> {
        read.reunite(write).ok()
    }
}

/// Splits streams that have one state for both directions.
macro_rules! behind_a_lock {
    ($($(#[$attribute:meta])* ($($generics:tt)*) $stream:ty;)*) => {$(
        $(#[$attribute])*
        impl $($generics)* $crate::tokio::Split for $stream {
            type Read = ::tokio::io::ReadHalf<Self>;
            type Write = ::tokio::io::WriteHalf<Self>;

            fn split(self) -> (Self::Read, Self::Write) {
                ::tokio::io::split(self)
            }

            fn reunite(read: Self::Read, write: Self::Write) -> Option<Self> {
                read.is_pair_of(&write).then(|| read.unsplit(write))
            }
        }
    )*};
}

#[cfg(feature = "axum")]
pub(crate) use behind_a_lock;

behind_a_lock! {
    () ClientStream;
    () DuplexStream;
    #[cfg(feature = "tokio-tls")]
    (<S: AsyncRead + AsyncWrite + Unpin>) ::tokio_rustls::TlsStream<S>;
    #[cfg(feature = "tokio-tls")]
    (<S: AsyncRead + AsyncWrite + Unpin>) ::tokio_rustls::client::TlsStream<S>;
    #[cfg(feature = "tokio-tls")]
    (<S: AsyncRead + AsyncWrite + Unpin>) ::tokio_rustls::server::TlsStream<S>;
}

impl<S: Split> WebSocket<S> {
    /// Splits the WebSocket into two halves, for two tasks. The writing half of a client has the type
    /// `WriteHalf<<ClientStream as Split>::Write>`.
    ///
    /// ```no_run
    /// # async fn run(ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> std::io::Result<()> {
    /// let (mut reader, mut writer) = ws.into_split();
    /// tokio::spawn(async move {
    ///     writer.send_text("from another task").await
    /// });
    /// while let Some(event) = reader.recv().await? {
    ///     if let sansocket::Event::Message(message) = event {
    ///         println!("{}", message.as_text().unwrap_or("(binary)"));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "split")]
    #[expect(clippy::type_complexity, reason = "two halves, each with its direction")]
    pub fn into_split(self) -> (ReadHalf<S::Read, S::Write>, WriteHalf<S::Write>) {
        self.split_with(S::split)
    }

    /// Puts two halves together again: `WebSocket::<TcpStream>::reunite(reader, writer)`, with the type of the stream.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if they are not of one connection, or if a call of a
    /// [`SharedSender`](crate::aio::SharedSender) does not end.
    pub fn reunite(reader: ReadHalf<S::Read, S::Write>, writer: WriteHalf<S::Write>) -> io::Result<Self> {
        Self::reunite_with(reader, writer, S::reunite)
    }
}
