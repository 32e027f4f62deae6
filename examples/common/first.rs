//! Waiting for two things at once. tokio's `select!` does it for more of them; it needs tokio's feature `macros`.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// The output of the future that is ready first; the other one is dropped.
pub(crate) async fn first<A: Future, B: Future>(one: A, other: B) -> First<A::Output, B::Output> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(First::One(output)),
        Poll::Pending => other.as_mut().poll(context).map(First::Other),
    })
    .await
}
