# One node of a production cluster: integrated storage (Raft), three or five nodes in different availability zones.
# Every node has this file; only the four values marked "this node" differ. Start: vault server -config=raft.hcl
# Vault runs as a user of its own, to whom the folders and the key belong (0700, 0600).

storage "raft" {
  path    = "/opt/vault/data"
  node_id = "vault-a" # this node

  # Vault's default is 5, which is for small machines: a leader that died is then replaced several times later.
  performance_multiplier = 1

  # How it finds the others: by name, here, or by tag with auto_join = "provider=aws tag_key=vault tag_value=main".
  retry_join {
    leader_api_addr     = "https://vault-b.internal:8200"
    leader_ca_cert_file = "/etc/vault/tls/ca.pem"
  }

  retry_join {
    leader_api_addr     = "https://vault-c.internal:8200"
    leader_ca_cert_file = "/etc/vault/tls/ca.pem"
  }
}

listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "0.0.0.0:8201"

  # The certificate names the host that functions use (VAULT_ADDR) and this node. SIGHUP reads a renewed one.
  tls_cert_file   = "/etc/vault/tls/vault.pem" # this node
  tls_key_file    = "/etc/vault/tls/vault.key" # this node
  tls_min_version = "tls12"

  # A request that is not answered by then is given up; the extension gives up earlier, at the invocation's deadline.
  max_request_duration = "30s"

  # Behind a load balancer that sets X-Forwarded-For the audit log shows the balancer's address, unless it is named here.
  # Never name a network that functions live in: they could write any address into the audit log.
  # x_forwarded_for_authorized_addrs = "10.0.0.10,10.0.0.11"
}

# Where clients are sent by a standby, and where the nodes talk to one another.
api_addr     = "https://vault-a.internal:8200" # this node
cluster_addr = "https://vault-a.internal:8201" # this node

# Raft keeps its database in mapped memory, which locking would hold in RAM as a whole: it has to be said explicitly. Then
# swap has to be off, or encrypted, on every node: with it, secrets could be written to disk.
disable_mlock = true

# Without this each restart waits for people with unseal keys. Vault needs kms:Encrypt, kms:Decrypt and kms:DescribeKey on it.
# seal "awskms" {
#   region     = "eu-central-1"
#   kms_key_id = "alias/vault-unseal"
# }

# Upper bounds; each mount is tuned lower by vault.yaml.
default_lease_ttl = "1h"
max_lease_ttl     = "24h"

# JSON lines, as the log collectors like them.
log_level  = "info"
log_format = "json"

# Vault's own figures, for alarms on vault.expire.num_leases and vault.audit.log_request_failure; read with a token.
telemetry {
  prometheus_retention_time = "24h"
  disable_hostname          = true
}

# The UI is one more door. The API is enough for functions and for bootstrap.
ui = false

# For a mirror of the audit log that needs a mark at the start of each line (option "prefix" of the file device):
# allow_audit_log_prefixing = true
