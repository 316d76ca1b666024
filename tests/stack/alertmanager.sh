#!/usr/bin/env bash
# The stack's alertmanager.yml in a real Alertmanager: that a beat of the Watchdog comes at each turn, that what goes
# past nabat goes both ways, and what is muted when one of three Vaults is down. A minute lasts two seconds here.
# shellcheck source-path=SCRIPTDIR
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
for program in prometheus-alertmanager amtool curl jq python3; do need "$program"; done

cat >"$scratch/hook.py" <<'PYTHON'
import http.server, json, time


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(f"{time.monotonic():.1f} {told['commonLabels'].get('alertname')}", flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
python3 "$scratch/hook.py" >"$scratch/told" 2>&1 &
children+=("$!")
eventually grep -qE '^[0-9]+$' "$scratch/told"
hook=127.0.0.1:$(head -n 1 "$scratch/told")

mkdir "$scratch/secrets"
printf 'of-nabat' >"$scratch/secrets/nabat-alertmanager-password"
printf 'of-the-mail' >"$scratch/secrets/smtp-password"
# No mail leaves this machine: nobody listens there.
sed -e "s#nabat:9087#$hook#" -e "s#/run/secrets#$scratch/secrets#" -e 's#mail.example.org:587#127.0.0.1:9#' \
    -e 's/: 1m$/: 2s/' -e 's/: 50s$/: 1667ms/' "$stack/alertmanager/alertmanager.yml" >"$scratch/alertmanager.yml"
[ "$(grep -cE ': (2s|1667ms)$' "$scratch/alertmanager.yml")" -eq 3 ] || fail "other intervals than expected"
on_free_port "$scratch/alertmanager.log" /-/ready prometheus-alertmanager \
    --config.file="$scratch/alertmanager.yml" --storage.path="$scratch/alertmanager" \
    --cluster.listen-address= --web.listen-address=ADDRESS --web.external-url=http://ADDRESS/ --web.route-prefix=/
at() { amtool --alertmanager.url="http://$address" "$@"; }
cp "$scratch/alertmanager.log" "$scratch/said"
at alert add alertname=Watchdog severity=none service=prometheus || fail "Alertmanager does not take an alert"

# ---- While the Watchdog beats: what is muted
for instance in vault-1:8200 vault-2:8200; do
    at alert add alertname=VaultSlow severity=warning service=vault about=vault instance="$instance"
    at alert add alertname=VaultAuditSilent severity=critical service=vault about=vault instance="$instance"
done
at alert add alertname=NabatSecretStale severity=warning about=nabat instance=nabat:9087
at alert add alertname=VaultDown severity=critical service=vault about=vault instance=vault-1:8200
at alert add alertname=BusinessMetricMissing severity=warning service=risk-engine metric=anti_dumping_ratio
at alert add alertname=ServiceDown severity=critical service=risk-engine instance=risk-engine:7002
at alert add alertname=ServiceDown severity=critical service=calc-service instance=calc-service:7001
at alert add alertname=HostCpuHigh severity=warning service=host instance=one:9100
at alert add alertname=HostCpuHigh severity=critical service=host instance=one:9100
at alert add alertname=HostCpuHigh severity=warning service=host instance=two:9100
at alert query --inhibited -o json |
    jq -r '.[] | select(.status.state == "suppressed").labels | "\(.alertname) \(.severity) \(.instance // .service)"' |
    sort >"$scratch/said"
diff - "$scratch/said" >/dev/null <<'END' || fail "other alerts are muted than expected"
BusinessMetricMissing warning risk-engine
HostCpuHigh warning one:9100
VaultAuditSilent critical vault-1:8200
VaultSlow warning vault-1:8200
END
ok "one Vault that is down mutes what follows from it, and nothing of the other Vaults or of nabat"

# The rule AlertmanagerNotificationsFail asks for these, which are there before one has failed.
curl -s "http://$address/metrics" >"$scratch/metrics"
for integration in email webhook; do
    grep -q "^alertmanager_notifications_failed_total{.*integration=\"$integration\".*} 0" "$scratch/metrics" ||
        fail "failed notifications by $integration are not counted from the start"
done
ok "Alertmanager counts the notifications that fail from its start, by integration"

# ---- Turns of two seconds
beats() { [ "$(grep -c ' Watchdog$' "$scratch/told")" -ge "$1" ]; }
eventually beats 6
# With both intervals the same it is every second turn mostly: four seconds from one beat to the next.
soon=$(awk '/ Watchdog$/ { if (last != "" && $1 - last < 3) soon++; last = $1 } END { print soon + 0 }' "$scratch/told")
cp "$scratch/told" "$scratch/said"
[ "$soon" -ge 3 ] || fail "only $soon of the beats came at the turn after the last"
eventually grep ' VaultDown$' "$scratch/told" # What is about Vault goes to nabat as well.
ok "the Watchdog beats at each turn, and what is about Vault goes to nabat as well"

printf '%d passed, 0 failed\n' "$passed"
