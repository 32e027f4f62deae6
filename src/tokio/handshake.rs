//! The opening handshake over a stream: [`Accepting`] and [`Connecting`].

use core::future::{Future, poll_fn};
use core::mem;
use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::vec::Vec;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::time::{Instant, timeout_at};

use super::WebSocket;
use super::alarm::Alarm;
use super::stream::ReadBuffer;
use crate::adapter::{Error, LINGER, opened};
use crate::connection::{Config, Connection};
use crate::handshake::{
    ClientHandshake, ClientRequest, Established, HandshakeError, HttpRequest, Refusal, Response,
    ServerHandshake, ServerProgress, UpgradeRequest,
};
use crate::input::Input;
use crate::random::OsRandom;

/// Opens a connection as a client over a stream that is connected already, such as TLS.
///
/// Dropping the future drops the stream; [`Connecting`] keeps it.
///
/// # Errors
/// See [`Error`].
pub async fn client<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: ClientRequest,
    config: Config,
) -> Result<(WebSocket<S>, Established), Error> {
    Connecting::new(stream, request, config).advance().await
}

/// Accepts a connection as a server: any target, no subprotocol. [`Accepting`] leaves the decision to you.
///
/// A request that is not for a WebSocket is answered with 426. Dropping the future drops the stream.
///
/// ```no_run
/// # async fn serve() -> Result<(), sansocket::tokio::Error> {
/// use sansocket::{Event, tokio::accept};
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     tokio::spawn(async {
///         let mut ws = accept(stream).await?;
///         while let Some(event) = ws.recv().await? {
///             if let Event::Message(message) = event {
///                 println!("{message:?}");
///             }
///         }
///         Ok::<(), sansocket::tokio::Error>(())
///     });
/// }
/// # }
/// ```
///
/// # Errors
/// See [`Error`].
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<WebSocket<S>, Error> {
    // Boxed, so that the task of an open connection is not as large as its handshake was.
    Box::pin(async {
        match Accepting::new(stream, Config::default()).advance().await? {
            Incoming::Upgrade(upgrade) => Ok(upgrade.accept().await?),
            Incoming::Http(http) => {
                let refusal = HandshakeError::MissingUpgrade;
                http.respond(&Response::from(refusal)).await?;
                Err(refusal.into())
            }
        }
    })
    .await
}

/// A server's opening handshake over a stream, which reads the request.
///
/// ```no_run
/// # async fn serve(listener: tokio::net::TcpListener) -> Result<(), sansocket::tokio::Error> {
/// use sansocket::{Config, handshake::Response, tokio::{Accepting, Incoming}};
/// let (stream, _) = listener.accept().await?;
/// match Accepting::new(stream, Config::default()).advance().await? {
///     Incoming::Upgrade(mut upgrade) => {
///         upgrade.request.choose_supported(&["chat"]);
///         let mut ws = upgrade.accept().await?;
///     }
///     Incoming::Http(http) => http.respond(&Response::new(404).unwrap()).await?,
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Accepting<S> {
    state: AcceptState<S>,
    deadline: Instant,
}

#[derive(Debug)]
enum AcceptState<S> {
    Reading(Reader<S>, ServerHandshake),
    Refusing(Answer<S>, HandshakeError),
    Over,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AcceptState<S> {
    fn refusing(stream: S, refusal: &Refusal) -> Self {
        Self::Refusing(Answer::new(stream, refusal.response().into()), refusal.error())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Accepting<S> {
    /// Waits for a request on `stream`, from now on at most for [`Config::handshake_timeout`].
    pub fn new(stream: S, config: Config) -> Self {
        Self {
            state: AcceptState::Reading(Reader::new(stream), ServerHandshake::new(config)),
            deadline: after(config.handshake_timeout),
        }
    }

    /// Reads until the request is whole. A bad request is answered before its error is returned, and so is one
    /// that comes too slowly.
    ///
    /// Cancel-safe: the next call goes on where a dropped future stopped. Once it was ready, calls return
    /// [`NotConnected`](ErrorKind::NotConnected).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn advance(&mut self) -> Result<Incoming<S>, Error> {
        if let Ok(advanced) = timeout_at(self.deadline, poll_fn(|cx| self.poll_advance(cx))).await {
            return advanced;
        }
        self.time_out()?;
        poll_fn(|cx| self.poll_advance(cx)).await
    }

    /// No more is read: what is left is to answer, for which there is a deadline of its own.
    fn time_out(&mut self) -> io::Result<()> {
        match mem::replace(&mut self.state, AcceptState::Over) {
            AcceptState::Reading(reader, handshake) => {
                let refusal = handshake.timed_out().ok_or(ErrorKind::TimedOut)?;
                self.state = AcceptState::refusing(reader.stream, &refusal);
            }
            other => self.state = other,
        }
        Ok(())
    }

    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming<S>, Error>> {
        loop {
            match &mut self.state {
                AcceptState::Reading(reader, _) => ready!(reader.poll_read(cx))?,
                AcceptState::Refusing(answer, error) => {
                    // The peer's fault is worth more to the caller than a stream that cannot take the answer.
                    let _ = ready!(answer.poll(cx));
                    return Poll::Ready(Err((*error).into()));
                }
                AcceptState::Over => {
                    return Poll::Ready(Err(io::Error::from(ErrorKind::NotConnected).into()));
                }
            }
            let AcceptState::Reading(mut reader, handshake) =
                mem::replace(&mut self.state, AcceptState::Over)
            else {
                continue;
            };
            self.state = match reader.give(|input| handshake.recv(input)) {
                ServerProgress::Incomplete(handshake) => AcceptState::Reading(reader, handshake),
                ServerProgress::Upgrade(request) => {
                    return Poll::Ready(Ok(Incoming::Upgrade(Upgrade {
                        request,
                        reader,
                        deadline: self.deadline,
                    })));
                }
                ServerProgress::Http(request) => {
                    return Poll::Ready(Ok(Incoming::Http(Http { request, stream: reader.stream })));
                }
                ServerProgress::Refused(refusal) => AcceptState::refusing(reader.stream, &refusal),
            };
        }
    }
}

/// A client's opening handshake over a stream.
#[derive(Debug)]
pub struct Connecting<S> {
    /// `None` when it is over.
    state: Option<(Reader<S>, ClientHandshake)>,
    deadline: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connecting<S> {
    /// Sends `request` over `stream`, and waits for the answer, from now on at most for
    /// [`Config::handshake_timeout`].
    pub fn new(stream: S, request: ClientRequest, config: Config) -> Self {
        Self {
            state: Some((Reader::new(stream), ClientHandshake::new(request, config, OsRandom))),
            deadline: after(config.handshake_timeout),
        }
    }

    /// Writes and reads until the answer is whole.
    ///
    /// Cancel-safe: the next call goes on where a dropped future stopped. Once it was ready, calls return
    /// [`NotConnected`](ErrorKind::NotConnected).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn advance(&mut self) -> Result<(WebSocket<S>, Established), Error> {
        let deadline = self.deadline;
        in_time(deadline, poll_fn(|cx| self.poll_advance(cx))).await
    }

    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<(WebSocket<S>, Established), Error>> {
        loop {
            let Some((reader, handshake)) = &mut self.state else {
                return Poll::Ready(Err(io::Error::from(ErrorKind::NotConnected).into()));
            };
            while !handshake.output().is_empty() {
                let n = ready!(Pin::new(&mut reader.stream).poll_write(cx, handshake.output()))?;
                if n == 0 {
                    return Poll::Ready(Err(io::Error::from(ErrorKind::WriteZero).into()));
                }
                handshake.output_written(n);
            }
            ready!(Pin::new(&mut reader.stream).poll_flush(cx))?;
            let read = ready!(reader.poll_read(cx));
            let Some((mut reader, handshake)) = self.state.take() else { continue };
            match read {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    let refused = handshake.recv_eof()?;
                    return Poll::Ready(Err(Error::Refused(Box::new(refused))));
                }
                result => result?,
            }
            match reader.give(|input| opened(handshake, input))? {
                ControlFlow::Continue(handshake) => self.state = Some((reader, handshake)),
                ControlFlow::Break((connection, established)) => {
                    return Poll::Ready(Ok((reader.into_web_socket(connection), established)));
                }
            }
        }
    }
}

/// What a client has asked for.
#[derive(Debug)]
pub enum Incoming<S> {
    /// A WebSocket.
    Upgrade(Upgrade<S>),
    /// Something else, such as a page.
    Http(Http<S>),
}

/// A client waits for its request to be accepted or rejected.
#[derive(Debug)]
pub struct Upgrade<S> {
    /// The request, where subprotocol and headers of the answer are chosen.
    pub request: UpgradeRequest,
    reader: Reader<S>,
    deadline: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Upgrade<S> {
    /// Opens the connection and writes the answer, in the time that is left for the handshake. Dropping the
    /// future drops the stream.
    ///
    /// # Errors
    /// The stream's.
    pub async fn accept(self) -> io::Result<WebSocket<S>> {
        let mut ws = self.reader.into_web_socket(self.request.accept());
        timeout_at(self.deadline, ws.flush()).await??;
        Ok(ws)
    }

    /// Answers with `response` and ends the transport. Dropping the future drops the stream.
    ///
    /// # Errors
    /// The stream's.
    pub async fn reject(self, response: &Response) -> io::Result<()> {
        let mut answer = Answer::new(self.reader.stream, self.request.reject(response));
        poll_fn(|cx| answer.poll(cx)).await
    }
}

/// A client waits for the answer to an ordinary HTTP request.
#[derive(Debug)]
pub struct Http<S> {
    /// The request.
    pub request: HttpRequest,
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http<S> {
    /// Answers with `response` and ends the transport. Dropping the future drops the stream.
    ///
    /// # Errors
    /// The stream's.
    pub async fn respond(self, response: &Response) -> io::Result<()> {
        let mut answer = Answer::new(self.stream, self.request.respond(response));
        poll_fn(|cx| answer.poll(cx)).await
    }
}

/// A stream, and what was read from it.
#[derive(Debug)]
struct Reader<S> {
    stream: S,
    buffer: ReadBuffer,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    fn new(stream: S) -> Self {
        Self { stream, buffer: ReadBuffer::new(Vec::new(), 0) }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.buffer.poll_read(&mut self.stream, cx))? {
            0 => Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Gives what was read to a handshake.
    fn give<T>(&mut self, take: impl FnOnce(&mut Input<'_>) -> T) -> T {
        let end = self.buffer.end();
        let (unread, start) = self.buffer.parts();
        let mut input = Input::new(unread);
        let taken = take(&mut input);
        *start = end - input.len();
        taken
    }

    fn into_web_socket(self, connection: Connection) -> WebSocket<S> {
        WebSocket::new(self.stream, connection, self.buffer)
    }
}

/// Writes an answer in HTTP, and waits a moment for the peer to close: closing with unread input would reset
/// the connection and could destroy the answer on its way.
#[derive(Debug)]
struct Answer<S> {
    stream: S,
    bytes: Vec<u8>,
    written: usize,
    shut_down: bool,
    alarm: Alarm,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Answer<S> {
    fn new(stream: S, bytes: Vec<u8>) -> Self {
        Self { stream, bytes, written: 0, shut_down: false, alarm: Alarm::new(Duration::ZERO) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.alarm.poll(Some(LINGER), cx).is_ready() {
            let is_written = self.written == self.bytes.len();
            return Poll::Ready(if is_written { Ok(()) } else { Err(ErrorKind::TimedOut.into()) });
        }
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        if !self.shut_down {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut_down = true;
        }
        loop {
            let mut dropped = [0; 1024];
            let mut dropped = ReadBuf::new(&mut dropped);
            // The answer is out: how the peer closes is its own affair.
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut dropped)).is_err()
                || dropped.filled().is_empty()
            {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// The end of a timeout that begins now, or what is as good as never.
pub(super) fn after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(u64::from(u32::MAX)))
}

pub(super) async fn in_time<T>(
    deadline: Instant,
    handshake: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout_at(deadline, handshake).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}
