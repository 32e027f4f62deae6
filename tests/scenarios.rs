//! One table of scenarios over every way in: the bare endpoints, both adapters whole and in halves, `Stream` and `Sink` behind
//! `futures`' own `split`, and TLS. The peer is a raw socket that speaks raw bytes.
#![cfg(all(feature = "_tests", feature = "net", feature = "tokio-rustls"))]

mod certificates;
#[path = "support/futures_io.rs"]
mod futures_io_socket;
#[path = "scenarios/peer.rs"]
mod peer;
#[path = "scenarios/table.rs"]
mod table;
#[path = "scenarios/ways.rs"]
mod ways;

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use certificates::certificate;
use peer::Peer;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sansocket::handshake::HandshakeError;
use sansocket::{Config, ProtocolError};
use ways::{WAYS, WayIn};

/// Which end is under test; the peer is the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Client,
}

/// How a connection ended, whatever the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The peer's Close, with this code.
    Close(u16),
    Failed(ProtocolError),
    /// The stream failed: an error of an adapter, [`ProtocolError::TransportFailed`] of an endpoint.
    Broken,
    /// The request, or the response, broke a rule.
    Handshake(HandshakeError),
    /// Nothing was opened, and there was nobody to tell why.
    NotOpened(std::io::ErrorKind),
    /// A client was answered with this status.
    Status(u16),
    /// A server has served a page.
    Page,
    /// It ended without a word.
    Silent,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    /// How many messages were received.
    messages: usize,
    end: End,
    took: Duration,
}

struct Scenario {
    name: &'static str,
    roles: &'static [Role],
    config: fn(Config) -> Config,
    /// What the peer does, from its first byte on.
    peer: fn(&mut Peer),
    /// What the end under test reports.
    expected: fn(&Report) -> bool,
}

/// Everything is over within this time, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

/// The deadlines of the end under test, unless a scenario sets others. None of them passes in a scenario that is not about it.
fn patient() -> Config {
    let long = Duration::from_secs(15);
    Config::default().handshake_timeout(long).close_timeout(long).write_timeout(Some(long))
}

/// Runs a scenario over every way in, and in each role: all at once, since most of them wait.
fn run(scenario: &'static Scenario) {
    let mut cells = vec![];
    for way in WAYS {
        for &role in scenario.roles {
            cells.push((way, role, thread::spawn(move || cell(scenario, way, role))));
        }
    }
    let failed = cells.into_iter().filter_map(|(way, role, run)| run.join().is_err().then_some((way, role)));
    let failed = failed.collect::<Vec<_>>();
    assert!(failed.is_empty(), "{}: {failed:?}", scenario.name);
}

fn cell(scenario: &Scenario, way: &'static WayIn, role: Role) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let peer = std::net::TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (stream, _) = listener.accept().expect("it has connected");
    let config = (scenario.config)(patient());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let began = Instant::now();
        let (messages, end) = (way.run)(stream, role, config);
        tell.send(Report { messages, end, took: began.elapsed() })
    });
    let mut peer = Peer::new(peer, role, way.tls, way.by_channel);
    let done = catch_unwind(AssertUnwindSafe(|| (scenario.peer)(&mut peer)));
    // The peer stays until the other end has reported: no connection ends because its peer has gone, unless it has. The report
    // is worth reading, too, where the peer has met something unexpected.
    let report = told.recv_timeout(if done.is_ok() { PATIENCE } else { Duration::from_secs(1) });
    assert!(done.is_ok(), "{way:?}, {role:?}, {}: {report:?}", scenario.name);
    let report = report.unwrap_or_else(|error| panic!("{way:?}, {role:?}, {}: {error}", scenario.name));
    assert!((scenario.expected)(&report), "{way:?}, {role:?}, {}: {report:?}", scenario.name);
}

/// The configurations of a server that is called `localhost`, and of a client that trusts it.
fn tls() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let (certificate, key) = certificate("localhost");
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider's versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a certificate and its key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider's versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}
