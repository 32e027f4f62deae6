//! Every default of `Config`, observed by what a connection or an endpoint does with it.
#![cfg(feature = "alloc")]
#![expect(clippy::expect_used, reason = "a test may panic")]

mod common;

use core::time::Duration;

use common::*;
use sansocket::deflate::Deflate;
use sansocket::handshake::{ClientHandshake, ClientRequest, HandshakeError, ServerHandshake, ServerProgress};
use sansocket::{Config, Connection, Input, ProtocolError, SendError, Server, State};

/// The fields in their order, what their doc says is the default, and what was observed.
#[test]
fn every_default_is_what_its_documentation_says() {
    let seconds = |n| Some(Duration::from_secs(n));
    let table: [(&str, u64, u64); 9] = [
        ("max_head", 32 * 1024, largest_head() as u64),
        ("max_headers", 128, most_headers() as u64),
        ("max_frame", 16 << 20, largest_frame()),
        ("max_message", 16 << 20, largest_message()),
        ("max_fragments", 16 * 1024, most_empty_fragments()),
        ("max_output", 64 << 20, largest_output() as u64),
        ("high_water", 64 * 1024, high_water() as u64),
        ("deflate", 0, u64::from(offers_deflate())),
        ("handshake_timeout", 10, handshake_timeout().as_secs()),
    ];
    for (field, documented, observed) in table {
        assert_eq!(observed, documented, "{field}");
    }
    let times = [
        ("ping_interval", None, ping_interval()),
        ("pong_timeout", seconds(20), pong_timeout()),
        ("idle_timeout", None, idle_timeout()),
        ("close_timeout", seconds(10), close_timeout()),
        ("write_timeout", seconds(60), write_timeout()),
    ];
    for (field, documented, observed) in times {
        assert_eq!(observed, documented, "{field}");
    }
    // A field that is added later is to be observed here too.
    let tested =
        Vec::from_iter(table.iter().map(|(field, ..)| *field).chain(times.iter().map(|(field, ..)| *field)));
    let debug = format!("{:?}", Config::default());
    let top = debug.trim_start_matches("Config { ").trim_end_matches(" }");
    let fields =
        Vec::from_iter(top.split(", ").filter_map(|field| field.split_once(": ")).map(|(name, _)| name));
    assert_eq!(fields, tested);
}

/// Each getter tells what its setter was told.
#[test]
fn what_was_set_can_be_read() {
    let seconds = Duration::from_secs;
    let config = Config::default()
        .max_head(1)
        .max_headers(2)
        .max_frame(3)
        .max_message(4)
        .max_fragments(5)
        .max_output(6)
        .high_water(7)
        .deflate(Some(Deflate::default()))
        .handshake_timeout(seconds(8))
        .ping_interval(Some(seconds(9)))
        .pong_timeout(seconds(10))
        .idle_timeout(Some(seconds(11)))
        .close_timeout(seconds(12))
        .write_timeout(Some(seconds(13)));
    assert_eq!((config.get_max_head(), config.get_max_headers()), (1, 2));
    assert_eq!((config.get_max_frame(), config.get_max_message(), config.get_max_fragments()), (3, 4, 5));
    assert_eq!((config.get_max_output(), config.get_high_water()), (6, 7));
    assert!(config.get_deflate().is_some());
    assert_eq!((config.get_handshake_timeout(), config.get_ping_interval()), (seconds(8), Some(seconds(9))));
    assert_eq!((config.get_pong_timeout(), config.get_idle_timeout()), (seconds(10), Some(seconds(11))));
    assert_eq!((config.get_close_timeout(), config.get_write_timeout()), (seconds(12), Some(seconds(13))));
}

/// The largest `n` that passes, of those around a limit.
fn largest(candidates: impl IntoIterator<Item = usize>, mut passes: impl FnMut(usize) -> bool) -> usize {
    candidates.into_iter().take_while(|n| passes(*n)).last().expect("the first one passes")
}

/// Candidates around a limit: every power of two, and what lies beside it.
fn candidates(to: u32) -> impl Iterator<Item = usize> {
    (4..=to).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1])
}

fn head_error(head: &str) -> Option<HandshakeError> {
    let mut bytes = head.as_bytes().to_vec();
    match ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bytes)) {
        ServerProgress::Refused(refusal) => Some(refusal.error()),
        ServerProgress::Http(_) => None,
        other => panic!("{other:?}"),
    }
}

fn largest_head() -> usize {
    let frame = "GET / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n".len();
    largest(candidates(20).filter(|n| *n > frame), |n| {
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(n - frame));
        assert_eq!(head.len(), n);
        match head_error(&head) {
            None => true,
            Some(HandshakeError::HeadTooLarge) => false,
            Some(other) => panic!("{other}"),
        }
    })
}

fn most_headers() -> usize {
    largest(candidates(10), |n| {
        let error = head_error(&format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(n - 1)));
        assert!(matches!(error, None | Some(HandshakeError::TooManyHeaders)));
        error.is_none()
    })
}

fn client() -> Connection {
    Role::Client.connection(Config::default())
}

fn largest_frame() -> u64 {
    let n = largest(candidates(30), |n| {
        let len = n as u64;
        let seen = events(&mut client(), &header(BINARY, None, Form::shortest(len), len));
        match seen.last() {
            None => true,
            Some(Seen::Failed(ProtocolError::FrameTooLarge)) => false,
            Some(other) => panic!("{other:?}"),
        }
    });
    n as u64
}

/// In fragments, so that the limit for frames is not met first. The last header alone tells.
fn largest_message() -> u64 {
    let n = largest(candidates(26).filter(|n| *n > 1 << 20), |n| {
        let mut connection = client();
        let mut first = FIRST_BINARY;
        for _ in 0..(n - 1) >> 20 {
            assert_eq!(events(&mut connection, &frame(first, None, &[0; 1 << 20])), []);
            first = MIDDLE;
        }
        let rest = (n - 1) % (1 << 20) + 1;
        let header = header(first, None, Form::shortest(rest as u64), rest as u64);
        match &events(&mut connection, &header)[..] {
            [] => true,
            [Seen::Failed(ProtocolError::MessageTooLarge)] => false,
            other => panic!("{other:?}"),
        }
    });
    n as u64
}

fn most_empty_fragments() -> u64 {
    let mut connection = client();
    let mut count = 0;
    let mut first = frame(FIRST_BINARY, None, b"");
    while events(&mut connection, &first) != [Seen::Failed(ProtocolError::TooManyFragments)] {
        count += 1;
        assert!(count < 1 << 20, "there is a limit");
        first = frame(MIDDLE, None, b"");
    }
    count
}

fn largest_output() -> usize {
    largest(candidates(28).filter(|n| *n > 1 << 17), |n| {
        let mut connection = open(Role::Server);
        // Ten bytes of header.
        match connection.send_binary(&vec![0; n - 10]) {
            Ok(()) => {
                assert_eq!(connection.output().len(), n);
                true
            }
            Err(error) => {
                // It will never fit.
                assert_eq!(error, SendError::TooLarge);
                false
            }
        }
    })
}

fn high_water() -> usize {
    largest(candidates(20).filter(|n| *n > 200), |n| {
        let mut connection = open(Role::Server);
        let header = if n <= 4 + 0xFFFF { 4 } else { 10 };
        connection.send_binary(&vec![0; n - header]).expect("it fits");
        // Exactly so many bytes wait.
        let extra = connection.output().len() - n;
        connection.output_written(extra);
        connection.wants_read()
    })
}

fn offers_deflate() -> bool {
    let request = ClientRequest::new("ws://h/").expect("a legal URL");
    let handshake = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(1));
    handshake.headers().value("Sec-WebSocket-Extensions").is_some()
}

fn handshake_timeout() -> Duration {
    let mut server = Server::new(Config::default());
    server.handle_timeout(Duration::from_secs(5));
    server.next_timeout().expect("a deadline") - Duration::from_secs(5)
}

/// What is due on a connection that was told the time 0 after this happened to it.
fn due(config: Config, happened: impl FnOnce(&mut Connection)) -> Option<Duration> {
    let mut connection = Connection::server(config);
    connection.handle_timeout(Duration::ZERO);
    happened(&mut connection);
    connection.handle_timeout(Duration::ZERO);
    connection.next_timeout()
}

/// Neither this nor the next one is observed by what is due: nothing is.
fn ping_interval() -> Option<Duration> {
    due(Config::default(), |_| {})
}

fn idle_timeout() -> Option<Duration> {
    due(Config::default(), |connection| {
        connection.send_text("").expect("it is open");
        connection.output_written(2);
    })
}

fn pong_timeout() -> Option<Duration> {
    let second = Duration::from_secs(1);
    let mut connection = Connection::server(Config::default().ping_interval(Some(second)));
    connection.handle_timeout(Duration::ZERO);
    connection.handle_timeout(second);
    assert_eq!(written(&mut connection), [(PING, Vec::new())]);
    connection.handle_timeout(second);
    connection.next_timeout().map(|next| next - second)
}

fn close_timeout() -> Option<Duration> {
    due(Config::default(), |connection| {
        assert_eq!(receive(connection, Role::Server, &[(CLOSE, b"")]), [Seen::Close(None)]);
        assert_eq!(written(connection), [(CLOSE, Vec::new())]);
        assert_eq!(connection.state(), State::Closed);
    })
}

fn write_timeout() -> Option<Duration> {
    due(Config::default(), |connection| connection.send_binary(&[0; 100]).expect("it is open"))
}
