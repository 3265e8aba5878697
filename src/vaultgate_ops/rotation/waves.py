"""Many rotations in waves: a canary first, and no new ones once one has failed.

Rules: what is under way is never broken off, so that at the end each secret was rotated, has failed, or wasn't begun, and this
says which, however often somebody interrupts. It keeps no record of its own: whoever goes on gives the time at which the first
run began, and what has a younger value than that is done.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vaultgate_ops.errors import OpsError
from vaultgate_ops.interruptions import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vaultgate_ops.clock import Clock


@dataclass(frozen=True)
class Candidate:
    """A secret that may be rotated.

    Attributes:
        name: as its owner calls it.
        arn: of it.
        current_at: when the value that is current was stored, in seconds since 1970.
        obstacle: why it can't be rotated now; empty for nothing.
    """

    name: str
    arn: str
    current_at: float
    obstacle: str = ""


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Attributes:
        waves: ARNs in the order of their beginning.
        done: ARNs of what was rotated since the beginning.
    """

    waves: tuple[tuple[str, ...], ...]
    done: tuple[str, ...]


@dataclass
class Outcome:
    """What it came to.

    Attributes:
        rotated: ARN to the new version.
        failed: ARN to the error.
        left: ARNs that weren't begun.
        interrupted: somebody asked to stop.
    """

    rotated: dict[str, str] = field(default_factory=dict)
    failed: dict[str, OpsError] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    interrupted: bool = False


def plan(candidates: Sequence[Candidate], size: int, canary: int, since_s: float | None) -> Plan:
    """Cut candidates into waves.

    Args:
        candidates: in their order; one that is named twice counts once.
        size: of each wave but the first, at least 1.
        canary: size of the first wave; 0 for none of its own.
        since_s: beginning of the run that is gone on with, in seconds since 1970; None for a new one.
    """
    seen = {one.arn: one for one in candidates}
    done = tuple(arn for arn, one in seen.items() if since_s is not None and one.current_at >= since_s)
    todo = [arn for arn in seen if arn not in done]
    # Whoever goes on has seen the canary live.
    first = canary if not done else 0
    return Plan(tuple(_cut(todo, first or size, size)), done)


def _cut(todo: Sequence[str], first: int, size: int) -> Iterator[tuple[str, ...]]:
    start, end = 0, first
    while start < len(todo):
        yield tuple(todo[start:end])
        start, end = end, end + size


def run(planned: Plan, rotate: Callable[[str], str], clock: Clock, pause_s: float, tell: Callable[[str], None]) -> Outcome:
    """Rotate wave by wave, all of a wave at once, until one fails or somebody interrupts.

    Args:
        planned: what.
        rotate: one secret, by its ARN; gives the new version. It is called in threads.
        clock: for the pauses.
        pause_s: between the end of a wave and the beginning of the next, in seconds.
        tell: gets a sentence for each wave, each rotation and each failure.
    """
    outcome = Outcome()
    waves = list(planned.waves)
    with ThreadPoolExecutor(max((len(wave) for wave in waves), default=1)) as pool:
        for number, wave in enumerate(waves, 1):
            begun: dict[Future[str], str] = {}
            try:
                if number > 1:
                    clock.sleep(pause_s)
                tell(f"wave {number} of {len(waves)}: {len(wave)} of {sum(map(len, waves))}")
                # Nothing may begin that isn't noted.
                with uninterrupted():
                    begun = {pool.submit(rotate, arn): arn for arn in wave}
                _collect(begun, outcome, tell)
            except KeyboardInterrupt:
                with uninterrupted():
                    outcome.interrupted = True
                    tell("interrupted: what is under way goes on to its end")
                    _collect(begun, outcome, tell)
            if outcome.failed or outcome.interrupted:
                break
    ended = {*outcome.rotated, *outcome.failed}
    outcome.left = tuple(arn for wave in waves for arn in wave if arn not in ended)
    return outcome


def _collect(begun: Mapping[Future[str], str], outcome: Outcome, tell: Callable[[str], None]) -> None:
    """Wait for what has begun, and note how it ended."""
    waiting = {future for future, arn in begun.items() if arn not in outcome.rotated and arn not in outcome.failed}
    while waiting:
        over, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in over:
            arn = begun[future]
            try:
                outcome.rotated[arn] = future.result()
            except OpsError as error:
                outcome.failed[arn] = error
                tell(f"failed: {arn}: {error}")
            else:
                tell(f"rotated: {arn}, version {outcome.rotated[arn]}")
