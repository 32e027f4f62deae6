//! [`HeadReader`]: from received bytes to a [`Head`].
//!
//! ```text
//!  Input   GET / HTTP/1.1␍␊Host: a␍␊X: y␍␊␍␊ frames…
//!          └──────── moved to `bytes` ─────┘ └ stay
//!  bytes   GET / HTTP/1.1␍␊Host: a␍␊X: y␍␊␍␊
//!                                  ↑ line  ↑ scanned: no line end found between them
//! ```
//!
//! One pass: each line is checked when its end arrives, and the first position of every header that the
//! handshake reads is recorded then. Nothing is searched twice, however the bytes are cut.

use alloc::vec::Vec;
use core::{fmt, mem};

use memchr::memchr_iter;

use super::error::HandshakeError;
use super::grammar::{are_values, is_token, is_value, push_line, token_len};
use super::head::{Field, Head, Place};
use crate::Input;

/// Limits for a head; both are inclusive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Maximum number of bytes, from the start line to the blank line.
    pub(crate) max_head: usize,
    /// Maximum number of header lines.
    pub(crate) max_headers: usize,
}

/// The differences between the two kinds of head.
pub(crate) trait StartLine: Copy {
    /// Whether a leading empty line is skipped.
    const AFTER_EMPTY_LINE: bool;

    /// Parses the line, which has no line end.
    fn parse(line: &[u8]) -> Result<Self, HandshakeError>;
}

/// Consumes bytes until a head is complete.
pub(crate) struct HeadReader<S> {
    bytes: Vec<u8>,
    /// Start of the incomplete line.
    line: usize,
    /// End of the part of the incomplete line that was searched for its end.
    scanned: usize,
    /// End of the lines whose values may contain control characters.
    unchecked_end: usize,
    start: Option<S>,
    start_line: usize,
    headers: usize,
    header_lines: usize,
    places: [Place; Field::COUNT],
    limits: Limits,
    #[cfg(test)]
    work: usize,
}

impl<S: StartLine> HeadReader<S> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            bytes: Vec::new(),
            line: 0,
            scanned: 0,
            unchecked_end: 0,
            start: None,
            start_line: 0,
            headers: 0,
            header_lines: 0,
            places: [Place::default(); Field::COUNT],
            // Positions have 32 bits.
            limits: Limits { max_head: limits.max_head.min(u32::MAX as usize), ..limits },
            #[cfg(test)]
            work: 0,
        }
    }

    /// Prepares for another head with the same limits.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Returns `true` if nothing of the head has arrived.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns what has arrived of an incomplete or invalid head.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Consumes the bytes of the head and none after it. `None` means that more are needed.
    pub(crate) fn recv(&mut self, input: &mut Input<'_>) -> Result<Option<Head<S>>, HandshakeError> {
        let before = self.bytes.len();
        let offered = input.len().min(self.limits.max_head - before);
        let mut bytes = mem::take(&mut self.bytes);
        bytes.extend_from_slice(&input.as_slice()[..offered]);
        if before == 0 && bytes.first().is_some_and(|first| TLS.contains(first)) {
            return Err(HandshakeError::Tls);
        }
        let finished = self.finish_lines(&bytes);
        if let Ok(Some(len)) = finished {
            bytes.truncate(len);
            input.take(len - before);
            let Self { start_line, headers, places, .. } = *self;
            return Ok(self.start.take().map(|start| Head { bytes, start_line, headers, places, start }));
        }
        self.bytes = bytes;
        finished?;
        input.take(offered);
        if input.is_empty() { Ok(None) } else { Err(HandshakeError::HeadTooLarge) }
    }

    /// Creates a head from parsed fields, checked as strictly as if it had arrived in bytes.
    pub(crate) fn recv_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        start_line: &[u8],
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Head<S>, HandshakeError> {
        if !is_value(start_line) {
            return Err(HandshakeError::InvalidTarget);
        }
        let mut bytes = [start_line, b"\r\n"].concat();
        for (name, value) in pairs {
            if !is_token(name.as_ref()) {
                return Err(HandshakeError::InvalidHeaderName);
            }
            if !is_value(value.as_ref()) {
                return Err(HandshakeError::InvalidHeaderValue);
            }
            push_line(&mut bytes, name.as_ref(), value.as_ref());
        }
        bytes.extend_from_slice(b"\r\n");
        self.recv(&mut Input::new(&mut bytes))?.ok_or(HandshakeError::Truncated)
    }

    /// Checks the lines that have ended since the last call. Returns the length of the head if it is
    /// complete. Nothing is searched for line ends twice.
    fn finish_lines(&mut self, bytes: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let scanned = mem::replace(&mut self.scanned, bytes.len());
        #[cfg(test)]
        {
            self.work += bytes.len() - scanned;
        }
        let arrived = &bytes[scanned..];
        // Values are checked together, and line by line only if one of them may be invalid.
        if !are_values(arrived) {
            self.unchecked_end = bytes.len();
        }
        for at in memchr_iter(b'\n', arrived) {
            let end = scanned + at;
            if self.finish_line(&bytes[self.line..end], end)? {
                return Ok(Some(end + 1));
            }
            self.line = end + 1;
        }
        Ok(None)
    }

    /// Checks the line that ends with the LF at `end`. Returns `true` for the blank line after the headers.
    fn finish_line(&mut self, line: &[u8], end: usize) -> Result<bool, HandshakeError> {
        let line = line.strip_suffix(b"\r").ok_or(HandshakeError::BareLineFeed)?;
        if self.start.is_none() {
            // RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at
            // least one empty line (CRLF) received prior to the request-line".
            if S::AFTER_EMPTY_LINE && self.line == 0 && line.is_empty() {
                return Ok(false);
            }
            self.start = Some(S::parse(line)?);
            (self.start_line, self.headers) = (self.line, end + 1);
            return Ok(false);
        }
        if line.is_empty() {
            return Ok(true);
        }
        if self.header_lines == self.limits.max_headers {
            return Err(HandshakeError::TooManyHeaders);
        }
        self.header_lines += 1;
        let name = check_header(line, self.line < self.unchecked_end)?;
        if let Some(field) = Field::named(name) {
            let place = &mut self.places[field as usize];
            if place.count == 0 {
                (place.value, place.next) = ((self.line + name.len() + 1) as u32, end as u32 + 1);
            }
            place.count += 1;
        }
        Ok(false)
    }
}

impl<S> fmt::Debug for HeadReader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadReader").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// RFC 8446 §5.1: the first byte of an alert, which is what a client's request without TLS leads to, and of a
/// ClientHello. No start line begins with one of them.
const TLS: [u8; 2] = [0x15, 0x16];

/// Checks `name: value` and returns the name. `check_value`: the value may contain a control character.
fn check_header(line: &[u8], check_value: bool) -> Result<&[u8], HandshakeError> {
    // RFC 9112 §5.2: "A server that receives an obs-fold in a request message […] MUST either reject the
    // message".
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(HandshakeError::FoldedHeader);
    }
    // RFC 9112 §5.1: "No whitespace is allowed between the field name and colon."
    let (name, value) = line.split_at(token_len(line));
    match value {
        [b':', ..] if name.is_empty() => Err(HandshakeError::InvalidHeaderName),
        [b':', value @ ..] if !check_value || is_value(value) => Ok(name),
        [b':', ..] => Err(HandshakeError::InvalidHeaderValue),
        _ => Err(HandshakeError::InvalidHeaderName),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::super::start_line::RequestLine;
    use super::*;

    const HEAD: &[u8] =
        b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: a\r\nX:\tb c \r\nconnection: d\r\nE:\r\n\r\n";

    const LIMITS: Limits = Limits { max_head: 32 * 1024, max_headers: 128 };

    fn read(bytes: &[u8], chunk: usize, limits: Limits) -> Result<Option<Head<RequestLine>>, HandshakeError> {
        let mut reader = HeadReader::new(limits);
        for chunk in bytes.to_vec().chunks_mut(chunk) {
            let mut input = Input::new(chunk);
            if let Some(head) = reader.recv(&mut input)? {
                return Ok(Some(head));
            }
            assert!(input.is_empty());
        }
        Ok(None)
    }

    #[test]
    fn headers_are_walked_in_order_and_trimmed() {
        let head = read(HEAD, HEAD.len(), LIMITS).unwrap().unwrap();
        let pairs: Vec<_> = head.headers().map(|(name, value)| (name.to_string(), value.to_vec())).collect();
        let expected = [("Host", "h"), ("Connection", "a"), ("X", "b c"), ("connection", "d"), ("E", "")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())));
        assert_eq!(head.values(Field::Connection).collect::<Vec<_>>(), [b"a", b"d"]);
        let elements: Vec<_> = head.elements(Field::Connection).map(|span| head.part(span)).collect();
        assert_eq!(elements, [b"a", b"d"]);
        assert_eq!(head.count(Field::Connection), 2);
        assert_eq!(head.value(Field::Upgrade), None);
        assert_eq!(head.headers().value("x"), Some(&b"b c"[..]));
    }

    #[test]
    fn cve_2023_43669_each_byte_is_searched_once() {
        let mut endless = b"GET / HTTP/1.1\r\nX: ".to_vec();
        endless.resize(100_000, b'a');
        for chunk in [1, 2, 4096, 100_000] {
            let mut reader = HeadReader::<RequestLine>::new(LIMITS);
            let mut given = 0;
            let error = endless.clone().chunks_mut(chunk).find_map(|chunk| {
                given += chunk.len();
                reader.recv(&mut Input::new(chunk)).err()
            });
            assert_eq!(error, Some(HandshakeError::HeadTooLarge));
            assert_eq!(
                given,
                (32 * 1024 + 1usize).next_multiple_of(chunk).min(endless.len()),
                "error at the limit"
            );
            assert_eq!(reader.work, 32 * 1024, "in chunks of {chunk}");
        }
    }

    #[test]
    fn limits_are_inclusive_and_do_not_depend_on_the_cuts() {
        for chunk in 1..=HEAD.len() {
            let limits = Limits { max_head: HEAD.len(), max_headers: 5 };
            assert!(read(HEAD, chunk, limits).unwrap().is_some());
            let error = read(HEAD, chunk, Limits { max_head: HEAD.len() - 1, ..limits }).err();
            assert_eq!(error, Some(HandshakeError::HeadTooLarge), "in chunks of {chunk}");
            let error = read(HEAD, chunk, Limits { max_headers: 4, ..limits }).err();
            assert_eq!(error, Some(HandshakeError::TooManyHeaders), "in chunks of {chunk}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        use HandshakeError as E;
        let cases: [(&[u8], HandshakeError); 17] = [
            (b"X: a\nY: b\r\n", E::BareLineFeed),
            (b"X: a\n", E::BareLineFeed),
            (b"\n", E::BareLineFeed),
            (b"X: a\rb\r\n", E::InvalidHeaderValue),
            (b"X: a\r\r\n", E::InvalidHeaderValue),
            (b"X: \0\r\n", E::InvalidHeaderValue),
            (b"X: \x7F\r\n", E::InvalidHeaderValue),
            (b"X: \x0B\r\n", E::InvalidHeaderValue),
            (b"X: a\r\n b\r\n", E::FoldedHeader),
            (b"X: a\r\n\tb\r\n", E::FoldedHeader),
            (b"X : a\r\n", E::InvalidHeaderName),
            (b"X\t: a\r\n", E::InvalidHeaderName),
            (b": a\r\n", E::InvalidHeaderName),
            (b"X\r\n", E::InvalidHeaderName),
            (b"X\0: a\r\n", E::InvalidHeaderName),
            (b"X(y): a\r\n", E::InvalidHeaderName),
            (b"\xC3\xA9: a\r\n", E::InvalidHeaderName),
        ];
        for (lines, expected) in cases {
            let bytes = [b"GET / HTTP/1.1\r\nHost: h\r\n", lines, b"\r\n"].concat();
            for chunk in 1..=bytes.len() {
                assert_eq!(read(&bytes, chunk, LIMITS).err(), Some(expected), "{lines:?}");
            }
        }
    }

    #[test]
    fn pairs_cannot_smuggle_lines() {
        let build = |line: &str, name: &str, value: &str| {
            HeadReader::<RequestLine>::new(LIMITS).recv_pairs(line.as_bytes(), [(name, value)]).err()
        };
        assert_eq!(build("GET / HTTP/1.1", "a", " b "), None);
        assert_eq!(build("GET /\r\nx: y HTTP/1.1", "a", "b"), Some(HandshakeError::InvalidTarget));
        assert_eq!(build("GET / HTTP/1.1", "a: b\r\nc", "b"), Some(HandshakeError::InvalidHeaderName));
        assert_eq!(build("GET / HTTP/1.1", "a", "b\r\n\r\n"), Some(HandshakeError::InvalidHeaderValue));
        assert_eq!(build("GET / HTTP/1.1", "", "b"), Some(HandshakeError::InvalidHeaderName));
    }
}
