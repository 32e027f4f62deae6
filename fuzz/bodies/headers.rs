//! Whatever a caller puts into a header, a status or a body, the message that is written is one legal message with exactly these
//! lines: nothing breaks out of its place: I8, I13.

use arbitrary::Arbitrary;
use sansocket::Config;
use sansocket::handshake::{ArgumentError, ClientHandshake, ClientRequest, Response, UpgradeRequest};

use super::opening::Text;
use super::reading::{self, Head, Lines, Read, Side, Verdict};
use super::structured;

#[derive(Debug, Arbitrary)]
struct Wishes<'d> {
    status: u16,
    headers: Vec<(Text<'d>, Text<'d>)>,
    subprotocols: Vec<Text<'d>>,
    body: &'d [u8],
}

/// `data`: what a caller wants to say.
pub(crate) fn body(data: &[u8]) {
    let Some(wishes) = structured::<Wishes<'_>>(data) else { return };
    response(&wishes);
    request(&wishes);
    answer(&wishes);
}

fn response(wishes: &Wishes<'_>) {
    let status = wishes.status % 700;
    let response = Response::new(status);
    assert_eq!(response.is_ok(), (200..=599).contains(&status));
    let Ok(mut response) = response else { return };
    let mut expected = Lines::new();
    for (name, value) in &wishes.headers {
        let Ok(name) = core::str::from_utf8(name.bytes()) else { continue };
        let added = response.clone().header(name, value.bytes());
        if check(name, value.bytes(), added.as_ref().err()) {
            expected.push((name.to_owned(), reading::trimmed(value.bytes()).to_vec()));
        }
        response = added.unwrap_or(response);
    }
    response = response.body(wishes.body);
    let bytes = response.encode();
    let head = head(&bytes, Side::Response);
    assert_eq!(head.words[1], status.to_string());
    assert!(head.lines.windows(expected.len().max(1)).any(|lines| lines == expected) || expected.is_empty());
    assert_eq!(head.list("Connection").last().map(Vec::as_slice), Some(&b"close"[..]));
    assert_eq!(head.list("Upgrade").len(), usize::from(status == 426));
    // RFC 9110 §8.6, §15.3.6 and §15.4.5.
    let body = &bytes[head.len..];
    let length = head.values("Content-Length");
    if matches!(status, 204 | 205 | 304) {
        assert!(body.is_empty() && length.is_empty());
    } else {
        assert_eq!((body, &length[..]), (wishes.body, &[body.len().to_string().as_bytes()][..]));
    }
    assert_eq!(response.encode_head(), bytes[..head.len]);
    assert!(head.values("Transfer-Encoding").is_empty());
}

fn request(wishes: &Wishes<'_>) {
    let mut request = ClientRequest::new("ws://h/a").unwrap_or_else(|error| panic!("{error}"));
    let mut expected = Lines::new();
    for (name, value) in &wishes.headers {
        let Ok(name) = core::str::from_utf8(name.bytes()) else { continue };
        let added = request.clone().header(name, value.bytes());
        if check(name, value.bytes(), added.as_ref().err()) {
            expected.push((name.to_owned(), reading::trimmed(value.bytes()).to_vec()));
        }
        request = added.unwrap_or(request);
    }
    let mut offered = Vec::new();
    for subprotocol in &wishes.subprotocols {
        let Ok(name) = core::str::from_utf8(subprotocol.bytes()) else { continue };
        let added = request.clone().subprotocol(name);
        let legal = reading::is_token(name.as_bytes()) && !offered.contains(&name.as_bytes().to_vec());
        assert_eq!(added.is_ok(), legal, "{name:?}");
        offered.extend(legal.then(|| name.as_bytes().to_vec()));
        request = added.unwrap_or(request);
    }
    let handshake = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    let head = head(handshake.output(), Side::Request);
    assert!(head.lines.ends_with(&expected));
    assert_eq!(head.list("Sec-WebSocket-Protocol"), offered);
    assert_eq!(head.len, handshake.output().len());
    let origins = head.values("Origin").len();
    assert!(reading::request(&head) == Verdict::Upgrade || origins > 1, "I8: any server takes it");
}

fn answer(wishes: &Wishes<'_>) {
    let headers = [
        ("Host", "h"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let request = UpgradeRequest::from_parts("GET", "/", headers, Config::default());
    let mut request = request.unwrap_or_else(|refusal| panic!("{}", refusal.error()));
    let mut expected = Lines::new();
    for (name, value) in &wishes.headers {
        let Ok(name) = core::str::from_utf8(name.bytes()) else { continue };
        let added = request.add_header(name, value.bytes());
        if check(name, value.bytes(), added.as_ref().err()) {
            expected.push((name.to_owned(), reading::trimmed(value.bytes()).to_vec()));
        }
    }
    let mut connection = request.accept();
    let bytes = super::drain(&mut connection);
    let head = head(&bytes, Side::Response);
    assert!(head.lines.ends_with(&expected) && head.len == bytes.len());
    assert_eq!(reading::response(&head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &[]), Verdict::Upgrade, "I8");
}

/// Whether the line is legal, which decides whether it was taken.
fn check(name: &str, value: &[u8], error: Option<&ArgumentError>) -> bool {
    let lower = name.to_ascii_lowercase();
    let reserved = ["host", "upgrade", "connection", "content-length", "transfer-encoding"];
    let expected = if !reading::is_token(name.as_bytes()) {
        Some(ArgumentError::InvalidHeaderName)
    } else if reserved.contains(&lower.as_str()) || lower.starts_with("sec-websocket-") {
        Some(ArgumentError::ReservedHeader)
    } else if !reading::is_value(value) {
        Some(ArgumentError::InvalidHeaderValue)
    } else {
        None
    };
    assert_eq!(error, expected.as_ref(), "{name:?}: {value:?}");
    expected.is_none()
}

fn head(bytes: &[u8], side: Side) -> Head {
    match reading::head(bytes, side, usize::MAX, usize::MAX) {
        Read::Head(head) => head,
        other => panic!("what we write is a legal head: {other:?}"),
    }
}
