#!/usr/bin/env bash
# The echo servers stop soon after SIGTERM: with a peer that says nothing, and while no file descriptor is left.
#
#   cargo build --release --features net,tokio --examples
#   tests/examples_stop.sh
set -euo pipefail
cd "$(dirname "$0")/.."

port=$((20000 + RANDOM % 10000))

# Starts the server $1, connects $2 peers, and sends SIGTERM; it may have 64 files open.
stops() {
    port=$((port + 1))
    (ulimit -n 64 && exec "target/release/examples/$1" --listen 127.0.0.1:$port >/dev/null) &
    local server=$! peers=() peer
    for _ in {1..100}; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
        sleep 0.05
    done
    for ((i = 0; i < $2; i++)); do
        exec {peer}<>"/dev/tcp/127.0.0.1/$port"
        peers+=("$peer")
    done
    sleep 0.3
    kill -TERM $server
    local stopped=false
    for _ in {1..100}; do
        if ! kill -0 $server 2>/dev/null; then
            stopped=true
            break
        fi
        sleep 0.1
    done
    $stopped || kill -KILL $server
    wait $server || stopped=false
    for peer in "${peers[@]}"; do exec {peer}>&-; done
    $stopped || { printf '%s with %s peers: expected exit status 0 within 10 s of SIGTERM\n' "$1" "$2" >&2; return 1; }
}

for server in echo_server tokio_echo epoll_echo; do
    stops $server 1
    stops $server 80
done
