//! Two ends wired together, with pieces of any size on the way, and both may write at any time: what one sends the other gets, in
//! order and exactly, with and without compression, and both come to the same end: I8, I9, I10.

use core::time::Duration;

use arbitrary::Arbitrary;
use sansocket::deflate::{Deflate, Params};
use sansocket::{CloseCode, Config, Connection, Message, State};

use super::{structured, transcript};
use crate::common::{Collector, Mode, Role, Seen, feed};

#[derive(Debug, Arbitrary)]
struct Talk<'d> {
    deflate: Option<(bool, bool, u8, u8)>,
    max_output: [u16; 2],
    acts: Vec<(bool, Act<'d>)>,
}

#[derive(Debug, Arbitrary)]
enum Act<'d> {
    Text(&'d str),
    Binary(&'d [u8]),
    /// A fragment of a message that repeats itself.
    Fragment(&'d [u8], u8, bool),
    Ping(u8),
    Close(u8),
    /// Moves bytes from the output onto the wire.
    Write(u16),
    /// Receives bytes from the wire.
    Read(u16, bool),
    Time(u8),
}

/// `data`: parameters, and who does what.
pub(crate) fn body(data: &[u8]) {
    let Some(talk) = structured::<Talk<'_>>(data) else { return };
    let mut ends = Role::BOTH.map(|role| End::new(role, &talk));
    for (who, act) in talk.acts.iter().take(MAX_ACTS) {
        let [server, client] = &mut ends;
        let (end, other) = if *who { (client, server) } else { (server, client) };
        end.act(act, other);
    }
    let [server, client] = &mut ends;
    let _ = server.connection.close(CloseCode::NORMAL, "over");
    for _ in 0..20 {
        server.write(usize::MAX);
        client.read(server, usize::MAX, Mode::Messages);
        client.write(usize::MAX);
        server.read(client, usize::MAX, Mode::Messages);
    }
    for (from, to) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        assert_eq!(from.connection.state(), State::Closed, "both have said all");
        let read = transcript::decode(to.role, &from.transcript, from.no_takeover);
        assert_eq!(read.events, to.seen.events, "I8, I9: an independent reading sees what the other end saw");
        let messages = read.events.iter().filter(|event| matches!(event, Seen::Text(_) | Seen::Binary(_)));
        assert_eq!(Vec::from_iter(messages), Vec::from_iter(&from.sent), "I9");
        assert!(matches!(read.events.last(), Some(Seen::Close(_))), "I10");
    }
    assert!(
        ends[0].connection.should_shutdown() && !ends[1].connection.should_shutdown(),
        "§7.1.1: the server first"
    );
}

struct End {
    role: Role,
    connection: Connection,
    no_takeover: Option<bool>,
    sent: Vec<Seen>,
    fragments: Option<Vec<u8>>,
    seen: Collector,
    wire: Vec<u8>,
    transcript: Vec<u8>,
    now: Duration,
}

impl End {
    fn new(role: Role, talk: &Talk<'_>) -> Self {
        let long = Duration::from_secs(1 << 40);
        let config = Config::default()
            .max_output(300 + usize::from(talk.max_output[usize::from(role == Role::Client)]))
            .ping_interval(Some(Duration::from_secs(3)))
            .pong_timeout(long)
            .close_timeout(long)
            .write_timeout(None);
        let mut connection = role.connection(config);
        let mut no_takeover = None;
        if let Some((server, client, server_bits, client_bits)) = talk.deflate {
            let mut params = Params::default();
            (params.server_no_context_takeover, params.client_no_context_takeover) = (server, client);
            params.server_max_window_bits = 9 + server_bits % 7;
            params.client_max_window_bits = 9 + client_bits % 7;
            connection = connection.with_deflate(&Deflate::default().threshold(8), &params);
            no_takeover = Some(if role == Role::Server { server } else { client });
        }
        Self {
            role,
            connection,
            no_takeover,
            sent: Vec::new(),
            fragments: None,
            seen: Collector::default(),
            wire: Vec::new(),
            transcript: Vec::new(),
            now: Duration::ZERO,
        }
    }

    fn act(&mut self, act: &Act<'_>, other: &mut Self) {
        let sent = match act {
            Act::Text(text) => self.connection.send_text(text).map(|()| Seen::Text((*text).to_owned())).ok(),
            Act::Binary(bytes) => {
                self.connection.send_binary(bytes).map(|()| Seen::Binary(bytes.to_vec())).ok()
            }
            Act::Fragment(bytes, times, last) => self.fragment(&bytes.repeat(usize::from(times % 32)), *last),
            Act::Ping(len) => {
                let _ = self.connection.ping(&vec![7; usize::from(*len)]);
                None
            }
            // Rarely, since it is the end.
            Act::Close(0) => {
                let _ = self.connection.close(CloseCode::GOING_AWAY, "bye");
                None
            }
            Act::Close(_) => None,
            Act::Write(n) => {
                self.write(usize::from(*n));
                None
            }
            Act::Read(n, chunks) => {
                let mode = if *chunks { Mode::Chunks } else { Mode::Messages };
                self.read(other, usize::from(*n), mode);
                None
            }
            Act::Time(seconds) => {
                self.now += Duration::from_secs(u64::from(*seconds));
                self.connection.handle_timeout(self.now);
                None
            }
        };
        self.sent.extend(sent);
    }

    fn fragment(&mut self, bytes: &[u8], last: bool) -> Option<Seen> {
        self.connection.send_fragment(&Message::from(bytes), last).ok()?;
        let mut message = self.fragments.take().unwrap_or_default();
        message.extend_from_slice(bytes);
        if last {
            return Some(Seen::Binary(message));
        }
        self.fragments = Some(message);
        None
    }

    fn write(&mut self, n: usize) {
        let n = n.min(self.connection.output().len());
        let bytes = self.connection.output()[..n].to_vec();
        self.connection.output_written(n);
        self.transcript.extend_from_slice(&bytes);
        self.wire.extend(bytes);
    }

    fn read(&mut self, from: &mut Self, n: usize, mode: Mode) {
        let n = n.min(from.wire.len());
        let bytes = Vec::from_iter(from.wire.drain(..n));
        feed(&mut self.connection, mode, &bytes, &mut self.seen);
    }
}

const MAX_ACTS: usize = 80;
