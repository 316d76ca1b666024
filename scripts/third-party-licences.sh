#!/bin/sh
# Prints the licences of all that is linked into nabat, each text once: first whose it is.
#
#   scripts/third-party-licences.sh [TARGET]
#
# TARGET is Rust's name of the platform; without one it is this machine's. The crates must have
# been fetched (cargo fetch).
set -eu
cd "$(dirname "$0")/.."
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
linked=$(mktemp)
found=$(mktemp)
trap 'rm -f "$linked" "$found"' EXIT

cargo tree --locked --offline ${1:+--target "$1"} --edges normal --prefix none --format '{p}|{l}' >"$linked"
cat <<'EOF'
Rust's standard library: MIT OR Apache-2.0
musl, in static programs: MIT, Copyright © 2005-2020 Rich Felker and others
EOF
sed 's/ (\*)$//; s/ (proc-macro)//' "$linked" | sort -u |
    while IFS='|' read -r package licence; do
        name=${package%% v*}
        version=${package#* v}
        [ "$name" != nabat ] || continue
        directory=$(find "$sources" -maxdepth 2 -type d -name "$name-${version%% *}" | head -n 1)
        if [ -z "$directory" ]; then
            echo "third-party-licences: the source of $package is not in $sources; run cargo fetch" >&2
            exit 1
        fi
        printf '%s %s: %s\n' "$name" "${version%% *}" "$licence"
        find "$directory" -type f ! -name '*.rs' \
            \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'unlicense*' \) |
            sort | while read -r file; do
                printf '%s\t%s\t%s %s\n' "$(sha256sum <"$file")" "$file" "$name" "${version%% *}" >>"$found"
            done
    done

cut -f 1 "$found" | sort -u | while read -r sum; do
    printf '\n%s\n' '------------------------------------------------------------------------'
    grep -F "$sum" "$found" | cut -f 3 | sort -u
    printf '\n'
    cat "$(grep -F "$sum" "$found" | head -n 1 | cut -f 2)"
done
