"""`vaultgate rotate report`, `wave` and `parameter` as somebody at a terminal sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.rotation.bed import FUNCTION, Bed
from tests.simulators.clock import NOON, MovableClock
from tests.simulators.parameter_store import SimulatedParameterStore
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient
from tests.simulators.secrets_manager_http import served

from vaultgate_ops.cli.main import cli
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vaultgate_ops.local.stack import Stack

HISTORY = Path(__file__).with_name("history")
PASSWORD = "planted-Passw0rd"
REGION = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "", "AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up"}


def run(environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    """Run a verb; its exit code and all that it printed."""
    result = CliRunner(env={**REGION, **environment}).invoke(cli, ["rotate", *words])
    if isinstance(result.exception, OpsError):
        error = result.exception
        return error.exit_code, f"{result.output}error: {error.message}\nfix: {error.hint}\n"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def amazon() -> Iterator[tuple[dict[str, str], DirectClient, DirectClient]]:
    """An environment that names an account, and clients of its Secrets Manager and its Parameter Store."""
    manager, systems = SimulatedSecretsManager(MovableClock(NOON)), SimulatedParameterStore(MovableClock(NOON))
    with served(manager) as one, served(systems) as other:  # type: ignore[arg-type] - it serves any service
        environment = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": one.endpoint, "AWS_ENDPOINT_URL_SSM": other.endpoint}
        yield environment, DirectClient(manager), DirectClient(systems)  # type: ignore[arg-type] - as above


@pytest.mark.parametrize(
    ("environment", "words", "code", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": ""}, ["status", "app/db"], 5, ("no usable AWS credentials", "profile or credentials")),
        ({"AWS_PROFILE": "nonesuch"}, ["status", "app/db"], 2, ("nonesuch", "AWS_PROFILE")),
        ({"AWS_REGION": ""}, ["status", "app/db"], 2, ("secretsmanager", "--region")),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, ["status", "app/db"], 2, ("specify a region", "--region")),
        ({}, ["status", "app/db", "--region", "us east"], 2, ("us east", "--region")),
        ({"AWS_ENDPOINT_URL": "elsewhere"}, ["status", "app/db"], 2, ("elsewhere", "AWS_ENDPOINT_URL")),
        ({"OVERDUE_SECRETS": "app/db=9"}, ["report", "--days", "app/db"], 2, ("app/db in --days", "Correct --days")),
    ],
)
def test_an_account_that_can_not_be_asked(
    environment: dict[str, str], words: list[str], code: int, said: tuple[str, str], tmp_path: Path
) -> None:
    """Missing keys, profile or region, a wrong region, endpoint or option each have an exit code, their name and their fix."""
    nothing = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    ended, printed = run(nothing | {"AWS_EC2_METADATA_DISABLED": "true"} | environment, *words)
    error, hint = printed.split("error: ")[1].split("\nfix: ")
    assert (ended, said[0] in error, said[1] in hint) == (code, True, True), printed


def test_a_report(amazon: tuple[dict[str, str], DirectClient, DirectClient], tmp_path: Path) -> None:
    """A table or a file of any form; exit code 0 while nothing is late, 1 as soon as something is."""
    environment, manager, systems = amazon
    arn = manager.create_secret(Name="app/db", SecretString=PASSWORD)["ARN"]
    rules = {"AutomaticallyAfterDays": 1000}
    manager.rotate_secret(SecretId="app/db", RotationLambdaARN=FUNCTION, RotationRules=rules, RotateImmediately=False)
    systems.put_parameter(Name="/app/db", Value=PASSWORD, Type="SecureString")
    line = json.loads((HISTORY / "audit.log").read_text().splitlines()[1]) | {"time": "2027-01-01T00:00:00Z"}
    (tmp_path / "audit.log").write_text(json.dumps(line))
    record = json.loads(next((HISTORY / "trail").rglob("*f1.json")).read_text())["Records"][1]
    record |= {"eventTime": "2027-01-01T00:00:00Z", "requestParameters": {"secretId": arn}}
    (tmp_path / "trail.json").write_text(json.dumps({"Records": [record]}))
    words = ["report", "--cloudtrail", str(tmp_path / "trail.json"), "--audit", str(tmp_path / "audit.log")]
    words += ["--vault-path", "app/db=secret/data/records", "--days", "/app/db=1000"]
    code, printed = run(environment, *words)
    assert (code, "every 1000 days" in printed) == (0, True), printed
    assert "read by arn:aws:iam::123456789012:role/records, 1 times, last 2027-01-01 00:00Z" in printed
    assert "read by vault: aws-records, 1 times" in printed
    for form in ("csv", "json", "html"):
        code, printed = run(environment, *words, "--format", form, "--output", str(tmp_path / "report"))
        assert (code, arn in (tmp_path / "report").read_text()) == (0, True), printed
        assert arn not in printed
    code, printed = run(environment, "report", "--format", "json")
    assert {one["name"] for one in json.loads(printed.partition("...\n")[2])["rows"]} == {"app/db"}
    assert PASSWORD not in printed


def test_a_report_of_something_late(amazon: tuple[dict[str, str], DirectClient, DirectClient]) -> None:
    """It is all there, and then the error; OVERDUE_SECRETS gives days as it does to the checker."""
    environment, manager, _ = amazon
    with served(SimulatedSecretsManager(MovableClock(1_600_000_000))) as old:
        client = DirectClient(old.service)
        client.create_secret(Name="app/db", SecretString=PASSWORD)
        at_that_time = {**environment, "AWS_ENDPOINT_URL_SECRETS_MANAGER": old.endpoint}
        assert run(at_that_time, "report")[0] == 0
        code, printed = run({**at_that_time, "OVERDUE_SECRETS": "app/db=45"}, "report")
    assert (code, "overdue" in printed, "1 of 1 are overdue" in printed) == (1, True, True)
    assert "vaultgate rotate now" in printed
    assert manager.list_secrets()["SecretList"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("report", "--days", "app/db"), "1 to 1000 days"),
        (("report", "--vault-path", "app/db"), "is not NAME=PATH"),
        (("report", "--format", "pdf"), "'pdf' is not one of"),
        (("report", "--cloudtrail", "/nowhere"), "does not exist"),
        (("report", "--output", "/nowhere/report"), "/nowhere/report can't be written: No such file"),
        (("wave",), "No secret is named"),
        (("wave", "a", "--since", "yesterday"), "no date with a time zone"),
        (("wave", "a", "--since", "2026-11-21T06:00:00"), "no date with a time zone"),
        (("wave", "--tag", "team"), "is not KEY=VALUE"),
        (("wave", "--tag", "=shop"), "is not KEY=VALUE"),
        (("wave", "a", "--size", "0"), "not in the range"),
        (("wave", "--tag", "team=none"), "No secret has the tag team=none"),
        (("wave", ""), "The secret's name is empty"),
        (("status", ""), "The secret's name is empty"),
        (("wave", "no-such-secret"), "There is no 'no-such-secret' in us-east-1"),
        (("status", "no-such-secret"), "There is no 'no-such-secret' in us-east-1"),
        (("parameter", "status", "/nowhere"), "There is no '/nowhere' in us-east-1"),
        (("plan", "app/db", "--duration", "2h"), "--duration alone is no schedule"),
    ],
)
def test_bad_words(amazon: tuple[dict[str, str], DirectClient, DirectClient], words: tuple[str, ...], says: str) -> None:
    """Exit code 2 and what is wrong, before anything has begun."""
    code, printed = run(amazon[0], *words)
    assert (code, says in printed) == (2, True), printed


@pytest.fixture
def timely(stack: Stack) -> Iterator[Bed]:
    """A bed in real time, which the command goes by."""
    with served(SimulatedSecretsManager(Clock())) as amazon:
        made = Bed(stack, amazon, Clock())  # type: ignore[arg-type] - nobody moves it
        yield made
        made.close()


@pytest.mark.stack
def test_waves_end_at_the_first_failure_and_go_on(timely: Bed) -> None:
    """Each secret is accounted for; the same command with --since rotates the rest and nothing twice."""
    bed = timely
    tag = f"team-{os.urandom(4).hex()}"
    users = [bed.user("dual") for _ in range(4)]
    for user in users:
        bed.amazon.service._secrets[user.secret].tags = {"wave": tag}  # noqa: SLF001 - tagged by its owner
    users.sort(key=lambda user: user.secret)
    bed.execute("ALTER USER %s@'%%' ACCOUNT LOCK", users[1].name)
    environment = {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": bed.amazon.endpoint,
        "ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file),
    }
    words = ["wave", "--tag", f"wave={tag}", "--size", "2", "--pause", "0"]
    code, printed = run(environment, *words, "--dry-run")
    assert (code, printed.count("wave ")) == (0, 3), printed
    code, printed = run(environment, *words)
    assert (code, "2 rotated, 1 failed, 1 not begun" in printed) == (1, True), printed
    assert f"not begun: {_arn(bed, users[3].secret)}" in printed
    assert "account-unusable" in printed
    since = printed.partition("--since ")[2].split()[0].removesuffix(".")
    code, hindered = run(environment, *words, "--since", since)
    assert (code, "has a pending version" in hindered) == (1, True), hindered
    bed.execute("ALTER USER %s@'%%' ACCOUNT UNLOCK", users[1].name)
    assert run(environment, "repair", users[1].secret)[0] == 0
    done = {user.secret: bed.amazon.service.stages(user.secret)["AWSCURRENT"] for user in users[:3]}
    code, printed = run(environment, *words, "--since", since)
    assert (code, printed.count("skipped: "), "1 rotated, 0 failed, 0 not begun" in printed) == (0, 3, True), printed
    assert {name: bed.amazon.service.stages(name)["AWSCURRENT"] for name in done} == done
    for user in users:
        user.login(user.current)


@pytest.mark.stack
def test_ctrl_c_ends_the_waves(bed: Bed, tmp_path: Path) -> None:
    """Exit code 130; what was rotated is said, what wasn't begun, and how to go on."""
    users = [bed.user("single") for _ in range(2)]
    (tmp_path / "names").write_text(f"# the canary\n{users[0].secret}\n\n{users[1].secret}  # and the other\n")
    environment = {
        **os.environ,
        **REGION,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": bed.amazon.endpoint,
        "ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file),
    }
    command = [sys.executable, "-m", "vaultgate_ops", "rotate", "wave", "--from", str(tmp_path / "names"), "--pause", "600"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            lines.append(line)
            if line.startswith("rotated: "):
                child.send_signal(signal.SIGINT)
                break
        rest, errors = child.communicate(timeout=60)
    printed = "".join(lines) + rest
    assert child.returncode == 130, (printed, errors)
    assert "1 rotated, 0 failed, 1 not begun" in printed
    assert f"not begun: {_arn(bed, users[1].secret)}" in printed
    assert "go on: the same command with --since 20" in printed
    users[0].login(users[0].current)
    assert users[1].current[1] == json.loads(users[1].values[0])["password"]


@pytest.mark.stack
def test_a_parameter_of_moto(bed: Bed) -> None:
    """All verbs over the wire, signed: rotate, look, sweep, test; an unfinished rotation is seen, gone on with, taken back."""
    user, keys = bed.user("dual"), bed.stack.aws.administrator
    name = f"/app/{user.name}"
    environment = {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": bed.amazon.endpoint,
        "AWS_ENDPOINT_URL_SSM": bed.stack.aws.endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file),
    }

    def parameter(*words: str) -> tuple[int, str]:
        code, printed = run(environment, "parameter", *words)
        assert PASSWORD not in printed
        return code, printed

    with bed.stack.aws.client("ssm") as ssm:
        ssm.put_parameter(Name=name, Value=user.values[0], Type="SecureString")
        code, printed = parameter("now", name, "--dry-run")
        assert (code, "A rotation would work" in printed) == (0, True), printed
        assert ssm.get_parameter(Name=name)["Parameter"]["Version"] == 1
        code, printed = parameter("now", name)
        assert (code, "Version 2 is the latest." in printed) == (0, True), printed
        new = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        user.login((user.name, json.loads(new)["password"]))
        user.login((user.name, json.loads(user.values[0])["password"]))
        assert parameter("status", name) == (0, f"current      {name}:2\nprevious     {name}:1\n")
        assert parameter("sweep", name)[1] == "too early\n"
        wrong = json.dumps(json.loads(new) | {"host": "db.example.com", "password": PASSWORD})
        ssm.put_parameter(Name=f"/vaultgate-pending{name}/3", Value=wrong, Type="SecureString")
        code, printed = parameter("status", name)
        assert (code, f"pending      /vaultgate-pending{name}/3" in printed) == (1, True), printed
        code, printed = parameter("now", name)
        assert (code, "differs from AWSCURRENT in: host" in printed) == (1, True), printed
        assert parameter("take-back", name) == (0, "taken back\n")
        assert parameter("now", name, "--drop-previous")[1].endswith("older value: swept\n")
        assert not user.works(0)
        assert parameter("now", f"{name}-missing")[0] == 2


def _arn(bed: Bed, name: str) -> str:
    arn: str = bed.client.describe_secret(SecretId=name)["ARN"]
    return arn
