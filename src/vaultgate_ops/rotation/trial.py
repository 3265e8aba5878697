"""Rotations under load: what clients of a strategy notice.

Rules: the load is that of clients that do everything right, see `load`; the pauses between rotations are drawn anew each time,
so that no rhythm of the load's can fit between them.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.load import Background, Figures, Logins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vaultgate_ops.clock import Clock

WITHOUT_WINDOW = ("dual", "alternating")
"""The strategies for databases that promise that nobody is turned away."""
_GET_EVERY_S = 0.2
_OK = "200"


@dataclass(frozen=True)
class Subject:
    """What is rotated, and used meanwhile.

    Attributes:
        read: gives the value that is current.
        login: uses such a value; raises pymysql's errors, or `load.TurnedAway`.
        rotate: does one rotation.
        get: asks an application that uses the secret; gives its answer's status, with more where that isn't 200. None for no
            application.
    """

    read: Callable[[], Any]
    login: Callable[[Any], object]
    rotate: Callable[[], object]
    get: Callable[[], str] | None = None


@dataclass
class Outcome:
    """What a trial came to.

    Attributes:
        rotations: that were done.
        figures: of the logins.
        answers: of the application, each kind with its number.
    """

    rotations: int
    figures: Figures
    answers: dict[str, int] = field(default_factory=dict)

    @property
    def turned_away(self) -> int:
        """Failed logins and answers that aren't 200, together."""
        return self.figures.failed + sum(number for said, number in self.answers.items() if said != _OK)


def run(subject: Subject, rotations: int, longest_gap_s: float, clock: Clock) -> Outcome:
    """Rotate under load.

    Args:
        subject: what.
        rotations: how often.
        longest_gap_s: between two; each gap is anything up to it.
        clock: for pauses and windows.
    """
    chance = secrets.SystemRandom()
    logins = Logins(subject.read, subject.login, clock)
    outcome = Outcome(rotations, logins.figures)
    get = subject.get
    with ExitStack() as background:
        if get is not None:

            def ask() -> None:
                said = get()
                outcome.answers[said] = outcome.answers.get(said, 0) + 1

            ask()  # its init is not what is tried here
            background.enter_context(Background(ask, clock, _GET_EVERY_S))
        background.enter_context(logins)
        for _ in range(rotations):
            clock.sleep(chance.uniform(0, longest_gap_s))
            subject.rotate()
    return outcome


def table(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Outcomes by strategy as lines for people."""
    lines = [f"{'strategy':<14}{'rotations':>10}{'logins':>9}{'failed':>8}{'window each':>14}{'GET /records':>15}{'not 200':>9}"]
    for strategy, outcome in outcomes.items():
        figures, answers = outcome.figures, sum(outcome.answers.values())
        window = f"{1000 * figures.window_s / outcome.rotations:.1f} ms" if figures.failed else "none seen"
        asked = (str(answers), str(answers - outcome.answers.get(_OK, 0))) if answers else ("-", "-")
        line = f"{strategy:<14}{outcome.rotations:>10}{figures.logins:>9}{figures.failed:>8}{window:>14}"
        lines.append(line + f"{asked[0]:>15}{asked[1]:>9}")
    return lines
