//! Frames: tungstenite sees the same messages and refuses what we refuse; websocket-sans-io sees the same frames; and what each of
//! us writes the other reads.

use std::io::{self, Read, Write};

use arbitrary::Arbitrary;
use sansocket::frame::Decoder;
use sansocket::{Connection, Input, ProtocolError};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::Difference;
use crate::bodies::structured;
use crate::bodies::transcript::complete_frames;
use crate::common::{CLOSE, Collector, LIMITS, Mode, NO_LIMITS, Role, Seen, config, feed, frame, sent};

pub(super) const NON_MINIMAL: Difference = Difference {
    library: "tungstenite",
    what: "takes lengths that are not in their shortest form",
    rule: "RFC 6455 §5.2: \"in all cases, the minimal number of bytes MUST be used to encode the length\"",
};
pub(super) const CLOSE_CODE: Difference = Difference {
    library: "tungstenite",
    what: "reports a Close with a code that must not be sent as one with 1002, and not as an error",
    rule: "RFC 6455 §7.4.1: \"1005 is a reserved value and MUST NOT be set as a status code in a Close control frame\"",
};
pub(super) const CODE_1014: Difference = Difference {
    library: "tungstenite",
    what: "takes 1014 for a code that must not be sent",
    rule: "RFC 6455 §7.4.2: 1000-2999 are \"reserved for definition by this protocol, its future revisions, and extensions\"; \
           IANA has registered 1014",
};

#[derive(Debug, Arbitrary)]
struct Talk<'d> {
    client: bool,
    received: Received<'d>,
    sent: Vec<Said<'d>>,
}

#[derive(Debug, Arbitrary)]
enum Received<'d> {
    Bytes(&'d [u8]),
    Frames(Vec<(u8, &'d [u8])>),
}

#[derive(Debug, Arbitrary)]
enum Said<'d> {
    Text(&'d str),
    Binary(&'d [u8]),
    Ping(u8),
}

/// `data`: what is received, and what is sent.
pub(super) fn body(data: &[u8]) {
    let Some(talk) = structured::<Talk<'_>>(data) else { return };
    let role = if talk.client { Role::Client } else { Role::Server };
    let bytes = match talk.received {
        Received::Bytes(bytes) => bytes.to_vec(),
        Received::Frames(frames) => {
            frames.iter().flat_map(|(first, payload)| role.frame(*first, payload)).collect()
        }
    };
    // We refuse a frame at its first wrong byte, they when it is complete.
    let bytes = &bytes[..complete_frames(&bytes)];
    receive(role, bytes);
    send(role, &talk.sent);
}

fn receive(role: Role, bytes: &[u8]) {
    let mut ours = Collector::default();
    feed(&mut role.connection(config(NO_LIMITS)), Mode::Messages, bytes, &mut ours);
    let (theirs, error) = read_all(socket(role, bytes));
    let ours = ours.events;
    // What comes before a difference is the same.
    let before = &ours[..ours.len().saturating_sub(1)];
    let as_1002 = matches!(theirs.strip_prefix(before), Some([Seen::Close(Some((1002, _)))]));
    match ours.last() {
        // A control frame with such a length is too long for us, before the length is known.
        Some(Seen::Failed(ProtocolError::NonMinimalLength | ProtocolError::ControlTooLong))
            if !is_minimal(bytes) =>
        {
            assert!(theirs.starts_with(before), "{NON_MINIMAL:?}: {theirs:?}");
        }
        Some(Seen::Failed(ProtocolError::InvalidCloseCode(_))) => {
            assert!(as_1002 || error && theirs == before, "{CLOSE_CODE:?}: {theirs:?}");
        }
        Some(Seen::Failed(failed)) => {
            assert_eq!(theirs, before, "up to {failed}");
            assert!(error, "both refuse: {failed}, {bytes:02x?}");
        }
        Some(Seen::Close(Some((1014, _)))) => assert!(as_1002, "{CODE_1014:?}: {theirs:?}"),
        _ => assert_eq!((theirs, error), (ours.clone(), false), "{bytes:02x?}"),
    }
    if !matches!(ours.last(), Some(Seen::Failed(_))) {
        // What comes behind a Close means nothing.
        let up_to_close = |frames: Vec<(u8, Vec<u8>)>| {
            let len = frames.iter().position(|(first, _)| *first == CLOSE).map_or(frames.len(), |at| at + 1);
            Vec::from(&frames[..len])
        };
        assert_eq!(up_to_close(sans_io(bytes)), up_to_close(decoded(role, bytes)));
    }
}

/// Whether all lengths are in their shortest form.
fn is_minimal(bytes: &[u8]) -> bool {
    let again = sent(bytes).into_iter().flat_map(|sent| frame(sent.first, sent.key, &sent.payload));
    again.eq(bytes.iter().copied())
}

/// What the one writes the other reads.
fn send(role: Role, said: &[Said<'_>]) {
    let mut ours: Connection = role.connection(config(LIMITS).max_output(1 << 20));
    let mut theirs = socket(role, b"");
    let mut expected = Vec::new();
    for said in said.iter().take(8) {
        let (message, accepted, seen) = match said {
            Said::Text(text) => (Message::text(*text), ours.send_text(text), Seen::Text((*text).to_owned())),
            Said::Binary(bytes) => {
                (Message::binary(bytes.to_vec()), ours.send_binary(bytes), Seen::Binary(bytes.to_vec()))
            }
            Said::Ping(len) => {
                let payload = vec![7; usize::from(len % 126)];
                (Message::Ping(payload.clone().into()), ours.ping(&payload), Seen::Ping(payload))
            }
        };
        assert_eq!(accepted, Ok(()));
        let written = theirs.send(message);
        assert!(written.is_ok(), "{written:?}");
        expected.push(seen);
    }
    let other = role.opposite();
    assert_eq!(read_all(socket(other, ours.output())), (expected.clone(), false), "they read what we write");
    let mut seen = Collector::default();
    feed(&mut other.connection(config(NO_LIMITS)), Mode::Messages, &theirs.get_ref().written, &mut seen);
    assert_eq!(seen.events, expected, "we read what they write");
}

fn socket(role: Role, bytes: &[u8]) -> WebSocket<Script> {
    let role = match role {
        Role::Server => tungstenite::protocol::Role::Server,
        Role::Client => tungstenite::protocol::Role::Client,
    };
    // Small buffers are made faster than large ones.
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    WebSocket::from_raw_socket(Script { left: bytes.to_vec(), written: Vec::new() }, role, Some(config))
}

/// What tungstenite reads, and whether it refuses something.
fn read_all(mut socket: WebSocket<Script>) -> (Vec<Seen>, bool) {
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(Message::Text(text)) => Seen::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(Message::Ping(bytes)) => Seen::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Seen::Pong(bytes.to_vec()),
            Ok(Message::Close(frame)) => {
                let frame = frame.map(|frame| (code(frame.code), frame.reason.as_str().to_owned()));
                seen.push(Seen::Close(frame));
                return (seen, false);
            }
            Ok(Message::Frame(_)) => continue,
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (seen, false);
            }
            Err(_) => return (seen, true),
        });
    }
}

fn code(code: CloseCode) -> u16 {
    code.into()
}

/// The frames that our decoder reads: the first byte and the payload of each.
fn decoded(role: Role, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut decoder = match role {
        Role::Server => Decoder::server(NO_LIMITS),
        Role::Client => Decoder::client(NO_LIMITS),
    };
    let (mut bytes, mut frames) = (bytes.to_vec(), Vec::new());
    let mut input = Input::new(&mut bytes);
    // What breaks a rule is behind a Close.
    while let Ok(Some(part)) = decoder.next(&mut input) {
        if part.start {
            frames.push((part.header.encode()[0], Vec::new()));
        }
        if let Some((_, payload)) = frames.last_mut() {
            payload.extend_from_slice(part.payload);
        }
    }
    frames
}

/// The frames that websocket-sans-io reads: the first byte and the payload of each.
fn sans_io(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    use websocket_sans_io::{WebsocketFrameDecoder, WebsocketFrameEvent as Event};
    let (mut decoder, mut bytes, mut frames) = (WebsocketFrameDecoder::new(), bytes.to_vec(), Vec::new());
    let mut rest = &mut bytes[..];
    loop {
        let result = decoder.add_data(rest).unwrap_or_else(|never| match never {});
        let (used, behind) = rest.split_at_mut(result.consumed_bytes);
        rest = behind;
        match result.event {
            Some(Event::Start { frame_info, .. }) => {
                let fin = if frame_info.fin { 0x80 } else { 0 };
                frames.push((fin | frame_info.reserved << 4 | opcode(frame_info.opcode), Vec::new()));
            }
            Some(Event::PayloadChunk { .. }) => {
                if let Some((_, payload)) = frames.last_mut() {
                    payload.extend_from_slice(used);
                }
            }
            Some(Event::End { .. }) => {}
            None if rest.is_empty() => return frames,
            None => {}
        }
    }
}

fn opcode(opcode: websocket_sans_io::Opcode) -> u8 {
    use websocket_sans_io::Opcode as O;
    match opcode {
        O::Continuation => 0,
        O::Text => 1,
        O::Binary => 2,
        O::ConnectionClose => 8,
        O::Ping => 9,
        O::Pong => 10,
        _ => 15,
    }
}

/// A stream that has these bytes, and takes all that is written.
struct Script {
    left: Vec<u8>,
    written: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = buf.len().min(self.left.len());
        buf[..n].copy_from_slice(&self.left[..n]);
        self.left.drain(..n);
        Ok(n)
    }
}

impl Write for Script {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
