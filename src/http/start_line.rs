//! The first line of a head: [`RequestLine`] or [`StatusLine`] (RFC 9112 §3, §4).

use super::error::HandshakeError;
use super::grammar::{is_value, is_visible, text, token_len};
use super::head::{Field, Head};
use super::head_reader::{HeadReader, StartLine};
use super::url::split_uri;

/// "request-line = method SP request-target SP HTTP-version": the ends of the first two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLine {
    method: usize,
    target: usize,
    /// The y of HTTP/1.y.
    pub(crate) minor: u8,
}

impl StartLine for RequestLine {
    const AFTER_EMPTY_LINE: bool = true;

    fn parse(line: &[u8]) -> Result<Self, HandshakeError> {
        let method = token_len(line);
        let target = line.len().saturating_sub(VERSION_LEN + 1);
        let (Some(b' '), Some([b' ', version @ ..]), 1..) = (line.get(method), line.get(target..), method)
        else {
            return Err(HandshakeError::InvalidRequestLine);
        };
        let minor = minor_version(version, HandshakeError::InvalidRequestLine)?;
        let uri = line.get(method + 1..target).ok_or(HandshakeError::InvalidRequestLine)?;
        if !is_visible(uri) || uri.contains(&b'#') {
            return Err(HandshakeError::InvalidTarget);
        }
        Ok(Self { method, target, minor })
    }
}

impl HeadReader<RequestLine> {
    /// Returns the method of a request that is incomplete or invalid; empty if not even that is known.
    pub(crate) fn method(&self) -> &str {
        let line = self.bytes().trim_ascii_start();
        match line.split_at(token_len(line)) {
            (method, [b' ', ..]) => text(method),
            _ => "",
        }
    }
}

impl Head<RequestLine> {
    pub(crate) fn method(&self) -> &str {
        text(self.method_bytes())
    }

    pub(crate) fn method_bytes(&self) -> &[u8] {
        self.bytes().get(..self.start.method).unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        text(self.target_bytes())
    }

    pub(crate) fn target_bytes(&self) -> &[u8] {
        self.bytes().get(self.start.method + 1..self.start.target).unwrap_or_default()
    }

    /// Returns the path of the target, at least `/`, without the query; the target itself if it is not a URI.
    pub(crate) fn path(&self) -> &str {
        let resource = self.resource();
        match resource.split_once('?').map_or(resource, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// Returns the part after the first `?`.
    pub(crate) fn query(&self) -> Option<&str> {
        self.resource().split_once('?').map(|(_, query)| query)
    }

    /// Returns the host that the request is sent to. RFC 9112 §3.2.2: "When an origin server receives a
    /// request with an absolute-form of request-target, the origin server MUST ignore the received Host
    /// header field (if any)".
    pub(crate) fn host(&self) -> &str {
        split_uri(self.target()).map_or_else(
            || self.value(Field::Host).map(text).unwrap_or_default(),
            |(_, authority, _)| authority,
        )
    }

    fn resource(&self) -> &str {
        split_uri(self.target()).map_or(self.target(), |(_, _, resource)| resource)
    }
}

/// "status-line = HTTP-version SP status-code SP [ reason-phrase ]".
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatusLine {
    pub(crate) code: u16,
    pub(crate) minor: u8,
    end: usize,
}

impl StartLine for StatusLine {
    const AFTER_EMPTY_LINE: bool = false;

    fn parse(line: &[u8]) -> Result<Self, HandshakeError> {
        let invalid = HandshakeError::InvalidStatusLine;
        let (version, rest) = line.split_at_checked(VERSION_LEN).ok_or(invalid)?;
        let minor = minor_version(version, invalid)?;
        // Servers omit the last space when there is no reason phrase.
        let [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] = rest else {
            return Err(invalid);
        };
        if !(reason.is_empty() || reason.starts_with(b" ")) || !is_value(reason) {
            return Err(invalid);
        }
        let code = [a, b, c].iter().fold(0, |code, &digit| code * 10 + u16::from(digit - b'0'));
        Ok(Self { code, minor, end: line.len() })
    }
}

impl Head<StatusLine> {
    pub(crate) fn reason(&self) -> &[u8] {
        self.bytes().get(REASON..self.start.end).unwrap_or_default()
    }
}

/// Returns the y of `HTTP/1.y`.
fn minor_version(version: &[u8], invalid: HandshakeError) -> Result<u8, HandshakeError> {
    match version {
        [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => {
            if *major == b'1' {
                Ok(minor - b'0')
            } else {
                Err(HandshakeError::UnsupportedHttpVersion)
            }
        }
        _ => Err(invalid),
    }
}

const VERSION_LEN: usize = "HTTP/1.1".len();
const REASON: usize = "HTTP/1.1 101 ".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        use HandshakeError as E;
        let cases: [(&str, Result<u8, E>); 24] = [
            ("GET / HTTP/1.1", Ok(1)),
            ("GET /chat?a=b&c HTTP/1.1", Ok(1)),
            ("POST * HTTP/1.0", Ok(0)),
            ("M-SEARCH http://h/ HTTP/1.9", Ok(9)),
            ("GET / HTTP/2.0", Err(E::UnsupportedHttpVersion)),
            ("PRI * HTTP/2.0", Err(E::UnsupportedHttpVersion)),
            ("GET / HTTP/0.9", Err(E::UnsupportedHttpVersion)),
            ("", Err(E::InvalidRequestLine)),
            ("GET", Err(E::InvalidRequestLine)),
            ("GET /", Err(E::InvalidRequestLine)),
            ("GET HTTP/1.1", Err(E::InvalidRequestLine)),
            (" HTTP/1.1", Err(E::InvalidRequestLine)),
            (" / HTTP/1.1", Err(E::InvalidRequestLine)),
            ("GET / http/1.1", Err(E::InvalidRequestLine)),
            ("GET / HTTP/1.10", Err(E::InvalidRequestLine)),
            ("GET / HTTP/1.1 ", Err(E::InvalidRequestLine)),
            ("G(T / HTTP/1.1", Err(E::InvalidRequestLine)),
            ("GET\t/\tHTTP/1.1", Err(E::InvalidRequestLine)),
            ("GET  HTTP/1.1", Err(E::InvalidTarget)),
            ("GET  / HTTP/1.1", Err(E::InvalidTarget)),
            ("GET /a b HTTP/1.1", Err(E::InvalidTarget)),
            ("GET /a\rb HTTP/1.1", Err(E::InvalidTarget)),
            ("GET /a#b HTTP/1.1", Err(E::InvalidTarget)),
            ("GET /é HTTP/1.1", Err(E::InvalidTarget)),
        ];
        for (line, expected) in cases {
            assert_eq!(RequestLine::parse(line.as_bytes()).map(|line| line.minor), expected, "{line:?}");
        }
    }

    #[test]
    fn status_lines() {
        use HandshakeError as E;
        let cases: [(&str, Result<u16, E>); 12] = [
            ("HTTP/1.1 101 Switching Protocols", Ok(101)),
            ("HTTP/1.1 101 ", Ok(101)),
            ("HTTP/1.0 404", Ok(404)),
            ("HTTP/1.1 599 \u{e9}", Ok(599)),
            ("HTTP/2.0 200 OK", Err(E::UnsupportedHttpVersion)),
            ("HTTP/1.1 1011", Err(E::InvalidStatusLine)),
            ("HTTP/1.1 10", Err(E::InvalidStatusLine)),
            ("HTTP/1.1 099 a", Err(E::InvalidStatusLine)),
            ("HTTP/1.1  101 a", Err(E::InvalidStatusLine)),
            ("HTTP/1.1 101 a\rb", Err(E::InvalidStatusLine)),
            ("HTTP/1.1", Err(E::InvalidStatusLine)),
            ("SSH-2.0-x", Err(E::InvalidStatusLine)),
        ];
        for (line, expected) in cases {
            assert_eq!(StatusLine::parse(line.as_bytes()).map(|line| line.code), expected, "{line:?}");
        }
    }
}
