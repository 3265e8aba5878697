"""Cold start: from the first invocation of a new sandbox to its first secret, in AWS's emulator.

Rules: a round measures every contender once and each round begins with another one; a sandbox is alone while it is
measured. The time is the caller's: it holds the init of the runtime, of the extension where there is one, of the function's
imports, the login and the read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.compare.experiments import AFAR, Step, quantile, turned, unmeasured
from vaultgate_ops.compare.result import Dimension, Measurement
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task

_ONE_S = 0.32  # a sandbox from its start to its end, on average over the contenders: about
NOTE = "AWS's emulator and stores on this machine: the order of the contenders holds elsewhere, the milliseconds do not."


class First(NamedTuple):
    """One cold start.

    Attributes:
        first_ms: until the first secret, for the caller.
        init_ms: of these, the init as the emulator reports it; None where it doesn't.
    """

    first_ms: float
    init_ms: float | None


class ColdStart:
    """The experiment.

    Args:
        start: makes a cold start of a contender, and says whether it is the last one of it.
        rounds: how many of each.
        places: where a contender's store is, `loopback` or `aws`.
    """

    dimension = Dimension.COLD_START

    def __init__(self, start: Callable[[str, bool], First], rounds: int, places: Callable[[str], str]) -> None:
        self._start, self._rounds, self._places = start, rounds, places

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """The rounds."""
        rounds = turned([one.id for one in able], self._rounds)
        return [Step(f"round-{turn}", subjects, _ONE_S * len(subjects)) for turn, subjects in enumerate(rounds)]

    def observe(self, step: Step, task: Task) -> Observed:
        """One round."""
        seen: Observed = {}
        for subject in step.subjects:
            task.describe(f"cold starts, {subject}")
            try:
                first = self._start(subject, step.key == f"round-{self._rounds - 1}")
            except OpsError as error:
                seen[subject] = {"problem": error.message}
            else:
                seen[subject] = {"first_ms": first.first_ms, "init_ms": first.init_ms}
        return seen

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """Median, slowest and all of each contender's times; the median of the init."""
        subjects = list(dict.fromkeys(subject for seen in observed.values() for subject in seen))
        return [measured for subject in subjects for measured in self._of(subject, observed)]

    def _of(self, subject: str, observed: Mapping[str, Observed]) -> list[Measurement]:
        seen = [one[subject] for one in observed.values() if subject in one]
        first = [one["first_ms"] for one in seen if "first_ms" in one]
        problems = [one["problem"] for one in seen if "problem" in one]
        if not first:
            return [unmeasured(self.dimension, subject, "first_secret_p50", problems[0])]
        init = [one["init_ms"] for one in seen if one.get("init_ms") is not None]
        note = NOTE if self._places(subject) == "loopback" else AFAR
        if problems:
            note = f"{len(problems)} of {len(seen)} cold starts failed: {problems[0]} {note}".strip()
        series = tuple((float(turn), value) for turn, value in enumerate(first))
        figures = [("first_secret_p50", quantile(first, 0.5), first, series), ("first_secret_max", max(first), first, None)]
        if init:
            figures.append(("init_p50", quantile(init, 0.5), init, None))
        return [
            Measurement(
                self.dimension,
                subject,
                name,
                round(value, 2),
                "ms",
                samples=len(samples),
                note=note,
                series=plotted,
                place=self._places(subject),
            )
            for name, value, samples, plotted in figures
        ]
