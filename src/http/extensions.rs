//! [`Extension`]: the grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1) as data.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use super::error::HandshakeError;
use super::grammar::{text, token_len};
use super::head::{Field, Head, Span};

/// An extension that the peer offers or accepts, with its parameters. [`Display`](fmt::Display) formats it
/// for the header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    name: &'a str,
    /// `; a=b ;c`, already validated.
    params: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Returns the name, a token.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the parameters in order: the name, and the value without quotes, if there is one. Both are
    /// tokens.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, Option<Cow<'a, str>>)> + use<'a> {
        let mut cursor = Cursor(self.params);
        core::iter::from_fn(move || if cursor.eat(b';') { cursor.param() } else { None })
    }
}

impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.params().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, "; {name}={value}"),
            None => write!(f, "; {name}"),
        })
    }
}

impl fmt::Debug for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extension({self})")
    }
}

/// The extensions of a head, in order.
#[derive(Debug, Default)]
pub(crate) struct Extensions(Vec<Place>);

/// Position of an extension's name and parameters.
#[derive(Debug, Clone, Copy)]
struct Place {
    name: Span,
    params: Span,
}

impl Extensions {
    /// RFC 6455 §9.1: "this header field MAY be split or combined across multiple lines". "If a value is
    /// received […] that does not conform to the ABNF below, the recipient of such malformed data MUST
    /// immediately _Fail the WebSocket Connection_."
    pub(crate) fn parse<S>(head: &Head<S>) -> Result<Self, HandshakeError> {
        let mut places = Vec::new();
        for span in head.value_spans(Field::Extensions) {
            for extension in parse(head.part(span)) {
                let (Extension { name, params }, left) = extension?;
                // The name, its parameters and the remaining bytes are adjacent.
                let end = span.end() - left;
                let params = end - params.len();
                places.push(Place {
                    name: Span::new(params - name.len(), params),
                    params: Span::new(params, end),
                });
            }
        }
        // "extension-list = 1#extension": at least one.
        if places.is_empty() && head.count(Field::Extensions) > 0 {
            return Err(HandshakeError::InvalidExtensions);
        }
        Ok(Self(places))
    }

    /// Returns the extensions, given the head that they were parsed from.
    pub(crate) fn of<'a, S>(&self, head: &'a Head<S>) -> impl Iterator<Item = Extension<'a>> {
        self.0
            .iter()
            .map(|place| Extension { name: text(head.part(place.name)), params: head.part(place.params) })
    }
}

/// Parses the extensions of one header value, each with the number of bytes remaining after it. An error is
/// the last item.
fn parse(value: &[u8]) -> impl Iterator<Item = Result<(Extension<'_>, usize), HandshakeError>> {
    let mut cursor = Cursor(value);
    core::iter::from_fn(move || {
        while cursor.eat(b',') {}
        if cursor.is_done() {
            return None;
        }
        let extension = cursor.extension().filter(|_| cursor.is_done() || cursor.0.starts_with(b","));
        if extension.is_none() {
            cursor.0 = b"";
        }
        Some(extension.map(|extension| (extension, cursor.0.len())).ok_or(HandshakeError::InvalidExtensions))
    })
}

/// The remaining input. Each step consumes what it reads, so the time is linear in the length.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// "extension = extension-token *( ";" extension-param )".
    fn extension(&mut self) -> Option<Extension<'a>> {
        let name = self.token()?;
        let before = self.0;
        while self.eat(b';') {
            self.param()?;
        }
        self.skip_space();
        Some(Extension { name, params: &before[..before.len() - self.0.len()] })
    }

    /// "extension-param = token [ "=" (token | quoted-string) ]".
    fn param(&mut self) -> Option<(&'a str, Option<Cow<'a, str>>)> {
        let name = self.token()?;
        let value = if self.eat(b'=') { Some(self.value()?) } else { None };
        Some((name, value))
    }

    /// "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to
    /// the 'token' ABNF."
    fn value(&mut self) -> Option<Cow<'a, str>> {
        if !self.eat(b'"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = Cow::Borrowed("");
        loop {
            let (plain, rest) = self.0.split_at(token_len(self.0));
            match &mut value {
                Cow::Borrowed("") => value = Cow::Borrowed(text(plain)),
                longer => longer.to_mut().push_str(text(plain)),
            }
            match rest {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return (!value.is_empty()).then_some(value);
                }
                [b'\\', escaped, rest @ ..] if token_len(&[*escaped]) == 1 => {
                    value.to_mut().push(char::from(*escaped));
                    self.0 = rest;
                }
                _ => return None,
            }
        }
    }

    fn token(&mut self) -> Option<&'a str> {
        self.skip_space();
        let (token, rest) = self.0.split_at(token_len(self.0));
        self.0 = rest;
        (!token.is_empty()).then_some(text(token))
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn is_done(&mut self) -> bool {
        self.skip_space();
        self.0.is_empty()
    }

    /// The ABNF includes the "implied *LWS rule": whitespace between any two words.
    fn skip_space(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;

    /// Returns the list in its canonical form.
    fn canonical(value: &[u8]) -> Result<String, HandshakeError> {
        let list: Result<Vec<_>, _> =
            parse(value).map(|extension| extension.map(|(e, _)| e.to_string())).collect();
        list.map(|list| list.join(", "))
    }

    #[test]
    fn trap_12_quoted_values_and_separators() {
        let cases = [
            ("foo", "foo"),
            ("foo, bar; baz=2", "foo, bar; baz=2"),
            (
                "mux; max-channels=4; flow-control,\t deflate-stream",
                "mux; max-channels=4; flow-control, deflate-stream",
            ),
            ("a;b=\"c\"", "a; b=c"),
            ("a ; b = \"c\" , d", "a; b=c, d"),
            ("a; b=\"\\c\\d\"", "a; b=cd"),
            ("a; b=\"x\\cy\"; d", "a; b=xcy; d"),
            (",, a ,,b,", "a, b"),
            ("", ""),
            ("__proto__; constructor=toString", "__proto__; constructor=toString"),
            ("a; b; b", "a; b; b"),
        ];
        for (value, expected) in cases {
            assert_eq!(canonical(value.as_bytes()).as_deref(), Ok(expected), "{value}");
            assert_eq!(
                canonical(expected.as_bytes()).as_deref(),
                Ok(expected),
                "what was written reads the same"
            );
        }
    }

    #[test]
    fn malformed_extensions_are_errors() {
        let cases = [
            "a;;b",
            ";a",
            "a;",
            "a; b=\"c",
            "a; b=\"",
            "a; b=\"\"",
            "a; b=\"c d\"",
            "a; b=\"c,d\"",
            "a; b=\"c;d\"",
            "a; b=",
            "a; =b",
            "=",
            ";;;",
            "a b",
            "a; b c",
            "a; b=c d",
            "a; b=c=d",
            "a/b",
            "a; b=\"c\"d",
            "a; b=\"\\\"",
            "a; b=\"\\,\"",
            "\"a\"",
            "a, ;b",
            "a; b=\u{e9}",
            "(a)",
            "a; b=\"c\\",
            "a,b;",
            "a=b",
        ];
        for value in cases {
            assert_eq!(canonical(value.as_bytes()), Err(HandshakeError::InvalidExtensions), "{value}");
        }
    }

    #[test]
    fn cve_2020_7662_and_cve_2021_32640_long_values_end() {
        let long = |part: &str| part.repeat(64 * 1024);
        assert!(canonical(alloc::format!("a; b=\"{}", long("\\c")).as_bytes()).is_err());
        assert_eq!(
            canonical(alloc::format!("a; b=\"{}\"", long("\\c")).as_bytes()),
            Ok("a; b=".to_string() + &long("c"))
        );
        assert_eq!(canonical(long(",").as_bytes()).as_deref(), Ok(""));
        assert!(canonical(alloc::format!("b{}x", long(" ")).as_bytes()).is_err());
        assert_eq!(parse(long("a,").as_bytes()).count(), 64 * 1024);
    }
}
