//! [`Config`]: limits and deadlines of a connection.

use core::time::Duration;

use crate::deflate::Deflate;
use crate::frame::Limits;

/// Limits and deadlines, the same for both roles; every limit is inclusive: what is as large as the limit
/// passes.
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

    /// The most bytes of the peer's handshake head (request or status line, headers, blank line). Default: 32
    /// KiB.
    #[must_use]
    pub fn max_head(self, bytes: usize) -> Self {
        Self { max_head: bytes, ..self }
    }

    /// The most header lines in the peer's handshake head. Default: 128.
    #[must_use]
    pub fn max_headers(self, lines: usize) -> Self {
        Self { max_headers: lines, ..self }
    }

    /// The most payload bytes of one received frame; of a compressed one an eighth and 64 bytes more, which is
    /// what compressing can add. Default: 16 MiB.
    #[must_use]
    pub fn max_frame(self, bytes: u64) -> Self {
        Self { max_frame: bytes, ..self }
    }

    /// The most payload bytes of one received message, over all its fragments and decompressed. Default: 16
    /// MiB.
    #[must_use]
    pub fn max_message(self, bytes: u64) -> Self {
        Self { max_message: bytes, ..self }
    }

    /// How many fragments one received message may have beyond one for every 16 payload bytes. Default:
    /// 16384.
    ///
    /// It bounds the work of endless empty or tiny fragments, and never meets a message in frames of a fair
    /// size.
    #[must_use]
    pub fn max_fragments(self, fragments: u32) -> Self {
        Self { max_fragments: fragments, ..self }
    }

    /// The most bytes that may wait in the output or be in flight, those that are shared with other connections counted in full.
    /// A send beyond it is refused with [`SendError::OutputFull`](crate::SendError::OutputFull), or
    /// [`TooLarge`](crate::SendError::TooLarge) if waiting would not help, and changes nothing. Default: 64 MiB.
    ///
    /// A payload that the caller writes itself is no output:
    /// [`send_header`](crate::Connection::send_header) counts the header alone.
    #[must_use]
    pub fn max_output(self, bytes: usize) -> Self {
        Self { max_output: bytes, ..self }
    }

    /// While more bytes than this wait in a server's output, [`wants_read`](crate::Connection::wants_read) is
    /// false, so that a peer that does not read is not read from either. Default: 64 KiB.
    #[must_use]
    pub fn high_water(self, bytes: usize) -> Self {
        Self { high_water: bytes, ..self }
    }

    /// Negotiates compression in the opening handshake (RFC 7692). Default: `None`, none.
    #[must_use]
    pub fn deflate(self, deflate: Option<Deflate>) -> Self {
        Self { deflate, ..self }
    }

    /// Maximum duration of everything before the connection is open, for [`Server`](crate::Server),
    /// [`Client`](crate::Client) and the adapters: looking up the name, every address, the proxy, TLS, the handshake,
    /// redirects. It stands still while a server's caller decides on a request. The handshakes by value have no clock.
    /// Default: 10 s.
    #[must_use]
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { handshake_timeout: timeout, ..self }
    }

    /// Sends a Ping whenever nothing was received for this long. Default: `None`, no pings.
    #[must_use]
    pub fn ping_interval(self, interval: Option<Duration>) -> Self {
        Self { ping_interval: interval, ..self }
    }

    /// How long after such a Ping anything at all must arrive; otherwise the connection is lost. Default: 20
    /// s.
    #[must_use]
    pub fn pong_timeout(self, timeout: Duration) -> Self {
        Self { pong_timeout: timeout, ..self }
    }

    /// Closes the connection (1001) when no message was sent or received for this long. Default: `None`,
    /// never.
    #[must_use]
    pub fn idle_timeout(self, timeout: Option<Duration>) -> Self {
        Self { idle_timeout: timeout, ..self }
    }

    /// Maximum duration of the closing handshake and the end of the transport, from when our Close has been
    /// written; the same for an HTTP response in place of a connection. Until then the transport has this long for each
    /// 16 KiB, or for the rest. Default: 10 s.
    #[must_use]
    pub fn close_timeout(self, timeout: Duration) -> Self {
        Self { close_timeout: timeout, ..self }
    }

    /// Maximum duration, on an open connection, for the transport to take the next 16 KiB of the output, or the
    /// rest; otherwise the connection is lost. `None`: no limit. Default: 60 s.
    #[must_use]
    pub fn write_timeout(self, timeout: Option<Duration>) -> Self {
        Self { write_timeout: timeout, ..self }
    }
}

/// The values that are set, named as the standard library does it for builders that are read, such as `Command`.
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
