//! The adapter `net` over a socket that does not block, waiting for what it says that it waits for.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{self, Shutdown};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use sansocket::net::{Accepting, Connecting, Error, Incoming, Step, Transport, WebSocket};
use sansocket::{Config, Event};

use super::{GOODBYE, Log, Wish, feed_wish, fine_or_over, known, not_opened, page, request};
use crate::{End, Role};

pub(crate) fn complete(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    stream.set_nonblocking(true).expect("a socket");
    let socket =
        Socket { stream: RefCell::new(TcpStream::from_std(stream)), refused: false, moved: Cell::new(false) };
    let mut waiting = Waiting { poll: Poll::new().expect("a poll"), in_vain: 0 };
    match open(socket, role, config, &mut waiting) {
        Ok(ws) => echo(ws, &mut waiting),
        Err(end) => (0, end),
    }
}

/// Waits for whatever `$what` wants.
macro_rules! wait {
    ($waiting:expr, $what:expr) => {
        $waiting.wait($what.stream(), $what.wants_read(), $what.wants_write(), $what.next_timeout())
    };
}

/// Advances to the end, and waits between the steps.
macro_rules! finish {
    ($waiting:expr, $steps:expr) => {{
        let mut steps = $steps;
        loop {
            match steps.advance() {
                Ok(Step::Done(done)) => break Ok(done),
                Ok(Step::Blocked(more)) => {
                    wait!($waiting, more);
                    steps = more;
                }
                Err(error) => break Err(error),
            }
        }
    }};
}

fn open(socket: Socket, role: Role, config: Config, waiting: &mut Waiting) -> Result<WebSocket<Socket>, End> {
    let opened = match role {
        Role::Server => match finish!(waiting, Accepting::new(socket, config)) {
            Ok(Incoming::Upgrade(upgrade)) => upgrade.accept().map_err(Error::Io),
            Ok(Incoming::Http(http)) => match finish!(waiting, http.responding(&page())) {
                Ok(()) => return Err(End::Page),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        },
        Role::Client => finish!(waiting, Connecting::new(socket, request(), config)).map(|(ws, _)| ws),
    };
    opened.map_err(|error| not_opened(&error))
}

fn echo(mut ws: WebSocket<Socket>, waiting: &mut Waiting) -> (usize, End) {
    let mut log = Log::default();
    loop {
        let event = match ws.recv() {
            Ok(Some(event)) => event.into_owned(),
            Ok(None) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait!(waiting, ws);
                continue;
            }
            Err(_) => {
                log.broken();
                continue;
            }
        };
        log.event(&event);
        let Event::Message(message) = event else { continue };
        if let Wish::Echo = Wish::of(&message) {
            fine_or_over(ws.send_owned(message));
        } else {
            feed_wish(&message, |message| ws.feed(message));
            fine_or_over(ws.close(GOODBYE, "bye"));
        }
    }
    log.done(known!(ws))
}

struct Waiting {
    poll: Poll,
    /// How often a wait ended, one after the other, and nothing came of it.
    in_vain: usize,
}

impl Waiting {
    fn wait(&mut self, socket: &Socket, reads: bool, writes: bool, timeout: Option<Duration>) {
        assert!(!writes || socket.refused, "it waits to write, and the stream has refused nothing");
        self.in_vain = if socket.moved.take() { 0 } else { self.in_vain + 1 };
        assert!(self.in_vain < 1000, "it is woken again and again for nothing");
        let interest = match (reads, writes) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        assert!(interest.is_some() || timeout.is_some(), "it waits for nothing");
        let mut stream = socket.stream.borrow_mut();
        if let Some(interest) = interest {
            // Registered anew each time, so that what is ready already is told.
            self.poll.registry().register(&mut *stream, Token(0), interest).expect("a socket");
        }
        match self.poll.poll(&mut Events::with_capacity(1), timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => panic!("{error}"),
            _ => {}
        }
        if interest.is_some() {
            self.poll.registry().deregister(&mut *stream).expect("a socket");
        }
    }
}

/// A socket that keeps in mind what it did.
struct Socket {
    stream: RefCell<TcpStream>,
    /// It did not take the last bytes.
    refused: bool,
    moved: Cell<bool>,
}

impl Socket {
    fn wrote(&mut self, written: io::Result<usize>) -> io::Result<usize> {
        self.refused = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.moved.set(self.moved.get() | written.is_ok());
        written
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.get_mut().read(buf);
        self.moved.set(self.moved.get() | read.is_ok());
        read
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.stream.get_mut().write(buf);
        self.wrote(written)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.stream.get_mut().write_vectored(bufs);
        self.wrote(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.get_mut().flush()
    }
}

impl Transport for Socket {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(Shutdown::Write)
    }

    fn abort(&mut self) -> io::Result<()> {
        self.stream.get_mut().shutdown(Shutdown::Both)
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}
