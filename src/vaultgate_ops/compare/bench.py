"""The contenders of a prepared ground, in the forms that the experiments ask for.

Rules: a warm function is the contender's one and only, shared by all experiments but cold starts; what can't be asked of it
is an answer that was not served, never an exception, once it has answered at all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vaultgate_ops.compare.calling import Answer
from vaultgate_ops.compare.contenders import SLOW_S, Keeps, entry
from vaultgate_ops.compare.experiments.cold_start import First
from vaultgate_ops.compare.ground import ask
from vaultgate_ops.errors import CheckFailed, OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vaultgate_ops.compare.ground import Ground

_OK = 200
_WARM_S, _AGAIN_S = 10.0, 0.2


class Bench:
    """See `experiments.cold_start`, `reads`, `staleness` and `outage` for the forms.

    Args:
        ground: a prepared one.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._first_calls: dict[str, int | None] = {}

    def cold_start(self, contender: str, last: bool) -> First:  # noqa: FBT001 - the experiment's form
        """Start a sandbox and read; the last one stays as the contender's warm one."""
        sandbox = self._ground.sandbox(contender)
        clock, store = self._ground.clock, entry(contender).store
        try:
            sandbox.start()
            before = self._ground.calls(store)
            begin = clock.steady()
            ask(sandbox, do="read")
            took_ms = (clock.steady() - begin) * 1000
            self._count(contender, before)
            first = First(took_ms, sandbox.init_ms)
        except BaseException:
            sandbox.kill()
            raise
        if last:
            self._ground.adopt(contender, sandbox)
        else:
            sandbox.kill()
        return first

    def times(self, contender: str, reads: int, *, anew: bool) -> list[float]:
        """Microseconds of each read, by the function's own clock."""
        if contender not in self._first_calls:
            self._ground.drop(contender)
            before = self._ground.calls(entry(contender).store)
            self._ground.warm(contender)
            self._count(contender, before)
        answer = ask(self._ground.warm(contender), do="many", reads=reads, anew=anew)
        return [float(one) for one in answer["us"]]

    def calls(self, contender: str) -> int | None:
        """Of its store, as counted there; an unencrypted variable asks nobody."""
        return 0 if contender == "env.plain" else self._ground.calls(entry(contender).store)

    def first_calls(self, contender: str) -> int | None:
        """From its sandbox's start to its first answer."""
        return 0 if contender == "env.plain" else self._first_calls.get(contender)

    def get(self, contender: str, application: str) -> Callable[[], Answer]:
        """GET /records of a warm function."""
        sandbox, clock = self._ground.warm(contender), self._ground.clock
        failure = ""

        def once() -> Answer:
            nonlocal failure
            try:
                said = sandbox.invoke({"do": "records", "application": application})
            except OpsError as error:
                failure = error.message
                return Answer(served=False)
            if not isinstance(said, dict) or said.get("statusCode") != _OK:
                failure = str(said.get("body", said.get("errorMessage")) if isinstance(said, dict) else said)
                return Answer(served=False)
            return Answer(served=True, mark=json.loads(said["body"])["credential"]["user"])

        # What an earlier experiment did to its store it may still have to find out.
        deadline = clock.steady() + _WARM_S
        while not once().served:
            if clock.steady() >= deadline:
                raise CheckFailed(f"GET /records does not answer before anything was done to its store: {failure[:200]}")
            clock.sleep(_AGAIN_S)
        return once

    def ready(self, stores: Iterable[str]) -> None:
        """See `Ground.begin_anew`."""
        for store in stores:
            self._ground.begin_anew(store)

    def rotate(self, store: str) -> None:
        """See `Ground.rotate`."""
        self._ground.rotate(store)

    def restore(self, stores: Iterable[str]) -> None:
        """See `Ground.restore`."""
        for store in stores:
            self._ground.restore(store)

    def read(self, contender: str) -> Callable[[], Answer]:
        """A read of a warm function, which has asked its store a moment ago: no answer's age decides who outlives an outage."""
        if contender in SLOW_S:
            self._ground.drop(contender)
        sandbox = self._ground.warm(contender)
        if entry(contender).keeps is Keeps.TIME and contender not in SLOW_S:
            ask(sandbox, do="read", anew=True)

        def once() -> Answer:
            try:
                return Answer(served=True, mark=ask(sandbox, do="read")["mark"])
            except OpsError:
                return Answer(served=False)

        if not once().served:
            raise CheckFailed("It can't be read even before its store is down.")
        return once

    def can_be_down(self, store: str) -> bool:
        """Whether a gate stands before it."""
        return bool(self._ground.gates(store))

    def down(self, stores: Iterable[str]) -> None:
        """Shut the gates."""
        for gate in {gate for store in stores for gate in self._ground.gates(store)}:
            gate.shut()

    def up(self, stores: Iterable[str]) -> None:
        """Open the gates."""
        for gate in {gate for store in stores for gate in self._ground.gates(store)}:
            gate.open()

    def _count(self, contender: str, before: int | None) -> None:
        after = self._ground.calls(entry(contender).store)
        self._first_calls[contender] = None if before is None or after is None else after - before
