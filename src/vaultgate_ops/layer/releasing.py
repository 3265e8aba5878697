"""A release of the layer: what is handed to others, in ``build/release/``.

Rules: a release holds the bytecode of every runtime, so each of their interpreters has to be here, or nothing is made: a user of
the missing one would pay for it at every cold start. There is a zip for both architectures, one for each, a bill of materials
beside every zip, and the hashes of all in `SHA256SUMS`. The folder is there whole or not at all.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.interruptions import uninterrupted
from vaultgate_ops.layer import sbom
from vaultgate_ops.layer.archive import sha256
from vaultgate_ops.layer.assembly import build, workbench
from vaultgate_ops.layer.interpreters import VERSIONS, find_interpreters
from vaultgate_ops.layer.manifest import ARCHITECTURES
from vaultgate_ops.layer.trial import live_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from vaultgate_ops.layer.assembly import Layer, Trial
    from vaultgate_ops.reporting import Reporter

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Release:
    """What was made.

    Attributes:
        folder: where it is.
        layers: the builds, that for both architectures first.
        files: every file of the folder by name, with its SHA-256 in hexadecimal; `SHA256SUMS` itself is not among them.
    """

    folder: Path
    layers: tuple[Layer, ...]
    files: Mapping[str, str]


def release(
    checkout: Path,
    environ: Mapping[str, str],
    reporter: Reporter,
    made: datetime,
    *,
    versions: Sequence[str] = VERSIONS,
    trial: Trial = live_once,
) -> Release:
    """Build every artefact of a release.

    Args:
        checkout: the folder that holds ``extension/``.
        environ: gives ``PATH`` and ``HOME`` for finding interpreters.
        reporter: hears which step is under way.
        made: when; the bills name it.
        versions: of Python that must be here.
        trial: as for `build`.

    Raises:
        Missing: an interpreter isn't here, or the folder can't be written; nothing was made.
        CheckFailed: as `build`, or another build replaced a zip that was on its way here.
    """
    found = {one.version for one in find_interpreters(environ)}
    missing = [version for version in versions if version not in found]
    if missing:
        raise Missing(
            f"A release holds the bytecode of Python {', '.join(versions)}; not here: {', '.join(missing)}.",
            "Install it (pyenv does), or build without --release: such a layer works, and starts more slowly there.",
        )
    layers = [build(checkout, environ, reporter, (), chosen, trial=trial) for chosen in ((), *((one,) for one in ARCHITECTURES))]
    folder = checkout / "build/release"
    try:
        with workbench(folder.parent) as bench:
            fresh = bench / "release"
            fresh.mkdir()
            for layer in layers:
                _put(layer, fresh, made)
            files = {file.name: sha256(file) for file in sorted(fresh.iterdir())}
            lines = [f"{digest}  {name}\n" for name, digest in files.items()]
            (fresh / SUMS).write_text("".join(lines), encoding="ascii")
            with uninterrupted():
                if folder.exists():
                    folder.rename(bench / "old")
                fresh.rename(folder)
    except OSError as error:
        where = error.filename or folder
        raise Missing(
            f"The release can't be put together: {where}: {error.strerror}.", "Free some space, or mend the folder's rights."
        ) from error
    return Release(folder, tuple(layers), files)


def _put(layer: Layer, folder: Path, made: datetime) -> None:
    """A zip under the release's name, and its bill beside it.

    Raises:
        CheckFailed: it isn't the one that was built and tried.
    """
    name = layer.archive.stem.replace("vaultgate-layer", f"vaultgate-layer-{layer.manifest.version}")
    copy = folder / f"{name}.zip"
    shutil.copyfile(layer.archive, copy)
    if sha256(copy) != layer.sha256:
        raise CheckFailed(f"Another build replaced {layer.archive}.", "Give the command again, with no other build beside it.")
    (folder / f"{name}.cdx.json").write_text(sbom.bill(copy, made), encoding="utf-8")
