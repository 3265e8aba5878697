"""What can be wrong with the database's credential, and with a login by it."""

from __future__ import annotations

from vaultgate_ops.doctor.catalogue.kind import Kind
from vaultgate_ops.doctor.model import ERROR, WARNING

_DATABASE_ADMIN = "As the database's administrator: "

KINDS = (
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
)
