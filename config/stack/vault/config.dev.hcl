# Vault for development: one server, its storage in files, HTTP inside the Compose network only.
# With TLS, Raft and three servers: config.prod.hcl.

# Goes on where it was after a restart, sealed. (OpenBao has no file storage: give it
# `storage "raft" { path = "/vault/file" node_id = "vault" }` and a cluster_addr.)
storage "file" {
  path = "/vault/file"
}

listener "tcp" {
  address     = "0.0.0.0:8200"
  tls_disable = true

  telemetry {
    # Prometheus has a token that may read metrics and nothing else (init.sh), as in production. Set
    # this to true to look at /v1/sys/metrics?format=prometheus without one.
    unauthenticated_metrics_access = false
  }
}

# What clients are redirected to.
api_addr = "http://vault:8200"

ui = true

# Memory is not locked: the container has no IPC_LOCK, and nothing in development is worth a swap.
disable_mlock = true

telemetry {
  # Without a retention time Vault does not keep metrics for Prometheus at all.
  prometheus_retention_time = "24h"
  # Else each gauge carries the container's name, which is another one after every recreation.
  disable_hostname = true
}
