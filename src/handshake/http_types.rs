//! Requests and responses of the `http` crate (feature `http`), for hyper, axum and all else that speaks it.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use ::http::request;
use ::http::response;
use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use super::client::{ClientHandshake, Established};
use super::refusal::Refusal;
use super::request::{Accepted, UpgradeRequest};
use crate::http::{HandshakeError, Headers};
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
    /// assert_eq!(accepted.to_http().status(), 101); // give it the library's empty body with `map`
    /// # drop(connection);
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    /// The [`Refusal`] to answer with: [`Refusal::to_http`].
    pub fn from_http(parts: &request::Parts, config: Config) -> Result<Self, Refusal> {
        let line = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        if parts.version != ::http::Version::HTTP_11 {
            return Err(Refusal::new(HandshakeError::UnsupportedHttpVersion));
        }
        Self::from_parts(parts.method.as_str(), line, &parts.headers, config)
    }
}

/// Feature `http`.
impl Accepted {
    /// The answer as a response of the `http` crate.
    #[must_use]
    pub fn to_http(&self) -> Response<()> {
        response(self.status(), self.headers(), ())
    }
}

/// Feature `http`.
impl Refusal {
    /// The answer as a response of the `http` crate. The length and the end of the connection are left to the
    /// library.
    #[must_use]
    pub fn to_http(&self) -> Response<Vec<u8>> {
        let body = self.body().to_owned();
        let mut response = response(self.error().status(), self.headers(), body);
        response.headers_mut().remove(::http::header::CONTENT_LENGTH);
        response.headers_mut().remove(::http::header::CONNECTION);
        response
    }
}

/// Feature `http`.
impl ClientHandshake {
    /// The request as one of the `http` crate, for an HTTP library that is connected to the host already.
    #[must_use]
    pub fn to_http(&self) -> Request<()> {
        let mut request = Request::new(());
        // What a URL's resource holds was checked when it was parsed.
        if let Ok(uri) = self.target().parse() {
            *request.uri_mut() = uri;
        }
        *request.headers_mut() = map(self.headers());
        request
    }

    /// Takes the head of the response that the library received; see [`recv_parts`](Self::recv_parts).
    ///
    /// # Errors
    /// As there.
    pub fn recv_http(self, parts: &response::Parts) -> Result<(Connection, Established), HandshakeError> {
        self.recv_parts(parts.status.as_u16(), &parts.headers)
    }
}

fn response<B>(status: u16, headers: Headers<'_>, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = map(headers);
    response
}

/// Both sides have checked that names are tokens and values hold no control characters: none is left out.
fn map(headers: Headers<'_>) -> HeaderMap {
    headers
        .filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?))
        })
        .fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
}
