//! The processor's vector instructions, selected at run time.
//!
//! The loops are those of [`Mask`], compiled once more for each set of instructions. This is the only module
//! of the crate that contains `unsafe`.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calling a function compiled for instructions that not every processor has"
    )
)]

use crate::frame::Mask;

/// A set of vector instructions, including those of all lower levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// The instructions that every processor of the target has.
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// Returns the highest level of this processor.
    #[inline]
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            // The compiler treats AVX2 as part of AVX-512, but a virtual machine may hide either one.
            if std::is_x86_feature_detected!("avx2") {
                let is_wide = std::is_x86_feature_detected!("avx512f");
                return if is_wide { Self::Avx512 } else { Self::Avx2 };
            }
        }
        Self::Baseline
    }
}

/// Defines a function that runs `$body` compiled for a given level, and one for the highest level.
macro_rules! for_each_level {
    ($name:ident, $at:ident, ($($argument:ident: $type:ty),*), $body:expr) => {
        #[inline(never)]
        pub(crate) fn $name($($argument: $type),*) {
            $at(Level::detect(), $($argument),*);
        }

        #[inline(always)]
        fn $at(level: Level, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) {
                $body
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            fn avx512($($argument: $type),*) {
                $body
            }

            match level {
                // SAFETY: `Level::detect` found these instructions on this processor, and it is the only
                // source of a `Level`.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { avx2($($argument),*) },
                Level::Baseline => $body,
            }
        }
    };
}

for_each_level!(apply, apply_at, (mask: Mask, payload: &mut [u8]), mask.apply_long(payload));
for_each_level!(copy, copy_at, (mask: Mask, from: &[u8], to: &mut [u8]), mask.copy_long(from, to));

#[cfg(test)]
mod tests {
    use super::*;

    /// Each level of this processor equals a byte loop, at every length, phase and alignment.
    #[test]
    fn every_level_equals_a_byte_loop() {
        const KEY: [u8; 4] = [0x11, 0x22, 0x44, 0x88];
        let plain: [u8; 2200] = core::array::from_fn(|i| (i * 7) as u8);
        let levels = [
            Level::Baseline,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512,
        ];
        for level in levels.into_iter().filter(|level| *level <= Level::detect()) {
            std::println!("{level:?}");
            for len in (128..=400).chain([511, 512, 513, 1023, 1024, 1031, 2048]) {
                for align in [0, 1, 3, 8, 31, 63, 64] {
                    let phase = len % 4;
                    let mut expected = plain;
                    for (i, byte) in expected[align..align + len].iter_mut().enumerate() {
                        *byte ^= KEY[(phase + i) % 4];
                    }
                    let mut mask = Mask::new(KEY);
                    mask.apply(&mut [0; 3][..phase]);

                    let mut applied = plain;
                    apply_at(level, mask, &mut applied[align..align + len]);
                    assert!(applied == expected, "{level:?}: apply {len} at {align}");

                    let mut copied = plain;
                    copy_at(level, mask, &plain[align..align + len], &mut copied[align..align + len]);
                    assert!(copied == expected, "{level:?}: copy {len} at {align}");
                }
            }
        }
    }
}
