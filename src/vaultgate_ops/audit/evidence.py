"""What events and proofs, read back, say about completeness.

Rules: pure; events and proofs may come in any order and any number of times. Lines are told apart by their SHA-256 and
counted: a line is missing where fewer of its kind arrived than the proofs name, a duplicate where more did, foreign where no
proof names it. So identical lines are no duplicates, and a changed byte is a missing line and a foreign one. Places are given
as the proofs know them: a file, the number of the line in it, and the offsets between which it lies.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit import proofs, refusals
from vaultgate_ops.audit.envelope import Reassembly
from vaultgate_ops.audit.proofs import IDENTIFIER_BYTES, Covered, Proof

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vaultgate_ops.audit.model import FileIdentity

UNDER_WAY_MS = 60_000
"""How much older than the newest proof an event may be that no proof names yet."""


class Place(NamedTuple):
    """Lines of a file that follow each other.

    Attributes:
        identity: of the file.
        first, last: numbers of the lines, from 0.
        start, end: offsets that they lie between, [start, end).
    """

    identity: FileIdentity
    first: int
    last: int
    start: int
    end: int

    def __str__(self) -> str:
        """As a person would say it, lines counted from 1."""
        lines = f"line {self.first + 1:,}" if self.first == self.last else f"lines {self.first + 1:,} to {self.last + 1:,}"
        file = f"file {self.identity.head[:12]} (inode {self.identity.inode})"
        return f"{lines} of {file}, between bytes {self.start:,} and {self.end:,}"


@dataclass
class Findings:
    """What was found.

    Attributes:
        lines: that the proofs name.
        arrived: lines that came, each as often as it came.
        duplicates: how many came more often than the proofs name them.
        missing: lines that are named and did not come.
        unproven: ranges between two proofs that none of them covers.
        foreign: lines that no proof names though newer ones are named; a changed line is one of them.
        waiting: lines that no proof names yet.
        broken: sentences about proofs that don't fit each other or their lines.
        notes: sentences about what is no fault but should be known.
    """

    lines: int = 0
    arrived: int = 0
    duplicates: int = 0
    missing: list[Place] = field(default_factory=list)
    unproven: list[Place] = field(default_factory=list)
    foreign: int = 0
    waiting: int = 0
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every line of every range that was mirrored is there, unchanged."""
        return not (self.missing or self.unproven or self.foreign or self.broken)


@dataclass
class _Kind:
    """Lines with the same bytes."""

    digest: bytes
    count: int = 0
    newest_ms: int = 0


class Evidence:
    """Takes what is read from the two streams."""

    def __init__(self) -> None:
        self._lines = Reassembly()
        self._kinds: dict[bytes, _Kind] = {}
        self._proofs: dict[Proof, None] = {}
        self._newest_proof_ms = 0
        self._refused: dict[str, None] = {}
        self._unreadable = 0
        self._arrived = 0

    def proof(self, message: str, ingested_ms: int) -> None:
        """An event of the proofs' stream."""
        found = proofs.parse(message)
        if found is None:
            self._unreadable += 1
            return
        self._proofs[found] = None
        self._newest_proof_ms = max(self._newest_proof_ms, ingested_ms)

    def event(self, message: str, ingested_ms: int) -> None:
        """An event of the lines' stream."""
        if sentence := refusals.told(message):
            self._refused[sentence] = None
            return
        line = self._lines.line(message)
        if line is None:
            return
        self._arrived += 1
        digest = hashlib.sha256(line.content).digest()
        kind = self._kinds.setdefault(digest[:IDENTIFIER_BYTES], _Kind(digest))
        kind.count += 1
        kind.newest_ms = max(kind.newest_ms, ingested_ms)

    def arrived(self, digest: bytes) -> int:
        """How often a line with this SHA-256 came."""
        kind = self._kinds.get(digest[:IDENTIFIER_BYTES])
        return kind.count if kind else 0

    def files(self) -> list[tuple[FileIdentity, list[Proof]]]:
        """The proofs of each file, by their offsets."""
        grouped: dict[FileIdentity, list[Proof]] = {}
        for proof in self._proofs:
            grouped.setdefault(proof.identity, []).append(proof)
        return [(identity, sorted(found, key=lambda one: (one.start, one.end))) for identity, found in grouped.items()]

    def findings(self) -> Findings:
        """What all of it says."""
        found = Findings(arrived=self._arrived)
        if self._unreadable:
            found.broken.append(f"{self._unreadable} events of the proofs' stream are no proofs")
        found.broken += [f"envelope {identifier} does not hold the line it names" for identifier in self._lines.damaged]
        found.notes += self._refused
        expected: dict[bytes, int] = {}
        named: list[tuple[int, bytes, Proof]] = []
        for _, ordered in self.files():
            found.unproven += _gaps(ordered)
            for number, identifier, proof in _lines(ordered, found.broken):
                expected[identifier] = expected.get(identifier, 0) + 1
                named.append((number, identifier, proof))
        found.lines = len(named)
        short = {name: count - self._count(name) for name, count in expected.items() if count > self._count(name)}
        found.duplicates = sum(max(0, kind.count - expected[name]) for name, kind in self._kinds.items() if name in expected)
        found.missing = list(_missing(named, short))
        self._strangers(expected, found)
        self._chains(found, whole=not short)
        return found

    def _count(self, identifier: bytes) -> int:
        kind = self._kinds.get(identifier)
        return kind.count if kind else 0

    def _strangers(self, expected: dict[bytes, int], found: Findings) -> None:
        for name, kind in self._kinds.items():
            if name in expected:
                continue
            if kind.newest_ms < self._newest_proof_ms - UNDER_WAY_MS or found.missing:
                found.foreign += kind.count
            else:
                found.waiting += kind.count
        if found.waiting:
            found.notes.append(
                f"{found.waiting} lines have arrived that no proof names yet: the mirror is at work, or was stopped hard"
            )
        if parts := self._lines.incomplete:
            found.notes.append(
                f"{len(parts)} envelopes have parts that came more or less often than others, as after a call sent twice"
            )

    def _chains(self, found: Findings, *, whole: bool) -> None:
        """Whether each proof goes on from another one, and fits its lines."""
        known = {proof.after for proof in self._proofs}
        begins = [proof for proof in self._proofs if proof.before and proof.before not in known]
        begins.sort(key=lambda proof: proof.latest)
        if begins:
            found.notes.append(f"the first proof that is kept goes on from an earlier one: {_where(begins[0])}")
        found.broken += [f"the proof before this one is missing: {_where(proof)}" for proof in begins[1:]]
        starts = sum(not proof.before for proof in self._proofs)
        if starts > 1:
            found.notes.append(f"the running hash was begun {starts} times: checkpoints were lost, or several mirrors wrote here")
        if whole:
            found.broken += [
                f"the running hash does not fit the lines: {_where(proof)}" for proof in self._proofs if not self._fits(proof)
            ]

    def _fits(self, proof: Proof) -> bool:
        digests = [self._kinds[identifier].digest for identifier in proof.ids]
        covered = Covered(proof.identity, proof.start, proof.end, proof.first, digests)
        return proofs.chained(proof.before, covered) == proof.after


def _where(proof: Proof) -> str:
    return str(Place(proof.identity, proof.first, proof.first + len(proof.ids) - 1, proof.start, proof.end))


def _gaps(ordered: list[Proof]) -> Iterator[Place]:
    """Ranges of one file between its first and its last proof that none covers."""
    reached, number = ordered[0].start, ordered[0].first
    if number:
        # The lines before it were counted, so they were mirrored once.
        yield Place(ordered[0].identity, 0, number - 1, 0, reached)
    for proof in ordered:
        if proof.start > reached:
            yield Place(proof.identity, number, max(number, proof.first - 1), reached, proof.start)
        if proof.end > reached:
            reached, number = proof.end, proof.first + len(proof.ids)


def _lines(ordered: list[Proof], broken: list[str]) -> Iterator[tuple[int, bytes, Proof]]:
    """Each line of one file once, though two proofs may name it: after a kill a range is sent again from the checkpoint on."""
    seen: dict[int, bytes] = {}
    for proof in ordered:
        for number, identifier in enumerate(proof.ids, proof.first):
            before = seen.setdefault(number, identifier)
            if before is identifier:
                yield number, identifier, proof
            elif before != identifier:
                broken.append(f"two proofs name different lines: {_where(proof)}")
                break


def _missing(named: list[tuple[int, bytes, Proof]], short: dict[bytes, int]) -> Iterator[Place]:
    """Runs of lines that did not come; of identical ones the last."""
    left = dict(short)
    lost: list[tuple[int, Proof]] = []
    for number, identifier, proof in reversed(named):
        if left.get(identifier, 0) > 0:
            left[identifier] -= 1
            lost.append((number, proof))
    run: list[tuple[int, Proof]] = []
    for number, proof in reversed(lost):
        if run and (proof.identity != run[-1][1].identity or number != run[-1][0] + 1):
            yield _run(run)
            run = []
        run.append((number, proof))
    if run:
        yield _run(run)


def _run(run: list[tuple[int, Proof]]) -> Place:
    (first, begin), (last, end) = run[0], run[-1]
    return Place(begin.identity, first, last, begin.start, end.end)
