#!/usr/bin/env bash
# Continues the campaign for so many minutes: fuzz/campaign.sh MINUTES. With 0 it only prints how far it is.
#
# Again and again it fuzzes those targets that have had the least CPU time on the present source, and adds the time to campaign.tsv. The
# time of a target starts again when the source that it exercises changes, or its body. Comments, unit tests, visibility, features and how
# things print do not count.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
minutes=${1:?expected the minutes to go on for}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
round=120

# Prints the source that a target exercises.
sources() {
    local messages=(../src/{frame,connection,deflate,input.rs,error.rs,random.rs})
    local opening=(../src/{http,handshake,deflate/negotiation.rs,input.rs,random.rs})
    case $1 in
        header | mask | utf8) find ../src/frame -type f ;;
        calls | pair | compress | inflate | differential_inflate) find "${messages[@]}" -type f ;;
        # The others do not compress, and only one reconnects.
        frames | connection | echo | read_buffer | differential_frames) find "${messages[@]}" -type f ! -name zlib.rs ;;
        server | client | endpoint | socks5)
            find "${messages[@]}" "${opening[@]}" ../src/endpoint -type f ! -name zlib.rs ! -name reconnect.rs
            ;;
        reconnect) find "${opening[@]}" ../src/error.rs ../src/endpoint/reconnect.rs -type f ;;
        net | tokio | halves) find ../src -name '*.rs' ;;
        *) find "${opening[@]}" -type f ;;
    esac
    case $1 in
        differential_*) printf 'src/differential/%s.rs\n' "${1#differential_}" ;;
        net | tokio | halves) printf 'bodies/%s.rs\n' "$1" net scripted ;;
        *) printf 'bodies/%s.rs\n' "$1" ;;
    esac
}

# Prints a name of that source, without comments, unit tests, visibility, features, `Debug` and `Display`.
code() {
    sources "$1" | LC_ALL=C sort -u | while read -r file; do
        sed -E -e '/^#\[cfg\(test\)\]$/,$d' -e '/^impl fmt::(Debug|Display) for .*\{$/,/^\}$/d' \
            -e '/^ *(\/\/|#\[cfg\(.*feature)/d' -e 's/\bpub(\([^)]*\))? //g' "$file"
    done | sha256sum | cut -c1-12
}

# Prints each target with the name of its source, its seconds, runs and edges, the one with the least seconds first.
standing() {
    local target
    sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | tail -n +2 | while read -r target; do
        awk -F'\t' -v OFS='\t' -v target="$target" -v code="$(code "$target")" '
            $1 == target && $2 == code { seconds = $3; runs = $4; edges = $5 }
            END { print target, code, seconds + 0, runs + 0, edges + 0 }' campaign.tsv
    done | sort -t$'\t' -k3,3n -k1,1
}

end=$((SECONDS + 60 * minutes))
touch campaign.tsv
standing=$(standing)
while ((SECONDS + round <= end)); do
    mapfile -t next < <(head -n "$jobs" <<<"$standing" | cut -f1)
    JOBS=$jobs ./run.sh "$round" "${next[@]}" >campaign.log || { cat campaign.log && exit 1; }
    cat campaign.log
    # "pair  1234 runs,  567 edges,  118 s of CPU"
    awk -v OFS='\t' '
        FILENAME == "campaign.log" { runs[$1] = $2; edges[$1] = $4; seconds[$1] = $6; next }
        { print $1, $2, $3 + seconds[$1], $4 + runs[$1], (edges[$1] > $5 ? edges[$1] : $5) }
    ' campaign.log - <<<"$standing" | sort -t$'\t' -k1,1 >campaign.tsv
    standing=$(standing)
done
awk -F'\t' '{ printf "%-22s %6d s of CPU, %10d runs, %5d edges\n", $1, $3, $4, $5; sum += $3; if (NR == 1) least = $3 }
    END { printf "at least %d minutes of CPU for each target, %.1f hours in all\n", least / 60, sum / 3600 }' <<<"$standing"
