"""A mount namespace for one sandbox: its own /opt, read-only, and its own /tmp, as Lambda gives them.

Rules: nothing outside the namespace changes, and nothing has to be undone: the mounts go with the last process in it. As
root the namespace is made directly, otherwise inside a user namespace, where we count as root.
Sources: unshare(1), mount(8), mount_namespaces(7), user_namespaces(7).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

_OPT, _TMP = Path("/opt"), Path("/tmp")  # noqa: S108 - the mount points themselves, nothing is created in them
_PROBE_S = 20.0
# What a mount from a less privileged place must keep (mount_namespaces(7)); for a layer it is right anyway.
_READ_ONLY = "remount,bind,ro,nosuid,nodev"


def enter(layer: Path, scratch: Path, visible: Iterable[Path], *, unshare: str = "unshare") -> list[str]:
    """The words to put before a command so that it runs in a namespace of its own.

    The command loses ``HOME`` and ``TMPDIR``, which Lambda does not set.

    Args:
        layer: folder to see as /opt.
        scratch: folder to see as /tmp.
        visible: folders that must stay what they are, wherever they lie.
        unshare: the program of util-linux.

    Raises:
        Missing: this system has no namespaces, or does not let us have one.
    """
    here = [path.resolve() for path in visible]
    hidden = [path for path in here if path.is_relative_to(_OPT)]
    if hidden:
        raise Missing(
            f"{hidden[0]} lies in /opt, where the sandbox has the layer instead.",
            "Use a Python and a checkout outside /opt.",
        )
    steps = [shlex.join(step) for step in mounts(layer.resolve(), scratch.resolve(), here)]
    return [*_unshare(unshare), "sh", "-c", " && ".join([*steps, "unset HOME TMPDIR", 'exec "$@"']), "sandbox"]


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


def _unshare(program: str) -> list[str]:
    """The unshare command that works here: without a user namespace if that is allowed."""
    if sys.platform != "linux":
        raise Missing(
            "The embedded stack needs Linux: its sandboxes are mount namespaces.",
            "Use docker compose: vaultgate up --docker.",
        )
    said = ""
    for flags in ("-m", "-rm") if os.geteuid() == 0 else ("-rm",):
        try:
            trial = subprocess.run(
                [program, flags, "mount", "--bind", str(_OPT), str(_OPT)],
                capture_output=True,
                text=True,
                timeout=_PROBE_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise Missing(f"{program} is not here.", "Install the package util-linux.") from error
        if trial.returncode == 0:
            return [program, flags]
        said = trial.stderr.strip() or f"status {trial.returncode}"
    raise Missing(
        f"This system does not let us have a mount namespace ({said}).",
        "Run as root; or as root: sysctl kernel.unprivileged_userns_clone=1 (Debian), "
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), docker run --privileged (in a container).",
    )
