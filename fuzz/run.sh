#!/usr/bin/env bash
# Fuzzes targets, each for so many seconds: fuzz/run.sh SECONDS [TARGET…]. Without a target, all of them.
#
# JOBS targets run at once (environment; default: the number of processors). With a SEED (environment; default: another each time), a run
# does what the previous one did. It needs only a stable compiler: these are the flags that
# `cargo fuzz -s none` builds with. Failing inputs are in fuzz/artifacts, and in the output as base64; new inputs are in fuzz/corpus.
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

fuzz() {
    local target=$1 log=artifacts/$1/log status=0 cpu runs edges input
    mkdir -p "artifacts/$target" "corpus/$target"
    # The user's and the system's time, as a sum to be calculated.
    local TIMEFORMAT='%0U + %0S'
    cpu=$({ time "$built/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -dict=dictionary \
        -artifact_prefix="artifacts/$target/" -print_final_stats=1 -seed="${SEED:-0}" "corpus/$target" >"$log" 2>&1; } 2>&1) || status=$?
    if ((status == 0)); then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
        printf '%-22s %9s runs, %5s edges, %4s s of CPU\n' "$target" "$runs" "$edges" $((cpu))
        return
    fi
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
    # In one piece, beside the lines of other targets.
    printf '%s\n' "$(
        printf '%-22s FAILED with status %s\n' "$target" "$status"
        grep -a -A3 'panicked at' "$log" || tail -20 "$log"
        if [[ -f $input ]]; then
            printf 'The input: base64 -d <<<%s >input; cargo fuzz run -s none %s input\n' "$(base64 <"$input" | tr -d '\n')" "$target"
        fi
    )"
    return 1
}
export -f fuzz
export seconds built

if ! printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-$(getconf _NPROCESSORS_ONLN)}" -I{} bash -c 'fuzz {}'; then
    printf 'fuzzing failed: see FAILED above\n'
    exit 1
fi
