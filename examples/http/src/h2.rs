//! HTTP/2 (RFC 8441), with the crate `h2`.

use std::error::Error;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream, client, server};
use http::{Request, Response};
use sansocket::handshake::{ClientRequest, ConnectHandshake, ConnectRequest, HandshakeError};
use sansocket::{Config, OsRandom};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

use crate::{CONNECTION_WINDOW, MAX_STREAMS, Reset, STREAM_WINDOW, Transport, WebSocket};

/// One stream of HTTP/2.
#[derive(Debug)]
pub struct Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
}

impl Transport for Stream {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reset>>> {
        let data = ready!(self.recv.poll_data(cx));
        Poll::Ready(data.map(|data| {
            let data = data.map_err(|_| Reset)?;
            // The data is received at once, so the peer may send as much again.
            self.recv.flow_control().release_capacity(data.len()).map_err(|_| Reset)?;
            Ok(data)
        }))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Reset>> {
        self.send.reserve_capacity(bytes.len());
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Reset)),
            }
        }
        let now = bytes.split_to(self.send.capacity().min(bytes.len()));
        Poll::Ready(self.send.send_data(now, false).map_err(|_| Reset))
    }

    fn finish(&mut self) {
        // This fails if the stream was reset, which `poll_recv` reports.
        let _ = self.send.send_data(Bytes::new(), true);
    }

    fn reset(&mut self) {
        self.send.send_reset(Reason::CANCEL);
    }
}

/// Serves one connection: calls `serve` with each WebSocket, in a task of its own.
///
/// # Errors
/// What ended the connection, unless its peer has closed it.
pub async fn serve<F>(
    io: impl AsyncRead + AsyncWrite + Unpin,
    config: Config,
    serve: impl Fn(WebSocket<Stream>) -> F,
) -> Result<(), h2::Error>
where
    F: Future<Output = ()> + Send + 'static,
{
    let handshake = server::Builder::new()
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(io);
    // A peer that has sent nothing gets no answer.
    let Ok(connection) = timeout(OPENING_WITHIN, handshake).await else { return Ok(()) };
    let mut connection = connection?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        if let Ok(ws) = answer(request, respond, config) {
            tokio::spawn(serve(ws));
        }
    }
    Ok(())
}

/// Answers one request: with a WebSocket, or with the refusal.
fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    config: Config,
) -> Result<WebSocket<Stream>, Reset> {
    let (parts, recv) = request.into_parts();
    let protocol = parts.extensions.get::<Protocol>().map(Protocol::as_str);
    match ConnectRequest::from_http(&parts, protocol, config) {
        Ok(request) => {
            let (accepted, connection) = request.accept_parts();
            let send = respond.send_response(accepted.to_http(), false).map_err(|_| Reset)?;
            Ok(WebSocket::new(connection, Stream { send, recv }))
        }
        Err(refusal) => {
            let (response, body) = refusal.to_http().into_parts();
            let mut send =
                respond.send_response(Response::from_parts(response, ()), false).map_err(|_| Reset)?;
            // The body is short: the library keeps it until there is a window for it.
            send.send_data(body.into(), true).map_err(|_| Reset)?;
            Err(Reset)
        }
    }
}

/// A client's connection, for any number of WebSockets; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    requests: client::SendRequest<Bytes>,
    config: Config,
}

impl Client {
    /// Begins HTTP/2, and waits for the server to announce extended CONNECT. The connection runs in a task of its own.
    ///
    /// # Errors
    /// What ended the connection, or that the server does not support extended CONNECT.
    pub async fn new(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        config: Config,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (requests, connection) = client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake(io)
            .await?;
        // Each stream learns of its end.
        tokio::spawn(connection);
        // The library has no event for the server's SETTINGS: ask until they are there.
        let deadline = Instant::now() + OPENING_WITHIN;
        while !requests.is_extended_connect_protocol_enabled() {
            if Instant::now() >= deadline {
                return Err("the server does not support extended CONNECT".into());
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(Self { requests, config })
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// What ended the connection, or the status with which the server refused.
    pub async fn open(
        &self,
        request: ClientRequest,
    ) -> Result<WebSocket<Stream>, Box<dyn Error + Send + Sync>> {
        let handshake = ConnectHandshake::new(request, self.config, OsRandom);
        let mut request = handshake.to_http().ok_or("the URL is too long, or its host has a %")?;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let mut requests = self.requests.clone().ready().await?;
        let (response, send) = requests.send_request(request, false)?;
        let (parts, recv) = response.await?.into_parts();
        match handshake.recv_http(&parts) {
            Ok((connection, _)) => Ok(WebSocket::new(connection, Stream { send, recv })),
            Err(HandshakeError::OtherStatus) => Err(format!("refused: {}", parts.status).into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Time for a peer to send its preface and SETTINGS.
const OPENING_WITHIN: Duration = Duration::from_secs(5);
