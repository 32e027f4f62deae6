//! TLS for `wss://` (features `rustls` and `tokio-rustls`).

use alloc::borrow::ToOwned;
use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};

use ::rustls::crypto::ring;
use ::rustls::pki_types::ServerName;
use ::rustls::{ClientConfig, RootCertStore};

/// TLS 1.2 and 1.3, with the certificate authorities that Mozilla trusts.
fn default_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    // The provider is explicit: the process may have another default.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

/// Returns the host of a URL as the name that the server's certificate must match.
pub(crate) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))
}

/// Returns the caller's configuration or the default one.
pub(crate) fn config(own: Option<&Arc<ClientConfig>>) -> io::Result<Arc<ClientConfig>> {
    own.map_or_else(default_config, |config| Ok(Arc::clone(config)))
}
