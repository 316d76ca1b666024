#!/usr/bin/env bash
# vault-init and vault-renew as compose.yml has them: the entrypoint, the environment and the user that a real
# Compose reads out of it, against a real OpenBao. Only paths and Vault's address are changed.
# `a && b || fail`: fail ends the script.
# shellcheck disable=SC2015
# shellcheck source-path=SCRIPTDIR
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
COMPOSE=${COMPOSE:-$peers/docker-compose/compose/docker-compose}
for program in "$COMPOSE" jq script; do need "$program"; done
unset COMPOSE_PROJECT_NAME COMPOSE_PROFILES NABAT_CONFIG STACK_SECRETS TELEGRAM_FILE
unset NABAT_OWNER MONITORING_OWNER GRAFANA_OWNER
chmod 0711 "$scratch"
# Where each user of a container may read them.
mkdir -m 0755 "$scratch/bin"
cp "$VAULT_CLI" "$scratch/bin/bao"
cp -r "$stack/vault" "$scratch/stack"
chmod -R u=rwX,go=rX "$scratch/bin" "$scratch/stack"
export VAULT_CLI=$scratch/bin/bao

# service NAME COMPOSE-ARGUMENTS…: sets entrypoint and surroundings (the environment, and for root the user and its
# capabilities), as that container would have them with $secrets for /secrets.
service() {
    local name=$1 here=(-e "s#^/vault/stack/#$scratch/stack/#" -e "s#^/secrets#$secrets#" -e "s#http://vault:8200#$VAULT_ADDR#")
    shift
    "$COMPOSE" "$@" -f "$stack/compose.yml" config --format json | jq ".services[\"$name\"]" >"$scratch/service.json"
    mapfile -t entrypoint < <(jq -r '.entrypoint[]' "$scratch/service.json" | sed "${here[@]}")
    mapfile -t surroundings < <(jq -r '.environment | to_entries[] | "\(.key)=\(.value)"' "$scratch/service.json" |
        sed -E "s#=/vault/stack/#=$scratch/stack/#; s#=http://vault:8200#=$VAULT_ADDR#")
    [ "${#entrypoint[@]}" -ge 3 ] && [ "${#surroundings[@]}" -ge 1 ] || fail "compose.yml has no entrypoint for $name"
    surroundings=(env "${surroundings[@]}")
    if [ "$(id -u)" -eq 0 ]; then
        surroundings+=(setpriv --no-new-privs "--bounding-set=-all$(jq -r '.cap_add // [] | .[] | ",+" + ascii_downcase' "$scratch/service.json" | tr -d '\n')"
            --reuid "$(jq -r '.user | split(":")[0]' "$scratch/service.json")"
            --regid "$(jq -r '.user | split(":")[1]' "$scratch/service.json")" --clear-groups)
    fi
}
# run_init ARGUMENTS…: `docker compose run vault-init ARGUMENTS…`, and `up` without any.
run_init() { "${surroundings[@]}" "${entrypoint[@]}" "$@"; }
# in_terminal ANSWERS ARGUMENTS…: the same with a terminal, where these lines are typed when it asks; it need not.
in_terminal() {
    local answers=$1 command
    shift
    printf -v command '%q ' "${surroundings[@]}" "${entrypoint[@]}" "$@"
    # As a person does: the answer follows the question.
    mkfifo "$scratch/typed"
    script -qec "$command" /dev/null <"$scratch/typed" >"$scratch/shown" 2>&1 &
    local terminal=$! line asked=0 _
    exec 9>"$scratch/typed"
    while read -r line; do
        asked=$((asked + 1))
        for _ in $(seq 300); do
            kill -0 "$terminal" 2>/dev/null || break 2
            if [ "$(grep -oE '\((not shown|a group)[^)]*\): ' "$scratch/shown" | wc -l)" -ge "$asked" ]; then break; fi
            sleep 0.1
        done
        printf '%s\n' "$line" >&9
    done <<<"$answers"
    local code=0
    wait "$terminal" || code=$?
    exec 9>&-
    rm "$scratch/typed"
    tr -d '\r' <"$scratch/shown" >"$scratch/said"
    [ "$code" -eq 0 ] || fail "exit code $code in a terminal: $*"
}

if [ "$(id -u)" -ne 0 ]; then
    # Files can be given to nobody then; all else is the same.
    export NABAT_OWNER='' MONITORING_OWNER='' GRAFANA_OWNER=''
    service_of_root=$(declare -f service)
    eval "${service_of_root/service/service_as_root}"
    service() { service_as_root "$@" && surroundings+=(NABAT_OWNER= MONITORING_OWNER= GRAFANA_OWNER=); }
fi

start_bao "$scratch/bao"
secrets=$scratch/secrets
service vault-init
exits 0 run_init
says "initialised: 1 unseal key(s)" "TELEGRAM_BOT_TOKEN in zakupai/monitoring is empty" "init: done"
before=$(fingerprint "$secrets")
exits 0 run_init
says "TELEGRAM_BOT_TOKEN in zakupai/monitoring is empty" "init: done"
[ "$before" = "$(fingerprint "$secrets")" ] || fail "the second run changed a file"
ok "compose.yml's vault-init works without telegram.env, and again"

read_back() { as "$secrets/vault/root-token" kv get -mount=zakupai -field="$1" monitoring; }
in_terminal $'7:typed-by-a-person\n-1001234567890' --ask
says "The token of the bot" "The number of the chat" "TELEGRAM_BOT_TOKEN is in zakupai/monitoring" "TELEGRAM_CHAT_ID is in" "init: done"
! grep -q 'typed-by-a-person' "$scratch/said" || fail "it shows the token that is typed"
[ "$(read_back TELEGRAM_BOT_TOKEN)/$(read_back TELEGRAM_CHAT_ID)" = "7:typed-by-a-person/-1001234567890" ] ||
    fail "what was typed is not in Vault"
in_terminal '' --ask
! grep -q 'The token of the bot' "$scratch/said" || fail "it asks for what it has"
exits 0 run_init
ok "run vault-init --ask asks in a terminal for what is missing, and shows no token"

as "$secrets/vault/root-token" kv put -mount=zakupai monitoring TELEGRAM_BOT_TOKEN= TELEGRAM_CHAT_ID= >"$scratch/said"
printf 'TELEGRAM_BOT_TOKEN=8:of-the-file\r\nTELEGRAM_CHAT_ID="-43"\n' >"$secrets/telegram.env"
exits 0 run_init
says "TELEGRAM_BOT_TOKEN is in zakupai/monitoring" "TELEGRAM_CHAT_ID is in"
rm "$secrets/telegram.env"
exits 0 run_init
[ "$(read_back TELEGRAM_BOT_TOKEN)/$(read_back TELEGRAM_CHAT_ID)" = 8:of-the-file/-43 ] || fail "the file's values are not kept"
exits 1 run_init --telegram "$scratch/mistyped.env"
says "mistyped.env can't be read" "leave --telegram"
TELEGRAM_FILE=/secrets/mistyped.env service vault-init
exits 1 run_init
says "mistyped.env can't be read" "TELEGRAM_FILE"
service vault-init --env-file "$stack/demo.env"
exits 0 run_init
says "TELEGRAM_BOT_TOKEN in zakupai/monitoring is kept"
ok "telegram.env is used and may be removed afterwards; a file that was named must be there; the demo has its own"

# The keys are with people, and Vault is sealed: `up` must start the others.
service vault-init
as "$secrets/vault/root-token" operator seal >"$scratch/said"
mkdir "$scratch/holders"
mv "$secrets"/vault/* "$scratch/holders"
before=$(fingerprint "$secrets")
exits 0 run_init
says "warning: Vault is sealed, and there is no key in" "vault operator unseal" "nabat takes alerts meanwhile"
[ "$before" = "$(fingerprint "$secrets")" ] || fail "it changed a file"
exits 1 sh "$stack/vault/init.sh" --secrets "$secrets"
says "there is no key in"
for missing in nabat/secret-id grafana/admin-password; do
    mv "$secrets/$missing" "$scratch/missing"
    exits 1 run_init
    says "and $secrets/$missing, which the others need, is not there"
    mv "$scratch/missing" "$secrets/$missing"
done
"$VAULT_CLI" operator unseal "$(cat "$scratch/holders/unseal-key-1")" >"$scratch/said"
exits 0 run_init
says "nabat can log in" "the settings were not compared"
ok "sealed, with the keys handed out: vault-init warns, and lets the others start if their files are there"

# What it asks for then is an administrator's token.
in_terminal "$(cat "$scratch/holders/root-token")" --ask
says "An administrator's token" "init: done"
keeps_quiet_about "$scratch/holders/root-token"
in_terminal '' --ask
says "the settings were not compared"
exits 0 run_init --token-file "$scratch/holders/root-token"
says "init: done"
keeps_quiet_about "$scratch/holders/root-token"
[ ! -e "$secrets/vault/root-token" ] || fail "it keeps the administrator's token"
exits 1 run_init --token-file "$scratch/none"
says "none can't be read" "--token-file"
printf wrong >"$scratch/wrong"
exits 1 run_init --token-file "$scratch/wrong"
says "Vault refuses the token in $scratch/wrong"
ok "an administrator's token is typed unseen, or in a file; it is neither shown nor kept"

service vault-renew
# It has mounts of nabat's and renew's directories, and sees nothing of the one above them.
chmod 0711 "$secrets"
# In a process group of its own, which ends with it, and in any case by itself.
surroundings+=(timeout --signal=TERM 120)
old=$(cat "$secrets/nabat/secret-id")
touch -d '9 hours ago' "$secrets/nabat/secret-id"
"${surroundings[@]}" "${entrypoint[@]}" >"$scratch/renewed" 2>&1 &
renewing=$!
children+=("$renewing")
renewed() { cat "$scratch/renewed" && grep -qF 'nabat has a new secret id' "$scratch/renewed"; }
eventually renewed
kill "$renewing"
# init: true makes an end by SIGTERM a good one.
wait "$renewing" || true
# A sleep that it began at that moment may not have heard of it.
kill -- "-$renewing" 2>/dev/null || true
[ "$old" != "$(cat "$secrets/nabat/secret-id")" ] || fail "the secret id is the old one"
service vault-init
exits 0 run_init
says "nabat can log in"
ok "compose.yml's vault-renew replaces an old secret id"

printf '%d passed, 0 failed\n' "$passed"
