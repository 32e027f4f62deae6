//! The elements of HTTP headers (RFC 9110 §5.5, §5.6): tokens, values, lists.

use alloc::vec::Vec;

use super::error::ArgumentError;

/// Returns the number of token characters at the start of `bytes`.
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !TCHAR[usize::from(byte)]).unwrap_or(bytes.len())
}

/// RFC 9110 §5.6.2: "token = 1*tchar".
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    // Without an early exit, because nearly all are valid.
    !bytes.is_empty() && bytes.iter().fold(true, |all, &byte| all & TCHAR[usize::from(byte)])
}

/// Returns `true` if both are equal, ignoring case. The most common case is exact equality.
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    a == b || a.eq_ignore_ascii_case(b)
}

/// RFC 9110 §5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous". No control
/// character except HTAB is useful in a value, so all others are rejected.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    // Fixed chunks without an early exit become vector code; the last chunk may overlap the previous one.
    match (bytes.last_chunk::<16>(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(last), ..) => bytes.as_chunks().0.iter().all(is_clean::<16>) && is_clean(last),
        (None, Some(first), Some(last)) => is_clean(first) && is_clean(last),
        _ => !bytes.iter().copied().any(is_control),
    }
}

fn is_clean<const N: usize>(bytes: &[u8; N]) -> bool {
    !bytes.iter().fold(false, |any, &byte| any | is_control(byte))
}

fn is_control(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t')) | (byte == 0x7F)
}

/// Returns `true` if all lines in these bytes contain only valid [values](is_value): there is no control
/// character except HTAB, LF and a CR directly before LF. A CR at the end is rejected, because its LF has not
/// arrived.
pub(super) fn are_values(bytes: &[u8]) -> bool {
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let last = bytes.last().is_none_or(|&last| !is_control(last) || last == b'\n');
    // Without an early exit this becomes vector code.
    last & !pairs.fold(false, |any, (&byte, &next)| {
        let is_line_end = (byte == b'\n') | ((byte == b'\r') & (next == b'\n'));
        any | (is_control(byte) & !is_line_end)
    })
}

/// Returns `true` for visible ASCII, at least one character.
pub(crate) fn is_visible(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)
}

/// Returns the elements of a comma-separated list. RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a
/// reasonable number of empty list elements".
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Returns validated ASCII as text.
pub(crate) fn text(ascii: &[u8]) -> &str {
    core::str::from_utf8(ascii).unwrap_or_default()
}

/// Appends a header line of the caller.
///
/// The names that determine the meaning of the handshake or the end of the head are reserved for this crate.
pub(crate) fn push_header(lines: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), ArgumentError> {
    if !is_token(name) {
        return Err(ArgumentError::InvalidHeaderName);
    }
    let prefix = name.get(..WEBSOCKET_PREFIX.len()).unwrap_or_default();
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        || prefix.eq_ignore_ascii_case(WEBSOCKET_PREFIX)
    {
        return Err(ArgumentError::ReservedHeader);
    }
    if !is_value(value) {
        return Err(ArgumentError::InvalidHeaderValue);
    }
    push_line(lines, name, value);
    Ok(())
}

/// Appends a header line that is known to be valid.
pub(crate) fn push_line(lines: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        lines.extend_from_slice(part);
    }
}

const WEBSOCKET_PREFIX: &[u8] = b"Sec-WebSocket-";
const RESERVED: [&[u8]; 5] = [b"Host", b"Upgrade", b"Connection", b"Content-Length", b"Transfer-Encoding"];

/// RFC 9110 §5.6.2: the characters of a token.
const TCHAR: [bool; 256] = letters_digits_and(b"!#$%&'*+-.^_`|~");

/// Returns a table of ASCII letters, digits and these symbols.
pub(crate) const fn letters_digits_and(symbols: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < symbols.len() {
        table[symbols[i] as usize] = true;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_what_the_abnf_says() {
        let delimiters = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_graphic() && !delimiters.contains(&byte);
            assert_eq!(is_token(&[byte]), expected, "{byte:#04x}");
        }
        assert!(!is_token(b""));
        for len in 0..20 {
            let token = [&b"abcdefghijklmnopqrst"[..len], b":a"].concat();
            assert_eq!(token_len(&token), len);
            assert_eq!(token_len(&token[..len]), len);
        }
    }

    #[test]
    fn values_hold_no_control_character_but_htab() {
        for byte in 0..=u8::MAX {
            let expected = byte == b'\t' || !byte.is_ascii_control();
            for len in 1..50 {
                for at in 0..len {
                    let mut value = [b'a'; 50];
                    value[at] = byte;
                    assert_eq!(is_value(&value[..len]), expected, "{byte:#04x} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn lines_of_values_are_what_their_values_are() {
        assert!(are_values(b""));
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for (len, at) in [(2, 0), (50, 0), (50, 15), (50, 16), (50, 48), (3, 1)] {
                    let mut bytes = [b'a'; 50];
                    (bytes[at], bytes[at + 1]) = (first, second);
                    let bytes = &bytes[..len];
                    let expected = !bytes.ends_with(b"\r")
                        && bytes.split(|&byte| byte == b'\n').enumerate().all(|(i, line)| {
                            let is_ended = bytes.iter().filter(|&&byte| byte == b'\n').count() > i;
                            let line = if is_ended { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
                            is_value(line)
                        });
                    assert_eq!(are_values(bytes), expected, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn lists_skip_empty_elements() {
        let elements: Vec<_> = list(b" ,a,, b c\t,").collect();
        assert_eq!(elements, [&b"a"[..], b"b c"]);
    }

    #[test]
    fn trap_21_caller_headers_cannot_break_out_of_their_line() {
        let mut lines = Vec::new();
        for value in ["a\r\nb: c", "a\rb", "a\nb", "a\0b"] {
            assert_eq!(
                push_header(&mut lines, b"x", value.as_bytes()),
                Err(ArgumentError::InvalidHeaderValue)
            );
            assert_eq!(
                push_header(&mut lines, value.as_bytes(), b"x"),
                Err(ArgumentError::InvalidHeaderName)
            );
        }
        for name in ["", "a b", "a:"] {
            assert_eq!(push_header(&mut lines, name.as_bytes(), b"x"), Err(ArgumentError::InvalidHeaderName));
        }
        for name in
            ["host", "UPGRADE", "connection", "content-length", "transfer-encoding", "sec-websocket-anything"]
        {
            assert_eq!(
                push_header(&mut lines, name.as_bytes(), b"x"),
                Err(ArgumentError::ReservedHeader),
                "{name}"
            );
        }
        assert!(lines.is_empty());
        assert_eq!(push_header(&mut lines, b"Sec-WebSocke", b"x"), Ok(()));
        assert_eq!(lines, b"Sec-WebSocke: x\r\n");
    }
}
