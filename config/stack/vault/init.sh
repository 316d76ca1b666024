#!/bin/sh
# Sets a Vault up for the stack: initialises and unseals it, and makes the audit log, the KV store, the
# policies, nabat's AppRole, the secret with the bot's token, and the tokens and passwords of the others.
# Whatever is there already is left as it is, so it may be run at any time: after a restart it
# unseals, after a run that broke off it goes on.
#
# Needs a POSIX shell and Vault's (or OpenBao's) command line program, nothing else: that is what Vault's own
# image has. curl, jq and openssl are not in it, and its wget can't be told which authority to trust.
#
# No secret is ever an argument of a program: other users could read it in the list of processes.
#
# Exit codes: 0 fine, 1 failed, 2 usage.
# `a && b || fail`: fail ends the script, so it is an if with fewer lines.
# shellcheck disable=SC2015
set -eu
umask 077

usage() {
    cat <<'USAGE'
usage: init.sh [--production] [--ask] [--lenient] [--telegram FILE] [--token-file FILE]
               [--mount MOUNT] [--path PATH] [--secrets DIR] [--audit-file FILE] [--wait SECONDS]

  --production       five key shares of which three unseal, instead of one; the root token is
                     revoked at the end
  --ask              ask for the bot's token and the chat's number when the secret lacks them, and
                     for an administrator's token when there is none here
  --lenient          a Vault that stays sealed is a warning, not a failure, if the files that the
                     others need are there
  --telegram FILE    has them in lines NAME=value (default: DIR/telegram.env, if it is there)
  --token-file FILE  has an administrator's token, when the root token is revoked
  --mount MOUNT      of the KV store, version 2 (default: zakupai)
  --path PATH        of the secret in it (default: monitoring)
  --secrets DIR      where keys, tokens and passwords go (default: secrets beside this directory)
  --audit-file FILE  as Vault's server sees it (default: /vault/logs/audit.log)
  --wait SECONDS     for Vault to answer (default: 60)

Environment:
  VAULT_ADDR         Vault's address (default: http://127.0.0.1:8200)
  VAULT_CACERT       the authority that signed its certificate
  VAULT_TOKEN        as in --token-file
  TELEGRAM_FILE      as --telegram
  TELEGRAM_BOT_TOKEN, TELEGRAM_CHAT_ID
                     for the secret, if it lacks them; they win over the file
  NABAT_OWNER, MONITORING_OWNER, GRAFANA_OWNER
                     UID:GID that the files of nabat, of Prometheus and Alertmanager, and of Grafana
                     are given to; wants root (default: they keep the owner they have, and a new one
                     has that of its directory)
USAGE
}

say() { printf 'init: %s\n' "$1"; }
# die PROBLEM REMEDY
die() {
    printf 'init: %s\n' "$1" >&2
    printf '      remedy: %s\n' "$2" >&2
    exit 1
}
misuse() {
    printf 'init: %s\n' "$1" >&2
    printf '      see: init.sh --help\n' >&2
    exit 2
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
production=false ask=false lenient=false mount=zakupai path=monitoring secrets=$here/../secrets
audit_file=/vault/logs/audit.log patience=60 telegram=${TELEGRAM_FILE:-} token_file=''
while [ $# -gt 0 ]; do
    case $1 in
    --production) production=true ;;
    --ask) ask=true ;;
    --lenient) lenient=true ;;
    --mount | --path | --secrets | --audit-file | --wait | --telegram | --token-file)
        [ $# -ge 2 ] && [ -n "$2" ] || misuse "$1 wants a value"
        case $1 in
        --mount) mount=${2%/} ;;
        --path) path=$2 ;;
        --secrets) secrets=$2 ;;
        --audit-file) audit_file=$2 ;;
        --wait) patience=$2 ;;
        --telegram) telegram=$2 ;;
        --token-file) token_file=$2 ;;
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
case $mount in *[!A-Za-z0-9_/-]*) misuse "--mount: $mount has characters that no mount here has" ;; esac
case $path in *[!A-Za-z0-9_/.-]*) misuse "--path: $path has characters that no path here has" ;; esac
case $patience in *[!0-9]*) misuse "--wait: $patience is no number of seconds" ;; esac
for owner in "${NABAT_OWNER:-}" "${MONITORING_OWNER:-}" "${GRAFANA_OWNER:-}"; do
    case $owner in *[!0-9:]*) misuse "an owner is written UID:GID, in numbers; not $owner" ;; esac
done

if [ -n "${VAULT_CLI:-}" ]; then
    cli=$VAULT_CLI
else
    cli=$(command -v vault || command -v bao) ||
        die "neither vault nor bao is installed" "run this in Vault's image, or name the program in VAULT_CLI"
fi
VAULT_ADDR=${VAULT_ADDR:-http://127.0.0.1:8200}
export VAULT_ADDR
if [ -n "${VAULT_CACERT:-}" ] && [ ! -r "$VAULT_CACERT" ]; then
    die "VAULT_CACERT: $VAULT_CACERT can't be read" "make it readable for user $(id -u), or run tls.sh if it is not there"
fi
given_token=${VAULT_TOKEN:-} given_in=VAULT_TOKEN
unset VAULT_TOKEN
if [ -n "$token_file" ]; then
    [ -r "$token_file" ] && given_token=$(tr -d ' \r\n' <"$token_file") && [ -n "$given_token" ] ||
        die "$token_file can't be read, or is empty" "--token-file names a file that holds the token alone, readable for user $(id -u)"
    given_in=$token_file
fi

mkdir -p "$secrets" 2>/dev/null && [ -w "$secrets" ] ||
    die "can't write to $secrets" "give it to user $(id -u), or name another directory with --secrets"
secrets=$(CDPATH='' cd -- "$secrets" && pwd)
keys=$secrets/vault
for directory in vault renew nabat alertmanager prometheus grafana; do
    mkdir -p "$secrets/$directory" || die "can't make $secrets/$directory" "give $secrets to user $(id -u)"
    # A group that was let in stays: on a host nabat may read as a member of one.
    case $directory in vault | renew) mode=0700 ;; *) mode=u=rwx,g-w,o= ;; esac
    chmod "$mode" "$secrets/$directory" ||
        die "$secrets/$directory belongs to somebody else" "give it to user $(id -u), or run this as root"
done
work=$(mktemp -d "$keys/.work.XXXXXX") || die "can't write to $keys" "make room, or give it to user $(id -u)"
# Interrupted at the question for a token, the terminal would go on showing nothing.
trap 'rm -rf "$work"; if $ask && [ -t 0 ]; then stty echo; fi' EXIT
trap 'exit 1' HUP INT TERM
# What an earlier run left that was killed.
find "$keys" -name '.work.*' ! -path "$work*" -prune -mmin +60 -exec rm -rf {} +

# owner FILE: its owner and group, UID:GID.
# `ls -n` is the POSIX way to see them.
# shellcheck disable=SC2012
owner() { ls -ldn "$1" | { read -r _ _ uid gid _ && printf '%s:%s' "$uid" "$gid"; }; }
# own FILE OWNER: nothing is done when no owner is said.
own() {
    [ -z "$2" ] || [ "$(owner "$1")" = "$2" ] || chown "$2" "$1" ||
        die "can't give $1 to $2" "run this as root, or leave the owners out of the environment"
}
# store FILE OWNER: standard input becomes the file, whole or not at all. Without an owner it keeps the
# owner and the mode of the file that was there; a new one is its directory's owner's alone, or its
# group's to read, if the group may read the directory (renew.sh does likewise).
store() {
    cat >"$work/content" && [ -s "$work/content" ] || die "can't write $1" "make room on the disk, then run this again"
    if [ -r "$1" ] && [ "$(cat "$1")" = "$(cat "$work/content")" ]; then
        own "$1" "$2"
        return
    fi
    rm -f "$1.new"
    if [ -r "$1" ] && cp -p "$1" "$1.new" 2>/dev/null; then
        like=$1
    else
        like=$(dirname "$1")
        : >"$1.new" || die "can't write $1.new" "make room on the disk, then run this again"
        # shellcheck disable=SC2012
        case $(ls -ldn "$like") in d???r*) chmod 0640 "$1.new" ;; esac
    fi
    cat "$work/content" >"$1.new" ||
        { rm -f "$1.new" && die "can't write $1" "make room on the disk, then run this again"; }
    if [ -n "$2" ]; then
        own "$1.new" "$2"
    else
        chown "$(owner "$like")" "$1.new" 2>/dev/null || [ "$(id -u)" -ne 0 ] ||
            die "can't give $1 to $(owner "$like"), who has $like" "let this run as root with the right to change owners"
    fi
    mv -f "$1.new" "$1"
}

token=
# Speaks to Vault; what it complains of is in $work/error.
vault() {
    if [ -n "$token" ]; then
        VAULT_TOKEN=$token "$cli" "$@" 2>"$work/error"
    else
        # An empty HOME, since the program would use a token that somebody left there.
        HOME=$work "$cli" "$@" 2>"$work/error"
    fi
}
complaint() { grep -v '^$' "$work/error" | tail -n 3 | tr '\n\t' '  ' | tr -s ' '; }
# try PROBLEM REMEDY ARGUMENTS…
try() {
    problem=$1 remedy=$2
    shift 2
    vault "$@" >/dev/null || die "$problem: $(complaint)" "$remedy"
}
rights="name a file with a token that may do this in --token-file"

# ---- reach, initialise, unseal

# look: asks how Vault is, into $work/status. 0 is unsealed, 2 sealed or not initialised; else no answer.
look() {
    code=0
    vault status -format=json >"$work/status" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 2 ]
}
waited=0
until look; do
    if grep -q -e 'x509' -e 'tls:' -e 'HTTPS server' -e 'HTTPS client' "$work/error"; then
        die "no TLS with Vault at $VAULT_ADDR: $(complaint)" \
            "https or http in VAULT_ADDR? Name the authority that signed its certificate in VAULT_CACERT; tls.sh makes both"
    fi
    [ "$waited" -lt "$patience" ] ||
        die "Vault does not answer at $VAULT_ADDR: $(complaint)" \
            "start it (docker compose up -d vault) and look at its log; or set VAULT_ADDR"
    sleep 1
    waited=$((waited + 1))
done

# Is there from before Vault is asked for its keys until they are in their files.
begun=$keys/initialising
storage="in Compose: stop vault and remove the volume vault-data; on a server: the directory of its storage stanza"

# keep_keys: from what Vault answered to the initialisation to a file a key, which can be handed out
# one by one. Vault says it once: what it said is removed only when all files are there.
keep_keys() {
    number=0
    sed -n -e 's/^Unseal Key [0-9]*: *//p' -e 's/^Recovery Key [0-9]*: *//p' "$keys/init.txt" >"$work/keys"
    # The token comes last.
    [ -s "$work/keys" ] && grep -q '^Initial Root Token: *.' "$keys/init.txt" ||
        die "$keys/init.txt does not hold all keys and the root token" \
            "if this Vault is new and holds nothing, empty its storage ($storage), remove that file, and run this again"
    while read -r key; do
        number=$((number + 1))
        printf '%s' "$key" | store "$keys/$kind-key-$number" ''
    done <"$work/keys"
    sed -n 's/^Initial Root Token: *//p' "$keys/init.txt" | tr -d '\n' | store "$keys/root-token" ''
    rm -f "$begun"
    rm -f "$keys/init.txt"
    say "$number key(s) and the root token are in $keys"
}

if grep -q '"type": *"shamir"' "$work/status"; then kind=unseal; else kind=recovery; fi
if grep -q '"initialized": *false' "$work/status"; then
    if [ -s "$keys/$kind-key-1" ] || [ -s "$keys/init.txt" ]; then
        die "Vault at $VAULT_ADDR is not initialised, but $keys has the keys of one" \
            "a server of a cluster joins within a minute: run this again then. If the storage is really gone: restore it, or start over with mv $keys $keys.old"
    fi
    shares=1 threshold=1
    if $production; then shares=5 threshold=3; fi
    # If the disk is full, let it be known before the only copy of the keys is on its way.
    head -c 65536 /dev/zero >"$work/room" 2>/dev/null || die "no room in $keys" "make room on the disk"
    rm -f "$work/room"
    printf '%s' "$VAULT_ADDR" | store "$begun" ''
    case $kind in
    unseal) set -- "-key-shares=$shares" "-key-threshold=$threshold" ;;
    recovery) set -- "-recovery-shares=$shares" "-recovery-threshold=$threshold" ;;
    esac
    if ! vault operator init "$@" >"$keys/init.txt"; then
        # Not the mark: Vault may have done it, and its answer was lost.
        rm -f "$keys/init.txt"
        die "Vault can't be initialised: $(complaint)" "look at its log, then run this again"
    fi
    say "initialised: $shares $kind key(s), $threshold of which suffice"
fi
if [ -s "$keys/init.txt" ]; then keep_keys; fi
rm -f "$keys/init.txt"
if [ -s "$begun" ] && [ -z "$given_token" ]; then
    die "the Vault at $(cat "$begun") is new, and its keys were lost: a run was interrupted between the initialisation and the written keys" \
        "nothing can be in it, so empty its storage ($storage), and run this again; unless another run is at it this very moment. If somebody else has its keys, remove $begun"
fi

sealed() {
    look || die "Vault at $VAULT_ADDR does not answer any more: $(complaint)" "look at its log"
    grep -q '"sealed": *true' "$work/status"
}
# hand_over: what is there to those who read it, whoever has made it.
hand_over() {
    for name in nabat renew; do own_all "$secrets/$name" "${NABAT_OWNER:-}"; done
    for name in alertmanager prometheus; do own_all "$secrets/$name" "${MONITORING_OWNER:-}"; done
    own_all "$secrets/grafana" "${GRAFANA_OWNER:-}"
}
# own_all DIRECTORY OWNER: the directory, and the files that this script and renew.sh put there.
own_all() {
    own "$1" "$2"
    for file in role-id secret-id vault-token metrics-token vault-metrics-token nabat-alertmanager-password \
        nabat-prometheus-password admin-password; do
        [ ! -e "$1/$file" ] || own "$1/$file" "$2"
    done
}
# stays_sealed PROBLEM REMEDY: the end. With --lenient it is a good one if all others can start.
stays_sealed() {
    $lenient || die "$1" "$2"
    for file in nabat/role-id nabat/secret-id renew/vault-token renew/metrics-token prometheus/vault-metrics-token \
        alertmanager/nabat-alertmanager-password prometheus/nabat-prometheus-password grafana/admin-password; do
        [ -s "$secrets/$file" ] || die "$1; and $secrets/$file, which the others need, is not there" "$2; then run this again"
    done
    hand_over
    say "warning: $1" >&2
    printf '      remedy: %s\n' "$2" >&2
    say "nabat takes alerts meanwhile, and sends them when Vault is open" >&2
    exit 0
}
if sealed; then
    if [ "$kind" = recovery ]; then
        stays_sealed "Vault is sealed, and its seal stanza has not opened it" \
            "the key service must be reachable: look at Vault's log. Recovery keys don't unseal"
    fi
    for file in "$keys"/unseal-key-*; do
        [ -s "$file" ] || stays_sealed "Vault is sealed, and there is no key in $keys" \
            "let the holders of the keys run: vault operator unseal"
        if ! tr -d '\r\n' <"$file" | vault write sys/unseal key=- >/dev/null; then
            stays_sealed "Vault refuses the key in $file: $(complaint)" \
                "is it the key of this Vault? Or let the holders of the keys run: vault operator unseal"
        fi
        sealed || break
    done
    if sealed; then
        stays_sealed "Vault is still sealed after all keys in $keys" \
            "let the holders of the other keys run: vault operator unseal"
    fi
    say "unsealed"
fi

# ---- a token that may do the rest

# accepted: whether Vault takes the token. Just unsealed, a server needs a moment to become active.
accepted() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        if vault token lookup >/dev/null; then return 0; fi
        if grep -q 'Code: 403' "$work/error"; then return 1; fi
        sleep 1
    done
    die "Vault is unsealed but does not become active: $(complaint)" "look at its log; Raft needs a majority of its servers"
}
# ask_hidden QUESTION: sets answer. Nothing is shown from the question on, however soon it is answered.
ask_hidden() {
    stty -echo
    printf '%s: ' "$1"
    read -r answer || true
    stty echo
    echo
}
if [ -n "$given_token" ]; then
    token=$given_token
    accepted || die "Vault refuses the token in $given_in" "it may have ended; log in again"
    # Whoever has a token has not lost this Vault.
    rm -f "$begun"
elif [ -s "$keys/root-token" ]; then
    token=$(cat "$keys/root-token")
    if ! accepted; then
        # Revoked by hand, or by a run that broke off right then.
        token=
        rm -f "$keys/root-token"
    fi
fi
if [ -z "$token" ] && $ask && [ -t 0 ]; then
    ask_hidden "An administrator's token, to compare all settings (not shown; empty: go on without)"
    given_token=$answer token=$answer
    [ -z "$token" ] || accepted || die "Vault refuses that token" "copy the whole of it; or it has ended: log in again"
fi

# secret_id_works: whether nabat could log in this moment. The login is given back at once.
secret_id_works() {
    [ -s "$secrets/nabat/role-id" ] && [ -s "$secrets/nabat/secret-id" ] || return 1
    VAULT_CLI=$cli sh "$here/renew.sh" --secrets "$secrets" --check >"$work/check" 2>&1
}

if [ -z "$token" ]; then
    if ! secret_id_works && ! VAULT_CLI=$cli sh "$here/renew.sh" --secrets "$secrets" >"$work/check" 2>&1; then
        cat "$work/check" >&2
        die "Vault is unsealed, but nabat can't log in, and there is no token here to mend it with" \
            "run this with an administrator's token (--token-file, or --ask); with the keys a root token can be made: vault operator generate-root"
    fi
    hand_over
    say "nabat can log in; the settings were not compared, since there is no token for that here (--token-file, --ask)"
    exit 0
fi

# ---- audit, store, policies, role

if vault read -format=json sys/audit >"$work/audit" && grep -q '"type": *"file"' "$work/audit"; then
    say "the audit log is on"
else
    try "the audit log can't be switched on" \
        "the directory must be writable for Vault's server, else choose another with --audit-file; OpenBao wants an audit stanza in its configuration" \
        audit enable file "file_path=$audit_file"
    say "the audit log goes to $audit_file"
fi

if vault read -field=type "sys/mounts/$mount" >"$work/type"; then
    vault read -field=options "sys/mounts/$mount" >"$work/options" || true
    if [ "$(cat "$work/type")" != kv ] || ! grep -q 'version:2' "$work/options"; then
        die "$mount is in use, and is no KV store of version 2" "choose another mount with --mount"
    fi
else
    try "the KV store $mount can't be mounted" "$rights" secrets enable "-path=$mount" -version=2 kv
    say "the KV store $mount is mounted"
fi
# A new store sets itself up in the background.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    if vault read "$mount/config" >/dev/null; then break; fi
    sleep 1
done

# policy NAME FILE
policy() {
    sed "s#\"zakupai/data/monitoring\"#\"$mount/data/$path\"#" "$here/$2" >"$work/policy"
    try "the policy $1 can't be written" "$rights" policy write "$1" "$work/policy"
}
policy nabat nabat-policy.hcl
policy prometheus-metrics metrics-policy.hcl
policy nabat-renew renew-policy.hcl

if ! vault read -field=type sys/auth/approle >/dev/null; then
    try "AppRole can't be enabled" "$rights" auth enable approle
fi
# token_ttl: nabat renews its token until token_max_ttl, then logs in again. A secret id may be used any
# number of times while it lives: a restart of nabat is a login, too. renew.sh replaces it long before
# its 24 hours are over.
try "the role nabat can't be written" "$rights" write auth/approle/role/nabat \
    token_policies=nabat token_no_default_policy=true token_type=service \
    token_ttl=1h token_max_ttl=4h secret_id_ttl=24h secret_id_num_uses=0
vault read -field=role_id auth/approle/role/nabat/role-id >"$work/role-id" ||
    die "the role's id can't be read: $(complaint)" "$rights"
tr -d '\n' <"$work/role-id" | store "$secrets/nabat/role-id" "${NABAT_OWNER:-}"
say "the policies and the role nabat are as they should be"

# ---- the secret

if [ -z "$telegram" ]; then
    telegram=$secrets/telegram.env
    [ -e "$telegram" ] || telegram=/dev/null
fi
[ -r "$telegram" ] || die "$telegram can't be read" "make it readable for user $(id -u); or leave --telegram (TELEGRAM_FILE) out, if there is none"
# from_file NAME: out of that file, with or without quotes.
from_file() {
    tr -d '\r' <"$telegram" | sed -n "s/^ *$1 *= *//p" | sed "s/^[\"']//; s/[\"'] *\$//" | tail -n 1
}
# field NAME: what the secret holds, empty when nothing.
field() { vault kv get "-mount=$mount" "-field=$1" "$path" 2>/dev/null || true; }

bot_token=${TELEGRAM_BOT_TOKEN:-$(from_file TELEGRAM_BOT_TOKEN)}
chat_id=${TELEGRAM_CHAT_ID:-$(from_file TELEGRAM_CHAT_ID)}

exists=true
if ! vault kv get -format=json "-mount=$mount" "$path" >"$work/secret"; then
    grep -q 'No value found' "$work/error" || die "the secret $mount/$path can't be read: $(complaint)" "$rights"
    exists=false
fi
kept_token='' kept_chat=''
if $exists; then
    kept_token=$(field TELEGRAM_BOT_TOKEN)
    kept_chat=$(field TELEGRAM_CHAT_ID)
fi
if $ask && [ -t 0 ]; then
    if [ -z "$kept_token$bot_token" ]; then
        ask_hidden "The token of the bot, from @BotFather (not shown)"
        bot_token=$answer
    fi
    if [ -z "$kept_chat$chat_id" ]; then
        printf 'The number of the chat (a group starts with -100): '
        read -r chat_id || true
    fi
fi
# Their characters are checked, so that both can stand in JSON as they are.
case $bot_token in
'') ;;
*[!A-Za-z0-9:_-]* | :* | *:) bad_token=1 ;;
*:*) ;;
*) bad_token=1 ;;
esac
[ -z "${bad_token:-}" ] || die "TELEGRAM_BOT_TOKEN is no bot token; one is a number, a colon, and letters" \
    "copy the whole of it from @BotFather"
case $chat_id in
- | ?*[!0-9]* | [!0-9-]*) die "TELEGRAM_CHAT_ID is no number" "a group's starts with -100; @name does not do here" ;;
esac

# fill NAME VALUE KEPT: writes a value where there is none.
fill() {
    if [ -n "$3" ]; then
        [ -z "$2" ] || [ "$2" = "$3" ] ||
            say "$1 in $mount/$path is kept; to replace it: vault kv patch -mount=$mount $path $1=-"
        return 0
    fi
    if [ -n "$2" ]; then
        printf '{"%s":"%s"}' "$1" "$2" | try "$1 can't be written to $mount/$path" "$rights" \
            kv patch "-mount=$mount" "$path" -
        say "$1 is in $mount/$path"
    else
        say "$1 in $mount/$path is empty, and nabat will wait for it: vault kv patch -mount=$mount $path $1=-"
    fi
}
if ! $exists; then
    # -cas=0: only if nobody else has written it since. A deleted version counts, too.
    printf '{"TELEGRAM_BOT_TOKEN":"","TELEGRAM_CHAT_ID":""}' |
        try "the secret $mount/$path can't be made" \
            "if its last version was deleted: vault kv undelete -mount=$mount -versions=N $path" \
            kv put -cas=0 "-mount=$mount" "$path" -
    say "the secret $mount/$path is made"
fi
fill TELEGRAM_BOT_TOKEN "$bot_token" "$kept_token"
fill TELEGRAM_CHAT_ID "$chat_id" "$kept_chat"

# ---- the tokens and passwords of the others

# periodic FILE POLICY OWNER: a token without a parent, which outlives the root token, and lasts as
# long as renew.sh renews it every week.
periodic() {
    if [ -s "$1" ]; then
        admin=$token token=$(cat "$1")
        # It may not look itself up; to be renewed is all it needs to show.
        if vault token renew >/dev/null; then
            token=$admin
            own "$1" "$3"
            return
        fi
        token=$admin
    fi
    vault token create -orphan -period=168h "-policy=$2" -no-default-policy -display-name="$2" \
        -field=token >"$work/token" || die "a token with the policy $2 can't be made: $(complaint)" "$rights"
    tr -d '\n' <"$work/token" | store "$1" "$3"
    say "a token with the policy $2 is in $1"
}
periodic "$secrets/renew/vault-token" nabat-renew "${NABAT_OWNER:-}"
periodic "$secrets/renew/metrics-token" prometheus-metrics "${NABAT_OWNER:-}"
# Prometheus' own copy: each container sees its own directory and no other.
store "$secrets/prometheus/vault-metrics-token" "${MONITORING_OWNER:-}" <"$secrets/renew/metrics-token"

# password FILE OWNER
password() {
    [ -s "$1" ] || head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | store "$1" "$2"
    own "$1" "$2"
}
password "$secrets/alertmanager/nabat-alertmanager-password" "${MONITORING_OWNER:-}"
password "$secrets/prometheus/nabat-prometheus-password" "${MONITORING_OWNER:-}"
password "$secrets/grafana/admin-password" "${GRAFANA_OWNER:-}"

if ! secret_id_works; then
    VAULT_CLI=$cli sh "$here/renew.sh" --secrets "$secrets" --force ||
        die "nabat got no secret id" "see above, then run this again"
    secret_id_works || die "nabat can't log in: $(cat "$work/check")" "please report this; it should not happen"
fi
say "nabat can log in"
hand_over

if $production && [ -z "$given_token" ]; then
    try "the root token can't be revoked" "run this again" token revoke -self
    rm -f "$keys/root-token"
    say "the root token is revoked"
    say "hand out the keys in $keys to five people, each by another way, and remove them here"
fi
say "done"
