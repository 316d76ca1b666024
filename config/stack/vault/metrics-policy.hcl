# What Prometheus may do in Vault: read metrics. That its token lasts is the business of renew.sh, which
# holds it, too.
path "sys/metrics" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
