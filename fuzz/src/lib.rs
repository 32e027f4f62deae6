//! The bodies of sansocket's fuzz targets: functions over bytes that panic when an invariant does not hold. The targets call
//! them, and so can another fuzzer; see the README.

#[path = "../bodies/mod.rs"]
mod bodies;
#[path = "../../tests/common/mod.rs"]
mod common;

#[cfg(feature = "differential")]
mod differential;

#[cfg(feature = "differential")]
pub use differential::{DIFFERENCES, Difference};

/// The body of each target by its name.
pub fn targets() -> impl Iterator<Item = (&'static str, fn(&[u8]))> {
    let targets = bodies::TARGETS.iter().copied();
    #[cfg(feature = "differential")]
    let targets = targets.chain(differential::TARGETS);
    targets
}

/// Runs the body of the target with this name.
///
/// # Panics
/// If there is no such target, and if an invariant does not hold.
pub fn run(target: &str, data: &[u8]) {
    match targets().find(|(name, _)| *name == target) {
        Some((_, body)) => body(data),
        None => panic!(
            "no target {target}, expected one of {:?}",
            Vec::from_iter(targets().map(|(name, _)| name))
        ),
    }
}
