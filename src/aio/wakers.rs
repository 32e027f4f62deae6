//! [`Wakers`]: several tasks that wait for the same direction of a stream, which keeps only one waker.

use core::mem;
use core::task::{Context, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::vec::Vec;

/// The tasks that use one connection. As a waker, it wakes all of them.
///
/// Each side sets its own waker before it polls anything, so that no wake-up is lost. The writing direction
/// of the stream and the timer get this as their waker; each side then checks whether it was waiting for
/// that. The reading direction has only the reader's waker, except where one waits for both.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    reader: Option<Waker>,
    /// At most one for each handle.
    writers: Vec<(WriterId, Waker)>,
    /// How many handles have been added to the first.
    added: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Reader,
    Writer(WriterId),
}

/// Which of the handles that write to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriterId(u64);

impl WriterId {
    /// The writing half, or the WebSocket itself.
    pub(super) const FIRST: Self = Self(0);
}

impl Wakers {
    /// The name of another handle.
    pub(super) fn another_writer(&self) -> WriterId {
        let mut waiting = self.lock();
        waiting.added += 1;
        WriterId(waiting.added)
    }

    // Under the lock no waker is woken or dropped: it may run any code.

    pub(super) fn set(&self, side: Side, cx: &Context<'_>) {
        let mut waiting = self.lock();
        let waker = match side {
            Side::Reader => waiting.reader.as_mut(),
            Side::Writer(id) => {
                waiting.writers.iter_mut().find(|(other, _)| *other == id).map(|(_, waker)| waker)
            }
        };
        let replaced = match (waker, side) {
            (Some(waker), _) if waker.will_wake(cx.waker()) => None,
            (Some(waker), _) => Some(mem::replace(waker, cx.waker().clone())),
            (None, Side::Reader) => waiting.reader.replace(cx.waker().clone()),
            (None, Side::Writer(id)) => {
                // Mostly there is one.
                waiting.writers.reserve_exact(1);
                waiting.writers.push((id, cx.waker().clone()));
                None
            }
        };
        drop(waiting);
        drop(replaced);
    }

    /// Records that this writer no longer waits.
    pub(super) fn clear(&self, id: WriterId) {
        let mut waiting = self.lock();
        let at = waiting.writers.iter().position(|(other, _)| *other == id);
        let cleared = at.map(|at| waiting.writers.swap_remove(at));
        drop(waiting);
        drop(cleared);
    }

    /// Records that there is no reader any more.
    pub(super) fn clear_reader(&self) {
        let cleared = self.lock().reader.take();
        drop(cleared);
    }

    pub(super) fn wake_reader(&self) {
        let waker = self.lock().reader.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn wake_writers(&self) {
        let wakers = mem::take(&mut self.lock().writers);
        for (_, waker) in wakers {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_reader();
        self.wake_writers();
    }
}
