"""A stack's folder for tests that start processes of their own; all of them are dead when the test ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vaultgate_ops.clock import Clock
from vaultgate_ops.local import markers, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Launch = Callable[..., processes.Process]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty stack folder."""
    made = tmp_path / "stacks" / "one"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def launch(folder: Path) -> Iterator[Launch]:
    """Starts a shell script as a part of the stack; ends and reaps every one after the test."""
    started: list[processes.Process] = []

    def start(part: str, script: str = "exec sleep 300", **options: object) -> processes.Process:
        process = processes.start(part, ["sh", "-c", script], folder, **options)  # type: ignore[arg-type]
        started.append(process)
        return process

    yield start
    markers.end(folder, clock=Clock(), grace_s=0)
    for process in started:
        process.reap()
