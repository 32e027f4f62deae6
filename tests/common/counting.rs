//! An allocator that counts, for test programs about memory.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

/// Counts for each thread by itself, so that tests may run at the same time.
struct Counting;

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { calls: 0, held: 0, peak: 0 }) };
}

#[derive(Debug, Clone, Copy)]
struct Count {
    calls: usize,
    held: isize,
    peak: isize,
}

fn count(calls: usize, bytes: isize) {
    let _ = COUNT.try_with(|count| {
        let mut now = count.get();
        now.calls += calls;
        now.held += bytes;
        now.peak = now.peak.max(now.held);
        count.set(now);
    });
}

// SAFETY: every call is passed on to the system's allocator as it is; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size().cast_signed());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    /// What grows is not counted twice: the system moves large blocks without copying them.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(1, new_size.cast_signed() - layout.size().cast_signed());
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, -layout.size().cast_signed());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` allocates: calls, bytes at the peak, bytes that are held in the end; and what it returns.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (Used, T) {
    let start = COUNT.get();
    COUNT.set(Count { peak: start.held, ..start });
    let result = work();
    let end = COUNT.get();
    (
        Used { calls: end.calls - start.calls, peak: end.peak - start.held, held: end.held - start.held },
        result,
    )
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) calls: usize,
    pub(crate) peak: isize,
    pub(crate) held: isize,
}
