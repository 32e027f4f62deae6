//! The tokio adapter: cancel safety, backpressure, how connections end.
#![cfg(feature = "tokio")]

mod support;

use std::io::ErrorKind;
use std::time::Duration;

use sansocket::handshake::{ClientRequest, HandshakeError, Response};
use sansocket::tokio::{Accepting, Connecting, Error, Incoming, WebSocket, accept, connect};
use sansocket::{CloseCode, Config, Connection, Event, Message, ProtocolError, State};
use support::{Chance, Chunky, pair, pair_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};

/// Both ends send and receive at the same time, and drop every future again and again.
#[tokio::test]
async fn dropped_futures_lose_repeat_and_reorder_nothing() {
    for seed in 0..60 {
        exchange(seed).await;
    }
}

async fn exchange(seed: u64) {
    // At most how many bytes the streams take or give at a time, and how large messages are.
    let (max, largest) =
        [(1, 300), (7, 2_000), (300, 20_000), (5_000, 70_000), (100_000, 70_000)][seed as usize % 5];
    let (server, client) = duplex(1 + Chance::new(seed).below(2 * max));
    let mut accepting = Accepting::new(Chunky::new(server, seed, max), Config::default());
    let request = ClientRequest::new("ws://test/").unwrap();
    let mut connecting = Connecting::new(Chunky::new(client, seed + 1000, max), request, Config::default());
    let server = async {
        let mut chance = Chance::new(seed + 2000);
        let Incoming::Upgrade(upgrade) = insist!(chance, accepting.advance()).unwrap() else { panic!() };
        converse(upgrade.accept().await.unwrap(), seed, largest).await;
    };
    let client = async {
        let mut chance = Chance::new(seed + 3000);
        let (ws, _) = insist!(chance, connecting.advance()).unwrap();
        converse(ws, seed, largest).await;
    };
    tokio::join!(server, client);
}

/// The client sends what the server sends; each knows what to expect. One after the other, as `select!` would, each method is
/// started and dropped.
async fn converse<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    mut ws: WebSocket<S>,
    seed: u64,
    largest: usize,
) {
    const MESSAGES: usize = 40;
    let mut chance = Chance::new(seed + 4000 + u64::from(format!("{:?}", ws.connection()).contains("Masks")));
    let (mut sent, mut received) = (0, 0);
    let (mut sending, mut receiving) = (Chance::new(seed), Chance::new(seed));
    let mut message = sending.message(0, largest);
    loop {
        let polls = 1 + chance.below(3);
        match chance.below(5) {
            0 | 1 if sent < MESSAGES => {
                let future = Box::pin(ws.send(&message));
                if let Some(result) = (support::AtMost { polls, future }).await {
                    result.unwrap();
                    sent += 1;
                    message = sending.message(sent, largest);
                }
            }
            2 if sent < MESSAGES => match chance.below(3) {
                0 => {
                    let future = Box::pin(ws.ping(b"?"));
                    let _ = (support::AtMost { polls, future }).await;
                }
                // It may be that both are waiting for the other to read: this is not the time to insist.
                1 => {
                    let future = Box::pin(ws.flush());
                    let _ = (support::AtMost { polls, future }).await;
                }
                _ => {
                    ws.feed(&message).unwrap();
                    sent += 1;
                    message = sending.message(sent, largest);
                }
            },
            3 => {
                let future = Box::pin(async { ws.recv().await.map(|event| event.map(Event::into_owned)) });
                let result = (support::AtMost { polls, future }).await;
                if let Some(Event::Message(message)) = result.and_then(Result::unwrap) {
                    assert_eq!(message, receiving.message(received, largest), "seed {seed}");
                    received += 1;
                }
            }
            _ => {
                let future = Box::pin(async {
                    let mut batch = ws.read().await.unwrap().unwrap();
                    let few = chance.below(5);
                    let mut messages = Vec::new();
                    for _ in 0..few {
                        match batch.recv() {
                            Some(Event::Message(message)) => messages.push(message.into_owned()),
                            Some(_) => {}
                            None => break,
                        }
                    }
                    messages
                });
                for message in (support::AtMost { polls, future }).await.unwrap_or_default() {
                    assert_eq!(message, receiving.message(received, largest), "seed {seed}");
                    received += 1;
                }
            }
        }
        if sent == MESSAGES && received == MESSAGES {
            break;
        }
        tokio::task::yield_now().await;
    }
    insist!(chance, ws.close(CloseCode::NORMAL, "")).unwrap();
    insist!(chance, ws.finish()).unwrap();
    assert_eq!(ws.connection().state(), State::Ended);
}

#[tokio::test]
async fn over_tcp_with_every_way_to_send() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut ws = accept(listener.accept().await.unwrap().0).await.unwrap();
        while let Some(mut batch) = ws.read().await.unwrap() {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.feed(&message).unwrap();
                }
            }
        }
    });
    let mut ws = connect(&*url).await.unwrap();
    let big = vec![7; 3_000_000];
    ws.send_text("Hello").await.unwrap();
    ws.send_binary(&big).await.unwrap();
    ws.send_fragment(&Message::from("a"), false).await.unwrap();
    ws.ping(b"between").await.unwrap();
    ws.send_fragment(&Message::from("b"), true).await.unwrap();
    let mut got = Vec::new();
    while got.len() < 3 {
        match ws.recv().await.unwrap().unwrap() {
            Event::Message(message) => got.push(message.into_owned()),
            Event::Pong(payload) => assert_eq!(&*payload, b"between"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got, [Message::from("Hello"), Message::from(big), Message::from("ab")]);
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    ws.finish().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn send_waits_at_the_high_water_mark() {
    let (mut server, mut client) = pair(Config::default().high_water(100_000)).await;
    let message = Message::from(vec![1; 10_000]);
    let mut sent = 0;
    while (support::AtMost { polls: 2, future: Box::pin(server.send(&message)) }).await.is_some() {
        sent += 1;
        assert!(sent < 100, "nobody reads, and it does not wait");
    }
    assert!(server.connection().output().len() <= 110_100);
    let ((), flushed) = tokio::join!(
        async {
            for _ in 0..sent {
                assert_eq!(client.recv().await.unwrap(), Some(Event::Message(message.clone())));
            }
        },
        server.flush()
    );
    flushed.unwrap();
    assert!(!server.connection().wants_write());
}

#[tokio::test(start_paused = true)]
async fn keepalive_pings_and_gives_up() {
    let config =
        Config::default().ping_interval(Some(Duration::from_secs(30))).pong_timeout(Duration::from_secs(10));
    let (mut server, mut client) = pair(config).await;
    let began = tokio::time::Instant::now();
    // The client answers for a while.
    let answering = tokio::time::timeout(Duration::from_secs(100), async {
        loop {
            client.recv().await.unwrap();
        }
    });
    let serving = tokio::time::timeout(Duration::from_secs(100), async {
        let mut pongs = 0;
        while pongs < 3 {
            pongs += usize::from(matches!(server.recv().await.unwrap(), Some(Event::Pong(_))));
        }
        pongs
    });
    let (_, pongs) = tokio::join!(answering, serving);
    assert_eq!(pongs, Ok(3));
    // Now it does not.
    let event = server.recv().await.unwrap();
    assert_eq!(event, Some(Event::Failed(ProtocolError::PongTimeout)));
    let after = began.elapsed().as_secs();
    assert!((129..=141).contains(&after), "{after}");
    assert_eq!(server.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_and_closing_has_a_deadline() {
    let config =
        Config::default().idle_timeout(Some(Duration::from_secs(60))).close_timeout(Duration::from_secs(5));
    let (mut server, client) = pair(config).await;
    let began = tokio::time::Instant::now();
    // The client is there but does nothing.
    let event = server.recv().await.unwrap();
    assert_eq!(event, Some(Event::Failed(ProtocolError::CloseTimeout)));
    assert_eq!(began.elapsed().as_secs(), 65);
    assert_eq!(server.recv().await.unwrap(), None);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn close_ends_when_the_peer_does_not() {
    let (mut server, _client) = pair(Config::default().close_timeout(Duration::from_secs(5))).await;
    let began = tokio::time::Instant::now();
    server.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 0);
    let error = server.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 5);
}

/// The peer has ended its own side and reads nothing: what is left for it is given up.
#[tokio::test(start_paused = true)]
async fn output_for_a_half_closed_peer_has_a_deadline() {
    let (mut server, client) = pair(Config::default().close_timeout(Duration::from_secs(5))).await;
    server.feed(&Message::from(vec![0; 60_000])).unwrap();
    let (mut stream, _, _) = client.into_parts();
    stream.shutdown().await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(server.recv().await.unwrap(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
    assert_eq!(server.recv().await.unwrap(), None);
    assert_eq!(began.elapsed().as_secs(), 5);
}

/// A peer that has ended its side sees the end of ours while the WebSocket is still there.
#[tokio::test]
async fn a_peer_that_ends_sees_our_end() {
    let (mut server, client) = pair(Config::default()).await;
    let (mut stream, ..) = client.into_parts();
    stream.shutdown().await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Event::Failed(ProtocolError::UnexpectedEof)));
    assert_eq!(end_of(&mut stream).await, b"");
    assert_eq!(server.recv().await.unwrap(), None);

    // A client, after a closing handshake in which "the underlying TCP connection, in most normal cases, SHOULD be
    // closed first by the server" (§7.1.1).
    let (server, mut client) = pair(Config::default()).await;
    let (mut stream, ..) = server.into_parts();
    stream.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(matches!(client.recv().await.unwrap(), Some(Event::Close(_))));
    assert_eq!(client.recv().await.unwrap(), None);
    assert_eq!(end_of(&mut stream).await.len(), 8);
}

/// What comes before the end of the stream, which has to come.
async fn end_of(stream: &mut tokio::io::DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    read.expect("no end").unwrap();
    bytes
}

#[tokio::test]
async fn a_half_closed_peer_gets_its_answers() {
    let (mut server, mut client) = pair(Config::default()).await;
    client.feed(&Message::from("last")).unwrap();
    client.flush().await.unwrap();
    let (mut stream, mut connection, _) = client.into_parts();
    stream.shutdown().await.unwrap();
    while let Some(event) = server.recv().await.unwrap() {
        match event.into_owned() {
            Event::Message(message) => server.feed(&message).unwrap(),
            Event::Failed(error) => assert_eq!(error, ProtocolError::UnexpectedEof),
            other => panic!("{other:?}"),
        }
    }
    drop(server);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let event = connection.recv(&mut sansocket::Input::new(&mut bytes));
    assert_eq!(event, Some(Event::Message(Message::from("last"))));
}

#[tokio::test]
async fn a_failure_is_told_to_the_peer() {
    let (mut server, client) = pair(Config::default()).await;
    let (mut stream, _, _) = client.into_parts();
    stream.write_all(b"\xC1\x80 and so on").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(Event::Failed(ProtocolError::ReservedBits)));
    // The Close is out already, and then the stream ends.
    let mut close = [0; 4];
    stream.read_exact(&mut close).await.unwrap();
    assert_eq!((close[0], &close[2..]), (0x88, &1002_u16.to_be_bytes()[..]));
    let (rest, over) = tokio::join!(
        async {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            drop(stream);
        },
        server.recv()
    );
    let () = rest;
    assert_eq!(over.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn handshakes_have_a_deadline() {
    let config = Config::default().handshake_timeout(Duration::from_secs(3));
    let (server, _client) = duplex(1000);
    let began = tokio::time::Instant::now();
    let Err(Error::Io(error)) = Accepting::new(server, config).advance().await else { panic!() };
    assert_eq!((error.kind(), began.elapsed().as_secs()), (ErrorKind::TimedOut, 3));
    let (_server, client) = duplex(1000);
    let request = ClientRequest::new("ws://test/").unwrap();
    let Err(Error::Io(error)) = Connecting::new(client, request, config).advance().await else { panic!() };
    assert_eq!((error.kind(), began.elapsed().as_secs()), (ErrorKind::TimedOut, 6));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_too_slowly_is_told_so() {
    let config =
        Config::default().handshake_timeout(Duration::from_secs(3)).close_timeout(Duration::from_secs(2));
    for closes in [true, false] {
        let (server, mut client) = duplex(1000);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await.unwrap();
        let began = tokio::time::Instant::now();
        let mut accepting = Accepting::new(server, config);
        let serving = async {
            // Dropped while it reads, and while it waits for the client to close: nothing is lost.
            for seconds in [1, 3] {
                let early = tokio::time::timeout(Duration::from_secs(seconds), accepting.advance()).await;
                if let Ok(result) = early {
                    return result;
                }
            }
            accepting.advance().await
        };
        let (result, client) = tokio::join!(serving, async {
            let answer = String::from_utf8(end_of(&mut client).await).unwrap();
            assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
            (!closes).then_some(client)
        });
        assert!(matches!(result, Err(Error::Handshake(HandshakeError::TimedOut))), "{result:?}");
        // One that does not close is left after a while.
        assert_eq!(began.elapsed().as_secs(), if closes { 3 } else { 5 });
        drop(client);
    }
}

#[tokio::test]
async fn requests_are_refused_rejected_and_served() {
    let (server, mut client) = duplex(10_000);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let (result, _) = tokio::join!(accept(server), async {
        client.read_to_string(&mut answer).await.unwrap();
        drop(client);
    });
    assert!(matches!(result, Err(Error::Handshake(HandshakeError::MissingConnectionUpgrade))), "{result:?}");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");

    let (server, mut client) = duplex(10_000);
    client.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let Incoming::Http(http) = Accepting::new(server, Config::default()).advance().await.unwrap() else {
        panic!()
    };
    assert_eq!(http.request.target(), "/page");
    let mut answer = String::new();
    let response = Response::new(200).unwrap().body("page");
    let (result, _) = tokio::join!(http.respond(&response), async {
        client.read_to_string(&mut answer).await.unwrap();
        drop(client);
    });
    result.unwrap();
    assert!(answer.ends_with("\r\n\r\npage"), "{answer}");

    let (server, client) = duplex(10_000);
    let request = ClientRequest::new("ws://test/").unwrap();
    let mut connecting = Connecting::new(client, request, Config::default());
    let server = async {
        let Incoming::Upgrade(upgrade) = Accepting::new(server, Config::default()).advance().await.unwrap()
        else {
            panic!()
        };
        upgrade.reject(&Response::new(403).unwrap()).await.unwrap();
    };
    let client = async move { connecting.advance().await };
    let (_, result) = tokio::join!(server, client);
    let Err(Error::Refused(refused)) = result else { panic!() };
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn a_slow_stream_is_still_a_stream() {
    let (server, client) = duplex(64);
    let (mut server, mut client) =
        pair_over(Chunky::new(server, 1, 50), Chunky::new(client, 2, 50), Config::default()).await;
    let big = vec![5; 200_000];
    let (sent, event) = tokio::join!(
        async {
            server.send_binary(&big).await?;
            server.flush().await
        },
        client.recv()
    );
    sent.unwrap();
    assert_eq!(event.unwrap(), Some(Event::Message(Message::from(&big[..]))));
}

async fn _spawnable(stream: TcpStream) {
    tokio::spawn(async move {
        let mut ws = accept(stream).await?;
        ws.send_text("x").await?;
        ws.recv().await?;
        while let Some(mut batch) = ws.read().await? {
            while let Some(event) = batch.recv() {
                if let Event::Message(message) = event {
                    batch.send(&message).await?;
                }
            }
        }
        ws.close(CloseCode::NORMAL, "").await?;
        ws.finish().await?;
        Ok::<(), Error>(())
    });
}

/// A deadline that begins to close, while a send waits for room that will not come any more.
#[tokio::test]
async fn a_deadline_that_closes_ends_the_wait_for_room() {
    let config = Config::default()
        .high_water(1000)
        .idle_timeout(Some(Duration::from_millis(50)))
        .close_timeout(Duration::from_secs(60))
        .write_timeout(None);
    let (server, client) = duplex(100);
    let (mut server, _client) = pair_over(server, client, config).await;
    while server.connection().output_len() <= 2000 {
        server.feed(&vec![7; 200].into()).unwrap();
    }
    let sent =
        tokio::time::timeout(Duration::from_secs(10), server.send_text("waits")).await.expect("it waits");
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::NotConnected);
}

/// A peer that reads nothing is not read from; but what it sends in time counts.
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_alive_while_it_sends() {
    let config = Config::default()
        .ping_interval(Some(Duration::from_millis(300)))
        .pong_timeout(Duration::from_secs(2))
        .write_timeout(None);
    let (server, mut peer) = duplex(1000);
    let mut server = WebSocket::from_parts(server, Connection::server(config), vec![]);
    server.feed(&vec![7; 1 << 20].into()).unwrap();
    let sending = async {
        for _ in 0..100 {
            peer.write_all(b"\x89\x80\0\0\0\0").await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let receiving = async {
        let mut pings = 0;
        while let Some(event) = server.recv().await.unwrap() {
            match event {
                Event::Ping(_) => pings += 1,
                Event::Pong(_) => {}
                event => panic!("{event:?} after {pings} pings"),
            }
            if pings == 50 {
                break;
            }
        }
    };
    tokio::join!(sending, receiving);
}

/// Such as the address of the client.
#[tokio::test]
async fn a_server_sees_the_stream_before_it_decides() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for headers in ["", upgrade] {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (seen, is_upgrade) = match Accepting::new(stream, Config::default()).advance().await.unwrap() {
            Incoming::Upgrade(upgrade) => (upgrade.stream().peer_addr(), true),
            Incoming::Http(http) => (http.stream().peer_addr(), false),
        };
        assert_eq!((seen.unwrap(), is_upgrade), (peer, !headers.is_empty()));
    }
}
