"""What was written down, in files: CloudTrail's as they lie in their bucket, and lines of Vault's audit as they were mirrored.

Rules: read one at a time, gzipped or not; a file that can't be read is an error that names it, since a report that leaves one out
in silence proves nothing. Files of other kinds that lie among CloudTrail's, its digests, are none of them.
Sources: AWS CloudTrail User Guide, "CloudTrail log file examples" and "CloudTrail digest file structure"; for mirrored lines
docs/audit-evidence.md; CloudWatch Logs User Guide, "Export log data to Amazon S3" (each line begins with its date).
"""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from vaultgate_ops.audit.envelope import Reassembly
from vaultgate_ops.errors import UsageProblem
from vaultgate_ops.rotation.reads import Read, of_trail, of_vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

_GZIP = b"\x1f\x8b"
_DIGEST = "digestStartTime"
# One of them is in each line of Vault's audit, and in what the mirror adds.
_MARKS = frozenset({"request", "vaultgate_proof"})


def trail(place: Path) -> Iterator[Read]:
    """The reads in a CloudTrail file, or in every one below a folder.

    Raises:
        UsageProblem: a file can't be read as one of CloudTrail's, or there is none.
    """
    files = sorted(one for one in place.rglob("*") if one.name.endswith((".json", ".json.gz"))) if place.is_dir() else [place]
    if not files:
        raise UsageProblem(f"There is no file of CloudTrail's below {place}.", "They end in .json or .json.gz.")
    for path in files:
        yield from _records(path)


def audit(path: Path) -> Iterator[Read]:
    """The reads among lines of Vault's audit: a file of the device, or an export of the log group that it is mirrored to.

    Raises:
        UsageProblem: it can't be read, or holds lines of which none is of Vault's audit.
    """
    lines, filled, known = Reassembly(), False, False
    try:
        with _opened(path) as file:
            for raw in file:
                # An export puts the event's date before it.
                message = raw[raw.find(b"{") :].decode(errors="replace").rstrip("\n") if b"{" in raw else ""
                line = lines.line(message) if message else None
                entry = _json(line.content) if line and not line.torn else None
                if isinstance(entry, dict):
                    known = known or not _MARKS.isdisjoint(entry)
                    yield from of_vault(entry)
                filled = filled or bool(raw.strip())
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None
    if filled and not known:
        raise UsageProblem(f"{path} has no line of Vault's audit.", "Name a file of the device, or an export of its log group.")


def _records(path: Path) -> Iterator[Read]:
    try:
        with _opened(path) as file:
            document = json.load(file)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise _unreadable(path, error) from None
    records = document.get("Records") if isinstance(document, dict) else None
    if not isinstance(records, list):
        if isinstance(document, dict) and _DIGEST in document:
            return
        raise UsageProblem(f"{path} has no Records: it isn't a file of CloudTrail's.", "Name one, or a folder of them.")
    for record in records:
        if isinstance(record, dict):
            yield from of_trail(record)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        zipped = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if not zipped:
            yield file
            return
        with gzip.open(file) as unzipped:
            yield cast("IO[bytes]", unzipped)


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _unreadable(path: Path, error: Exception) -> UsageProblem:
    return UsageProblem(f"{path} can't be read: {type(error).__name__}.", "Fetch it again, or name another.")
