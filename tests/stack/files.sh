#!/usr/bin/env bash
# What of config/stack and its neighbours can be checked without running it: compose.yml by a real Compose,
# the chart by a real helm, the unit by systemd, the scripts by shellcheck, nabat's files by nabat.
# shellcheck source-path=SCRIPTDIR
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
COMPOSE=${COMPOSE:-$peers/docker-compose/compose/docker-compose}
HELM=${HELM:-$peers/helm/helm}
for program in "$NABAT" "$COMPOSE" "$HELM" shellcheck systemd-analyze jq perl; do need "$program"; done

exits 0 shellcheck -x "$stack"/vault/*.sh "$stack"/nabat/*.sh "$repository"/tests/stack/*.sh \
    "$repository/scripts/package-deb.sh" "$repository/scripts/play-stack.sh" "$repository"/config/systemd/debian/*
for script in "$stack"/vault/*.sh "$stack"/nabat/*.sh; do
    exits 0 sh -n "$script"
    [ -x "$script" ] || fail "$script is not executable"
done
ok "the scripts are clean for shellcheck"

# ---- Compose
export COMPOSE_PROJECT_NAME='' COMPOSE_PROFILES=''
unset COMPOSE_PROJECT_NAME COMPOSE_PROFILES NABAT_CONFIG STACK_SECRETS TELEGRAM_FILE STACK_IMAGE ALERTMANAGER_URL PROMETHEUS_URL \
    DEMO_EXPORTER DEMO_EXPORTER_PORT
compose() { "$COMPOSE" -f "$stack/compose.yml" "$@"; }
exits 0 compose config --quiet
compose config --format json >"$scratch/compose.json"
[ "$(compose config --services | sort | tr '\n' ' ')" = \
    "alertmanager grafana nabat nabat-users prometheus risk-engine-demo vault vault-init vault-renew " ] ||
    fail "other services than expected: $(compose config --services)"
compose --env-file "$stack/demo.env" config --format json >"$scratch/demo.json"
jq -e '.name == "nabat-demo" and .services.telegram and (.services.nabat.command | any(. == "--config.file=/etc/nabat/nabat.demo.yml"))
    and ([.services[].volumes[]? | select(.source | test("/secrets/(?!demo)"))] == [])' "$scratch/demo.json" >"$scratch/said" ||
    fail "the demo is not a project of its own"
ok "compose.yml is valid for Compose $("$COMPOSE" version --short), with and without the demo"

# The first user's own risk-engine takes part in the network of that name, beside the stand-in or without it.
jq -e '.networks.monitoring.name == "nabat-stack_monitoring" and ([.services[] | .ports[]? | .published] | index("7002") == null)
    and ([.services[] | select(.depends_on["risk-engine-demo"])] == [])' "$scratch/compose.json" >"$scratch/said" ||
    fail "a risk-engine of the user's would be in the way of the stand-in"
[ "$(DEMO_EXPORTER=0 compose config --format json | jq '.services["risk-engine-demo"].scale')" = 0 ] ||
    fail "the stand-in can't be left out"
jq -e '[.services | (.alertmanager, .prometheus).command[] | select(startswith("--web.external-url=http://127.0.0.1:"))] | length == 2' \
    "$scratch/compose.json" >"$scratch/said" || fail "links to Alertmanager and Prometheus lead to containers"
ok "the stand-in for risk-engine is in nobody's way, and links lead to an address that people have"

# A copy without the sources, as docs/stack.md has it.
mkdir -p "$scratch/copy/config"
cp -r "$stack" "$repository/config/prometheus" "$scratch/copy/config"
printf 'COMPOSE_FILE=compose.yml:compose.image.yml\nSTACK_IMAGE=registry.example.org/nabat:1.2.3\n' >"$scratch/copy/config/stack/.env"
(cd "$scratch/copy/config/stack" && "$COMPOSE" --profile demo config --format json) >"$scratch/copy.json" || fail "the copy is not valid"
jq -e '[.services.nabat, .services.telegram | .image == "registry.example.org/nabat:1.2.3" and .build == null
    and .pull_policy == null] == [true, true]' "$scratch/copy.json" >"$scratch/said" || fail "the copy wants to build nabat"
jq -r '.services[].volumes[]? | select(.type == "bind") | .source' "$scratch/copy.json" | grep -v '/secrets' | sort -u >"$scratch/mounted"
while read -r source; do
    case $source in "$(realpath "$scratch")/copy/config/"*) [ -e "$source" ] ;; *) false ;; esac ||
        fail "the copy mounts $source, which is not a part of it"
done <"$scratch/mounted"
ok "a copy of the directory needs nabat's image and not its sources"

# every WHAT FILTER: it holds for each service.
every() {
    jq -r --arg what "$1" ".services | to_entries[] | select(.value | ($2) | not) | \"\(.key): no \(\$what)\"" \
        "$scratch/demo.json" >"$scratch/said"
    [ ! -s "$scratch/said" ] || fail "compose.yml: services without $1"
}
every "read-only root" '.read_only == true'
every "dropped capabilities" '.cap_drop == ["ALL"]'
every "no-new-privileges" '.security_opt == ["no-new-privileges:true"]'
every "memory limit" '.mem_limit | tonumber > 0'
every "user" '.user != null'
every "pinned image" '.image | test(":v?[0-9]+\\.[0-9]+\\.[0-9]+(-[a-z-]+)?$")'
every "healthcheck, or an end" '.healthcheck.test != null or .restart == "no"'
every "ports on loopback only" '[.ports[]? | .host_ip == "127.0.0.1"] | all'
every "environment free of secrets" '[(.environment // {}) | keys[] | select(test("TOKEN|PASSWORD$|SECRET|KEY"))] == []'
every "mount of its own secrets only" '[.volumes[]? | select(.target == "/run/secrets") | .read_only] | all'
jq -r '.services | to_entries[] | select(.value.volumes[]? | .source | test("/secrets/demo$")) | .key' "$scratch/demo.json" >"$scratch/said"
[ "$(cat "$scratch/said")" = vault-init ] || fail "somebody else than vault-init sees all secrets"
jq -r '.services | to_entries[] | select(.value.networks | has("outside")) | .key' "$scratch/demo.json" | sort | tr '\n' ' ' >"$scratch/said"
[ "$(cat "$scratch/said")" = "alertmanager nabat " ] || fail "other services than expected reach the outside"
jq -e '.networks.vault.internal and .networks.monitoring.internal' "$scratch/demo.json" >"$scratch/said" || fail "a network is not internal"
# What is mounted from the repository must be there, or Docker makes an empty directory of it.
jq -r '.services[].volumes[]? | select(.type == "bind") | .source' "$scratch/compose.json" | sort -u | grep -v '/secrets' >"$scratch/mounted"
while read -r source; do
    [ -e "$source" ] || fail "compose.yml mounts ${source#"$repository"/}, which is not there"
done <"$scratch/mounted"
ok "each service is read-only, unprivileged, limited, pinned, and sees no secret but its own"

git -C "$repository" check-ignore -q config/stack/secrets/vault/root-token || fail "git does not ignore the secrets"
ok "git ignores what the scripts make"

# ---- nabat's files
diff <(sed 1,2d "$stack/nabat/nabat.yml" | grep -v '^ *#' | grep -v api_url) \
    <(sed 1,2d "$stack/nabat/nabat.demo.yml" | grep -v '^ *#' | grep -v api_url) >"$scratch/said" ||
    fail "nabat.demo.yml differs in more than api_url"
for file in "$stack/nabat/nabat.yml" "$stack/nabat/nabat.demo.yml" "$repository/config/systemd/nabat.yml"; do
    exits 0 "$NABAT" check --config.file="$file"
done
exits 0 "$NABAT" template test "$stack/nabat/templates/procurement.test.yml"
ok "nabat's files for the stack and for systemd are good"

mkdir -p "$scratch/secrets/alertmanager" "$scratch/secrets/prometheus"
users() { sh "$stack/nabat/users.sh" --secrets "$scratch/secrets"; }
exits 2 sh "$stack/nabat/users.sh" --nonsense
exits 1 users
says "run vault/init.sh first"
printf 'of-alertmanager' >"$scratch/secrets/alertmanager/nabat-alertmanager-password"
printf 'of-prometheus' >"$scratch/secrets/prometheus/nabat-prometheus-password"
exits 0 users
web=$scratch/secrets/nabat/web.yml
[ "$(stat -c %a "$web")" = 600 ] || fail "web.yml is not 0600"
! grep -q 'of-' "$web" || fail "web.yml holds a password"
before=$(cat "$web")
exits 0 users
[ "$before" = "$(cat "$web")" ] || fail "the second run changed web.yml"
printf 'another' >"$scratch/secrets/prometheus/nabat-prometheus-password"
exits 0 users
[ "$(cat "$web")" != "$before" ] || fail "the new password has no new hash"
[ "$(grep alertmanager: "$web")" = "$(grep alertmanager: <<<"$before")" ] || fail "another hash was made anew, too"
: >"$scratch/token"
printf 'telegram: {bot_token: {file: token}}\nchats: {ops: {id: -1001234567890}}\n' >"$scratch/nabat.yml"
on_free_port "$scratch/nabat.log" / "$NABAT" serve --config.file="$scratch/nabat.yml" \
    --storage.path="$scratch/data" --web.listen-address=ADDRESS --web.config.file="$web"
answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' "${@:2}" "http://$address/metrics")" = "$1" ]; }
answers 401 || fail "it wants no password"
answers 200 -u alertmanager:of-alertmanager || fail "Alertmanager's password is refused"
answers 200 -u prometheus:another || fail "Prometheus' password is refused"
answers 401 -u prometheus:of-prometheus || fail "the old password works"
# As the container does it, which knows no password.
exits 0 "$NABAT" healthcheck --url "http://$address"
ok "users.sh makes users that nabat takes, anew only when a password changes"

# ---- systemd
sed "s#/usr/bin/nabat#$(realpath "$NABAT")#" "$repository/config/systemd/nabat.service" >"$scratch/nabat.service"
exits 0 systemd-analyze verify "$scratch/nabat.service"
mkdir "$scratch/nabat.service.d"
cp "$repository/config/systemd/vault.conf" "$scratch/nabat.service.d"
exits 0 systemd-analyze verify "$scratch/nabat.service"
rm -r "$scratch/nabat.service.d"
# 10 is no protection at all; what is left is the network, which it needs.
exits 0 systemd-analyze security --offline=true --threshold=20 "$scratch/nabat.service"
ok "the unit is good for systemd, and hardened: exposure below 2.0"

# section FILE NAME: the lines of that section.
section() { sed -n "/^\[$2\]/,/^\[/p" "$repository/config/systemd/$1"; }
section nabat.service Unit | grep -qx 'StartLimitIntervalSec=0' || fail "systemd gives nabat up after five quick ends"
for line in Restart=always RestartSec=5 RestartPreventExitStatus=2; do
    section nabat.service Service | grep -qx "$line" || fail "nabat.service has no $line"
done
exits 2 "$NABAT" serve --config.file="$scratch/none.yml" --storage.path="$scratch/none"
ok "nabat is started again however often it ends, but not with a configuration that is wrong (exit code 2)"

mkdir "$scratch/renew"
cp "$repository/config/systemd/nabat-vault-renew.timer" "$scratch/renew"
sed "s#/usr/lib/nabat/renew.sh#$stack/vault/renew.sh#" "$repository/config/systemd/nabat-vault-renew.service" >"$scratch/renew/nabat-vault-renew.service"
exits 0 systemd-analyze verify "$scratch/renew/nabat-vault-renew.service" "$scratch/renew/nabat-vault-renew.timer"
[ ! -s "$scratch/said" ] || fail "systemd complains of the renewal's units"
exits 0 systemd-analyze security --offline=true --threshold=20 "$scratch/renew/nabat-vault-renew.service"
grep -q 'ExecStart=.*renew.sh --secrets /var/lib/nabat-vault$' "$repository/config/systemd/nabat-vault-renew.service" ||
    fail "the renewal writes elsewhere than vault.conf says"
grep -qx 'SupplementaryGroups=nabat-vault' "$repository/config/systemd/vault.conf" || fail "nabat is not in the renewal's group"
# The configuration that vault.conf shows.
sed -n 's/^#   //p' "$repository/config/systemd/vault.conf" >"$scratch/vault-nabat.yml"
sed -i '/ca_file:/d' "$scratch/vault-nabat.yml"
exits 0 "$NABAT" check --config.file="$scratch/vault-nabat.yml"
ok "the renewal's units are good for systemd, hardened, and fit vault.conf, whose configuration nabat takes"

# ---- helm
chart=$repository/config/helm/nabat
cat >"$scratch/values.yaml" <<'YAML'
webConfigSecretName: nabat-web
serviceMonitor: {enabled: true, labels: {release: prometheus}}
templates: {ops.hbs: "{{alert.labels.alertname}}\n", ops.ru.hbs: "x"}
config: {templates: [templates/*.hbs]}
extraArgs: [--log.format=json]
persistence: {existingClaim: mine}
image: {digest: "sha256:0123456789012345678901234567890123456789012345678901234567890123"}
imagePullSecrets: [pull]
tolerations: [{operator: Exists}]
extraVolumes: [{name: ca, configMap: {name: vault-ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/vault}]
YAML
exits 0 "$HELM" lint --strict "$chart"
exits 0 "$HELM" lint --strict -f "$scratch/values.yaml" "$chart"
"$HELM" template nabat "$chart" >"$scratch/rendered.yaml" || fail "the chart does not render"
"$HELM" template nabat "$chart" -f "$scratch/values.yaml" >"$scratch/rendered-all.yaml" || fail "the chart does not render with all values"
if python3 -c 'import kubernetes_validate' 2>/dev/null || [ -d "$peers/kubernetes-validate" ]; then
    for rendered in rendered rendered-all; do
        PYTHONPATH=$peers/kubernetes-validate exits 0 python3 -m kubernetes_validate --strict "$scratch/$rendered.yaml"
    done
else
    fail "kubernetes-validate is not there: run scripts/setup-test-peers.sh"
fi
"$HELM" template nabat "$chart" --show-only templates/configmap.yaml |
    sed -n '/^  nabat.yml: |/,$p' | sed '1d; s/^    //' >"$scratch/nabat.yml"
exits 0 "$NABAT" check --config.file="$scratch/nabat.yml"
# What is said after an installation: whom the NetworkPolicy keeps out, and how to try it with users.
notes() { "$HELM" install nabat "$chart" --dry-run=client "$@" | sed -n '/^NOTES:/,$p' >"$scratch/said"; }
notes --namespace alerts
says "the pods of the namespace alerts." "kubernetes.io/metadata.name: monitoring" "exec nabat-0 -- /nabat test-alert"
notes --set webConfigSecretName=nabat-web --set 'networkPolicy.ingressFrom[0].namespaceSelector.matchLabels.team=ops'
says "only what networkPolicy.ingressFrom names. Whoever" "NABAT_URL=http://USER:PASSWORD@127.0.0.1:9087 nabat test-alert"
notes --set networkPolicy.enabled=false
! grep -q NetworkPolicy "$scratch/said" || fail "the notes tell of a NetworkPolicy that is not there"
for bad in persistence.size=lots service.port=0 networkPolicy.enabled=perhaps config.telegram=null imagee=x; do
    exits 1 "$HELM" template nabat "$chart" --set "$bad"
done
ok "the chart is clean for helm $("$HELM" version --template '{{.Version}}'), what it renders is valid Kubernetes, bad values are refused"

printf '%d passed, 0 failed\n' "$passed"
