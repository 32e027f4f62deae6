//! [`Proxy::from_vars`]: the proxy configured in the environment.

use alloc::string::String;
use core::error::Error;
use core::fmt;
use core::net::IpAddr;

use super::proxy::Proxy;
use crate::http::{Url, UrlError};

impl Proxy {
    /// Returns the proxy that environment variables configure for `url`; `None` if there is none, or if `url`
    /// is an exception. `var` returns the value of a variable. `Proxy::from_env` reads the environment
    /// itself.
    ///
    /// The rules extend those of curl. The first non-empty variable of these is used:
    ///
    /// | | variables |
    /// |---|---|
    /// | `ws` | `ws_proxy`, `WS_PROXY`, `http_proxy`, `HTTP_PROXY`, `all_proxy`, `ALL_PROXY` |
    /// | `wss` | `wss_proxy`, `WSS_PROXY`, `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY` |
    /// | exceptions | `no_proxy`, `NO_PROXY` |
    ///
    /// A proxy without a scheme is an HTTP proxy. `HTTP_PROXY` is ignored if `REQUEST_METHOD` is set: in a
    /// CGI program it holds the request header `Proxy`, which any client can choose. So is `http_proxy` where
    /// names ignore case, as on Windows.
    ///
    /// Exceptions are separated by commas or spaces, and each is one of:
    ///
    /// - `*`: every host;
    /// - a domain, such as `example.com`, `.example.com` or `*.example.com`: the domain and its subdomains;
    /// - an address, such as `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`;
    /// - a network, such as `192.0.2.0/24` or `2001:db8::/32`, for URLs with an address: names are not
    ///   resolved;
    /// - a domain or an address with a port, such as `example.com:8080` or `[::1]:80`: only at that port.
    ///
    /// Invalid entries are ignored.
    ///
    /// ```
    /// use sansocket::handshake::{Proxy, Url};
    /// let var = |name: &str| match name {
    ///     "https_proxy" => Some(String::from("socks5://proxy.example.com")),
    ///     "no_proxy" => Some(String::from("localhost, 10.0.0.0/8")),
    ///     _ => None,
    /// };
    /// let proxy = Proxy::from_vars(&Url::parse("wss://example.com/chat")?, var)?;
    /// assert_eq!(proxy.map(|proxy| proxy.port()), Some(1080));
    /// assert_eq!(Proxy::from_vars(&Url::parse("wss://10.1.2.3/chat")?, var)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ProxyVarError`] if the variable in use is not the URL of a proxy: bypassing the proxy would be
    /// worse.
    pub fn from_vars(url: &Url, var: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ProxyVarError> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let is_cgi = var("REQUEST_METHOD").is_some();
        // On Windows, where case is ignored, they are one variable.
        let is_caseless = var("Request_Method").is_some();
        let mut names = if url.is_secure() { WSS } else { WS }.iter();
        let found = names.find_map(|&name| match name {
            "HTTP_PROXY" if is_cgi => None,
            "http_proxy" if is_caseless => None,
            _ => var(name).map(|value| (name, value)),
        });
        let Some((variable, value)) = found else { return Ok(None) };
        let exceptions = var("no_proxy").or_else(|| var("NO_PROXY")).unwrap_or_default();
        let host = Host::new(url);
        if exceptions.split([',', ' ', '\t']).any(|exception| host.is_in(exception)) {
            return Ok(None);
        }
        let value = if value.contains("://") { value } else { String::from("http://") + &value };
        Self::parse(&value).map(Some).map_err(|error| ProxyVarError { variable, error })
    }

    /// Returns the proxy that the environment of this process configures for `url`; see
    /// [`from_vars`](Self::from_vars).
    ///
    /// # Errors
    /// Those of [`from_vars`](Self::from_vars).
    #[cfg(feature = "std")]
    #[cfg_attr(docsrs, doc(cfg(feature = "std")))]
    pub fn from_env(url: &Url) -> Result<Option<Self>, ProxyVarError> {
        // Values that are not Unicode cause an error later and are not ignored.
        Self::from_vars(url, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }
}

/// The error for an environment variable that is not the URL of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProxyVarError {
    variable: &'static str,
    error: UrlError,
}

impl ProxyVarError {
    /// Returns the name of the variable.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        self.variable
    }

    /// Returns the error in its value.
    #[must_use]
    pub const fn error(self) -> UrlError {
        self.error
    }
}

/// Omits the value, which may contain a password.
impl fmt::Display for ProxyVarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {}: {}", self.variable, self.error)
    }
}

impl Error for ProxyVarError {}

/// The destination of a URL.
struct Host<'a> {
    name: &'a str,
    address: Option<IpAddr>,
    port: u16,
}

impl<'a> Host<'a> {
    fn new(url: &'a Url) -> Self {
        let name = url.host();
        // A trailing dot makes a name absolute; it is the same name.
        let name = name.strip_suffix('.').unwrap_or(name);
        Self { name, address: name.parse().ok(), port: url.port() }
    }

    /// Returns `true` if the exception applies to this host.
    fn is_in(&self, exception: &str) -> bool {
        if exception == "*" {
            return true;
        }
        if let Some((network, bits)) = exception.split_once('/') {
            return match (self.address, address(network), bits.parse()) {
                (Some(host), Some(network), Ok(bits)) => is_in_network(host, network, bits),
                _ => false,
            };
        }
        // An IPv6 address without brackets has colons but no port.
        let (host, port) = match exception.rsplit_once(':') {
            Some((host, port)) if address(exception).is_none() => (host, Some(port)),
            _ => (exception, None),
        };
        if port.is_some_and(|port| port.parse() != Ok(self.port)) {
            return false;
        }
        match (self.address, address(host)) {
            (Some(host), Some(excepted)) => host == excepted,
            (None, None) => self.is_in_domain(host),
            _ => false,
        }
    }

    fn is_in_domain(&self, domain: &str) -> bool {
        let domain = domain.strip_prefix('*').unwrap_or(domain);
        let domain = domain.strip_prefix('.').unwrap_or(domain);
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let Some(below) = self.name.len().checked_sub(domain.len()) else { return false };
        let Some((above, name)) = self.name.split_at_checked(below) else { return false };
        !domain.is_empty() && name.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with('.'))
    }
}

/// Parses an address; an IPv6 address may have brackets.
fn address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(text) => text.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

fn is_in_network(host: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) if bits <= u32::BITS => {
            let differ = host.to_bits() ^ network.to_bits();
            differ.checked_shr(u32::BITS - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(host), IpAddr::V6(network)) if bits <= u128::BITS => {
            let differ = host.to_bits() ^ network.to_bits();
            differ.checked_shr(u128::BITS - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

const WS: &[&str] = &["ws_proxy", "WS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const WSS: &[&str] = &["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    fn proxy(url: &str, vars: &[(&str, &str)]) -> Result<Option<String>, ProxyVarError> {
        let var = |name: &str| {
            vars.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxy::from_vars(&Url::parse(url).unwrap(), var)?;
        Ok(proxy.map(|proxy| proxy.host().to_owned()))
    }

    #[test]
    fn the_first_variable_that_is_not_empty_counts() {
        for (url, order) in [("ws://h", WS), ("wss://h", WSS)] {
            for at in 0..order.len() {
                let mut vars: Vec<_> = order[at..].iter().map(|&name| (name, name)).collect();
                assert_eq!(proxy(url, &vars).unwrap().as_deref(), Some(order[at]), "{url}");
                vars[0].1 = "";
                assert_eq!(proxy(url, &vars).unwrap().as_deref(), order.get(at + 1).copied(), "{url}");
            }
            assert_eq!(proxy(url, &[]), Ok(None));
        }
        assert_eq!(proxy("ws://h", &[("https_proxy", "p")]), Ok(None));
        assert_eq!(proxy("wss://h", &[("http_proxy", "p"), ("HTTP_PROXY", "p")]), Ok(None));
    }

    #[test]
    fn a_request_to_a_cgi_program_chooses_no_proxy() {
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "evil")];
        assert_eq!(proxy("ws://h", &cgi), Ok(None));
        assert_eq!(proxy("ws://h", &cgi[1..]), Ok(Some("evil".into())));
        let all = [cgi[0], cgi[1], ("ALL_PROXY", "p")];
        assert_eq!(proxy("ws://h", &all), Ok(Some("p".into())));
        let lower = [cgi[0], cgi[1], ("http_proxy", "p")];
        assert_eq!(proxy("ws://h", &lower), Ok(Some("p".into())));
        // An environment that ignores case.
        let var = |name: &str| {
            cgi.iter()
                .find(|(variable, _)| variable.eq_ignore_ascii_case(name))
                .map(|(_, value)| (*value).into())
        };
        assert_eq!(Proxy::from_vars(&Url::parse("ws://h").unwrap(), var), Ok(None));
    }

    #[test]
    fn values_are_urls_or_hosts_with_a_port() {
        for value in ["p", "p:3128", "http://p/", "https://p", "socks5://u:s@p:1", "SOCKS5H://p"] {
            assert_eq!(proxy("ws://h", &[("http_proxy", value)]), Ok(Some("p".into())), "{value}");
        }
        for (value, error) in [
            ("socks4://p", UrlError::ProxyScheme),
            ("p:x", UrlError::Port),
            ("http://", UrlError::Host),
            ("p\u{fffd}", UrlError::Character),
        ] {
            let found = proxy("ws://h", &[("HTTP_PROXY", value)]);
            let found = found.map_err(|found| (found.variable(), found.error()));
            assert_eq!(found, Err(("HTTP_PROXY", error)), "{value:?}");
        }
        let error = proxy("ws://h", &[("HTTP_PROXY", "socks4://me:secret@p")]).unwrap_err().to_string();
        assert!(
            error.starts_with("the environment variable HTTP_PROXY: expected") && !error.contains("secret")
        );
    }

    #[test]
    fn exceptions() {
        // exception, URLs that it applies to, other URLs
        let cases: [(&str, &[&str], &[&str]); 17] = [
            ("*", &["ws://h", "ws://[::1]:81"], &[]),
            (
                "example.com",
                &["ws://example.com", "ws://EXAMPLE.com.:81", "ws://a.b.example.com"],
                &["ws://anexample.com", "ws://example.com.org", "ws://com"],
            ),
            (".Example.com", &["ws://example.com", "ws://a.example.com"], &["ws://anexample.com"]),
            ("*.example.com.", &["ws://example.com", "ws://a.example.com"], &["ws://anexample.com"]),
            ("example.com:81", &["ws://example.com:81", "ws://a.example.com:81"], &["ws://example.com"]),
            ("h:80 , g:443", &["ws://h", "wss://g"], &["wss://h", "ws://g", "ws://h:443"]),
            ("a b\tc,,d", &["ws://a", "ws://b", "ws://c", "ws://d"], &["ws://e"]),
            ("192.0.2.1", &["ws://192.0.2.1:81"], &["ws://192.0.2.10", "ws://a.192.0.2.1"]),
            ("192.0.2.1:81", &["ws://192.0.2.1:81"], &["ws://192.0.2.1"]),
            ("192.0.2.0/25", &["ws://192.0.2.0", "ws://192.0.2.127"], &["ws://192.0.2.128", "ws://h"]),
            ("192.0.2.1/32", &["ws://192.0.2.1"], &["ws://192.0.2.0"]),
            ("0.0.0.0/0", &["ws://192.0.2.1"], &["ws://[::1]", "ws://h"]),
            ("::1", &["ws://[::1]", "ws://[0:0::1]:81"], &["ws://[::2]", "ws://[::]:1"]),
            ("[::1]", &["ws://[::1]:81"], &["ws://[::2]"]),
            ("[::1]:81", &["ws://[::1]:81"], &["ws://[::1]"]),
            (
                "2001:db8::/33,[fd00::]/8",
                &["ws://[2001:db8:7fff::1]", "ws://[fd12::]"],
                &["ws://[2001:db8:8000::1]", "ws://[fe00::]", "ws://192.0.2.1"],
            ),
            (
                "192.0.2.0/33,::/129,/8,192.0.2.0/,192.0.2.0/-1,.,:,*.,h:,h:x,h:70000,[h]",
                &[],
                &["ws://192.0.2.0", "ws://[::1]", "ws://h"],
            ),
        ];
        for (exceptions, excepted, others) in cases {
            let vars = |name| [("ALL_PROXY", "p"), (name, exceptions)];
            for url in excepted {
                assert_eq!(proxy(url, &vars("no_proxy")), Ok(None), "{url} in {exceptions}");
                assert_eq!(proxy(url, &vars("NO_PROXY")), Ok(None), "{url} in {exceptions}");
            }
            for url in others {
                assert_eq!(proxy(url, &vars("no_proxy")), Ok(Some("p".into())), "{url} not in {exceptions}");
            }
        }
        let both = [("ALL_PROXY", "p"), ("no_proxy", "a"), ("NO_PROXY", "b")];
        assert_eq!(proxy("ws://b", &both), Ok(Some("p".into())), "the lower case counts alone");
        assert_eq!(
            proxy("ws://a", &[("ALL_PROXY", "no://proxy"), ("no_proxy", "a")]),
            Ok(None),
            "not looked at"
        );
    }
}
