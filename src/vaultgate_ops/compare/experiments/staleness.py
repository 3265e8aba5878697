"""Staleness: the store's value is rotated while GET /records is called 20 times a second.

Rules: the rotation is the rudest there is: the old password is refused from then on, a new one lies in the store, and open
sessions are ended, so that nobody goes on by what he has. All contenders of a store see the same rotation. What counts is the
answer to GET /records; the new value is in use with the first answer whose request began after the rotation. Two
applications: `careful` reads past what is kept when a login is refused, as the record-count function does; `trusting` never
does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vaultgate_ops.compare.calling import Call, first_served, side_by_side, tally
from vaultgate_ops.compare.contenders import KEEP_S, SLOW_S, Keeps, entry
from vaultgate_ops.compare.experiments import AFAR, Step, unmeasured
from vaultgate_ops.compare.published import DEFAULT_LIFETIMES
from vaultgate_ops.compare.result import NEVER, Dimension, Measurement, Tag
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Protocol

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.compare.calling import Answer
    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task

    class Rotated(Protocol):
        """Contenders whose stores can be rotated."""

        def ready(self, stores: Iterable[str]) -> None:
            """Take away what other experiments left in them, so that nothing else than what is used is rotated."""

        def get(self, contender: str, application: str) -> Callable[[], Answer]:
            """GET /records of it, answered once already."""

        def rotate(self, store: str) -> None:
            """Rotate, rudely."""

        def restore(self, stores: Iterable[str]) -> None:
            """Begin anew with those that could not follow."""


PER_SECOND = 20.0
_READY_S = 0.25  # one contender's function and its application: about


class Span(NamedTuple):
    """How long to call.

    Attributes:
        before_s: until the rotation.
        after_s: after a rotation that everybody has followed.
        horizon_s: after one that somebody doesn't.
        most: contenders side by side.
    """

    before_s: float
    after_s: float
    horizon_s: float
    most: int


class Staleness:
    """The experiment.

    Args:
        rotated: the contenders.
        applications: `careful`, `trusting` or both.
        span: see there.
        clock: for turns and times.
        places: where a contender's store is, `loopback` or `aws`.
    """

    dimension = Dimension.STALENESS

    def __init__(
        self, rotated: Rotated, applications: Sequence[str], span: Span, clock: Clock, places: Callable[[str], str]
    ) -> None:
        self._rotated, self._applications, self._span = rotated, applications, span
        self._clock, self._places = clock, places

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """Stores, as many together as may be called side by side, once with each application."""
        groups: list[list[str]] = []
        for store in dict.fromkeys(one.store for one in able):
            mine = [one.id for one in able if one.store == store]
            if not groups or len(groups[-1]) + len(mine) > self._span.most:
                groups.append([])
            groups[-1] += mine
        return [self._step(application, group) for application in self._applications for group in groups]

    def _step(self, application: str, group: Sequence[str]) -> Step:
        waits_s = self._span.before_s + max(self._follows_s(subject, application) for subject in group)
        return Step(f"{application}-{'+'.join(group)}", tuple(group), waits_s + _READY_S * len(group), waits_s)

    def _follows_s(self, subject: str, application: str) -> float:
        """About how long it is called after a rotation."""
        keeps = entry(subject).keeps
        if keeps is Keeps.SANDBOX or (application == "trusting" and keeps is not Keeps.NOTHING):
            return self._span.horizon_s
        return max(self._span.after_s, SLOW_S.get(subject, 0.0))

    def observe(self, step: Step, task: Task) -> Observed:
        """Call, rotate each store once, go on until all have followed or the horizon."""
        application = step.key.partition("-")[0]
        stores = tuple(dict.fromkeys(entry(subject).store for subject in step.subjects))

        def tell() -> None:
            task.describe(f"rotations under load, {', '.join(stores)}")

        tell()
        self._rotated.ready(stores)
        seen: Observed = {}
        asks = {}
        for subject in step.subjects:
            try:
                asks[subject] = self._rotated.get(subject, application)
            except OpsError as error:
                seen[subject] = {"problem": error.message}
        at: dict[str, tuple[float, float]] = {}
        began = self._clock.steady()

        def rotate() -> None:
            self._clock.sleep(max(0.0, began + self._span.before_s - self._clock.steady()))
            for store in stores:
                begin = self._clock.steady()
                self._rotated.rotate(store)
                at[store] = begin, self._clock.steady()

        def over(made: Sequence[Call]) -> bool:
            if len(at) < len(stores):
                return False
            last = max(end for _, end in at.values())
            now = self._clock.steady()
            followed = first_served(made, last) is not None
            return now >= last + (self._span.after_s if followed else self._span.horizon_s)

        made = side_by_side(asks, rotate, self._clock, 1 / PER_SECOND, over, tick=tell)
        self._rotated.restore(stores)
        return seen | {subject: observed(calls, *at[entry(subject).store]) for subject, calls in made.items()}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """Failed requests and seconds until the new value, by application; how long each goes on with an old value by default."""
        subjects = dict.fromkeys(subject for seen in observed.values() for subject in seen)
        return [
            measured
            for key, seen in observed.items()
            for subject, one in seen.items()
            for measured in self._of(subject, key.partition("-")[0], one)
        ] + [
            Measurement(
                self.dimension,
                subject,
                "default_lifetime",
                entry(subject).default_s,
                "s",
                Tag.PUBLISHED,
                DEFAULT_LIFETIMES[entry(subject).way],
                samples=0,
                note="How long an answer is kept by its own default, if nobody asks past it.",
            )
            for subject in subjects
            if entry(subject).way in DEFAULT_LIFETIMES
        ]

    def _of(self, subject: str, application: str, seen: Mapping[str, Any]) -> list[Measurement]:
        if "problem" in seen:
            return [unmeasured(self.dimension, subject, f"failed_{application}", seen["problem"])]
        conditions: dict[str, float | str] = {"per_second": PER_SECOND, "application": application}
        if entry(subject).keeps is Keeps.TIME:
            conditions["lifetime_s"] = KEEP_S
        new_s = seen["new_s"]
        note = "" if new_s is not None else f"Not within {self._span.horizon_s:g} s; the requests went on failing."
        failed = Measurement(
            self.dimension,
            subject,
            f"failed_{application}",
            seen["failed"],
            "requests",
            samples=len(seen["calls"]),
            note=note,
            series=tuple((at_s, float(served)) for at_s, served in seen["calls"]),
            conditions=conditions,
        )
        place = self._places(subject)
        until = Measurement(
            self.dimension,
            subject,
            f"new_value_{application}",
            NEVER if new_s is None else round(new_s, 3),
            "s",
            note=note if place == "loopback" else f"{note} {AFAR}".strip(),
            conditions={**conditions, "horizon_s": self._span.horizon_s},
            place=place,
        )
        return [failed, until]


def observed(calls: Sequence[Call], begin_s: float, end_s: float) -> dict[str, Any]:
    """What one contender's calls say of a rotation.

    Args:
        calls: in order.
        begin_s: of the rotation, by the steady clock.
        end_s: of the rotation; after it the old value is of no use to anybody.

    Returns:
        ``failed``: of those begun since its beginning; ``new_s``: from its beginning to the end of the first that was served
        although it began after its end, or None; ``calls``: pairs of seconds since its beginning and whether it was served.
    """
    new_s = first_served(calls, end_s)
    return {
        "failed": tally(calls, begin_s, float("inf")).failed,
        "new_s": None if new_s is None else new_s + end_s - begin_s,
        "calls": [[round(call.at_s - begin_s, 3), call.served] for call in calls],
    }
