"""The record-count function on the doubles that we ship for functions, with the real database."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger, Metrics

from vaultgate import testing
from vaultgate_ops.local.database import HOST, SCHEMA, TABLE
from vaultgate_ops.local.proxy_events import GET_RECORDS
from vaultgate_ops.records.application import make_handler
from vaultgate_ops.records.settings import Settings
from vaultgate_ops.records.sources import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

PATH = "database/creds/records"


class _Context:
    """What Powertools reads of Lambda's."""

    function_name = function_arn = invoked_function_arn = "records"
    memory_limit_in_mb = 128
    aws_request_id = "request-1"


@pytest.fixture
def user(stack: Stack) -> Iterator[Callable[[], dict[str, str]]]:
    """Makes database users as Vault's engine would; those of a test go with it."""
    made: list[str] = []

    def make() -> dict[str, str]:
        name, password = f"t-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
        made.append(name)
        with stack.database.connect() as admin, admin.cursor() as cursor:
            cursor.execute(f"CREATE USER '{name}'@'%%' IDENTIFIED BY %s REQUIRE SSL", (password,))
            cursor.execute(f"GRANT SELECT ON `{SCHEMA}`.`{TABLE}` TO '{name}'@'%'")
        return {"username": name, "password": password}

    yield make
    with stack.database.connect() as admin, admin.cursor() as cursor:
        for name in made:
            cursor.execute(f"DROP USER IF EXISTS '{name}'@'%'")


@pytest.fixture
def vault() -> Iterator[testing.FakeExtension]:
    """A fake extension that the function's client uses."""
    with testing.extension() as fake:
        yield fake


@pytest.fixture
def count(stack: Stack, vault: testing.FakeExtension) -> Callable[[], tuple[int, str]]:
    """Asks a function that was made beside the fake extension: status and body."""
    del vault  # it only has to be there
    database = stack.database
    settings = Settings("vault", PATH, TABLE, HOST, database.port, SCHEMA, str(database.ca_file))
    handler = make_handler(Vault(settings), TABLE, Logger(service="test"), Metrics(namespace="Test", service="test"))

    def ask() -> tuple[int, str]:
        answer: dict[str, Any] = handler(GET_RECORDS, _Context())
        return answer["statusCode"], answer["body"]

    return ask


def test_a_function_goes_from_lease_to_lease(
    vault: testing.FakeExtension, user: Callable[[], dict[str, str]], count: Callable[[], tuple[int, str]]
) -> None:
    """Warm calls share a user; after the lease's end the next answer comes as the next user."""
    users = [user() for _ in range(2)]
    vault.lease(PATH, *users, ttl_s=60)
    for expected, seconds in ((users[0], 0), (users[0], 30), (users[1], 31)):
        vault.advance(seconds)
        status, body = count()
        assert (status, expected["username"] in body) == (200, True)
    assert vault.reads == [PATH, PATH]


def test_a_function_answers_503_while_vault_is_away(
    vault: testing.FakeExtension, user: Callable[[], dict[str, str]], count: Callable[[], tuple[int, str]]
) -> None:
    """The caller may try again, and the next try succeeds."""
    vault.lease(PATH, user())
    vault.fail(times=1)
    assert [count()[0], count()[0]] == [503, 200]
