//! A client, from where to dial to the end.

use sansocket::handshake::{ClientRequest, Proxy, Redirects};
use sansocket::{
    Client, ClientEvent, CloseCode, Config, ConnectOptions, Event, Input, SendError, State, Step,
};

use super::common::{CLOSE, Role, TEXT, plain};
use super::{client_words, output_in_every_form, secs, switching_protocols};

fn options() -> ConnectOptions {
    Config::default().into()
}

fn proxied() -> ConnectOptions {
    through("http://proxy:3128")
}

/// Through the proxy of this URL.
fn through(proxy: &str) -> ConnectOptions {
    options().proxy(Proxy::parse(proxy).expect("a valid URL"))
}

fn redirected() -> ConnectOptions {
    options().redirects(Redirects::new(2))
}

fn started(url: &str, options: ConnectOptions) -> Client {
    let request = ClientRequest::new(url).expect("a valid URL");
    let mut client = Client::new(request, options, |bytes: &mut [u8]| bytes.fill(7));
    assert_eq!(client.next_timeout(), Some(secs(0)), "now, to start the clock");
    client.handle_timeout(secs(100));
    client
}

fn receives(client: &mut Client, bytes: &[u8]) -> Vec<String> {
    let (mut bytes, mut words) = (bytes.to_vec(), Vec::new());
    let mut input = Input::new(&mut bytes);
    while let Some(event) = client.recv(&mut input) {
        words.push(client_words(&event));
    }
    assert!(input.is_empty(), "I2");
    words
}

fn write_all(client: &mut Client) -> Vec<u8> {
    let written = client.output().to_vec();
    client.output_written(written.len());
    written
}

fn dialled(client: &mut Client, to: &str) {
    match client.step() {
        Step::Dial { host, port } => assert_eq!(format!("{host}:{port}"), to),
        other => panic!("{other:?}, not {to}"),
    }
    assert_eq!((client.output(), client.wants_read()), (&b""[..], false), "there is no transport");
    client.connected();
}

fn secured(client: &mut Client, expected: &str) {
    assert_eq!(client.step(), Step::StartTls { name: expected });
    assert_eq!((client.output(), client.wants_read()), (&b""[..], false), "TLS comes first");
    client.secured();
}

fn opened(client: &mut Client) {
    let response = switching_protocols(&write_all(client));
    assert_eq!(receives(client, &response), ["opened"]);
    assert_eq!((client.state(), client.step()), (State::Open, Step::Run));
}

type Reach = fn() -> Client;

/// A client in each phase: its name, how it gets there.
const PHASES: [(&str, Reach); 11] = [
    ("dial", || started("ws://a/", options())),
    ("proxy", || {
        let mut client = started("ws://a/", proxied());
        client.connected();
        client
    }),
    ("start TLS to the proxy", || {
        let mut client = started("ws://a/", through("https://proxy"));
        client.connected();
        client
    }),
    ("SOCKS5", || {
        let mut client = started("ws://a/", through("socks5://proxy"));
        client.connected();
        write_all(&mut client);
        receives(&mut client, b"\x05\0");
        client
    }),
    ("start TLS", || {
        let mut client = started("wss://a/", options());
        client.connected();
        client
    }),
    ("request not written", || {
        let mut client = started("ws://a/", options());
        client.connected();
        client.output_written(10);
        client
    }),
    ("request written", || {
        let mut client = started("ws://a/", options());
        client.connected();
        write_all(&mut client);
        client
    }),
    ("refusal with half a body", || {
        let mut client = started("ws://a/", options());
        client.connected();
        write_all(&mut client);
        receives(&mut client, b"HTTP/1.1 503 Later\r\nContent-Length: 9\r\n\r\nhalf");
        client
    }),
    ("redirect", || {
        let mut client = started("ws://a/", redirected());
        client.connected();
        write_all(&mut client);
        receives(&mut client, b"HTTP/1.1 301 There\r\nLocation: //b/\r\nContent-Length: 0\r\n\r\n");
        client
    }),
    ("open", || {
        let mut client = started("ws://a/", options());
        client.connected();
        opened(&mut client);
        client
    }),
    ("over", || {
        let mut client = started("ws://a/", options());
        client.connected();
        write_all(&mut client);
        receives(&mut client, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        client
    }),
];

#[test]
fn every_way_to_a_connection() {
    let proxy_head = "CONNECT a:";
    for (url, through_proxy, port) in
        [("ws://a/", false, 80), ("wss://a/", false, 443), ("ws://a/", true, 80), ("wss://a/", true, 443)]
    {
        let mut client = started(url, if through_proxy { proxied() } else { options() });
        dialled(&mut client, &if through_proxy { "proxy:3128".into() } else { format!("a:{port}") });
        if through_proxy {
            let connect = String::from_utf8(write_all(&mut client)).expect("ASCII");
            assert!(connect.starts_with(&format!("{proxy_head}{port} ")), "{connect}");
            for byte in b"HTTP/1.1 200 Connection established\r\n\r\n" {
                assert_eq!(receives(&mut client, &[*byte]), [""; 0]);
            }
        }
        if url.starts_with("wss") {
            secured(&mut client, "a");
        }
        let sent = client.connection().send_text("too early");
        assert_eq!((sent, client.state()), (Err(SendError::NotOpen), State::Opening));
        opened(&mut client);
        client.connection().send_text("now").expect("open");
        assert_eq!(client.output()[0], TEXT, "and nothing of the request before it");
    }
}

/// Has a SOCKS5 proxy open a tunnel to `a`; what it says may be cut anywhere.
fn tunnelled_by_socks5(client: &mut Client, port: u16, piece: usize) {
    assert_eq!(write_all(client), b"\x05\x02\0\x02");
    let request = [b"\x05\x01\0\x03\x01a", &port.to_be_bytes()[..]].concat();
    let rounds: [(&[u8], &[u8]); 3] = [
        (b"\x05\x02", b"\x01\x02me\x06secret"),
        (b"\x01\0", &request),
        (b"\x05\0\0\x01\x7f\0\0\x01\x04\x38", b""),
    ];
    for (round, (answer, expected)) in rounds.into_iter().enumerate() {
        for piece in answer.chunks(piece) {
            assert!(client.wants_read() && !client.wants_write());
            assert_eq!(receives(client, piece), [""; 0]);
        }
        // What follows the last is no longer for the proxy.
        if round < 2 {
            assert_eq!(write_all(client), expected);
        }
    }
}

#[test]
fn every_way_through_socks5() {
    for piece in [1, 2, 7, 100] {
        for (url, port) in [("ws://a/", 80), ("wss://a/", 443)] {
            let mut client = started(url, through("socks5://me:secret@proxy"));
            dialled(&mut client, "proxy:1080");
            tunnelled_by_socks5(&mut client, port, piece);
            if port == 443 {
                secured(&mut client, "a");
            }
            opened(&mut client);
        }
    }
}

#[test]
fn tls_to_the_proxy_then_the_tunnel_then_tls_to_the_server() {
    for (url, port) in [("ws://a/", 80), ("wss://a/", 443)] {
        let mut client = started(url, through("https://me:secret@proxy").redirects(Redirects::new(2)));
        for redirects in [1, 0] {
            dialled(&mut client, "proxy:443");
            secured(&mut client, "proxy");
            let connect = String::from_utf8(write_all(&mut client)).expect("ASCII");
            assert!(connect.starts_with(&format!("CONNECT a:{port} ")), "{connect}");
            assert!(connect.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{connect}");
            assert_eq!(receives(&mut client, b"HTTP/1.1 200 \r\n\r\n"), [""; 0]);
            if port == 443 {
                secured(&mut client, "a");
            }
            if redirects > 0 {
                assert!(write_all(&mut client).starts_with(b"GET / HTTP/1.1\r\nHost: a\r\n"));
                assert_eq!(receives(&mut client, &redirect("/b")), [""; 0], "the same way again");
            }
        }
        opened(&mut client);
    }
}

#[test]
fn socks5_proxies_that_open_no_tunnel() {
    // what is answered to the methods and to the request, whether the stream ends then; the event
    let cases: [(&[&[u8]], bool, &str); 9] = [
        (&[b"\x05\xff"], false, "failed Socks5(NoAcceptableMethod)"),
        (&[b"HTTP/1.1 400 \r\n"], false, "failed Socks5(Version(72))"),
        (&[b""], true, "failed Socks5(Truncated)"),
        (&[b"\x05\0", b"\x05\x05"], true, "failed Socks5(Refused(5))"),
        (&[b"\x05\0", b"\x05\0\0\x01"], true, "failed Socks5(Truncated)"),
        (&[b"\x05\0", b"\x05\0\0\x01\0\0\0\0\0\0"], true, "failed TransportFailed"),
        (&[b"\x05\0", b"\x05\0\0\x01\0\0\0\0\0\0x"], false, "failed UnexpectedProxyData"),
        (&[b"\x05\0\x05"], false, "failed UnexpectedProxyData"),
        (&[b"\x05\0", b""], true, "failed Socks5(Truncated)"),
    ];
    for (answers, eof, expected) in cases {
        let mut client = started("ws://a/", through("socks5://proxy"));
        client.connected();
        let mut words = Vec::new();
        for (at, answer) in answers.iter().enumerate() {
            write_all(&mut client);
            if eof && at + 1 == answers.len() {
                client.recv_eof();
            }
            words.extend(receives(&mut client, answer));
        }
        assert_eq!(words, [expected], "{answers:?}");
        assert!(client.is_ended() && !client.wants_write(), "{expected}");
    }
    // What was not asked yet is not answered.
    for written in [0, 2] {
        let mut client = started("ws://a/", through("socks5://proxy"));
        client.connected();
        client.output_written(written);
        assert_eq!(receives(&mut client, b"\x05\0"), ["failed UnexpectedProxyData"]);
    }
    let mut client = started(&format!("ws://{}/", "x".repeat(256)), through("socks5://proxy"));
    client.connected();
    assert_eq!(receives(&mut client, b""), ["failed Socks5(NameTooLong)"]);
    assert!(client.is_ended());
}

#[test]
fn the_first_frames_may_come_with_the_101_in_every_cut() {
    let frames = Role::Client.frames(&[(TEXT, b"one"), (TEXT, b"two"), (CLOSE, b"")]);
    let started = || {
        let mut client = started("ws://a/", options());
        client.connected();
        let response = switching_protocols(&write_all(&mut client));
        (client, [&response, &frames[..]].concat())
    };
    let (_, bytes) = started();
    let everywhere = Vec::from_iter(1..bytes.len());
    for cuts in (1..bytes.len()).map(|cut| vec![cut]).chain([vec![], everywhere]) {
        let (mut client, bytes) = started();
        let (mut words, mut start) = (Vec::new(), 0);
        for end in cuts.iter().copied().chain([bytes.len()]) {
            words.extend(receives(&mut client, &bytes[start..end]));
            start = end;
        }
        assert_eq!(words, ["opened", "text one", "text two", "close 1005"], "{cuts:?}");
    }
}

#[test]
fn a_message_behind_the_101_is_borrowed() {
    let mut client = started("ws://a/", options());
    client.connected();
    let mut bytes = switching_protocols(&write_all(&mut client));
    bytes.extend(Role::Client.frame(TEXT, b"borrowed"));
    let range = bytes.as_ptr_range();
    let mut input = Input::new(&mut bytes);
    assert!(matches!(client.recv(&mut input), Some(ClientEvent::Opened(_))));
    match client.recv(&mut input) {
        Some(ClientEvent::Open(Event::Message(message))) => {
            assert!(range.contains(&message.as_bytes().as_ptr()));
        }
        other => panic!("{other:?}"),
    }
}

/// A redirect to `location`, whose body is there.
fn redirect(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 There\r\nLocation: {location}\r\nContent-Length: 2\r\n\r\nxx").into_bytes()
}

#[test]
fn redirects_are_followed_to_other_transports_within_their_limit_and_one_deadline() {
    let mut client = started("ws://a/", redirected());
    dialled(&mut client, "a:80");
    write_all(&mut client);
    assert_eq!(receives(&mut client, &[&redirect("wss://b/x")[..], b"swallowed"].concat()), [""; 0]);
    // What the old transport still says has no meaning.
    client.recv_eof();
    client.recv_error();
    assert_eq!(receives(&mut client, b"HTTP/1.1 101 \r\n"), [""; 0]);
    client.handle_timeout(secs(109));
    assert_eq!(client.next_timeout(), Some(secs(110)), "it stands");
    dialled(&mut client, "b:443");
    secured(&mut client, "b");
    assert!(client.output().starts_with(b"GET /x HTTP/1.1\r\nHost: b\r\n"));
    // Before the request is written: the rest of it is not for the next server.
    client.output_written(10);
    assert_eq!(receives(&mut client, &redirect("wss://c:444/")), [""; 0]);
    dialled(&mut client, "c:444");
    secured(&mut client, "c");
    assert!(write_all(&mut client).starts_with(b"GET / HTTP/1.1\r\nHost: c:444\r\n"));
    assert_eq!(receives(&mut client, &redirect("/more")), ["failed Redirect(TooMany)"]);
    assert!(client.is_ended());

    let mut client = started("wss://a/", redirected());
    client.connected();
    client.secured();
    write_all(&mut client);
    assert_eq!(receives(&mut client, &redirect("ws://a/")), ["failed Redirect(Downgrade)"]);
    assert!(client.is_ended());

    let mut client = started("ws://a/", options());
    client.connected();
    write_all(&mut client);
    assert_eq!(receives(&mut client, &redirect("/b")), ["refused 302 xx"], "nobody asked to follow it");
    assert!(client.is_ended());
}

/// A body that stalls or breaks off must not get in the way.
#[test]
fn a_redirect_does_not_wait_for_its_body() {
    let head = &redirect("ws://b/")[..redirect("ws://b/").len() - 2];
    for end in [Client::recv_error, Client::recv_eof, |client: &mut Client| client.handle_timeout(secs(200))]
    {
        let mut client = started("ws://a/", redirected());
        client.connected();
        write_all(&mut client);
        assert_eq!(receives(&mut client, head), [""; 0]);
        dialled(&mut client, "b:80");
        end(&mut client);

        let mut client = started("ws://a/", options());
        client.connected();
        write_all(&mut client);
        assert_eq!(receives(&mut client, head), ["refused 302 "], "nobody asked to follow it");

        let mut client = started("ws://a/", options());
        client.connected();
        write_all(&mut client);
        let more = [&redirect("ws://b/")[..], b"more"].concat();
        assert_eq!(receives(&mut client, &more), ["refused 302 xx"], "nothing behind it");
    }
}

#[test]
fn each_redirect_has_the_proxy_that_is_chosen_for_it() {
    let vars = |name: &str| match name {
        "http_proxy" => Some("proxy:3128".to_owned()),
        "https_proxy" => Some("ftp://proxy".to_owned()),
        "no_proxy" => Some("a, .c".to_owned()),
        _ => None,
    };
    let options = || redirected().choose_proxy(move |url| Proxy::from_vars(url, vars));
    let mut client = started("ws://a/", options());
    dialled(&mut client, "a:80");
    assert!(write_all(&mut client).starts_with(b"GET / HTTP/1.1\r\n"));
    assert!(receives(&mut client, &redirect("ws://b/")).is_empty());
    dialled(&mut client, "proxy:3128");
    assert!(write_all(&mut client).starts_with(b"CONNECT b:80 HTTP/1.1\r\n"));
    assert!(receives(&mut client, b"HTTP/1.1 200 OK\r\n\r\n").is_empty());
    write_all(&mut client);
    assert!(receives(&mut client, &redirect("ws://x.c/")).is_empty());
    dialled(&mut client, "x.c:80");

    // Without a proxy that it can go through it goes nowhere: at once, and behind a redirect.
    let mut client = started("wss://b/", options());
    assert!(client.has_last_words() && client.next_timeout() == Some(secs(100)));
    assert_eq!(client.step(), Step::Run);
    let nowhere = ["failed ProxyVar(ProxyVarError { variable: \"https_proxy\", error: ProxyScheme })"];
    assert_eq!(receives(&mut client, b""), nowhere);
    assert!(client.is_ended());
    let mut client = started("ws://a/", options());
    dialled(&mut client, "a:80");
    write_all(&mut client);
    assert_eq!(receives(&mut client, &redirect("wss://b/")), nowhere);
    assert!(client.is_ended());
}

#[test]
fn answers_that_open_nothing() {
    // what a server, or a proxy, answers, whether its stream ends then; the event
    let server: [(&[u8], bool, &str); 10] = [
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", false, "refused 403 no"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nno", true, "refused 403 no"),
        (b"HTTP/1.1 200 OK\r\n\r\nno WebSocket", false, "refused 200 no WebSocket"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", false, "failed Handshake(WrongUpgrade)"),
        (b"HTTP/1.1 101 Swi", true, "failed Handshake(Truncated)"),
        (b"", true, "failed Handshake(Truncated)"),
        (b"SSH-2.0-OpenSSH\r\n", false, "failed Handshake(InvalidStatusLine)"),
        (b"\x15\x03\x03\x00\x02\x02\x28", false, "failed Handshake(Tls)"),
        (b"\x81\x05Hello\n", false, "failed Handshake(BareLineFeed)"),
        (b"HTTP/1.1 307 There\r\nLocation: ftp://b/\r\n\r\n", false, "failed Redirect(Location)"),
    ];
    let proxy: [(&[u8], bool, &str); 7] = [
        (b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n", false, "proxy refused 407"),
        (b"HTTP/1.1 407 Who?\r\nContent-Length: 9\r\n\r\n", true, "proxy refused 407"),
        (
            b"HTTP/1.1 302 There\r\nLocation: ws://evil/\r\nContent-Length: 0\r\n\r\n",
            false,
            "proxy refused 302",
        ),
        (b"HTTP/1.1 20", true, "failed Proxy(Truncated)"),
        (b"HTTP/1.1 200 OK\r\n\r\nx", false, "failed UnexpectedProxyData"),
        (b"garbage\r\n", false, "failed Proxy(InvalidStatusLine)"),
        (b"\x15\x03\x03\x00\x02\x02\x28", false, "failed Proxy(Tls)"),
    ];

    let cases = server
        .map(|case| (redirected(), case))
        .into_iter()
        .chain(proxy.map(|case| (proxied().redirects(Redirects::new(2)), case)));
    for (options, (answer, eof, expected)) in cases {
        // All of the request is written, or a part of it: nothing more of it is written now.
        for written in [usize::MAX, 10] {
            let mut client = started("ws://a/", options.clone());
            client.connected();
            client.output_written(written);
            let mut words = receives(&mut client, answer);
            if eof {
                client.recv_eof();
                words.extend(receives(&mut client, b""));
            }
            assert_eq!(words, [expected]);
            assert!(client.is_ended() && !client.wants_write(), "{expected}");
            assert_eq!((client.step(), client.next_timeout()), (Step::Run, None));
            assert_eq!(receives(&mut client, b"more"), [""; 0]);
        }
    }
}

#[test]
fn the_deadline_holds_in_every_phase_and_keeps_what_is_known() {
    for (name, phase) in PHASES {
        let expected = match name {
            "open" | "over" => continue,
            "refusal with half a body" => "refused 503 half",
            _ => "failed TimedOut",
        };
        let mut client = phase();
        assert_eq!(client.next_timeout(), Some(secs(110)), "{name}");
        client.handle_timeout(secs(110) - core::time::Duration::from_nanos(1));
        assert!(!client.has_last_words(), "{name}");
        client.handle_timeout(secs(110));
        assert!(client.has_last_words() && !client.is_ended(), "{name}");
        assert!(!client.wants_write() && !client.wants_read(), "{name}");
        client.connected();
        client.secured();
        client.handle_timeout(secs(111));
        assert_eq!(receives(&mut client, b"late"), [expected], "{name}");
        assert!(client.is_ended(), "{name}");
    }
    // The refusal of a proxy whose body does not come, too.
    let mut client = started("ws://a/", proxied());
    client.connected();
    receives(&mut client, b"HTTP/1.1 407 Who?\r\nContent-Length: 9\r\n\r\nhalf");
    client.handle_timeout(secs(110));
    assert_eq!(receives(&mut client, b""), ["proxy refused 407"]);
}

#[test]
fn close_and_the_end_of_the_stream_and_its_failure_in_every_phase() {
    let broke = "failed TransportFailed";
    // what is reported after `close`, after the end of the stream, after its failure
    let table: [[&[&str]; 3]; 11] = [
        [&[], &[], &[]],
        [&[], &["failed Proxy(Truncated)"], &[broke]],
        [&[], &[broke], &[broke]],
        [&[], &["failed Socks5(Truncated)"], &[broke]],
        [&[], &[broke], &[broke]],
        [&[], &["failed Handshake(Truncated)"], &[broke]],
        [&[], &["failed Handshake(Truncated)"], &[broke]],
        [&[], &["refused 503 half"], &["refused 503 half"]],
        [&[], &[], &[]],
        [&[], &["failed UnexpectedEof"], &[broke]],
        [&[], &[], &[]],
    ];
    for ((name, phase), expected) in PHASES.into_iter().zip(table) {
        for (call, expected) in expected.into_iter().enumerate() {
            let mut client = phase();
            let (state, step) = (client.state(), format!("{:?}", client.step()));
            match call {
                0 => {
                    let closed = if state == State::Ended { Err(SendError::Closed) } else { Ok(()) };
                    assert_eq!(client.close(CloseCode::NORMAL, "bye"), closed, "{name}");
                }
                1 => client.recv_eof(),
                _ => client.recv_error(),
            }
            let due = client.next_timeout().is_some_and(|due| due <= secs(100));
            assert!(due || !client.has_last_words(), "{name}, call {call}: what waits to be said is due now");
            assert_eq!(receives(&mut client, b""), expected, "{name}, call {call}");
            assert!(!client.has_last_words());
            if call > 0 && step.starts_with("Dial") {
                assert_eq!(format!("{:?}", client.step()), step, "the transport is to be replaced anyway");
                client.connected();
                opened(&mut client);
            } else if state == State::Open && call == 0 {
                assert_eq!(client.state(), State::CloseSent);
            } else {
                assert!(client.is_ended(), "{name}, call {call}");
            }
        }
    }
}

#[test]
fn steps_that_nobody_asked_for_do_nothing() {
    for (name, phase) in PHASES {
        let mut client = phase();
        let before = |client: &Client| {
            (format!("{:?}", client.step()), client.output().to_vec(), client.state(), client.next_timeout())
        };
        let (was, step) = (before(&client), format!("{:?}", client.step()));
        if !step.starts_with("Dial") {
            client.connected();
            assert_eq!(before(&client), was, "{name}");
        }
        if !step.starts_with("StartTls") {
            client.secured();
            assert_eq!(before(&client), was, "{name}");
        }
    }
}

#[test]
fn a_proxy_that_opens_a_tunnel_before_it_was_asked_to_is_refused() {
    let mut client = started("ws://a/", proxied());
    client.connected();
    client.output_written(10);
    assert_eq!(receives(&mut client, b"HTTP/1.1 200 OK\r\n\r\n"), ["failed UnexpectedProxyData"]);
    assert!(client.is_ended());
}

/// Whether they come along with the answer or later.
#[test]
fn bytes_of_a_proxy_between_its_answer_and_tls_are_refused() {
    for later in [false, true] {
        let mut client = started("wss://a/", proxied());
        client.connected();
        write_all(&mut client);
        let mut words = match later {
            false => receives(&mut client, b"HTTP/1.1 200 OK\r\n\r\nx"),
            true => receives(&mut client, b"HTTP/1.1 200 OK\r\n\r\n"),
        };
        if later {
            words.extend(receives(&mut client, b"x"));
        }
        assert_eq!(words, ["failed UnexpectedProxyData"], "later: {later}");
        assert!(client.is_ended());
    }
}

/// Without a proxy they are the rest of a redirect; no bytes are no fault.
#[test]
fn bytes_before_tls_to_the_server_are_ignored() {
    let mut client = started("wss://a/", options());
    client.connected();
    for bytes in [&b""[..], b"the rest"] {
        assert_eq!(receives(&mut client, bytes), [""; 0]);
        assert_eq!(client.step(), Step::StartTls { name: "a" });
    }
    let mut client = started("wss://a/", proxied());
    client.connected();
    write_all(&mut client);
    receives(&mut client, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(receives(&mut client, b""), [""; 0]);
    assert_eq!(client.step(), Step::StartTls { name: "a" });
}

#[test]
fn a_tunnel_that_has_ended_leads_nowhere() {
    for url in ["ws://a/", "wss://a/"] {
        let mut client = started(url, proxied());
        client.connected();
        write_all(&mut client);
        client.recv_eof();
        assert_eq!(receives(&mut client, b"HTTP/1.1 200 OK\r\n\r\n"), ["failed TransportFailed"], "{url}");
        assert!(client.is_ended());
    }
}

#[test]
fn the_timers_of_a_connection_begin_with_it() {
    let config = Config::default().idle_timeout(Some(secs(5))).ping_interval(Some(secs(3)));
    let mut client = started("ws://a/", config.into());
    client.connected();
    client.handle_timeout(secs(108));
    opened(&mut client);
    assert_eq!(client.next_timeout(), Some(secs(111)));
    client.handle_timeout(secs(109));
    assert_eq!((client.state(), client.output()), (State::Open, &b""[..]), "opening is not idling");
    // Nor is it a part of closing.
    client.connection().close(CloseCode::NORMAL, "").expect("open");
    client.handle_timeout(secs(109));
    assert_eq!(client.next_timeout(), Some(secs(119)));

    // The time is told for the first time when it is open.
    let request = ClientRequest::new("ws://a/").expect("a valid URL");
    let mut client = Client::new(request, config, |bytes: &mut [u8]| bytes.fill(7));
    client.connected();
    opened(&mut client);
    client.handle_timeout(secs(1000));
    assert_eq!((client.state(), client.next_timeout()), (State::Open, Some(secs(1003))));
}

/// The loop was asleep: it sets the time in its next turn, after the server's answer.
#[test]
fn the_time_of_the_answer_that_is_told_after_it_is_not_idle() {
    let config = Config::default().idle_timeout(Some(secs(5))).ping_interval(Some(secs(3)));
    let mut client = started("ws://a/", config.into());
    client.connected();
    opened(&mut client);
    client.handle_timeout(secs(108));
    assert_eq!((client.state(), client.output()), (State::Open, &b""[..]), "it has just begun");
    assert_eq!(client.next_timeout(), Some(secs(111)));
}

#[test]
fn the_output_of_every_phase_comes_in_every_form() {
    for (name, phase) in PHASES {
        let mut client = phase();
        let len = output_in_every_form!(client, name);
        assert_eq!(len > 0, matches!(name, "proxy" | "SOCKS5" | "request not written"), "{name}");
    }
}

/// The end may be noticed before what came before it is received.
#[test]
fn a_connection_that_opens_behind_the_end_of_the_stream_fails_at_once() {
    let mut client = started("ws://a/", options());
    client.connected();
    let response = switching_protocols(&write_all(&mut client));
    client.recv_eof();
    let words = receives(&mut client, &[&response[..], &Role::Client.frame(TEXT, b"last")].concat());
    assert_eq!(words, ["opened", "text last", "failed UnexpectedEof"]);
}

#[test]
fn a_connection_by_value_is_complete() {
    for (name, phase) in PHASES {
        let client = phase();
        match client.into_connection() {
            Ok(connection) if name == "open" => assert_eq!(connection.state(), State::Open),
            Ok(connection) => assert!(name == "over" && connection.is_ended(), "{name}"),
            Err(client) => assert_eq!(client.state(), State::Opening, "{name}"),
        }
    }
}

/// "The nonce MUST be selected randomly for each connection." (RFC 6455 §4.1)
#[test]
fn each_request_has_a_key_of_its_own() {
    let mut numbers = (0..=u8::MAX).cycle();
    let random = move |bytes: &mut [u8]| bytes.fill_with(|| numbers.next().unwrap_or_default());
    let request = ClientRequest::new("ws://a/").expect("a valid URL");
    let mut client = Client::new(request, redirected(), random);
    let key = |client: &mut Client| {
        client.connected();
        let request = String::from_utf8(write_all(client)).expect("ASCII");
        let (_, key) = request.split_once("Sec-WebSocket-Key: ").expect("a key");
        key[..24].to_owned()
    };
    let first = key(&mut client);
    assert_eq!(receives(&mut client, &redirect("/b")), [""; 0]);
    let second = key(&mut client);
    assert_ne!(first, second);
    for constant in ["AAAAAAAAAAAAAAAAAAAAAA==", "AQEBAQEBAQEBAQEBAQEBAQ=="] {
        assert!(first != constant && second != constant);
    }
}

/// The accept key proves that the request has arrived: it is not sent once more in front of the first frame.
#[test]
fn a_request_that_nobody_reported_as_written_is_not_sent_again() {
    let mut client = started("ws://a/", options());
    client.connected();
    let response = switching_protocols(client.output());
    assert_eq!(receives(&mut client, &response), ["opened"]);
    client.connection().send_text("Hello").unwrap();
    assert_eq!(plain(client.output()), [(TEXT, b"Hello".to_vec())]);
}

/// With completion-based I/O, the answer to what is in flight may be noticed before its completion.
#[test]
fn output_in_flight_when_a_proxy_answers_is_not_counted_twice() {
    let cases: [(&str, &[&[u8]]); 2] = [
        ("http://proxy", &[b"HTTP/1.1 200 OK\r\n\r\n"]),
        ("socks5://proxy", &[b"\x05\0", b"\x05\0\0\x01\0\0\0\0\0\0"]),
    ];
    for (proxy, answers) in cases {
        let mut client = started("ws://a/", through(proxy));
        client.connected();
        for answer in answers {
            let in_flight = client.take_output().expect("a request");
            assert_eq!(receives(&mut client, answer), [""; 0], "{proxy}");
            let next = client.output().to_vec();
            assert_eq!(client.output_len(), in_flight.len() + next.len(), "{proxy}");
            client.output_written(in_flight.len());
            assert_eq!(client.output(), next, "{proxy}: the next request is complete");
            assert_eq!(client.output_len(), next.len(), "{proxy}");
        }
        opened(&mut client);
    }
}
