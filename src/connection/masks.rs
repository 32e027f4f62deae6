//! [`Masks`]: a client's masking keys.

use alloc::boxed::Box;
use core::fmt;

use crate::random::Random;

/// Draws a fresh masking key for every frame (RFC 6455 §5.3), in batches, because each request to the
/// operating system is slow.
pub(crate) struct Masks<R: ?Sized = dyn Random + Send + Sync> {
    pool: [u8; 512],
    used: usize,
    random: R,
}

impl Masks {
    pub(crate) fn new(random: impl Random + Send + Sync + 'static) -> Box<Self> {
        Box::new(Masks { pool: [0; 512], used: 512, random })
    }

    #[inline]
    pub(crate) fn next(&mut self) -> [u8; 4] {
        match self.ready() {
            Some(key) => key,
            None => self.refill(),
        }
    }

    /// Returns the next masking key if one is left in the batch.
    #[inline]
    pub(crate) fn ready(&mut self) -> Option<[u8; 4]> {
        let key = *self.pool.get(self.used..)?.first_chunk()?;
        self.used += 4;
        Some(key)
    }

    #[cold]
    fn refill(&mut self) -> [u8; 4] {
        self.random.fill(&mut self.pool);
        self.used = 4;
        [self.pool[0], self.pool[1], self.pool[2], self.pool[3]]
    }
}

impl fmt::Debug for Masks {
    /// Omits the keys, which must stay unpredictable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks")
    }
}
