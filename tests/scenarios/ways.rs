//! [`WAYS`]: every way to run one connection as an echo, in either role.

#[path = "ways/asynchronous.rs"]
mod asynchronous;
#[path = "ways/bare.rs"]
mod bare;
#[path = "ways/blocking.rs"]
mod blocking;
#[path = "ways/futures_io.rs"]
mod futures_io;

use std::fmt;
use std::io;
use std::net::TcpStream;

use sansocket::handshake::{ClientRequest, Response};
use sansocket::net::Error;
use sansocket::{CloseCode, Config, Event, Kind, Message, ProtocolError, SendError};

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
    WayIn { name: "net, halves", tls: false, by_channel: true, run: blocking::halves },
    WayIn { name: "net, TLS", tls: true, by_channel: false, run: blocking::over_tls },
    WayIn { name: "tokio", tls: false, by_channel: false, run: asynchronous::complete },
    WayIn { name: "tokio, batches", tls: false, by_channel: false, run: asynchronous::batches },
    WayIn { name: "tokio, halves", tls: false, by_channel: true, run: asynchronous::halves },
    WayIn { name: "tokio, Stream + Sink", tls: false, by_channel: true, run: asynchronous::stream_and_sink },
    WayIn { name: "tokio, TLS", tls: true, by_channel: false, run: asynchronous::over_tls },
    WayIn { name: "futures-io", tls: false, by_channel: false, run: futures_io::complete },
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
}

impl Log {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(_) => self.messages += 1,
            Event::Close(_) => self.end(End::Close(event.close_code().unwrap_or_default())),
            Event::Failed(ProtocolError::TransportFailed) => self.end(End::Broken),
            Event::Failed(error) => self.end(End::Failed(*error)),
            _ => {}
        }
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

    fn done(self) -> (usize, End) {
        (self.messages, self.end.unwrap_or(End::Silent))
    }
}

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
