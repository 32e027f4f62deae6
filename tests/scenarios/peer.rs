//! [`Peer`]: a raw socket, or a TLS session over one, that speaks WebSocket by hand.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use sansocket::handshake::accept_key;

use super::{PATIENCE, Role, tls};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The other end of the connection.
pub(crate) struct Peer {
    /// `None` once it has vanished.
    wire: Option<Box<dyn Wire>>,
    /// The role of the end under test.
    pub(crate) role: Role,
    /// The end under test echoes from a second thread or task, which may learn of the end before it has sent everything.
    pub(crate) by_channel: bool,
}

/// A stream, and what lies below it.
trait Wire: Read + Write {
    fn socket(&self) -> &TcpStream;

    /// Says that nothing more comes, so far as the stream has words for that.
    fn say_end(&mut self) {}
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn say_end(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn say_end(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, role: Role, is_tls: bool, by_channel: bool) -> Self {
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        let wire: Box<dyn Wire> = if !is_tls {
            Box::new(stream)
        } else {
            let (server, client) = tls();
            match role {
                Role::Server => {
                    let name = ServerName::try_from("localhost").expect("a valid name");
                    let session = ClientConnection::new(client, name).expect("a valid configuration");
                    Box::new(StreamOwned::new(session, stream))
                }
                Role::Client => {
                    let session = ServerConnection::new(server).expect("a valid configuration");
                    Box::new(StreamOwned::new(session, stream))
                }
            }
        };
        Self { wire: Some(wire), role, by_channel }
    }

    /// Performs the opening handshake.
    pub(crate) fn open(&mut self) {
        match self.role {
            Role::Server => {
                self.send(REQUEST.as_bytes());
                let head = self.head();
                assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
                assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
            }
            Role::Client => {
                let response = self.response();
                self.send(&response);
            }
        }
    }

    /// Receives a request, and returns the response that accepts it.
    pub(crate) fn response(&mut self) -> Vec<u8> {
        let head = self.head();
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("Sec-WebSocket-Key").then_some(value.trim())
        });
        let key = accept_key(key.expect("a key").as_bytes());
        let key = String::from_utf8_lossy(&key);
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {key}\r\n\r\n"
        )
        .into_bytes()
    }

    /// Receives a head, to its blank line.
    pub(crate) fn head(&mut self) -> String {
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.receive(1));
        }
        String::from_utf8(head).expect("a head is ASCII")
    }

    pub(crate) fn receive(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.wire().read_exact(&mut bytes).expect("more bytes");
        bytes
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.wire().write_all(bytes).expect("the bytes are taken");
        self.wire().flush().expect("the bytes are taken");
    }

    /// Sends byte by byte.
    pub(crate) fn drip(&mut self, bytes: &[u8]) {
        for (i, byte) in bytes.iter().enumerate() {
            self.send(&[*byte]);
            if i % 16 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Sends frames until the other end is gone. Reads nothing.
    ///
    /// A pause is no end: on a busy machine the other end may just be slow, while the system still takes its echoes. A client
    /// reads on whatever it has to write, so that only its deadline ends this.
    pub(crate) fn flood(&mut self, frame: &[u8]) {
        let frames = frame.repeat(1 + 64 * 1024 / frame.len());
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.wire().write_all(&frames).is_err() {
                return;
            }
            // Many peers do so at once: what is more than 32 MB a second only takes the machine from the ends under test.
            thread::sleep(Duration::from_millis(2));
        }
        panic!("nothing ends this flood");
    }

    /// A frame of this end's role.
    pub(crate) fn frame(&self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mask_bit = if self.role == Role::Server { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..=125 => frame.push(mask_bit | len as u8),
            len @ 126..=0xffff => {
                frame.push(mask_bit | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(mask_bit | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        if self.role == Role::Server {
            frame.extend(KEY);
            frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            frame.extend(payload);
        }
        frame
    }

    pub(crate) fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        let frame = self.frame(opcode, payload);
        self.send(&frame);
    }

    pub(crate) fn send_close(&mut self, code: u16, reason: &str) {
        let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        self.send_frame(CLOSE, &payload);
    }

    /// The next frame. It has to be final, and masked as the role wants it.
    pub(crate) fn recv_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.receive(2);
        assert_eq!(head[0] & 0xf0, 0x80, "{head:?}");
        let is_masked = head[1] & 0x80 != 0;
        assert_eq!(is_masked, self.role == Role::Client);
        let len = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.receive(2).try_into().expect("two bytes"))),
            127 => u64::from_be_bytes(self.receive(8).try_into().expect("eight bytes")),
            len => u64::from(len),
        };
        let key = if is_masked { self.receive(4) } else { vec![0; 4] };
        let payload = self.receive(usize::try_from(len).expect("a length that fits"));
        let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        (head[0] & 0x0f, payload)
    }

    #[track_caller]
    pub(crate) fn expect_frame(&mut self, opcode: u8, payload: &[u8]) {
        let (received, bytes) = self.recv_frame();
        assert_eq!((received, bytes.len()), (opcode, payload.len()));
        assert!(bytes == payload, "another payload of the same length");
    }

    #[track_caller]
    pub(crate) fn expect_close(&mut self, code: u16) {
        let (opcode, payload) = self.recv_frame();
        assert_eq!(opcode, CLOSE);
        assert_eq!(payload.get(..2), Some(&code.to_be_bytes()[..]));
    }

    /// Sends a message and expects it back.
    #[track_caller]
    pub(crate) fn expect_echo(&mut self, opcode: u8, payload: &[u8]) {
        self.send_frame(opcode, payload);
        self.expect_frame(opcode, payload);
    }

    /// Both Closes are out. "The server MUST close the TCP connection first" (RFC 6455 §7.1.1): a server is waited for, and a
    /// client waits.
    #[track_caller]
    pub(crate) fn expect_end_in_order(&mut self) {
        match self.role {
            Role::Server => {
                self.expect_end();
                self.end();
            }
            Role::Client => {
                self.end();
                self.expect_end();
            }
        }
    }

    /// The end of the stream, in order: over TLS behind close_notify, without which rustls reports an error.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let mut byte = [0];
        match self.wire().read(&mut byte) {
            Ok(n) => assert_eq!(n, 0, "{byte:?} comes instead of the end"),
            Err(error) => panic!("{error} comes instead of the end"),
        }
    }

    /// The end of the stream in any manner, behind whatever comes before it.
    #[track_caller]
    pub(crate) fn expect_gone(&mut self) {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match self.wire().read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("nobody ends the stream")
                }
                Err(_) => return,
            }
        }
    }

    /// Ends this end's direction.
    pub(crate) fn end(&mut self) {
        self.wire().say_end();
        // The other end may be gone already.
        let _ = self.wire().socket().shutdown(Shutdown::Write);
    }

    /// Drops the socket with something unread in its buffer, which makes the system send a reset.
    pub(crate) fn reset(&mut self) {
        let wire = self.wire.take().expect("a peer that is there");
        wire.socket().peek(&mut [0]).expect("something to leave unread");
    }

    fn wire(&mut self) -> &mut dyn Wire {
        self.wire.as_deref_mut().expect("a peer that is there")
    }
}
