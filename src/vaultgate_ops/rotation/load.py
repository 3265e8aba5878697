"""Load on a credential while it is rotated, and what it saw.

Rules: each round reads the value that is current and logs in with it, or calls an API with it; a failed login counts if the
value is still the current one when the failure is known, because then there was a moment at which a client did everything right
and was turned away. Whatever goes wrong in the background is raised where the load is ended.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from pymysql.err import MySQLError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from vaultgate_ops.clock import Clock

EVERY_S = 0.005

Value = TypeVar("Value")


@dataclass
class Figures:
    """What a load saw.

    Attributes:
        logins: that were tried.
        overtaken: failures of values that were not current any more; they don't count.
        failed: failures that count.
        window_s: the time in all from the first failure of a row to the login that succeeded after it.
        numbers: of the database's errors, or the API's statuses, that count.
    """

    logins: int = 0
    overtaken: int = 0
    failed: int = 0
    window_s: float = 0
    numbers: frozenset[int] = frozenset()


class TurnedAway(Exception):
    """A service that isn't a database refused a value; the first argument is its status."""


class Background:
    """Something that is done over and over beside the block, until it is left.

    Args:
        once: to do.
        every_s: from one beginning to the next, or at once where it takes longer.
    """

    def __init__(self, once: Callable[[], None], clock: Clock, every_s: float) -> None:
        self._once, self._clock, self._every_s = once, clock, every_s
        self._over = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """End, and raise what went wrong."""
        self._over.set()
        self._thread.join()
        if self._problem is not None and error is None:
            raise self._problem

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                began = self._clock.steady()
                self._once()
                self._over.wait(max(0.0, began + self._every_s - self._clock.steady()))
        except BaseException as error:  # noqa: BLE001 - raised where the block is left
            self._problem = error


class Logins(Background, Generic[Value]):
    """Logs in with the current value, again and again.

    Args:
        read: gives the current value.
        login: uses it; raises pymysql's errors, or `TurnedAway`.
        clock: for pauses and windows.
        every_s: seconds between two beginnings.

    Attributes:
        figures: so far.
    """

    def __init__(
        self, read: Callable[[], Value], login: Callable[[Value], object], clock: Clock, every_s: float = EVERY_S
    ) -> None:
        super().__init__(self._round, clock, every_s)
        self._read, self._login = read, login
        self._shut_since: float | None = None
        self.figures = Figures()

    def _round(self) -> None:
        value, sent = self._read(), self._clock.steady()
        self.figures.logins += 1
        try:
            self._login(value)
        except (MySQLError, TurnedAway) as error:
            if self._read() != value:
                self.figures.overtaken += 1
                return
            self.figures.failed += 1
            self.figures.numbers |= {error.args[0]} if error.args else set()
            self._shut_since = sent if self._shut_since is None else self._shut_since
            return
        if self._shut_since is not None:
            self.figures.window_s += self._clock.steady() - self._shut_since
            self._shut_since = None
