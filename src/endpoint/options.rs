//! [`ConnectOptions`]: how a client reaches its server.

use crate::connection::Config;
use crate::handshake::{Proxy, Redirects};

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
    pub(crate) proxy: Option<Proxy>,
    #[cfg(feature = "rustls")]
    #[cfg_attr(
        not(any(feature = "net", feature = "tokio-rustls")),
        expect(dead_code, reason = "the adapters start TLS")
    )]
    pub(crate) tls: Option<alloc::sync::Arc<::rustls::ClientConfig>>,
}

impl ConnectOptions {
    /// Follows redirects.
    #[must_use]
    pub fn redirects(self, redirects: Redirects) -> Self {
        Self { redirects: Some(redirects), ..self }
    }

    /// Connects through a proxy, also for followed redirects. Default: none. Only [`Proxy::from_vars`] reads
    /// the environment.
    #[must_use]
    pub fn proxy(self, proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    /// Sets the TLS configuration that the adapters use for `wss://`, for example with private certificate
    /// authorities or a client certificate. Default: the certificate authorities that Mozilla trusts.
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    #[must_use]
    pub fn tls(self, tls: alloc::sync::Arc<::rustls::ClientConfig>) -> Self {
        Self { tls: Some(tls), ..self }
    }
}

impl From<Config> for ConnectOptions {
    fn from(config: Config) -> Self {
        Self { config, ..Self::default() }
    }
}
