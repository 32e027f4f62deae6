//! The adapter `net`: complete, in batches, in pieces, in halves, over TLS and another stream.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;

use sansocket::net::{self, Accepting, Error, Incoming, Stream, Tls, Transport, WebSocket};
use sansocket::{Config, Event};

use super::{
    GOODBYE, Log, MANY, Wish, feed_wish, fine_or_over, known, not_opened, one_of_many, page, request,
};
use crate::{End, Role, tls};

pub(crate) fn complete(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    open(stream, role, config).map_or_else(|end| (0, end), echo)
}

pub(crate) fn over_tls(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    let (server, client) = tls();
    let stream = match role {
        Role::Server => Tls::server(server, stream),
        Role::Client => Tls::client(client, "localhost", stream),
    };
    open(stream.expect("a valid configuration"), role, config).map_or_else(|end| (0, end), echo)
}

fn open<S: Transport>(stream: S, role: Role, config: Config) -> Result<WebSocket<S>, End> {
    let opened = match role {
        Role::Server => match Accepting::new(stream, config).finish() {
            Ok(Incoming::Upgrade(upgrade)) => upgrade.accept().map_err(Error::Io),
            Ok(Incoming::Http(http)) => match http.respond(&page()) {
                Ok(()) => return Err(End::Page),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        },
        Role::Client => net::client(stream, request(), config).map(|(ws, _)| ws),
    };
    opened.map_err(|error| not_opened(&error))
}

fn echo<S: Transport>(mut ws: WebSocket<S>) -> (usize, End) {
    let mut log = Log::default();
    loop {
        let event = match ws.recv() {
            Ok(Some(event)) => event.into_owned(),
            Ok(None) => break,
            Err(_) => {
                log.broken();
                continue;
            }
        };
        log.event(&event);
        if let Event::Message(message) = event {
            let sent = match Wish::of(&message) {
                Wish::Echo => ws.send(&message),
                Wish::Close => ws.close(GOODBYE, "bye"),
                Wish::ManyThenClose => (0..MANY)
                    .try_for_each(|i| ws.send_text(&one_of_many(i)))
                    .and_then(|()| ws.close(GOODBYE, "bye")),
            };
            fine_or_over(sent);
        }
    }
    log.done(known!(ws))
}

/// In pieces, over a stream of unknown type over another one.
pub(crate) fn pieces(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    let stream = Stream::new(Layer(Box::new(stream)), |layer| &mut layer.0);
    let mut ws = match open(stream, role, config) {
        Ok(ws) => ws,
        Err(end) => return (0, end),
    };
    let mut log = Log::default();
    loop {
        let message = match ws.recv_chunk() {
            Ok(Some(event)) => log.piece(event),
            Ok(None) => break,
            Err(_) => {
                log.broken();
                continue;
            }
        };
        if let Some(message) = message {
            let closes = feed_wish(&message, |message| ws.feed(message));
            fine_or_over(if closes { ws.close(GOODBYE, "bye") } else { ws.flush() });
        }
    }
    log.done(known!(ws))
}

/// A stream that runs over a transport.
struct Layer(Box<dyn Transport>);

impl Read for Layer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Layer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

pub(crate) fn batches(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    let mut ws = match open(stream, role, config) {
        Ok(ws) => ws,
        Err(end) => return (0, end),
    };
    let mut log = Log::default();
    loop {
        let mut closes = false;
        match ws.read() {
            Ok(Some(mut batch)) => {
                while let Some(event) = batch.recv() {
                    log.event(&event);
                    if let Event::Message(message) = event {
                        closes |= feed_wish(&message, |message| batch.feed(message));
                    }
                }
            }
            Ok(None) => break,
            Err(_) => log.broken(),
        }
        if closes {
            fine_or_over(ws.close(GOODBYE, "bye"));
        }
    }
    log.done(known!(ws))
}

pub(crate) fn batches_of_pieces(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    let mut ws = match open(stream, role, config) {
        Ok(ws) => ws,
        Err(end) => return (0, end),
    };
    let mut log = Log::default();
    loop {
        match ws.read() {
            Ok(Some(mut batch)) => {
                while let Some(event) = batch.recv_chunk() {
                    let Some(message) = log.piece(event) else { continue };
                    let sent = match Wish::of(&message) {
                        Wish::Echo => batch.send(&message),
                        // Written by the next read.
                        Wish::Close => batch.connection().close(GOODBYE, "bye").map_err(Into::into),
                        Wish::ManyThenClose => (0..MANY)
                            .try_for_each(|i| batch.feed_owned(one_of_many(i).into()))
                            .and_then(|()| batch.connection().close(GOODBYE, "bye"))
                            .map_err(Into::into),
                    };
                    fine_or_over(sent);
                }
            }
            Ok(None) => break,
            Err(_) => log.broken(),
        }
    }
    log.done(known!(ws))
}

pub(crate) fn halves_in_one_thread(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    let ws = match open(stream, role, config) {
        Ok(ws) => ws,
        Err(end) => return (0, end),
    };
    let (mut reader, mut writer) = ws.into_split().expect("a socket has a second handle");
    let mut log = Log::default();
    loop {
        let mut closes = false;
        match reader.read() {
            Ok(Some(mut batch)) => {
                while let Some(event) = batch.recv_chunk() {
                    if let Some(message) = log.piece(event) {
                        closes |= feed_wish(&message, |message| batch.feed(message));
                    }
                }
            }
            Ok(None) => break,
            Err(_) => log.broken(),
        }
        if closes {
            fine_or_over(writer.close(GOODBYE, "bye"));
        }
    }
    log.done(known!(reader, writer))
}

pub(crate) fn halves(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    let ws = match open(stream, role, config) {
        Ok(ws) => ws,
        Err(end) => return (0, end),
    };
    let (mut reader, mut writer) = ws.into_split().expect("a socket has a second handle");
    let (tell, told) = mpsc::channel();
    let writing = thread::spawn(move || {
        for message in told {
            let sent = match Wish::of(&message) {
                Wish::Echo => writer.send_owned(message),
                Wish::Close => writer.close(GOODBYE, "bye"),
                Wish::ManyThenClose => (0..MANY)
                    .try_for_each(|i| writer.feed(&one_of_many(i).into()).map_err(Into::into))
                    .and_then(|()| writer.close(GOODBYE, "bye")),
            };
            fine_or_over(sent);
        }
        writer
    });
    let mut log = Log::default();
    loop {
        match reader.recv() {
            Ok(Some(event)) => {
                log.event(&event);
                if let Event::Message(message) = event {
                    let _ = tell.send(message.into_owned());
                }
            }
            Ok(None) => break,
            Err(_) => log.broken(),
        }
    }
    drop(tell);
    let writer = writing.join().expect("the writing half ends when the connection is over");
    let ws = WebSocket::reunite(reader, writer).expect("both are of one connection");
    log.done(known!(ws))
}
