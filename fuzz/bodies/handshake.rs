//! The opening handshake comes to the same end however its bytes are cut, and takes no byte behind the head: I1, I11.

use sansocket::handshake::{
    ClientHandshake, ClientProgress, ClientRequest, HandshakeError, ServerHandshake, ServerProgress,
};
use sansocket::{Config, Input};

use super::Tape;

/// What came of a head, and how many bytes it took.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// All bytes are taken, and more are needed.
    Open,
    /// An answer to write, or the status and the body that were received.
    Over(usize, Vec<u8>),
    Refused(HandshakeError),
}

/// `data`: the role, two cuts, then what is received.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let run = if tape.byte().is_multiple_of(2) { server } else { client };
    let cuts = tape.cuts(data.len().saturating_sub(3));
    let received = tape.take(usize::MAX);

    let whole = run(received, &[received.len()]);
    assert_eq!(run(received, &[cuts[0], cuts[1], received.len()]), whole, "I1: cut in three");
    let everywhere = Vec::from_iter(1..=received.len());
    assert_eq!(run(received, &everywhere), whole, "I1: byte by byte");
}

fn config() -> Config {
    Config::default().max_head(400).max_headers(12)
}

fn server(received: &[u8], ends: &[usize]) -> End {
    let (mut handshake, mut received) = (ServerHandshake::new(config()), received.to_vec());
    let mut start = 0;
    for end in ends {
        let mut input = Input::new(&mut received[start..*end]);
        handshake = match handshake.recv(&mut input) {
            ServerProgress::Incomplete(handshake) => handshake,
            ServerProgress::Upgrade(request) => {
                let taken = end - input.len();
                let answer = request.accept().output().to_vec();
                assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n"));
                return End::Over(taken, answer);
            }
            ServerProgress::Http(request) => {
                return End::Over(end - input.len(), request.target().as_bytes().to_vec());
            }
            ServerProgress::Refused(refusal) => {
                let status = format!("HTTP/1.1 {} ", refusal.error().status());
                assert!(refusal.response().starts_with(status.as_bytes()), "it says why");
                return End::Refused(refusal.error());
            }
        };
        assert!(input.is_empty(), "I2");
        start = *end;
    }
    End::Open
}

fn client(received: &[u8], ends: &[usize]) -> End {
    let request = ClientRequest::new("ws://server.example.com/chat")
        .and_then(|request| request.subprotocol("chat").map_err(|_| sansocket::handshake::UrlError::Host));
    let Ok(request) = request else { return End::Open };
    let random = |bytes: &mut [u8]| bytes.copy_from_slice(&b"the sample nonce".repeat(32)[..bytes.len()]);
    let mut handshake = ClientHandshake::new(request, config(), random);
    handshake.output_written(usize::MAX);
    let (mut received, mut start) = (received.to_vec(), 0);
    for end in ends {
        let mut input = Input::new(&mut received[start..*end]);
        handshake = match handshake.recv(&mut input) {
            ClientProgress::Incomplete(handshake) => handshake,
            ClientProgress::Connected(..) => return End::Over(end - input.len(), Vec::new()),
            // Without an announced length, the body is what came with the head.
            ClientProgress::Refused(refused) => return End::Over(0, refused.status().to_string().into()),
            ClientProgress::Failed(error) => return End::Refused(error),
        };
        assert!(input.is_empty(), "I2");
        start = *end;
    }
    // A refusal that waits for its body is one already.
    handshake.recv_eof().map_or(End::Open, |refused| End::Over(0, refused.status().to_string().into()))
}
