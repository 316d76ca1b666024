#!/usr/bin/env bash
# config/stack/vault/init.sh and renew.sh against a real OpenBao: from nothing, again, after a seal, in
# half-done states, and with everything wrong that people get wrong.
# shellcheck source-path=SCRIPTDIR
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
need jq
secrets=$scratch/secrets
init() { sh "$stack/vault/init.sh" --secrets "$secrets" "$@"; }
renew() { sh "$stack/vault/renew.sh" --secrets "$secrets" "$@"; }
# denied TOKEN-FILE ARGUMENTS…
denied() {
    ! as "$@" >"$scratch/said" 2>&1 || fail "allowed: ${*:2}"
    says "permission denied"
}

exits 2 init --nonsense
says "--nonsense is no option"
exits 2 init --mount
exits 2 init --wait soon
exits 0 init --help
exits 2 renew --every often
VAULT_ADDR=http://127.0.0.1:9 exits 1 init --wait 0
says "Vault does not answer at http://127.0.0.1:9" "docker compose up -d vault"
VAULT_CACERT=$scratch/none.pem exits 1 init
says "none.pem can't be read"
ok "wrong usage and an absent Vault are told, with the remedy"

start_bao "$scratch/bao"
VAULT_ADDR=${VAULT_ADDR/http:/https:} exits 1 init --wait 0
says "no TLS with Vault" "VAULT_CACERT"
[ ! -e "$secrets/vault/unseal-key-1" ] || fail "something was set up all the same"

exits 0 init
says "initialised: 1 unseal key(s)" "TELEGRAM_BOT_TOKEN in zakupai/monitoring is empty" "nabat can log in" "init: done"
keeps_quiet_about "$secrets"/vault/* "$secrets"/nabat/* "$secrets"/renew/* "$secrets"/*/*-password
[ -z "$(find "$secrets" -type f ! -perm 0600)" ] || fail "a file is not 0600: $(find "$secrets" -type f ! -perm 0600)"
[ -z "$(find "$secrets" -mindepth 1 -type d ! -perm 0700)" ] || fail "a directory is not 0700"
[ -z "$(find "$secrets" -name '.work*')" ] || fail "something is left behind"
ok "from nothing: initialised, unsealed, set up; keys are 0600 and shown nowhere"

before=$(fingerprint "$secrets")
exits 0 init
[ "$before" = "$(fingerprint "$secrets")" ] || fail "the second run changed a file"
ok "a second run changes nothing"

TELEGRAM_BOT_TOKEN=oops-not-a-token exits 1 init
says "TELEGRAM_BOT_TOKEN is no bot token"
! grep -q oops "$scratch/said" || fail "it shows the token"
TELEGRAM_CHAT_ID=@ops exits 1 init
says "TELEGRAM_CHAT_ID is no number"
for number in - -- -12- 12a; do
    TELEGRAM_CHAT_ID=$number exits 1 init
    says "TELEGRAM_CHAT_ID is no number"
done
exits 0 init --telegram "$stack/vault/demo-telegram.env"
says "TELEGRAM_BOT_TOKEN is in zakupai/monitoring" "TELEGRAM_CHAT_ID is in"
TELEGRAM_CHAT_ID=-42 TELEGRAM_BOT_TOKEN=1:other exits 0 init
says "TELEGRAM_CHAT_ID in zakupai/monitoring is kept"
read_back() { as "$secrets/vault/root-token" kv get -mount=zakupai -field="$1" monitoring; }
[ "$(read_back TELEGRAM_CHAT_ID)" = -1001000000002 ] || fail "the chat's number was overwritten"
as "$secrets/vault/root-token" kv put -mount=zakupai monitoring OTHER=kept TELEGRAM_CHAT_ID=-43 >"$scratch/said"
exits 0 init --telegram "$stack/vault/demo-telegram.env"
[ "$(read_back OTHER)/$(read_back TELEGRAM_CHAT_ID)" = kept/-43 ] || fail "a value was overwritten"
as "$secrets/vault/root-token" kv patch -mount=zakupai monitoring TELEGRAM_CHAT_ID=-1001000000002 >"$scratch/said"
ok "the secret gets what it lacks, and keeps what it has"

# log_in FILE: as nabat.
log_in() {
    "$VAULT_CLI" write -field=token auth/approle/login role_id="$(cat "$secrets/nabat/role-id")" \
        secret_id="$(cat "$secrets/nabat/secret-id")" >"$1"
}
nabat_token=$scratch/nabat-token
log_in "$nabat_token"
as "$nabat_token" read zakupai/data/monitoring >"$scratch/said" || fail "nabat can't read its secret"
as "$nabat_token" token lookup >"$scratch/said" || fail "nabat can't look its token up"
grep -qE '^policies +\[nabat\]$' "$scratch/said" || fail "it has other policies, too"
as "$nabat_token" token renew >"$scratch/said" || fail "nabat can't renew its token"
for path in zakupai/data/db zakupai/data/monitoring/x zakupai/metadata/monitoring zakupai/config sys/mounts sys/metrics \
    sys/policies/acl/nabat auth/approle/role/nabat/role-id auth/token/accessors cubbyhole/x; do
    denied "$nabat_token" read "$path"
done
as "$secrets/vault/root-token" read -format=json auth/approle/role/nabat | jq -c '.data |
    [.token_ttl, .token_max_ttl, .secret_id_ttl, .secret_id_num_uses, .token_policies, .token_no_default_policy, .token_type]' >"$scratch/said"
[ "$(cat "$scratch/said")" = '[3600,14400,86400,0,["nabat"],true,"service"]' ] ||
    fail "the role's times and policies are not one hour, four, and a day; nabat alone; no default policy"
denied "$nabat_token" list zakupai/metadata
denied "$nabat_token" kv put -mount=zakupai monitoring TELEGRAM_CHAT_ID=-1
denied "$nabat_token" write -force auth/approle/role/nabat/secret-id
denied "$nabat_token" token create
as "$nabat_token" token revoke -self >"$scratch/said" || fail "nabat can't give its token back"
ok "nabat may read its one path and mind its token, and nothing else; its token lasts an hour, its secret id a day"

metrics=$secrets/prometheus/vault-metrics-token
curl -sf -H "Authorization: Bearer $(cat "$metrics")" "$VAULT_ADDR/v1/sys/metrics?format=prometheus" >"$scratch/said" ||
    fail "Prometheus can't read the metrics"
says "vault_core_unsealed"
denied "$metrics" read zakupai/data/monitoring
denied "$metrics" read sys/mounts
[ "$(curl -s -o /dev/null -w '%{http_code}' "$VAULT_ADDR/v1/sys/metrics?format=prometheus")" != 200 ] ||
    fail "metrics are there for everybody"
ok "Prometheus' token reads metrics, and nothing else"

start_telegram
stack_configuration "$secrets" "$telegram" >"$scratch/nabat.yml"
exits 0 "$NABAT" check --live --config.file="$scratch/nabat.yml"
says "✓ vault" "✓ telegram " "✓ chats.ops"
ok "the stack's nabat.yml works with what was made: nabat check --live"

denied "$secrets/renew/vault-token" write -force auth/approle/role/nabat/secret-id
denied "$secrets/renew/vault-token" read zakupai/data/monitoring
exits 0 renew --wrap "$scratch/wrapped"
cp "$scratch/wrapped" "$scratch/copy"
old=$(cat "$secrets/nabat/secret-id")
exits 0 renew --unwrap "$scratch/wrapped"
[ "$old" != "$(cat "$secrets/nabat/secret-id")" ] || fail "the secret id is the old one"
exits 1 renew --unwrap "$scratch/copy"
says "does not open" "somebody else has opened it"
exits 0 renew --check
ok "a wrapped secret id opens once; the renewal can issue no other"

old=$(cat "$secrets/nabat/secret-id")
exits 0 renew
[ "$old" = "$(cat "$secrets/nabat/secret-id")" ] || fail "a young secret id was replaced"
touch -d '9 hours ago' "$secrets/nabat/secret-id"
exits 0 renew
[ "$old" != "$(cat "$secrets/nabat/secret-id")" ] || fail "an old secret id was kept"
ok "a secret id is replaced after eight hours"

before=$(fingerprint "$secrets")
as "$secrets/vault/root-token" operator seal >"$scratch/said"
exits 1 renew --force
says "sealed"
exits 0 init
says "init: unsealed"
[ "$before" = "$(fingerprint "$secrets")" ] || fail "it changed a file"
ok "after a seal it unseals, and changes nothing"

as "$secrets/vault/root-token" operator seal >"$scratch/said"
mv "$secrets/vault/unseal-key-1" "$scratch/key"
exits 1 init
says "there is no key in" "vault operator unseal"
head -c 32 /dev/urandom | base64 | tr -d '\n' >"$secrets/vault/unseal-key-1"
exits 1 init
says "Vault refuses the key in"
keeps_quiet_about "$secrets/vault/unseal-key-1"
mv "$scratch/key" "$secrets/vault/unseal-key-1"
exits 0 init
ok "a missing or wrong key is told, and the next run goes on"

# The stack's nabat, with its users, started while Vault is sealed.
as "$secrets/vault/root-token" operator seal >"$scratch/said"
sh "$stack/nabat/users.sh" --secrets "$secrets" >"$scratch/said" || fail "there are no users for nabat"
port=$(free_port)
"$NABAT" serve --config.file="$scratch/nabat.yml" --storage.path="$scratch/nabat" \
    --web.config.file="$secrets/nabat/web.yml" --web.listen-address="127.0.0.1:$port" >"$scratch/nabat.log" 2>&1 &
children+=("$!")
# ask PATH CURL-ARGUMENTS…: as Alertmanager.
ask() {
    curl -sf "${@:2}" -u "alertmanager:$(cat "$secrets/alertmanager/nabat-alertmanager-password")" "http://127.0.0.1:$port$1"
}
eventually ask /-/ready
alert='{"status":"firing","labels":{"alertname":"AntiDumpingRatioHigh","severity":"warning"},"annotations":{"summary":"Демпинг: 23 на 100 лотов"},"startsAt":"2026-01-01T00:00:00Z"}'
ask /alertmanager -H 'Content-Type: application/json' -d '{"version":"4","groupKey":"g","status":"firing","receiver":"nabat","groupLabels":{"alertname":"AntiDumpingRatioHigh"},"commonLabels":{"alertname":"AntiDumpingRatioHigh"},"commonAnnotations":{},"alerts":['"$alert"']}' \
    >"$scratch/said" || fail "nabat does not take an alert while Vault is sealed"
waits() { ask /metrics | grep -q '^nabat_outbox_entries{chat="ops",state="waiting"} 1'; }
shown() { ask /metrics | grep -q '^nabat_delivery_latency_seconds_count.*class="news".* 1$'; }
eventually waits
exits 0 init
eventually shown
ok "an alert that came while Vault was sealed is shown when init.sh has unsealed it; nobody touched nabat"
before=$(fingerprint "$secrets")

# Half-done: Vault has answered, and the run ended before the keys were in their files.
{
    printf 'Unseal Key 1: %s\n\n' "$(cat "$secrets/vault/unseal-key-1")"
    printf 'Initial Root Token: %s\n' "$(cat "$secrets/vault/root-token")"
} >"$secrets/vault/init.txt"
rm "$secrets/vault/unseal-key-1" "$secrets/vault/root-token"
exits 0 init
[ "$before" = "$(fingerprint "$secrets")" ] || fail "the keys are not as they were"
root=$secrets/vault/root-token
as "$root" delete auth/approle/role/nabat >"$scratch/said"
as "$root" policy delete nabat >"$scratch/said"
exits 0 init
exits 0 renew --check
as "$root" auth disable approle >"$scratch/said"
exits 0 init
exits 0 "$NABAT" check --live --config.file="$scratch/nabat.yml"
as "$root" token revoke "$(cat "$secrets/renew/vault-token")" >"$scratch/said"
as "$root" token revoke "$(cat "$secrets/renew/metrics-token")" >"$scratch/said"
rm -r "$secrets/alertmanager" "$secrets/nabat/secret-id"
: >"$secrets/prometheus/nabat-prometheus-password"
exits 0 init
exits 0 renew --force
as "$root" secrets disable zakupai >"$scratch/said"
exits 0 init --telegram "$stack/vault/demo-telegram.env"
exits 0 "$NABAT" check --live --config.file="$scratch/nabat.yml"
ok "whatever is missing, in Vault or among the files, the next run mends it"

# A secret id was stolen: what docs/stack.md says ends it, those before it, and every token made with them.
log_in "$scratch/stolen-token"
cp "$secrets/nabat/secret-id" "$scratch/stolen"
exits 0 renew --force
as "$scratch/stolen-token" read zakupai/data/monitoring >"$scratch/said" || fail "the test's token does not work"
sed -n '/^vault list -format=yaml auth/,/^```/p' "$repository/docs/stack.md" | sed '/^```/d; s/#.*//' >"$scratch/commands"
grep -q 'lease revoke' "$scratch/commands" || fail "docs/stack.md does not say how to end a stolen secret id"
(
    # shellcheck disable=SC2317
    vault() { as "$root" "$@"; }
    # shellcheck source=/dev/null
    source "$scratch/commands"
) >"$scratch/said" 2>&1 || fail "the commands of docs/stack.md fail"
denied "$scratch/stolen-token" read zakupai/data/monitoring
for file in "$scratch/stolen" "$secrets/nabat/secret-id"; do
    ! "$VAULT_CLI" write auth/approle/login role_id="$(cat "$secrets/nabat/role-id")" secret_id="$(cat "$file")" >"$scratch/said" 2>&1 ||
        fail "the secret id in $file still works"
done
exits 0 renew --force
exits 0 renew --check
ok "the commands in docs/stack.md end a stolen secret id, all older ones, and the tokens made with them"

as "$root" secrets enable -path=taken -version=1 kv >"$scratch/said"
exits 1 init --mount taken
says "taken is in use" "--mount"
exits 0 init --mount own --path team/nabat
log_in "$nabat_token"
as "$nabat_token" read own/data/team/nabat >"$scratch/said" || fail "another mount and path do not work"
exits 0 init
ok "another mount and path may be chosen, but not one in use for something else"

# Only the renewal's token is left, as in production.
as "$root" token revoke -self >"$scratch/said"
exits 0 init
says "the settings were not compared"
[ ! -e "$root" ] || fail "the dead root token is kept"
printf junk >"$secrets/nabat/secret-id"
exits 0 init
exits 0 renew --check
rm "$secrets/nabat/secret-id" "$secrets/renew/vault-token"
exits 1 init
says "run this with an administrator's token (--token-file"
VAULT_TOKEN=s.wrong exits 1 init
says "Vault refuses the token in VAULT_TOKEN"
ok "without the root token it mends what it can, and says what it needs for the rest"

# OpenBao takes the audit log from its configuration, and has refused `audit enable` since. So this branch is run
# against a stand-in for the program, which answers for the audit log as HashiCorp's Vault would, writes its
# arguments down, and passes all else on to OpenBao. It shows what init.sh asks for, not that Vault does it.
cat >"$scratch/stand-in" <<STAND_IN
#!/bin/sh
case "\$*" in
"read -format=json sys/audit")
    [ ! -e "$scratch/audit-is-on" ] || { echo '{"data": {"file/": {"type": "file"}}}'; exit 0; }
    echo "No value found at sys/audit" >&2
    exit 2
    ;;
"audit enable"*)
    printf '%s\n' "\$@" >"$scratch/audit-arguments"
    [ ! -e "$scratch/audit-fails" ] || { echo "sanity check failed; unable to open" >&2; exit 2; }
    : >"$scratch/audit-is-on"
    ;;
*) exec "$VAULT_CLI" "\$@" ;;
esac
STAND_IN
chmod +x "$scratch/stand-in"
start_bao "$scratch/audited"
: >"$scratch/audit-fails"
audited() { VAULT_CLI=$scratch/stand-in sh "$stack/vault/init.sh" --secrets "$scratch/audited-secrets" "$@"; }
exits 1 audited
says "the audit log can't be switched on" "unable to open" "--audit-file"
rm "$scratch/audit-fails"
exits 0 audited
says "the audit log goes to /vault/logs/audit.log"
[ "$(tr '\n' ' ' <"$scratch/audit-arguments")" = "audit enable file file_path=/vault/logs/audit.log " ] ||
    fail "it asked for: $(tr '\n' ' ' <"$scratch/audit-arguments")"
rm "$scratch/audit-arguments" "$scratch/audit-is-on"
exits 0 audited --audit-file /var/log/vault/audit.log
grep -qx 'file_path=/var/log/vault/audit.log' "$scratch/audit-arguments" || fail "--audit-file is not used"
rm "$scratch/audit-arguments"
exits 0 audited
says "the audit log is on"
[ ! -e "$scratch/audit-arguments" ] || fail "it switches on what is on"
ok "where Vault is asked for the audit log (a stand-in answers), init.sh asks once, for the right file"

# Killed between Vault's initialisation and the written answer: nobody has the keys, and nobody ever will.
start_bao "$scratch/lost"
cat >"$scratch/killed" <<KILLED
#!/bin/sh
case "\$*" in
"operator init"*)
    [ -e "$scratch/before" ] || "$VAULT_CLI" "\$@" >"$scratch/answer"
    kill -KILL \$PPID
    ;;
*) exec "$VAULT_CLI" "\$@" ;;
esac
KILLED
chmod +x "$scratch/killed"
lost() { sh "$stack/vault/init.sh" --secrets "$scratch/lost-secrets" "$@"; }
# Killed before, nothing is lost.
: >"$scratch/before"
VAULT_CLI=$scratch/killed exits 137 lost
rm "$scratch/before"
VAULT_CLI=$scratch/killed exits 137 lost
exits 1 lost
says "the Vault at $VAULT_ADDR is new, and its keys were lost" "remove the volume vault-data" "run this again"
! grep -q 'holders' "$scratch/said" || fail "it sends for keys that nobody has"
# Its answer was written, but not to the end.
grep -v 'Root Token' "$scratch/answer" >"$scratch/lost-secrets/vault/init.txt"
exits 1 lost
says "does not hold all keys and the root token" "remove the volume vault-data"
rm "$scratch/lost-secrets/vault/init.txt"
# As it says: with an empty storage, the next run is the first.
kill "$bao_pid"
wait "$bao_pid" 2>/dev/null || true
start_bao "$scratch/found"
exits 0 lost
says "initialised: 1 unseal key(s)" "init: done"
[ ! -e "$scratch/lost-secrets/vault/initialising" ] || fail "the mark is left"
exits 0 lost
ok "an initialisation that was interrupted, its keys lost, is told as that, and the remedy works"

# A server that unseals itself: OpenBao's static seal stands for the key services.
head -c 32 /dev/urandom >"$scratch/seal-key"
start_bao "$scratch/self" "seal \"static\" {
  current_key_id = \"one\"
  current_key    = \"file://$scratch/seal-key\"
}"
self() { sh "$stack/vault/init.sh" --secrets "$scratch/self-secrets" "$@"; }
exits 0 self --production
says "5 recovery key(s), 3 of which suffice" "nabat can log in"
[ -s "$scratch/self-secrets/vault/recovery-key-5" ] || fail "it has not kept recovery keys"
[ ! -e "$scratch/self-secrets/vault/unseal-key-1" ] || fail "it takes recovery keys for unseal keys"
kill "$bao_pid"
wait "$bao_pid" 2>/dev/null || true
"$VAULT_CLI" server -config "$scratch/self/config.hcl" >"$scratch/self/log" 2>&1 &
children+=("$!")
eventually self --production
says "nabat can log in"
! grep -q 'init: unsealed' "$scratch/said" || fail "it unsealed what unseals itself"
ok "with a seal stanza it keeps recovery keys, and has nothing to unseal after a restart"

# Its keys are here, and the server knows nothing of them: no second Vault is made over the first.
start_bao "$scratch/other"
exits 1 init
says "is not initialised, but" "has the keys of one"
ok "a storage that is gone is not taken for a new Vault"

secrets=$scratch/production
: >"$scratch/file"
if command -v busybox >/dev/null; then
    # The shell of Vault's image.
    init() { busybox sh "$stack/vault/init.sh" --secrets "$secrets" "$@"; }
fi
exits 0 init --production --telegram "$stack/vault/demo-telegram.env"
says "5 unseal key(s), 3 of which suffice" "the root token is revoked" "to five people"
[ "$(find "$secrets/vault" -name 'unseal-key-*' | wc -l)" -eq 5 ] || fail "there are not five keys"
[ ! -e "$secrets/vault/root-token" ] || fail "the root token is kept"
exits 0 renew --force
exits 0 init --production
says "nabat can log in"
ok "production: five keys, three unseal; the root token is revoked, the renewal's is not"

kill "$bao_pid"
wait "$bao_pid" 2>/dev/null || true
"$VAULT_CLI" server -config "$scratch/other/config.hcl" >"$scratch/other/log" 2>&1 &
children+=("$!")
mkdir "$scratch/holders"
mv "$secrets"/vault/unseal-key-[345] "$scratch/holders"
exits 1 init --production
says "still sealed after all keys in" "vault operator unseal"
mv "$scratch/holders/unseal-key-4" "$secrets/vault"
exits 0 init --production
says "init: unsealed" "nabat can log in"
ok "a restart: two of five keys do not unseal, three do"

# As Compose runs it: root with three capabilities, and the files belong to who reads them.
if [ "$(id -u)" -eq 0 ]; then
    start_bao "$scratch/contained"
    secrets=$scratch/of-many
    contained() {
        NABAT_OWNER=65532:65532 MONITORING_OWNER=65534:65534 GRAFANA_OWNER=472:0 setpriv --no-new-privs \
            --bounding-set=-all,+chown,+dac_override,+fowner sh "$stack/vault/init.sh" --secrets "$secrets"
    }
    exits 0 contained
    before=$(fingerprint "$secrets")
    exits 0 contained
    [ "$before" = "$(fingerprint "$secrets")" ] || fail "the second run changed a file"
    (cd "$secrets" && find . -mindepth 1 -printf '%P %U:%G\n') >"$scratch/said"
    while read -r file owner; do
        case $file in
        vault*) [ "$owner" = 0:0 ] ;;
        nabat* | renew*) [ "$owner" = 65532:65532 ] ;;
        alertmanager* | prometheus*) [ "$owner" = 65534:65534 ] ;;
        grafana*) [ "$owner" = 472:0 ] ;;
        *) false ;;
        esac || fail "$file belongs to $owner"
    done <"$scratch/said"
    chmod 0711 "$scratch"
    # The renewal's container is the user of nabat; this one may need a copy of the program to reach it.
    mkdir -m 0755 "$scratch/bin"
    cp "$stack/vault/renew.sh" "$scratch/bin"
    ln "$VAULT_CLI" "$scratch/bin/bao" 2>/dev/null || cp "$VAULT_CLI" "$scratch/bin/bao"
    chmod 0755 "$scratch/bin"/*
    chmod 0711 "$secrets"
    VAULT_CLI=$scratch/bin/bao exits 0 setpriv --reuid 65532 --regid 65532 --clear-groups \
        sh "$scratch/bin/renew.sh" --secrets "$secrets" --force
    exits 0 renew --check
    ok "as root of a container it gives each file to its reader, and the renewal works as nabat's user"
fi

printf '%d passed, 0 failed\n' "$passed"
