"""The only module that prints.

Rules: what a person asked for goes to stdout, everything about the way there to stderr. A failure is two lines at most:
what happened, and the fix. No traceback for anything a person can act on. Progress is a bar on a terminal and plain lines
elsewhere: one at the start, then one about every half minute.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.errors import OpsError
    from vaultgate_ops.reporting import Task

# Without emoji: ":secret:" stands in every ARN of a secret.
stdout = Console(highlight=False, soft_wrap=True, emoji=False)
stderr = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def line(text: str = "") -> None:
    """Print one line of what was asked for."""
    stdout.print(text, markup=False)


def document(text: str) -> None:
    """Print a whole document as it is; rich would drop the carriage returns of CSV."""
    sys.stdout.write(text)


def failure(error: OpsError) -> None:
    """Print an error and its fix."""
    stderr.print(f"error: {error.message}", markup=False, style="red")
    if error.hint:
        stderr.print(f"fix: {error.hint}", markup=False)


LINE_EVERY_S = 30


class _Bar:
    def __init__(self, progress: Progress, task: TaskID, title: str, total: float | None, clock: Clock) -> None:
        self._progress, self._task, self._title, self._total, self._clock = progress, task, title, total, clock
        self._done, self._doing, self._told_s = 0.0, "", clock.steady()

    def advance(self, amount: float = 1) -> None:
        self._done += amount
        self._progress.advance(self._task, amount)
        self._tell()

    def describe(self, text: str) -> None:
        self._doing = text
        self._progress.update(self._task, description=f"{self._title}: {text}" if text else self._title)
        self._tell()

    def _tell(self) -> None:
        """Where there is no terminal, say now and then how far it is."""
        if stderr.is_terminal or self._clock.steady() - self._told_s < LINE_EVERY_S:
            return
        self._told_s = self._clock.steady()
        parts = [f"{100 * self._done / self._total:.0f} %" if self._total else "", self._doing]
        stderr.print(f"{self._title} ... {', '.join(part for part in parts if part) or 'at it'}", markup=False)


class Spoken:
    """A reporter that a person watches, on stderr."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._progress: Progress | None = None
        self._clock = clock or Clock()

    @contextmanager
    def task(self, title: str, *, total: float | None = None) -> Iterator[Task]:
        """Show a bar while the work goes on; where there is no terminal, one line at its start.

        Tasks may be open side by side, from several threads: one display shows them all.
        """
        if not stderr.is_terminal:
            stderr.print(f"{title} ...", markup=False)
        outermost = self._progress is None
        if self._progress is None:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TimeElapsedColumn(),
                console=stderr,
                transient=True,
                disable=not stderr.is_terminal,
            )
            self._progress.start()
        bar = self._progress.add_task(title, total=total)
        try:
            yield _Bar(self._progress, bar, title, total, self._clock)
        finally:
            self._progress.remove_task(bar)
            if outermost:
                self._progress.stop()
                self._progress = None

    def say(self, text: str) -> None:
        """Print one fact."""
        stderr.print(text, markup=False)
