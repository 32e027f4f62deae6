//! [`Url`]: `ws://` and `wss://` (RFC 6455 §3).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::UrlError;
use super::grammar::{letters_digits_and, text};

/// A WebSocket URL.
///
/// ```
/// use sansocket::handshake::Url;
/// # fn main() -> Result<(), sansocket::handshake::UrlError> {
/// let url = Url::parse("wss://[::1]:8443/chat?room=1")?;
/// assert!(url.is_secure());
/// assert_eq!((url.host(), url.port()), ("::1", 8443)); // connect there
/// assert_eq!(url.host_header(), "[::1]:8443");
/// assert_eq!(url.resource(), "/chat?room=1");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    /// With brackets for an IPv6 address.
    host: String,
    port: u16,
    resource: String,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<String>,
}

impl Url {
    /// Parses a URL. A user name and password become [`Authorization: Basic`](crate::handshake::ClientRequest::new).
    ///
    /// # Errors
    /// A [`UrlError`] for the invalid part. Characters other than visible ASCII must be percent-encoded, and
    /// international names in Punycode: nothing is guessed.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        // "The URI is called "secure" […] if the scheme component matches "wss" case-insensitively."
        let secure = scheme.eq_ignore_ascii_case("wss");
        if !secure && !scheme.eq_ignore_ascii_case("ws") {
            return Err(UrlError::Scheme);
        }
        // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on
        // these URIs."
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (authorization, authority) = match authority.split_once('@') {
            Some((user_info, authority)) => (Some(basic(user_info)?), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority)?;
        if !resource.bytes().all(|byte| RESOURCE[usize::from(byte)]) {
            return Err(UrlError::Character);
        }
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        // The resource name is ""/" if the path component is empty", otherwise the path, then the query.
        let slash = if resource.starts_with('/') { "" } else { "/" };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            resource: format!("{slash}{resource}"),
            authorization,
        })
    }

    /// Resolves a reference found at this URL (RFC 3986 §5.2); http becomes ws, and https becomes wss.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = reference.split('#').next().unwrap_or_default();
        // Checked before a segment with such a character can be removed with its dots.
        if !reference.bytes().all(|byte| RESOURCE[usize::from(byte)]) {
            return Err(UrlError::Character);
        }
        let (secure, rest) = match reference.find([':', '/', '?']).map(|at| reference.split_at(at)) {
            Some((scheme, rest)) if rest.starts_with("://") => (is_secure(scheme)?, &rest[1..]),
            Some((_, rest)) if rest.starts_with(':') => return Err(UrlError::Scheme),
            _ => (self.secure, reference),
        };
        let scheme = if secure { "wss" } else { "ws" };
        if let Some(rest) = rest.strip_prefix("//") {
            let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            return Self::parse(&format!("{scheme}://{authority}{}", without_dots(resource)));
        }
        let path = self.resource.split('?').next().unwrap_or_default();
        let resource = match rest.chars().next() {
            None => self.resource.clone(),
            Some('/') => rest.to_owned(),
            Some('?') => format!("{path}{rest}"),
            // §5.2.3: "all but the last segment of the base URI's path".
            Some(_) => format!("{}{rest}", &path[..path.rfind('/').map_or(0, |slash| slash + 1)]),
        };
        Self::parse(&format!("{scheme}://{}{}", self.host_header(), without_dots(&resource)))
    }

    /// Returns `true` if both have the same scheme, host and port (RFC 6454 §5).
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        (self.secure, self.port) == (other.secure, other.port) && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Returns host and port, even the default one: the target of a CONNECT.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns `true` for `wss`, which runs over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the host to connect to; an IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the port to connect to, 80 or 443 by default.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the resource name: path and query.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns the value of `Host`: with the port "when not using the default port" (RFC 6455 §4.1).
    #[must_use]
    pub fn host_header(&self) -> String {
        match (self.secure, self.port) {
            (false, 80) | (true, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// Returns `true` if the scheme runs over TLS.
fn is_secure(scheme: &str) -> Result<bool, UrlError> {
    let is = |name| scheme.eq_ignore_ascii_case(name);
    let secure = is("https") || is("wss");
    if secure || is("http") || is("ws") { Ok(secure) } else { Err(UrlError::Scheme) }
}

/// RFC 3986 §5.2.4, for a path that is empty or starts with a slash, and the query after it.
fn without_dots(resource: &str) -> String {
    let (path, query) = resource.split_at(resource.find('?').unwrap_or(resource.len()));
    let mut kept = vec![""];
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            ".." if kept.len() > 1 => _ = kept.pop(),
            "." | ".." => {}
            segment => {
                kept.push(segment);
                continue;
            }
        }
        // A last dot segment stands for a directory.
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("{}{query}", kept.join("/"))
}

/// Omits user name, password and query, which may be secrets.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        let (path, query) = match self.resource.split_once('?') {
            Some((path, _)) => (path, "?…"),
            None => (self.resource.as_str(), ""),
        };
        write!(f, "Url({scheme}://{}{path}{query})", self.host_header())
    }
}

/// Splits `host [ ":" port ]`, as in a URL, a `Host` or an `Origin`. An IPv6 address keeps its brackets.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let host_end = match authority.strip_prefix('[').and_then(|authority| authority.find(']')) {
        Some(bracket) => bracket + 2,
        None => authority.bytes().position(|byte| byte == b':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    if !is_host(host) {
        return Err(UrlError::Host);
    }
    let port = match (port, port.strip_prefix(':')) {
        // RFC 3986 §3.2.3: "port = *DIGIT"; an empty one is the default.
        ("" | ":", _) => None,
        (_, Some(digits)) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|&port| port > 0).ok_or(UrlError::Port)?)
        }
        _ => return Err(UrlError::Port),
    };
    Ok((host, port))
}

/// Returns `true` if both authorities have the same host and port.
pub(crate) fn is_same_host(a: &str, b: &str, default_port: u16) -> bool {
    match (split_port(a), split_port(b)) {
        (Ok((a, a_port)), Ok((b, b_port))) => {
            a.eq_ignore_ascii_case(b) && a_port.unwrap_or(default_port) == b_port.unwrap_or(default_port)
        }
        _ => false,
    }
}

/// Returns `true` for http, https, ws and wss.
pub(crate) fn is_web_scheme(scheme: &str) -> bool {
    is_secure(scheme).is_ok()
}

/// Splits an absolute URI into the scheme, the authority and the rest.
pub(crate) fn split_uri(uri: &str) -> Option<(&str, &str, &str)> {
    // The usual target is a path.
    let (scheme, rest) = if uri.starts_with('/') { None } else { uri.split_once("://") }?;
    if !is_scheme(scheme) {
        return None;
    }
    let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Some((scheme, authority, resource))
}

/// RFC 3986 §3.1: "scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )".
pub(crate) fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| SCHEME[usize::from(byte)])
}

/// RFC 3986 §3.2.2: "host = IP-literal / IPv4address / reg-name", and not the empty name.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && host.bytes().all(|byte| REG_NAME[usize::from(byte)])
        && (!host.contains('%') || percent_decode(host).is_some())
}

const SCHEME: [bool; 256] = letters_digits_and(b"+-.");

/// RFC 3986 §3.2.2: "reg-name = *( unreserved / pct-encoded / sub-delims )".
const REG_NAME: [bool; 256] = letters_digits_and(b"-._~!$&'()*+,;=%");

/// RFC 3986 §3.2.1: "userinfo = *( unreserved / pct-encoded / sub-delims / ":" )".
const USER_INFO: [bool; 256] = letters_digits_and(b"-._~!$&'()*+,;=%:");

/// RFC 3986 §3.3 and §3.4: the characters of paths and queries, and brackets, which nearly every
/// implementation accepts.
const RESOURCE: [bool; 256] = letters_digits_and(b"-._~!$&'()*+,;=%:@/?[]");

/// RFC 7617 §2: "the user-id and password MUST NOT contain any control characters", and a user-id no colon.
pub(crate) fn basic(user_info: &str) -> Result<String, UrlError> {
    let (user, password) = user_and_password(user_info)?;
    let pair = [&user[..], b":", &password[..]].concat();
    if user.contains(&b':') || pair.iter().any(u8::is_ascii_control) {
        return Err(UrlError::UserInfo);
    }
    let mut encoded = vec![0; pair.len().div_ceil(3) * 4];
    // The buffer has the exact size, so this cannot fail.
    let _ = STANDARD.encode_slice(pair, &mut encoded);
    Ok(format!("Basic {}", text(&encoded)))
}

/// Decodes the user information of a URL; without a colon, the password is empty.
pub(crate) fn user_and_password(user_info: &str) -> Result<(Vec<u8>, Vec<u8>), UrlError> {
    if !user_info.bytes().all(|byte| USER_INFO[usize::from(byte)]) {
        return Err(UrlError::UserInfo);
    }
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let user = percent_decode(user).ok_or(UrlError::UserInfo)?;
    let password = percent_decode(password).ok_or(UrlError::UserInfo)?;
    Ok((user, password))
}

/// RFC 3986 §2.1: "pct-encoded = "%" HEXDIG HEXDIG".
fn percent_decode(encoded: &str) -> Option<Vec<u8>> {
    let mut parts = encoded.split('%');
    let mut decoded = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let hex = |at: usize| char::from(digits.as_bytes()[at]).to_digit(16);
        decoded.push((hex(0)? * 16 + hex(1)?) as u8);
        decoded.extend_from_slice(rest.as_bytes());
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_18_and_20_urls() {
        // url, host, port, Host, resource
        let cases = [
            ("ws://example.com", "example.com", 80, "example.com", "/"),
            ("wss://example.com", "example.com", 443, "example.com", "/"),
            ("WsS://Example.com:443/", "Example.com", 443, "Example.com", "/"),
            ("ws://example.com:443/a", "example.com", 443, "example.com:443", "/a"),
            ("wss://example.com:80", "example.com", 80, "example.com:80", "/"),
            ("ws://h:65535/?", "h", 65535, "h:65535", "/?"),
            ("ws://h:/a", "h", 80, "h", "/a"),
            ("ws://h?q", "h", 80, "h", "/?q"),
            ("ws://h/a/b?c=/d?e", "h", 80, "h", "/a/b?c=/d?e"),
            ("ws://h//a", "h", 80, "h", "//a"),
            ("ws://h/%23?%0D", "h", 80, "h", "/%23?%0D"),
            ("ws://a%41/", "a%41", 80, "a%41", "/"),
            ("ws://127.0.0.1:81/", "127.0.0.1", 81, "127.0.0.1:81", "/"),
            ("ws://[::1]/", "::1", 80, "[::1]", "/"),
            ("wss://[2001:db8::1]:8443?x", "2001:db8::1", 8443, "[2001:db8::1]:8443", "/?x"),
            ("ws://user:pass@h/@", "h", 80, "h", "/@"),
        ];
        for (url, host, port, host_header, resource) in cases {
            let parsed = Url::parse(url).unwrap();
            assert_eq!((parsed.host(), parsed.port(), parsed.resource()), (host, port, resource), "{url}");
            assert_eq!(parsed.host_header(), host_header, "{url}");
        }
    }

    #[test]
    fn what_is_no_websocket_url_is_refused() {
        let cases = [
            ("", UrlError::Scheme),
            ("example.com", UrlError::Scheme),
            ("http://h/", UrlError::Scheme),
            ("ws:/h/", UrlError::Scheme),
            ("ws://", UrlError::Host),
            ("ws:///a", UrlError::Host),
            ("ws://:80/", UrlError::Host),
            ("ws://a@b@c/", UrlError::Host),
            ("ws://h\\a/", UrlError::Host),
            ("ws://[::1/", UrlError::Host),
            ("ws://::1]/", UrlError::Host),
            ("ws://[::1%25eth0]/", UrlError::Host),
            ("ws://[h]/", UrlError::Host),
            ("ws://%zz/", UrlError::Host),
            ("ws://h:0/", UrlError::Port),
            ("ws://h:65536/", UrlError::Port),
            ("ws://h:+80/", UrlError::Port),
            ("ws://h:8a/", UrlError::Port),
            ("ws://h:1:2/", UrlError::Port),
            ("ws://[::1]80/", UrlError::Port),
            ("ws://h/#a", UrlError::Fragment),
            ("ws://h#", UrlError::Fragment),
            ("ws://h/a b", UrlError::Character),
            ("ws://h/\r\nX: y", UrlError::Character),
            ("ws://h/\0", UrlError::Character),
            ("ws://h/\u{e9}", UrlError::Character),
            (" ws://h/", UrlError::Character),
            ("ws://a[@h/", UrlError::UserInfo),
            ("ws://\u{e9}@h/", UrlError::Character),
            ("ws://a%3Ab@h/", UrlError::UserInfo),
            ("ws://a:%0d%0a@h/", UrlError::UserInfo),
            ("ws://a:%1@h/", UrlError::UserInfo),
            ("ws://a:%+1@h/", UrlError::UserInfo),
        ];
        for (url, expected) in cases {
            assert_eq!(Url::parse(url), Err(expected), "{url:?}");
        }
    }

    #[test]
    fn what_rfc_3986_has_no_place_for_is_percent_encoded() {
        for character in "\\\"<>^`{|}".chars() {
            let url = |url: &str| Url::parse(&url.replace('_', &String::from(character))).err();
            assert_eq!(url("ws://h/a_b"), Some(UrlError::Character), "{character}");
            assert_eq!(url("ws://h?a_b"), Some(UrlError::Character), "{character}");
            assert_eq!(url("ws://a_b@h/"), Some(UrlError::UserInfo), "{character}");
            assert_eq!(url("ws://a:_@h/"), Some(UrlError::UserInfo), "{character}");
            assert_eq!(url("ws://a_b/"), Some(UrlError::Host), "{character}");
        }
        let all = "ws://az09-._~!$&'()*+,;=%41:@h/az09-._~!$&'()*+,;=%41:@/?az09-._~!$&'()*+,;=%41:@/?[]";
        assert!(Url::parse(all).is_ok());
    }

    #[test]
    fn references_are_resolved() {
        // RFC 3986 §5.4, the references that apply to http.
        let base = Url::parse("ws://a/b/c/d;p?q").unwrap();
        let cases = [
            ("g:h", Err(UrlError::Scheme)),
            ("g", Ok("ws://a/b/c/g")),
            ("./g", Ok("ws://a/b/c/g")),
            ("g/", Ok("ws://a/b/c/g/")),
            ("/g", Ok("ws://a/g")),
            ("//g", Ok("ws://g/")),
            ("?y", Ok("ws://a/b/c/d;p?y")),
            ("g?y", Ok("ws://a/b/c/g?y")),
            ("#s", Ok("ws://a/b/c/d;p?q")),
            ("g#s", Ok("ws://a/b/c/g")),
            ("g?y#s", Ok("ws://a/b/c/g?y")),
            (";x", Ok("ws://a/b/c/;x")),
            ("g;x", Ok("ws://a/b/c/g;x")),
            ("", Ok("ws://a/b/c/d;p?q")),
            (".", Ok("ws://a/b/c/")),
            ("./", Ok("ws://a/b/c/")),
            ("..", Ok("ws://a/b/")),
            ("../", Ok("ws://a/b/")),
            ("../g", Ok("ws://a/b/g")),
            ("../..", Ok("ws://a/")),
            ("../../", Ok("ws://a/")),
            ("../../g", Ok("ws://a/g")),
            ("../../../g", Ok("ws://a/g")),
            ("/./g", Ok("ws://a/g")),
            ("/../g", Ok("ws://a/g")),
            ("g.", Ok("ws://a/b/c/g.")),
            ("..g", Ok("ws://a/b/c/..g")),
            ("./../g", Ok("ws://a/b/g")),
            ("./g/.", Ok("ws://a/b/c/g/")),
            ("g/./h", Ok("ws://a/b/c/g/h")),
            ("g/../h", Ok("ws://a/b/c/h")),
            ("g;x=1/../y", Ok("ws://a/b/c/y")),
            ("g?y/../x", Ok("ws://a/b/c/g?y/../x")),
            ("g?y:z", Ok("ws://a/b/c/g?y:z")),
            ("/a//../b", Ok("ws://a/a/b")),
            ("http:g", Err(UrlError::Scheme)),
            ("http://g", Ok("ws://g/")),
            ("HTTPS://g/a/../b", Ok("wss://g/b")),
            ("wss://g:80?x#y", Ok("wss://g:80/?x")),
            ("//[::1]:81/..", Ok("ws://[::1]:81/")),
            ("ws:///g", Err(UrlError::Host)),
            ("//", Err(UrlError::Host)),
            ("//h:0/", Err(UrlError::Port)),
            ("/a b", Err(UrlError::Character)),
            ("ftp://g/", Err(UrlError::Scheme)),
            ("javascript:g", Err(UrlError::Scheme)),
            ("://g", Err(UrlError::Scheme)),
        ];
        for (reference, expected) in cases {
            let expected = expected.map(|url| Url::parse(url).unwrap());
            assert_eq!(base.join(reference), expected, "{reference:?}");
        }
    }

    #[test]
    fn user_and_password_become_basic_authentication_and_stay_secret() {
        let url = Url::parse("ws://Aladdin:open%20sesame@h/").unwrap();
        assert_eq!(url.authorization.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(format!("{url:?}"), "Url(ws://h/)");
        let url = Url::parse("wss://h:1/a?token=sesame").unwrap();
        assert_eq!(format!("{url:?}"), "Url(wss://h:1/a?…)");
        let url = Url::parse("ws://user@h/").unwrap();
        assert_eq!(url.authorization.as_deref(), Some("Basic dXNlcjo="));
    }
}
