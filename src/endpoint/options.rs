//! [`ConnectOptions`]: how a client reaches its server.

use alloc::sync::Arc;
use core::fmt;

use crate::connection::Config;
use crate::handshake::{Proxy, ProxyVarError, Redirects, Url};

/// How a [`Client`](super::Client) reaches its server. A plain [`Config`] converts into one: a direct
/// connection that follows no redirects.
///
/// ```
/// use sansocket::handshake::{Proxy, Redirects};
/// use sansocket::{Config, ConnectOptions};
/// # fn main() -> Result<(), sansocket::handshake::UrlError> {
/// let options = ConnectOptions::from(Config::default().max_message(1 << 20))
///     .redirects(Redirects::new(5))
///     .proxy(Proxy::parse("http://proxy.example.com:3128")?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    pub(crate) config: Config,
    pub(crate) redirects: Option<Redirects>,
    pub(super) proxy: ProxyChoice,
    #[cfg(feature = "tls")]
    #[cfg_attr(
        not(any(feature = "net", feature = "tokio-tls")),
        expect(dead_code, reason = "the adapters start TLS")
    )]
    pub(crate) tls: Option<Arc<::rustls::ClientConfig>>,
}

impl ConnectOptions {
    /// Follows redirects.
    #[must_use]
    pub fn redirects(self, redirects: Redirects) -> Self {
        Self { redirects: Some(redirects), ..self }
    }

    /// Connects through a proxy, also for followed redirects. Default: none.
    #[must_use]
    pub fn proxy(self, proxy: Proxy) -> Self {
        Self { proxy: ProxyChoice::Fixed(proxy), ..self }
    }

    /// Connects through the proxy that `choose` returns for the URL, if any. It is called again for each
    /// followed redirect.
    ///
    /// `options.choose_proxy(Proxy::from_env)` reads the environment, including the exceptions in `NO_PROXY`.
    #[must_use]
    pub fn choose_proxy(
        self,
        choose: impl Fn(&Url) -> Result<Option<Proxy>, ProxyVarError> + Send + Sync + 'static,
    ) -> Self {
        Self { proxy: ProxyChoice::ByUrl(Arc::new(choose)), ..self }
    }

    /// Sets the TLS configuration that the adapters use for `wss://`, also where redirects lead, and for TLS to a
    /// proxy, for example with private certificate authorities or a client certificate. Default: see [TLS](crate#tls).
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(self, tls: Arc<::rustls::ClientConfig>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Removes proxy and redirects, for a transport that already leads to the server.
    #[cfg(any(feature = "net", feature = "aio"))]
    pub(crate) fn direct(self) -> Self {
        Self { proxy: ProxyChoice::None, redirects: None, ..self }
    }
}

impl From<Config> for ConnectOptions {
    fn from(config: Config) -> Self {
        Self { config, ..Self::default() }
    }
}

/// How the proxy for a server is chosen.
#[derive(Clone, Default)]
pub(super) enum ProxyChoice {
    #[default]
    None,
    Fixed(Proxy),
    ByUrl(Arc<ChooseProxy>),
}

type ChooseProxy = dyn Fn(&Url) -> Result<Option<Proxy>, ProxyVarError> + Send + Sync;

impl ProxyChoice {
    pub(super) fn choose(&self, url: &Url) -> Result<Option<Proxy>, ProxyVarError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(proxy) => Ok(Some(proxy.clone())),
            Self::ByUrl(choose) => choose(url),
        }
    }
}

impl fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Fixed(proxy) => proxy.fmt(f),
            Self::ByUrl(_) => f.write_str("ByUrl"),
        }
    }
}
