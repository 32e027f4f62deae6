//! [`Random`]: the source of masking keys and nonces.

/// A source of random bytes, for the masking keys and the nonce of a client.
///
/// RFC 6455 §5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a
/// strong source of entropy". A generator for simulations is not sufficient. With the feature `getrandom`,
/// use `OsRandom`, the entropy of the operating system.
///
/// Every `FnMut(&mut [u8])` is a `Random`:
///
/// ```
/// # use sansocket::Random;
/// let mut zeros = |bytes: &mut [u8]| bytes.fill(0); // for tests only
/// let mut nonce = [1; 16];
/// zeros.fill(&mut nonce);
/// assert_eq!(nonce, [0; 16]);
/// ```
pub trait Random {
    /// Fills all of `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Random for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// The operating system's entropy.
#[cfg(feature = "getrandom")]
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

#[cfg(feature = "getrandom")]
impl Random for OsRandom {
    /// # Panics
    /// Panics if the operating system provides no entropy: predictable masks would be worse.
    #[expect(
        clippy::expect_used,
        reason = "there is no safe way on without entropy; no peer and no caller can cause it"
    )]
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

#[cfg(all(test, feature = "getrandom"))]
mod tests {
    use super::*;

    #[test]
    fn the_systems_random_bytes_are_never_the_same() {
        let mut keys = [[0; 16]; 3];
        keys[1..].iter_mut().for_each(|key| OsRandom.fill(key));
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }
}
