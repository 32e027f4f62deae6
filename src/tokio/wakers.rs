//! [`Wakers`]: a stream keeps one waker for writing, and both halves may wait to write.

use core::task::{Context, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// Who waits for the stream to take more.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    both: Mutex<[Option<Waker>; 2]>,
}

#[derive(Clone, Copy)]
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

    fn lock(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        self.both.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Not under the lock: a waker may do anything.
        let wakers = self.lock().clone();
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
