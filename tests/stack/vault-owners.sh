#!/usr/bin/env bash
# Whose the files are that init.sh, renew.sh and tls.sh replace: a file that its reader can't read any more is an
# outage that shows hours later. Root gives files to others; so without root there is little to test here.
# `a && b || fail`: fail ends the script.
# shellcheck disable=SC2015
# shellcheck source-path=SCRIPTDIR
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
if [ "$(id -u)" -ne 0 ]; then
    printf '0 passed, 0 failed: only root can give files to others\n'
    exit 0
fi
need openssl
chmod 0711 "$scratch"
# Where other users may read them.
mkdir -m 0755 "$scratch/bin"
cp "$VAULT_CLI" "$scratch/bin/bao"
cp -r "$stack/vault" "$scratch/bin/stack"
chmod -R u=rwX,go=rX "$scratch/bin"
export VAULT_CLI=$scratch/bin/bao
secrets=$scratch/secrets
init() { sh "$scratch/bin/stack/init.sh" --secrets "$secrets" "$@"; }
# user UID[:GID] COMMAND…
user() { setpriv --reuid "${1%:*}" --regid "${1#*:}" --clear-groups "${@:2}"; }
renew() { sh "$scratch/bin/stack/renew.sh" --secrets "$secrets" "$@"; }
# belongs FILE OWNER MODE
belongs() {
    local file=$1 now
    now=$(stat -c '%u:%g %a' "$secrets/$file")
    [ "$now" = "$2 $3" ] || fail "$file is $now, not $2 $3"
}
# inodes: which file is which; a file that is replaced, be it by the same content, is another one.
inodes() { find "$secrets" -type f ! -path '*/vault/*' -printf '%p %i %U:%G %m\n' | sort; }
owners=(NABAT_OWNER=65532:65532 MONITORING_OWNER=65534:65534 GRAFANA_OWNER=472:0)

start_bao "$scratch/bao"
exits 0 env "${owners[@]}" sh "$scratch/bin/stack/init.sh" --secrets "$secrets"
chmod 0711 "$secrets"
before=$(inodes)
exits 0 init
[ "$before" = "$(inodes)" ] || { diff <(echo "$before") <(inodes) >"$scratch/said"; fail "a file was replaced, or given away"; }
ok "init.sh run as root without the owners replaces no file that is as it should be, and takes none from its reader"

root=$scratch/root-token
cp "$secrets/vault/root-token" "$root"
# Everything changes: another role, other tokens, passwords drawn anew.
as "$root" delete auth/approle/role/nabat >"$scratch/said"
as "$root" token revoke "$(cat "$secrets/renew/metrics-token")" >"$scratch/said"
rm "$secrets/alertmanager/nabat-alertmanager-password" "$secrets/grafana/admin-password" "$secrets/renew/vault-token"
chmod 0640 "$secrets/nabat/role-id"
exits 0 init
[ "$(stat -c %i "$secrets/nabat/role-id")" != "$(awk -v f="$secrets/nabat/role-id" '$1 == f { print $2 }' <<<"$before")" ] ||
    fail "role-id is the old one"
belongs nabat/role-id 65532:65532 640
belongs nabat/secret-id 65532:65532 600
belongs renew/vault-token 65532:65532 600
belongs renew/metrics-token 65532:65532 600
belongs prometheus/vault-metrics-token 65534:65534 600
belongs alertmanager/nabat-alertmanager-password 65534:65534 600
belongs grafana/admin-password 472:0 600
ok "what init.sh replaces without the owners keeps owner and mode; what it makes anew is its directory's owner's"

# The root token is revoked, as in production, and Vault was sealed for a day: the secret id has ended.
as "$root" operator seal >"$scratch/said"
rm "$secrets/vault/root-token"
printf ended >"$secrets/nabat/secret-id"
for who in owners nobody; do
    if [ "$who" = owners ]; then
        chown 0:0 "$secrets/nabat/secret-id" "$secrets/nabat"
        exits 0 env "${owners[@]}" sh "$scratch/bin/stack/init.sh" --secrets "$secrets"
    else
        printf ended >"$secrets/nabat/secret-id"
        exits 0 init
    fi
    says "nabat can log in" "the settings were not compared"
    belongs nabat/secret-id 65532:65532 600
    exits 0 user 65532:65532 sh "$scratch/bin/stack/renew.sh" --secrets "$secrets" --check
done
ok "without the root token, too: nabat's user can log in with the new secret id, with the owners and without"

# A host with systemd, as nabat-vault-renew.service has it: nabat is in the group of the user that renews.
chown -R 990:991 "$secrets/nabat" "$secrets/renew"
chmod 0750 "$secrets/nabat"
chmod 0640 "$secrets"/nabat/*
for _ in first second; do
    old=$(cat "$secrets/nabat/secret-id")
    exits 0 user 990:991 sh "$scratch/bin/stack/renew.sh" --secrets "$secrets" --force
    [ "$old" != "$(cat "$secrets/nabat/secret-id")" ] || fail "the secret id is the old one"
    belongs nabat/secret-id 990:991 640
    exits 0 setpriv --reuid 61234 --regid 61234 --groups 991 sh "$scratch/bin/stack/renew.sh" --secrets "$secrets" --check
    exits 1 user 61234:61234 cat "$secrets/nabat/secret-id"
done
# As root made it at first, and as it is when there was none.
chown 0:991 "$secrets/nabat/secret-id"
exits 0 user 990:991 sh "$scratch/bin/stack/renew.sh" --secrets "$secrets" --force
belongs nabat/secret-id 990:991 640
rm "$secrets/nabat/secret-id"
exits 0 user 990:991 sh "$scratch/bin/stack/renew.sh" --secrets "$secrets"
belongs nabat/secret-id 990:991 640
rm "$secrets/nabat/secret-id"
exits 0 renew
belongs nabat/secret-id 990:991 640
exits 0 init
[ "$(stat -c %a "$secrets/nabat")" = 750 ] || fail "init.sh shuts nabat's group out of the directory"
ok "two renewals as another user, and a first one: nabat reads each secret id by its group, and others don't"

# What can't be kept is said, and nothing is changed: neither the file nor a wrapped secret id that opens once.
exits 0 renew --wrap "$scratch/wrapped"
chmod 0644 "$scratch/wrapped"
chmod 0770 "$secrets/nabat"
chown 65532:61234 "$secrets/nabat/secret-id"
chmod 0604 "$secrets/nabat/secret-id"
before=$(inodes)
exits 1 user 990:991 sh "$scratch/bin/stack/renew.sh" --secrets "$secrets" --unwrap "$scratch/wrapped"
says "can't keep the owner of" "run this as that user or as root" "chgrp"
[ "$before" = "$(inodes)" ] || fail "it changed a file, or left one behind"
exits 0 renew --unwrap "$scratch/wrapped"
belongs nabat/secret-id 65532:61234 604
ok "a renewal that would take the file from its reader is refused before anything is used up"

# ---- certificates
tls() { sh "$scratch/bin/stack/tls.sh" --out "$scratch/tls" "$@"; }
exits 2 tls --owner vault
exits 0 tls --owner 100:1000
for file in vault-1-key.pem vault-1.pem vault-3-key.pem; do
    [ "$(stat -c %u:%g "$scratch/tls/$file")" = 100:1000 ] || fail "$file is not Vault's"
done
[ "$(stat -c '%u:%g %a' "$scratch/tls/ca-key.pem")" = "0:0 600" ] || fail "the authority's key is not root's alone"
chmod 0640 "$scratch/tls/vault-2-key.pem"
rm "$scratch/tls/vault-1.pem"
exits 0 tls --san vault.example.org
says "vault-1: a new" "vault-2: a new"
[ "$(stat -c '%u:%g %a' "$scratch/tls/vault-1-key.pem")" = "100:1000 600" ] || fail "Vault can't read its new key"
[ "$(stat -c '%u:%g %a' "$scratch/tls/vault-2-key.pem")" = "100:1000 640" ] || fail "the new key has not the old one's owner and mode"
chmod 0711 "$scratch/tls"
exits 0 user 100:1000 cat "$scratch/tls/vault-1-key.pem"
ok "tls.sh gives the servers their keys, and a renewed one to whom the old one belonged"

exits 1 user 990:991 sh "$scratch/bin/stack/tls.sh" --out "$scratch/tls"
says "can't write to"
chown 990:991 "$scratch/tls" "$scratch/tls"/ca*.pem
before=$(fingerprint "$scratch/tls")
exits 1 user 990:991 sh "$scratch/bin/stack/tls.sh" --out "$scratch/tls" --san vault.example.org vault-1
says "vault-1-key.pem can't be read" "run this as its owner"
chmod 0600 "$scratch/tls/vault-1.pem"
exits 1 user 990:991 sh "$scratch/bin/stack/tls.sh" --out "$scratch/tls" --san vault.example.org vault-1
says "vault-1.pem can't be read"
chmod 0644 "$scratch/tls/vault-1.pem"
[ "$before" = "$(fingerprint "$scratch/tls")" ] || fail "it changed a file"
chown 0:0 "$scratch/tls/ca-key.pem"
exits 1 user 990:991 sh "$scratch/bin/stack/tls.sh" --out "$scratch/tls" vault-1
says "ca-key.pem can't be read"
cp "$scratch/tls/ca.pem" "$scratch/authority.pem"
chmod 0600 "$scratch/authority.pem"
for script in "init.sh --secrets $scratch/tls/of-990" "renew.sh --secrets $secrets"; do
    # shellcheck disable=SC2086
    VAULT_CACERT=$scratch/authority.pem exits 1 user 990:991 sh "$scratch/bin/stack"/$script
    says "VAULT_CACERT: $scratch/authority.pem can't be read" "make it readable for user 990"
done
ok "a certificate, a key or an authority that is there but can't be read is told, and not made anew"

printf '%d passed, 0 failed\n' "$passed"
