"""Runs the steps of experiments, in order, and concludes.

Rules: a step that the journal has is not done again; one that fails as a whole marks its cells and the next one begins.
Whoever watches is told how much time is left: what is to be waited takes what it takes, what is to be worked takes as much
longer than expected as the work so far. A step that tells of itself again and again moves the bar meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from vaultgate_ops.compare.experiments import TROUBLES
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
                timed = _Timed(task, pace.begin(step))
                observed = self._observe(experiment, step, timed)
                self._journal.write(experiment.dimension, step.key, observed)
                timed.advance(pace.end())
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
            problem = error.message
        except TROUBLES as error:
            problem = f"It can't be tried here ({type(error).__name__})."
        return {subject: {"problem": problem} for subject in step.subjects}


class _Pace:
    """How long the rest will take.

    Args:
        steps: all of them, in their order.
        clock: for what they take.
    """

    def __init__(self, steps: Sequence[Step], clock: Clock) -> None:
        self._waits_s = sum(step.waits_s for step in steps)
        self._work_s = sum(step.seconds - step.waits_s for step in steps)
        self._expected_s = self._worked_s = 0.0
        self._clock = clock

    def begin(self, step: Step) -> Self:
        """A step begins; what is left holds it until its end."""
        self._step, self._began, self._told_s = step, self._clock.steady(), 0.0
        return self

    def end(self) -> float:
        """It has ended; its seconds that `moved` has not given yet."""
        work_s = self._step.seconds - self._step.waits_s
        self._waits_s -= self._step.waits_s
        self._work_s -= work_s
        self._expected_s += work_s
        self._worked_s += max(0.0, self._clock.steady() - self._began - self._step.waits_s)
        return self._step.seconds - self._told_s

    def moved(self) -> float:
        """Of the step's seconds, those that have passed since this was asked last."""
        passed_s = self._step.seconds * min(1.0, self._spent_s() / max(self._due_s(), 1e-9))
        moved_s, self._told_s = max(0.0, passed_s - self._told_s), max(self._told_s, passed_s)
        return moved_s

    def _slowness(self) -> float:
        return self._worked_s / self._expected_s if self._expected_s else 1.0

    def _due_s(self) -> float:
        """How long the step should take here."""
        return self._step.waits_s + (self._step.seconds - self._step.waits_s) * self._slowness()

    def _spent_s(self) -> float:
        return self._clock.steady() - self._began

    def __str__(self) -> str:
        """Such as ``about 40 s left``."""
        left_s = self._waits_s + self._work_s * self._slowness() - min(self._due_s(), self._spent_s())
        return f"about {left_s / _MINUTE_S:.0f} min left" if left_s > 2 * _MINUTE_S else f"about {left_s:.0f} s left"


class _Timed:
    """A task that moves with the clock, and says how much time is left after whatever it is told."""

    def __init__(self, task: Task, pace: _Pace) -> None:
        self._task, self._pace = task, pace

    def advance(self, amount: float = 1) -> None:
        """See `Task`; a step itself only tells what it does."""
        self._task.advance(amount)

    def describe(self, text: str) -> None:
        """With the time left."""
        self._task.advance(self._pace.moved())
        self._task.describe(f"{text}, {self._pace}")
