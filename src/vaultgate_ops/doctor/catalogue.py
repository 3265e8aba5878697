"""The one table of what the doctor looks at and what it can find; docs/doctor.md is made from it.

Rules: an id never changes its meaning; every cause is one sentence, every fix says a command where there is one. What stands in
braces is filled in with what was seen, and shown as `<name>` in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaultgate_ops.doctor.model import ERROR, NOTE, WARNING, Finding

CHECKS = {
    "settings": "the extension's settings, as it would read them",
    "records": "the record-count function's settings",
    "layer": "the layer's files, the interpreter that its launcher finds, bytecode for it",
    "extension": "the extension that runs here: is it there, has it logged in, does it talk to Vault",
    "dns": "names of Vault, STS, the database; inside a function also of Secrets Manager and CloudWatch Logs",
    "tcp": "connections to all of them, by each of their addresses",
    "tls": "certificates: chain, name, dates",
    "clock": "this machine's clock beside Vault's and STS's",
    "health": "is Vault initialized, unsealed, in charge",
    "keys": "AWS keys to sign the login with",
    "sts": "a signed GetCallerIdentity, really sent",
    "login": "a login to Vault, as the extension does it",
    "identity": "who we are in Vault's eyes",
    "policy": "each path that the settings name, and what the extension needs for itself",
    "credential": "the database's credential, fetched and given back",
    "database": "a login to the database with it, and one row of the table",
    "rotation": "secrets of Secrets Manager: permissions, what is pending, what is overdue",
    "mirror": "the audit mirror's lag",
    "doctor": "the doctor itself",
}
"""Each check, and what it looks at."""


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        id: `check.what`.
        severity: where nothing else is said at the time.
        cause, fix: see `Finding`; with names in braces.
        evidence: what a finding shows, for the documentation.
    """

    id: str
    severity: str
    cause: str
    evidence: str
    fix: str


_RUN_CONFIG = "Correct the variables; `vaultgate config` shows what is in force."
_DATABASE_ADMIN = "As the database's administrator: "

KINDS = (
    # --- settings ---
    Kind("settings.invalid", ERROR, "The extension refuses to start with these settings.", "every problem", _RUN_CONFIG),
    Kind(
        "settings.skip-verify",
        WARNING,
        "Nobody checks who answers as Vault: VAULT_SKIP_VERIFY is on.",
        "the variable",
        "Unset VAULT_SKIP_VERIFY, and name the authority of Vault's certificate: VAULT_CACERT=<file>.",
    ),
    Kind(
        "settings.in-clear",
        WARNING,
        "Tokens and secrets cross the network in clear.",
        "Vault's address",
        "Give Vault a certificate, and set VAULT_ADDR=https://...; unset VAULTGATE_ALLOW_HTTP.",
    ),
    Kind(
        "settings.no-server-id",
        NOTE,
        "Logins are not bound to one Vault: whoever receives one may use it at another Vault.",
        "VAULT_IAM_SERVER_ID is not set",
        "Run: vault write auth/{mount}/config/client iam_server_id_header_value=<name>; then set VAULT_IAM_SERVER_ID=<name>.",
    ),
    Kind(
        "records.invalid",
        ERROR,
        "The record-count function refuses to start with these settings.",
        "every problem",
        "Correct the function's variables: sam deploy --parameter-overrides ...",
    ),
    # --- the layer and its extension ---
    Kind(
        "layer.missing",
        ERROR,
        "There is no layer where the function looks for it.",
        "the folder, and what is missing in it",
        "Attach it: aws lambda update-function-configuration --function-name <name> --layers <ARN>; build it: make layer.",
    ),
    Kind(
        "layer.not-executable",
        ERROR,
        "The launcher may not be executed, so Lambda doesn't start the extension.",
        "the file",
        "Build the archive with its modes, and publish it: make layer (a zip made by hand on Windows loses them).",
    ),
    Kind(
        "layer.no-python",
        ERROR,
        "The launcher finds no Python.",
        "where it looked",
        "Use a Python runtime (python3.11 or newer), or install Python into the container image.",
    ),
    Kind(
        "layer.old-python",
        ERROR,
        "The interpreter is older than the extension needs.",
        "its version",
        "Choose another runtime: aws lambda update-function-configuration --function-name <name> --runtime python3.12.",
    ),
    Kind(
        "layer.other-python",
        ERROR,
        "The layer holds bytecode of another Python, and no sources.",
        "the interpreter's version, and what is there",
        "Use the layer for this runtime: vaultgate layer build --python {python}; or the one for all: make layer.",
    ),
    Kind(
        "layer.no-manifest",
        WARNING,
        "The layer doesn't say what is in it: it was built by hand, or lost files on the way.",
        "the file that is missing",
        "Build it by `make layer` or `sam build`, and publish it: vaultgate layer publish.",
    ),
    Kind(
        "layer.incomplete",
        WARNING,
        "The layer's manifest promises bytecode that isn't there.",
        "how many modules have it, and what the manifest says",
        "Publish the archive as it was built: vaultgate layer publish.",
    ),
    Kind(
        "layer.no-bytecode",
        WARNING,
        "Every cold start compiles the extension anew.",
        "how many modules have bytecode for this interpreter",
        "Build the layer where Python {python} is installed, and publish it: make layer.",
    ),
    Kind(
        "layer.checked-bytecode",
        WARNING,
        "Bytecode is compared with its source at each cold start, and thrown away if a zip has changed its time.",
        "how many files are of that kind",
        "Build the layer by `make layer` or `sam build`, which make bytecode that is taken as it is.",
    ),
    Kind(
        "extension.silent",
        ERROR,
        "No extension answers in this sandbox.",
        "the address, and the system's words",
        "Attach the layer, and see the log for `vaultgate:`; VAULTGATE_LISTEN is the same for function and extension.",
    ),
    Kind(
        "extension.stranger",
        ERROR,
        "Somebody else answers at the extension's address.",
        "the address and the answer",
        "Choose another port: VAULTGATE_LISTEN=127.0.0.1:<port>.",
    ),
    Kind(
        "extension.door",
        WARNING,
        "The extension doesn't let the doctor in.",
        "its words",
        "Run the doctor as the function's own user, with the function's own VAULTGATE_GUARD.",
    ),
    Kind(
        "extension.logged-out",
        WARNING,
        "The extension runs and has no token.",
        "its health",
        "Mend what `login` or `tcp` finds; otherwise see the extension's log for `login`.",
    ),
    Kind(
        "extension.circuit",
        WARNING,
        "The extension leaves Vault alone for a while, because several calls failed in a row.",
        "its health",
        "Mend what `health` or `tcp` finds; it asks again by itself, at least every half minute.",
    ),
    # --- the network ---
    Kind(
        "dns.unknown",
        ERROR,
        "The name has no address here.",
        "the name",
        "Try: getent hosts {host}. In a VPC: enableDnsSupport and enableDnsHostnames on, and the private hosted zone associated.",
    ),
    Kind(
        "dns.timeout",
        ERROR,
        "Nobody answers questions about names.",
        "how long it took",
        "Give the VPC's resolver back: aws ec2 modify-vpc-attribute --vpc-id <vpc> --enable-dns-support; see the DHCP options.",
    ),
    Kind(
        "tcp.refused",
        ERROR,
        "The machine answers, but nobody listens at this port.",
        "each address, and what came",
        "Start it, or correct the port {port}; the way there is open.",
    ),
    Kind(
        "tcp.no-way-out",
        ERROR,
        "The function's subnets have no way to public addresses: neither a NAT gateway nor, for AWS, a VPC endpoint.",
        "each address, public, and that it timed out",
        "{way} or route the subnets through a NAT gateway: aws ec2 create-nat-gateway --subnet-id <public subnet> ...",
    ),
    Kind(
        "tcp.endpoint-closed",
        ERROR,
        "There is a VPC endpoint, and its security group doesn't let the function in.",
        "each address, private, and that it timed out",
        "Run: aws ec2 authorize-security-group-ingress --group-id <endpoint's> --protocol tcp --port {port} "
        "--source-group <function's>.",
    ),
    Kind(
        "tcp.filtered",
        ERROR,
        "Packets get lost on the way: a security group, a network ACL, a firewall or a missing route.",
        "each address, and that it timed out",
        "Run: aws ec2 authorize-security-group-ingress --group-id <server's> --protocol tcp --port {port} "
        "--source-group <function's>; then look at routes, peering and network ACLs.",
    ),
    Kind(
        "tcp.no-route",
        ERROR,
        "There is no route to it from here.",
        "each address, and the system's words",
        "Add a route for {host} (VPC peering, transit gateway, VPN), or correct the address.",
    ),
    Kind(
        "tcp.failed",
        ERROR,
        "No connection came about.",
        "each address, and the system's words",
        "Look at {host}:{port} from the same subnet.",
    ),
    Kind(
        "tcp.one-address",
        WARNING,
        "One of several addresses doesn't answer, and each cold start may wait for it first.",
        "each address, and what came",
        "Take the address out of DNS, or mend what is behind it.",
    ),
    Kind(
        "tls.expired",
        ERROR,
        "The certificate has expired.",
        "when, and this machine's time",
        "Renew the certificate of {host}, and have Vault load it: systemctl reload vault, or kill -HUP <its pid>.",
    ),
    Kind(
        "tls.not-yet-valid",
        ERROR,
        "The certificate isn't valid yet, or this machine's clock is behind.",
        "from when on, and this machine's time",
        "Compare the clock (`vaultgate doctor --only clock`); if that is right, issue the certificate anew.",
    ),
    Kind(
        "tls.wrong-name",
        ERROR,
        "The certificate is for other names than the one that is asked for.",
        "the name, and those of the certificate",
        "Use one of its names in the address, or set VAULT_TLS_SERVER_NAME={first}, or issue it for {expected} too.",
    ),
    Kind(
        "tls.unknown-authority",
        ERROR,
        "The certificate comes from an authority that isn't trusted here.",
        "its issuer, and who is trusted",
        "Name the bundle with {issuer!r} in it: VAULT_CACERT=<file> (certificates/ in the template); with intermediate "
        "authorities let the server send the whole chain.",
    ),
    Kind(
        "tls.ends-soon",
        WARNING,
        "The certificate expires soon.",
        "when",
        "Renew the certificate of {host} before that.",
    ),
    Kind(
        "tls.client-certificate",
        ERROR,
        "The server wants to see a client's certificate.",
        "the library's words",
        "Set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, or in Vault's listener: tls_disable_client_certs = true.",
    ),
    Kind(
        "tls.not-tls",
        ERROR,
        "What answers there speaks no TLS.",
        "the library's words",
        "Correct scheme or port of {host}:{port}; Vault's is usually 8200.",
    ),
    Kind(
        "tls.silent",
        ERROR,
        "The connection is open, and TLS gets no answer.",
        "that it timed out",
        "Look at what stands between: a load balancer without healthy targets, an inspecting firewall, an MTU that is too large.",
    ),
    Kind(
        "tls.files",
        ERROR,
        "A certificate file of the settings can't be used.",
        "the variable and the file",
        "Put a PEM file there, and see that the function may read it.",
    ),
    Kind(
        "tls.failed",
        ERROR,
        "TLS doesn't come about.",
        "the library's words",
        "Try: openssl s_client -connect {host}:{port} -servername {expected}.",
    ),
    Kind(
        "clock.ours",
        ERROR,
        "This machine's clock is wrong: AWS refuses signatures that are five minutes off.",
        "by how much it differs from Vault's and STS's",
        "Set the clock: sudo chronyc makestep (in Lambda: report it to AWS).",
    ),
    Kind(
        "clock.unclear",
        ERROR,
        "This machine's clock and {who}'s differ by more than AWS allows; which of them is wrong isn't known.",
        "by how much",
        "Compare both with a third one; then on the one that is wrong: sudo chronyc makestep.",
    ),
    Kind(
        "clock.theirs",
        WARNING,
        "{who}'s clock is wrong: leases and tokens end at another time than they say.",
        "by how much it differs from ours and STS's",
        "On {who}'s machine: sudo chronyc makestep.",
    ),
    Kind(
        "clock.drifting",
        WARNING,
        "This machine's clock and {who}'s drift apart.",
        "by how much",
        "Look at: chronyc tracking.",
    ),
    # --- Vault ---
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
        "keys.missing",
        ERROR,
        "There are no AWS keys to sign the login with.",
        "what was looked for",
        "{hint}",
    ),
    Kind(
        "keys.assumed-role",
        ERROR,
        "STS doesn't let the function assume the role of VAULT_ASSUMED_ROLE_ARN.",
        "STS's words",
        "{hint}",
    ),
    Kind(
        "sts.signature",
        ERROR,
        "STS refuses the signature: the secret key doesn't belong to the key's id.",
        "STS's code and words",
        "Take the keys anew: aws sts get-caller-identity has to work here (in Lambda never set AWS_SECRET_ACCESS_KEY).",
    ),
    Kind(
        "sts.unknown-key",
        ERROR,
        "STS doesn't know the key, or the session token doesn't belong to it.",
        "STS's code and words",
        "Take all three anew: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; see: aws configure list.",
    ),
    Kind(
        "sts.expired",
        ERROR,
        "The temporary keys are over.",
        "STS's code and words",
        "Get new ones: aws sso login, or aws sts assume-role ...; in Lambda don't keep keys beyond the environment's.",
    ),
    Kind(
        "sts.clock",
        ERROR,
        "STS refuses the signature for its time: this machine's clock is wrong.",
        "STS's code and words",
        "Set the clock: sudo chronyc makestep.",
    ),
    Kind(
        "sts.region",
        ERROR,
        "The login is signed for another region than the one whose STS is asked.",
        "the region, the endpoint, STS's words",
        "Set VAULT_STS_ENDPOINT_REGION to the endpoint's region, and on Vault's side the same: "
        "vault write auth/{mount}/config/client sts_region=<region> sts_endpoint=https://sts.<region>.amazonaws.com.",
    ),
    Kind(
        "sts.region-disabled",
        ERROR,
        "STS isn't activated for this account in this region.",
        "the region, STS's words",
        "Activate it in IAM's account settings, or use another: VAULT_STS_ENDPOINT_REGION, and Vault's sts_region.",
    ),
    Kind(
        "sts.denied",
        NOTE,
        "The VPC endpoint's policy denies the call, so the signature was not checked; Vault asks STS by itself.",
        "STS's code and words",
        "Let the endpoint's policy allow sts:GetCallerIdentity: aws ec2 describe-vpc-endpoints shows it.",
    ),
    Kind(
        "sts.no-answer",
        NOTE,
        "STS can't be asked from here, so the signature was not checked; Vault asks STS by itself.",
        "the reason",
        "Nothing, if `login` is fine.",
    ),
    Kind("sts.refused", ERROR, "STS refuses the call.", "STS's code and words", "Try: aws sts get-caller-identity."),
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
    # --- the database ---
    Kind(
        "credential.denied",
        ERROR,
        "The credential may not be read.",
        "where it is, and who refused",
        "Mend what `policy` finds; in AWS: grant the function's role reading and decrypting of {where}.",
    ),
    Kind(
        "credential.missing",
        ERROR,
        "There is nothing where the credential should be.",
        "where",
        "Correct RECORDS_SECRET_PATH or SECRET_NAME, or make it: vaultgate bootstrap.",
    ),
    Kind(
        "credential.shape",
        ERROR,
        "What is there holds no username and password.",
        "where",
        "Store a JSON object with username and password, or name another path.",
    ),
    Kind(
        "credential.vault-login",
        ERROR,
        "The database refuses Vault's own user: its password was changed, or it may not come from Vault's address.",
        "Vault's words",
        "See its host part: SHOW CREATE USER 'vault_admin'; set its password in the database and tell Vault: "
        "vaultgate bootstrap --reset-database-password.",
    ),
    Kind(
        "credential.vault-reach",
        ERROR,
        "Vault can't reach the database.",
        "Vault's words",
        "Open the database's port for Vault's machines, and compare: vault read database/config/<connection>.",
    ),
    Kind(
        "credential.vault-tls",
        ERROR,
        "Vault doesn't trust the database's certificate.",
        "Vault's words",
        "Give Vault the authority: vault write database/config/<connection> tls_ca=@<file> ...",
    ),
    Kind(
        "credential.vault-grants",
        ERROR,
        "Vault's own user may not make the user, or not grant what the role's statements say.",
        "Vault's words",
        _DATABASE_ADMIN + "GRANT CREATE USER ON *.* TO 'vault_admin'@'%'; GRANT SELECT ON <table> TO ... WITH GRANT OPTION.",
    ),
    Kind(
        "credential.vault-connections",
        ERROR,
        "The database has no connection left for Vault.",
        "Vault's words",
        _DATABASE_ADMIN + "SHOW PROCESSLIST; raise max_connections; see max_open_connections of Vault's connection.",
    ),
    Kind(
        "credential.failed",
        ERROR,
        "The credential can't be had.",
        "the words of whoever has it",
        "Mend what the words say; then look at it as its administrator: vault read {where}, or "
        "aws secretsmanager describe-secret --secret-id {where}.",
    ),
    Kind(
        "database.wrong-password",
        ERROR,
        "The database doesn't accept user and password.",
        "the user, the error's number",
        _DATABASE_ADMIN + "SHOW CREATE USER '{user}'; if there is none, Vault revoked it or it is another server; if there is "
        "one, its password was changed by hand: read it anew, or run: vaultgate rotate repair.",
    ),
    Kind(
        "database.no-grant",
        ERROR,
        "The user may log in, but not read the table.",
        "the user, the table, the error's number",
        _DATABASE_ADMIN
        + "GRANT SELECT ON `{database}`.`{table}` TO '{user}'; for dynamic users in the role's creation_statements.",
    ),
    Kind(
        "database.too-many-connections",
        ERROR,
        "No connection is left.",
        "the error's number",
        _DATABASE_ADMIN + "SHOW PROCESSLIST; raise max_connections or the user's MAX_USER_CONNECTIONS, "
        "or lower the function's reserved concurrency.",
    ),
    Kind(
        "database.tls",
        ERROR,
        "TLS with the database fails.",
        "why",
        "Name the authority of its certificate: RDS_CA_BUNDLE=<file>; RDS_HOST must be a name in it.",
    ),
    Kind(
        "database.no-tls",
        ERROR,
        "The database speaks no TLS, and a password is never sent without.",
        "the driver's words",
        _DATABASE_ADMIN + "set ssl_cert and ssl_key in its configuration, and require_secure_transport=ON.",
    ),
    Kind(
        "database.certificate-ends-soon",
        WARNING,
        "The database's certificate expires soon.",
        "when",
        "Renew it; for RDS: aws rds modify-db-instance --db-instance-identifier <id> --ca-certificate-identifier <ca>.",
    ),
    Kind(
        "database.unknown-schema",
        ERROR,
        "There is no such database.",
        "its name",
        "Correct RDS_DB_NAME={database}.",
    ),
    Kind("database.unknown-table", ERROR, "There is no such table.", "its name", "Correct RECORDS_TABLE={table}."),
    Kind(
        "database.account",
        ERROR,
        "The account is locked, or its password expired.",
        "the user, the error's number",
        _DATABASE_ADMIN + "ALTER USER '{user}' ACCOUNT UNLOCK; or ALTER USER '{user}' PASSWORD EXPIRE NEVER.",
    ),
    Kind(
        "database.host-blocked",
        ERROR,
        "The database takes no connection from this host.",
        "the error's number",
        _DATABASE_ADMIN + "FLUSH HOSTS; and see the host parts of the accounts.",
    ),
    Kind("database.unreachable", ERROR, "The database broke the connection off.", "why", "Look at the database's error log."),
    Kind("database.failed", ERROR, "The database refuses.", "the error's number", "Look at the database's error log."),
    # --- beside the way to a secret ---
    Kind(
        "rotation.denied",
        ERROR,
        "Whoever runs the doctor may not call what a rotation needs.",
        "each action, and the service's words",
        "Run the doctor with the rotation function's role; if these keys are its own, allow it {actions} on the secret, and "
        "kms:Decrypt on its key; `vaultgate rotate now --dry-run {secret}` proves the rest.",
    ),
    Kind(
        "rotation.missing",
        ERROR,
        "There is no such secret in this region.",
        "its name",
        "Correct the name or AWS_REGION: aws secretsmanager list-secrets.",
    ),
    Kind(
        "rotation.failed",
        ERROR,
        "Secrets Manager can't be asked.",
        "why",
        "Set AWS_REGION if it isn't; in a VPC give the subnets an endpoint: "
        "aws ec2 create-vpc-endpoint --service-name com.amazonaws.<region>.secretsmanager ...",
    ),
    Kind(
        "rotation.refused",
        ERROR,
        "Secrets Manager answers, and gives no account of the secret.",
        "its words",
        "Mend what it says; of a secret that is to be deleted: aws secretsmanager restore-secret --secret-id {secret}; "
        "of keys that are over: aws sts get-caller-identity.",
    ),
    Kind(
        "rotation.stuck",
        ERROR,
        "A rotation got stuck: AWSPENDING has waited for longer than a rotation takes, and blocks the next one.",
        "the version, and how long it waits",
        "Run: vaultgate rotate repair {secret}.",
    ),
    Kind(
        "rotation.under-way",
        NOTE,
        "A rotation is under way.",
        "the version, and how long it waits",
        "Wait, and look again: vaultgate rotate status {secret}.",
    ),
    Kind(
        "rotation.overdue",
        ERROR,
        "The secret should have been rotated by now.",
        "how late",
        "Look at the log of {function}, then: vaultgate rotate now {secret}.",
    ),
    Kind(
        "rotation.disabled",
        WARNING,
        "Nobody rotates this secret: rotation isn't enabled.",
        "what DescribeSecret says",
        "Run: aws secretsmanager rotate-secret --secret-id {secret} --rotation-lambda-arn <function> "
        "--rotation-rules AutomaticallyAfterDays=45.",
    ),
    Kind(
        "rotation.no-current",
        ERROR,
        "The secret has no current value.",
        "its labels",
        "Store one: aws secretsmanager put-secret-value --secret-id {secret} --secret-string file://<file>.",
    ),
    Kind(
        "mirror.stopped",
        ERROR,
        "Nobody mirrors this audit device.",
        "what is not in CloudWatch Logs yet",
        "Start it: vaultgate mirror --file {path} --group <group> (docs/audit.md has a unit for systemd).",
    ),
    Kind(
        "mirror.behind",
        WARNING,
        "The mirror is behind.",
        "lines, bytes, seconds",
        "Look at its log; PutLogEvents may be throttled, or the machine busy.",
    ),
    Kind(
        "mirror.problem",
        ERROR,
        "The mirror can't promise that nothing is lost.",
        "its words",
        "See docs/audit.md, `What breaks the promise`; then: vaultgate mirror verify.",
    ),
    Kind(
        "mirror.unreadable",
        ERROR,
        "The checkpoint can't be read.",
        "why",
        "Run the doctor as the mirror's user; a damaged checkpoint is explained by: vaultgate mirror status.",
    ),
    Kind(
        "doctor.late",
        WARNING,
        "A check had no result before the doctor's time was over.",
        "which",
        "Run it alone: vaultgate doctor --only {check}.",
    ),
    Kind(
        "doctor.failed",
        WARNING,
        "A check failed by our own fault.",
        "the kind of error",
        "Please report it, with this line.",
    ),
    Kind(
        "doctor.token-left",
        WARNING,
        "The doctor's own token could not be revoked; it and its leases end by their TTL.",
        "Vault's words",
        'Where it was denied, grant it in the role\'s policy: path "auth/token/revoke-self" {{ capabilities = ["update"] }}.',
    ),
    Kind(
        "doctor.leases-left",
        WARNING,
        "The leases of the doctor's batch token could not be revoked: the database's user stays until its TTL is over.",
        "Vault's words",
        'Where it was denied, grant it in the role\'s policy: path "sys/leases/revoke" {{ capabilities = ["update"] }}; '
        "or let the role give service tokens: vault write auth/{mount}/role/{role} token_type=service.",
    ),
)
_BY_ID = {kind.id: kind for kind in KINDS}


def found(name: str, about: str, evidence: str, *, severity: str = "", **filled: object) -> Finding:
    """A finding of the table.

    Args:
        name: its id.
        about: which of several things it is about.
        evidence: what was seen.
        severity: another than the table's.
        filled: what stands in braces in cause and fix.
    """
    kind = _BY_ID[name]
    return Finding(name, about, severity or kind.severity, kind.cause.format(**filled), evidence, kind.fix.format(**filled))
