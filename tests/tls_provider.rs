//! The cryptography of `wss://` is that of the process, where it has installed one: a program of its own, since that is for good.
#![cfg(all(feature = "net", feature = "rustls"))]

use std::io::Read;
use std::net::TcpListener;
use std::thread;

use sansocket::net;
use sansocket::rustls::CipherSuite;
use sansocket::rustls::crypto::ring;

/// It comes before that of the feature `ring`, and not only in name: a client offers what the provider has.
#[test]
fn the_provider_of_the_process_comes_first() {
    let suite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|supported| supported.suite() == suite);
    provider.install_default().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let connecting = thread::spawn(move || net::connect(&url).map(drop));
    assert_eq!(offered(&mut listener.accept().unwrap().0), [u16::from(suite)]);
    drop(listener);
    assert!(connecting.join().unwrap().is_err());
}

/// The cipher suites of a ClientHello (RFC 8446 §4.1.2), without the one that says something about renegotiation (RFC 5746 §3.3).
fn offered(stream: &mut impl Read) -> Vec<u16> {
    let mut receive = |len: usize| {
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(receive(5)[0], 22, "a record of a handshake");
    assert_eq!(receive(4)[0], 1, "a ClientHello");
    // The version and the random bytes.
    receive(2 + 32);
    let session = receive(1)[0];
    receive(session.into());
    let len = receive(2);
    let suites = receive(u16::from_be_bytes([len[0], len[1]]).into());
    let suites = suites.as_chunks::<2>().0.iter().map(|suite| u16::from_be_bytes(*suite));
    suites.filter(|suite| *suite != 0x00FF).collect()
}
