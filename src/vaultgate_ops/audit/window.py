"""What is under way to CloudWatch Logs, in the order of the file, and what of it may be called done.

Rules: no I/O, no threads; the sender calls it under its lock. Batches may arrive in any order; a proof covers only batches
that all arrived, without one missing before them; a position is given out only when its proof arrived. So what is lost with
the process is never more than what is in this window, and nothing in front of it lacks its evidence.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit import proofs
from vaultgate_ops.audit.model import Position

if TYPE_CHECKING:
    from vaultgate_ops.audit.batcher import Body
    from vaultgate_ops.audit.proofs import Covered

PROOF_LINES = 20_000
"""The most lines of one proof: some 215 KB of it are their hashes."""


@dataclass(eq=False)
class Batch:
    """One call's events, and which lines are complete with it.

    Attributes:
        body: to be sent; None once it arrived.
        covered: the lines, file by file; none where it holds only the beginning of a long one.
    """

    body: Body | None
    covered: list[Covered] = field(default_factory=list)


class Proving(NamedTuple):
    """A proof on its way.

    Attributes:
        covered: the range that it is about.
        before: the running hash before it.
        position: what is done once it arrived.
    """

    covered: Covered
    before: str
    position: Position


class Window:
    """The batches and proofs under way."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._unproven: deque[Covered] = deque()
        self._unproven_batches = 0
        self._oldest_s: float | None = None
        self._proving: Proving | None = None
        self._chain = ""
        self.done: Position | None = None

    def __len__(self) -> int:
        """How many batches are under way: not arrived, or arrived and not proven."""
        return len(self._batches) + self._unproven_batches

    @property
    def empty(self) -> bool:
        """Whether everything that was put in is done."""
        return not self._batches and not self._unproven and self._proving is None

    def continue_from(self, chain: str) -> None:
        """The next proof goes on from this running hash; an empty one goes on from the last."""
        if chain and self.empty:
            self._chain = chain

    def put(self, batch: Batch) -> None:
        """One more, behind all others."""
        self._batches.append(batch)

    def arrived(self, batch: Batch, now_s: float) -> None:
        """Its events are in CloudWatch Logs."""
        batch.body = None
        while self._batches and self._batches[0].body is None:
            self._unproven_batches += 1
            for covered in self._batches.popleft().covered:
                self._add(covered)
        if self._unproven and self._oldest_s is None:
            self._oldest_s = now_s
        if not self._unproven:
            # Beginnings of a long line alone: there is nothing yet that a proof could say.
            self._unproven_batches = 0

    def _add(self, covered: Covered) -> None:
        last = self._unproven[-1] if self._unproven else None
        if last is not None and covered.follows(last) and len(last.digests) + len(covered.digests) <= PROOF_LINES:
            last.extend(covered)
        else:
            self._unproven.append(covered)

    def proof(self, now_s: float, *, every_s: float, batches: int, at_once: bool) -> Proving | None:
        """The next proof to send, if one is due and none is on its way.

        Args:
            now_s: on the steady clock.
            every_s: how long lines may wait for one.
            batches: how many batches may.
            at_once: nothing may wait.
        """
        if self._proving or not self._unproven:
            return None
        waited_s = now_s - (self._oldest_s if self._oldest_s is not None else now_s)
        if not (at_once or len(self._unproven) > 1 or self._unproven_batches >= batches or waited_s >= every_s):
            return None
        covered = self._unproven.popleft()
        if not self._unproven:
            self._unproven_batches, self._oldest_s = 0, None
        after = proofs.chained(self._chain, covered)
        position = Position(covered.identity, covered.end, covered.first + len(covered.digests), after)
        self._proving = Proving(covered, self._chain, position)
        return self._proving

    def proven(self) -> None:
        """The proof on its way arrived."""
        if self._proving:
            self.done = self._proving.position
            self._chain = self.done.chain
            self._proving = None
