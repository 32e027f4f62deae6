//! The output, in pieces of any sort, against a model that is one queue of bytes.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use std::collections::VecDeque;

use common::*;
use sansocket::frame::Kind;
use sansocket::{CloseCode, Config, Connection, EncodedMessage, Input, Message, Segment, SendError, State};

#[test]
fn any_calls_in_any_order_equal_a_queue_of_bytes() {
    for seed in 0..40 {
        for role in Role::BOTH {
            let mut model = Model::new(seed, role);
            for _ in 0..150 {
                model.step();
                model.check();
            }
            model.finish();
        }
    }
}

/// A connection, and what its output has to be.
struct Model {
    rng: Rng,
    /// The generator that the connection has for its masks.
    keys: Rng,
    role: Role,
    connection: Connection,
    /// Everything that was accepted, and how much of it is written.
    accepted: Vec<u8>,
    written: usize,
    /// What was taken, in order.
    in_flight: VecDeque<Segment>,
    max_output: usize,
    high_water: usize,
    closed: bool,
}

impl Model {
    fn new(seed: u64, role: Role) -> Self {
        let mut rng = Rng::new(seed + 77);
        let max_output = rng.pick(&[1000, 30_000, 150_000, 400_000]);
        let high_water = rng.pick(&[0, 5000, 64 << 10]);
        let config = Config::default().max_output(max_output).high_water(high_water);
        Self {
            rng,
            keys: Rng::new(1),
            role,
            connection: role.connection(config),
            accepted: Vec::new(),
            written: 0,
            in_flight: VecDeque::new(),
            max_output,
            high_water,
            closed: false,
        }
    }

    /// What is not written yet.
    fn output(&self) -> &[u8] {
        &self.accepted[self.written..]
    }

    /// What is not even in flight.
    fn waiting(&self) -> &[u8] {
        &self.output()[self.in_flight.iter().map(Segment::len).sum()..]
    }

    fn step(&mut self) {
        let size = match self.rng.below(6) {
            0 => 0,
            1 => self.rng.below(90_000),
            2 => self.rng.below(20_000),
            _ => self.rng.below(300),
        };
        match self.rng.below(14) {
            0..=2 => self.send(size, |c, message| c.send(&message)),
            3..=5 => self.send(size, |c, message| c.send_owned(message)),
            6 if self.rng.one_in(2) => {
                self.send(size, |c, message| c.send_binary_owned(std::sync::Arc::from(message.as_bytes())));
            }
            6 => self.send(size, |c, message| c.send_encoded(&EncodedMessage::new(&message))),
            7 => self.send(self.max_output, |c, message| c.send_owned(message)),
            8..=9 => self.take(),
            10 if self.rng.one_in(10) => self.connection.shrink(),
            10 if self.rng.one_in(20) => self.close(),
            10 => self.send(size, |c, message| {
                let text: &'static str = Box::leak(String::from_utf8_lossy(message.as_bytes()).into());
                assert_eq!(text.len(), message.as_bytes().len());
                c.send_binary_owned(text.as_bytes())
            }),
            _ => self.write(),
        }
    }

    fn send(
        &mut self,
        size: usize,
        send: impl FnOnce(&mut Connection, Message<'static>) -> Result<(), SendError>,
    ) {
        let payload: Vec<u8> = (0..size).map(|i| (i * 7 % 127) as u8).collect();
        let key = (self.role == Role::Client).then_some([0; 4]);
        let len = header(BINARY, key, Form::shortest(size as u64), size as u64).len() + size;
        let expected = match self.output().len() + len {
            _ if self.closed => Err(SendError::Closed),
            _ if len > self.max_output => Err(SendError::TooLarge),
            all if all > self.max_output => Err(SendError::OutputFull),
            _ => Ok(()),
        };
        let result = send(&mut self.connection, Message::from(payload.clone()));
        assert_eq!(result, expected, "{len} behind {}", self.output().len());
        if result.is_ok() {
            self.accept(BINARY, &payload);
        }
    }

    fn accept(&mut self, first: u8, payload: &[u8]) {
        let key = (self.role == Role::Client).then(|| {
            let mut key = [0; 4];
            self.keys.fill(&mut key);
            key
        });
        self.accepted.extend(frame(first, key, payload));
    }

    fn close(&mut self) {
        let closed = std::mem::replace(&mut self.closed, true);
        let result = self.connection.close(CloseCode::NORMAL, "");
        assert_eq!(result, if closed { Err(SendError::Closed) } else { Ok(()) });
        if !closed {
            self.accept(CLOSE, &close_payload(1000, ""));
        }
    }

    fn take(&mut self) {
        let Some(segment) = self.connection.take_output() else {
            return assert!(self.waiting().is_empty());
        };
        assert!(!segment.is_empty() && self.waiting().starts_with(segment.as_ref()));
        self.in_flight.push_back(segment);
    }

    /// Writes of what is in flight, or else of the output.
    fn write(&mut self) {
        let most = self.rng.pick(&[1, 10, 1000, 100_000, usize::MAX]);
        let n = match self.in_flight.front_mut() {
            Some(segment) => {
                let n = segment.len().min(most);
                segment.advance(n);
                n
            }
            None => self.connection.output().len().min(most),
        };
        self.connection.output_written(n);
        self.written += n;
        if self.in_flight.front().is_some_and(Segment::is_empty) {
            self.in_flight.pop_front();
        }
    }

    fn check(&mut self) {
        let mut slices = vec![&[][..]; self.rng.below(5)];
        let (connection, waiting) = (&self.connection, self.waiting());
        assert_eq!(connection.output_len(), self.output().len());
        assert_eq!(connection.wants_write(), !waiting.is_empty());
        let high = self.role == Role::Server
            && self.output().len() > self.high_water
            && connection.state() != State::Closed;
        assert_eq!(connection.wants_read(), !high);
        assert!(waiting.starts_with(connection.output()));
        assert_eq!(connection.output().is_empty(), waiting.is_empty());

        let n = connection.output_slices(&mut slices);
        let bytes = slices[..n].concat();
        assert!(slices[..n].iter().all(|slice| !slice.is_empty()) && waiting.starts_with(&bytes));
        assert!(n == slices.len() || bytes.len() == waiting.len(), "as many as there is room for");
    }

    fn finish(mut self) {
        self.close();
        let bytes = self.role.frame(CLOSE, b"");
        events(&mut self.connection, &bytes);
        assert_eq!(self.connection.state(), State::Closed);
        while !self.output().is_empty() {
            assert!(!self.connection.should_shutdown() && !self.connection.is_ended());
            if self.rng.one_in(3) {
                self.take();
            }
            self.write();
            self.check();
        }
        assert_eq!(self.connection.should_shutdown(), self.role == Role::Server);
        self.connection.recv_eof();
        assert!(self.connection.is_ended());
    }
}

#[test]
fn a_payload_that_is_owed_comes_behind_all_pieces() {
    for role in Role::BOTH {
        let mut connection = role.connection(Config::default());
        connection.send_owned(Message::from(vec![7; 50_000])).expect("open");
        connection.send_text("small").expect("open");
        let mask = connection.send_header(Kind::Binary, 3).expect("open");
        let mut payload = *b"abc";
        mask.into_iter().for_each(|mut mask| mask.apply(&mut payload));
        let mut wire = output(&connection);
        wire.extend(payload);
        // Some of it in flight, and a write that goes beyond.
        let flying = connection.take_output().map_or(0, |segment| segment.len());
        connection.output_written(flying + 10);
        assert_eq!((connection.payload_owed(), connection.output_len()), (3, wire.len() - flying - 13));
        connection.output_written(wire.len() - flying - 12);
        assert_eq!((connection.payload_owed(), connection.output_len()), (2, 0));
        connection.output_written(2);
        let expected = [(BINARY, vec![7; 50_000]), (TEXT, b"small".to_vec()), (BINARY, b"abc".to_vec())];
        assert_eq!(plain(&wire), expected);
        assert_eq!(connection.send_text("next"), Ok(()));
    }
}

#[test]
fn a_close_that_is_in_flight_is_not_written_yet() {
    let mut connection = Connection::server(Config::default());
    receive(&mut connection, Role::Server, &[(CLOSE, b"")]);
    let segment = connection.take_output().expect("the answer");
    assert!(!connection.wants_write() && !connection.should_shutdown());
    connection.recv_eof();
    assert!(!connection.is_ended());
    connection.output_written(segment.len());
    assert!(connection.should_shutdown() && connection.is_ended());
}

#[test]
fn a_connection_that_is_given_up_forgets_what_is_in_flight() {
    use core::time::Duration;
    let mut connection = Connection::server(Config::default());
    connection.send_owned(Message::from(vec![7; 50_000])).expect("open");
    connection.close(CloseCode::NORMAL, "").expect("open");
    let (_header, payload) = (connection.take_output(), connection.take_output().expect("the payload"));
    connection.handle_timeout(Duration::ZERO);
    assert!(connection.next_timeout().is_some() && !connection.is_ended());
    connection.handle_timeout(Duration::from_secs(1000));
    assert!(connection.recv(&mut Input::default()).is_some());
    assert!(connection.is_ended() && !connection.wants_write());
    connection.output_written(payload.len());
    assert!(connection.is_ended());
}

#[test]
fn pieces_stay_where_they_are() {
    let mut connection = Connection::server(Config::default());
    let payload = vec![7; 50_000];
    let address = payload.as_ptr();
    connection.send_owned(Message::from(payload)).expect("open");
    let header = connection.take_output().expect("the header");
    let at = header.as_ref().as_ptr();
    assert_eq!(Box::new(header).as_ref().as_ref().as_ptr(), at);
    connection.output_written(4);
    assert_eq!(connection.output().as_ptr(), address, "moved, not copied");
    let segment = connection.take_output().expect("the payload");
    assert_eq!(Box::new(segment).as_ref().as_ref().as_ptr(), address);
    connection.output_written(50_000);

    let news = EncodedMessage::new(&Message::from(vec![7; 50_000]));
    connection.send_encoded(&news).expect("open");
    assert_eq!(connection.output().as_ptr(), news.frame().as_ptr(), "shared");
}

/// Below 8 KiB, or 2 KiB of a frame that is shared, a copy costs less than one more piece to write.
#[test]
fn small_pieces_go_out_in_one_write_and_large_ones_are_not_copied() {
    let encoded = |len: usize| EncodedMessage::new(&Message::from(vec![7; len]));
    let buffered = |connection: &mut Connection, len: usize| {
        assert_eq!(connection.send_header(Kind::Binary, len), Ok(None));
        connection.buffer_payload(&vec![7; len]);
    };
    let mut server = Connection::server(Config::default());
    server.send_text("small").expect("open");
    server.send_owned(Message::from(vec![7; 8191])).expect("open");
    server.send_encoded(&encoded(2043)).expect("open");
    buffered(&mut server, 8191);
    assert_eq!(server.output().len(), server.output_len());

    for large in [
        &mut |server: &mut Connection| server.send_owned(Message::from(vec![7; 8192])).expect("open"),
        &mut |server| server.send_encoded(&encoded(2044)).expect("open"),
        &mut |server| buffered(server, 8192),
    ] as [&mut dyn FnMut(&mut Connection); 3]
    {
        let mut server = Connection::server(Config::default());
        server.send_text("small").expect("open");
        large(&mut server);
        assert!(server.output().len() < 20, "a piece of its own");
    }
}

/// What a client writes behind the header, unmasked again, and where it lies.
#[cfg(feature = "bytes")]
fn masked_payload(connection: &mut Connection, payload: bytes::Bytes) -> (Vec<u8>, *const u8) {
    let len = payload.len();
    connection.send_binary_owned(payload).expect("open");
    let header = connection.output().to_vec();
    let key = [header[4], header[5], header[6], header[7]];
    connection.output_written(header.len());
    let (masked, address) = (connection.output().to_vec(), connection.output().as_ptr());
    assert_eq!(masked.len(), len);
    connection.output_written(len);
    (masked.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect(), address)
}

#[cfg(feature = "bytes")]
#[test]
fn bytes_are_sent_from_where_they_are_and_masked_there_unless_shared() {
    use bytes::Bytes;

    let payload = Bytes::from(vec![7; 50_000]);
    let mut server = Connection::server(Config::default());
    // A part of what is shared, as protocols below hand it out.
    for part in [payload.clone(), payload.slice(100..40_000)] {
        server.send_binary_owned(part.clone()).expect("open");
        server.output_written(4);
        assert_eq!((server.output().as_ptr(), server.output()), (part.as_ptr(), &part[..]));
        server.output_written(part.len());
        assert!(!server.wants_write());
    }

    let mut client = Role::Client.connection(Config::default());
    let shared = payload.clone();
    let (unmasked, address) = masked_payload(&mut client, shared);
    assert_eq!(unmasked, payload);
    assert_ne!(address, payload.as_ptr(), "others still need it");
    assert!(payload.iter().all(|byte| *byte == 7));
    let at = payload.as_ptr();
    let (unmasked, address) = masked_payload(&mut client, payload);
    assert_eq!((unmasked, address), (vec![7; 50_000], at));
    let from_static = Bytes::from_static(&[7; 20_000]);
    assert_eq!(masked_payload(&mut client, from_static).0, [7; 20_000]);

    let mut segment = Segment::from(Bytes::from_static(b"abc"));
    segment.advance(1);
    assert_eq!((segment.as_ref(), format!("{segment:?}").contains("bc\"")), (&b"bc"[..], false));
    server.send_binary_owned(segment).expect("open");
    assert_eq!(server.output(), b"\x82\x02bc");
}

#[cfg(feature = "bytes")]
#[test]
fn a_piece_becomes_bytes_without_a_copy() {
    use bytes::Bytes;
    use std::sync::Arc;

    let shared: Arc<[u8]> = vec![7; 9].into();
    for mut segment in [
        vec![7; 9].into(),
        Arc::clone(&shared).into(),
        Bytes::from(vec![7; 9]).into(),
        Segment::from(&[7; 9][..]),
    ] {
        segment.advance(2);
        let at = segment.as_ref().as_ptr();
        let bytes = Bytes::from(segment);
        assert_eq!((bytes.as_ptr(), &bytes[..]), (at, &[7; 7][..]));
    }
    assert_eq!(Arc::strong_count(&shared), 1);
    // The header of a frame is copied: it is smaller than what would point to it.
    let mut connection = Connection::server(Config::default());
    connection.send_owned(Message::from(vec![7; 50_000])).expect("open");
    let header = connection.take_output().expect("a header");
    assert_eq!(Bytes::from(header), &b"\x82\x7E\xC3\x50"[..]);
    let mut spent = Segment::from(vec![7]);
    spent.advance(2);
    assert!(Bytes::from(spent).is_empty());
}

#[test]
fn messages_become_pieces_without_a_copy() {
    let (text, bytes) = (String::from("text"), vec![7; 9]);
    let at = [text.as_ptr(), bytes.as_ptr()];
    let owned = [Segment::from(Message::from(text)), Segment::from(Message::from(bytes))];
    assert_eq!(owned.each_ref().map(|segment| segment.as_ref().as_ptr()), at);
    assert_eq!(owned.each_ref().map(AsRef::as_ref), [&b"text"[..], &[7; 9]]);
    let borrowed = [Segment::from(Message::from("text")), Segment::from(Message::from(b"bytes"))];
    assert_eq!(borrowed.each_ref().map(AsRef::as_ref), [&b"text"[..], b"bytes"]);
}

/// What its owner gives away, and what it only shows: both arrive, whatever their size.
#[test]
fn borrowed_and_owned_messages_are_sent_alike() {
    for len in [0, 5, 50_000] {
        let (text, bytes) = ("x".repeat(len), vec![7; len]);
        for (message, opcode) in [
            (Message::from(&text), TEXT),
            (Message::from(text.clone()), TEXT),
            (Message::from(&bytes), BINARY),
            (Message::from(bytes.clone()), BINARY),
        ] {
            let mut connection = Connection::server(Config::default());
            let payload = message.as_bytes().to_vec();
            connection.send_owned(message).expect("open");
            let mut sent = Vec::new();
            while let Some(segment) = connection.take_output() {
                sent.extend_from_slice(segment.as_ref());
            }
            assert_eq!(plain(&sent), [(opcode, payload)]);
        }
    }
}

#[test]
fn debug_tells_lengths_and_no_payload() {
    let secret = "secret".repeat(5000);
    let mut connection = Connection::server(Config::default());
    connection.send_text(&secret).expect("open");
    connection.send_owned(Message::from(secret.clone())).expect("open");
    let encoded = EncodedMessage::new(&Message::from(secret.as_str()));
    connection.send_encoded(&encoded).expect("open");
    let mut cut = Role::Server.frame(TEXT, secret.as_bytes());
    cut.pop();
    events(&mut connection, &cut);
    let segment = Segment::from(secret.clone().into_bytes());
    for debug in [format!("{connection:?}"), format!("{encoded:?}"), format!("{segment:?}")] {
        assert!(debug.len() < 2000 && debug.contains("30000"), "{debug}");
        assert!(!debug.contains("secret") && !debug.contains("115, 101"), "{debug}");
    }
}
