"""A mount namespace for one sandbox: its own /opt, read-only, and its own /tmp, as Lambda gives them.

Rules: nothing outside the namespace changes, and nothing has to be undone: the mounts go with the last process in it.
Sources: mount(8), mount_namespaces(7), user_namespaces(7).
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPT, _TMP = Path("/opt"), Path("/tmp")  # noqa: S108 - the mount points themselves, nothing is created in them
# What a mount from a less privileged place must keep (mount_namespaces(7)); for a layer it is right anyway.
_READ_ONLY = "remount,bind,ro,nosuid,nodev"


def enter(prefix: Iterable[str], layer: Path, scratch: Path, visible: Iterable[Path]) -> list[str]:
    """The words to put before a command so that it runs in a namespace of its own.

    The command loses ``HOME`` and ``TMPDIR``, which Lambda does not set.

    Args:
        prefix: words that give a command mounts of its own (`preflight.mount_namespace`).
        layer: folder to see as /opt.
        scratch: folder to see as /tmp.
        visible: folders that must stay what they are, wherever they lie.

    Raises:
        Missing: one of the visible folders lies in /opt.
    """
    here = [path.resolve() for path in visible]
    hidden = [path for path in here if path.is_relative_to(_OPT)]
    if hidden:
        raise Missing(
            f"{hidden[0]} lies in /opt, where the sandbox has the layer instead.",
            "Use a Python and a checkout outside /opt.",
        )
    steps = [shlex.join(step) for step in mounts(layer.resolve(), scratch.resolve(), here)]
    return [*prefix, "sh", "-c", " && ".join([*steps, "unset HOME TMPDIR", 'exec "$@"']), "sandbox"]


def mounts(layer: Path, scratch: Path, visible: Iterable[Path]) -> list[list[str]]:
    """The commands that arrange /opt and /tmp.

    /opt serves as the place where the real /tmp stays reachable while its folders are put back into the new one.

    Args:
        layer: as for `enter`, like the others absolute and without links.
        scratch: as for `enter`.
        visible: as for `enter`.
    """
    kept = sorted({path for path in (layer, *visible) if path.is_relative_to(_TMP) and path != _TMP})
    steps = [["mount", "--rbind", str(_TMP), str(_OPT)], ["mount", "--bind", str(_parked(scratch)), str(_TMP)]]
    for path in kept:
        if not any(path.is_relative_to(other) for other in kept if other != path):
            steps += [["mkdir", "-p", str(path)], ["mount", "--rbind", str(_parked(path)), str(path)]]
    return [
        *steps,
        ["umount", "--lazy", str(_OPT)],
        ["mount", "--bind", str(layer), str(_OPT)],
        ["mount", "-o", _READ_ONLY, str(_OPT)],
    ]


def _parked(path: Path) -> Path:
    """Where a path is found while the real /tmp is mounted on /opt."""
    return _OPT / path.relative_to(_TMP) if path.is_relative_to(_TMP) else path
