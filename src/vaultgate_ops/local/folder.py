"""A stack's folder: whose it is, what runs in it, and that nothing of it stays.

Rules: a folder appears whole, with its owner written in it, by one rename; two commands can't both get the same name;
the owner is a process by pid and start time, so a reused pid protects nothing; what can't be read counts as left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaultgate_ops.errors import Missing
from vaultgate_ops.local import processes
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.identity import Identity

if TYPE_CHECKING:
    from vaultgate_ops.clock import Clock

UP = "up"
"""The stack of ``vaultgate up``, which outlives the command that started it."""

_NOTES = "stack.json"
_NEW = ".new-"


class OccupiedError(Exception):
    """A stack of this name has a folder already."""


def claim(root: Path, name: str) -> Path:
    """Make the folder of a new stack, owned by this process.

    Args:
        root: the folder of all stacks; it is made where it doesn't exist.
        name: the stack's.

    Raises:
        OccupiedError: there is one of this name.
        Missing: the disk is full, or the folder can't be written.
    """
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=_NEW, dir=root))
        owner = Identity.of(os.getpid())
        note(fresh, owner=None if owner is None else [owner.pid, owner.started])
        try:
            fresh.rename(root / name)
        except OSError:
            shutil.rmtree(fresh)
            if (root / name).exists():
                raise OccupiedError(name) from None
            raise
    except OSError as error:
        raise Missing(f"{root} can't be used: {error.strerror}.", "Free some space, or mend the folder's rights.") from error
    return root / name


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
    match noted(folder).get("owner"):
        case [int(pid), int(started)] if Identity(pid, started).alive():
            return Identity(pid, started)
        case _:
            return None


def all_stacks(root: Path) -> list[Path]:
    """Every stack below ``root`` that has a folder, or processes although its folder is gone."""
    folders = {entry for entry in root.iterdir() if entry.is_dir()} if root.is_dir() else set()
    return sorted(folders | processes.stacks(root))


def left_behind(root: Path) -> list[Path]:
    """The stacks that nobody answers for any more, and that of ``vaultgate up``."""
    return [folder for folder in all_stacks(root) if folder.name == UP or owner(folder) is None]


def remove(folder: Path, clock: Clock) -> list[str]:
    """End what runs of a stack, in order, and delete its folder; nothing to do is fine.

    Returns:
        the parts that ran.

    Raises:
        Missing: the folder can't be deleted.
    """
    ended = processes.end(folder, clock=clock)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Missing(f"{error.filename} can't be deleted: {error.strerror}.", "Mend its rights, then run it again.") from error
    return ended
