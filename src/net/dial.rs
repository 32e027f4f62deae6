//! Dialling: connects to the first address of a host that answers (RFC 8305).

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::thread;
use std::vec::Vec;

use super::time::{Clock, earlier};
use crate::adapter::{connecting, looking_up, no_address};
use crate::endpoint::{Addresses, Attempt};

/// Connects to `host` before `due`. The operating system alone limits name resolution.
pub(super) fn dial(host: &str, port: u16, clock: Clock, due: Option<Duration>) -> io::Result<TcpStream> {
    let found = (host, port).to_socket_addrs().map_err(|error| looking_up(host, error))?;
    first_of(found.collect(), host, clock, due)
}

/// Runs each attempt in a thread, which ends at `due` at the latest.
fn first_of(
    found: Vec<SocketAddr>,
    host: &str,
    clock: Clock,
    due: Option<Duration>,
) -> io::Result<TcpStream> {
    let left = |now: Duration| due.map_or(Duration::MAX, |due| due.saturating_sub(now));
    if let &[address] = &found[..] {
        return connect(address, left(clock.now())).map_err(|error| connecting(host, address, error));
    }
    let mut addresses = Addresses::new(found);
    let mut error = no_address(host);
    let (sender, results) = channel();
    loop {
        let now = clock.now();
        match addresses.next_attempt(now) {
            Attempt::Start(address) => {
                error = connecting(host, address, ErrorKind::TimedOut.into());
                let (sender, left) = (sender.clone(), left(now));
                // Without a receiver another attempt has succeeded.
                let attempt = move || drop(sender.send((address, connect(address, left))));
                if thread::Builder::new().spawn(attempt.clone()).is_err() {
                    attempt();
                }
            }
            Attempt::Wait(until) => {
                let wait = earlier(until, due).map_or(Duration::MAX, |until| until.saturating_sub(now));
                match results.recv_timeout(wait) {
                    Ok((_, Ok(stream))) => return Ok(stream),
                    Ok((address, Err(failed))) => {
                        error = connecting(host, address, failed);
                        addresses.failed();
                    }
                    Err(_) if left(clock.now()).is_zero() => return Err(error),
                    Err(_) => {}
                }
            }
            Attempt::Exhausted => return Err(error),
        }
    }
}

fn connect(address: SocketAddr, left: Duration) -> io::Result<TcpStream> {
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    TcpStream::connect_timeout(&address, left)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::string::ToString;
    use std::time::Instant;

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Nobody listens there. A port that was free a moment ago may be that of another test by now.
    fn refusing(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A listener whose queue is full: attempts hang. The streams fill it.
    fn hanging() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let (listener, address) = listener();
        let filling = (0..10_000).map_while(|_| TcpStream::connect_timeout(&address, ms(500)).ok()).collect();
        (listener, filling, address)
    }

    fn first(found: &[SocketAddr], due: u64) -> (io::Result<SocketAddr>, Duration) {
        let (clock, began) = (Clock::from(Duration::ZERO), Instant::now());
        let stream = first_of(found.to_vec(), "host", clock, Some(ms(due)));
        (stream.and_then(|stream| stream.peer_addr()), began.elapsed())
    }

    #[test]
    fn an_address_that_refuses_or_hangs_costs_little() {
        let (_good, good) = listener();
        let (_listener, _filling, hanging) = hanging();
        let found = (1..=100).map(|_| refusing(1)).chain([good]).collect::<Vec<_>>();
        let (connected, took) = first(&found, 60_000);
        assert_eq!(connected.unwrap(), good);
        assert!(took < ms(20_000), "a refusal is not waited for: {took:?}");
        let (connected, took) = first(&[hanging, good], 60_000);
        assert_eq!(connected.unwrap(), good);
        assert!((ms(240)..ms(20_000)).contains(&took), "{took:?}");
    }

    #[test]
    fn the_error_is_that_of_the_address_that_failed_last() {
        let (first_address, last) = (refusing(1), refusing(2));
        let error = first(&[first_address, last], 5000).0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let expected = std::format!("connecting to host:{} (127.0.0.1): ", last.port());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(first(&[], 5000).0.unwrap_err().to_string(), "looking up host: it has no address");
    }

    #[test]
    fn the_deadline_holds_for_all_attempts() {
        let (_listener, _filling, hanging) = hanging();
        for found in [&[hanging][..], &[refusing(1), hanging], &[hanging, refusing(1)]] {
            let (connected, took) = first(found, 400);
            let error = connected.unwrap_err();
            assert!((ms(380)..ms(20_000)).contains(&took), "{took:?}");
            assert!(error.to_string().starts_with("connecting to host:"), "{error}");
        }
        assert_eq!(first(&[hanging], 0).0.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
