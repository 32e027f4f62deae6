//! An echo server in an event loop of its own: mio, one thread, the plain core without an adapter.
//!
//! ```text
//! cargo run --release --example epoll_echo -- [--listen ADDR:PORT] [--max-message BYTES] [--deflate]
//! ```
//!
//! For each connection that is readable: one read, all events, one write.

#[path = "common/server.rs"]
mod common;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Options, on_signal, page};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use sansocket::handshake::{ServerHandshake, ServerProgress};
use sansocket::{CloseCode, Config, Connection, Event, Input};

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

    let stop = Arc::new(AtomicBool::new(false));
    let waker = Waker::new(poll.registry(), WAKER)?;
    on_signal({
        let stop = Arc::clone(&stop);
        move || {
            stop.store(true, Ordering::SeqCst);
            let _ = waker.wake();
        }
    })?;

    let (mut peers, mut next_token, began) = (HashMap::new(), FIRST_PEER, Instant::now());
    let (mut events, mut buf, mut next_tick) = (Events::with_capacity(1024), vec![0; 64 * 1024], TICK);
    let mut stopped: Option<Instant> = None;
    loop {
        let now = began.elapsed();
        if let Err(error) = poll.poll(&mut events, Some(next_tick.saturating_sub(now)))
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            match event.token() {
                LISTENER => {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let token = Token(next_token);
                        next_token += 1;
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        if poll.registry().register(&mut stream, token, interest).is_ok() {
                            let _ = stream.set_nodelay(true);
                            peers.insert(token, Peer::new(stream, options.config, began.elapsed()));
                        }
                    }
                }
                WAKER => {}
                token => {
                    if let Some(peer) = peers.get_mut(&token)
                        && !peer.go_on(&mut buf).unwrap_or(false)
                    {
                        peers.remove(&token);
                    }
                }
            }
        }

        let now = began.elapsed();
        if stop.load(Ordering::SeqCst) && stopped.is_none() {
            stopped = Some(Instant::now());
            peers.retain(|_, peer| peer.close());
        }
        if stopped.is_some_and(|at| peers.is_empty() || at.elapsed() > Duration::from_secs(3)) {
            println!("stopped");
            return Ok(());
        }
        // Deadlines of seconds need no more than a look at everybody now and then.
        if now >= next_tick {
            next_tick = now + TICK;
            peers.retain(|_, peer| peer.tick(now, &mut buf));
        }
    }
}

struct Peer {
    stream: TcpStream,
    protocol: Protocol,
    shut_down: bool,
}

enum Protocol {
    /// Since when; taken while it is advanced.
    Handshake(Option<ServerHandshake>, Duration),
    Open(Box<Connection>),
    /// An answer to a request that opens no connection, and how much of it was written.
    Answer(Vec<u8>, usize, Duration),
}

impl Peer {
    fn new(stream: TcpStream, config: Config, now: Duration) -> Self {
        Self {
            stream,
            protocol: Protocol::Handshake(Some(ServerHandshake::new(config)), now),
            shut_down: false,
        }
    }

    /// Reads, answers and writes until the stream can do no more now; false when the peer is done with.
    fn go_on(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        loop {
            self.write()?;
            if let Protocol::Open(connection) = &self.protocol {
                if connection.is_ended() {
                    return Ok(false);
                }
                if !connection.wants_read() {
                    return Ok(true); // until more of the output has been written
                }
            }
            match self.stream.read(buf) {
                Ok(0) => {
                    let Protocol::Open(connection) = &mut self.protocol else { return Ok(false) };
                    connection.recv_eof();
                }
                Ok(n) => {
                    self.received(&mut buf[..n]);
                    if n < buf.len() {
                        // That was all for now; whatever comes wakes us again, and an end that came along
                        // waits for the next tick.
                        self.write()?;
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    fn received(&mut self, bytes: &mut [u8]) {
        let mut input = Input::new(bytes);
        if let Protocol::Handshake(handshake, since) = &mut self.protocol
            && let Some(begun) = handshake.take()
        {
            match begun.recv(&mut input) {
                ServerProgress::Incomplete(more) => *handshake = Some(more),
                ServerProgress::Upgrade(request) => {
                    self.protocol = Protocol::Open(Box::new(request.accept()))
                }
                ServerProgress::Http(request) => {
                    let page = page(request.path());
                    self.protocol = Protocol::Answer(request.respond(&page), 0, *since);
                }
                ServerProgress::Refused(refusal) => {
                    self.protocol = Protocol::Answer(refusal.response().to_vec(), 0, *since);
                }
            }
        }
        if let Protocol::Open(connection) = &mut self.protocol {
            while let Some(event) = connection.recv(&mut input) {
                if let Event::Message(message) = event {
                    // What cannot be sent any more, after our Close, needs no answer.
                    let _ = connection.send(&message);
                }
            }
        }
    }

    /// Writes what the stream takes now, and ends the writing side when everything was said.
    fn write(&mut self) -> io::Result<()> {
        loop {
            let (waiting, over) = match &self.protocol {
                Protocol::Handshake(..) => return Ok(()),
                Protocol::Open(connection) => (connection.output(), connection.should_shutdown()),
                Protocol::Answer(answer, written, _) => (&answer[*written..], *written == answer.len()),
            };
            if over && !self.shut_down {
                self.shut_down = true;
                return self.stream.shutdown(Shutdown::Write);
            }
            if waiting.is_empty() {
                return Ok(());
            }
            match self.stream.write(waiting) {
                Ok(n) => match &mut self.protocol {
                    Protocol::Open(connection) => connection.output_written(n),
                    Protocol::Answer(_, written, _) => *written += n,
                    Protocol::Handshake(..) => {}
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells the time; false when the peer is done with.
    fn tick(&mut self, now: Duration, buf: &mut [u8]) -> bool {
        match &mut self.protocol {
            Protocol::Handshake(_, since) | Protocol::Answer(_, _, since) if now < *since + PATIENCE => true,
            Protocol::Handshake(handshake, _) => {
                let Some(refusal) = handshake.take().and_then(ServerHandshake::timed_out) else {
                    return false;
                };
                self.protocol = Protocol::Answer(refusal.response().to_vec(), 0, now);
                self.write().is_ok()
            }
            Protocol::Answer(..) => false,
            Protocol::Open(connection) => {
                connection.handle_timeout(now);
                self.go_on(buf).unwrap_or(false)
            }
        }
    }

    /// The server stops; false if there is no closing handshake to wait for.
    fn close(&mut self) -> bool {
        let Protocol::Open(connection) = &mut self.protocol else { return false };
        let _ = connection.close(CloseCode::GOING_AWAY, "the server is shutting down");
        self.write().is_ok()
    }
}

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_PEER: usize = 2;
const TICK: Duration = Duration::from_millis(500);
/// How long a handshake may take, and after it an answer.
const PATIENCE: Duration = Duration::from_secs(10);
