//! Layers over a stream of the `net` adapter, `Box`, `Stream`, `Tls`, `ClientStream`: what they are asked reaches the
//! stream below, and no error of that stream is taken for another.
#![cfg(feature = "net")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sansocket::net::{ClientStream, Stream, Transport};

const MS: Duration = Duration::from_millis(1);
const AGES: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Write,
    Flush,
    ShutdownWrite,
    Abort,
    ReadTimeout(Option<Duration>),
    WriteTimeout(Option<Duration>),
}

/// A stream that records what it is asked. Reads return what they are told to, after the wait of a stream that blocks.
#[derive(Debug, Clone)]
struct Recorded {
    calls: Arc<Mutex<Vec<Call>>>,
    read: Result<usize, ErrorKind>,
    /// The errors of the first writes, in reverse; then they take everything.
    writes: Vec<ErrorKind>,
    /// What it waits for.
    waits: Option<bool>,
}

impl Recorded {
    fn new(read: Result<usize, ErrorKind>, writes: &[ErrorKind]) -> Self {
        Self { calls: Arc::default(), read, writes: writes.to_vec(), waits: None }
    }

    fn record(&self, call: Call) -> io::Result<()> {
        self.calls.lock().unwrap().push(call);
        Ok(())
    }

    fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Read for Recorded {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        thread::sleep(2 * MS);
        self.read.map_err(io::Error::from)
    }
}

impl Write for Recorded {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.record(Call::Write)?;
        thread::sleep(2 * MS);
        self.writes.pop().map_or(Ok(buf.len()), |kind| Err(kind.into()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.record(Call::Flush)
    }
}

impl Transport for Recorded {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.record(Call::ShutdownWrite)
    }

    fn abort(&mut self) -> io::Result<()> {
        self.record(Call::Abort)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.record(Call::ReadTimeout(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.record(Call::WriteTimeout(timeout))
    }

    fn wants_write(&self) -> Option<bool> {
        self.waits
    }
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(AGES)).unwrap();
    (listener.accept().unwrap().0, peer)
}

#[test]
fn every_call_reaches_the_stream_below() {
    fn ask(mut stream: impl Transport) {
        stream.write_all(b"a").unwrap();
        stream.flush().unwrap();
        stream.set_read_timeout(Some(MS)).unwrap();
        stream.set_write_timeout(Some(AGES)).unwrap();
        stream.abort().unwrap();
    }
    let asked =
        [Call::Write, Call::Flush, Call::ReadTimeout(Some(MS)), Call::WriteTimeout(Some(AGES)), Call::Abort];
    let stream = Recorded::new(Ok(0), &[]);
    ask(Box::new(stream.clone()) as Box<dyn Transport>);
    assert_eq!(stream.calls(), asked);
    ask(Stream::new(stream.clone(), |stream| stream));
    assert_eq!(stream.calls(), asked);
}

#[test]
fn what_the_stream_below_waits_for_is_asked_through_a_box() {
    for waits in [None, Some(false), Some(true)] {
        let stream = Box::new(Recorded { waits, ..Recorded::new(Ok(0), &[]) }) as Box<dyn Transport>;
        assert_eq!(stream.wants_write(), waits);
    }
}

#[test]
fn the_stream_of_a_client_is_its_socket() {
    let (tcp, mut peer) = sockets();
    let mut stream = ClientStream::from(tcp);
    stream.set_read_timeout(Some(2 * AGES)).unwrap();
    stream.set_write_timeout(Some(AGES)).unwrap();
    let tcp = stream.tcp();
    assert_eq!((tcp.read_timeout().unwrap(), tcp.write_timeout().unwrap()), (Some(2 * AGES), Some(AGES)));
    stream.abort().unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

// ---- TLS ----

#[cfg(feature = "rustls")]
mod certificates;

#[cfg(feature = "rustls")]
mod tls {
    use std::sync::mpsc;

    use rustls::crypto::ring;
    use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
    use sansocket::net::Tls;

    use super::certificates::certificate;
    use super::*;

    fn client<S: Transport>(stream: S) -> Tls<S> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate("localhost").0).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Tls::client(Arc::new(config), "localhost", stream).unwrap()
    }

    #[test]
    fn an_interrupted_write_is_repeated_and_nothing_is_taken_before_the_handshake() {
        let below = Recorded::new(Err(ErrorKind::WouldBlock), &[ErrorKind::Interrupted]);
        let mut tls = client(below.clone());
        assert_eq!(tls.write(b"a").unwrap_err().kind(), ErrorKind::WouldBlock);
        let writes = |calls: Vec<Call>| calls.iter().filter(|call| **call == Call::Write).count();
        assert_eq!(writes(below.calls()), 2, "the ClientHello");
        tls.abort().unwrap();
        assert_eq!(below.calls(), [Call::Abort]);
        // Other errors are not repeated.
        for kind in [ErrorKind::BrokenPipe, ErrorKind::WouldBlock] {
            let below = Recorded::new(Err(ErrorKind::WouldBlock), &[kind]);
            assert_eq!(client(below.clone()).write(b"a").unwrap_err().kind(), kind);
            assert_eq!(writes(below.calls()), 1);
        }
    }

    #[test]
    fn the_end_of_the_stream_ends_the_handshake() {
        let mut tls = client(Recorded::new(Ok(0), &[]));
        tls.set_write_timeout(Some(AGES / 4)).unwrap();
        assert_eq!(tls.write(b"a").unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    /// A timeout that has ended a wait does not shorten the next ones.
    #[test]
    fn the_stream_waits_as_long_as_the_caller() {
        let below = Recorded::new(Err(ErrorKind::WouldBlock), &[ErrorKind::WouldBlock; 2]);
        let mut tls = client(below.clone());
        for timeout in [AGES, 50 * AGES] {
            tls.set_write_timeout(Some(timeout)).unwrap();
            assert_eq!(tls.write(b"a").unwrap_err().kind(), ErrorKind::WouldBlock);
            let calls = below.calls();
            assert!(
                matches!(calls[..], [Call::WriteTimeout(Some(told)), Call::Write] if told > timeout / 2),
                "{calls:?}"
            );
        }
        for timeout in [AGES, 50 * AGES] {
            tls.set_read_timeout(Some(timeout)).unwrap();
            assert_eq!(tls.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            let calls = below.calls();
            assert!(
                matches!(calls.last(), Some(Call::ReadTimeout(Some(told))) if *told > timeout / 2),
                "{calls:?}"
            );
        }
    }

    /// The stream of a client waits for what its TLS waits for, and without TLS for nothing of its own.
    #[test]
    fn a_client_in_its_handshake_waits_for_the_server() {
        let (tcp, _peer) = sockets();
        assert_eq!(ClientStream::from(tcp.try_clone().unwrap()).wants_write(), None);
        let mut stream = ClientStream::from(client(tcp));
        assert_eq!(stream.wants_write(), Some(true));
        stream.tcp().set_nonblocking(true).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(stream.wants_write(), Some(false));
    }

    /// What TLS has taken and its stream has not is written by the next flush, once.
    #[test]
    fn a_flush_tells_that_tls_holds_something_back() {
        let (tcp, peer) = sockets();
        let (goes_on, may_read) = mpsc::channel();
        let reading = thread::spawn(move || {
            let (certificate, key) = certificate("localhost");
            let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .unwrap();
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), peer);
            tls.read_exact(&mut [0]).unwrap();
            may_read.recv().unwrap();
            let mut rest = vec![];
            tls.read_to_end(&mut rest).unwrap();
            rest
        });
        let mut tls = client(tcp);
        tls.write_all(b"a").unwrap();
        tls.flush().unwrap();
        let mut stream = ClientStream::from(tls);
        stream.tcp().set_nonblocking(true).unwrap();
        let mut sent = vec![];
        let error = loop {
            let bytes = [sent.len() as u8; 10_000];
            let n = stream.write(&bytes).unwrap();
            sent.extend(&bytes[..n]);
            if let Err(error) = stream.flush() {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        goes_on.send(()).unwrap();
        stream.tcp().set_nonblocking(false).unwrap();
        stream.flush().unwrap();
        stream.shutdown_write().unwrap();
        assert!(reading.join().unwrap() == sent);
    }
}
