//! What the client does with TLS, which takes the feature `rustls`.

use std::path::PathBuf;

use sansocket::ConnectOptions;
use sansocket::net::ClientStream;

/// Files in PEM.
#[derive(Default)]
pub(crate) struct Files {
    /// The certificate authorities to trust, in place of the usual ones.
    pub(crate) ca: Option<PathBuf>,
    /// The client's certificate, with those that lead to an authority behind it.
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, if it is not in the same file.
    pub(crate) key: Option<PathBuf>,
}

/// The options with a configuration from files, if there are any.
pub(crate) fn configure(options: ConnectOptions, files: &Files) -> Result<ConnectOptions, String> {
    match files {
        Files { ca: None, cert: None, key: None } => Ok(options),
        Files { ca: None, .. } => Err("--cert and --key: expected --ca, too".into()),
        Files { ca: Some(_), cert: None, key: Some(_) } => Err("--key: expected --cert, too".into()),
        Files { ca: Some(ca), .. } => with_files(options, ca, files),
    }
}

#[cfg(feature = "rustls")]
fn with_files(options: ConnectOptions, ca: &PathBuf, files: &Files) -> Result<ConnectOptions, String> {
    use sansocket::rustls::pki_types::pem::PemObject;
    use sansocket::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use sansocket::rustls::{ClientConfig, RootCertStore};

    let certificates = |path: &PathBuf| -> Result<Vec<_>, String> {
        let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        let found: Vec<CertificateDer<'static>> = found.map_err(|e| format!("{}: {e}", path.display()))?;
        if found.is_empty() { Err(format!("{}: expected a certificate", path.display())) } else { Ok(found) }
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|e| format!("{}: {e}", ca.display()))?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match &files.cert {
        None => config.with_no_client_auth(),
        Some(cert) => {
            let path = files.key.as_ref().unwrap_or(cert);
            let key = PrivateKeyDer::from_pem_file(path).map_err(|e| format!("{}: {e}", path.display()))?;
            config.with_client_auth_cert(certificates(cert)?, key).map_err(|e| format!("--cert: {e}"))?
        }
    };
    Ok(options.tls(config.into()))
}

#[cfg(not(feature = "rustls"))]
fn with_files(_: ConnectOptions, _: &PathBuf, _: &Files) -> Result<ConnectOptions, String> {
    Err("--ca: expected a program built with the feature `rustls`".into())
}

/// Version and cipher suite, behind an address.
#[cfg(feature = "rustls")]
pub(crate) fn describe(stream: &ClientStream) -> String {
    let session = stream.tls();
    let agreed = session.and_then(|tls| Some((tls.protocol_version()?, tls.negotiated_cipher_suite()?)));
    agreed.map_or(String::new(), |(version, suite)| format!(", {version:?}, {:?}", suite.suite()))
}

#[cfg(not(feature = "rustls"))]
pub(crate) fn describe(_: &ClientStream) -> String {
    String::new()
}
