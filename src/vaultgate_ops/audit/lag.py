"""How far behind CloudWatch Logs is, told by the checkpoint and the files alone: a mirror that is dead is told of as well.

Rules: nothing is changed, nothing is locked; the same decisions as the mirror's say what is owed; what is owed is read once,
a block at a time, to count its lines.
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from vaultgate_ops.audit.checkpoint import in_use, opened
from vaultgate_ops.audit.follower import Follower
from vaultgate_ops.audit.source import Folder

if TYPE_CHECKING:
    from pathlib import Path

    from vaultgate_ops.audit.source import OpenFile
    from vaultgate_ops.clock import Clock

_BLOCK_BYTES = 1 << 20
_TIME = re.compile(rb'"time":"([0-9T:.\-]{19,29})[0-9]*(Z|[+-][0-9:]+)"|name="time">([0-9T:.\-]{19,29})[0-9]*(Z|[+-][0-9:]+)<')
_MICROSECONDS = 26
"""Letters of a time up to its microseconds, which is what Python takes."""


class Lag(NamedTuple):
    """How one device is.

    Attributes:
        path: its file.
        group, stream: where its lines go.
        running: a mirror has its checkpoint.
        lines, size: what is not in CloudWatch Logs yet, in lines and bytes.
        seconds: how old the first of these lines is; 0 where there is none.
        problems: one sentence each.
    """

    path: str
    group: str
    stream: str
    running: bool
    lines: int
    size: int
    seconds: float
    problems: list[str]


def lag(checkpoint: Path, clock: Clock) -> Lag:
    """How the device of a checkpoint is.

    Raises:
        CheckFailed: the checkpoint can't be read.
        Denied: we may not read it.
    """
    owner, progress = opened(checkpoint)
    follower = Follower(progress.records)
    scan = Folder(owner.path).scan(follower.owed_inodes)
    problems = [*scan.problems]
    if scan.refused is not None:
        problems.append(f"{owner.path} can't be read: {scan.refused.strerror}.")
    files = {id(found): file for found, file in scan.files}
    lines = size = 0
    oldest: float | None = None
    try:
        kept, gone = follower.scanned([found for found, _ in scan.files], whole=not problems)
        problems += [
            f"{track.name} is gone; what stood there behind byte {track.offset}, if anything, is lost." for track in gone
        ]
        for track, found in kept:
            counted = _count(files[id(found)], track.offset)
            lines, size = lines + counted.lines, size + counted.size
            if counted.size:
                began = _time(counted.first) or found.modified_ns / 1e9
                oldest = began if oldest is None else min(oldest, began)
    finally:
        for file in files.values():
            file.close()
    seconds = max(0.0, clock.wall() - oldest) if oldest is not None else 0.0
    return Lag(str(owner.path), owner.group, owner.stream, in_use(checkpoint), lines, size, seconds, problems)


class _Counted(NamedTuple):
    lines: int
    size: int
    first: bytes


def _count(file: OpenFile, offset: int) -> _Counted:
    """The lines of a file behind an offset, how many bytes they are, and the first of them as far as a block shows it."""
    lines, end, first = 0, offset, b""
    while block := file.pread(end, _BLOCK_BYTES):
        first = first or block.partition(b"\n")[0]
        lines += block.count(b"\n")
        end += len(block)
    return _Counted(lines, end - offset, first)


def _time(line: bytes) -> float | None:
    """The time that an entry carries, in seconds since 1970; None where it carries none."""
    found = _TIME.search(line)
    if not found:
        return None
    moment, zone = (found[1], found[2]) if found[1] else (found[3], found[4])
    with suppress(ValueError):
        return dt.datetime.fromisoformat(moment.decode()[:_MICROSECONDS] + zone.decode().replace("Z", "+00:00")).timestamp()
    return None
