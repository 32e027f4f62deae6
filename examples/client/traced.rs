//! A stream that shows the frames of both directions.

#[path = "../common/trace.rs"]
pub(crate) mod trace;

use std::io::{self, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use sansocket::net::Transport;
use trace::Trace;

pub(crate) struct Traced<S> {
    stream: S,
    /// What is sent, and what is received.
    traces: Option<(Trace, Trace)>,
}

impl<S> Traced<S> {
    /// Shows the frames of `stream` on standard error, with times since `began`, if there is one. `unread` was
    /// received already.
    pub(crate) fn new(stream: S, unread: &[u8], began: Option<Instant>) -> Self {
        let traces = began.map(|began| (Trace::of_client(">", began), Trace::of_server("<", began)));
        let mut traced = Self { stream, traces };
        traced.received(unread);
        traced
    }

    fn sent(&mut self, bytes: &[u8]) {
        if let Some((sent, _)) = &mut self.traces {
            sent.bytes(bytes, |line| eprintln!("{line}"));
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        if let Some((_, received)) = &mut self.traces {
            received.bytes(bytes, |line| eprintln!("{line}"));
        }
    }
}

impl<S: Read> Read for Traced<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buf)?;
        self.received(&buf[..n]);
        Ok(n)
    }
}

impl<S: Write> Write for Traced<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.stream.write(buf)?;
        self.sent(&buf[..n]);
        Ok(n)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.traces.is_none() {
            return self.stream.write_vectored(bufs);
        }
        // The default: one buffer, which is easier to follow.
        self.write(bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Transport> Transport for Traced<S> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()
    }

    fn abort(&mut self) -> io::Result<()> {
        self.stream.abort()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }

    fn wants_write(&self) -> Option<bool> {
        self.stream.wants_write()
    }
}
