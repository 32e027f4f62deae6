//! Connecting by URL: [`connect`] and [`connect_with`].

use core::future::{Future, poll_fn};
use core::time::Duration;
use std::boxed::Box;
use std::io;
use std::string::String;

use ::tokio::net::TcpStream;
use ::tokio::time::timeout_at;

use super::dial::dial;
use super::{ClientStream, ConnectOptions, Error, Timer, WebSocket};
use crate::adapter::{check_tls, during_handshake, no_way};
use crate::aio::{self, Driver, Timer as _};
use crate::connection::Config;
use crate::endpoint::{Client, Step};
use crate::handshake::{ClientRequest, Established};
use crate::random::OsRandom;

/// The features that add TLS.
pub(super) const TLS_FEATURES: &str = "`tokio-rustls` (or `tokio-tls`, with your own configuration)";

/// Connects to a `ws://` URL, and with the feature `tokio-rustls` or `tokio-tls` to a `wss://` URL, with the default
/// configuration.
///
/// Dropping the future drops the connection.
///
/// # Errors
/// See [`Error`].
#[doc(alias = "connect_async")]
pub async fn connect<R>(request: R) -> Result<WebSocket<ClientStream>, Error>
where
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    let (ws, _) = connect_with(request, Config::default()).await?;
    Ok(ws)
}

/// Connects with custom subprotocols, headers and limits, through a proxy, or along redirects; see
/// [`ConnectOptions`]. Also returns the server's response.
///
/// [`Config::handshake_timeout`] covers everything: name resolution, all connection attempts, the proxy, TLS,
/// the handshake and redirects. Dropping the future drops the connection.
///
/// # Errors
/// See [`Error`].
#[doc(alias = "connect_async_with_config")]
pub async fn connect_with<R>(
    request: R,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<ClientStream>, Established), Error>
where
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    let request = request.try_into()?;
    // Boxed, so that the caller's task is not as large as its handshakes.
    let dial = async |host: String, port, timer, due| dial(&host, port, &timer, due).await;
    Box::pin(open(request, options.into(), dial)).await
}

/// Like [`connect_with`], over streams that `dial` connects to a host and port: from a local address of your choice, to an
/// address that you know, or with options that must be set before.
///
/// The host is that of the URL, of the proxy, or of a followed redirect, an IPv6 address without brackets. TCP_NODELAY is set on
/// the stream. [`Config::handshake_timeout`] covers `dial`, too.
///
/// ```no_run
/// # async fn run() -> Result<(), sansocket::tokio::Error> {
/// use sansocket::{Config, tokio::connect_over};
/// use tokio::net::TcpStream;
/// // The certificate must still match the host of the URL.
/// let dial = async |_: String, port| TcpStream::connect(("192.0.2.7", port)).await;
/// let (ws, _) = connect_over("wss://example.com/feed", Config::default(), dial).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// See [`Error`]; those of `dial` are [`Error::Io`].
pub async fn connect_over<R, F>(
    request: R,
    options: impl Into<ConnectOptions>,
    mut dial: impl FnMut(String, u16) -> F,
) -> Result<(WebSocket<ClientStream>, Established), Error>
where
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
    F: Future<Output = io::Result<TcpStream>>,
{
    let request = request.try_into()?;
    let dial = |host, port, timer, due| {
        let dialling = dial(host, port);
        async move { in_time(&timer, due, dialling).await }
    };
    Box::pin(open(request, options.into(), dial)).await
}

/// `dial` owns what it takes: the future of one that borrows is not `Send` for all lifetimes.
async fn open<F: Future<Output = io::Result<TcpStream>>>(
    request: ClientRequest,
    options: ConnectOptions,
    mut dial: impl FnMut(String, u16, Timer, Option<Duration>) -> F,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    check_tls(&request, cfg!(feature = "tokio-tls"), TLS_FEATURES)?;
    let timer = Timer::new(Duration::ZERO);
    let mut client = Client::new(request, options.clone(), OsRandom);
    client.handle_timeout(Duration::ZERO);
    let due = client.next_timeout();
    loop {
        let Step::Dial { host, port } = client.step() else { return Err(no_way(&mut client)) };
        let stream = dial(host.into(), port, timer.another(), due).await?;
        // Each write contains complete messages: waiting to fill packets would only cost time.
        // A stream whose peer is gone already says so when it is used.
        let _ = stream.set_nodelay(true);
        client.connected();
        let mut driver = Driver::new(stream.into(), client, timer.another());
        loop {
            let mut peer = driver.link.endpoint.peer();
            let opened = poll_fn(|cx| aio::poll_opened(&mut driver, cx, |client| peer = client.peer())).await;
            let opened = opened.map_err(|error| during_handshake(error, "opening", &peer))?;
            if let Some(established) = opened {
                return Ok((driver.open(Client::into_connection)?.into(), *established));
            }
            let peer = driver.link.endpoint.peer();
            match driver.link.endpoint.step() {
                Step::StartTls { name } => {
                    let stream = driver.link.stream.start_tls(name, &options);
                    let stream = in_time(&timer, due, stream).await;
                    driver.link.stream =
                        stream.map_err(|error| during_handshake(error.into(), "TLS", &peer))?;
                    driver.link.endpoint.secured();
                }
                Step::Dial { .. } | Step::Run => break,
            }
        }
        client = driver.link.endpoint;
    }
}

/// One step, within the time that there is for all of them.
pub(super) async fn in_time<O>(
    timer: &Timer,
    due: Option<Duration>,
    step: impl Future<Output = io::Result<O>>,
) -> io::Result<O> {
    match due.and_then(|due| timer.instant(due)) {
        Some(deadline) => timeout_at(deadline, step).await.unwrap_or_else(|late| Err(late.into())),
        None => step.await,
    }
}
