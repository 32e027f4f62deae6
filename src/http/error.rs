//! The errors in HTTP heads: [`HandshakeError`] for what the peer sent, [`ArgumentError`] and [`UrlError`]
//! for what the caller supplied.
//!
//! One enum covers the syntax of HTTP and the rules of the WebSocket handshake: both kinds of invalid request
//! are answered with a status.

use core::error::Error;
use core::fmt;

/// The peer broke a rule of the opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head exceeds [`Config::max_head`](crate::Config::max_head), or so do the bytes that follow a request for a
    /// WebSocket before a [`Server`](crate::Server) is told the answer.
    HeadTooLarge,
    /// The head has more lines than [`Config::max_headers`](crate::Config::max_headers) allows.
    TooManyHeaders,
    /// The stream ended inside the head.
    Truncated,
    /// The head did not arrive in time; see [`ServerHandshake::timed_out`](crate::handshake::ServerHandshake::timed_out).
    TimedOut,
    /// The peer sent a TLS record instead of HTTP.
    Tls,
    /// A line ends in LF without CR.
    BareLineFeed,
    /// The first line is not `method target HTTP/1.1`.
    InvalidRequestLine,
    /// The request target is empty, or contains a space, a fragment, or a character that is not visible
    /// ASCII; or it is an absolute URI whose authority is not a host with an optional port; or that of a request
    /// for a WebSocket is neither a path nor an absolute http, https, ws or wss URI.
    InvalidTarget,
    /// The first line is not `HTTP/1.1 status reason`.
    InvalidStatusLine,
    /// The major version of HTTP is not 1, or the version of a 101 is 1.0.
    UnsupportedHttpVersion,
    /// A request for a WebSocket in HTTP/1.0, which cannot be upgraded.
    UpgradeInHttp10,
    /// A header line has no colon, an empty name, whitespace before the colon or an invalid character in the
    /// name.
    InvalidHeaderName,
    /// A header value contains a control character, such as a CR that is not followed by LF.
    InvalidHeaderValue,
    /// A header line starts with whitespace, the obsolete line folding. It is refused in responses too, although
    /// RFC 9112 §5.2 wants a client to join the lines.
    FoldedHeader,

    /// There is no `Host`.
    MissingHost,
    /// There is more than one `Host`.
    RepeatedHost,
    /// `Host` is not a host with an optional port.
    InvalidHost,
    /// No `Upgrade: websocket`.
    ///
    /// A request from bytes only gets this if it has other headers of a WebSocket; otherwise it is reported
    /// as [`Http`](crate::handshake::ServerProgress::Http). From
    /// [parts](crate::handshake::UpgradeRequest::from_parts), every request that does not ask for a WebSocket
    /// gets it.
    MissingUpgrade,
    /// The method is not GET.
    MethodNotGet,
    /// `Connection` lacks the token `Upgrade`.
    MissingConnectionUpgrade,
    /// There is no `Sec-WebSocket-Version`.
    MissingVersion,
    /// `Sec-WebSocket-Version` is repeated, or not a version number.
    InvalidVersion,
    /// `Sec-WebSocket-Version` is not 13.
    UnsupportedVersion,
    /// There is no `Sec-WebSocket-Key`.
    MissingKey,
    /// There is more than one `Sec-WebSocket-Key`.
    RepeatedKey,
    /// `Sec-WebSocket-Key` is not the base64 of 16 bytes.
    InvalidKey,
    /// There is more than one `Origin`.
    RepeatedOrigin,
    /// The request announces a body, so two parties could disagree about where the frames begin.
    RequestBody,
    /// `Sec-WebSocket-Protocol` is not a list of tokens.
    InvalidSubprotocol,
    /// `Sec-WebSocket-Protocol` names a subprotocol twice.
    DuplicateSubprotocol,
    /// `Sec-WebSocket-Extensions` does not follow its grammar.
    InvalidExtensions,

    /// Too many 1xx responses before the final one.
    TooManyInformational,
    /// The server answered with a status that does not open a connection. This only occurs with an HTTP
    /// library; otherwise the response is a [`RefusedResponse`](crate::handshake::RefusedResponse).
    OtherStatus,
    /// The response's `Upgrade` is not `websocket`.
    WrongUpgrade,
    /// The response's `Connection` lacks the token `Upgrade`.
    WrongConnection,
    /// The response has no `Sec-WebSocket-Accept`, or more than one.
    MissingAccept,
    /// `Sec-WebSocket-Accept` does not match our key.
    WrongAccept,
    /// The server chose a subprotocol that was not offered, or several.
    UnofferedSubprotocol,
    /// The server chose an extension that was not offered.
    UnofferedExtension,
    /// The server's parameters of permessage-deflate are malformed, not offered, or weaker than requested.
    InvalidDeflate,

    /// Extended CONNECT: `:protocol` is not `websocket`.
    UnsupportedProtocol,
    /// Extended CONNECT: a pseudo-header is missing or wrong.
    InvalidPseudoHeader,
    /// Extended CONNECT: a connection-specific header, as only HTTP/1.1 has, or a `TE` other than `trailers`.
    ForbiddenHeader,
    /// Extended CONNECT: `Host` names a different server than `:authority`.
    OtherHost,
    /// Extended CONNECT: an ordinary request, with a method other than CONNECT.
    OrdinaryRequest,
    /// A CONNECT that requests a tunnel: in HTTP/2 and HTTP/3, one without `:protocol`.
    TunnelRequest,
}

impl HandshakeError {
    /// Returns the HTTP status for the answer to a request with this error. Responses are not answered.
    #[must_use]
    pub fn status(self) -> u16 {
        self.facts().0
    }

    /// Returns the section that the peer violated.
    #[must_use]
    pub fn section(self) -> &'static str {
        self.facts().1
    }

    const fn facts(self) -> (u16, &'static str, &'static str) {
        use HandshakeError as E;
        match self {
            E::HeadTooLarge => (431, "RFC 6585 §5", "the head is longer than the limit"),
            E::TooManyHeaders => (431, "RFC 6585 §5", "the head has more header lines than the limit"),
            E::Truncated => (400, "RFC 9112 §8", "the stream ended before the head was complete"),
            E::TimedOut => (408, "RFC 9110 §15.5.9", "the head did not arrive in time"),
            E::Tls => {
                (400, "RFC 9112 §2.2", "received TLS, expected HTTP: one end speaks wss://, the other ws://")
            }
            E::BareLineFeed => (400, "RFC 9112 §2.2", "a line ends in LF, expected CRLF"),
            E::InvalidRequestLine => {
                (400, "RFC 9112 §3", "expected a request line: method, target, HTTP/1.1")
            }
            E::InvalidTarget => (
                400,
                "RFC 9112 §3.2",
                "expected a request target: a path or an absolute URI with a host, visible ASCII, no fragment",
            ),
            E::InvalidStatusLine => (400, "RFC 9112 §4", "expected a status line: HTTP/1.1, status, reason"),
            E::UnsupportedHttpVersion => {
                (505, "RFC 6455 §4.2.1", "unsupported version of HTTP, expected HTTP/1.1")
            }
            // RFC 6455 §4.2.1: "the server MUST […] return an HTTP response with an appropriate error code".
            // RFC 9110 §15.5.22: the server "might be willing to do so after the client upgrades to a
            // different protocol". A 505 would mean that "it is unable or unwilling to complete the request
            // using the same major version" (§15.6.6).
            E::UpgradeInHttp10 => {
                (426, "RFC 9110 §7.8", "an HTTP/1.0 request cannot be upgraded, expected HTTP/1.1")
            }
            E::InvalidHeaderName => (400, "RFC 9112 §5", "expected a header: name, colon, value"),
            E::InvalidHeaderValue => (400, "RFC 9110 §5.5", "a header value has a control character"),
            E::FoldedHeader => (400, "RFC 9112 §5.2", "a header line starts with whitespace"),
            E::MissingHost => (400, "RFC 9112 §3.2", "the request has no Host"),
            E::RepeatedHost => (400, "RFC 9112 §3.2", "the request has several Hosts, expected one"),
            E::InvalidHost => {
                (400, "RFC 9112 §3.2", "Host is invalid, expected a host with an optional port")
            }
            E::MissingUpgrade => (426, "RFC 6455 §4.2.1", "the request has no Upgrade: websocket"),
            E::MethodNotGet => (405, "RFC 6455 §4.2.1", "the method is not GET"),
            E::MissingConnectionUpgrade => (400, "RFC 6455 §4.2.1", "Connection lacks the token Upgrade"),
            E::MissingVersion => {
                (400, "RFC 6455 §4.2.1", "the request has no Sec-WebSocket-Version, expected 13")
            }
            E::InvalidVersion => (400, "RFC 6455 §4.3", "Sec-WebSocket-Version is invalid, expected 13"),
            E::UnsupportedVersion => (426, "RFC 6455 §4.4", "unsupported Sec-WebSocket-Version, expected 13"),
            E::MissingKey => (400, "RFC 6455 §4.2.1", "the request has no Sec-WebSocket-Key"),
            E::RepeatedKey => {
                (400, "RFC 6455 §11.3.1", "the request has several Sec-WebSocket-Keys, expected one")
            }
            E::InvalidKey => {
                (400, "RFC 6455 §4.2.1", "Sec-WebSocket-Key is invalid, expected base64 of 16 bytes")
            }
            E::RepeatedOrigin => {
                (400, "RFC 6454 §7", "the request has several Origins, expected at most one")
            }
            E::RequestBody => (400, "RFC 9110 §9.3.1", "an upgrade request must have no body"),
            E::InvalidSubprotocol => {
                (400, "RFC 6455 §4.1", "Sec-WebSocket-Protocol is invalid, expected tokens")
            }
            E::DuplicateSubprotocol => {
                (400, "RFC 6455 §4.1", "Sec-WebSocket-Protocol names one subprotocol twice")
            }
            E::InvalidExtensions => {
                (400, "RFC 6455 §9.1", "Sec-WebSocket-Extensions does not follow its grammar")
            }
            E::TooManyInformational => {
                (502, "RFC 9110 §15.2", "too many 1xx responses, expected a final one")
            }
            E::OtherStatus => {
                (502, "RFC 6455 §4.1", "the server answered with a status that opens no connection")
            }
            E::WrongUpgrade => (502, "RFC 6455 §4.1", "the response's Upgrade is not websocket"),
            E::WrongConnection => (502, "RFC 6455 §4.1", "the response's Connection lacks the token Upgrade"),
            E::MissingAccept => {
                (502, "RFC 6455 §4.1", "the response does not have exactly one Sec-WebSocket-Accept")
            }
            E::WrongAccept => (502, "RFC 6455 §4.1", "Sec-WebSocket-Accept does not belong to the key"),
            E::UnofferedSubprotocol => {
                (502, "RFC 6455 §4.1", "the server did not choose one of the subprotocols")
            }
            E::UnofferedExtension => {
                (502, "RFC 6455 §4.1", "the server chose an extension that was not offered")
            }
            E::InvalidDeflate => (
                502,
                "RFC 7692 §7.1",
                "the server's parameters of permessage-deflate are not what was offered",
            ),
            E::UnsupportedProtocol => (501, "RFC 9220 §3", "unsupported :protocol, expected websocket"),
            E::InvalidPseudoHeader => (400, "RFC 8441 §4", "a pseudo-header is missing or invalid"),
            E::ForbiddenHeader => {
                (400, "RFC 9113 §8.2.2", "a connection-specific header of HTTP/1.1 in an extended CONNECT")
            }
            E::OtherHost => (400, "RFC 9113 §8.3.1", "Host and :authority name different servers"),
            E::OrdinaryRequest => {
                (400, "RFC 8441 §4", "an ordinary request, expected an extended CONNECT for a WebSocket")
            }
            E::TunnelRequest => {
                (501, "RFC 9110 §9.3.6", "a CONNECT for a tunnel, expected a request for a WebSocket")
            }
        }
    }
}

/// The caller supplied something that must not be sent. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The header name is not a token (RFC 9110 §5.1).
    InvalidHeaderName,
    /// The header value contains a control character (RFC 9110 §5.5).
    InvalidHeaderValue,
    /// The handshake itself writes this header. `Host`, subprotocols and extensions have methods of their own:
    /// [`ClientRequest::host`](crate::handshake::ClientRequest::host),
    /// [`subprotocol`](crate::handshake::ClientRequest::subprotocol), [`Config::deflate`](crate::Config::deflate).
    ReservedHeader,
    /// The status is not one of a final response, 200 to 599 (RFC 9110 §15).
    InvalidStatus,
    /// The subprotocol is not a token (RFC 6455 §4.1).
    InvalidSubprotocol,
    /// The subprotocol is already offered (RFC 6455 §4.1).
    DuplicateSubprotocol,
    /// The client did not offer this subprotocol (RFC 6455 §4.2.2).
    SubprotocolNotOffered,
    /// The host is not a name, an IPv4 address or an IPv6 address in brackets, with an optional port.
    InvalidHost,
    /// The origin is not in the form that browsers send: `scheme://host[:port]` without the default port, or
    /// `null`.
    InvalidOrigin,
    /// The method is not GET, as a request for a WebSocket requires (RFC 6455 §4.1).
    InvalidMethod,
}

/// The error for text that is not a WebSocket URL (RFC 6455 §3) or the URL of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not start with `ws://` or `wss://`.
    Scheme,
    /// The URL of a proxy does not start with `http://`, `https://`, `socks5://` or `socks5h://`.
    ProxyScheme,
    /// The user name or password is not percent-encoded text that HTTP Basic authentication can carry; or, for a
    /// SOCKS5 proxy, the user name is empty or one of them is longer than 255 bytes.
    UserInfo,
    /// The host is missing or not a name, an IPv4 address or an IPv6 address in brackets.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// It has a fragment. In a WebSocket URL, `#` is written as `%23`.
    Fragment,
    /// It contains a space, a control character, a character outside ASCII or one of ``\ " < > ^ ` { | }``,
    /// which must be percent-encoded (RFC 3986 §2).
    Character,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().2)
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidHeaderName => "the header name is not a token",
            Self::InvalidHeaderValue => "the header value has a control character",
            Self::ReservedHeader => "the handshake writes this header itself",
            Self::InvalidStatus => "the status is not from 200 to 599",
            Self::InvalidSubprotocol => "the subprotocol is not a token",
            Self::DuplicateSubprotocol => "the subprotocol is already offered",
            Self::SubprotocolNotOffered => "the client did not offer this subprotocol",
            Self::InvalidHost => "expected a host with an optional port",
            Self::InvalidOrigin => {
                "expected an origin as a browser writes it: scheme://host[:port] without the default port, or null"
            }
            Self::InvalidMethod => "the method of a request for a WebSocket must be GET",
        })
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "expected a URL that starts with ws:// or wss://",
            Self::ProxyScheme => {
                "expected a proxy's URL, which starts with http://, https://, socks5:// or socks5h://"
            }
            Self::UserInfo => "the user name or password is invalid",
            Self::Host => "expected a host name, an IPv4 address or an IPv6 address in brackets",
            Self::Port => "expected a port from 1 to 65535",
            Self::Fragment => "a WebSocket URL has no fragment, expected %23 for #",
            Self::Character => "expected the characters of RFC 3986, everything else percent-encoded",
        })
    }
}

impl Error for HandshakeError {}
impl Error for ArgumentError {}
impl Error for UrlError {}
