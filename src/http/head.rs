//! [`Head`]: the head of an HTTP/1.1 message (RFC 9112), stored as received.

use alloc::vec::Vec;
use core::{fmt, iter};

use memchr::memchr;

use super::error::HandshakeError;
use super::grammar::{is_same, text};

/// A complete head whose lines were all checked.
pub(crate) struct Head<S> {
    pub(super) bytes: Vec<u8>,
    /// Start of the start line and of the first header line.
    pub(super) start_line: usize,
    pub(super) headers: usize,
    pub(super) places: [Place; Field::COUNT],
    pub(crate) start: S,
}

impl<S> Head<S> {
    /// Returns the bytes from the start line on.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start_line..).unwrap_or_default()
    }

    pub(crate) fn headers(&self) -> Headers<'_> {
        Headers { lines: self.bytes.get(self.headers..).unwrap_or_default() }
    }

    /// Returns the number of lines of the field.
    pub(crate) fn count(&self, field: Field) -> usize {
        self.places[field as usize].count as usize
    }

    /// Returns the values of the field's lines, in order.
    pub(crate) fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.value_spans(field).map(|span| self.part(span).trim_ascii())
    }

    /// Returns the positions of the values of the field's lines, including surrounding whitespace and the
    /// line end.
    pub(super) fn value_spans(&self, field: Field) -> impl Iterator<Item = Span> {
        let Place { value, next, count } = self.places[field as usize];
        let mut line = next as usize;
        let others = iter::from_fn(move || {
            loop {
                let rest = self.bytes.get(line..)?;
                let (start, len) = (line, memchr(b'\n', rest)? + 1);
                line += len;
                // The blank line has no colon and is last.
                let name_len = memchr(b':', rest.get(..len)?)?;
                if is_same(rest.get(..name_len)?, field.name().as_bytes()) {
                    return Some(Span::new(start + name_len + 1, line));
                }
            }
        });
        let first = (count > 0).then_some(Span { start: value, end: next });
        first.into_iter().chain(others.take(count.saturating_sub(1) as usize))
    }

    /// Returns the bytes of a part.
    pub(crate) fn part(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Returns the positions of the elements of the field's comma-separated lists, over all its lines.
    pub(crate) fn elements(&self, field: Field) -> impl Iterator<Item = Span> {
        self.value_spans(field).flat_map(|span| {
            let mut next = span.start as usize;
            self.part(span).split(|&byte| byte == b',').filter_map(move |element| {
                let start = next + (element.len() - element.trim_ascii_start().len());
                next += element.len() + 1;
                let len = element.trim_ascii().len();
                (len > 0).then(|| Span::new(start, start + len))
            })
        })
    }

    /// Returns the value of the field's first line.
    pub(crate) fn value(&self, field: Field) -> Option<&[u8]> {
        let place = self.places[field as usize];
        self.bytes
            .get(place.value as usize..place.next as usize)
            .map(<[u8]>::trim_ascii)
            .filter(|_| place.count > 0)
    }

    /// Returns the value of a field that has exactly one line.
    pub(crate) fn only(
        &self,
        field: Field,
        missing: HandshakeError,
        repeated: HandshakeError,
    ) -> Result<&[u8], HandshakeError> {
        if self.count(field) > 1 {
            return Err(repeated);
        }
        self.value(field).ok_or(missing)
    }
}

/// Omits the headers, which may contain secrets.
impl<S: fmt::Debug> fmt::Debug for Head<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("start", &self.start)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The headers of a message in order: an iterator of names as they were written, and values without
/// surrounding whitespace.
#[derive(Clone)]
pub struct Headers<'a> {
    lines: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Returns the headers of a head that this crate wrote.
    pub(crate) fn of(head: &'a [u8]) -> Self {
        let first = memchr(b'\n', head).map_or(head.len(), |end| end + 1);
        Self { lines: &head[first..] }
    }

    /// Returns the headers in lines that this crate wrote.
    pub(crate) fn lines(lines: &'a [u8]) -> Self {
        Self { lines }
    }

    /// Returns the value of the first header with this name, ignoring case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.clone().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = self.lines.split_at(memchr(b'\n', self.lines)? + 1);
        // The blank line has no colon and is last.
        let (name, value) = line.split_at(memchr(b':', line)?);
        self.lines = rest;
        Some((text(name), value[1..].trim_ascii()))
    }
}

/// Shows only names: values may be secrets.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|(name, _)| name)).finish()
    }
}

/// Position of a part of a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// A head is never longer than `u32::MAX`.
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn end(self) -> usize {
        self.end as usize
    }
}

/// Position of the value of a field's first line, start of the next line, and number of lines of the field.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) value: u32,
    pub(super) next: u32,
    pub(super) count: u32,
}

/// The headers that the handshake itself reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Host,
    Origin,
    Upgrade,
    Connection,
    Key,
    Accept,
    Version,
    Protocol,
    Extensions,
    ContentLength,
    TransferEncoding,
}

impl Field {
    pub(super) const COUNT: usize = Self::TransferEncoding as usize + 1;

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Origin => "Origin",
            Self::Upgrade => "Upgrade",
            Self::Connection => "Connection",
            Self::Key => "Sec-WebSocket-Key",
            Self::Accept => "Sec-WebSocket-Accept",
            Self::Version => "Sec-WebSocket-Version",
            Self::Protocol => "Sec-WebSocket-Protocol",
            Self::Extensions => "Sec-WebSocket-Extensions",
            Self::ContentLength => "Content-Length",
            Self::TransferEncoding => "Transfer-Encoding",
        }
    }

    /// Compares the length first: most headers of a request are none of these.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let field = match name.len() {
            4 => Self::Host,
            6 => Self::Origin,
            7 => Self::Upgrade,
            10 => Self::Connection,
            14 => Self::ContentLength,
            17 if name.starts_with(b"T") || name.starts_with(b"t") => Self::TransferEncoding,
            17 => Self::Key,
            20 => Self::Accept,
            21 => Self::Version,
            22 => Self::Protocol,
            24 => Self::Extensions,
            _ => return None,
        };
        is_same(name, field.name().as_bytes()).then_some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for i in 0..Field::COUNT {
            let found = [
                Field::Host,
                Field::Origin,
                Field::Upgrade,
                Field::Connection,
                Field::Key,
                Field::Accept,
                Field::Version,
                Field::Protocol,
                Field::Extensions,
                Field::ContentLength,
                Field::TransferEncoding,
            ][i];
            assert_eq!(found as usize, i);
            assert_eq!(Field::named(found.name().as_bytes()), Some(found));
            assert_eq!(Field::named(found.name().to_ascii_uppercase().as_bytes()), Some(found));
            assert_eq!(Field::named("?".repeat(found.name().len()).as_bytes()), None);
        }
    }
}
