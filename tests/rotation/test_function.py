"""The function around the engine: its variables, its two kinds of events, what it logs."""

from __future__ import annotations

import io
import json
import socket
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from aws_lambda_powertools import Logger

from vaultgate_ops.local.paths import checkout
from vaultgate_ops.rotation.application import make_handler
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.server import Target, connect, meaning, tls_context
from vaultgate_ops.rotation.rotation import STRATEGIES
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from vaultgate_ops.rotation.model import Request

EVENT = {"SecretId": "arn", "ClientRequestToken": "token", "Step": "createSecret"}


class Steps:
    """In an engine's place."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.asked = failing, list[Any]()

    def step(self, request: Request) -> str:
        self.asked.append(request.step.value)
        return self._answer(request.secret_id)

    def sweep(self, secret_id: str) -> str:
        self.asked.append(secret_id)
        return self._answer(secret_id)

    def _answer(self, secret_id: str) -> str:
        if secret_id == self.failing:
            raise RotationError("unreachable", "No connection.", "Open the port.")
        return "done"


def made(engine: Steps, *sweep: str) -> tuple[Any, io.StringIO]:
    """The function, and where it logs to."""
    log = io.StringIO()
    return make_handler(engine, sweep, Logger(service=f"rotation-{id(log)}", stream=log)), log  # type: ignore[arg-type]


def test_a_step_is_done_and_noted() -> None:
    """One line: step, secret, version, outcome."""
    handler, log = made(Steps())
    assert handler(EVENT, None) == {"outcome": "done"}
    line = json.loads(log.getvalue())
    assert (line["step"], line["secret"], line["version"], line["outcome"]) == ("createSecret", "arn", "token", "done")


def test_a_step_that_fails_fails_the_invocation() -> None:
    """The error is raised with its code and its hint; the line says who can do what."""
    handler, log = made(Steps("arn"))
    with pytest.raises(RotationError, match=r"^unreachable: No connection\. Open the port\.$") as caught:
        handler(EVENT, None)
    assert caught.value.__suppress_context__
    line = json.loads(log.getvalue())
    assert (line["reason"], line["hint"], line["retryable"], line["step"]) == (
        "unreachable",
        "Open the port.",
        True,
        "createSecret",
    )


def test_a_schedule_sweeps_the_named_secrets() -> None:
    """Those of its own input, else those of ROTATION_SWEEP; a failing one is reported after the others had their turn."""
    engine = Steps()
    handler, _ = made(engine, "one", "two")
    assert handler({"source": "aws.events", "detail-type": "Scheduled Event"}, None) == {"one": "done", "two": "done"}
    assert handler({"sweep": ["three"]}, None) == {"three": "done"}
    failing = Steps("one")
    handler, log = made(failing, "one", "two")
    with pytest.raises(RotationError, match="unreachable"):
        handler({}, None)
    assert failing.asked == ["one", "two"]
    assert [json.loads(line)["level"] for line in log.getvalue().splitlines()] == ["ERROR", "INFO"]


def test_an_event_that_is_none() -> None:
    """A step without a secret is refused and noted."""
    handler, _ = made(Steps())
    with pytest.raises(RotationError, match="event-malformed"):
        handler({"Step": "createSecret"}, None)


@pytest.mark.parametrize("event", [{"SecretId": "arn", "ClientRequestToken": "token"}, {"sweep": "arn"}, {"sweep": [7]}])
def test_an_event_that_is_no_schedules(event: dict[str, Any]) -> None:
    """A step without its name, or a text where a list belongs: refused, nothing is swept."""
    engine = Steps()
    handler, _ = made(engine, "one")
    with pytest.raises(RotationError, match="event-malformed"):
        handler(event, None)
    assert engine.asked == []


def test_settings_by_default() -> None:
    """No variable has to be set."""
    settings = load({}, STRATEGIES)
    assert (settings.strategy, settings.grace_s, settings.hosts, settings.ca_file, settings.sweep) == (None, None, (), None, ())
    assert settings.password == {
        "PasswordLength": 32,
        "ExcludeCharacters": ":/@\"'\\",
        "ExcludeNumbers": False,
        "ExcludePunctuation": False,
        "ExcludeUppercase": False,
        "ExcludeLowercase": False,
        "RequireEachIncludedType": True,
    }


def test_settings_that_are_set() -> None:
    """With the names of AWS's own functions where those have one."""
    settings = load(
        {
            "ROTATION_STRATEGY": "alternating",
            "ROTATION_GRACE_S": "3600",
            "ROTATION_HOSTS": " *.example.com, db ,",
            "ROTATION_SWEEP": "one,two",
            "ROTATION_CA_BUNDLE": "/etc/bundle.pem",
            "PASSWORD_LENGTH": "41",
            "EXCLUDE_CHARACTERS": "",
            "EXCLUDE_PUNCTUATION": "True",
            "SECRETS_MANAGER_ENDPOINT": "https://secretsmanager.example.com",
        },
        STRATEGIES,
    )
    assert (settings.strategy, settings.grace_s, settings.hosts) == ("alternating", 3600, ("*.example.com", "db"))
    assert (settings.sweep, settings.ca_file) == (("one", "two"), "/etc/bundle.pem")
    assert settings.endpoint == "https://secretsmanager.example.com"
    assert settings.password["PasswordLength"] == 41
    assert settings.password["ExcludeCharacters"] == ""
    assert settings.password["ExcludePunctuation"] is True


def test_every_wrong_setting_at_once() -> None:
    """One error names them all."""
    wrong = {"ROTATION_STRATEGY": "best", "ROTATION_GRACE_S": "soon", "PASSWORD_LENGTH": "7", "EXCLUDE_NUMBERS": "perhaps"}
    with pytest.raises(RotationError, match="settings-wrong") as caught:
        load(wrong, STRATEGIES)
    assert all(name in str(caught.value) for name in (*wrong, "alternating, api-key, dual"))


@pytest.mark.parametrize(("variables", "code"), [({}, 0), ({"ROTATION_STRATEGY": "best"}, 1)])
def test_what_lambda_imports(variables: dict[str, str], code: int) -> None:
    """The module is imported without a call to anybody; a wrong setting ends the init with its text."""
    environment = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": str(checkout() / "src"),
        **variables,
    }
    ended = subprocess.run(
        [sys.executable, "-c", "from vaultgate_ops.rotation.handler import handler"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    assert (b"settings-wrong: ROTATION_STRATEGY" in ended.stderr) is bool(code)


@pytest.mark.parametrize("number", [1064, 1366, 3948, 9999])
def test_a_servers_text_is_not_passed_on(number: int) -> None:
    """It may quote the statement, and with it a password or hash; only texts that are known to quote names are."""
    told = str(meaning(pymysql.err.ProgrammingError(number, "near 'hunter2' at line 1"), number, "The statement failed"))
    assert "hunter2" not in told
    assert str(number) in told


def test_the_cause_of_a_failed_account_statement() -> None:
    """All such statements end in 1396; what it stands for is looked up, and its text isn't mixed up with another's."""
    told = meaning(pymysql.err.OperationalError(1396, "Operation ALTER USER failed for 'app'@'%'"), 1819, "It failed")
    assert told.code == "password-policy"
    assert "ALTER USER" not in told.message


def test_a_server_without_tls_is_told_nothing() -> None:
    """It greets without offering TLS, and asks for the password in clear: it hears neither user nor password."""
    capabilities = 0x88209  # 4.1 protocol, authentication by plugin; no CLIENT_SSL
    low, high = (capabilities & 0xFFFF).to_bytes(2, "little"), (capabilities >> 16).to_bytes(2, "little")
    salt = b"a" * 8 + b"\0", b"b" * 12 + b"\0"
    tail = b"\x21\x02\0" + high + b"\x15" + bytes(10) + salt[1] + b"mysql_clear_password\0"
    greeting = b"\x0a8.0.40\0" + bytes(4) + salt[0] + low + tail
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
            heard.append(connection.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(RotationError) as caught:
            connect(Target("127.0.0.1", listener.getsockname()[1]), "app", "a secret")
        thread.join()
    assert (caught.value.code, heard) == ("tls", [b""])


def test_a_context_that_checks_names() -> None:
    """TLS by default checks chain and name."""
    context = tls_context(None)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
