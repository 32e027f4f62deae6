//! The examples `client`, `mio_client` and `tap`, run as programs against peers on the loopback interface.

mod certificates;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use certificates::certificate;
use sansocket::deflate::Deflate;
use sansocket::net::{self, Accepting, Incoming, Tls, Transport, Upgrade, WebSocket};
use sansocket::rustls::server::WebPkiClientVerifier;
use sansocket::rustls::{RootCertStore, ServerConfig};
use sansocket::{CloseCode, Config, Event, Message};

/// An example, which `cargo test` has built beside the tests.
fn example(name: &str) -> Command {
    let mut path = env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.extend(["examples", name]);
    path.set_extension(env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{}: expected `cargo build --all-features --examples` before", path.display());
    let mut command = Command::new(path);
    for name in ["ws_proxy", "wss_proxy", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the client with this input until it ends.
fn client(url: &str, args: &[&str], input: &[u8]) -> Output {
    let mut child = example("client").args(args).arg(url).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A client that ends early leaves some of it.
    let writing = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writing.join();
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that does the same with every connection; its port.
fn serve(each: impl Fn(TcpStream) + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (each, stream) = (each.clone(), stream.unwrap());
            thread::spawn(move || each(stream));
        }
    });
    port
}

fn upgrade<S: Transport>(stream: S) -> Upgrade<S> {
    let config = Config::default().deflate(Some(Deflate::default()));
    match Accepting::new(stream, config).finish().unwrap() {
        Incoming::Upgrade(upgrade) => upgrade,
        Incoming::Http(_) => panic!("not a WebSocket"),
    }
}

fn echo(mut ws: WebSocket<impl Transport>) {
    while let Ok(Some(mut batch)) = ws.read() {
        while let Some(event) = batch.recv() {
            if let Event::Message(message) = event {
                let _ = batch.feed(&message);
            }
        }
    }
}

fn echo_server() -> String {
    format!("ws://127.0.0.1:{}/", serve(|stream| echo(upgrade(stream).accept().unwrap())))
}

#[test]
fn help_and_wrong_command_lines() {
    for name in ["client", "mio_client", "tap"] {
        let help = example(name).arg("--help").output().unwrap();
        assert!(help.status.success());
        assert!(String::from_utf8_lossy(&help.stdout).starts_with(&format!("usage: {name} ")));
        let wrong: &[&[&str]] = match name {
            "client" => &[
                &[],
                &["http://a/"],
                &["ws://a/", "--wait", "x"],
                &["ws://a/", "--cert", "a"],
                &["ws://a/", "ws://b/"],
            ],
            "mio_client" => &[&[], &["http://a/"], &["ws://a/", "--messages", "0"], &["ws://a/", "ws://b/"]],
            _ => &[&[], &["nowhere"], &["a:1", "--from", "me"], &["a:1", "--drop"], &["a:1", "b:1"]],
        };
        for args in wrong {
            let output = example(name).args(*args).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{name} {args:?}");
            assert!(stderr(&output).ends_with("; see --help\n"), "{name} {args:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn lines_from_a_pipe_are_echoed_without_loss() {
    let url = echo_server();
    let lines: String = (0..20_000).map(|n| format!("line {n} é\n")).collect();
    let output = client(&url, &[], lines.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout == lines.as_bytes(), "{} of {} bytes", output.stdout.len(), lines.len());
    let output = client(&url, &["--deflate"], b"with CR\r\n\nno end");
    assert_eq!(output.stdout, b"with CR\n\nno end\n");
}

#[test]
fn binary_input_is_echoed_as_it_is() {
    let input: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let output = client(&echo_server(), &["--binary"], &input);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout == input, "{} of {} bytes", output.stdout.len(), input.len());
}

#[test]
fn input_that_is_no_text_is_an_error_behind_what_was_text() {
    let output = client(&echo_server(), &[], b"good\n\xff\nlost\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"good\n");
    assert!(stderr(&output).contains("standard input: line 2 is not UTF-8"), "{}", stderr(&output));
}

#[test]
fn what_arrives_after_the_end_of_the_input_is_waited_for() {
    let port = serve(|stream| {
        let mut ws = upgrade(stream).accept().unwrap();
        ws.recv().unwrap();
        thread::sleep(Duration::from_millis(300));
        let _ = ws.send_text("late");
        let _ = ws.close(CloseCode::NORMAL, "that is all");
        let _ = ws.finish();
    });
    let output = client(&format!("ws://127.0.0.1:{port}/"), &["--wait", "20"], b"x\n");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"late\n"[..]));
    assert!(stderr(&output).ends_with("closed: 1000 (normal closure) that is all\n"), "{}", stderr(&output));
}

#[test]
fn exit_codes() {
    // No service listens there; a free port may be that of another test a moment later.
    let closed = 1;
    let gone = serve(|stream| drop(upgrade(stream).accept()));
    let policy = serve(|stream| {
        let mut ws = upgrade(stream).accept().unwrap();
        let _ = ws.close(CloseCode::POLICY_VIOLATION, "go away");
        let _ = ws.finish();
    });
    let broken = serve(|stream| {
        let (mut stream, ..) = upgrade(stream).accept().unwrap().into_parts();
        let _ = stream.write_all(b"\x83\x00");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let cases = [
        (closed, 1, "connecting to 127.0.0.1:"),
        (gone, 3, "closed: 1006 (no closing handshake): "),
        (broken, 3, "closed: 1006 (no closing handshake): "),
        (policy, 4, "closed: 1008 (policy violation) go away"),
    ];
    for (port, code, message) in cases {
        let output = client(&format!("ws://127.0.0.1:{port}/"), &["--wait", "20"], b"");
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
}

#[test]
fn the_handshake_is_as_the_options_say() {
    let server = serve(|stream| {
        let mut upgrade = upgrade(stream);
        upgrade.request.choose_supported(&["v1"]);
        let header = |name| upgrade.request.header(name).unwrap_or_default().escape_ascii().to_string();
        let said =
            format!("{} {} {}", upgrade.request.host(), header("X-A"), header("Sec-WebSocket-Extensions"));
        let mut ws = upgrade.accept().unwrap();
        let _ = ws.send_text(&said);
        let _ = ws.finish();
    });
    let redirect = serve(move |mut stream| {
        let _ = stream.read(&mut [0; 2000]);
        let answer =
            format!("HTTP/1.1 302 \r\nLocation: ws://127.0.0.1:{server}/\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.read(&mut [0; 1]);
    });
    let url = format!("ws://127.0.0.1:{redirect}/");
    let args =
        ["-p", "v2", "-p", "v1", "-H", "X-A: b c", "--host", "a.example", "--deflate", "--redirects", "1"];
    let output = client(&url, &args, b"");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(" b c permessage-deflate"), "{said} {}", stderr(&output));
    assert!(stderr(&output).contains("connected, subprotocol v1\n"));
    let output = client(&url, &[], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("302"), "{}", stderr(&output));

    // The proxy of the environment, what is excepted from it, and one that is named.
    let proxied = |args: &[&str], no_proxy: &str| {
        let mut command = example("client");
        command.env("http_proxy", format!("127.0.0.1:{redirect}")).env("no_proxy", no_proxy);
        command.args(args).arg(format!("ws://127.0.0.1:{server}/")).stdin(Stdio::null()).output().unwrap()
    };
    assert!(stderr(&proxied(&[], "")).contains("the proxy answered 302"));
    assert_eq!(proxied(&[], "127.0.0.0/8").status.code(), Some(0));
    let named = format!("socks5://127.0.0.1:{redirect}");
    assert!(stderr(&proxied(&["--proxy", &named], "*")).contains("the proxy 127.0.0.1"));
}

#[test]
fn the_trace_shows_every_frame_of_both_directions() {
    let url = echo_server();
    let output = client(
        &url,
        &["--verbose", "--deflate"],
        [b"Hello\n", &b"x".repeat(2000)[..], b"\n"].concat().as_slice(),
    );
    let trace = stderr(&output);
    for expected in [
        "address 127.0.0.1:",
        "< Sec-WebSocket-Extensions: permessage-deflate",
        " > Text, 5 bytes, mask ",
        ": Hello\n",
        " < Text, 5 bytes: Hello\n",
        "message of 2000 bytes to send\n",
        " compressed bytes, mask ",
        "message of 2000 bytes received\n",
        " > Close, 2 bytes, mask ",
        " < Close, 2 bytes: 1000 (normal closure)",
    ] {
        assert!(trace.contains(expected), "{expected} is missing: {trace}");
    }
    let quiet = stderr(&client(&url, &[], b"Hello\n"));
    assert_eq!(quiet, "connected\nclosed: 1000 (normal closure)\n");
}

#[test]
fn pings_are_sent_to_a_silent_server() {
    let port = serve(|stream| {
        let mut ws = upgrade(stream).accept().unwrap();
        while let Ok(Some(event)) = ws.recv().map(|event| event.map(Event::into_owned)) {
            if let Event::Ping(_) = event {
                let _ = ws.close(CloseCode::NORMAL, "pinged");
            }
        }
    });
    let output = client(&format!("ws://127.0.0.1:{port}/"), &["--ping", "0.1", "--wait", "20"], b"");
    assert!(stderr(&output).contains("pinged"), "{}", stderr(&output));
}

#[test]
fn it_connects_again_if_that_is_of_use() {
    let restarts: [fn(WebSocket<TcpStream>); 2] = [drop, |mut ws| {
        ws.close(CloseCode::GOING_AWAY, "").unwrap();
        ws.finish().unwrap();
    }];
    for restart in restarts {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            restart(upgrade(listener.accept().unwrap().0).accept().unwrap());
            let mut ws = upgrade(listener.accept().unwrap().0).accept().unwrap();
            ws.send_text("again").unwrap();
            ws.close(CloseCode::NORMAL, "").unwrap();
            ws.finish().unwrap();
        });
        let output = client(&url, &["--reconnect", "--wait", "60"], b"");
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"again\n"[..]));
        serving.join().unwrap();
        assert!(stderr(&output).contains("connecting again in "), "{}", stderr(&output));
    }
    // A refusal that will not pass.
    let refusing = serve(|stream| {
        let _ = upgrade(stream).reject(&sansocket::handshake::Response::new(403).unwrap());
    });
    let output = client(&format!("ws://127.0.0.1:{refusing}/"), &["--reconnect"], b"");
    assert_eq!(output.status.code(), Some(1));
}

/// The file with the certificate for `localhost` and its key.
fn pem() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificates/localhost.pem")
}

#[test]
fn tls_with_an_authority_and_a_client_certificate_of_ones_own() {
    let (authority, key) = certificate("localhost");
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![authority], key)
        .unwrap();
    let config = Arc::new(config);
    let port = serve(move |stream| {
        // A client without a certificate, or that does not trust this one, hangs up.
        let stream = Tls::server(Arc::clone(&config), stream).unwrap();
        if let Ok(ws) = net::accept(stream) {
            echo(ws);
        }
    });
    let (url, pem) = (format!("wss://localhost:{port}/"), pem());
    let pem = pem.to_str().unwrap();
    let output = client(&url, &["--ca", pem, "--cert", pem, "-v"], b"Hello\n");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"Hello\n"[..]), "{}", stderr(&output));
    assert!(stderr(&output).contains("TLSv1_3, TLS13_"), "{}", stderr(&output));
    for args in [&["--ca", pem][..], &[]] {
        let output = client(&url, args, b"Hello\n");
        assert_ne!(output.status.code(), Some(0), "{args:?}");
    }
}

/// The loop of one's own over TLS and without: what is sent is echoed, large messages too, and a connection that is lost, at first
/// in the midst of its handshake, is made again.
#[test]
fn a_loop_of_ones_own_is_a_client_over_tls_too() {
    let (authority, key) = certificate("localhost");
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![authority], key).unwrap();
    let config = Arc::new(config);
    let pem = pem();
    let large = "large ".repeat(20_000);
    let args = ["--send", "Hello", "--send", &large, "--messages", "2", "--ca", pem.to_str().unwrap()];
    for (scheme, config) in [("ws", None), ("wss", Some(config))] {
        let served = Arc::new(AtomicUsize::new(0));
        let (ended, ends) = channel();
        let port = serve(move |mut stream| {
            let code = match (served.fetch_add(1, Ordering::SeqCst), &config) {
                // The first one is cut off.
                (0, _) => return drop(stream.read(&mut [0; 10])),
                (_, None) => echo_to_the_end(net::accept(stream).unwrap()),
                (_, Some(config)) => {
                    // A client that does not trust it hangs up.
                    let tls = Tls::server(Arc::clone(config), stream).unwrap();
                    let Ok(ws) = net::accept(tls) else { return };
                    echo_to_the_end(ws)
                }
            };
            ended.send(code).unwrap();
        });
        let output =
            example("mio_client").args(args).arg(format!("{scheme}://localhost:{port}/")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(output.stdout, format!("Hello\n{large}\n").as_bytes(), "{scheme}");
        assert!(stderr(&output).contains("trying again in "), "{}", stderr(&output));
        // Closed as it should be, with close_notify over TLS: otherwise the end is an error.
        assert_eq!(ends.recv().unwrap(), Some(1000), "{scheme}");
        if scheme == "wss" {
            let mut child = example("mio_client").arg(format!("wss://localhost:{port}/")).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(line.starts_with("invalid peer certificate"), "{line}");
        }
    }
}

/// Echoes; the code of the Close, and no error until the end.
fn echo_to_the_end(mut ws: WebSocket<impl Transport>) -> Option<u16> {
    let mut code = None;
    while let Some(mut batch) = ws.read().unwrap() {
        while let Some(event) = batch.recv() {
            match event {
                Event::Message(message) => batch.feed(&message).unwrap(),
                event => code = code.or(event.close_code()),
            }
        }
    }
    code
}

/// A tap in front of a server, ended with the test.
struct Tap {
    child: Child,
    url: String,
    lines: Receiver<String>,
}

impl Tap {
    fn start(server: u16, args: &[&str]) -> Self {
        let mut command = example("tap");
        command.args(["--listen", "127.0.0.1:0"]).args(args).arg(format!("127.0.0.1:{server}"));
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let first = lines.recv().unwrap();
        let url = first.split(' ').next().unwrap().to_owned();
        Self { child, url, lines }
    }

    /// What it shows until both directions of so many connections have ended.
    fn shown(&self, connections: usize) -> String {
        let mut shown = String::new();
        while shown.matches("> end\n").count() + shown.matches("< end\n").count() < 2 * connections {
            match self.lines.recv_timeout(Duration::from_secs(20)) {
                Ok(line) => shown += &(line + "\n"),
                Err(_) => panic!("the end is missing: {shown}"),
            }
        }
        shown
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn echo_port() -> u16 {
    serve(|stream| echo(upgrade(stream).accept().unwrap()))
}

#[test]
fn a_tap_shows_all_and_changes_nothing() {
    let tap = Tap::start(echo_port(), &[]);
    let mut ws = net::connect(&tap.url).unwrap();
    for message in [Message::from("Hello"), Message::from(vec![7; 300_000])] {
        ws.send(&message).unwrap();
        assert_eq!(ws.recv().unwrap(), Some(Event::Message(message)));
    }
    ws.close(CloseCode::GOING_AWAY, "bye").unwrap();
    assert!(matches!(ws.recv().unwrap(), Some(Event::Close(_))));
    assert_eq!(ws.recv().unwrap(), None);
    let shown = tap.shown(1);
    for expected in [
        "1> GET /, Host: 127.0.0.1:",
        "1> Sec-WebSocket-Key: ",
        "1< HTTP/1.1 101 ",
        "1< Sec-WebSocket-Accept: ",
        "1> Text, 5 bytes, mask ",
        "1< Text, 5 bytes: Hello",
        "1> Binary, 300000 bytes, mask ",
        "1< Binary, 300000 bytes: ",
        ": 1001 (going away) bye",
        "1< Close, 2 bytes: 1001 (going away)\n",
        "1> end",
        "1< end",
    ] {
        assert!(shown.contains(expected), "{expected} is missing: {shown}");
    }
}

#[test]
fn a_tap_passes_on_what_it_does_not_understand() {
    let odd = serve(|mut stream| {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes.reverse();
        stream.write_all(&bytes).unwrap();
    });
    // No HTTP; a page; and frames that break a rule, here a reserved opcode.
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let broken = [request.as_bytes(), b"\x81\x80\0\0\0\0\x83\xffx"].concat();
    let tap = Tap::start(odd, &[]);
    for sent in
        [&b"\xff\0\r\n\r\nx"[..], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", &broken]
    {
        let mut stream =
            TcpStream::connect(tap.url.strip_prefix("ws://").unwrap().trim_end_matches('/')).unwrap();
        // Cut, so that the header of the bad frame is.
        let (first, last) = sent.split_at(sent.len() - 2);
        stream.write_all(first).unwrap();
        thread::sleep(Duration::from_millis(50));
        stream.write_all(last).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received.reverse();
        assert_eq!(received.escape_ascii().to_string(), sent.escape_ascii().to_string());
    }
    let shown = tap.shown(3);
    for expected in
        ["1> broken: ", "2> POST /: no WebSocket", "3> Text, 0 bytes, mask 00000000", "3> broken: "]
    {
        assert!(shown.contains(expected), "{expected} is missing: {shown}");
    }
}

/// Wherever a request wants to go, it goes to the one server, as it is; nobody else is called.
#[test]
fn next_js_ssrf_a_tap_has_one_target() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let other = elsewhere.local_addr().unwrap();
    let (asked, requests) = channel();
    let tap = Tap::start(
        serve(move |mut stream| {
            let mut head = Vec::new();
            stream.read_to_end(&mut head).unwrap();
            asked.send(String::from_utf8(head).unwrap()).unwrap();
        }),
        &[],
    );
    let own = tap.url.strip_prefix("ws://").unwrap().trim_end_matches('/').to_owned();
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let lines = [
        (format!("GET http://{other}/latest"), own.clone()),
        (format!("GET ws://{other}/latest"), own.clone()),
        (format!("GET //{other}/latest"), own.clone()),
        (format!("GET http://{own}/"), other.to_string()),
        ("GET /latest".to_owned(), other.to_string()),
        (format!("CONNECT {other}"), other.to_string()),
        (format!("POST http://{other}/"), other.to_string()),
    ];
    let mut count = 0;
    for (line, host) in &lines {
        for upgrade in [upgrade, ""] {
            let head =
                format!("{line} HTTP/1.1\r\nHost: {host}\r\n{upgrade}X-Forwarded-Host: {other}\r\n\r\n");
            let mut stream = TcpStream::connect(&own).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(requests.recv_timeout(Duration::from_secs(20)).unwrap(), head);
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{head}");
            count += 1;
        }
    }
    // All its connections are over.
    tap.shown(count);
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_tap_drops_corrupts_delays_and_cuts() {
    let received = |args: &[&str]| {
        let tap = Tap::start(echo_port(), args);
        let mut ws = net::connect(&tap.url).unwrap();
        let began = std::time::Instant::now();
        for text in ["a", "b", "c", "end"] {
            let _ = ws.send_text(text);
        }
        let _ = ws.close(CloseCode::NORMAL, "");
        let (mut texts, mut closed) = (Vec::new(), false);
        // An error is the connection's end, too.
        while let Ok(Some(event)) = ws.recv() {
            match event {
                Event::Message(message) => texts.push(message.as_text().unwrap().to_owned()),
                event => closed |= matches!(event, Event::Close(_)),
            }
        }
        let took = began.elapsed();
        drop(ws);
        (texts.join(","), closed, took, tap.shown(1))
    };
    let (texts, closed, _, shown) = received(&["--drop", "2", "--from", "client"]);
    assert_eq!((&*texts, closed, shown.matches("> dropped").count()), ("a,c", true, 2), "{shown}");
    let (texts, closed, _, shown) = received(&["--corrupt", "2", "--from", "server"]);
    assert_eq!((&*texts, closed, shown.matches("< corrupted").count()), ("a,c,c,ene", true, 2), "{shown}");
    let (texts, closed, took, _) = received(&["--delay", "100", "--from", "server"]);
    assert_eq!((&*texts, closed), ("a,b,c,end", true));
    assert!(took >= Duration::from_millis(490), "{took:?}");
    let (texts, closed, _, shown) = received(&["--cut", "3", "--from", "server"]);
    assert_eq!((&*texts, closed), ("a,b", false), "{shown}");
    assert!(shown.contains("1< cut\n"), "{shown}");
}
