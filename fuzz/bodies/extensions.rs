//! `Sec-WebSocket-Extensions` is read as the grammar of RFC 6455 §9.1 has it, over any number of lines, and what is written from it
//! reads the same: I13.

use sansocket::Config;
use sansocket::handshake::UpgradeRequest;

use super::opening::{Text, text};
use super::reading;
use super::structured;

/// `data`: the pieces of each header line.
pub(crate) fn body(data: &[u8]) {
    let Some(lines) = structured::<Vec<Vec<Text<'_>>>>(data) else { return };
    let lines = Vec::from_iter(lines.iter().take(4).map(|line| text(line, &WORDS)));
    if !lines.iter().all(|line| reading::is_value(line.as_bytes())) {
        return;
    }
    let base = [
        ("Host", "h"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let headers =
        base.into_iter().chain(lines.iter().map(|line| ("Sec-WebSocket-Extensions", line.as_str())));
    let config = Config::default().max_head(1 << 20);
    let request = UpgradeRequest::from_parts("GET", "/", headers, config);

    let read = lines.iter().map(|line| reading::extensions(line.as_bytes())).collect::<Option<Vec<_>>>();
    let read = read.map(|lists| lists.concat()).filter(|list| !list.is_empty() || lines.is_empty());
    let Ok(request) = request else {
        assert_eq!(read, None, "I13: {lines:?}");
        return;
    };
    let list = Vec::from_iter(request.extensions().map(|extension| {
        let params =
            extension.params().map(|(name, value)| (name.to_owned(), value.map(|value| value.into_owned())));
        (extension.name().to_owned(), params.collect())
    }));
    assert_eq!(Some(&list), read.as_ref(), "I13: {lines:?}");
    let written = Vec::from_iter(request.extensions().map(|extension| extension.to_string())).join(", ");
    assert_eq!(reading::extensions(written.as_bytes()), Some(list), "{written}");
}

const WORDS: [&str; 28] = [
    "a",
    "foo",
    "permessage-deflate",
    "; ",
    ";",
    " ;",
    ", ",
    ",",
    "=",
    "\"",
    "\\",
    " ",
    "\t",
    "\"b\"",
    "\"\\b\"",
    "\"b c\"",
    "=1",
    "=\"10\"",
    "client_max_window_bits",
    "server_no_context_takeover",
    "!#$%&'*+-.^_`|~",
    "/",
    "(",
    "\u{e9}",
    "\"\"",
    "\\\"",
    "\"b\\",
    "; b=c",
];
