//! What the adapters have in common, whatever their streams are.

use core::fmt;
use core::ops::ControlFlow;
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::connection::{Config, Connection, Event, Message, Notice, Receiver, Sender, State};
use crate::error::SendError;
use crate::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, Established, HandshakeError, Proxy, ProxyHandshake,
    ProxyProgress, RedirectError, Redirects, RefusedResponse, UrlError,
};
use crate::input::Input;

/// The ways to send that a WebSocket and its writing half share, in each adapter, with or without `async`. Both
/// have `send` and `queue`.
macro_rules! send_methods {
    ($($async:ident $dot:tt $await:ident)?) => {
        /// Sends a text message; see [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_text(&mut self, text: &str) -> io::Result<()> {
            self.send(&Message::from(text)) $($dot $await)?
        }

        /// Sends a binary message; see [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_binary(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.send(&Message::from(bytes)) $($dot $await)?
        }

        /// Sends a message that was encoded before; see [`Connection::send_encoded`]. Otherwise like
        /// [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_encoded(&mut self, message: &EncodedMessage) -> io::Result<()> {
            self.queue(|sender| sender.send_encoded(message)) $($dot $await)?
        }

        /// Sends a fragment of a message; see [`Connection::send_fragment`]. Otherwise like
        /// [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn send_fragment(&mut self, fragment: &Message<'_>, last: bool) -> io::Result<()> {
            self.queue(|sender| sender.send_fragment(fragment, last)) $($dot $await)?
        }

        /// Sends a Ping; see [`Connection::ping`]. Otherwise like [`send`](Self::send).
        ///
        /// # Errors
        /// See [`send`](Self::send).
        pub $($async)? fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
            self.queue(|sender| sender.ping(payload)) $($dot $await)?
        }
    };
}
pub(crate) use send_methods;

/// What one read brought; see `WebSocket::read`. What is sent is written by the next call of the WebSocket.
///
/// Receive until `None`: that the connection was lost is said once, and not again if this is dropped before.
#[derive(Debug)]
pub struct Batch<'b> {
    connection: &'b mut Connection,
    input: Input<'b>,
    start: &'b mut usize,
    end: usize,
    /// What happened instead of bytes.
    event: Option<Event<'static>>,
}

impl<'b> Batch<'b> {
    /// `start` is where `input` begins in its buffer, and is kept so.
    pub(crate) fn new(
        connection: &'b mut Connection,
        input: Input<'b>,
        start: &'b mut usize,
        event: Option<Event<'static>>,
    ) -> Self {
        let end = *start + input.len();
        Self { connection, input, start, end, event }
    }

    /// The next event, borrowing from the read buffer; `None`: that was all.
    #[inline]
    pub fn recv(&mut self) -> Option<Event<'b>> {
        let event = self.connection.recv(&mut self.input);
        *self.start = self.end - self.input.len();
        event.or_else(|| self.event.take())
    }

    /// The next event, with data piece by piece; see [`Connection::recv_chunk`].
    #[inline]
    pub fn recv_chunk(&mut self) -> Option<Event<'b>> {
        let event = self.connection.recv_chunk(&mut self.input);
        *self.start = self.end - self.input.len();
        event.or_else(|| self.event.take())
    }

    /// Queues a message; the next call of the WebSocket writes it.
    ///
    /// # Errors
    /// See [`Connection::send`].
    #[inline]
    pub fn feed(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        self.connection.send(message)
    }

    /// The connection, for everything else.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
    }
}

/// How `connect_with` gets to the server; a [`Config`] alone is one: straight, without following redirects.
///
/// ```
/// # fn main() -> Result<(), sansocket::handshake::UrlError> {
#[cfg_attr(feature = "net", doc = "use sansocket::net::ConnectOptions;")]
#[cfg_attr(not(feature = "net"), doc = "use sansocket::tokio::ConnectOptions;")]
/// use sansocket::{Config, handshake::{Proxy, Redirects}};
/// let options = ConnectOptions::from(Config::default().max_message(1 << 20))
///     .redirects(Redirects::new(5))
///     .proxy(Proxy::parse("http://proxy.example.com:3128")?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    pub(crate) config: Config,
    redirects: Option<Redirects>,
    pub(crate) proxy: Option<Proxy>,
    #[cfg(all(feature = "rustls", any(feature = "net", feature = "tokio-rustls")))]
    pub(crate) tls: Option<Arc<::rustls::ClientConfig>>,
}

impl ConnectOptions {
    /// Follows redirects.
    #[must_use]
    pub fn redirects(self, redirects: Redirects) -> Self {
        Self { redirects: Some(redirects), ..self }
    }

    /// Goes through a proxy, and so do the redirects that are followed.
    #[must_use]
    pub fn proxy(self, proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    /// What `wss://` trusts: other certificate authorities than Mozilla's, a client certificate.
    #[cfg(all(feature = "rustls", any(feature = "net", feature = "tokio-rustls")))]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    #[must_use]
    pub fn tls(self, tls: Arc<::rustls::ClientConfig>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The request to try after `request` came to `error`.
    pub(crate) fn redirected(
        &mut self,
        request: &ClientRequest,
        error: Error,
    ) -> Result<ClientRequest, Error> {
        if let (Error::Refused(refused), Some(redirects)) = (&error, &mut self.redirects)
            && let Some(next) = redirects.follow(request, refused)?
        {
            return Ok(next);
        }
        Err(error)
    }
}

impl From<Config> for ConnectOptions {
    fn from(config: Config) -> Self {
        Self { config, ..Self::default() }
    }
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed, or the handshake took too long (`TimedOut`); a client that was too slow in the middle
    /// of its request was told so, and that is [`HandshakeError::TimedOut`].
    Io(io::Error),
    /// The URL is no WebSocket URL.
    Url(UrlError),
    /// The peer broke a rule of the handshake. A client was told so.
    Handshake(HandshakeError),
    /// The server answered something else than 101: a redirect, a request for credentials, an error.
    Refused(Box<RefusedResponse>),
    /// A redirect that is not to be followed.
    Redirect(RedirectError),
    /// The proxy opened no tunnel to the server.
    Proxy(Box<RefusedResponse>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Url(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Refused(response) | Self::Proxy(response) => {
                let who = if matches!(self, Self::Proxy(_)) { "proxy" } else { "server" };
                let reason = alloc::string::String::from_utf8_lossy(response.reason());
                write!(f, "the {who} refused the connection: {} {reason}", response.status())
            }
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Url(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Redirect(error) => Some(error),
            Self::Refused(_) | Self::Proxy(_) => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<RedirectError> for Error {
    fn from(error: RedirectError) -> Self {
        Self::Redirect(error)
    }
}

/// Gives a client's handshake what was read: the connection, or the handshake to go on with.
pub(crate) fn opened(
    handshake: ClientHandshake,
    input: &mut Input<'_>,
) -> Result<ControlFlow<(Connection, Established), ClientHandshake>, Error> {
    match handshake.recv(input) {
        ClientProgress::Incomplete(handshake) => Ok(ControlFlow::Continue(handshake)),
        ClientProgress::Connected(connection, established) => {
            Ok(ControlFlow::Break((connection, established)))
        }
        ClientProgress::Refused(refused) => Err(Error::Refused(Box::new(refused))),
        ClientProgress::Failed(error) => Err(error.into()),
    }
}

/// Gives a proxy's handshake what was read: the tunnel is open, or the handshake to go on with.
pub(crate) fn tunnelled(
    handshake: ProxyHandshake,
    input: &mut Input<'_>,
) -> Result<ControlFlow<(), ProxyHandshake>, Error> {
    match handshake.recv(input) {
        ProxyProgress::Incomplete(handshake) => Ok(ControlFlow::Continue(handshake)),
        ProxyProgress::Open if input.is_empty() => Ok(ControlFlow::Break(())),
        // In TLS and in a WebSocket the client speaks first: what is there is not the server's.
        ProxyProgress::Open => {
            Err(io::Error::new(ErrorKind::InvalidData, "the proxy sent more than its answer").into())
        }
        ProxyProgress::Refused(refused) => Err(Error::Proxy(Box::new(refused))),
        ProxyProgress::Failed(error) => Err(error.into()),
    }
}

/// Ends the transport, and what that means.
pub(crate) fn eof(connection: &mut Connection) -> Option<Event<'static>> {
    connection.recv_eof();
    connection.recv(&mut Input::new(&mut [])).map(Event::into_owned)
}

/// The same for a receiver alone.
pub(crate) fn receiver_eof(receiver: &mut Receiver) -> Option<Event<'static>> {
    receiver.recv_eof();
    receiver.recv(&mut Input::new(&mut [])).map(Event::into_owned)
}

/// The same for a sender alone.
pub(crate) fn sender_timeout(sender: &mut Sender, now: Duration) -> Option<Event<'static>> {
    let before = sender.lost();
    sender.handle_timeout(now);
    if before.is_none() { sender.lost().map(Event::Failed) } else { None }
}

/// What an event asks of the sender.
pub(crate) fn reply(event: &Event<'_>) -> Option<Notice> {
    Notice::of(event)
}

/// Tells the time, and what that means.
pub(crate) fn timeout(connection: &mut Connection, now: Duration) -> Option<Event<'static>> {
    connection.handle_timeout(now);
    if connection.has_last_words() {
        return connection.recv(&mut Input::new(&mut [])).map(Event::into_owned);
    }
    None
}

/// The stream is broken: an error, unless everything had been said.
pub(crate) fn lost(connection: &mut Connection, error: io::Error) -> io::Result<()> {
    let state = connection.state();
    connection.recv_error();
    let _ = connection.recv(&mut Input::new(&mut []));
    unless_over(state, error)
}

/// The same for two halves.
pub(crate) fn lost_halves(receiver: &mut Receiver, sender: &mut Sender, error: io::Error) -> io::Result<()> {
    let state = sender.state();
    receiver.finish();
    sender.abort();
    unless_over(state, error)
}

fn unless_over(state: State, error: io::Error) -> io::Result<()> {
    if matches!(state, State::Open | State::CloseSent) { Err(error) } else { Ok(()) }
}

/// What two halves share, for one of them again.
pub(crate) fn reunited<T>(reader: Arc<T>, writer: Arc<T>) -> io::Result<T> {
    if !Arc::ptr_eq(&reader, &writer) {
        return Err(not_halves());
    }
    drop(writer);
    Arc::into_inner(reader).ok_or_else(not_halves)
}

pub(crate) fn not_halves() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "these are not halves of one connection")
}

/// From this size on, a server's payload is written from where it is.
pub(crate) const DIRECT_FROM: usize = 16 * 1024;

/// How long a peer that was answered in HTTP has to close.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
