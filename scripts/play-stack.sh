#!/usr/bin/env bash
# Plays an incident through the whole stack, without containers: the real Prometheus, Alertmanager, OpenBao, the
# exporter and nabat, from the files in config/stack, and the stand-in Telegram, all on loopback. docs/stack-play.md
# tells what happens and what is changed in the files.
#
#   scripts/play-stack.sh            about a minute and a half; nothing is left behind
#   scripts/play-stack.sh --keep     leaves everything running, to look at, until Ctrl-C
#
# NABAT is the built nabat (default: target/debug/nabat); the peers come from scripts/setup-test-peers.sh.
# Exit codes: 0 all went well, 1 something did not (the logs are kept), 2 usage.
# `a && b || fail`: fail ends the script.
# shellcheck disable=SC2015
keep=false
case $#:${1:-} in
0:) ;;
1:--keep) keep=true ;;
*)
    [ "$#:${1:-}" = 1:--help ] || exec >&2
    printf 'usage: play-stack.sh [--keep]\n'
    [ "$#:${1:-}" = 1:--help ] && exit 0 || exit 2
    ;;
esac
# shellcheck source-path=SCRIPTDIR
# shellcheck source=../tests/stack/harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/../tests/stack/harness.sh"
logs=$scratch/logs secrets=$scratch/secrets etc=$scratch/etc
chat=$(sed -n 's/^TELEGRAM_CHAT_ID=//p' "$stack/vault/demo-telegram.env")
mkdir "$logs"

# Instead of the harness' own: what failed can be looked into.
ended() {
    local code=$? child name
    trap '' INT TERM
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    for child in "${children[@]}"; do wait "$child" 2>/dev/null || true; done
    # Fine, stopped by Ctrl-C or kill, or nothing was started.
    if [ "$code" -eq 0 ] || [ "$code" -gt 128 ] || [ ${#children[@]} -eq 0 ]; then
        rm -rf "$scratch"
        return
    fi
    [ "$code" -eq 1 ] || printf 'FAILED: a command ended with %d; see the lines above\n' "$code" >&2
    for name in "$logs"/*.log; do
        printf '\n%s ends with:\n' "${name##*/}" >&2
        tail -n 8 "$name" | cut -c 1-300 | sed 's/^/  | /' >&2
    done
    # Of no use to whoever reads the logs.
    rm -rf "$secrets"
    printf '\nAll programs are stopped. Logs: %s\nConfiguration: %s\n' "$logs" "$etc" >&2
    exit 1
}
trap ended EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

began=${EPOCHREALTIME/[.,]/}
step() {
    local now=${EPOCHREALTIME/[.,]/} tenths
    tenths=$(((now - began) / 100000))
    printf '%4d.%d s  %s\n' "$((tenths / 10))" "$((tenths % 10))" "$1"
}

for program in prometheus promtool prometheus-alertmanager amtool curl jq python3 perl; do need "$program"; done
[ -x "$NABAT" ] || fail "$NABAT is not there: run cargo build, or set NABAT"

declare -A running
# alive NAME: the program has not ended.
alive() { kill -0 "${running[$1]}" 2>/dev/null; }
# launch NAME ADDRESS COMMAND…: until it answers there with anything; 1 if it ends before.
launch() {
    local name=$1 address=$2 deadline=$((SECONDS + 30))
    shift 2
    "$@" >>"$logs/$name.log" 2>&1 </dev/null &
    running[$name]=$!
    children+=("$!")
    while alive "$name"; do
        if curl -s -o /dev/null --max-time 5 "$address"; then return 0; fi
        [ "$SECONDS" -lt "$deadline" ] || fail "$name does not answer at $address"
        sleep 0.2
    done
    return 1
}
# on_a_free_port NAME: start_NAME with a port, in `port`; another one if somebody took that in the meantime.
on_a_free_port() {
    local _
    for _ in 1 2 3; do
        port=$(free_port)
        if "start_$1"; then return 0; fi
    done
    fail "$1 does not start"
}
# within SECONDS WHAT COMMAND…: it comes true in that time, and no program ends meanwhile.
within() {
    local deadline=$((SECONDS + $1)) what=$2 name
    shift 2
    until "$@"; do
        for name in "${!running[@]}"; do alive "$name" || fail "$name has ended by itself"; done
        [ "$SECONDS" -lt "$deadline" ] || fail "not in time: $what"
        sleep 0.3
    done
}
# changed FILE TO SED-ARGUMENTS…: a copy of a file of the stack's, with what differs in $etc/changes.
changed() {
    local file=$1 to=$2
    shift 2
    mkdir -p "$(dirname "$to")"
    sed "$@" "$stack/$file" >"$to"
    diff -U0 --label "config/stack/$file" --label here "$stack/$file" "$to" >"$etc/changes/${file##*/}" || true
}
mkdir -p "$etc/changes"

# ---- The programs
start_bao "$scratch/vault"
running[openbao]=$bao_pid
ln -s "$scratch/vault/log" "$logs/openbao.log"
init() { sh "$stack/vault/init.sh" --secrets "$secrets" --telegram "$stack/vault/demo-telegram.env"; }
exits 0 init
cp "$scratch/said" "$logs/init.log"
exits 0 sh "$stack/nabat/users.sh" --secrets "$secrets"
step "OpenBao runs at $VAULT_ADDR; vault/init.sh has set it up"

start_telegram
running[telegram]=${children[-1]}
ln -s "$scratch/telegram.log" "$logs/telegram.log"
step "the stand-in Telegram runs; the chat: $telegram/#$chat"

exporter_log=$logs/risk-engine.log
: >"$exporter_log"
python3 -B "$stack/exporter/exporter.py" --port 0 >"$exporter_log" 2>&1 </dev/null &
running[risk-engine]=$!
children+=("$!")
within 30 "the exporter starts" grep -q 'listening on' "$exporter_log"
exporter=$(sed -nE 's#.*listening on http://([0-9.:]+).*#\1#p' "$exporter_log")
# play JSON
play() { curl -sf -o /dev/null --max-time 5 -d "$1" "http://$exporter/play/anti_dumping_ratio"; }
step "the exporter runs at http://$exporter/"

# Where nabat expects Alertmanager is known before it starts, and put right when it has.
alertmanager=127.0.0.1:$(free_port)
nabat_configuration() {
    changed nabat/nabat.yml "$etc/stack/nabat/nabat.yml" -e "s#https://api.telegram.org#$telegram#" \
        -e "s#http://vault:8200#$VAULT_ADDR#" -e "s#alertmanager:9093#$alertmanager#" -e "s#/run/secrets#$secrets/nabat#"
}
start_nabat() {
    launch nabat "http://127.0.0.1:$port/" "$NABAT" serve --config.file="$etc/stack/nabat/nabat.yml" \
        --web.config.file="$secrets/nabat/web.yml" --storage.path="$scratch/nabat" --web.listen-address="127.0.0.1:$port"
}
nabat_configuration
cp -r "$stack/nabat/templates" "$etc/stack/nabat/templates"
on_a_free_port nabat
nabat_port=$port nabat=127.0.0.1:$port
step "nabat runs at http://$nabat/"

start_alertmanager() {
    alertmanager=127.0.0.1:$port
    # The mail's address leads nowhere: nothing here leaves this machine.
    changed alertmanager/alertmanager.yml "$etc/stack/alertmanager/alertmanager.yml" -e "s#nabat:9087#$nabat#" \
        -e "s#/run/secrets#$secrets/alertmanager#" -e 's#mail.example.org:587#127.0.0.1:9#' \
        -e '0,/group_interval: 1m/s//group_interval: 10s/'
    exits 0 amtool check-config "$etc/stack/alertmanager/alertmanager.yml"
    launch alertmanager "http://$alertmanager/-/ready" prometheus-alertmanager \
        --config.file="$etc/stack/alertmanager/alertmanager.yml" --storage.path="$scratch/alertmanager" \
        --cluster.listen-address= --web.listen-address="$alertmanager" --web.external-url="http://$alertmanager/"
}
on_a_free_port alertmanager
nabat_configuration
step "Alertmanager runs at http://$alertmanager/"

start_prometheus() {
    local prometheus=127.0.0.1:$port
    changed prometheus/prometheus.yml "$etc/stack/prometheus/prometheus.yml" -e "s#'alertmanager:9093'#'$alertmanager'#" \
        -e "s#'prometheus:9090'#'$prometheus'#" -e "s#'nabat:9087'#'$nabat'#" -e "s#'vault:8200'#'${VAULT_ADDR#http://}'#" \
        -e "s#'risk-engine-demo:7002'#'$exporter'#" -e "s#/run/secrets#$secrets/prometheus#" \
        -e 's/^\(  scrape_interval\|  evaluation_interval\): 15s/\1: 2s/' -e 's/^  scrape_timeout: 10s/  scrape_timeout: 2s/'
    mkdir -p "$etc/stack/prometheus/rules" "$etc/prometheus"
    cp "$stack"/prometheus/rules/*.rules.yml "$etc/stack/prometheus/rules"
    cp -r "$stack/prometheus/targets" "$etc/stack/prometheus"
    cp "$repository/config/prometheus/nabat.rules.yml" "$etc/prometheus"
    # Of the warning alone, which is what is played.
    changed prometheus/rules/business.rules.yml "$etc/stack/prometheus/rules/business.rules.yml" -e '0,/for: 1m/s//for: 10s/'
    exits 0 promtool check config "$etc/stack/prometheus/prometheus.yml"
    launch prometheus "http://$prometheus/-/ready" prometheus --config.file="$etc/stack/prometheus/prometheus.yml" \
        --storage.tsdb.path="$scratch/prometheus" --web.listen-address="$prometheus" --web.external-url="http://$prometheus/"
}
on_a_free_port prometheus
prometheus=127.0.0.1:$port
# Each name of a container's that a file still has would be a part of the stack that is not played.
! grep -nE "^[^#]*(//|targets: \\[')(nabat|vault|alertmanager|prometheus|risk-engine|risk-engine-demo):[0-9]" "$etc"/stack/*/*.yml >"$scratch/said" ||
    fail "an address was not changed"
# So that neither this nor its document says what a changed file of the stack's made untrue.
[ "$(cat "$etc"/changes/* | grep -cE '^\+ +(scrape_interval|evaluation_interval|scrape_timeout|for|group_interval): ')" -eq 5 ] ||
    fail "not the five intervals are changed that docs/stack-play.md names: $(cat "$etc"/changes/*)"
step "Prometheus runs at http://$prometheus/"

exits 0 "$NABAT" check --live --config.file="$etc/stack/nabat/nabat.yml"
targets_up() {
    curl -s --max-time 5 "http://$prometheus/api/v1/targets?state=active" >"$scratch/said" &&
        jq -e '[.data.activeTargets[] | {job: .labels.job, health}] |
            (map(.job) | sort) == ["alertmanager", "nabat", "prometheus", "risk-engine", "vault"] and all(.health == "up")' \
            "$scratch/said" >/dev/null
}
within 30 "Prometheus reads all five of its targets" targets_up
: >"$scratch/said"
step "nabat check --live is content, and Prometheus reads nabat, Vault, Alertmanager, the exporter and itself"

# ---- The incident
messages() { curl -sf --max-time 5 "$telegram/sandbox/messages?chat=$chat" >"$scratch/said"; }
last=0
# shown PATTERN: a message after the last one that was looked at says it; its text is in `text`.
shown() {
    messages && text=$(jq -er --argjson last "$last" --arg pattern "$1" \
        'first(.[] | select(.id > $last and (.text | test($pattern)))) | .text' "$scratch/said")
}
seen() { last=$(jq '[.[].id] | max' "$scratch/said"); }
quote() { printf '%s\n' "$text" | sed 's/^/          │ /'; }

play '{"value": 23}' || fail "the exporter does not let itself be played"
step "anti_dumping_ratio goes to 23: more than 15 of 100 lots"
within 90 "the Russian message is in the chat" shown '^🟡 Антидемпинг: нарушений на 100 лотов — 23 \(> 15\)\n23 \(порог 15\)'
[[ $text == *"Из 100 проанализированных лотов"* && $text == *"docker compose logs"* ]] || fail "the message lacks a part"
step "the message is in the chat:"
quote
seen

play '{"state": "good"}' || fail "the exporter does not let itself be played"
step "anti_dumping_ratio is good again"
within 90 "its end is in the chat" shown '^✅ РЕШЕНО · Антидемпинг'
step "its end is in the chat:"
quote
seen

# ---- Vault is sealed
exits 0 as "$secrets/vault/root-token" operator seal
step "OpenBao is sealed"
kill "${running[nabat]}"
code=0
wait "${running[nabat]}" || code=$?
[ "$code" -eq 0 ] || fail "nabat ended with exit code $code when it was told to stop"
unset 'running[nabat]'
# The same port, for Alertmanager knows it; who took it in these few milliseconds may give it back.
port=$nabat_port
start_nabat || { sleep 2 && start_nabat; } || fail "nabat does not start again"
metric() {
    # The password is no argument: other users could read it in the list of processes.
    printf 'user = "prometheus:%s"\n' "$(cat "$secrets/prometheus/nabat-prometheus-password")" |
        curl -sf --max-time 5 -K - "http://$nabat/metrics" >"$scratch/said" && grep -qE "$1" "$scratch/said"
}
within 30 "nabat notices that Vault is sealed" metric '^nabat_vault_up 0'
step "nabat is restarted, without a token for Telegram; nabat_vault_up is 0"

play '{"value": 27}' || fail "the exporter does not let itself be played"
step "anti_dumping_ratio goes to 27"
within 90 "nabat accepts it" metric '^nabat_outbox_entries\{.*state="waiting".*\} [1-9]'
step "nabat has accepted the alert, and keeps it"
messages || fail "the chat can't be read"
jq -e --argjson last "$last" 'all(.[]; .id <= $last)' "$scratch/said" >/dev/null || fail "a message came without a token"

exits 0 init
says "unsealed"
step "OpenBao is unsealed by vault/init.sh; nobody touches nabat"
within 90 "the message is in the chat" shown 'Антидемпинг: нарушений на 100 лотов — 27 \(> 15\)\n27 \(порог 15\)'
step "the message is in the chat:"
quote
within 30 "nothing waits any more" metric '^nabat_outbox_entries\{.*state="waiting".*\} 0'

# ---- The dashboards' queries, asked of the Prometheus that has scraped all of it
dashboards_answer() {
    python3 -B "$repository/scripts/check-dashboards.py" "$stack/grafana" --prometheus "http://$prometheus" \
        --must-have-data >"$scratch/said" 2>&1
}
within 60 "every query of the dashboards has data" dashboards_answer
step "Grafana's dashboards, without a Grafana: $(tail -n 1 "$scratch/said")"

changes=$(cat "$etc"/changes/* | grep -c '^+[^+]')
cat <<END

All went well: from a metric to the chat in Russian, its end, and an alert that nabat took while Vault was sealed.
$changes lines of config/stack differed: addresses, paths of secrets, and the five intervals that docs/stack-play.md names.
END
if "$keep"; then
    cat <<END

Everything is left running:
  the chat      $telegram/#$chat
  Prometheus    http://$prometheus/alerts
  Alertmanager  http://$alertmanager/
  OpenBao       $VAULT_ADDR/ui/
  the exporter  curl -X POST http://$exporter/play/anti_dumping_ratio -d '{"state": "good"}'
  the changes   $etc/changes/
Ctrl-C ends it and removes all of it.
END
    trap 'exit 0' INT TERM
    within 2147483647 "" false
fi
