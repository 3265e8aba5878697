"""The audit mirror's own figures, from its checkpoints and the files; nothing is locked, nothing is changed.

Rule: the mirror's code is imported here only; functions don't carry it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from vaultgate_ops.doctor.facts import MirrorSeen

if TYPE_CHECKING:
    from pathlib import Path

    from vaultgate.clock import Clock
    from vaultgate_ops.clock import Clock as Ours  # the layer's has the same methods


def mirror(clock: Clock, checkpoint: Path) -> MirrorSeen:
    """Look at one device."""
    from vaultgate_ops.audit.lag import lag  # noqa: PLC0415 - see the module's rule
    from vaultgate_ops.errors import OpsError  # noqa: PLC0415 - as above

    try:
        seen = lag(checkpoint, cast("Ours", clock))
    except OpsError as error:
        return MirrorSeen(str(checkpoint), unreadable=error.message)
    return MirrorSeen(seen.path, seen.running, seen.lines, seen.size, seen.seconds, tuple(seen.problems))
