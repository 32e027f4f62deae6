//! [`Endpoint`]: the interface that the adapters drive, in every phase.

use core::time::Duration;

use super::{Client, ClientEvent, Server, ServerEvent};
use crate::connection::{Connection, Event, State};
use crate::input::Input;

/// A [`Server`], a [`Client`], or a plain [`Connection`]: one loop serves all of them.
pub(crate) trait Endpoint {
    type Event<'b>;

    fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<Self::Event<'b>>;
    fn recv_eof(&mut self);
    fn recv_error(&mut self);
    fn handle_timeout(&mut self, now: Duration);
    fn next_timeout(&self) -> Option<Duration>;
    fn wants_read(&self) -> bool;
    fn is_ended(&self) -> bool;
    fn has_last_words(&self) -> bool;
    /// Returns the inner connection, for everything that does not depend on the phase.
    fn connection(&self) -> &Connection;
    fn connection_mut(&mut self) -> &mut Connection;

    /// Returns `true` if there may be input: if a write fails, read that first.
    fn may_have_input(&self) -> bool {
        match self.connection().state() {
            State::Opening => self.wants_read(),
            _ => self.connection().may_have_input(),
        }
    }

    /// Returns the next deadline. A caller that comes after it has not seen what has arrived, or what the stream takes
    /// now: both come before [`handle_timeout`](Self::handle_timeout) judges the peer.
    fn next_deadline(&self) -> Option<Duration> {
        match self.connection().state() {
            // It is zero until the time is known.
            State::Opening => self.next_timeout().filter(|due| self.may_have_input() && !due.is_zero()),
            _ => self.connection().sender().next_deadline(),
        }
    }

    /// Returns the deadline of a write. Last words are due at once, but only a receiver can take them: a writer
    /// that waits would find their deadline passed again and again.
    fn write_deadline(&self) -> Option<Duration> {
        if self.has_last_words() { self.connection().sender().next_timeout() } else { self.next_timeout() }
    }
}

macro_rules! endpoints {
    ($($name:ident $(.$connection:ident)?, $event:ident;)*) => {$(
        impl Endpoint for $name {
            type Event<'b> = $event<'b>;

            #[inline]
            fn recv<'b>(&mut self, input: &mut Input<'b>) -> Option<$event<'b>> {
                $name::recv(self, input)
            }

            fn recv_eof(&mut self) {
                $name::recv_eof(self);
            }

            fn recv_error(&mut self) {
                $name::recv_error(self);
            }

            fn handle_timeout(&mut self, now: Duration) {
                $name::handle_timeout(self, now);
            }

            fn next_timeout(&self) -> Option<Duration> {
                $name::next_timeout(self)
            }

            fn wants_read(&self) -> bool {
                $name::wants_read(self)
            }

            fn is_ended(&self) -> bool {
                $name::is_ended(self)
            }

            fn has_last_words(&self) -> bool {
                $name::has_last_words(self)
            }

            fn connection(&self) -> &Connection {
                &(*self)$(.$connection)?
            }

            fn connection_mut(&mut self) -> &mut Connection {
                &mut (*self)$(.$connection)?
            }
        }
    )*};
}

endpoints! {
    Connection, Event;
    Server.connection, ServerEvent;
    Client.connection, ClientEvent;
}
