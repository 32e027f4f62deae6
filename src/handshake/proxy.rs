//! [`Proxy`], and [`ProxyHandshake`] for a tunnel through an HTTP proxy (RFC 9110 §9.3.6).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::answer::{Answer, AnswerReader, RefusedResponse};
use super::socks5;
use super::tunnel::Tunnel;
use crate::http::{HandshakeError, Url, UrlError, basic, push_line, split_port, user_and_password};
use crate::{Config, Input};

/// A proxy: its address, its protocol, and the credentials for it.
///
/// ```
/// use sansocket::handshake::{Proxy, ProxyProtocol};
/// let proxy = Proxy::parse("socks5://user:password@proxy.example.com")?;
/// assert_eq!(proxy.protocol(), ProxyProtocol::Socks5);
/// assert_eq!((proxy.host(), proxy.port()), ("proxy.example.com", 1080));
/// # Ok::<(), sansocket::handshake::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    protocol: ProxyProtocol,
    /// With brackets for an IPv6 address.
    host: String,
    port: u16,
    /// The credentials in the proxy's protocol: a header value, or a message of RFC 1929.
    authentication: Option<Vec<u8>>,
}

/// The protocol of a [`Proxy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyProtocol {
    /// HTTP `CONNECT` (RFC 9110 §9.3.6): [`ProxyHandshake`].
    Http,
    /// The same, over TLS to the proxy.
    Https,
    /// SOCKS5 (RFC 1928): [`Socks5Handshake`](super::Socks5Handshake).
    Socks5,
}

impl ProxyProtocol {
    /// Returns the scheme in lower case, and the default port.
    const fn facts(self) -> (&'static str, u16) {
        match self {
            Self::Http => ("http", 80),
            Self::Https => ("https", 443),
            Self::Socks5 => ("socks5", 1080),
        }
    }

    /// Encodes the credentials.
    fn authentication(self, user_info: &str) -> Result<Vec<u8>, UrlError> {
        match self {
            Self::Http | Self::Https => basic(user_info).map(String::into_bytes),
            Self::Socks5 => {
                let (user, password) = user_and_password(user_info)?;
                socks5::authentication(&user, &password).ok_or(UrlError::UserInfo)
            }
        }
    }
}

impl Proxy {
    /// Parses `scheme://[user:password@]host[:port]`. The schemes are `http` (default port 80), `https`
    /// (443), and `socks5` or, equivalently, `socks5h` (1080). The proxy resolves the server's name.
    ///
    /// # Errors
    /// [`UrlError`], as for [`Url::parse`].
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::ProxyScheme)?;
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyProtocol::Http,
            "https" => ProxyProtocol::Https,
            "socks5" | "socks5h" => ProxyProtocol::Socks5,
            _ => return Err(UrlError::ProxyScheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        // The path is ignored.
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (authentication, authority) = match authority.split_once('@') {
            Some((user_info, authority)) => (Some(protocol.authentication(user_info)?), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(protocol.facts().1);
        Ok(Self { protocol, host: host.to_owned(), port, authentication })
    }

    /// Returns the protocol of the proxy.
    #[must_use]
    pub const fn protocol(&self) -> ProxyProtocol {
        self.protocol
    }

    /// Returns the host to connect to; an IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the port to connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns host and port.
    #[cfg(any(feature = "net", feature = "tokio"))]
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns the credentials if this is the proxy's protocol.
    pub(super) fn authentication(&self, protocol: ProxyProtocol) -> Option<&[u8]> {
        self.authentication.as_deref().filter(|_| self.protocol == protocol)
    }
}

/// Omits user name and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}://{}:{})", self.protocol.facts().0, self.host, self.port)
    }
}

/// The handshake with an HTTP proxy, until the tunnel to the server is open. For `wss`, TLS comes next,
/// inside the tunnel.
///
/// Write all of [`output`](Self::output) to the proxy, then pass received bytes to [`recv`](Self::recv).
///
/// ```
/// use sansocket::handshake::{Proxy, ProxyHandshake, ProxyProgress, Url};
/// use sansocket::{Config, Input};
/// let proxy = Proxy::parse("http://proxy.example.com:3128")?; // connect there
/// let url = Url::parse("wss://example.com/chat")?;
/// let handshake = ProxyHandshake::new(&proxy, &url, Config::default());
/// assert!(handshake.output().starts_with(b"CONNECT example.com:443 HTTP/1.1\r\n"));
/// let mut received = *b"HTTP/1.1 200 Connection established\r\n\r\n";
/// assert!(matches!(handshake.recv(&mut Input::new(&mut received)), ProxyProgress::Open));
/// # Ok::<(), sansocket::handshake::UrlError>(())
/// ```
#[must_use]
pub struct ProxyHandshake {
    output: Vec<u8>,
    written: usize,
    answer: AnswerReader,
}

impl ProxyHandshake {
    /// Creates a request to `proxy`, of the protocol [`Http`](ProxyProtocol::Http) or
    /// [`Https`](ProxyProtocol::Https), for a tunnel to the host and port of `url`. `config` limits the head
    /// of the response.
    pub fn new(proxy: &Proxy, url: &Url, config: Config) -> Self {
        let target = url.authority();
        // RFC 9110 §7.2: "a user agent MUST generate a Host header field in a request".
        let mut output = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        let authorization =
            [ProxyProtocol::Http, ProxyProtocol::Https].map(|http| proxy.authentication(http));
        if let Some(authorization) = authorization.into_iter().flatten().next() {
            push_line(&mut output, b"Proxy-Authorization", authorization);
        }
        output.extend_from_slice(b"\r\n");
        Self { output, written: 0, answer: AnswerReader::new(&config) }
    }

    /// Returns the bytes that are not written yet.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.output.get(self.written..).unwrap_or_default()
    }

    /// Records that the first `n` bytes of the output were written.
    pub fn output_written(&mut self, n: usize) {
        self.written = self.written.saturating_add(n).min(self.output.len());
    }

    /// Handles received bytes.
    pub fn recv(mut self, input: &mut Input<'_>) -> ProxyProgress {
        match self.recv_mut(input) {
            Tunnel::Incomplete => ProxyProgress::Incomplete(self),
            Tunnel::Open => ProxyProgress::Open,
            Tunnel::Refused(refused) => ProxyProgress::Refused(refused),
            Tunnel::Failed(error) => ProxyProgress::Failed(error),
        }
    }

    /// Like [`recv`](Self::recv), by reference.
    pub(super) fn recv_mut(&mut self, input: &mut Input<'_>) -> Tunnel<HandshakeError> {
        // "Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will switch to
        // tunnel mode immediately after the response header section"; "A client MUST ignore any Content-Length
        // or Transfer-Encoding header fields received in a successful response to CONNECT."
        match self.answer.recv(input, |code| matches!(code, 200..=299)) {
            Ok(None) => Tunnel::Incomplete,
            Ok(Some(Answer::Hoped(_))) => Tunnel::Open,
            Ok(Some(Answer::Refused(refused))) => Tunnel::Refused(refused),
            Err(error) => Tunnel::Failed(error),
        }
    }

    /// Handles the end of the stream. Returns the refusal, with the part of its body that has arrived, if its
    /// head is complete.
    ///
    /// # Errors
    /// [`HandshakeError::Truncated`] if the head is incomplete.
    pub fn recv_eof(mut self) -> Result<RefusedResponse, HandshakeError> {
        self.give_up().ok_or(HandshakeError::Truncated)
    }

    /// Stops waiting, after a deadline of the caller. Returns the refusal, with the part of its body that has
    /// arrived, if its head is complete.
    ///
    /// # Errors
    /// [`HandshakeError::TimedOut`] if the head is incomplete.
    pub fn timed_out(mut self) -> Result<RefusedResponse, HandshakeError> {
        self.give_up().ok_or(HandshakeError::TimedOut)
    }

    /// Stops waiting. Returns the refusal, with the part of its body that has arrived, if its head is
    /// complete.
    pub(super) fn give_up(&mut self) -> Option<RefusedResponse> {
        self.answer.give_up()
    }
}

/// Omits the output, which may contain a password.
impl fmt::Debug for ProxyHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyHandshake").field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// The result of [`ProxyHandshake::recv`].
#[derive(Debug)]
#[must_use]
pub enum ProxyProgress {
    /// The response is incomplete: all bytes are consumed, read more.
    Incomplete(ProxyHandshake),
    /// The tunnel is open, and the following bytes belong to it. In TLS and in a WebSocket the client speaks
    /// first, so bytes already in the input are not the server's.
    Open,
    /// The proxy refuses the tunnel: it requests credentials (407), or reports an error. The response is the
    /// proxy's, not the server's, so never follow a redirect in it.
    Refused(RefusedResponse),
    /// The proxy's response breaks a rule: close the transport.
    Failed(HandshakeError),
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;

    #[test]
    fn what_is_asked_for() {
        let cases = [
            ("http://p", "ws://h/a?b", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"),
            ("HTTP://p:1/", "wss://me:secret@h", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
            (
                "http://Aladdin:open%20sesame@p",
                "ws://[::1]:81/",
                "CONNECT [::1]:81 HTTP/1.1\r\nHost: [::1]:81\r\n\
                 Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
            ),
        ];
        for (proxy, url, expected) in cases {
            let (proxy, url) = (Proxy::parse(proxy).unwrap(), Url::parse(url).unwrap());
            let mut handshake = ProxyHandshake::new(&proxy, &url, Config::default());
            let mut written = String::new();
            while let Some(&byte) = handshake.output().first() {
                written.push(char::from(byte));
                handshake.output_written(1);
            }
            assert_eq!(written, expected);
        }
    }

    #[test]
    fn urls_of_proxies() {
        let cases = [
            ("http://a:b@p", Ok("Proxy(http://p:80)")),
            ("https://p/", Ok("Proxy(https://p:443)")),
            ("HTTPS://[::1]:8443/x?y", Ok("Proxy(https://[::1]:8443)")),
            ("socks5://p", Ok("Proxy(socks5://p:1080)")),
            ("Socks5h://:@p:80", Err(UrlError::UserInfo)),
            ("socks5h://a%3Ab:%00@p:80", Ok("Proxy(socks5://p:80)")),
            ("http://a%3Ab:@p:80", Err(UrlError::UserInfo)),
            ("http://a:%00@p:80", Err(UrlError::UserInfo)),
            ("p:80", Err(UrlError::ProxyScheme)),
            ("ws://p", Err(UrlError::ProxyScheme)),
            ("socks4://p", Err(UrlError::ProxyScheme)),
            ("http://", Err(UrlError::Host)),
            ("socks5://a@/", Err(UrlError::Host)),
            ("http://p:0", Err(UrlError::Port)),
            ("http://a b", Err(UrlError::Character)),
            ("https://p#", Err(UrlError::Fragment)),
        ];
        for (url, expected) in cases {
            let parsed = Proxy::parse(url).map(|proxy| format!("{proxy:?}"));
            assert_eq!(parsed.as_deref(), expected.as_ref().copied(), "{url}");
        }
        let long = |len: usize| Proxy::parse(&format!("socks5://u:{}@p", "x".repeat(len)));
        assert!(long(255).is_ok() && long(256) == Err(UrlError::UserInfo));
        assert_eq!(Proxy::parse("https://[::1]").unwrap().host(), "::1");
    }

    #[test]
    fn credentials_are_for_the_protocol_of_the_proxy_alone() {
        let url = Url::parse("ws://h").unwrap();
        let handshake = ProxyHandshake::new(&Proxy::parse("https://a:b@p").unwrap(), &url, Config::default());
        assert!(handshake.output().ends_with(b"\r\nProxy-Authorization: Basic YTpi\r\n\r\n"));
        let handshake =
            ProxyHandshake::new(&Proxy::parse("socks5://a:b@p").unwrap(), &url, Config::default());
        assert!(handshake.output().ends_with(b"\r\nHost: h:80\r\n\r\n"));
    }

    /// Returns the result of a response that arrives in pieces, and the rest of its last piece.
    fn answered(answer: &[u8], piece: usize) -> (ProxyProgress, Vec<u8>) {
        let (proxy, url) = (Proxy::parse("http://p").unwrap(), Url::parse("ws://h").unwrap());
        let mut handshake = ProxyHandshake::new(&proxy, &url, Config::default().max_head(200).max_headers(4));
        for piece in answer.to_vec().chunks_mut(piece) {
            let mut input = Input::new(piece);
            handshake = match handshake.recv(&mut input) {
                ProxyProgress::Incomplete(handshake) => handshake,
                over => return (over, input.as_slice().to_vec()),
            };
            assert!(input.is_empty());
        }
        match handshake.recv_eof() {
            Ok(refused) => (ProxyProgress::Refused(refused), vec![]),
            Err(error) => (ProxyProgress::Failed(error), vec![]),
        }
    }

    #[test]
    fn answers_however_they_are_cut() {
        use HandshakeError as E;
        let long = [b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 200][..], b"\r\n\r\n"].concat();
        let endless = b"HTTP/1.1 100 \r\n\r\n".repeat(9);
        // expected: 0 for an open tunnel, else the status of the refusal
        let cases: [(&[u8], Result<u16, E>); 20] = [
            (b"HTTP/1.1 200 OK\r\n\r\n", Ok(0)),
            (b"HTTP/1.0 200 Connection established\r\n\r\n", Ok(0)),
            (b"HTTP/1.1 299\r\nVia: x\r\n\r\n", Ok(0)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Ok(0)),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Ok(0)),
            (b"HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 \r\nA: b\r\n\r\nHTTP/1.1 200 \r\n\r\n", Ok(0)),
            (b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n", Ok(101)),
            (b"HTTP/1.1 302 Found\r\nLocation: ws://evil/\r\nContent-Length: 0\r\n\r\n", Ok(302)),
            (b"HTTP/1.1 407 Who?\r\nContent-Length: 2\r\n\r\nno", Ok(407)),
            (b"HTTP/1.1 502 \r\nContent-Length: 100\r\n\r\ncut", Ok(502)),
            (&endless, Err(E::TooManyInformational)),
            (&long, Err(E::HeadTooLarge)),
            (b"HTTP/1.1 200 OK\r\na: b\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n", Err(E::TooManyHeaders)),
            (b"HTTP/1.1 200 OK\r\n", Err(E::Truncated)),
            (b"", Err(E::Truncated)),
            (b"HTTP/1.1 200 OK\n\n", Err(E::BareLineFeed)),
            (b"HTTP/2.0 200 OK\r\n\r\n", Err(E::UnsupportedHttpVersion)),
            (b"HTTP/1.1 099 OK\r\n\r\n", Err(E::InvalidStatusLine)),
            (b"SSH-2.0-OpenSSH_9.9\r\n", Err(E::InvalidStatusLine)),
            (b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n", Err(E::FoldedHeader)),
        ];
        for (answer, expected) in cases {
            for piece in 1..=answer.len().max(1) {
                let result = match answered(answer, piece).0 {
                    ProxyProgress::Open => Ok(0),
                    ProxyProgress::Refused(refused) => Ok(refused.status()),
                    ProxyProgress::Failed(error) => Err(error),
                    ProxyProgress::Incomplete(_) => panic!(),
                };
                assert_eq!(result, expected, "{} by {piece}", String::from_utf8_lossy(answer));
            }
        }
    }

    #[test]
    fn what_follows_belongs_to_the_tunnel() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntunnel";
        assert!(matches!(answered(answer, answer.len()), (ProxyProgress::Open, rest) if rest == b"tunnel"));
    }
}
