#!/usr/bin/env bash
# Makes everything of docs/faults.md go wrong, and prints what came of each fault. Exits with 1
# when a test failed or did not run. scripts/setup-test-peers.sh installs what the tests need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

table=docs/faults.md
log=$(mktemp)
trap 'rm -f "$log"' EXIT
red='' green='' dim='' plain=''
if [ -t 1 ]; then
    red=$'\e[31m' green=$'\e[32m' dim=$'\e[2m' plain=$'\e[0m'
fi

tests_of() { grep -oE '`[a-z0-9_]+(::[a-z0-9_]+)+`' <<<"$1" | tr -d '`'; }

mapfile -t rows < <(grep -E '^\| [0-9]+ \|' "$table")
mapfile -t tests < <(tests_of "$(printf '%s\n' "${rows[@]}")" | sort -u)
printf '%d faults, %d tests\n' "${#rows[@]}" "${#tests[@]}"
RUST_BACKTRACE=0 cargo test --locked --test behaviour -- --exact "${tests[@]}" >"$log" 2>&1 || true

declare -A ended
while read -r name outcome; do
    ended[$name]=$outcome
done < <(sed -nE 's/^test ([a-z0-9_:]+) \.\.\. (ok|FAILED)$/\1 \2/p' "$log")

bad=0
printf '%3s  %-55s  %s\n' '#' fault outcome
for row in "${rows[@]}"; do
    IFS='|' read -r _ number fault _ names <<<"$row"
    read -r number <<<"$number"
    read -r fault <<<"$fault"
    mapfile -t of_this < <(tests_of "$names")
    outcome="${green}passed$plain"
    [ "${#of_this[@]}" -gt 0 ] || outcome="${dim}not built yet$plain"
    for name in "${of_this[@]}"; do
        if [ "${ended[$name]:-}" != ok ]; then
            outcome="${red}FAILED$plain ($name ${ended[$name]:-did not run})"
            bad=1
        fi
    done
    printf '%3s  %-55s  %s\n' "$number" "$fault" "$outcome"
done
if [ "$bad" -ne 0 ]; then
    printf '\n'
    # What failed and why, or why nothing was built.
    sed -n '/^failures:$/,$p' "$log" | grep . || tail -n 40 "$log"
fi
exit "$bad"
