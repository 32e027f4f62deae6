//! [`Config`]: the limits and deadlines of a connection.

use core::time::Duration;

use crate::deflate::Deflate;
use crate::frame::Limits;

/// Limits and deadlines, for both roles. Limits are inclusive: a value equal to the limit is allowed.
///
/// ```
/// use core::time::Duration;
/// let config = sansocket::Config::default()
///     .max_message(1 << 20)
///     .ping_interval(Some(Duration::from_secs(30)));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Config {
    pub(crate) max_head: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_frame: u64,
    pub(crate) max_message: u64,
    pub(crate) max_fragments: u32,
    pub(crate) max_output: usize,
    pub(crate) high_water: usize,
    pub(crate) deflate: Option<Deflate>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) write_timeout: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_head: 32 * 1024,
            max_headers: 128,
            max_frame: 16 << 20,
            max_message: 16 << 20,
            max_fragments: 16 * 1024,
            max_output: 64 << 20,
            high_water: 64 * 1024,
            deflate: None,
            handshake_timeout: Duration::from_secs(10),
            ping_interval: None,
            pong_timeout: Duration::from_secs(20),
            idle_timeout: None,
            close_timeout: Duration::from_secs(10),
            write_timeout: Some(Duration::from_secs(60)),
        }
    }
}

impl Config {
    pub(crate) const fn limits(&self) -> Limits {
        Limits { max_frame: self.max_frame, max_message: self.max_message, max_fragments: self.max_fragments }
    }

    /// Maximum size of the peer's handshake head in bytes: request or status line, headers and blank line.
    /// Default: 32 KiB.
    #[must_use]
    pub fn max_head(self, bytes: usize) -> Self {
        Self { max_head: bytes, ..self }
    }

    /// Maximum number of header lines in the peer's handshake head. Default: 128.
    #[must_use]
    pub fn max_headers(self, lines: usize) -> Self {
        Self { max_headers: lines, ..self }
    }

    /// Maximum payload of a received frame in bytes. A compressed frame may exceed it by an eighth plus 64
    /// bytes, the most that compression can add. Default: 16 MiB.
    #[must_use]
    pub fn max_frame(self, bytes: u64) -> Self {
        Self { max_frame: bytes, ..self }
    }

    /// Maximum payload of a received message in bytes, summed over its fragments and after decompression.
    /// Default: 16 MiB.
    #[must_use]
    pub fn max_message(self, bytes: u64) -> Self {
        Self { max_message: bytes, ..self }
    }

    /// Maximum number of fragments of a received message, in addition to one for every 16 payload bytes.
    /// Default: 16384.
    ///
    /// This bounds the work that endless empty or tiny fragments cause. Messages in frames of a reasonable
    /// size never reach it.
    #[must_use]
    pub fn max_fragments(self, fragments: u32) -> Self {
        Self { max_fragments: fragments, ..self }
    }

    /// Maximum number of output bytes that wait or are in flight. Bytes shared with other connections count
    /// in full. Default: 64 MiB.
    ///
    /// A send beyond it changes nothing and fails with
    /// [`SendError::OutputFull`](crate::SendError::OutputFull), or with
    /// [`TooLarge`](crate::SendError::TooLarge) if waiting would not help.
    ///
    /// A payload that the caller writes itself does not count: of
    /// [`send_header`](crate::Connection::send_header), only the header does.
    ///
    /// Automatic replies are sent regardless of the limit, and so is a keepalive Ping in an empty output: they are
    /// few and short. A `Sink` may exceed it by one item.
    ///
    /// To be compressed, a frame needs room for the most that compression can add: an eighth and 64 bytes. A message
    /// that could never have it is sent uncompressed; a fragment is too large then.
    #[must_use]
    pub fn max_output(self, bytes: usize) -> Self {
        Self { max_output: bytes, ..self }
    }

    /// Output threshold in bytes for backpressure: while more waits in a server's output,
    /// [`wants_read`](crate::Connection::wants_read) is false, so nothing is read from a peer that does not
    /// read. Default: 64 KiB.
    ///
    /// In the asynchronous adapters, `send` also waits while more is queued. The reading half of a split WebSocket always reads.
    #[must_use]
    pub fn high_water(self, bytes: usize) -> Self {
        Self { high_water: bytes, ..self }
    }

    /// Negotiates compression in the opening handshake (RFC 7692). Default: `None`, no compression.
    #[must_use]
    pub fn deflate(self, deflate: Option<Deflate>) -> Self {
        Self { deflate, ..self }
    }

    /// Maximum time until the connection is open, for [`Server`](crate::Server), [`Client`](crate::Client)
    /// and the adapters. It covers name resolution (except in `net`, where only the operating system limits it), all
    /// connection attempts, the proxy, TLS, the handshake and redirects, but not the time in which a server's caller decides on a request.
    /// [`ServerHandshake`](crate::handshake::ServerHandshake) and [`ClientHandshake`](crate::handshake::ClientHandshake) have
    /// no clock. Default: 10 s.
    #[must_use]
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { handshake_timeout: timeout, ..self }
    }

    /// Sends a Ping after this long without any received bytes. Its Pongs are reported as
    /// [`Event::Pong`](crate::Event::Pong), like any others. Default: `None`, no pings.
    #[must_use]
    pub fn ping_interval(self, interval: Option<Duration>) -> Self {
        Self { ping_interval: interval, ..self }
    }

    /// Maximum time without any received bytes after such a Ping; then the connection is lost. Default: 20 s.
    ///
    /// A Ping that has to wait, for room in the output or behind a payload that the caller owes, waits at most this long;
    /// then the connection is lost as well. While more output waits, each 16 KiB of it that the transport takes is a sign of
    /// life, like received bytes.
    ///
    /// In the adapters, while a task or thread waits in `send` or `flush`, the peer is judged by what has been received.
    #[must_use]
    pub fn pong_timeout(self, timeout: Duration) -> Self {
        Self { pong_timeout: timeout, ..self }
    }

    /// Closes the connection (1001) after this long without a message sent or received. A long message that
    /// is on its way, in either direction, counts. Default: `None`, never.
    #[must_use]
    pub fn idle_timeout(self, timeout: Option<Duration>) -> Self {
        Self { idle_timeout: timeout, ..self }
    }

    /// Maximum time for the closing handshake and the end of the transport, counted from when our Close is
    /// written. It also applies to an HTTP response in place of a connection.
    ///
    /// Before that, the transport has this long for each 16 KiB of output, or for the rest of it. Default: 10
    /// s.
    #[must_use]
    pub fn close_timeout(self, timeout: Duration) -> Self {
        Self { close_timeout: timeout, ..self }
    }

    /// Maximum time for the transport of an open connection to take the next 16 KiB of output, or the rest of
    /// it; then the connection is lost. `None`: no limit. Default: 60 s.
    ///
    /// In the adapters, bytes count when the stream has flushed them. TLS takes up to 64 KiB at once, and hyper, below
    /// `axum`, holds a few pieces of 16 KiB of each stream of HTTP/2, so a peer behind them has this time for as much.
    #[must_use]
    pub fn write_timeout(self, timeout: Option<Duration>) -> Self {
        Self { write_timeout: timeout, ..self }
    }
}

/// The getters, named like those of readable builders in the standard library, such as `Command`.
macro_rules! getters {
    ($($get:ident $field:ident: $type:ty;)*) => {
        impl Config {
            $(
                #[doc = concat!("The value of [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub const fn $get(&self) -> $type {
                    self.$field
                }
            )*
        }
    };
}

getters! {
    get_max_head max_head: usize;
    get_max_headers max_headers: usize;
    get_max_frame max_frame: u64;
    get_max_message max_message: u64;
    get_max_fragments max_fragments: u32;
    get_max_output max_output: usize;
    get_high_water high_water: usize;
    get_deflate deflate: Option<Deflate>;
    get_handshake_timeout handshake_timeout: Duration;
    get_ping_interval ping_interval: Option<Duration>;
    get_pong_timeout pong_timeout: Duration;
    get_idle_timeout idle_timeout: Option<Duration>;
    get_close_timeout close_timeout: Duration;
    get_write_timeout write_timeout: Option<Duration>;
}
