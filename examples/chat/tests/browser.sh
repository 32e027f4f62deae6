#!/usr/bin/env bash
# Two tabs of headless Chromium converse in the chat, at the size of a desktop and of a phone; takes screenshots. Not part of
# `cargo test`: it needs Node.js and Chromium, and installs the package playwright-core, which drives it.
#
#   examples/chat/tests/browser.sh [FOLDER FOR SCREENSHOTS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for program in node npm chromium; do
    command -v $program >/dev/null || { printf 'expected the program %s\n' $program >&2; exit 1; }
done
work=$(mktemp -d)
server=
finish() {
    if [[ -n $server ]] && kill "$server"; then wait "$server" || true; fi 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

npm install --silent --no-audit --no-fund --prefix "$work" playwright-core@1
cargo build --quiet
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/chat

# Starts the server where it was before, or anywhere.
address=127.0.0.1:0
serve() {
    : >"$work/said"
    "$program" --listen $address >"$work/said" &
    server=$!
    for _ in {1..100}; do
        address=$(sed -n 's,^chat on http://\(.*\)/$,\1,p' "$work/said")
        if [[ -n $address ]]; then return; fi
        sleep 0.05
    done
    printf 'the server does not start\n' >&2
    exit 1
}

serve
mkdir -p "${1:-$work}"
mkfifo "$work/wishes"
cp tests/browser.mjs "$work"
node "$work/browser.mjs" "http://$address/" "${1:-$work}" >"$work/wishes" &
test=$!
# The test wishes for the server to be stopped, as by Ctrl-C, and to be started again.
while read -r wish; do
    case $wish in
        stop) kill -INT $server && wait $server && server= ;;
        start) serve ;;
        *) printf '%s\n' "$wish" ;;
    esac
done <"$work/wishes"
wait $test
