"""Environment variables without code: vaultgate-exec before AWS's runtime, in the emulator, with the real Vault."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.lambda_service import sandbox_of

from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import paths, processes
from vaultgate_ops.local.function_endpoint import InitFailed
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vaultgate_ops.local.stack import Stack

pytestmark = pytest.mark.stack

FUNCTIONS = Path(__file__).with_name("functions")
KEY = "kept-in-vault-1f0c"
WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/vaultgate-exec"}


@pytest.fixture
def start(stack: Stack, store: Callable[..., object]) -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes of a function that tells its variables."""
    store(api_key=KEY, limits={"a": 1}, nothing=None, zero="a\0b")
    emulator = Path(folders.noted(stack.folder)["programs"]["emulator"])
    started: list[Sandbox] = []

    def begin(**environment: str) -> Sandbox:
        variables = {**stack.function_environment(processes.free_port()), **WRAPPER, **environment}
        layer = paths.build_folder() / "layer"
        name = uuid.uuid4().hex[:8]
        sandbox = Sandbox(emulator, layer, variables, "variables.handler", stack.folder, code=FUNCTIONS, name=name)
        started.append(sandbox)
        sandbox.start()
        return sandbox

    yield begin
    for sandbox in started:
        sandbox.kill()


def told(sandbox: Sandbox, *names: str) -> dict[str, Any]:
    """The function's variables."""
    answer: dict[str, Any] = sandbox.invoke({"names": names})
    return answer


def test_references_become_what_vault_has(start: Callable[..., Sandbox]) -> None:
    """The function sees the values; what is no text is JSON; other variables are what they were; no log shows a value."""
    sandbox = start(
        API_KEY="vault:secret/data/records#api_key",
        SAME="vault:/v1/secret/data/records#api_key",
        LIMITS="vault:secret/data/records#limits",
        OTHER="vaulted",
    )
    said = told(sandbox, "API_KEY", "SAME", "LIMITS", "OTHER")
    assert said == {"API_KEY": KEY, "SAME": KEY, "LIMITS": '{"a": 1}', "OTHER": "vaulted"}
    assert KEY not in sandbox.log()


def test_dynamic_credentials_are_one_pair(start: Callable[..., Sandbox]) -> None:
    """User and password of one path come from one lease, however many variables name it."""
    path = "database/creds/records"
    said = told(start(DB_USER=f"vault:{path}#username", DB_PASSWORD=f"vault:{path}#password"), "DB_USER", "DB_PASSWORD")
    assert said["DB_USER"].startswith("v-aws-")
    assert len(said["DB_PASSWORD"]) >= 16


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("vault:secret/data/records", "is not a reference such as vault:secret/data/app#api_key"),
        ("vault:#api_key", "is not a reference"),
        ("vault:secret/data/records#api_kee", "did you mean 'api_key'?"),
        ("vault:secret/data/records#nothing", "is null"),
        ("vault:secret/data/records#zero", "holds a zero byte"),
        ("vault:secret/records#api_key", "the path is likely secret/data/records"),
        ("vault:secret/data/recordz#api_key", "'secret/data/recordz'"),
    ],
)
def test_a_bad_reference_stops_the_start_with_its_name(start: Callable[..., Sandbox], reference: str, words: str) -> None:
    """The function never runs with a variable that isn't there; every other bad one is named in the same line."""
    sandbox = start(API_KEY=reference, OTHER="vault:nonsense")
    with pytest.raises(InitFailed):
        told(sandbox, "API_KEY")
    [line] = [json.loads(line) for line in sandbox.log().splitlines() if '"problems"' in line]
    problems = "; ".join(line["problems"])
    assert "OTHER='vault:nonsense' is not a reference" in problems
    assert words in problems.partition("API_KEY")[2]


def test_it_hands_over_to_the_next_wrapper(start: Callable[..., Sandbox], stack: Stack) -> None:
    """Another wrapper gets the values and the runtime's command line, and no trace of having been named."""
    wrapper = stack.folder / "next-wrapper"
    wrapper.write_text('#!/bin/sh\nexport SEEN="$API_KEY"\nexec "$@"\n')
    wrapper.chmod(0o755)
    sandbox = start(API_KEY="vault:secret/data/records#api_key", VAULTGATE_EXEC_NEXT=str(wrapper))
    assert told(sandbox, "SEEN", "VAULTGATE_EXEC_NEXT") == {"SEEN": KEY, "VAULTGATE_EXEC_NEXT": None}


def test_a_next_wrapper_that_is_not_there_is_named(start: Callable[..., Sandbox]) -> None:
    """The start is stopped with the setting's name."""
    sandbox = start(VAULTGATE_EXEC_NEXT="/opt/nobody")
    with pytest.raises(InitFailed):
        told(sandbox)
    assert "VAULTGATE_EXEC_NEXT=/opt/nobody can't be started: No such file or directory" in sandbox.log()


def test_it_is_refused_where_a_snapshot_is_taken(stack: Stack, tmp_path: Path) -> None:
    """With SnapStart the value would be in every sandbox of the version: the start is stopped with the reason."""
    variables = {**stack.function_environment(processes.free_port()), "API_KEY": "vault:secret/data/records#api_key"}
    with sandbox_of("snap-start", variables, tmp_path) as environment:
        environment.start()
        launcher = paths.build_folder() / "layer/vaultgate-exec"
        ran = subprocess.run(
            [launcher, "/bin/true"],
            env={**variables, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        environment.shut_down()
    assert ran.returncode == 2
    assert "API_KEY holds a reference: with SnapStart" in json.loads(ran.stderr)["message"]
