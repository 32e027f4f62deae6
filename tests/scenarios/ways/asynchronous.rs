//! The adapter for tokio: complete, in batches, in halves, as `Stream` and `Sink`, over TLS.

use std::future::Future;
use std::net;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use sansocket::aio::{self, Incoming, Io, Timer};
use sansocket::frame::CloseFrame;
use sansocket::tokio::{Accepting, Command, Connecting, Error, WebSocket};
use sansocket::{Config, Event};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{GOODBYE, Log, MANY, Wish, feed_wish, fine_or_over, not_opened, one_of_many, page, request};
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
    log.done()
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
        log.done()
    })
}

pub(crate) fn halves(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let ws = match open(socket(stream), role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let (mut reader, mut writer) = ws.into_split();
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
        });
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
        writing.await.expect("the writing half ends when the connection is over");
        log.done()
    })
}

pub(crate) fn stream_and_sink(stream: net::TcpStream, role: Role, config: Config) -> (usize, End) {
    block_on(async {
        let ws = match open(socket(stream), role, config).await {
            Ok(ws) => ws,
            Err(end) => return (0, end),
        };
        let (mut sink, mut events) = StreamExt::split::<Command>(ws);
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
        writing.await.expect("the writing task ends when the connection is over");
        log.done()
    })
}
