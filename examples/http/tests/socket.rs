//! The loop of a WebSocket alone, over a transport that the test fills.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sansocket::{Config, Connection, Event};
use websocket_http::{Reset, Transport, WebSocket};

/// A peer that answers each Ping at once, and says nothing else.
#[derive(Default)]
struct Peer {
    answers: VecDeque<Bytes>,
}

impl Transport for Peer {
    fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Reset>>> {
        self.answers.pop_front().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(bytes))))
    }

    fn poll_send(&mut self, _: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Reset>> {
        assert_eq!(bytes.split_off(0), b"\x89\x00"[..], "a Ping");
        self.answers.push_back(Bytes::from_static(b"\x8A\x80\0\0\0\0"));
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) {}

    fn reset(&mut self) {}
}

#[tokio::test]
async fn a_peer_that_answers_in_time_is_not_lost_if_the_program_is_late() {
    const PONG_TIMEOUT: Duration = Duration::from_millis(200);
    let config = Config::default().ping_interval(Some(Duration::from_millis(10))).pong_timeout(PONG_TIMEOUT);
    let mut ws = WebSocket::new(Connection::server(config), Peer::default());
    // The Ping is in the output, and the next turn writes it: the answer is there at once.
    while !ws.connection().wants_write() {
        assert!(ws.turn(|_, event| panic!("{event:?}")).await);
    }
    thread::sleep(PONG_TIMEOUT + Duration::from_millis(100));
    let mut pongs = 0;
    assert!(
        ws.turn(|_, event| match event {
            Event::Pong(_) => pongs += 1,
            other => panic!("{other:?}"),
        })
        .await
    );
    assert_eq!(pongs, 1);
}
