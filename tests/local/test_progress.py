from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate_ops.cli.speech import Spoken
from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    import pytest


@dataclass
class Steady(Clock):
    """A clock that the test turns."""

    now_s: float = 0

    def steady(self) -> float:
        """What the test says."""
        return self.now_s


def test_long_work_is_heard_of_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, a task says now and then how far it is, not at each step."""
    clock = Steady()
    with Spoken(clock).task("Building Vault", total=200) as task:
        for _ in range(70):
            clock.now_s += 1
            task.describe(f"package {clock.now_s:.0f}")
            task.advance()
    assert capsys.readouterr().err.splitlines() == [
        "Building Vault ...",
        "Building Vault ... 14 %, package 30",
        "Building Vault ... 30 %, package 60",
    ]


def test_work_of_unknown_size(capsys: pytest.CaptureFixture[str]) -> None:
    """A task without a total says what it is at."""
    clock = Steady()
    with Spoken(clock).task("Fetching") as task:
        clock.now_s = 31
        task.advance()
        clock.now_s = 62
        task.describe("the rest")
    assert capsys.readouterr().err.splitlines() == ["Fetching ...", "Fetching ... at it", "Fetching ... the rest"]
