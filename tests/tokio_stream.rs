//! `Stream` and `Sink`: owned messages through the traits alone.
#![cfg(feature = "tokio")]

mod support;

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use sansocket::{Config, Message};
use support::pair;
use tokio::io::AsyncWriteExt;

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

async fn send<S, E>(sink: &mut S, message: Message<'static>)
where
    S: Sink<Message<'static>, Error = E> + Unpin,
    E: std::fmt::Debug,
{
    poll_fn(|cx| Pin::new(&mut *sink).poll_ready(cx)).await.unwrap();
    Pin::new(&mut *sink).start_send(message).unwrap();
    poll_fn(|cx| Pin::new(&mut *sink).poll_flush(cx)).await.unwrap();
}

#[tokio::test]
async fn messages_arrive_in_order_and_closing_the_sink_ends_the_stream() {
    // The client keeps its transport to the end, so that the server's wait for it ends by its deadline.
    let config = Config::default().close_timeout(Duration::from_millis(300));
    let (mut server, mut client) = pair(config).await;
    let serving = async {
        let mut received = 0;
        while let Some(message) = next(&mut server).await {
            received += 1;
            send(&mut server, message.unwrap()).await;
        }
        received
    };
    let talking = async {
        for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
            let message = Message::from(vec![size as u8; size]);
            send(&mut client, message.clone()).await;
            assert_eq!(next(&mut client).await.unwrap().unwrap(), message);
        }
        send(&mut client, Message::from("text")).await;
        assert_eq!(next(&mut client).await.unwrap().unwrap(), Message::from("text"));
        poll_fn(|cx| Pin::new(&mut client).poll_close(cx)).await.unwrap();
        assert!(next(&mut client).await.is_none());
    };
    let (received, ()) = tokio::join!(serving, talking);
    assert_eq!(received, 8);
}

#[tokio::test]
async fn a_failure_is_an_error_and_then_the_end() {
    let (mut server, client) = pair(Config::default()).await;
    let (mut stream, _, _) = client.into_parts();
    stream.write_all(b"\x81\x85\0\0\0\0Hello\x83\x80\0\0\0\0").await.unwrap();
    assert_eq!(next(&mut server).await.unwrap().unwrap(), Message::from("Hello"));
    let error = next(&mut server).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    drop(stream);
    assert!(next(&mut server).await.is_none());
}
