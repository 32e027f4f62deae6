//! The list of public types, from the source: none is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Logged;

/// What only an HTTP server can make; `examples/frameworks/tests/axum.rs` looks at it.
const ELSEWHERE: [&str; 1] = ["sansocket::axum::Upgraded"];

/// Everything public was looked at. A lint makes sure that what is `pub` at the beginning of a line can be reached from outside.
pub(super) fn check(logged: &Logged) {
    let mut public = BTreeSet::new();
    types(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "sansocket", &mut public);
    assert!(public.len() > 100, "{public:?}");
    // The type itself and its parameters.
    let words =
        logged.0.iter().flat_map(|(name, _)| name.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)));
    let seen = BTreeSet::from_iter(words.map(str::to_owned).chain(ELSEWHERE.map(str::to_owned)));
    let missing = Vec::from_iter(public.difference(&seen));
    assert!(missing.is_empty(), "never looked at: {missing:#?}");
}

/// The public types of a module and of those below it, each with its path.
fn types(folder: &Path, module: &str, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("a file").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name in ASCII");
        let module = match name {
            "mod" | "lib" => module.to_owned(),
            _ => format!("{module}::{name}"),
        };
        if path.is_dir() {
            types(&path, &module, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            let declared = text.lines().filter_map(|line| {
                let rest = line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum "))?;
                rest.split(|c: char| !c.is_alphanumeric()).next()
            });
            into.extend(declared.map(|name| format!("{module}::{name}")));
        }
    }
}
