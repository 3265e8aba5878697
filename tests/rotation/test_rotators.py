"""Whose credential changes other users, and which hosts it may be sent to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.simulators.clock import MovableClock
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import served

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Description, SecretValue, Stages
from vaultgate_ops.rotation.mysql.secret import DatabaseSecret
from vaultgate_ops.rotation.rotators import Login, Rotators
from vaultgate_ops.rotation.service import SecretsManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST = "shop.example.rds.amazonaws.com"
LOGIN = {"username": "admin", "password": "secret of the master"}


def secret(masterarn: str | None, host: str = HOST) -> DatabaseSecret:
    """A rotated secret."""
    return DatabaseSecret("mysql", host, 3306, "app", "secret of the application", masterarn=masterarn)


class Managed(SecretsManager):
    """The service with the tags that RDS puts on the secrets it manages (assumed: nobody else may put them there)."""

    tags: Mapping[str, str]

    def describe(self, secret_id: str) -> Description:
        return Description(secret_id, Stages({}), owner="rds", tags=self.tags)


class Rds:
    """Two calls of RDS."""

    def describe_db_instances(self, *, DBInstanceIdentifier: str) -> Mapping[str, Any]:  # noqa: N803 - boto3's
        if not DBInstanceIdentifier.endswith(":db:shop"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeDBInstances")
        return {"DBInstances": [{"Endpoint": {"Address": HOST, "Port": 3306}}]}

    def describe_db_clusters(self, *, DBClusterIdentifier: str) -> Mapping[str, Any]:  # noqa: N803 - boto3's
        return {"DBClusters": [{"Endpoint": HOST, "Port": 3306}] if DBClusterIdentifier.endswith(":cluster:shop") else []}


VAULT: Mapping[str, Mapping[str, Any]] = {
    "database/creds/rotator": LOGIN,
    "secret/data/rotator": {"data": {**LOGIN, "host": HOST}, "metadata": {"version": 1}},
    "secret/plain": {"data": "something", "host": HOST, **LOGIN},
}


@pytest.fixture
def store() -> Iterator[Managed]:
    """Master secrets: with a host, without, with something else, no JSON."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as amazon:
        client = amazon.client()
        for name, value in {"hosted": {**LOGIN, "host": HOST}, "bare": LOGIN, "odd": {"username": "admin", "host": HOST}}.items():
            client.create_secret(Name=name, SecretString=json.dumps(value))
        for ssl in (False, True, "false"):
            client.create_secret(Name=f"ssl-{ssl!r:.5}", SecretString=json.dumps({**LOGIN, "host": HOST, "ssl": ssl}))
        client.create_secret(Name="torn", SecretString="{")
        managed = Managed(client, clock)
        managed.tags = {}
        yield managed


def rotators(store: SecretsManager, *hosts: str) -> Rotators:
    """With these patterns in ROTATION_HOSTS."""
    return Rotators(store, hosts, Rds, VAULT.__getitem__)


def refusal(found: Rotators, of: DatabaseSecret) -> RotationError:
    """What a secret's rotator is refused with; never with a password in it."""
    with pytest.raises(RotationError) as caught:
        found.login(of)
    assert LOGIN["password"] not in str(caught.value)
    return caught.value


def test_a_master_of_the_same_host(store: Managed) -> None:
    """Its own field vouches for the host."""
    assert rotators(store).login(secret("hosted")) == Login(**LOGIN)


def test_a_master_goes_in_clear_only_where_its_own_secret_says_so(store: Managed) -> None:
    """Whoever may write the rotated secret must not be able to take TLS off the master's login."""
    for masterarn in ("hosted", "ssl-True", "ssl-'fals"):
        error = refusal(rotators(store), replace(secret(masterarn), tls=False))
        assert (error.code, "rotator" in error.message) == ("tls", True)
    assert rotators(store).login(replace(secret("ssl-False"), tls=False)) == Login(**LOGIN)
    assert rotators(store).login(secret("ssl-False")) == Login(**LOGIN)


def test_a_master_of_another_host(store: Managed) -> None:
    """Whoever may write the rotated secret must not get the master's password sent to a host of theirs."""
    assert refusal(rotators(store), secret("hosted", "evil.example.com")).code == "host-refused"


def test_a_host_that_the_function_may_contact(store: Managed) -> None:
    """ROTATION_HOSTS vouches too, say for a replica or an alias; letters' case doesn't matter."""
    assert rotators(store, "*.EXAMPLE.com").login(secret("hosted", "alias.example.com")) == Login(**LOGIN)
    assert refusal(rotators(store, "*.example.com"), secret("hosted", "db.example.com.evil.org")).code == "host-refused"


def test_a_master_that_rds_manages(store: Managed) -> None:
    """Such a secret names no host; RDS is asked about the instance or cluster in its tags."""
    store.tags = {"aws:rds:primaryDBInstanceArn": "arn:aws:rds:us-east-1:123456789012:db:shop"}
    assert rotators(store).login(secret("bare")) == Login(**LOGIN)
    assert refusal(rotators(store), secret("bare", "evil.example.com")).code == "host-refused"
    store.tags = {"aws:rds:primaryDBClusterArn": "arn:aws:rds:us-east-1:123456789012:cluster:shop"}
    assert rotators(store).login(secret("bare")) == Login(**LOGIN)
    store.tags = {"aws:rds:primaryDBClusterArn": "arn:aws:rds:us-east-1:123456789012:cluster:gone"}
    assert refusal(rotators(store), secret("bare")).code == "host-refused"


def test_rds_that_may_not_be_asked(store: Managed) -> None:
    """The hint names the permissions."""
    store.tags = {"aws:rds:primaryDBInstanceArn": "arn:aws:rds:us-east-1:123456789012:db:other"}
    error = refusal(rotators(store), secret("bare"))
    assert (error.code, "rds:DescribeDBInstances" in error.hint) == ("rotator-unreadable", True)


def test_a_master_that_nobody_vouches_for(store: Managed) -> None:
    """No host in it, no tag of RDS's, no list: it is sent nowhere."""
    assert refusal(rotators(store), secret("bare")).code == "host-refused"


@pytest.mark.parametrize("path", ["database/creds/rotator", "secret/data/rotator", "secret/plain"])
def test_a_rotator_from_vault(store: Managed, path: str) -> None:
    """A dynamic role needs the list, for it names no host; a KV secret may name one, in either version."""
    assert rotators(store, "*.amazonaws.com").login(secret(f"vault:{path}")) == Login(**LOGIN)
    if path.startswith("secret"):
        assert rotators(store).login(secret(f"vault:{path}")) == Login(**LOGIN)
    else:
        assert refusal(rotators(store), secret(f"vault:{path}")).code == "host-refused"


@pytest.mark.parametrize(
    ("masterarn", "code"), [("odd", "rotator-unreadable"), ("torn", "rotator-unreadable"), (None, "strategy-unfit")]
)
def test_a_master_without_a_login(store: Managed, masterarn: str | None, code: str) -> None:
    """Named as what it is."""
    assert refusal(rotators(store), secret(masterarn)).code == code


def test_values_do_not_print() -> None:
    """Neither a login nor a secret nor a stored value shows a password."""
    shown = repr([Login(**LOGIN), secret("a"), SecretValue({"password": "secret of the application"})])
    assert "secret of" not in shown


def test_the_two_calls_are_boto3s() -> None:
    """The double's methods are those of the real client."""
    client = boto3.client("rds", region_name="us-east-1")
    assert callable(client.describe_db_instances)
    assert callable(client.describe_db_clusters)
