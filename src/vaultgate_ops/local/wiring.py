"""What one part of a stack must be told of the others: addresses, names and, for Vault and the function, credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.database import HOST, SCHEMA, TABLE, VAULT_USER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.local.aws import EmulatedAws
    from vaultgate_ops.local.database import Database
    from vaultgate_ops.local.vault_server import VaultServer

ROLE = "vaultgate-records"
SERVER_ID = "vault.vaultgate.local"


def vault_variables(vault: VaultServer, database: Database, aws: EmulatedAws) -> dict[str, str]:
    """The variables of ``vault-config/vault.yaml``."""
    return {
        "FUNCTION_ROLE_ARN": aws.role_arn(ROLE),
        "VAULT_SERVER_ID": SERVER_ID,
        "AWS_REGION": REGION,
        "STS_ENDPOINT": aws.endpoint,
        # moto's roles are made anew with each stack; in production the id of a role guards against that.
        "AWS_UNIQUE_IDS": "false",
        "DATABASE_HOST": HOST,
        "DATABASE_PORT": str(database.port),
        "DATABASE_NAME": SCHEMA,
        "DATABASE_TABLE": TABLE,
        "DATABASE_ADMIN_USER": VAULT_USER,
        "DATABASE_ADMIN_PASSWORD": database.vault_password,
        "DATABASE_CA_FILE": str(database.ca_file),
        "AUDIT_FILE": str(vault.audit_file),
    }


def function_variables(vaults: Sequence[VaultServer], database: Database, aws: EmulatedAws, port: int) -> dict[str, str]:
    """The variables of the record-count function and its extension, with fresh credentials of its role.

    Args:
        vaults: where the extension logs in, in this order.
        database: what the function counts in.
        aws: who gives the credentials.
        port: where the extension's proxy listens on 127.0.0.1.
    """
    credentials = aws.assume(ROLE)
    vault, *others = vaults
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "VAULT_ADDR": vault.address,
        **({"VAULTGATE_ADDRESSES": ",".join(other.address for other in others)} if others else {}),
        "VAULT_CACERT": str(vault.ca_file),
        "VAULT_AUTH_PROVIDER": "aws",
        "VAULT_AUTH_ROLE": "records",
        "VAULT_IAM_SERVER_ID": SERVER_ID,
        "VAULT_STS_ENDPOINT_REGION": REGION,
        "VAULTGATE_LISTEN": f"127.0.0.1:{port}",
        "RECORDS_TABLE": TABLE,
        "RDS_HOST": HOST,
        "RDS_PORT": str(database.port),
        "RDS_DB_NAME": SCHEMA,
        "RDS_CA_BUNDLE": str(database.ca_file),
    }
