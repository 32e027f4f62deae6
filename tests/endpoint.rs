//! `Server` and `Client` as a caller's loop drives them: scenarios of every phase, pairs in memory, sockets.
#![cfg(feature = "alloc")]

mod common;

#[cfg(feature = "std")]
#[path = "endpoint/blocking.rs"]
mod blocking;
#[path = "endpoint/client.rs"]
mod client;
#[path = "endpoint/pair.rs"]
mod pair;
#[path = "endpoint/server.rs"]
mod server;

use core::time::Duration;

use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{ClientEvent, Config, Event, Input, Message, Server, ServerEvent};

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The output is the same in pieces, in slices and in ownership; taken by either, it is written once.
macro_rules! output_in_every_form {
    ($endpoint:expr, $name:expr) => {{
        let (mut slices, mut taken) = ([&b""[..]; 8], Vec::new());
        let n = $endpoint.output_slices(&mut slices);
        let all = slices[..n].concat();
        assert!(all.starts_with($endpoint.output()), "{}", $name);
        assert_eq!(
            ($endpoint.output_len(), $endpoint.wants_write()),
            (all.len(), !all.is_empty()),
            "{}",
            $name
        );
        while let Some(segment) = $endpoint.take_output() {
            taken.extend_from_slice(segment.as_ref());
        }
        assert_eq!((taken == all, $endpoint.output_len()), (true, all.len()), "{}: in flight", $name);
        $endpoint.output_written(all.len());
        assert_eq!(($endpoint.output_len(), $endpoint.wants_write()), (0, false), "{}", $name);
        all.len()
    }};
}
use output_in_every_form;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// An event of a connection in a few words.
fn event_words(event: &Event<'_>) -> String {
    match event {
        Event::Message(Message::Text(text)) => format!("text {text}"),
        Event::Message(Message::Binary(bytes)) => format!("binary {}", bytes.len()),
        Event::Ping(_) => "ping".into(),
        Event::Close(_) => format!("close {}", event.close_code().unwrap_or_default()),
        Event::Failed(error) => format!("failed {error:?}"),
        other => format!("{other:?}"),
    }
}

fn server_words(event: &ServerEvent<'_>) -> String {
    match event {
        ServerEvent::Upgrade(request) => format!("upgrade {}", request.target()),
        ServerEvent::Http(request) => format!("http {}", request.target()),
        ServerEvent::Refused(error) => format!("refused {error:?}"),
        ServerEvent::Open(event) => event_words(event),
        other => format!("{other:?}"),
    }
}

fn client_words(event: &ClientEvent<'_>) -> String {
    match event {
        ClientEvent::Opened(_) => "opened".into(),
        ClientEvent::Refused(refused) => {
            format!("refused {} {}", refused.status(), String::from_utf8_lossy(refused.body()))
        }
        ClientEvent::ProxyRefused(refused) => format!("proxy refused {}", refused.status()),
        ClientEvent::Failed(error) => format!("failed {error:?}"),
        ClientEvent::Open(event) => event_words(event),
        other => format!("{other:?}"),
    }
}

/// What a server answers to the request in `written`: its 101.
fn switching_protocols(written: &[u8]) -> Vec<u8> {
    let mut request = written.to_vec();
    match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut request)) {
        ServerProgress::Upgrade(request) => request.accept().output().to_vec(),
        other => panic!("{other:?}"),
    }
}

/// All events of `bytes` on a server; requests are accepted at once if `accept`.
fn server_receives(server: &mut Server, bytes: &[u8], accept: bool) -> Vec<String> {
    let (mut bytes, mut words) = (bytes.to_vec(), Vec::new());
    let mut input = Input::new(&mut bytes);
    while let Some(event) = server.recv(&mut input) {
        words.push(server_words(&event));
        if let ServerEvent::Upgrade(request) = event
            && accept
        {
            server.answer(request.accept());
        }
    }
    assert!(input.is_empty(), "I2");
    words
}
