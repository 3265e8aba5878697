"""Runs the steps of experiments, in order, and concludes.

Rules: a step that the journal has is not done again; one that fails as a whole marks its cells and the next one begins.
Whoever watches is told how much time is left, by what the steps so far have taken beside what they were expected to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Experiment, Step
    from vaultgate_ops.compare.journal import Journal
    from vaultgate_ops.compare.result import Measurement
    from vaultgate_ops.reporting import Reporter, Task

_MINUTE_S = 60


class Runner:
    """One run.

    Args:
        experiments: in the order in which they run.
        able: the contenders that can run.
        journal: begun for this run.
        reporter: told what goes on.
        clock: for the time left.
    """

    def __init__(
        self, experiments: Sequence[Experiment], able: Sequence[Entry], journal: Journal, reporter: Reporter, clock: Clock
    ) -> None:
        self._experiments, self._able, self._journal = experiments, able, journal
        self._reporter, self._clock = reporter, clock

    def run(self) -> list[Measurement]:
        """Do what is not done yet; the figures of all."""
        done = self._journal.observed()
        steps = [(one, step) for one in self._experiments for step in one.steps(self._able)]
        left = [(one, step) for one, step in steps if step.key not in done.get(one.dimension, {})]
        with self._reporter.task("Comparing", total=sum(step.seconds for _, step in left) or None) as task:
            pace = _Pace([step for _, step in left], self._clock)
            for experiment, step in left:
                observed = self._observe(experiment, step, _Timed(task, pace))
                self._journal.write(experiment.dimension, step.key, observed)
                pace.done(step)
                task.advance(step.seconds)
        done = self._journal.observed()
        figures: list[Measurement] = []
        for experiment in self._experiments:
            mine = done.get(experiment.dimension, {})
            order = [step.key for step in experiment.steps(self._able)]
            figures += experiment.conclude({key: mine[key] for key in order})
        return figures

    @staticmethod
    def _observe(experiment: Experiment, step: Step, task: Task) -> dict[str, object]:
        try:
            return experiment.observe(step, task)
        except OpsError as error:
            return {subject: {"problem": error.message} for subject in step.subjects}


class _Pace:
    """How long the rest will take.

    Args:
        steps: all of them.
        clock: for what they took.
    """

    def __init__(self, steps: Sequence[Step], clock: Clock) -> None:
        self._left_s, self._done_s = sum(step.seconds for step in steps), 0.0
        self._clock, self._began = clock, clock.steady()

    def done(self, step: Step) -> None:
        """A step has ended."""
        self._left_s -= step.seconds
        self._done_s += step.seconds

    def __str__(self) -> str:
        """Such as ``about 40 s left``."""
        slowness = (self._clock.steady() - self._began) / self._done_s if self._done_s else 1.0
        left_s = max(0.0, self._left_s * slowness)
        return f"about {left_s / _MINUTE_S:.0f} min left" if left_s > 2 * _MINUTE_S else f"about {left_s:.0f} s left"


class _Timed:
    """A task that says how much time is left after whatever it is told."""

    def __init__(self, task: Task, pace: _Pace) -> None:
        self._task, self._pace = task, pace

    def advance(self, amount: float = 1) -> None:
        """Not the steps' to say."""

    def describe(self, text: str) -> None:
        """With the time left."""
        self._task.describe(f"{text}, {self._pace}")
