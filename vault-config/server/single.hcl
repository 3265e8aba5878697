# One server without a cluster: for a test environment that is meant to last. No failover, and a backup means stopping it;
# for production take raft.hcl. Start: vault server -config=single.hcl

storage "file" {
  path = "/opt/vault/data"
}

listener "tcp" {
  address         = "0.0.0.0:8200"
  tls_cert_file   = "/etc/vault/tls/vault.pem"
  tls_key_file    = "/etc/vault/tls/vault.key"
  tls_min_version = "tls12"
}

# The address that functions use; the certificate names its host.
api_addr = "https://vault.internal:8200"

# One server talks to no other: don't open the cluster port.
disable_clustering = true

# Locking memory keeps secrets out of swap. Vault needs the capability for it:
#   setcap cap_ipc_lock=+ep /usr/bin/vault, or LimitMEMLOCK=infinity in the systemd unit.
# Where it can't be had, set this to true and turn swap off.
disable_mlock = false

default_lease_ttl = "1h"
max_lease_ttl     = "24h"

log_level  = "info"
log_format = "json"

ui = false
