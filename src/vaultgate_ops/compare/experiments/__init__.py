"""The experiments: what each of them does, and how it concludes from what it saw.

Rules: an experiment is a list of steps; each step gives what was observed as JSON, which the journal keeps, so that an
interrupted run goes on with the next step. Conclusions are drawn from observations alone, by pure code, at the end. A
contender that fails in a step is an observation too, ``{"problem": sentence}``, and ends nothing for the others. Whoever is
compared is measured side by side or in turns, in the same run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import hvac
import pymysql
import requests
from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.compare.result import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.result import Dimension
    from vaultgate_ops.reporting import Task

    Observed = dict[str, Any]
    """By contender or store: what a step saw of it."""


TROUBLES = (hvac.exceptions.VaultError, requests.RequestException, ClientError, BotoCoreError, pymysql.MySQLError)
"""What the libraries raise that reach Vault, AWS and the database; their words may quote what is secret, their kinds don't."""


@dataclass(frozen=True)
class Step:
    """A part of an experiment that is done whole or not at all.

    Attributes:
        key: tells it from the experiment's others, for the journal.
        subjects: ids of the contenders or stores in it.
        seconds: about how long it takes, by its own durations and numbers of samples.
        waits_s: how many of these pass on every machine alike: what is slept, not worked.
    """

    key: str
    subjects: tuple[str, ...]
    seconds: float
    waits_s: float = 0


class Experiment(Protocol):
    """One dimension."""

    @property
    def dimension(self) -> Dimension:
        """Whose it is."""

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """What there is to do with the contenders that can run."""

    def observe(self, step: Step, task: Task) -> Observed:
        """Do a step.

        Raises:
            OpsError: the step as a whole can't be done; or one of `TROUBLES`.
        """

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """Figures from what the steps saw, by key."""


AFAR = "From this machine over its own network, not from inside Lambda."
"""The note of times to stores in AWS."""


def unmeasured(dimension: Dimension, subject: str, name: str, why: str) -> Measurement:
    """The cell of something that could not be measured."""
    return Measurement(dimension, subject, name, None, samples=0, note=why)


def turned(subjects: Sequence[str], rounds: int) -> list[tuple[str, ...]]:
    """The order of each round: everybody's turn comes once in it, and each begins with another one."""
    if not subjects:
        return []
    starts = (turn % len(subjects) for turn in range(rounds))
    return [(*subjects[start:], *subjects[:start]) for start in starts]


def quantile(samples: Sequence[float], share: float) -> float:
    """The least sample that at least this share of all is not above: nearest rank, no value that nobody saw.

    Args:
        samples: at least one, in any order.
        share: more than 0, at most 1.
    """
    ordered = sorted(samples)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]
