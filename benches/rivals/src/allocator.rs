//! [`count`]: what some work allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[derive(Clone, Copy)]
pub struct Count {
    pub allocations: u64,
    /// Bytes allocated and not freed.
    pub live: i64,
}

/// What the work allocates on this thread.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Count) {
    COUNT.set(Some(Count { allocations: 0, live: 0 }));
    let result = work();
    (result, COUNT.take().unwrap())
}

thread_local! {
    static COUNT: Cell<Option<Count>> = const { Cell::new(None) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's. Where nothing is counted, it costs everybody a look at a flag.
struct Counting;

fn add(allocations: u64, live: i64) {
    if let Some(count) = COUNT.get() {
        let count = Count { allocations: count.allocations + allocations, live: count.live + live };
        COUNT.set(Some(count));
    }
}

// SAFETY: all of it is the system's allocator, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(1, layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(1, layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(1, size as i64 - layout.size() as i64);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        add(0, -(layout.size() as i64));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}

#[test]
fn counts() {
    use std::hint::black_box;
    let ((kept, _), counted) = count(|| {
        let mut vec = black_box(vec![0_u8; 100]);
        vec.reserve_exact(900);
        (vec, drop(black_box(Box::new([1_u8; 50]))))
    });
    assert_eq!((counted.allocations, counted.live), (3, 1000));
    drop(kept);
}
