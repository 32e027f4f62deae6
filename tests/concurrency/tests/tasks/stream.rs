//! [`stream`]: two ends of a byte stream that behaves as a socket does. It keeps only the last waker of each direction, and wakes it
//! only when something has changed, never by itself.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sansocket::aio::{Read, Timer, Write};

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub struct Clock;

impl Timer for Clock {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn poll(&mut self, due: Option<Duration>, _: &mut Context<'_>) -> Poll<()> {
        if due.is_some_and(|due| due.is_zero()) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_moment(&mut self, _: &mut bool, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn another(&self) -> Self {
        Self
    }
}

/// One end. Clones are the same end, for its two halves.
#[derive(Debug, Clone)]
pub struct End {
    incoming: Arc<Mutex<Direction>>,
    outgoing: Arc<Mutex<Direction>>,
}

#[derive(Debug, Default)]
struct Direction {
    bytes: VecDeque<u8>,
    room: usize,
    ended: bool,
    broken: bool,
    /// Who waits for bytes: woken by a write, and by the end.
    reader: Option<Waker>,
    /// Who waits for room: woken by a read.
    writer: Option<Waker>,
}

/// Two ends, with `room` for so many bytes in each direction.
pub fn stream(room: usize) -> (End, End) {
    let direction = || Arc::new(Mutex::new(Direction { room, ..Direction::default() }));
    let (a, b) = (direction(), direction());
    (End { incoming: a.clone(), outgoing: b.clone() }, End { incoming: b, outgoing: a })
}

impl End {
    /// Breaks both directions.
    pub fn reset(&self) {
        for direction in [&self.incoming, &self.outgoing] {
            let mut direction = lock(direction);
            direction.broken = true;
            let wakers = [direction.reader.take(), direction.writer.take()];
            wake(direction, wakers);
        }
    }
}

fn lock(direction: &Mutex<Direction>) -> MutexGuard<'_, Direction> {
    direction.lock().expect("no task panics")
}

/// Not under the lock: the task may run at once.
fn wake<const N: usize>(direction: MutexGuard<'_, Direction>, wakers: [Option<Waker>; N]) {
    drop(direction);
    wakers.into_iter().flatten().for_each(Waker::wake);
}

impl Read<Clock> for End {
    fn poll_read(&mut self, bytes: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut direction = lock(&self.incoming);
        if direction.broken {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let n = direction.bytes.len().min(bytes.capacity() - bytes.len());
        if n == 0 && !direction.ended {
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        bytes.extend(direction.bytes.drain(..n));
        let writer = direction.writer.take();
        wake(direction, [writer]);
        Poll::Ready(Ok(n))
    }
}

impl Write<Clock> for End {
    fn poll_write(&mut self, slices: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut direction = lock(&self.outgoing);
        if direction.broken || direction.ended {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = direction.room - direction.bytes.len();
        if room == 0 {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let before = direction.bytes.len();
        direction.bytes.extend(slices.iter().flat_map(|slice| slice.iter()).take(room));
        let n = direction.bytes.len() - before;
        let reader = direction.reader.take();
        wake(direction, [reader]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut direction = lock(&self.outgoing);
        direction.ended = true;
        let reader = direction.reader.take();
        wake(direction, [reader]);
        Poll::Ready(Ok(()))
    }
}
