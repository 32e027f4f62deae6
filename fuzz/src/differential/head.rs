//! The head of a request: httparse reads the same.

use sansocket::handshake::{HandshakeError as E, Headers, ServerHandshake, ServerProgress};
use sansocket::{Config, Input};

use super::Difference;
use crate::bodies::opening::Received;
use crate::bodies::{reading, structured};

pub(super) const LONE_LF: Difference = Difference {
    library: "httparse",
    what: "takes LF alone as the end of a line",
    rule: "RFC 9112 §2.2: \"a recipient MAY recognize a single LF as a line terminator\"; §11.2 says what that makes possible",
};
pub(super) const EMPTY_LINES: Difference = Difference {
    library: "httparse",
    what: "skips any number of empty lines in front",
    rule: "RFC 9112 §2.2: a server \"SHOULD ignore at least one empty line (CRLF) received prior to the request-line\"",
};
pub(super) const MINOR_VERSION: Difference = Difference {
    library: "httparse",
    what: "refuses HTTP/1.2 to HTTP/1.9",
    rule: "RFC 9110 §2.5: a recipient of a higher minor version \"SHOULD process the message as if it was in the highest minor \
           version within that major version to which the recipient is conformant\"",
};
pub(super) const TARGET: Difference = Difference {
    library: "httparse",
    what: "takes targets with a fragment or with bytes that no URI has",
    rule: "RFC 9112 §3.2: \"No whitespace is allowed in the request-target\", and no form of it has a fragment; RFC 3986 §2",
};
/// `data`: a request.
pub(super) fn body(data: &[u8]) {
    let Some(received) = structured::<Received<'_>>(data) else { return };
    let bytes =
        received.bytes(["GET", "/a?b", "HTTP/1.1"], &[("Host", "h"), ("X", "y"), ("Connection", "close")]);
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut theirs = httparse::Request::new(&mut headers);
    let parsed = theirs.parse(&bytes);

    let config = Config::default().max_head(1 << 20).max_headers(64);
    let mut ours = bytes.clone();
    let mut input = Input::new(&mut ours);
    let progress = ServerHandshake::new(config).recv(&mut input);
    let taken = bytes.len() - input.len();
    let lines =
        |ours: Headers<'_>| Vec::from_iter(ours.map(|(name, value)| (name.to_owned(), value.to_vec())));
    let (target, ours) = match progress {
        ServerProgress::Http(request) => (request.target().to_owned(), lines(request.headers())),
        ServerProgress::Upgrade(request) => (request.target().to_owned(), lines(request.headers())),
        ServerProgress::Incomplete(_) => {
            // They may know of an error before the end of its line.
            assert!(!matches!(parsed, Ok(httparse::Status::Complete(_))), "complete, and we want more");
            return;
        }
        ServerProgress::Refused(refusal) => {
            let Ok(httparse::Status::Complete(len)) = parsed else { return };
            let head = &bytes[..len];
            let lone_lf =
                head[0] == b'\n' || head.windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r');
            let empty_lines = head.starts_with(b"\r\n\r\n");
            let allowed = lone_lf
                || match refusal.error() {
                    E::InvalidRequestLine => empty_lines,
                    E::InvalidTarget => theirs.path.is_some_and(|target| !is_target(target)),
                    E::HeadTooLarge
                    | E::TooManyHeaders
                    | E::Tls
                    | E::BareLineFeed
                    | E::UnsupportedHttpVersion
                    | E::InvalidHeaderName
                    | E::InvalidHeaderValue
                    | E::FoldedHeader => false,
                    // What the lines mean is not their business.
                    _ => true,
                };
            assert!(allowed, "{}: {:?}", refusal.error(), String::from_utf8_lossy(&bytes));
            return;
        }
    };
    let Ok(httparse::Status::Complete(len)) = parsed else {
        let line = bytes.trim_ascii_start().split(|byte| *byte == b'\r').next().unwrap_or_default();
        let minor = matches!(line, [.., b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']);
        assert!(
            minor && parsed == Err(httparse::Error::Version),
            "{MINOR_VERSION:?}: {parsed:?} {:?}",
            String::from_utf8_lossy(&bytes)
        );
        return;
    };
    let theirs_lines =
        theirs.headers.iter().map(|header| (header.name.to_owned(), header.value.trim_ascii().to_vec()));
    assert_eq!((len, theirs.path), (taken, Some(target.as_str())));
    assert_eq!(Vec::from_iter(theirs_lines), ours);
}

/// Visible ASCII without a fragment: a path, or an absolute URI with a host. A request for a WebSocket has no other.
fn is_target(target: &str) -> bool {
    let visible = target.bytes().all(|byte| (0x21..0x7F).contains(&byte) && byte != b'#');
    let has_host = |(authority, _)| reading::host_port(authority).is_some();
    visible && reading::absolute(target).map_or(target.starts_with('/'), has_host)
}
