"""Which secrets a run of waves is about, and what stands in the way of each."""

from __future__ import annotations

import pytest
from tests.rotation.bed import FUNCTION
from tests.simulators.clock import NOON, MovableClock
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient

from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.rotation.candidates import candidates, names_in, tagged
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.survey import Survey, survey
from vaultgate_ops.rotation.waves import Candidate


class Account:
    """Secrets of somebody's."""

    def __init__(self) -> None:
        self.service, self.clock = SimulatedSecretsManager(MovableClock()), MovableClock()
        self.client = DirectClient(self.service)
        self.store = SecretsManager(self.client, self.clock)  # type: ignore[arg-type] - close enough

    def secret(self, name: str, value: str = "{}", **tags: str) -> str:
        """Make one; its ARN."""
        told = [{"Key": key, "Value": text} for key, text in tags.items()]
        arn: str = self.client.create_secret(Name=name, Tags=told, **({"SecretString": value} if value else {}))["ARN"]
        return arn

    def survey(self, name: str) -> Survey:
        """Look at one."""
        return survey(self.store, name, "us-east-1")


@pytest.fixture
def account() -> Account:
    """An empty one."""
    return Account()


def test_those_with_a_tag(account: Account) -> None:
    """This very one: the service's filters match beginnings, and the value of any other tag. By name, over all pages."""
    wanted = [account.secret(f"app/{n:03}", team="shop") for n in range(102)]
    account.secret("longer", team="shopping")
    account.secret("other", teams="shop")
    account.secret("mixed", team="else", purpose="shop")
    account.secret("none")
    assert tagged(account.store, "team", "shop") == wanted
    account.client.delete_secret(SecretId=wanted[0])
    assert tagged(account.store, "team", "shop") == wanted[1:]
    assert tagged(account.store, "team", "nobody") == []


def test_those_that_a_file_names() -> None:
    """One a line; what follows a # is for people."""
    assert names_in("# first\napp/a\n\n  app/b  # and this\n\t\n") == ["app/a", "app/b"]


def test_what_they_are(account: Account) -> None:
    """Name, ARN, and since when the value is in use."""
    arn = account.secret("app/a")
    assert candidates(["app/a", arn], account.survey, here=False) == [Candidate("app/a", arn, NOON)] * 2
    with pytest.raises(RotationError, match="secret-missing"):
        candidates(["nowhere"], account.survey, here=False)


def test_all_that_stands_in_the_way_at_once(account: Account) -> None:
    """Each secret that can't be rotated as it is, with its reason, before anything has begun."""
    account.secret("fine")
    account.secret("owned")
    account.service.manage("owned", owner="rds")
    account.secret("empty", "")
    account.secret("pending")
    token = "a" * 32
    account.client.rotate_secret(SecretId="pending", RotationLambdaARN=FUNCTION, ClientRequestToken=token)
    account.secret("copied")
    account.client.replicate_secret_to_regions(SecretId="copied", AddReplicaRegions=[{"Region": "eu-west-1"}])
    with pytest.raises(CheckFailed) as caught:
        candidates(["fine", "owned", "empty", "pending", "copied"], account.survey, here=False)
    assert caught.value.message == (
        f"Nothing was begun: owned is managed by rds; empty has no AWSCURRENT; pending has a pending version, {token}."
    )
    abroad = SecretsManager(DirectClient(account.service, "eu-west-1"), account.clock)  # type: ignore[arg-type] - close enough
    with pytest.raises(CheckFailed, match="copied is a replica from us-east-1"):
        candidates(["copied"], lambda name: survey(abroad, name, "eu-west-1"), here=False)


def test_a_rotation_that_somebody_turned_off(account: Account) -> None:
    """Its function can't be called without turning it on again, so it stands in the way; in this process it doesn't."""
    arn, token = account.secret("app/a"), "a" * 32
    account.client.rotate_secret(SecretId=arn, RotationLambdaARN=FUNCTION, ClientRequestToken=token)
    account.client.cancel_rotate_secret(SecretId=arn)
    account.client.update_secret_version_stage(SecretId=arn, VersionStage="AWSPENDING", RemoveFromVersionId=token)
    with pytest.raises(CheckFailed, match="app/a has its rotation turned off") as caught:
        candidates([arn], account.survey, here=False)
    assert "--here" in caught.value.hint
    assert candidates([arn], account.survey, here=True) == [Candidate("app/a", arn, NOON)]
