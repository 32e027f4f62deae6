//! A server's opening handshake over a stream: [`accept`] and [`Accepting`].

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::thread;
use std::vec::Vec;

use super::driver::{Call, Driver};
use super::pipe::NOW;
use super::time::{Clock, is_later, later_is_fine};
use super::{Transport, WebSocket, wait_methods};
use crate::adapter::{Asked, Error, asked};
use crate::connection::Config;
use crate::endpoint::{Answer, Endpoint, Server};
use crate::handshake::{HandshakeError, HttpRequest, Response, UpgradeRequest};

/// Accepts a connection as a server, with any target, any `Origin` and no subprotocol; see [`accept_with`].
///
/// ```no_run
/// use std::net::TcpListener;
/// use sansocket::{Event, net};
/// let listener = TcpListener::bind("127.0.0.1:9001")?;
/// for stream in listener.incoming() {
///     let Ok(stream) = stream else {
///         std::thread::sleep(std::time::Duration::from_millis(50)); // e.g. too many open files
///         continue;
///     };
///     let _ = stream.set_nodelay(true); // or short messages can wait for 40 ms
///     let serve = move || {
///         let Ok(mut ws) = net::accept(stream) else { return };
///         while let Ok(Some(event)) = ws.recv() {
///             if let Event::Message(message) = event {
///                 println!("{}", message.as_text().unwrap_or("(binary)"));
///             }
///         }
///     };
///     let _ = std::thread::Builder::new().spawn(serve); // without a thread the client is dropped
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// See [`Error`].
pub fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    accept_with(stream, Config::default())
}

/// Accepts a connection as a server, with custom limits and deadlines. To decide on each request yourself,
/// use [`Accepting`].
///
/// A request takes at most [`Config::handshake_timeout`]. One that is not for a WebSocket is answered with 426, an
/// invalid one with its error; after such an answer this waits for the client to close, for at most
/// [`Config::close_timeout`].
///
/// # Errors
/// See [`Error`].
pub fn accept_with<S: Transport>(stream: S, config: Config) -> Result<WebSocket<S>, Error> {
    match Accepting::new(stream, config).finish()? {
        Incoming::Upgrade(upgrade) => Ok(upgrade.accept()?),
        Incoming::Http(http) => {
            let refusal = HandshakeError::MissingUpgrade;
            http.respond(&Response::from(refusal))?;
            Err(refusal.into())
        }
    }
}

/// A server's opening handshake over a stream: reads the request.
///
/// ```no_run
/// use std::net::TcpListener;
/// use sansocket::{Config, handshake::Response, net::{Accepting, Incoming}};
/// let (stream, _) = TcpListener::bind("127.0.0.1:9001")?.accept()?;
/// match Accepting::new(stream, Config::default()).finish()? {
///     Incoming::Upgrade(mut upgrade) => {
///         upgrade.request.choose_supported(&["chat"]);
///         let mut ws = upgrade.accept()?;
///     }
///     Incoming::Http(http) => http.respond(&Response::new(404).unwrap())?,
/// }
/// # Ok::<(), sansocket::net::Error>(())
/// ```
#[derive(Debug)]
pub struct Accepting<S> {
    driver: Driver<S, Server>,
    /// The error of an invalid request while it is being answered.
    refused: Option<Error>,
}

impl<S: Transport> Accepting<S> {
    /// Creates a handshake that waits for a request on `stream`, for at most [`Config::handshake_timeout`]
    /// from now on.
    pub fn new(stream: S, config: Config) -> Self {
        let driver = Driver::new(stream, Server::new(config), Clock::from(Duration::ZERO));
        Self { driver, refused: None }
    }

    /// Reads until the request is complete, or the stream would block.
    ///
    /// A request that is invalid or too slow is answered before its error is returned.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn advance(mut self) -> Result<Step<Incoming<S>, Self>, Error> {
        loop {
            while let Some(event) = self.driver.next(asked) {
                match event {
                    Some(Ok(Asked::Upgrade(request))) => {
                        let upgrade = Upgrade { request: *request, driver: self.driver };
                        return Ok(Step::Done(Incoming::Upgrade(upgrade)));
                    }
                    Some(Ok(Asked::Http(request))) => {
                        return Ok(Step::Done(Incoming::Http(Http {
                            request: *request,
                            driver: self.driver,
                        })));
                    }
                    Some(Err(error)) => self.refused = Some(error),
                    None => {}
                }
            }
            match self.driver.wait(&mut Call::default()) {
                Ok(true) => {}
                Err(error) if is_later(&error) => return Ok(Step::Blocked(self)),
                // The peer's error is more useful to the caller than that of a stream that cannot take the
                // answer.
                Ok(false) => return Err(self.refused.unwrap_or(ErrorKind::UnexpectedEof.into())),
                Err(error) => return Err(self.refused.unwrap_or(error.into())),
            }
        }
    }

    /// Like [`advance`](Self::advance), to the end and on any stream. A non-blocking stream is tried every
    /// millisecond.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn finish(self) -> Result<Incoming<S>, Error> {
        finish(self, Self::advance)
    }

    wait_methods!();
}

/// The progress of a handshake, or of an answer in its place.
#[derive(Debug)]
#[must_use]
pub enum Step<T, H> {
    /// It is complete.
    Done(T),
    /// The stream would block: advance again when it is ready, or at the next timeout.
    Blocked(H),
}

/// Advances to the end.
pub(super) fn finish<T, H, E>(
    mut handshake: H,
    advance: impl Fn(H) -> Result<Step<T, H>, E>,
) -> Result<T, E> {
    loop {
        match advance(handshake)? {
            Step::Done(done) => return Ok(done),
            Step::Blocked(more) => handshake = more,
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A client's request.
#[derive(Debug)]
pub enum Incoming<S> {
    /// A request for a WebSocket.
    Upgrade(Upgrade<S>),
    /// Any other request, such as for a page.
    Http(Http<S>),
}

/// A request for a WebSocket that waits to be accepted or rejected.
#[derive(Debug)]
pub struct Upgrade<S> {
    /// The request. It also determines the subprotocol and headers of the response.
    pub request: UpgradeRequest,
    driver: Driver<S, Server>,
}

impl<S: Transport> Upgrade<S> {
    /// Opens the connection. Writes as much of the response as the stream takes now.
    ///
    /// # Errors
    /// Errors of the stream.
    pub fn accept(mut self) -> io::Result<WebSocket<S>> {
        self.driver.endpoint.answer(self.request.accept());
        let mut ws = opened(self.driver, Server::into_connection)?;
        later_is_fine(ws.pipe.write(&mut ws.endpoint, Some(NOW)))?;
        Ok(WebSocket::over(ws))
    }

    /// Answers with `response` and ends the transport after the client has read it, which takes
    /// at most [`Config::close_timeout`] for each 16 KiB, or for the rest. [`rejecting`](Self::rejecting) does not wait.
    ///
    /// # Errors
    /// See [`Answering::advance`].
    pub fn reject(self, response: &Response) -> io::Result<()> {
        finish(self.rejecting(response), Answering::advance)
    }

    /// Like [`reject`](Self::reject), step by step, for a non-blocking stream.
    pub fn rejecting(self, response: &Response) -> Answering<S> {
        Answering::new(self.driver, self.request.reject(response))
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.driver.pipe.stream
    }
}

/// An ordinary HTTP request that waits for its answer.
#[derive(Debug)]
pub struct Http<S> {
    /// The request.
    pub request: HttpRequest,
    driver: Driver<S, Server>,
}

impl<S: Transport> Http<S> {
    /// Answers with `response` and ends the transport after the client has read it, which takes
    /// at most [`Config::close_timeout`] for each 16 KiB, or for the rest. [`responding`](Self::responding) does not wait.
    ///
    /// # Errors
    /// See [`Answering::advance`].
    pub fn respond(self, response: &Response) -> io::Result<()> {
        finish(self.responding(response), Answering::advance)
    }

    /// Like [`respond`](Self::respond), step by step, for a non-blocking stream.
    pub fn responding(self, response: &Response) -> Answering<S> {
        Answering::new(self.driver, self.request.respond(response))
    }

    /// Returns the request, its stream, and the bytes read after its head, to pass to an HTTP server.
    pub fn into_parts(self) -> (HttpRequest, S, Vec<u8>) {
        let (stream, _, unread) = self.driver.into_parts();
        (self.request, stream, unread)
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.driver.pipe.stream
    }
}

/// Returns the connection of an open endpoint, over the same stream.
pub(super) fn opened<S: Transport, E: Endpoint>(
    driver: Driver<S, E>,
    into_connection: impl FnOnce(E) -> Result<crate::Connection, E>,
) -> io::Result<Driver<S, crate::Connection>> {
    let Driver { mut pipe, endpoint, buffer, .. } = driver;
    let endpoint = into_connection(endpoint).map_err(|_| io::Error::from(ErrorKind::NotConnected))?;
    pipe.opened(&endpoint);
    Ok(Driver::over(pipe, endpoint, buffer))
}

/// An HTTP response in transmission, then the end of the transport. The client must read the response before
/// the stream is dropped: closing with unread input would reset the connection and could destroy the
/// response.
///
/// ```no_run
/// # use sansocket::{handshake::Response, net::{Http, Step}};
/// # fn wait_until_ready() {}
/// # fn serve(http: Http<std::net::TcpStream>) -> std::io::Result<()> {
/// let mut answering = http.responding(&Response::new(404).unwrap());
/// while let Step::Blocked(more) = answering.advance()? {
///     wait_until_ready(); // according to wants_read, wants_write and next_timeout
///     answering = more;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Answering<S> {
    driver: Driver<S, Server>,
}

impl<S: Transport> Answering<S> {
    fn new(mut driver: Driver<S, Server>, response: impl Into<Answer>) -> Self {
        driver.endpoint.answer(response);
        Self { driver }
    }

    /// Writes until the client has closed, or [`Config::close_timeout`] has passed, or the stream would
    /// block. Each 16 KiB of the response that the client takes, or the rest of it, restarts the time.
    ///
    /// # Errors
    /// Errors of the stream; [`TimedOut`](ErrorKind::TimedOut) if the client took too little. The way in
    /// which the client closes is not an error.
    pub fn advance(mut self) -> io::Result<Step<(), Self>> {
        loop {
            while self.driver.next(|_, _| ()).is_some() {}
            match self.driver.wait(&mut Call::default()) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if is_later(&error) => return Ok(Step::Blocked(self)),
                Err(error) => return Err(error),
            }
        }
        match self.driver.pipe.failed.take() {
            Some(error) => Err(error),
            None => Ok(Step::Done(())),
        }
    }

    wait_methods!();
}
