"""Contenders whose answers are known: by a clock that tests move, or by a count."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare.calling import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.simulators.clock import MovableClock

SERVED, FAILED = Answer(served=True, mark="old"), Answer(served=False)


def aws(name: str) -> str:
    """Where every store is in a real account."""
    assert name
    return "aws"


class NoTask:
    """A task that nobody watches."""

    def advance(self, amount: float = 1) -> None: ...

    def describe(self, text: str) -> None: ...


class Watched:
    """A reporter that keeps what it is told, and how far its task is."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.done = 0.0

    @contextmanager
    def task(self, title: str, *, total: float | None = None) -> Iterator[Watched]:  # noqa: ARG002 - the protocol's shape
        self.total = total
        yield self

    def say(self, text: str) -> None:
        self.said.append(text)

    def advance(self, amount: float = 1) -> None:
        assert amount >= 0
        self.done += amount

    def describe(self, text: str) -> None:
        self.said.append(text)


def slow_read(clock: MovableClock, took_s: float, password: str = "made-up") -> Callable[..., tuple[str, str]]:
    """A way of reading that takes this long, by the clock."""

    def read(*, anew: bool) -> tuple[str, str]:
        clock.advance(took_s)
        return "user", password

    return read


class Rotatable:
    """Contenders of which each loses a known number of requests after a rotation, and then serves the new value or never."""

    def __init__(self, losses: dict[str, float]) -> None:
        self._losses = losses
        self._lost: dict[str, int] = {}
        self.rotated: list[str] = []
        self.restored: list[str] = []

    def ready(self, stores: Iterable[str]) -> None:
        assert not self.rotated, "before anything is rotated"
        self.made_ready = list(stores)

    def get(self, contender: str, application: str) -> Callable[[], Answer]:  # noqa: ARG002 - the protocol's shape
        def once() -> Answer:
            if contender.partition(".")[0] not in self.rotated:
                return SERVED
            if self._lost.get(contender, 0) < self._losses[contender]:
                self._lost[contender] = self._lost.get(contender, 0) + 1
                return FAILED
            return Answer(served=True, mark="new")

        return once

    def rotate(self, store: str) -> None:
        self.rotated.append(store)

    def restore(self, stores: Iterable[str]) -> None:
        self.restored += stores


class Breakable:
    """Contenders that need their store at each read, or never."""

    def __init__(self, needy: set[str]) -> None:
        self._needy = needy
        self._down: set[str] = set()

    def read(self, contender: str) -> Callable[[], Answer]:
        store = contender.partition(".")[0]
        return lambda: FAILED if contender in self._needy and store in self._down else SERVED

    def can_be_down(self, store: str) -> bool:
        return store != "vault-kv"

    def down(self, stores: Iterable[str]) -> None:
        self._down |= set(stores)

    def up(self, stores: Iterable[str]) -> None:
        self._down -= set(stores)


class Sandboxed:
    """A ground of one contender whose sandbox takes known times, and whose store counts known calls."""

    def __init__(self, clock: MovableClock, first_s: float, calls: int) -> None:
        self.clock, self._first_s, self._calls = clock, first_s, calls
        self._counted = 0
        self.init_ms = 12.5
        self.ended: list[str] = []
        self.kept: list[str] = []

    def sandbox(self, contender: str) -> Sandboxed:  # noqa: ARG002 - the protocol's shape
        return self

    def start(self) -> None:
        self.clock.advance(7)

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the protocol's shape
        self.clock.advance(self._first_s)
        self._counted += self._calls
        return {"mark": "m", "us": [1.0]}

    def calls(self, store: str) -> int:  # noqa: ARG002 - the protocol's shape
        return self._counted

    def kill(self) -> None:
        self.ended.append("killed")

    def adopt(self, contender: str, sandbox: Sandboxed) -> None:  # noqa: ARG002 - the protocol's shape
        self.kept.append(contender)

    def drop(self, contender: str) -> None: ...

    def warm(self, contender: str) -> Sandboxed:  # noqa: ARG002 - the protocol's shape
        return self
