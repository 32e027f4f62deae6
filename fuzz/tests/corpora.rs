//! The bodies of the differential targets over their corpora and over mutations of them; those of the other targets run in
//! `bodies.rs`.
#![cfg(feature = "differential")]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../replay.rs"]
mod replay;

use std::collections::BTreeSet;

#[test]
fn differential_targets() {
    for (name, body) in sansocket_fuzz::targets().filter(|(name, _)| name.starts_with("differential_")) {
        replay::run(name, body, 5_000);
    }
}

#[test]
fn every_difference_is_listed_with_its_rule() {
    let list = include_str!("../DIFFERENCES.md");
    let words = |text: &str| Vec::from_iter(text.split_whitespace().map(str::to_owned)).join(" ");
    let list = words(list);
    for difference in sansocket_fuzz::DIFFERENCES {
        assert!(list.contains(&words(difference.what)), "{}", difference.what);
        assert!(list.contains(&words(difference.rule)), "{}", difference.rule);
    }
    let names = BTreeSet::from_iter(sansocket_fuzz::targets().map(|(name, _)| name));
    assert_eq!(names.len(), sansocket_fuzz::targets().count());
}
