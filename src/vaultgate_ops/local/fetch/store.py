"""One binary in the user's cache folder: whole and checked, or absent.

Rules: what is not covered by its SHA-256 file is not used; work happens in a folder beside it that is renamed into
place as the last step, after fsync; that folder exists only under the lock, so whoever gets the lock may sweep it;
programs that work in it inherit the lock, so that it outlives a parent that was killed and nobody sweeps their ground
from under them.

Layout, for the binary ``vault`` in the store ``.../vault/1.21.1/linux_amd64``::

    linux_amd64/vault  linux_amd64/vault.sha256   the pair, as sha256sum -c reads it
    linux_amd64.lock                              flock(2)
    linux_amd64.partial/                          work under way
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


class State(Enum):
    """What the store holds."""

    ABSENT = "absent"
    GOOD = "good"
    CORRUPT = "corrupt"


@dataclass(frozen=True)
class Workplace:
    """The folder of the process that holds the lock.

    Args:
        folder: for anything that shall be gone afterwards; on the same file system as the store.
        lock: the lock's file descriptor, for the programs that work in ``folder``.
    """

    folder: Path
    lock: int


@dataclass(frozen=True)
class Store:
    """A place for one binary.

    Args:
        folder: where it is kept; may not exist yet.
        name: the binary's file name.
    """

    folder: Path
    name: str

    @property
    def binary(self) -> Path:
        """Where the binary is, if it is."""
        return self.folder / self.name

    @property
    def checksum(self) -> Path:
        """Where its SHA-256 is, if it is."""
        return self.folder / f"{self.name}.sha256"

    @property
    def partial(self) -> Path:
        """Where work goes on while the lock is held."""
        return self.folder.with_name(f"{self.folder.name}.partial")

    def state(self) -> State:
        """Read the whole binary and compare it with its checksum (about 1 s for Vault's 360 MB)."""
        if not self.folder.exists():
            return State.ABSENT
        try:
            expected = self.checksum.read_text(encoding="ascii").split(maxsplit=1)[0]
            actual = sha256(self.binary)
        except (OSError, ValueError, IndexError):
            return State.CORRUPT
        return State.GOOD if actual == expected and os.access(self.binary, os.X_OK) else State.CORRUPT

    @contextmanager
    def exclusive(self, waiting: Callable[[], AbstractContextManager[object]]) -> Iterator[Workplace]:
        """Hold the store's lock, with an empty workplace that is gone afterwards.

        Args:
            waiting: entered for as long as another process holds the lock.

        Raises:
            OSError: the folder can't be written.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # Never deleted: a lock file that is unlinked while somebody waits for it would lock two processes apart.
        lock = os.open(self.folder.with_name(f"{self.folder.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with waiting():
                    fcntl.flock(lock, fcntl.LOCK_EX)
            _sweep(self.partial)
            self.partial.mkdir()
            try:
                yield Workplace(self.partial, lock)
            finally:
                _sweep(self.partial)
        finally:
            # Closed, not unlocked: a program that inherited it keeps it until it ends.
            os.close(lock)

    def publish(self, workplace: Workplace, made: Path) -> Path:
        """Put ``made``, a file in the workplace, into the store in place of what was there; return its new path.

        Raises:
            OSError: the disk is full, or the folder can't be written.
        """
        pair = workplace.folder / "pair"
        pair.mkdir()
        binary = pair / self.name
        made.rename(binary)
        binary.chmod(0o755)
        checksum = pair / self.checksum.name
        checksum.write_text(f"{sha256(binary)}  {self.name}\n", encoding="ascii")
        for written in (binary, checksum, pair):
            _sync(written)
        if self.folder.exists():
            # A folder can't be renamed over one that isn't empty. Between the two renames the store is absent: safe.
            self.folder.rename(workplace.folder / "replaced")
        pair.rename(self.folder)
        _sync(self.folder.parent)
        return self.binary


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sweep(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
