//! `wss://` with certificates of our own: both adapters, and what must not be trusted.
#![cfg(all(feature = "net", feature = "tokio-rustls"))]

mod certificates;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use certificates::certificate;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sansocket::handshake::{ClientRequest, Proxy};
use sansocket::net::ConnectOptions;
use sansocket::{CloseCode, Config, Event, Message, net, tokio as ws_tokio};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The server's side of TLS, with the certificate for `name`.
fn acceptor(name: &str) -> TlsAcceptor {
    let (certificate, key) = certificate(name);
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(server))
}

/// What a client needs to trust the certificate for `name`.
fn trusting(name: &str) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate(name).0).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(client)
}

/// A server that echoes, with a certificate for `name`; its port, and what a client needs to trust it.
async fn echo_server(name: &str) -> (u16, Arc<ClientConfig>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor(name);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us hangs up.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                // In two halves; the other ends read in one piece, too.
                let (mut reader, mut writer) = ws_tokio::accept(stream).await.unwrap().into_split();
                while let Some(event) = reader.recv().await.unwrap() {
                    if let Event::Message(message) = event {
                        writer.send(&message).await.unwrap();
                    }
                }
                ws_tokio::WebSocket::<TlsStream<TcpStream>>::reunite(reader, writer).unwrap();
            });
        }
    });
    (port, trusting(name))
}

fn options(tls: Arc<ClientConfig>) -> ConnectOptions {
    ConnectOptions::from(Config::default()).tls(tls)
}

fn request(port: u16) -> ClientRequest {
    ClientRequest::new(&format!("wss://localhost:{port}/")).unwrap()
}

#[tokio::test]
async fn tokio_over_tls() {
    let (port, tls) = echo_server("localhost").await;
    let (mut ws, _) = ws_tokio::connect_with(request(port), options(tls)).await.unwrap();
    assert!(ws.stream().tls().is_some());
    assert_eq!(ws.stream().tcp().peer_addr().unwrap().port(), port);
    for message in [Message::from("Hello"), Message::from(vec![7; 1_000_000])] {
        // Over two halves as well as in one piece.
        let (mut reader, mut writer) = ws.into_split();
        let (sent, received) = tokio::join!(
            async {
                writer.send(&message).await?;
                writer.flush().await
            },
            reader.recv()
        );
        sent.unwrap();
        assert_eq!(received.unwrap(), Some(Event::Message(message.clone())));
        ws = ws_tokio::WebSocket::reunite(reader, writer).unwrap();
    }
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    ws.finish().await.unwrap();
}

/// TLS takes more than the socket does: what it has buffered is written by a flush, which waits for that.
#[tokio::test]
async fn tls_is_flushed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = async {
        let stream = acceptor("localhost").accept(listener.accept().await.unwrap().0).await.unwrap();
        ws_tokio::accept(stream).await.unwrap()
    };
    let connecting = ws_tokio::connect_with(request(port), options(trusting("localhost")));
    let (server, client) = tokio::join!(accepting, connecting);
    let (mut received, mut sent) = (server.into_parts().0, client.unwrap().0.into_parts().0);
    let mut len = 0;
    // Nothing is read meanwhile.
    while let Poll::Ready(written) = once(sent.write(&[7; 16 * 1024])).await {
        len += written.unwrap();
    }
    assert!(once(sent.flush()).await.is_pending());
    let mut bytes = vec![0; len];
    let (flushed, read) = tokio::join!(sent.flush(), received.read_exact(&mut bytes));
    flushed.unwrap();
    assert_eq!(read.unwrap(), len);
}

/// Polls once; only the socket may make it wait.
async fn once<F: Future>(future: F) -> Poll<F::Output> {
    let mut future = pin!(unconstrained(future));
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test]
async fn net_over_tls() {
    let (port, tls) = echo_server("localhost").await;
    let client = move || {
        let (mut ws, _) = net::connect_with(request(port), ConnectOptions::default().tls(tls)).unwrap();
        assert!(ws.stream().tls().is_some());
        assert_eq!(ws.stream().tcp().peer_addr().unwrap().port(), port);
        for message in [Message::from("Hello"), Message::from(vec![7; 100_000])] {
            ws.send(&message).unwrap();
            assert_eq!(ws.recv().unwrap(), Some(Event::Message(message)));
        }
        ws.close(CloseCode::NORMAL, "").unwrap();
        assert!(matches!(ws.recv().unwrap(), Some(Event::Close(_))));
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(ws.into_split().unwrap_err().kind(), ErrorKind::Unsupported, "TLS has no second handle");
    };
    tokio::task::spawn_blocking(client).await.unwrap();
}

type Asked = mpsc::UnboundedSender<(String, [u8; 3])>;

/// A proxy that opens tunnels, behind TLS if there is an acceptor; its address, what it was asked, and the first bytes
/// that went through.
async fn proxy(acceptor: Option<TlsAcceptor>) -> (Proxy, mpsc::UnboundedReceiver<(String, [u8; 3])>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let port = listener.local_addr().unwrap().port();
    let address = Proxy::parse(&format!("{scheme}://localhost:{port}")).unwrap();
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            match acceptor.clone() {
                None => drop(tokio::spawn(tunnel(client, asked.clone()))),
                Some(acceptor) => {
                    let asked = asked.clone();
                    tokio::spawn(async move {
                        // A client that does not trust us hangs up.
                        if let Ok(client) = acceptor.accept(client).await {
                            tunnel(client, asked).await;
                        }
                    });
                }
            }
        }
    });
    (address, requests)
}

async fn tunnel(mut client: impl AsyncRead + AsyncWrite + Unpin, asked: Asked) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap();
    let mut server = TcpStream::connect(target).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let mut first = [0; 3];
    client.read_exact(&mut first).await.unwrap();
    asked.send((head, first)).unwrap();
    server.write_all(&first).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

#[tokio::test]
async fn through_a_proxy() {
    through(proxy(None).await).await;
}

/// TLS inside of TLS.
#[tokio::test]
async fn through_a_proxy_behind_tls() {
    through(proxy(Some(acceptor("localhost"))).await).await;
}

async fn through((address, mut requests): (Proxy, mpsc::UnboundedReceiver<(String, [u8; 3])>)) {
    let (port, tls) = echo_server("localhost").await;
    let proxy_port = address.port();
    let options = ConnectOptions::from(Config::default()).proxy(address).tls(tls);
    let message = Message::from(vec![7; 300_000]);

    let (mut ws, _) = ws_tokio::connect_with(request(port), options.clone()).await.unwrap();
    let session = ws.stream().tls().expect("TLS with the server");
    assert_eq!(session.peer_certificates(), Some(&[certificate("localhost").0][..]));
    assert_eq!(ws.stream().tcp().peer_addr().unwrap().port(), proxy_port);
    // Its header and its payload lie apart.
    ws.send_owned(message.clone()).await.unwrap();
    ws.flush().await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(message.clone())));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    ws.finish().await.unwrap();

    let blocking = move || {
        let (mut ws, _) = net::connect_with(request(port), options).unwrap();
        let session = ws.stream().tls().expect("TLS with the server");
        assert_eq!(session.peer_certificates(), Some(&[certificate("localhost").0][..]));
        assert_eq!(ws.stream().tcp().peer_addr().unwrap().port(), proxy_port);
        ws.send_owned(message.clone()).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Event::Message(message)));
        ws.close(CloseCode::NORMAL, "").unwrap();
        while ws.recv().unwrap().is_some() {}
        assert_eq!(ws.into_split().unwrap_err().kind(), ErrorKind::Unsupported, "TLS has no second handle");
    };
    tokio::task::spawn_blocking(blocking).await.unwrap();

    for _ in 0..2 {
        let (head, first) = requests.try_recv().unwrap();
        assert_eq!(
            head,
            format!("CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"),
            "and nothing of the request behind it"
        );
        assert_eq!(first, [0x16, 3, 1], "the tunnel begins with a TLS handshake");
    }
}

/// The certificate has to be the server's, whoever the proxy is.
#[tokio::test]
async fn a_proxy_that_leads_elsewhere_is_found_out() {
    let (port, tls) = echo_server("example.com").await;
    let (address, _requests) = proxy(None).await;
    let options = ConnectOptions::from(Config::default()).proxy(address).tls(tls);
    let error = ws_tokio::connect_with(request(port), options.clone()).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let blocking = move || net::connect_with(request(port), options).unwrap_err();
    let error = tokio::task::spawn_blocking(blocking).await.unwrap();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

/// And so does the certificate of a proxy behind TLS: it does not even learn where the client wants to go.
#[tokio::test]
async fn the_certificate_of_a_proxy_is_checked_too() {
    let (port, tls) = echo_server("localhost").await;
    let (address, mut requests) = proxy(Some(acceptor("example.com"))).await;
    let options = ConnectOptions::from(Config::default()).proxy(address).tls(tls);
    ws_tokio::connect_with(request(port), options.clone()).await.unwrap_err();
    tokio::task::spawn_blocking(move || net::connect_with(request(port), options).unwrap_err())
        .await
        .unwrap();
    assert!(requests.try_recv().is_err());
}

/// The TLS that fails is the server's, inside that of the proxy.
#[tokio::test]
async fn the_certificate_of_a_server_behind_the_tls_of_a_proxy_is_checked_too() {
    let ((_, tls), (port, _)) = (echo_server("localhost").await, echo_server("example.com").await);
    let (address, _requests) = proxy(Some(acceptor("localhost"))).await;
    let options = ConnectOptions::from(Config::default()).proxy(address).tls(tls);
    let of_tokio = ws_tokio::connect_with(request(port), options.clone()).await.unwrap_err();
    let blocking = move || net::connect_with(request(port), options).unwrap_err();
    for error in [of_tokio, tokio::task::spawn_blocking(blocking).await.unwrap()] {
        let expected = format!("TLS handshake with localhost:{port} through the proxy localhost:");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let (port, tls) = echo_server("example.com").await;
    let error = ws_tokio::connect_with(request(port), options(Arc::clone(&tls))).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let blocking = move || net::connect_with(request(port), ConnectOptions::default().tls(tls)).unwrap_err();
    let error = tokio::task::spawn_blocking(blocking).await.unwrap();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let (port, _) = echo_server("localhost").await;
    let error = ws_tokio::connect_with(request(port), Config::default()).await.unwrap_err();
    assert!(
        error.to_string().contains("UnknownIssuer") || error.to_string().contains("certificate"),
        "{error}"
    );
}
