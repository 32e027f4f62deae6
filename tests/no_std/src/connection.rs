//! A server, and a server with a client, in memory: opening handshake, echo, closing handshake; and what heap that takes.

use sansocket::handshake::ClientRequest;
use sansocket::{Client, ClientEvent, CloseCode, Config, Event, Input, Server, ServerEvent};

use crate::heap::{Used, measure};
use crate::system::{print, print_number};

type Result = core::result::Result<(), &'static str>;

pub(crate) fn run() -> Result {
    report("a server", measure(server))?;
    report("a server and a client", measure(both))
}

fn report(who: &str, (result, Used { calls, peak, left }): (Result, Used)) -> Result {
    result?;
    print("heap of ");
    print(who);
    print(", from the request to the end: at most ");
    print_number(peak);
    print(" bytes at the same time, ");
    print_number(calls);
    print(" allocations\n");
    if left == 0 { Ok(()) } else { Err("the heap is not given back") }
}

fn server() -> Result {
    let mut received = *REQUEST_HELLO_CLOSE;
    let mut server = Server::new(Config::default());
    recv(&mut server, &mut received)?;
    let output = server.output();
    if !(output.starts_with(b"HTTP/1.1 101 ") && output.ends_with(b"\r\n\r\n\x81\x05Hello\x88\x00")) {
        return Err("another output");
    }
    server.output_written(output.len());
    if !server.should_shutdown() {
        return Err("the server ends first");
    }
    server.recv_eof();
    recv(&mut server, &mut [])?;
    if server.is_ended() { Ok(()) } else { Err("no end") }
}

/// Echoes.
fn recv(server: &mut Server, bytes: &mut [u8]) -> Result {
    let mut input = Input::new(bytes);
    while let Some(event) = server.recv(&mut input) {
        match event {
            ServerEvent::Upgrade(request) => server.answer(request.accept()),
            ServerEvent::Open(Event::Message(message)) => {
                server.connection().send(&message).map_err(|_| "the server cannot send")?;
            }
            ServerEvent::Open(Event::Close(_)) => {}
            _ => return Err("another event of the server"),
        }
    }
    Ok(())
}

fn both() -> Result {
    let request = ClientRequest::new("ws://localhost/").map_err(|_| "the URL")?;
    // The board's entropy, for real.
    let random = |bytes: &mut [u8]| bytes.fill(7);
    let mut client = Client::new(request, Config::default(), random);
    client.connected();
    let mut server = Server::new(Config::default());
    let (mut wire, mut echoed, mut closed) = ([0; 1024], false, false);
    for _ in 0..ROUNDS {
        let len = client.output().len();
        wire[..len].copy_from_slice(client.output());
        client.output_written(len);
        recv(&mut server, &mut wire[..len])?;
        let len = server.output().len();
        wire[..len].copy_from_slice(server.output());
        server.output_written(len);
        if server.should_shutdown() {
            client.recv_eof();
            server.recv_eof();
        }
        let mut input = Input::new(&mut wire[..len]);
        while let Some(event) = client.recv(&mut input) {
            let connection = client.connection();
            match event {
                ClientEvent::Opened(_) => {
                    connection.send_text("Hello").map_err(|_| "the client cannot send")?
                }
                ClientEvent::Open(Event::Message(message)) => {
                    echoed = message == "Hello";
                    connection.close(CloseCode::NORMAL, "").map_err(|_| "the client cannot close")?;
                }
                ClientEvent::Open(Event::Close(_)) => closed = true,
                _ => return Err("another event of the client"),
            }
        }
    }
    recv(&mut server, &mut [])?;
    if echoed && closed && client.is_ended() && server.is_ended() {
        Ok(())
    } else {
        Err("no echo, or no end")
    }
}

/// A request as short as it can be; "Hello" (RFC 6455 §5.7); a Close.
const REQUEST_HELLO_CLOSE: &[u8; 157] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
    \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x80\0\0\0\0";
/// Request, message, Close, and the end.
const ROUNDS: usize = 4;
