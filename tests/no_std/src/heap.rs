//! An allocator that counts, over memory that is handed out once: enough for a program that ends.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What some work has allocated.
pub(crate) struct Used {
    pub(crate) calls: usize,
    /// Bytes at the same time, at most.
    pub(crate) peak: usize,
    /// Bytes that are not given back.
    pub(crate) left: usize,
}

/// Does `work`, and tells what it has allocated.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Used) {
    let (calls, live) = (CALLS.load(Relaxed), LIVE.load(Relaxed));
    PEAK.store(live, Relaxed);
    let result = work();
    let used = Used {
        calls: CALLS.load(Relaxed) - calls,
        peak: PEAK.load(Relaxed) - live,
        left: LIVE.load(Relaxed) - live,
    };
    (result, used)
}

struct Bump(UnsafeCell<[u8; SIZE]>);

// SAFETY: the program has one thread.
unsafe impl Sync for Bump {}

// SAFETY: no byte is handed out twice, and what is handed out lies in the array, aligned as asked for.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let first = self.0.get().cast::<u8>();
        let next = first.addr() + NEXT.load(Relaxed);
        let start = next.next_multiple_of(layout.align()) - first.addr();
        let Some(end) = start.checked_add(layout.size()).filter(|end| *end <= SIZE) else {
            return ptr::null_mut();
        };
        NEXT.store(end, Relaxed);
        CALLS.fetch_add(1, Relaxed);
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        first.wrapping_add(start)
    }

    unsafe fn dealloc(&self, _: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
    }
}

#[global_allocator]
static HEAP: Bump = Bump(UnsafeCell::new([0; SIZE]));
static NEXT: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

const SIZE: usize = 16 * 1024;
