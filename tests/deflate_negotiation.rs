//! What of permessage-deflate is agreed on (RFC 7692 §5 to §7.1): tables of header values for both roles,
//! each through every opening handshake there is.
#![cfg(feature = "deflate")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::*;
use sansocket::deflate::{Codec, Compressor, Decompressor, Deflate, Params, Zlib};
use sansocket::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, ConnectHandshake, ConnectRequest, HandshakeError as E,
    PseudoHeaders, ServerHandshake, ServerProgress, UpgradeRequest,
};
use sansocket::{Config, Connection, Event, Input};

// ---- the server ----

/// What a server answers to the offers in these header lines; every handshake has to answer the same.
fn answer(deflate: Deflate, lines: &[&str]) -> Result<Option<String>, E> {
    let config = Config::default().deflate(Some(deflate));
    let header = |headers: &mut dyn Iterator<Item = (String, String)>| {
        let mut answers = headers
            .filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions"))
            .map(|(_, value)| value);
        let answer = answers.next();
        assert_eq!(answers.next(), None, "one line");
        answer
    };

    let mut bytes = REQUEST.to_owned();
    lines.iter().for_each(|line| bytes += &format!("Sec-WebSocket-Extensions: {line}\r\n"));
    bytes += "\r\n";
    let progress = ServerHandshake::new(config).recv(&mut Input::new(&mut bytes.into_bytes()));
    let whole = match progress {
        ServerProgress::Upgrade(request) => {
            let params = deflate.accept(request.extensions());
            let mut connection = request.accept();
            let head = String::from_utf8(take_all(&mut connection)).expect("text");
            let mut headers = head.lines().filter_map(|line| {
                line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))
            });
            let named = header(&mut headers);
            assert_eq!(named, params.map(|params| params.to_string()));
            check_server(connection, params.as_ref());
            Ok(named)
        }
        ServerProgress::Refused(refusal) => Err(refusal.error()),
        progress => panic!("{progress:?}"),
    };

    let owned = |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
    let extensions = lines.iter().map(|line| ("sec-websocket-extensions", *line));
    let version = [("sec-websocket-version", "13")];
    let upgrade = [
        ("host", "h"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let headers = upgrade.into_iter().chain(version).chain(extensions.clone());
    let parts = UpgradeRequest::from_parts("GET", "/", headers, config)
        .map(|request| header(&mut request.accept_parts().0.headers().map(owned)))
        .map_err(|refusal| refusal.error());
    assert_eq!(parts, whole, "from parts");
    let connect = ConnectRequest::from_parts(CONNECT, version.into_iter().chain(extensions), config)
        .map(|request| header(&mut request.accept_parts().0.headers().map(owned)))
        .map_err(|refusal| refusal.error());
    assert_eq!(connect, whole, "extended CONNECT");
    whole
}

/// The connection does what its answer says.
fn check_server(mut connection: Connection, params: Option<&Params>) {
    connection.send_text(LONG).expect("open");
    let sent = written(&mut connection);
    assert_eq!(sent[0].0, if params.is_some() { 0xC1 } else { 0x81 });
    let seen = events(&mut connection, &Role::Server.frame(0xC1, HELLO));
    assert_eq!(seen == [Seen::Text("Hello".into())], params.is_some(), "{seen:?}");
}

#[test]
fn windows_of_every_size_are_agreed_on() {
    for bits in 8..=15 {
        let line = format!("permessage-deflate; client_max_window_bits={bits}");
        assert_eq!(answer(Deflate::default(), &[&line]), Ok(Some(line.clone())));
        assert!(matches!(agreed(Deflate::default(), &[&line]), Ok(Some(_))), "{line}");
        let line = format!("permessage-deflate; server_max_window_bits={bits}");
        let expected = (bits > 8).then(|| line.clone());
        assert_eq!(answer(Deflate::default(), &[&line]), Ok(expected), "zlib compresses with no less than 9");
    }
}

#[test]
fn offers_that_are_accepted() {
    let plain = Deflate::default();
    let no_context = plain.server_no_context_takeover(true).client_no_context_takeover(true);
    let windows = plain.server_max_window_bits(10).client_max_window_bits(11);
    for (deflate, offer, expected) in [
        // §7.1.3
        (plain, "permessage-deflate", "permessage-deflate"),
        (plain, "permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            plain,
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        // What is asked for is repeated: §7.1.1.1, §7.1.2.1; the largest window, too.
        (
            plain,
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            plain,
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            plain,
            "permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            plain,
            "permessage-deflate; client_max_window_bits=15",
            "permessage-deflate; client_max_window_bits=15",
        ),
        (
            plain,
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=8",
        ),
        (
            plain,
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9",
        ),
        // "The value may be quoted." (§5.2)
        (
            plain,
            "permessage-deflate; server_max_window_bits=\"10\"",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            plain,
            "permessage-deflate; server_max_window_bits=\"1\\0\"",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            plain,
            "permessage-deflate;client_max_window_bits=12 ;server_max_window_bits=11;\
                server_no_context_takeover\t; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                server_max_window_bits=11; client_max_window_bits=12",
        ),
        // Unasked: whatever the server wants (§7.1.1), but a client's window only if it was offered
        // (§7.1.2.2).
        (
            no_context,
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        (windows, "permessage-deflate", "permessage-deflate; server_max_window_bits=10"),
        (
            windows,
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
        ),
        (
            windows,
            "permessage-deflate; client_max_window_bits=15; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
        ),
        // Never more than was offered.
        (
            windows,
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
        ),
    ] {
        assert_eq!(answer(deflate, &[offer]), Ok(Some(expected.into())), "{offer}");
    }
}

#[test]
fn trap_54_and_55_offers_that_are_declined() {
    for params in [
        "unknown",
        "unknown=1",
        "server_no_context_takeover=1",
        "server_no_context_takeover=\"1\"",
        "client_no_context_takeover=true",
        "client_no_context_takeover=15",
        "server_max_window_bits",
        "server_max_window_bits=8", // zlib has no such window to compress with
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=11",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=10",
        "client_max_window_bits=10; client_max_window_bits",
        // Names are in small letters.
        "Server_No_Context_Takeover",
        "CLIENT_MAX_WINDOW_BITS=10",
        "server-max-window-bits=10",
        "server_max_window_bits_=10",
    ] {
        assert_eq!(answer(Deflate::default(), &[&format!("permessage-deflate; {params}")]), Ok(None));
        // A good one behind it is taken, in the same line or another.
        let both = format!("permessage-deflate; {params}, permessage-deflate");
        assert_eq!(answer(Deflate::default(), &[&both]), Ok(Some("permessage-deflate".into())), "{both}");
        let (bad, good) = both.split_once(", ").expect("two");
        assert_eq!(answer(Deflate::default(), &[bad, good]), Ok(Some("permessage-deflate".into())), "{both}");
    }
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        for value in BAD_BITS {
            let offer = format!("permessage-deflate; {name}={value}");
            assert_eq!(answer(Deflate::default(), &[&offer]), Ok(None), "{offer}");
        }
        for value in MALFORMED {
            let offer = format!("permessage-deflate; {name}={value}");
            assert_eq!(answer(Deflate::default(), &[&offer]), Err(E::InvalidExtensions), "{offer}");
        }
    }
}

#[test]
fn trap_58_offers_are_tried_in_order_and_one_is_accepted() {
    for (lines, expected) in [
        (&["permessage-bzip2"][..], None),
        (&["x-webkit-deflate-frame"], None),
        (&["Permessage-Deflate"], None),
        (&["permessage-foo; x=\"10\", permessage-deflate"], Some("permessage-deflate")),
        (&["permessage-foo", "permessage-bar", "permessage-deflate"], Some("permessage-deflate")),
        // §7.1.3: the first choice, and what to fall back to
        (
            &["permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
                permessage-deflate; client_max_window_bits"],
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        (
            &["permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=9"],
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        (&["permessage-deflate, permessage-deflate; server_no_context_takeover"], Some("permessage-deflate")),
        (
            &["permessage-deflate; server_no_context_takeover", "permessage-deflate"],
            Some("permessage-deflate; server_no_context_takeover"),
        ),
    ] {
        assert_eq!(answer(Deflate::default(), lines), Ok(expected.map(str::to_owned)), "{lines:?}");
    }
}

#[test]
fn a_server_that_does_not_want_compression_says_nothing() {
    let request = [
        "GET / HTTP/1.1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        REQUEST.trim_start_matches("GET / HTTP/1.1\r\n"),
        "\r\n",
    ];
    let mut bytes = request.concat().into_bytes();
    let ServerProgress::Upgrade(request) =
        ServerHandshake::new(Config::default()).recv(&mut Input::new(&mut bytes))
    else {
        panic!("an upgrade")
    };
    let mut connection = request.accept();
    let head = String::from_utf8(take_all(&mut connection)).expect("text");
    assert!(!head.contains("Extensions"), "{head}");
    check_server(connection, None);
}

// ---- the client ----

/// Whether a client agrees on compression by these header lines of an answer; every handshake has to find the
/// same.
fn agreed(deflate: Deflate, lines: &[&str]) -> Result<Option<Connection>, E> {
    let config = Config::default().deflate(Some(deflate));
    let request = || ClientRequest::new("ws://h/").expect("a URL");
    let random = |bytes: &mut [u8]| bytes.fill(7);

    let mut bytes = RESPONSE.to_owned();
    lines.iter().for_each(|line| bytes += &format!("Sec-WebSocket-Extensions: {line}\r\n"));
    bytes += "\r\n";
    let mut handshake = ClientHandshake::new(request(), config, random);
    handshake.output_written(usize::MAX);
    let whole = match handshake.recv(&mut Input::new(&mut bytes.into_bytes())) {
        ClientProgress::Connected(connection, _) => Ok(inflates(connection)),
        ClientProgress::Failed(error) => Err(error),
        progress => panic!("{progress:?}"),
    };

    let extensions = lines.iter().map(|line| ("sec-websocket-extensions", *line));
    let upgrade = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "CdXSYUsvsaMthlEXWDNURGWA/1o="),
    ];
    let handshake = ClientHandshake::new(request(), config, random);
    let parts = handshake
        .recv_parts(101, upgrade.into_iter().chain(extensions.clone()))
        .map(|(connection, _)| inflates(connection));
    let connect = ConnectHandshake::new(request(), config, random)
        .recv_parts(200, extensions)
        .map(|(connection, _)| inflates(connection));
    for other in [parts, connect] {
        assert_eq!(other.as_ref().map(Option::is_some), whole.as_ref().map(Option::is_some), "{lines:?}");
        assert_eq!(other.err(), whole.as_ref().err().copied());
    }
    whole
}

/// The connection, if it takes compressed messages.
fn inflates(mut connection: Connection) -> Option<Connection> {
    let seen = events(&mut connection, &Role::Client.frame(0xC1, HELLO));
    (seen == [Seen::Text("Hello".into())]).then_some(connection)
}

#[test]
fn offers_of_a_client() {
    let plain = Deflate::default();
    for (deflate, offer) in [
        (plain, "permessage-deflate; client_max_window_bits"),
        (
            plain.server_no_context_takeover(true).client_no_context_takeover(true),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
        (
            plain.server_max_window_bits(9).client_max_window_bits(10),
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10",
        ),
        // Nobody asks for what nobody can give.
        (
            plain.server_max_window_bits(8).client_max_window_bits(0),
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
        ),
        (
            plain.server_max_window_bits(16).client_max_window_bits(255),
            "permessage-deflate; client_max_window_bits",
        ),
    ] {
        assert_eq!(deflate.offer(), offer);
        let config = Config::default().deflate(Some(deflate));
        let request = || ClientRequest::new("ws://h/").expect("a URL");
        let handshake = ClientHandshake::new(request(), config, |bytes: &mut [u8]| bytes.fill(7));
        let written = String::from_utf8_lossy(handshake.output()).into_owned();
        assert!(written.contains(&format!("\r\nSec-WebSocket-Extensions: {offer}\r\n")), "{written}");
        let connect = ConnectHandshake::new(request(), config, |bytes: &mut [u8]| bytes.fill(7));
        assert_eq!(connect.headers().value("sec-websocket-extensions"), Some(offer.as_bytes()));
    }
}

#[test]
fn answers_that_are_agreed_on() {
    let plain = Deflate::default();
    let no_context = plain.server_no_context_takeover(true).client_no_context_takeover(true);
    let windows = plain.server_max_window_bits(10).client_max_window_bits(11);
    for (deflate, answer) in [
        (plain, "permessage-deflate"),
        (plain, "permessage-deflate; server_no_context_takeover"),
        (plain, "permessage-deflate; client_no_context_takeover"),
        (plain, "permessage-deflate; server_max_window_bits=8"),
        (plain, "permessage-deflate; server_max_window_bits=15"),
        (plain, "permessage-deflate; client_max_window_bits=9"),
        (plain, "permessage-deflate; client_max_window_bits=\"15\""),
        // §7.1.1.2: without it the server is able to do more, which the client need not use.
        (no_context, "permessage-deflate; server_no_context_takeover"),
        (no_context, "permessage-deflate; client_no_context_takeover; server_no_context_takeover"),
        (windows, "permessage-deflate; server_max_window_bits=10"),
        (windows, "permessage-deflate; client_max_window_bits=11; server_max_window_bits=8"),
    ] {
        let connection = agreed(deflate, &[answer]).unwrap_or_else(|error| panic!("{answer}: {error}"));
        let mut connection = connection.unwrap_or_else(|| panic!("{answer}"));
        connection.send_text(LONG).expect("open");
        assert_eq!(written(&mut connection)[0].0, 0xC1, "{answer}");
    }
    // "declining all offered PMCEs": without compression.
    assert!(agreed(plain, &[]).is_ok_and(|connection| connection.is_none()));
}

#[test]
fn a_window_of_256_bytes_is_never_compressed_with_and_always_inflated() {
    let connection = agreed(Deflate::default(), &["permessage-deflate; client_max_window_bits=8"]);
    let mut connection = connection.expect("valid").expect("agreed");
    connection.send_text(LONG).expect("open");
    assert_eq!(written(&mut connection)[0].0, 0x81, "as it is");
    assert_eq!(
        events(&mut connection, &Role::Client.frame(0xC1, HELLO)),
        [Seen::Text("Hello".into())],
        "the other direction is not concerned"
    );
}

#[test]
fn trap_54_and_56_and_cve_2026_2229_answers_that_are_refused() {
    let plain = Deflate::default();
    let refused = |deflate: Deflate, lines: &[&str]| match agreed(deflate, lines) {
        Err(error) => error,
        Ok(_) => panic!("{lines:?} was taken"),
    };
    for params in [
        "unknown",
        "server_no_context_takeover=1",
        "client_no_context_takeover=\"x\"",
        "server_max_window_bits",
        "client_max_window_bits", // only in an offer
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=10; client_max_window_bits=10",
        "Server_Max_Window_Bits=10",
    ] {
        let answer = format!("permessage-deflate; {params}");
        assert_eq!(refused(plain, &[&answer]), E::InvalidDeflate, "{answer}");
    }
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        for value in BAD_BITS {
            let answer = format!("permessage-deflate; {name}={value}");
            assert_eq!(refused(plain, &[&answer]), E::InvalidDeflate, "{answer}");
        }
        for value in MALFORMED {
            let answer = format!("permessage-deflate; {name}={value}");
            assert_eq!(refused(plain, &[&answer]), E::InvalidExtensions, "{answer}");
        }
    }
    // Less than what was asked for.
    let asked = plain.server_no_context_takeover(true).server_max_window_bits(10).client_max_window_bits(11);
    for params in [
        "",
        "; server_no_context_takeover",
        "; server_max_window_bits=10",
        "; server_no_context_takeover; server_max_window_bits=11",
        "; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=12",
    ] {
        assert_eq!(refused(asked, &[&format!("permessage-deflate{params}")]), E::InvalidDeflate, "{params}");
    }
    // Nobody offered these.
    for lines in [
        &["permessage-bzip2"][..],
        &["Permessage-Deflate"],
        &["permessage-deflate, permessage-deflate"],
        &["permessage-deflate", "permessage-deflate"],
        &["permessage-deflate, x-other"],
        &["x-other", "permessage-deflate"],
    ] {
        assert_eq!(refused(plain, lines), E::UnofferedExtension, "{lines:?}");
    }
    for line in ["permessage-deflate;", "permessage-deflate; a b", ";", "permessage-deflate; a=\"", ""] {
        assert_eq!(refused(plain, &[line]), E::InvalidExtensions, "{line:?}");
    }
}

#[test]
fn trap_57_an_answer_without_an_offer_is_refused() {
    let request = ClientRequest::new("ws://h/").expect("a URL");
    let handshake = ClientHandshake::new(request, Config::default(), |bytes: &mut [u8]| bytes.fill(7));
    assert!(!String::from_utf8_lossy(handshake.output()).contains("Extensions"));
    let mut bytes = format!("{RESPONSE}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n").into_bytes();
    let progress = handshake.recv(&mut Input::new(&mut bytes));
    assert!(matches!(progress, ClientProgress::Failed(E::UnofferedExtension)), "{progress:?}");
}

// ---- both ----

#[test]
fn trap_57_every_pair_of_wishes_ends_in_one_that_both_keep_to() {
    let wishes = |seed: usize| {
        Deflate::default()
            .server_no_context_takeover(seed & 1 == 1)
            .client_no_context_takeover(seed & 2 == 2)
            .server_max_window_bits([9, 12, 15][seed / 4 % 3])
            .client_max_window_bits([9, 12, 15][seed / 12 % 3])
    };
    for pair in 0..36 * 36 {
        let (client, server) = (wishes(pair % 36), wishes(pair / 36));
        let [mut server_end, mut client_end] = connect(Some(server), Some(client));
        for message in [LONG, "short", LONG, ""] {
            for (from, to) in [(0, 1), (1, 0)] {
                let ends = [&mut server_end, &mut client_end];
                ends[from].send_text(message).expect("open");
                let bytes = take_all(ends[from]);
                let [server_end, client_end] = ends;
                let seen = events(if to == 0 { server_end } else { client_end }, &bytes);
                assert_eq!(seen, [Seen::Text(message.into())], "{client:?} {server:?}");
            }
        }
    }
}

/// Both ends of a connection, by a real handshake.
fn connect(server: Option<Deflate>, client: Option<Deflate>) -> [Connection; 2] {
    let request = ClientRequest::new("ws://h/").expect("a URL");
    let config = Config::default().deflate(client);
    let mut handshake = ClientHandshake::new(request, config, |bytes: &mut [u8]| bytes.fill(9));
    let mut bytes = handshake.output().to_vec();
    handshake.output_written(bytes.len());
    let config = Config::default().deflate(server);
    let ServerProgress::Upgrade(request) = ServerHandshake::new(config).recv(&mut Input::new(&mut bytes))
    else {
        panic!("an upgrade")
    };
    let mut server = request.accept();
    let mut bytes = take_all(&mut server);
    match handshake.recv(&mut Input::new(&mut bytes)) {
        ClientProgress::Connected(client, _) => [server, client],
        progress => panic!("{progress:?}"),
    }
}

#[test]
fn params_that_nobody_negotiated_do_no_harm() {
    for bits in [0, 1, 7, 8, 16, 200, 255] {
        for role in Role::BOTH {
            let mut params = Params::default();
            (params.server_max_window_bits, params.client_max_window_bits) = (bits, bits);
            let mut connection = open(role).with_deflate(&Deflate::default().level(200), &params);
            connection.send_text(LONG).expect("open");
            assert_eq!(
                events(&mut connection, &role.frame(0xC1, HELLO)),
                [Seen::Text("Hello".into())],
                "{bits}"
            );
        }
        for level in [0, 1, 9, 10, 255] {
            // Whoever asks for it directly.
            let zlib = Zlib::new(1);
            assert!(compressed(&mut *zlib.compressor(bits, level), LONG.as_bytes()).len() < LONG.len());
            zlib.decompressor(bits).forget();
        }
    }
}

/// Counts what is asked of it.
#[derive(Debug)]
struct Counter {
    zlib: Zlib,
    asked: AtomicUsize,
}

impl Codec for Counter {
    fn compressor(&self, window_bits: u8, level: u8) -> Box<dyn Compressor> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert!((9..=15).contains(&window_bits) && (1..=9).contains(&level), "{window_bits} {level}");
        self.zlib.compressor(window_bits, level)
    }

    fn decompressor(&self, window_bits: u8) -> Box<dyn Decompressor> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert!((8..=15).contains(&window_bits), "{window_bits}");
        self.zlib.decompressor(window_bits)
    }
}

static COUNTER: Counter = Counter { zlib: Zlib::new(0), asked: AtomicUsize::new(0) };

#[test]
fn random_parameters_never_panic_and_what_is_accepted_keeps_every_rule() {
    let names = [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
        "x",
    ];
    let values = ["8", "9", "10", "15", "16", "08", "0", "\"12\"", "x"];
    let mut rng = Rng::new(7);
    let (mut accepted, mut agreed_on) = (0, 0);
    for _ in 0..4000 {
        let deflate = Deflate::new(&COUNTER)
            .server_no_context_takeover(rng.one_in(3))
            .client_no_context_takeover(rng.one_in(3))
            .server_max_window_bits(rng.pick(&[9, 12, 15]))
            .client_max_window_bits(rng.pick(&[9, 12, 15]));
        let before = COUNTER.asked.load(Ordering::Relaxed);
        let mut line = String::from("permessage-deflate");
        let mut params = Vec::new();
        for _ in 0..rng.below(5) {
            let (name, value) = (rng.pick(&names), rng.one_in(2).then(|| rng.pick(&values)));
            line += &format!("; {name}");
            line.extend(value.map(|value| format!("={value}")));
            params.push((name, value.map(|value| value.trim_matches('"'))));
        }
        let bits = |name: &str| {
            params
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| value.map(|value| value.parse::<u8>().expect("a number")))
        };
        let named = |name: &str| params.iter().any(|(other, _)| *other == name);
        let valid = |offer: bool| {
            params.iter().enumerate().all(|(i, (name, value))| {
                let new = params[..i].iter().all(|(other, _)| other != name);
                let fits = match *name {
                    "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
                    "client_max_window_bits" if offer && value.is_none() => true,
                    "server_max_window_bits" | "client_max_window_bits" => {
                        matches!(value, Some("8" | "9" | "10" | "12" | "15"))
                    }
                    _ => false,
                };
                new && fits
            })
        };
        match answer(deflate, &[&line]).expect("grammatical") {
            None => assert!(!valid(true) || bits("server_max_window_bits") == Some(Some(8)), "{line}"),
            Some(answer) => {
                accepted += 1;
                assert!(valid(true), "{line}");
                let says = |param: &str| answer.split("; ").find_map(|it| it.strip_prefix(param));
                let number = |param: &str| says(param).map(|n| n[1..].parse::<u8>().expect("a number"));
                let context = "server_no_context_takeover";
                assert!(!named(context) || says(context) == Some(""), "{line} {answer}");
                let window = "server_max_window_bits";
                if let Some(offered) = bits(window).flatten() {
                    assert!(number(window).is_some_and(|n| n <= offered), "{line} {answer}");
                }
                let window = "client_max_window_bits";
                assert!(named(window) || number(window).is_none(), "{line} {answer}");
                if let (Some(Some(offered)), Some(answered)) = (bits(window), number(window)) {
                    assert!(answered <= offered, "{line} {answer}");
                }
            }
        }
        match agreed(deflate, &[&line]) {
            Ok(_) => {
                agreed_on += 1;
                assert!(valid(false), "{line}");
            }
            Err(error) => assert_eq!(error, E::InvalidDeflate),
        }
        if !valid(true) && !valid(false) {
            assert_eq!(COUNTER.asked.load(Ordering::Relaxed), before, "no codec for a bad line: {line}");
        }
    }
    assert!(accepted > 100 && agreed_on > 50, "{accepted} {agreed_on}");
}

#[test]
fn the_events_of_a_peer_that_compresses_are_owned() {
    let [_, mut client] = connect(Some(Deflate::default()), Some(Deflate::default()));
    let mut bytes = Role::Client.frame(0xC1, HELLO);
    let event = client.recv(&mut Input::new(&mut bytes));
    assert!(matches!(event, Some(Event::Message(message)) if message.as_text() == Some("Hello")));
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
/// To a nonce of sevens.
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: CdXSYUsvsaMthlEXWDNURGWA/1o=\r\n";
const CONNECT: PseudoHeaders<'static> = PseudoHeaders {
    method: Some("CONNECT"),
    protocol: Some("websocket"),
    scheme: Some("https"),
    authority: Some("h"),
    path: Some("/"),
};
/// RFC 7692 §7.2.3.1
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
/// Longer than the threshold.
const LONG: &str =
    "a long message, a long message, a long message, a long message, a long message, a long message";
/// Tokens that are no window: CVE-2026-2229.
const BAD_BITS: [&str; 20] = [
    "0",
    "1",
    "7",
    "16",
    "99999999999",
    "-1",
    "08",
    "009",
    "0008",
    "1e1",
    "+9",
    "9.0",
    "0x9",
    "x",
    "15x",
    "\"7\"",
    "\"08\"",
    "256",
    "264",
    "340282366920938463463374607431768211465",
];
/// Not even grammatical.
const MALFORMED: [&str; 6] = ["", "\"\"", "\"9", "9 9", "\" 9\"", "9\""];
