"""How far the mirror is, on disk, across crashes.

Rules: written to a new file, synced, renamed over the old one, the folder synced: at every instant there is a whole one. The
one before is kept beside it. A CRC tells a whole one from what a broken disk left. One mirror at a time: the lock goes with the
process, however it ends. A checkpoint belongs to one path and one destination, and is refused for others.

The file is one line of words, ``vaultgate-checkpoint 1 CRC32``, and one JSON object.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vaultgate_ops.audit.family import Record, State
from vaultgate_ops.audit.model import Destination, FileIdentity, Position
from vaultgate_ops.errors import CheckFailed, Denied, Missing, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FORMAT = "vaultgate-checkpoint 1"
_MODE = 0o600
_ASKED_S = 0.1


class Owner(NamedTuple):
    """Whose a checkpoint is.

    Attributes:
        path: the device's file, absolute.
        group, stream: where its lines go.
    """

    path: Path
    group: str
    stream: str

    def words(self) -> str:
        """For a sentence."""
        return f"{self.path} and the stream {self.stream} of {self.group}"


class Progress(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        records: the files, the oldest first.
        chain: the sender's, at the last acknowledged position of all.
        first: there was no checkpoint yet.
        complaint: one sentence if only the one before could be read; empty otherwise.
    """

    records: list[Record]
    chain: str = ""
    first: bool = False
    complaint: str = ""


class Checkpoint:
    """One device's checkpoint.

    Args:
        file: where it is; its folder exists.
        path: the device's file.
        destination: where its lines go.
    """

    def __init__(self, file: Path, path: Path, destination: Destination) -> None:
        self._file = file
        self._previous = _previous(file)
        self._owner = Owner(path.absolute(), destination.group, destination.stream)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other mirror off it.

        Raises:
            CheckFailed: another one has it.
            Missing: the folder can't be written.
            Denied: we may not.
        """
        with _explained(self._file):
            lock = os.open(_lock_file(self._file), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            try:
                _lock(lock)
            except BlockingIOError as error:
                holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "?"
                raise CheckFailed(
                    f"Another mirror, process {holder}, uses the checkpoint {self._file}.", "Stop it first, or let it work."
                ) from error
            with suppress(OSError):  # a full disk: then the number is missing in the other one's message
                os.ftruncate(lock, 0)
                os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(lock)

    def load(self) -> Progress:
        """Read it; the one before where it is damaged, and nothing where there never was one.

        Raises:
            CheckFailed: neither can be read.
            UsageProblem: it is another file's or another destination's.
            Denied: we may not read it.
        """
        if not self._file.exists() and not self._previous.exists():
            return Progress([], first=True)
        owner, progress = opened(self._file)
        if owner != self._owner:
            # Left by a start that sent nothing, with a mistyped group for example: there is nothing to keep apart.
            if not progress.records and not progress.chain:
                return Progress([], first=True)
            raise UsageProblem(
                f"The checkpoint {self._file} is about {owner.words()}, not {self._owner.words()}.",
                "Name another folder for the checkpoints, or the file and the stream that this one is about.",
            )
        return progress

    def save(self, records: Sequence[Record], chain: str) -> None:
        """Replace it.

        Raises:
            OSError: the disk is full, for example; the old one is still there.
        """
        owner = {"path": str(self._owner.path), "group": self._owner.group, "stream": self._owner.stream}
        content = {**owner, "chain": chain, "files": [_plain(record) for record in records]}
        body = json.dumps(content, separators=(",", ":")).encode()
        new = self._file.with_name(f"{self._file.name}.new")
        _write_synced(new, b"%s %08x\n%s\n" % (_FORMAT.encode(), zlib.crc32(body), body))
        with suppress(FileNotFoundError):
            second = self._file.with_name(f"{self._file.name}.link")
            with suppress(FileNotFoundError):
                second.unlink()
            os.link(self._file, second)
            second.rename(self._previous)
        new.rename(self._file)
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def opened(file: Path) -> tuple[Owner, Progress]:
    """Whose checkpoint it is, and what it holds; the one before where it is damaged.

    Raises:
        CheckFailed: neither can be read.
        Denied: we may not read it.
    """
    with _explained(file):
        texts = [_read(each) for each in (file, _previous(file))]
    for text, complaint in zip(texts, ("", f"{file} is damaged or gone, the one before it is used."), strict=True):
        content = None if text is None else _decoded(text)
        if content is not None:
            owner = Owner(Path(content["path"]), content["group"], content["stream"])
            return owner, Progress([_record(each) for each in content["files"]], content["chain"], complaint=complaint)
    raise CheckFailed(
        f"The checkpoint {file} is damaged, and so is the one before it.",
        "Restore it, or delete both: everything that is still on disk is then sent again.",
    )


def in_use(file: Path) -> bool:
    """Whether a mirror works with this checkpoint."""
    try:
        lock = os.open(_lock_file(file), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _lock(descriptor: int) -> None:
    """Lock it; once more a moment later, for somebody may only be asking whether it is locked."""
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    threading.Event().wait(_ASKED_S)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.lock")


def _previous(file: Path) -> Path:
    return file.with_name(f"{file.name}.previous")


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise Denied(f"The checkpoint {file} can't be used: permission denied.", "Use a folder that you may write.") from error
    except OSError as error:
        raise Missing(f"The checkpoint {file} can't be used: {error.strerror}.", "Use a folder on a disk that works.") from error


def _write_synced(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _decoded(text: bytes) -> dict[str, Any] | None:
    """The content of a whole checkpoint; None for anything else."""
    head, _, body = text.partition(b"\n")
    body = body.removesuffix(b"\n")
    if head != b"%s %08x" % (_FORMAT.encode(), zlib.crc32(body)):
        return None
    content: dict[str, Any] = json.loads(body)
    return content


def _plain(record: Record) -> dict[str, Any]:
    identity = record.position.identity
    return {
        "name": record.name,
        "state": record.state.value,
        "device": identity.device,
        "inode": identity.inode,
        "head": identity.head,
        "head_bytes": identity.head_bytes,
        "offset": record.position.offset,
        "lines": record.position.lines,
    }


def _record(plain: dict[str, Any]) -> Record:
    identity = FileIdentity(plain["device"], plain["inode"], plain["head"], plain["head_bytes"])
    return Record(Position(identity, plain["offset"], plain["lines"]), State(plain["state"]), plain["name"])
