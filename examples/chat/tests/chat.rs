//! The chat as its clients see it, over sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chat::Chat;
use chat::rooms::{MAX_HISTORY, REPLACED};
use sansocket::handshake::{ClientRequest, OriginPolicy};
use sansocket::tokio::{ClientStream, Error, WebSocket, connect_with};
use sansocket::{CloseCode, Config, Event, Message};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SECOND: Duration = Duration::from_secs(1);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn start() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = oneshot::channel();
    let serving =
        tokio::spawn(async move { Chat::new(OriginPolicy::same_origin()).serve(listener, stopping).await });
    Running { address, stop, serving }
}

struct Client(WebSocket<ClientStream>);

impl Client {
    async fn connect(server: &Running) -> Self {
        let url = format!("ws://{}/chat", server.address);
        let request = ClientRequest::new(&url).unwrap().subprotocol("chat.v1").unwrap();
        let (ws, established) = connect_with(request, Config::default()).await.unwrap();
        assert_eq!(established.subprotocol(), Some("chat.v1"));
        Self(ws)
    }

    /// In the room already.
    async fn join(server: &Running, room: &str, name: &str) -> Self {
        let mut client = Self::connect(server).await;
        client.say(json!({"type": "join", "room": room, "name": name, "key": name})).await;
        let joined = client.hear().await;
        assert_eq!((&joined["type"], &joined["name"]), (&json!("joined"), &json!(name)));
        client
    }

    async fn say(&mut self, request: Value) {
        self.0.send_text(&request.to_string()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        match timeout(5 * SECOND, self.0.recv()).await.expect("an answer comes").unwrap() {
            Some(Event::Message(message)) => serde_json::from_str(message.as_text().unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn close_code(mut self) -> Option<CloseCode> {
        timeout(5 * SECOND, self.0.finish()).await.expect("the connection ends").unwrap();
        self.0.close_frame().map(|frame| frame.code())
    }
}

#[tokio::test]
async fn two_clients_converse() {
    let server = start().await;
    let mut ann = Client::join(&server, "lobby", "Ann").await;
    let mut bob = Client::join(&server, "lobby", "Bob").await;
    assert_eq!(ann.hear().await, json!({"type": "came", "name": "Bob"}));
    ann.say(json!({"type": "say", "text": " Hello, <b>Bob</b>! \u{1f44b} "})).await;
    for client in [&mut ann, &mut bob] {
        let said = client.hear().await;
        assert_eq!(said["type"], "said");
        assert_eq!((&said["name"], &said["text"]), (&json!("Ann"), &json!("Hello, <b>Bob</b>! \u{1f44b}")));
        assert!(said["at"].as_u64().unwrap() > 1_700_000_000_000);
    }
    let _elsewhere = Client::join(&server, "kitchen", "Cy").await;
    bob.say(json!({"type": "leave"})).await;
    assert_eq!(ann.hear().await, json!({"type": "left", "name": "Bob"}));
    bob.say(json!({"type": "say", "text": "still there?"})).await;
    assert_eq!(bob.hear().await["type"], "error");
    drop(bob);
    ann.say(json!({"type": "ping"})).await;
    assert_eq!(ann.hear().await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_newcomer_learns_who_is_there_and_what_was_said_last() {
    let server = start().await;
    let mut sent = 0;
    for speaker in 0..12 {
        let mut client = Client::join(&server, "lobby", &format!("Speaker {speaker}")).await;
        for _ in 0..10 {
            client.say(json!({"type": "say", "text": sent.to_string()})).await;
            assert_eq!(client.hear().await["text"], sent.to_string());
            sent += 1;
        }
        client.0.close(CloseCode::NORMAL, "").await.unwrap();
        client.0.finish().await.unwrap();
    }
    let _ann = Client::join(&server, "lobby", "Ann").await;
    let mut bob = Client::connect(&server).await;
    bob.say(json!({"type": "join", "room": "lobby", "name": "Bob", "key": "1"})).await;
    let joined = bob.hear().await;
    assert_eq!(joined["people"], json!(["Ann", "Bob"]));
    let history: Vec<_> =
        joined["history"].as_array().unwrap().iter().map(|said| said["text"].clone()).collect();
    let expected: Vec<_> = (sent - MAX_HISTORY..sent).map(|n| json!(n.to_string())).collect();
    assert_eq!(history, expected);
}

/// Histories of many rooms must not fill the memory.
#[tokio::test]
async fn of_long_messages_fewer_are_kept() {
    let server = start().await;
    let text = |n: u32| format!("{n}{}", "\u{1f600}".repeat(1999));
    let mut ann = Client::join(&server, "lobby", "Ann").await;
    for n in 0..10 {
        ann.say(json!({"type": "say", "text": text(n)})).await;
        while ann.hear().await["type"] != "said" {}
    }
    let mut bob = Client::connect(&server).await;
    bob.say(json!({"type": "join", "room": "lobby", "name": "Bob", "key": "1"})).await;
    let joined = bob.hear().await;
    let history: Vec<_> = joined["history"].as_array().unwrap().iter().map(|said| &said["text"]).collect();
    let expected: Vec<_> = (6..10).map(|n| json!(text(n))).collect();
    assert_eq!(history, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_name_is_its_owners_who_may_come_back_with_a_new_connection() {
    let server = start().await;
    let ann = Client::join(&server, "lobby", "Ann").await;
    let mut bob = Client::join(&server, "lobby", "Bob").await;
    let mut other = Client::connect(&server).await;
    other.say(json!({"type": "join", "room": "lobby", "name": "Ann", "key": "guess"})).await;
    assert_eq!(other.hear().await["type"], "error");
    let again = Client::join(&server, "lobby", "Ann").await;
    assert_eq!(ann.close_code().await, Some(REPLACED));
    bob.say(json!({"type": "say", "text": "Nobody came or left."})).await;
    assert_eq!(bob.hear().await["text"], "Nobody came or left.");
    drop(again);
    assert_eq!(bob.hear().await, json!({"type": "left", "name": "Ann"}));
}

#[tokio::test]
async fn too_much_is_refused() {
    let server = start().await;
    let mut ann = Client::join(&server, "lobby", "Ann").await;
    ann.say(json!({"type": "say", "text": "x".repeat(2001)})).await;
    assert_eq!(ann.hear().await["type"], "error");
    for n in 0..30 {
        ann.say(json!({"type": "say", "text": n.to_string()})).await;
    }
    let mut said = 0;
    for _ in 0..30 {
        said += u32::from(ann.hear().await["type"] == "said");
    }
    assert!((10..15).contains(&said), "{said}");
    for (room, name) in [("", "x"), ("x", ""), ("x", "a\nb"), (&"x".repeat(33), "x")] {
        ann.say(json!({"type": "join", "room": room, "name": name, "key": ""})).await;
        assert_eq!(ann.hear().await["type"], "error", "{room:?} {name:?}");
    }
}

/// Who comes and goes all the time does not keep the others busy.
#[tokio::test]
async fn entering_is_limited() {
    let server = start().await;
    let mut ann = Client::join(&server, "lobby", "Ann").await;
    let mut bob = Client::connect(&server).await;
    let mut joined = 0;
    for _ in 0..30 {
        bob.say(json!({"type": "join", "room": "lobby", "name": "Bob", "key": "1"})).await;
        joined += u32::from(bob.hear().await["type"] == "joined");
    }
    assert!((10..15).contains(&joined), "{joined}");
    assert_eq!(ann.hear().await, json!({"type": "came", "name": "Bob"}));
    // It is still there, and may go on later.
    ann.say(json!({"type": "say", "text": "Hello"})).await;
    assert_eq!(bob.hear().await["text"], "Hello");
}

/// A connection that is being closed enters and says nothing more.
#[tokio::test]
async fn a_connection_that_was_replaced_does_not_come_back() {
    let server = start().await;
    let mut before = Client::join(&server, "lobby", "Ann").await;
    let mut after = Client::join(&server, "lobby", "Ann").await;
    // It has not yet read that it was replaced.
    before.say(json!({"type": "join", "room": "lobby", "name": "Ann", "key": "Ann"})).await;
    assert_eq!(before.close_code().await, Some(REPLACED));
    after.say(json!({"type": "say", "text": "still here"})).await;
    assert_eq!(after.hear().await["text"], "still here");
}

#[tokio::test]
async fn what_is_not_the_protocol_ends_the_connection() {
    let server = start().await;
    for message in ["{", "[]", r#"{"type": "fly"}"#, r#"{"type": "say"}"#] {
        let mut client = Client::connect(&server).await;
        client.0.send_text(message).await.unwrap();
        assert_eq!(client.close_code().await, Some(CloseCode::POLICY_VIOLATION), "{message}");
    }
    let mut client = Client::connect(&server).await;
    client.0.send(&Message::from(&b"{}"[..])).await.unwrap();
    assert_eq!(client.close_code().await, Some(CloseCode::POLICY_VIOLATION));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_and_delays_nobody() {
    let server = start().await;
    let mut ann = Client::join(&server, "lobby", "Ann").await;
    let _slow = Client::join(&server, "lobby", "Slow").await;
    assert_eq!(ann.hear().await["type"], "came");
    // Speakers come one after another, since each may say only so much.
    let text = "\u{1f600}".repeat(2000);
    let began = Instant::now();
    for speaker in 0.. {
        assert!(began.elapsed() < 60 * SECOND, "it is still there");
        let mut speaker = Client::join(&server, "lobby", &format!("Speaker {speaker}")).await;
        for _ in 0..10 {
            speaker.say(json!({"type": "say", "text": text})).await;
            while speaker.hear().await["type"] != "said" {}
        }
        let mut said = 0;
        while said < 10 {
            let heard = ann.hear().await;
            said += u32::from(heard["type"] == "said");
            if heard == json!({"type": "left", "name": "Slow"}) {
                return;
            }
        }
    }
}

#[tokio::test]
async fn the_end_is_told() {
    let server = start().await;
    let ann = Client::join(&server, "lobby", "Ann").await;
    server.stop.send(()).unwrap();
    assert_eq!(ann.close_code().await, Some(CloseCode::GOING_AWAY));
    timeout(20 * SECOND, server.serving).await.expect("it stops").unwrap();
}

#[tokio::test]
async fn only_its_own_pages_may_connect_and_only_with_the_subprotocol() {
    let server = start().await;
    let url = format!("ws://{}/chat", server.address);
    let request = || ClientRequest::new(&url).unwrap();
    let with = || request().subprotocol("chat.v1").unwrap();
    let own = format!("http://{}", server.address);
    let elsewhere = url.replace("/chat", "/");
    for (request, status) in [
        (with().header("Origin", own).unwrap(), 101),
        (with().header("Origin", "https://elsewhere.example").unwrap(), 403),
        (with().header("Origin", "null").unwrap(), 403),
        (request(), 400),
        (ClientRequest::new(&elsewhere).unwrap().subprotocol("chat.v1").unwrap(), 404),
    ] {
        let answer = match connect_with(request, Config::default()).await {
            Ok(_) => 101,
            Err(Error::Refused(refused)) => refused.status(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(answer, status);
    }
}

#[tokio::test]
async fn there_is_a_page_and_it_needs_nothing_from_elsewhere() {
    let server = start().await;
    for (request, status) in [("GET /", 200), ("GET /favicon.ico", 404), ("POST /", 405)] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("{request} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains("\r\nContent-Security-Policy: default-src 'none';"));
        assert!(!answer.replace("http://www.w3.org/2000/svg", "").contains("://www"));
    }
}
