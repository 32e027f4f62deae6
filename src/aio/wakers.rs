//! [`Wakers`]: two tasks that wait for the same direction of a stream, which keeps only one waker.

use core::task::{Context, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// The tasks that use one connection. As a waker, it wakes both.
///
/// Each side sets its own waker before it polls anything, so that no wake-up is lost. The writing direction
/// of the stream and the timer get this as their waker; each side then checks whether it was waiting for
/// that. The reading direction has only the reader's waker.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    both: Mutex<[Option<Waker>; 2]>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Reader,
    Writer,
}

impl Wakers {
    pub(super) fn set(&self, side: Side, cx: &Context<'_>) {
        let waker = &mut self.lock()[side as usize];
        match waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
    }

    /// Records that this side no longer waits.
    pub(super) fn clear(&self, side: Side) {
        self.lock()[side as usize] = None;
    }

    pub(super) fn wake_side(&self, side: Side) {
        // Not under the lock: a waker may run any code.
        let waker = self.lock()[side as usize].take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        self.both.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_side(Side::Reader);
        self.wake_side(Side::Writer);
    }
}
