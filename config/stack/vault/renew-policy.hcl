# What renew.sh may do in Vault: issue secret ids for nabat's role, and keep its own token.

path "auth/approle/role/nabat/secret-id" {
  capabilities = ["update"]
  # Wrapped only: the answer holds a token that opens once, never the secret id itself. A copy of it
  # that someone else has opened on the way is noticed, since then it opens no more.
  min_wrapping_ttl = "1s"
  max_wrapping_ttl = "10m"
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
