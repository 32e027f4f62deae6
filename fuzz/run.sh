#!/usr/bin/env bash
# Fuzzes targets, each for so many seconds: fuzz/run.sh SECONDS [TARGET…]. Without a target, all of them.
#
# It needs a stable compiler and nothing else: these are the flags that `cargo fuzz -s none` builds with. What is found is in
# fuzz/artifacts, what was learned in fuzz/corpus.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:?expected the seconds for each target}
shift

cargo run --quiet --no-default-features --features differential,net,tokio --example corpus unpack

host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
-Cllvm-args=-sanitizer-coverage-stack-depth -Cdebug-assertions -Ccodegen-units=1"
# With a platform named, the flags are not those of build scripts.
cargo build --quiet --release --target "$host" --bins
built=${CARGO_TARGET_DIR:-target}/$host/release

if (($#)); then
    targets=("$@")
else
    mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | tail -n +2)
fi
failed=()
for target in "${targets[@]}"; do
    mkdir -p "artifacts/$target" "corpus/$target"
    log=artifacts/$target/log
    if "$built/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -dict=dictionary \
        -artifact_prefix="artifacts/$target/" -print_final_stats=1 "corpus/$target" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
        printf '%-22s %9s runs, %5s edges\n' "$target" "$runs" "$edges"
    else
        failed+=("$target")
        printf '%-22s FAILED\n' "$target"
        grep -a -A3 'panicked at' "$log" || tail -5 "$log"
    fi
done
((${#failed[@]} == 0)) || { printf 'failed: %s\n' "${failed[*]}"; exit 1; }
