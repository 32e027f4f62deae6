//! The asynchronous adapters over a stream that does what it is told: errors at each step, the size of reads, what is flushed, and
//! handshakes that are over.
#![cfg(feature = "_tests")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sansocket::futures_io as futures_io_adapter;
use sansocket::handshake::{ClientRequest, HandshakeError, Response};
use sansocket::tokio::{Accepting, Connecting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Connection, Event, Message, ProtocolError, State};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex, split};
use tokio::time::{Instant, Sleep, sleep};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const CLOSE: &[u8] = b"\x88\x80\0\0\0\0";

/// What a stream is told to do. It wakes nobody: all that is to happen has happened before a call, or a deadline comes.
#[derive(Debug, Default)]
struct Script {
    /// What reads return, one after the other; then they wait.
    reads: VecDeque<Result<Vec<u8>, ErrorKind>>,
    writes: Writes,
    written: Vec<u8>,
    /// How much of it was flushed.
    flushed: usize,
    is_shut_down: bool,
    /// How much each read was offered.
    offered: Vec<usize>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Writes {
    #[default]
    Take,
    Wait,
    Fail(ErrorKind),
}

#[derive(Debug, Clone)]
struct Told(Arc<Mutex<Script>>);

impl Told {
    fn new<const N: usize>(writes: Writes, reads: [Result<&[u8], ErrorKind>; N]) -> Self {
        let reads = reads.map(|read| read.map(<[u8]>::to_vec)).into();
        Self(Arc::new(Mutex::new(Script { reads, writes, ..Script::default() })))
    }

    fn tell<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn server(&self, config: Config) -> WebSocket<Self> {
        WebSocket::from_parts(self.clone(), Connection::server(config), vec![])
    }
}

impl Script {
    fn read(&mut self, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.offered.push(buf.len());
        match self.reads.pop_front() {
            Some(Ok(bytes)) => {
                buf[..bytes.len()].copy_from_slice(&bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
            None => Poll::Pending,
        }
    }

    fn write(&mut self, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.writes {
            Writes::Take => {
                self.written.extend_from_slice(buf);
                Poll::Ready(Ok(buf.len()))
            }
            Writes::Wait => Poll::Pending,
            Writes::Fail(kind) => Poll::Ready(Err(kind.into())),
        }
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        self.flushed = self.written.len();
        Poll::Ready(Ok(()))
    }

    fn shut_down(&mut self) -> Poll<io::Result<()>> {
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Told {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n = ready!(self.tell(|script| script.read(buf.initialize_unfilled())))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Told {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.tell(|script| script.write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tell(Script::flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tell(Script::shut_down)
    }
}

/// The same with the traits of `futures-io`.
#[derive(Debug, Clone)]
struct Plain(Told);

impl futures_io::AsyncRead for Plain {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.tell(|script| script.read(buf))
    }
}

impl futures_io::AsyncWrite for Plain {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.tell(|script| script.write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.tell(Script::flush)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.tell(Script::shut_down)
    }
}

// ---- ends ----

/// Both have said all that they will say: the manner in which the peer leaves is its own affair.
#[tokio::test(start_paused = true)]
async fn an_error_behind_both_closes_is_no_error() {
    for halves in [false, true] {
        let stream = Told::new(Writes::Take, [Ok(CLOSE), Err(ErrorKind::ConnectionReset)]);
        assert_eq!(all(stream.server(Config::default()), halves).await, [Event::Close(None)], "{halves}");
        stream.tell(|script| assert_eq!(script.written, b"\x88\x00"));
    }
}

/// The peer has said that it wants nothing more: that it does not take the answer is no error either.
#[tokio::test(start_paused = true)]
async fn a_close_that_cannot_be_answered_is_the_end() {
    for halves in [false, true] {
        let stream = Told::new(Writes::Fail(ErrorKind::BrokenPipe), [Ok(CLOSE)]);
        assert_eq!(all(stream.server(Config::default()), halves).await, [Event::Close(None)], "{halves}");
    }
}

/// All events, whole or in halves; no error.
async fn all(mut ws: WebSocket<Told>, halves: bool) -> Vec<Event<'static>> {
    let mut events = vec![];
    if halves {
        let (mut reader, writer) = ws.split_with(split);
        while let Some(event) = reader.recv().await.unwrap() {
            events.push(event.into_owned());
        }
        assert_eq!((reader.state(), writer.state()), (State::Ended, State::Ended));
        return events;
    }
    while let Some(event) = ws.recv().await.unwrap() {
        events.push(event.into_owned());
    }
    assert_eq!(ws.state(), State::Ended);
    events
}

/// Whoever closes while the stream takes nothing goes on reading, and so learns of the end of the stream, or of its failure. It
/// sleeps until the deadline: what there is to tell is for whoever receives.
#[tokio::test(start_paused = true)]
async fn closing_meets_the_end_of_the_stream() {
    for (read, closed, failed) in [
        (Ok(&b""[..]), None, ProtocolError::UnexpectedEof),
        (Err(ErrorKind::ConnectionReset), Some(ErrorKind::ConnectionReset), ProtocolError::TransportFailed),
    ] {
        let stream = Told::new(Writes::Wait, [read]);
        let mut ws = stream.server(Config::default().close_timeout(Duration::from_secs(5)));
        ws.feed(&Message::from("waiting")).unwrap();
        let began = Instant::now();
        let result = ws.close(CloseCode::NORMAL, "").await;
        assert!(began.elapsed() <= Duration::from_secs(5), "{failed}");
        if let Some(kind) = closed {
            assert_eq!(result.unwrap_err().kind(), kind);
        }
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Failed(failed)));
        assert_eq!(ws.recv().await.unwrap(), None);
    }
}

// ---- reading ----

#[tokio::test(start_paused = true)]
async fn the_size_of_reads_is_the_callers_choice_and_changes_nothing_else() {
    let (front, back) = (&b"\x81\x85\0\0\0\0He"[..], &b"llo"[..]);
    let stream = Told::new(Writes::Take, [Ok(front)]);
    let mut ws = stream.server(Config::default());
    let in_vain = tokio::time::timeout(Duration::from_secs(1), ws.recv()).await;
    assert!(in_vain.is_err(), "half a message");
    // Half a frame is waiting in the buffer.
    ws.set_read_buffer(200_000);
    stream.tell(|script| script.reads.push_back(Ok(back.to_vec())));
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(Message::from("Hello"))));
    stream.tell(|script| (script.offered.clear(), script.reads.push_back(Ok(CLOSE.to_vec()))));
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Close(None)));
    stream.tell(|script| assert!(matches!(script.offered[..], [200_000..=201_000]), "{:?}", script.offered));
}

/// The traits of `futures-io` read into initialised memory alone: little of it while nothing is known to come, and more for the rest
/// of a frame.
#[tokio::test(start_paused = true)]
async fn futures_io_initialises_no_more_than_is_likely_to_come() {
    let whole = [&b"\x82\xFE\x75\x30\0\0\0\0"[..], &[7; 30_000]].concat();
    let stream = Told::new(Writes::Take, [Ok(&whole[..10_000]), Ok(&whole[10_000..]), Ok(CLOSE)]);
    let connection = Connection::server(Config::default());
    let mut ws = futures_io_ws(&stream, connection);
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(Message::from(&[7; 30_000]))));
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Close(None)));
    stream.tell(|script| match script.offered[..] {
        [first, rest, next] => {
            assert_eq!((first, next), (16 * 1024, 16 * 1024));
            assert!(rest > first, "{rest}");
        }
        _ => panic!("{:?}", script.offered),
    });
}

fn futures_io_ws(stream: &Told, connection: Connection) -> futures_io_adapter::WebSocket<Plain, Sleep> {
    futures_io_adapter::WebSocket::from_parts(Plain(stream.clone()), connection, vec![], sleep)
}

/// What is sent is flushed at once, and the end of the connection is that of the stream.
#[tokio::test(start_paused = true)]
async fn what_is_sent_is_flushed_and_the_end_is_passed_on() {
    let new = || Told::new(Writes::Take, [Ok(CLOSE), Ok(b"")]);
    let stream = new();
    let mut ws = stream.server(Config::default());
    ws.send_text("a").await.unwrap();
    stream.tell(|script| assert_eq!((script.flushed, script.is_shut_down), (3, false)));
    ws.finish().await.unwrap();
    stream.tell(|script| assert_eq!((script.flushed, script.is_shut_down), (5, true)));

    let stream = new();
    let mut ws = futures_io_ws(&stream, Connection::server(Config::default()));
    ws.send_text("a").await.unwrap();
    stream.tell(|script| assert_eq!((script.flushed, script.is_shut_down), (3, false)));
    ws.finish().await.unwrap();
    stream.tell(|script| assert_eq!((script.flushed, script.is_shut_down), (5, true)));
}

// ---- opening handshakes ----

fn request() -> ClientRequest {
    ClientRequest::new("ws://test/").unwrap()
}

/// The error of a handshake over a stream whose reads return this.
async fn refused<const N: usize>(accepts: bool, reads: [Result<&[u8], ErrorKind>; N]) -> Error {
    let stream = Told::new(Writes::Take, reads);
    if accepts {
        Accepting::new(stream, Config::default()).advance().await.map(drop).unwrap_err()
    } else {
        Connecting::new(stream, request(), Config::default()).advance().await.map(drop).unwrap_err()
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_stream_end_a_handshake_and_do_not_hide_those_of_the_peer() {
    for accepts in [true, false] {
        let error = refused(accepts, [Err(ErrorKind::ConnectionReset)]).await;
        assert!(
            matches!(&error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset),
            "{error:?}"
        );
    }
    let refusal = b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nhalf";
    let error = refused(false, [Ok(refusal), Err(ErrorKind::ConnectionReset)]).await;
    assert!(matches!(&error, Error::Refused(refused) if refused.status() == 403), "{error:?}");
    let error = refused(true, [Ok(b"GET /\r\n"), Err(ErrorKind::ConnectionReset)]).await;
    assert!(matches!(error, Error::Handshake(HandshakeError::InvalidRequestLine)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_over_says_so() {
    fn is_over<T>(again: Result<T, Error>) -> bool {
        matches!(again, Err(Error::Io(error)) if error.kind() == ErrorKind::NotConnected)
    }
    for request in [REQUEST, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut accepting = Accepting::new(Told::new(Writes::Take, [Ok(request)]), Config::default());
        accepting.advance().await.unwrap();
        assert!(is_over(accepting.advance().await));
    }
    let (server, client) = duplex(1000);
    let mut connecting = Connecting::new(client, request(), Config::default());
    let mut accepting = Accepting::new(server, Config::default());
    let (incoming, opened) = tokio::join!(
        async {
            let Ok(Incoming::Upgrade(upgrade)) = accepting.advance().await else { panic!() };
            upgrade.accept().await
        },
        connecting.advance()
    );
    assert!(incoming.is_ok() && opened.is_ok());
    assert!(is_over(connecting.advance().await));
}

/// A peer that asks and then takes nothing holds nobody for longer than a handshake may take.
#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_taken_has_a_deadline() {
    let config = Config::default().handshake_timeout(Duration::from_secs(3));
    let stream = Told::new(Writes::Wait, [Ok(REQUEST)]);
    let Ok(Incoming::Upgrade(upgrade)) = Accepting::new(stream, config).advance().await else { panic!() };
    let began = Instant::now();
    assert_eq!(upgrade.accept().await.map(drop).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 3);
}

/// What comes behind a request for a page is of no interest, and does not keep the answer from ending.
#[tokio::test(start_paused = true)]
async fn a_page_ends_though_the_peer_goes_on() {
    let (server, mut client) = duplex(1000);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let Ok(Incoming::Http(http)) = Accepting::new(server, Config::default()).advance().await else {
        panic!()
    };
    let going_on = tokio::spawn(async move {
        let mut answer = vec![];
        client.write_all(&[b'x'; 5000]).await.unwrap();
        client.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let response = Response::new(404).unwrap().body("no");
    http.respond(&response).await.unwrap();
    assert_eq!(going_on.await.unwrap(), response.encode());
}
