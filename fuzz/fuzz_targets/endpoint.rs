#![no_main]

#[path = "../bodies/mod.rs"]
mod bodies;
#[path = "../../tests/common/mod.rs"]
mod common;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::endpoint::body(data));
