#!/usr/bin/env bash
# Line coverage of src/: tests/coverage.sh [ARGUMENT OF cargo test…]
#
# It runs the tests of this package, once for each set of features that has tests of its own, and those of
# examples/frameworks; with arguments, only those that they name, with all features. It needs `rustup component add
# llvm-tools`. For each file it prints the share of lines that ran, and the lines that did not; then the core's share and the
# adapters'. Lines of unit tests do not count.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/coverage}
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
export RUSTFLAGS="-C instrument-coverage"

host=$(rustc -vV | sed -n 's/^host: //p')
tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
if ! [[ -x $tools/llvm-profdata && -x $tools/llvm-cov ]]; then
    echo "no llvm-profdata and llvm-cov in $tools, expected those of: rustup component add llvm-tools" >&2
    exit 1
fi
profiles=$CARGO_TARGET_DIR/profiles
rm -rf "$profiles"
mkdir -p "$profiles"
# Build scripts and compiler plug-ins write one too.
export LLVM_PROFILE_FILE=$CARGO_TARGET_DIR/build.profraw

runs=(
    "--all-features --tests"
    "--tests"
    "--no-default-features --features net,tls --test own_tls"
    "--features net,tokio-rustls,_tests --test tls"
    "--features net,_tests --test connect"
    "--manifest-path examples/frameworks/Cargo.toml --tests"
)
if (($#)); then
    runs=("--all-features $*")
fi
programs=()
failed=0
# Builds as the arguments say, and remembers the programs.
build() {
    cargo "$1" --quiet --message-format=json "${@:2}" >"$CARGO_TARGET_DIR/built.json"
    local built
    mapfile -t built < <(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$CARGO_TARGET_DIR/built.json")
    programs+=("${built[@]}")
}
# Some tests start them.
build build --all-features --examples
for run in "${runs[@]}"; do
    read -ra run <<<"$run"
    build test --no-run "${run[@]}"
    # What a test ran counts, though it failed.
    LLVM_PROFILE_FILE=$profiles/%p-%m.profraw cargo test --quiet --no-fail-fast "${run[@]}" >&2 || failed=1
done

"$tools/llvm-profdata" merge -sparse -o "$CARGO_TARGET_DIR/profile" "$profiles"/*.profraw
# One program after the other: of several at once, llvm-cov keeps what the first knows of an inlined function, ran or not.
for program in "${programs[@]}"; do
    "$tools/llvm-cov" export -format=lcov -instr-profile "$CARGO_TARGET_DIR/profile" "$program" -sources src \
        2>"$CARGO_TARGET_DIR/errors" && continue
    # A test that these features leave empty.
    grep -q "no coverage data found" "$CARGO_TARGET_DIR/errors" && continue
    cat "$CARGO_TARGET_DIR/errors" >&2
    exit 1
done >"$CARGO_TARGET_DIR/lcov.info"

awk -F '[:,]' -v root="$PWD/src/" '
    function ratio(hit, all) { return all ? sprintf("%5.1f %%", 100 * hit / all) : "      -" }
    $1 == "SF" {
        file = index($2, root) == 1 ? substr($2, length(root) + 1) : ""
        if (file != "" && !(file in tests)) {
            tests[file] = 1e9
            for (line = 1; (getline text < $2) > 0; line++) if (text == "mod tests {") tests[file] = line
            close($2)
        }
    }
    $1 == "DA" && file != "" && $2 < tests[file] {
        if ($2 > last[file]) last[file] = $2
        if ($3 >= count[file, $2]) count[file, $2] = $3
    }
    END {
        for (file in last) {
            all = hit = 0
            missing = ""
            for (line = 1; line <= last[file]; line++) if ((file, line) in count) {
                all++
                if (count[file, line] > 0) hit++
                else missing = missing " " line
            }
            adapter = file ~ /^(adapter|aio|net|tokio)\/|^(axum|futures_io|tls)\.rs$/
            lines[adapter] += all
            ran[adapter] += hit
            printf "%s %s%s\n", ratio(hit, all), file, missing == "" ? "" : ":" missing | "sort -k 3"
        }
        close("sort -k 3")
        printf "%s the core\n%s the adapters\n", ratio(ran[0], lines[0]), ratio(ran[1], lines[1])
    }
' "$CARGO_TARGET_DIR/lcov.info"
if ((failed)); then
    echo "some tests failed" >&2
    exit 1
fi
