//! The adapter for `std::net` over a stream that does what a script says: whatever is short, late, interrupted or broken, the events are
//! those of the bytes that were read, what was sent arrives, and it comes to an end: I1, I4, I8, I9, I10, I14.

use std::io::{self, ErrorKind};

use arbitrary::Arbitrary;
use sansocket::net::{Accepting, Error, Incoming, Step, WebSocket};
use sansocket::{CloseCode, Message, SendError};

use super::scripted::{Io, Scripted};
use super::{structured, transcript};
use crate::common::{Collector, LIMITS, Role, Seen, config, model};

#[derive(Debug, Arbitrary)]
pub(crate) struct Script<'d> {
    pub(crate) client: bool,
    /// Whether a server's connection begins with the opening handshake.
    opens: bool,
    pub(crate) frames: Vec<(u8, &'d [u8])>,
    /// How much of it was read with a handshake that is over.
    unread: u8,
    pub(crate) reads: Vec<Io>,
    pub(crate) writes: Vec<Io>,
    pub(crate) acts: Vec<Act<'d>>,
}

#[derive(Debug, Arbitrary)]
pub(crate) enum Act<'d> {
    Recv,
    Chunk,
    Batch,
    Send(&'d [u8]),
    Large(u8),
    Feed(&'d [u8]),
    Flush,
    Close,
}

/// `data`: what the peer sends, what the stream does, and what the caller does.
pub(crate) fn body(data: &[u8]) {
    let Some(script) = structured::<Script<'_>>(data) else { return };
    let role = if script.client { Role::Client } else { Role::Server };
    let begin = script.begin(role);
    let stream = Scripted::new(begin.received(), &script.reads, &script.writes);
    let ws = match begin.is_open() {
        true => Some(WebSocket::from_parts(stream, role.connection(config(LIMITS)), begin.unread())),
        false => open(stream),
    };
    let Some(mut ws) = ws else { return };
    let (mut seen, mut sent, mut over) = (Collector::default(), Vec::new(), false);
    let ends = (0..script.turns()).map(|_| &Act::Recv);
    for act in script.acts.iter().take(60).chain(ends) {
        match act {
            Act::Recv | Act::Chunk => {
                let event = if matches!(act, Act::Recv) { ws.recv() } else { ws.recv_chunk() };
                match event {
                    Ok(Some(event)) => {
                        assert!(!is_over(&seen), "I4: {event:?}");
                        seen.push(&event);
                    }
                    Ok(None) => over = true,
                    Err(error) => check(&error, ws.stream().broken),
                }
            }
            Act::Batch => match ws.read() {
                Ok(Some(mut batch)) => {
                    while let Some(event) = batch.recv() {
                        assert!(!is_over(&seen), "I4: {event:?}");
                        seen.push(&event);
                    }
                }
                Ok(None) => over = true,
                Err(error) => check(&error, ws.stream().broken),
            },
            Act::Send(bytes) => {
                let open = ws.can_send();
                let result = ws.send(&Message::from(*bytes));
                note(&mut sent, bytes, &result, !open || ws.stream().broken);
            }
            Act::Large(len) => {
                let bytes = vec![3; usize::from(*len) * 100];
                let open = ws.can_send();
                let result = ws.send(&Message::from(&bytes));
                note(&mut sent, &bytes, &result, !open || ws.stream().broken);
            }
            Act::Feed(bytes) => {
                if ws.feed(&Message::from(*bytes)).is_ok() {
                    sent.push(Seen::Binary(bytes.to_vec()));
                }
            }
            Act::Flush => ws.flush().unwrap_or_else(|error| check(&error, ws.stream().broken)),
            Act::Close => {
                ws.close(CloseCode::NORMAL, "").unwrap_or_else(|error| check(&error, ws.stream().broken))
            }
        }
        if over {
            break;
        }
    }
    assert!(over, "I14: a stream that ends is an end: {:?}", ws.state());
    begin.judge(role, seen, &sent, ws.stream());
}

/// Accepts a request; `None` if the stream breaks.
fn open(stream: Scripted) -> Option<WebSocket<Scripted>> {
    let mut accepting = Accepting::new(stream, config(LIMITS));
    let incoming = loop {
        match accepting.advance() {
            Ok(Step::Done(incoming)) => break incoming,
            Ok(Step::Blocked(later)) => accepting = later,
            Err(Error::Io(error)) => return broken(&error),
            Err(error) => panic!("{error}"),
        }
    };
    let Incoming::Upgrade(upgrade) = incoming else { panic!("a request for a WebSocket") };
    upgrade.accept().map_or_else(|error| broken(&error), Some)
}

/// Nothing, because the stream has broken.
pub(crate) fn broken<T>(error: &io::Error) -> Option<T> {
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    None
}

/// How a connection begins: with a request, or with bytes that were read after it.
pub(crate) struct Begin {
    request: &'static [u8],
    frames: Vec<u8>,
    unread: usize,
}

impl Begin {
    /// Whether there is no request.
    pub(crate) fn is_open(&self) -> bool {
        self.request.is_empty()
    }

    pub(crate) fn unread(&self) -> Vec<u8> {
        self.frames[..self.unread].to_vec()
    }

    /// What is read from the stream.
    pub(crate) fn received(&self) -> Vec<u8> {
        [self.request, &self.frames[self.unread..]].concat()
    }

    /// What was seen is what was read, and what was sent arrives.
    pub(crate) fn judge(&self, role: Role, seen: Collector, sent: &[Seen], stream: &Scripted) {
        let read = self.unread + stream.consumed - self.request.len();
        judge_events(role, &self.frames[..read], seen, stream.broken);
        let mut written = &stream.written[..];
        if !self.is_open() {
            let end = written.windows(4).position(|end| end == b"\r\n\r\n");
            assert!(end.is_some() || stream.broken, "I9: the response too");
            assert!(end.is_none() || written.starts_with(b"HTTP/1.1 101 "));
            written = end.map_or(&[], |end| &written[end + 4..]);
        }
        let arrived = arrived(role, written);
        assert!(sent.starts_with(&arrived), "I9: in order");
        assert!(stream.broken || arrived.len() == sent.len(), "I9: all of it");
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

impl Script<'_> {
    pub(crate) fn begin(&self, role: Role) -> Begin {
        let frames = self.bytes(role);
        let opens = self.opens && role == Role::Server;
        let unread = if opens { 0 } else { usize::from(self.unread).min(frames.len()) };
        Begin { request: if opens { REQUEST } else { b"" }, frames, unread }
    }

    /// The number of turns in which it must end: each takes a step of the stream, or an event.
    pub(crate) fn turns(&self) -> usize {
        300 + self.reads.len() + self.writes.len()
    }

    fn bytes(&self, role: Role) -> Vec<u8> {
        self.frames.iter().take(12).flat_map(|(first, payload)| role.frame(*first, payload)).collect()
    }
}

/// What was seen is what was read.
pub(crate) fn judge_events(role: Role, read: &[u8], seen: Collector, broken: bool) {
    let mut seen = seen.outcome().events;
    let expected = model(role, LIMITS, read);
    let by_stream = |seen: &Seen| matches!(seen, Seen::Failed(error) if error.close_code().is_none());
    if seen.last().is_some_and(by_stream) {
        assert!(!expected.is_over(), "I4");
        seen.pop();
    }
    // A transport that broke may have swallowed the last events with it.
    assert!(expected.events.starts_with(&seen), "I1: {seen:?}, expected {:?}", expected.events);
    assert!(broken || seen.len() == expected.events.len(), "I1: {seen:?}, expected {:?}", expected.events);
}

/// The messages that the peer receives; what was written is legal.
pub(crate) fn arrived(role: Role, written: &[u8]) -> Vec<Seen> {
    let written = transcript::decode(role.opposite(), written, None);
    assert_eq!(written.error(), None, "I8");
    assert!(written.events.iter().filter(|event| matches!(event, Seen::Close(_))).count() <= 1, "I10");
    let is_message = |event: &Seen| matches!(event, Seen::Text(_) | Seen::Binary(_));
    written.events.into_iter().filter(is_message).collect()
}

fn is_over(seen: &Collector) -> bool {
    matches!(seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)))
}

/// The only errors are "later" and those of a stream that broke.
fn check(error: &io::Error, broken: bool) {
    assert!(broken || error.kind() == ErrorKind::WouldBlock, "{error}");
}

/// Notes what came of sending a message. If it was not refused, the stream may have broken behind it.
pub(crate) fn note(sent: &mut Vec<Seen>, bytes: &[u8], result: &io::Result<()>, may_fail: bool) {
    let refused = result.as_ref().err().and_then(|error| error.get_ref()?.downcast_ref::<SendError>());
    if let Err(error) = result {
        assert!(may_fail || refused == Some(&SendError::OutputFull), "{error}");
    }
    if refused.is_none() {
        sent.push(Seen::Binary(bytes.to_vec()));
    }
}
