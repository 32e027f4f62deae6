//! [`Redirects`]: following redirects (RFC 9110 §15.4).

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::answer::RefusedResponse;
use super::client_request::ClientRequest;
use crate::http::{Headers, Url, push_line};

/// The redirects that a client follows, and how many. By default a client follows none.
///
/// If the scheme, the host or the port changes, possible secrets are removed: the user name and the password
/// of the URL, `Authorization`, `Proxy-Authorization` and `Cookie`; so is a [`host`](ClientRequest::host) of the
/// caller. Everything else is kept, including subprotocols.
///
/// ```
/// use sansocket::handshake::{ClientHandshake, ClientProgress, ClientRequest, Redirects};
/// use sansocket::{Config, Input};
///
/// let request = ClientRequest::new("ws://user:password@example.com/a")?;
/// let mut redirects = Redirects::new(5);
/// let random = |bytes: &mut [u8]| bytes.fill(7);
/// let handshake = ClientHandshake::new(request.clone(), Config::default(), random);
/// let mut received = *b"HTTP/1.1 307 Elsewhere\r\n\
///     Location: https://example.org/b\r\nContent-Length: 0\r\n\r\n";
/// let progress = handshake.recv(&mut Input::new(&mut received));
/// let ClientProgress::Refused(refused) = progress else { panic!("{progress:?}") };
/// let next = redirects.follow(&request, &refused)?.expect("it is a redirect");
/// // Connect there, without the password.
/// assert_eq!((next.url().host(), next.url().port()), ("example.org", 443));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirects {
    left: u32,
    downgrade: bool,
}

impl Redirects {
    /// Follows at most `limit` redirects in a row, and none from `wss` to `ws`.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { left: limit, downgrade: false }
    }

    /// Also follows redirects from `wss` to `ws`, whose traffic anyone on the network path can read and
    /// change.
    #[must_use]
    pub fn allow_downgrade(self) -> Self {
        Self { downgrade: true, ..self }
    }

    /// Returns the request that follows the redirect `refused`, the response to `request`; `None` if it is
    /// not a redirect.
    ///
    /// # Errors
    /// [`RedirectError`] if the redirect must not be followed.
    pub fn follow(
        &mut self,
        request: &ClientRequest,
        refused: &RefusedResponse,
    ) -> Result<Option<ClientRequest>, RedirectError> {
        let mut locations = refused.headers().filter(|(name, _)| name.eq_ignore_ascii_case("Location"));
        let (true, Some((_, location))) = (is_redirect_status(refused.status()), locations.next()) else {
            return Ok(None);
        };
        if locations.next().is_some() {
            return Err(RedirectError::Location);
        }
        let location = core::str::from_utf8(location).map_err(|_| RedirectError::Location)?;
        let from = request.url();
        let mut url = from.join(location).map_err(|_| RedirectError::Location)?;
        if from.is_secure() && !url.is_secure() && !self.downgrade {
            return Err(RedirectError::Downgrade);
        }
        self.left = self.left.checked_sub(1).ok_or(RedirectError::TooMany)?;
        // Never take credentials from `Location`.
        url.authorization = None;
        Ok(Some(request.moved_to(url)))
    }
}

/// RFC 9110 §15.4: the statuses that redirect to the URL in `Location`.
pub(super) fn is_redirect_status(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The error for a redirect that is not followed (RFC 9110 §15.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectError {
    /// The limit of redirects is reached.
    TooMany,
    /// The redirect leads from `wss` to `ws`.
    Downgrade,
    /// `Location` is not an http, https, ws or wss URL or relative reference, or there are several.
    Location,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many redirects",
            Self::Downgrade => "a redirect from wss to ws",
            Self::Location => "a redirect whose Location is no URL, or several",
        })
    }
}

impl Error for RedirectError {}

impl ClientRequest {
    /// Returns the same request for another URL; without secrets and without a custom `Host` if the origin
    /// changes.
    fn moved_to(&self, url: Url) -> Self {
        let mut moved = Self { url, ..self.clone() };
        if moved.url.is_same_origin(&self.url) {
            moved.url.authorization = self.url.authorization.clone();
        } else {
            moved.host = None;
            moved.lines = Vec::new();
            for (name, value) in Headers::lines(&self.lines) {
                if !SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
                    push_line(&mut moved.lines, name.as_bytes(), value);
                }
            }
        }
        moved
    }
}

const SECRETS: [&str; 3] = ["Authorization", "Proxy-Authorization", "Cookie"];

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::handshake::{ClientHandshake, ClientProgress};
    use crate::{Config, Input};

    fn refused(request: &ClientRequest, status: u16, headers: &str) -> RefusedResponse {
        let handshake =
            ClientHandshake::new(request.clone(), Config::default(), |bytes: &mut [u8]| bytes.fill(1));
        let mut answer = format!("HTTP/1.1 {status} \r\n{headers}Content-Length: 0\r\n\r\n").into_bytes();
        match handshake.recv(&mut Input::new(&mut answer)) {
            ClientProgress::Refused(refused) => refused,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the request as it is written.
    fn written(request: ClientRequest) -> String {
        let handshake = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(1));
        String::from_utf8(handshake.output().to_vec()).unwrap()
    }

    #[test]
    fn which_answers_are_redirects() {
        use RedirectError as E;
        // from, status, headers, to
        let cases = [
            ("ws://a/b", 301, "Location: /c\r\n", Ok(Some("ws://a/c"))),
            ("ws://a/b", 302, "location: c\r\n", Ok(Some("ws://a/c"))),
            ("ws://a/b", 303, "Location: http://d/\r\n", Ok(Some("ws://d/"))),
            ("ws://a/b", 307, "Location: https://d:444/\r\n", Ok(Some("wss://d:444/"))),
            ("wss://a/b", 308, "Location: //d/#e\r\n", Ok(Some("wss://d/"))),
            ("ws://a/b", 308, "Location: ws://x:y@d/\r\n", Ok(Some("ws://d/"))),
            ("ws://a/b", 300, "Location: /c\r\n", Ok(None)),
            ("ws://a/b", 304, "Location: /c\r\n", Ok(None)),
            ("ws://a/b", 305, "Location: /c\r\n", Ok(None)),
            ("ws://a/b", 200, "Location: /c\r\n", Ok(None)),
            ("ws://a/b", 401, "Location: /c\r\n", Ok(None)),
            ("ws://a/b", 301, "", Ok(None)),
            ("wss://a/b", 301, "Location: http://a/b\r\n", Err(E::Downgrade)),
            ("wss://a/b", 301, "Location: ws://a/b\r\n", Err(E::Downgrade)),
            ("ws://a/b", 301, "Location: ftp://a/b\r\n", Err(E::Location)),
            ("ws://a/b", 301, "Location: file:///b\r\n", Err(E::Location)),
            ("ws://a/b", 301, "Location: http://\r\n", Err(E::Location)),
            ("ws://a/b", 301, "Location: /\u{e9}\r\n", Err(E::Location)),
            ("ws://a/b", 301, "Location: /\u{e9}/../c\r\n", Err(E::Location)),
            ("ws://a/b", 301, "Location: /c\r\nLocation: /c\r\n", Err(E::Location)),
        ];
        for (from, status, headers, to) in cases {
            let request = ClientRequest::new(from).unwrap();
            let next = Redirects::new(1).follow(&request, &refused(&request, status, headers));
            let next = next.map(|next| next.map(|next| format!("{:?}", next.url())));
            assert_eq!(next, to.map(|to| to.map(|to| format!("Url({to})"))), "{status} {headers:?}");
        }
        let request = ClientRequest::new("wss://a/").unwrap();
        let refused = refused(&request, 301, "Location: ws://a/\r\n");
        let next = Redirects::new(1).allow_downgrade().follow(&request, &refused).unwrap().unwrap();
        assert!(!next.url().is_secure());
    }

    #[test]
    fn secrets_stay_with_their_origin() {
        let request = |url| {
            ClientRequest::new(url)
                .unwrap()
                .subprotocol("chat")
                .unwrap()
                .header("cookie", "secret")
                .unwrap()
                .header("X-Other", "kept")
                .unwrap()
                .header("Proxy-Authorization", "secret")
                .unwrap()
        };
        // from, to, whether the origin is the same
        let cases = [
            ("ws://me:secret@a/", "/b", true),
            ("ws://me:secret@a/", "//A:80/b", true),
            ("wss://me:secret@a/", "https://a:443/b", true),
            ("ws://me:secret@a/", "https://a/b", false),
            ("ws://me:secret@a/", "//a:81/b", false),
            ("ws://me:secret@a/", "//b.a/b", false),
            ("ws://me:secret@a/", "//evil:name@b/", false),
        ];
        for (from, to, same) in cases {
            for explicit in [false, true] {
                let mut request = request(from);
                if explicit {
                    request = request.header("AUTHORIZATION", "secret").unwrap();
                }
                let refused = refused(&request, 302, &format!("Location: {to}\r\n"));
                let next = written(Redirects::new(1).follow(&request, &refused).unwrap().unwrap());
                let secrets = ["cookie: ", "Proxy-Authorization: ", "uthorization: "];
                let secrets = secrets.map(|name| next.contains(name) || next.contains("AUTHORIZATION: "));
                assert!(same || !(next.contains("secret") || next.contains("ookie")), "{next}");
                assert_eq!(secrets, [same; 3], "{from} {to} {next}");
                assert!(next.contains("X-Other: kept\r\n") && next.contains("Protocol: chat\r\n"), "{next}");
                assert!(next.starts_with("GET /") && next.ends_with("\r\n\r\n"), "{next}");
            }
        }
    }

    #[test]
    fn a_host_of_its_own_stays_with_its_origin() {
        let request = ClientRequest::new("ws://127.0.0.1:9001/a").unwrap().host("h").unwrap();
        for (location, host) in
            [("/b", "h"), ("ws://127.0.0.1:9001/", "h"), ("//other/", "other"), ("//127.0.0.1/", "127.0.0.1")]
        {
            let away = refused(&request, 302, &format!("Location: {location}\r\n"));
            let next = written(Redirects::new(1).follow(&request, &away).unwrap().unwrap());
            assert!(next.contains(&format!(" HTTP/1.1\r\nHost: {host}\r\n")), "{next}");
        }
    }

    #[test]
    fn secrets_left_behind_do_not_come_back() {
        let first = ClientRequest::new("ws://me:secret@a/").unwrap().header("Cookie", "secret").unwrap();
        let mut redirects = Redirects::new(2);
        let away = refused(&first, 302, "Location: ws://b/\r\n");
        let second = redirects.follow(&first, &away).unwrap().unwrap();
        let back = refused(&second, 302, "Location: ws://a/\r\n");
        let third = redirects.follow(&second, &back).unwrap().unwrap();
        assert!(
            !written(third.clone()).contains("uthorization") && !written(third.clone()).contains("ookie")
        );
        assert_eq!(redirects.follow(&third, &back).unwrap_err(), RedirectError::TooMany);
    }
}
