//! A WebSocket over TLS: rustls under the `net` adapter, with the certificate authorities that browsers trust.
//!
//! ```text
//! cargo run --release --features net --example wss_client -- wss://HOST/PATH [TEXT]
//! ```
//!
//! It sends TEXT, prints the first message that arrives, and closes.

use std::error::Error;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sansocket::handshake::ClientRequest;
use sansocket::net::{self, Stream};
use sansocket::{CloseCode, Config, Event};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("usage: wss_client wss://HOST/PATH [TEXT]")?;
    let text = args.next().unwrap_or_else(|| "Hello".into());

    let request = ClientRequest::new(&url)?;
    let (host, port) = (request.url().host().to_owned(), request.url().port());
    // The host name of the URL is what the certificate has to be for.
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect((host.trim_matches(['[', ']']), port))?;
    let tls = StreamOwned::new(ClientConnection::new(Arc::new(tls), name)?, tcp);

    // Any `Read + Write` will do; the adapter only has to know where to find the transport below.
    let transport = Stream::new(tls, |tls| &mut tls.sock);
    let (mut ws, _) = net::client(transport, request, Config::default())?;
    ws.send_text(&text)?;
    while let Some(event) = ws.recv()? {
        match event {
            Event::Message(message) => {
                println!("{message:?}");
                ws.close(CloseCode::NORMAL, "").or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotConnected => Ok(()), // closing already
                    _ => Err(error),
                })?;
            }
            Event::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
