"""`vaultgate mirror verify`: read a mirror back and say whether it is complete.

Rules: it only reads, from CloudWatch Logs and from a file where one is given; it needs no Vault and no checkpoint. A file is
cut into lines by the mirror's own splitter, so that what is compared is what would be sent.

Source: API_GetLogEvents: a page may be empty, the end is where the token that comes back is the one that was sent.
"""

from __future__ import annotations

import gzip
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from botocore.exceptions import BotoCoreError, ClientError

from vaultgate_ops.audit.evidence import Evidence, Findings
from vaultgate_ops.audit.model import HEAD_BYTES, Destination
from vaultgate_ops.audit.splitter import Splitter, prefix_of
from vaultgate_ops.errors import Denied, Missing, Unreachable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vaultgate_ops.audit.cloudwatch import CloudWatchLogs

_BLOCK = 256 * 1024
_GZIP = b"\x1f\x8b"
_DENIALS = frozenset(("AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidSignatureException"))


class FileFindings(NamedTuple):
    """What a file says of its mirror.

    Attributes:
        lines: of the file, fragments counted.
        mirrored: how many of them come before the end of the last proof.
        missing: offsets [start, end) of lines before that end which did not arrive.
        waiting: lines behind it that have not arrived.
        strange: the proofs know no file that begins so.
    """

    lines: int = 0
    mirrored: int = 0
    missing: tuple[tuple[int, int], ...] = ()
    waiting: int = 0
    strange: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing of it is missing. A file that no proof knows is not on its way: nothing of it may be waited for."""
        return not self.missing and not (self.strange and self.waiting)


def read_back(service: CloudWatchLogs, destination: Destination) -> Evidence:
    """Read a destination's two streams from their beginnings.

    Raises:
        Missing: there is no such group or stream.
        Denied: AWS does not permit it.
        Unreachable: AWS does not answer.
    """
    evidence = Evidence()
    # The proofs first: a line that arrives meanwhile then counts as one that waits for its proof, not as missing.
    with service.client() as client:
        for event in _events(client, destination.group, destination.proof_stream):
            evidence.proof(event["message"], event["ingestionTime"])
        for event in _events(client, destination.group, destination.stream):
            evidence.event(event["message"], event["ingestionTime"])
    return evidence


def mirrored_streams(service: CloudWatchLogs, group: str) -> list[str]:
    """The streams of a group that have proofs beside them.

    Raises:
        Missing: there is no such group.
        Denied: AWS does not permit it.
        Unreachable: AWS does not answer.
    """
    names: set[str] = set()
    token: dict[str, str] = {}
    with service.client() as client:
        while True:
            with _explained(f"log group {group}", "logs:DescribeLogStreams"):
                page = client.describe_log_streams(logGroupName=group, **token)
            names.update(stream["logStreamName"] for stream in page["logStreams"])
            if "nextToken" not in page:
                return sorted(name for name in names if Destination(group, name).proof_stream in names)
            token = {"nextToken": page["nextToken"]}


@contextmanager
def _explained(what: str, permission: str) -> Iterator[None]:
    """Say what failed, in our own sentences."""
    try:
        yield
    except ClientError as error:
        code, message = str(error.response["Error"]["Code"]), str(error.response["Error"]["Message"])
        if code == "ResourceNotFoundException":
            raise Missing(f"There is no {what}: {message}", "Check names and region.") from error
        if code in _DENIALS:
            raise Denied(f"AWS doesn't let this role read {what}: {message}", f"Allow {permission} on it.") from error
        raise Unreachable(f"{what} can't be read: {code}: {message}") from error
    except BotoCoreError as error:
        raise Unreachable(f"{what} can't be read: {error}", "Check the region and the way to AWS.") from error


def _events(client: Any, group: str, stream: str) -> Iterator[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        with _explained(f"stream {stream} in log group {group}", "logs:GetLogEvents"):
            page = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        yield from page["events"]
        if page["nextForwardToken"] == token.get("nextToken"):
            return
        token = {"nextToken": page["nextForwardToken"]}


def against_file(evidence: Evidence, path: Path) -> FileFindings:
    """Compare a file, gzipped or not, with what arrived.

    Raises:
        UsageProblem: it can't be read.
    """
    try:
        with _opened(path) as file:
            return _compared(evidence, file)
    except (OSError, EOFError) as error:
        raise UsageProblem(f"{path} can't be read: {error}", "Name one of the device's files.") from error


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    return cast("BinaryIO", gzip.open(path)) if zipped else path.open("rb")


def _compared(evidence: Evidence, file: BinaryIO) -> FileFindings:
    beginning = file.read(HEAD_BYTES)
    proven = [found for identity, found in evidence.files() if identity.begins(beginning)]
    end = max((proof.end for ordered in proven for proof in ordered), default=0)
    lines = mirrored = waiting = 0
    missing: list[tuple[int, int]] = []
    seen: dict[bytes, int] = {}
    for start, stop, digest in _digests(file, beginning):
        lines += 1
        mirrored += stop <= end
        seen[digest] = seen.get(digest, 0) + 1
        if seen[digest] <= evidence.arrived(digest):
            continue
        if stop > end:
            waiting += 1
        elif missing and missing[-1][1] == start:
            missing[-1] = (missing[-1][0], stop)
        else:
            missing.append((start, stop))
    return FileFindings(lines, mirrored, tuple(missing), waiting, strange=not proven)


def _digests(file: BinaryIO, beginning: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and SHA-256 of each entry."""
    splitter = Splitter(0, prefix_of(beginning), raw_allowed=True)
    file.seek(0)
    place = 0
    while block := file.read(_BLOCK):
        place += len(block)
        for entry in splitter.feed(block):
            if entry.line is not None:
                yield entry.start, entry.end, hashlib.sha256(entry.line).digest()
                continue
            digest = hashlib.sha256()
            file.seek(entry.start)
            left = entry.end - entry.start - (0 if entry.torn else 1)
            while left:
                piece = file.read(min(left, _BLOCK))
                digest.update(piece)
                left -= len(piece)
            file.seek(place)
            yield entry.start, entry.end, digest.digest()


def sentences(found: Findings, file: FileFindings | None = None) -> Iterator[str]:
    """What was found, for a person; faults first."""
    yield from (f"missing: {place}" for place in found.missing)
    yield from (f"no proof: {place}" for place in found.unproven)
    yield from (f"broken: {sentence}" for sentence in found.broken)
    if found.foreign:
        yield f"foreign: {found.foreign} lines that no proof names: changed on the way, or written by somebody else"
    if file is not None:
        yield from _of_file(file)
    yield f"{found.lines:,} lines are named by proofs, {found.arrived:,} arrived, {found.duplicates:,} of them duplicates"
    yield from (f"note: {note}" for note in found.notes)
    yield "complete" if found.complete and (file is None or file.complete) else "NOT complete"


def _of_file(file: FileFindings) -> Iterator[str]:
    if file.strange:
        unknown = "no proof is about a file that begins like this one"
        yield f"note: {unknown}" if file.complete else f"missing: {unknown}, and {file.waiting:,} lines of it have not arrived"
    for start, end in file.missing:
        yield f"missing: bytes {start:,} to {end:,} of the file"
    yield f"the file has {file.lines:,} lines, {file.mirrored:,} of them before the end of its last proof"
    if file.waiting and not file.strange:
        yield f"note: {file.waiting:,} lines behind it have not arrived yet"
