//! [`Server`]: the complete life of a transport that a server accepted.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::common_words;
use crate::connection::{Config, Connection, Event, Segment, State};
use crate::error::{ProtocolError, SendError};
use crate::frame::CloseCode;
use crate::handshake::{HandshakeError, HttpRequest, ServerHandshake, ServerProgress, UpgradeRequest};
use crate::input::Input;

/// A server's end of one transport: the request, the decision, the connection or the HTTP response in its place,
/// and the end. No clock, no stream.
///
/// A turn of the loop, in this order, whatever the phase:
///
/// 1. [`handle_timeout`](Self::handle_timeout) tells the time;
/// 2. [`recv`](Self::recv) until `None`, with what was read, if anything; requests are decided on with
///    [`answer`](Self::answer), now or later;
/// 3. write the [`output`](Self::output), [`output_written`](Self::output_written);
/// 4. if [`should_shutdown`](Self::should_shutdown), end the writing side, once;
/// 5. if [`is_ended`](Self::is_ended), drop the transport;
/// 6. if [`wants_read`](Self::wants_read), read, or wait for the transport until
///    [`next_timeout`](Self::next_timeout); [`recv_eof`](Self::recv_eof) at the end of the stream,
///    [`recv_error`](Self::recv_error) if it fails.
///
/// ```
/// use sansocket::handshake::Response;
/// use sansocket::{Config, Event, Input, Server, ServerEvent};
///
/// let mut server = Server::new(Config::default());
/// let mut received = *b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
///     \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // and a first frame behind it
/// let mut input = Input::new(&mut received);
/// while let Some(event) = server.recv(&mut input) {
///     match event {
///         ServerEvent::Upgrade(request) => server.answer(request.accept()),
///         ServerEvent::Http(request) => {
///             let page = Response::new(404).expect("a valid status");
///             server.answer(request.respond(&page));
///         }
///         ServerEvent::Open(Event::Message(message)) => server.connection().send(&message)?,
///         _ => {} // refused requests, pings and closing are answered already
///     }
/// }
/// assert!(server.output().starts_with(b"HTTP/1.1 101 "));
/// assert!(server.output().ends_with(b"\r\n\r\n\x81\x05Hello"));
/// # Ok::<(), sansocket::SendError>(())
/// ```
#[derive(Debug)]
pub struct Server {
    pub(super) connection: Connection,
    /// `None` once the connection is open, or will never be.
    opening: Option<Box<Opening>>,
}

struct Opening {
    phase: Phase,
    max_head: usize,
    timeout: Duration,
    /// When the request has to be complete; `None` before the time was told.
    deadline: Option<Duration>,
    /// The peer has ended its side.
    eof: bool,
    /// What came behind the head before the answer.
    kept: Vec<u8>,
}

enum Phase {
    /// The head is being received.
    Head(ServerHandshake),
    /// The caller decides on a request.
    Deciding,
    /// The connection is open, and receives `kept` from here on first.
    Kept(usize),
    /// It came to nothing, which is reported next.
    Over(ServerEvent<'static>),
}

/// What happened on a server's transport.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent<'b> {
    /// A client asks for a WebSocket: [`answer`](Server::answer) with
    /// [`accept`](UpgradeRequest::accept) or [`reject`](UpgradeRequest::reject).
    Upgrade(Box<UpgradeRequest>),
    /// A request that has nothing to do with WebSocket: [`answer`](Server::answer) with
    /// [`respond`](HttpRequest::respond).
    Http(Box<HttpRequest>),
    /// A request that breaks a rule, was cut short or came too slowly. The response, if there is somebody to read
    /// it, is in the output already.
    Refused(HandshakeError),
    /// An event of the connection.
    Open(Event<'b>),
}

/// The answer to a request: a [`Connection`] from [`UpgradeRequest::accept`], or the bytes of an HTTP response from
/// [`UpgradeRequest::reject`] or [`HttpRequest::respond`].
pub struct Answer(Kind);

enum Kind {
    Accept(Box<Connection>),
    Respond(Vec<u8>),
}

impl From<Connection> for Answer {
    fn from(connection: Connection) -> Self {
        Self(Kind::Accept(Box::new(connection)))
    }
}

impl From<Vec<u8>> for Answer {
    fn from(response: Vec<u8>) -> Self {
        Self(Kind::Respond(response))
    }
}

impl Server {
    /// A transport that was just accepted. Limits and deadlines are those of `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            connection: Connection::server(config).opening(),
            opening: Some(Box::new(Opening {
                phase: Phase::Head(ServerHandshake::new(config)),
                max_head: config.max_head,
                timeout: config.handshake_timeout,
                deadline: None,
                eof: false,
                kept: Vec::new(),
            })),
        }
    }

    /// The next event. `None`: `input` is used up, read more.
    ///
    /// Messages are borrowed from the input as by [`Connection::recv`]; only those that arrived before the
    /// [answer](Self::answer) to a request that was not answered at once are owned.
    #[inline(always)]
    pub fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<ServerEvent<'b>> {
        if self.opening.is_some() {
            return self.recv_opening(input);
        }
        // The event is made where the caller wants it: moving it there would cost as much as all the rest.
        if let Some(message) = self.connection.receiver.recv_whole(input) {
            self.connection.sender.heard(true);
            return Some(ServerEvent::Open(Event::Message(message)));
        }
        self.connection.recv_any(input).map(ServerEvent::Open)
    }

    #[inline(never)]
    fn recv_opening<'b>(&mut self, input: &mut Input<'b>) -> Option<ServerEvent<'b>> {
        let mut opening = self.opening.take()?;
        match opening.phase {
            Phase::Head(handshake) => match handshake.recv(input) {
                ServerProgress::Incomplete(handshake) if opening.eof => {
                    self.connection.end();
                    // Who has not said anything has asked for nothing.
                    handshake.has_begun().then_some(ServerEvent::Refused(HandshakeError::Truncated))
                }
                ServerProgress::Incomplete(handshake) => {
                    opening.phase = Phase::Head(handshake);
                    self.opening = Some(opening);
                    None
                }
                ServerProgress::Upgrade(request) => {
                    opening.phase = Phase::Deciding;
                    self.opening = Some(opening);
                    Some(ServerEvent::Upgrade(Box::new(request)))
                }
                ServerProgress::Http(request) => {
                    opening.phase = Phase::Deciding;
                    self.opening = Some(opening);
                    Some(ServerEvent::Http(Box::new(request)))
                }
                ServerProgress::Refused(refusal) => {
                    self.respond(refusal.response().to_vec(), opening.eof);
                    Some(ServerEvent::Refused(refusal.error()))
                }
            },
            Phase::Deciding if opening.kept.len() + input.len() > opening.max_head => {
                input.take(usize::MAX);
                self.connection.end();
                Some(ServerEvent::Refused(HandshakeError::HeadTooLarge))
            }
            Phase::Deciding => {
                opening.kept.extend_from_slice(input.take(usize::MAX));
                self.opening = Some(opening);
                None
            }
            Phase::Kept(at) => {
                let mut kept = Input::new(&mut opening.kept[at..]);
                let event = self.connection.recv(&mut kept).map(Event::into_owned);
                let left = kept.len();
                opening.phase = Phase::Kept(opening.kept.len() - left);
                if let Some(event) = event {
                    self.opening = Some(opening);
                    return Some(ServerEvent::Open(event));
                }
                if opening.eof {
                    self.connection.recv_eof();
                }
                self.connection.recv(input).map(ServerEvent::Open)
            }
            Phase::Over(event) => {
                input.take(usize::MAX);
                Some(event)
            }
        }
    }

    /// Answers the request that [`recv`](Self::recv) has reported, at once or at any later time; until then nothing
    /// is read. Without such a request, or after [`close`](Self::close), it does nothing.
    pub fn answer(&mut self, answer: impl Into<Answer>) {
        let Some(opening) = &mut self.opening else { return };
        if !matches!(opening.phase, Phase::Deciding) {
            return;
        }
        let eof = opening.eof;
        match answer.into().0 {
            Kind::Respond(response) => {
                self.opening = None;
                self.respond(response, eof);
            }
            Kind::Accept(mut connection) => {
                // Its timers begin now, if it is known what time it is.
                if opening.deadline.is_some() {
                    connection.handle_timeout(self.connection.now());
                }
                self.connection = *connection;
                if opening.kept.is_empty() {
                    self.opening = None;
                    if eof {
                        self.connection.recv_eof();
                    }
                } else {
                    opening.phase = Phase::Kept(0);
                }
            }
        }
    }

    /// An HTTP response is all that this transport still carries.
    fn respond(&mut self, response: Vec<u8>, eof: bool) {
        self.connection.refuse(response);
        if eof {
            self.connection.recv_eof();
        }
    }

    /// Closes the connection; see [`Connection::close`]. Before it is open the transport just ends.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the connection is closing already.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if self.state() == State::Opening {
            self.opening = None;
            self.connection.end();
            return Ok(());
        }
        self.connection.close(code, reason)
    }

    /// The peer has ended its side of the transport; see [`Connection::recv_eof`]. A request that is being decided
    /// on can still be answered.
    pub fn recv_eof(&mut self) {
        match &mut self.opening {
            Some(opening) => opening.eof = true,
            None => self.connection.recv_eof(),
        }
    }

    /// The transport failed: nothing can be read or written any more. The next [`recv`](Self::recv) reports
    /// [`Event::Failed`].
    pub fn recv_error(&mut self) {
        match &mut self.opening {
            Some(opening) if matches!(opening.phase, Phase::Head(_) | Phase::Deciding) => {
                // Not even what is left of the input is received: there is no connection that could.
                opening.phase = Phase::Over(ServerEvent::Open(Event::Failed(ProtocolError::TransportFailed)));
                self.connection.end();
            }
            _ => self.connection.recv_error(),
        }
    }

    /// Whether to read. While a request is being decided on it is false; see also [`Connection::wants_read`].
    #[inline]
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match &self.opening {
            None => self.connection.wants_read(),
            Some(opening) => matches!(opening.phase, Phase::Head(_)) && !opening.eof,
        }
    }

    /// Whether [`recv`](Self::recv) has an event to report without any input. A loop that waits calls `recv`
    /// instead.
    #[must_use]
    pub fn has_last_words(&self) -> bool {
        match &self.opening {
            None => self.connection.has_last_words(),
            Some(opening) => match opening.phase {
                Phase::Head(_) => opening.eof,
                Phase::Deciding => false,
                Phase::Kept(_) | Phase::Over(_) => true,
            },
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called at the latest, on the same scale; before
    /// its first call, zero: now. A time in the past means now, too, and so it is while there are
    /// [last words](Self::has_last_words): no loop can sleep on them.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.opening.as_deref() {
            Some(_) if self.has_last_words() => Some(self.connection.now()),
            Some(Opening { phase: Phase::Head(_), deadline, .. }) => Some(deadline.unwrap_or(Duration::ZERO)),
            // The caller decides: that is no wait on the peer.
            Some(Opening { phase: Phase::Deciding, .. }) => None,
            _ => self.connection.next_timeout(),
        }
    }

    /// Tells the time; see [`Connection::handle_timeout`]. A request that is not complete within
    /// [`handshake_timeout`](Config::handshake_timeout) is answered with 408, and a peer that has said nothing
    /// with nothing. Call [`recv`](Self::recv) after it.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.connection.handle_timeout(now);
        let Some(opening) = &mut self.opening else { return };
        let deadline = *opening.deadline.get_or_insert(now.saturating_add(opening.timeout));
        if now < deadline || !matches!(opening.phase, Phase::Head(_)) {
            return;
        }
        let refused = Phase::Over(ServerEvent::Refused(HandshakeError::TimedOut));
        if let Phase::Head(handshake) = core::mem::replace(&mut opening.phase, refused) {
            let eof = opening.eof;
            match handshake.timed_out() {
                Some(refusal) => self.respond(refusal.response().to_vec(), eof),
                None => self.connection.end(),
            }
        }
    }

    common_words!();
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Head(_) => "Head",
            Phase::Deciding => "Deciding",
            Phase::Kept(_) => "Kept",
            Phase::Over(_) => "Over",
        };
        f.debug_struct("Opening")
            .field("phase", &phase)
            .field("deadline", &self.deadline)
            .field("eof", &self.eof)
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Accept(connection) => f.debug_tuple("Accept").field(connection).finish(),
            Kind::Respond(response) => write!(f, "Respond({} bytes)", response.len()),
        }
    }
}
