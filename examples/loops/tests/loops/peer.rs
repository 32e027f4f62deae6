//! [`Peer`]: a client of raw bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::program::Program;

pub(crate) const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// With an open connection.
    pub(crate) fn open(program: &Program) -> Self {
        let mut peer = Self::new(program.connect());
        peer.stream.write_all(REQUEST).unwrap();
        peer.expect_response();
        peer
    }

    pub(crate) fn expect_response(&mut self) {
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            let (mut chunk, old) = ([0; 1024], response.len());
            let n = self.stream.peek(&mut chunk).unwrap();
            assert!(n > 0, "the stream ends in {}", String::from_utf8_lossy(&response));
            response.extend(&chunk[..n]);
            // Frames may follow.
            let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            response.truncate(end.map_or(response.len(), |at| at + 4));
            self.stream.read_exact(&mut chunk[..response.len() - old]).unwrap();
        }
        assert!(response.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&response));
    }

    /// The payload of the next frame, which has this opcode.
    pub(crate) fn receive(&mut self, opcode: u8) -> Vec<u8> {
        let mut header = [0; 2];
        self.stream.read_exact(&mut header).unwrap();
        assert_eq!(header[0], 0x80 | opcode);
        let len = match header[1] {
            126 => self.number::<2>(),
            127 => self.number::<8>(),
            len => u64::from(len),
        };
        let mut payload = vec![0; len as usize];
        self.stream.read_exact(&mut payload).unwrap();
        payload
    }

    fn number<const N: usize>(&mut self) -> u64 {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    pub(crate) fn expect(&mut self, opcode: u8, payload: &[u8]) {
        assert!(self.receive(opcode) == payload, "opcode {opcode}, {} bytes", payload.len());
    }

    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
    }

    pub(crate) fn expect_prompt_echo(&mut self) {
        self.expect_echo_within(Duration::from_secs(10));
    }

    pub(crate) fn expect_echo_within(&mut self, limit: Duration) {
        let took = self.expect_echo();
        assert!(took < limit, "{took:?}");
    }

    /// How long it took.
    pub(crate) fn expect_echo(&mut self) -> Duration {
        let sent = Instant::now();
        self.stream.write_all(&frame(TEXT, b"anybody there?")).unwrap();
        self.expect(TEXT, b"anybody there?");
        sent.elapsed()
    }
}

/// A frame with a mask that changes nothing.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
