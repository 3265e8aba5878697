"""What a store's troubles are called, and what is kept of its answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import Served, served

from vaultgate.errors import ConfigurationError, Denied, NotFound, ProtocolViolation, Unreachable
from vaultgate_ops.local.processes import free_port
from vaultgate_ops.records.settings import Settings
from vaultgate_ops.records.stores import STORES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.records.stores import Store


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Secrets Manager, where the environment says that AWS is."""
    with served(SimulatedSecretsManager(MovableClock())) as one:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", one.endpoint)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "made-up")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield one


def store(username: str = "") -> Store:
    """The source `secretsmanager`, for the secret `app`."""
    return STORES["secretsmanager"](Settings("secretsmanager", "", "orders", "db", 3306, "shop", None, "app", username))


def test_an_answer_is_kept_until_it_is_asked_for_anew(amazon: Served) -> None:
    """And the label decides, not what the service takes for the default."""
    amazon.client().create_secret(Name="app", SecretString=json.dumps({"username": "reader", "password": "one"}))
    reader = store()
    first = reader.read(anew=False)
    assert (first.username, first.password.reveal()) == ("reader", "one")
    amazon.client().put_secret_value(SecretId="app", SecretString=json.dumps({"username": "reader_clone", "password": "two"}))
    assert reader.read(anew=False).username == "reader"
    second = reader.read(anew=True)
    assert (second.username, second.password.reveal()) == ("reader_clone", "two")
    assert amazon.service.calls.count("GetSecretValue") == 2


def test_the_secrets_own_username_wins(amazon: Served) -> None:
    """RDS_USERNAME is for a password alone: with two users that take turns it would be wrong every other time."""
    amazon.client().create_secret(Name="app", SecretString=json.dumps({"username": "reader_clone", "password": "one"}))
    assert store("reader").read(anew=False).username == "reader_clone"


@pytest.mark.parametrize("text", ["pässwörd", "12345", '"quoted"', "[1]"])
def test_a_text_that_is_no_object_is_the_password(amazon: Served, text: str) -> None:
    """As it is, though it may look like JSON."""
    amazon.client().create_secret(Name="app", SecretString=text)
    assert store("reader").read(anew=False).password.reveal() == text


def test_each_trouble_has_its_own_error(amazon: Served) -> None:
    """Absent, busy, forbidden, without a user, without a password, not a text."""
    with pytest.raises(NotFound, match="AWS knows nothing at 'app'"):
        store().read(anew=False)
    amazon.client().create_secret(Name="app", SecretString="planted")
    amazon.service.throttle("GetSecretValue", 2)
    with pytest.raises(Unreachable, match="ThrottlingException") as caught:
        store().read(anew=False)
    assert caught.value.retryable
    amazon.service.deny("GetSecretValue", 1)
    with pytest.raises(Denied, match="AccessDeniedException"):
        store().read(anew=False)
    with pytest.raises(ConfigurationError, match="RDS_USERNAME is missing") as missing:
        store().read(anew=False)
    assert "planted" not in str(missing.value)
    amazon.client().put_secret_value(SecretId="app", SecretString=json.dumps({"username": "reader", "password": 7}))
    with pytest.raises(ProtocolViolation, match="'app' holds no password"):
        store().read(anew=False)
    amazon.client().put_secret_value(SecretId="app", SecretBinary=b"binary")
    with pytest.raises(ProtocolViolation, match="'app' holds no text"):
        store().read(anew=False)


def test_nobody_there_is_worth_another_try(amazon: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that can't be reached is not the secret's fault."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable, match="EndpointConnectionError"):
        store().read(anew=False)
