//! The adapter for tokio: complete, in batches, in pieces, in halves, as `Stream` and `Sink`, over TLS.

use std::future::Future;
use std::{io, net};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use rustls::pki_types::ServerName;
use sansocket::aio::{self, Incoming, Io, Timer};
use sansocket::frame::CloseFrame;
use sansocket::tokio::{Accepting, Command, Connecting, Error, WebSocket};
use sansocket::{Config, Event, Message};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{
    GOODBYE, Log, MANY, Wish, feed_wish, fine_or_over, known, not_opened, one_of_many, page, request,
};
use crate::{End, Role, tls};

/// Two threads, so that the two tasks of one connection really run at the same time.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

pub(super) fn socket(stream: net::TcpStream) -> TcpStream {
    stream.set_nonblocking(true).expect("a socket");
    TcpStream::from_std(stream).expect("a socket")
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    role: Role,
    config: Config,
) -> Result<WebSocket<S>, End> {
    match role {
        Role::Server => accepted(Accepting::new(stream, config)).await,
        Role::Client => connected(Connecting::new(stream, request(), config)).await,
    }
}

pub(super) async fn accepted<S: Io<T>, T: Timer>(
    mut accepting: aio::Accepting<S, T>,
) -> Result<aio::WebSocket<S, T>, End> {
    let accepted = match accepting.advance().await {
        Ok(Incoming::Upgrade(upgrade)) => upgrade.accept().await.map_err(Error::Io),
        Ok(Incoming::Http(http)) => match http.respond(&page()).await {
            Ok(()) => return Err(End::Page),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(error),
    };
    accepted.map_err(|error| not_opened(&error))
}

pub(super) async fn connected<S: Io<T>, T: Timer>(
    mut connecting: aio::Connecting<S, T>,
) -> Result<aio::WebSocket<S, T>, End> {
    connecting.advance().await.map(|(ws, _)| ws).map_err(|error| not_opened(&error))
}

pub(crate) fn complete(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        match open(socket(stream), role, config).await {
            Ok(ws) => echo(ws).await,
            Err(end) => (0, end),
        }
    })
}

pub(crate) fn over_tls(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let ((server, client), stream) = (tls(), socket(stream));
        // A peer that fails the TLS handshake is no subject here.
        let stream = match role {
            Role::Server => {
                let accepted = TlsAcceptor::from(server).accept(stream).await;
                tokio_rustls::TlsStream::from(accepted.expect("TLS"))
            }
            Role::Client => {
                let name = ServerName::try_from("localhost").expect("a valid name");
                let connected = TlsConnector::from(client).connect(name, stream).await;
                tokio_rustls::TlsStream::from(connected.expect("TLS"))
            }
        };
        match open(stream, role, config).await {
            Ok(ws) => echo(ws).await,
            Err(end) => (0, end),
        }
    })
}

pub(super) async fn echo<S: Io<T>, T: Timer>(mut ws: aio::WebSocket<S, T>) -> (usize, End) {
    let mut log = Log::default();
    loop {
        let event = match ws.recv().await {
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
                Wish::Echo => ws.send(&message).await,
                Wish::Close => ws.close(GOODBYE, "bye").await,
                Wish::ManyThenClose => {
                    for i in 0..MANY {
                        fine_or_over(ws.send_text(&one_of_many(i)).await);
                    }
                    ws.close(GOODBYE, "bye").await
                }
            };
            fine_or_over(sent);
        }
    }
    log.done(known!(ws))
}

pub(crate) fn batches(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let mut ws = match open(socket(stream), role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let mut log = Log::default();
        loop {
            let mut closes = false;
            match ws.read().await {
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
                fine_or_over(ws.close(GOODBYE, "bye").await);
            }
        }
        log.done(known!(ws))
    })
}

pub(crate) fn batches_of_pieces(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let mut ws = match open(socket(stream), role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let mut log = Log::default();
        loop {
            match ws.read().await {
                Ok(Some(mut batch)) => {
                    while let Some(event) = batch.recv_chunk() {
                        let Some(message) = log.piece(event) else { continue };
                        let sent = match Wish::of(&message) {
                            Wish::Echo => batch.send(&message).await,
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
    })
}

pub(crate) fn halves(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let ws = match open(socket(stream), role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let (mut reader, writer) = ws.into_split();
        let (tell, writing) = writing(writer);
        let mut log = Log::default();
        loop {
            match reader.recv().await {
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
        let writer = writing.await.expect("the writing half ends when the connection is over");
        log.done(known!(reader, writer))
    })
}

pub(crate) fn halves_in_batches(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let ws = match open(socket(stream), role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let (mut reader, writer) = ws.into_split();
        let (tell, writing) = writing(writer);
        let mut log = Log::default();
        loop {
            match reader.read().await {
                Ok(Some(mut batch)) => {
                    while let Some(event) = batch.recv_chunk() {
                        if let Some(message) = log.piece(event) {
                            let _ = tell.send(message);
                        }
                    }
                }
                Ok(None) => break,
                Err(_) => log.broken(),
            }
        }
        drop(tell);
        let writer = writing.await.expect("the writing half ends when the connection is over");
        log.done(known!(reader, writer))
    })
}

type Writer = sansocket::tokio::WriteHalf<OwnedWriteHalf>;

/// A task that answers what it is told, until there is nothing more.
fn writing(mut writer: Writer) -> (mpsc::UnboundedSender<Message<'static>>, JoinHandle<Writer>) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let writing = tokio::spawn(async move {
        while let Some(message) = told.recv().await {
            let sent = match Wish::of(&message) {
                Wish::Echo => writer.send_owned(message).await,
                Wish::Close => writer.close(GOODBYE, "bye").await,
                Wish::ManyThenClose => {
                    for i in 0..MANY {
                        fine_or_over(writer.feed(&one_of_many(i).into()).map_err(Into::into));
                    }
                    writer.close(GOODBYE, "bye").await
                }
            };
            fine_or_over(sent);
        }
        writer
    });
    (tell, writing)
}

pub(crate) fn stream_and_sink(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let ws = match open(socket(stream), role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let (sink, events) = StreamExt::split::<Command>(ws);
        let (log, sink, events) = forward(sink, events).await;
        let ws = sink.reunite(events).expect("both are of one connection");
        log.done(known!(ws))
    })
}

/// Echoes by a second task, through the traits alone. Returns what it was given.
pub(super) async fn forward<W, R>(mut sink: W, mut events: R) -> (Log, W, R)
where
    W: Sink<Command, Error = io::Error> + Unpin + Send + 'static,
    R: Stream<Item = io::Result<Event<'static>>> + Unpin,
{
    let (tell, mut told) = mpsc::unbounded_channel();
    let writing = tokio::spawn(async move {
        while let Some(message) = told.recv().await {
            let sent = match Wish::of(&message) {
                Wish::Echo => sink.send(message.into()).await,
                Wish::Close => sink.send(Command::Close(Some(CloseFrame::new(GOODBYE, "bye")))).await,
                Wish::ManyThenClose => {
                    for i in 0..MANY {
                        fine_or_over(sink.feed(one_of_many(i).into()).await);
                    }
                    sink.send(Command::Close(Some(CloseFrame::new(GOODBYE, "bye")))).await
                }
            };
            fine_or_over(sent);
        }
        sink
    });
    let mut log = Log::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                log.event(&event);
                if let Event::Message(message) = event {
                    let _ = tell.send(message);
                }
            }
            Err(_) => log.broken(),
        }
    }
    drop(tell);
    let sink = writing.await.expect("the writing task ends when the connection is over");
    (log, sink, events)
}
