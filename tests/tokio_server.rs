//! The server kit of the tokio adapter, over sockets: limits, groups, slow members, the end.
#![cfg(feature = "_tests")]

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sansocket::tokio::server::{Group, Listener, Server, Slot, Slow};
use sansocket::tokio::{ClientStream, Error, WebSocket, accept_with, client, connect};
use sansocket::{CloseCode, Config, Connection, EncodedMessage, Event, Message, State};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A server that sends all what one sends.
struct Running {
    address: SocketAddr,
    all: Group,
    stop: Arc<Notify>,
    serving: JoinHandle<()>,
}

impl Running {
    async fn start(server: Server, slow: Slow) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::over(server, slow, listener, address)
    }

    fn over<L>(server: Server, slow: Slow, listener: L, address: SocketAddr) -> Self
    where
        L: Listener<Stream = TcpStream> + Send + 'static,
    {
        let (all, stop) = (Group::new(slow), Arc::new(Notify::new()));
        let serving = tokio::spawn({
            let (all, stop) = (all.clone(), Arc::clone(&stop));
            async move {
                let handler = |stream, slot| member(stream, slot, all.clone());
                server.serve(listener, stop.notified(), handler).await;
            }
        });
        Self { address, all, stop, serving }
    }

    async fn connect(&self) -> WebSocket<ClientStream> {
        connect(format!("ws://{}/", self.address).as_str()).await.unwrap()
    }

    /// Connects, unless it takes too long.
    async fn try_connect(&self) -> Option<WebSocket<ClientStream>> {
        timeout(SECOND / 5, self.connect()).await.ok()
    }

    async fn wait_for_members(&self, members: usize) {
        let arrived = async {
            while self.all.len() != members {
                sleep(SECOND / 100).await;
            }
        };
        let arrived = timeout(5 * SECOND, arrived).await;
        assert!(arrived.is_ok(), "{} members instead of {members}", self.all.len());
    }

    /// Stops the server; returns how long it took.
    async fn stop(self) -> Duration {
        let began = Instant::now();
        self.stop.notify_one();
        timeout(40 * SECOND, self.serving).await.expect("it stops").unwrap();
        let error = TcpStream::connect(self.address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        began.elapsed()
    }
}

async fn member(stream: TcpStream, slot: Slot, all: Group) -> Result<(), Error> {
    let config = Config::default().close_timeout(SECOND);
    let (mut reader, writer) = slot.open(accept_with(stream, config).await?);
    let member = all.join(writer.share());
    while let Some(event) = reader.recv().await? {
        match event {
            Event::Message(message) if message == "panic" => panic!("as it was told to"),
            Event::Message(message) if message == "to others" => {
                member.broadcast_to_others(&EncodedMessage::new(&message));
            }
            Event::Message(message) => {
                all.broadcast(&EncodedMessage::new(&message));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn text(ws: &mut WebSocket<ClientStream>) -> String {
    match timeout(5 * SECOND, ws.recv()).await.expect("a message comes").unwrap() {
        Some(Event::Message(message)) => message.as_text().unwrap().into(),
        other => panic!("{other:?}"),
    }
}

/// The code with which the server closes; what comes before it is dropped.
async fn close_code(mut ws: WebSocket<ClientStream>) -> Option<CloseCode> {
    timeout(5 * SECOND, ws.finish()).await.expect("the connection ends").ok()?;
    ws.close_frame().map(|frame| frame.code())
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let server = Running::start(Server::default().max_connections(2), Slow::Skip).await;
    let mut first = server.connect().await;
    let second = server.connect().await;
    assert!(server.try_connect().await.is_none());
    first.close(CloseCode::NORMAL, "").await.unwrap();
    first.finish().await.unwrap();
    // The one that was given up waits in the backlog, too.
    let _third = timeout(5 * SECOND, server.connect()).await.unwrap();
    assert!(server.try_connect().await.is_none());
    drop(second);
    let _fourth = timeout(5 * SECOND, server.connect()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn no_more_handshakes_than_allowed_and_open_connections_are_none() {
    let server = Running::start(Server::default().max_handshakes(2), Slow::Skip).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(server.connect().await);
    }
    let mute = [
        TcpStream::connect(server.address).await.unwrap(),
        TcpStream::connect(server.address).await.unwrap(),
    ];
    assert!(server.try_connect().await.is_none());
    open[0].send_text("those that are open go on").await.unwrap();
    assert_eq!(text(&mut open[4]).await, "those that are open go on");
    drop(mute);
    let _another = timeout(5 * SECOND, server.connect()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_slow_member_is_disconnected_and_delays_nobody() {
    let server = Running::start(Server::default(), Slow::Disconnect).await;
    let (mut quick, mut other, slow) =
        (server.connect().await, server.connect().await, server.connect().await);
    server.wait_for_members(3).await;
    let padding = "x".repeat(50_000);
    for n in 0..400 {
        let message = format!("{n} {padding}");
        assert!(server.all.broadcast(&EncodedMessage::new(&Message::from(message.as_str()))) >= 2);
        assert_eq!(text(&mut quick).await, message);
        assert_eq!(text(&mut other).await, message);
    }
    // It takes nothing, so that it is given up when its Close is not taken either.
    server.wait_for_members(2).await;
    assert_eq!(close_code(slow).await, None);
    assert_eq!(server.all.broadcast(&EncodedMessage::new(&Message::from("two"))), 2);
    server.stop().await;
}

/// Members are quick although their tasks have had no turn: one task receives all that was read at once.
#[tokio::test]
async fn a_burst_reaches_all_members_that_read() {
    for slow in [Slow::Disconnect, Slow::Skip] {
        let server = Running::start(Server::default(), slow).await;
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(server.connect().await);
        }
        server.wait_for_members(5).await;
        let padding = "x".repeat(1000);
        for n in 0..200 {
            clients[0].feed(&Message::from(format!("{n} {padding}"))).unwrap();
        }
        clients[0].flush().await.unwrap();
        for client in &mut clients {
            for n in 0..200 {
                assert_eq!(text(client).await, format!("{n} {padding}"));
            }
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_disconnected_member_that_reads_again_learns_why() {
    let server = Running::start(Server::default(), Slow::Disconnect).await;
    let slow = server.connect().await;
    server.wait_for_members(1).await;
    let message = EncodedMessage::new(&Message::from(&[0; 50_000][..]));
    let gets = (0..1000).position(|_| server.all.broadcast(&message) == 0);
    assert!(gets.is_some_and(|gets| gets >= 2), "{gets:?}");
    assert_eq!(close_code(slow).await, Some(CloseCode::TRY_AGAIN_LATER));
    server.stop().await;
}

#[tokio::test]
async fn a_slow_member_that_is_skipped_gets_what_comes_when_it_is_quick_again() {
    let server = Running::start(Server::default(), Slow::Skip).await;
    let mut slow = server.connect().await;
    server.wait_for_members(1).await;
    let padding = "x".repeat(20_000);
    let mut queued = Vec::new();
    // More than any socket takes.
    for n in 0..2000 {
        let message = format!("{n} {padding}");
        if server.all.broadcast(&EncodedMessage::new(&Message::from(message.as_str()))) == 1 {
            queued.push(message);
        }
    }
    assert!((4..2000).contains(&queued.len()), "{}", queued.len());
    for message in queued {
        assert_eq!(text(&mut slow).await, message);
    }
    assert_eq!(server.all.broadcast(&EncodedMessage::new(&Message::from("again"))), 1);
    assert_eq!(text(&mut slow).await, "again");
    server.stop().await;
}

#[tokio::test]
async fn all_members_get_all_messages_in_one_order() {
    let server = Running::start(Server::default(), Slow::Disconnect).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(server.connect().await);
    }
    server.wait_for_members(4).await;
    for task in 0..4 {
        let all = server.all.clone();
        tokio::task::spawn_blocking(move || {
            for n in 0..100 {
                all.broadcast(&EncodedMessage::new(&Message::from(format!("{task} {n}"))));
            }
        });
    }
    let mut orders = Vec::new();
    for client in &mut clients {
        let mut order = Vec::new();
        for _ in 0..400 {
            order.push(text(client).await);
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
    server.stop().await;
}

#[tokio::test]
async fn the_end_is_told_and_comes_at_once_if_all_agree() {
    let server = Running::start(Server::default().grace(60 * SECOND), Slow::Skip).await;
    let clients = [server.connect().await, server.connect().await];
    server.wait_for_members(2).await;
    let closing = clients.map(|client| tokio::spawn(close_code(client)));
    assert!(server.stop().await < 30 * SECOND);
    for code in closing {
        assert_eq!(code.await.unwrap(), Some(CloseCode::GOING_AWAY));
    }
}

#[tokio::test]
async fn the_end_comes_in_time_whatever_peers_do() {
    let grace = SECOND / 2;
    let server = Running::start(Server::default().grace(grace), Slow::Skip).await;
    let (full, never_answers, good) =
        (server.connect().await, server.connect().await, server.connect().await);
    server.wait_for_members(3).await;
    assert!(!server.all.is_empty());
    assert!(format!("{:?}", server.all).contains("Members { len: 3, .. }"));
    let mut mute = TcpStream::connect(server.address).await.unwrap();
    let message = EncodedMessage::new(&Message::from(&[0; 60_000][..]));
    let good = tokio::spawn(close_code(good));
    for _ in 0..200 {
        server.all.broadcast(&message);
        sleep(SECOND / 1000).await;
    }
    assert_eq!(server.all.broadcast(&message), 1, "two have a full output");
    let all = server.all.clone();
    let took = server.stop().await;
    assert!((grace..20 * SECOND).contains(&took), "{took:?}");
    assert_eq!(good.await.unwrap(), Some(CloseCode::GOING_AWAY));
    assert!(all.is_empty(), "no handler is left");
    assert_eq!(mute.read(&mut [0]).await.unwrap_or(0), 0, "its stream has ended");
    drop((full, never_answers));
}

#[tokio::test]
async fn a_connection_that_opens_while_the_server_stops_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let [stop, begins, waits] = [0; 3].map(|_| Arc::new(Notify::new()));
    let serving = tokio::spawn({
        let [stop, begins, waits] = [&stop, &begins, &waits].map(Arc::clone);
        async move {
            let handler = |stream, slot| {
                let [begins, waits] = [&begins, &waits].map(Arc::clone);
                async move {
                    begins.notify_one();
                    waits.notified().await;
                    member(stream, slot, Group::new(Slow::Skip)).await
                }
            };
            Server::default().serve(listener, stop.notified(), handler).await;
        }
    });
    let client = tokio::spawn(async move { connect(format!("ws://{address}/").as_str()).await.unwrap() });
    begins.notified().await;
    stop.notify_one();
    sleep(SECOND / 10).await;
    waits.notify_one();
    assert_eq!(close_code(client.await.unwrap()).await, Some(CloseCode::GOING_AWAY));
    timeout(20 * SECOND, serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_websocket_in_one_piece_is_told_of_the_end_and_is_no_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Arc::new(Notify::new());
    let serving = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let echo = |stream, mut slot: Slot| async move {
                assert_eq!(format!("{slot:?}"), "Slot { .. }");
                let mut ws = accept_with(stream, Config::default()).await?;
                loop {
                    tokio::select! {
                        () = slot.stopping() => {
                            let _ = ws.connection_mut().close(CloseCode::GOING_AWAY, "");
                        }
                        batch = ws.read() => match batch? {
                            Some(mut batch) => while batch.recv().is_some() {},
                            None => return Ok::<(), Error>(()),
                        },
                    }
                }
            };
            Server::default().max_handshakes(1).serve(listener, stop.notified(), echo).await;
        }
    });
    let mut closing = Vec::new();
    for _ in 0..3 {
        let url = format!("ws://{address}/");
        let client = timeout(20 * SECOND, connect(url.as_str())).await.unwrap().unwrap();
        closing.push(tokio::spawn(close_code(client)));
    }
    stop.notify_one();
    for code in closing {
        assert_eq!(code.await.unwrap(), Some(CloseCode::GOING_AWAY));
    }
    timeout(20 * SECOND, serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_group_can_be_closed() {
    let server = Running::start(Server::default(), Slow::Skip).await;
    let client = server.connect().await;
    server.wait_for_members(1).await;
    assert!(format!("{:?}", server.all).contains("len: 1"), "{:?}", server.all);
    server.all.close(CloseCode::SERVICE_RESTART, "");
    assert_eq!(close_code(client).await, Some(CloseCode::SERVICE_RESTART));
    let late = server.connect().await;
    assert_eq!(close_code(late).await, Some(CloseCode::SERVICE_RESTART), "it closes those who come later");
    server.stop().await;
}

#[tokio::test]
async fn a_member_can_speak_to_the_others() {
    let server = Running::start(Server::default(), Slow::Skip).await;
    let mut clients = [server.connect().await, server.connect().await, server.connect().await];
    server.wait_for_members(3).await;
    for message in ["to others", "to all"] {
        clients[1].send_text(message).await.unwrap();
    }
    for (n, client) in clients.iter_mut().enumerate() {
        if n != 1 {
            assert_eq!(text(client).await, "to others");
        }
        assert_eq!(text(client).await, "to all");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_a_group_can_be_awaited() {
    let server = Running::start(Server::default(), Slow::Skip).await;
    timeout(SECOND, server.all.wait_empty()).await.expect("it has no members");
    let clients = [server.connect().await, server.connect().await];
    server.wait_for_members(2).await;
    let waiting = [(); 2].map(|()| {
        let all = server.all.clone();
        tokio::spawn(async move { all.wait_empty().await })
    });
    let [first, last] = clients;
    drop(first);
    server.wait_for_members(1).await;
    sleep(SECOND / 20).await;
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    server.all.close(CloseCode::GOING_AWAY, "");
    assert_eq!(close_code(last).await, Some(CloseCode::GOING_AWAY));
    for waiting in waiting {
        timeout(5 * SECOND, waiting).await.expect("the last member has left").unwrap();
    }
    server.stop().await;
}

/// A server needs no sockets, for example in tests.
#[tokio::test]
async fn a_stream_of_any_kind_is_served() {
    struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);
    impl Listener for Pipes {
        type Stream = DuplexStream;
        fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<DuplexStream>> {
            self.0.poll_recv(cx).map(|stream| stream.ok_or_else(|| ErrorKind::NotConnected.into()))
        }
    }
    let (pipes, listener) = mpsc::unbounded_channel();
    let stop = Arc::new(Notify::new());
    let mut accepted = 0;
    let serving = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let handler = |stream, slot: Slot| {
                accepted += 1;
                let is_first = accepted == 1;
                async move {
                    let ws = accept_with(stream, Config::default()).await?;
                    let (mut reader, mut writer) =
                        if is_first { slot.open_with(ws, tokio::io::split) } else { slot.open(ws) };
                    while let Some(event) = reader.recv().await? {
                        if let Event::Message(message) = event {
                            writer.send(&message).await?;
                        }
                    }
                    Ok::<(), Error>(())
                }
            };
            Server::default().serve(Pipes(listener), stop.notified(), handler).await;
        }
    });
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (near, far) = duplex(1000);
        pipes.send(far).unwrap();
        let (mut ws, _) = client(near, "ws://h/", Config::default()).await.unwrap();
        ws.send_text("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Event::Message("hello".into())));
        clients.push(ws);
    }
    stop.notify_one();
    for mut ws in clients {
        timeout(5 * SECOND, ws.finish()).await.expect("the connection ends").unwrap();
        assert_eq!(ws.close_frame().map(|frame| frame.code()), Some(CloseCode::GOING_AWAY));
    }
    timeout(5 * SECOND, serving).await.expect("it stops").unwrap();
}

#[tokio::test]
async fn a_thousand_connections_come_and_go() {
    let server = Arc::new(Running::start(Server::default().max_connections(60), Slow::Skip).await);
    let coming = (0..50).map(|task| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            for n in 0..20 {
                let mut client = server.connect().await;
                match (task + n) % 4 {
                    0 => {
                        client.close(CloseCode::NORMAL, "").await.unwrap();
                        client.finish().await.unwrap();
                    }
                    1 => client.send_text("bye").await.unwrap(),
                    2 => client.stream().tcp().set_zero_linger().unwrap(),
                    _ => {}
                }
            }
        })
    });
    for task in coming.collect::<Vec<_>>() {
        timeout(30 * SECOND, task).await.expect("no slot is lost").unwrap();
    }
    server.wait_for_members(0).await;
    let mut last = server.connect().await;
    last.send_text("still there").await.unwrap();
    assert_eq!(text(&mut last).await, "still there");
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_own_connection() {
    let server = Running::start(Server::default().max_connections(2), Slow::Skip).await;
    let mut good = server.connect().await;
    for _ in 0..3 {
        let mut bad = server.connect().await;
        bad.send_text("panic").await.unwrap();
        let _ = timeout(5 * SECOND, bad.finish()).await.expect("the connection ends");
    }
    good.send_text("still there").await.unwrap();
    assert_eq!(text(&mut good).await, "still there");
    server.stop().await;
}

#[tokio::test]
async fn dropping_the_future_drops_all_handlers() {
    let server = Running::start(Server::default(), Slow::Skip).await;
    let client = server.connect().await;
    server.wait_for_members(1).await;
    server.serving.abort();
    assert_eq!(close_code(client).await, None);
    assert!(server.serving.await.unwrap_err().is_cancelled());
    assert!(server.all.is_empty());
}

/// A listener that fails before each connection.
struct Failing {
    listener: TcpListener,
    errors: Vec<io::Error>,
}

impl Listener for Failing {
    type Stream = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        if let Some(error) = self.errors.pop() {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(ready!(TcpListener::poll_accept(&self.listener, cx))?.0))
    }
}

#[tokio::test]
async fn errors_of_the_listener_end_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let errors = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset].into_iter().cycle().take(1000);
    let errors = errors.chain([ErrorKind::OutOfMemory, ErrorKind::Other]).map(io::Error::from).collect();
    let began = Instant::now();
    let server = Running::over(Server::default(), Slow::Skip, Failing { listener, errors }, address);
    let mut client = server.connect().await;
    client.send_text("hello").await.unwrap();
    assert_eq!(text(&mut client).await, "hello");
    let took = began.elapsed();
    assert!((SECOND / 10..20 * SECOND).contains(&took), "two pauses, not a thousand: {took:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_listener_that_always_fails_does_not_keep_the_server_from_stopping() {
    struct Broken;
    impl Listener for Broken {
        type Stream = TcpStream;
        fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
            Poll::Ready(Err(ErrorKind::InvalidInput.into()))
        }
    }
    let serving = Server::default().serve(Broken, sleep(SECOND / 10), |_, _| pending::<()>());
    timeout(20 * SECOND, serving).await.expect("it stops");
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_served_as_well() {
    let path = std::env::temp_dir().join(format!("sansocket-server-{}", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let stop = Arc::new(Notify::new());
    let serving = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let handler = |stream, slot: Slot| async move {
                let (mut reader, writer) = slot.open(accept_with(stream, Config::default()).await?);
                writer.share().send_text("hello").await?;
                reader.finish().await?;
                Ok::<(), Error>(())
            };
            Server::default().serve(listener, stop.notified(), handler).await;
        }
    });
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let (mut ws, _) = sansocket::tokio::client(stream, "ws://test/", Config::default()).await.unwrap();
    assert!(matches!(ws.recv().await.unwrap(), Some(Event::Message(message)) if message == "hello"));
    stop.notify_one();
    ws.finish().await.unwrap();
    assert_eq!(ws.close_frame().unwrap().code(), CloseCode::GOING_AWAY);
    timeout(20 * SECOND, serving).await.unwrap().unwrap();
}

/// A member is slow when more waits than `high_water` after its stream has taken what it takes now, and not for any other reason.
#[tokio::test]
async fn a_member_is_not_slow_because_a_message_is_large() {
    let (stream, _peer) = tokio::io::duplex(50 << 10);
    let config = Config::default().max_output(100 << 10);
    let (reader, writer) =
        WebSocket::from_parts(stream, Connection::server(config), vec![]).split_with(tokio::io::split);
    let all = Group::new(Slow::Disconnect);
    let _member = all.join(writer.share());
    let message = |len| EncodedMessage::new(&Message::from(vec![7; len]));
    assert_eq!(all.broadcast(&message(60 << 10)), 1);
    // The stream takes 50 KiB of that.
    assert_eq!(all.broadcast(&message(50 << 10)), 1);
    // There will never be room for this one.
    assert_eq!((all.broadcast(&message(101 << 10)), reader.state()), (0, State::Open));
    assert_eq!((all.broadcast(&message(60 << 10)), reader.state()), (0, State::CloseSent));
}
