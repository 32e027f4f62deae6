//! [`OriginPolicy`]: which web pages may connect.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::request::UpgradeRequest;
use crate::http::{ArgumentError, is_same_host, is_scheme, is_web_scheme, split_port};

/// Which web pages may connect.
///
/// A browser lets any page open a WebSocket to any server, and includes the user's cookies. A server that
/// authenticates by cookies must therefore check `Origin`. Otherwise any page that the user visits can act in
/// the user's name (cross-site WebSocket hijacking, RFC 6455 §10.2). Programs other than browsers can send
/// any origin or none: this policy does not protect against them.
///
/// The default is [`same_origin`](Self::same_origin).
///
/// ```
/// use sansocket::handshake::{OriginPolicy, Response, UpgradeRequest};
/// fn answer(request: UpgradeRequest) {
///     if OriginPolicy::default().check(&request) {
///         let connection = request.accept();
///         // …
/// #       drop(connection);
///     } else {
///         let response = Response::new(403).map(|response| request.reject(&response));
///         // …
/// #       drop(response);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OriginPolicy {
    rule: Rule,
    required: bool,
}

impl OriginPolicy {
    /// Allows only pages from the host and port that the request is sent to.
    ///
    /// Schemes are not compared, because TLS may end in front of this server. A `Host` without a port means
    /// the default port of the origin's scheme.
    #[must_use]
    pub fn same_origin() -> Self {
        Self::default()
    }

    /// Allows only pages of these origins, in the form that browsers send: `https://example.com`,
    /// `http://localhost:8080`. Case is ignored. A page from a local file has `file://` or `null`, depending on the
    /// browser.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidOrigin`] for a value that no browser sends, and which would never match: a
    /// host without a scheme, a path (`https://example.com/`), the default port, a wildcard.
    pub fn allow<O: AsRef<str>>(origins: impl IntoIterator<Item = O>) -> Result<Self, ArgumentError> {
        let listed = |origin: O| match origin.as_ref() {
            origin if is_origin(origin) => Ok(origin.to_owned()),
            _ => Err(ArgumentError::InvalidOrigin),
        };
        let origins = origins.into_iter().map(listed).collect::<Result<_, _>>()?;
        Ok(Self { rule: Rule::Listed(origins), required: false })
    }

    /// Allows every page. Use it only on servers that do not authenticate by cookies, client certificates or
    /// network addresses.
    #[must_use]
    pub fn any() -> Self {
        Self { rule: Rule::Any, required: false }
    }

    /// Also refuses requests without `Origin`.
    ///
    /// By default they are allowed: "A connection attempt lacking this header field SHOULD NOT be interpreted
    /// as coming from a browser client" (RFC 6455 §4.2.1).
    #[must_use]
    pub fn require_origin(self) -> Self {
        Self { required: true, ..self }
    }

    /// Returns `true` if the request may be accepted; otherwise RFC 6455 §4.2.2 requires an HTTP error, for which
    /// §10.2 recommends 403.
    #[must_use]
    pub fn check(&self, request: &UpgradeRequest) -> bool {
        let Some(origin) = request.origin() else {
            return !self.required;
        };
        match &self.rule {
            Rule::Any => true,
            Rule::Listed(origins) => {
                origins.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin))
            }
            Rule::Same => core::str::from_utf8(origin).is_ok_and(|origin| is_same(origin, request.host())),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Rule {
    #[default]
    Same,
    Listed(Vec<String>),
    Any,
}

/// Returns `true` if a browser may send this origin. RFC 6454 §6.2: it is `null`, or `scheme "://" host [ ":"
/// port ]`, where the port is omitted "if the port part of the origin triple is […] the default port for the
/// protocol".
fn is_origin(origin: &str) -> bool {
    if origin == "null" {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    // §4: for a file it is "an implementation-defined value". WebSockets of Chromium, Electron and WebView have this.
    if authority.is_empty() {
        return is_scheme(scheme) && !is_web_scheme(scheme);
    }
    let Ok((host, port)) = split_port(authority) else {
        return false;
    };
    let is = |name| scheme.eq_ignore_ascii_case(name);
    let default = if is("https") { Some(443) } else { is("http").then_some(80) };
    // Browser extensions have schemes of their own; the origin of a page is never ws.
    let is_of_a_page = is_scheme(scheme) && !is("ws") && !is("wss");
    let port_is_written = match port {
        Some(port) => Some(port) != default && authority.strip_prefix(host) == Some(&format!(":{port}")),
        None => authority == host,
    };
    is_of_a_page && port_is_written && !host.contains(['*', '%'])
}

/// Returns `true` if the origin has this host, in the same form.
fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    is_same_host(authority, host, default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn check(policy: &OriginPolicy, origin: Option<&str>, host: &str) -> bool {
        let headers = [
            ("Host", host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        let headers = headers.into_iter().chain(origin.map(|origin| ("Origin", origin)));
        policy.check(&UpgradeRequest::from_parts("GET", "/", headers, Config::default()).unwrap())
    }

    #[test]
    fn cswsh_pages_of_other_origins_are_refused_by_default() {
        let cases = [
            ("https://example.com", "example.com", true),
            ("http://example.com", "example.com", true),
            ("https://EXAMPLE.com", "Example.com", true),
            ("https://example.com", "example.com:443", true),
            ("https://example.com:8443", "example.com:8443", true),
            ("http://[::1]:80", "[::1]", true),
            ("https://example.com", "example.com:80", false),
            ("https://example.com:8443", "example.com", false),
            ("https://example.com.evil.com", "example.com", false),
            ("https://evil.com", "example.com", false),
            ("https://evil-example.com", "example.com", false),
            ("https://example.com@evil.com", "example.com", false),
            ("https://example.com/", "example.com", false),
            ("ftp://example.com", "example.com", false),
            ("example.com", "example.com", false),
            ("null", "example.com", false),
            ("", "example.com", false),
            ("\u{e9}", "example.com", false),
        ];
        for (origin, host, expected) in cases {
            assert_eq!(check(&OriginPolicy::default(), Some(origin), host), expected, "{origin} at {host}");
        }
    }

    #[test]
    fn a_missing_origin_is_an_explicit_choice() {
        for policy in
            [OriginPolicy::default(), OriginPolicy::any(), OriginPolicy::allow(["https://a"]).unwrap()]
        {
            assert!(check(&policy, None, "h"));
            assert!(!check(&policy.require_origin(), None, "h"));
        }
    }

    #[test]
    fn listed_origins_and_no_others() {
        let policy = OriginPolicy::allow(["https://a.example", "http://localhost:8080"]).unwrap();
        assert!(check(&policy, Some("https://A.example"), "h"));
        assert!(check(&policy, Some("http://localhost:8080"), "h"));
        for origin in [
            "http://a.example",
            "https://a.example:443",
            "https://b.a.example",
            "http://localhost",
            "null",
            "h",
        ] {
            assert!(!check(&policy, Some(origin), "h"), "{origin}");
        }
        assert!(check(&OriginPolicy::any(), Some("null"), "h"));
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_an_error() {
        for good in [
            "https://example.com",
            "HTTPS://Example.com",
            "http://localhost:8080",
            "http://[::1]:8080",
            "https://a:80",
            "chrome-extension://abcdef",
            "file://",
            "qrc://",
            "null",
        ] {
            let policy = OriginPolicy::allow([good]).unwrap();
            assert!(check(&policy, Some(good), "h"), "{good}");
        }
        for bad in [
            "example.com",
            "*",
            "",
            "https://x/",
            "https://x/a",
            "https://",
            "http://",
            "ws://",
            "file:///",
            "file:///home",
            "://",
            "https://x:443",
            "http://x:80",
            "https://x:",
            "https://x:08443",
            "https://*.example.com",
            "https://user@x",
            "https://x, https://y",
            "://x",
            "wss://x",
            "https://ex\u{e4}mple.com",
            " https://x",
            "NULL",
        ] {
            assert_eq!(OriginPolicy::allow(["https://a", bad]), Err(ArgumentError::InvalidOrigin), "{bad}");
        }
    }
}
