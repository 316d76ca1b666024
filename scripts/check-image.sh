#!/usr/bin/env bash
# Looks at the root of a built image: what is in it, how large it is, and whether the program runs
# there as the image's user. Needs root, for chroot.
#
#   scripts/check-image.sh DIRECTORY
#
# With buildah:
#   scripts/check-image.sh "$(buildah mount "$(buildah from nabat:0.1.0)")"
#
# Exit codes: 0 fine, 1 something is wrong, 2 usage.
set -euo pipefail
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo 'usage: scripts/check-image.sh DIRECTORY' >&2
    exit 2
fi
root=$(realpath "$1")
user=65532
most=$((25 << 20))
fail() {
    printf 'check-image: %s\n' "$1" >&2
    exit 1
}

files=$(cd "$root" && find . -type f | sort)
expected='./etc/ssl/certs/ca-certificates.crt
./licenses/nabat.txt
./licenses/third-party.txt
./nabat'
[ "$files" = "$expected" ] || fail "it holds other files than expected:
$(diff <(echo "$expected") <(echo "$files"))"
size=$(cd "$root" && find . -type f -printf '%s\n' | awk '{ all += $1 } END { print all }')
((size < most)) || fail "it takes $size bytes; less than $most were promised"
[ "$(stat -c %u:%a "$root/data")" = "$user:700" ] || fail "/data is not the user's own"
grep -q 'Apache License' "$root/licenses/nabat.txt" || fail "nabat's licence is not there"
grep -q '^serde 1' "$root/licenses/third-party.txt" || fail "the dependencies' licences are not there"

inside=(chroot --userspec="$user:$user" "$root")
"${inside[@]}" /nabat --version
scratch=$(mktemp -d)
nabat=
finish() {
    [ -z "$nabat" ] || kill "$nabat" 2>/dev/null || true
    wait
    rm -rf "$scratch"
    find "$root/data" "$root/tmp" -mindepth 1 -delete
}
trap finish EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# As the image sets them. Nobody listens where Telegram should be: alerts are taken all the same.
export NABAT_STORAGE_PATH=/data NABAT_WEB_LISTEN_ADDRESS=127.0.0.1:$port \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt NABAT_TELEGRAM_API_URL=http://127.0.0.1:9 \
    TELEGRAM_BOT_TOKEN=1234567890:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA TELEGRAM_CHAT_ID=-1001234567890
"${inside[@]}" /nabat serve >"$scratch/log" 2>&1 &
nabat=$!
for _ in $(seq 100); do
    if "${inside[@]}" /nabat healthcheck >/dev/null 2>&1; then break; fi
    kill -0 "$nabat" 2>/dev/null || fail "it does not start: $(cat "$scratch/log")"
    sleep 0.1
done
"${inside[@]}" /nabat healthcheck >/dev/null || fail "it is not healthy: $(cat "$scratch/log")"
[ -n "$(ls -A "$root/data")" ] || fail "it stores nothing in /data"
resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$nabat/status")
kill "$nabat"
wait "$nabat" || fail "it did not stop cleanly"
nabat=
printf 'fine: %d bytes in four files; as user %d it starts, is healthy with %d KiB resident, and stops\n' \
    "$size" "$user" "$resident"
