"""`vaultgate ... --docker` as a user meets it where no engine answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vaultgate_ops.local.stack import Stack

from vaultgate_ops.local.compose import unseal

UNREACHABLE = 4


def vaultgate(*arguments: str, engine: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with an engine's socket of the test's choice."""
    program = Path(sys.executable).with_name("vaultgate")
    environment = {**os.environ, "DOCKER_HOST": f"unix://{engine}"}
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", ["up", "demo"])
def test_without_an_engine_two_lines_say_what_to_do(verb: str, tmp_path: Path) -> None:
    """One line for what is wrong, one for the fix, exit code 4, nothing on stdout."""
    socket = tmp_path / "none.sock"
    done = vaultgate(verb, "--docker", engine=socket)
    assert done.returncode == UNREACHABLE
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"error: No container engine answers at unix://{socket}.",
        (
            "fix: Start Docker, or point DOCKER_HOST to an engine,"
            " or use the embedded stack, which needs no engine (make demo, make up)."
        ),
    ]


@pytest.mark.stack
def test_the_operator_unseals_a_sealed_vault(stack: Stack) -> None:
    """Sealed by hand, Vault is active again after the operator has looked at it once; looking again changes nothing."""
    vault = stack.vault
    with vault.client() as client:
        client.sys.seal()
    assert unseal.health(vault.address, vault.ca_file) == unseal.SEALED
    for _ in range(2):
        unseal.attend(vault.address, vault.ca_file, stack.folder / "vault")
        assert unseal.health(vault.address, vault.ca_file) == unseal.ACTIVE


def test_nobody_is_no_status(tmp_path: Path) -> None:
    """Where nobody listens, health is 0 and attending does nothing."""
    assert unseal.health("https://127.0.0.1:1", Path("/dev/null")) == 0
    unseal.attend("https://127.0.0.1:1", Path("/dev/null"), tmp_path)
    assert not [*tmp_path.iterdir()]
