"""Room on disk: asked for before the work begins, and explained when it runs out in the middle.

Rules: needs on one file system are added up before they are compared with what is free; running out is one sentence
that names the folder, never a traceback.
"""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

GIB = 1024**3
MIB = 1024**2

# What programs print when a write finds no room: the texts of ENOSPC and EDQUOT.
FULL_WORDS = ("no space left on device", "disk quota exceeded")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ELSEWHERE = "Free some space there, or point XDG_CACHE_HOME at a folder on a larger disk."


def size(count: float) -> str:
    """``count`` bytes for a person: ``5.9 GB``, ``310 MB``."""
    return f"{count / GIB:.1f} GB" if count >= GIB else f"{count / MIB:.0f} MB"


def existing(folder: Path) -> Path:
    """``folder``, or the nearest folder above it that exists already."""
    while not folder.exists():
        folder = folder.parent
    return folder


def require_space(needs: Mapping[Path, int], purpose: str, hint: str = _ELSEWHERE) -> None:
    """Check that every folder's file system has room for all that is going to be written to it.

    Args:
        needs: bytes by folder; the folders need not exist yet.
        purpose: what the room is for, as the subject of a sentence: ``Building Vault``.
        hint: the fix; by default for what goes to the cache folder.

    Raises:
        Missing: one of the file systems has too little.
    """
    by_device: dict[int, tuple[Path, int]] = {}
    for folder, needed in needs.items():
        place = existing(folder)
        device = place.stat().st_dev
        first, so_far = by_device.get(device, (place, 0))
        by_device[device] = (first, so_far + needed)
    for place, needed in by_device.values():
        free = shutil.disk_usage(place).free
        if free < needed:
            raise Missing(
                f"{purpose} needs {size(needed)} of disk space, and {place} has {size(free)} free.",
                hint,
            )


def full(folder: Path, purpose: str) -> Missing:
    """The error for a disk that filled up during the work."""
    return Missing(
        f"{purpose} stopped in the middle: the disk that holds {folder} is full.",
        "Free some space there, or point XDG_CACHE_HOME at a folder on a larger disk; nothing partial was kept.",
    )


@contextmanager
def explained(folder: Path, purpose: str) -> Iterator[None]:
    """Turn an operating system's refusal to write into ``folder`` into an error that names the fix.

    Raises:
        Missing: the disk is full, or the folder can't be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise full(folder, purpose) from error
        raise Missing(
            f"{purpose} can't use {error.filename or folder}: {error.strerror or error}.",
            "Make that folder writable, or point XDG_CACHE_HOME at one that is.",
        ) from error
