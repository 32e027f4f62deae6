//! Extended CONNECT (RFC 8441, RFC 9220): a request is accepted exactly if it is legal by an independent reading, and the answer is
//! one that a client accepts: I8, I13.

use arbitrary::Arbitrary;
use sansocket::Config;
use sansocket::handshake::{ClientRequest, ConnectHandshake, ConnectRequest, PseudoHeaders};

use super::opening::{Text, text};
use super::reading::{self, Head};
use super::structured;

#[derive(Debug, Arbitrary)]
struct Request<'d> {
    /// Those that differ from a legal request.
    method: Option<Vec<Text<'d>>>,
    protocol: Option<Vec<Text<'d>>>,
    scheme: Option<Vec<Text<'d>>>,
    authority: Option<Vec<Text<'d>>>,
    path: Option<Vec<Text<'d>>>,
    without_version: bool,
    headers: Vec<(Text<'d>, Text<'d>)>,
}

/// `data`: the parts of a request.
pub(crate) fn body(data: &[u8]) {
    let Some(request) = structured::<Request<'_>>(data) else { return };
    let part = |part: &Option<Vec<Text<'_>>>, usual: &str| match part {
        None => Some(usual.to_owned()),
        // What is empty is left out.
        Some(pieces) => Some(text(pieces, &WORDS)).filter(|text| !text.is_empty()),
    };
    let method = part(&request.method, "CONNECT");
    let protocol = part(&request.protocol, "websocket");
    let scheme = part(&request.scheme, "https");
    let authority = part(&request.authority, "server.example.com");
    let path = part(&request.path, "/chat");
    let pseudo = PseudoHeaders {
        method: method.as_deref(),
        protocol: protocol.as_deref(),
        scheme: scheme.as_deref(),
        authority: authority.as_deref(),
        path: path.as_deref(),
    };
    let version = (!request.without_version).then_some((&b"sec-websocket-version"[..], &b"13"[..]));
    let more = request.headers.iter().map(|(name, value)| (name.bytes(), value.bytes()));
    let headers = Vec::from_iter(version.into_iter().chain(more));

    let names_are_good =
        headers.iter().all(|(name, value)| reading::is_token(name) && reading::is_value(value));
    let lines = headers
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), reading::trimmed(value).to_vec()));
    let head = Head { words: Default::default(), minor: 1, lines: lines.collect(), len: 0 };
    // RFC 9113 §8.3.1: a Host can replace the :authority.
    let host = head.values("Host").first().map(|host| String::from_utf8_lossy(host).into_owned());
    let authority = pseudo.authority.or(host.as_deref());
    // RFC 9113 §8.2.2: no "connection-specific header fields", and a TE only with the value "trailers".
    let http1 = ["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"];
    let legal = pseudo.method == Some("CONNECT")
        && pseudo.protocol == Some("websocket")
        && matches!(pseudo.scheme, Some("http" | "https"))
        && authority.is_some_and(|authority| reading::host_port(authority).is_some())
        && pseudo.path.is_some_and(|path| {
            path.starts_with('/') && path.bytes().all(|byte| (0x21..0x7F).contains(&byte) && byte != b'#')
        })
        && names_are_good
        && head.values("Host").iter().all(|host| {
            // RFC 9113 §8.3.1: a Host that "identifies an entity that differs from the entity in the ":authority"".
            let default = if pseudo.scheme == Some("https") { 443 } else { 80 };
            let parts = |authority: &str| {
                let (host, port) = reading::host_port(authority)?;
                Some((host.to_ascii_lowercase(), port.unwrap_or(default)))
            };
            let host = core::str::from_utf8(host).ok().and_then(parts);
            host.is_some() && host == authority.and_then(parts)
        })
        && http1.iter().all(|name| head.values(name).is_empty())
        && head.values("TE").iter().all(|value| value.eq_ignore_ascii_case(b"trailers"))
        && head.only("Sec-WebSocket-Version") == Some(b"13")
        && reading::offers_are_good(&head);
    let config = Config::default().max_head(1 << 20).max_headers(1000);
    let accepted = ConnectRequest::from_parts(pseudo, headers, config);
    assert_eq!(accepted.is_ok(), legal, "I13: {request:?}");
    let Ok(mut accepted) = accepted else { return };
    let host = accepted.host().to_owned();
    assert_eq!(Some(host.as_str()), authority);

    // The answer, judged by a client that offered the same.
    let Ok(mut client) = ClientRequest::new("wss://h/") else { return };
    let offered = Vec::from_iter(accepted.subprotocols().map(str::to_owned));
    for subprotocol in &offered {
        client = client.subprotocol(subprotocol).unwrap_or_else(|error| panic!("{error}"));
    }
    if let Some(first) = offered.first() {
        assert_eq!(accepted.choose_subprotocol(first), Ok(()));
    }
    let (response, _) = accepted.accept_parts();
    let handshake = ConnectHandshake::new(client, config, |bytes: &mut [u8]| bytes.fill(1));
    let judged = handshake.recv_parts(response.status(), response.headers());
    let chosen = judged.map(|(_, established)| established.subprotocol().map(str::to_owned));
    assert_eq!(chosen, Ok(offered.first().cloned()), "I8");
}

const WORDS: [&str; 24] = [
    "CONNECT",
    "GET",
    "websocket",
    "WebSocket",
    "connect-udp",
    "https",
    "http",
    "wss",
    "HTTPS",
    "h",
    "h:443",
    "[::1]:8",
    "a@h",
    "h:",
    "h:0",
    "/",
    "/a?b",
    "*",
    "#",
    " ",
    "\r\n",
    "%41",
    ":",
    "a",
];
