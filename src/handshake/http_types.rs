//! Requests and responses of the `http` crate (feature `http`), for hyper, axum and all other users of that
//! crate.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, request,
    response,
};

use super::client::{ClientHandshake, Established};
use super::client_request::ClientRequest;
use super::extended_connect::{ConnectHandshake, ConnectRequest, PseudoHeaders};
use super::http_request::HttpRequest;
use super::refusal::Refusal;
use super::request::{Accepted, UpgradeRequest};
use crate::http::{ArgumentError, HandshakeError, Headers, UrlError, is_same, list};
use crate::{Config, Connection};

/// Feature `http`.
impl UpgradeRequest {
    /// Checks the head of a request that an HTTP library received; see [`from_parts`](Self::from_parts).
    ///
    /// ```
    /// use sansocket::Config;
    /// use sansocket::handshake::UpgradeRequest;
    /// let request = http::Request::get("/chat")
    ///     .header("host", "example.com")
    ///     .header("upgrade", "websocket")
    ///     .header("connection", "Upgrade")
    ///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    ///     .header("sec-websocket-version", "13")
    ///     .body(())?;
    /// let (parts, _) = request.into_parts();
    /// let upgrade = UpgradeRequest::from_http(&parts, Config::default()).unwrap();
    /// let (accepted, connection) = upgrade.accept_parts();
    /// assert_eq!(accepted.to_http().status(), 101); // add the library's empty body with `map`
    /// # drop(connection);
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    /// Returns the [`Refusal`] to answer with: [`Refusal::to_http`].
    pub fn from_http(parts: &request::Parts, config: Config) -> Result<Self, Refusal> {
        let method = parts.method.as_str();
        let version = match parts.version {
            Version::HTTP_11 => "HTTP/1.1",
            Version::HTTP_10 => "HTTP/1.0",
            _ => return Err(Refusal::to(method, HandshakeError::UnsupportedHttpVersion)),
        };
        // With scheme and authority, if present: they are checked, and take precedence over `Host`.
        Self::from_version(version, method, &format!("{}", parts.uri), &parts.headers, config)
    }
}

/// Feature `http`.
impl Accepted {
    /// Returns the response as a type of the `http` crate, without headers of the caller that it cannot hold: those
    /// with a name of 64 KiB or more, and more than about 24,000.
    #[must_use]
    pub fn to_http(&self) -> Response<()> {
        response(self.status(), self.headers(), ())
    }
}

/// Feature `http`.
impl Refusal {
    /// Returns the response as a type of the `http` crate. The library adds the length, and decides whether the
    /// connection ends.
    #[must_use]
    pub fn to_http(&self) -> Response<Vec<u8>> {
        let body = self.body().to_owned();
        let mut response = response(self.status(), self.headers(), body);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        // RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
        if headers.contains_key(header::UPGRADE) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        } else {
            headers.remove(header::CONNECTION);
        }
        response
    }
}

/// Feature `http`.
impl ClientHandshake {
    /// Returns the request as a type of the `http` crate, for an HTTP library that is already connected to
    /// the host; `None` if that crate cannot hold it, such as a URL longer than 64 KiB.
    #[must_use]
    pub fn to_http(&self) -> Option<Request<()>> {
        let mut request = Request::new(());
        *request.uri_mut() = self.target().parse().ok()?;
        *request.headers_mut() = map(self.headers())?;
        Some(request)
    }

    /// Handles the head of the response that the library received; see [`recv_parts`](Self::recv_parts).
    ///
    /// # Errors
    /// Those of [`recv_parts`](Self::recv_parts).
    pub fn recv_http(self, parts: &response::Parts) -> Result<(Connection, Established), HandshakeError> {
        self.recv_parts(parts.status.as_u16(), &parts.headers)
    }
}

/// Feature `http`.
impl HttpRequest {
    /// Returns the head as a type of the `http` crate, to pass to an HTTP library; `None` if its target is
    /// not a URI in that crate, or its headers are too many. The body is not read yet: it begins with the rest
    /// of the input.
    #[must_use]
    pub fn to_http(&self) -> Option<Request<()>> {
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(self.method().as_bytes()).ok()?;
        *request.uri_mut() = self.target().parse().ok()?;
        *request.version_mut() = if self.version() == (1, 0) { Version::HTTP_10 } else { Version::HTTP_11 };
        *request.headers_mut() = map(self.headers())?;
        Some(request)
    }
}

/// Feature `http`.
impl ConnectRequest {
    /// Checks the head of an extended CONNECT that an HTTP/2 or HTTP/3 library received. `protocol` is its
    /// `:protocol`, which each library stores in the request's extensions with a type of its own. Without an
    /// `:authority`, the URI cannot hold a scheme, and counts as https.
    ///
    /// ```
    /// use sansocket::Config;
    /// use sansocket::handshake::ConnectRequest;
    /// let request = http::Request::connect("https://example.com/chat")
    ///     .header("sec-websocket-version", "13")
    ///     .body(())?;
    /// let (parts, _) = request.into_parts();
    /// let protocol = Some("websocket");
    /// let request = ConnectRequest::from_http(&parts, protocol, Config::default()).unwrap();
    /// let (accepted, connection) = request.accept_parts();
    /// assert_eq!(accepted.to_http().status(), 200);
    /// # drop(connection);
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`from_parts`](Self::from_parts); answer with [`Refusal::to_http`].
    pub fn from_http(
        parts: &request::Parts,
        protocol: Option<&str>,
        config: Config,
    ) -> Result<Self, Refusal> {
        let authority = parts.uri.authority().map(|authority| authority.as_str());
        let path = parts.uri.path_and_query().map(|path| path.as_str());
        let pseudo = PseudoHeaders {
            method: Some(parts.method.as_str()),
            protocol,
            scheme: parts.uri.scheme_str().or(authority.is_none().then_some("https")),
            authority,
            path,
        };
        Self::from_parts(pseudo, &parts.headers, config)
    }
}

/// Feature `http`.
impl ConnectHandshake {
    /// Returns the request as a type of the `http` crate. An HTTP/2 or HTTP/3 library expects the
    /// `:protocol`, which is `websocket`, in the request's extensions with a type of its own.
    ///
    /// `None` if that crate cannot hold it, such as a URL longer than 64 KiB or a host with `%`.
    #[must_use]
    pub fn to_http(&self) -> Option<Request<()>> {
        let pseudo = self.pseudo_headers();
        let uri = Uri::builder().scheme(pseudo.scheme?).authority(pseudo.authority?);
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri.path_and_query(pseudo.path?).build().ok()?;
        *request.headers_mut() = map(self.headers())?;
        Some(request)
    }

    /// Handles the head of the response that the library received; see [`recv_parts`](Self::recv_parts).
    ///
    /// # Errors
    /// Those of [`recv_parts`](Self::recv_parts).
    pub fn recv_http(self, parts: &response::Parts) -> Result<(Connection, Established), HandshakeError> {
        self.recv_parts(parts.status.as_u16(), &parts.headers)
    }
}

/// Feature `http`.
impl TryFrom<Uri> for ClientRequest {
    type Error = UrlError;

    fn try_from(uri: Uri) -> Result<Self, UrlError> {
        Self::try_from(&uri)
    }
}

/// Feature `http`.
impl TryFrom<&Uri> for ClientRequest {
    type Error = UrlError;

    fn try_from(uri: &Uri) -> Result<Self, UrlError> {
        Self::new(&format!("{uri}"))
    }
}

/// Feature `http`. `Host` becomes [`host`](ClientRequest::host), and `Sec-WebSocket-Protocol` becomes the
/// [subprotocols](ClientRequest::subprotocol). The headers that the handshake writes itself are allowed and
/// ignored: `Connection: Upgrade`, `Upgrade: websocket`, `Sec-WebSocket-Version: 13` and any
/// `Sec-WebSocket-Key`, because the nonce must be fresh.
impl TryFrom<Request<()>> for ClientRequest {
    type Error = RequestError;

    fn try_from(request: Request<()>) -> Result<Self, RequestError> {
        let mut asked = Self::try_from(request.uri())?;
        if request.method() != Method::GET {
            return Err(ArgumentError::InvalidMethod.into());
        }
        for (name, value) in request.headers() {
            let bytes = value.as_bytes();
            let text = || value.to_str().map_err(|_| ArgumentError::InvalidHeaderValue);
            asked = match name.as_str() {
                "host" => asked.host(text()?)?,
                "sec-websocket-protocol" => {
                    text()?.split(',').map(str::trim).try_fold(asked, ClientRequest::subprotocol)?
                }
                "connection" if list(bytes).any(|option| is_same(option, b"Upgrade")) => asked,
                "upgrade" if is_same(bytes, b"websocket") => asked,
                "sec-websocket-version" if bytes == b"13" => asked,
                "sec-websocket-key" => asked,
                name => asked.header(name, bytes)?,
            };
        }
        Ok(asked)
    }
}

/// The error for a request of the `http` crate that cannot open a WebSocket (feature `http`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// Its URI is not a WebSocket URL.
    Url(UrlError),
    /// Its method or one of its headers cannot be sent.
    Argument(ArgumentError),
}

impl From<UrlError> for RequestError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<ArgumentError> for RequestError {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Argument(error) => error.fmt(f),
        }
    }
}

impl Error for RequestError {}

fn response<B>(status: u16, headers: Headers<'_>, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        // Of those that the handshake needs, each does.
        let _fits = append(response.headers_mut(), name, value);
    }
    response
}

/// `None`: a name is too long for that crate, or there are too many.
fn map(mut headers: Headers<'_>) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    headers.try_for_each(|(name, value)| append(&mut map, name, value))?;
    Some(map)
}

fn append(map: &mut HeaderMap, name: &str, value: &[u8]) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    map.try_append(name, HeaderValue::from_bytes(value).ok()?).ok()?;
    Some(())
}
