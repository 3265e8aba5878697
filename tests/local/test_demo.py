"""`make demo` as a user runs it: what it prints, and what is left when it is interrupted or killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.local import markers, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.stack

VAULTGATE = Path(sys.executable).with_name("vaultgate")
PATIENCE_S = 60.0


def shape(text: str) -> list[str]:
    """The lines of a demo's output without what differs from run to run: numbers, random names, widths."""
    names = re.sub(r"v-aws-\S+", "v-aws-NAME,", text).replace(",,", ",")
    return [" ".join(re.sub(r"[\d.]+", "N", line).split()).rstrip(",") for line in names.splitlines() if line.strip()]


def transcript() -> str:
    """The demo's output as the README shows it."""
    readme = (paths.checkout() / "README.md").read_text(encoding="utf-8")
    return readme.partition("$ make demo\n")[2].partition("```")[0]


@pytest.fixture
def starting() -> Iterator[Callable[[], tuple[subprocess.Popen[str], Path]]]:
    """Starts a demo and gives its process and the folder of its stack; whatever is left at the end is removed."""
    begun: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], Path]:
        # A job in the background of a script ignores SIGINT, and so do its children, unless somebody says otherwise.
        demo = ["env", "--default-signal=INT", VAULTGATE, "demo"]
        process = subprocess.Popen(demo, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        begun.append(process)
        return process, paths.stacks_folder() / f"demo-{process.pid}"

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], beginning: str) -> None:
    """Read the demo's output up to a line."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"the demo ended before it said {beginning!r}")


def test_the_readme_shows_what_the_demo_prints(starting: Callable[[], tuple[subprocess.Popen[str], Path]]) -> None:
    """The demo tells its story, line for line of the README's shape, exits 0 and leaves neither process nor file."""
    process, folder = starting()
    told, _ = process.communicate(timeout=PATIENCE_S * 2)
    assert process.returncode == 0
    assert shape(told) == shape(transcript())
    assert not folder.exists()
    assert not markers.find(folder)


@pytest.mark.parametrize("line", ["stack started", "function cold-started"])
def test_ctrl_c_leaves_nothing(starting: Callable[[], tuple[subprocess.Popen[str], Path]], line: str) -> None:
    """Ctrl-C in the middle ends every process of the stack, deletes its folder, and exits 130."""
    process, folder = starting()
    read_until(process, line)
    assert markers.find(folder)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert not markers.find(folder)
    assert not folder.exists()


def test_down_clears_up_after_a_killed_demo(starting: Callable[[], tuple[subprocess.Popen[str], Path]]) -> None:
    """SIGKILL leaves processes and files; the next `vaultgate down` ends and deletes them."""
    process, folder = starting()
    read_until(process, "function cold-started")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    assert markers.find(folder)
    assert folder.exists()
    # By its name, so that a stack which somebody keeps running here is left alone.
    down = [VAULTGATE, "down", "--name", folder.name]
    done = subprocess.run(down, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert f"{folder.name}: ended" in done.stdout
    assert not markers.find(folder)
    assert not folder.exists()
