//! `str::parse` for URLs, as parsers of arguments and configuration use it.

use core::str::FromStr;

use crate::handshake::{ClientRequest, Proxy, Url, UrlError};

/// Like [`Url::parse`].
impl FromStr for Url {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

/// Like [`ClientRequest::new`].
impl FromStr for ClientRequest {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::new(url)
    }
}

/// Like [`Proxy::parse`].
impl FromStr for Proxy {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_parsed() {
        let url: Url = "wss://h:81/a".parse().unwrap();
        assert_eq!((url.host(), url.port(), url.resource()), ("h", 81, "/a"));
        let request: ClientRequest = "ws://h/b".parse().unwrap();
        assert_eq!(request.url().resource(), "/b");
        let proxy: Proxy = "socks5://p:82".parse().unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("p", 82));
        assert_eq!("http://h/".parse::<Url>(), Err(UrlError::Scheme));
        assert_eq!("h".parse::<ClientRequest>().unwrap_err(), UrlError::Scheme);
        assert_eq!("ws://p".parse::<Proxy>().unwrap_err(), UrlError::ProxyScheme);
    }
}
