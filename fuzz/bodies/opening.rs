//! Requests and responses that are nearly right: a base and a list of edits, which the fuzzer chooses.

use arbitrary::Arbitrary;

/// What a peer sends to open a connection.
#[derive(Debug, Arbitrary)]
pub(crate) enum Received<'d> {
    Bytes(&'d [u8]),
    Edited(Vec<Edit<'d>>, &'d [u8]),
}

#[derive(Debug, Arbitrary)]
pub(crate) enum Edit<'d> {
    Remove(u8),
    Repeat(u8),
    Swap(u8, u8),
    Insert(u8, Text<'d>, Text<'d>),
    SetName(u8, Text<'d>),
    SetValue(u8, Text<'d>),
    /// Appends to a value.
    Extend(u8, Text<'d>),
    SetStart(u8, Text<'d>),
    /// The separator behind the start line or a header.
    SetEnd(u8, Text<'d>),
}

/// A word that means something, or any bytes.
#[derive(Debug, Arbitrary)]
pub(crate) enum Text<'d> {
    Word(u8),
    Bytes(&'d [u8]),
}

impl<'d> Text<'d> {
    pub(crate) fn bytes(&self) -> &'d [u8] {
        self.of(&WORDS)
    }

    /// With words of one's own.
    pub(crate) fn of(&self, words: &[&'static str]) -> &'d [u8] {
        match self {
            Self::Word(which) => words[usize::from(*which) % words.len()].as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// All pieces one after the other, as text.
pub(crate) fn text(pieces: &[Text<'_>], words: &[&'static str]) -> String {
    let bytes = pieces.iter().take(MAX_EDITS).map(|piece| piece.of(words));
    String::from_utf8_lossy(&Vec::from_iter(bytes).concat()).into_owned()
}

impl Received<'_> {
    /// The bytes, of a head that begins with `start` and has the headers of `base` but for the edits.
    pub(crate) fn bytes(&self, start: [&str; 3], base: &[(&str, &str)]) -> Vec<u8> {
        let (edits, behind) = match self {
            Self::Bytes(bytes) => return bytes.to_vec(),
            Self::Edited(edits, behind) => (edits, behind),
        };
        let mut start = start.map(|word| word.as_bytes().to_vec());
        let mut lines = Vec::from_iter(base.iter().map(|(name, value)| {
            [name.as_bytes().to_vec(), b": ".to_vec(), value.as_bytes().to_vec(), b"\r\n".to_vec()]
        }));
        let mut first_end = b"\r\n".to_vec();
        for edit in edits.iter().take(MAX_EDITS) {
            let len = lines.len();
            let at = |place: u8| usize::from(place) % len.max(1);
            match edit {
                Edit::Insert(place, name, value) => {
                    let line =
                        [name.bytes().to_vec(), b":".to_vec(), value.bytes().to_vec(), b"\r\n".to_vec()];
                    lines.insert(usize::from(*place) % (len + 1), line);
                }
                Edit::SetStart(which, text) => start[usize::from(*which) % 3] = text.bytes().to_vec(),
                Edit::SetEnd(0, text) => first_end = text.bytes().to_vec(),
                _ if lines.is_empty() => {}
                Edit::Remove(place) => drop(lines.remove(at(*place))),
                Edit::Repeat(place) => lines.push(lines[at(*place)].clone()),
                Edit::Swap(a, b) => lines.swap(at(*a), at(*b)),
                Edit::SetName(place, text) => lines[at(*place)][0] = text.bytes().to_vec(),
                Edit::SetValue(place, text) => lines[at(*place)][2] = text.bytes().to_vec(),
                Edit::Extend(place, text) => lines[at(*place)][2].extend(text.bytes()),
                Edit::SetEnd(place, text) => lines[at(*place)][3] = text.bytes().to_vec(),
            }
        }
        let mut bytes = start.join(&b" "[..]);
        bytes.extend(first_end);
        bytes.extend(lines.concat().concat());
        bytes.extend(b"\r\n");
        bytes.extend_from_slice(behind);
        bytes
    }
}

const MAX_EDITS: usize = 24;

const WORDS: [&str; 64] = [
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Origin",
    "Content-Length",
    "Transfer-Encoding",
    "Location",
    "websocket",
    "WebSocket",
    "upgrade",
    "keep-alive, Upgrade",
    "13",
    "8",
    "0",
    "10",
    "chat",
    "chat, superchat",
    "superchat",
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "a; b=\"c\"",
    "a; b=\"\\c\"; d",
    "dGhlIHNhbXBsZSBub25jZQ==",
    "dGhlIHNhbXBsZSBub25jZR==",
    "dGhlIHNhbXBsZSBub25jZQ=",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "chunked",
    "GET",
    "POST",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "/",
    "/chat?a=b",
    "http://h/",
    "wss://[::1]:8/x?y",
    "ws://",
    "*",
    "h:443",
    "[::1]",
    "[::1]:8080",
    "a%20b",
    "a%2",
    "example.com:0",
    "example.com:",
    "101",
    "200",
    "100",
    "302",
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "\"",
    "=",
];
