//! Tells the program what built it.

use std::env;
use std::process::Command;

fn main() {
    let version = Command::new(env::var("RUSTC").unwrap()).arg("--version").output().unwrap().stdout;
    println!("cargo:rustc-env=RIVALS_RUSTC={}", String::from_utf8(version).unwrap().trim());
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap().replace('\x1f', " ");
    println!("cargo:rustc-env=RIVALS_FLAGS={flags}");
    println!("cargo:rustc-env=RIVALS_TARGET={}", env::var("TARGET").unwrap());
    println!("cargo:rerun-if-changed=build.rs");
}
