//! [`ReadBuffer`]: bytes that were read but not received yet.

use core::cell::RefCell;
use core::task::{Context, Poll, ready};
use std::boxed::Box;
use std::io::{self, ErrorKind};
use std::vec::Vec;

use super::io::{Read, Timer};
use crate::adapter::MAX_FRAME;
use crate::connection::{self, Unread};
use crate::input::Input;

/// Bytes that a read is offered. Over TCP, this has 1.5 to 2.5 times the throughput of 16 KiB; 128 KiB is no
/// faster.
const SIZE: u32 = 64 * 1024;

/// Bytes that were read but not received yet.
///
/// Memory is allocated only while there are bytes in it: a waiting connection holds none. Each thread keeps a
/// few buffers for the next connections that read.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    bytes: Option<Box<connection::ReadBuffer>>,
    size: u32,
    /// Whether it may contain an event; otherwise it holds at most an incomplete frame.
    pub(super) fresh: bool,
    /// Whether it waits a moment for what arrived before a write failed.
    awaits_rest: bool,
    /// Why that failed, until the caller is told. An error with all it says would take more memory in each connection.
    pub(super) broken: Option<ErrorKind>,
    /// Whether the `Stream` of its events has ended.
    pub(super) is_over: bool,
}

impl ReadBuffer {
    pub(super) fn new(unread: Vec<u8>) -> Self {
        let mut buffer = Self {
            bytes: None,
            size: SIZE,
            fresh: !unread.is_empty(),
            awaits_rest: false,
            broken: None,
            is_over: false,
        };
        if !unread.is_empty() {
            buffer.bytes = Some(Box::new(buffer.empty().with_unread(unread)));
        }
        buffer
    }

    /// Returns an empty buffer: one that this thread keeps, or a new one.
    fn empty(&self) -> connection::ReadBuffer {
        let kept = KEPT.try_with(|kept| kept.borrow_mut().pop()).ok().flatten();
        match kept {
            Some(kept) => kept.resized(self.size as usize),
            None => connection::ReadBuffer::new(self.size as usize, MAX_FRAME),
        }
    }

    /// Sets how many bytes a read is offered.
    pub(super) fn set_size(&mut self, bytes: usize) {
        self.size = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        if let Some(bytes) = self.bytes.take() {
            self.bytes = Some(Box::new(self.empty().with_unread(bytes.into_unread())));
        }
    }

    pub(super) fn into_unread(self) -> Vec<u8> {
        self.bytes.map(|bytes| bytes.into_unread()).unwrap_or_default()
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[], |bytes| bytes.unread())
    }

    /// Returns `true` if there is room for another read before anything is received.
    pub(super) fn has_room(&self) -> bool {
        self.unread().len() < self.size as usize
    }

    /// Passes the bytes to `take`, which returns the next event if there is one.
    #[inline]
    pub(super) fn give<'b, E>(&'b mut self, take: impl FnOnce(&mut Input<'b>) -> Option<E>) -> Option<E> {
        let Some(bytes) = &mut self.bytes else { return take(&mut Input::new(&mut [])) };
        let event = take(&mut bytes.input());
        self.fresh = event.is_some();
        event
    }

    /// Returns the bytes, and [`fresh`](Self::fresh).
    pub(super) fn lend(&mut self) -> (Input<'_>, &mut Unread, &mut bool) {
        let bytes = self.bytes.take().unwrap_or_else(|| Box::new(self.empty()));
        let (input, unread) = self.bytes.insert(bytes).parts();
        (input, unread, &mut self.fresh)
    }

    /// Reads once, after the bytes not received yet; 0 means the end of the stream.
    pub(super) fn poll_read<T, R: Read<T>>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut bytes = self.bytes.take().unwrap_or_else(|| Box::new(self.empty()));
        let read = loop {
            match stream.poll_read(bytes.spare(), cx) {
                Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        bytes.appended();
        if let Poll::Ready(Ok(1..)) = read {
            self.fresh = true;
        }
        if bytes.is_empty() {
            keep(*bytes);
        } else {
            self.bytes = Some(bytes);
        }
        read
    }

    /// Reads some of what arrived before a write failed; returns `true` if there was any. A peer that drips does not
    /// put the end off: all of it has one moment.
    pub(super) fn poll_rest<T: Timer, R: Read<T>>(
        &mut self,
        stream: &mut R,
        timer: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        let read = self.poll_read(stream, cx);
        if read.is_pending() {
            ready!(timer.poll_moment(&mut self.awaits_rest, cx));
        }
        let has_read = matches!(read, Poll::Ready(Ok(1..)));
        self.awaits_rest &= has_read;
        Poll::Ready(has_read)
    }

    /// The connection is open, so no write has failed yet.
    pub(super) fn opened(mut self) -> Self {
        (self.awaits_rest, self.broken) = (false, None);
        self
    }
}

std::thread_local! {
    /// Empty buffers: their memory is in the cache, and large messages cause no page faults.
    static KEPT: RefCell<Vec<connection::ReadBuffer>> = const { RefCell::new(Vec::new()) };
}

/// Keeps an empty buffer for the next connection of this thread that reads.
fn keep(buffer: connection::ReadBuffer) {
    if buffer.capacity() <= KEPT_CAPACITY {
        // A thread that is ending cannot keep it.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_BUFFERS {
                kept.push(buffer);
            }
        });
    }
}

/// Maximum number of buffers that a thread keeps, and maximum size of each.
const KEPT_BUFFERS: usize = 4;
const KEPT_CAPACITY: usize = 2 << 20;
