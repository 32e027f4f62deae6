//! The asynchronous adapters over a stream that does what it is told: errors at each step, the size of reads, what is flushed, and
//! handshakes that are over.
#![cfg(feature = "_tests")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use futures_util::{Sink, SinkExt, StreamExt};
use sansocket::futures_io as futures_io_adapter;
use sansocket::handshake::{ClientRequest, HandshakeError, Response};
use sansocket::tokio::{Accepting, Command, Connecting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Connection, Event, Message, OsRandom, ProtocolError, SendError, State};
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
    /// Fails once, and then takes.
    FailOnce(ErrorKind),
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
            Writes::FailOnce(kind) => {
                self.writes = Writes::Take;
                Poll::Ready(Err(kind.into()))
            }
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

/// A full stream keeps nobody from reading on while closing, for as much as one read may bring; the rest stays with the system.
#[tokio::test(start_paused = true)]
async fn closing_reads_no_more_than_there_is_room_for() {
    let frame = [&b"\x82\xFE\x3F\xF8\0\0\0\0"[..], &[7; 16_376]].concat();
    assert_eq!(frame.len(), 16 * 1024);
    let stream = Told::new(Writes::Wait, [(); 10].map(|()| Ok(&frame[..])));
    let mut ws = stream.server(Config::default());
    ws.feed(&Message::from("waiting")).unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(1), ws.close(CloseCode::NORMAL, "")).await;
    assert!(closed.is_err(), "the stream takes nothing");
    stream.tell(|script| assert_eq!(script.reads.len(), 6, "4 times 16 KiB are 64 KiB"));
    // Nothing of it is lost.
    stream.tell(|script| script.writes = Writes::Take);
    for _ in 0..10 {
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message(Message::from(&frame[8..]))));
    }
}

/// A signal is not the end of anything.
#[tokio::test(start_paused = true)]
async fn interrupted_calls_are_repeated() {
    let reads = [Err(ErrorKind::Interrupted), Ok(CLOSE), Err(ErrorKind::Interrupted), Ok(b"")];
    let stream = Told::new(Writes::FailOnce(ErrorKind::Interrupted), reads);
    let mut ws = stream.server(Config::default());
    ws.send_text("a").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Close(None)));
    assert_eq!(ws.recv().await.unwrap(), None);
    stream.tell(|script| assert_eq!(script.written, b"\x81\x01a\x88\x00"));
}

// ---- two tasks ----

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls once as the task of that waker.
fn poll_as<F: Future>(woken: &Arc<Woken>, future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
}

/// The stream wakes nobody, so whoever is woken is woken by the other task; for what does not concern it, it is not.
#[test]
fn each_task_sleeps_while_the_other_one_works() {
    let pings = b"\x89\x00".repeat(3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    for halves in [false, true] {
        let (reader, writer) = <(Arc<Woken>, Arc<Woken>)>::default();
        let stream = Told::new(Writes::Take, []);
        // A server would not read on either.
        let connection = Connection::client(Config::default().high_water(5), OsRandom);
        let ws = WebSocket::from_parts(stream.clone(), connection, vec![]);
        let (mut events, mut sink) = if halves {
            let (reader, writer) = ws.split_with(split);
            (reader.left_stream(), Box::pin(writer) as Pin<Box<dyn Sink<Command, Error = io::Error>>>)
        } else {
            let (sink, events) = StreamExt::split::<Command>(ws);
            (events.right_stream(), Box::pin(sink) as Pin<Box<dyn Sink<Command, Error = io::Error>>>)
        };
        assert!(poll_as(&reader, events.next()).is_pending());
        for _ in 0..10 {
            assert!(poll_as(&writer, sink.send("sent".into())).is_ready());
        }
        assert_eq!(reader.count(), 0, "{halves}: nothing that a reader has to know");

        // The writer waits for room; the reader answers, as far as there is any.
        stream.tell(|script| script.writes = Writes::Wait);
        // `futures` keeps one of them itself.
        assert!((0..3).any(|_| poll_as(&writer, sink.feed("waiting".into())).is_pending()), "{halves}");
        stream.tell(|script| script.reads.push_back(Ok(pings.clone())));
        for _ in 0..3 {
            assert!(matches!(poll_as(&reader, events.next()), Poll::Ready(Some(Ok(Event::Ping(_))))));
        }
        assert!(poll_as(&reader, events.next()).is_pending());
        assert_eq!(writer.count(), 0, "{halves}: there is no more room than before");
    }
}

/// What is sent and not taken has a deadline, which a reader that has slept without one learns of, and watches.
#[tokio::test(start_paused = true)]
async fn a_reader_that_sleeps_learns_of_the_deadline_of_a_write() {
    let stream = Told::new(Writes::Wait, []);
    let config = Config::default().write_timeout(Some(Duration::from_secs(7)));
    let (mut reader, mut writer) = stream.server(config).split_with(split);
    let reading = tokio::spawn(async move { reader.recv().await.map(|event| event.map(Event::into_owned)) });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let began = Instant::now();
    // It does not wait: there is room.
    writer.send_text("nobody takes it").await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 0);
    let event = tokio::time::timeout(Duration::from_secs(100), reading).await.expect("it sleeps on").unwrap();
    assert_eq!(event.unwrap(), Some(Event::Failed(ProtocolError::WriteTimeout)));
    assert_eq!(began.elapsed().as_secs(), 7);
}

/// Who has sent is not waiting any more, and is not woken for the others.
#[test]
fn a_task_that_has_sent_is_not_woken() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Take, []);
    let (mut reader, writer) = stream.server(Config::default().high_water(5)).split_with(split);
    let (mut first, mut second, mut third) = (writer.share(), writer.share(), writer.share());
    let (reading, sent, waiting, gone) = <(Arc<Woken>, Arc<Woken>, Arc<Woken>, Arc<Woken>)>::default();
    assert!(poll_as(&sent, first.send_text("sent")).is_ready());
    stream.tell(|script| script.writes = Writes::Wait);
    first.try_send(&Message::from("waiting")).unwrap();
    assert!(poll_as(&waiting, second.send_text("no room")).is_pending());
    assert!(poll_as(&gone, third.send_text("no room")).is_pending());
    drop(third);
    stream.tell(|script| script.reads.push_back(Ok(CLOSE.to_vec())));
    assert!(matches!(poll_as(&reading, reader.recv()), Poll::Ready(Ok(Some(Event::Close(None))))));
    assert_eq!((sent.count(), gone.count(), waiting.count() > 0), (0, 0, true));
}

/// A reader that sleeps is woken for what a dropped writer has left to it.
#[test]
fn what_a_dropped_writer_has_queued_is_written_by_the_reader() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _enter = runtime.enter();
    let stream = Told::new(Writes::Take, []);
    let (mut reader, writer) = stream.server(Config::default()).split_with(split);
    let reading = Arc::<Woken>::default();
    assert!(poll_as(&reading, reader.recv()).is_pending());
    writer.feed(&Message::from("queued")).unwrap();
    assert_eq!(reading.count(), 0, "the writer may have more");
    drop(writer);
    assert_eq!(reading.count(), 1);
    assert!(poll_as(&reading, reader.recv()).is_pending());
    stream.tell(|script| assert_eq!(script.written, b"\x81\x06queued"));
}

/// Nobody would learn of the end of a connection that is not received: what is sent into it is refused.
#[tokio::test(start_paused = true)]
async fn a_shared_sender_without_a_reader_sends_nothing() {
    let stream = Told::new(Writes::Take, []);
    let (reader, writer) = stream.server(Config::default()).split_with(split);
    let mut sender = writer.share();
    drop(reader);
    assert_eq!(sender.send_text("a").await.unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(sender.try_send(&Message::from("a")), Err(SendError::Closed));
    assert!(!sender.can_send() && sender.is_closed());
    stream.tell(|script| assert_eq!(script.written, b""));
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
