//! A client accepts the responses that are legal by an independent reading of RFC 6455 §4.1, and no others, however they are cut
//! and whoever parsed them; a proxy's answer opens the tunnel at exactly the byte behind its head: I1, I2, I11, I13.

use sansocket::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, HandshakeError, Proxy, ProxyHandshake, ProxyProgress,
    RefusedResponse, Url,
};
use sansocket::{Config, Input};

use super::opening::Received;
use super::reading::{self, Head, Read, Side, Verdict};
use super::structured;

const MAX_HEAD: usize = 500;
const MAX_HEADERS: usize = 12;
/// How many 1xx may come before the final response.
const MAX_INFORMATIONAL: usize = 8;
/// Of the key that the random numbers below make.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// `data`: what a server or a proxy sends.
pub(crate) fn body(data: &[u8]) {
    let Some(received) = structured::<Received<'_>>(data) else { return };
    let bytes = received.bytes(["HTTP/1.1", "101", "Switching Protocols"], &BASE);
    for proxy in [false, true] {
        let run = if proxy { tunnel } else { client };
        let whole = run(&bytes, bytes.len().max(1));
        for piece in [1, 2, 7] {
            // Of a body without a length, as much is collected as came with the head.
            assert_eq!(run(&bytes, piece), whole, "I1");
        }
        assert_eq!(whole, expected(&bytes, proxy), "I13");
    }
    check_pairs(&bytes);
}

/// What comes of a response, and where the bytes begin that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Incomplete,
    Open(usize),
    /// A final response with this status.
    Refused(u16),
    Failed,
}

/// By an independent reading.
fn expected(bytes: &[u8], proxy: bool) -> End {
    let mut at = 0;
    for _ in 0..=MAX_INFORMATIONAL {
        let head = match reading::head(&bytes[at..], Side::Response, MAX_HEAD, MAX_HEADERS) {
            Read::Incomplete => return End::Incomplete,
            Read::Invalid => return End::Failed,
            Read::Head(head) => head,
        };
        at += head.len;
        let status = head.words[1].parse().unwrap_or(0);
        match status {
            // RFC 9110 §9.3.6.
            200..=299 if proxy => return End::Open(at),
            101 if !proxy => {
                let legal = reading::response(&head, ACCEPT, &["chat"]) == Verdict::Upgrade;
                return if legal { End::Open(at) } else { End::Failed };
            }
            100 | 102..=199 => {}
            _ => return End::Refused(status),
        }
    }
    End::Failed
}

fn client(bytes: &[u8], piece: usize) -> End {
    let mut handshake = handshake();
    let mut bytes = bytes.to_vec();
    let mut offered = 0;
    for piece in bytes.chunks_mut(piece) {
        offered += piece.len();
        let mut input = Input::new(piece);
        handshake = match handshake.recv(&mut input) {
            ClientProgress::Incomplete(handshake) => handshake,
            ClientProgress::Connected(connection, established) => {
                assert!(!connection.wants_write(), "the request was written");
                assert!(established.subprotocol().is_none_or(|chosen| chosen == "chat"));
                return End::Open(offered - input.len());
            }
            ClientProgress::Refused(refused) => return refused_end(&refused),
            ClientProgress::Failed(_) => return End::Failed,
        };
        assert!(input.is_empty(), "I2");
    }
    eof(handshake.recv_eof())
}

fn tunnel(bytes: &[u8], piece: usize) -> End {
    let (Ok(proxy), Ok(url)) = (Proxy::parse("http://p:8080"), Url::parse("wss://h")) else {
        return End::Failed;
    };
    let mut handshake = ProxyHandshake::new(&proxy, &url, config());
    let mut bytes = bytes.to_vec();
    let mut offered = 0;
    for piece in bytes.chunks_mut(piece) {
        offered += piece.len();
        let mut input = Input::new(piece);
        handshake = match handshake.recv(&mut input) {
            ProxyProgress::Incomplete(handshake) => handshake,
            ProxyProgress::Open => return End::Open(offered - input.len()),
            ProxyProgress::Refused(refused) => return refused_end(&refused),
            ProxyProgress::Failed(_) => return End::Failed,
        };
        assert!(input.is_empty(), "I2");
    }
    eof(handshake.recv_eof())
}

fn refused_end(refused: &RefusedResponse) -> End {
    assert!(refused.body().len() <= 8 * 1024, "I11");
    End::Refused(refused.status())
}

/// The stream ends: a refusal whose body was still coming is one.
fn eof(refused: Result<RefusedResponse, HandshakeError>) -> End {
    match refused {
        Ok(refused) => refused_end(&refused),
        Err(error) => {
            assert_eq!(error, HandshakeError::Truncated);
            End::Incomplete
        }
    }
}

/// The same response as pairs from an HTTP library.
fn check_pairs(bytes: &[u8]) {
    let Read::Head(head) = reading::head(bytes, Side::Response, MAX_HEAD, MAX_HEADERS) else { return };
    let status = head.words[1].parse().unwrap_or(0);
    let pairs = head.lines.iter().map(|(name, value)| (name, value));
    let connected = handshake().recv_parts(status, pairs).is_ok();
    let head = Head { minor: 1, ..head };
    let written = head.lines.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let legal = status == 101 && reading::response(&head, ACCEPT, &["chat"]) == Verdict::Upgrade;
    assert!(connected == legal || written + 40 > MAX_HEAD, "pairs and bytes agree");
}

fn handshake() -> ClientHandshake {
    let request =
        ClientRequest::new("ws://server.example.com/chat").map(|request| request.subprotocol("chat"));
    let Ok(Ok(request)) = request else { panic!("a legal request") };
    let random = |bytes: &mut [u8]| bytes.copy_from_slice(&b"the sample nonce".repeat(32)[..bytes.len()]);
    let mut handshake = ClientHandshake::new(request, config(), random);
    handshake.output_written(usize::MAX);
    handshake
}

fn config() -> Config {
    Config::default().max_head(MAX_HEAD).max_headers(MAX_HEADERS)
}

const BASE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Accept", ACCEPT),
    ("Sec-WebSocket-Protocol", "chat"),
];
