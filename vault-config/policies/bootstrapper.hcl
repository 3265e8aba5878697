# What 'vaultgate bootstrap' needs for vault.yaml as it stands, and nothing else: for a first run and all later ones.
# vault.yaml doesn't declare this policy: nobody grants himself what he may do. A security engineer writes it once,
# 'vault policy write vaultgate-bootstrapper bootstrapper.hcl', and hands out short-lived tokens with it.
# It is as strong as an administrator's: whoever may write a policy and a role that carries it may give himself anything.

# Look at what there is. The list of audit devices is for administrators (sudo).
path "sys/audit" {
  capabilities = ["read", "sudo"]
}

path "sys/auth" {
  capabilities = ["read"]
}

path "sys/mounts" {
  capabilities = ["read"]
}

# Ask beforehand whether all of this is granted, so that nothing is done by halves.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# Audit device. Only needed for the first run.
path "sys/audit/file" {
  capabilities = ["update", "sudo"]
}

# Policy, and how passwords are made.
path "sys/policies/acl/records" {
  capabilities = ["read", "update"]
}

path "sys/policies/password/mysql" {
  capabilities = ["read", "update"]
}

# AWS auth method: enable it (sudo, first run only), tune it, configure it.
path "sys/auth/aws" {
  capabilities = ["update", "sudo"]
}

path "sys/mounts/auth/aws/tune" {
  capabilities = ["update"]
}

path "auth/aws/config/client" {
  capabilities = ["create", "read", "update"]
}

path "auth/aws/role/records" {
  capabilities = ["create", "read", "update"]
}

# Database engine.
path "sys/mounts/database" {
  capabilities = ["update"]
}

path "sys/mounts/database/tune" {
  capabilities = ["update"]
}

path "database/config/shop" {
  capabilities = ["create", "read", "update"]
}

path "database/roles/records" {
  capabilities = ["create", "read", "update"]
}

path "database/static-roles/records-static" {
  capabilities = ["create", "read", "update"]
}

# KV engine. The seed is written once; "create" alone can't overwrite it.
path "sys/mounts/secret" {
  capabilities = ["update"]
}

path "sys/mounts/secret/tune" {
  capabilities = ["update"]
}

path "secret/config" {
  capabilities = ["read", "update"]
}

path "secret/metadata/records" {
  capabilities = ["read"]
}

path "secret/data/records" {
  capabilities = ["create"]
}
