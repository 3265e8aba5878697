"""The doubles that function authors get, used as they would use them."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import hvac
import hvac.exceptions
import pytest
import requests

from vaultgate import client, testing
from vaultgate.errors import Denied, NotFound, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = "secret/data/app"
CREDS = "database/creds/app"
FIRST, SECOND = {"username": "u1", "password": "p1"}, {"username": "u2", "password": "p2"}


@pytest.fixture
def vault() -> Iterator[testing.FakeExtension]:
    """A fake extension that the client uses."""
    with testing.extension() as fake:
        yield fake


def test_the_client_reads_what_the_test_put_there(vault: testing.FakeExtension) -> None:
    """A secret without a lease is asked for each time, and every read is told."""
    vault.put(APP, {"data": {"api_key": "k"}})
    assert client.read(APP).data["data"]["api_key"] == "k"
    vault.rotate(APP, {"data": {"api_key": "l"}})
    assert client.read(APP).data["data"]["api_key"] == "l"
    assert vault.reads == [APP, APP]


def test_a_lease_is_kept_in_the_functions_memory_until_it_ends(vault: testing.FakeExtension) -> None:
    """One read serves until time has passed; then the next credential comes, and the last one again and again."""
    vault.lease(CREDS, FIRST, SECOND, ttl_s=60)
    users = []
    for seconds in (0, 59, 1, 60, 60):
        vault.advance(seconds)
        users.append(client.read(CREDS).data["username"])
    assert users == ["u1", "u1", "u2", "u2", "u2"]
    assert vault.reads == [CREDS] * 4


def test_a_revoked_lease_is_found_dead(vault: testing.FakeExtension) -> None:
    """The look-up that a pool makes says so; the next read, once memory has looked, has another credential."""
    vault.lease(CREDS, FIRST, SECOND)
    lease_id = client.read(CREDS).lease_id
    vault.revoke(CREDS)
    assert client.read(CREDS).data["username"] == "u1"
    response = requests.put(
        f"{vault.address}/v1/sys/leases/lookup", json={"lease_id": lease_id}, headers={"X-Vault-Request": "true"}, timeout=5
    )
    assert (response.status_code, response.json()) == (400, {"errors": ["invalid lease"]})
    vault.advance(1)
    assert client.read(CREDS).data["username"] == "u2"


def test_failures_come_and_go(vault: testing.FakeExtension) -> None:
    """Vault away for some calls, for one path, for a policy, and back."""
    vault.put(APP, {"data": {}})
    vault.fail(times=2)
    for _ in range(2):
        with pytest.raises(Unreachable) as caught:
            client.read(APP)
        assert caught.value.retryable
    assert client.read(APP).data == {"data": {}}
    vault.fail("secret/data/other")
    assert client.read(APP).data == {"data": {}}
    vault.deny(APP)
    with pytest.raises(Denied):
        client.read(APP)
    vault.recover()
    assert client.read(APP).data == {"data": {}}


def test_what_is_not_there_is_not_found(vault: testing.FakeExtension) -> None:
    """A path that the test forgot is the error that it would be with Vault."""
    with pytest.raises(NotFound):
        client.read("secret/data/forgotten")
    assert vault.reads == ["secret/data/forgotten"]


def test_other_clients_meet_the_same_door(vault: testing.FakeExtension) -> None:
    """A Vault SDK reads through it; whoever shows no header is refused as by the real one; health is told."""
    vault.put(APP, {"data": {"api_key": "k"}, "metadata": {"version": 1}})
    reader = hvac.Client(url=vault.address, token="vaultgate")
    secret = reader.secrets.kv.v2.read_secret_version("app", mount_point="secret", raise_on_deleted_version=False)
    assert secret["data"]["data"] == {"api_key": "k"}
    with pytest.raises(hvac.exceptions.InvalidPath):
        reader.write_data("secret/data/app", data={})
    refused = requests.get(f"{vault.address}/v1/{APP}", timeout=5)
    assert (refused.status_code, refused.headers["X-Vaultgate-Error"]) == (403, "refused")
    health = requests.get(f"{vault.address}/v1/sys/vaultgate/health", headers={"X-Vault-Request": "true"}, timeout=5)
    assert health.json()["logged_in"] is True


def test_nothing_outlives_the_block() -> None:
    """The environment, the client and the port are as before, and so are the threads."""
    before, threads = os.environ.get("VAULTGATE_LISTEN"), threading.active_count()
    used = client.use(None)
    client.use(used)
    with testing.extension() as vault:
        assert os.environ["VAULTGATE_LISTEN"] == vault.address.removeprefix("http://")
        vault.put(APP, {})
        client.read(APP)
    assert os.environ.get("VAULTGATE_LISTEN") == before
    assert client.use(used) is used
    with pytest.raises(requests.ConnectionError):
        requests.get(vault.address, timeout=5)
    for thread in threading.enumerate():
        if thread.name in {"proxy", "request"}:
            thread.join(5)
    assert threading.active_count() <= threads
