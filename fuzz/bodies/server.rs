//! A server's transport from its first byte to its end, with a peer, a caller and a clock that do anything at any time: one decision
//! and one answer, legal by an independent reading, the same however the bytes are cut, and always an end: I1, I2, I4, I8, I10, I14.

use core::time::Duration;

use arbitrary::Arbitrary;
use sansocket::handshake::{HttpRequest, Response, UpgradeRequest};
use sansocket::{CloseCode, Config, Event, Input, Server, ServerEvent, State};

use super::opening::Received;
use super::reading::{self, Read, Side};
use super::{structured, transcript};
use crate::common::{Collector, Role, Seen};

#[derive(Debug, Arbitrary)]
enum Act<'d> {
    Request(Received<'d>),
    Bytes(&'d [u8]),
    Frame(u8, &'d [u8]),
    Accept,
    Respond(u16, &'d [u8]),
    Write(u16),
    Send(&'d [u8]),
    Close,
    Time(u8),
    Due,
    End,
    Error,
}

/// `data`: what happens, one after the other; then whether the transport still takes what is written.
pub(crate) fn body(data: &[u8]) {
    let Some((acts, takes)) = structured::<(Vec<Act<'_>>, bool)>(data) else { return };
    let mut lives = [usize::MAX, 1].map(Life::new);
    for act in acts.iter().take(MAX_ACTS) {
        lives.iter_mut().for_each(|life| life.act(act));
        let [whole, cut] = &lives;
        assert_eq!(whole.seen.events, cut.seen.events, "I1: {act:?}");
        assert_eq!(
            (whole.decisions, whole.server.output()),
            (cut.decisions, cut.server.output()),
            "I1: {act:?}"
        );
        assert_eq!(whole.server.next_timeout(), cut.server.next_timeout(), "I1: {act:?}");
    }
    lives.into_iter().for_each(|life| life.finish(takes));
}

struct Life {
    server: Server,
    /// How many bytes of the input are offered at once.
    piece: usize,
    asked: Option<Asked>,
    /// How many requests were told of, refused ones included.
    decisions: usize,
    accepted: bool,
    seen: Collector,
    written: Vec<u8>,
    /// Whether output was dropped, or the caller ended it.
    cut_short: bool,
    now: Duration,
}

enum Asked {
    Upgrade(Box<UpgradeRequest>),
    Http(Box<HttpRequest>),
}

impl Life {
    fn new(piece: usize) -> Self {
        let config = Config::default()
            .max_head(500)
            .max_headers(12)
            .max_message(1000)
            .max_output(2000)
            .handshake_timeout(Duration::from_secs(10))
            .ping_interval(Some(Duration::from_secs(30)))
            .pong_timeout(Duration::from_secs(5))
            .close_timeout(Duration::from_secs(5))
            .write_timeout(Some(Duration::from_secs(20)));
        Self {
            server: Server::new(config),
            piece,
            asked: None,
            decisions: 0,
            accepted: false,
            seen: Collector::default(),
            written: Vec::new(),
            cut_short: false,
            now: Duration::ZERO,
        }
    }

    fn act(&mut self, act: &Act<'_>) {
        match act {
            Act::Request(received) => {
                let bytes = received.bytes(["GET", "/chat?a=b", "HTTP/1.1"], &BASE);
                self.receive(&bytes);
            }
            Act::Bytes(bytes) => self.receive(bytes),
            Act::Frame(first, payload) => self.receive(&Role::Server.frame(*first, payload)),
            Act::Accept => self.answer(None),
            Act::Respond(status, body) => {
                let response = Response::new(200 + status % 400).map(|response| response.body(*body));
                self.answer(response.ok());
            }
            Act::Write(n) => self.write(usize::from(*n)),
            Act::Send(bytes) => {
                let open = self.server.state() == State::Open;
                let sent = self.server.connection().send_binary(bytes);
                assert!(open || sent.is_err(), "I10");
            }
            Act::Close => {
                self.cut_short |= self.server.state() == State::Opening;
                let _ = self.server.close(CloseCode::NORMAL, "");
            }
            Act::Time(seconds) => {
                self.now += Duration::from_secs(u64::from(seconds % 16));
                self.pass();
            }
            Act::Due => self.due(),
            Act::End => self.server.recv_eof(),
            Act::Error => {
                self.cut_short = true;
                self.server.recv_error();
            }
        }
        self.receive(&[]);
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let piece = self.piece.min(bytes.len()).max(1);
        let mut pieces = bytes.chunks_mut(piece);
        loop {
            let last = pieces.next();
            let more = last.is_some();
            let mut input = Input::new(last.unwrap_or_default());
            while let Some(event) = self.server.recv(&mut input) {
                assert!(!self.is_over(), "I4");
                match event {
                    ServerEvent::Upgrade(request) => self.asked = Some(Asked::Upgrade(request)),
                    ServerEvent::Http(request) => self.asked = Some(Asked::Http(request)),
                    ServerEvent::Refused(_) => {}
                    ServerEvent::Open(event) => {
                        // A transport that fails before there is a request fails as a connection does.
                        assert!(self.accepted || matches!(event, Event::Failed(_)));
                        self.seen.push(&event);
                        continue;
                    }
                    _ => continue,
                }
                self.decisions += 1;
                // A request may be followed by one refusal: too much came behind it.
                assert!(self.decisions <= 2 && !self.accepted, "I14: one decision");
            }
            assert!(input.is_empty(), "I2");
            if !more {
                break;
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)))
    }

    /// Accepts, or answers with this response.
    fn answer(&mut self, response: Option<Response>) {
        let waits = self.server.state() == State::Opening;
        match (self.asked.take(), response) {
            (Some(Asked::Upgrade(request)), None) => {
                self.accepted = waits;
                self.server.answer(request.accept());
            }
            (Some(Asked::Upgrade(request)), Some(response)) => self.server.answer(request.reject(&response)),
            (Some(Asked::Http(request)), response) => {
                let page = response.or(Response::new(404).ok()).map(|response| request.respond(&response));
                self.server.answer(page.unwrap_or_default());
            }
            // Nothing was asked: nothing happens.
            (None, _) => {
                let before = self.server.output().to_vec();
                self.server.answer(b"HTTP/1.1 500 \r\n\r\n".to_vec());
                assert_eq!(self.server.output(), before);
            }
        }
    }

    fn write(&mut self, n: usize) {
        let n = n.min(self.server.output().len());
        self.written.extend_from_slice(&self.server.output()[..n]);
        self.server.output_written(n);
    }

    /// Waits until something is due.
    fn due(&mut self) {
        if let Some(next) = self.server.next_timeout() {
            self.now = self.now.max(next);
            self.pass();
        }
    }

    /// Tells the time. A deadline drops the output that the transport has not taken by then.
    fn pass(&mut self) {
        let waited = self.server.wants_write();
        self.server.handle_timeout(self.now);
        self.cut_short |= waited && !self.server.wants_write();
    }

    /// The peer falls silent, the caller decides, and the loop goes on: it comes to its end, and what was written is one answer.
    fn finish(mut self, takes: bool) {
        self.answer(None);
        for turn in 0.. {
            self.receive(&[]);
            if self.server.is_ended() {
                break;
            }
            assert!(turn < 100, "I14: no end in sight: {:?}", self.server);
            if takes {
                self.write(usize::MAX);
            }
            self.due();
        }
        assert!(
            self.server.next_timeout().is_none() && !self.server.wants_read() && !self.server.wants_write()
        );
        self.judge(takes);
    }

    fn judge(&self, takes: bool) {
        let head = match reading::head(&self.written, Side::Response, usize::MAX, usize::MAX) {
            Read::Head(head) => head,
            Read::Incomplete => {
                assert!(self.written.is_empty() || self.cut_short || !takes, "I14: half an answer");
                return;
            }
            Read::Invalid => panic!("I8: {:?}", String::from_utf8_lossy(&self.written)),
        };
        let behind = &self.written[head.len..];
        if head.words[1] == "101" {
            assert!(self.accepted, "I14: what was not accepted is not open");
            let read = transcript::decode(Role::Client, behind, None);
            assert_eq!(read.error(), None, "I8");
            let closes = read.events.iter().filter(|event| matches!(event, Seen::Close(_))).count();
            assert!(closes <= 1, "I10");
        } else {
            assert!(!self.accepted, "I14: one answer");
            let length =
                head.only("Content-Length").map(|length| String::from_utf8_lossy(length).into_owned());
            let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            assert!(behind.len() <= length, "I14: one answer, and nothing behind it");
            // The answer to HEAD announces a body that it does not have.
            assert!(
                behind.len() == length || behind.is_empty() || self.cut_short || !takes,
                "I14: all of it"
            );
        }
    }
}

const MAX_ACTS: usize = 40;
const BASE: [(&str, &str); 6] = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Protocol", "chat, superchat"),
    ("Sec-WebSocket-Version", "13"),
];
