"""docs/tutorial.md: its first half is run as it stands, block after block in one shell; the second says what it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.clock import Clock
from vaultgate_ops.local import folder as folders
from vaultgate_ops.local import markers, paths

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.stack

PAGE = (paths.checkout() / "docs" / "tutorial.md").read_text(encoding="utf-8")
HERE, THERE = PAGE.split("## In your account")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def name() -> Iterator[str]:
    """Of the stack, in the place of the page's."""
    made = f"tutorial-{os.getpid()}"
    yield made
    folders.remove(paths.stacks_folder() / made, Clock())


def test_the_first_half_is_what_happens(name: str, tmp_path: Path) -> None:
    """Each block ends well, and says what the page says of it."""
    blocks = BLOCK.findall(HERE)
    # Set-up is this suite's own affair: its interpreter is the one that `make setup` made.
    script = "\n".join(f"echo '=== {number}'\n{block}" for number, block in enumerate(blocks) if "make setup" not in block)
    script = script.replace("--name tutorial", f"--name {name}").replace("make layer\n", "")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=paths.checkout(),
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", str(tmp_path)),
            "TMPDIR": str(tmp_path),
            **{key: os.environ[key] for key in ("XDG_CACHE_HOME", "VAULT_BIN") if key in os.environ},
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout.split("=== ")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    users = re.findall(r'"user": ?"(v-aws-[^"]+)"', done.stdout)
    assert len(users) == 3
    assert users[0] == users[1] != users[2]
    assert re.search(r'"keys": ?\["[^",]+"\]', done.stdout), "one lease"
    entries = re.search(r"(\d+) entries", done.stdout)
    assert entries
    assert int(entries[1]) > 10
    assert "{'key': 'from the double'}" in done.stdout
    assert re.search(r"^42 rows, as v-aws-\S+$", done.stdout, re.MULTILINE)
    assert "ended" in said[-1]
    assert markers.find(paths.stacks_folder() / name) == []


def test_the_second_half_says_what_it_needs() -> None:
    """Every block that nobody ran begins with the words that say so."""
    blocks = BLOCK.findall(THERE)
    assert len(blocks) > 3
    assert all(block.startswith("# needs AWS\n") for block in blocks)
    assert shutil.which("bash")
