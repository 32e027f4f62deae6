//! [`Buffers`]: where the kernel puts what it receives.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// A ring of buffers, of which the kernel takes one when something has arrived: who waits for data holds no memory.
///
/// Both are never freed, since the kernel may write to them as long as the program runs.
pub(crate) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    /// How many have been given to the kernel so far.
    given: u16,
}

impl Buffers {
    /// The group that operations name.
    pub(crate) const GROUP: u16 = 0;
    pub(crate) const LEN: usize = 32 * 1024;
    /// A power of two.
    const COUNT: u16 = 128;

    pub(crate) fn register(ring: &IoUring) -> io::Result<Self> {
        let count = usize::from(Self::COUNT);
        let entries = zeroed::<BufRingEntry>(count * size_of::<BufRingEntry>());
        let memory = zeroed(count * Self::LEN);
        let address = entries.as_ptr() as u64;
        // SAFETY: there is room for that many entries at the address, it is never freed, and it begins a page.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, Self::COUNT, Self::GROUP, 0)? };
        let mut buffers = Self { entries, memory, given: 0 };
        for id in 0..Self::COUNT {
            buffers.give_back(id);
        }
        Ok(buffers)
    }

    /// What a completion has put into the buffer `id`, until it is given back.
    pub(crate) fn received(&mut self, id: u16, n: usize) -> &mut [u8] {
        assert!(id < Self::COUNT && n <= Self::LEN);
        // SAFETY: it lies in the memory, and from its completion until it is given back the kernel leaves it alone.
        unsafe { slice::from_raw_parts_mut(self.memory.as_ptr().add(usize::from(id) * Self::LEN), n) }
    }

    /// The kernel may use the buffer `id` again.
    pub(crate) fn give_back(&mut self, id: u16) {
        assert!(id < Self::COUNT);
        // SAFETY: the buffer lies in the memory. The entry lies in the ring, behind those that the kernel may look at before
        // it sees the new tail; the first entry holds the tail, which nobody but this thread changes.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(usize::from(self.given % Self::COUNT));
            entry.set_addr(self.memory.as_ptr().add(usize::from(id) * Self::LEN) as u64);
            entry.set_len(Self::LEN as u32);
            entry.set_bid(id);
            self.given = self.given.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.given, Ordering::Release);
        }
    }
}

/// Memory that begins a page and is never freed.
fn zeroed<T>(bytes: usize) -> NonNull<T> {
    let layout = Layout::from_size_align(bytes, PAGE).expect("a size and a power of two");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// At least what the system has for one.
const PAGE: usize = 64 * 1024;
