//! A client in an event loop of one's own, also over TLS: mio waits, rustls encrypts, and all decisions are those of [`Client`].
//!
//! ```text
//! cargo run --release --features getrandom,rustls --example mio_client -- URL [--send TEXT]... [--ca FILE] [--messages N]
//! ```
//!
//! Prints what it receives, such as a feed of prices, and connects again when [`Reconnect`] says so. Nothing blocks but
//! [`Poll::poll`], and the lookup of the host at the beginning.

#[path = "common/options.rs"]
mod options;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lexopt::Arg::{Long, Value};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use sansocket::handshake::ClientRequest;
use sansocket::rustls::pki_types::pem::PemObject;
use sansocket::rustls::pki_types::{CertificateDer, ServerName};
use sansocket::rustls::{ClientConfig, ClientConnection, RootCertStore};
use sansocket::{
    Client, ClientEvent, CloseCode, Config, Event, Input, OpenError, OsRandom, ProtocolError, Reconnect, Step,
};

const USAGE: &str = "usage: mio_client URL [--send TEXT]... [--ca FILE] [--messages N]

Prints each message that it receives on a line, and connects again when the connection is lost.

  URL           ws:// or wss://HOST[:PORT]/PATH
  --send TEXT   send this after the connection has opened, such as a subscription
  --ca FILE     trust these certificate authorities (PEM) in place of Mozilla's
  --messages N  close after so many messages (no limit)
  -h, --help    print this";

struct Options {
    request: ClientRequest,
    send: Vec<String>,
    ca: Option<PathBuf>,
    messages: u64,
}

fn main() -> ExitCode {
    let options = options::parse(USAGE, |args| {
        let (mut request, mut send, mut ca, mut messages) = (None, Vec::new(), None, u64::MAX);
        while let Some(arg) = args.next()? {
            match arg {
                Long("send") => send.push(options::value(args.value()?, "--send", "a text")?),
                Long("ca") => ca = Some(args.value()?.into()),
                Long("messages") => {
                    let number: NonZeroU64 = options::value(args.value()?, "--messages", "a number above 0")?;
                    messages = number.get();
                }
                Value(url) if request.is_none() => {
                    let url: String = options::value(url, "URL", "ws:// or wss://")?;
                    let parsed = ClientRequest::new(&url).map_err(|error| format!("{url}: {error}"))?;
                    request = Some(parsed);
                }
                _ => return Err(arg.unexpected()),
            }
        }
        let request = request.ok_or("URL is missing: expected ws:// or wss://HOST[:PORT]/PATH")?;
        Ok(Options { request, send, ca, messages })
    });
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", options.request.url().host());
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let mut feed = Feed::new(options)?;
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1));
    let mut buf = vec![0; 64 * 1024];
    loop {
        let wake = feed.turn(poll.registry(), &mut buf)?;
        if feed.is_done() {
            return Ok(());
        }
        match poll.poll(&mut events, wake.map(|at| at.saturating_sub(feed.began.elapsed()))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

/// What stays from one connection to the next.
struct Feed<'a> {
    options: &'a Options,
    /// Looked up once, because that blocks: a program that runs for long does it again, in a thread. `Addresses` tries them in
    /// parallel.
    addresses: Vec<SocketAddr>,
    tls: Arc<ClientConfig>,
    began: Instant,
    link: Option<Link>,
    /// When to connect, if there is no link.
    connect_at: Duration,
    attempts: usize,
    reconnect: Reconnect,
    received: u64,
    /// Why the last connection has ended.
    why: String,
}

impl<'a> Feed<'a> {
    fn new(options: &'a Options) -> io::Result<Self> {
        let url = options.request.url();
        let addresses = Vec::from_iter((url.host(), url.port()).to_socket_addrs()?);
        if addresses.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "the host has no address"));
        }
        Ok(Self {
            options,
            addresses,
            tls: tls_config(options.ca.as_ref())?,
            began: Instant::now(),
            link: None,
            connect_at: Duration::ZERO,
            attempts: 0,
            reconnect: Reconnect::default().first_delay(Duration::from_secs(1)),
            received: 0,
            why: String::new(),
        })
    }

    fn is_done(&self) -> bool {
        self.link.is_none() && self.received >= self.options.messages
    }

    /// Returns when the next turn is due in any case. An error: to connect again would be in vain.
    fn turn(&mut self, registry: &Registry, buf: &mut [u8]) -> io::Result<Option<Duration>> {
        let now = self.began.elapsed();
        let Some(link) = &mut self.link else {
            return if now < self.connect_at {
                Ok(Some(self.connect_at))
            } else {
                self.connect(now, registry)
            };
        };
        let Self { options, reconnect, received, why, .. } = self;
        let has_more = link.turn(now, buf, |client, event| {
            reconnect.observe(&event, now);
            match event {
                ClientEvent::Opened(_) => {
                    for text in &options.send {
                        if let Err(error) = client.connection().send_text(text) {
                            eprintln!("--send {} bytes: {error}", text.len());
                        }
                    }
                }
                ClientEvent::Open(Event::Message(message)) if *received < options.messages => {
                    println!("{}", String::from_utf8_lossy(message.as_bytes()));
                    *received += 1;
                    if *received == options.messages {
                        let _ = client.close(CloseCode::NORMAL, "");
                    }
                }
                ClientEvent::Open(Event::Close(_)) => *why = "the server has closed".into(),
                ClientEvent::Open(Event::Failed(ProtocolError::TransportFailed))
                | ClientEvent::Failed(OpenError::TransportFailed) => {} // the link has the reason
                ClientEvent::Open(Event::Failed(error)) => *why = error.to_string(),
                ClientEvent::Refused(response) => *why = format!("the server answered {}", response.status()),
                ClientEvent::Failed(error) => *why = error.to_string(),
                _ => {}
            }
        });
        if !link.client.is_ended() {
            return Ok(if has_more { Some(now) } else { link.client.next_timeout() });
        }
        // What the server has said is worth more.
        if let Some(error) = link.error.take().filter(|_| why.is_empty()) {
            *why = error.to_string();
        }
        self.link = None;
        if self.is_done() { Ok(None) } else { self.retry(now) }
    }

    fn connect(&mut self, now: Duration, registry: &Registry) -> io::Result<Option<Duration>> {
        self.why.clear();
        let address = self.addresses[self.attempts % self.addresses.len()];
        self.attempts += 1;
        // A feed that has nothing to say is asked whether it is still there.
        let config = Config::default().ping_interval(Some(Duration::from_secs(20)));
        let client = Client::new(self.options.request.clone(), config, OsRandom);
        match Link::connect(address, client, Arc::clone(&self.tls), registry) {
            Ok(link) => {
                self.link = Some(link);
                Ok(Some(now))
            }
            Err(error) => {
                self.why = error.to_string();
                self.retry(now)
            }
        }
    }

    fn retry(&mut self, now: Duration) -> io::Result<Option<Duration>> {
        let Some(at) = self.reconnect.retry_at(now, &mut OsRandom) else {
            return Err(io::Error::other(self.why.clone()));
        };
        eprintln!("{}; trying again in {:.1} s", self.why, at.saturating_sub(now).as_secs_f64());
        self.connect_at = at;
        Ok(Some(at))
    }
}

/// One transport and what is on it.
struct Link {
    stream: TcpStream,
    /// For wss://, once the stream is connected.
    session: Option<ClientConnection>,
    tls: Arc<ClientConfig>,
    client: Client,
    shut_down: bool,
    /// What was wrong with the stream.
    error: Option<io::Error>,
    /// No more is written; what has arrived is still read.
    write_failed: bool,
}

impl Link {
    /// Begins to connect. An edge-triggered queue reports the stream when there is something to do, and never again the same.
    fn connect(
        address: SocketAddr,
        client: Client,
        tls: Arc<ClientConfig>,
        registry: &Registry,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        registry.register(&mut stream, Token(0), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, session: None, tls, client, shut_down: false, error: None, write_failed: false })
    }

    /// Returns `true` if there may be more to read at once.
    fn turn(
        &mut self,
        now: Duration,
        buf: &mut [u8],
        mut handle: impl FnMut(&mut Client, ClientEvent<'_>),
    ) -> bool {
        // A server that floods cannot hold up the loop.
        for _ in 0..16 {
            if let Err(error) = self.step() {
                self.fail(error);
            }
            let (mut n, mut is_drained) = (0, !self.client.wants_read());
            if !is_drained {
                match self.read(buf) {
                    Ok(0) => self.client.recv_eof(),
                    Ok(read) => n = read,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => is_drained = true,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => self.fail(error),
                }
            }
            let mut input = Input::new(&mut buf[..n]);
            while let Some(event) = self.client.recv(&mut input) {
                handle(&mut self.client, event);
            }
            // What has arrived and what can be written is in time, however late the turn is.
            self.write();
            self.client.handle_timeout(now);
            self.write();
            self.shut_down();
            if is_drained || !self.client.wants_read() {
                if self.write_failed {
                    // All that has arrived is received.
                    self.client.recv_error();
                }
                return false;
            }
        }
        true
    }

    /// Does what the client needs before it can read and write.
    fn step(&mut self) -> io::Result<()> {
        loop {
            match self.client.step() {
                Step::Dial { .. } => match (self.stream.take_error()?, self.stream.peer_addr()) {
                    (Some(error), _) => return Err(error),
                    // It is not connected yet.
                    (None, Err(_)) => return Ok(()),
                    (None, Ok(_)) => {
                        self.stream.set_nodelay(true)?;
                        self.client.connected();
                    }
                },
                Step::StartTls { name } => {
                    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
                    let session = ClientConnection::new(Arc::clone(&self.tls), name);
                    self.session = Some(session.map_err(io::Error::other)?);
                    // Its handshake takes place in `read` and `write`.
                    self.client.secured();
                }
                Step::Run => return Ok(()),
            }
        }
    }

    /// Reads what the server has sent, decrypted.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Self { stream, session: Some(session), .. } = self else { return self.stream.read(buf) };
        loop {
            let processed = session.process_new_packets();
            match session.reader().read(buf) {
                // What arrived before an error comes first.
                Err(error) if error.kind() == ErrorKind::WouldBlock => processed.map_err(io::Error::other)?,
                read => return read,
            };
            session.read_tls(stream)?;
        }
    }

    /// Writes as much as the stream takes. In the session only one piece waits at a time: what is in there counts as written,
    /// so more would be out of sight of backpressure and deadlines.
    fn write(&mut self) {
        while !self.write_failed {
            let Self { stream, session, client, .. } = self;
            let written = match session {
                Some(session) if session.wants_write() => session.write_tls(stream).map(drop),
                Some(session) if session.is_handshaking() => return,
                _ if !client.wants_write() => return,
                Some(session) => session.writer().write(client.output()).map(|n| client.output_written(n)),
                None => stream.write(client.output()).map(|n| client.output_written(n)),
            };
            match written {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // What has arrived may be the server's Close: it is read before the client learns of this.
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    self.write_failed = true;
                    self.error.get_or_insert(error);
                }
                _ => {}
            }
        }
    }

    /// Ends the writing side, once: over TLS with close_notify, by which the server knows that nothing is missing.
    fn shut_down(&mut self) {
        if !self.client.should_shutdown() || self.shut_down {
            return;
        }
        if let Some(session) = &mut self.session {
            session.send_close_notify(); // the second time does nothing
            self.write();
        }
        if self.session.as_ref().is_none_or(|session| !session.wants_write()) {
            self.shut_down = true;
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
        match self.client.step() {
            // It would wait for another transport.
            Step::Dial { .. } => drop(self.client.close(CloseCode::NORMAL, "")),
            _ => self.client.recv_error(),
        }
    }
}

fn tls_config(ca: Option<&PathBuf>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
                roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
            }
        }
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
