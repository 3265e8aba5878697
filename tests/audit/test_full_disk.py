"""A full disk under the log, and under the checkpoint: small file systems in a mount namespace of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vaultgate_ops.local import preflight

CHECKOUT = Path(__file__).parents[2]


def run(folder: Path, story: str) -> str:
    """Run one of the stories below with a file system of 256 KiB on ``folder``; gives what it told."""
    mount = 'mount -t tmpfs -o size=256k tmpfs "$1" && shift && exec "$@"'
    argv = [
        *preflight.mount_namespace(os.environ),
        "sh",
        "-c",
        mount,
        "sh",
        folder,
        sys.executable,
        "-m",
        "tests.audit.full_disk",
        story,
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(CHECKOUT), str(CHECKOUT / "src")))}
    done = subprocess.run(
        [*argv, folder, folder.parent], capture_output=True, text=True, check=False, timeout=60, cwd=CHECKOUT, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_that_fills_under_the_log_loses_only_what_was_never_written(tmp_path: Path) -> None:
    """The kernel cuts an entry; when there is room again the next one is glued to it: both arrive, and all before."""
    (tmp_path / "small").mkdir()
    assert run(tmp_path / "small", "log") == "arrived as written, 1 fragment\n"


def test_a_disk_that_fills_under_the_checkpoint_stops_nothing(tmp_path: Path) -> None:
    """The lines go on arriving, one sentence tells, and with room again the checkpoint is as far as they are."""
    (tmp_path / "small").mkdir()
    told = run(tmp_path / "small", "checkpoint").splitlines()
    assert told[0].startswith("The checkpoint can't be written: No space left on device")
    assert told[1:] == ["arrived while it was full", "nothing arrived twice"]
