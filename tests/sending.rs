//! Everything that sends, in both adapters, writes the same bytes by the same words; and what it does with a stream that is broken.
#![cfg(all(feature = "_tests", feature = "net"))]

use std::io::{self, ErrorKind, Read, Write};
use std::net;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use futures_util::SinkExt;
use sansocket::frame::{CloseFrame, ControlPayload};
use sansocket::net::Transport;
use sansocket::tokio::{Command, WebSocket};
use sansocket::{Chunk, CloseCode, Config, Connection, EncodedMessage, Event, Message, ProtocolError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const SENT: &[u8] = b"\x81\x01a\x82\x01b\x81\x01c\x82\x01d\x01\x01e\x80\x01f\x89\x01g";
const FED: &[u8] = b"\x81\x01h";

/// A socket, and what its peer receives of this many bytes.
fn sockets(len: usize) -> (net::TcpStream, thread::JoinHandle<Vec<u8>>) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let received = thread::spawn(move || {
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut bytes = vec![0; len];
        peer.read_exact(&mut bytes).unwrap();
        bytes
    });
    (listener.accept().unwrap().0, received)
}

fn connection() -> Connection {
    Connection::server(Config::default())
}

fn encoded() -> EncodedMessage {
    EncodedMessage::new(&Message::from(b"d"))
}

/// Sends [`SENT`], by every method there is; `.await` each, or not.
macro_rules! send {
    ($ws:expr $(, $($wait:tt)*)?) => {
        $ws.send_text("a") $($($wait)*)? .unwrap();
        $ws.send_binary(b"b") $($($wait)*)? .unwrap();
        $ws.send_owned(Message::from("c")) $($($wait)*)? .unwrap();
        $ws.send_encoded(&encoded()) $($($wait)*)? .unwrap();
        $ws.send_fragment(&Message::from("e"), false) $($($wait)*)? .unwrap();
        $ws.send_fragment(&Message::from("f"), true) $($($wait)*)? .unwrap();
        $ws.ping(b"g") $($($wait)*)? .unwrap();
    };
}

/// The same, and then what is left to a flush.
macro_rules! send_and_feed {
    ($ws:expr $(, $($wait:tt)*)?) => {
        assert!($ws.can_send());
        send!($ws $(, $($wait)*)?);
        $ws.feed(&Message::from("h")).unwrap();
        $ws.flush() $($($wait)*)? .unwrap();
    };
}

#[test]
fn by_net() {
    let (stream, received) = sockets(SENT.len() + FED.len());
    let mut ws = sansocket::net::WebSocket::from_parts(stream, connection(), vec![]);
    send_and_feed!(ws);
    assert_eq!(received.join().unwrap(), [SENT, FED].concat());

    let (stream, received) = sockets(SENT.len() + FED.len());
    let ws = sansocket::net::WebSocket::from_parts(stream, connection(), vec![]);
    let (_reader, mut writer) = ws.into_split().unwrap();
    send_and_feed!(writer);
    assert_eq!(received.join().unwrap(), [SENT, FED].concat());
}

/// What is sent by the connection itself is written by the next call.
#[test]
fn by_the_connection() {
    let (stream, received) = sockets(SENT.len());
    let mut ws = sansocket::net::WebSocket::from_parts(stream, connection(), vec![]);
    send!(ws.connection_mut());
    ws.flush().unwrap();
    assert_eq!(received.join().unwrap(), SENT);
}

fn over(stream: net::TcpStream) -> WebSocket<TcpStream> {
    stream.set_nonblocking(true).unwrap();
    WebSocket::from_parts(TcpStream::from_std(stream).unwrap(), connection(), vec![])
}

#[tokio::test]
async fn by_tokio() {
    let (stream, received) = sockets(SENT.len() + FED.len());
    let mut ws = over(stream);
    send_and_feed!(ws, .await);
    assert_eq!(received.join().unwrap(), [SENT, FED].concat());

    let (stream, received) = sockets(SENT.len() + FED.len());
    let (_reader, mut writer) = over(stream).into_split();
    send_and_feed!(writer, .await);
    assert_eq!(received.join().unwrap(), [SENT, FED].concat());

    let (stream, received) = sockets(SENT.len() + FED.len());
    let (_reader, writer) = over(stream).into_split();
    let mut shared = writer.share();
    send!(shared, .await);
    shared.try_send(&Message::from("h")).unwrap();
    shared.flush().await.unwrap();
    assert_eq!(received.join().unwrap(), [SENT, FED].concat());
}

/// More pieces than a stream is given at once, and behind them a payload that is written from where it is.
#[tokio::test]
async fn many_pieces_and_a_payload_behind_them() {
    let large = || Message::from(vec![7; 20_000]);
    let connection = || Connection::server(Config::default().high_water(1 << 20));
    for pieces in 1..20 {
        let header = b"\x82\x7E\x4E\x20";
        let expected = [&header[..], &[7; 20_000]].concat().repeat(pieces + 1);
        let (stream, received) = sockets(expected.len());
        let mut ws = sansocket::net::WebSocket::from_parts(stream, connection(), vec![]);
        for _ in 0..pieces {
            ws.connection_mut().send_owned(large()).unwrap();
        }
        ws.send(&large()).unwrap();
        assert!(received.join().unwrap() == expected, "{pieces}");

        let (stream, received) = sockets(expected.len());
        stream.set_nonblocking(true).unwrap();
        let mut ws = WebSocket::from_parts(TcpStream::from_std(stream).unwrap(), connection(), vec![]);
        for _ in 0..pieces {
            ws.connection_mut().send_owned(large()).unwrap();
        }
        ws.send(&large()).await.unwrap();
        ws.flush().await.unwrap();
        assert!(received.join().unwrap() == expected, "{pieces}");
    }
}

/// The commands of a `Sink`, and what each of them is on the wire.
fn commands() -> Vec<(Command, &'static [u8])> {
    let fragment = |data: &'static str, last| Command::Fragment { data: data.into(), last };
    vec![
        ("a".into(), b"\x81\x01a"),
        (String::from("a").into(), b"\x81\x01a"),
        (Message::from("a").into(), b"\x81\x01a"),
        (vec![b'b'].into(), b"\x82\x01b"),
        ((&b"b"[..]).into(), b"\x82\x01b"),
        #[cfg(feature = "bytes")]
        (bytes::Bytes::from_static(b"c").into(), b"\x82\x01c"),
        (encoded().into(), b"\x82\x01d"),
        (fragment("e", false), b"\x01\x01e"),
        (Command::Ping(payload()), b"\x89\x01g"),
        (Command::Pong(payload()), b"\x8A\x01g"),
        (Command::Flush, b""),
        (fragment("f", true), b"\x80\x01f"),
        (Command::Close(None), b"\x88\x02\x03\xE8"),
        // It is closing already.
        (CloseFrame::new(CloseCode::GOING_AWAY, "").into(), b""),
    ]
}

fn payload() -> ControlPayload {
    ControlPayload::new(b"g").unwrap()
}

#[tokio::test]
async fn by_the_commands_of_a_sink() {
    let expected = commands().into_iter().flat_map(|(_, bytes)| bytes).copied().collect::<Vec<_>>();
    let (stream, received) = sockets(expected.len());
    let mut ws = over(stream);
    for (command, _) in commands() {
        SinkExt::send(&mut ws, command).await.unwrap();
    }
    assert_eq!(received.join().unwrap(), expected);

    let (stream, received) = sockets(expected.len());
    let (_reader, mut writer) = over(stream).into_split();
    for (command, _) in commands() {
        SinkExt::send(&mut writer, command).await.unwrap();
    }
    assert_eq!(received.join().unwrap(), expected);
}

/// So that a stream of events can be forwarded to a sink: messages and the Close go back, and what is answered already does not.
#[test]
fn events_as_commands() {
    let data = Message::from("e");
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "bye");
    for (event, command) in [
        (Event::Message(data.clone()), Command::Message(data.clone())),
        (
            Event::Chunk(Chunk { first: true, last: false, data: data.clone() }),
            Command::Fragment { data: data.clone(), last: false },
        ),
        (
            Event::Chunk(Chunk { first: false, last: true, data: data.clone() }),
            Command::Fragment { data, last: true },
        ),
        (Event::Ping(b"g"[..].into()), Command::Flush),
        (Event::Pong(b"g"[..].into()), Command::Flush),
        (Event::Failed(ProtocolError::InvalidUtf8), Command::Flush),
        (Event::Close(None), Command::Close(None)),
        (Event::Close(Some(Box::new(frame))), Command::Close(Some(frame))),
    ] {
        assert_eq!(Command::from(event), command);
    }
}

/// A stream that gives nothing, and takes nothing without an error, or fails with this one.
#[derive(Debug)]
struct Broken(Option<ErrorKind>);

impl Broken {
    fn written(&self) -> io::Result<usize> {
        self.0.map_or(Ok(0), |kind| Err(kind.into()))
    }
}

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.written()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Broken {
    fn shutdown_write(&mut self) -> io::Result<()> {
        panic!("there is nothing to end")
    }

    fn abort(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.written())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A stream that takes nothing, and does not say "later", will not take more: whoever sends is told, and then the reader.
#[tokio::test]
async fn a_stream_that_takes_nothing_more_is_an_error() {
    for (fault, kind) in [(None, ErrorKind::WriteZero), (Some(ErrorKind::BrokenPipe), ErrorKind::BrokenPipe)]
    {
        let lost = Some(Event::Failed(ProtocolError::TransportFailed));

        let mut ws = sansocket::net::WebSocket::from_parts(Broken(fault), connection(), vec![]);
        assert_eq!(ws.send_text("a").unwrap_err().kind(), kind);
        assert_eq!(ws.recv().unwrap(), lost);
        assert_eq!(ws.recv().unwrap(), None);
        assert_eq!(ws.send_text("a").unwrap_err().kind(), ErrorKind::NotConnected);
        let ws = sansocket::net::WebSocket::from_parts(Broken(fault), connection(), vec![]);
        assert_eq!(ws.into_split().unwrap_err().kind(), ErrorKind::Unsupported, "there is no second handle");

        let mut ws = WebSocket::from_parts(Broken(fault), connection(), vec![]);
        assert_eq!(ws.send_text("a").await.unwrap_err().kind(), kind);
        assert_eq!(ws.recv().await.unwrap(), lost);
        assert_eq!(ws.recv().await.unwrap(), None);
        assert_eq!(ws.send_text("a").await.unwrap_err().kind(), ErrorKind::NotConnected);

        let mut ws = WebSocket::from_parts(Broken(fault), connection(), vec![]);
        ws.feed(&Message::from("a")).unwrap();
        assert_eq!(ws.flush().await.unwrap_err().kind(), kind);
        assert_eq!(ws.recv().await.unwrap(), lost);

        // It is the reader that writes.
        let mut ws = WebSocket::from_parts(Broken(fault), connection(), vec![]);
        ws.feed(&Message::from("a")).unwrap();
        assert_eq!(ws.recv().await.unwrap_err().kind(), kind);
        assert_eq!(ws.recv().await.unwrap(), None);
    }
}
