//! An echo server in an event loop of its own: mio, one thread, [`Server`] without an adapter.
//!
//! ```text
//! cargo run --release --example epoll_echo -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```
//!
//! A peer's turn comes when its socket or its deadline says so, and again, behind the others', while it has more to read.

#[path = "common/server.rs"]
mod common;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Options, on_signal, page};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use sansocket::{CloseCode, Config, Connection, Event, Message, ReadBuffer, Server, ServerEvent};

fn main() -> ExitCode {
    match serve(&Options::parse("epoll_echo")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(&options.listen).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {}: {error}", options.listen))
    })?;
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (address, max_message) = (listener.local_addr()?, options.max_message);
    println!("echo server on ws://{address}/, for messages of up to {max_message} bytes");

    // The waker lives as long as the loop: what a dropped one has said can be lost before `poll` sees it.
    let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
    let stop = stop_by_signal(&waker)?;
    let (mut peers, mut events) = (Peers::default(), Events::with_capacity(1024));
    let began = Instant::now();
    // The listener tells of new connections once: until when to wait before what failed is tried again.
    let (mut accept_at, mut stop_at) = (None, None);
    loop {
        let at = [peers.next_turn(), accept_at, stop_at].into_iter().flatten().min();
        let timeout = at.map(|at| at.saturating_sub(began.elapsed()));
        if let Err(error) = poll.poll(&mut events, timeout)
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error);
        }
        let now = began.elapsed();
        for event in &events {
            match (event.token(), peers.map.get_mut(&event.token())) {
                (LISTENER, _) => accept_at = Some(now),
                (token, Some(peer)) => {
                    peer.over |= event.is_read_closed() || event.is_error();
                    peers.turns.insert(token);
                }
                _ => {}
            }
        }
        if stop.load(Ordering::SeqCst) {
            accept_at = None;
            if stop_at.is_none() {
                stop_at = Some(now + GRACE);
                peers.close();
            }
        }
        if accept_at.is_some_and(|at| at <= now) {
            accept_at = peers.accept(&listener, &poll, options.config).map(|pause| now + pause);
        }
        peers.round(&began);
        if stop_at.is_some_and(|at| at <= now || peers.map.is_empty()) {
            println!("stopped");
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Peers {
    map: HashMap<Token, Peer>,
    accepted: usize,
    /// Whose turn comes in the next round.
    turns: BTreeSet<Token>,
    /// When whose turn comes without a word of the socket.
    deadlines: BTreeSet<(Duration, Token)>,
    /// Those that nobody has.
    buffers: Vec<ReadBuffer>,
}

struct Peer {
    stream: TcpStream,
    server: Server,
    /// Only while a message is read, or a large one written: a peer that is idle has no memory here.
    buffer: Option<ReadBuffer>,
    /// The end of the stream is to be read; the socket tells it once.
    over: bool,
    shut_down: bool,
    /// As it stands among the deadlines.
    deadline: Option<Duration>,
}

impl Peers {
    fn next_turn(&self) -> Option<Duration> {
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        if self.turns.is_empty() { deadline } else { Some(Duration::ZERO) }
    }

    /// Accepts some; if there may be more, how long to wait.
    fn accept(&mut self, listener: &TcpListener, poll: &Poll, config: Config) -> Option<Duration> {
        for _ in 0..ACCEPTED_AT_ONCE {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // Gone before it was accepted.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) =>
                {
                    continue;
                }
                // No file descriptor or no memory is left: when somebody has gone.
                Err(_) => return Some(ACCEPT_PAUSE),
            };
            self.accepted += 1;
            let token = Token(WAKER.0 + self.accepted);
            let _ = stream.set_nodelay(true);
            if poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_ok() {
                let server = Server::new(config);
                let peer =
                    Peer { stream, server, buffer: None, over: false, shut_down: false, deadline: None };
                self.map.insert(token, peer);
                self.turns.insert(token); // its clock starts
            }
        }
        Some(Duration::ZERO)
    }

    /// One turn for everybody whose turn it is; one who has more to read has another in the next round.
    fn round(&mut self, began: &Instant) {
        while let Some(&(deadline, token)) = self.deadlines.first()
            && deadline <= began.elapsed()
        {
            self.deadlines.pop_first();
            self.turns.insert(token);
        }
        for token in mem::take(&mut self.turns) {
            let Some(peer) = self.map.get_mut(&token) else { continue };
            let buffer = peer.buffer.take().or_else(|| self.buffers.pop());
            let mut buffer = buffer.unwrap_or_else(|| ReadBuffer::new(READ, MAX_FRAME));
            if peer.turn(began.elapsed(), &mut buffer) {
                self.turns.insert(token);
            }
            if !buffer.is_empty() || peer.server.connection().payload_owed() > 0 {
                peer.buffer = Some(buffer);
            } else if self.buffers.len() < SPARE_BUFFERS {
                self.buffers.push(buffer);
            }
            let next = peer.server.next_timeout();
            if let Some(old) = mem::replace(&mut peer.deadline, next) {
                self.deadlines.remove(&(old, token));
            }
            if peer.server.is_ended() {
                self.map.remove(&token);
            } else if let Some(next) = next {
                self.deadlines.insert((next, token));
            }
        }
    }

    /// Closes all connections; each has its turn to write that.
    fn close(&mut self) {
        for (token, peer) in &mut self.map {
            let _ = peer.server.close(CloseCode::GOING_AWAY, "the server is shutting down");
            self.turns.insert(*token);
        }
    }
}

impl Peer {
    /// Reads, answers and writes; true if there may be more to receive or to read, for which the turn is too short.
    fn turn(&mut self, now: Duration, buffer: &mut ReadBuffer) -> bool {
        let has_more = self.exchange(buffer);
        // Only now: what has arrived or could be written is in time, however late the turn is.
        self.server.handle_timeout(now);
        write(&mut self.stream, &mut self.server, buffer.consumed());
        has_more
    }

    fn exchange(&mut self, buffer: &mut ReadBuffer) -> bool {
        let Self { stream, server, .. } = self;
        let (mut drained, mut work) = (false, 0);
        for reads_left in (0..READS_A_TURN).rev() {
            // Behind a large message that is not written yet nothing is received: it lies in the buffer.
            while server.connection().payload_owed() > 0 || receive(server, buffer, &mut work) {
                write(stream, server, buffer.consumed());
                if server.connection().payload_owed() > 0 {
                    return false; // the socket tells when it takes more
                }
            }
            write(stream, server, &[]);
            if server.should_shutdown() && !self.shut_down {
                self.shut_down = true;
                let _ = stream.shutdown(Shutdown::Write);
            }
            // What is read in the last round of a turn would not be received.
            if drained || reads_left == 0 || work > WORK_A_TURN || !server.wants_read() {
                break;
            }
            let space = buffer.space();
            let len = space.len();
            match stream.read(space) {
                Ok(0) => server.recv_eof(),
                // Whatever comes behind a short read wakes us again.
                Ok(read) => {
                    buffer.filled(read);
                    drained = read < len && !self.over;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => drained = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => server.recv_error(),
            }
        }
        (!drained || work > WORK_A_TURN) && server.wants_read()
    }
}

/// Handles what was read, as far as the turn allows; true if it stopped behind a large message, whose payload is to be
/// written now.
fn receive(server: &mut Server, buffer: &mut ReadBuffer, work: &mut usize) -> bool {
    let mut input = buffer.input();
    while *work <= WORK_A_TURN
        && let Some(event) = server.recv(&mut input)
    {
        *work += EVENT;
        match event {
            ServerEvent::Upgrade(request) => server.answer(request.accept()),
            ServerEvent::Http(request) => {
                let page = page(request.path());
                server.answer(request.respond(&page));
            }
            ServerEvent::Open(Event::Message(message)) => {
                *work += message.len();
                if echo(server.connection(), message) {
                    return true;
                }
            }
            _ => {} // refusals, pings and closing are answered already
        }
    }
    false
}

/// Sends a message back; true if its payload is to be written from where it was read.
fn echo(connection: &mut Connection, message: Message<'_>) -> bool {
    let is_borrowed = matches!(message, Message::Text(Cow::Borrowed(_)) | Message::Binary(Cow::Borrowed(_)));
    if is_borrowed && message.len() >= DIRECT_FROM && !connection.compresses(message.len()) {
        return connection.send_header(message.kind(), message.len()).is_ok();
    }
    // What cannot be sent any more, after our Close, needs no answer.
    let _ = connection.send_owned(message);
    false
}

/// Writes the output, and the payload that is owed behind it, as far as the socket takes them now.
fn write(stream: &mut TcpStream, server: &mut Server, consumed: &[u8]) {
    loop {
        let owed = usize::try_from(server.connection().payload_owed()).unwrap_or(0);
        let mut slices = [&[][..]; SLICES];
        let mut n = server.output_slices(&mut slices);
        if n < SLICES && owed > 0 {
            slices[n] = &consumed[consumed.len() - owed..];
            n += 1;
        }
        let written = match n {
            0 => return,
            1 => stream.write(slices[0]),
            _ => stream.write_vectored(&slices.map(IoSlice::new)[..n]),
        };
        match written {
            Ok(written) => server.output_written(written),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => server.recv_error(),
        }
    }
}

/// Set by SIGINT and SIGTERM, which wake the loop.
fn stop_by_signal(waker: &Arc<Waker>) -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (set, waker) = (Arc::clone(&stop), Arc::clone(waker));
    on_signal(move || {
        set.store(true, Ordering::SeqCst);
        let _ = waker.wake();
    })?;
    Ok(stop)
}

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// So that a flood of one peer, or of new ones, costs no other its turn.
const READS_A_TURN: usize = 8;
/// In bytes of messages.
const WORK_A_TURN: usize = 1 << 20;
/// What each event adds, however short: one read may bring 40,000.
const EVENT: usize = 256;
/// How much is read at once.
const READ: usize = 256 * 1024;
/// A longer frame is received piece by piece.
const MAX_FRAME: usize = 4 << 20;
const SPARE_BUFFERS: usize = 4;
/// From this size on a message is written from where it is.
const DIRECT_FROM: usize = 16 * 1024;
/// How many pieces of the output are written at once.
const SLICES: usize = 8;
const ACCEPTED_AT_ONCE: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a stop waits for closing handshakes.
const GRACE: Duration = Duration::from_secs(3);
