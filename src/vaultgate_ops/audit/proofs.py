"""Proof events: what was mirrored, said beside the mirrored lines.

Rules: pure. A proof covers a range of offsets of one file without a gap; it is sent once all of the range is in CloudWatch
Logs, and only then does the mirror call the range done. It holds eight bytes of each line's SHA-256, in the order of the
file, so that a missing, a foreign and a repeated line can be told apart without the file, identical lines by their count;
and a running hash over the full ones, which goes on from the proof before, so that a missing proof shows as well.

What it shows is accidental loss: whoever may write to the proofs' stream can write proofs. A proof is also where the mirror's
metrics are: where no proof comes, no metric does, and an alarm that takes that as bad sees a mirror that is silent.

Source of the metrics' form: "Specification: Embedded metric format" of the Amazon CloudWatch user guide.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vaultgate_ops.audit.model import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
NAMESPACE = "Vaultgate/Mirror"
_METRICS = [
    {"Name": "Lines", "Unit": "Count"},
    {"Name": "Bytes", "Unit": "Bytes"},
    {"Name": "LagSeconds", "Unit": "Seconds"},
    {"Name": "Torn", "Unit": "Count"},
    {"Name": "Restamped", "Unit": "Count"},
    {"Name": "RepeatedCalls", "Unit": "Count"},
]
IDENTIFIER_BYTES = 8
"""Of a line's SHA-256 in a proof. Two of a billion lines share one in 3 % of all cases; for a loss to be hidden, it
would have to be just such a pair."""


@dataclass
class Covered:
    """Lines of one file that follow each other.

    Attributes:
        identity: of the file.
        start, end: the offsets, [start, end).
        first: how many lines of the file were before, as far as it was mirrored.
        digests: SHA-256 of each line, 32 bytes.
        torn: how many of them are fragments.
        enveloped: how many of them travelled in an envelope.
        restamped: how many got another time than their own.
        earliest, latest: times of their events, ms since 1970.
    """

    identity: FileIdentity
    start: int
    end: int
    first: int
    digests: list[bytes] = field(default_factory=list)
    torn: int = 0
    enveloped: int = 0
    restamped: int = 0
    earliest: int = 1 << 62
    latest: int = 0

    def saw(self, earliest: int, latest: int) -> None:
        """Events of it have these times."""
        self.earliest = min(self.earliest, earliest)
        self.latest = max(self.latest, latest)

    def follows(self, before: Covered) -> bool:
        """Whether it begins in the same file where another one ends."""
        return self.identity == before.identity and self.start == before.end and self.first == before.first + len(before.digests)

    def extend(self, after: Covered) -> None:
        """Take in what follows."""
        self.end = after.end
        self.digests += after.digests
        self.torn += after.torn
        self.enveloped += after.enveloped
        self.restamped += after.restamped
        self.saw(after.earliest, after.latest)


def chained(before: str, covered: Covered) -> str:
    """The running hash behind a range: hex of SHA-256 over the one before, the file, the range and the lines' hashes."""
    place = f"{before}|{covered.identity.head}|{covered.start}|{covered.end}|{covered.first}|"
    return hashlib.sha256(place.encode() + b"".join(covered.digests)).hexdigest()


class Context(NamedTuple):
    """What a proof says beside its range, as metrics.

    Attributes:
        group: the log group; two mirrors of one account are told apart by it.
        stream: of the lines.
        now_ms: when the proof is made, ms since 1970.
        repeated: calls that were made again since the proof before.
    """

    group: str
    stream: str
    now_ms: int
    repeated: int = 0


def message(covered: Covered, before: str, context: Context) -> str:
    """The proof event of a range; CloudWatch makes metrics of its embedded ones.

    Args:
        covered: the range.
        before: the running hash before it; empty for the first of all.
        context: see there.
    """
    identity = covered.identity
    document = {
        "version": VERSION,
        "file": {"device": identity.device, "inode": identity.inode, "head": identity.head, "head_bytes": identity.head_bytes},
        "start": covered.start,
        "end": covered.end,
        "first": covered.first,
        "lines": len(covered.digests),
        "torn": covered.torn,
        "enveloped": covered.enveloped,
        "restamped": covered.restamped,
        "earliest": covered.earliest,
        "latest": covered.latest,
        "before": before,
        "after": chained(before, covered),
        "ids": base64.b64encode(identifiers(covered.digests)).decode("ascii"),
    }
    values = {
        "Lines": len(covered.digests),
        "Bytes": covered.end - covered.start,
        "LagSeconds": max(0, context.now_ms - covered.latest) / 1000,
        "Torn": covered.torn,
        "Restamped": covered.restamped,
        "RepeatedCalls": context.repeated,
    }
    metrics = {"Namespace": NAMESPACE, "Dimensions": [["LogGroup"], ["LogGroup", "Stream"]], "Metrics": _METRICS}
    told = {"Timestamp": context.now_ms, "CloudWatchMetrics": [metrics]}
    embedded = {"_aws": told, "LogGroup": context.group, "Stream": context.stream, **values}
    return json.dumps({"vaultgate_proof": document, **embedded}, separators=(",", ":"))


def identifiers(digests: Iterable[bytes]) -> bytes:
    """The beginnings of the lines' hashes, one after another."""
    return b"".join([digest[:IDENTIFIER_BYTES] for digest in digests])


class Proof(NamedTuple):
    """A proof event that was read back.

    Attributes:
        identity: of the file.
        start, end: the offsets covered.
        first: number of the first line, from 0.
        ids: the beginning of each line's hash, in order.
        torn, enveloped, restamped: how many of them were so.
        earliest, latest: times of the events, ms since 1970.
        before, after: the running hash.
    """

    identity: FileIdentity
    start: int
    end: int
    first: int
    ids: tuple[bytes, ...]
    torn: int
    enveloped: int
    restamped: int
    earliest: int
    latest: int
    before: str
    after: str


def parse(text: str) -> Proof | None:
    """The proof that an event is; None for anything else, one that contradicts itself included."""
    try:
        told: dict[str, Any] = json.loads(text)["vaultgate_proof"]
        file = told["file"]
        identity = FileIdentity(int(file["device"]), int(file["inode"]), str(file["head"]), int(file["head_bytes"]))
        joined = base64.b64decode(told["ids"], validate=True)
        ids = tuple(joined[place : place + IDENTIFIER_BYTES] for place in range(0, len(joined), IDENTIFIER_BYTES))
        proof = Proof(
            identity,
            start=int(told["start"]),
            end=int(told["end"]),
            first=int(told["first"]),
            ids=ids,
            torn=int(told["torn"]),
            enveloped=int(told["enveloped"]),
            restamped=int(told["restamped"]),
            earliest=int(told["earliest"]),
            latest=int(told["latest"]),
            before=str(told["before"]),
            after=str(told["after"]),
        )
        whole = int(told["version"]) == VERSION and int(told["lines"]) == len(ids) and proof.start < proof.end
    except (ValueError, KeyError, TypeError):
        return None
    return proof if whole else None
