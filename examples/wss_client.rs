//! A WebSocket over TLS, with the certificate authorities that browsers trust; `net::connect_tls` is for others.
//!
//! ```text
//! cargo run --release --features net,rustls --example wss_client -- wss://HOST/PATH [TEXT]
//! ```
//!
//! It sends TEXT, prints the first message that arrives, and closes.

use std::error::Error;

use sansocket::{CloseCode, Event, net};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("usage: wss_client wss://HOST/PATH [TEXT]")?;
    let text = args.next().unwrap_or_else(|| "Hello".into());

    // The host name of the URL is what the certificate has to be for.
    let mut ws = net::connect(&url)?;
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
