//! One echo server for each library, as its documentation does it.

use fastwebsockets::{FragmentCollector, OpCode, upgrade};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, service::service_fn};
use sansocket::Event;
use tokio::net::{TcpListener, TcpStream};

fn serve<F: Future<Output = ()> + Send + 'static>(listener: TcpListener, echo: fn(TcpStream) -> F) {
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("loopback");
            stream.set_nodelay(true).expect("it is TCP");
            tokio::spawn(echo(stream));
        }
    });
}

pub fn sansocket_batch(listener: TcpListener) {
    serve(listener, |stream| async {
        let mut ws = sansocket::tokio::accept(stream).await.expect("a handshake");
        while let Ok(Some(mut batch)) = ws.read().await {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.feed(&message).expect("room");
                }
            }
        }
    });
}

pub fn sansocket_recv(listener: TcpListener) {
    serve(listener, |stream| async {
        let mut ws = sansocket::tokio::accept(stream).await.expect("a handshake");
        while let Ok(Some(event)) = ws.recv().await {
            if let Event::Message(message) = event {
                let message = message.into_owned();
                if ws.send(&message).await.is_err() {
                    return;
                }
            }
        }
    });
}

pub fn tungstenite(listener: TcpListener) {
    serve(listener, |stream| async {
        let mut ws = tokio_tungstenite::accept_async(stream).await.expect("a handshake");
        while let Some(Ok(message)) = ws.next().await {
            if (message.is_text() || message.is_binary()) && ws.send(message).await.is_err() {
                return;
            }
        }
    });
}

pub fn tokio_websockets(listener: TcpListener) {
    serve(listener, |stream| async {
        let (_, mut ws) = tokio_websockets::ServerBuilder::new().accept(stream).await.expect("a handshake");
        while let Some(Ok(message)) = ws.next().await {
            if (message.is_text() || message.is_binary()) && ws.send(message).await.is_err() {
                return;
            }
        }
    });
}

pub fn fastwebsockets(listener: TcpListener) {
    async fn upgraded(
        mut request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, std::convert::Infallible> {
        let (response, fut) = upgrade::upgrade(&mut request).expect("an upgrade");
        tokio::spawn(async move {
            let mut ws = FragmentCollector::new(fut.await.expect("a handshake"));
            while let Ok(frame) = ws.read_frame().await {
                match frame.opcode {
                    OpCode::Close => return,
                    OpCode::Text | OpCode::Binary => {
                        if ws.write_frame(frame).await.is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        Ok(response)
    }
    serve(listener, |stream| async {
        let io = hyper_util::rt::TokioIo::new(stream);
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(upgraded));
        let _ = connection.with_upgrades().await;
    });
}
