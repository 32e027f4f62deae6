//! [`WAYS`]: every way to run one connection as an echo, in either role.

#[path = "ways/asynchronous.rs"]
mod asynchronous;
#[path = "ways/bare.rs"]
mod bare;
#[path = "ways/blocking.rs"]
mod blocking;
#[path = "ways/futures_io.rs"]
mod futures_io;
#[path = "ways/readiness.rs"]
mod readiness;

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use sansocket::frame::CloseFrame;
use sansocket::handshake::{ClientRequest, Response};
use sansocket::net::Error;
use sansocket::{Chunk, CloseCode, Config, Event, Kind, Message, ProtocolError, SendError, State};

use super::{End, Role};

/// A way in: what carries bytes between a stream and a connection.
pub(crate) struct WayIn {
    pub(crate) name: &'static str,
    /// It runs over TLS.
    pub(crate) tls: bool,
    /// Messages go from the reading half to the writing one by a channel.
    pub(crate) by_channel: bool,
    /// Opens the connection and echoes until it is over. Tells how many messages came, and how it ended.
    pub(crate) run: fn(TcpStream, Role, Config) -> (usize, End),
}

pub(crate) static WAYS: &[WayIn] = &[
    WayIn { name: "bare endpoint", tls: false, by_channel: false, run: bare::endpoint },
    WayIn { name: "net", tls: false, by_channel: false, run: blocking::complete },
    WayIn { name: "net, batches", tls: false, by_channel: false, run: blocking::batches },
    WayIn { name: "net, pieces", tls: false, by_channel: false, run: blocking::pieces },
    WayIn { name: "net, batches of pieces", tls: false, by_channel: false, run: blocking::batches_of_pieces },
    WayIn { name: "net, halves", tls: false, by_channel: true, run: blocking::halves },
    WayIn {
        name: "net, halves in one thread",
        tls: false,
        by_channel: false,
        run: blocking::halves_in_one_thread,
    },
    WayIn { name: "net, non-blocking", tls: false, by_channel: false, run: readiness::complete },
    WayIn { name: "net, TLS", tls: true, by_channel: false, run: blocking::over_tls },
    WayIn { name: "tokio", tls: false, by_channel: false, run: asynchronous::complete },
    WayIn { name: "tokio, batches", tls: false, by_channel: false, run: asynchronous::batches },
    WayIn {
        name: "tokio, batches of pieces",
        tls: false,
        by_channel: false,
        run: asynchronous::batches_of_pieces,
    },
    WayIn { name: "tokio, halves", tls: false, by_channel: true, run: asynchronous::halves },
    WayIn {
        name: "tokio, halves in batches",
        tls: false,
        by_channel: true,
        run: asynchronous::halves_in_batches,
    },
    WayIn { name: "tokio, Stream + Sink", tls: false, by_channel: true, run: asynchronous::stream_and_sink },
    WayIn { name: "tokio, TLS", tls: true, by_channel: false, run: asynchronous::over_tls },
    WayIn { name: "futures-io", tls: false, by_channel: false, run: futures_io::complete },
    WayIn {
        name: "futures-io, Stream + Sink",
        tls: false,
        by_channel: true,
        run: futures_io::stream_and_sink,
    },
];

impl fmt::Debug for WayIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A text that asks for something else than an echo.
pub(crate) const CLOSE_NOW: &str = "close now";
pub(crate) const MANY_THEN_CLOSE: &str = "many, then close";

/// What [`MANY_THEN_CLOSE`] is answered with.
pub(crate) const MANY: usize = 500;

pub(crate) fn one_of_many(i: usize) -> String {
    format!("{i}: {}", "x".repeat(i % 300))
}

pub(crate) const GOODBYE: CloseCode = CloseCode::GOING_AWAY;

/// What a message asks for.
enum Wish {
    Echo,
    Close,
    ManyThenClose,
}

impl Wish {
    fn of(message: &Message<'_>) -> Self {
        match (message.kind(), message.as_bytes()) {
            (Kind::Text, bytes) if bytes == CLOSE_NOW.as_bytes() => Self::Close,
            (Kind::Text, bytes) if bytes == MANY_THEN_CLOSE.as_bytes() => Self::ManyThenClose,
            _ => Self::Echo,
        }
    }
}

/// Feeds a batch what a message asks for; true if that is a close, too.
fn feed_wish(message: &Message<'_>, mut feed: impl FnMut(&Message<'_>) -> Result<(), SendError>) -> bool {
    let wish = Wish::of(message);
    let fed = match wish {
        Wish::Echo => feed(message),
        Wish::Close => Ok(()),
        Wish::ManyThenClose => (0..MANY).try_for_each(|i| feed(&one_of_many(i).into())),
    };
    fine_or_over(fed.map_err(Into::into));
    !matches!(wish, Wish::Echo)
}

/// What happened so far.
#[derive(Debug, Default)]
struct Log {
    messages: usize,
    end: Option<End>,
    close_frame: Option<Box<CloseFrame>>,
    has_pong: bool,
    /// The pieces of a message.
    pieces: Option<Message<'static>>,
}

impl Log {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(_) => self.messages += 1,
            Event::Close(frame) => {
                self.end(End::Close(event.close_code().unwrap_or_default()));
                self.close_frame.clone_from(frame);
            }
            Event::Pong(_) => self.has_pong = true,
            Event::Failed(ProtocolError::TransportFailed) => self.end(End::Broken),
            Event::Failed(error) => self.end(End::Failed(*error)),
            _ => {}
        }
    }

    /// The same for messages in pieces. Returns a message with its last piece.
    fn piece(&mut self, event: Event<'_>) -> Option<Message<'static>> {
        let Event::Chunk(Chunk { first, last, data }) = event else {
            assert!(!matches!(event, Event::Message(_)), "a message in one piece");
            self.event(&event);
            return None;
        };
        assert_eq!(first, self.pieces.is_none());
        let message = match (self.pieces.take(), data) {
            (None, data) => data.into_owned(),
            (Some(Message::Text(text)), Message::Text(more)) => Message::from(text.into_owned() + &more),
            (Some(Message::Binary(bytes)), Message::Binary(more)) => {
                let mut bytes = bytes.into_owned();
                bytes.extend_from_slice(&more);
                Message::from(bytes)
            }
            mixed => panic!("{mixed:?}"),
        };
        if last {
            self.messages += 1;
            return Some(message);
        }
        self.pieces = Some(message);
        None
    }

    /// There is one end: what is reported behind it is a fault.
    fn end(&mut self, end: End) {
        assert_eq!(self.end, None, "then {end:?}");
        self.end = Some(end);
    }

    /// A stream may break once all is said, which is the end of the connection in any case.
    fn broken(&mut self) {
        self.end.get_or_insert(End::Broken);
    }

    /// It is over: what the end under test knows of its connection is what happened.
    fn done(self, known: Known<'_>) -> (usize, End) {
        assert_eq!((known.state, known.can_send), (State::Ended, false));
        assert_eq!(known.close_frame, self.close_frame.as_deref());
        // Nobody sends a Pong that no Ping asked for.
        assert_eq!(known.latency.is_some(), self.has_pong);
        self.report()
    }

    fn report(self) -> (usize, End) {
        (self.messages, self.end.unwrap_or(End::Silent))
    }
}

/// What an end under test knows of its connection.
struct Known<'a> {
    state: State,
    can_send: bool,
    latency: Option<Duration>,
    close_frame: Option<&'a CloseFrame>,
}

/// What the connection knows, or its halves, which know the same.
macro_rules! known {
    ($ws:expr) => {
        $crate::ways::known!($ws, $ws)
    };
    ($reader:expr, $writer:expr) => {{
        assert_eq!($reader.state(), $writer.state());
        assert_eq!($reader.latency(), $writer.latency());
        $crate::ways::Known {
            state: $reader.state(),
            can_send: $writer.can_send(),
            latency: $reader.latency(),
            close_frame: $reader.close_frame(),
        }
    }};
}
use known;

/// Why an adapter opened nothing.
fn not_opened(error: &Error) -> End {
    match error {
        Error::Handshake(error) => End::Handshake(*error),
        Error::Refused(response) => End::Status(response.status()),
        Error::Io(error) => End::NotOpened(error.kind()),
        other => panic!("{other}"),
    }
}

fn request() -> ClientRequest {
    ClientRequest::new("ws://localhost/").expect("a valid URL")
}

pub(crate) const PAGE: &str = "a page of words";

fn page() -> Response {
    Response::new(200).expect("a valid status").body(PAGE)
}

/// What became of sending. The reader reports how the connection ended, so that the writer may find it over; and a client that
/// is flooded reads on, so that its output may be full. Where an echo matters, the peer expects it.
fn fine_or_over(sent: io::Result<()>) {
    use std::io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, WouldBlock,
    };
    if let Err(error) = sent {
        let is_fine = matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut | WouldBlock
        );
        assert!(is_fine, "{error}");
    }
}
