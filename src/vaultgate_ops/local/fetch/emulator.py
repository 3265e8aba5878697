"""AWS's Lambda Runtime Interface Emulator, as it comes in the ``aws-sam-cli`` wheel.

Rules: samcli is looked up, never imported (that costs seconds); site-packages is left as it is: where the binary can't
be executed there (a wheel unpacked without modes, a file system mounted noexec), a copy in our cache is run.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from vaultgate_ops.errors import Missing
from vaultgate_ops.local import disk, paths
from vaultgate_ops.local.fetch.store import State, Store, sha256
from vaultgate_ops.local.machine import architecture
from vaultgate_ops.reporting import Reporter, Silent


def find_emulator(
    reporter: Reporter | None = None,
    *,
    package: Path | None = None,
    cache: Path | None = None,
    machine: str | None = None,
) -> Path:
    """The emulator for this processor, executable.

    Args:
        reporter: told if another process is copying it too.
        package: samcli's folder; looked up when None.
        cache: Vaultgate's cache folder.
        machine: the processor, as ``uname -m`` names it.

    Raises:
        Missing: samcli isn't installed, or doesn't contain it.
    """
    name = f"aws-lambda-rie-{architecture(machine).emulator}"
    fix = "Install the pinned requirements: make setup."
    folder = package or _installed()
    if folder is None:
        raise Missing("The Lambda emulator is not here: it comes with aws-sam-cli, which isn't installed.", fix)
    found = folder / "local" / "rapid" / name
    if not found.is_file():
        raise Missing(f"The Lambda emulator is not here: this aws-sam-cli has no {found}.", fix)
    if os.access(found, os.X_OK):
        return found
    # Named after its content, so that another version of samcli gets another folder.
    store = Store((cache or paths.cache_folder()) / "emulator" / sha256(found)[:16], name)
    with disk.explained(store.folder, "Copying the Lambda emulator"):
        return _copied(found, store, reporter or Silent())


def _installed() -> Path | None:
    spec = find_spec("samcli")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _copied(found: Path, store: Store, reporter: Reporter) -> Path:
    if store.state() is State.GOOD:
        return store.binary
    with store.exclusive(lambda: reporter.task("Waiting for another process to copy the Lambda emulator")) as place:
        if store.state() is State.GOOD:
            return store.binary
        made = place.folder / store.name
        shutil.copyfile(found, made)
        return store.publish(place, made)
