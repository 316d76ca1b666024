#!/bin/sh
# Keeps alive what ends by itself: gives nabat a new secret id long before the old one's 24 hours are
# over, and renews its own token and that of Prometheus. init.sh must have run before.
#
# nabat reads the file at each login, so nobody needs to tell it.
#
# Exit codes: 0 fine, 1 failed, 2 usage.
# `a && b || fail`: fail ends the script, so it is an if with fewer lines.
# shellcheck disable=SC2015
set -eu
umask 077

usage() {
    cat <<'USAGE'
usage: renew.sh [--secrets DIR] [--force] [--every TIME]
       renew.sh [--secrets DIR] --check
       renew.sh [--secrets DIR] --wrap FILE
       renew.sh [--secrets DIR] --unwrap FILE

  --secrets DIR   as init.sh has it (default: secrets beside this directory)
  --force         a new secret id even if the one there is younger than 8 hours
  --every TIME    again and again, such as every 1h; a failure is said and tried again in a minute
  --check         only whether nabat could log in; changes nothing
  --wrap FILE     when nabat runs on another machine: writes to FILE a token that opens once and
                  within ten minutes, for --unwrap there
  --unwrap FILE   on nabat's machine: opens it and gives nabat the secret id

Environment: VAULT_ADDR and VAULT_CACERT.
USAGE
}

say() { printf 'renew: %s\n' "$1"; }
# fail PROBLEM REMEDY
fail() {
    printf 'renew: %s\n' "$1" >&2
    printf '       remedy: %s\n' "$2" >&2
    exit 1
}
misuse() {
    printf 'renew: %s\n' "$1" >&2
    printf '       see: renew.sh --help\n' >&2
    exit 2
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
secrets=$here/../secrets force=false every='' action=renew file=''
while [ $# -gt 0 ]; do
    case $1 in
    --force) force=true ;;
    --check) action=check ;;
    --secrets | --every | --wrap | --unwrap)
        [ $# -ge 2 ] && [ -n "$2" ] || misuse "$1 wants a value"
        case $1 in
        --secrets) secrets=$2 ;;
        --every) every=$2 ;;
        --wrap) action=wrap file=$2 ;;
        --unwrap) action=unwrap file=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) misuse "$1 is no option of this script" ;;
    esac
    shift
done
case ${every%[smh]} in *[!0-9]*) misuse "--every: $every is no time, such as 30m or 1h" ;; esac

if [ -n "${VAULT_CLI:-}" ]; then
    cli=$VAULT_CLI
else
    cli=$(command -v vault || command -v bao) ||
        fail "neither vault nor bao is installed" "run this in Vault's image, or name the program in VAULT_CLI"
fi
VAULT_ADDR=${VAULT_ADDR:-http://127.0.0.1:8200}
export VAULT_ADDR
unset VAULT_TOKEN
if [ -n "${VAULT_CACERT:-}" ] && [ ! -r "$VAULT_CACERT" ]; then
    fail "VAULT_CACERT: $VAULT_CACERT can't be read" "make it readable for user $(id -u), or run tls.sh if it is not there"
fi
nabat=$secrets/nabat
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT
# How containers are stopped.
trap 'exit 0' TERM

token=
vault() {
    if [ -n "$token" ]; then
        VAULT_TOKEN=$token "$cli" "$@" 2>"$work/error"
    else
        HOME=$work "$cli" "$@" 2>"$work/error"
    fi
}
complaint() { grep -v '^$' "$work/error" | tail -n 3 | tr '\n\t' '  ' | tr -s ' '; }

# read_token FILE: sets token.
read_token() {
    token=$(cat "$1" 2>/dev/null) && [ -n "$token" ] ||
        fail "$1 can't be read" "run init.sh; it makes what is missing"
}

# check: a login as nabat does it, given back at once.
check() {
    for name in role-id secret-id; do
        [ -s "$nabat/$name" ] || fail "$nabat/$name is not there" "run init.sh; it makes what is missing"
    done
    token=
    # As JSON, since only one value can come by standard input and none may be an argument.
    printf '{"role_id":"%s","secret_id":"%s"}' "$(cat "$nabat/role-id")" "$(cat "$nabat/secret-id")" |
        vault write -field=token auth/approle/login - >"$work/login" ||
        fail "nabat can't log in: $(complaint)" "is Vault sealed? Else renew.sh --force gives it a new secret id"
    token=$(cat "$work/login")
    vault token revoke -self >/dev/null || true
    token=
}

# issue: sets wrapping.
issue() {
    read_token "$secrets/renew/vault-token"
    vault write -force -wrap-ttl=10m -field=wrapping_token auth/approle/role/nabat/secret-id >"$work/wrapping" ||
        fail "Vault issues no secret id: $(complaint)" \
            "is Vault sealed? Else run init.sh, which makes a new token for this if the old one has ended"
    wrapping=$(tr -d '\n' <"$work/wrapping")
}

# owner FILE: its owner and group, UID:GID.
# `ls -n` is the POSIX way to see them.
# shellcheck disable=SC2012
owner() { ls -ldn "$1" | { read -r _ _ uid gid _ && printf '%s:%s' "$uid" "$gid"; }; }

# prepare FILE: makes FILE.new, empty, with the owner, the group and the mode of FILE: nabat must be able
# to read it, and may be another user. Where there is none, it is its directory's owner's alone, or
# its group's to read, if the group may read the directory.
prepare() {
    mkdir -p "$(dirname "$1")" && rm -f "$1.new" || fail "can't write $1.new" "give $nabat to user $(id -u)"
    like=$1
    if ! [ -r "$1" ] || ! cp -p "$1" "$1.new" 2>/dev/null; then
        like=$(dirname "$1")
        : >"$1.new" || fail "can't write $1.new" "make room, or give $nabat to user $(id -u)"
        # shellcheck disable=SC2012
        case $(ls -ldn "$like") in d???r*) chmod 0640 "$1.new" ;; esac
    fi
    : >"$1.new"
    kept=$(owner "$like")
    # Only root may give a file away; others may give it to a group of theirs.
    chown "$kept" "$1.new" 2>/dev/null || chgrp "${kept#*:}" "$1.new" 2>/dev/null || true
    # shellcheck disable=SC2012
    case $(owner "$1.new"):$(ls -ldn "$1.new") in
    "$kept":* | *":${kept#*:}":-r??r*) ;;
    *)
        rm -f "$1.new"
        fail "can't keep the owner of $like: it is $kept, and this is user $(id -u)" \
            "run this as that user or as root; or let nabat read by a group: chgrp GROUP and chmod 0640 $1"
        ;;
    esac
}

# unwrap WRAPPING: the secret id into nabat's file, whole or not at all.
unwrap() {
    # Before it is opened: it opens once.
    prepare "$nabat/secret-id"
    token=$1
    if ! vault unwrap -field=secret_id >"$work/secret-id"; then
        rm -f "$nabat/secret-id.new"
        fail "the wrapped secret id does not open: $(complaint)" \
            "it opens once and within ten minutes. If it is younger, somebody else has opened it: find out who; make a new one with --wrap"
    fi
    token=
    tr -d '\n' <"$work/secret-id" >"$nabat/secret-id.new" && [ -s "$nabat/secret-id.new" ] ||
        fail "can't write $nabat/secret-id.new" "make room on the disk, then --force"
    mv -f "$nabat/secret-id.new" "$nabat/secret-id"
    say "nabat has a new secret id"
}

renew() {
    for file in "$secrets/renew/vault-token" "$secrets/renew/metrics-token"; do
        read_token "$file"
        vault token renew >/dev/null ||
            fail "the token in $file can't be renewed: $(complaint)" \
                "is Vault sealed? If the token has ended (a week without renewal), run init.sh: it makes another"
    done
    # Eight hours of 24: when Vault is away for long, there is time left to notice.
    if $force || [ ! -s "$nabat/secret-id" ] || [ -n "$(find "$nabat/secret-id" -mmin +480)" ] ||
        ! (check) >/dev/null 2>&1; then
        issue
        unwrap "$wrapping"
    fi
}

case $action in
check) check ;;
wrap)
    issue
    printf '%s' "$wrapping" >"$file" || fail "can't write $file" "name a file in a directory of yours"
    chmod 0600 "$file"
    say "$file opens once, within ten minutes"
    ;;
unwrap)
    read_token "$file"
    unwrap "$token"
    rm -f "$file"
    ;;
renew)
    if [ -z "$every" ]; then
        renew
    else
        trouble=false
        while :; do
            # In a shell of its own, whose exit is not the end of this one. Not in a condition, where
            # the shell would not stop at errors.
            set +e
            (set -e && renew) 2>"$work/trouble"
            code=$?
            set -e
            pause=$every
            if [ "$code" -ne 0 ]; then
                # A trouble that lasts is said once.
                $trouble || cat "$work/trouble" >&2
                trouble=true pause=60
            elif $trouble; then
                say "works again"
                trouble=false
            fi
            sleep "$pause" &
            wait $!
        done
    fi
    ;;
esac
