//! A WebSocket over TLS, with the certificate authorities that browsers trust; `ConnectOptions::tls`
//! is for others.
//!
//! ```text
//! cargo run --release --features net,rustls --example wss_client -- wss://HOST/PATH [TEXT]
//! ```
//!
//! It sends TEXT, prints the first message that arrives, and closes.

#[path = "common/options.rs"]
mod options;

use std::error::Error;

use lexopt::Arg::Value;
use lexopt::ValueExt;
use sansocket::{CloseCode, Event, net};

const USAGE: &str = "usage: wss_client URL [TEXT]

Sends TEXT, prints the first message that arrives, and closes.

  URL          wss://HOST[:PORT]/PATH
  TEXT         what to send (Hello)
  -h, --help   print this";

fn main() -> Result<(), Box<dyn Error>> {
    let (url, text) = options::parse(USAGE, |args| {
        let (mut url, mut text) = (None, None);
        while let Some(arg) = args.next()? {
            match arg {
                Value(value) if url.is_none() => url = Some(value.string()?),
                Value(value) if text.is_none() => text = Some(value.string()?),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok((url.ok_or("URL is missing: expected wss://HOST[:PORT]/PATH")?, text))
    });
    let text = text.unwrap_or_else(|| "Hello".into());

    // The host name of the URL is what the certificate has to be for.
    let mut ws = net::connect(&url)?;
    ws.send_text(&text)?;
    while let Some(event) = ws.recv()? {
        match event {
            Event::Message(message) => {
                println!("{}", message.as_text().unwrap_or("(binary)"));
                ws.close(CloseCode::NORMAL, "")?;
            }
            Event::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}
