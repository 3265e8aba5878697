"""The client without an extension on real parts: Vault over TLS, an STS that checks signatures, a database."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from vaultgate.client import Client, without_extension
from vaultgate.clock import Clock
from vaultgate.powertools import VaultProvider
from vaultgate_ops.local import paths
from vaultgate_ops.local.scene import EmbeddedScene
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

CREDS = "database/creds/records"
COUNT = text("SELECT COUNT(*) FROM orders")
WHO = text("SELECT CURRENT_USER()")


@pytest.fixture
def backstage(stack: Stack) -> EmbeddedScene:
    """Vault and the database as their administrators see them."""
    return EmbeddedScene(stack, Silent())


@pytest.fixture
def client(stack: Stack, backstage: EmbeddedScene, eventually: Callable[[Callable[[], object]], None]) -> Iterator[Client]:
    """A client with the function's settings and no extension; when it closes, nothing of it is left."""
    tokens, leases, users = backstage.tokens(), backstage.leases(), backstage.database_users()
    environ = stack.function_environment(1)
    del environ["VAULTGATE_LISTEN"]
    made, alone = without_extension(environ, Clock())
    yield made
    alone.close()
    eventually(lambda: backstage.tokens() <= tokens)
    eventually(lambda: backstage.leases() <= leases)
    eventually(lambda: backstage.database_users() <= users)


@pytest.fixture
def engine(stack: Stack, client: Client) -> Iterator[Engine]:
    """SQLAlchemy's engine with our creator, as docs/client.md makes one."""
    where = stack.function_environment(1)
    creator = client.sqlalchemy_creator(
        CREDS,
        host=where["RDS_HOST"],
        port=int(where["RDS_PORT"]),
        database=where["RDS_DB_NAME"],
        ssl=ssl.create_default_context(cafile=where["RDS_CA_BUNDLE"]),
    )
    made = create_engine("mysql+pymysql://", creator=creator, pool_pre_ping=True)
    yield made
    made.dispose()


def test_sqlalchemy_counts_as_a_user_made_for_it(engine: Engine, backstage: EmbeddedScene) -> None:
    """An engine made with the creator alone reads from a MySQL-family server, again and again as one user."""
    users = set()
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.execute(COUNT).scalar() == backstage.rows()
            users.add(str(connection.execute(WHO).scalar()).partition("@")[0])
    assert len(users) == 1
    assert users <= backstage.database_users()


def test_sqlalchemy_survives_a_revoked_lease(
    engine: Engine, backstage: EmbeddedScene, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """After an administrator revoked the lease one statement fails as the server says; the next has a new user."""
    before = backstage.leases()
    with engine.connect() as connection:
        old = str(connection.execute(WHO).scalar()).partition("@")[0]
    (lease,) = backstage.leases() - before
    backstage.revoke(lease)
    eventually(lambda: old not in backstage.database_users())
    with pytest.raises(OperationalError) as caught, engine.connect() as connection:
        connection.execute(COUNT)
    assert caught.value.connection_invalidated
    with engine.connect() as connection:
        assert connection.execute(COUNT).scalar() == backstage.rows()
        assert str(connection.execute(WHO).scalar()).partition("@")[0] != old


def test_powertools_provider(client: Client) -> None:
    """Powertools reads a KV secret and a database credential through the client."""
    provider = VaultProvider(client.read)
    assert provider.get("secret/data/records", transform="json")
    login = provider.get_multiple(CREDS)
    assert login.keys() == {"username", "password"}
    assert provider.get_multiple(CREDS) == login


def test_the_policy_of_the_page_is_enough(stack: Stack) -> None:
    """What docs/login.md gives to copy lets a token read both kinds of secrets, look its leases and itself up, renew and end."""
    page = (paths.checkout() / "docs" / "login.md").read_text(encoding="utf-8")
    (policy,) = re.findall(r"```hcl\n(path \"secret/data/app\".*?)```", page, re.DOTALL)
    policy = policy.replace("secret/data/app", "secret/data/records").replace("database/creds/app", CREDS)
    with stack.vault.client() as root:
        root.sys.create_or_update_policy("of-the-page", policy)
        token = root.auth.token.create(policies=["of-the-page"], no_default_policy=True)["auth"]["client_token"]
        with stack.vault.client(token) as function:
            assert function.read("secret/data/records")
            lease = function.read(CREDS)["lease_id"]
            assert function.sys.read_lease(lease)["data"]["id"] == lease
            assert function.sys.renew_lease(lease)["lease_id"] == lease
            assert function.auth.token.renew_self()["auth"]["policies"] == ["of-the-page"]
            assert function.auth.token.lookup_self()["data"]["policies"] == ["of-the-page"]
            function.auth.token.revoke_self()
        root.sys.delete_policy("of-the-page")
