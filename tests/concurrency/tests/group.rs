//! `tokio::server::Group`, used by several tasks at once. A runtime of tokio lends its clock, by which nothing becomes due, and runs
//! no task; the locks of tokio's own streams and of its `Notify` are no schedule points.

mod common;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::{HOUR, check_all};
use sansocket::tokio::server::{Group, Slow};
use sansocket::tokio::{ReadHalf, WebSocket, WriteHalf};
use sansocket::{CloseCode, Config, Connection, EncodedMessage, Message, State};
use shuttle::future::{block_on, spawn};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};

type Halves = (ReadHalf<tokio::io::ReadHalf<DuplexStream>, Writing>, WriteHalf<Writing>);
type Writing = tokio::io::WriteHalf<DuplexStream>;

/// A connection, and the other end of its stream.
fn member() -> (Halves, DuplexStream) {
    let (near, far) = duplex(256);
    let config = Config::default().write_timeout(Some(HOUR)).close_timeout(HOUR);
    let ws = WebSocket::from_parts(near, Connection::server(config), vec![]);
    (ws.into_split(), far)
}

fn encoded(text: &str) -> EncodedMessage {
    EncodedMessage::new(&Message::from(text))
}

/// What is written when the output is.
fn written(writer: &mut WriteHalf<Writing>, far: &mut DuplexStream) -> Vec<u8> {
    block_on(writer.flush()).expect("there is room");
    let mut bytes = Vec::with_capacity(256);
    let read = pin!(far.read_buf(&mut bytes)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(read, Poll::Ready(Ok(_)) | Poll::Pending), "{read:?}");
    bytes
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime is built")
}

#[test]
fn all_members_receive_all_messages_in_one_order() {
    let runtime = runtime();
    check_all(move || {
        let _entered = runtime.enter();
        let group = Group::new(Slow::Disconnect);
        let mut members = [member(), member()];
        let joined = members.each_ref().map(|((_, writer), _)| group.join(writer.share()));
        let broadcasting = {
            let group = group.clone();
            spawn(async move { group.broadcast(&encoded("a")) })
        };
        assert_eq!(group.broadcast(&encoded("b")), 2);
        assert_eq!(block_on(broadcasting).expect("it ends"), 2);
        let [one, other] = members.each_mut().map(|((_, writer), far)| written(writer, far));
        assert_eq!((one.len(), &one), (6, &other));
        drop(joined);
        assert!(group.is_empty());
    });
}

#[test]
fn who_joins_a_group_that_closes_is_closed() {
    let runtime = runtime();
    check_all(move || {
        let _entered = runtime.enter();
        let group = Group::new(Slow::Disconnect);
        let ((_reader, mut writer), mut far) = member();
        let closing = {
            let group = group.clone();
            spawn(async move { group.close(CloseCode::GOING_AWAY, "") })
        };
        let joined = group.join(writer.share());
        block_on(closing).expect("it ends");
        assert_eq!(writer.state(), State::CloseSent);
        assert_eq!(written(&mut writer, &mut far), b"\x88\x02\x03\xE9");
        drop(joined);
    });
}

#[test]
fn who_waits_for_an_empty_group_is_woken() {
    let runtime = runtime();
    check_all(move || {
        let _entered = runtime.enter();
        let group = Group::new(Slow::Disconnect);
        let members = [member(), member()];
        let [one, other] = members.each_ref().map(|((_, writer), _)| group.join(writer.share()));
        let leaving = spawn(async move { drop(one) });
        let waiting = {
            let group = group.clone();
            spawn(async move { group.wait_empty().await })
        };
        drop(other);
        block_on(waiting).expect("it is woken");
        assert!(group.is_empty());
        block_on(leaving).expect("it ends");
    });
}
