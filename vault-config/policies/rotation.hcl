# What the rotation function may do in Vault, and nothing else, for secrets whose strategy is "vault". Two blocks per place:
# look what is there, change it. Its token carries this policy alone (no "default"), for one step of a rotation.
#
#   vault policy write rotation rotation.hcl
#   vault write auth/aws/role/rotation auth_type=iam bound_iam_principal_arn=<the rotation function's role> \
#     token_policies=rotation token_no_default_policy=true token_ttl=5m token_max_ttl=5m

# A database user whose password Vault draws and sets.
path "database/static-creds/records-static" {
  capabilities = ["read"]
}

path "database/rotate-role/records-static" {
  capabilities = ["update"]
}

# A secret that keeps a copy of what is rotated. "update" can't make one: a wrong path is an error.
path "secret/data/shop/webhook" {
  capabilities = ["read", "update"]
}

# What it may do, so that testSecret finds out before a rotation does.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# The end of its token, after each step.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
