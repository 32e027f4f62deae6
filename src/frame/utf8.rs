//! [`Utf8`]: incremental validation of text (RFC 6455 §8.1).

use core::{fmt, str};

/// Validates text in pieces, which may end inside a code point.
///
/// It holds at most the three bytes of an incomplete code point, and fails at the first byte that makes the
/// text invalid. Surrogates, overlong forms and code points over U+10FFFF fail at their second byte
/// at the latest.
///
/// ```
/// use sansocket::frame::Utf8;
/// let mut utf8 = Utf8::new();
/// assert_eq!(utf8.push(b"gr\xC3")?.text, "gr");
/// let next = utf8.push(b"\xBCn")?;
/// assert_eq!((next.carried, next.text), (Some('ü'), "n"));
/// assert!(utf8.is_complete());
/// # Ok::<(), sansocket::frame::InvalidUtf8<'_>>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Utf8 {
    /// The beginning of an incomplete code point.
    cut: [u8; 4],
    len: u8,
}

/// The text that a piece of input completed; see [`Utf8::push`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ValidText<'a> {
    /// The code point that the previous piece left incomplete and this piece completed.
    pub carried: Option<char>,
    /// The text after it, up to the end of the last complete code point.
    pub text: &'a str,
}

/// The error for a byte that is not valid UTF-8 at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8<'a> {
    /// The text before it.
    pub valid: ValidText<'a>,
}

impl Utf8 {
    /// Creates a validator at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { cut: [0; 4], len: 0 }
    }

    /// Returns `true` if the text may end here: no code point is incomplete.
    #[inline]
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.len == 0
    }

    /// Returns how many bytes the incomplete code point still needs; 0 if there is none.
    #[must_use]
    pub fn missing(&self) -> usize {
        if self.is_complete() { 0 } else { width(self.cut[0]) - usize::from(self.len) }
    }

    /// Returns how many bytes of the incomplete code point have arrived.
    #[cfg(feature = "alloc")]
    pub(crate) const fn pending(&self) -> usize {
        self.len as usize
    }

    /// Validates the next bytes of the text.
    ///
    /// # Errors
    /// Fails at the first byte that makes the text invalid.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Result<ValidText<'a>, InvalidUtf8<'a>> {
        let Some((carried, taken)) = self.complete(bytes) else {
            return Err(InvalidUtf8 { valid: ValidText::default() });
        };
        let (whole, cut) = split_cut(&bytes[taken..]);
        let (text, valid) = match validate(whole) {
            Some(text) => (text, cut.is_empty() || is_beginning(cut)),
            None => (valid_prefix(whole), false),
        };
        let text = ValidText { carried, text };
        if !valid {
            return Err(InvalidUtf8 { valid: text });
        }
        if !cut.is_empty() {
            self.cut[..cut.len()].copy_from_slice(cut);
            self.len = cut.len() as u8;
        }
        Ok(text)
    }

    /// Takes the missing bytes of the incomplete code point from the front of `bytes` and returns their
    /// number; `None` if it is invalid.
    fn complete(&mut self, bytes: &[u8]) -> Option<(Option<char>, usize)> {
        let taken = self.missing().min(bytes.len());
        if taken == 0 {
            return Some((None, 0));
        }
        let len = usize::from(self.len) + taken;
        self.cut[usize::from(self.len)..len].copy_from_slice(&bytes[..taken]);
        let point = &self.cut[..len];
        match str::from_utf8(point) {
            Ok(text) => {
                self.len = 0;
                Some((text.chars().next(), taken))
            }
            Err(_) if is_beginning(point) => {
                self.len = len as u8;
                Some((None, taken))
            }
            Err(_) => None,
        }
    }
}

impl fmt::Debug for Utf8 {
    /// Omits the bytes: they are private messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Utf8").field("missing", &self.missing()).finish()
    }
}

impl fmt::Debug for ValidText<'_> {
    /// Omits the text: it is a private message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let carried = self.carried.map_or(0, char::len_utf8);
        f.debug_struct("ValidText").field("len", &(carried + self.text.len())).finish_non_exhaustive()
    }
}

/// Returns `bytes` as text if they are valid.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Option<&str> {
    #[cfg(feature = "simdutf8")]
    if bytes.len() >= 256 || has_wide_words(bytes) {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    str::from_utf8(bytes).ok()
}

/// Returns `true` if some words of eight bytes are not ASCII; otherwise vector code does not pay off for a
/// short text.
#[cfg(feature = "simdutf8")]
#[inline]
fn has_wide_words(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |any, word| any | u64::from_ne_bytes(*word)) & 0x8080_8080_8080_8080 != 0
}

#[cold]
fn valid_prefix(bytes: &[u8]) -> &str {
    let len = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    str::from_utf8(&bytes[..len]).unwrap_or_default()
}

/// Splits off a code point at the end whose lead byte announces more bytes than exist.
fn split_cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    let lead = bytes.iter().rev().take(3).position(|byte| !is_continuation(*byte));
    match lead {
        Some(behind) if width(bytes[bytes.len() - 1 - behind]) > behind + 1 => {
            bytes.split_at(bytes.len() - 1 - behind)
        }
        _ => (bytes, &[]),
    }
}

/// Returns `true` if `bytes` is a valid code point without its end.
fn is_beginning(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none())
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Returns the length in bytes of a code point with this lead byte, valid or not.
const fn width(lead: u8) -> usize {
    match lead {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the position of the first invalid byte: tries every prefix with the standard library.
    fn first_bad(bytes: &[u8]) -> Option<usize> {
        (1..=bytes.len())
            .find(|end| str::from_utf8(&bytes[..*end]).is_err_and(|e| e.error_len().is_some()))
            .map(|end| end - 1)
    }

    fn push_all<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Result<Utf8, usize>, std::string::String) {
        let (mut utf8, mut text, mut at) = (Utf8::new(), std::string::String::new(), 0);
        for piece in pieces {
            match utf8.push(piece) {
                Ok(valid) => {
                    text.extend(valid.carried);
                    text.push_str(valid.text);
                }
                Err(invalid) => {
                    text.extend(invalid.valid.carried);
                    text.push_str(invalid.valid.text);
                    return (Err(at), text);
                }
            }
            at += piece.len();
        }
        (Ok(utf8), text)
    }

    #[test]
    fn equals_the_standard_library_at_every_cut() {
        const SAMPLES: [&[u8]; 19] = [
            b"",
            b"plain",
            "κόσμε, 水, 🦀 and \u{10FFFF}\u{0}".as_bytes(),
            b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80\x65\x64\x69\x74\x65\x64", // Autobahn 6.3
            b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80\x65\x64\x69\x74\x65\x64", // Autobahn 6.4
            b"a\x80",
            b"a\xC0\x80",
            b"a\xC1\xBF",
            b"a\xE0\x9F\xBF",
            b"a\xED\xBF\xBF",
            b"a\xF0\x8F\xBF\xBF",
            b"a\xF5\x80\x80\x80",
            b"a\xFF\xFE",
            b"a\xC3",
            b"a\xE2\x82",
            b"a\xF0\x9F\xA6",
            b"\xE2\x82\x28",
            b"\xF0\x9F\x28\x80",
            b"\x80\x80\x80\x80\x80",
        ];
        for sample in SAMPLES {
            let bad = first_bad(sample);
            for a in 0..=sample.len() {
                for b in a..=sample.len() {
                    let (result, text) = push_all([&sample[..a], &sample[a..b], &sample[b..]]);
                    assert_eq!(result.is_err(), bad.is_some(), "{sample:02x?} cut at {a} and {b}");
                    match result {
                        Ok(utf8) if utf8.is_complete() => assert_eq!(text.as_bytes(), sample),
                        Ok(_) => assert!(sample.starts_with(text.as_bytes())),
                        Err(_) => assert_eq!(text, valid_prefix(sample)),
                    }
                }
            }
            let (result, _) = push_all(sample.chunks(1));
            assert_eq!(result.err(), bad, "{sample:02x?} byte by byte");
        }
    }

    /// Every sequence of a lead byte and the limits of the following bytes, compared with the standard
    /// library.
    #[test]
    fn every_lead_byte() {
        const EDGES: [u8; 10] = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF];
        for lead in 0..=0xFF {
            for second in EDGES {
                for third in EDGES {
                    let bytes = [lead, second, third, 0x80];
                    let (whole, _) = push_all([&bytes[..]]);
                    let (single, _) = push_all(bytes.chunks(1));
                    assert_eq!(whole.is_err(), first_bad(&bytes).is_some(), "{bytes:02x?}");
                    assert_eq!(single.err(), first_bad(&bytes), "{bytes:02x?}");
                }
            }
        }
    }
}
