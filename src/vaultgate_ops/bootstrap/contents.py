"""Policies, and what lives in a mount: AWS logins, KV secrets, database connections and roles.

Rules: those of `kinds`.

Source of fields, defaults and refusals: Vault 1.21's API documentation and source (builtin/credential/aws,
builtin/logical/database, vault-plugin-secrets-kv), tried against the real server in tests/bootstrap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vaultgate_ops.bootstrap import values
from vaultgate_ops.bootstrap.kinds import CREATE, UPDATE, Field, Kind, fixed, plain
from vaultgate_ops.bootstrap.model import Write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.bootstrap.model import Resource

POLICY: Final = plain(
    "policy",
    {"policy": Field(values.BLOCK, required=True)},
    creates_with=UPDATE,
    hint="the policy's text is checked by Vault; correct the .hcl file",
)

PASSWORD_POLICY: Final = plain(
    "password policy",
    {"policy": Field(values.BLOCK, required=True)},
    creates_with=UPDATE,
    hint="Vault tries each policy by making a password; correct the .hcl file",
)

AWS_CLIENT: Final = plain(
    "AWS client configuration",
    {
        "sts_endpoint": Field(values.TEXT),
        "sts_region": Field(values.TEXT),
        "iam_server_id_header_value": Field(values.TEXT),
        "use_sts_region_from_client": Field(values.SWITCH),
        "iam_endpoint": Field(values.TEXT),
        "endpoint": Field(values.TEXT),
        "max_retries": Field(values.NUMBER, absent=-1),
        "allowed_sts_header_values": Field(values.HEADERS),
    },
)


def _resolves_for_good(before: object, after: object) -> str:
    return "Vault never turns this off again; delete the role by hand and run again" if before and not after else ""


AWS_ROLE: Final = plain(
    "AWS role",
    {
        "auth_type": Field(values.TEXT, choices=("iam",), refused=fixed("delete the role by hand and run again")),
        "bound_iam_principal_arn": Field(values.NAMES, required=True),
        "resolve_aws_unique_ids": Field(values.SWITCH, refused=_resolves_for_good),
        "token_policies": Field(values.NAMES),
        "token_ttl": Field(values.DURATION),
        "token_max_ttl": Field(values.DURATION),
        "token_explicit_max_ttl": Field(values.DURATION),
        "token_period": Field(values.DURATION),
        "token_type": Field(values.TEXT, choices=("default", "service", "batch")),
        "token_no_default_policy": Field(values.SWITCH),
        "token_num_uses": Field(values.NUMBER),
        "token_bound_cidrs": Field(values.CIDRS),
    },
    hint="with resolve_aws_unique_ids Vault itself needs iam:GetRole on that role; docs/bootstrap.md says how it gets it",
)

KV_CONFIG: Final = plain(
    "KV configuration",
    {
        "max_versions": Field(values.NUMBER),
        "cas_required": Field(values.SWITCH),
        "delete_version_after": Field(values.DURATION),
    },
    creates_with=UPDATE,
)


def _seed(path: str, chosen: Mapping[str, object]) -> Write:
    # cas 0: Vault itself refuses if a version has appeared since we looked.
    return Write(path, {"options": {"cas": 0}, "data": chosen["data"]}, CREATE)


def _metadata(seed: Resource) -> str:
    # The metadata stays when every version was deleted: what somebody deleted isn't missing.
    mount = seed.mount.removeprefix("sys/mounts/")
    return f"{mount}/metadata/{seed.path.removeprefix(f'{mount}/data/')}"


KV_SEED: Final = Kind(
    label="first version of a secret",
    fields={"data": Field(values.TEXT, required=True, hidden=True, compared=False)},
    shown_at=_metadata,
    actual=lambda _path, answer: answer,
    create=_seed,
    update=_seed,  # never asked for: nothing of it is compared
)

_DATABASE_HINT: Final = (
    "Vault itself has to reach the database over TLS and log in there. Nothing was stored. If Vault had rotated that user's "
    "password and it is lost: set it anew in the database, then --reset-database-password"
)


def _connection(_path: str, answer: Mapping[str, object]) -> Mapping[str, object]:
    details = answer.get("connection_details")
    # Vault reads this one under another name than it is written.
    rotation = {"root_rotation_statements": answer.get("root_credentials_rotate_statements")}
    return {**answer, **(details if isinstance(details, dict) else {}), **rotation}


DATABASE_CONNECTION: Final = plain(
    "database connection",
    {
        "plugin_name": Field(
            values.TEXT,
            required=True,
            choices=(
                "mysql-database-plugin",
                "mysql-aurora-database-plugin",
                "mysql-rds-database-plugin",
                "mysql-legacy-database-plugin",
            ),
            refused=fixed("the connection is to another kind of database and was not touched; give one of the two another name"),
        ),
        "connection_url": Field(values.MYSQL_ADDRESS, required=True),
        "username": Field(values.TEXT, required=True, credential=True),
        "password": Field(values.TEXT, required=True, credential=True, hidden=True, compared=False),
        "tls_ca": Field(values.PEM),
        "tls_server_name": Field(values.TEXT),
        "tls_skip_verify": Field(values.SWITCH),
        "allowed_roles": Field(values.NAMES),
        "max_open_connections": Field(values.NUMBER),
        "max_idle_connections": Field(values.NUMBER),
        "max_connection_lifetime": Field(values.DURATION),
        "username_template": Field(values.TEXT),
        "password_policy": Field(values.TEXT),
        "root_rotation_statements": Field(values.TEXTS),
        "verify_connection": Field(values.SWITCH, absent="true"),
    },
    hint=_DATABASE_HINT,
    actual=_connection,
)

DATABASE_ROLE: Final = plain(
    "database role",
    {
        "db_name": Field(values.TEXT, required=True),
        "creation_statements": Field(values.TEXTS, required=True),
        "revocation_statements": Field(values.TEXTS),
        "rollback_statements": Field(values.TEXTS),
        "renew_statements": Field(values.TEXTS),
        "default_ttl": Field(values.DURATION),
        "max_ttl": Field(values.DURATION),
    },
)

STATIC_ROLE: Final = plain(
    "static database role",
    {
        "db_name": Field(values.TEXT, required=True),
        "username": Field(
            values.TEXT,
            required=True,
            always=True,
            refused=fixed("Vault can't change it, and deleting the role loses the password that only Vault knows: do it by hand"),
        ),
        "rotation_period": Field(values.DURATION),
        "rotation_schedule": Field(values.TEXT),
        "rotation_window": Field(values.DURATION),
        "rotation_statements": Field(values.TEXTS),
    },
    one_of=frozenset({"rotation_period", "rotation_schedule"}),
    hint="the user must exist in the database, and the connection's own user must be allowed to change its password",
)
