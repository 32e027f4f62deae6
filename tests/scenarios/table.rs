//! The scenarios: what the peer does, and how every way in has to report the end.

use std::time::Duration;

use sansocket::ProtocolError;
use sansocket::handshake::HandshakeError;

use super::peer::{BINARY, CLOSE, PING, PONG, Peer, REQUEST, TEXT};
use super::ways::{CLOSE_NOW, GOODBYE, MANY, MANY_THEN_CLOSE, PAGE, one_of_many};
use super::{End, Role, Scenario, run};

const BOTH: &[Role] = &[Role::Server, Role::Client];
const SERVER: &[Role] = &[Role::Server];
const CLIENT: &[Role] = &[Role::Client];

/// A deadline that passes: long enough for a peer on a busy machine to do before it what it has to.
const SHORT: Duration = Duration::from_secs(2);
/// When one of them, and perhaps a second one behind it, has certainly passed.
const SOON: Duration = Duration::from_secs(15);

macro_rules! scenarios {
    ($($name:ident: $roles:expr, $config:expr, $peer:expr, $expected:expr;)*) => {$(
        #[test]
        fn $name() {
            static SCENARIO: Scenario = Scenario {
                name: stringify!($name),
                roles: $roles,
                config: $config,
                peer: $peer,
                expected: $expected,
            };
            run(&SCENARIO);
        }
    )*};
}

scenarios! {
    text_and_binary_are_echoed: BOTH, |config| config, |peer| {
        peer.open();
        for (opcode, payload) in [(TEXT, "héllo".as_bytes()), (BINARY, &[0xff, 0, 0x80]), (TEXT, b""), (BINARY, b"")] {
            peer.expect_echo(opcode, payload);
        }
        for len in [125, 126, 65_535, 65_536] {
            peer.expect_echo(BINARY, &pattern(len));
        }
        close(peer);
    }, |report| report.messages == 8 && report.end == End::Close(1000);

    a_mebibyte_in_both_directions: BOTH, |config| config, |peer| {
        peer.open();
        for _ in 0..2 {
            peer.expect_echo(BINARY, &pattern(1 << 20));
        }
        close(peer);
    }, |report| report.messages == 2 && report.end == End::Close(1000);

    a_ping_is_answered: BOTH, |config| config, |peer| {
        peer.open();
        for payload in [&b""[..], b"are you there?", &[7; 125]] {
            peer.send_frame(PING, payload);
            peer.expect_frame(PONG, payload);
        }
        close(peer);
    }, |report| report.messages == 0 && report.end == End::Close(1000);

    the_peer_closes_first: BOTH, |config| config, |peer| {
        peer.open();
        peer.send_close(4321, "enough");
        peer.expect_frame(CLOSE, &4321_u16.to_be_bytes());
        peer.expect_end_in_order();
    }, |report| report.end == End::Close(4321);

    the_peer_closes_without_a_code: BOTH, |config| config, |peer| {
        peer.open();
        peer.send_frame(CLOSE, b"");
        peer.expect_frame(CLOSE, b"");
        peer.expect_end_in_order();
    }, |report| report.end == End::Close(1005);

    this_end_closes_first: BOTH, |config| config, |peer| {
        peer.open();
        peer.send_frame(TEXT, CLOSE_NOW.as_bytes());
        peer.expect_close(GOODBYE.get());
        // What was on its way is still received.
        peer.send_frame(TEXT, b"late");
        peer.send_close(GOODBYE.get(), "");
        peer.expect_end_in_order();
    }, |report| report.messages == 2 && report.end == End::Close(GOODBYE.get());

    this_end_closes_and_the_peer_says_nothing: BOTH, |config| config.close_timeout(SHORT), |peer| {
        peer.open();
        peer.send_frame(TEXT, CLOSE_NOW.as_bytes());
        peer.expect_close(GOODBYE.get());
        peer.expect_gone();
    }, |report| report.end == End::Failed(ProtocolError::CloseTimeout) && report.took < SOON;

    messages_queued_before_a_close_all_arrive: BOTH, |config| config, |peer| {
        peer.open();
        peer.send_frame(TEXT, MANY_THEN_CLOSE.as_bytes());
        for i in 0..MANY {
            peer.expect_frame(TEXT, one_of_many(i).as_bytes());
        }
        peer.expect_close(GOODBYE.get());
        peer.send_close(GOODBYE.get(), "");
        peer.expect_end_in_order();
    }, |report| report.messages == 1 && report.end == End::Close(GOODBYE.get());

    a_bad_frame_is_answered_with_1002: BOTH, |config| config, |peer| {
        peer.open();
        peer.expect_echo(TEXT, b"good");
        peer.send_frame(3, b"reserved");
        peer.expect_close(1002);
        peer.expect_end();
        peer.end();
    }, |report| report.messages == 1 && report.end == End::Failed(ProtocolError::ReservedOpcode(3));

    bad_text_is_answered_with_1007: BOTH, |config| config, |peer| {
        peer.open();
        peer.send_frame(TEXT, b"\xC0\x80");
        peer.expect_close(1007);
        peer.expect_end();
        peer.end();
    }, |report| report.messages == 0 && report.end == End::Failed(ProtocolError::InvalidUtf8);

    the_peer_ends_its_side_behind_messages: BOTH, |config| config, |peer| {
        peer.open();
        peer.expect_echo(TEXT, b"first");
        let last = [peer.frame(TEXT, b"second"), peer.frame(TEXT, b"third")].concat();
        peer.send(&last);
        peer.end();
        if peer.by_channel {
            // The reader learns of the end while the echoes are on their way to the writer, which may find it over.
            peer.expect_gone();
        } else {
            peer.expect_frame(TEXT, b"second");
            peer.expect_frame(TEXT, b"third");
            peer.expect_end();
        }
    }, |report| report.messages == 3 && report.end == End::Failed(ProtocolError::UnexpectedEof);

    the_peer_vanishes: BOTH, |config| config, |peer| {
        peer.open();
        peer.send_frame(TEXT, b"nobody reads the echo");
        peer.reset();
    }, |report| report.messages == 1 && report.end == End::Broken && report.took < SOON;

    the_peer_pings_ends_its_side_and_reads_nothing: BOTH, |config| deadlines(config), |peer| {
        peer.open();
        let ping = peer.frame(PING, &[7; 125]);
        for _ in 0..100 {
            peer.send(&ping.repeat(100));
        }
        peer.end();
        // It stays until the other end has reported.
    }, |report| is_given_up(report) && report.took < SOON;

    the_peer_floods_and_reads_nothing: BOTH, |config| deadlines(config), |peer| {
        peer.open();
        let message = peer.frame(BINARY, &pattern(4_000));
        peer.flood(&message);
    }, |report| is_given_up(report) && report.messages > 0 && report.took < SOON;

    the_peer_is_silent: BOTH, |config| config.ping_interval(Some(SHORT)).pong_timeout(SHORT), |peer| {
        peer.open();
        peer.expect_frame(PING, b"");
        peer.expect_gone();
    }, |report| report.end == End::Failed(ProtocolError::PongTimeout) && report.took < SOON;

    the_peer_answers_pings: BOTH, |config| config.ping_interval(Some(SHORT)).pong_timeout(SOON), |peer| {
        peer.open();
        for _ in 0..2 {
            let (opcode, payload) = peer.recv_frame();
            assert_eq!(opcode, PING);
            peer.send_frame(PONG, &payload);
        }
        close(peer);
    }, |report| report.end == End::Close(1000);

    an_idle_connection_is_closed_with_1001: BOTH, |config| config.idle_timeout(Some(SHORT)), |peer| {
        peer.open();
        peer.expect_echo(TEXT, b"a message puts it off");
        peer.expect_close(1001);
        peer.send_close(1001, "");
        peer.expect_end_in_order();
    }, |report| report.end == End::Close(1001) && report.took < SOON;

    a_flood_of_pings_is_answered_with_no_more_pongs: BOTH, |config| config, |peer| {
        peer.open();
        let pings = (0..20_000_u16).flat_map(|i| peer.frame(PING, &i.to_be_bytes())).collect::<Vec<_>>();
        peer.send(&pings);
        peer.send_frame(TEXT, b"and now?");
        // The latest Ping is answered in any case, perhaps behind the echo; of the others, those that there was room for.
        let (mut last, mut is_echoed) = (vec![], false);
        while !is_echoed || last != 19_999_u16.to_be_bytes() {
            match peer.recv_frame() {
                (PONG, payload) => {
                    assert!(payload > last, "a second Pong, or one for an older Ping");
                    last = payload;
                }
                (opcode, payload) => {
                    assert_eq!((opcode, &payload[..], is_echoed), (TEXT, &b"and now?"[..], false));
                    is_echoed = true;
                }
            }
        }
        close(peer);
    }, |report| report.messages == 1 && report.end == End::Close(1000);

    everything_comes_byte_by_byte: BOTH, |config| config, |peer| {
        match peer.role {
            Role::Server => {
                peer.drip(REQUEST.as_bytes());
                assert!(peer.head().starts_with("HTTP/1.1 101 "));
            }
            Role::Client => {
                let response = peer.response();
                peer.drip(&response);
            }
        }
        for payload in [&b"drop by drop"[..], &[b'x'; 300]] {
            let frame = peer.frame(TEXT, payload);
            peer.drip(&frame);
            peer.expect_frame(TEXT, payload);
        }
        let close = peer.frame(CLOSE, &1000_u16.to_be_bytes());
        peer.drip(&close);
        peer.expect_close(1000);
        peer.expect_end_in_order();
    }, |report| report.messages == 2 && report.end == End::Close(1000);

    everything_comes_at_once: SERVER, |config| config, |peer| {
        let close = peer.frame(CLOSE, &1000_u16.to_be_bytes());
        peer.send(&[REQUEST.as_bytes(), &peer.frame(TEXT, b"hello"), &peer.frame(PING, b"?"), &close].concat());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        // Who echoes from another thread does so at any time before the Close, or is too late: nothing is sent behind it.
        let mut is_echoed = false;
        let payload = loop {
            match peer.recv_frame() {
                (CLOSE, payload) => break payload,
                (TEXT, payload) => {
                    assert_eq!((&payload[..], is_echoed), (&b"hello"[..], false));
                    is_echoed = true;
                }
                (opcode, payload) => assert_eq!((opcode, &payload[..]), (PONG, &b"?"[..])),
            }
        };
        assert_eq!(payload, 1000_u16.to_be_bytes());
        assert!(is_echoed || peer.by_channel);
        peer.expect_end_in_order();
    }, |report| report.messages == 1 && report.end == End::Close(1000);

    a_bad_request_is_answered_with_400_and_its_end: SERVER, |config| config, |peer| {
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\nand more behind it");
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        expect_body_and_end(peer, &head);
    }, |report| report.end == End::Handshake(HandshakeError::InvalidHeaderName);

    another_version_is_answered_with_426_and_its_end: SERVER, |config| config, |peer| {
        peer.send(REQUEST.replace("Version: 13", "Version: 12").as_bytes());
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
        expect_body_and_end(peer, &head);
    }, |report| report.end == End::Handshake(HandshakeError::UnsupportedVersion);

    a_stalled_request_is_answered_with_408_and_its_end: SERVER, |config| config.handshake_timeout(SHORT), |peer| {
        peer.send(&REQUEST.as_bytes()[..60]);
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        expect_body_and_end(peer, &head);
    }, |report| report.end == End::Handshake(HandshakeError::TimedOut) && report.took < SOON;

    a_request_cut_short_is_no_request: SERVER, |config| config, |peer| {
        peer.send(&REQUEST.as_bytes()[..60]);
        peer.end();
        peer.expect_gone();
    }, |report| report.end == End::NotOpened(std::io::ErrorKind::UnexpectedEof);

    a_page_is_served_and_ends: SERVER, |config| config, |peer| {
        peer.send(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let body = expect_body_and_end(peer, &head);
        assert_eq!(body, PAGE.as_bytes());
    }, |report| report.end == End::Page;

    a_page_is_served_to_a_peer_that_has_ended_its_side: SERVER, |config| config, |peer| {
        peer.send(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.end();
        let head = peer.head();
        assert_eq!(expect_body_and_end(peer, &head), PAGE.as_bytes());
    }, |report| report.end == End::Page;

    a_page_ends_though_the_peer_does_not: SERVER, |config| config.close_timeout(SHORT), |peer| {
        peer.send(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        // It stays until the other end has reported.
    }, |report| report.end == End::Page && report.took < SOON;

    a_refused_client_is_told_the_status: CLIENT, |config| config, |peer| {
        let _ = peer.response();
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!");
        peer.end();
    }, |report| report.end == End::Status(403);

    a_refusal_that_stalls_keeps_its_status: CLIENT, |config| config.handshake_timeout(SHORT), |peer| {
        let _ = peer.response();
        peer.send(b"HTTP/1.1 503 Later\r\nContent-Length: 9\r\n\r\nhalf");
    }, |report| report.end == End::Status(503) && report.took < SOON;

    a_server_that_says_nothing_is_left: CLIENT, |config| config.handshake_timeout(SHORT), |peer| {
        let _ = peer.response();
    }, |report| report.end == End::NotOpened(std::io::ErrorKind::TimedOut) && report.took < SOON;

    a_wrong_accept_key_is_refused: CLIENT, |config| config, |peer| {
        let response = String::from_utf8(peer.response()).expect("it is ASCII");
        peer.send(response.replace("Accept: ", "Accept: A").as_bytes());
    }, |report| report.end == End::Handshake(HandshakeError::WrongAccept);
}

fn close(peer: &mut Peer) {
    peer.send_close(1000, "");
    peer.expect_close(1000);
    peer.expect_end_in_order();
}

/// All of the response, and the end while this end has not ended.
fn expect_body_and_end(peer: &mut Peer, head: &str) -> Vec<u8> {
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let body = peer.receive(len.expect("a length"));
    peer.expect_end();
    peer.end();
    body
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 3) as u8).collect()
}

fn deadlines(config: sansocket::Config) -> sansocket::Config {
    config.write_timeout(Some(SHORT)).close_timeout(SHORT)
}

/// The peer took nothing more: which of the deadlines met that, or whether the end of its side was seen before, depends on how
/// much the system holds.
fn is_given_up(report: &super::Report) -> bool {
    use ProtocolError::{CloseTimeout, UnexpectedEof, WriteTimeout};
    matches!(report.end, End::Failed(WriteTimeout | CloseTimeout | UnexpectedEof))
}
