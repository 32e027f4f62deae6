//! [`Response`]: an ordinary HTTP response, to reject a handshake or to serve a page.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use super::error::ArgumentError;
use super::grammar::{push_header, push_line};
use super::head::Headers;

/// An ordinary HTTP response. `Connection`, `Content-Length` and the headers of a 426 are added
/// automatically.
///
/// ```
/// use sansocket::handshake::Response;
/// # fn main() -> Result<(), sansocket::handshake::ArgumentError> {
/// let response = Response::new(404)?.header("Content-Type", "text/plain")?;
/// let response = response.body("no such room");
/// assert_eq!(
///     response.encode(),
///     b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain\r\n\
///       Content-Length: 12\r\n\r\nno such room",
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    lines: Vec<u8>,
    body: Vec<u8>,
}

impl Response {
    /// Creates a response without headers and body.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidStatus`] outside of 200 to 599: a 1xx is not a final response (RFC 9110
    /// §15.2).
    pub fn new(status: u16) -> Result<Self, ArgumentError> {
        match status {
            200..=599 => Ok(Self::known(status)),
            _ => Err(ArgumentError::InvalidStatus),
        }
    }

    /// Creates a response with a valid status.
    pub(crate) fn known(status: u16) -> Self {
        Self { status, lines: Vec::new(), body: Vec::new() }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`ArgumentError::InvalidHeaderName`] and [`ArgumentError::InvalidHeaderValue`] if it is not a valid
    /// header line; [`ArgumentError::ReservedHeader`] for Connection, Upgrade, Content-Length,
    /// Transfer-Encoding, Host and Sec-WebSocket-*.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ArgumentError> {
        push_header(&mut self.lines, name.as_bytes(), value.as_ref())?;
        Ok(self)
    }

    /// Adds a header that is reserved for this crate.
    pub(crate) fn line(mut self, name: &str, value: &str) -> Self {
        push_line(&mut self.lines, name.as_bytes(), value.as_bytes());
        self
    }

    /// Sets the body. It is omitted from a 204, 205 or 304, which have none (RFC 9110 §15.3.5, §15.3.6,
    /// §15.4.5).
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the complete response, ready to be written; close the connection after it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_head();
        if self.has_body() {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// Returns the response without its body: the answer to a HEAD request (RFC 9110 §9.3.2).
    #[must_use]
    pub fn encode_head(&self) -> Vec<u8> {
        let mut bytes = self.status_line();
        // RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426 response". §7.8: "A
        // sender of Upgrade MUST also send an "Upgrade" connection option".
        let connection = if self.status == 426 {
            push_line(&mut bytes, b"Upgrade", b"websocket");
            push_line(&mut bytes, b"Sec-WebSocket-Version", b"13");
            "Upgrade, close"
        } else {
            "close"
        };
        push_line(&mut bytes, b"Connection", connection.as_bytes());
        self.push_end(&mut bytes);
        bytes
    }

    /// Returns the response for one stream of HTTP/2 or HTTP/3, to a request with this method, without headers
    /// specific to HTTP/1.1 connections. RFC 9113 §8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing
    /// connection-specific header fields."
    pub(crate) fn encode_for_stream(&self, method: &str) -> Vec<u8> {
        let mut bytes = self.status_line();
        self.push_end(&mut bytes);
        if self.has_body() && method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    fn status_line(&self) -> Vec<u8> {
        format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes()
    }

    /// Appends the caller's headers, the length and the blank line.
    fn push_end(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.lines);
        if self.has_body() {
            push_line(bytes, b"Content-Length", format!("{}", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
    }

    /// RFC 9110 §8.6: "A server MUST NOT send a Content-Length header field in any response with a status
    /// code of 1xx (Informational) or 204 (No Content)". A 205 has no body either, and in a 304 the length
    /// would be that of another response.
    fn has_body(&self) -> bool {
        !matches!(self.status, 204 | 205 | 304)
    }
}

/// Omits header values and the body, which may contain secrets.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &Headers::lines(&self.lines))
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// Returns the reason phrase of the status codes in RFC 9110 §15 and RFC 6585; empty for others, as RFC 9112
/// §4 allows.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_fits_the_status() {
        let cases: [(u16, &[u8]); 6] = [
            (200, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"),
            (204, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
            (205, b"HTTP/1.1 205 Reset Content\r\nConnection: close\r\n\r\n"),
            (304, b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"),
            (
                426,
                b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Connection: Upgrade, close\r\nContent-Length: 2\r\n\r\nhi",
            ),
            (599, b"HTTP/1.1 599 \r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"),
        ];
        for (status, expected) in cases {
            let response = Response::new(status).unwrap().body("hi");
            assert_eq!(response.encode(), expected, "{status}");
            assert_eq!(response.encode_head(), expected.strip_suffix(b"hi").unwrap_or(expected), "{status}");
        }
        assert!(Response::new(403).unwrap().encode().ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
    }

    #[test]
    fn cve_2026_1527_callers_cannot_write_other_lines() {
        for status in [0, 100, 101, 199, 600, u16::MAX] {
            assert_eq!(Response::new(status), Err(ArgumentError::InvalidStatus));
        }
        let header = |name, value: &str| Response::known(200).header(name, value).err();
        assert_eq!(header("X", "a\r\nY: b"), Some(ArgumentError::InvalidHeaderValue));
        assert_eq!(header("X\r\nY", "a"), Some(ArgumentError::InvalidHeaderName));
        for name in ["content-length", "Transfer-Encoding", "CONNECTION"] {
            assert_eq!(header(name, "1"), Some(ArgumentError::ReservedHeader));
        }
    }
}
