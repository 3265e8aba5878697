"""What the embedded stack needs of this machine, asked before anything is fetched or started.

Rules: each lack is one sentence with its fix; nothing is left behind by asking. What can be fetched isn't asked for here.
"""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Missing
from vaultgate_ops.local import disk
from vaultgate_ops.local.fetch import programs
from vaultgate_ops.local.machine import architecture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAYER_FOLDER = Path("/opt")
# A stack's own state: the database's data folder, Vault's storage, logs.
STACK_BYTES = disk.GIB

_AS_ROOT = ("unshare", "--mount")
_AS_USER = ("unshare", "--map-root-user", "--mount")


def check(environ: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Ask for everything.

    Args:
        environ: ``PATH``, for the programs that ask.
        folder: where stacks are going to be kept; may not exist yet.

    Returns:
        What ``mount_namespace`` says.

    Raises:
        Missing: the first thing that this machine lacks.
    """
    require_linux(platform.system())
    architecture()
    disk.require_space({folder: STACK_BYTES}, "The local stack", "Free some space there.")
    return mount_namespace(environ)


def require_linux(system: str) -> None:
    """Refuse any other operating system; ``system`` is what ``uname -s`` says.

    Raises:
        Missing: it isn't Linux.
    """
    if system != "Linux":
        raise Missing(
            f"The embedded stack is for Linux, and this machine runs {system or 'something else'}.",
            "Use docker compose: make demo DEMO=docker.",
        )


def mount_namespace(environ: Mapping[str, str], prefixes: Sequence[tuple[str, ...]] | None = None) -> tuple[str, ...]:
    """The words before a command that give it mounts of its own: ``unshare`` with the flags that work here.

    Each is tried for real, by a bind mount on ``/opt`` that nobody else sees: some container engines and AppArmor
    profiles allow the namespace and then deny the mount.

    Args:
        environ: ``PATH``.
        prefixes: tried in this order; those for our user when None.

    Raises:
        Missing: none works.
    """
    if not LAYER_FOLDER.is_dir():
        raise Missing(f"There is no folder {LAYER_FOLDER}, where Lambda layers go.", f"Make it: sudo mkdir {LAYER_FOLDER}.")
    if prefixes is None:
        prefixes = (_AS_ROOT, _AS_USER) if os.geteuid() == 0 else (_AS_USER,)
    with tempfile.TemporaryDirectory(prefix="vaultgate-") as probe:
        for prefix in prefixes:
            mount = ["mount", "--bind", probe, str(LAYER_FOLDER)]
            if programs.answer([*prefix, *mount], environ=environ) is not None:
                return prefix
    raise Missing(
        "This machine allows no mount namespaces, which give each emulated function its own /opt.",
        "Allow them (sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0 on"
        " Ubuntu), run as root outside a container, or use docker compose: make demo DEMO=docker.",
    )
