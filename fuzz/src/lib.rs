//! The bodies of sansocket's fuzz targets: functions over bytes that panic when an invariant does not hold. The targets call
//! them, and so can another fuzzer; see the README.

#[path = "../bodies/mod.rs"]
mod bodies;
#[path = "../../tests/common/mod.rs"]
mod common;

/// The body of each target by its name.
pub const TARGETS: &[(&str, fn(&[u8]))] = &bodies::TARGETS;

/// Runs the body of the target with this name.
///
/// # Panics
/// If there is no such target, and if an invariant does not hold.
pub fn run(target: &str, data: &[u8]) {
    match TARGETS.iter().find(|(name, _)| *name == target) {
        Some((_, body)) => body(data),
        None => panic!("no target {target}, expected one of {:?}", TARGETS.iter().map(|(name, _)| name)),
    }
}
