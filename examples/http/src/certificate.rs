//! A self-signed certificate for `localhost`, made anew at every start.

use std::error::Error;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A server's configuration for one ALPN protocol, and its certificate. With `file`, the certificate is also written there in DER,
/// for clients that are to trust it.
///
/// # Errors
/// If the certificate cannot be made or written.
pub fn server(
    alpn: &str,
    file: Option<&str>,
) -> Result<(ServerConfig, CertificateDer<'static>), Box<dyn Error + Send + Sync>> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    let certificate = made.cert.der().clone();
    if let Some(file) = file {
        std::fs::write(file, &certificate).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    config.alpn_protocols = vec![alpn.into()];
    Ok((config, certificate))
}

/// The configuration of a client that trusts this certificate alone.
///
/// # Errors
/// If the certificate is invalid.
pub fn client(
    certificate: CertificateDer<'static>,
    alpn: &str,
) -> Result<ClientConfig, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.into()];
    Ok(config)
}
