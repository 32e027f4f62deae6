//! A server's opening handshake over a stream: [`accept`] and [`Accepting`].

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::thread;
use std::vec::Vec;

use super::driver::Driver;
use super::pipe::NOW;
use super::time::{Clock, is_later, later_is_fine};
use super::{Transport, WebSocket, wait_methods};
use crate::adapter::{Asked, Error, asked};
use crate::connection::Config;
use crate::endpoint::{Answer, Endpoint, Server};
use crate::handshake::{HandshakeError, HttpRequest, Response, UpgradeRequest};

/// Accepts a connection as a server: any target, any `Origin`, no subprotocol; see [`accept_with`].
///
/// ```no_run
/// use std::net::TcpListener;
/// use sansocket::{Event, net};
/// let listener = TcpListener::bind("127.0.0.1:9001")?;
/// for stream in listener.incoming() {
///     let Ok(mut ws) = stream.map_err(net::Error::from).and_then(net::accept) else { continue };
///     std::thread::spawn(move || {
///         while let Ok(Some(event)) = ws.recv() {
///             if let Event::Message(message) = event {
///                 println!("{}", message.as_text().unwrap_or("(binary)"));
///             }
///         }
///     });
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// See [`Error`].
pub fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    accept_with(stream, Config::default())
}

/// Accepts a connection as a server, with limits and deadlines of one's own. [`Accepting`] leaves the decision to you.
///
/// It takes at most [`Config::handshake_timeout`]. A request that is not for a WebSocket is answered with 426, and a
/// bad one with what is wrong.
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

/// A server's opening handshake over a stream, which reads the request.
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
    /// A bad request is being answered.
    refused: Option<Error>,
}

impl<S: Transport> Accepting<S> {
    /// Waits for a request on `stream`, at most for [`Config::handshake_timeout`] from now.
    pub fn new(stream: S, config: Config) -> Self {
        let driver = Driver::new(stream, Server::new(config), Clock::from(Duration::ZERO));
        Self { driver, refused: None }
    }

    /// Reads until the request is complete, or the stream can do no more now.
    ///
    /// A bad request is answered before its error is returned, and so is one that comes too slowly.
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
            match self.driver.wait(None) {
                Ok(true) => {}
                Err(error) if is_later(&error) => return Ok(Step::Blocked(self)),
                // The peer's fault is worth more to the caller than a stream that cannot take the answer.
                Ok(false) => return Err(self.refused.unwrap_or(ErrorKind::UnexpectedEof.into())),
                Err(error) => return Err(self.refused.unwrap_or(error.into())),
            }
        }
    }

    /// The same, to the end on any stream. One that does not block is tried every millisecond.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn finish(self) -> Result<Incoming<S>, Error> {
        finish(self, Self::advance)
    }

    wait_methods!();
}

/// How far a handshake, or an answer in its place, has come.
#[derive(Debug)]
#[must_use]
pub enum Step<T, H> {
    /// It is over.
    Done(T),
    /// The stream can do no more now: advance again when it can, or at the next timeout.
    Blocked(H),
}

/// Goes on to the end.
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
    driver: Driver<S, Server>,
}

impl<S: Transport> Upgrade<S> {
    /// Opens the connection, and writes the response as far as the stream takes it now.
    ///
    /// # Errors
    /// The stream's.
    pub fn accept(mut self) -> io::Result<WebSocket<S>> {
        self.driver.endpoint.answer(self.request.accept());
        let mut ws = opened(self.driver, Server::into_connection)?;
        later_is_fine(ws.pipe.write(&mut ws.endpoint, Some(NOW)))?;
        Ok(WebSocket::over(ws))
    }

    /// Answers with `response` and ends the transport: the client has to read the answer first, and has
    /// [`Config::close_timeout`] to do so. [`rejecting`](Self::rejecting) does not wait.
    ///
    /// # Errors
    /// See [`Answering::advance`].
    pub fn reject(self, response: &Response) -> io::Result<()> {
        finish(self.rejecting(response), Answering::advance)
    }

    /// The same step by step, for a stream that does not block.
    pub fn rejecting(self, response: &Response) -> Answering<S> {
        Answering::new(self.driver, self.request.reject(response))
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.driver.pipe.stream
    }
}

/// A client waits for the answer to an ordinary HTTP request.
#[derive(Debug)]
pub struct Http<S> {
    /// The request.
    pub request: HttpRequest,
    driver: Driver<S, Server>,
}

impl<S: Transport> Http<S> {
    /// Answers with `response` and ends the transport: the client has to read the answer first, and has
    /// [`Config::close_timeout`] to do so. [`responding`](Self::responding) does not wait.
    ///
    /// # Errors
    /// See [`Answering::advance`].
    pub fn respond(self, response: &Response) -> io::Result<()> {
        finish(self.responding(response), Answering::advance)
    }

    /// The same step by step, for a stream that does not block.
    pub fn responding(self, response: &Response) -> Answering<S> {
        Answering::new(self.driver, self.request.respond(response))
    }

    /// The request, its stream, and what was read behind its head, to hand on to an HTTP server.
    pub fn into_parts(self) -> (HttpRequest, S, Vec<u8>) {
        let (stream, _, unread) = self.driver.into_parts();
        (self.request, stream, unread)
    }

    /// The stream.
    pub fn stream(&self) -> &S {
        &self.driver.pipe.stream
    }
}

/// The connection of an endpoint that is open, over the same stream.
pub(super) fn opened<S: Transport, E: Endpoint>(
    driver: Driver<S, E>,
    into_connection: impl FnOnce(E) -> Result<crate::Connection, E>,
) -> io::Result<Driver<S, crate::Connection>> {
    let Driver { mut pipe, endpoint, buffer, .. } = driver;
    let endpoint = into_connection(endpoint).map_err(|_| io::Error::from(ErrorKind::NotConnected))?;
    pipe.opened(&endpoint);
    Ok(Driver::over(pipe, endpoint, buffer))
}

/// An HTTP response on its way, and the end of the transport. The client has to read the response before the stream is
/// dropped: closing with unread input would reset the connection and could destroy it.
///
/// ```no_run
/// # use sansocket::{handshake::Response, net::{Http, Step}};
/// # fn wait_until_ready() {}
/// # fn serve(http: Http<std::net::TcpStream>) -> std::io::Result<()> {
/// let mut answering = http.responding(&Response::new(404).unwrap());
/// while let Step::Blocked(more) = answering.advance()? {
///     wait_until_ready(); // as wants_read, wants_write and next_timeout say
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

    /// Writes on, until the client has closed, or had [`Config::close_timeout`] to do so, or the stream can do no more
    /// now. The time begins anew with each fair part of the response that the client takes.
    ///
    /// # Errors
    /// The stream's; [`TimedOut`](ErrorKind::TimedOut) if the client took too little. How it closes is its own affair.
    pub fn advance(mut self) -> io::Result<Step<(), Self>> {
        loop {
            while self.driver.next(|_, _| ()).is_some() {}
            match self.driver.wait(None) {
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
