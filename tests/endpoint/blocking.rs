//! A blocking client on sockets, with redirects, a proxy and one deadline, against peers of every manner; and a blocking
//! server for it.

use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use sansocket::handshake::{ClientRequest, Proxy, Redirects};
use sansocket::{
    Client, ClientEvent, CloseCode, Config, ConnectOptions, Event, Input, Server, ServerEvent, Step,
};

use super::client_words;

/// Runs a client to its end, and tells what happened. It says hello, and closes when it hears that again.
fn run(mut client: Client) -> io::Result<Vec<String>> {
    let (began, mut words) = (Instant::now(), Vec::new());
    let (mut stream, mut shut_down): (Option<TcpStream>, bool) = (None, false);
    let (mut buf, mut n) = ([0; 1024], 0);
    let left = |client: &Client| {
        let due = client.next_timeout()?;
        Some(due.saturating_sub(began.elapsed()).max(Duration::from_millis(1)))
    };
    loop {
        let mut input = Input::new(&mut buf[..n]);
        while let Some(event) = client.recv(&mut input) {
            words.push(client_words(&event));
            match event {
                ClientEvent::Opened(_) => client.connection().send_text("hello").map_err(io::Error::other)?,
                ClientEvent::Open(Event::Message(_)) => {
                    client.close(CloseCode::NORMAL, "").map_err(io::Error::other)?;
                }
                _ => {}
            }
        }
        n = 0;
        client.handle_timeout(began.elapsed());
        if client.has_last_words() {
            continue;
        }
        if let Step::Dial { host, port } = client.step() {
            let address = SocketAddr::new(host.parse().map_err(io::Error::other)?, port);
            let timeout = left(&client).unwrap_or(Duration::MAX);
            stream = Some(TcpStream::connect_timeout(&address, timeout)?); // ends the one before
            shut_down = false;
            client.connected();
        }
        let Some(stream) = &mut stream else {
            return if client.is_ended() { Ok(words) } else { Err(ErrorKind::NotConnected.into()) };
        };
        stream.set_write_timeout(left(&client))?;
        while client.wants_write() {
            match stream.write(client.output()) {
                Ok(n) => client.output_written(n),
                Err(error) if is_timeout(&error) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => client.recv_error(),
            }
        }
        if client.should_shutdown() && !shut_down {
            shut_down = true;
            let _ = stream.shutdown(Shutdown::Write);
        }
        if client.is_ended() {
            return Ok(words);
        }
        if client.wants_read() {
            stream.set_read_timeout(left(&client))?;
            match stream.read(&mut buf) {
                Ok(0) => client.recv_eof(),
                Ok(read) => n = read,
                Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => {}
                Err(_) => client.recv_error(),
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The same loop for a server, which echoes.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (began, mut server) = (Instant::now(), Server::new(Config::default()));
    let (mut buf, mut n, mut shut_down) = ([0; 1024], 0, false);
    loop {
        let mut input = Input::new(&mut buf[..n]);
        while let Some(event) = server.recv(&mut input) {
            match event {
                ServerEvent::Upgrade(request) => server.answer(request.accept()),
                ServerEvent::Open(Event::Message(message)) => {
                    server.connection().send(&message).map_err(io::Error::other)?;
                }
                _ => {}
            }
        }
        n = 0;
        server.handle_timeout(began.elapsed());
        while server.wants_write() {
            match stream.write(server.output()) {
                Ok(n) => server.output_written(n),
                Err(_) => server.recv_error(),
            }
        }
        if server.should_shutdown() && !shut_down {
            shut_down = true;
            let _ = stream.shutdown(Shutdown::Write);
        }
        if server.is_ended() {
            return Ok(());
        }
        match stream.read(&mut buf) {
            Ok(0) => server.recv_eof(),
            Ok(read) => n = read,
            Err(_) => server.recv_error(),
        }
    }
}

type Serve = Box<dyn FnOnce(TcpStream) -> io::Result<()> + Send>;

/// A peer that serves one connection in a thread of its own, and where it listens.
fn peer(serve: Serve) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("a bound address").port();
    thread::spawn(move || serve(listener.accept()?.0));
    port
}

fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Answers, and then waits for the client to end the connection.
fn answers(response: String) -> Serve {
    Box::new(move |mut stream| {
        head(&mut stream)?;
        stream.write_all(response.as_bytes())?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    })
}

fn redirects_to(port: u16) -> Serve {
    answers(format!("HTTP/1.1 307 There\r\nLocation: ws://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n"))
}

/// A proxy for one tunnel.
fn tunnels() -> Serve {
    Box::new(|mut client| {
        let head = head(&mut client)?;
        let target = head.split(' ').nth(1).ok_or(ErrorKind::InvalidData)?;
        let server = TcpStream::connect(target)?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        relays(client, server)
    })
}

/// The same by SOCKS5, for a client that has a password.
fn tunnels_by_socks5() -> Serve {
    Box::new(|mut client| {
        let mut expect = |expected: &[u8], answer: &[u8]| {
            let mut received = vec![0; expected.len()];
            client.read_exact(&mut received)?;
            assert_eq!(received, expected);
            client.write_all(answer)
        };
        expect(b"\x05\x02\0\x02", b"\x05\x02")?;
        expect(b"\x01\x02me\x06secret", b"\x01\0")?;
        expect(b"\x05\x01\0\x01\x7f\0\0\x01", b"")?;
        let mut port = [0; 2];
        client.read_exact(&mut port)?;
        let server = TcpStream::connect(("127.0.0.1", u16::from_be_bytes(port)))?;
        client.write_all(b"\x05\0\0\x01\x7f\0\0\x01\0\x50")?;
        relays(client, server)
    })
}

fn relays(mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

fn http_proxy(port: u16) -> Option<String> {
    Some(format!("http://127.0.0.1:{port}"))
}

fn client(port: u16, timeout: Duration, proxy: Option<String>) -> Client {
    let mut options =
        ConnectOptions::from(Config::default().handshake_timeout(timeout)).redirects(Redirects::new(2));
    if let Some(proxy) = proxy {
        options = options.proxy(Proxy::parse(&proxy).expect("a valid URL"));
    }
    let request = ClientRequest::new(&format!("ws://127.0.0.1:{port}/")).expect("a valid URL");
    Client::new(request, options, |bytes: &mut [u8]| bytes.fill(7))
}

const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_blocking_client_opens_directly_by_redirect_and_by_proxy() {
    let spoken = ["opened", "text hello", "close 1000"];
    let echoes = || peer(Box::new(echo));
    assert_eq!(run(client(echoes(), PATIENCE, None)).expect("no error"), spoken);
    let twice = peer(redirects_to(peer(redirects_to(echoes()))));
    assert_eq!(run(client(twice, PATIENCE, None)).expect("no error"), spoken);
    let tunnel = http_proxy(peer(tunnels()));
    assert_eq!(run(client(echoes(), PATIENCE, tunnel)).expect("no error"), spoken);
    let tunnel = Some(format!("socks5://me:secret@127.0.0.1:{}", peer(tunnels_by_socks5())));
    assert_eq!(run(client(echoes(), PATIENCE, tunnel)).expect("no error"), spoken);

    let forever = peer(redirects_to(peer(redirects_to(peer(redirects_to(1))))));
    assert_eq!(run(client(forever, PATIENCE, None)).expect("no error"), ["failed Redirect(TooMany)"]);
    let denied = peer(answers("HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n".into()));
    assert_eq!(run(client(1, PATIENCE, http_proxy(denied))).expect("no error"), ["proxy refused 407"]);
}

#[test]
fn one_deadline_holds_for_all_that_a_blocking_client_waits_for() {
    let silent = || peer(answers(String::new()));
    let stalled = peer(answers("HTTP/1.1 503 Later\r\nContent-Length: 9\r\n\r\nhalf".into()));
    let cases = [
        (client(silent(), SHORT, None), "failed TimedOut"),
        (client(peer(redirects_to(silent())), SHORT, None), "failed TimedOut"),
        (client(1, SHORT, http_proxy(silent())), "failed TimedOut"),
        (client(1, SHORT, Some(format!("socks5://127.0.0.1:{}", silent()))), "failed TimedOut"),
    ];
    // What has arrived is known.
    let arrived = (client(stalled, 10 * SHORT, None), "refused 503 half");
    for (client, expected) in cases.into_iter().chain([arrived]) {
        let began = Instant::now();
        assert_eq!(run(client).expect("no error"), [expected]);
        assert!(began.elapsed() >= SHORT && began.elapsed() < PATIENCE, "{expected}: {:?}", began.elapsed());
    }
}
