//! A client's connection to its server: [`connect`] by URL, and [`Connecting`] over an existing stream.

use core::time::Duration;
use std::format;
use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::string::{String, ToString};

use super::accept::{Step, finish, opened};
use super::driver::Driver;
use super::time::{Clock, is_later};
use super::{ClientStream, Transport, WebSocket, wait_methods};
use crate::adapter::{Error, connecting, during, not_opened};
use crate::connection::Config;
use crate::endpoint::{self, Client, ClientEvent, ConnectOptions};
use crate::handshake::{ClientRequest, Established};
use crate::random::OsRandom;

/// Connects to a `ws://` URL or, with the feature `rustls`, a `wss://` URL, with the default configuration.
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
    let (request, options) = (request.try_into()?, options.into());
    #[cfg(feature = "rustls")]
    let tls = options.tls.clone();
    let clock = Clock::from(Duration::ZERO);
    let mut client = Client::new(request, options, OsRandom);
    client.handle_timeout(clock.now());
    loop {
        let (stream, to) = dial(&client, clock)?;
        client.connected();
        let mut driver = Driver::new(stream, client, clock);
        let mut answers_in_tls = false;
        loop {
            // The beginning of a TLS alert.
            answers_in_tls |= driver.buffer.unread().starts_with(&[0x15, 3]);
            match driver.endpoint.step() {
                endpoint::Step::Dial { .. } => break,
                endpoint::Step::StartTls { name } => {
                    #[cfg(not(feature = "rustls"))]
                    return Err(Error::Io(io::Error::new(
                        ErrorKind::Unsupported,
                        format!("TLS to {name} needs the feature `rustls`"),
                    )));
                    #[cfg(feature = "rustls")]
                    {
                        let name = alloc::string::String::from(name);
                        driver.pipe.stream = driver.pipe.stream.into_tls(tls.as_ref(), &name)?;
                        driver.endpoint.secured();
                    }
                }
                endpoint::Step::Run => match run(&mut driver) {
                    Ok(Some(established)) => {
                        let ws = WebSocket::over(opened(driver, Client::into_connection)?);
                        return Ok((ws, established));
                    }
                    Ok(None) => {}
                    Err(error) => return Err(explained(error, &driver.pipe.stream, &to, answers_in_tls)),
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
    /// Creates a handshake that sends `request` over `stream`, and waits for the response, at most for
    /// [`Config::handshake_timeout`] from now.
    pub fn new(stream: S, request: ClientRequest, options: impl Into<ConnectOptions>) -> Self {
        let options = ConnectOptions { proxy: None, redirects: None, ..options.into() };
        let mut client = Client::new(request, options, OsRandom);
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
            match run(&mut self.driver) {
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

/// Receives the bytes read and waits for more. `None` means that more are needed.
fn run<S: Transport>(driver: &mut Driver<S, Client>) -> Result<Option<Established>, Error> {
    let event = driver.next(|event, _| match event {
        ClientEvent::Opened(established) => Ok(Some(*established)),
        event => not_opened(event, None).map_or(Ok(None), Err),
    });
    match event {
        Some(event) => event,
        // The next step needs no wait.
        None if driver.endpoint.step() != endpoint::Step::Run => Ok(None),
        None => match driver.wait(None) {
            Ok(true) => Ok(None),
            Ok(false) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if is_later(&error) => Err(ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        },
    }
}

/// Returns the error with the step that failed, and with a hint if TLS and plain text were confused.
fn explained(error: Error, stream: &ClientStream, to: &str, answers_in_tls: bool) -> Error {
    let (step, hint) = if stream.is_tls_handshaking() {
        // For anything that is not TLS, rustls reports "received corrupt message".
        let is_plain = error.to_string().contains("corrupt message");
        ("TLS handshake", if is_plain { " (ws:// instead of wss://?)" } else { "" })
    } else {
        let hint = if answers_in_tls { " (wss:// instead of ws://?)" } else { "" };
        ("opening handshake", hint)
    };
    let step = format!("{step} with {to}{hint}");
    match error {
        Error::Io(error) => Error::Io(during(step, error)),
        Error::Handshake(error) if !hint.is_empty() => {
            Error::Io(during(step, io::Error::new(ErrorKind::InvalidData, error)))
        }
        error => error,
    }
}

/// Connects to the destination that the client requests: to the first address of the host that answers, with
/// a share of the time for each. Also returns host and port.
fn dial(client: &Client, clock: Clock) -> Result<(ClientStream, String), Error> {
    let endpoint::Step::Dial { host, port } = client.step() else {
        return Err(ErrorKind::NotConnected.into());
    };
    let addresses = (host, port).to_socket_addrs();
    let mut addresses = addresses.map_err(|error| during(format!("looking up {host}"), error))?;
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    while let Some(address) = addresses.next() {
        let due = client.next_timeout().unwrap_or(Duration::MAX);
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX - 1) + 1;
        let left = due.saturating_sub(clock.now()) / shares;
        let timed_out = || Err(ErrorKind::TimedOut.into());
        let stream = if left.is_zero() { timed_out() } else { TcpStream::connect_timeout(&address, left) };
        match stream {
            Ok(stream) => {
                // Each write contains complete messages: waiting to fill packets would only cost time.
                stream.set_nodelay(true)?;
                return Ok((stream.into(), format!("{host}:{port}")));
            }
            Err(error) => last = connecting(host, address, error),
        }
    }
    Err(last.into())
}
