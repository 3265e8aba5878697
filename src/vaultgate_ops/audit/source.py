"""The files of one audit device on this machine: looked for, opened, read. No decision is made here but what a family is.

Rules: a file is opened first and looked at afterwards, so that what was looked at is what is read; nothing is ever written;
a folder is listed before and after its files are opened, because a rotation may rename them in between; a reader of a
compressed file goes forward, and only starts again when somebody asks for something it has passed.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import re
import stat
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vaultgate_ops.audit.family import Found
from vaultgate_ops.audit.follower import Stat
from vaultgate_ops.audit.model import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_GZIP = b"\x1f\x8b"
_LOOKS = 5
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

Listing = frozenset[tuple[str, int]]


class OpenFile(Protocol):
    """A file of the family, open."""

    def pread(self, start: int, length: int) -> bytes:
        """As `model.Reader`'s."""

    def stat(self, head_bytes: int) -> Stat:
        """How it is now, with so much of its beginning."""

    def close(self) -> None:
        """Close it."""


class PlainFile:
    """A file as Vault wrote it. Takes over the descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def pread(self, start: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``start``."""
        return os.pread(self._descriptor, length, start)

    def stat(self, head_bytes: int) -> Stat:
        """Size, last write and beginning."""
        status = os.fstat(self._descriptor)
        return Stat(status.st_size, status.st_mtime_ns, os.pread(self._descriptor, head_bytes, 0))

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class GzippedFile:
    """A rotated file after gzip. Takes over the descriptor; offsets are those of the decompressed bytes."""

    def __init__(self, descriptor: int) -> None:
        self._lock = threading.Lock()
        self._descriptor = descriptor
        self._raw = os.fdopen(descriptor, "rb", closefd=False)
        self._file = gzip.GzipFile(fileobj=self._raw, mode="rb")
        self._modified_ns = os.fstat(descriptor).st_mtime_ns
        self._beginning = self.pread(0, HEAD_BYTES)

    def pread(self, start: int, length: int) -> bytes:
        """Up to ``length`` decompressed bytes at ``start``.

        Raises:
            OSError: it can't be read, or it is no whole gzip file.
        """
        pieces: list[bytes] = []
        with self._lock:
            try:
                self._file.seek(start)
                # Not read(): of a damaged file that gives nothing at all.
                while length and (piece := self._file.read1(length)):
                    pieces.append(piece)
                    length -= len(piece)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                if not pieces:
                    raise OSError(errno.EIO, f"not a whole gzip file ({error})") from error
        return b"".join(pieces)

    def stat(self, head_bytes: int) -> Stat:
        """Its beginning; it doesn't grow."""
        return Stat(None, self._modified_ns, self._beginning[:head_bytes])

    def close(self) -> None:
        """Close the descriptor."""
        self._file.close()
        self._raw.close()
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a look into the folder opened.

    Attributes:
        files: who is there, with the open files, which are the caller's to close.
        problems: one sentence for each file that could not be opened.
        refused: the problem with the path itself; None if it is fine or not there.
    """

    files: list[tuple[Found, OpenFile]]
    problems: list[str]
    refused: OSError | None = None


class Folder:
    """Where a device's file lives, with its rotated siblings.

    Args:
        path: as the device names it; may be a symbolic link.
        others: paths of other devices, which are nobody's siblings.
    """

    def __init__(self, path: Path, others: Collection[Path] = ()) -> None:
        self.path = path
        self._others = {other.name for other in others if other.parent == path.parent}

    def listing(self, inodes: Collection[int]) -> Listing:
        """Names and inodes of the family and of these known files: when it changes, a scan is due."""
        seen = {(os.fspath(entry), entry.inode()) for entry in self._entries(inodes)}
        with contextlib.suppress(OSError):
            seen.add(("", os.stat(self.path).st_ino))  # noqa: PTH116 - once per poll, without another object
        return frozenset(seen)

    def scan(self, inodes: Collection[int]) -> Scan:
        """Open the family and these known files; look again if they were renamed meanwhile."""
        for look in range(_LOOKS):
            before = self.listing(inodes)
            scan = self._open_all(inodes)
            if self.listing(inodes) == before or look == _LOOKS - 1:
                return scan
            for _, file in scan.files:
                file.close()
        raise AssertionError("the last look returns")

    def _open_all(self, inodes: Collection[int]) -> Scan:
        files: list[tuple[Found, OpenFile]] = []
        problems: list[str] = []
        refused = None
        try:
            files.append(_opened(os.fspath(self.path), current=True))
        except FileNotFoundError:
            pass
        except OSError as error:
            refused = error
        names = {os.fspath(entry) for entry in self._entries(inodes)} - {os.fspath(self.path)}
        # gzip deletes the plain file when the compressed one is whole.
        unfinished = {f"{name}.gz" for name in names}
        for name in sorted(names - unfinished):
            try:
                files.append(_opened(name, current=False))
            except (FileNotFoundError, IsADirectoryError):
                continue
            except OSError as error:
                problems.append(f"{name} can't be read: {error.strerror}")
        return Scan(files, problems, refused)

    def _entries(self, inodes: Collection[int]) -> Iterator[os.DirEntry[str]]:
        # A link that moves on leaves its old target beside the new one.
        target = Path(os.path.realpath(self.path))
        for path in {self.path, target}:
            sibling = _sibling(path)
            with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
                for entry in entries:
                    family = entry.name == path.name or (sibling.fullmatch(entry.name) and entry.name not in self._others)
                    if family or entry.inode() in inodes:
                        yield entry


def _sibling(path: Path) -> re.Pattern[str]:
    """The names that rotations make: audit.log.1, audit.log-20261121.gz, audit-20261121.log, audit.log.old."""
    stem, suffix, name = (re.escape(word) for word in (path.stem, path.suffix, path.name))
    return re.compile(rf"{name}[.\-_].*|{stem}[.\-_]\d[\d.\-_TZ:]*{suffix}(\.gz)?")


def _opened(name: str, *, current: bool) -> tuple[Found, OpenFile]:
    """Open a file and look at it.

    Raises:
        OSError: that was not possible, or it is none.
    """
    descriptor = os.open(name, _FLAGS)
    try:
        status = os.fstat(descriptor)
        _check_kind(status.st_mode)
        compressed = not current and os.pread(descriptor, 2, 0) == _GZIP
        file: OpenFile = GzippedFile(descriptor) if compressed else PlainFile(descriptor)
        seen = file.stat(HEAD_BYTES)
    except BaseException:
        os.close(descriptor)
        raise
    return Found(name, status.st_dev, status.st_ino, seen.size, seen.modified_ns, seen.beginning, current), file


def _check_kind(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file")
