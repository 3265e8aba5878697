# What the record-count function may do, and nothing else. Its token carries this policy alone (no "default").

# A database user of its own, made when asked for and dropped when its lease ends.
path "database/creds/records" {
  capabilities = ["read"]
}

# The database user that exists already, whose password Vault changes every day.
path "database/static-creds/records-static" {
  capabilities = ["read"]
}

# One secret: its value, and how many versions of it there are.
path "secret/data/records" {
  capabilities = ["read"]
}

path "secret/metadata/records" {
  capabilities = ["read"]
}

# Its own token: how long it lives, a longer life, its end. The end of the token is the end of its leases.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# Leases that it knows the id of: whether one still lives after the database refused a login, and a longer life for it.
path "sys/leases/lookup" {
  capabilities = ["update"]
}

path "sys/leases/renew" {
  capabilities = ["update"]
}

# What it may do, so that an error can name the privilege that is missing.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# Where mounts begin and which version of KV they are: Vault's own clients ask before 'vault kv get'.
path "sys/internal/ui/mounts" {
  capabilities = ["read"]
}

path "sys/internal/ui/mounts/*" {
  capabilities = ["read"]
}
