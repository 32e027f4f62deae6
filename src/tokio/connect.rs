//! Connecting by URL: [`connect`] and [`connect_with`].

use core::future::{Future, poll_fn};
use core::time::Duration;
use std::boxed::Box;
use std::io;

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
    check_tls(&request, cfg!(feature = "tokio-tls"), TLS_FEATURES)?;
    // Boxed, so that the caller's task is not as large as its handshakes.
    Box::pin(open(request, options.into())).await
}

async fn open(
    request: ClientRequest,
    options: ConnectOptions,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let timer = Timer::new(Duration::ZERO);
    let mut client = Client::new(request, options.clone(), OsRandom);
    client.handle_timeout(Duration::ZERO);
    let due = client.next_timeout();
    loop {
        let Step::Dial { host, port } = client.step() else { return Err(no_way(&mut client)) };
        let stream = dial(host, port, &timer, due).await?;
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
