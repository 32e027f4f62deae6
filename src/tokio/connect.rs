//! Connecting by URL: [`connect`] and [`connect_with`].

use core::future::{Future, poll_fn};
use core::time::Duration;
use std::boxed::Box;
use std::format;
use std::io::{self, ErrorKind};
use std::string::ToString;
use std::vec::Vec;

use ::tokio::net::{TcpStream, lookup_host};
use ::tokio::time::{Instant, timeout, timeout_at};

use super::{ClientStream, ConnectOptions, Error, Timer, WebSocket};
use crate::adapter::{connecting, during};
use crate::aio::{self, Driver, Timer as _};
use crate::connection::Config;
use crate::endpoint::{Client, Step};
use crate::handshake::{ClientRequest, Established};
use crate::random::OsRandom;

/// Connects to a `ws://` URL, and with the feature `tokio-rustls` to a `wss://` URL, with the default
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

/// Connects with subprotocols, headers and limits of your own, through a proxy, or wherever redirects lead; see
/// [`ConnectOptions`]. Returns what the server said as well.
///
/// [`Config::handshake_timeout`] bounds it all: the name, every address, the proxy, TLS, the handshake,
/// redirects. Dropping the future drops the connection.
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
    // Boxed, so that the caller's task is not as large as its handshakes.
    Box::pin(open(request.try_into()?, options.into())).await
}

async fn open(
    request: ClientRequest,
    options: ConnectOptions,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let timer = Timer::new(Duration::ZERO);
    let mut client = Client::new(request, options.clone(), OsRandom);
    client.handle_timeout(Duration::ZERO);
    let deadline = client.next_timeout().and_then(|due| timer.instant(due));
    loop {
        let Step::Dial { host, port } = client.step() else { return Err(ErrorKind::NotConnected.into()) };
        let to = format!("{host}:{port}");
        let stream = dial(host, port, deadline).await?;
        client.connected();
        let mut driver = Driver::new(stream.into(), client, timer.another());
        loop {
            let opened = poll_fn(|cx| aio::poll_opened(&mut driver, cx)).await;
            if let Some(established) = opened.map_err(|error| explained(error, &to))? {
                return Ok((aio::open(driver)?.into(), *established));
            }
            match driver.link.endpoint.step() {
                Step::StartTls { name } => {
                    let stream = driver.link.stream.start_tls(name, &options);
                    let step = format!("TLS handshake with {to}");
                    driver.link.stream = in_time(deadline, &step, stream).await.map_err(speaks_no_tls)?;
                    driver.link.endpoint.secured();
                }
                Step::Dial { .. } | Step::Run => break,
            }
        }
        client = driver.link.endpoint;
    }
}

fn explained(error: Error, to: &str) -> Error {
    match error {
        Error::Io(error) => Error::Io(during(format!("opening handshake with {to}"), error)),
        error => error,
    }
}

/// The same error with a hint: of what is no TLS at all rustls says "received corrupt message".
fn speaks_no_tls(error: io::Error) -> io::Error {
    if error.to_string().contains("corrupt message") {
        during("no TLS (ws:// instead of wss://?)", error)
    } else {
        error
    }
}

/// Connects to the first address of the host that answers; each has its share of the time.
async fn dial(host: &str, port: u16, deadline: Option<Instant>) -> io::Result<TcpStream> {
    let step = format!("looking up {host}");
    let addresses: Vec<_> = in_time(deadline, &step, lookup_host((host, port))).await?.collect();
    let mut last = during(step, io::Error::new(ErrorKind::NotFound, "it has no address"));
    for (address, others) in addresses.iter().zip((0..addresses.len()).rev()) {
        let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        let share = left / u32::try_from(others + 1).unwrap_or(u32::MAX);
        let error = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // What is written is whole messages: waiting to fill packets only costs time.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => error,
            Err(late) => late.into(),
        };
        last = connecting(host, *address, error);
    }
    Err(last)
}

/// One step, within the time that there is for all of them.
async fn in_time<O>(
    deadline: Option<Instant>,
    step: &str,
    future: impl Future<Output = io::Result<O>>,
) -> io::Result<O> {
    let result = match deadline {
        Some(deadline) => timeout_at(deadline, future).await.unwrap_or_else(|late| Err(late.into())),
        None => future.await,
    };
    result.map_err(|error| during(step, error))
}
