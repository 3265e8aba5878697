"""What can be wrong in Vault: its health, the login, who we are there, what we may do."""

from __future__ import annotations

from vaultgate_ops.doctor.catalogue.kind import Kind
from vaultgate_ops.doctor.model import ERROR, NOTE, WARNING

KINDS = (
    Kind(
        "health.sealed",
        ERROR,
        "Vault is sealed: it answers nobody until somebody unseals it.",
        "what sys/health says",
        "Run: vault operator unseal (with auto-unseal: look at Vault's log for why its key can't be used).",
    ),
    Kind(
        "health.uninitialized",
        ERROR,
        "Vault has never been initialized.",
        "what sys/health says",
        "Run: vault operator init; then vault operator unseal and vaultgate bootstrap.",
    ),
    Kind(
        "health.secondary",
        ERROR,
        "It is a disaster recovery secondary, which serves nobody.",
        "what sys/health says",
        "Name the primary in VAULT_ADDR, or promote this one: vault write -f sys/replication/dr/secondary/promote.",
    ),
    Kind(
        "health.standby",
        NOTE,
        "The node is a standby: it hands requests on to the one that leads.",
        "what sys/health says",
        "Nothing has to be done; name a load balancer, or the other nodes in VAULTGATE_ADDRESSES.",
    ),
    Kind(
        "health.old",
        NOTE,
        "This Vault is older than the one that Vaultgate is tested with ({tested}).",
        "its version",
        "Upgrade Vault when you can.",
    ),
    Kind(
        "health.not-vault",
        ERROR,
        "What answers there isn't Vault.",
        "the answer's status",
        "Correct VAULT_ADDR; a path or a load balancer's own page may answer instead.",
    ),
    Kind(
        "health.no-answer",
        ERROR,
        "Vault's door is open, and no answer comes.",
        "the reason",
        "Look at Vault's log and load; a hanging audit device holds every request up: vault audit list -detailed.",
    ),
    Kind(
        "login.server-id",
        ERROR,
        "The login is signed for another Vault than this one.",
        "what is expected and what came",
        "Set VAULT_IAM_SERVER_ID={server_id}, or change Vault's: "
        "vault write auth/{mount}/config/client iam_server_id_header_value=<name>.",
    ),
    Kind(
        "login.bound-elsewhere",
        ERROR,
        "Vault's role is bound to somebody else.",
        "our principal, and whom the role is bound to where an administrator's token shows it",
        "Run: vault write auth/{mount}/role/{role} bound_iam_principal_arn={arn} (beside those that are there already).",
    ),
    Kind(
        "login.no-role",
        ERROR,
        "Vault has no such role.",
        "Vault's words",
        "Set VAULT_AUTH_ROLE to one of: vault list auth/{mount}/role; or make it: vaultgate bootstrap.",
    ),
    Kind(
        "login.no-mount",
        ERROR,
        "No auth method that takes such a login is mounted there, another namespace has it, or the role's token_bound_cidrs "
        "leave this address out.",
        "Vault's words",
        "Set VAULT_AUTH_PROVIDER to one of: vault auth list; or enable it: vault auth enable -path={mount} {method}; "
        "see VAULT_NAMESPACE; if it is there: vault read -field=token_bound_cidrs auth/{mount}/role/{role}.",
    ),
    Kind(
        "login.other-method",
        ERROR,
        "Another auth method is mounted there.",
        "Vault's words",
        "Compare `vault auth list` with VAULT_AUTH_PROVIDER={mount} and VAULTGATE_AUTH_METHOD={method}.",
    ),
    Kind(
        "login.sts",
        ERROR,
        "STS refuses to Vault what the function signed.",
        "Vault's words, what STS said to us, and Vault's STS settings where an administrator's token shows them",
        "Make both sides one region: VAULT_STS_ENDPOINT_REGION={region}, and "
        "vault write auth/{mount}/config/client sts_region={region} sts_endpoint=https://sts.{region}.amazonaws.com; "
        "see that Vault's machine reaches it.",
    ),
    Kind(
        "login.unique-id",
        ERROR,
        "The role of this name isn't the one that Vault's role was bound to: it was deleted and made anew, "
        "or Vault can't look it up.",
        "Vault's words",
        "Bind it anew: vault write auth/{mount}/role/{role} bound_iam_principal_arn={arn}; give Vault iam:GetRole.",
    ),
    Kind(
        "login.ids",
        ERROR,
        "Vault refuses role_id or secret_id.",
        "Vault's words",
        "Make a new one: vault write -f -field=secret_id auth/{mount}/role/<role>/secret-id.",
    ),
    Kind(
        "login.redirected",
        ERROR,
        "The node is a standby that doesn't forward, and no token goes where it points to.",
        "the status",
        "Name every node in VAULTGATE_ADDRESSES by its api_addr, or let standbys forward.",
    ),
    Kind(
        "login.unavailable",
        ERROR,
        "Vault can't answer a login now.",
        "Vault's words",
        "Look at Vault's log; with one audit device only, a full disk stops everything: vault audit list.",
    ),
    Kind(
        "login.rate-limited",
        ERROR,
        "A quota of Vault's lets no further login through now.",
        "Vault's words",
        "Look at: vault list sys/quotas/rate-limit; raise the one for auth/{mount}, or look again later.",
    ),
    Kind(
        "login.refused",
        ERROR,
        "Vault refuses the login.",
        "Vault's words",
        "Look at Vault's audit log for auth/{mount}/login.",
    ),
    Kind(
        "identity.other-account",
        ERROR,
        "Vault takes us for somebody of another AWS account.",
        "both accounts",
        "Compare the keys: aws sts get-caller-identity; and VAULT_ASSUMED_ROLE_ARN.",
    ),
    Kind(
        "identity.root",
        WARNING,
        "The function may do everything in Vault.",
        "the token's policies",
        "Run: vault write auth/{mount}/role/{role} token_policies=<a narrow one>.",
    ),
    Kind(
        "identity.no-policy",
        WARNING,
        "The token has no policy beside `default`, which by itself grants no secret.",
        "the token's policies",
        "Run: vault write auth/{mount}/role/{role} token_policies=records (vaultgate bootstrap does).",
    ),
    Kind(
        "policy.denied",
        ERROR,
        "No policy of the token grants what the function needs.",
        "path, capability, what the token has, its policies",
        'Add to the policy {policy}: path "{path}" {{ capabilities = ["{capability}"] }}; then: '
        "vault policy write {policy} <file>.",
    ),
    Kind(
        "policy.own-token",
        WARNING,
        "No policy of the token grants what the extension needs to look after its own token and leases.",
        "path, capability, what it is for, the token's policies",
        'Add to the policy {policy}: path "{path}" {{ capabilities = ["{capability}"] }} '
        "(vault-config/policies/records.hcl has all of it).",
    ),
    Kind(
        "policy.kv-data",
        ERROR,
        "Under a KV engine of version 2 a path holds /data/ after the mount.",
        "the path, and the mount",
        "Correct the path: {better}.",
    ),
    Kind(
        "policy.unseen",
        NOTE,
        "The token may not ask what it may do, so paths were not checked one by one.",
        "Vault's words",
        'Add to the policy {policy}: path "sys/capabilities-self" {{ capabilities = ["update"] }}.',
    ),
)
