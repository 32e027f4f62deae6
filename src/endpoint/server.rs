//! [`Server`]: the complete life of an accepted transport.

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

/// The server side of one transport: the request, the decision, the connection or the HTTP response in its
/// place, and the end. No clock, no stream.
///
/// One turn of the loop, in this order, in every phase:
///
/// 1. Call [`recv`](Self::recv) until `None`, with the bytes read, if any. [`answer`](Self::answer) requests,
///    now or later.
/// 2. Call [`handle_timeout`](Self::handle_timeout) with the time: what has arrived is then in time, however
///    late the turn is.
/// 3. Write the [`output`](Self::output); call [`output_written`](Self::output_written).
/// 4. If [`should_shutdown`](Self::should_shutdown), shut down the writing side, once.
/// 5. If [`is_ended`](Self::is_ended), drop the transport and stop.
/// 6. If [`wants_read`](Self::wants_read), read; otherwise wait for the transport. Wait no longer than until
///    [`next_timeout`](Self::next_timeout). Call [`recv_eof`](Self::recv_eof) at the end of the stream,
///    [`recv_error`](Self::recv_error) if it fails.
///
/// ```
/// use sansocket::handshake::Response;
/// use sansocket::{Config, Event, Input, Server, ServerEvent};
///
/// let mut server = Server::new(Config::default());
/// let mut received = *b"GET / HTTP/1.1\r\nHost: a\r\n\
///     Upgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
///     \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // and a first frame after it
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
    /// `None` once the connection is open or has failed.
    opening: Option<Box<Opening>>,
}

struct Opening {
    phase: Phase,
    max_head: usize,
    timeout: Duration,
    /// When the request must be complete; `None` before the first call with the time.
    deadline: Option<Duration>,
    /// The peer's stream has ended.
    eof: bool,
    /// The input after the head, before the answer.
    kept: Vec<u8>,
}

enum Phase {
    /// The head is being received.
    Head(ServerHandshake),
    /// The caller decides on a request. `upgrade`: frames may follow it; otherwise, a body.
    Deciding { upgrade: bool },
    /// The connection is open, and first receives `kept` from this index on.
    Kept(usize),
    /// Failed; the event is reported next.
    Over(ServerEvent<'static>),
}

/// What happened on a server's transport.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent<'b> {
    /// A client asks for a WebSocket: [`answer`](Server::answer) with
    /// [`accept`](UpgradeRequest::accept) or [`reject`](UpgradeRequest::reject).
    Upgrade(Box<UpgradeRequest>),
    /// A request unrelated to WebSocket: [`answer`](Server::answer) with [`respond`](HttpRequest::respond).
    Http(Box<HttpRequest>),
    /// A request that breaks a rule, was truncated or came too slowly. The response is already in the output; there
    /// is none to a request that was truncated or of which nothing came in time, nor where more than
    /// [`Config::max_head`] bytes came before the answer.
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
    /// Creates the endpoint for a newly accepted transport, with the limits and deadlines of `config`.
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

    /// Returns the next event. `None` means that `input` is used up: read more.
    ///
    /// Messages are borrowed from the input as by [`Connection::recv`]. Only messages that arrive before a
    /// delayed [answer](Self::answer) to a request are owned.
    #[inline(always)]
    pub fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<ServerEvent<'b>> {
        if self.opening.is_some() {
            return self.recv_opening(input);
        }
        // The event is created where the caller needs it: moving it would cost as much as everything else.
        if let Some(message) = self.connection.recv_whole(input) {
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
                    // A peer that has sent nothing has requested nothing.
                    handshake.has_begun().then_some(ServerEvent::Refused(HandshakeError::Truncated))
                }
                ServerProgress::Incomplete(handshake) => {
                    opening.phase = Phase::Head(handshake);
                    self.opening = Some(opening);
                    None
                }
                ServerProgress::Upgrade(request) => {
                    opening.phase = Phase::Deciding { upgrade: true };
                    self.opening = Some(opening);
                    Some(ServerEvent::Upgrade(Box::new(request)))
                }
                ServerProgress::Http(request) => {
                    opening.phase = Phase::Deciding { upgrade: false };
                    self.opening = Some(opening);
                    Some(ServerEvent::Http(Box::new(request)))
                }
                ServerProgress::Refused(refusal) => {
                    self.respond(refusal.response().to_vec(), opening.eof);
                    Some(ServerEvent::Refused(refusal.error()))
                }
            },
            Phase::Deciding { upgrade: true } if opening.kept.len() + input.len() > opening.max_head => {
                input.take(usize::MAX);
                self.connection.end();
                Some(ServerEvent::Refused(HandshakeError::HeadTooLarge))
            }
            Phase::Deciding { upgrade } => {
                let bytes = input.take(usize::MAX);
                if upgrade {
                    opening.kept.extend_from_slice(bytes);
                }
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
                if opening.eof {
                    self.connection.recv_eof();
                }
                Some(event)
            }
        }
    }

    /// Answers the request that [`recv`](Self::recv) reported, at once or at any later time. Until then
    /// nothing is read. Without such a request, or after [`close`](Self::close), this does nothing.
    ///
    /// Input in the meantime: behind a request for a WebSocket, up to [`max_head`](Config::max_head) bytes are
    /// kept for the connection, and more end the transport without a response. The body of an ordinary request
    /// is dropped.
    pub fn answer(&mut self, answer: impl Into<Answer>) {
        let Some(opening) = &mut self.opening else { return };
        if !matches!(opening.phase, Phase::Deciding { .. }) {
            return;
        }
        let eof = opening.eof;
        match answer.into().0 {
            Kind::Respond(response) => {
                self.opening = None;
                self.respond(response, eof);
            }
            Kind::Accept(mut connection) => {
                // Its timers begin now, if the time is known.
                if opening.deadline.is_some() {
                    connection.begin(self.connection.now());
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

    /// Sends an HTTP response as the last output of this transport.
    fn respond(&mut self, response: Vec<u8>, eof: bool) {
        self.connection.refuse(response);
        if eof {
            self.connection.recv_eof();
        }
    }

    /// Closes the connection; see [`Connection::close`]. Before it is open, the transport just ends.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the connection is already closing.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if self.state() == State::Opening {
            self.opening = None;
            self.connection.end();
            return Ok(());
        }
        self.connection.close(code, reason)
    }

    /// Handles the end of the peer's stream; see [`Connection::recv_eof`]. A request that awaits its answer
    /// can still be answered.
    pub fn recv_eof(&mut self) {
        match &mut self.opening {
            Some(opening) => opening.eof = true,
            None => self.connection.recv_eof(),
        }
    }

    /// Handles a failure of the transport: no more reads or writes. The next [`recv`](Self::recv) reports
    /// [`Event::Failed`].
    pub fn recv_error(&mut self) {
        match &mut self.opening {
            Some(opening) if matches!(opening.phase, Phase::Head(_) | Phase::Deciding { .. }) => {
                // The remaining input is dropped too: there is no connection to receive it.
                opening.phase = Phase::Over(ServerEvent::Open(Event::Failed(ProtocolError::TransportFailed)));
                self.connection.end();
            }
            _ => self.connection.recv_error(),
        }
    }

    /// Returns `true` if the caller should read. It is `false` while a request awaits its answer; see also
    /// [`Connection::wants_read`].
    #[inline]
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match &self.opening {
            None => self.connection.wants_read(),
            Some(opening) => matches!(opening.phase, Phase::Head(_)) && !opening.eof,
        }
    }

    /// Returns `true` if [`recv`](Self::recv) has an event to report without any input. Call `recv` then
    /// instead of waiting.
    #[must_use]
    pub fn has_last_words(&self) -> bool {
        match &self.opening {
            None => self.connection.has_last_words(),
            Some(opening) => match opening.phase {
                Phase::Head(_) => opening.eof,
                Phase::Deciding { .. } => false,
                Phase::Kept(_) | Phase::Over(_) => true,
            },
        }
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) must be called at the latest, on the same time
    /// scale; zero before its first call. A time in the past means now. While there are [last
    /// words](Self::has_last_words), the result is now, so that no loop sleeps through them.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.opening.as_deref() {
            Some(_) if self.has_last_words() => Some(self.connection.now()),
            Some(Opening { phase: Phase::Head(_), deadline, .. }) => Some(deadline.unwrap_or(Duration::ZERO)),
            // The wait is for the caller's decision, not for the peer.
            Some(Opening { phase: Phase::Deciding { .. }, .. }) => None,
            _ => self.connection.next_timeout(),
        }
    }

    /// Sets the current time; see [`Connection::handle_timeout`]. The next [`recv`](Self::recv) reports a
    /// missed deadline.
    ///
    /// The request must be complete within [`handshake_timeout`](Config::handshake_timeout); otherwise it is
    /// answered with 408, or not at all if the peer has sent nothing.
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
            Phase::Deciding { .. } => "Deciding",
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
