"""`vaultgate bootstrap` as somebody types it: words, exit codes, and what never appears."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bootstrap.conftest import Accounts

    from vaultgate_ops.local.vault_server import VaultServer

RUN = "from vaultgate_ops.cli.main import main; main()"


def vaultgate(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with this environment and nothing else."""
    return subprocess.run(
        [sys.executable, "-c", RUN, "bootstrap", *words], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def environ(vault: VaultServer, variables: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who may do everything."""
    return {
        **variables,
        "HOME": str(tmp_path),
        "VAULT_ADDR": vault.address,
        "VAULT_CACERT": str(vault.ca_file),
        "VAULT_TOKEN_FILE": str(vault.root_token_file),
    }


@pytest.mark.stack
def test_plan_apply_and_again(environ: dict[str, str], accounts: Accounts) -> None:
    """The plan changes nothing and exits 0; the run says the same and does it; the next one has nothing to do."""
    planned = vaultgate(environ, "--plan")
    made = vaultgate(environ)
    again = vaultgate(environ)

    assert (planned.returncode, made.returncode, again.returncode) == (0, 0, 0)
    assert planned.stderr == ""
    lines = planned.stdout.splitlines()
    assert lines[0] == "+ sys/audit/file  (audit device)"
    assert "    + password                 (hidden)" in lines
    assert lines[-1] == "13 changes (13 to create)"
    assert made.stdout.splitlines() == [*lines, "done: 13 changes (13 to create)"]
    assert again.stdout == "0 changes\n"
    assert accounts.password not in planned.stdout + made.stdout + made.stderr


@pytest.mark.stack
def test_variables_on_the_command_line_win(environ: dict[str, str], tmp_path: Path) -> None:
    """--set beats the environment; a secret comes by the name of its file."""
    password = environ.pop("DATABASE_ADMIN_PASSWORD")
    secret = tmp_path / "password"
    secret.write_text(password, encoding="utf-8")

    planned = vaultgate(environ, "--plan", "--set", "AWS_REGION=eu-west-1", "--set", f"DATABASE_ADMIN_PASSWORD_FILE={secret}")

    assert planned.returncode == 0
    assert "sts_region                  eu-west-1" in planned.stdout


@pytest.mark.stack
def test_a_plan_that_the_token_may_not_carry_out_says_so(environ: dict[str, str], vault: VaultServer) -> None:
    """The plan is shown, then the missing privileges; exit code 5."""
    reads = ("sys/audit", "sys/auth", "sys/mounts", "sys/policies/acl/records", "sys/policies/password/mysql")
    with vault.client() as root:
        policy = "".join(f'path "{path}" {{ capabilities = ["read", "sudo"] }}\n' for path in reads)
        root.sys.create_or_update_policy("reader", policy)
        token = root.auth.token.create(policies=["reader"])["auth"]["client_token"]

    planned = vaultgate({**environ, "VAULT_TOKEN": token}, "--plan")

    assert planned.returncode == 5
    assert planned.stdout.splitlines()[-1] == "13 changes (13 to create)"
    said = planned.stderr.splitlines()
    assert said[0] == "error: the token lacks 13 privileges to make these changes; nothing was changed:"
    assert "  sys/audit/file: sudo, update" in said
    assert "  sys/policies/acl/records: update" in said
    assert said[-1].startswith("fix: grant them; docs/bootstrap.md")


@pytest.mark.stack
def test_a_reset_of_the_database_password_is_a_flag(environ: dict[str, str]) -> None:
    """Without the flag an existing connection is left alone; with it one change is planned."""
    assert vaultgate(environ).returncode == 0

    planned = vaultgate(environ, "--plan", "--reset-database-password")

    assert planned.stdout.splitlines() == [
        "~ database/config/shop  (database connection)",
        "    ~ password  (hidden) -> (hidden)",
        "1 change (1 to update)",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "hunter2"], "error: --set takes NAME=VALUE"),
        (["--set", "=hunter2"], "error: --set takes NAME=VALUE"),
        (["--set", "DATABASE_ADMIN_PASSWORD=hunter2"], "DATABASE_ADMIN_PASSWORD is secret"),
        (["--set", "DATABASE_PROT=hunter2"], "unknown variable DATABASE_PROT; did you mean DATABASE_PORT?"),
        (["--file", "/nowhere.yaml"], "error: /nowhere.yaml can't be read"),
        ([], "variable FUNCTION_ROLE_ARN is not set"),
        (["--paln"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_code_2_without_a_traceback(tmp_path: Path, words: list[str], said: str) -> None:
    """What is wrong, the fix, no traceback, and nothing of a value that may be a secret."""
    run = vaultgate({"HOME": str(tmp_path)}, *words)

    assert run.returncode == 2
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert "hunter2" not in run.stderr + run.stdout


def test_no_connection_is_exit_code_2(tmp_path: Path) -> None:
    """A file without variables gets as far as the connection, which isn't described."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("audit: {}\n", encoding="utf-8")

    run = vaultgate({"HOME": str(tmp_path)}, "--file", str(mine))

    assert run.returncode == 2
    assert run.stderr.splitlines()[:3] == [
        "error: no connection to Vault is described:",
        "  VAULT_ADDR is not set",
        "  there is no token",
    ]
