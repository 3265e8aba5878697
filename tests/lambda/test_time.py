"""Frozen sandboxes and wrong clocks, on the real Vault: nothing that is over is handed out, whichever clock says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.simulators.logs import said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.simulators.readers import Reader

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

    Eventually = Callable[[Callable[[], object]], None]
    Readers = Callable[..., Reader]
    Roles = Callable[..., str]
    NothingLeft = Callable[[], AbstractContextManager[None]]

pytestmark = pytest.mark.stack

HOUR = 3600
DATABASE_ROLE = "database/roles/records"


@pytest.fixture
def brief(stack: Stack) -> Iterator[None]:
    """Leases of three seconds while the test runs."""
    with stack.vault.client() as client:
        terms = client.read(DATABASE_ROLE)["data"]
        client.write_data(DATABASE_ROLE, data=terms | {"default_ttl": 3, "max_ttl": 3})
        yield
        client.write_data(DATABASE_ROLE, data=terms)


def test_a_freeze_past_the_lease(brief: None, readers: Readers, backstage: EmbeddedScene, eventually: Eventually) -> None:
    """A sandbox that sleeps until Vault has dropped its user gets another one at its first call."""
    reader = readers()
    first = reader.user()
    with reader.frozen():
        eventually(lambda: first not in backstage.database_users())
    second = reader.user()
    assert second != first
    assert second in backstage.database_users()
    assert len(said(reader.sandbox, "login")) == 1


def test_a_freeze_past_the_token(roles: Roles, readers: Readers, backstage: EmbeddedScene, eventually: Eventually) -> None:
    """A sandbox that sleeps until its token is over logs in at its first call and answers, with another user."""
    terms = {"token_ttl": "3s", "token_max_ttl": "3s"}
    reader = readers(VAULT_AUTH_ROLE=roles("brief-token", **terms), VAULT_TOKEN_EXPIRY_GRACE_PERIOD="0")
    first = reader.user()
    with reader.frozen():
        eventually(lambda: first not in backstage.database_users())
    second = reader.user()
    assert second != first
    assert second in backstage.database_users()
    assert len(said(reader.sandbox, "login")) == 2
    assert not [line for line in said(reader.sandbox) if line["level"] in {"warn", "error"}]


def test_a_freeze_that_only_the_wall_clock_shows(readers: Readers, nothing_left: NothingLeft) -> None:
    """The steady clock stood still for an hour: token and lease are over, though not in Vault, and both are given back there."""
    with nothing_left():
        reader = readers()
        first = reader.user()
        with reader.frozen():
            reader.set_ahead(HOUR + 60)
        assert reader.user() != first
        assert len(said(reader.sandbox, "login")) == 2
        assert reader.sandbox.shutdown().overdue == ()
        assert len(said(reader.sandbox, "token-revoked")) == 2


def test_a_clock_that_is_set_an_hour_ahead(readers: Readers) -> None:
    """Ten minutes' leases of before are not handed out any more; those of after are kept as usual."""
    reader = readers()
    first = reader.user()
    reader.set_ahead(HOUR + 60)
    second = reader.user()
    assert second != first
    assert [reader.user() for _ in range(2)] == [second, second]


def test_a_clock_that_is_set_back(brief: None, readers: Readers, backstage: EmbeddedScene, eventually: Eventually) -> None:
    """An hour gained by the wall clock prolongs no lease: the steady clock says when it is over."""
    reader = readers()
    first = reader.user()
    reader.set_ahead(-HOUR)
    assert reader.user() == first
    eventually(lambda: first not in backstage.database_users())
    second = reader.user()
    assert second != first
    assert second in backstage.database_users()


def test_a_clock_that_is_wrong_from_the_start(readers: Readers) -> None:
    """Lives are differences of one clock: an hour behind at the login, leases are kept and counted as usual."""
    reader = readers()
    reader.set_ahead(-HOUR)
    shown = reader.read()
    assert shown["status"] == 200
    assert 500 < int(shown["headers"]["X-Vaultgate-Lease-Remaining"]) <= 590
    assert reader.read()["headers"]["X-Vaultgate-Cache"] == "hit"
