//! The opening handshake from and to the types of the crate `http`.
#![cfg(feature = "http")]

use sansocket::Config;
use sansocket::handshake::{ClientHandshake, ClientRequest, UpgradeRequest};

#[test]
fn a_client_inside_another_library() {
    let request = ClientRequest::new("ws://example.com/chat?x=1").unwrap().subprotocol("a").unwrap();
    let client = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(7));
    let (parts, ()) = client.to_http().into_parts();
    assert_eq!(
        (parts.uri.to_string(), &parts.headers["host"]),
        ("/chat?x=1".into(), &"example.com".parse().unwrap())
    );
    let mut server = UpgradeRequest::from_http(&parts, Config::default()).expect("a valid request");
    server.choose_subprotocol("a").unwrap();
    let (accepted, _connection) = server.accept_parts();
    let (parts, ()) = accepted.to_http().into_parts();
    let (_connection, established) = client.recv_http(&parts).unwrap();
    assert_eq!(established.subprotocol(), Some("a"));
}
