//! [`Server`] and [`Client`] in a loop over a blocking socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use sansocket::handshake::HandshakeError;
use sansocket::{
    Client, ClientEvent, Config, Connection, Event, Input, OpenError, OsRandom, Server, ServerEvent, State,
};

use super::{GOODBYE, Log, MANY, Wish, fine_or_over, one_of_many, page, request};
use crate::{End, Role};

pub(crate) fn endpoint(stream: TcpStream, role: Role, config: Config) -> (usize, End) {
    match role {
        Role::Server => server(stream, config),
        Role::Client => client(stream, config),
    }
    .expect("a socket that can be told its timeouts")
}

/// The loop, which is the same for both endpoints; `$event` is what each has to say.
macro_rules! run {
    ($endpoint:ident, $stream:ident, $event:ident => $handle:expr) => {{
        let began = Instant::now();
        let (mut buf, mut n, mut shut_down) = (vec![0; 64 * 1024], 0, false);
        loop {
            $endpoint.handle_timeout(began.elapsed());
            let mut input = Input::new(&mut buf[..n]);
            while let Some($event) = $endpoint.recv(&mut input) {
                $handle
            }
            n = 0;
            // A peer that takes nothing does not keep this end from reading.
            let left = $endpoint.next_timeout().map(|due| due.saturating_sub(began.elapsed()));
            let turn = left.unwrap_or(TURN).clamp(Duration::from_millis(1), TURN);
            $stream.set_write_timeout(Some(turn))?;
            while $endpoint.wants_write() {
                match $stream.write($endpoint.output()) {
                    Ok(n) => $endpoint.output_written(n),
                    Err(error) if is_later(&error) => break,
                    Err(_) => $endpoint.recv_error(),
                }
            }
            if $endpoint.should_shutdown() && !shut_down {
                shut_down = true;
                let _ = $stream.shutdown(Shutdown::Write);
            }
            if $endpoint.is_ended() {
                break;
            }
            if $endpoint.wants_read() {
                let left = $endpoint.next_timeout().map(|due| due.saturating_sub(began.elapsed()));
                let wait = if $endpoint.wants_write() { Some(left.unwrap_or(TURN).min(TURN)) } else { left };
                $stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
                match $stream.read(&mut buf) {
                    Ok(0) => $endpoint.recv_eof(),
                    Ok(read) => n = read,
                    Err(error) if is_later(&error) => {}
                    Err(_) => $endpoint.recv_error(),
                }
            }
        }
    }};
}

/// How long a write may keep this end from reading.
const TURN: Duration = Duration::from_millis(20);

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn server(mut stream: TcpStream, config: Config) -> io::Result<(usize, End)> {
    let (mut server, mut log) = (Server::new(config), Log::default());
    run!(server, stream, event => match event {
        ServerEvent::Upgrade(request) => server.answer(request.accept()),
        ServerEvent::Http(request) => {
            server.answer(request.respond(&page()));
            log.end(End::Page);
        }
        ServerEvent::Refused(HandshakeError::Truncated) => log.end(End::NotOpened(ErrorKind::UnexpectedEof)),
        ServerEvent::Refused(HandshakeError::TimedOut) if server.state() == State::Ended => {
            log.end(End::NotOpened(ErrorKind::TimedOut));
        }
        ServerEvent::Refused(error) => log.end(End::Handshake(error)),
        ServerEvent::Open(event) => open(&event, server.connection(), &mut log),
        _ => {}
    });
    Ok(log.report())
}

fn client(mut stream: TcpStream, config: Config) -> io::Result<(usize, End)> {
    let (mut client, mut log) = (Client::new(request(), config, OsRandom), Log::default());
    client.connected();
    run!(client, stream, event => match event {
        ClientEvent::Open(event) => open(&event, client.connection(), &mut log),
        ClientEvent::Refused(response) => log.end(End::Status(response.status())),
        ClientEvent::Failed(OpenError::Handshake(error)) => log.end(End::Handshake(error)),
        ClientEvent::Failed(OpenError::TimedOut) => log.end(End::NotOpened(ErrorKind::TimedOut)),
        ClientEvent::Opened(_) => {}
        other => panic!("{other:?}"),
    });
    Ok(log.report())
}

fn open(event: &Event<'_>, connection: &mut Connection, log: &mut Log) {
    log.event(event);
    if let Event::Message(message) = event {
        let sent = match Wish::of(message) {
            Wish::Echo => connection.send(message),
            Wish::Close => connection.close(GOODBYE, "bye"),
            Wish::ManyThenClose => (0..MANY)
                .try_for_each(|i| connection.send_text(&one_of_many(i)))
                .and_then(|()| connection.close(GOODBYE, "bye")),
        };
        match sent {
            Ok(()) => {}
            Err(error) => fine_or_over(Err(error.into())),
        }
    }
}
