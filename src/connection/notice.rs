//! [`Notice`]: what the receiving half of a connection tells the sending half.

use super::event::Event;
use crate::error::ProtocolError;
use crate::frame::{CloseCode, ControlPayload};

/// What a [`Receiver`](super::Receiver) tells the [`Sender`](super::Sender).
///
/// It accumulates in the receiver until [`take_notice`](super::Receiver::take_notice), travels over any
/// channel, and takes effect in [`notice`](super::Sender::notice). Pass it on
///
/// * at once if it [holds a reply](super::Receiver::has_reply): to a Ping, to a Close, or after a failure;
/// * otherwise once per read: bytes arrived, a message arrived, the stream ended.
///
/// ```
/// use sansocket::{Config, Connection, Input};
/// let (mut receiver, mut sender) = Connection::server(Config::default()).split();
/// let mut bytes = *b"\x89\x80\0\0\0\0"; // a Ping
/// let mut input = Input::new(&mut bytes);
/// while let Some(_event) = receiver.recv(&mut input) {
///     if receiver.has_reply() {
///         sender.notice(receiver.take_notice());
///     }
/// }
/// sender.notice(receiver.take_notice()); // bytes arrived
/// assert_eq!(sender.output(), b"\x8A\x00");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "the sender has to be told"]
pub struct Notice {
    /// Bytes arrived: the peer is alive.
    pub(crate) heard: bool,
    /// They contained a message or a piece of one: the connection is not idle.
    pub(crate) message: bool,
    /// The latest Ping to answer.
    pub(super) pong: Option<ControlPayload>,
    /// An empty Pong arrived, perhaps the reply to a keepalive Ping.
    pub(crate) ponged: bool,
    pub(super) end: Option<End>,
    /// The stream ended.
    pub(super) eof: bool,
}

/// The last thing that a receiver reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Answer a Close with this code.
    Close(Option<CloseCode>),
    /// Fail the connection (RFC 6455 §7.1.7).
    Fail(ProtocolError),
}

impl Notice {
    /// Returns what an event requires of the sender, if anything.
    #[inline]
    pub(crate) fn of(event: &Event<'_>) -> Option<Self> {
        let (pong, end) = match event {
            Event::Ping(payload) => (ControlPayload::new(payload), None),
            Event::Close(frame) => (None, Some(End::Close(frame.as_ref().map(|frame| frame.code())))),
            Event::Failed(error) => (None, Some(End::Fail(*error))),
            // A keepalive Ping is empty, and its Pong has the same payload (§5.5.3).
            Event::Pong(payload) if payload.is_empty() => {
                return Some(Self { ponged: true, ..Self::default() });
            }
            Event::Pong(_) | Event::Message(_) | Event::Chunk(_) => return None,
        };
        Some(Self { pong, end, ..Self::default() })
    }

    /// Adds a later notice. Of two Pings, only the later one is answered, as §5.5.3 allows.
    pub fn merge(&mut self, later: Self) {
        self.heard |= later.heard;
        self.message |= later.message;
        self.ponged |= later.ponged;
        self.pong = later.pong.or(self.pong);
        self.end = self.end.or(later.end);
        self.eof |= later.eof;
    }

    /// Returns `true` if it makes the sender send something; it should not be delayed then.
    #[must_use]
    pub fn has_reply(&self) -> bool {
        self.pong.is_some() || self.end.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_notices_hold_what_either_had_the_latest_ping_and_the_first_end() {
        let payload = |text: &[u8]| ControlPayload::new(text);
        let nothing = Notice::default();
        let facts = [
            Notice { heard: true, ..nothing },
            Notice { message: true, ..nothing },
            Notice { ponged: true, ..nothing },
            Notice { eof: true, ..nothing },
            Notice { pong: payload(b"1"), ..nothing },
            Notice { end: Some(End::Close(None)), ..nothing },
        ];
        for fact in facts {
            for (mut first, later) in [(fact, nothing), (nothing, fact), (fact, fact)] {
                first.merge(later);
                assert_eq!(first, fact);
            }
        }
        let mut notice = Notice { pong: payload(b"1"), end: Some(End::Close(None)), ..nothing };
        let end = Some(End::Fail(ProtocolError::UnexpectedEof));
        notice.merge(Notice { pong: payload(b"2"), end, ..nothing });
        assert_eq!((notice.pong, notice.end), (payload(b"2"), Some(End::Close(None))));
    }
}
