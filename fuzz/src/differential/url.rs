//! URLs and references: iri-string takes them apart and resolves them in the same way.

use arbitrary::Arbitrary;
use iri_string::types::{UriAbsoluteStr, UriReferenceStr, UriStr};
use sansocket::handshake::{ClientHandshake, ClientProgress, ClientRequest, Redirects, Url};
use sansocket::{Config, Input};

use super::Difference;
use crate::bodies::opening::{Text, text};
use crate::bodies::url::WORDS;
use crate::bodies::{reading, structured};

pub(super) const LENIENT_PATH: Difference = Difference {
    library: "iri-string",
    what: "refuses brackets and incomplete percent-encodings in paths and queries",
    rule: "RFC 3986 §3.3 allows them nowhere; nearly everything takes them, and they are safe in a request line \
           (RFC 9112 §3.2: \"No whitespace is allowed in the request-target\")",
};
pub(super) const IP_FUTURE: Difference = Difference {
    library: "iri-string",
    what: "takes IPvFuture addresses and empty hosts",
    rule: "RFC 3986 §3.2.2: no version of it is defined; RFC 9110 §4.2.1: \"a sender MUST NOT generate an \"http\" URI with an empty \
           host identifier\"",
};
pub(super) const PORT: Difference = Difference {
    library: "iri-string",
    what: "takes ports of any number of digits",
    rule: "RFC 3986 §3.2.3: \"port = *DIGIT\"; TCP has 65535 of them",
};
pub(super) const FRAGMENT: Difference = Difference {
    library: "iri-string",
    what: "takes fragments",
    rule: "RFC 6455 §3: \"Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs\"",
};
pub(super) const USER_INFO: Difference = Difference {
    library: "iri-string",
    what: "takes user names that decode to control characters or to a colon",
    rule: "RFC 7617 §2: \"The user-id and password MUST NOT contain any control characters\", and no user-id has a colon",
};
pub(super) const ENCODED_DOT: Difference = Difference {
    library: "iri-string",
    what: "takes %2e for a dot when it resolves a reference",
    rule: "RFC 3986 §6.2.2.3: the segments \".\" and \"..\" are \"removed as part of the reference resolution process\"; to decode \
           octets is a normalization of its own (§6.2.2.2)",
};

#[derive(Debug, Arbitrary)]
struct Pair<'d> {
    url: Vec<Text<'d>>,
    reference: Vec<Text<'d>>,
}

/// `data`: a URL and a reference.
pub(super) fn body(data: &[u8]) {
    let Some(input) = structured::<Pair<'_>>(data) else { return };
    let (url, reference) = (text(&input.url, &WORDS), text(&input.reference, &WORDS));
    parse(&url);
    resolve(&url, &reference);
}

fn parse(text: &str) {
    let theirs = UriStr::new(text)
        .ok()
        .filter(|uri| matches!(uri.scheme_str().to_ascii_lowercase().as_str(), "ws" | "wss"));
    match (Url::parse(text), theirs) {
        (Ok(ours), Some(theirs)) => {
            let Some(authority) = theirs.authority_components() else { panic!("{text:?} has no authority") };
            assert_eq!(ours.host(), authority.host().trim_matches(['[', ']']));
            let port = authority.port().filter(|port| !port.is_empty()).and_then(|port| port.parse().ok());
            let default = if ours.is_secure() { 443 } else { 80 };
            assert_eq!(ours.port(), port.unwrap_or(default), "{text:?}");
            let path = theirs.path_str();
            let path = if path.is_empty() { "/" } else { path };
            let resource = theirs.query_str().map_or(path.to_owned(), |query| format!("{path}?{query}"));
            assert_eq!(ours.resource(), resource);
        }
        (Ok(ours), None) => {
            // LENIENT_PATH: but for the path, the query and the user's name they agree.
            let plain = format!("{}://{}/", if ours.is_secure() { "wss" } else { "ws" }, ours.host_header());
            assert!(UriStr::new(&plain).is_ok(), "{text:?}: {LENIENT_PATH:?}");
            assert!(is_lenient(ours.resource()), "{text:?}: {LENIENT_PATH:?}");
        }
        (Err(error), Some(theirs)) => {
            let allowed = theirs.fragment_str().is_some()
                || theirs.authority_components().is_none_or(|authority| {
                    let host = authority.host();
                    let bad_port = authority.port().is_some_and(|port| {
                        !port.is_empty() && port.parse::<u16>().ok().filter(|port| *port > 0).is_none()
                    });
                    host.is_empty()
                        || host.to_ascii_lowercase().starts_with("[v")
                        || bad_port
                        || authority.userinfo().is_some_and(|user| reading::user_info(user).is_none())
                });
            assert!(allowed, "{text:?}: {error}");
        }
        (Err(_), None) => {}
    }
}

/// Whether it has a bracket or an incomplete percent-encoding.
fn is_lenient(resource: &str) -> bool {
    let incomplete =
        |rest: &str| !matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    resource.contains(['[', ']']) || resource.split('%').skip(1).any(incomplete)
}

/// Where a redirect leads to.
fn resolve(url: &str, reference: &str) {
    // ENCODED_DOT: two segments on, the results differ.
    if [url, reference].iter().any(|text| text.to_ascii_lowercase().contains("%2e")) {
        return;
    }
    let Ok(request) = ClientRequest::new(url) else { return };
    let (Ok(base), Ok(reference)) = (UriAbsoluteStr::new(url), UriReferenceStr::new(reference)) else {
        return;
    };
    let resolved = reference.resolve_against(base).to_string();
    let resolved = resolved.split('#').next().unwrap_or_default();
    let handshake =
        ClientHandshake::new(request.clone(), Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    let mut answer =
        format!("HTTP/1.1 302 \r\nLocation: {reference}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    let ClientProgress::Refused(refused) = handshake.recv(&mut Input::new(&mut answer)) else { return };
    let next = Redirects::new(1).allow_downgrade().follow(&request, &refused);
    let websocket = match resolved.split_once("://") {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => format!("ws://{rest}"),
            "https" | "wss" => format!("wss://{rest}"),
            _ => String::new(),
        },
        None => String::new(),
    };
    let parts =
        |url: &Url| (url.is_secure(), url.host().to_owned(), url.port(), without_dots(url.resource()));
    let expected = Url::parse(&websocket).ok().map(|url| parts(&url));
    let ours = next.ok().flatten().map(|next| parts(next.url()));
    assert_eq!(ours, expected, "{reference} from {url}");
}

/// RFC 3986 §5.2.2 leaves the dots of a base's own path where the reference is a query or nothing.
fn without_dots(resource: &str) -> String {
    let (path, query) = resource.split_at(resource.find('?').unwrap_or(resource.len()));
    format!("{}{query}", reading::remove_dot_segments(path))
}
