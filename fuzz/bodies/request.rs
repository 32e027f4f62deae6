//! A server accepts the opening handshakes that are legal by an independent reading of the RFCs, and no others; it does so however
//! they are cut and whoever parsed them, and its answer is the one that is due: I1, I2, I11, I13.

use sansocket::handshake::{Refusal, ServerHandshake, ServerProgress, UpgradeRequest};
use sansocket::{Config, Input};

use super::opening::Received;
use super::reading::{self, Head, Lines, Read, Side, Verdict};
use super::structured;

const MAX_HEAD: usize = 500;
const MAX_HEADERS: usize = 12;

/// `data`: what a client sends.
pub(crate) fn body(data: &[u8]) {
    let Some(received) = structured::<Received<'_>>(data) else { return };
    let bytes = received.bytes(["GET", "/chat?a=b", "HTTP/1.1"], &BASE);

    let whole = run(&bytes, bytes.len().max(1));
    for piece in [1, 2, 7] {
        assert_eq!(run(&bytes, piece), whole, "I1");
    }
    let read = reading::head(&bytes, Side::Request, MAX_HEAD, MAX_HEADERS);
    let Read::Head(head) = read else {
        assert_eq!(whole.is_none(), read == Read::Incomplete, "I13: {whole:?}");
        assert!(whole.is_none_or(|end| end.verdict == Verdict::Refused), "I13: no head, no request");
        return;
    };
    let verdict = reading::request(&head);
    let Some(end) = whole else { panic!("I13: a complete head is decided on") };
    assert_eq!(end.verdict, verdict, "I13");
    if verdict != Verdict::Refused {
        assert_eq!(end.taken, head.len, "bytes behind the head stay");
        assert_eq!(end.lines, head.lines);
    }
    // The same as pairs: there, an empty start line and an HTTP/1.0 cannot be said.
    if head.minor == 1 {
        let parts = UpgradeRequest::from_parts(
            &head.words[0],
            &head.words[1],
            head.lines.iter().map(|(name, value)| (name, value)),
            config(),
        );
        // Written anew, a head has one space behind each colon.
        let written = 3
            + head.words.iter().map(|word| word.len() + 1).sum::<usize>()
            + head.lines.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
        assert!(
            parts.is_ok() == (verdict == Verdict::Upgrade) || written > MAX_HEAD,
            "parts and bytes agree"
        );
    }
}

#[derive(Debug, PartialEq, Eq)]
struct End {
    verdict: Verdict,
    taken: usize,
    lines: Lines,
}

/// What comes of the bytes in pieces of this size; `None`: more are needed.
fn run(bytes: &[u8], piece: usize) -> Option<End> {
    let mut handshake = ServerHandshake::new(config());
    let mut bytes = bytes.to_vec();
    let mut offered = 0;
    for piece in bytes.chunks_mut(piece) {
        offered += piece.len();
        let mut input = Input::new(piece);
        let (verdict, lines) = match handshake.recv(&mut input) {
            ServerProgress::Incomplete(more) => {
                assert!(input.is_empty(), "I2");
                handshake = more;
                continue;
            }
            ServerProgress::Upgrade(request) => {
                let lines = lines(request.headers());
                check_answer(request);
                (Verdict::Upgrade, lines)
            }
            ServerProgress::Http(request) => {
                // An absolute URI may have none.
                assert!(request.path() == "/" || request.target().contains(request.path()));
                (Verdict::Http, lines(request.headers()))
            }
            ServerProgress::Refused(refusal) => {
                check_refusal(&refusal);
                return Some(End { verdict: Verdict::Refused, taken: 0, lines: Lines::new() });
            }
        };
        return Some(End { verdict, taken: offered - input.len(), lines });
    }
    None
}

/// The 101 is a legal head that a client of this key accepts.
fn check_answer(request: UpgradeRequest) {
    let key = request.header("Sec-WebSocket-Key").unwrap_or_default();
    let accept = reading::accept_key(key);
    assert!(request.path().starts_with('/') && !request.host().is_empty());
    let offered = Vec::from_iter(request.subprotocols().map(str::to_owned));
    let mut request = request;
    if let Some(last) = offered.last() {
        assert_eq!(request.choose_subprotocol(last), Ok(()));
    }
    let mut connection = request.accept();
    let answer = super::drain(&mut connection);
    let head = head(&answer);
    let offered = Vec::from_iter(offered.iter().map(String::as_str));
    assert_eq!((head.words[1].as_str(), head.len), ("101", answer.len()));
    assert_eq!(reading::response(&head, &accept, &offered), Verdict::Upgrade);
    assert_eq!(head.list("Sec-WebSocket-Protocol").len(), offered.len().min(1));
}

/// A refusal is one complete HTTP response that ends the connection.
fn check_refusal(refusal: &Refusal) {
    let head = head(refusal.response());
    assert_eq!(head.words[1], refusal.status().to_string());
    assert_eq!(head.words[1], refusal.error().status().to_string());
    assert!((400..600).contains(&refusal.status()));
    assert!(head.list("Connection").contains(&b"close".to_vec()));
    let length = head.only("Content-Length").map(|length| String::from_utf8_lossy(length).into_owned());
    let body = &refusal.response()[head.len..];
    assert!(length == Some(body.len().to_string()) || body.is_empty(), "a HEAD has no body");
    assert_eq!(body, refusal.body());
    // RFC 9110 §15.5.6 and RFC 6455 §4.4.
    assert!(refusal.status() != 405 || head.only("Allow") == Some(b"GET"));
    assert!(refusal.status() != 426 || head.values("Sec-WebSocket-Version").contains(&&b"13"[..]));
}

fn head(bytes: &[u8]) -> Head {
    match reading::head(bytes, Side::Response, usize::MAX, usize::MAX) {
        Read::Head(head) => head,
        other => panic!("what we write is a legal head: {other:?}"),
    }
}

fn lines<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Lines {
    headers.map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

fn config() -> Config {
    Config::default().max_head(MAX_HEAD).max_headers(MAX_HEADERS)
}

const BASE: [(&str, &str); 8] = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Origin", "http://example.com"),
    ("Sec-WebSocket-Protocol", "chat, superchat"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Extensions", "a; b=\"c\", d"),
];
