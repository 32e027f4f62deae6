//! Feature `tls` alone: no cryptography and no roots are brought in, and without them the error says what to do.
#![cfg(all(feature = "net", feature = "tls", not(feature = "ring"), not(feature = "webpki-roots")))]

use std::io::ErrorKind;
use std::net::TcpListener;

use sansocket::net::{self, Error};

#[test]
fn without_cryptography_the_error_says_what_is_missing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let error = net::connect(&url).unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::Unsupported), "{error:?}");
    for way_out in ["feature `ring`", "CryptoProvider", "ConnectOptions::tls"] {
        assert!(error.to_string().contains(way_out), "{error}");
    }
}
