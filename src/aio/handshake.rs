//! The opening handshake over a stream: [`Accepting`] and [`Connecting`].

use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::vec::Vec;

use super::driver::Driver;
use super::io::{Io, Timer};
use super::web_socket::WebSocket;
use crate::adapter::{Asked, Error, asked, not_opened};
use crate::connection::Config;
use crate::endpoint::{Answer, Client, ConnectOptions, Server, Step};
use crate::handshake::{ClientRequest, Established, HandshakeError, HttpRequest, Response, UpgradeRequest};
use crate::random::OsRandom;

/// A server's opening handshake over a stream: receives the request.
#[derive(Debug)]
pub struct Accepting<S, T> {
    /// `None` after the request was returned or refused.
    driver: Option<Driver<S, Server, T>>,
    /// The error of an invalid request while it is being answered.
    refused: Option<Error>,
    timeout: Duration,
}

impl<S, T> Accepting<S, T> {
    /// Creates a handshake that waits for a request on `stream`. `timer` begins at zero.
    pub fn over(stream: S, config: Config, timer: T) -> Self {
        let driver = Driver::new(stream, Server::new(config), timer);
        Self { driver: Some(driver), refused: None, timeout: config.handshake_timeout }
    }
}

impl<S: Io<T>, T: Timer> Accepting<S, T> {
    /// Receives the request, within [`Config::handshake_timeout`] of the first call. A request that is
    /// invalid or too slow is answered before its error is returned; the client has [`Config::close_timeout`] to
    /// take the answer.
    ///
    /// Cancel-safe: the next call continues where a dropped future stopped. After it has returned, further
    /// calls return [`NotConnected`](ErrorKind::NotConnected).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn advance(&mut self) -> Result<Incoming<S, T>, Error> {
        poll_fn(|cx| self.poll_advance(cx)).await
    }

    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming<S, T>, Error>> {
        let Some(driver) = &mut self.driver else {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        let ended = loop {
            let Driver { link, buffer } = driver;
            let event = buffer.give(|input| link.endpoint.recv(input));
            let state = link.endpoint.state();
            match event.and_then(|event| asked(event, state)) {
                // Input after a refused request is dropped.
                Some(_) if self.refused.is_some() => {}
                Some(Ok(asked)) => {
                    let Some(driver) = self.driver.take() else { break None };
                    return Poll::Ready(Ok(Incoming::new(asked, driver, self.timeout)));
                }
                Some(Err(error)) => self.refused = Some(error),
                None => match ready!(driver.poll_ready(cx)) {
                    Ok(true) => {}
                    Ok(false) => break None,
                    Err(error) => break Some(error),
                },
            }
        };
        self.driver = None;
        // The peer's error is more useful to the caller than that of a stream that cannot take the answer.
        let error = self.refused.take().or(ended.map(Error::Io));
        Poll::Ready(Err(error.unwrap_or(ErrorKind::UnexpectedEof.into())))
    }
}

/// A client's request.
#[derive(Debug)]
pub enum Incoming<S, T> {
    /// A request for a WebSocket.
    Upgrade(Upgrade<S, T>),
    /// Any other request, such as for a page.
    Http(Http<S, T>),
}

impl<S, T> Incoming<S, T> {
    fn new(asked: Asked, driver: Driver<S, Server, T>, timeout: Duration) -> Self {
        match asked {
            Asked::Upgrade(request) => Self::Upgrade(Upgrade { request, driver, timeout }),
            Asked::Http(request) => Self::Http(Http { request, driver }),
        }
    }
}

impl<S: Io<T>, T: Timer> Incoming<S, T> {
    /// Accepts a request for a WebSocket, and answers any other with 426.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn accept(self) -> Result<WebSocket<S, T>, Error> {
        match self {
            Self::Upgrade(upgrade) => Ok(upgrade.accept().await?),
            Self::Http(http) => {
                let refusal = HandshakeError::MissingUpgrade;
                http.respond(&Response::from(refusal)).await?;
                Err(refusal.into())
            }
        }
    }
}

/// A request for a WebSocket that waits to be accepted or rejected.
#[derive(Debug)]
pub struct Upgrade<S, T> {
    /// The request. It also determines the subprotocol and headers of the response.
    pub request: Box<UpgradeRequest>,
    driver: Driver<S, Server, T>,
    timeout: Duration,
}

impl<S: Io<T>, T: Timer> Upgrade<S, T> {
    /// Opens the connection and writes the response, within [`Config::handshake_timeout`]. Dropping the
    /// future drops the stream.
    ///
    /// # Errors
    /// Errors of the stream; [`TimedOut`](ErrorKind::TimedOut) if the client did not take the response in time.
    pub async fn accept(self) -> io::Result<WebSocket<S, T>> {
        let Self { request, mut driver, timeout } = self;
        driver.link.endpoint.answer(request.accept());
        let mut alarm = driver.link.timer.another();
        let due = alarm.now().checked_add(timeout);
        let mut ws = WebSocket::from(driver.open(Server::into_connection)?);
        poll_fn(|cx| {
            let flushed = ws.poll_writing(cx, |writing, cx| writing.poll_flush_all(cx));
            if flushed.is_pending() && alarm.poll(due, cx).is_ready() {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            flushed
        })
        .await?;
        Ok(ws)
    }

    /// Answers with `response` and ends the transport. The client has [`Config::close_timeout`] for each 16 KiB
    /// of it, or for the rest, and then to close. Dropping the future drops the stream.
    ///
    /// # Errors
    /// Errors of the stream before the response is complete; [`TimedOut`](ErrorKind::TimedOut) if the client took
    /// too little.
    pub async fn reject(self, response: &Response) -> io::Result<()> {
        respond(self.driver, self.request.reject(response)).await
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.driver.link.stream
    }
}

/// An ordinary HTTP request that waits for its answer.
#[derive(Debug)]
pub struct Http<S, T> {
    /// The request.
    pub request: Box<HttpRequest>,
    driver: Driver<S, Server, T>,
}

impl<S, T> Http<S, T> {
    /// Returns the request, the stream, and the bytes read after the head, to pass to an HTTP server.
    pub fn into_parts(self) -> (HttpRequest, S, Vec<u8>) {
        (*self.request, self.driver.link.stream, self.driver.buffer.into_unread())
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.driver.link.stream
    }
}

impl<S: Io<T>, T: Timer> Http<S, T> {
    /// Answers with `response` and ends the transport. The client has [`Config::close_timeout`] for each 16 KiB
    /// of it, or for the rest, and then to close. Dropping the future drops the stream.
    ///
    /// # Errors
    /// Errors of the stream before the response is complete; [`TimedOut`](ErrorKind::TimedOut) if the client took
    /// too little.
    pub async fn respond(self, response: &Response) -> io::Result<()> {
        respond(self.driver, self.request.respond(response)).await
    }
}

/// Writes an HTTP response, and drops input until the transport has ended.
async fn respond<S: Io<T>, T: Timer>(
    mut driver: Driver<S, Server, T>,
    answer: impl Into<Answer>,
) -> io::Result<()> {
    driver.link.endpoint.answer(answer);
    poll_fn(|cx| {
        loop {
            let written = driver.poll_writing(|writing, cx| writing.poll_flush_all(cx), cx);
            if written.is_ready() || driver.buffer.has_room() {
                return written;
            }
            // A client may send the rest of its request before it reads.
            while driver.take().is_some() {}
        }
    })
    .await?;
    poll_fn(|cx| {
        loop {
            while driver.take().is_some() {}
            match ready!(driver.poll_ready(cx)) {
                Ok(true) => {}
                // The response is written: the way in which the client ends is not an error.
                Ok(false) | Err(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
    Ok(())
}

/// A client's opening handshake over a stream.
#[derive(Debug)]
pub struct Connecting<S, T> {
    /// `None` when it is over.
    driver: Option<Driver<S, Client, T>>,
}

impl<S, T> Connecting<S, T> {
    /// Creates a handshake that sends `request` over `stream`, which already leads to the server. `timer`
    /// begins at zero.
    pub fn over(stream: S, request: ClientRequest, options: ConnectOptions, timer: T) -> Self {
        let mut client = Client::new(request, options.direct(), OsRandom);
        client.connected();
        client.secured();
        Self { driver: Some(Driver::new(stream, client, timer)) }
    }
}

impl<S: Io<T>, T: Timer> Connecting<S, T> {
    /// Sends the request and receives the response, within [`Config::handshake_timeout`] of the first call.
    ///
    /// Cancel-safe: the next call continues where a dropped future stopped. After it has returned, further
    /// calls return [`NotConnected`](ErrorKind::NotConnected).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn advance(&mut self) -> Result<(WebSocket<S, T>, Established), Error> {
        let opened = match &mut self.driver {
            Some(driver) => poll_fn(|cx| poll_opened(driver, cx, |_| {})).await,
            None => Ok(None),
        };
        match (self.driver.take(), opened?) {
            (Some(driver), Some(established)) => {
                Ok((driver.open(Client::into_connection)?.into(), *established))
            }
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }
}

/// Drives a client until its connection is open, or until another [step](Client::step) is required: `None`. Before each
/// wait, `look` is called.
pub(crate) fn poll_opened<S: Io<T>, T: Timer>(
    driver: &mut Driver<S, Client, T>,
    cx: &mut Context<'_>,
    mut look: impl FnMut(&Client),
) -> Poll<Result<Option<Box<Established>>, Error>> {
    let mut broken = None;
    loop {
        match driver.take() {
            Some(crate::ClientEvent::Opened(established)) => return Poll::Ready(Ok(Some(established))),
            Some(event) => {
                if let Some(error) = not_opened(event, broken.take()) {
                    return Poll::Ready(Err(error));
                }
            }
            None => {
                if driver.link.endpoint.step() != Step::Run {
                    return Poll::Ready(Ok(None));
                }
                look(&driver.link.endpoint);
                match ready!(driver.poll_ready(cx)) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Ready(Err(ErrorKind::NotConnected.into())),
                    // Bytes that arrived before may contain a more useful error.
                    Err(error) => broken = Some(error),
                }
            }
        }
    }
}
