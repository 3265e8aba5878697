"""Which processes belong to a stack, by what the kernel knows of them, and how they are ended.

Rules:

- Every process of a stack carries two markers in its environment: ``VG_STACK``, the stack's absolute folder, and
  ``VG_PART``, the part it belongs to. /proc is asked for them and no list is trusted: a parent killed between fork and
  bookkeeping loses nothing.
- A part's leader is asked first (SIGTERM) and tells its own children; what is left after a grace is killed. Who uses a
  part ends before the part.
- A signal is sent through a pidfd after the process's start time was compared: a reused pid is never hit.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Unreachable
from vaultgate_ops.local.identity import Identity, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vaultgate_ops.clock import Clock

STACK, PART = "VG_STACK", "VG_PART"
"""Names of the markers. Not ``VAULTGATE_*``: the extension refuses names of that kind it does not know."""

_ORDER = ("front", "sandbox", "mirror", "aws", "vault", "database")
_GRACE_S = 5.0
_POLL_S = 0.02


@dataclass(frozen=True)
class Found:
    """A process that carries a stack's markers, or lives in the session of one that does."""

    part: str
    identity: Identity
    leads: bool


def find(folder: Path, part: str | None = None) -> list[Found]:
    """All living processes of a stack, or of one part of it, in the order in which they are to be ended.

    A part's children count even if they dropped the markers: they live in its session. Another user's processes can't
    be read and are not ours.
    """
    stack = os.fsencode(folder.absolute())
    everything = list(_marked())
    part_of = {found.identity.pid: found.part for owner, _, found in everything if owner == stack}
    ours = [
        Found(name, found.identity, found.leads)
        for _, session, found in everything
        for name in [part_of.get(found.identity.pid, part_of.get(session))]
        if name is not None and part in (None, name)
    ]
    return sorted(ours, key=_rank)


def stacks(root: Path) -> set[Path]:
    """Folders of the stacks below ``root`` that have a living process, whether the folders still exist or not."""
    owners = {Path(os.fsdecode(owner)) for owner, _, _ in _marked() if owner}
    return {folder for folder in owners if folder.parent == root.absolute()}


def end(folder: Path, part: str | None = None, *, clock: Clock, grace_s: float = _GRACE_S) -> list[str]:
    """End all processes of a stack in order, or those of one part; each part is gone before the next is asked.

    A part's leader gets SIGTERM and tells its own children; what is left after ``grace_s`` seconds gets SIGKILL.

    Returns:
        the names of the parts that ran, in the order in which they were ended.

    Raises:
        Unreachable: a process outlived SIGKILL.
    """
    ended: list[str] = []
    while found := _settled(folder, part, clock):
        name = found[0].part
        ended.append(name)
        group = [one for one in found if one.part == name]
        for one in [one for one in group if one.leads] or group:
            one.identity.send(signal.SIGTERM)
        left = _outlast(folder, group, clock, grace_s)
        if left and (immortal := _outlast(folder, left, clock, _GRACE_S, kill=True)):
            pids = ", ".join(str(one.identity.pid) for one in immortal)
            raise Unreachable(f"{name} can't be ended (process {pids}).", "It hangs in the kernel; see ps and dmesg.")
    return list(dict.fromkeys(ended))


def variables_of(pid: int) -> list[bytes]:
    """The environment a process was started with, ``NAME=value`` each; empty where it can't be read."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def _settled(folder: Path, part: str | None, clock: Clock) -> list[Found]:
    """What `find` finds; nothing only if a second look finds nothing: a process has no environment while it execs."""
    found = find(folder, part)
    if not found:
        clock.sleep(_POLL_S)
        found = find(folder, part)
    return found


def _outlast(folder: Path, group: Sequence[Found], clock: Clock, deadline_s: float, *, kill: bool = False) -> list[Found]:
    """Those of a part that still live after at most ``deadline_s`` seconds, and what they started meanwhile."""
    until = clock.steady() + deadline_s
    # Remembered from before: once its leader is gone, a child without the markers can't be told any more.
    living = list(group)
    while living := [*{*(one for one in living if one.identity.alive()), *find(folder, group[0].part)}]:
        if kill:
            for one in living:
                one.identity.send(signal.SIGKILL)
        if clock.steady() > until:
            break
        clock.sleep(_POLL_S)
    return living


def _marked() -> Iterator[tuple[bytes, int, Found]]:
    """Every process but this one: whose stack it is marked with (empty: none), its session, and itself."""
    for identity, session in running():
        if identity.pid == os.getpid():
            continue
        variables = dict(variable.partition(b"=")[::2] for variable in variables_of(identity.pid))
        part = variables.get(PART.encode(), b"").decode(errors="replace")
        yield variables.get(STACK.encode(), b""), session, Found(part, identity, leads=identity.pid == session)


def _rank(found: Found) -> tuple[int, str, int]:
    family = found.part.split("-")[0]
    return (_ORDER.index(family) if family in _ORDER else -1, found.part, found.identity.pid)
