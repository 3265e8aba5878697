# What 'vaultgate rotate sync' needs in Vault for one secret, and nothing else: its value, versions and custom metadata. It never
# writes. Which version of KV a mount is, Vault tells whoever may read something in it.
#
#   vault policy write sync sync.hcl
#   vault token create -policy=sync -no-default-policy -ttl=15m

path "secret/data/shop/payment" {
  capabilities = ["read"]
}
