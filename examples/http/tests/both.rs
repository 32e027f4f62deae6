//! The same scenarios over HTTP/2 and HTTP/3, our client against our server, on real sockets.

mod common;

use std::time::Duration;

use common::{H2, H3, Peer, Server, hurry};
use sansocket::{CloseCode, Config, Event, Message, ProtocolError};
use tokio::task::JoinSet;
use websocket_http::{MAX_STREAMS, Transport};

/// Each scenario for both.
macro_rules! both {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            #[tokio::test]
            async fn over_http2() {
                super::hurry(super::$scenario::<super::H2>()).await;
            }

            #[tokio::test]
            async fn over_http3() {
                super::hurry(super::$scenario::<super::H3>()).await;
            }
        }
    )*};
}

both! {
    many_on_one_connection
    large_messages
    a_closing_handshake_ends_both_sides
    a_client_that_is_gone_resets_its_stream_alone
    a_server_that_gives_up_resets_the_stream
    a_peer_that_grants_no_window_stalls_itself_alone
    a_peer_that_breaks_a_rule_gets_a_close_and_the_end
    refusals
    the_longest_deadlines_are_no_deadlines
}

async fn many_on_one_connection<S: Server>() {
    let server = S::start(Config::default()).await;
    let client = server.client(Config::default()).await;
    let mut tasks = JoinSet::new();
    for i in 0..MAX_STREAMS {
        let mut ws = S::open(&client, "/").await;
        tasks.spawn(async move {
            for len in [0, 1, 1000, 40_000] {
                let message = Message::from(vec![i as u8; len]);
                ws.send(&message);
                assert_eq!(ws.next().await, Some(Event::Message(message)));
            }
            ws.ws.connection().ping(b"still there?").unwrap();
            assert!(matches!(ws.next().await, Some(Event::Pong(payload)) if *payload == *b"still there?"));
        });
    }
    assert_eq!(tasks.join_all().await.len(), MAX_STREAMS as usize);
}

async fn large_messages<S: Server>() {
    let server = S::start(Config::default()).await;
    let client = server.client(Config::default()).await;
    let mut ws = S::open(&client, "/").await;
    for message in [Message::from(vec![7; 10_000_000]), Message::from("gr\u{fc}n ".repeat(500_000))] {
        ws.send(&message);
        assert_eq!(ws.next().await, Some(Event::Message(message)));
    }
}

async fn a_closing_handshake_ends_both_sides<S: Server>() {
    let mut server = S::start(Config::default()).await;
    let client = server.client(Config::default()).await;
    let mut ws = S::open(&client, "/").await;
    ws.ws.connection().close(CloseCode::NORMAL, "").unwrap();
    let Some(Event::Close(Some(close))) = ws.next().await else { panic!("a Close is answered") };
    assert_eq!((close.code(), ws.next().await), (CloseCode::NORMAL, None));
    assert!(matches!(server.event().await, Event::Close(_)));
    // The server was heard to the end: no reset, and no second event.
    assert!(server.ended().await);
}

async fn a_client_that_is_gone_resets_its_stream_alone<S: Server>() {
    let mut server = S::start(Config::default()).await;
    let client = server.client(Config::default()).await;
    let (gone, mut other) = (S::open(&client, "/").await, S::open(&client, "/").await);
    drop(gone);
    assert_eq!(server.event().await, Event::Failed(ProtocolError::TransportFailed));
    other.send(&Message::from("still here"));
    assert_eq!(other.next().await, Some(Event::Message(Message::from("still here"))));
}

async fn a_server_that_gives_up_resets_the_stream<S: Server>() {
    let server = S::start(Config::default()).await;
    let client = server.client(Config::default()).await;
    let mut ws = S::open(&client, "/").await;
    ws.send(&Message::from("give up"));
    assert_eq!(ws.next().await, Some(Event::Failed(ProtocolError::TransportFailed)));
    assert_eq!(ws.next().await, None);
}

async fn a_peer_that_grants_no_window_stalls_itself_alone<S: Server>() {
    let mut server = S::start(Config::default().write_timeout(Some(Duration::from_secs(5)))).await;
    let client = server.client(Config::default()).await;
    let (mut stalled, mut other) = (S::open(&client, "/").await, S::open(&client, "/").await);
    // It asks for more than its window, and never reads.
    stalled.send(&Message::from(vec![7; 1_000_000]));
    stalled.write().await;
    for i in 0..20 {
        let message = Message::from(vec![i; 50_000]);
        other.send(&message);
        assert_eq!(other.next().await, Some(Event::Message(message)));
    }
    assert_eq!(server.event().await, Event::Failed(ProtocolError::WriteTimeout));
    other.send(&Message::from("still here"));
    assert_eq!(other.next().await, Some(Event::Message(Message::from("still here"))));
    // What arrived before the reset may be lost with it.
    assert_eq!(stalled.next().await, Some(Event::Failed(ProtocolError::TransportFailed)));
}

async fn a_peer_that_breaks_a_rule_gets_a_close_and_the_end<S: Server>() {
    let mut server = S::start(Config::default().max_message(10)).await;
    let client = server.client(Config::default()).await;
    let mut ws = S::open(&client, "/").await;
    ws.send(&Message::from("more than that"));
    assert!(
        matches!(ws.next().await, Some(Event::Close(Some(close))) if close.code() == CloseCode::MESSAGE_TOO_BIG)
    );
    assert_eq!(ws.next().await, None);
    assert_eq!(server.event().await, Event::Failed(ProtocolError::MessageTooLarge));
    assert!(server.ended().await);
}

async fn refusals<S: Server>() {
    let server = S::start(Config::default().max_head(100)).await;
    let client = server.client(Config::default()).await;
    let refused = S::try_open(&client, &format!("/{}", "a".repeat(200))).await;
    assert!(refused.err().is_some_and(|error| error.contains("431")), "it is too long");
    let mut ws = S::open(&client, "/").await;
    ws.send(&Message::from("next"));
    assert_eq!(ws.next().await, Some(Event::Message(Message::from("next"))));
}

/// Writes, and does not read.
impl<T: Transport> Peer<T> {
    async fn write(&mut self) {
        let mut last = usize::MAX;
        // As long as it gets smaller.
        while self.ws.connection().output_len() > 0 && last > self.ws.connection().output_len() {
            last = self.ws.connection().output_len();
            let _ = tokio::time::timeout(Duration::from_millis(100), self.ws.turn(|_, _| {})).await;
        }
    }
}

async fn the_longest_deadlines_are_no_deadlines<S: Server>() {
    let config = Config::default().ping_interval(Some(Duration::MAX)).idle_timeout(Some(Duration::MAX));
    let server = S::start(config).await;
    let client = server.client(config).await;
    let mut ws = S::open(&client, "/").await;
    ws.send(&Message::from("Hello"));
    assert_eq!(ws.next().await, Some(Event::Message(Message::from("Hello"))));
}
