//! What the adapters used before they drove endpoints; it goes with the last of its callers.

use core::ops::ControlFlow;
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};

use super::Error;
use crate::connection::{Connection, Event, Notice, Receiver, Sender, State};
use crate::endpoint::ConnectOptions;
use crate::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, Established, ProxyHandshake, ProxyProgress,
};
use crate::input::Input;

impl ConnectOptions {
    /// The request to try after `request` came to `error`.
    pub(crate) fn redirected(
        &mut self,
        request: &ClientRequest,
        error: Error,
    ) -> Result<ClientRequest, Error> {
        if let (Error::Refused(refused), Some(redirects)) = (&error, &mut self.redirects)
            && let Some(next) = redirects.follow(request, refused)?
        {
            return Ok(next);
        }
        Err(error)
    }
}

/// Gives a client's handshake what was read: the connection, or the handshake to go on with.
pub(crate) fn opened(
    handshake: ClientHandshake,
    input: &mut Input<'_>,
) -> Result<ControlFlow<(Connection, Established), ClientHandshake>, Error> {
    match handshake.recv(input) {
        ClientProgress::Incomplete(handshake) => Ok(ControlFlow::Continue(handshake)),
        ClientProgress::Connected(connection, established) => {
            Ok(ControlFlow::Break((connection, established)))
        }
        ClientProgress::Refused(refused) => Err(Error::Refused(Box::new(refused))),
        ClientProgress::Failed(error) => Err(error.into()),
    }
}

/// Gives a proxy's handshake what was read: the tunnel is open, or the handshake to go on with.
pub(crate) fn tunnelled(
    handshake: ProxyHandshake,
    input: &mut Input<'_>,
) -> Result<ControlFlow<(), ProxyHandshake>, Error> {
    match handshake.recv(input) {
        ProxyProgress::Incomplete(handshake) => Ok(ControlFlow::Continue(handshake)),
        ProxyProgress::Open if input.is_empty() => Ok(ControlFlow::Break(())),
        // In TLS and in a WebSocket the client speaks first: what is there is not the server's.
        ProxyProgress::Open => {
            Err(io::Error::new(ErrorKind::InvalidData, "the proxy sent more than its answer").into())
        }
        ProxyProgress::Refused(refused) => Err(Error::Proxy(Box::new(refused))),
        ProxyProgress::Failed(error) => Err(error.into()),
    }
}

/// Ends the transport, and what that means.
pub(crate) fn eof(connection: &mut Connection) -> Option<Event<'static>> {
    connection.recv_eof();
    connection.recv(&mut Input::new(&mut [])).map(Event::into_owned)
}

/// The same for a receiver alone.
pub(crate) fn receiver_eof(receiver: &mut Receiver) -> Option<Event<'static>> {
    receiver.recv_eof();
    receiver.recv(&mut Input::new(&mut [])).map(Event::into_owned)
}

/// The same for a sender alone.
pub(crate) fn sender_timeout(sender: &mut Sender, now: Duration) -> Option<Event<'static>> {
    let before = sender.lost();
    sender.handle_timeout(now);
    if before.is_none() { sender.lost().map(Event::Failed) } else { None }
}

/// What an event asks of the sender.
pub(crate) fn reply(event: &Event<'_>) -> Option<Notice> {
    Notice::of(event)
}

/// Tells the time, and what that means.
pub(crate) fn timeout(connection: &mut Connection, now: Duration) -> Option<Event<'static>> {
    connection.handle_timeout(now);
    if connection.has_last_words() {
        return connection.recv(&mut Input::new(&mut [])).map(Event::into_owned);
    }
    None
}

/// The stream is broken: an error, unless everything had been said.
pub(crate) fn lost(connection: &mut Connection, error: io::Error) -> io::Result<()> {
    let state = connection.state();
    connection.recv_error();
    let _ = connection.recv(&mut Input::new(&mut []));
    unless_over(state, error)
}

/// The same for two halves.
pub(crate) fn lost_halves(receiver: &mut Receiver, sender: &mut Sender, error: io::Error) -> io::Result<()> {
    let state = sender.state();
    receiver.finish();
    sender.abort();
    unless_over(state, error)
}

fn unless_over(state: State, error: io::Error) -> io::Result<()> {
    if matches!(state, State::Open | State::CloseSent) { Err(error) } else { Ok(()) }
}

/// From this size on, a server's payload is written from where it is.
pub(crate) const DIRECT_FROM: usize = 16 * 1024;

/// How long a peer that was answered in HTTP has to close.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
