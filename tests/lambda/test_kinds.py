"""Where Lambda differs: SnapStart, Managed Instances, provisioned concurrency, an init that runs again, other shutdowns.

AWS's emulator has none of these; `tests.simulators.lambda_service` drives the built extension and AWS's own runtime client
through them, with the stack's real Vault.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hvac
import pytest
import requests
from tests.simulators.lambda_service import Environment, sandbox_of
from tests.simulators.loopback import always, loopback

import vaultgate
from vaultgate.door_secret import file_of
from vaultgate_ops.local import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

FUNCTIONS = Path(__file__).with_name("functions")
CREDS = "database/creds/records"
RESTORES = 50

# The extension up to the moment of the snapshot, in one thread; each fork is a restore of that state, which then reads.
RESTORED = """
import json, os, sys
sys.path.append(sys.argv[1])
from vaultgate import config
from vaultgate.assembly import broker_of
from vaultgate.clock import Clock
from vaultgate.log import Log
from vaultgate.model import Request
from vaultgate.outlets import proxy
environ = dict(os.environ)
clock = Clock()
settings = config.load(environ)
broker = broker_of(settings, environ, clock, Log(sys.stderr, "error", clock))
drawn = sorted({"ssl", "random", "secrets", "uuid"} & set(sys.modules))
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        deadline = clock.steady() + 30
        lease = json.loads(broker.answer(Request("GET", "/v1/database/creds/records"), deadline).body)["lease_id"]
        said = {"drawn": drawn, "token": broker.token(deadline).accessor, "lease": lease, "chance": clock.jitter(1.0)}
        broker.close()
        os.write(1, json.dumps(said).encode() + b"\\n")
        os._exit(0)
for _ in range(int(sys.argv[2])):
    os.wait()
"""


@pytest.fixture
def keys(stack: Stack) -> Iterator[dict[str, str]]:
    """The function's variables as SnapStart gives them: keys from a loopback endpoint, none in the environment."""
    variables = stack.function_environment(processes.free_port())
    document = {
        "AccessKeyId": variables.pop("AWS_ACCESS_KEY_ID"),
        "SecretAccessKey": variables.pop("AWS_SECRET_ACCESS_KEY"),
        "Token": variables.pop("AWS_SESSION_TOKEN"),
        "Expiration": "2099-01-01T00:00:00Z",
    }
    body = json.dumps(document).encode()
    with loopback(always(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))) as endpoint:
        yield {
            **variables,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{endpoint.origin}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let-me",
        }


def events(environment: Environment) -> list[Any]:
    """What the extension did, by its log."""
    return [line["event"] for line in environment.events() if "event" in line]


def test_nothing_happens_before_the_snapshot_and_the_hook_logs_in_after_it(
    keys: dict[str, str], tmp_path: Path, nothing_left: Callable[[], Any]
) -> None:
    """No login is in the snapshot, an early read gets the hint, and the first invocation after the restore finds a token."""
    with (
        nothing_left(),
        sandbox_of(
            "snap-start", {**keys, "READER_HOOK": "yes"}, tmp_path, handler="reader.handler", code=FUNCTIONS
        ) as environment,
    ):
        environment.start()
        assert events(environment) == []
        environment.snapshot()
        environment.restore()
        assert events(environment) == ["restored", "login"]
        said = environment.service.result(environment.service.begin({}))
        assert said["early"]["error"] == "not-restored"
        assert "vaultgate.client.restore()" in said["early"]["hint"]
        assert said["now"]["data"]["data"]
        environment.shut_down()
        assert events(environment)[-1] == "token-revoked"


def test_without_the_hook_the_first_invocation_opens_the_door(keys: dict[str, str], tmp_path: Path) -> None:
    """An INVOKE proves that the snapshot was restored."""
    with sandbox_of("snap-start", keys, tmp_path, handler="reader.handler", code=FUNCTIONS) as environment:
        environment.start()
        environment.snapshot()
        environment.restore()
        assert events(environment) == []
        said = environment.service.result(environment.service.begin({}))
        assert (said["early"]["error"], list(said["now"])) == ("not-restored", ["data"])
        environment.shut_down()


def test_the_doors_secret_is_not_the_snapshots(keys: dict[str, str], tmp_path: Path) -> None:
    """What stood in its file when the snapshot was taken opens nothing after the restore; the function reads the new one."""
    host, port = keys["VAULTGATE_LISTEN"].split(":")
    file = Path(file_of((host, int(port))))
    variables = {**keys, "READER_HOOK": "yes", "VAULTGATE_GUARD": "secret"}
    with sandbox_of("snap-start", variables, tmp_path, handler="reader.handler", code=FUNCTIONS) as environment:
        environment.start()
        before = file.read_text()
        environment.snapshot()
        environment.restore()
        assert file.read_text() != before
        assert "data" in environment.service.result(environment.service.begin({}))["now"]
        url = f"http://{host}:{port}/v1/secret/data/records"
        shown = {"X-Vault-Request": "true", "X-Vaultgate-Secret": before}
        assert requests.get(url, headers=shown, timeout=10).status_code == 403
        assert requests.get(url, headers={**shown, "X-Vaultgate-Secret": file.read_text()}, timeout=10).status_code == 200
        environment.shut_down()


def test_restores_of_one_state_share_nothing(keys: dict[str, str]) -> None:
    """Every restored sandbox has a token, a lease and chance of its own, none of it drawn before the snapshot."""
    package = str(Path(vaultgate.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RESTORED, package, str(RESTORES)],
        env={**keys, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    restored = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(restored) == RESTORES
    assert {tuple(one["drawn"]) for one in restored} == {()}
    for what in ("token", "lease", "chance"):
        assert len({one[what] for one in restored}) == RESTORES


@pytest.mark.parametrize(("setting", "value"), [("VAULTGATE_START", "ready"), ("VAULT_SECRET_PATH", "secret/data/records")])
def test_what_would_put_a_secret_into_the_snapshot_fails_the_init(
    keys: dict[str, str], tmp_path: Path, setting: str, value: str
) -> None:
    """The settings are refused with the reason."""
    with sandbox_of("snap-start", {**keys, setting: value}, tmp_path) as environment:
        with pytest.raises(AssertionError, match="init did not end"):
            environment.start()
        [(call, _, document)] = environment.service.errors
        assert call == "init/error"
        assert f"{setting}" in document["errorMessage"]
        assert "SnapStart" in document["errorMessage"]


def audited(stack: Stack, path: str) -> int:
    """How many requests for a path Vault has answered."""
    entries = [json.loads(line) for line in stack.vault.audit_file.read_text().splitlines()]
    return sum(1 for entry in entries if entry["type"] == "response" and entry["request"].get("path") == path)


def test_a_managed_instance_serves_many_processes_with_one_call(
    stack: Stack, tmp_path: Path, nothing_left: Callable[[], Any]
) -> None:
    """It registers for SHUTDOWN alone; eight processes that ask for one key at once cost Vault one request."""
    variables = stack.function_environment(processes.free_port())
    with (
        nothing_left(),
        sandbox_of(
            "lambda-managed-instances", variables, tmp_path, handler="reader.handler", code=FUNCTIONS, concurrency=8
        ) as environment,
    ):
        environment.start()
        before = audited(stack, CREDS)
        begun = [environment.service.begin({"path": CREDS}) for _ in range(8)]
        said = [environment.service.result(request_id) for request_id in begun]
        assert len({one["now"]["user"] for one in said}) == 1
        assert len({one["process"] for one in said}) > 1
        assert audited(stack, CREDS) == before + 1
        assert environment.service.registered == ("vaultgate", ["SHUTDOWN"])
        environment.shut_down()


def test_a_managed_instance_is_looked_after_by_a_timer(
    stack: Stack, tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """The token is renewed although no invocation is ever heard of."""
    vault = hvac.Client(url=stack.vault.address, token=stack.vault.root_token, verify=str(stack.vault.ca_file))
    role = vault.read("auth/aws/role/records")["data"]
    kept = ("auth_type", "bound_iam_principal_arn", "resolve_aws_unique_ids", "token_policies")
    short = {**{name: role[name] for name in kept}, "token_ttl": "3s", "token_max_ttl": "1h"}
    vault.write_data("auth/aws/role/short", data=short)
    variables = {**stack.function_environment(processes.free_port()), "VAULT_AUTH_ROLE": "short"}
    with sandbox_of("lambda-managed-instances", variables, tmp_path) as environment:
        environment.start()
        eventually(lambda: "token-renewed" in events(environment))
        environment.shut_down()


@pytest.mark.parametrize("reason", ["SPINDOWN", "TIMEOUT", "FAILURE"])
def test_whatever_the_reason_of_the_end_everything_is_given_back(
    stack: Stack, tmp_path: Path, nothing_left: Callable[[], Any], reason: str
) -> None:
    """A function that timed out or crashed leaves no token and no database user either."""
    variables = stack.function_environment(processes.free_port())
    with nothing_left(), sandbox_of("on-demand", variables, tmp_path, handler="reader.handler", code=FUNCTIONS) as environment:
        environment.start()
        assert environment.service.result(environment.service.begin({"path": CREDS}))["now"]["user"]
        assert environment.shut_down(reason) < 2.0
        assert events(environment)[-1] == "token-revoked"


def test_a_provisioned_sandbox_has_logged_in_before_it_waits(stack: Stack, tmp_path: Path) -> None:
    """It may wait for hours, frozen: not in the middle of a login."""
    variables = stack.function_environment(processes.free_port())
    with sandbox_of("provisioned-concurrency", variables, tmp_path) as environment:
        environment.start()
        assert events(environment) == ["login"]
        environment.shut_down()


def test_an_init_that_runs_again_finds_its_way(stack: Stack, tmp_path: Path) -> None:
    """After a crash in the init Lambda starts the extension anew in the same sandbox: port, files and folder are taken over."""
    path = tmp_path / "secret.json"
    port = processes.free_port()
    variables = {
        **stack.function_environment(port),
        "VAULTGATE_START": "ready",
        "VAULT_SECRET_PATH": "secret/data/records",
        "VAULT_SECRET_FILE": str(path),
    }
    with sandbox_of("on-demand", variables, tmp_path) as environment:
        environment.start()
        first = path.read_bytes()
        environment.crash()
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(path.read_bytes())["data"] == json.loads(first)["data"]
        environment.shut_down()
        assert not path.exists()


def test_metrics_are_written_where_they_are_asked_for(stack: Stack, tmp_path: Path) -> None:
    """The login and the read of one invocation are told at the next one, what came after that at the end."""
    variables = {
        **stack.function_environment(processes.free_port()),
        "VAULTGATE_METRICS": "emf",
        "AWS_LAMBDA_FUNCTION_NAME": "records",
    }
    with sandbox_of("on-demand", variables, tmp_path, handler="reader.handler", code=FUNCTIONS) as environment:
        environment.start()
        for _ in range(2):
            environment.service.result(environment.service.begin({"path": CREDS}))
        environment.shut_down()
        lines = [line for line in environment.events() if "_aws" in line]
    assert {line["FunctionName"] for line in lines} == {"records"}
    assert sum(len(line.get("LoginMs", [])) for line in lines) == 1
    assert sum(line.get("Misses", 0) for line in lines) >= 1
    assert lines[-1]["LeasesHeld"] == 1
