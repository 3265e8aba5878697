"""Files for other processes to read: whole or not at all, and nobody else's.

Rules: no link is followed on the way, neither in a folder's place nor in the file's; folders we make are 0700; a file is
written under another name, closed to others until it is complete, and renamed, so that a reader sees the old one or the
new one. It is not synced: it need not survive the machine.
"""

from __future__ import annotations

import os

from vaultgate.errors import Unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ONLY_OURS = 0o600
_ONLY_OUR_FOLDER = 0o700
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def place(file: str, content: bytes, mode: int, made: list[str]) -> None:
    """Put a file where it belongs, at once; one that is there is replaced.

    Args:
        file: absolute path.
        content: all of it.
        mode: permission bits; the umask doesn't count.
        made: folders that had to be made are added here, the outermost first.

    Raises:
        Unwritable: with the place and the system's words.
    """
    folder, _, name = file.rpartition("/")
    beside = f".{name}.vaultgate"
    try:
        inside = _enter(folder, made)
        try:
            try:
                handle = os.open(beside, _NEW_FILE, _ONLY_OURS, dir_fd=inside)
            except FileExistsError:
                # Left by a life that was killed in the middle.
                os.unlink(beside, dir_fd=inside)
                handle = os.open(beside, _NEW_FILE, _ONLY_OURS, dir_fd=inside)
            try:
                try:
                    _write(handle, content)
                    os.fchmod(handle, mode)
                finally:
                    os.close(handle)
                os.rename(beside, name, src_dir_fd=inside, dst_dir_fd=inside)
            except BaseException:
                os.unlink(beside, dir_fd=inside)
                raise
        finally:
            os.close(inside)
    except OSError as error:
        hint = "choose a place below /tmp, with plain folders on the way and room left"
        raise Unwritable(f"{file} can't be written: {error.strerror or error}", hint) from error


def take_away(files: Iterable[str], made: Iterable[str] = ()) -> list[str]:
    """Remove files, and then folders that we made and that are empty by now.

    Args:
        files: absolute paths; those that are gone already are fine.
        made: folders, the outermost first.

    Returns:
        What could not be removed, and why; a folder that somebody else uses is not among it.
    """
    left = []
    for file in files:
        try:
            _remove(file, os.unlink)
        except FileNotFoundError:
            pass
        except OSError as error:
            left.append(f"{file}: {error.strerror or error}")
    for folder in reversed(list(made)):
        try:
            _remove(folder, os.rmdir)
        except OSError:
            continue  # not empty, or gone: either way not ours any more
    return left


def _remove(path: str, how: Callable[..., None]) -> None:
    folder, _, name = path.rpartition("/")
    inside = _enter(folder, None)
    try:
        how(name, dir_fd=inside)
    finally:
        os.close(inside)


def _enter(folder: str, made: list[str] | None) -> int:
    """A descriptor of a folder, reached without following a link; missing ones are made where `made` takes them."""
    here = os.open("/", _FOLDER)
    try:
        so_far = ""
        for name in folder.split("/")[1:]:
            so_far += f"/{name}"
            try:
                deeper = os.open(name, _FOLDER, dir_fd=here)
            except FileNotFoundError:
                if made is None:
                    raise
                try:
                    os.mkdir(name, _ONLY_OUR_FOLDER, dir_fd=here)
                    made.append(so_far)
                except FileExistsError:
                    pass  # somebody else was quicker: it is theirs
                deeper = os.open(name, _FOLDER, dir_fd=here)
            os.close(here)
            here = deeper
    except BaseException:
        os.close(here)
        raise
    return here


def _write(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
