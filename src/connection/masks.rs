//! [`Masks`]: a client's masking keys.

use alloc::boxed::Box;
use core::fmt;

use crate::random::Random;

/// Draws a fresh masking key for every frame (RFC 6455 §5.3), many at a time, since asking the operating
/// system is slow.
pub(crate) struct Masks<R: ?Sized = dyn Random + Send> {
    pool: [u8; 512],
    used: usize,
    random: R,
}

impl Masks {
    pub(crate) fn new(random: impl Random + Send + 'static) -> Box<Self> {
        Box::new(Masks { pool: [0; 512], used: 512, random })
    }

    #[inline]
    pub(crate) fn next(&mut self) -> [u8; 4] {
        if let Some(&key) = self.pool.get(self.used..).and_then(<[u8]>::first_chunk) {
            self.used += 4;
            return key;
        }
        self.refill()
    }

    #[cold]
    fn refill(&mut self) -> [u8; 4] {
        self.random.fill(&mut self.pool);
        self.used = 4;
        [self.pool[0], self.pool[1], self.pool[2], self.pool[3]]
    }
}

impl fmt::Debug for Masks {
    /// Without the keys, which nobody is to know in advance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks")
    }
}
