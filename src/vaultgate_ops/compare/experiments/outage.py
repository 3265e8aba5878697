"""Outage: every store is down once for the same while, and all contenders are read side by side meanwhile.

Rules: down means that nobody listens and every connection is cut, as when a server has died. Sandboxes are warm: they have
read before. What counts is reads that began while the store was down; after it, how long until the first is served again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare.calling import TICK_S, Call, first_served, side_by_side, tally
from vaultgate_ops.compare.contenders import KEEP_S, Keeps, entry
from vaultgate_ops.compare.experiments import Step, unmeasured
from vaultgate_ops.compare.result import NEVER, Dimension, Measurement
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Protocol

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.compare.calling import Answer
    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task

    class Breakable(Protocol):
        """Contenders whose stores can be down."""

        def read(self, contender: str) -> Callable[[], Answer]:
            """Reads its secret; it has read once already."""

        def can_be_down(self, store: str) -> bool:
            """Whether this store can be taken down here."""

        def down(self, stores: Iterable[str]) -> None:
            """Take them down."""

        def up(self, stores: Iterable[str]) -> None:
            """Bring them back; nothing for those that are up."""


PER_SECOND = 5.0
_BEFORE_S, _RECOVERY_S = 0.5, 10.0
_AFTER_S, _WARM_S = 0.5, 0.1  # until all are served again, and to make one ready: about


class Outage:
    """The experiment.

    Args:
        broken: the contenders.
        down_s: how long the stores are down.
        clock: for turns and times.
        places: where a contender's store is, `loopback` or `aws`.
    """

    dimension = Dimension.OUTAGE

    def __init__(self, broken: Breakable, down_s: float, clock: Clock, places: Callable[[str], str]) -> None:
        self._broken, self._down_s, self._clock, self._places = broken, down_s, clock, places

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """One: all stores are down at once, so that all see the same machine."""
        subjects = tuple(one.id for one in able)
        waits_s = _BEFORE_S + self._down_s + _AFTER_S
        return [Step("all", subjects, waits_s + _WARM_S * len(subjects), waits_s)] if subjects else []

    def observe(self, step: Step, task: Task) -> Observed:
        """Read all, take all stores down, bring them back."""

        def tell() -> None:
            task.describe("every store is down, and all are read")

        tell()
        seen: Observed = {}
        asks = {}
        for subject in step.subjects:
            if not self._broken.can_be_down(entry(subject).store):
                seen[subject] = {"problem": "This store can't be taken down from here."}
                continue
            try:
                asks[subject] = self._broken.read(subject)
            except OpsError as error:
                seen[subject] = {"problem": error.message}
        stores = tuple(dict.fromkeys(entry(subject).store for subject in asks))
        at: list[float] = []

        def break_and_mend() -> None:
            self._clock.sleep(_BEFORE_S)
            try:
                self._broken.down(stores)
                at.append(self._clock.steady())
                while (left_s := at[0] + self._down_s - self._clock.steady()) > 0:
                    self._clock.sleep(min(left_s, TICK_S))
                    tell()
            finally:
                at.append(self._clock.steady())
                self._broken.up(stores)

        def over(made: Sequence[Call]) -> bool:
            if len(at) < 2:  # noqa: PLR2004 - down and up
                return False
            return first_served(made, at[1]) is not None or self._clock.steady() >= at[1] + _RECOVERY_S

        made = side_by_side(asks, break_and_mend, self._clock, 1 / PER_SECOND, over, tick=tell)
        return seen | {subject: observed(calls, *at) for subject, calls in made.items()}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """Served and failed reads, the longest of them, and seconds until one was served after the outage."""
        return [measured for seen in observed.values() for subject, one in seen.items() for measured in self._of(subject, one)]

    def _of(self, subject: str, seen: Mapping[str, Any]) -> list[Measurement]:
        if "problem" in seen:
            return [unmeasured(self.dimension, subject, "failed", seen["problem"])]
        conditions: dict[str, float | str] = {"down_s": self._down_s, "per_second": PER_SECOND}
        if entry(subject).keeps is Keeps.TIME:
            conditions["lifetime_s"] = KEEP_S
        asked, back_s = seen["served"] + seen["failed"], seen["back_s"]

        def figure(name: str, value: float | str, unit: str, **more: Any) -> Measurement:
            given: dict[str, Any] = {"samples": asked, "conditions": conditions} | more
            return Measurement(self.dimension, subject, name, value, unit, **given)

        return [
            figure("served", seen["served"], "requests"),
            figure("failed", seen["failed"], "requests", series=tuple((at_s, float(ok)) for at_s, ok in seen["calls"])),
            figure("longest", round(seen["longest_ms"], 1), "ms", place=self._places(subject)),
            figure(
                "back",
                NEVER if back_s is None else round(back_s, 3),
                "s",
                samples=1,
                conditions={**conditions, "horizon_s": _RECOVERY_S},
                place=self._places(subject),
            ),
        ]


def observed(calls: Sequence[Call], down_s: float, up_s: float) -> dict[str, Any]:
    """What one contender's reads say of an outage.

    Args:
        calls: in order.
        down_s: when it began, by the steady clock.
        up_s: when it ended.

    Returns:
        ``served``, ``failed`` and ``longest_ms`` of the reads that began during it; ``back_s``: from its end to the end of the
        first served read begun after it, or None; ``calls``: pairs of seconds since its beginning and whether it was served.
    """
    counted = tally(calls, down_s, up_s)
    return {
        "served": counted.served,
        "failed": counted.failed,
        "longest_ms": counted.longest_s * 1000,
        "back_s": first_served(calls, up_s),
        "calls": [[round(call.at_s - down_s, 3), call.served] for call in calls],
    }
