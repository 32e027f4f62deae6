//! The adapter for the traits of `futures-io`, with a sleep that is given in: complete, and in halves as `Stream` and `Sink`.

use std::net;

use sansocket::Config;
use sansocket::futures_io::{Accepting, Connecting, WebSocket};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::asynchronous::{accepted, block_on, connected, echo, forward, socket};
use super::{known, request};
use crate::futures_io_socket::Socket;
use crate::{End, Role};

async fn open(
    stream: net::TcpStream,
    role: Role,
    config: Config,
) -> Result<WebSocket<Socket<TcpStream>, Sleep>, End> {
    let stream = Socket(socket(stream));
    let ws = match role {
        Role::Server => accepted(Accepting::new(stream, config, sleep)).await,
        Role::Client => connected(Connecting::new(stream, request(), config, sleep)).await,
    }?;
    // What came behind the handshake goes along.
    let (stream, connection, unread) = ws.into_parts();
    Ok(WebSocket::from_parts(stream, connection, unread, sleep))
}

pub(crate) fn complete(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        match open(stream, role, config).await {
            Ok(ws) => echo(ws).await,
            Err(end) => (0, end),
        }
    })
}

pub(crate) fn stream_and_sink(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let ws = match open(stream, role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let (reader, writer) = ws.split_with(|Socket(stream)| {
            let (read, write) = stream.into_split();
            (Socket(read), Socket(write))
        });
        let (log, writer, reader) = forward(writer, reader).await;
        log.done(known!(reader, writer))
    })
}
