//! A game client: a fixed tick, no threads, no event queue, and nothing that blocks.
//!
//! ```text
//! cargo run --release --features getrandom --example poll_loop -- URL [--rate HZ] [--ticks N]
//! ```
//!
//! Each tick reads what has arrived, simulates, and writes what there is to say. A connection that is lost is made again,
//! when [`Reconnect`] says so; meanwhile the game goes on. The latency is that of a Ping each second.

#[path = "common/options.rs"]
mod options;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lexopt::Arg::{Long, Value};
use mio::net::TcpStream;
use sansocket::handshake::ClientRequest;
use sansocket::{Client, ClientEvent, CloseCode, Config, Event, Input, OsRandom, Reconnect, Step};

const USAGE: &str = "usage: poll_loop URL [--rate HZ] [--ticks N]

Sends its position at every tick and counts what comes back, such as from an echo server.

  URL          ws://HOST[:PORT]/PATH
  --rate HZ    ticks a second (60)
  --ticks N    ends after so many (no limit)
  -h, --help   print this";

fn main() -> ExitCode {
    let (request, rate, ticks) = options::parse(USAGE, |args| {
        let (mut request, mut rate, mut ticks) = (None, 60, u64::MAX);
        while let Some(arg) = args.next()? {
            match arg {
                Long("rate") => rate = options::value(args.value()?, "--rate", "a number")?,
                Long("ticks") => ticks = options::value(args.value()?, "--ticks", "a number")?,
                Value(url) if request.is_none() => {
                    let url: String = options::value(url, "URL", "ws://HOST[:PORT]/PATH")?;
                    let parsed = ClientRequest::new(&url).map_err(|error| format!("{url}: {error}"))?;
                    request = Some(parsed);
                }
                _ => return Err(arg.unexpected()),
            }
        }
        Ok((request.ok_or("URL is missing: expected ws://HOST[:PORT]/PATH")?, rate, ticks))
    });
    match Game::new(request) {
        Ok(mut game) => {
            let tick = Duration::from_secs(1) / u32::max(rate, 1);
            game.play(tick, ticks, |game| println!("{}", game.status()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) struct Game {
    request: ClientRequest,
    /// Looked up once: that blocks.
    addresses: Vec<SocketAddr>,
    began: Instant,
    link: Option<Link>,
    attempts: usize,
    /// When to connect, if there is no link.
    connect_at: Duration,
    reconnect: Reconnect,
    ping_at: Duration,
    pub(crate) latency: Option<Duration>,
    pub(crate) received: usize,
    /// How often a connection has opened.
    pub(crate) opened: usize,
}

struct Link {
    stream: TcpStream,
    client: Client,
    shut_down: bool,
}

impl Game {
    pub(crate) fn new(request: ClientRequest) -> io::Result<Self> {
        let url = request.url();
        if url.is_secure() {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                "wss://: expected ws://, there is no TLS here",
            ));
        }
        let addresses: Vec<_> = (url.host(), url.port()).to_socket_addrs()?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "the host has no address"));
        }
        Ok(Self {
            request,
            addresses,
            began: Instant::now(),
            link: None,
            attempts: 0,
            connect_at: Duration::ZERO,
            reconnect: Reconnect::default().first_delay(Duration::from_secs(1)),
            ping_at: Duration::ZERO,
            latency: None,
            received: 0,
            opened: 0,
        })
    }

    /// Plays for so many ticks, then closes. `show` is called once a second.
    pub(crate) fn play(&mut self, tick: Duration, ticks: u64, mut show: impl FnMut(&Self)) {
        let mut next = Instant::now();
        let mut show_at = next;
        for number in 0.. {
            // Simulating and drawing would stand here.
            if !self.network(number, number >= ticks) {
                break;
            }
            if next >= show_at {
                show(self);
                show_at = next + Duration::from_secs(1);
            }
            next += tick;
            sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    pub(crate) fn status(&self) -> String {
        let Some(latency) = self.latency else { return format!("offline, {} received", self.received) };
        format!("latency {:.1} ms, {} received", latency.as_secs_f64() * 1e3, self.received)
    }

    /// The network's part of a tick; false: it is over, or to connect again would be in vain.
    fn network(&mut self, tick: u64, is_over: bool) -> bool {
        let now = self.began.elapsed();
        if self.link.is_none() && !is_over && now >= self.connect_at {
            let address = self.addresses[self.attempts % self.addresses.len()];
            self.attempts += 1;
            // Connecting has just begun; an error is one of this attempt only.
            if let Ok(stream) = TcpStream::connect(address) {
                let config = Config::default().close_timeout(Duration::from_secs(2));
                let client = Client::new(self.request.clone(), config, OsRandom);
                self.link = Some(Link { stream, client, shut_down: false });
            }
        } else if self.link.is_none() {
            return !is_over;
        }
        if let Some(mut link) = self.link.take()
            && self.exchange(&mut link, tick, is_over, now)
        {
            self.link = Some(link);
            return true;
        }
        self.latency = None;
        let retry_at = self.reconnect.retry_at(now, &mut OsRandom);
        self.connect_at = retry_at.unwrap_or_default();
        !is_over && retry_at.is_some()
    }

    /// Reads and writes as much as there is, without waiting; false: the transport has ended.
    fn exchange(&mut self, link: &mut Link, tick: u64, is_over: bool, now: Duration) -> bool {
        let Link { stream, client, shut_down } = link;
        if let Step::Dial { .. } = client.step() {
            match (stream.take_error(), stream.peer_addr()) {
                (Ok(None), Ok(_)) => client.connected(),
                (Ok(None), Err(error)) if error.kind() == ErrorKind::NotConnected && !is_over => {}
                _ => return false,
            }
        }
        let (mut buf, mut n) = ([0; 16 * 1024], 0);
        for reads_left in (0..READS_A_TICK).rev() {
            let mut input = Input::new(&mut buf[..n]);
            while let Some(event) = client.recv(&mut input) {
                self.reconnect.observe(&event, now);
                match event {
                    ClientEvent::Opened(_) => (self.opened, self.ping_at) = (self.opened + 1, now),
                    ClientEvent::Open(Event::Message(_)) => self.received += 1,
                    ClientEvent::Open(Event::Pong(payload)) => {
                        let sent = payload[..]
                            .try_into()
                            .map_or(now, |sent| Duration::from_nanos(u64::from_be_bytes(sent)));
                        // Up to a tick of it is that nobody looked.
                        self.latency = Some(self.began.elapsed().saturating_sub(sent));
                    }
                    _ => {}
                }
            }
            // What is read in the last round would not be received.
            if reads_left == 0 || !client.wants_read() {
                break;
            }
            n = 0;
            match stream.read(&mut buf) {
                Ok(0) => client.recv_eof(),
                Ok(read) => n = read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => client.recv_error(),
            }
        }
        // Only now: what has arrived is in time, however long the last tick took.
        client.handle_timeout(now);
        // A position is worth nothing behind others that wait.
        if is_over {
            let _ = client.close(CloseCode::NORMAL, "");
        } else if client.connection().can_send() && !client.wants_write() {
            let _ = client.connection().send_text(&format!("{tick}: at {:.3}", (tick as f64 / 60.0).sin()));
            if self.ping_at <= now {
                self.ping_at = now + Duration::from_secs(1);
                let _ = client.connection().ping(&(self.began.elapsed().as_nanos() as u64).to_be_bytes());
            }
        }
        while client.wants_write() {
            match stream.write(client.output()) {
                Ok(written) => client.output_written(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => client.recv_error(),
            }
        }
        if client.should_shutdown() && !*shut_down {
            *shut_down = true;
            let _ = stream.shutdown(Shutdown::Write);
        }
        !client.is_ended()
    }
}

/// A server that floods cannot hold up the game.
const READS_A_TICK: usize = 16;
