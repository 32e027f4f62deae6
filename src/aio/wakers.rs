//! [`Wakers`]: several tasks that wait for the same direction of a stream, which keeps only one waker.

use core::mem;
use core::task::{Context, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::vec::Vec;

/// The tasks that use one connection. As a waker, it wakes all of them but those that wait for the end alone: that is brought by
/// one of the others.
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
    writers: Vec<Writer>,
    /// How many handles have been added to the first.
    added: u64,
}

#[derive(Debug)]
struct Writer {
    id: WriterId,
    waker: Waker,
    /// Whether it waits for more than the end.
    writes: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Reader,
    Writer(WriterId),
    /// A handle that waits for the end of the connection alone.
    End(WriterId),
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
        let writes = !matches!(side, Side::End(_));
        let waker = match side {
            Side::Reader => waiting.reader.as_mut(),
            Side::Writer(id) | Side::End(id) => {
                let writer = waiting.writers.iter_mut().find(|writer| writer.id == id);
                writer.map(|writer| {
                    writer.writes = writes;
                    &mut writer.waker
                })
            }
        };
        let replaced = match (waker, side) {
            (Some(waker), _) if waker.will_wake(cx.waker()) => None,
            (Some(waker), _) => Some(mem::replace(waker, cx.waker().clone())),
            (None, Side::Reader) => waiting.reader.replace(cx.waker().clone()),
            (None, Side::Writer(id) | Side::End(id)) => {
                // Mostly there is one.
                waiting.writers.reserve_exact(1);
                waiting.writers.push(Writer { id, waker: cx.waker().clone(), writes });
                None
            }
        };
        drop(waiting);
        drop(replaced);
    }

    /// Records that this writer no longer waits.
    pub(super) fn clear(&self, id: WriterId) {
        let mut waiting = self.lock();
        let at = waiting.writers.iter().position(|writer| writer.id == id);
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
        let writers = mem::take(&mut self.lock().writers);
        writers.into_iter().for_each(|writer| writer.waker.wake());
    }

    /// Wakes the writers that may wait for room, except for the one that has made it.
    pub(super) fn wake_for_room(&self, but: Option<WriterId>) {
        let waits = |writer: &mut Writer| writer.writes && Some(writer.id) != but;
        let writers: Vec<Writer> = self.lock().writers.extract_if(.., waits).collect();
        writers.into_iter().for_each(|writer| writer.waker.wake());
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
        self.wake_for_room(None);
    }
}
