//! The client: one thread, every connection's window kept full of frames that were encoded before, echoed bytes counted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags};

pub struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    /// The frame again and again.
    frames: Vec<u8>,
    /// How long a frame is, and how long its echo.
    frame: usize,
    echo: usize,
    /// How many bytes of frames may be on their way in one connection.
    window: usize,
    buf: Vec<u8>,
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that are written at once, if they are on their way at all, and a frame more.
const AT_ONCE: usize = 64 << 10;

struct Connection {
    stream: TcpStream,
    sent: usize,
    echoed: usize,
}

impl Load {
    /// Opens `connections`, and proves that each echoes. Without `handshake` the server echoes the frames as they are.
    pub fn open(
        address: SocketAddr,
        handshake: bool,
        connections: usize,
        payload: usize,
        window: usize,
    ) -> io::Result<Self> {
        let (frame, mut echo) = frame(payload);
        if !handshake {
            echo.clone_from(&frame);
        }
        let window = (window / frame.len()).max(1) * frame.len();
        let poll = Poll::new()?;
        let connections = (0..connections)
            .map(|i| {
                let stream = open(address, handshake, &frame, &echo)?;
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, Token(i), interest)?;
                Ok(Connection { stream, sent: 0, echoed: 0 })
            })
            .collect::<io::Result<_>>()?;
        let frames = frame.repeat(AT_ONCE / frame.len() + 1);
        let (frame, echo, buf) = (frame.len(), echo.len(), vec![0; 1 << 20]);
        Ok(Self { poll, connections, frames, frame, echo, window, buf })
    }

    /// Goes on for some time, and until something has come back; how many messages that were, and how long it took.
    pub fn run(&mut self, time: Duration) -> (f64, Duration) {
        let mut events = Events::with_capacity(1024);
        let before = self.echoed();
        let began = Instant::now();
        for i in 0..self.connections.len() {
            self.go_on(i);
        }
        while began.elapsed() < time || self.echoed() == before {
            assert!(began.elapsed() < time + PATIENCE, "nothing came back");
            // Without sleeping, so that no server waits until this core wakes up.
            self.poll.poll(&mut events, Some(Duration::ZERO)).expect("epoll");
            for event in &events {
                self.go_on(event.token().0);
            }
        }
        ((self.echoed() - before) as f64 / self.echo as f64, began.elapsed())
    }

    fn echoed(&self) -> usize {
        self.connections.iter().map(|connection| connection.echoed).sum()
    }

    fn go_on(&mut self, i: usize) {
        let Connection { stream, sent, echoed } = &mut self.connections[i];
        loop {
            // Counted in the kernel and thrown away there, so that the client costs less than any server.
            match socket::recv(stream.as_raw_fd(), &mut self.buf, MsgFlags::MSG_TRUNC) {
                Ok(0) => panic!("the server closed"),
                Ok(n) => {
                    *echoed += n;
                    if n < self.buf.len() {
                        break;
                    }
                }
                Err(Errno::EAGAIN) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let back = *echoed / self.echo * self.frame;
        // In large pieces: not before half of the window is free.
        if 2 * (back + self.window - *sent) < self.window {
            return;
        }
        while *sent < back + self.window {
            let from = *sent % self.frame;
            let to = self.frames.len().min(from + back + self.window - *sent);
            match stream.write(&self.frames[from..to]) {
                Ok(n) => *sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A connection that has echoed the frame once.
pub fn open(address: SocketAddr, handshake: bool, frame: &[u8], echo: &[u8]) -> io::Result<net::TcpStream> {
    let mut stream = net::TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    if handshake {
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(request.as_bytes())?;
        // Nothing comes behind the head yet.
        let (mut head, mut buf) = (Vec::new(), [0; 1024]);
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buf)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => head.extend_from_slice(&buf[..n]),
            }
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&head)));
        }
    }
    let mut answer = vec![0; echo.len()];
    stream.write_all(frame)?;
    stream.read_exact(&mut answer)?;
    if answer == echo { Ok(stream) } else { Err(io::Error::other("the echo is wrong")) }
}

/// A masked binary message, and its echo.
pub fn frame(payload: usize) -> (Vec<u8>, Vec<u8>) {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let (mut frame, mut echo) = (vec![0x82], vec![0x82]);
    match payload {
        0..=125 => echo.push(payload as u8),
        126..=0xFFFF => {
            echo.push(126);
            echo.extend_from_slice(&(payload as u16).to_be_bytes());
        }
        _ => {
            echo.push(127);
            echo.extend_from_slice(&(payload as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&echo[1..]);
    frame[1] |= 0x80;
    frame.extend_from_slice(&MASK);
    for i in 0..payload {
        echo.push(i as u8);
        frame.push(i as u8 ^ MASK[i % 4]);
    }
    (frame, echo)
}
