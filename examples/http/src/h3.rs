//! HTTP/3 (RFC 9220): `quinn` carries the QUIC streams; `h3wire` is HTTP/3 without I/O.
//!
//! A [`Session`] is one QUIC connection. Its streams share the state of HTTP/3 behind a lock. The task of each WebSocket runs its
//! own stream.

mod session;
mod stream;

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use h3wire::{FieldRef, Role};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ServerConfig, TransportConfig, VarInt};
use sansocket::handshake::{ClientRequest, ConnectHandshake, ConnectRequest, PseudoHeaders};
use sansocket::{Config, OsRandom};
use tokio::time::timeout;

pub use session::Session;
pub use stream::Stream;

use crate::{CONNECTION_WINDOW, MAX_STREAMS, Reset, STREAM_WINDOW, WebSocket};

/// Serves one connection: calls `serve` with each WebSocket, in a task of its own.
///
/// # Errors
/// What ended the connection, unless its peer has closed it.
pub async fn serve<F>(
    quic: Connection,
    config: Config,
    serve: impl Fn(WebSocket<Stream>) -> F + Clone + Send + 'static,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let session = Session::begin(quic.clone(), Role::Server).await?;
    loop {
        let (send, recv) = match quic.accept_bi().await {
            Ok(stream) => stream,
            Err(quinn::ConnectionError::ApplicationClosed(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (stream, serve) = (Stream::new(Arc::clone(&session), send, recv), serve.clone());
        tokio::spawn(async move {
            if let Ok(Ok(ws)) = timeout(OPENING_WITHIN, answer(stream, config)).await {
                serve(ws).await;
            }
        });
    }
}

/// Answers one request: with a WebSocket, or with the refusal.
async fn answer(mut stream: Stream, config: Config) -> Result<WebSocket<Stream>, Reset> {
    let answer = stream
        .recv_headers(|block| {
            let pseudo = block.pseudo();
            let [method, protocol, scheme, authority, path] =
                [pseudo.method, pseudo.protocol, pseudo.scheme, pseudo.authority, pseudo.path].map(text);
            let pseudo = PseudoHeaders {
                method: method.as_deref(),
                protocol: protocol.as_deref(),
                scheme: scheme.as_deref(),
                authority: authority.as_deref(),
                path: path.as_deref(),
            };
            ConnectRequest::from_parts(pseudo, block.iter().map(|field| (field.name, field.value)), config)
        })
        .await?;
    match answer {
        Ok(request) => {
            let (accepted, connection) = request.accept_parts();
            let status = accepted.status().to_string();
            stream.send_headers(&[(":status", &status)], accepted.headers(), false).await?;
            Ok(WebSocket::new(connection, stream))
        }
        Err(refusal) => {
            let status = refusal.status().to_string();
            // Without the body, and so without its length.
            let headers = refusal.headers().filter(|(name, _)| !is_of_http1(name));
            stream.send_headers(&[(":status", &status)], headers, true).await?;
            stream.sent().await;
            Err(Reset)
        }
    }
}

/// Bytes that are not UTF-8 become a character that the checks refuse.
fn text(value: Option<&[u8]>) -> Option<Cow<'_, str>> {
    value.map(String::from_utf8_lossy)
}

/// RFC 9114 §4.2: "An endpoint MUST NOT generate an HTTP/3 field section containing connection-specific fields".
fn is_of_http1(name: &str) -> bool {
    ["connection", "upgrade", "content-length"].iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// A client's connection, for any number of WebSockets.
pub struct Client {
    quic: Connection,
    session: Arc<Session>,
    config: Config,
}

impl Client {
    /// Begins HTTP/3, and waits for the server to announce extended CONNECT.
    ///
    /// # Errors
    /// What ended the connection, or that the server does not support extended CONNECT.
    pub async fn new(quic: Connection, config: Config) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let session = Session::begin(quic.clone(), Role::Client).await?;
        if !timeout(OPENING_WITHIN, session.supports_connect()).await? {
            return Err("the server does not support extended CONNECT".into());
        }
        Ok(Self { quic, session, config })
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
        let (send, recv) = self.quic.open_bi().await?;
        let mut stream = Stream::new(Arc::clone(&self.session), send, recv);
        let pseudo = handshake.pseudo_headers();
        let first = [
            (":method", pseudo.method),
            (":protocol", pseudo.protocol),
            (":scheme", pseudo.scheme),
            (":authority", pseudo.authority),
            (":path", pseudo.path),
        ];
        let first = first.map(|(name, value)| (name, value.unwrap_or_default()));
        let gone = |Reset| "the stream was reset";
        stream.send_headers(&first, handshake.headers(), false).await.map_err(gone)?;
        let connection = stream
            .recv_headers(|block| {
                let status = block.pseudo().status.unwrap_or(0);
                let headers = block.iter().map(|field| (field.name, field.value));
                handshake.recv_parts(status, headers).map_err(|error| format!("status {status}: {error}"))
            })
            .await
            .map_err(gone)??
            .0;
        Ok(WebSocket::new(connection, stream))
    }

    /// Closes the connection and all its WebSockets. Without this call it lasts until QUIC's idle timeout.
    pub fn close(self) {
        self.quic.close(VarInt::from_u32(NO_ERROR), b"");
    }
}

impl Stream {
    async fn send_headers(
        &mut self,
        pseudo: &[(&str, &str)],
        headers: impl Iterator<Item = (&str, &[u8])>,
        end: bool,
    ) -> Result<(), Reset> {
        // RFC 9114 §4.2: "Characters in field names MUST be converted to lowercase".
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let pseudo = pseudo.iter().map(|(name, value)| FieldRef::new(name.as_bytes(), value.as_bytes()));
        let headers = headers.iter().map(|(name, value)| FieldRef::new(name.as_bytes(), value));
        self.send_fields(&pseudo.chain(headers).collect::<Vec<_>>(), end).await
    }
}

/// A server's configuration of QUIC.
///
/// # Errors
/// If TLS lacks what QUIC needs.
pub fn server_config(tls: rustls::ServerConfig) -> Result<ServerConfig, Box<dyn Error + Send + Sync>> {
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport_config()));
    Ok(config)
}

/// A client's configuration of QUIC.
///
/// # Errors
/// If TLS lacks what QUIC needs.
pub fn client_config(tls: rustls::ClientConfig) -> Result<ClientConfig, Box<dyn Error + Send + Sync>> {
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport_config()));
    Ok(config)
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(MAX_STREAMS))
        // One for control, two for QPACK, and some for extensions, which are refused.
        .max_concurrent_uni_streams(VarInt::from_u32(8))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW));
    config
}

/// H3_NO_ERROR (RFC 9114 §8.1).
const NO_ERROR: u32 = 0x100;
/// Time for a peer to send its SETTINGS, or a request.
const OPENING_WITHIN: Duration = Duration::from_secs(10);
