"""A stack's folder: whose it is, what runs in it, and that nothing of it stays.

Rules: a folder appears whole, with its owner written in it, by one rename; two commands can't both get the same name;
the owner is a process by pid and start time, so a reused pid protects nothing; what can't be read counts as left behind.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import Missing
from vaultgate_ops.interruptions import uninterrupted
from vaultgate_ops.local import markers
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.identity import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vaultgate_ops.clock import Clock

_NOTES = "stack.json"
_NEW = ".new"


class Occupied(Exception):
    """A stack of this name has a folder already."""


def claim(root: Path, name: str, *, stays: bool = False) -> Path:
    """Make the folder of a new stack, owned by this process.

    Args:
        root: the folder of all stacks; it is made where it doesn't exist.
        name: the stack's.
        stays: it outlives its owner.

    Raises:
        Occupied: there is one of this name.
        Missing: the disk is full, or the folder can't be written.
    """
    me = Identity.of(os.getpid())
    ours = [] if me is None else [me.pid, me.started]
    # The owner is in the name as well: until its notes are written, nobody may take the folder for left behind.
    fresh = root / "-".join([_NEW, name, *map(str, ours)])
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
        note(fresh, owner=ours, stays=stays)
        try:
            fresh.rename(root / name)
        except OSError:
            shutil.rmtree(fresh)
            if (root / name).exists():
                raise Occupied(name) from None
            raise
    except OSError as error:
        raise Missing(f"{root} can't be used: {error.strerror}.", "Free some space, or mend the folder's rights.") from error
    return root / name


@contextmanager
def claimed(root: Path, name: str, clock: Clock, *, stays: bool = False) -> Iterator[Path]:
    """The folder of a new stack; sweeps up what others left behind, and deletes it when the block is left or fails.

    Args:
        root: the folder of all stacks; it is made where it doesn't exist.
        name: the stack's.
        clock: for waiting until what runs has ended.
        stays: delete it only when the block fails.

    Raises:
        Occupied: there is one of this name.
        Missing: the disk is full, or a folder can't be written or deleted.
    """
    for leftover in left_behind(root):
        remove(leftover, clock)
    folder = claim(root, name, stays=stays)
    done = False
    try:
        yield folder
        done = True
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise Missing(f"The disk that holds {root} is full.", "Free some space there.") from error
    finally:
        if not (done and stays):
            with uninterrupted():
                remove(folder, clock)


def note(folder: Path, **facts: Any) -> None:
    """Write facts about a stack down beside those that are there (JSON values)."""
    write_private(folder / _NOTES, json.dumps({**noted(folder), **facts}, indent=2).encode())


def noted(folder: Path) -> dict[str, Any]:
    """What is written down about a stack; empty where nothing can be read."""
    try:
        facts = json.loads((folder / _NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def owner(folder: Path) -> Identity | None:
    """The process that answers for a stack, while it lives."""
    named = folder.name.split("-")[-2:] if folder.name.startswith(_NEW) else noted(folder).get("owner")
    try:
        pid, started = map(int, named or ())
    except (TypeError, ValueError):
        return None
    identity = Identity(pid, started)
    return identity if identity.alive() else None


def all_stacks(root: Path) -> list[Path]:
    """Every stack below ``root`` that has a folder, or processes although its folder is gone."""
    folders = {entry for entry in root.iterdir() if entry.is_dir()} if root.is_dir() else set()
    return sorted(folders | markers.stacks(root))


def left_behind(root: Path) -> list[Path]:
    """The stacks whose owner died before it could end them; not those that were meant to stay."""
    return [folder for folder in all_stacks(root) if owner(folder) is None and not noted(folder).get("stays")]


def remove(folder: Path, clock: Clock) -> list[str]:
    """End what runs of a stack, in order, and delete its folder; nothing to do is fine.

    Returns:
        the parts that ran.

    Raises:
        Missing: the folder can't be deleted.
    """
    ended = markers.end(folder, clock=clock)
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            # Somebody else deletes it, too.
            continue
        except OSError as error:
            raise Missing(
                f"{error.filename} can't be deleted: {error.strerror}.", "Mend its rights, then run this again."
            ) from error
    return ended
