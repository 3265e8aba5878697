"""What the simulated Secrets Manager does on request: read late, refuse, lose answers, watch over who may write."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError
from tests.simulators.clock import MovableClock
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate"


@pytest.fixture
def clock() -> MovableClock:
    """Time as the test wants it."""
    return MovableClock()


@pytest.fixture
def amazon(clock: MovableClock) -> Iterator[Served]:
    """The service, with one secret."""
    with served(SimulatedSecretsManager(clock)) as one:
        one.client().create_secret(Name="app", SecretString="one")
        yield one


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    """The error's code."""
    return str(caught.value.response["Error"]["Code"])


def rotate(client: Any, **more: Any) -> str:
    """Begin a rotation; its token."""
    token = str(uuid.uuid4())
    client.rotate_secret(SecretId="app", ClientRequestToken=token, RotationLambdaARN=FUNCTION, **more)
    return token


def test_a_read_may_be_five_seconds_old(amazon: Served, clock: MovableClock) -> None:
    """It sees what was true then, the labels as well as the values; a write sees what is."""
    client = amazon.client()
    clock.advance(10)
    amazon.service.lag_s = 5
    token = rotate(client)
    client.put_secret_value(SecretId="app", SecretString="two", ClientRequestToken=token, VersionStages=["AWSPENDING"])
    clock.advance(4.9)
    assert token not in client.describe_secret(SecretId="app")["VersionIdsToStages"]
    with pytest.raises(ClientError):
        client.get_secret_value(SecretId="app", VersionStage="AWSPENDING")
    clock.advance(0.1)
    assert client.get_secret_value(SecretId="app", VersionStage="AWSPENDING")["SecretString"] == "two"


def test_a_throttled_call_does_nothing(amazon: Served) -> None:
    """It is refused as often as was said; a client that tries again gets through."""
    amazon.service.throttle("GetSecretValue", 2)
    with pytest.raises(ClientError) as caught:
        amazon.client().get_secret_value(SecretId="app")
    assert code(caught) == "ThrottlingException"
    assert amazon.client(attempts=2).get_secret_value(SecretId="app")["SecretString"] == "one"


def test_a_lost_answers_work_is_done(amazon: Served) -> None:
    """The client sees a broken connection; the value is there."""
    amazon.door.lost["PutSecretValue"] = 1
    with pytest.raises(HTTPClientError):
        amazon.client().put_secret_value(SecretId="app", SecretString="two")
    assert amazon.service.value("app") == "two"


def test_another_region_only_reads(amazon: Served) -> None:
    """A replica shows where its primary is and refuses to be changed there."""
    amazon.client().replicate_secret_to_regions(SecretId="app", AddReplicaRegions=[{"Region": "eu-west-1"}])
    there = amazon.client("eu-west-1")
    assert there.get_secret_value(SecretId="app")["SecretString"] == "one"
    assert there.describe_secret(SecretId="app")["PrimaryRegion"] == "us-east-1"
    with pytest.raises(ClientError) as caught:
        there.put_secret_value(SecretId="app", SecretString="two")
    assert code(caught) == "InvalidParameterException"


def test_a_managed_secret_is_its_owners(amazon: Served) -> None:
    """It can be read, not changed."""
    amazon.service.manage("app", owner="rds")
    assert amazon.client().describe_secret(SecretId="app")["OwningService"] == "rds"
    with pytest.raises(ClientError) as caught:
        amazon.client().put_secret_value(SecretId="app", SecretString="two")
    assert code(caught) == "InvalidRequestException"


def test_an_assumed_role_must_show_the_rotation_token(amazon: Served) -> None:
    """The one of this rotation, and no other."""
    amazon.service.manage("app", foreign=True)
    token = rotate(amazon.client())
    put = {"SecretId": "app", "SecretString": "two", "ClientRequestToken": token, "VersionStages": ["AWSPENDING"]}
    for wrong in ({}, {"RotationToken": str(uuid.uuid4())}):
        with pytest.raises(ClientError) as caught:
            amazon.client().put_secret_value(**put, **wrong)
        assert code(caught) == "AccessDeniedException"
    (rotation,) = amazon.service.rotations
    amazon.client().put_secret_value(**put, RotationToken=rotation.rotation_token)
    assert amazon.service.value("app", "AWSPENDING") == "two"


def test_a_test_alone_comes_and_goes(amazon: Served) -> None:
    """Its version is pending while it runs and gone afterwards."""
    rotate(amazon.client(), RotateImmediately=False)
    (rotation,) = amazon.service.rotations
    assert rotation.steps == ("testSecret",)
    assert amazon.service.value("app", "AWSPENDING") == "one"
    amazon.service.end(rotation)
    assert set(amazon.service.stages("app")) == {"AWSCURRENT"}


def test_deprecated_versions_may_vanish(amazon: Served) -> None:
    """A version that lost its last label is not to be counted on."""
    client = amazon.client()
    for text in ("two", "three"):
        client.put_secret_value(SecretId="app", SecretString=text)
    amazon.service.forget_deprecated("app")
    versions = client.list_secret_version_ids(SecretId="app", IncludeDeprecated=True)["Versions"]
    assert sorted(label for version in versions for label in version["VersionStages"]) == ["AWSCURRENT", "AWSPREVIOUS"]
