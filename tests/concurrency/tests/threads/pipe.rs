//! [`pipe`]: two ends of a blocking byte stream with little room.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use sansocket::net::Transport;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// One end. Clones are handles of the same stream.
#[derive(Debug, Clone)]
pub struct Pipe {
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

#[derive(Debug)]
struct Direction {
    state: Mutex<Buffer>,
    /// Bytes have come or gone, or the direction has ended: signalled by whoever did that.
    changed: Condvar,
}

#[derive(Debug)]
struct Buffer {
    bytes: VecDeque<u8>,
    room: usize,
    ended: bool,
    broken: bool,
}

/// Two ends, with `room` for so many bytes in each direction.
pub fn pipe(room: usize) -> (Pipe, Pipe) {
    let direction = || {
        let buffer = Buffer { bytes: VecDeque::new(), room, ended: false, broken: false };
        Arc::new(Direction { state: Mutex::new(buffer), changed: Condvar::new() })
    };
    let (a, b) = (direction(), direction());
    let end = |incoming: &Arc<Direction>, outgoing: &Arc<Direction>| Pipe {
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        read_timeout: None,
        write_timeout: None,
    };
    (end(&a, &b), end(&b, &a))
}

impl Pipe {
    /// Breaks both directions.
    pub fn reset(&self) {
        self.incoming.change(|buffer| buffer.broken = true);
        self.outgoing.change(|buffer| buffer.broken = true);
    }
}

impl Direction {
    fn change(&self, change: impl FnOnce(&mut Buffer)) {
        change(&mut self.state.lock().expect("no thread panics"));
        self.changed.notify_all();
    }

    /// Calls `attempt` until it has done something, or the time is over.
    fn wait(
        &self,
        timeout: Option<Duration>,
        mut attempt: impl FnMut(&mut Buffer) -> Option<io::Result<usize>>,
    ) -> io::Result<usize> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut buffer = self.state.lock().expect("no thread panics");
        loop {
            let done = if buffer.broken {
                Some(Err(ErrorKind::ConnectionReset.into()))
            } else {
                attempt(&mut buffer)
            };
            if let Some(done) = done {
                drop(buffer);
                self.changed.notify_all();
                return done;
            }
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(ErrorKind::WouldBlock.into());
            }
            buffer = self.changed.wait_timeout(buffer, left).expect("no thread panics").0;
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.incoming.wait(self.read_timeout, |buffer| {
            let n = buf.len().min(buffer.bytes.len());
            for (to, from) in buf.iter_mut().zip(buffer.bytes.drain(..n)) {
                *to = from;
            }
            (n > 0 || buffer.ended).then_some(Ok(n))
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.wait(self.write_timeout, |buffer| {
            if buffer.ended {
                return Some(Err(ErrorKind::BrokenPipe.into()));
            }
            let n = buf.len().min(buffer.room - buffer.bytes.len());
            buffer.bytes.extend(&buf[..n]);
            (n > 0).then_some(Ok(n))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Pipe {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.outgoing.change(|buffer| buffer.ended = true);
        Ok(())
    }

    fn abort(&mut self) -> io::Result<()> {
        self.incoming.change(|buffer| buffer.ended = true);
        self.outgoing.change(|buffer| buffer.ended = true);
        Ok(())
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.read_timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.write_timeout = timeout;
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}
