//! [`Client`]: the complete life of a client's transports, from the first dial to the end.

use alloc::boxed::Box;
use core::fmt;
use core::mem;
use core::time::Duration;

use super::common_words;
use super::open_error::OpenError;
use super::options::ConnectOptions;
use crate::connection::{Connection, Event, Segment, State};
use crate::error::SendError;
use crate::frame::CloseCode;
use crate::handshake::{
    self, ClientRequest, Established, HandshakeError, Opened, Proxy, ProxyProtocol, ProxyTunnel,
    RefusedResponse, Tunnel,
};
use crate::input::Input;
use crate::random::Random;

/// The client side of a WebSocket: what to dial, the proxy tunnel, when to start TLS, the opening handshake,
/// redirects, the connection, and the end. No clock, no stream.
///
/// [`recv`](Self::recv) reports each event once. What the caller must do is state, which can be queried at
/// any time. One turn of the loop, in this order, in every phase:
///
/// 1. Call [`recv`](Self::recv) until `None`, with the bytes read, if any.
/// 2. Call [`handle_timeout`](Self::handle_timeout) with the time: what has arrived is then in time, however
///    late the turn is. A single deadline covers everything until the connection is open.
/// 3. If [`has_last_words`](Self::has_last_words), begin again: a deadline has passed.
/// 4. Do what [`step`](Self::step) returns, until that is [`Step::Run`]. [`Step::Dial`]: drop the transport,
///    if there is one, make another and call [`connected`](Self::connected). [`Step::StartTls`]: start TLS on
///    it and call [`secured`](Self::secured).
/// 5. Write the [`output`](Self::output); call [`output_written`](Self::output_written).
/// 6. If [`should_shutdown`](Self::should_shutdown), shut down the writing side, once, if there is a transport.
/// 7. If [`is_ended`](Self::is_ended), drop the transport and stop.
/// 8. If [`wants_read`](Self::wants_read), read; otherwise wait for the transport. Wait no longer than until
///    [`next_timeout`](Self::next_timeout). Call [`recv_eof`](Self::recv_eof) at the end of the stream,
///    [`recv_error`](Self::recv_error) if it fails.
///
/// ```
/// use sansocket::handshake::ClientRequest;
/// use sansocket::{Client, ClientEvent, Config, Input, Step};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a real program, use `OsRandom`.
/// let random = |bytes: &mut [u8]| bytes.fill(7);
/// let request = ClientRequest::new("ws://example.com/chat")?;
/// let mut client = Client::new(request, Config::default(), random);
/// assert_eq!(client.step(), Step::Dial { host: "example.com", port: 80 });
/// client.connected();
/// assert_eq!(client.step(), Step::Run);
/// assert!(client.output().starts_with(b"GET /chat HTTP/1.1\r\n"));
/// client.output_written(client.output().len());
/// let mut received = *b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
/// match client.recv(&mut Input::new(&mut received)) {
///     Some(ClientEvent::Refused(response)) => assert_eq!(response.status(), 403),
///     other => panic!("{other:?}"),
/// }
/// assert!(client.is_ended());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    pub(super) connection: Connection,
    /// `None` once the connection is open or has failed.
    opening: Option<Box<Opening>>,
}

struct Opening {
    phase: Phase,
    request: ClientRequest,
    options: ConnectOptions,
    /// The proxy to the server of this request.
    proxy: Option<Proxy>,
    /// When the connection must be open; `None` before the first call with the time.
    deadline: Option<Duration>,
    /// The peer's stream has ended.
    eof: bool,
}

enum Phase {
    Dial,
    /// TLS to the proxy.
    StartProxyTls,
    Proxy(ProxyTunnel),
    /// TLS to the server.
    StartTls,
    Handshake(handshake::Opening),
    /// Failed; the event is reported next.
    Over(ClientEvent<'static>),
}

/// What the caller of a [`Client`] must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Connect to this host (an IPv6 address without brackets) and port, replacing any previous transport,
    /// and call [`connected`](Client::connected).
    Dial {
        /// The name or address to connect to.
        host: &'a str,
        /// The port to connect to.
        port: u16,
    },
    /// Start TLS on the transport, with a peer of this name, and call [`secured`](Client::secured). For a
    /// `wss` server behind an `https` proxy this occurs twice: first for the proxy, then for the server,
    /// inside the existing TLS.
    StartTls {
        /// The name that the peer's certificate must match.
        name: &'a str,
    },
    /// Read and write.
    Run,
}

/// What happened on a client's transport.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent<'b> {
    /// The connection is open.
    Opened(Box<Established>),
    /// The server answered with an HTTP response that is not a followed redirect, such as an error or a
    /// request for credentials. This is the last event.
    Refused(Box<RefusedResponse>),
    /// The proxy refused the tunnel. This is the last event.
    ProxyRefused(Box<RefusedResponse>),
    /// The connection could not be opened. This is the last event.
    Failed(OpenError),
    /// An event of the connection.
    Open(Event<'b>),
}

impl Client {
    /// Creates a client that has not dialled yet. `random` supplies the nonce of the handshake and the
    /// masking keys.
    #[must_use]
    pub fn new(
        request: ClientRequest,
        options: impl Into<ConnectOptions>,
        random: impl Random + Send + Sync + 'static,
    ) -> Self {
        let options = options.into();
        let opening =
            Opening { phase: Phase::Dial, request, options, proxy: None, deadline: None, eof: false };
        let mut client = Self {
            connection: Connection::client(opening.options.config, random).opening(),
            opening: Some(Box::new(opening)),
        };
        client.choose_way();
        client
    }

    /// Makes dialling the next step: to the server of the request, or to the proxy for it.
    fn choose_way(&mut self) {
        let Some(opening) = &mut self.opening else { return };
        match opening.options.proxy.choose(opening.request.url()) {
            Ok(proxy) => (opening.phase, opening.proxy) = (Phase::Dial, proxy),
            Err(error) => self.end_with(ClientEvent::Failed(OpenError::ProxyVar(error))),
        }
    }

    /// Returns what the caller must do now. The result stays the same until it is done.
    #[must_use]
    pub fn step(&self) -> Step<'_> {
        let Some(opening) = &self.opening else { return Step::Run };
        let url = opening.request.url();
        match (&opening.phase, &opening.proxy) {
            (Phase::Dial, None) => Step::Dial { host: url.host(), port: url.port() },
            (Phase::Dial, Some(proxy)) => Step::Dial { host: proxy.host(), port: proxy.port() },
            (Phase::StartProxyTls, Some(proxy)) => Step::StartTls { name: proxy.host() },
            (Phase::StartTls, _) => Step::StartTls { name: url.host() },
            _ => Step::Run,
        }
    }

    /// Returns the peer of the current step for an error message: `host:port`, and the proxy if there is one.
    #[cfg(any(feature = "net", feature = "tokio"))]
    pub(crate) fn peer(&self) -> alloc::string::String {
        let Some(Opening { phase, request, proxy, .. }) = self.opening.as_deref() else {
            return "nobody".into();
        };
        match (proxy, phase) {
            (None, _) => request.url().authority(),
            (Some(proxy), Phase::Dial | Phase::StartProxyTls | Phase::Proxy(_)) => {
                alloc::format!("the proxy {}", proxy.authority())
            }
            (Some(proxy), _) => {
                alloc::format!("{} through the proxy {}", request.url().authority(), proxy.authority())
            }
        }
    }

    /// Records that the transport requested by [`Step::Dial`] is connected. In any other step this does
    /// nothing.
    pub fn connected(&mut self) {
        let Some(opening) = &mut self.opening else { return };
        if !matches!(opening.phase, Phase::Dial) {
            return;
        }
        opening.eof = false;
        match opening.proxy.as_ref().map(Proxy::protocol) {
            None => self.reached(),
            Some(ProxyProtocol::Https) => opening.phase = Phase::StartProxyTls,
            Some(_) => self.start_tunnel(),
        }
    }

    /// Records that TLS is established, as requested by [`Step::StartTls`]. In any other step this does
    /// nothing.
    pub fn secured(&mut self) {
        match self.opening.as_ref().map(|opening| &opening.phase) {
            Some(Phase::StartProxyTls) => self.start_tunnel(),
            Some(Phase::StartTls) => self.start_handshake(),
            _ => {}
        }
    }

    /// Starts the tunnel on a transport to the proxy.
    fn start_tunnel(&mut self) {
        let Some(opening) = &mut self.opening else { return };
        let Some(proxy) = &opening.proxy else { return };
        match ProxyTunnel::new(proxy, opening.request.url(), opening.options.config) {
            Ok(mut tunnel) => {
                self.connection.add_output(tunnel.take_output());
                opening.phase = Phase::Proxy(tunnel);
            }
            Err(error) => self.end_with(ClientEvent::Failed(OpenError::Socks5(error))),
        }
    }

    /// Starts TLS or the handshake on a transport to the server.
    fn reached(&mut self) {
        match &mut self.opening {
            Some(opening) if opening.request.url().is_secure() => opening.phase = Phase::StartTls,
            _ => self.start_handshake(),
        }
    }

    fn start_handshake(&mut self) {
        let Some(opening) = &mut self.opening else { return };
        let nonce = self.connection.nonce();
        let (output, handshake) = handshake::Opening::new(&opening.request, nonce, &opening.options.config);
        self.connection.add_output(output);
        opening.phase = Phase::Handshake(handshake);
    }

    /// Returns the next event. `None` means that `input` is used up: read more. Messages are borrowed from
    /// the input as by [`Connection::recv`].
    #[inline(always)]
    pub fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<ClientEvent<'b>> {
        if self.opening.is_some() {
            return self.recv_opening(input);
        }
        if let Some(message) = self.connection.recv_whole(input) {
            return Some(ClientEvent::Open(Event::Message(message)));
        }
        self.connection.recv_any(input).map(ClientEvent::Open)
    }

    #[inline(never)]
    fn recv_opening<'b>(&mut self, input: &mut Input<'b>) -> Option<ClientEvent<'b>> {
        let opening = self.opening.as_mut()?;
        let eof = opening.eof;
        let end = match &mut opening.phase {
            // In TLS and in a WebSocket the client speaks first: these bytes are not the server's.
            Phase::StartTls if !input.is_empty() && opening.proxy.is_some() => {
                input.take(usize::MAX);
                ClientEvent::Failed(OpenError::UnexpectedProxyData)
            }
            // Input in these phases is the rest of a redirect response.
            Phase::Dial | Phase::StartProxyTls | Phase::StartTls => {
                input.take(usize::MAX);
                return None;
            }
            Phase::Over(event) => {
                input.take(usize::MAX);
                mem::replace(event, ClientEvent::Failed(OpenError::TimedOut))
            }
            // Only an HTTP response may arrive before the complete request is written: a refusal.
            Phase::Proxy(ProxyTunnel::Socks5(_)) if !input.is_empty() && self.connection.wants_write() => {
                input.take(usize::MAX);
                ClientEvent::Failed(OpenError::UnexpectedProxyData)
            }
            Phase::Proxy(tunnel) => match tunnel.recv(input) {
                Tunnel::Incomplete if !eof => {
                    let output = tunnel.take_output();
                    if !output.is_empty() {
                        self.connection.add_output(output);
                    }
                    return None;
                }
                Tunnel::Incomplete => match tunnel.give_up() {
                    Some(refused) => ClientEvent::ProxyRefused(Box::new(refused)),
                    None => ClientEvent::Failed(tunnel.truncated().into()),
                },
                Tunnel::Open if !input.is_empty() || self.connection.wants_write() => {
                    input.take(usize::MAX);
                    ClientEvent::Failed(OpenError::UnexpectedProxyData)
                }
                // The server's answer can no longer arrive.
                Tunnel::Open if eof => ClientEvent::Failed(OpenError::TransportFailed),
                Tunnel::Open => {
                    self.reached();
                    return None;
                }
                Tunnel::Refused(refused) => ClientEvent::ProxyRefused(Box::new(refused)),
                Tunnel::Failed(error) => ClientEvent::Failed(error.into()),
            },
            Phase::Handshake(handshake) => match handshake.recv(input) {
                Opened::Incomplete if !eof => return None,
                Opened::Incomplete => match handshake.give_up() {
                    Some(refused) => return self.refused(refused, input),
                    None => ClientEvent::Failed(OpenError::Handshake(HandshakeError::Truncated)),
                },
                Opened::Open(agreed, established) => {
                    let told = opening.deadline.is_some();
                    self.opening = None;
                    self.connection.open(agreed);
                    if told {
                        self.connection.begin(self.connection.now());
                    }
                    if eof {
                        self.connection.recv_eof();
                    }
                    return Some(ClientEvent::Opened(Box::new(established)));
                }
                Opened::Refused(refused) => return self.refused(refused, input),
                Opened::Failed(error) => ClientEvent::Failed(OpenError::Handshake(error)),
            },
        };
        self.end();
        Some(end)
    }

    /// Handles an HTTP response of the server: dials again or ends.
    fn refused<'b>(&mut self, refused: RefusedResponse, input: &mut Input<'b>) -> Option<ClientEvent<'b>> {
        input.take(usize::MAX);
        let opening = self.opening.as_mut()?;
        let redirects = opening.options.redirects.as_mut();
        let next = redirects.map_or(Ok(None), |redirects| redirects.follow(&opening.request, &refused));
        match next {
            Ok(Some(request)) => {
                opening.request = request;
                self.connection.drop_output();
                self.choose_way();
                if self.has_last_words() { self.recv_opening(input) } else { None }
            }
            Ok(None) => {
                self.end();
                Some(ClientEvent::Refused(Box::new(refused)))
            }
            Err(error) => {
                self.end();
                Some(ClientEvent::Failed(OpenError::Redirect(error)))
            }
        }
    }

    /// Ends without a connection.
    fn end(&mut self) {
        self.opening = None;
        self.connection.end();
    }

    /// Ends without a connection, and reports the refusal if its head has arrived, else `error`.
    fn give_up(&mut self, error: OpenError) {
        let refused = match self.opening.as_mut().map(|opening| &mut opening.phase) {
            Some(Phase::Proxy(handshake)) => {
                handshake.give_up().map(|refused| ClientEvent::ProxyRefused(Box::new(refused)))
            }
            Some(Phase::Handshake(handshake)) => {
                handshake.give_up().map(|refused| ClientEvent::Refused(Box::new(refused)))
            }
            _ => None,
        };
        self.end_with(refused.unwrap_or(ClientEvent::Failed(error)));
    }

    /// Ends without a connection, and reports `event` next.
    fn end_with(&mut self, event: ClientEvent<'static>) {
        if let Some(opening) = &mut self.opening {
            opening.phase = Phase::Over(event);
            self.connection.end();
        }
    }

    /// Closes the connection; see [`Connection::close`]. Before it is open, the transport just ends.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the connection is already closing.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if self.state() == State::Opening {
            self.end();
            return Ok(());
        }
        self.connection.close(code, reason)
    }

    /// Handles the end of the peer's stream; see [`Connection::recv_eof`]. Has no effect on a transport that
    /// [`Step::Dial`] replaces.
    pub fn recv_eof(&mut self) {
        match &mut self.opening {
            Some(opening) if matches!(opening.phase, Phase::StartProxyTls | Phase::StartTls) => {
                self.end_with(ClientEvent::Failed(OpenError::TransportFailed));
            }
            Some(opening) => opening.eof = true,
            None => self.connection.recv_eof(),
        }
    }

    /// Handles a failure of the transport: no more reads or writes. A refusal whose head has arrived is still
    /// reported. Has no effect on a transport that [`Step::Dial`] replaces: if dialling fails, drop the
    /// client.
    pub fn recv_error(&mut self) {
        match &self.opening {
            Some(opening) if matches!(opening.phase, Phase::Dial | Phase::Over(_)) => {}
            Some(_) => self.give_up(OpenError::TransportFailed),
            None => self.connection.recv_error(),
        }
    }

    /// Returns `true` if the caller should read. It is `false` until the transport is connected; see
    /// [`Connection::wants_read`].
    #[inline]
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match &self.opening {
            None => self.connection.wants_read(),
            Some(opening) => matches!(opening.phase, Phase::Proxy(_) | Phase::Handshake(_)) && !opening.eof,
        }
    }

    /// Returns `true` if [`recv`](Self::recv) has an event to report without any input. Call `recv` then
    /// instead of waiting.
    #[must_use]
    pub fn has_last_words(&self) -> bool {
        match &self.opening {
            None => self.connection.has_last_words(),
            Some(opening) => match opening.phase {
                Phase::Dial | Phase::StartProxyTls | Phase::StartTls => false,
                Phase::Proxy(_) | Phase::Handshake(_) => opening.eof,
                Phase::Over(_) => true,
            },
        }
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) must be called at the latest, on the same time
    /// scale; zero before its first call. A time in the past means now. While there are [last
    /// words](Self::has_last_words), the result is now, so that no loop sleeps through them.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        match &self.opening {
            Some(_) if self.has_last_words() => Some(self.connection.now()),
            None => self.connection.next_timeout(),
            Some(opening) => Some(opening.deadline.unwrap_or(Duration::ZERO)),
        }
    }

    /// Sets the current time; see [`Connection::handle_timeout`]. The next [`recv`](Self::recv) reports a
    /// missed deadline.
    ///
    /// The connection must be open within [`handshake_timeout`](crate::Config::handshake_timeout) of the
    /// first call, redirects included; otherwise it is given up. A refusal whose head has arrived is then
    /// reported with the part of its body that has arrived.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.connection.handle_timeout(now);
        let Some(opening) = &mut self.opening else { return };
        let timeout = opening.options.config.handshake_timeout;
        let is_due = now >= *opening.deadline.get_or_insert(now.saturating_add(timeout));
        if is_due && !matches!(opening.phase, Phase::Over(_)) {
            self.give_up(OpenError::TimedOut);
        }
    }

    common_words!();
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Dial => "Dial",
            Phase::StartProxyTls => "StartProxyTls",
            Phase::Proxy(_) => "Proxy",
            Phase::StartTls => "StartTls",
            Phase::Handshake(_) => "Handshake",
            Phase::Over(_) => "Over",
        };
        f.debug_struct("Opening")
            .field("phase", &phase)
            .field("request", &self.request)
            .field("deadline", &self.deadline)
            .field("eof", &self.eof)
            .finish_non_exhaustive()
    }
}
