"""The overdue checker: how late, whoever is to blame, and what it says when it can't know."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from tests.rotation.bed import FUNCTION
from tests.rotation.test_template import API_KEY, OWN, deployed
from tests.simulators.clock import MovableClock
from tests.simulators.parameter_store import SimulatedParameterStore
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient

from vaultgate_ops.errors import CheckFailed, OpsError, UsageProblem
from vaultgate_ops.local.paths import checkout
from vaultgate_ops.rotation.overdue import Watched, make_handler, watched
from vaultgate_ops.rotation.service import Api, SecretsManager

if TYPE_CHECKING:
    from collections.abc import Callable

DAY_S = 86400


class Account:
    """A simulated account with the checker beside it; it begins at noon."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.client: Any = DirectClient(SimulatedSecretsManager(self.clock))  # type: ignore[arg-type] - has all that is asked of it
        self.systems: Any = DirectClient(SimulatedParameterStore(self.clock))  # type: ignore[arg-type] - as above
        self.log = io.StringIO()

    def secret(self, name: str, **rules: Any) -> str:
        """A secret, with rotation where rules are given; its function is never called."""
        arn: str = self.client.create_secret(Name=name, SecretString="{}")["ARN"]
        if rules:
            self.client.rotate_secret(SecretId=arn, RotationLambdaARN=FUNCTION, RotationRules=rules)
        return arn

    def rotate(self, arn: str) -> None:
        """What a rotator leaves."""
        self.client.put_secret_value(SecretId=arn, SecretString="{}", ClientRequestToken=str(uuid.uuid4()))

    def parameter(self, name: str) -> None:
        """A parameter, which no service rotates; or a version of it."""
        self.systems.put_parameter(Name=name, Value="{}", Type="SecureString", Overwrite=True)

    def checker(self, *secrets: Watched) -> Callable[[], dict[str, float]]:
        """The function, to be called."""
        store = SecretsManager(self.client, self.clock)  # type: ignore[arg-type] - as above
        logger = Logger(service=f"overdue-{id(self.log)}", stream=self.log)
        systems = Api(self.systems, self.clock)
        handler = make_handler(store, secrets, "us-east-1", self.clock, logger, systems=systems)  # type: ignore[arg-type] - as above
        return lambda: handler({}, None)


@pytest.fixture
def account() -> Account:
    """One of the test's own."""
    return Account()


def figures(printed: str) -> list[tuple[str | None, list[float]]]:
    """The metrics on standard output: the secret that they are about, None for all, and their values."""
    lines = [json.loads(line) for line in printed.splitlines()]
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Vaultgate"
        assert directive["Metrics"] == [{"Name": "RotationOverdueSeconds", "Unit": "Seconds"}]
        (dimensions,) = directive["Dimensions"]
        assert len(dimensions) == 1
        assert "secret" in line or line["service"].startswith("overdue-")
    return [(line.get("secret"), line["RotationOverdueSeconds"]) for line in lines]


@pytest.mark.parametrize(
    ("rules", "due_s"),
    [
        # Created on Saturday at noon.
        ({"AutomaticallyAfterDays": 45}, 45.5 * DAY_S),
        ({"AutomaticallyAfterDays": 1, "Duration": "2h"}, 14 * 3600),
        ({"ScheduleExpression": "cron(0 2 ? * MON-FRI *)", "Duration": "2h"}, DAY_S + 16 * 3600),
        ({"ScheduleExpression": "rate(4 hours)"}, 5 * 3600),
    ],
)
def test_a_rotator_that_never_ran(account: Account, rules: dict[str, Any], due_s: float) -> None:
    """Late from the end of the first window after the secret's creation, and later every second."""
    arn = account.secret("one", **rules)
    check = account.checker(Watched(arn, 45))
    account.clock.advance(due_s)
    assert check() == {arn: 0}
    account.clock.advance(1)
    assert check() == {arn: 1}
    account.clock.advance(DAY_S)
    assert check() == {arn: DAY_S + 1}


def test_a_rotation_begins_anew(account: Account) -> None:
    """The age of AWSCURRENT counts: a new value ends the alarm until the next window has closed."""
    arn = account.secret("one", AutomaticallyAfterDays=10)
    check = account.checker(Watched(arn, 45))
    account.clock.advance(12 * DAY_S)
    assert check() == {arn: 1.5 * DAY_S}
    account.rotate(arn)
    assert check() == {arn: 0}
    account.clock.advance(12 * DAY_S)
    assert check() == {arn: 1.5 * DAY_S}


def test_a_rotation_that_is_cancelled_or_was_never_set_up(account: Account) -> None:
    """The days that the checker was given count instead."""
    never, cancelled = account.secret("never"), account.secret("cancelled", AutomaticallyAfterDays=1000)
    account.client.cancel_rotate_secret(SecretId=cancelled)
    check = account.checker(Watched(never, 30), Watched(cancelled, 31))
    account.clock.advance(32 * DAY_S)
    assert check() == {never: 1.5 * DAY_S, cancelled: 0.5 * DAY_S}


def test_the_figures(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """One for each secret, and the latest of all, which the alarm waits for."""
    early, late = account.secret("early"), account.secret("late")
    check = account.checker(Watched(early, 45), Watched(late, 30))
    account.clock.advance(31 * DAY_S)
    check()
    printed = capsys.readouterr().out
    assert figures(printed) == [(early, [0.0]), (late, [0.5 * DAY_S]), (None, [0.5 * DAY_S])]
    total = json.loads(printed.splitlines()[-1])
    alarm = deployed(**OWN).of("AWS::CloudWatch::Alarm")["RotationOverdueAlarm"]
    variables = deployed(**OWN).of("AWS::Serverless::Function")["OverdueFunction"]["Environment"]["Variables"]
    assert total["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Vaultgate", "RotationOverdueSeconds")


def test_a_secret_that_cannot_be_looked_at(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are; the function fails, and the figure for all is missing, so that the alarm goes off."""
    arn = account.secret("one")
    with pytest.raises(OpsError):
        account.checker(Watched("nowhere", 45), Watched(arn, 45))()
    assert figures(capsys.readouterr().out) == [(arn, [0.0])]
    assert [json.loads(line)["level"] for line in account.log.getvalue().splitlines()] == ["ERROR", "INFO"]


def test_a_secret_without_a_value(account: Account) -> None:
    """It has nothing that could be of an age."""
    arn: str = account.client.create_secret(Name="empty")["ARN"]
    with pytest.raises(CheckFailed, match="has no AWSCURRENT"):
        account.checker(Watched(arn, 45))()


def test_settings() -> None:
    """The template's are read; every wrong entry is named."""
    checker = deployed(**OWN, ApiKeyArn=API_KEY).of("AWS::Serverless::Function")["OverdueFunction"]
    first, second = watched(checker["Environment"]["Variables"])
    assert (first.days, second) == (45, Watched(API_KEY, 30))
    with pytest.raises(UsageProblem, match=r"^one, two=0, three=1001 in OVERDUE_SECRETS"):
        watched({"OVERDUE_SECRETS": "one, two=0, good=7, three=1001"})
    with pytest.raises(UsageProblem, match="empty"):
        watched({})


def test_the_checker_is_not_the_rotator() -> None:
    """Nothing that talks to a database or changes a secret is imported; a wrong setting ends the init."""
    code = "import vaultgate_ops.rotation.overdue_handler as its, sys; print(its.logger.service, *sys.modules)"

    def imported(secrets: str) -> subprocess.CompletedProcess[str]:
        environment = {"AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(checkout() / "src"), "OVERDUE_SECRETS": secrets}
        environment["POWERTOOLS_SERVICE_NAME"] = "this-stacks-checker"
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    done = imported("one=45")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "this-stacks-checker"
    ours = "vaultgate_ops.rotation."
    assert f"{ours}overdue" in done.stdout.split()
    assert not {"pymysql", f"{ours}engine", f"{ours}strategies", f"{ours}rotation", f"{ours}handler"} & {*done.stdout.split()}
    assert "one in OVERDUE_SECRETS is not" in imported("one").stderr


def test_a_parameter_whose_schedule_never_fires(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """It is as late as its latest version is old; a rotation ends that, and one that is missing is an error."""
    account.parameter("/app/db")
    account.clock.advance(31.5 * DAY_S)
    check = account.checker(Watched("/app/db", 30))
    assert check() == {"/app/db": DAY_S}
    account.parameter("/app/db")
    assert check() == {"/app/db": 0}
    with pytest.raises(OpsError, match="no parameter /app/none"):
        account.checker(Watched("/app/none", 30))()
    assert [name for name, _ in figures(capsys.readouterr().out)] == ["/app/db", None, "/app/db", None]
