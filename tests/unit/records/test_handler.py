"""What happens when Lambda imports the function."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[3] / "src"
LAYER = Path(__file__).parents[3] / "build/layer/python"
RIGHT = {"RECORDS_TABLE": "orders", "RDS_HOST": "db.internal", "RDS_DB_NAME": "shop"}
MODULES = """
import sys
from vaultgate_ops.records.handler import handler
assert callable(handler)
print(*sorted(name for name in sys.modules if name.split(".")[0] == "vaultgate_ops"))
"""


def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Import in a fresh interpreter that has these variables only."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{LAYER}:{SRC}", **environ}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_the_function_brings_nothing_of_the_tools_around_it() -> None:
    """What is deployed is this one package: nothing of the local stack, of bootstrap or of the command line."""
    done = run(MODULES, **RIGHT)
    assert done.stderr == ""
    names = done.stdout.split()
    assert "vaultgate_ops.records.handler" in names
    assert [name for name in names if name != "vaultgate_ops" and not name.startswith("vaultgate_ops.records")] == []


def test_wrong_settings_end_the_init_with_all_their_names() -> None:
    """The last line that Lambda shows is the list."""
    done = run("import vaultgate_ops.records.handler", RECORDS_TABLE="or;ders", CREDENTIAL_SOURCE="paper")
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("vaultgate.errors.ConfigurationError: ")
    assert all(name in last for name in ("CREDENTIAL_SOURCE", "RECORDS_TABLE", "RDS_HOST", "RDS_DB_NAME"))


def test_two_deployments_are_told_apart() -> None:
    """What the deployment calls its service is what its metrics are called by."""
    code = "import vaultgate_ops.records.handler as its; print(its._SERVICE)"
    assert run(code, **RIGHT, POWERTOOLS_SERVICE_NAME="one-records").stdout == "one-records\n"
    assert run(code, **RIGHT).stdout == "records\n"


def test_a_snapshot_is_followed_by_a_login() -> None:
    """With SnapStart the module leaves a hook for the time right after the restore; without it none."""
    code = "import vaultgate_ops.records.handler, snapshot_restore_py; print(len(snapshot_restore_py.get_after_restore()))"
    assert run(code, **RIGHT, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start").stdout == "1\n"
    assert run(code, **RIGHT, AWS_LAMBDA_INITIALIZATION_TYPE="on-demand").stdout == "0\n"
