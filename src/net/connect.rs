//! A client's connection to its server: [`connect`] by URL, and [`Connecting`] over an existing stream.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
#[cfg(feature = "tls")]
use std::string::String;

use super::accept::{Step, finish, opened};
use super::dial::dial;
use super::driver::{Call, Driver};
#[cfg(feature = "tls")]
use super::pipe::Pipe;
use super::time::{Clock, is_later};
use super::{ClientStream, Transport, WebSocket, wait_methods};
#[cfg(not(feature = "tls"))]
use crate::adapter::no_tls;
use crate::adapter::{Error, check_tls, during_handshake, no_way, not_opened};
use crate::connection::Config;
use crate::endpoint::{self, Client, ClientEvent, ConnectOptions};
use crate::handshake::{ClientRequest, Established};
use crate::random::OsRandom;

/// The features that add TLS.
const TLS_FEATURES: &str = "`rustls` (or `tls`, with your own configuration)";

/// Connects to a `ws://` URL or, with the feature `rustls` or `tls`, a `wss://` URL, with the default
/// configuration.
///
/// ```no_run
/// use sansocket::{Event, net};
/// let mut ws = net::connect("ws://127.0.0.1:9001/")?;
/// ws.send_text("Hello")?;
/// while let Some(event) = ws.recv()? {
///     if let Event::Message(message) = event {
///         println!("{}", message.as_text().unwrap_or("(binary)"));
///         ws.close(sansocket::CloseCode::NORMAL, "")?;
///     }
/// }
/// # Ok::<(), net::Error>(())
/// ```
///
/// # Errors
/// See [`Error`].
pub fn connect<R>(request: R) -> Result<WebSocket<ClientStream>, Error>
where
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    let (ws, _) = connect_with(request, Config::default())?;
    Ok(ws)
}

/// Connects with custom subprotocols, headers and limits, through a proxy, or along redirects; see
/// [`ConnectOptions`]. Also returns the server's response.
///
/// [`Config::handshake_timeout`] covers everything: all connection attempts, the proxy, TLS, the handshake
/// and redirects. The exception is name resolution, which the operating system limits.
///
/// The addresses of the host are tried in parallel, as [`Addresses`](crate::Addresses) describes. Unless there
/// is only one, each attempt runs in a thread, which ends at that deadline at the latest.
///
/// # Errors
/// See [`Error`].
pub fn connect_with<R>(
    request: R,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<ClientStream>, Established), Error>
where
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    open(request.try_into()?, options.into(), dial)
}

/// Like [`connect_with`], over streams that `dial` connects to a host and port: from a local address of your choice, to an
/// address that you know, or with options that must be set before.
///
/// The host is that of the URL, of the proxy, or of a followed redirect, an IPv6 address without brackets. The stream must block;
/// TCP_NODELAY is set on it. [`Config::handshake_timeout`] includes the time that `dial` takes, but cannot interrupt it.
///
/// ```no_run
/// use sansocket::{Config, net};
/// use std::net::TcpStream;
/// // The certificate must still match the host of the URL.
/// let dial = |_: &str, port| TcpStream::connect(("192.0.2.7", port));
/// let (ws, _) = net::connect_over("wss://example.com/feed", Config::default(), dial)?;
/// # Ok::<(), net::Error>(())
/// ```
///
/// # Errors
/// See [`Error`]; those of `dial` are [`Error::Io`].
pub fn connect_over<R>(
    request: R,
    options: impl Into<ConnectOptions>,
    mut dial: impl FnMut(&str, u16) -> io::Result<TcpStream>,
) -> Result<(WebSocket<ClientStream>, Established), Error>
where
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    open(request.try_into()?, options.into(), |host, port, _, _| dial(host, port))
}

fn open(
    request: ClientRequest,
    options: ConnectOptions,
    mut dial: impl FnMut(&str, u16, Clock, Option<Duration>) -> io::Result<TcpStream>,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    check_tls(&request, cfg!(feature = "tls"), TLS_FEATURES)?;
    #[cfg(feature = "tls")]
    let tls = options.tls.clone();
    let clock = Clock::from(Duration::ZERO);
    let mut client = Client::new(request, options, OsRandom);
    client.handle_timeout(clock.now());
    loop {
        let endpoint::Step::Dial { host, port } = client.step() else { return Err(no_way(&mut client)) };
        let stream = dial(host, port, clock, client.next_timeout())?;
        // Each write contains complete messages: waiting to fill packets would only cost time.
        // A stream whose peer is gone already says so when it is used.
        let _ = stream.set_nodelay(true);
        client.connected();
        let mut driver = Driver::new(ClientStream::from(stream), client, clock);
        loop {
            let mut peer = driver.endpoint.peer();
            match driver.endpoint.step() {
                endpoint::Step::Dial { .. } => break,
                #[cfg(not(feature = "tls"))]
                endpoint::Step::StartTls { .. } => return Err(no_tls(TLS_FEATURES).into()),
                #[cfg(feature = "tls")]
                endpoint::Step::StartTls { name } => {
                    let name = String::from(name);
                    let Driver { pipe, mut endpoint, buffer, .. } = driver;
                    endpoint.secured();
                    let stream = pipe.stream.into_tls(tls.as_ref(), &name);
                    let stream = stream.map_err(|error| during_handshake(error.into(), "TLS", &peer))?;
                    // A new pipe: nobody has told this stream a timeout.
                    let pipe = Pipe::new(stream, clock);
                    driver = Driver::over(pipe, endpoint, buffer);
                }
                endpoint::Step::Run => match run(&mut driver, |client| peer = client.peer()) {
                    Ok(Some(established)) => {
                        let ws = WebSocket::over(opened(driver, Client::into_connection)?);
                        return Ok((ws, established));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        let kind = if driver.pipe.stream.is_tls_handshaking() { "TLS" } else { "opening" };
                        return Err(during_handshake(error, kind, &peer));
                    }
                },
            }
        }
        client = driver.endpoint;
    }
}

/// Opens a connection as a client over an existing stream, which already includes TLS if the URL requires it.
/// The proxy and the redirects in `options` are ignored.
///
/// # Errors
/// See [`Error`].
pub fn client<S, R>(
    stream: S,
    request: R,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<S>, Established), Error>
where
    S: Transport,
    R: TryInto<ClientRequest>,
    Error: From<R::Error>,
{
    finish(Connecting::new(stream, request.try_into()?, options), Connecting::advance)
}

/// A client's opening handshake over a stream; see [`client`].
#[derive(Debug)]
pub struct Connecting<S> {
    driver: Driver<S, Client>,
}

impl<S: Transport> Connecting<S> {
    /// Creates a handshake that sends `request` over `stream`, and waits for the response, for at most
    /// [`Config::handshake_timeout`] from now on.
    pub fn new(stream: S, request: ClientRequest, options: impl Into<ConnectOptions>) -> Self {
        let mut client = Client::new(request, options.into().direct(), OsRandom);
        client.connected();
        client.secured();
        Self { driver: Driver::new(stream, client, Clock::from(Duration::ZERO)) }
    }

    /// Writes and reads until the response is complete or the stream would block.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn advance(mut self) -> Result<Step<(WebSocket<S>, Established), Self>, Error> {
        loop {
            match run(&mut self.driver, |_| {}) {
                Ok(Some(established)) => {
                    let ws = WebSocket::over(opened(self.driver, Client::into_connection)?);
                    return Ok(Step::Done((ws, established)));
                }
                Ok(None) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Step::Blocked(self));
                }
                Err(error) => return Err(error),
            }
        }
    }

    wait_methods!();
}

/// Drives a client until its connection is open, or until another [step](Client::step) is required: `None`. Before each
/// wait, `look` is called.
fn run<S: Transport>(
    driver: &mut Driver<S, Client>,
    mut look: impl FnMut(&Client),
) -> Result<Option<Established>, Error> {
    let mut broken = None;
    loop {
        let event = driver.next(|event, _| match event {
            ClientEvent::Opened(established) => Ok(Some(*established)),
            event => not_opened(event, broken.take()).map_or(Ok(None), Err),
        });
        match event {
            Some(event) => return event,
            None if driver.endpoint.step() != endpoint::Step::Run => return Ok(None),
            None => {}
        }
        look(&driver.endpoint);
        match driver.wait(&mut Call::default()) {
            Ok(true) => {}
            Ok(false) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if is_later(&error) => return Err(ErrorKind::WouldBlock.into()),
            // Bytes that arrived before may contain a more useful error.
            Err(error) => broken = Some(error),
        }
    }
}
