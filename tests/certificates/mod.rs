//! Certificates for the tests, each with its key in one file. They are test data: they sign themselves and are valid
//! until 2120.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate for `name` and its key.
pub(crate) fn certificate(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let pem: &[u8] = match name {
        "localhost" => include_bytes!("localhost.pem"),
        "example.com" => include_bytes!("example.com.pem"),
        _ => panic!("there is no certificate for {name}"),
    };
    (CertificateDer::from_pem_slice(pem).unwrap(), PrivateKeyDer::from_pem_slice(pem).unwrap())
}
