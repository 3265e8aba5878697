"""A Vault of its own for each test, on the database and the emulated AWS of the worker's stack.

Rule: what a test does to the database it does to accounts of its own, since Vault changes their passwords.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.bootstrap import load
from vaultgate_ops.clock import Clock
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import paths
from vaultgate_ops.local.aws import REGION
from vaultgate_ops.local.certificates import Authority
from vaultgate_ops.local.database import HOST, SCHEMA, TABLE
from vaultgate_ops.local.fetch.vault import find_vault
from vaultgate_ops.local.vault_server import VaultServer
from vaultgate_ops.local.wiring import ROLE, SERVER_ID
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import hvac

    from vaultgate_ops.bootstrap import Desired
    from vaultgate_ops.local.stack import Stack

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def vault_program() -> Path:
    """The program, looked for once."""
    return find_vault(os.environ, Silent())


@pytest.fixture
def vault(vault_program: Path) -> Iterator[VaultServer]:
    """A Vault that nobody has configured."""
    clock = Clock()
    with folders.claimed(paths.stacks_folder(), f"test-vault-{os.getpid()}-{next(_NUMBERS)}", clock) as folder:
        authority = Authority.create(folder)
        server = VaultServer(vault_program, folder, authority.certificate_file, clock)
        server.create(authority)
        yield server
        server.stop()


@pytest.fixture
def root(vault: VaultServer) -> Iterator[hvac.Client]:
    """A client of that Vault that may do everything."""
    with vault.client() as client:
        yield client


@dataclass(frozen=True)
class Accounts:
    """Database accounts of one test."""

    admin: str
    password: str
    static: str


@pytest.fixture
def accounts(stack: Stack) -> Iterator[Accounts]:
    suffix = secrets.token_hex(4)
    made = Accounts(f"admin_{suffix}", f"Pw-{secrets.token_urlsafe()}", f"static_{suffix}")
    with stack.database.connect() as connection, connection.cursor() as cursor:
        for name, password in ((made.admin, made.password), (made.static, secrets.token_urlsafe())):
            cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (name, password))
        cursor.execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%' WITH GRANT OPTION", (made.admin,))
        cursor.execute("GRANT CREATE USER ON *.* TO %s@'%%'", (made.admin,))
        yield made
        for name in (made.admin, made.static):
            cursor.execute("DROP USER %s@'%%'", (name,))


@pytest.fixture
def declared_file() -> Path:
    """The file that ships."""
    return paths.checkout() / "vault-config" / "vault.yaml"


@pytest.fixture
def variables(stack: Stack, vault: VaultServer, accounts: Accounts) -> dict[str, str]:
    """Values for the variables of the file that ships."""
    return {
        "FUNCTION_ROLE_ARN": stack.aws.role_arn(ROLE),
        "VAULT_SERVER_ID": SERVER_ID,
        "AWS_REGION": REGION,
        "STS_ENDPOINT": stack.aws.endpoint,
        "AWS_UNIQUE_IDS": "false",
        "DATABASE_HOST": HOST,
        "DATABASE_PORT": str(stack.database.port),
        "DATABASE_NAME": SCHEMA,
        "DATABASE_TABLE": TABLE,
        "DATABASE_ADMIN_USER": accounts.admin,
        "DATABASE_ADMIN_PASSWORD": accounts.password,
        "DATABASE_STATIC_USER": accounts.static,
        "DATABASE_CA_FILE": str(stack.database.ca_file),
        "AUDIT_FILE": str(vault.audit_file),
    }


@pytest.fixture
def desired(declared_file: Path, variables: dict[str, str]) -> Desired:
    """What the file that ships declares, for this test's parts."""
    return load(declared_file, variables)
