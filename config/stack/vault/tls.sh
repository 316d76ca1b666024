#!/bin/sh
# Makes the certificates of Vault's servers, and the authority that signs them. May be run at any time:
# what is good for another month is left as it is, so running it every week renews in time.
#
# Needs a POSIX shell and openssl (1.1.1 or later). Vault's image has no openssl: run it on the host.
#
# Exit codes: 0 fine, 1 failed, 2 usage.
# `a && b || fail`: fail ends the script, so it is an if with fewer lines.
# shellcheck disable=SC2015
set -eu
umask 077

usage() {
    cat <<'USAGE'
usage: tls.sh [--out DIR] [--days DAYS] [--san NAME]... [--owner UID:GID] [SERVER...]

  SERVER       names of the servers (default: vault-1 vault-2 vault-3)
  --out DIR    where the files go (default: secrets/tls beside this directory)
  --days DAYS  how long a server's certificate lasts (default: 397); the authority's lasts ten years
  --san NAME   one more name or address that all servers answer to, such as vault.example.org;
               vault, localhost, 127.0.0.1 and the server's own name are always among them
  --owner UID:GID
               that the servers' files are given to, such as 100:1000, Vault in its container; wants
               root (default: a renewed one keeps its owner, a new one stays with who runs this)

Makes in DIR: ca.pem for everybody, ca-key.pem for nobody else (take it off the machine), and
SERVER.pem with SERVER-key.pem for each server.
USAGE
}

say() { printf 'tls: %s\n' "$1"; }
# die PROBLEM REMEDY
die() {
    printf 'tls: %s\n' "$1" >&2
    printf '     remedy: %s\n' "$2" >&2
    exit 1
}
misuse() {
    printf 'tls: %s\n' "$1" >&2
    printf '     see: tls.sh --help\n' >&2
    exit 2
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=$here/../secrets/tls days=397 servers='' more='' owner=''
while [ $# -gt 0 ]; do
    case $1 in
    --out | --days | --san | --owner)
        [ $# -ge 2 ] && [ -n "$2" ] || misuse "$1 wants a value"
        case $1 in
        --out) out=$2 ;;
        --days) days=$2 ;;
        --san) more="$more $2" ;;
        --owner) owner=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) misuse "$1 is no option of this script" ;;
    *) servers="$servers $1" ;;
    esac
    shift
done
[ -n "$servers" ] || servers='vault-1 vault-2 vault-3'
case $days in '' | *[!0-9]* | 0*) misuse "--days: $days is no number of days" ;; esac
# Less than the month that is kept in hand would be renewed at each run.
[ "$days" -gt 31 ] || misuse "--days: at least 32, for a certificate is renewed a month before its end"
case $owner in *[!0-9:]*) misuse "--owner is written UID:GID, in numbers; not $owner" ;; esac
for name in $servers $more; do
    case $name in *[!A-Za-z0-9.:_-]*) misuse "$name is neither a host's name nor an address" ;; esac
done
case " $servers " in *' ca '*) misuse "no server can be called ca: the authority's files are" ;; esac

command -v openssl >/dev/null || die "openssl is not installed" "apt-get install openssl, or your system's like of it"
mkdir -p "$out" 2>/dev/null && [ -w "$out" ] ||
    die "can't write to $out" "give it to user $(id -u), or name another directory with --out"
out=$(CDPATH='' cd -- "$out" && pwd)
work=$(mktemp -d "$out/.work.XXXXXX") || die "can't write to $out" "make room on the disk"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# run PROBLEM ARGUMENTS…: openssl, whose complaints are shown only if it fails.
run() {
    problem=$1
    shift
    openssl "$@" >"$work/said" 2>&1 ||
        die "$problem: $(tail -n 2 "$work/said" | tr '\n' ' ')" "openssl must be of version 1.1.1 or later, and the disk must have room"
}
month=$((30 * 24 * 3600))

# belongs CERTIFICATE KEY: whether they are a pair.
belongs() {
    openssl x509 -in "$1" -noout -pubkey >"$work/one" 2>/dev/null &&
        openssl pkey -in "$2" -pubout >"$work/other" 2>/dev/null && cmp -s "$work/one" "$work/other"
}

# ---- the authority

for file in ca.pem ca-key.pem; do
    [ ! -e "$out/$file" ] || [ -r "$out/$file" ] ||
        die "$out/$file can't be read" "run this as its owner, or give it to user $(id -u)"
done
if [ -s "$out/ca.pem" ] && [ ! -s "$out/ca-key.pem" ]; then
    # It was taken away, as it should be. Fine, unless a certificate is to be made.
    signs=false
elif [ -s "$out/ca.pem" ]; then
    belongs "$out/ca.pem" "$out/ca-key.pem" ||
        die "$out/ca-key.pem is not the key of $out/ca.pem" \
            "bring back the right one; or remove both, run this again, and give the new ca.pem to all who trust it"
    signs=true
else
    # The key first: a run that broke off in between left a key without a certificate, which is used.
    if [ ! -s "$out/ca-key.pem" ]; then
        run "the authority's key can't be made" genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$work/ca-key.pem"
        mv "$work/ca-key.pem" "$out/ca-key.pem"
    fi
    cat >"$work/ca.cnf" <<'CNF'
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = Vault servers
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
CNF
    run "the authority's certificate can't be made" req -x509 -new -sha384 -days 3650 \
        -config "$work/ca.cnf" -key "$out/ca-key.pem" -out "$work/ca.pem"
    mv "$work/ca.pem" "$out/ca.pem"
    say "a new authority is in $out/ca.pem"
    signs=true
fi
openssl x509 -in "$out/ca.pem" -noout >/dev/null 2>&1 ||
    die "$out/ca.pem is no certificate" "restore it; or remove ca.pem and ca-key.pem, and run this again"
# Everybody may read whom to trust. Keys are their owner's only.
chmod 0644 "$out/ca.pem"
[ ! -e "$out/ca-key.pem" ] || chmod 0600 "$out/ca-key.pem"
openssl x509 -in "$out/ca.pem" -noout -checkend $((days * 24 * 3600)) >/dev/null ||
    say "the authority ends before certificates made now would: make another soon, and let both be trusted for a while"

# ---- the servers

# names SERVER: its names and addresses, as openssl writes them in a request.
names() {
    list="DNS:$1"
    for name in vault localhost 127.0.0.1 $more; do
        case $name in
        "$1") continue ;;
        *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) list="$list,IP:$name" ;;
        *) list="$list,DNS:$name" ;;
        esac
    done
    printf '%s' "$list"
}

# good SERVER: whether its certificate does for another month, and why not.
good() {
    reason="is not there"
    [ -s "$out/$1.pem" ] && [ -s "$out/$1-key.pem" ] || return 1
    reason="is not of this authority, or has ended"
    openssl verify -CAfile "$out/ca.pem" -purpose sslserver "$out/$1.pem" >/dev/null 2>&1 || return 1
    reason="does not belong to its key"
    belongs "$out/$1.pem" "$out/$1-key.pem" || return 1
    reason="ends within a month"
    openssl x509 -in "$out/$1.pem" -noout -checkend "$month" >/dev/null || return 1
    for name in $(names "$1" | tr ',' ' '); do
        reason="lacks the name ${name#*:}"
        case $name in
        IP:*) openssl x509 -in "$out/$1.pem" -noout -checkip "${name#IP:}" | grep -q 'does match' || return 1 ;;
        *) openssl x509 -in "$out/$1.pem" -noout -checkhost "${name#DNS:}" | grep -q 'does match' || return 1 ;;
        esac
    done
    return 0
}

# as_before FILE NEW: gives NEW the mode of the server's FILE that it replaces, and the owner, or the one that was asked for.
as_before() {
    to=$owner
    if [ -e "$1" ]; then
        cp -p "$1" "$work/before" && cat "$2" >"$work/before" && mv -f "$work/before" "$2"
        # `ls -n` is the POSIX way to see an owner.
        # shellcheck disable=SC2012
        [ -n "$to" ] || to=$(ls -ldn "$1" | { read -r _ _ uid gid _ && printf '%s:%s' "$uid" "$gid"; })
    fi
    give "$2" "$to" "$1"
}
# give FILE OWNER NAME
give() {
    [ -z "$2" ] || chown "$2" "$1" 2>/dev/null || die "can't give $3 to $2" "run this as root, or as that user"
}

for server in $servers; do
    for file in "$out/$server.pem" "$out/$server-key.pem"; do
        # Made anew it would be taken from whom it belongs to.
        [ ! -e "$file" ] || [ -r "$file" ] || die "$file can't be read" "run this as its owner, or give it to user $(id -u)"
    done
    if good "$server"; then
        # A group that was let in stays.
        chmod u=rw,g-wx,o= "$out/$server-key.pem"
        for file in "$out/$server.pem" "$out/$server-key.pem"; do give "$file" "$owner" "$file"; done
        say "$server: good for another month at least"
        continue
    fi
    $signs || die "the certificate of $server $reason, and ca-key.pem is not here to sign another" \
        "bring ca-key.pem back to $out for as long as this runs"
    cat >"$work/request.cnf" <<CNF
[req]
distinguished_name = name
prompt = no
[name]
CN = $server
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
# Servers of a cluster are each other's clients, too.
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = $(names "$server")
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
    run "the key of $server can't be made" genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/key.pem"
    run "the request of $server can't be made" req -new -sha256 -config "$work/request.cnf" -key "$work/key.pem" -out "$work/request.pem"
    run "the certificate of $server can't be signed" x509 -req -sha256 -days "$days" -in "$work/request.pem" \
        -CA "$out/ca.pem" -CAkey "$out/ca-key.pem" -set_serial "0x$(openssl rand -hex 16)" \
        -extfile "$work/request.cnf" -extensions server -out "$work/server.pem"
    chmod 0644 "$work/server.pem"
    as_before "$out/$server-key.pem" "$work/key.pem"
    as_before "$out/$server.pem" "$work/server.pem"
    # Should it end between these two, the pair does not match, and the next run makes both anew.
    mv "$work/key.pem" "$out/$server-key.pem"
    mv "$work/server.pem" "$out/$server.pem"
    good "$server" || die "the new certificate of $server $reason" "please report this; it should not happen"
    say "$server: a new certificate; let that server read it again (SIGHUP)"
done
