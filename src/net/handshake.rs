//! The opening handshake over a stream: [`Accepting`] and [`Connecting`].

use core::ops::ControlFlow;
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::thread;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use super::client_stream::Deadline;
use super::{READ_BUFFER, Transport, WebSocket, flushed, is_later, later_is_fine, written};
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
/// # Errors
/// See [`Error`].
pub fn client<S: Transport>(
    stream: S,
    request: ClientRequest,
    config: Config,
) -> Result<(WebSocket<S>, Established), Error> {
    match Connecting::new(stream, request, config).advance()? {
        Step::Done(done) => Ok(done),
        Step::Blocked(_) => Err(timed_out()),
    }
}

/// Accepts a connection as a server: any target, no subprotocol. [`Accepting`] leaves the decision to you.
///
/// A request that is not for a WebSocket is answered with 426.
///
/// ```no_run
/// use std::net::TcpListener;
/// use sansocket::{Event, net};
/// let listener = TcpListener::bind("127.0.0.1:9001")?;
/// for stream in listener.incoming() {
///     let mut ws = net::accept(stream?)?;
///     while let Some(event) = ws.recv()? {
///         if let Event::Message(message) = event {
///             println!("{message:?}");
///         }
///     }
/// }
/// # Ok::<(), net::Error>(())
/// ```
///
/// # Errors
/// See [`Error`].
pub fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    match Accepting::new(stream, Config::default()).advance()? {
        Step::Done(Incoming::Upgrade(upgrade)) => Ok(upgrade.accept()?),
        Step::Done(Incoming::Http(http)) => {
            let refusal = HandshakeError::MissingUpgrade;
            http.respond(&Response::from(refusal))?;
            Err(refusal.into())
        }
        Step::Blocked(_) => Err(timed_out()),
    }
}

/// A server's opening handshake over a stream, which reads the request.
///
/// ```no_run
/// use std::net::TcpListener;
/// use sansocket::{Config, handshake::Response, net::{Accepting, Incoming, Step}};
/// let (stream, _) = TcpListener::bind("127.0.0.1:9001")?.accept()?;
/// match Accepting::new(stream, Config::default()).advance()? {
///     Step::Done(Incoming::Upgrade(mut upgrade)) => {
///         upgrade.request.choose_supported(&["chat"]);
///         let mut ws = upgrade.accept()?;
///     }
///     Step::Done(Incoming::Http(http)) => http.respond(&Response::new(404).unwrap())?,
///     Step::Blocked(_accepting) => { /* the stream does not block: advance again when it can, or at the timeout */ }
/// }
/// # Ok::<(), sansocket::net::Error>(())
/// ```
#[derive(Debug)]
pub struct Accepting<S> {
    state: Handling<S>,
}

#[derive(Debug)]
enum Handling<S> {
    Reading(Reader<S>, ServerHandshake),
    /// A bad request is being answered.
    Refusing(Answering<S>, HandshakeError),
}

impl<S: Transport> Handling<S> {
    fn refusing(stream: S, refusal: &Refusal) -> Self {
        Self::Refusing(Answering::new(stream, refusal.response().to_vec()), refusal.error())
    }
}

impl<S: Transport> Accepting<S> {
    /// Waits for a request on `stream`, at most for [`Config::handshake_timeout`]. Nothing watches that time for
    /// a stream that does not block: [`advance`](Self::advance) when it is over, too.
    pub fn new(stream: S, config: Config) -> Self {
        Self { state: Handling::Reading(Reader::new(stream, &config), ServerHandshake::new(config)) }
    }

    /// Reads on, until the request is whole or the stream can do no more now.
    ///
    /// A bad request is answered before its error is returned, and so is one that comes too slowly.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn advance(mut self) -> Result<Step<Incoming<S>, Self>, Error> {
        loop {
            self.state = match self.state {
                Handling::Reading(mut reader, handshake) => {
                    let mut input = match reader.read() {
                        Ok(Some(input)) => input,
                        Ok(None) => {
                            return Ok(Step::Blocked(Self { state: Handling::Reading(reader, handshake) }));
                        }
                        Err(error) => match handshake.timed_out().filter(|_| reader.deadline.left().is_err())
                        {
                            Some(refusal) => {
                                self.state = Handling::refusing(reader.stream, &refusal);
                                continue;
                            }
                            None => return Err(error.into()),
                        },
                    };
                    match handshake.recv(&mut input) {
                        ServerProgress::Incomplete(handshake) => Handling::Reading(reader, handshake),
                        ServerProgress::Upgrade(request) => {
                            let unread = input.len();
                            let upgrade = Upgrade { request, reader, unread };
                            return Ok(Step::Done(Incoming::Upgrade(upgrade)));
                        }
                        ServerProgress::Http(request) => {
                            return Ok(Step::Done(Incoming::Http(Http { request, stream: reader.stream })));
                        }
                        ServerProgress::Refused(refusal) => Handling::refusing(reader.stream, &refusal),
                    }
                }
                // The peer's fault is worth more to the caller than a stream that cannot take the answer.
                Handling::Refusing(answering, error) => match answering.advance() {
                    Ok(Step::Blocked(answering)) => {
                        return Ok(Step::Blocked(Self { state: Handling::Refusing(answering, error) }));
                    }
                    Ok(Step::Done(())) | Err(_) => return Err(error.into()),
                },
            }
        }
    }
}

/// A client's opening handshake over a stream.
#[derive(Debug)]
pub struct Connecting<S> {
    reader: Reader<S>,
    handshake: ClientHandshake,
}

impl<S: Transport> Connecting<S> {
    /// Sends `request` over `stream`, and waits for the answer, at most for [`Config::handshake_timeout`].
    /// Nothing watches that time for a stream that does not block: [`advance`](Self::advance) when it is over,
    /// too.
    pub fn new(stream: S, request: ClientRequest, config: Config) -> Self {
        let handshake = ClientHandshake::new(request, config, OsRandom);
        Self { reader: Reader::new(stream, &config), handshake }
    }

    /// Writes and reads on, until the answer is whole or the stream can do no more now.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn advance(mut self) -> Result<Step<(WebSocket<S>, Established), Self>, Error> {
        loop {
            while !self.handshake.output().is_empty() {
                match written(self.reader.stream.write(self.handshake.output())) {
                    Ok(n) => self.handshake.output_written(n),
                    Err(error) if is_later(&error) => {
                        self.reader.deadline.left()?;
                        return Ok(Step::Blocked(self));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            later_is_fine(flushed(&mut self.reader.stream))?;
            let mut input = match self.reader.read() {
                Ok(Some(input)) => input,
                Ok(None) => return Ok(Step::Blocked(self)),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    let refused = self.handshake.recv_eof()?;
                    return Err(Error::Refused(Box::new(refused)));
                }
                Err(error) => return Err(error.into()),
            };
            match opened(self.handshake, &mut input)? {
                ControlFlow::Continue(handshake) => self.handshake = handshake,
                ControlFlow::Break((connection, established)) => {
                    let unread = input.len();
                    return Ok(Step::Done((self.reader.into_web_socket(connection, unread)?, established)));
                }
            }
        }
    }
}

/// How far a handshake, or an answer in its place, has come.
#[derive(Debug)]
#[must_use]
pub enum Step<T, H> {
    /// It is over.
    Done(T),
    /// The stream can do no more now: advance again when it can.
    Blocked(H),
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
    unread: usize,
}

impl<S: Transport> Upgrade<S> {
    /// Opens the connection.
    ///
    /// # Errors
    /// The stream's.
    pub fn accept(self) -> io::Result<WebSocket<S>> {
        self.reader.into_web_socket(self.request.accept(), self.unread)
    }

    /// Answers with `response` and ends the transport, which takes up to two seconds on any stream, blocking
    /// or not: the client has to read the answer first. [`rejecting`](Self::rejecting) does not wait.
    ///
    /// # Errors
    /// The stream's.
    pub fn reject(self, response: &Response) -> io::Result<()> {
        self.rejecting(response).finish()
    }

    /// The same step by step, for a stream that does not block.
    pub fn rejecting(self, response: &Response) -> Answering<S> {
        Answering::new(self.reader.stream, self.request.reject(response))
    }
}

/// A client waits for the answer to an ordinary HTTP request.
#[derive(Debug)]
pub struct Http<S> {
    /// The request.
    pub request: HttpRequest,
    stream: S,
}

impl<S: Transport> Http<S> {
    /// Answers with `response` and ends the transport, which takes up to two seconds on any stream, blocking
    /// or not: the client has to read the answer first. [`responding`](Self::responding) does not wait.
    ///
    /// # Errors
    /// The stream's.
    pub fn respond(self, response: &Response) -> io::Result<()> {
        self.responding(response).finish()
    }

    /// The same step by step, for a stream that does not block.
    pub fn responding(self, response: &Response) -> Answering<S> {
        Answering::new(self.stream, self.request.respond(response))
    }
}

/// A stream that is read until a deadline.
#[derive(Debug)]
struct Reader<S> {
    stream: S,
    buf: Vec<u8>,
    /// How much of `buf` was read.
    end: usize,
    deadline: Deadline,
}

impl<S: Transport> Reader<S> {
    fn new(stream: S, config: &Config) -> Self {
        let deadline = Deadline::after(config.handshake_timeout);
        Self { stream, buf: vec![0; READ_BUFFER], end: 0, deadline }
    }

    /// What one read brings; `None`: nothing now.
    fn read(&mut self) -> io::Result<Option<Input<'_>>> {
        loop {
            self.stream.set_read_timeout(Some(self.deadline.left()?))?;
            match self.stream.read(&mut self.buf) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.end = n;
                    return Ok(Some(Input::new(&mut self.buf[..n])));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A stream that blocks says so at the deadline.
                Err(error) if is_later(&error) => return self.deadline.left().map(|_| None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The last `unread` bytes that were read belong to the connection.
    fn into_web_socket(mut self, connection: Connection, unread: usize) -> io::Result<WebSocket<S>> {
        self.stream.set_read_timeout(None)?;
        let mut ws = WebSocket::new(self.stream, connection, self.buf, self.end - unread, self.end);
        ws.flush_now()?;
        Ok(ws)
    }
}

/// An answer in HTTP on its way, and up to two seconds for the client to close: closing with unread input would
/// reset the connection and could destroy the answer. Dropping it earlier drops the stream.
///
/// ```no_run
/// # use sansocket::{handshake::Response, net::{Http, Step}};
/// # fn wait_until_ready() {}
/// # fn serve(http: Http<std::net::TcpStream>) -> std::io::Result<()> {
/// let mut answering = http.responding(&Response::new(404).unwrap());
/// while let Step::Blocked(more) = answering.advance()? {
///     wait_until_ready(); // to read or to write, or for two seconds
///     answering = more;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Answering<S> {
    stream: S,
    answer: Vec<u8>,
    written: usize,
    shut_down: bool,
    /// When the peer last took something of the answer.
    since: Instant,
}

impl<S: Transport> Answering<S> {
    fn new(stream: S, answer: Vec<u8>) -> Self {
        Self { stream, answer, written: 0, shut_down: false, since: Instant::now() }
    }

    /// Writes on, until the client has closed, or had two seconds to do so, or the stream can do no more now.
    ///
    /// # Errors
    /// The stream's; [`TimedOut`](ErrorKind::TimedOut) if the client took nothing of the answer for two seconds.
    /// How it closes is its own affair.
    pub fn advance(mut self) -> io::Result<Step<(), Self>> {
        match self.run() {
            Ok(()) => Ok(Step::Done(())),
            Err(error) if is_later(&error) && self.since.elapsed() < LINGER => Ok(Step::Blocked(self)),
            // An answer that was written is enough, even if the peer does not close.
            Err(_) if self.shut_down => Ok(Step::Done(())),
            Err(error) if is_later(&error) => Err(ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }

    fn run(&mut self) -> io::Result<()> {
        while self.written < self.answer.len() {
            self.written += written(self.stream.write(&self.answer[self.written..]))?;
            self.since = Instant::now();
        }
        flushed(&mut self.stream)?;
        if !self.shut_down {
            self.stream.shutdown_write()?;
            self.shut_down = true;
            self.since = Instant::now();
            self.stream.set_read_timeout(Some(LINGER))?;
        }
        let mut dropped = [0; 4096];
        while self.since.elapsed() < LINGER {
            match self.stream.read(&mut dropped) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes on to the end.
    fn finish(mut self) -> io::Result<()> {
        while let Step::Blocked(more) = self.advance()? {
            thread::sleep(Duration::from_millis(1));
            self = more;
        }
        Ok(())
    }
}

fn timed_out() -> Error {
    Error::Io(ErrorKind::TimedOut.into())
}
