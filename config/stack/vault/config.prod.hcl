# Vault for production: the same file for each of three servers, vault-1, vault-2 and vault-3. What
# differs between them stands in the environment of each, and is no secret:
#
#   VAULT_RAFT_NODE_ID=vault-1
#   VAULT_API_ADDR=https://vault-1:8200
#   VAULT_CLUSTER_ADDR=https://vault-1:8201
#
# Certificates: tls.sh. Each server gets ca.pem and its own pair as server.pem and server-key.pem.

# Integrated storage. Three servers: one may fail, and the other two still agree.
storage "raft" {
  path = "/vault/file"

  # All three stand here, so that the file is the same everywhere; a server passes over itself.
  retry_join {
    leader_api_addr     = "https://vault-1:8200"
    leader_ca_cert_file = "/vault/tls/ca.pem"
  }
  retry_join {
    leader_api_addr     = "https://vault-2:8200"
    leader_ca_cert_file = "/vault/tls/ca.pem"
  }
  retry_join {
    leader_api_addr     = "https://vault-3:8200"
    leader_ca_cert_file = "/vault/tls/ca.pem"
  }

  # A server that is gone for good leaves the quorum after a while: else two losses in a year stop it.
  # Switched on in the cluster's state: vault operator raft autopilot set-config
  #   -cleanup-dead-servers=true -dead-server-last-contact-threshold=24h -min-quorum=3
}

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"
  tls_cert_file   = "/vault/tls/server.pem"
  tls_key_file    = "/vault/tls/server-key.pem"
  # Vault reads the pair again on SIGHUP: a renewed certificate needs no restart, and so no unseal.
  tls_min_version = "tls12"

  telemetry {
    # Metrics tell the names of mounts and roles; whoever scrapes shows a token (init.sh makes it). A
    # standby passes such a request on to the leader: to scrape each server for itself, set this to
    # true on a listener that only Prometheus reaches.
    unauthenticated_metrics_access = false
  }
}

ui = true

# Raft maps its file into memory, and locked memory would have to hold all of it. Encrypt the swap or
# have none instead.
disable_mlock = true

telemetry {
  prometheus_retention_time = "24h"
  disable_hostname          = true
}

# The audit file is switched on by init.sh (`vault audit enable file`). OpenBao wants it here instead:
#
#   audit "file" "file" {
#     options {
#       file_path = "/vault/logs/audit.log"
#       mode      = "0640"
#     }
#   }
#
# Rotate it with logrotate and SIGHUP. When Vault can't write its only audit device it answers nothing
# any more: keep the file on a disk of its own with an alert before it is full.

# Auto-unseal
# -----------
# Without a stanza below, people unseal each server after a restart with three of the five keys. nabat
# bears that: it keeps the token it has, and at a start without one it accepts alerts and sends
# them later. With one of them, Vault asks that service for its root key at a start, the five keys
# become recovery keys, and nobody has to get up. init.sh sees which of both it is.
#
# Choose one. None holds a credential here: it comes from the machine's identity or from the environment.
#
# Another Vault, small and apart from this one, which people unseal by hand:
#
#   seal "transit" {
#     address         = "https://vault-unseal:8200"
#     # VAULT_TOKEN in the service's environment file (0600): a periodic token that may only
#     # update transit/encrypt/unseal and transit/decrypt/unseal.
#     mount_path      = "transit/"
#     key_name        = "unseal"
#     tls_ca_cert     = "/vault/tls/ca.pem"
#     # Renews that token.
#     disable_renewal = "false"
#   }
#
# A cloud's key service, by the machine's role:
#
#   seal "awskms" {
#     region     = "eu-central-1"
#     kms_key_id = "alias/vault-unseal"
#   }
#
#   seal "azurekeyvault" {
#     vault_name = "zakupai-unseal"
#     key_name   = "vault-unseal"
#   }
#
#   seal "gcpckms" {
#     project    = "zakupai"
#     region     = "europe-west3"
#     key_ring   = "vault"
#     crypto_key = "unseal"
#   }
#
# The key service must live as long as the data does: with its key gone, no recovery key opens Vault.
# To move a running Vault from keys to auto-unseal, add the stanza, restart one standby after the other
# and the leader last, each with `vault operator unseal -migrate`.
