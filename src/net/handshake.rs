//! The opening handshake over a stream: [`Accepting`] and [`Connecting`].

use core::time::Duration;
use std::boxed::Box;
use std::format;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(feature = "rustls")]
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use super::client_stream::{Deadline, Socket};
use super::{ClientStream, READ_BUFFER, Transport, WebSocket, flushed, is_later, later_is_fine, written};
use crate::adapter::{ConnectOptions, Error, LINGER, tunnel_is_empty};
use crate::connection::{Config, Connection};
use crate::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, Established, HandshakeError, HttpRequest, ProxyHandshake,
    ProxyProgress, Response, ServerHandshake, ServerProgress, UpgradeRequest,
};
use crate::input::Input;
use crate::random::OsRandom;
#[cfg(feature = "rustls")]
use crate::tls;

/// Connects to a `ws://` URL, and with the feature `rustls` to a `wss://` URL, with the default configuration.
///
/// ```no_run
/// use sansocket::{Event, net};
/// let mut ws = net::connect("ws://127.0.0.1:9001/")?;
/// ws.send_text("Hello")?;
/// while let Some(event) = ws.recv()? {
///     if let Event::Message(message) = event {
///         println!("{message:?}");
///         ws.close(sansocket::CloseCode::NORMAL, "")?;
///     }
/// }
/// # Ok::<(), net::Error>(())
/// ```
///
/// # Errors
/// See [`Error`].
pub fn connect(url: &str) -> Result<WebSocket<ClientStream>, Error> {
    let (ws, _) = connect_with(ClientRequest::new(url)?, Config::default())?;
    Ok(ws)
}

/// Connects with subprotocols, headers and limits of your own, through a proxy, or wherever redirects lead; see
/// [`ConnectOptions`]. Returns what the server said as well.
///
/// [`Config::handshake_timeout`] bounds it all but looking up the name, which the operating system bounds:
/// every address, the proxy, TLS, the handshake, redirects.
///
/// # Errors
/// See [`Error`].
pub fn connect_with(
    mut request: ClientRequest,
    options: impl Into<ConnectOptions>,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let mut options = options.into();
    let deadline = Deadline::after(options.config.handshake_timeout);
    loop {
        match open(&request, &options, deadline) {
            Err(error) => request = options.redirected(&request, error)?,
            connected => return connected,
        }
    }
}

/// Like [`connect_with`], with a TLS configuration of your own: other certificate authorities, a client
/// certificate. A `ws://` URL is connected to without TLS.
///
/// # Errors
/// See [`Error`].
#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub fn connect_tls(
    request: ClientRequest,
    options: impl Into<ConnectOptions>,
    tls: Arc<::rustls::ClientConfig>,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    connect_with(request, options.into().tls(tls))
}

/// Connects to where one request leads.
fn open(
    request: &ClientRequest,
    options: &ConnectOptions,
    deadline: Deadline,
) -> Result<(WebSocket<ClientStream>, Established), Error> {
    let url = request.url();
    #[cfg(not(feature = "rustls"))]
    if url.is_secure() {
        return Err(io::Error::new(ErrorKind::Unsupported, "wss:// needs the feature `rustls`").into());
    }
    #[cfg(feature = "rustls")]
    let session = url.is_secure().then(|| tls::session(url.host(), options.tls.as_ref())).transpose()?;
    let socket = match &options.proxy {
        None => tcp(url.host(), url.port(), deadline)?,
        Some(proxy) => {
            let mut socket = tcp(proxy.host(), proxy.port(), deadline)?;
            tunnel(&mut socket, ProxyHandshake::new(proxy, url, options.config))?;
            socket
        }
    };
    #[cfg(feature = "rustls")]
    let stream = match session {
        // The first write carries out the TLS handshake.
        Some(session) => ::rustls::StreamOwned::new(session, socket).into(),
        None => ClientStream::from(socket),
    };
    #[cfg(not(feature = "rustls"))]
    let stream = ClientStream::from(socket);
    let config = options.config.handshake_timeout(deadline.left()?);
    let (mut ws, established) = client(stream, request.clone(), config)?;
    ws.stream.lift_deadline()?;
    Ok((ws, established))
}

/// Connects to the first address of the host that answers; each has its share of the time.
fn tcp(host: &str, port: u16, deadline: Deadline) -> io::Result<Socket> {
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    let mut addresses = (host, port).to_socket_addrs()?;
    while let Some(address) = addresses.next() {
        let others = u32::try_from(addresses.len()).unwrap_or(u32::MAX - 1);
        match TcpStream::connect_timeout(&address, deadline.left()? / (others + 1)) {
            Ok(stream) => {
                // What is written is whole messages: waiting to fill packets only costs time.
                stream.set_nodelay(true)?;
                return Ok(Socket::new(stream, deadline));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks a proxy for a tunnel.
fn tunnel(socket: &mut Socket, mut handshake: ProxyHandshake) -> Result<(), Error> {
    let mut buf = [0; 1024];
    socket.write_all(handshake.output()).map_err(late)?;
    handshake.output_written(usize::MAX);
    loop {
        let n = match socket.read(&mut buf) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(late)?,
        };
        if n == 0 {
            return Err(Error::Proxy(Box::new(handshake.recv_eof()?)));
        }
        let mut input = Input::new(&mut buf[..n]);
        match handshake.recv(&mut input) {
            ProxyProgress::Incomplete(more) => handshake = more,
            ProxyProgress::Open => return tunnel_is_empty(&input),
            ProxyProgress::Refused(refused) => return Err(Error::Proxy(Box::new(refused))),
            ProxyProgress::Failed(error) => return Err(error.into()),
        }
    }
}

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
///     Step::Blocked(_accepting) => { /* the stream does not block: advance again when it is readable */ }
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

impl<S: Transport> Accepting<S> {
    /// Waits for a request on `stream`, at most for [`Config::handshake_timeout`].
    pub fn new(stream: S, config: Config) -> Self {
        Self { state: Handling::Reading(Reader::new(stream, &config), ServerHandshake::new(config)) }
    }

    /// Reads on, until the request is whole or the stream can do no more now.
    ///
    /// A bad request is answered before its error is returned.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn advance(mut self) -> Result<Step<Incoming<S>, Self>, Error> {
        loop {
            self.state = match self.state {
                Handling::Reading(mut reader, handshake) => {
                    let Some(mut input) = reader.read()? else {
                        return Ok(Step::Blocked(Self { state: Handling::Reading(reader, handshake) }));
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
                        ServerProgress::Refused(refusal) => {
                            let answer = refusal.response().to_vec();
                            Handling::Refusing(Answering::new(reader.stream, answer), refusal.error())
                        }
                    }
                }
                // The peer's fault is worth more to the caller than a stream that cannot take the answer.
                Handling::Refusing(mut answering, error) => match answering.advance() {
                    Ok(false) => {
                        return Ok(Step::Blocked(Self { state: Handling::Refusing(answering, error) }));
                    }
                    Ok(true) | Err(_) => return Err(error.into()),
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
                    Err(error) if is_later(&error) => return Ok(Step::Blocked(self)),
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
            match self.handshake.recv(&mut input) {
                ClientProgress::Incomplete(handshake) => self.handshake = handshake,
                ClientProgress::Connected(connection, established) => {
                    let unread = input.len();
                    return Ok(Step::Done((self.reader.into_web_socket(connection, unread)?, established)));
                }
                ClientProgress::Refused(refused) => return Err(Error::Refused(Box::new(refused))),
                ClientProgress::Failed(error) => return Err(error.into()),
            }
        }
    }
}

/// How far a handshake has come.
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
    /// or not: the client has to read the answer first.
    ///
    /// # Errors
    /// The stream's.
    pub fn reject(self, response: &Response) -> io::Result<()> {
        Answering::new(self.reader.stream, self.request.reject(response)).finish()
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
    /// or not: the client has to read the answer first.
    ///
    /// # Errors
    /// The stream's.
    pub fn respond(self, response: &Response) -> io::Result<()> {
        Answering::new(self.stream, self.request.respond(response)).finish()
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
                Err(error) if is_later(&error) => return Ok(None),
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

/// An answer, and a moment for the peer to close: closing with unread input would reset the connection and
/// could destroy the answer on its way.
#[derive(Debug)]
struct Answering<S> {
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

    /// Goes on; `false`: the stream can do no more now.
    fn advance(&mut self) -> io::Result<bool> {
        match self.run() {
            Ok(()) => Ok(true),
            Err(error) if is_later(&error) && self.since.elapsed() < LINGER => Ok(false),
            // An answer that was written is enough, even if the peer does not close.
            Err(_) if self.shut_down => Ok(true),
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
        while !self.advance()? {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

fn timed_out() -> Error {
    Error::Io(ErrorKind::TimedOut.into())
}

/// On a socket that blocks, "later" is too late.
fn late(error: io::Error) -> io::Error {
    if is_later(&error) { ErrorKind::TimedOut.into() } else { error }
}
