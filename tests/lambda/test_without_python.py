"""Runtimes that have no Python, such as Node.js, Java or Go: the layer says so where the sandbox starts, and nowhere later."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.local import paths
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.function_endpoint import InitFailed
from vaultgate_ops.local.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDS = "Lambda's Python runtime, or Python 3.11 or newer in the image"


@pytest.fixture
def programs() -> Iterator[Path]:
    """What a runtime's image has on PATH, without any Python: this machine's programs but those."""
    # Not below /tmp, where a checkout may be, too: the sandbox has one of its own, and needs programs before it has it.
    with tempfile.TemporaryDirectory(prefix="without-python-", dir="/var/tmp") as place:
        folder = Path(place)
        for program in Path("/usr/bin").iterdir():
            if not program.name.startswith(("python", "pypy")):
                (folder / program.name).symlink_to(program)
        assert shutil.which("python3", path=place) is None
        yield folder


@pytest.fixture
def node(programs: Path, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with the built layer and no python3 on PATH; what stands for its runtime is started by its own path."""
    sandbox = Sandbox(
        find_emulator(),
        paths.build_folder() / "layer",
        {"PATH": str(programs)},
        "handler.handler",
        tmp_path / "stack",
        python=Path(sys.executable),
        name="node",
    )
    sandbox.start()
    yield sandbox
    sandbox.kill()


def test_the_init_fails_with_one_line_that_says_what_is_missing(node: Sandbox) -> None:
    """Lambda reports the extension's crash, and the function's log has the reason and what would do."""
    with pytest.raises(InitFailed):
        node.invoke({})
    (line,) = [line for line in node.log().splitlines() if line.startswith("vaultgate: ")]
    assert line == f"vaultgate: neither /var/lang/bin/python3 nor a python3 on PATH: the extension needs {NEEDS}"
