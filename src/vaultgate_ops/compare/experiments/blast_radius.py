"""Blast radius: what the same identity can read beside its own secret, with the policies we ship and with what is usual.

Rules: decoys lie beside the secret, and it is tried whether they can be read: Vault is asked for the token's capabilities, and
the emulated IAM judges a real request. A decoy that is never readable, and one that must be, prove that the trial can tell.
What isn't tried here is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate_ops.compare.experiments import Step, unmeasured
from vaultgate_ops.compare.published import LAMBDA_VARIABLES, SSM_KEY
from vaultgate_ops.compare.result import Dimension, Measurement, Tag
from vaultgate_ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.compare.experiments import Observed
    from vaultgate_ops.reporting import Task


_TRIED_S = 0.1  # one trial: about


@dataclass(frozen=True)
class Trial:
    """An identity, its policy, and decoys.

    Attributes:
        store: id.
        policy: `shipped` or `default`.
        title: which policy that is, for people.
        readable: tries; gives each decoy's name and whether it can be read, and its own secret under the name ``own``.
        tag: `computed` where nobody was asked.
        sources: of the names, those of the function's own other sources: they are told of, and not counted with strangers'.
    """

    store: str
    policy: str
    title: str
    readable: Callable[[], Mapping[str, bool]]
    tag: Tag = Tag.MEASURED
    sources: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Tells it from the others."""
        return f"{self.store}-{self.policy}"


PUBLISHED = (
    Measurement(
        Dimension.BLAST_RADIUS,
        "ssm",
        "decrypts",
        "With AWS's default key aws/ssm every principal of the account may decrypt: what ssm:GetParameter allows is all there is",
        tag=Tag.PUBLISHED,
        source=SSM_KEY,
        samples=0,
    ),
    Measurement(
        Dimension.BLAST_RADIUS,
        "env",
        "decrypts",
        "Whoever may call lambda:GetFunctionConfiguration reads the variables; inside, every library does",
        tag=Tag.PUBLISHED,
        source=LAMBDA_VARIABLES,
        samples=0,
    ),
)


class BlastRadius:
    """The experiment.

    Args:
        trials: to go through.
    """

    dimension = Dimension.BLAST_RADIUS

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = {trial.key: trial for trial in trials}

    def steps(self, able: Sequence[Entry]) -> list[Step]:
        """One for each trial whose store is compared, and one, of nothing to do, for what is published of a store."""
        stores = {one.store for one in able}
        tried = [Step(key, (key,), _TRIED_S) for key, trial in self._trials.items() if trial.store in stores]
        return tried + [Step(one.contender, (one.contender,), 0) for one in PUBLISHED if one.contender in stores]

    def observe(self, step: Step, task: Task) -> Observed:
        """Try each decoy."""
        (key,) = step.subjects
        if key not in self._trials:
            return {key: {}}
        task.describe(f"blast radius, {self._trials[key].store}")
        try:
            return {key: dict(self._trials[key].readable())}
        except OpsError as error:
            return {key: {"problem": error.message}}

    def conclude(self, observed: Mapping[str, Observed]) -> list[Measurement]:
        """How many strangers' decoys could be read, and which other sources of its own; what is published."""
        tried = [
            measured
            for seen in observed.values()
            for key, one in seen.items()
            if key in self._trials
            for measured in self._of(self._trials[key], one)
        ]
        return tried + [one for one in PUBLISHED if one.contender in observed]

    def _of(self, trial: Trial, seen: Mapping[str, bool | str]) -> list[Measurement]:
        name = f"readable_{trial.policy}"
        if "problem" in seen:
            return [unmeasured(self.dimension, trial.store, name, str(seen["problem"]))]
        if not seen["own"]:
            why = "Not even its own secret could be read: the trial proves nothing."
            return [unmeasured(self.dimension, trial.store, name, why)]
        others = [decoy for decoy in seen if decoy != "own" and decoy not in trial.sources]
        reached = [decoy for decoy in others if seen[decoy]]
        strangers = Measurement(
            self.dimension,
            trial.store,
            name,
            len(reached),
            "secrets",
            trial.tag,
            samples=len(others),
            note=f"{trial.title}. Of {len(others)} others: {', '.join(reached) or 'none'}.",
            conditions={"policy": trial.policy, "of": len(others)},
        )
        if not trial.sources:
            return [strangers]
        opened = [source for source in trial.sources if seen[source]]
        beside = Measurement(
            self.dimension,
            trial.store,
            f"opens_{trial.policy}",
            ", ".join(("its own secret", *opened)),
            tag=trial.tag,
            samples=len(trial.sources),
            note="One policy is shipped for all sources of the function: who uses one of them can take the others out of it.",
        )
        return [strangers, beside]
