"""Lives of a mirror that end at any boundary: each is a process, forked from one that has imported everything.

Rules: what is to be broken is broken from outside or by parts that wrap the real ones; the mirror itself is the real one. The
process that forks has one thread, so that no lock is ever copied while it is held.

Run as a program: one JSON object per line on stdin says a life, its process id and then its exit status go to stdout.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session

from vaultgate_ops.audit import daemon
from vaultgate_ops.audit.checkpoint import Checkpoint
from vaultgate_ops.audit.cloudwatch import CloudWatchLogs, Service
from vaultgate_ops.audit.delivery import Patience
from vaultgate_ops.audit.destinations import Creation
from vaultgate_ops.audit.mirror import Mirror, Options
from vaultgate_ops.audit.model import Destination
from vaultgate_ops.audit.sender import CloudWatchSender, Pace
from vaultgate_ops.audit.source import Folder
from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from vaultgate_ops.audit.family import Record
    from vaultgate_ops.audit.follower import Stat
    from vaultgate_ops.audit.model import Position, Reader, Sender, Span
    from vaultgate_ops.audit.source import OpenFile, Scan

DESTINATION = Destination("/vault/audit", "node/audit")
PACE = Pace(workers=2, waiting=2, window=4, linger_s=0.01, proof_every_s=0.02, patience=Patience(0.005, 0.02, 20.0))


@dataclass(frozen=True)
class Life:
    """How one life goes.

    Attributes:
        path: the device's file.
        folder: of the checkpoint, and of what the life complains of.
        endpoint: of CloudWatch Logs.
        once: it ends when all has arrived; otherwise at SIGTERM.
        boundary: the number of the boundary at which it kills itself; 0 for none.
    """

    path: str
    folder: str
    endpoint: str
    once: bool
    boundary: int = 0

    def line(self) -> str:
        """For the process that forks."""
        return json.dumps(asdict(self))


class Fuse:
    """Kills this process at a boundary."""

    def __init__(self, boundary: int) -> None:
        self._left = boundary

    def burn(self) -> None:
        """A boundary was reached."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class FusedFile:
    """Boundaries before and after each read."""

    def __init__(self, file: OpenFile, fuse: Fuse) -> None:
        self._file, self._fuse = file, fuse

    def pread(self, start: int, length: int) -> bytes:
        self._fuse.burn()
        block = self._file.pread(start, length)
        self._fuse.burn()
        return block

    def stat(self, head_bytes: int) -> Stat:
        return self._file.stat(head_bytes)

    def close(self) -> None:
        self._file.close()


class FusedFolder(Folder):
    """Its files have boundaries."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path)
        self._fuse = fuse

    def scan(self, inodes: Collection[int]) -> Scan:
        scan = super().scan(inodes)
        fused = [(found, FusedFile(file, self._fuse)) for found, file in scan.files]
        return type(scan)(list(fused), scan.problems, scan.refused)


class FusedCheckpoint(Checkpoint):
    """Boundaries before and after each save."""

    def __init__(self, file: Path, path: Path, fuse: Fuse) -> None:
        super().__init__(file, path, DESTINATION)
        self._fuse = fuse

    def save(self, records: Sequence[Record], chain: str) -> None:
        self._fuse.burn()
        super().save(records, chain)
        self._fuse.burn()


class FusedSender:
    """Boundaries before and after each offer and each answer."""

    def __init__(self, sender: Sender, fuse: Fuse) -> None:
        self._sender, self._fuse = sender, fuse
        self._last: Position | None = None

    def begin(self, position: Position) -> None:
        self._sender.begin(position)

    def offer(self, span: Span, reader: Reader) -> None:
        self._fuse.burn()
        self._sender.offer(span, reader)
        self._fuse.burn()

    def acknowledged(self) -> Position | None:
        position = self._sender.acknowledged()
        if position != self._last:
            self._last = position
            self._fuse.burn()
        return position

    def flush(self, deadline: float) -> bool:
        return self._sender.flush(deadline)

    def close(self) -> None:
        self._sender.close()


def checkpoint_file(folder: Path) -> Path:
    """Where a life keeps its checkpoint."""
    return folder / "audit.checkpoint"


def _live(life: Life, session: botocore.session.Session) -> None:
    clock, fuse, folder = Clock(), Fuse(life.boundary), Path(life.folder)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())

    def opened() -> FusedSender:
        logs = CloudWatchLogs(Service("us-east-1", life.endpoint, 5, 5), clock, session)
        return FusedSender(CloudWatchSender(logs, DESTINATION, Creation(), clock, pace=PACE), fuse)

    mirror = Mirror(
        FusedFolder(Path(life.path), fuse),
        FusedCheckpoint(checkpoint_file(folder), Path(life.path), fuse),
        opened,
        clock=clock,
        say=lambda sentence: (folder / "said").open("a").write(f"{sentence}\n"),
        options=Options(once=life.once, linger_s=0.02, poll_s=0.005),
    )
    # As the command does: in a thread, while this one hears signals.
    daemon.run([mirror], stopping)


def _lives(lines: Iterator[str]) -> Iterator[Any]:
    session = botocore.session.Session()
    # What botocore loads from its files, it loads once for all.
    CloudWatchLogs(Service("us-east-1", "http://127.0.0.1:9"), Clock(), session)
    for line in lines:
        life = Life(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _live(life, session)
                status = 0
            except BaseException:  # noqa: BLE001 - told where the trial looks
                with suppress(OSError):
                    (Path(life.folder) / "said").open("a").write(traceback.format_exc())
            os._exit(status)
        yield pid
        yield os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    for word in _lives(sys.stdin):
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()
