//! [`head`]: on what it was measured, and of what.

use std::env::consts;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Options;

const REPEAT: &str = "\
To repeat it, in `benches/rivals`:

```sh
cargo run --release --features c-zlib -- --filter \"deflate no takeover\" --save c-zlib.tsv    # for soketto's column
cargo run --release --features simd -- --save simd.tsv
cargo run --release -- --with simd.tsv --with c-zlib.tsv --uwebsockets path/to/echo --uwebsockets-version 20.79.0 --write
```
";

/// The beginning of the results.
pub fn head(options: &Options) -> String {
    let cpu = cpu().unwrap_or("unknown".into());
    let cores = available_parallelism().map_or(0, usize::from);
    let (os, load) = (system(), load().unwrap_or("unknown".into()));
    let (rustc, target, flags) = (env!("RIVALS_RUSTC"), env!("RIVALS_TARGET"), env!("RIVALS_FLAGS"));
    let flags = if flags.is_empty() { "no flags" } else { flags };
    let mut versions = versions(LOCK);
    versions.extend(options.uwebsockets.iter().map(|(_, version)| format!("uWebSockets {version} (C++)")));
    let (versions, date, commit, rounds) = (versions.join(", "), date(), commit(), options.rounds);
    format!(
        "# sansocket beside other libraries\n\n\
        {cpu}, {cores} cores. {os}. {rustc}, {target}, {flags}. {date}, commit {commit}, best of {rounds} rounds, \
        load before it {load}.\n\n{versions}.\n\n{REPEAT}\n{}",
        crate::ABOUT
    )
}

/// As this program was built with: the lock file is written before the compiler runs.
const LOCK: &str = include_str!("../Cargo.lock");

/// Of all that this package depends on.
fn versions(lock: &str) -> Vec<String> {
    let packages: Vec<&str> = lock.split("[[package]]").skip(1).collect();
    let value = |package: &&str, key| {
        let line = package.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().trim_matches(['"', ' ', '=']).to_owned()
    };
    let own = packages.iter().find(|package| value(package, "name") == env!("CARGO_PKG_NAME")).unwrap();
    let (_, dependencies) = own.split_once("dependencies = [").unwrap();
    let dependencies = dependencies.lines().map(|line| line.trim().trim_matches(['"', ',']));
    let mut versions = Vec::new();
    for name in dependencies.take_while(|name| *name != "]").filter(|name| !name.is_empty()) {
        // A name alone is enough where there is one version of it.
        let (name, version) = name.split_once(' ').unwrap_or((name, ""));
        let is_it = |package: &&&str| {
            value(package, "name") == name && (version.is_empty() || value(package, "version") == version)
        };
        let package = packages.iter().find(is_it).unwrap();
        versions.push(format!("{name} {}", value(package, "version")));
    }
    versions
}

/// Its name alone may be that of many.
fn cpu() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let value = |key| {
        let pairs = info.lines().filter_map(|line| line.split_once(':'));
        Some(pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == key)?.1)
    };
    let mut cpu = value("model name")?.to_owned();
    if let (Some(family), Some(model)) = (value("cpu family"), value("model")) {
        cpu += &format!(" (family {family}, model {model})");
    }
    let flags = value("flags").unwrap_or_default();
    let vectors = [("avx512f", "AVX-512"), ("avx2", "AVX2")];
    if let Some((_, name)) = vectors.iter().find(|(flag, _)| flags.split(' ').any(|other| other == *flag)) {
        cpu += &format!(" with {name}");
    }
    Some(cpu)
}

fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} ({} {})", name.unwrap_or("unknown").trim_matches('"'), consts::OS, kernel.trim())
}

fn load() -> Option<String> {
    Some(fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.into())
}

fn commit() -> String {
    let arguments = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--exclude=*"];
    let output = Command::new("git").args(arguments).output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.ok().filter(|commit| !commit.is_empty()).unwrap_or("unknown".into())
}

fn date() -> String {
    civil(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86400)
}

/// The date so many days after 1 January 1970.
fn civil(mut days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for len in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let dates = [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_818, "2026-12-31")];
        for (days, date) in dates {
            assert_eq!(civil(days), date);
        }
    }

    #[test]
    fn locked_versions() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n\n\
            [[package]]\nname = \"b\"\nversion = \"2.0.0\"\n\n[[package]]\nname = \"rivals\"\nversion = \"0.0.0\"\n\
            dependencies = [\n \"a\",\n \"b 2.0.0\",\n]\n";
        assert_eq!(versions(lock), ["a 1.2.3", "b 2.0.0"]);
        assert!(versions(LOCK).iter().any(|version| version.starts_with("tungstenite 0.")));
    }
}
