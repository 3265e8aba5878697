"""Runs steps: what depends on nothing begins at once, the rest when what it builds on has passed.

Rules: every step has a thread, and none is waited for past the deadline; a step is not reached when one that it needs has failed
or was not reached; it waits for those it comes after, however they end. A probe that raises is our own fault, and is told by the
kind of the exception alone: its words might hold a secret.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaultgate_ops.doctor.catalogue import found
from vaultgate_ops.doctor.model import FINE, FOUND, NOT_REACHED, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate.clock import Clock

Probe = Callable[[Mapping[str, Any], float], Any]
"""Facts, from the facts of the steps before it by their keys, and a deadline in steady seconds."""


MARGIN_S = 0.5
"""Probes have to end this long before the examination does, so that what they saw until then is told."""


@dataclass(frozen=True)
class Step:
    """One thing to look at.

    Attributes:
        check: its name in the catalogue.
        about: which of several things; with the check its key.
        probe: looks.
        judge: from what was seen to a verdict.
        needs: keys of steps without which it makes no sense.
        any_of: one of these has to have passed; empty for none.
        after: keys of steps that it waits for because it looks at what they saw.
    """

    check: str
    about: str
    probe: Probe
    judge: Callable[[Any], Verdict]
    needs: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What other steps call it."""
        return f"{self.check} {self.about}".strip()

    @property
    def before(self) -> tuple[str, ...]:
        """Every step that it waits for."""
        return (*self.needs, *self.any_of, *self.after)


class _Course:
    """What is known so far."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.over = {step.key: threading.Event() for step in steps}
        self.facts: dict[str, Any] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.outcomes: dict[str, Outcome] = {}

    def why_not(self, step: Step) -> str:
        """Why a step can't be taken; empty if it can."""
        passed = {key for key, verdict in self.verdicts.items() if verdict.passed}
        missing = next((key for key in step.needs if key not in passed), "")
        if not missing and step.any_of and not passed.intersection(step.any_of):
            missing = step.any_of[0]
        if not missing:
            return ""
        # What wasn't reached itself says what it waits for.
        return f"because {missing!r} failed" if missing in self.verdicts else self.outcomes[missing].told


def examine(steps: Sequence[Step], clock: Clock, deadline: float) -> list[Outcome]:
    """Take all steps; one outcome for each, in their order.

    Args:
        steps: each after those it waits for.
        clock: for the deadline.
        deadline: steady seconds.
    """
    course = _Course(steps)
    for step in steps:
        threading.Thread(target=_take, args=(step, course, clock, deadline), name=f"doctor-{step.check}", daemon=True).start()
    for step in steps:
        course.over[step.key].wait(max(0.0, deadline - clock.steady()))
    return [course.outcomes.get(step.key) or _late(step, course) for step in steps]


def _take(step: Step, course: _Course, clock: Clock, deadline: float) -> None:
    for key in step.before:
        if not course.over[key].wait(max(0.0, deadline - clock.steady())):
            return
    reason = course.why_not(step)
    if reason:
        course.outcomes[step.key] = Outcome(step.check, step.about, NOT_REACHED, reason)
    else:
        course.outcomes[step.key] = _looked(step, course, deadline - MARGIN_S)
    course.over[step.key].set()


def _looked(step: Step, course: _Course, deadline: float) -> Outcome:
    try:
        known = {key: course.facts[key] for key in step.before if key in course.facts}
        seen = step.probe(known, deadline)
        verdict = step.judge(seen)
    except Exception as error:  # noqa: BLE001 - see the module's rules
        fault = found("doctor.failed", step.key, type(error).__name__)
        return Outcome(step.check, step.about, NOT_REACHED, "because of our own fault", (fault,))
    course.facts[step.key], course.verdicts[step.key] = seen, verdict
    return Outcome(step.check, step.about, FOUND if verdict.findings else FINE, verdict.told, verdict.findings)


def _late(step: Step, course: _Course) -> Outcome:
    if not all(course.over[key].is_set() for key in step.before):
        return Outcome(step.check, step.about, NOT_REACHED, "because time ran out before")
    late = found("doctor.late", step.key, f"{step.key} had no result", check=step.check)
    return Outcome(step.check, step.about, NOT_REACHED, "because time ran out", (late,))
