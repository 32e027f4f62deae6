//! A URL is taken apart as RFC 6455 §3 and RFC 3986 have it, and what its parts are written as means the same: I13.

use sansocket::Config;
use sansocket::handshake::{ClientHandshake, ClientRequest, Url};

use super::opening::{Text, text};
use super::reading::{self, Read, Side, Verdict};
use super::structured;

/// `data`: the pieces of a URL.
pub(crate) fn body(data: &[u8]) {
    let Some(pieces) = structured::<Vec<Text<'_>>>(data) else { return };
    let input = text(&pieces, &WORDS);
    let url = Url::parse(&input);
    let read = read(&input);
    let Ok(url) = url else {
        assert_eq!(read, None, "I13: {input:?}: {url:?}");
        return;
    };
    let Some(read) = read else { panic!("I13: {input:?} is no WebSocket URL") };
    assert_eq!(
        parts(&url),
        (read.secure, read.host.clone(), read.port, read.resource.clone()),
        "I13: {input:?}"
    );

    // Written again, it is the same URL.
    let scheme = if url.is_secure() { "wss" } else { "ws" };
    let again = Url::parse(&format!("{scheme}://{}{}", url.host_header(), url.resource()));
    assert_eq!(again.map(|again| parts(&again)), Ok(parts(&url)), "{input:?}");

    // It cannot break out of the request, which any server accepts.
    let Ok(request) = ClientRequest::new(&input) else { panic!("a request takes what a URL takes") };
    let handshake = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    let written = handshake.output();
    let Read::Head(head) = reading::head(written, Side::Request, usize::MAX, usize::MAX) else {
        panic!("a legal head: {written:?}")
    };
    assert_eq!((head.words[1].as_str(), head.len), (url.resource(), written.len()));
    assert_eq!(head.only("Host"), Some(url.host_header().as_bytes()));
    assert_eq!(reading::request(&head), Verdict::Upgrade);
    let authorization = read.user_info.map(|pair| format!("Basic {}", reading::base64(&pair)));
    assert_eq!(head.only("Authorization"), authorization.as_deref().map(str::as_bytes));
    let debug = format!("{url:?}");
    assert!(!debug.contains('@') || url.resource().contains('@'), "no password in what is logged: {debug}");
}

type Parts = (bool, String, u16, String);

fn parts(url: &Url) -> Parts {
    (url.is_secure(), url.host().to_owned(), url.port(), url.resource().to_owned())
}

#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    secure: bool,
    host: String,
    port: u16,
    resource: String,
    user_info: Option<Vec<u8>>,
}

/// "ws-URI = "ws:" "//" host [ ":" port ] path [ "?" query ]", with a user name and password in front.
fn read(input: &str) -> Option<Parsed> {
    let visible = input.bytes().all(|byte| (0x21..0x7F).contains(&byte));
    let (scheme, Some(authority), path, query) = reading::split_uri(input) else { return None };
    let secure = match scheme?.to_ascii_lowercase().as_str() {
        "ws" => false,
        "wss" => true,
        _ => return None,
    };
    // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs."
    if !visible || input.contains('#') {
        return None;
    }
    // RFC 3986 §3.3 and §3.4, and the brackets, which nearly everything takes.
    let resource = [path, query.unwrap_or_default()].concat();
    if !resource.bytes().all(|byte| reading::is_uri_byte(byte, b":@/?[]")) {
        return None;
    }
    let (user_info, authority) = match authority.split_once('@') {
        Some((user_info, authority)) => (Some(reading::user_info(user_info)?), authority),
        None => (None, authority),
    };
    let (host, port) = reading::host_port(authority)?;
    let path = if path.is_empty() { "/" } else { path };
    Some(Parsed {
        secure,
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.unwrap_or(if secure { 443 } else { 80 }),
        resource: query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
        user_info,
    })
}

pub(crate) const WORDS: [&str; 40] = [
    "ws://",
    "wss://",
    "http://",
    "https://",
    "WSS://",
    "//",
    "/",
    "?",
    "#",
    ":",
    "@",
    "[",
    "]",
    "%",
    "%41",
    "%00",
    "%zz",
    ".",
    "..",
    "/../",
    "/./",
    "a",
    "example.com",
    "EXAMPLE.com",
    "127.0.0.1",
    "[::1]",
    "[::ffff:1.2.3.4]",
    "[v1.a]",
    ":80",
    ":443",
    ":0",
    ":65535",
    ":65536",
    ":00080",
    "user:pass@",
    "user@",
    "b/c/d",
    "ftp:",
    "\\",
    "x=y&z",
];
