"""`vaultgate doctor` as a user runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jsonschema
import pytest
from tests.doctor.conftest import schema
from tests.simulators.clock import MovableClock
from tests.simulators.loopback import loopback, silent
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_http import served

from vaultgate_ops.cli.main import cli
from vaultgate_ops.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from vaultgate_ops.local.scene import EmbeddedScene
    from vaultgate_ops.local.stack import Stack

    Run = Callable[..., "Done"]

pytestmark = pytest.mark.stack


class Done(NamedTuple):
    """How it ended."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs it with the stack's function's variables, some of them changed; None takes one away."""

    def call(*words: str, **changes: str | None) -> Done:
        for name, value in {**stack.function_environment(1), "AWS_ENDPOINT_URL": stack.aws.endpoint, **changes}.items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            cli.main(["doctor", *words])
        printed = capsys.readouterr()
        return Done(ended.value.code if isinstance(ended.value.code, int) else 0, printed.out, printed.err)

    return call


def test_a_healthy_stack_for_people(run: Run, tmp_path: Path) -> None:
    """A table, one line that sums it up, exit code 0."""
    done = run("--checkpoints", str(tmp_path))
    assert done.exit_code == 0, done.stdout
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"nothing is wrong; \d+ checks in \d+\.\d s", lines[-1])
    assert {line[:8].strip() for line in lines[:-2]} == {"fine", "-"}
    assert re.search(r"^fine     policy +6 of 6 granted$", done.stdout, re.MULTILINE)


def test_a_finding_for_people_and_for_programs(run: Run) -> None:
    """Exit code 1; the same in both forms; of what wasn't asked for only what explains it."""
    changes = {"VAULT_ADDR": "https://vault.invalid:8200"}
    done = run("--only", "login", **changes)
    assert done.exit_code == 1
    assert done.stdout.startswith(
        "error    dns Vault vault.invalid:8200  vault.invalid: no address\n"
        "?        login                         because 'dns Vault vault.invalid:8200' failed\n"
        "\n"
        "error dns.unknown (Vault vault.invalid:8200)\n"
        "  cause     The name has no address here.\n"
        "  evidence  vault.invalid: no address\n"
        "  fix       Try: getent hosts vault.invalid. "
    )
    done = run("--only", "login", "--format", "json", **changes)
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    jsonschema.validate(report, schema())
    assert [(one["id"], one["about"]) for one in report["findings"]] == [("dns.unknown", "Vault vault.invalid:8200")]
    assert [(one["check"], one["state"]) for one in report["checks"]] == [("dns", "found"), ("login", "not reached")]


def test_wrong_settings_have_an_exit_code_of_their_own(run: Run) -> None:
    """As `vaultgate config` has it."""
    done = run("--only", "settings", VAULTGATE_GARD="open")
    assert done.exit_code == 2
    assert "did you mean VAULTGATE_GUARD?" in done.stdout


def test_a_check_that_does_not_exist(run: Run) -> None:
    """Usage: the names are listed."""
    done = run("--only", "weather")
    assert done.exit_code == 2
    assert "'rotation'" in done.stderr


def test_secrets_are_named_by_variables_too(run: Run) -> None:
    """Those that a rotation's functions look after."""
    changes = {"ROTATION_SWEEP": "app/a, app/b", "OVERDUE_SECRETS": "app/b=45,app/c=30"}
    done = run("--only", "rotation", "--secret", "app/d", "--format", "json", **changes)
    checks = json.loads(done.stdout)["checks"]
    assert sorted(one["about"] for one in checks) == ["app/a", "app/b", "app/c", "app/d"]


def test_an_administrator(run: Run, stack: Stack, tmp_path: Path) -> None:
    """His token comes from where Vault's command line has it, and shows nowhere."""
    changes = {"VAULT_IAM_SERVER_ID": "another", "VAULT_TOKEN": stack.vault.root_token}
    done = run("--only", "login", "--administrator", **changes)
    assert (done.exit_code, "VAULT_IAM_SERVER_ID=vault.vaultgate.local" in done.stdout) == (1, True)
    assert stack.vault.root_token not in done.stdout + done.stderr
    with pytest.raises(UsageProblem):
        run("--administrator", HOME=str(tmp_path), VAULT_TOKEN=None)


def test_a_credential_in_secrets_manager(run: Run, stack: Stack) -> None:
    """It is read as the function reads it: missing, forbidden, without a password, and right."""
    with served(SimulatedSecretsManager(MovableClock())) as amazon, stack.vault.client() as client:
        found = client.read("database/static-creds/records-static")["data"]
        login = json.dumps({"username": found["username"], "password": found["password"]})
        for name, text in (("app/db", login), ("app/empty", '{"host": "db"}')):
            amazon.client().create_secret(Name=name, SecretString=text)
        changes = {"CREDENTIAL_SOURCE": "secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER": amazon.endpoint}

        def findings(name: str) -> list[str]:
            done = run("--only", "database", "--format", "json", SECRET_NAME=name, **changes)
            assert found["password"] not in done.stdout
            return [one["id"] for one in json.loads(done.stdout)["findings"]]

        assert findings("app/db") == []
        assert findings("app/nobody") == ["credential.missing"]
        assert findings("app/empty") == ["credential.shape"]
        amazon.service.deny("GetSecretValue", 1)
        assert findings("app/db") == ["credential.denied"]


def test_the_page(run: Run) -> None:
    """`make docs` prints it."""
    done = run("--markdown")
    assert done.stdout.startswith("# The doctor\n")


def test_wrong_settings_are_told_whatever_was_asked(run: Run) -> None:
    """A check that couldn't be made for them is no reason to say that nothing is wrong."""
    done = run("--only", "login", VAULTGATE_GARD="open")
    assert done.exit_code == 2
    assert "error settings.invalid" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 error; ")


def test_what_needs_no_vault_needs_none_of_its_settings(run: Run, tmp_path: Path) -> None:
    """A mirror's machine and a layer's build know nothing of a function."""
    done = run("--only", "mirror", "--only", "layer", "--checkpoints", str(tmp_path), VAULT_ADDR=None, VAULT_AUTH_ROLE=None)
    assert done.exit_code == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()[:2]] == [["-", "layer"], ["-", "mirror"]]


def test_how_long_it_may_look(run: Run) -> None:
    """Something between a second and five minutes."""
    assert (run("--within", "0").exit_code, run("--within", "1e9").exit_code) == (2, 2)


def test_a_job_that_is_ended(
    stack: Stack,
    eventually: Callable[[Callable[[], object]], None],
    backstage: EmbeddedScene,
    nothing_left: Callable[[], AbstractContextManager[None]],
) -> None:
    """SIGTERM, as CI sends it: the token is given back, and the database's user goes with it."""
    # A database that never says a word: the doctor waits for it with the credential in its hands.
    with nothing_left(), loopback(silent) as database:
        leases, port = backstage.leases(), database.origin.port
        environment = {**stack.function_environment(1), "AWS_ENDPOINT_URL": stack.aws.endpoint, "RDS_PORT": str(port)}
        command = [str(Path(sys.executable).with_name("vaultgate")), "doctor"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as doctor:
            eventually(lambda: backstage.leases() - leases)
            doctor.send_signal(signal.SIGTERM)
            assert doctor.wait(20) == 130
