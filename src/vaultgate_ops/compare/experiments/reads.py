"""Reads: how long one takes when the way has the answer, how long when it must ask, and how often stores are asked.

Rules: the function times itself, so the emulator's cost is no part of it. A round reads with every contender and each round
begins with another one, so that a noisy minute falls on all. A way that keeps nothing asks at each read: its warm reads and
its misses are the same thing, measured twice. Calls are counted at the store, not believed. Calls per million
invocations are computed from these counts by `calls_per_million`, whose terms are in its docstring.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from vaultgate_ops.compare.contenders import KEEP_S, SLOW_S, Keeps, entry
from vaultgate_ops.compare.experiments import AFAR, Step, quantile, turned, unmeasured
from vaultgate_ops.compare.result import Dimension, Measurement, Tag
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task

    class Reader(Protocol):
        """A contender's warm function."""

        def times(self, contender: str, reads: int, *, anew: bool) -> list[float]:
            """Read again and again; microseconds each."""

        def calls(self, contender: str) -> int | None:
            """How often its store has been asked until now; None where nobody counts."""

        def first_calls(self, contender: str) -> int | None:
            """How often it asked its store from its sandbox's start to its first answer."""


RATE = 100.0
"""Invocations a second, over all sandboxes, that calls per million are computed for."""
SANDBOX_S = 7200.0
"""How long a sandbox is taken to live; Lambda promises nothing."""
LEASE_S = 600.0
"""Of vault-config's database role; the extension asks once in it, before its last third."""
CONCURRENCIES = (1, 100, 1000)
LIFETIMES_S = (60.0, float(KEEP_S), 3600.0)
_BUCKETS = 100
FEWER = 20
"""One miss for so many of others', where a forced refresh takes seconds."""
_TURN_S, _MISS_S = 0.012, 0.0035  # three invocations and two counts; one read of a store: about
_HIT_S = {"proxy": 0.0007, "agent": 0.0007, "extension": 0.0007}  # over HTTP; out of a memory it is next to nothing
NOTE = "Stores on this machine's loopback: what is compared is the work of the two ends, no network is in it."


class Counts(NamedTuple):
    """Calls to the store, as counted.

    Attributes:
        first: from a sandbox's start to its first answer, login included.
        miss: for one read that must ask.
    """

    first: float
    miss: float


class Reads:
    """The experiment.

    Args:
        reader: reads in the contenders' functions.
        warm, misses: how many reads of each kind, over all rounds.
        rounds: in how many parts.
        places: where a contender's store is, `loopback` or `aws`.
    """

    dimension = Dimension.READS

    def __init__(self, reader: Reader, warm: int, misses: int, rounds: int, places: Callable[[str], str]) -> None:
        self._reader, self._warm, self._misses, self._rounds, self._places = reader, warm, misses, rounds, places

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """The rounds."""
        return [self._step(turn, subjects) for turn, subjects in enumerate(turned([one.id for one in able], self._rounds))]

    def _step(self, turn: int, subjects: tuple[str, ...]) -> Step:
        work_s = waits_s = 0.0
        for subject in subjects:
            warm, misses = self._numbers(subject, turn)
            one, miss_s = entry(subject), SLOW_S.get(subject, 0.0)
            work_s += _TURN_S + misses * _MISS_S
            work_s += warm * (_MISS_S if one.keeps is Keeps.NOTHING else _HIT_S.get(one.way, 0.0))
            waits_s += misses * miss_s
        return Step(f"round-{turn}", subjects, work_s + waits_s, waits_s)

    def _numbers(self, subject: str, turn: int) -> tuple[int, int]:
        """How many warm reads and how many misses in one round."""
        misses = max(1, self._misses // FEWER) if subject in SLOW_S else self._misses
        # Who keeps nothing makes a call, and with dynamic credentials a user, for each read.
        warm = self._misses if entry(subject).keeps is Keeps.NOTHING else self._warm
        return self._part(warm, turn), self._part(misses, turn)

    def _part(self, whole: int, turn: int) -> int:
        """A round's part: all rounds' parts are the whole."""
        return whole * (turn + 1) // self._rounds - whole * turn // self._rounds

    def observe(self, step: Step, task: Task) -> Observed:
        """One round: of each, warm reads, then misses, with the store's counts around them."""
        turn = int(step.key.partition("-")[2])
        seen: Observed = {}
        for subject in step.subjects:
            task.describe(f"reads, {subject}")
            try:
                seen[subject] = self._read(subject, *self._numbers(subject, turn))
            except OpsError as error:
                seen[subject] = {"problem": error.message}
        return seen

    def _read(self, subject: str, warm: int, misses: int) -> dict[str, Any]:
        self._reader.times(subject, 1, anew=False)
        hits = self._reader.times(subject, warm, anew=False)
        before = self._reader.calls(subject)
        missed = self._reader.times(subject, misses, anew=True)
        after = self._reader.calls(subject)
        made = None if before is None or after is None else after - before
        return {"warm_us": hits, "miss_us": missed, "first_calls": self._reader.first_calls(subject), "calls": made}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """Quantiles, and calls per million at each concurrency and lifetime."""
        subjects = dict.fromkeys(subject for seen in observed.values() for subject in seen)
        return [
            measured
            for subject in subjects
            for measured in self._of(subject, [seen[subject] for seen in observed.values() if subject in seen])
        ]

    def _of(self, subject: str, rounds: Sequence[Mapping[str, Any]]) -> list[Measurement]:
        read = [one for one in rounds if "problem" not in one]
        problems = [one["problem"] for one in rounds if "problem" in one]
        if not read:
            return [unmeasured(self.dimension, subject, "warm_p50", problems[0])]
        warm, missed = ([us for one in read for us in one[kind]] for kind in ("warm_us", "miss_us"))
        # A variable can't be read anew: what is kept is all there is.
        kinds = {"warm": warm, "miss": [] if entry(subject).keeps is Keeps.SANDBOX else missed}
        less = f"{len(problems)} of {len(rounds)} rounds failed: {problems[0]} " if problems else ""
        figures = [
            self._quantile(subject, kind, samples, share, less)
            for kind, samples in kinds.items()
            for share in (0.5, 0.99)
            if samples
        ]
        first, made = ([one[name] for one in read if one[name] is not None] for name in ("first_calls", "calls"))
        if not first or not missed or len(made) < len(read):
            why = "Nobody counts the calls to this store here."
            return [*figures, unmeasured(self.dimension, subject, "calls_per_million", why)]
        return figures + _computed(subject, Counts(first[0], sum(made) / len(missed)), len(missed))

    def _quantile(self, subject: str, kind: str, samples: Sequence[float], share: float, note: str) -> Measurement:
        if share * len(samples) > len(samples) - 1:
            note += f"The slowest of {len(samples)}, which are few. "
        if kind == "miss" and subject in SLOW_S:
            note += "It waits 2.5 to 5 s before a forced refresh, so that not all do it at once. "
        place = self._places(subject)
        return Measurement(
            self.dimension,
            subject,
            f"{kind}_p{round(100 * share)}",
            round(quantile(samples, share), 2),
            "us",
            samples=len(samples),
            note=note + (NOTE if place == "loopback" else AFAR),
            series=distribution(samples) if share == 0.5 else None,  # noqa: PLR2004 - once for both
            conditions={"lifetime_s": KEEP_S} if entry(subject).keeps is Keeps.TIME else {},
            place=place,
        )


def _computed(subject: str, counts: Counts, misses: int) -> list[Measurement]:
    keeps = entry(subject).keeps
    lifetimes: Sequence[float] = {
        Keeps.NOTHING: (0.0,),
        Keeps.TIME: LIFETIMES_S,
        Keeps.LEASE: (LEASE_S,),
        Keeps.SANDBOX: (SANDBOX_S,),
    }[keeps]
    note = f"At {RATE:.0f} invocations a second, sandboxes that live {SANDBOX_S:.0f} s; from the calls counted here."
    counted = [
        Measurement(Dimension.READS, subject, "first_calls", counts.first, "calls", note="From a sandbox's start to its answer."),
        Measurement(Dimension.READS, subject, "miss_calls", counts.miss, "calls", samples=misses),
    ]
    return counted + [
        Measurement(
            Dimension.READS,
            subject,
            "calls_per_million",
            round(calls_per_million(counts, concurrency, lifetime_s, kept=keeps)),
            "calls",
            Tag.COMPUTED,
            note=note,
            conditions={"concurrency": concurrency, "lifetime_s": lifetime_s},
        )
        for concurrency in CONCURRENCIES
        for lifetime_s in lifetimes
    ]


def calls_per_million(counts: Counts, concurrency: int, lifetime_s: float, *, kept: Keeps) -> float:
    """Calls to the store for a million invocations.

    A million take T = 1,000,000 / `RATE` seconds. In that time each of the ``concurrency`` sandboxes is started
    ceil(T / `SANDBOX_S`) times, which costs ``counts.first`` calls each. After that, who keeps nothing makes ``counts.miss``
    calls for each invocation; who keeps answers makes them once in each ``lifetime_s`` of each sandbox, but never more often
    than it is invoked; who keeps them as long as its sandbox lives makes none.

    Args:
        counts: as measured.
        concurrency: sandboxes side by side.
        lifetime_s: of what is kept.
        kept: how.
    """
    took_s = 1e6 / RATE
    starts = concurrency * math.ceil(took_s / SANDBOX_S)
    if kept is Keeps.SANDBOX:
        again = 0.0
    elif kept is Keeps.NOTHING:
        again = 1e6 - starts
    else:
        # The first of each sandbox's lifetimes is its start's.
        again = min(concurrency * math.ceil(took_s / lifetime_s), 1e6) - starts
    return starts * counts.first + max(0.0, again) * counts.miss


def distribution(samples: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Points of the cumulative distribution: a share from 0 to 1, and the sample at it."""
    ordered = sorted(samples)
    marks = range(1, min(_BUCKETS, len(ordered)) + 1)
    return tuple((mark / len(marks), round(quantile(ordered, mark / len(marks)), 2)) for mark in marks)
