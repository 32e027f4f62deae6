//! The adapter for tokio over a stream that does what a script says, with futures dropped wherever they wait: nothing is lost, whoever
//! waits is woken, and it comes to an end: I1, I4, I8, I9, I10, I14, I15.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use sansocket::tokio::{Accepting, Error, Incoming, WebSocket};
use sansocket::{CloseCode, Event, Message};

use super::net::{Act, Script, broken, note};
use super::scripted::{Direction, Scripted, Shared};
use super::structured;
use crate::common::{Collector, LIMITS, Role, Seen, config};

/// `data`: as for the other adapter.
pub(crate) fn body(data: &[u8]) {
    let Some(script) = structured::<Script<'_>>(data) else { return };
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let _guard = runtime.enter();

    let role = if script.client { Role::Client } else { Role::Server };
    let begin = script.begin(role);
    let stream = Shared::new(Scripted::new(begin.received(), &script.reads, &script.writes));
    let woken = Arc::new(Woken::default());
    let ws = match begin.is_open() {
        true => Some(WebSocket::from_parts(stream.clone(), role.connection(config(LIMITS)), begin.unread())),
        false => open(&stream, &woken),
    };
    let Some(mut ws) = ws else { return };
    let (mut seen, mut sent, mut over) = (Collector::default(), Vec::new(), false);
    let ends = (0..2 * script.turns()).map(|_| &Act::Recv);
    for act in script.acts.iter().take(60).chain(ends) {
        match act {
            Act::Recv | Act::Chunk => {
                let is_chunk = matches!(act, Act::Chunk);
                let polled = if is_chunk { poll(&woken, ws.recv_chunk()) } else { poll(&woken, ws.recv()) };
                match polled {
                    Poll::Ready(Ok(Some(event))) => push(&mut seen, &event),
                    Poll::Ready(Ok(None)) => over = true,
                    Poll::Ready(Err(error)) => assert!(stream.lock().broken, "{error}"),
                    // The future is dropped here, and another one goes on later.
                    Poll::Pending => wake(&stream, &woken),
                }
            }
            Act::Batch => match poll(&woken, ws.read()) {
                Poll::Ready(Ok(Some(mut batch))) => {
                    while let Some(event) = batch.recv() {
                        push(&mut seen, &event);
                    }
                }
                Poll::Ready(Ok(None)) => over = true,
                Poll::Ready(Err(error)) => assert!(stream.lock().broken, "{error}"),
                Poll::Pending => wake(&stream, &woken),
            },
            Act::Send(bytes) => match poll(&woken, ws.send(&Message::from(*bytes))) {
                Poll::Ready(result) => {
                    note(&mut sent, bytes, &result, !ws.can_send() || stream.lock().broken);
                }
                // The future that is dropped here has sent nothing.
                Poll::Pending => wake(&stream, &woken),
            },
            Act::Feed(bytes) => {
                if ws.feed(&Message::from(*bytes)).is_ok() {
                    sent.push(Seen::Binary(bytes.to_vec()));
                }
            }
            Act::Large(len) => {
                let bytes = vec![3; usize::from(*len) * 100];
                if ws.feed(&Message::from(&bytes)).is_ok() {
                    sent.push(Seen::Binary(bytes));
                }
            }
            Act::Flush => match poll(&woken, ws.flush()) {
                Poll::Ready(result) => assert!(result.is_ok() || stream.lock().broken, "{result:?}"),
                Poll::Pending => wake(&stream, &woken),
            },
            Act::Close => match poll(&woken, ws.close(CloseCode::NORMAL, "")) {
                Poll::Ready(result) => assert!(result.is_ok() || stream.lock().broken, "{result:?}"),
                Poll::Pending => wake(&stream, &woken),
            },
        }
        if over {
            break;
        }
    }
    assert!(over, "I14: a stream that ends is an end: {:?}", ws.connection().state());
    begin.judge(role, seen, &sent, &stream.lock());
}

/// Accepts a request; `None` if the stream breaks. The future that waits for it is dropped wherever it waits.
fn open(stream: &Shared, woken: &Arc<Woken>) -> Option<WebSocket<Shared>> {
    let mut accepting = Accepting::new(stream.clone(), config(LIMITS));
    let incoming = loop {
        match poll(woken, accepting.advance()) {
            Poll::Ready(Ok(incoming)) => break incoming,
            Poll::Ready(Err(Error::Io(error))) => return broken(&error),
            Poll::Ready(Err(error)) => panic!("{error}"),
            Poll::Pending => wake(stream, woken),
        }
    };
    let Incoming::Upgrade(upgrade) = incoming else { panic!("a request for a WebSocket") };
    let mut accepted = pin!(upgrade.accept());
    loop {
        match poll(woken, accepted.as_mut()) {
            Poll::Ready(accepted) => return accepted.map_or_else(|error| broken(&error), Some),
            Poll::Pending => wake(stream, woken),
        }
    }
}

fn push(seen: &mut Collector, event: &Event<'_>) {
    let is_over = matches!(seen.events.last(), Some(Seen::Failed(_) | Seen::Close(_)));
    assert!(!is_over, "I4: {event:?}");
    seen.push(event);
}

/// Polls once.
fn poll<F: Future>(woken: &Arc<Woken>, future: F) -> Poll<F::Output> {
    woken.0.store(0, Ordering::Relaxed);
    let waker = Waker::from(Arc::clone(woken));
    pin!(future).poll(&mut Context::from_waker(&waker))
}

/// The stream goes on: whoever waited for it is woken by that.
fn wake(stream: &Shared, woken: &Arc<Woken>) {
    // A turn may also end to let others run, and wake itself for that.
    let yielded = woken.0.load(Ordering::Relaxed) > 0;
    stream.go_on(Direction::Reading);
    stream.go_on(Direction::Writing);
    assert!(yielded || woken.0.load(Ordering::Relaxed) > 0, "I15: nobody waits for the stream");
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
