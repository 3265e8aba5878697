"""`vaultgate rotate` against the simulated Secrets Manager and the real server."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.rotation.bed import FUNCTION

from vaultgate_ops.cli.main import cli
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError
from vaultgate_ops.rotation.load import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.rotation.bed import Bed, User

    Run = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.stack


@pytest.fixture
def run(bed: Bed) -> Run:
    """Runs a verb of `vaultgate rotate`; gives its exit code and all that it printed. No password is ever among that."""
    environment = {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": bed.amazon.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file),
    }

    def call(*words: str) -> tuple[int, str]:
        result = CliRunner(env=environment).invoke(cli, ["rotate", *words])
        printed = result.output
        if isinstance(result.exception, OpsError):
            printed += f"error: {result.exception.message}\nfix: {result.exception.hint}\n"
            code = result.exception.exit_code
        else:
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            code = result.exit_code
        assert not any(password in printed for password in passwords(bed.amazon.service.texts()))
        return code, printed

    return call


def passwords(texts: list[str]) -> Iterator[str]:
    """Those among stored values; other tests of this worker store worse than that."""
    for text in texts:
        with suppress(ValueError):
            value = json.loads(text)
            if isinstance(value, dict) and isinstance(value.get("password"), str) and len(value["password"]) > 7:
                yield value["password"]


def rows(printed: str) -> list[list[str]]:
    """The table's stages."""
    lines = printed.partition("created\n")[2].splitlines()
    return [line.split()[1:-2] for line in lines]


@contextmanager
def service(bed: Bed, user: User) -> Iterator[None]:
    """Secrets Manager, calling the function for what it is asked for."""

    def once() -> None:
        for assignment in [one for one in bed.amazon.service.rotations if user.secret in one.secret_id]:
            bed.amazon.service.rotations.remove(assignment)
            user.drive(assignment)

    with Background(once, Clock(), 0.02):
        yield


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_now_without_a_function(bed: Bed, run: Run, strategy: str) -> None:
    """All steps in this process; the new value is current and works."""
    user = bed.user(strategy)
    code, printed = run("now", user.secret)
    assert code == 0, printed
    assert rows(printed) == [["AWSCURRENT", "AWSPENDING"], ["AWSPREVIOUS"]]
    assert user.current != (user.name, json.loads(user.values[0])["password"])
    user.login(user.current)


def test_now_by_the_secrets_function(bed: Bed, run: Run) -> None:
    """Secrets Manager is asked, and waited for."""
    user = bed.user("dual")
    user.rotate()
    with service(bed, user):
        code, printed = run("now", user.secret)
    assert code == 0, printed
    assert "rotation enabled" in printed
    assert len(user.values) == 3
    assert user.works(-1)


def test_a_rotation_that_was_turned_off_stays_off(bed: Bed, run: Run) -> None:
    """RotateSecret would turn it on again: neither a rotation nor a test does that unasked; --here rotates and leaves it off."""
    user = bed.user("dual")
    user.rotate()
    bed.client.cancel_rotate_secret(SecretId=user.secret)
    for words in (("now", user.secret, "--wait", "0"), ("now", user.secret, "--dry-run")):
        code, printed = run(*words)
        assert (code, "is turned off" in printed, "fix: To leave it off" in printed) == (1, True, True), printed
    assert "with --here: rotation by " in run("plan", user.secret)[1]
    code, printed = run("now", user.secret, "--here")
    assert (code, "rotation not enabled" in printed, user.current[1] in user.values[-1]) == (0, True, False)
    user.login(user.current)


def test_a_function_that_does_not_come_through(bed: Bed, run: Run) -> None:
    """Said with the version, after as long as was asked for; status and repair know what to do."""
    user = bed.user("dual")
    user.rotate()
    code, printed = run("now", user.secret, "--wait", "0")
    assert code == 1
    assert "isn't AWSCURRENT after 0 s" in printed
    code, printed = run("status", user.secret)
    assert (code, "vaultgate rotate repair" in printed) == (1, True)
    assert run("now", user.secret, "--here")[0] == 1
    code, printed = run("repair", user.secret)
    assert (code, "finished\n" in printed) == (0, True)
    assert run("status", user.secret)[0] == 0
    user.login(user.current)


def test_a_value_that_can_not_be_rotated_to_is_taken_back(bed: Bed, run: Run) -> None:
    """The current one goes on; --dry-run has only looked."""
    user = bed.user("dual")
    wrong = json.loads(user.values[0]) | {"host": "db.example.com", "password": "planted-Passw0rd"}
    bed.client.put_secret_value(SecretId=user.secret, SecretString=json.dumps(wrong), VersionStages=["AWSPENDING"])
    before = bed.amazon.service.stages(user.secret)
    assert run("repair", "--dry-run", user.secret)[0] == 0
    assert bed.amazon.service.stages(user.secret) == before
    code, printed = run("repair", user.secret)
    assert (code, "taken back: AWSPENDING differs from AWSCURRENT in: host" in printed) == (0, True)
    assert set(bed.amazon.service.stages(user.secret)) == {"AWSCURRENT"}
    assert run("repair", user.secret)[1].startswith("Repairing ...\nnothing to do")
    user.login(user.current)


def test_a_version_that_waits_for_somebody_else_is_kept(bed: Bed, run: Run) -> None:
    """Its value isn't to blame: repair says what is, and finishes once that is mended."""
    user = bed.user("dual")
    user.rotate()
    token = user.begin().token
    bed.execute("ALTER USER %s@'%%' ACCOUNT LOCK", user.name)
    code, printed = run("repair", user.secret)
    assert (code, "is locked" in printed) == (5, True)
    assert bed.amazon.service.stages(user.secret)["AWSPENDING"] == token
    bed.execute("ALTER USER %s@'%%' ACCOUNT UNLOCK", user.name)
    assert run("repair", user.secret)[0] == 0
    assert bed.amazon.service.stages(user.secret)["AWSCURRENT"] == token
    user.login(user.current)


def test_a_pending_version_survives_a_current_value_that_is_broken(bed: Bed, run: Run) -> None:
    """Whoever wrote AWSCURRENT is to blame: the pending one may be the only password that still works."""
    user = bed.user("single")
    user.rotate()
    rotation = user.begin()
    for step in ("createSecret", "setSecret"):
        user.step(rotation, step)
    good = user.values[-1]
    for broken in ("no JSON", json.dumps({key: value for key, value in json.loads(good).items() if key != "host"})):
        bed.client.put_secret_value(SecretId=user.secret, SecretString=broken)
        code, printed = run("repair", user.secret)
        assert (code, "secret" in printed) == (2, True)
        assert bed.amazon.service.stages(user.secret)["AWSPENDING"] == rotation.token
    bed.client.put_secret_value(SecretId=user.secret, SecretString=good)
    assert run("repair", user.secret)[0] == 0
    user.login(user.current)


def test_a_version_is_taken_back_on_request(bed: Bed, run: Run) -> None:
    """Whatever its rotation came to; the database isn't asked, so it may be out of reach."""
    user = bed.user("dual")
    user.rotate()
    user.begin()
    assert "taken back\n" in run("repair", "--take-back", user.secret)[1]
    assert set(bed.amazon.service.stages(user.secret)) == {"AWSCURRENT", "AWSPREVIOUS"}
    assert "nothing to do\n" in run("repair", "--take-back", user.secret)[1]
    user.rotate()
    assert user.works(-1)


def test_a_dry_run_changes_nothing(bed: Bed, run: Run) -> None:
    """It says whether a rotation would work."""
    user = bed.user("dual")
    before = user.state()
    code, printed = run("now", "--dry-run", user.secret)
    assert (code, "A rotation would work" in printed) == (0, True)
    assert user.state() == before
    bed.execute("ALTER USER %s@'%%' ACCOUNT LOCK", user.name)
    code, printed = run("now", "--dry-run", user.secret)
    assert (code, "is locked" in printed) == (5, True)


def test_the_older_value_ends_in_an_emergency(bed: Bed, run: Run) -> None:
    """With its sessions, at once; a sweep alone would be too early."""
    user = bed.user("dual", grace_s=10**9)
    first = user.current
    assert run("now", user.secret)[0] == 0
    user.login(first)
    assert run("sweep", user.secret) == (0, "too early\n")
    code, printed = run("now", "--drop-previous", user.secret)
    assert (code, "older value: swept" in printed) == (0, True)
    assert not user.works(0)
    user.login(user.current)


def test_a_plan(bed: Bed, run: Run) -> None:
    """Strategy, server, users, rotator, what becomes of the older value, and who would do it."""
    user = bed.user("alternating")
    code, printed = run("plan", user.secret)
    assert code == 0
    told = dict(line.split(maxsplit=1) for line in printed.replace("older value", "older").replace("done by", "by").splitlines())
    assert told == {
        "strategy": "alternating",
        "server": f"mariadb at 127.0.0.1:{bed.stack.database.port}",
        "user": f"{user.name} now, {user.name}_clone after it",
        "rotator": bed.master,
        "older": "works until the next rotation, or by a sweep after 60 s",
        "by": "this process: the secret has no rotation function",
        "schedule": "none: it rotates when it is asked to",
    }
    user.rotate()
    assert FUNCTION in run("plan", user.secret)[1]


def test_a_plan_with_a_schedule(bed: Bed, run: Run) -> None:
    """Five windows of a schedule that is only thought of; one that Secrets Manager wouldn't take is refused with every reason."""
    user = bed.user("dual")
    code, printed = run("plan", user.secret, "--schedule", "cron(0 2 ? * MON *)", "--duration", "2h")
    assert (code, "cron(0 2 ? * MON *), if it were given" in printed) == (0, True)
    windows = [line.split(maxsplit=1)[1] for line in printed.splitlines() if line.startswith("window ")]
    assert len(set(windows)) == 5
    assert all(window.startswith("Mon ") and window.endswith(" 02:00Z, open for 2 h") for window in windows)
    code, printed = run("plan", user.secret, "--schedule", "cron(15 23 ? * MON *)", "--days", "45", "--duration", "2h")
    assert code == 2
    assert "AutomaticallyAfterDays and ScheduleExpression exclude each other; minutes: '15' must be 0" in printed


def test_what_is_wrong_has_its_exit_code(bed: Bed, run: Run) -> None:
    """No such secret, somebody else's secret, two wishes that exclude each other, a setting."""
    assert run("status", "nothing-here")[0] == 2
    user = bed.user("dual")
    bed.amazon.service.manage(user.secret, owner="rds")
    code, printed = run("now", user.secret)
    assert (code, "managed by rds" in printed) == (2, True)
    assert run("now", "--dry-run", "--drop-previous", user.secret)[0] == 2
