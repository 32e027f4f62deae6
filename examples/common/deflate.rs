//! The option `--deflate`, which takes the feature `deflate`.

use sansocket::deflate::Deflate;

#[cfg(feature = "deflate")]
pub(crate) fn option() -> Result<Option<Deflate>, lexopt::Error> {
    Ok(Some(Deflate::default()))
}

#[cfg(not(feature = "deflate"))]
pub(crate) fn option() -> Result<Option<Deflate>, lexopt::Error> {
    Err("--deflate: expected a program built with the feature `deflate`".into())
}
