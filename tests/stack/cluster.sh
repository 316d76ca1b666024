#!/usr/bin/env bash
# config/stack/vault/tls.sh, and config.prod.hcl with its certificates: three real servers in one Raft.
# Only addresses and directories are changed, and the audit log is where OpenBao wants it.
# shellcheck source-path=SCRIPTDIR
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
need openssl
tls() { sh "$stack/vault/tls.sh" --out "$scratch/tls" "$@"; }
# verifies SERVER NAME
verifies() {
    openssl verify -CAfile "$scratch/tls/ca.pem" -purpose sslserver -verify_hostname "$2" \
        "$scratch/tls/$1.pem" >"$scratch/said" 2>&1
}

exits 2 tls --days soon
exits 2 tls --days 7
exits 2 tls 'a/b'
exits 2 tls --nonsense
: >"$scratch/file"
exits 1 tls --out "$scratch/file/x"
says "can't write to"
exits 0 tls
for server in vault-1 vault-2 vault-3; do
    for name in "$server" vault localhost; do verifies "$server" "$name" || fail "$server is not $name"; done
    openssl verify -CAfile "$scratch/tls/ca.pem" -purpose sslclient -verify_ip 127.0.0.1 \
        "$scratch/tls/$server.pem" >"$scratch/said" 2>&1 || fail "$server is not 127.0.0.1"
done
! verifies vault-1 vault-2 || fail "vault-1 passes for vault-2"
[ -z "$(find "$scratch/tls" -name '*-key.pem' ! -perm 0600)" ] || fail "a key is not 0600"
[ -z "$(find "$scratch/tls" -name '.work*')" ] || fail "something is left behind"
ok "tls.sh makes certificates that openssl verifies, with keys that are 0600"

before=$(fingerprint "$scratch/tls")
exits 0 tls
[ "$before" = "$(fingerprint "$scratch/tls")" ] || fail "the second run changed a file"
exits 0 tls --san vault.example.org vault-1
verifies vault-1 vault.example.org || fail "the new name is missing"
[ "$(grep -c . "$scratch/said")" -eq 1 ] || fail "it is no good"
: >"$scratch/tls/vault-2.pem"
cp "$scratch/tls/vault-1-key.pem" "$scratch/tls/vault-3-key.pem"
openssl x509 -req -days 5 -in <(openssl req -new -subj /CN=vault-4 -newkey rsa:2048 -nodes -keyout "$scratch/tls/vault-4-key.pem" 2>/dev/null) \
    -CA "$scratch/tls/ca.pem" -CAkey "$scratch/tls/ca-key.pem" -set_serial 1 -out "$scratch/tls/vault-4.pem" 2>/dev/null
exits 0 tls vault-1 vault-2 vault-3 vault-4
says "vault-1: good for" "vault-2: a new" "vault-3: a new" "vault-4: a new"
mv "$scratch/tls/ca-key.pem" "$scratch/away.pem"
exits 0 tls
exits 1 tls vault-5
says "ca-key.pem is not here to sign"
cp "$scratch/tls/vault-1-key.pem" "$scratch/tls/ca-key.pem"
exits 1 tls
says "is not the key of"
mv "$scratch/away.pem" "$scratch/tls/ca-key.pem"
ok "what is good stays; what is cut short, mismatched or ends soon is made anew"

ports=() clusters=()
for _ in 1 2 3; do ports+=("$(free_port)") && clusters+=("$(free_port)"); done
pids=()
# start SERVER: 1, 2 or 3.
start() {
    local number=$1 server=vault-$1 directory=$scratch/vault-$1 n
    mkdir -p "$directory/file" "$directory/logs" "$directory/tls"
    cp "$scratch/tls/ca.pem" "$directory/tls/ca.pem"
    cp "$scratch/tls/$server.pem" "$directory/tls/server.pem"
    cp "$scratch/tls/$server-key.pem" "$directory/tls/server-key.pem"
    local edits=(-e "s#0.0.0.0:8200#127.0.0.1:${ports[number - 1]}#" -e "s#0.0.0.0:8201#127.0.0.1:${clusters[number - 1]}#"
        -e "s#/vault/\(file\|tls\)#$directory/\1#"
        # The servers must agree on where the audit log is: each has its own below where it works.
        -e 's#/vault/logs#logs#')
    for n in 1 2 3; do edits+=(-e "s#https://vault-$n:8200#https://127.0.0.1:${ports[n - 1]}#"); done
    # The audit stanza that the file has in a comment for OpenBao.
    edits+=(-e '/^#   audit "file"/,/^#   }/s/^# *//')
    sed "${edits[@]}" "$stack/vault/config.prod.hcl" >"$directory/config.hcl"
    (
        cd "$directory"
        export VAULT_RAFT_NODE_ID=$server VAULT_API_ADDR=https://127.0.0.1:${ports[number - 1]}
        export VAULT_CLUSTER_ADDR=https://127.0.0.1:${clusters[number - 1]}
        # OpenBao's own names for them.
        export BAO_RAFT_NODE_ID=$VAULT_RAFT_NODE_ID BAO_API_ADDR=$VAULT_API_ADDR BAO_CLUSTER_ADDR=$VAULT_CLUSTER_ADDR
        exec "$VAULT_CLI" server -config config.hcl >log 2>&1
    ) &
    pids[number]=$!
    children+=("$!")
}
secrets=$scratch/secrets
export VAULT_CACERT=$scratch/tls/ca.pem
# init SERVER ARGUMENTS…
init() {
    VAULT_ADDR=https://127.0.0.1:${ports[$1 - 1]} sh "$stack/vault/init.sh" --production --secrets "$secrets" "${@:2}"
}
for number in 1 2 3; do start "$number"; done
exits 0 init 1 --telegram "$stack/vault/demo-telegram.env"
says "5 key(s)" "the root token is revoked"
# The others join within a minute, and are told apart from a storage that is gone.
eventually init 2
eventually init 3
export VAULT_ADDR=https://127.0.0.1:${ports[0]}
VAULT_CACERT=$scratch/tls/vault-4.pem exits 1 init 1 --wait 0
says "no TLS with Vault" "VAULT_CACERT"
ok "three servers with config.prod.hcl are one cluster, each unsealed by init.sh"

start_telegram
stack_configuration "$secrets" "$telegram" | sed "s#^  address: .*#&\n  ca_file: $scratch/tls/ca.pem#" >"$scratch/nabat.yml"
exits 0 "$NABAT" check --live --config.file="$scratch/nabat.yml"
says "✓ vault" "✓ telegram "
# A server that joined gets a vote when it has been stable for a while, ten seconds by default. Without two of
# them the rest can't choose a leader.
voters() { [ "$(grep -ci 'promoting server' "$scratch/vault-1/log")" -ge 2 ] || ! tail -n 20 "$scratch/vault-1/log"; }
eventually voters
kill "${pids[1]}"
wait "${pids[1]}" 2>/dev/null || true
# Another one leads: asked there, the secret id that was issued before still works.
export VAULT_ADDR=https://127.0.0.1:${ports[1]}
stack_configuration "$secrets" "$telegram" | sed "s#^  address: .*#&\n  ca_file: $scratch/tls/ca.pem#" >"$scratch/nabat.yml"
eventually "$NABAT" check --live --config.file="$scratch/nabat.yml"
exits 0 sh "$stack/vault/renew.sh" --secrets "$secrets" --force
ok "nabat reads its secret over TLS, and still does when the leader is gone"

start 1
eventually init 1
ok "the server that was gone comes back sealed, and init.sh unseals it"

printf '%d passed, 0 failed\n' "$passed"
