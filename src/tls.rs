//! TLS for `wss://` (features `tls` and `tokio-tls`).

use alloc::borrow::ToOwned;
use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};

use ::rustls::client::WantsClientCert;
use ::rustls::crypto::CryptoProvider;
use ::rustls::pki_types::ServerName;
use ::rustls::{ClientConfig, ConfigBuilder, Error, WantsVerifier};

/// Returns the caller's configuration or the default one.
pub(crate) fn config(own: Option<&Arc<ClientConfig>>) -> io::Result<Arc<ClientConfig>> {
    own.map_or_else(default_config, |config| Ok(Arc::clone(config)))
}

/// Returns a shared configuration for TLS 1.2 and 1.3.
fn default_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let builder = ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = with_roots(builder)?.with_no_client_auth();
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

/// Returns the provider of the process, or else that of the feature `ring`.
fn provider() -> io::Result<Arc<CryptoProvider>> {
    if let Some(provider) = CryptoProvider::get_default() {
        return Ok(Arc::clone(provider));
    }
    #[cfg(feature = "ring")]
    return Ok(Arc::new(::rustls::crypto::ring::default_provider()));
    #[cfg(not(feature = "ring"))]
    Err(missing(
        "TLS has no cryptography: expected the feature `ring`, an installed `CryptoProvider`, or `ConnectOptions::tls`",
    ))
}

type Verified = ConfigBuilder<ClientConfig, WantsClientCert>;

#[cfg(feature = "platform-verifier")]
fn with_roots(builder: ConfigBuilder<ClientConfig, WantsVerifier>) -> io::Result<Verified> {
    use rustls_platform_verifier::BuilderVerifierExt as _;
    builder.with_platform_verifier().map_err(io::Error::other)
}

#[cfg(all(feature = "webpki-roots", not(feature = "platform-verifier")))]
fn with_roots(builder: ConfigBuilder<ClientConfig, WantsVerifier>) -> io::Result<Verified> {
    let roots: ::rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    Ok(builder.with_root_certificates(roots))
}

#[cfg(not(any(feature = "webpki-roots", feature = "platform-verifier")))]
fn with_roots(_: ConfigBuilder<ClientConfig, WantsVerifier>) -> io::Result<Verified> {
    Err(missing(
        "TLS trusts nobody: expected the feature `platform-verifier` or `webpki-roots`, or `ConnectOptions::tls`",
    ))
}

#[cfg(not(all(feature = "ring", any(feature = "webpki-roots", feature = "platform-verifier"))))]
fn missing(what: &str) -> io::Error {
    io::Error::new(ErrorKind::Unsupported, what)
}

/// Returns the host of a URL as the name that the server's certificate must match.
pub(crate) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))
}

/// Returns whether a TLS handshake failed because the peer does not speak TLS.
pub(crate) fn is_no_tls(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(Error::InvalidMessage(_)))
}
