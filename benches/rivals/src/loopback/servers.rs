//! Echo servers, one for each library, as its documentation does it; each on one thread.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use fastwebsockets::{FragmentCollector, OpCode, upgrade};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, service::service_fn};
use mio::{Events, Interest, Poll, Token};
use sansocket::Event;
use tokio::net::{TcpListener, TcpStream};

/// Echoes bytes as they come: what the system lets through.
pub fn raw(address: SocketAddr) {
    const LISTENER: Token = Token(0);
    let mut poll = Poll::new().expect("epoll");
    let mut listener = mio::net::TcpListener::bind(address).expect("the port is free");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("epoll");
    let (mut peers, mut next_token) = (HashMap::new(), 1);
    let (mut events, mut buf) = (Events::with_capacity(1024), vec![0; 256 * 1024]);
    loop {
        poll.poll(&mut events, None).expect("epoll");
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(next_token);
                    next_token += 1;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, token, interest).expect("epoll");
                    stream.set_nodelay(true).expect("it is TCP");
                    peers.insert(token, (stream, Vec::new()));
                }
            } else if let Some((stream, waiting)) = peers.get_mut(&event.token())
                && !echo_bytes(stream, waiting, &mut buf)
            {
                peers.remove(&event.token());
            }
        }
    }
}

fn echo_bytes(stream: &mut mio::net::TcpStream, waiting: &mut Vec<u8>, buf: &mut [u8]) -> bool {
    loop {
        while !waiting.is_empty() {
            match stream.write(waiting) {
                Ok(n) => drop(waiting.drain(..n)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        let n = match stream.read(buf) {
            Ok(0) => return false,
            Ok(n) => n,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let written = stream.write(&buf[..n]).unwrap_or(0);
        waiting.extend_from_slice(&buf[written..n]);
        if waiting.is_empty() && n < buf.len() {
            return true;
        }
    }
}

fn serve<F: Future<Output = ()> + Send + 'static>(address: SocketAddr, echo: fn(TcpStream) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        loop {
            let (stream, _) = listener.accept().await.expect("loopback");
            stream.set_nodelay(true).expect("it is TCP");
            tokio::spawn(echo(stream));
        }
    });
}

pub fn sansocket(address: SocketAddr) {
    serve(address, |stream| async {
        let Ok(mut ws) = sansocket::tokio::accept(stream).await else { return };
        while let Ok(Some(mut batch)) = ws.read().await {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.feed(&message).expect("room");
                }
            }
        }
    });
}

pub fn tungstenite(address: SocketAddr) {
    serve(address, |stream| async {
        let Ok(mut ws) = tokio_tungstenite::accept_async(stream).await else { return };
        while let Some(Ok(message)) = ws.next().await {
            if (message.is_text() || message.is_binary()) && ws.send(message).await.is_err() {
                return;
            }
        }
    });
}

pub fn tokio_websockets(address: SocketAddr) {
    serve(address, |stream| async {
        let Ok((_, mut ws)) = tokio_websockets::ServerBuilder::new().accept(stream).await else { return };
        while let Some(Ok(message)) = ws.next().await {
            if (message.is_text() || message.is_binary()) && ws.send(message).await.is_err() {
                return;
            }
        }
    });
}

pub fn fastwebsockets(address: SocketAddr) {
    async fn upgraded(
        mut request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, std::convert::Infallible> {
        let (response, fut) = upgrade::upgrade(&mut request).expect("an upgrade");
        tokio::spawn(async move {
            let mut ws = FragmentCollector::new(fut.await.expect("a handshake"));
            while let Ok(frame) = ws.read_frame().await {
                let is_message = matches!(frame.opcode, OpCode::Text | OpCode::Binary);
                if frame.opcode == OpCode::Close || is_message && ws.write_frame(frame).await.is_err() {
                    return;
                }
            }
        });
        Ok(response)
    }
    serve(address, |stream| async {
        let io = hyper_util::rt::TokioIo::new(stream);
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(upgraded));
        let _ = connection.with_upgrades().await;
    });
}
