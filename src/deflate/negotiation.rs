//! [`Deflate`] and [`Params`]: requested and negotiated parameters (RFC 7692 §5, §7.1). Pure parsing.

use alloc::string::{String, ToString};
use core::fmt;

use super::codec::Codec;
use crate::http::{Extension, HandshakeError};

/// The compression settings of a connection, for both roles, subject to negotiation.
///
/// A server accepts the first acceptable offer (RFC 7692 §5.1), and adds its own requests where §7.1 allows
/// it. A client offers one set of parameters, and insists on its requests.
#[derive(Debug, Clone, Copy)]
pub struct Deflate {
    pub(super) codec: &'static dyn Codec,
    pub(super) level: u8,
    pub(super) threshold: usize,
    /// The requests of this side.
    wanted: Params,
}

#[cfg(feature = "deflate")]
impl Default for Deflate {
    /// Uses [`Zlib`](super::Zlib), with a pool shared by all users of the default.
    fn default() -> Self {
        static ZLIB: super::Zlib = super::Zlib::new(16);
        Self::new(&ZLIB)
    }
}

impl Deflate {
    /// Uses this codec.
    #[must_use]
    pub fn new(codec: &'static dyn Codec) -> Self {
        Self { codec, level: 1, threshold: 64, wanted: Params::default() }
    }

    /// Sets the compression level, from 1 (fastest) to 9 (smallest). Default: 1.
    #[must_use]
    pub fn level(self, level: u8) -> Self {
        Self { level: level.clamp(1, 9), ..self }
    }

    /// Minimum payload in bytes of a compressed message; smaller ones are sent uncompressed. A message sent in
    /// fragments, whose length is not known, is compressed in any case, and so is an
    /// [`EncodedMessage`](crate::EncodedMessage::compressed). Default: 64.
    #[must_use]
    pub fn threshold(self, bytes: usize) -> Self {
        Self { threshold: bytes, ..self }
    }

    /// Requests that the server compresses each message independently (RFC 7692 §7.1.1.1). Then an idle
    /// server connection holds no compressor, and an idle client no decompressor. Default: false.
    #[must_use]
    pub fn server_no_context_takeover(mut self, wanted: bool) -> Self {
        self.wanted.server_no_context_takeover = wanted;
        self
    }

    /// Requests that the client compresses each message independently (§7.1.1.2). Then an idle server
    /// connection holds no decompressor, and an idle client no compressor. Default: false.
    #[must_use]
    pub fn client_no_context_takeover(mut self, wanted: bool) -> Self {
        self.wanted.client_no_context_takeover = wanted;
        self
    }

    /// Requests a window of at most 2^`bits` bytes, 9 to 15, for the data that the server compresses
    /// (§7.1.2.1). Default: 15.
    #[must_use]
    pub fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.wanted.server_max_window_bits = bits.clamp(9, 15);
        self
    }

    /// Requests a window of at most 2^`bits` bytes, 9 to 15, for the data that the client compresses
    /// (§7.1.2.2). Default: 15.
    #[must_use]
    pub fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.wanted.client_max_window_bits = bits.clamp(9, 15);
        self
    }

    /// Returns the requests of this side.
    pub(crate) fn wanted(&self) -> Params {
        self.wanted
    }

    /// Returns a server's answer to a client's offers: the parameters of the first acceptable one. All others
    /// are declined.
    #[must_use]
    pub fn accept<'a>(&self, offers: impl IntoIterator<Item = Extension<'a>>) -> Option<Params> {
        offers.into_iter().find_map(|offer| {
            let offer = Named::parse(&offer)?;
            let wanted = &self.wanted;
            let params = Params {
                // "A server accepts an extension negotiation offer that includes the
                // "server_no_context_takeover" extension parameter by including the [...] parameter in the
                // corresponding extension negotiation response" (§7.1.1.1).
                server_no_context_takeover: offer.server_no_context_takeover
                    || wanted.server_no_context_takeover,
                client_no_context_takeover: offer.client_no_context_takeover
                    || wanted.client_no_context_takeover,
                server_max_window_bits: offer.server_bits().min(wanted.server_max_window_bits),
                // "If a received extension negotiation offer doesn't have the "client_max_window_bits"
                // extension parameter, the corresponding extension negotiation response to the offer MUST NOT
                // include [it]" (§7.1.2.2).
                client_max_window_bits: match offer.client_max_window_bits {
                    Some(bits) => bits.unwrap_or(15).min(wanted.client_max_window_bits),
                    None => 15,
                },
                name_server_bits: offer.server_max_window_bits.is_some(),
                name_client_bits: offer.client_max_window_bits.flatten().is_some(),
            };
            // zlib cannot compress with a window of 2^8.
            (params.server_max_window_bits > 8).then_some(params)
        })
    }

    /// Returns a client's offer, in the form of `Sec-WebSocket-Extensions`.
    #[must_use]
    pub fn offer(&self) -> String {
        let offer = self.wanted.to_string();
        // "a client informs the peer server that the client supports the [...] parameter" by naming it without a
        // value (§7.1.2.2).
        if self.wanted.client_max_window_bits < 15 { offer } else { offer + "; client_max_window_bits" }
    }

    /// Returns the parameters that result from the server's answer to [`offer`](Self::offer); `None` if the
    /// server does not compress.
    ///
    /// # Errors
    /// Fails if the answer is malformed, contains anything that was not offered, or provides less than
    /// requested: "A client MUST _Fail the WebSocket Connection_" then (§7).
    pub fn agree<'a>(
        &self,
        answer: impl IntoIterator<Item = Extension<'a>>,
    ) -> Result<Option<Params>, HandshakeError> {
        let mut answer = answer.into_iter();
        let Some(accepted) = answer.next() else { return Ok(None) };
        if accepted.name() != NAME || answer.next().is_some() {
            return Err(HandshakeError::UnofferedExtension);
        }
        let named = Named::parse(&accepted).ok_or(HandshakeError::InvalidDeflate)?;
        let wanted = &self.wanted;
        let params = Params {
            server_no_context_takeover: named.server_no_context_takeover,
            client_no_context_takeover: named.client_no_context_takeover || wanted.client_no_context_takeover,
            server_max_window_bits: named.server_bits(),
            client_max_window_bits: match named.client_max_window_bits {
                // Only an offer may omit the value (§7.1.2.2).
                Some(None) => return Err(HandshakeError::InvalidDeflate),
                Some(Some(bits)) => bits,
                None => wanted.client_max_window_bits,
            },
            ..Params::default()
        };
        let as_wanted = params.server_no_context_takeover >= wanted.server_no_context_takeover
            && params.server_max_window_bits <= wanted.server_max_window_bits
            && params.client_max_window_bits <= wanted.client_max_window_bits;
        if as_wanted { Ok(Some(params)) } else { Err(HandshakeError::InvalidDeflate) }
    }
}

/// The negotiated parameters (RFC 7692 §5.1). Formats as in a server's answer.
///
/// ```
/// use sansocket::deflate::Params;
/// assert_eq!(Params::default().to_string(), "permessage-deflate");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Params {
    /// Whether the server compresses each message independently.
    pub server_no_context_takeover: bool,
    /// Whether the client compresses each message independently.
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's maximum compression window, 8 to 15.
    pub server_max_window_bits: u8,
    /// Base-2 logarithm of the client's maximum compression window, 8 to 15.
    pub client_max_window_bits: u8,
    /// Whether the windows must be named even if they have the maximum size.
    name_server_bits: bool,
    name_client_bits: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
            name_server_bits: false,
            name_client_bits: false,
        }
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if self.server_max_window_bits < 15 || self.name_server_bits {
            write!(f, "; server_max_window_bits={}", self.server_max_window_bits)?;
        }
        if self.client_max_window_bits < 15 || self.name_client_bits {
            write!(f, "; client_max_window_bits={}", self.client_max_window_bits)?;
        }
        Ok(())
    }
}

/// The parameters in an offer or an answer.
#[derive(Debug, Default)]
struct Named {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// In an offer, the value is optional.
    client_max_window_bits: Option<Option<u8>>,
}

impl Named {
    /// Returns `None` for another extension, and for a parameter that is unknown, repeated, or has an invalid
    /// value: "A server MUST decline an extension negotiation offer for this extension" then (§7), and a
    /// client must fail the connection.
    fn parse(extension: &Extension<'_>) -> Option<Self> {
        if extension.name() != NAME {
            return None;
        }
        let mut named = Self::default();
        for (name, value) in extension.params() {
            let bits = match value {
                Some(value) => Some(window_bits(&value)?),
                None => None,
            };
            let is_new = match (name, bits) {
                ("server_no_context_takeover", None) => {
                    !core::mem::replace(&mut named.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !core::mem::replace(&mut named.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(_)) => {
                    core::mem::replace(&mut named.server_max_window_bits, bits).is_none()
                }
                ("client_max_window_bits", _) => named.client_max_window_bits.replace(bits).is_none(),
                _ => return None,
            };
            if !is_new {
                return None;
            }
        }
        Some(named)
    }

    fn server_bits(&self) -> u8 {
        self.server_max_window_bits.unwrap_or(15)
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2.1).
fn window_bits(value: &str) -> Option<u8> {
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

const NAME: &str = "permessage-deflate";
