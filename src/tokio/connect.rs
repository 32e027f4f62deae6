//! Connecting by URL: [`connect`] and its variants.

use core::ops::ControlFlow;
use std::boxed::Box;
use std::format;
use std::io::{self, ErrorKind};
#[cfg(feature = "tokio-rustls")]
use std::sync::Arc;
use std::vec::Vec;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpStream, lookup_host};
use ::tokio::time::{Instant, timeout};

use super::handshake::{after, client, in_time};
use super::{ClientStream, WebSocket};
use crate::adapter::{Error, tunnelled};
use crate::connection::Config;
use crate::endpoint::ConnectOptions;
use crate::handshake::{ClientRequest, Established, ProxyHandshake};
use crate::input::Input;
#[cfg(feature = "tokio-rustls")]
use crate::tls;

/// Connects to a `ws://` URL, and with the feature `tokio-rustls` to a `wss://` URL, with the default
/// configuration.
///
/// Dropping the future drops the connection.
///
/// # Errors
/// See [`Error`].
pub async fn connect(url: &str) -> Result<WebSocket<ClientStream>, Error> {
    let (ws, _) = connect_with(ClientRequest::new(url)?, Config::default()).await?;
    Ok(ws)
}

/// Connects with subprotocols, headers and limits of your own, through a proxy, or wherever redirects lead; see
/// [`ConnectOptions`]. Returns what the server said as well.
///
/// [`Config::handshake_timeout`] bounds it all: the name, every address, the proxy, TLS, the handshake,
/// redirects. Dropping the future drops the connection.
///
/// # Errors
/// See [`Error`].
pub async fn connect_with(
    mut request: ClientRequest,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let mut options = options.into();
    let deadline = after(options.config.handshake_timeout);
    in_time(deadline, async {
        loop {
            match open(&request, &options, deadline).await {
                Err(error) => request = options.redirected(&request, error)?,
                connected => return connected,
            }
        }
    })
    .await
}

/// Like [`connect_with`], with a TLS configuration of your own: other certificate authorities, a client
/// certificate. A `ws://` URL is connected to without TLS.
///
/// # Errors
/// See [`Error`].
#[cfg(feature = "tokio-rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-rustls")))]
pub async fn connect_tls(
    request: ClientRequest,
    options: impl Into<ConnectOptions>,
    tls: Arc<::rustls::ClientConfig>,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    connect_with(request, options.into().tls(tls)).await
}

/// Connects to where one request leads.
async fn open(
    request: &ClientRequest,
    options: &ConnectOptions,
    deadline: Instant,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let url = request.url();
    #[cfg(not(feature = "tokio-rustls"))]
    if url.is_secure() {
        return Err(io::Error::new(ErrorKind::Unsupported, "wss:// needs the feature `tokio-rustls`").into());
    }
    let tcp = match &options.proxy {
        None => tcp(url.host(), url.port(), deadline).await?,
        Some(proxy) => {
            let mut tcp = tcp(proxy.host(), proxy.port(), deadline).await?;
            tunnel(&mut tcp, ProxyHandshake::new(proxy, url, options.config)).await?;
            tcp
        }
    };
    #[cfg(feature = "tokio-rustls")]
    if url.is_secure() {
        let connector = ::tokio_rustls::TlsConnector::from(tls::config(options.tls.as_ref())?);
        let stream = connector.connect(tls::server_name(url.host())?, tcp).await?;
        return client(stream.into(), request.clone(), options.config).await;
    }
    client(tcp.into(), request.clone(), options.config).await
}

/// Connects to the first address of the host that answers; each has its share of the time.
async fn tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    let addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    for (address, others) in addresses.iter().zip((0..addresses.len()).rev()) {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(others + 1).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // What is written is whole messages: waiting to fill packets only costs time.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(late) => last = late.into(),
        }
    }
    Err(last)
}

/// Asks a proxy for a tunnel.
async fn tunnel(tcp: &mut TcpStream, mut handshake: ProxyHandshake) -> Result<(), Error> {
    let mut buf = [0; 1024];
    tcp.write_all(handshake.output()).await?;
    handshake.output_written(usize::MAX);
    loop {
        let n = tcp.read(&mut buf).await?;
        if n == 0 {
            return Err(Error::Proxy(Box::new(handshake.recv_eof()?)));
        }
        let mut input = Input::new(&mut buf[..n]);
        match tunnelled(handshake, &mut input)? {
            ControlFlow::Continue(more) => handshake = more,
            ControlFlow::Break(()) => return Ok(()),
        }
    }
}
