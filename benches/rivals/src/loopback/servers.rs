//! Echo servers of other libraries, each on one thread.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use bytes::BytesMut;
use fastwebsockets::{FragmentCollector, OpCode, upgrade};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, service::service_fn};
use mio::{Events, Interest, Poll, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::TokioAsyncReadCompatExt;

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

/// Echoes messages, and writes when there is nothing more to be read.
async fn echo<S, M, E>(mut ws: S, is_message: fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    loop {
        let message = match ws.next().now_or_never() {
            Some(message) => message,
            None if ws.flush().await.is_err() => return,
            None => ws.next().await,
        };
        let Some(Ok(message)) = message else { return };
        if is_message(&message) && ws.feed(message).await.is_err() {
            return;
        }
    }
}

pub fn tungstenite(address: SocketAddr) {
    serve(address, |stream| async {
        let Ok(ws) = tokio_tungstenite::accept_async(stream).await else { return };
        echo(ws, |message| message.is_text() || message.is_binary()).await;
    });
}

pub fn tokio_websockets(address: SocketAddr) {
    serve(address, |stream| async {
        let Ok((_, ws)) = tokio_websockets::ServerBuilder::new().accept(stream).await else { return };
        echo(ws, |message| message.is_text() || message.is_binary()).await;
    });
}

pub fn sockudo(address: SocketAddr) {
    use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
    serve(address, |mut stream| async {
        let mut head = BytesMut::new();
        loop {
            if !matches!(stream.read_buf(&mut head).await, Ok(1..)) {
                return;
            }
            let Ok(request) = parse_request(&head) else { return };
            if let Some((request, _)) = request {
                let response = build_response(&generate_accept_key(request.key), None, None);
                if stream.write_all(&response).await.is_err() {
                    return;
                }
                break;
            }
        }
        let ws = sockudo_ws::WebSocketStream::server(stream, sockudo_ws::Config::default());
        echo(ws, |message| message.is_text() || message.is_binary()).await;
    });
}

pub fn wtx(address: SocketAddr) {
    use wtx::web_socket::{OpCode, WebSocketAcceptor, WebSocketBuffer, WebSocketPayloadOrigin::Adaptive};
    serve(address, |stream| async {
        let acceptor = WebSocketAcceptor::default().wsb(WebSocketBuffer::new());
        let Ok(mut ws) = acceptor.accept(stream).await else { return };
        let (mut common, mut reader, mut writer) = ws.split_mut();
        let mut buffer = wtx::collection::Vector::new();
        loop {
            buffer.clear();
            let Ok(mut frame) = reader.read_frame(&mut buffer, &mut common, Adaptive).await else { return };
            let is_message = matches!(frame.op_code(), OpCode::Text | OpCode::Binary);
            if frame.op_code() == OpCode::Close
                || is_message && writer.write_frame(&mut common, &mut frame).await.is_err()
            {
                return;
            }
        }
    });
}

pub fn soketto(address: SocketAddr) {
    use soketto::handshake::server::{Response, Server};
    serve(address, |stream| async {
        let mut server = Server::new(stream.compat());
        let key = match server.receive_request().await {
            Ok(request) => request.key(),
            Err(_) => return,
        };
        if server.send_response(&Response::Accept { key, protocol: None }).await.is_err() {
            return;
        }
        let (mut sender, mut receiver) = server.into_builder().finish();
        let mut message = Vec::new();
        loop {
            message.clear();
            let sent = match receiver.receive_data(&mut message).await {
                Ok(data) if data.is_text() => match std::str::from_utf8(&message) {
                    Ok(text) => sender.send_text(text).await,
                    Err(_) => return,
                },
                Ok(_) => sender.send_binary(&message).await,
                Err(_) => return,
            };
            if sent.is_err() || sender.flush().await.is_err() {
                return;
            }
        }
    });
}

type Upgraded = Response<Empty<Bytes>>;

/// Both libraries leave HTTP to hyper.
async fn over_hyper<F: Future<Output = ()> + Send + 'static>(
    stream: TcpStream,
    upgrade: fn(Request<Incoming>) -> (Upgraded, F),
) {
    let service = service_fn(move |request| {
        let (response, echo) = upgrade(request);
        tokio::spawn(echo);
        std::future::ready(Ok::<_, std::convert::Infallible>(response))
    });
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
}

pub fn fastwebsockets(address: SocketAddr) {
    serve(address, |stream| {
        over_hyper(stream, |mut request| {
            let (response, upgrade) = upgrade::upgrade(&mut request).expect("an upgrade");
            let echo = async {
                let mut ws = FragmentCollector::new(upgrade.await.expect("a handshake"));
                while let Ok(frame) = ws.read_frame().await {
                    let is_message = matches!(frame.opcode, OpCode::Text | OpCode::Binary);
                    if frame.opcode == OpCode::Close || is_message && ws.write_frame(frame).await.is_err() {
                        return;
                    }
                }
            };
            (response, echo)
        })
    });
}

pub fn yawc(address: SocketAddr) {
    use yawc::frame::OpCode;
    serve(address, |stream| {
        over_hyper(stream, |mut request| {
            let options = yawc::Options::default().with_utf8().with_max_payload_read(16 << 20);
            let (response, upgrade) =
                yawc::WebSocket::upgrade_with_options(&mut request, options).expect("an upgrade");
            let echo = async {
                let mut ws = upgrade.await.expect("a handshake");
                loop {
                    let frame = match ws.next().now_or_never() {
                        Some(frame) => frame,
                        None if ws.flush().await.is_err() => return,
                        None => ws.next().await,
                    };
                    let Some(frame) = frame else { return };
                    if matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
                        && ws.feed(frame).await.is_err()
                    {
                        return;
                    }
                }
            };
            (response, echo)
        })
    });
}
