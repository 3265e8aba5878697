"""One file that tells every process of a sandbox whether what it keeps of the extension's answers may still be true.

The extension changes the file's size whenever it takes back something that it has handed out; whoever keeps a copy compares one
`stat` with the one from before it asked. Nothing stands in the file, and its size needs no room on the disk. Rules: no file,
or one that isn't beyond doubt ours, means that nothing kept is good; neither side follows a link or trusts a folder that
somebody else made or may write to; a file that can't be changed any more is taken away.
"""

from __future__ import annotations

import os
import stat
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.log import Log

    # A file's inode, when it was changed, and its size.
    Seen = tuple[int, int, int]

_ROOT = "/tmp"  # noqa: S108 - the only place in Lambda that can be written to; see the rules
_NAME = "generation"
_ONLY_OURS = 0o600
_ONLY_OUR_FOLDER = 0o700
_OTHERS = 0o077
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def folder_of(listen: tuple[str, int], root: str = _ROOT) -> str:
    """Where the extension that listens at an address keeps what it shares with the function's processes."""
    return f"{root}/vaultgate-{os.geteuid()}-{listen[0]}-{listen[1]}"


def _is_ours(found: os.stat_result, kind: int) -> bool:
    return stat.S_IFMT(found.st_mode) == kind and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


class Generation:
    """The extension's side. Safe for threads.

    Args:
        listen: the proxy's address; one extension at a time can have it.
        log: hears why there is no file.
        root: where the folder goes.
    """

    def __init__(self, listen: tuple[str, int], log: Log, root: str = _ROOT) -> None:
        self._folder = folder_of(listen, root)
        self._log = log
        self._lock = threading.Lock()
        self._inside = self._handle = -1
        self._number = 0

    def begin(self) -> None:
        """Make the file; where that can't be, functions keep nothing in memory."""
        try:
            try:  # noqa: SIM105 - a cold start doesn't import contextlib
                os.mkdir(self._folder, _ONLY_OUR_FOLDER)  # noqa: PTH102 - pathlib costs a cold start more than all of this
            except FileExistsError:
                pass  # left by a life that was killed, or put there by somebody
            self._inside = os.open(self._folder, _FOLDER)
            if not _is_ours(os.fstat(self._inside), stat.S_IFDIR):
                raise PermissionError(f"{self._folder} is somebody else's, or open to others")
            try:  # noqa: SIM105 - as above
                os.unlink(_NAME, dir_fd=self._inside)
            except FileNotFoundError:
                pass
            self._handle = os.open(_NAME, _NEW_FILE, _ONLY_OURS, dir_fd=self._inside)
        except OSError as error:
            self._close()
            why = error.strerror or str(error)
            self._log.warn("no-generation-file", f"functions keep nothing in memory: {self._folder} can't be used: {why}")

    def advance(self) -> None:
        """Say that something which was handed out is no longer true; whoever keeps copies sees it within a second."""
        with self._lock:  # it guards the file's number and is never held for anything slower
            if self._handle < 0:
                return
            self._number += 1
            try:
                os.ftruncate(self._handle, self._number)
            except OSError as error:
                self._log.warn("no-generation-file", f"functions keep nothing in memory from now on: {error.strerror}")
                self._remove()

    def end(self) -> None:
        """Take the file away; fine at any time."""
        with self._lock:
            self._remove()

    def _remove(self) -> None:
        if self._handle < 0:
            return
        try:
            os.unlink(_NAME, dir_fd=self._inside)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._log.error("generation-file-left", f"{self._folder}/{_NAME} can't be removed: {error.strerror}")
        self._close()
        try:  # noqa: SIM105 - as above
            os.rmdir(self._folder)  # noqa: PTH106 - as above
        except OSError:
            pass  # not empty, or gone: either way not ours any more

    def _close(self) -> None:
        for handle in (self._handle, self._inside):
            if handle >= 0:
                os.close(handle)
        self._inside = self._handle = -1


class Watch:
    """The side of whoever keeps copies.

    Args:
        listen: the extension's address.
        root: where its folder is.
    """

    def __init__(self, listen: tuple[str, int], root: str = _ROOT) -> None:
        self._folder = folder_of(listen, root)
        self._file = f"{self._folder}/{_NAME}"
        self._knows_folder = False

    def look(self) -> Seen | None:
        """What tells this generation from any other; None where copies can't be trusted.

        That is one `stat`, and a second one when the file comes into sight.
        """
        known, self._knows_folder = self._knows_folder, False
        try:
            found = os.stat(self._file, follow_symlinks=False)  # noqa: PTH116 - as above
            # A link to another file of ours has a second name; a folder that is ours stays so while our file is in it.
            if not _is_ours(found, stat.S_IFREG) or found.st_nlink != 1:
                return None
            if not known and not _is_ours(os.stat(self._folder, follow_symlinks=False), stat.S_IFDIR):  # noqa: PTH116 - as above
                return None
        except OSError:
            return None
        self._knows_folder = True
        return found.st_ino, found.st_mtime_ns, found.st_size
