//! A page passes the policy of the same origin exactly if its host and port are those that the request goes to: I13.

use arbitrary::Arbitrary;
use sansocket::Config;
use sansocket::handshake::{OriginPolicy, UpgradeRequest};

use super::opening::{Text, text};
use super::reading;
use super::structured;
use super::url::WORDS;

#[derive(Debug, Arbitrary)]
struct Page<'d> {
    origin: Option<Vec<Text<'d>>>,
    /// `None`: the host of the origin, so that it often is the same.
    host: Option<Vec<Text<'d>>>,
    port: Vec<Text<'d>>,
    listed: Vec<Vec<Text<'d>>>,
    required: bool,
}

/// `data`: an origin, the host of a request, and origins that are allowed.
pub(crate) fn body(data: &[u8]) {
    let Some(page) = structured::<Page<'_>>(data) else { return };
    let origin = page.origin.as_ref().map(|origin| text(origin, &WORDS));
    let host = match &page.host {
        Some(host) => text(host, &WORDS),
        None => {
            let origin = origin.as_deref().unwrap_or_default();
            let authority = origin.split_once("://").map_or("h", |(_, authority)| authority);
            format!("{authority}{}", text(&page.port, &WORDS))
        }
    };
    let headers = [
        ("Host", host.as_str()),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let headers = headers.into_iter().chain(origin.as_deref().map(|origin| ("Origin", origin)));
    let Ok(request) = UpgradeRequest::from_parts("GET", "/", headers, Config::default()) else { return };
    // As a header has it.
    let origin = origin.as_deref().map(|origin| origin.trim_matches([' ', '\t']));
    let host = host.trim_matches([' ', '\t']);

    let policy = |policy: OriginPolicy| if page.required { policy.require_origin() } else { policy };
    let check = |rule: OriginPolicy, expected: &dyn Fn(&str) -> bool| {
        let expected = origin.map_or(!page.required, expected);
        assert_eq!(policy(rule.clone()).check(&request), expected, "I13: {rule:?} {origin:?} at {host:?}");
    };
    check(OriginPolicy::same_origin(), &|origin| is_same(origin, host));
    check(OriginPolicy::any(), &|_| true);
    let listed = Vec::from_iter(page.listed.iter().map(|listed| text(listed, &WORDS)));
    match OriginPolicy::allow(&listed) {
        Ok(policy) => {
            check(policy, &|origin| listed.iter().any(|listed| listed.eq_ignore_ascii_case(origin)))
        }
        Err(_) => assert!(listed.iter().any(|listed| !is_plain_origin(listed)), "{listed:?} are origins"),
    }
}

/// What is an origin without doubt; there may be others.
fn is_plain_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").unwrap_or_default();
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.')
}

/// RFC 6454 §5 and §6.2, the schemes apart: TLS may end before the server.
fn is_same(origin: &str, host: &str) -> bool {
    let (Some(scheme @ ("http" | "https")), Some(authority), "", None) = reading::split_uri(origin) else {
        return false;
    };
    let default = if scheme == "https" { 443 } else { 80 };
    let (Some((a, a_port)), Some((b, b_port))) = (reading::host_port(authority), reading::host_port(host))
    else {
        return false;
    };
    !origin.contains('#')
        && a.eq_ignore_ascii_case(b)
        && a_port.unwrap_or(default) == b_port.unwrap_or(default)
}
