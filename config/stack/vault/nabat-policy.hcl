# What nabat may do in Vault, and all of it. Its role gets no `default` policy (init.sh). init.sh puts
# another mount or path in place of zakupai and monitoring.

# KV v2 has its values under data/. nabat needs neither list nor metadata.
path "zakupai/data/monitoring" {
  capabilities = ["read"]
}

# Its own token: how long it lasts, to make it last longer, and to give it back when nabat stops.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}
