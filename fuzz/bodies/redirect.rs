//! A redirect leads where RFC 3986 §5.2 says, never from `wss` to `ws` unasked, never on for ever, and no secret goes with it to
//! another origin: I13.

use arbitrary::Arbitrary;
use sansocket::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, RedirectError, Redirects, RefusedResponse,
};
use sansocket::{Config, Input};

use super::opening::{Text, text};
use super::reading::{self, Read, Side};
use super::structured;
use super::url::WORDS;

#[derive(Debug, Arbitrary)]
struct Chain<'d> {
    from: Vec<Text<'d>>,
    locations: Vec<(Status, Vec<Text<'d>>)>,
    limit: u8,
    downgrade: bool,
    authorization: bool,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Status {
    Redirect(u8),
    Other(u16),
}

/// `data`: a URL, and the locations that its servers name one after the other.
pub(crate) fn body(data: &[u8]) {
    let Some(chain) = structured::<Chain<'_>>(data) else { return };
    let request =
        ClientRequest::new(&text(&chain.from, &WORDS)).or_else(|_| ClientRequest::new("wss://u:p@a/b/c?d"));
    let Ok(mut request) = request else { return };
    for (name, value) in [("Cookie", SECRET), ("proxy-authorization", SECRET), ("X-Kept", "kept")] {
        request = match request.header(name, value) {
            Ok(request) => request,
            Err(error) => panic!("{error}"),
        };
    }
    if chain.authorization {
        request = request.header("AUTHORIZATION", SECRET).unwrap_or_else(|error| panic!("{error}"));
    }
    let limit = u32::from(chain.limit % 4);
    let mut redirects = Redirects::new(limit);
    if chain.downgrade {
        redirects = redirects.allow_downgrade();
    }
    let mut followed = 0;
    for (status, location) in &chain.locations {
        let status = match status {
            Status::Redirect(which) => [301, 302, 303, 307, 308][usize::from(*which) % 5],
            Status::Other(status) => 200 + status % 400,
        };
        let location = text(location, &WORDS);
        let Some(refused) = refused(&request, status, &location) else { return };
        let location = location.trim_matches([' ', '\t']);
        let next = redirects.follow(&request, &refused);
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            assert!(matches!(next, Ok(None)), "{status} is no redirect");
            continue;
        }
        let expected = target(&request, location);
        let next = match next {
            Ok(next) => next.unwrap_or_else(|| panic!("{status} with a location is a redirect")),
            Err(error) => {
                match error {
                    RedirectError::TooMany => assert_eq!(followed, limit),
                    RedirectError::Downgrade => {
                        assert!(!chain.downgrade && request.url().is_secure());
                        assert!(expected.is_some_and(|(secure, ..)| !secure));
                    }
                    _ => assert_eq!(expected, None, "I13: {location:?} from {:?}", request.url()),
                }
                return;
            }
        };
        followed += 1;
        assert!(followed <= limit, "never more than the limit");
        let url = next.url();
        let parts = (url.is_secure(), url.host().to_owned(), url.port(), url.resource().to_owned());
        assert_eq!(Some(&parts), expected.as_ref(), "I13: {location:?} from {:?}", request.url());
        assert!(url.is_secure() || !request.url().is_secure() || chain.downgrade, "no downgrade unasked");
        check_secrets(&request, &next);
        request = next;
    }
}

/// The answer of a server; `None` if the location fits no header.
fn refused(request: &ClientRequest, status: u16, location: &str) -> Option<RefusedResponse> {
    let handshake =
        ClientHandshake::new(request.clone(), Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    let mut answer =
        format!("HTTP/1.1 {status} \r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    if !reading::is_value(location.as_bytes()) {
        return None;
    }
    match handshake.recv(&mut Input::new(&mut answer)) {
        ClientProgress::Refused(refused) => Some(refused),
        _ => None,
    }
}

/// RFC 3986 §5.2.2, for references whose scheme has a WebSocket below it.
fn target(request: &ClientRequest, location: &str) -> Option<(bool, String, u16, String)> {
    let from = request.url();
    let location = location.split_once('#').map_or(location, |(location, _)| location);
    if !location.bytes().all(|byte| reading::is_uri_byte(byte, b":@/?[]")) {
        return None;
    }
    let (scheme, authority, path, query) = reading::split_uri(location);
    let secure = match scheme.map(str::to_ascii_lowercase).as_deref() {
        None => from.is_secure(),
        Some("ws" | "http") => false,
        Some("wss" | "https") => true,
        Some(_) => return None,
    };
    // RFC 3986 §4.2: the first segment of a relative path has no colon.
    if scheme.is_some() && authority.is_none() || path.starts_with(':') && authority.is_none() {
        return None;
    }
    let (base, base_query) =
        from.resource().split_once('?').map_or((from.resource(), None), |(p, q)| (p, Some(q)));
    let (host, port) = match authority {
        Some(authority) => {
            let host = match authority.split_once('@') {
                Some((user_info, host)) => {
                    reading::user_info(user_info)?;
                    host
                }
                None => authority,
            };
            let (host, port) = reading::host_port(host)?;
            (host.trim_matches(['[', ']']), port.unwrap_or(if secure { 443 } else { 80 }))
        }
        None => (from.host(), from.port()),
    };
    let (path, query) = match path {
        "" if authority.is_none() => (base.to_owned(), query.or(base_query)),
        "" => (String::from("/"), query),
        _ if path.starts_with('/') => (path.to_owned(), query),
        _ => (format!("{}{path}", &base[..=base.rfind('/')?]), query),
    };
    let path = reading::remove_dot_segments(&path);
    let path = if path.is_empty() { "/" } else { &path };
    let resource = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    Some((secure, host.to_owned(), port, resource))
}

/// What was secret for one origin goes to no other.
fn check_secrets(from: &ClientRequest, to: &ClientRequest) {
    let origin = |request: &ClientRequest| {
        let url = request.url();
        (url.is_secure(), url.host().to_ascii_lowercase(), url.port())
    };
    let same = origin(from) == origin(to);
    let [before, after] = [from, to].map(|request| {
        let random = |bytes: &mut [u8]| bytes.fill(1);
        let written = ClientHandshake::new(request.clone(), Config::default(), random).output().to_vec();
        match reading::head(&written, Side::Request, usize::MAX, usize::MAX) {
            Read::Head(head) => head,
            other => panic!("a legal head: {other:?}"),
        }
    });
    for name in ["Authorization", "Proxy-Authorization", "Cookie"] {
        let expected = if same { before.values(name) } else { Vec::new() };
        assert_eq!(after.values(name), expected, "{name}");
    }
    assert_eq!(after.values("X-Kept"), before.values("X-Kept"));
}

const SECRET: &str = "secret";
