//! Dialling: connects to the first address of a host that answers (RFC 8305).

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::vec::Vec;

use ::tokio::net::{TcpStream, lookup_host};

use super::Timer;
use super::connect::in_time;
use crate::adapter::{connecting, looking_up, no_address};
use crate::aio::Timer as _;
use crate::endpoint::{Addresses, Attempt};

/// Connects to `host` before `due`.
pub(super) async fn dial(
    host: &str,
    port: u16,
    timer: &Timer,
    due: Option<Duration>,
) -> io::Result<TcpStream> {
    let found = in_time(timer, due, lookup_host((host, port))).await;
    let found = found.map_err(|error| looking_up(host, error))?.collect();
    first_of(found, host, timer, due).await
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

async fn first_of(
    found: Vec<SocketAddr>,
    host: &str,
    timer: &Timer,
    due: Option<Duration>,
) -> io::Result<TcpStream> {
    let mut addresses = Addresses::new(found);
    let mut running: Vec<(SocketAddr, Connecting)> = Vec::new();
    let (mut error, mut alarm) = (no_address(host), timer.another());
    poll_fn(|cx| {
        loop {
            let now = alarm.now();
            let until = match addresses.next_attempt(now) {
                Attempt::Start(address) => {
                    error = connecting(host, address, ErrorKind::TimedOut.into());
                    running.push((address, Box::pin(TcpStream::connect(address))));
                    continue;
                }
                Attempt::Wait(until) => until.into_iter().chain(due).min(),
                Attempt::Exhausted => break,
            };
            match poll_any(&mut running, cx) {
                Poll::Ready((_, Ok(stream))) => return Poll::Ready(Some(stream)),
                Poll::Ready((address, Err(failed))) => {
                    error = connecting(host, address, failed);
                    addresses.failed();
                }
                Poll::Pending if due.is_some_and(|due| now >= due) => break,
                Poll::Pending => ready!(alarm.poll(until, cx)),
            }
        }
        Poll::Ready(None)
    })
    .await
    .ok_or(error)
}

/// Returns the next attempt that has ended.
fn poll_any(
    running: &mut Vec<(SocketAddr, Connecting)>,
    cx: &mut Context<'_>,
) -> Poll<(SocketAddr, io::Result<TcpStream>)> {
    for at in 0..running.len() {
        if let Poll::Ready(result) = running[at].1.as_mut().poll(cx) {
            return Poll::Ready((running.swap_remove(at).0, result));
        }
    }
    Poll::Pending
}

#[cfg(all(test, feature = "_tests"))]
mod tests {
    use std::string::ToString;

    use ::tokio::net::{TcpListener, TcpSocket};
    use ::tokio::time::{Instant, timeout};

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Nobody listens there. A port that was free a moment ago may be that of another test by now.
    fn refusing() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    /// A listener whose queue is full: attempts hang. The streams fill it.
    async fn hanging() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = timeout(ms(500), TcpStream::connect(address)).await {
            filling.push(stream.unwrap());
        }
        (listener, filling, address)
    }

    async fn first(found: &[SocketAddr], due: u64) -> (io::Result<SocketAddr>, Duration) {
        let (timer, began) = (Timer::new(Duration::ZERO), Instant::now());
        let stream = first_of(found.to_vec(), "host", &timer, Some(ms(due))).await;
        (stream.and_then(|stream| stream.peer_addr()), began.elapsed())
    }

    #[::tokio::test]
    async fn an_address_that_refuses_or_hangs_costs_little() {
        let (_good, good) = listener().await;
        let (_listener, _filling, hanging) = hanging().await;
        let found = (1..=100).map(|_| refusing()).chain([good]).collect::<Vec<_>>();
        let (connected, took) = first(&found, 60_000).await;
        assert_eq!(connected.unwrap(), good);
        assert!(took < ms(20_000), "a refusal is not waited for: {took:?}");
        let (connected, took) = first(&[hanging, good], 60_000).await;
        assert_eq!(connected.unwrap(), good);
        assert!((ms(240)..ms(20_000)).contains(&took), "{took:?}");
    }

    #[::tokio::test]
    async fn all_fail_or_the_deadline_passes() {
        let error = first(&[refusing()], 5000).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(first(&[], 5000).await.0.unwrap_err().to_string(), "looking up host: it has no address");
        let (_listener, _filling, hanging) = hanging().await;
        for found in [&[hanging][..], &[refusing(), hanging], &[hanging, refusing()]] {
            let (connected, took) = first(found, 400).await;
            let error = connected.unwrap_err();
            assert!((ms(380)..ms(20_000)).contains(&took), "{took:?}");
            assert!(error.to_string().starts_with("connecting to host:"), "{error}");
        }
    }
}
