"""How the library tells what it is doing, without knowing who listens.

The command line shows tasks as progress bars; tests and other programs pass ``Silent()``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, amount: float = 1) -> None:
        """Count ``amount`` more of the total as done."""

    def describe(self, text: str) -> None:
        """Say what is being worked on right now."""


class Reporter(Protocol):
    """Somebody who wants to know."""

    def task(self, title: str, *, total: float | None = None) -> AbstractContextManager[Task]:
        """Open a task; ``total`` is its size in any unit, None where it can't be known."""

    def say(self, text: str) -> None:
        """Tell one finished fact."""


class _NoTask:
    def advance(self, amount: float = 1) -> None: ...

    def describe(self, text: str) -> None: ...


class Silent:
    """A reporter that tells nobody."""

    @contextmanager
    def task(self, title: str, *, total: float | None = None) -> Iterator[Task]:  # noqa: ARG002 - the protocol's shape
        """Do the work, say nothing."""
        yield _NoTask()

    def say(self, text: str) -> None:
        """Say nothing."""
