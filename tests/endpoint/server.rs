//! A server, from the first byte to the end.

use sansocket::handshake::{HttpRequest, Response, ServerHandshake, ServerProgress, UpgradeRequest};
use sansocket::{CloseCode, Config, Connection, Input, SendError, Server, ServerEvent, State};

use super::common::{CLOSE, PING, Role, TEXT};
use super::{REQUEST, event_words, output_in_every_form, secs, server_receives, server_words};

/// Frames of all sorts that a client may send behind its request.
fn frames() -> Vec<u8> {
    let frames =
        [(TEXT, &b"one"[..]), (PING, b"p"), (0x01, b"t"), (PING, b""), (0x80, b"wo"), (TEXT, b"three")];
    Role::Server.frames(&frames)
}

fn request_of(server: &mut Server, bytes: &[u8]) -> Box<UpgradeRequest> {
    match server.recv(&mut Input::new(&mut bytes.to_vec())) {
        Some(ServerEvent::Upgrade(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn http_request_of(server: &mut Server, bytes: &[u8]) -> Box<HttpRequest> {
    match server.recv(&mut Input::new(&mut bytes.to_vec())) {
        Some(ServerEvent::Http(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn page() -> Response {
    Response::new(404).expect("a valid status").body("no")
}

fn write_all(server: &mut Server) -> Vec<u8> {
    let written = server.output().to_vec();
    server.output_written(written.len());
    written
}

fn started(config: Config) -> Server {
    let mut server = Server::new(config);
    assert_eq!(server.next_timeout(), Some(secs(0)), "now, to start the clock");
    server.handle_timeout(secs(100));
    server
}

type Reach = fn(&mut Server);

/// A server in each phase: its name, how it gets there.
const PHASES: [(&str, Reach); 9] = [
    ("before the first byte", |_| {}),
    ("in the head", |server| drop(server_receives(server, &REQUEST[..30], true))),
    ("deciding", |server| drop(server_receives(server, REQUEST, false))),
    ("kept", |server| {
        let request = request_of(server, REQUEST);
        server_receives(server, &frames(), true);
        server.answer(request.accept());
    }),
    ("open", |server| drop(server_receives(server, REQUEST, true))),
    ("refused", |server| drop(server_receives(server, b"GET / HTTP/9.9\r\n\r\n", true))),
    ("refused and written", |server| {
        server_receives(server, b"GET / HTTP/9.9\r\n\r\n", true);
        write_all(server);
    }),
    ("timed out", |server| {
        server_receives(server, &REQUEST[..30], true);
        server.handle_timeout(secs(110));
    }),
    ("closed", |server| {
        server_receives(server, REQUEST, true);
        server_receives(server, &Role::Server.frame(CLOSE, b""), true);
    }),
];

/// The same bytes through `ServerHandshake` and `Connection`: the events, and the output.
fn by_hand(bytes: &[u8]) -> (Vec<String>, Vec<u8>) {
    let mut bytes = bytes.to_vec();
    let mut input = Input::new(&mut bytes);
    let ServerProgress::Upgrade(request) = ServerHandshake::new(Config::default()).recv(&mut input) else {
        panic!("an upgrade");
    };
    let mut words = vec![format!("upgrade {}", request.target())];
    let mut connection = request.accept();
    while let Some(event) = connection.recv(&mut input) {
        words.push(event_words(&event));
    }
    (words, connection.output().to_vec())
}

#[test]
fn events_equal_those_of_handshake_and_connection_in_every_cut_whenever_it_is_decided() {
    for end in
        [&b""[..], &Role::Server.frame(CLOSE, &[3, 232]), &[0xFF, 0x80], &Role::Server.frame(TEXT, b"\xFF")]
    {
        let bytes = [REQUEST, &frames(), end].concat();
        let (words, output) = by_hand(&bytes);
        let everywhere = Vec::from_iter(1..bytes.len());
        let cuts = (1..bytes.len()).map(|cut| vec![cut]).chain([vec![], everywhere]);
        for cuts in cuts {
            // Decided at once, or after so many more pieces.
            for delay in [None, Some(0), Some(1), Some(20)] {
                let (seen, written) = in_pieces(&bytes, &cuts, delay);
                assert_eq!(seen, words, "{cuts:?} {delay:?}");
                assert_eq!(written, output, "{cuts:?} {delay:?}");
            }
        }
    }
}

fn in_pieces(bytes: &[u8], cuts: &[usize], delay: Option<usize>) -> (Vec<String>, Vec<u8>) {
    let mut server = Server::new(Config::default());
    let (mut words, mut request, mut start) = (Vec::new(), None, 0);
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = bytes[start..end].to_vec();
        start = end;
        let mut input = Input::new(&mut piece);
        while let Some(event) = server.recv(&mut input) {
            words.push(server_words(&event));
            match (event, delay) {
                (ServerEvent::Upgrade(asked), None) => server.answer(asked.accept()),
                (ServerEvent::Upgrade(asked), Some(delay)) => request = Some((asked, delay)),
                _ => {}
            }
        }
        assert!(input.is_empty(), "I2");
        request = match request.take() {
            Some((asked, 0)) => {
                server.answer(asked.accept());
                words.extend(server_receives(&mut server, b"", true));
                None
            }
            other => other.map(|(asked, delay)| (asked, delay - 1)),
        };
    }
    if let Some((asked, _)) = request {
        server.answer(asked.accept());
        words.extend(server_receives(&mut server, b"", true));
    }
    let written = server.output().to_vec();
    assert_eq!(server.into_connection().expect("it is open").output(), written);
    (words, written)
}

#[test]
fn a_request_that_comes_to_nothing_has_one_answer_and_an_end() {
    // received, then the end of the stream; events, how the output begins
    let table: [(&[u8], &[&str], &[u8]); 7] = [
        (b"", &[], b""),
        (b"\r\n", &["refused Truncated"], b""),
        (&REQUEST[..REQUEST.len() - 1], &["refused Truncated"], b""),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
            &["refused MissingConnectionUpgrade"],
            b"HTTP/1.1 400 ",
        ),
        (b"GET / HTTP/9.9\r\n\r\n", &["refused UnsupportedHttpVersion"], b"HTTP/1.1 505 "),
        (b"\x16\x03\x01\x02\x00\x01\n", &["refused Tls"], b"HTTP/1.1 400 "),
        (&[b'x'; 40_000], &["refused HeadTooLarge"], b"HTTP/1.1 431 "),
    ];
    for (bytes, events, output) in table {
        for (eof, trickle) in [(false, false), (true, false), (true, true)] {
            let mut server = started(Config::default());
            let mut words = server_receives(&mut server, bytes, true);
            let answered = server.wants_write();
            assert!(!answered || words.len() == 1, "the response is there with the event");
            if eof {
                server.recv_eof();
                words.extend(server_receives(&mut server, b"", true));
                assert_eq!(words, events);
            } else {
                words.extend(server_receives(&mut server, b"swallowed", true));
                server.handle_timeout(secs(110));
                words.extend(server_receives(&mut server, b"", true));
            }
            assert!(server.output().starts_with(output));
            while trickle && server.wants_write() {
                assert!(!server.should_shutdown());
                server.output_written(1);
            }
            write_all(&mut server);
            if eof {
                assert!(server.is_ended(), "{events:?}");
            }
            assert!(server.should_shutdown());
            if !server.is_ended() {
                server.handle_timeout(secs(111));
                assert_eq!(
                    server.next_timeout(),
                    Some(secs(121)),
                    "the peer has `close_timeout` to end its side"
                );
                assert!(server.wants_read());
                server.handle_timeout(secs(121));
                assert!(server.is_ended());
            }
            assert_eq!(server_receives(&mut server, b"more", true), [""; 0]);
        }
    }
}

#[test]
fn the_deadline_of_a_request_is_exact_and_408_answers_a_part_of_one() {
    for begun in [false, true] {
        let mut server = started(Config::default());
        assert_eq!(server.next_timeout(), Some(secs(110)));
        let head = if begun { &REQUEST[..40] } else { b"" };
        for byte in head {
            server_receives(&mut server, &[*byte], true);
            server.handle_timeout(secs(105));
            assert_eq!(server.next_timeout(), Some(secs(110)), "a byte does not move it");
        }
        server.handle_timeout(secs(110) - core::time::Duration::from_nanos(1));
        assert!(!server.has_last_words() && server.wants_read() && server.state() == State::Opening);
        server.handle_timeout(secs(110));
        assert!(server.has_last_words() && !server.is_ended());
        assert_eq!(server_receives(&mut server, &REQUEST[40..], true), ["refused TimedOut"]);
        assert_eq!(server.output().starts_with(b"HTTP/1.1 408 "), begun);
        assert_eq!(server.is_ended(), !begun, "who has said nothing is told nothing");
    }
}

/// RFC 9110 §9.3.2, also where the request is not even complete.
#[test]
fn a_head_request_that_fails_is_answered_without_a_body() {
    for (method, has_body) in [("HEAD", false), ("GET", true)] {
        let (many, long) = ("/ HTTP/1.1\r\n".to_owned() + &"X: y\r\n".repeat(200), "/".repeat(100_000));
        for (rest, status) in [
            ("/ HTTP/1.1\r\nX : y\r\n", 400),
            ("/ HTTP/1.1\n", 400),
            ("/a#b HTTP/1.1\r\n", 400),
            ("/ HTTP/1.1\r\nX: y", 408),
            ("/", 408),
            (&many, 431),
            (&long, 431),
        ] {
            let mut server = started(Config::default());
            let mut events = server_receives(&mut server, format!("{method} {rest}").as_bytes(), true);
            server.handle_timeout(secs(110));
            events.extend(server_receives(&mut server, b"", true));
            assert_eq!(events.len(), 1, "{method} {status}: {events:?}");
            let response = String::from_utf8(server.output().to_vec()).unwrap();
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{method}: {response}");
            assert_eq!(!response.ends_with("\r\n\r\n"), has_body, "{method}: {response}");
        }
    }
}

#[test]
fn the_request_is_complete_just_before_the_deadline() {
    let mut server = started(Config::default());
    assert_eq!(server_receives(&mut server, REQUEST, false), ["upgrade /chat"]);
    server.handle_timeout(secs(1_000_000));
    assert_eq!((server.next_timeout(), server.wants_read()), (None, false), "the caller may take its time");
    assert_eq!((server.state(), server.is_ended()), (State::Opening, false));
    assert_eq!(server.connection().send_text("too early"), Err(SendError::NotOpen));
}

#[test]
fn what_comes_while_deciding_is_kept_up_to_max_head() {
    let config = Config::default().max_head(400);
    for over in [false, true] {
        let mut server = started(config);
        let request = request_of(&mut server, REQUEST);
        let text = Role::Server.frame(TEXT, &[b'x'; 120]);
        let more = [&text[..], &text, &text, &vec![0; 400 - 3 * text.len() + usize::from(over)]].concat();
        let words: Vec<String> =
            more.chunks(50).flat_map(|piece| server_receives(&mut server, piece, true)).collect();
        if over {
            assert_eq!(words, ["refused HeadTooLarge"]);
            assert!(server.is_ended());
            server.answer(request.accept());
            assert!(server.is_ended() && !server.wants_write(), "it is too late");
            continue;
        }
        assert_eq!(words, [""; 0]);
        server.recv_eof();
        server.answer(request.accept());
        assert!(server.has_last_words());
        let words = server_receives(&mut server, b"", true);
        assert!(words[..3].iter().all(|words| words.starts_with("text xxx")));
        assert_eq!(words[3..], ["failed UnexpectedContinuation"]);
    }
}

#[test]
fn a_connection_is_complete_once_what_was_kept_is_received() {
    let mut server = started(Config::default());
    let request = request_of(&mut server, REQUEST);
    assert_eq!(server_receives(&mut server, &Role::Server.frame(TEXT, b"early"), true), [""; 0]);
    server.answer(request.accept());
    let mut server = server.into_connection().expect_err("the message is not received");
    assert_eq!(server_receives(&mut server, b"", true), ["text early"]);
    assert!(server.into_connection().is_ok());
}

#[test]
fn a_page_for_a_peer_that_has_ended_its_side() {
    for (before, after) in [(true, false), (false, true), (true, true)] {
        let mut server = started(Config::default());
        if before {
            server.recv_eof();
        }
        let request = http_request_of(&mut server, b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
        if after {
            server.recv_eof();
        }
        assert_eq!(server_receives(&mut server, b"", true), [""; 0]);
        server.answer(request.respond(&page()));
        assert!(!server.should_shutdown() && !server.is_ended());
        assert!(write_all(&mut server).starts_with(b"HTTP/1.1 404 "));
        assert!(server.should_shutdown() && server.is_ended(), "both sides are over");
    }
}

#[test]
fn the_closing_deadline_of_a_response_moves_with_a_fair_part_and_not_with_a_trickle() {
    for fair in [false, true] {
        let mut server = started(Config::default());
        let request = http_request_of(&mut server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        server.answer(request.respond(&page().body(vec![b'x'; 200_000])));
        let ended = (0..100).map(|i| 101 + 9 * i).find(|&now| {
            server.handle_timeout(secs(now));
            server.output_written(if fair { 16 * 1024 } else { 1 });
            server.handle_timeout(secs(now));
            if server.wants_write() {
                assert!(!server.should_shutdown() && server.next_timeout().is_some());
            }
            server.is_ended()
        });
        // 13 parts, and 10 seconds for the end of the transport.
        assert_eq!(ended, Some(if fair { 101 + 9 * 14 } else { 101 + 9 * 2 }));
    }
}

#[test]
fn the_output_of_every_phase_comes_in_every_form() {
    for (name, reach) in PHASES {
        let mut server = started(Config::default());
        reach(&mut server);
        let len = output_in_every_form!(server, name);
        let is_answered = matches!(name, "kept" | "open" | "refused" | "timed out" | "closed");
        assert_eq!(len > 0, is_answered, "{name}");
    }
}

#[test]
fn a_connection_that_is_accepted_behind_the_end_of_the_stream_fails_at_once() {
    let mut server = started(Config::default());
    let request = request_of(&mut server, REQUEST);
    server.recv_eof();
    assert_eq!(server_receives(&mut server, b"", true), [""; 0], "it is being decided on");
    server.answer(request.accept());
    assert_eq!(server_receives(&mut server, b"", true), ["failed UnexpectedEof"]);
}

#[test]
fn there_is_one_answer_to_one_request() {
    let spare = || Connection::server(Config::default());
    let response = || b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    for (name, reach) in PHASES {
        if name == "deciding" {
            continue;
        }
        let mut server = started(Config::default());
        reach(&mut server);
        let before = (server.state(), server.output().to_vec(), server.next_timeout());
        server.answer(spare());
        server.answer(response());
        assert_eq!((server.state(), server.output().to_vec(), server.next_timeout()), before, "{name}");
    }
    let mut server = started(Config::default());
    let request = request_of(&mut server, REQUEST);
    server.answer(request.reject(&page()));
    server.answer(response());
    server.answer(spare());
    assert!(write_all(&mut server).ends_with(b"no"));
    assert_eq!(server.state(), State::Failed);
    assert_eq!(server_receives(&mut server, REQUEST, true), [""; 0], "I14: one request");
}

#[test]
fn close_and_the_end_of_the_stream_and_its_failure_in_every_phase() {
    // what is reported after `close`, after the end of the stream, after its failure
    let kept = ["text one", "ping", "ping", "text two", "text three"];
    let with = |last: &'static str| [&kept[..], &[last]].concat();
    let table: [[Vec<&str>; 3]; 9] = [
        [vec![], vec![], vec!["failed TransportFailed"]],
        [vec![], vec!["refused Truncated"], vec!["failed TransportFailed"]],
        [vec![], vec![], vec!["failed TransportFailed"]],
        [kept.to_vec(), with("failed UnexpectedEof"), with("failed TransportFailed")],
        [vec![], vec!["failed UnexpectedEof"], vec!["failed TransportFailed"]],
        [vec![], vec![], vec![]],
        [vec![], vec![], vec![]],
        [vec!["refused TimedOut"], vec!["refused TimedOut"], vec!["refused TimedOut"]],
        [vec![], vec![], vec![]],
    ];
    for ((name, reach), expected) in PHASES.into_iter().zip(table) {
        for (call, expected) in expected.into_iter().enumerate() {
            let mut server = started(Config::default());
            reach(&mut server);
            let (opening, over) = (server.state() == State::Opening, server.state() != State::Open);
            match call {
                0 => {
                    let closed = if over && !opening { Err(SendError::Closed) } else { Ok(()) };
                    assert_eq!(server.close(CloseCode::NORMAL, "bye"), closed, "{name}");
                }
                1 => server.recv_eof(),
                _ => server.recv_error(),
            }
            let due = server.next_timeout().is_some_and(|due| due <= secs(110));
            assert!(due || !server.has_last_words(), "{name}, call {call}: what waits to be said is due now");
            let words = server_receives(&mut server, b"", true);
            assert_eq!(words, expected, "{name}, call {call}");
            assert!(!server.has_last_words(), "{name}, call {call}");
            // The caller decides at last, and the peer is silent.
            if name == "deciding" {
                server.answer(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
                assert_eq!(server.wants_write(), call == 1, "{name}, call {call}");
            }
            if call == 2 {
                assert!(server.is_ended() && !server.wants_write(), "{name}: there is nothing to wait for");
            }
            for _ in 0..9 {
                let Some(due) = server.next_timeout() else { break };
                server.handle_timeout(due);
            }
            server_receives(&mut server, b"", true);
            assert!(server.is_ended(), "{name}, call {call}: {server:?}");
        }
    }
}

#[test]
fn bytes_of_a_transport_that_broke_before_the_connection_was_open_are_no_frames() {
    for length in [0, 30, REQUEST.len()] {
        let mut server = started(Config::default());
        server_receives(&mut server, &REQUEST[..length], false);
        server.recv_error();
        let words = server_receives(&mut server, &Role::Server.frame(TEXT, b"never"), true);
        assert_eq!(words, ["failed TransportFailed"]);
    }
}

#[test]
fn the_timers_of_a_connection_begin_with_it() {
    let config = Config::default().idle_timeout(Some(secs(5))).ping_interval(Some(secs(3)));
    let mut server = started(config);
    let request = request_of(&mut server, REQUEST);
    server.handle_timeout(secs(1000));
    server.answer(request.accept());
    assert_eq!((server.next_timeout(), server.state()), (Some(secs(1003)), State::Open));
    server.handle_timeout(secs(1001));
    assert_eq!(server.state(), State::Open, "the time that the decision took is not idle");

    // The time is told after the answer for the first time.
    let mut server = Server::new(config);
    server_receives(&mut server, REQUEST, true);
    server.handle_timeout(secs(1000));
    assert_eq!((server.next_timeout(), server.state()), (Some(secs(1003)), State::Open));
}

#[test]
fn a_server_with_much_to_write_does_not_read() {
    let mut server = started(Config::default().high_water(100));
    server_receives(&mut server, REQUEST, true);
    assert!(!server.wants_read(), "the 101 alone is more");
    write_all(&mut server);
    server.connection().send_binary(&[7; 98]).expect("open");
    assert!(server.wants_read());
    server.connection().send_binary(&[]).expect("open");
    assert!(!server.wants_read());
}

/// The loop was asleep: it tells the time in its next turn, after the answer.
#[test]
fn the_time_of_a_decision_that_is_told_after_it_is_not_idle() {
    let config = Config::default().idle_timeout(Some(secs(5))).ping_interval(Some(secs(3)));
    for written_first in [false, true] {
        let mut server = started(config);
        let request = request_of(&mut server, REQUEST);
        server.answer(request.accept());
        let mut written = if written_first { write_all(&mut server) } else { Vec::new() };
        server.handle_timeout(secs(1000));
        written.extend(write_all(&mut server));
        assert!(written.starts_with(b"HTTP/1.1 101 ") && written.ends_with(b"\r\n\r\n"));
        assert_eq!((server.state(), server.next_timeout()), (State::Open, Some(secs(1003))));
    }
}

#[test]
fn the_body_of_a_request_that_waits_for_its_answer_is_dropped() {
    let mut server = started(Config::default());
    let request =
        http_request_of(&mut server, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for _ in 0..10 {
        assert_eq!(server_receives(&mut server, &[b'x'; 10_000], true), [""; 0]);
    }
    server.answer(request.respond(&page()));
    assert!(write_all(&mut server).ends_with(b"no"));
}

#[test]
fn a_stream_that_ends_behind_the_deadline_of_the_head_has_ended() {
    let mut server = started(Config::default());
    server_receives(&mut server, &REQUEST[..30], true);
    server.handle_timeout(secs(110));
    server.recv_eof();
    assert_eq!(server_receives(&mut server, b"", true), ["refused TimedOut"]);
    assert!(!server.wants_read());
    write_all(&mut server);
    assert!(server.is_ended());
}
