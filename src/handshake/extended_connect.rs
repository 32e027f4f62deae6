//! Extended CONNECT: a WebSocket on one stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220).
//!
//! An HTTP library carries the stream, frames its data and announces the support of extended CONNECT to the
//! peer. Headers are exchanged as pairs, pseudo-headers separately. After that it is an ordinary
//! [`Connection`], masking included.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use super::answer::AnswerReader;
use super::check::{Offers, check_version};
use super::client::Established;
use super::client_request::ClientRequest;
use super::head_limits;
use super::opening::{Offer, compressing};
use super::refusal::Refusal;
use super::request::{Accepted, UpgradeRequest};
use crate::http::{Field, HandshakeError, HeadReader, Headers, Url, is_same, is_same_host, split_port, text};
use crate::{Config, Connection, Random};

/// The pseudo-headers of an extended CONNECT (RFC 8441 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PseudoHeaders<'a> {
    /// `:method`
    pub method: Option<&'a str>,
    /// `:protocol`
    pub protocol: Option<&'a str>,
    /// `:scheme`
    pub scheme: Option<&'a str>,
    /// `:authority`; without it, the host of a request is its `Host`.
    pub authority: Option<&'a str>,
    /// `:path`
    pub path: Option<&'a str>,
}

impl PseudoHeaders<'_> {
    /// Returns `true` if this is the extended CONNECT of a WebSocket. It does not check the other rules.
    ///
    /// Otherwise it is an ordinary request, a CONNECT for a tunnel, or an extended CONNECT for another
    /// protocol.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.method == Some("CONNECT") && self.protocol == Some("websocket")
    }
}

/// A client's request for a WebSocket by extended CONNECT: everything of [`UpgradeRequest`] except its
/// answers.
///
/// ```
/// use sansocket::Config;
/// use sansocket::handshake::{ConnectRequest, PseudoHeaders};
/// let pseudo = PseudoHeaders {
///     method: Some("CONNECT"),
///     protocol: Some("websocket"),
///     scheme: Some("https"),
///     authority: Some("example.com"),
///     path: Some("/chat"),
/// };
/// let headers = [("sec-websocket-version", "13")];
/// let request = ConnectRequest::from_parts(pseudo, headers, Config::default()).unwrap();
/// assert_eq!((request.host(), request.path()), ("example.com", "/chat"));
/// let (response, connection) = request.accept_parts();
/// assert_eq!(response.status(), 200);
/// # drop(connection);
/// ```
#[derive(Debug)]
#[must_use = "the client waits for an answer"]
pub struct ConnectRequest(UpgradeRequest);

impl ConnectRequest {
    /// Checks a request that an HTTP library has parsed. The target becomes the absolute URI. A `Cookie` in
    /// several headers, as browsers send it for better compression, becomes one, behind the others.
    ///
    /// A server with other resources checks [`PseudoHeaders::is_websocket`] first.
    ///
    /// # Errors
    /// Returns the [`Refusal`] to answer with: its status, headers and body. Its error is
    /// [`OrdinaryRequest`](HandshakeError::OrdinaryRequest) or
    /// [`TunnelRequest`](HandshakeError::TunnelRequest) for a request that is not an extended CONNECT.
    pub fn from_parts<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        pseudo: PseudoHeaders<'_>,
        headers: impl IntoIterator<Item = (N, V)>,
        config: Config,
    ) -> Result<Self, Refusal> {
        let method = pseudo.method.unwrap_or_default();
        Self::check(pseudo, headers, config).map_err(|error| Refusal::to_connect(method, error))
    }

    fn check<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        pseudo: PseudoHeaders<'_>,
        headers: impl IntoIterator<Item = (N, V)>,
        config: Config,
    ) -> Result<Self, HandshakeError> {
        use HandshakeError as E;
        match pseudo {
            PseudoHeaders { protocol: Some(_), .. } => {}
            // RFC 9113 §8.5, about a tunnel: "The ":scheme" and ":path" pseudo-header fields MUST be
            // omitted."
            PseudoHeaders { method: Some("CONNECT"), scheme: None, path: None, .. } => {
                return Err(E::TunnelRequest);
            }
            PseudoHeaders { method: Some(method), .. } if method != "CONNECT" => {
                return Err(E::OrdinaryRequest);
            }
            _ => {}
        }
        // RFC 9220 §3: an unknown or unsupported :protocol is answered with 501.
        let (Some("CONNECT"), Some(protocol)) = (pseudo.method, pseudo.protocol) else {
            return Err(E::InvalidPseudoHeader);
        };
        if protocol != "websocket" {
            return Err(E::UnsupportedProtocol);
        }
        // RFC 9113 §8.2.3: "If there are multiple Cookie header fields after decompression, these MUST be
        // concatenated into a single octet string using the two-octet delimiter of 0x3b, 0x20".
        let (cookies, others): (Vec<_>, Vec<_>) =
            headers.into_iter().partition(|(name, _)| is_same(name.as_ref(), b"cookie"));
        let cookie = cookies.iter().map(|(_, value)| value.as_ref()).collect::<Vec<_>>().join(&b"; "[..]);
        let cookie = (!cookies.is_empty()).then_some((&b"cookie"[..], &cookie[..]));
        let others = others.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        // RFC 8441 §4: here :authority has its usual meaning, and a Host may replace it.
        let host =
            others.clone().find(|(name, _)| is_same(name, b"host")).map(|(_, host)| text(host.trim_ascii()));
        // RFC 8441 §4: unlike other CONNECTs, this one has :scheme and :path.
        let (Some(scheme @ ("https" | "http")), Some(authority), Some(path)) =
            (pseudo.scheme, pseudo.authority.or(host), pseudo.path)
        else {
            return Err(E::InvalidPseudoHeader);
        };
        if split_port(authority).is_err() || !path.starts_with('/') {
            return Err(E::InvalidPseudoHeader);
        }
        let line = ["GET ", scheme, "://", authority, path, " HTTP/1.1"].concat();
        let head = HeadReader::new(head_limits(&config)).recv_pairs(line.as_bytes(), others.chain(cookie))?;
        // A key is not processed (RFC 8441 §5): proxies that were asked in HTTP/1.1 pass it on.
        if head.headers().any(|(name, value)| is_of_http1(name, value)) {
            return Err(E::ForbiddenHeader);
        }
        // RFC 9113 §8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that
        // identifies an entity that differs from the entity in the ":authority" pseudo-header field."
        let default_port = if scheme == "https" { 443 } else { 80 };
        let is_other = |host: &[u8]| !is_same_host(text(host), authority, default_port);
        if head.values(Field::Host).any(is_other) {
            return Err(E::OtherHost);
        }
        check_version(&head)?;
        let offers = Offers::parse(&head)?;
        Ok(Self(UpgradeRequest::new(head, offers, config)))
    }

    /// Opens the connection; returns it with the response, which the HTTP library writes.
    #[must_use]
    pub fn accept_parts(self) -> (Accepted, Connection) {
        self.0.accept_connect()
    }
}

/// RFC 9113 §8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields."
/// TE is an exception, "it MUST NOT contain any value other than "trailers"".
fn is_of_http1(name: &str, value: &[u8]) -> bool {
    ["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"]
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other))
        || (name.eq_ignore_ascii_case("TE") && !is_same(value, b"trailers"))
}

impl Deref for ConnectRequest {
    type Target = UpgradeRequest;

    fn deref(&self) -> &UpgradeRequest {
        &self.0
    }
}

impl DerefMut for ConnectRequest {
    fn deref_mut(&mut self) -> &mut UpgradeRequest {
        &mut self.0
    }
}

/// A client's extended CONNECT, until the response is validated.
#[must_use]
pub struct ConnectHandshake {
    url: Url,
    authority: String,
    head: Vec<u8>,
    offer: Offer,
    answer: AnswerReader,
    connection: Connection,
}

impl ConnectHandshake {
    /// Creates the request. `random` supplies the masking keys of the connection.
    pub fn new(request: ClientRequest, config: Config, random: impl Random + Send + Sync + 'static) -> Self {
        let mut head = b"\n".to_vec();
        request.push_offers(&mut head, config.deflate.as_ref());
        Self {
            authority: request.authority(),
            head,
            offer: Offer::new(&request, &config),
            answer: AnswerReader::new(&config),
            connection: Connection::client(config, random),
            url: request.url,
        }
    }

    /// Returns the pseudo-headers to send.
    #[must_use]
    pub fn pseudo_headers(&self) -> PseudoHeaders<'_> {
        PseudoHeaders {
            method: Some("CONNECT"),
            protocol: Some("websocket"),
            // RFC 8441 §5: the scheme is "https" for wss and "http" for ws.
            scheme: Some(if self.url.is_secure() { "https" } else { "http" }),
            authority: Some(&self.authority),
            path: Some(self.url.resource()),
        }
    }

    /// Returns the headers to send. Their names contain capitals, which HTTP/2 libraries convert to lower
    /// case.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::of(&self.head)
    }

    /// Handles the response that the HTTP library received.
    ///
    /// # Errors
    /// [`HandshakeError::OtherStatus`] for a status other than 2xx, or the error for the rule that is broken.
    pub fn recv_parts<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(Connection, Established), HandshakeError> {
        // RFC 9110 §9.3.6: "Any 2xx (Successful) response indicates that the sender […] will switch to tunnel
        // mode".
        if !(200..300).contains(&status) {
            return Err(HandshakeError::OtherStatus);
        }
        let head = self.answer.recv_parts(status, headers)?;
        let agreed = self.offer.check(&head)?;
        Ok((compressing(self.connection, agreed), Established::new(head)))
    }
}

/// Omits header values, which may be secrets.
impl fmt::Debug for ConnectHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectHandshake")
            .field("url", &self.url)
            .field("headers", &self.headers())
            .finish_non_exhaustive()
    }
}
