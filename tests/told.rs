//! The asynchronous adapters over a stream that does what it is told: errors at each step, the size of reads, what is flushed, and
//! handshakes that are over.
#![cfg(feature = "_tests")]

#[path = "support/told.rs"]
mod told;

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sansocket::futures_io as futures_io_adapter;
use sansocket::handshake::{ClientRequest, HandshakeError, Response, accept_key};
use sansocket::tokio::{Accepting, Connecting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Config, Connection, Event, Message, ProtocolError, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::time::{Instant, Sleep, advance, sleep};
use told::{Plain, Told, Writes};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const CLOSE: &[u8] = b"\x88\x80\0\0\0\0";

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

/// Whatever a broken stream still gives is received, however many reads that takes. Then an event tells the failure, unless the
/// peer has closed.
#[tokio::test(start_paused = true)]
async fn what_arrived_before_a_failed_write_is_received() {
    let ends = [(Some(CLOSE), Event::Close(None)), (None, Event::Failed(ProtocolError::TransportFailed))];
    for ((last, end), halves) in ends.into_iter().flat_map(|end| [(end.clone(), false), (end, true)]) {
        let reads = [Ok(&b"\x81\x81\0\0\0\0a"[..]), Ok(b"\x81\x81\0"), Ok(b"\0\0\0b")];
        let stream = Told::new(Writes::Fail(ErrorKind::BrokenPipe), reads);
        stream.tell(|script| script.reads.extend(last.map(|bytes| Ok(bytes.to_vec()))));
        let mut ws = stream.server(Config::default());
        ws.feed(&Message::from("waiting")).unwrap();
        let messages = ["a", "b"].map(|text| Event::Message(Message::from(text)));
        assert_eq!(all(ws, halves).await, [&messages[..], &[end]].concat(), "{halves}");
    }
}

/// Flushing tells that not everything was written, whoever has met the error: behind the peer's Close it is none for the reader.
#[tokio::test(start_paused = true)]
async fn a_flush_tells_that_the_stream_broke() {
    for halves in [false, true] {
        let stream = Told::new(Writes::Wait, [Ok(CLOSE)]);
        let mut ws = stream.server(Config::default());
        ws.feed(&Message::from("waiting")).unwrap();
        let broken = || stream.tell(|script| script.writes = Writes::Fail(ErrorKind::BrokenPipe));
        let cx = &mut Context::from_waker(Waker::noop());
        let flushed = if halves {
            let (mut reader, mut writer) = ws.split_with(split);
            let mut flushing = pin!(writer.flush());
            assert!(flushing.as_mut().poll(cx).is_pending());
            assert_eq!(reader.recv().await.unwrap(), Some(Event::Close(None)));
            broken();
            assert_eq!(reader.recv().await.unwrap(), None);
            flushing.await
        } else {
            assert_eq!(ws.recv().await.unwrap(), Some(Event::Close(None)));
            broken();
            assert_eq!(ws.recv().await.unwrap(), None);
            ws.flush().await
        };
        assert_eq!(flushed.unwrap_err().kind(), ErrorKind::BrokenPipe, "{halves}");
    }
}

/// A failure is told when the stream has ended, even if the call that received it was dropped.
#[tokio::test(start_paused = true)]
async fn finishing_tells_a_failure_at_the_end() {
    const SECOND: Duration = Duration::from_secs(1);
    for halves in [false, true] {
        let stream = Told::new(Writes::Take, [Ok(&b"\x83\x80\0\0\0\0"[..])]);
        let end = || stream.tell(|script| script.reads.push_back(Ok(vec![])));
        let mut ws = stream.server(Config::default());
        let (early, failed, again) = if halves {
            let (mut reader, _writer) = ws.split_with(split);
            let early = tokio::time::timeout(SECOND, reader.finish()).await;
            end();
            (early, reader.finish().await, reader.finish().await)
        } else {
            let early = tokio::time::timeout(SECOND, ws.finish()).await;
            end();
            (early, ws.finish().await, ws.finish().await)
        };
        assert!(early.is_err(), "the stream has not ended");
        let failed = failed.unwrap_err().downcast::<ProtocolError>().unwrap();
        assert_eq!(failed, ProtocolError::ReservedOpcode(3), "{halves}");
        again.unwrap();
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
    stream.tell(|script| script.interrupts = 1);
    let mut ws = stream.server(Config::default());
    ws.send_text("a").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Event::Close(None)));
    assert_eq!(ws.recv().await.unwrap(), None);
    stream.tell(|script| assert_eq!(script.written, b"\x81\x01a\x88\x00"));
}

/// A caller that is late for one deadline, and then for the next one, still receives first what has arrived.
#[tokio::test(start_paused = true)]
async fn what_arrived_counts_for_every_deadline() {
    const SECOND: Duration = Duration::from_secs(1);
    /// Late for the write, which then succeeds; and late for the deadline of an idle connection.
    async fn late_twice(stream: &Told, mut poll: impl FnMut() -> Poll<bool>) -> Poll<bool> {
        assert!(poll().is_pending());
        advance(6 * SECOND).await;
        stream.tell(|script| script.writes = Writes::Take);
        assert!(poll().is_pending());
        advance(30 * SECOND).await;
        stream.tell(|script| script.reads.push_back(Ok(b"\x81\x81\0\0\0\0a".to_vec())));
        poll()
    }
    let config = Config::default().write_timeout(Some(5 * SECOND)).idle_timeout(Some(20 * SECOND));
    for halves in [false, true] {
        let stream = Told::new(Writes::Wait, []);
        let mut ws = stream.server(config);
        ws.feed(&Message::from("waiting")).unwrap();
        let cx = &mut Context::from_waker(Waker::noop());
        let is_message = |event: io::Result<Option<Event<'_>>>| matches!(event, Ok(Some(Event::Message(_))));
        let received = if halves {
            let (mut reader, _writer) = ws.split_with(split);
            late_twice(&stream, || pin!(reader.recv()).poll(cx).map(is_message)).await
        } else {
            late_twice(&stream, || pin!(ws.recv()).poll(cx).map(is_message)).await
        };
        assert_eq!(received, Poll::Ready(true), "{halves}");
        stream.tell(|script| assert_eq!(script.written, b"\x81\x07waiting", "{halves}: it is not idle"));
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
    // A server may refuse and close before it has read all of the request.
    let stream = Told::new(Writes::Fail(ErrorKind::BrokenPipe), [Ok(&refusal[..20]), Ok(&refusal[20..])]);
    let error = Connecting::new(stream, request(), Config::default()).advance().await.map(drop).unwrap_err();
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

/// A task that comes late has not seen what arrived in time: it reads once before the peer is too late. The rest must be there, too.
#[tokio::test(start_paused = true)]
async fn a_request_that_arrived_in_time_is_answered_late() {
    let response = |key: &str| {
        let key = String::from_utf8_lossy(&accept_key(key.as_bytes())).into_owned();
        format!(
            "HTTP/1.1 101 a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
        )
    };
    for is_complete in [true, false] {
        let cx = &mut Context::from_waker(Waker::noop());
        let (accepts, connects) = (Told::new(Writes::Take, []), Told::new(Writes::Take, []));
        let mut accepting = Accepting::new(accepts.clone(), Config::default());
        let mut connecting = Connecting::new(connects.clone(), request(), Config::default());
        assert!(pin!(accepting.advance()).poll(cx).is_pending());
        assert!(pin!(connecting.advance()).poll(cx).is_pending());
        advance(Duration::from_secs(11)).await;
        let sent = connects.tell(|script| String::from_utf8(script.written.clone()).unwrap());
        let key = sent.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        for (stream, bytes) in [(accepts, REQUEST), (connects, response(key).as_bytes())] {
            let bytes = if is_complete { bytes } else { &bytes[..30] };
            stream.tell(|script| script.reads.push_back(Ok(bytes.to_vec())));
        }
        let accepted = accepting.advance().await;
        let connected = connecting.advance().await;
        if is_complete {
            assert!(matches!(accepted, Ok(Incoming::Upgrade(_))), "{accepted:?}");
            assert!(connected.is_ok(), "{connected:?}");
        } else {
            assert!(matches!(accepted, Err(Error::Handshake(HandshakeError::TimedOut))), "{accepted:?}");
            let error = connected.map(drop).unwrap_err();
            assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::TimedOut), "{error:?}");
        }
    }
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
