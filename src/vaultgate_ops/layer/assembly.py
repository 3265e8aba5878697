"""The layer build: ``extension/`` becomes ``build/layer/``, which is what /opt will hold, and a zip of it.

Rules:

- The same sources and interpreters give the same bytes: files sorted, times fixed, permission bits set.
- The layer says itself what it is, in its manifest, and lives a whole life before it is called good (`trial`).
- A build is made beside the old one and renamed into place. One that came out the same is thrown away, so that whatever
  runs from ``build/layer/`` at the moment keeps its files. One that fails leaves the old one as it was.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import Missing
from vaultgate_ops.interruptions import uninterrupted
from vaultgate_ops.layer import archive, manifest
from vaultgate_ops.layer.bytecode import compile_modules, leave_out_sources
from vaultgate_ops.layer.interpreters import VERSIONS, Interpreter, find_interpreters
from vaultgate_ops.layer.manifest import ARCHITECTURES, Manifest
from vaultgate_ops.layer.trial import live_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vaultgate_ops.reporting import Reporter

    Trial = Callable[[Path, Sequence[Interpreter]], None]

_PREFIX = ".layer-"
_PROGRAM, _PLAIN, _FOLDER = 0o755, 0o644, 0o755
_PACKAGE = "python/vaultgate"
LAUNCHERS = ("extensions/vaultgate", "vaultgate-exec")
"""What /opt holds that can be executed."""


@dataclass(frozen=True)
class Layer:
    """A finished build.

    Attributes:
        folder: what /opt will hold.
        archive: the same as a zip, ready for ``PublishLayerVersion``.
        files: how many files.
        size: of the archive, in bytes.
        sha256: of the archive, in hexadecimal.
        manifest: what it says of itself.
        interpreters: whose bytecode is in it.
        missing: versions of Lambda's runtimes whose bytecode is not in it; they work, and start more slowly.
    """

    folder: Path
    archive: Path
    files: int
    size: int
    sha256: str
    manifest: Manifest
    interpreters: tuple[Interpreter, ...]
    missing: tuple[str, ...]


def build(
    checkout: Path,
    environ: Mapping[str, str],
    reporter: Reporter,
    versions: Sequence[str] = (),
    architectures: Sequence[str] = (),
    *,
    trial: Trial = live_once,
) -> Layer:
    """Build ``build/layer/`` and ``build/vaultgate-layer.zip`` of a checkout.

    With `versions`, a layer for those runtimes alone: ``build/layer-python3.13/`` and ``build/vaultgate-layer-python3.13.zip``.
    Where it is one, bytecode is all it holds, which is what that runtime loads: a fourth of the size. Another runtime refuses it.
    With `architectures` it is declared for those alone, and named after them; its code is the same.

    Builds at the same time wait for each other. Interrupted ones leave the last finished build as it was.

    Args:
        checkout: the folder that holds ``extension/``.
        environ: gives ``PATH`` and ``HOME`` for finding interpreters.
        reporter: hears which step is under way.
        versions: of Python, such as ``3.13``; none given means every one of Lambda's that is found here.
        architectures: of `ARCHITECTURES`; none given means all.
        trial: gets the unpacked archive and its interpreters, and raises if it isn't good.

    Raises:
        Missing: no ``extension/`` there, no interpreter of a version that was asked for, or ``build/`` can't be written.
        CheckFailed: a module does not compile, or the layer does not pass its trial.
    """
    source, target = checkout / "extension", checkout / "build"
    versions, architectures = sorted(set(versions)), sorted(set(architectures))
    suffix = "".join(f"-{one}" for one in (*(f"python{version}" for version in versions), *architectures))
    folder, published = target / f"layer{suffix}", target / f"vaultgate-layer{suffix}.zip"
    if not all((source / launcher).is_file() for launcher in LAUNCHERS):
        raise Missing(f"{source} holds no extension.", "Run this from a checkout of Vaultgate.")
    try:
        with reporter.task("Building the layer") as task, workbench(target) as bench:
            task.describe("looking for interpreters")
            interpreters = _chosen(find_interpreters(environ), versions)
            task.describe("bytecode for " + ", ".join(one.version for one in interpreters))
            fresh = bench / "layer"
            _copy(source, fresh)
            compile_modules(fresh, interpreters, environ)
            if len(versions) == 1:
                leave_out_sources(fresh)
            said = _say(fresh, source, interpreters, architectures or ARCHITECTURES, sources=len(versions) != 1)
            _set_modes(fresh)
            packed = bench / "vaultgate-layer.zip"
            archive.pack(fresh, packed)
            task.describe("a trial under " + ", ".join(one.version for one in interpreters))
            archive.unpack(packed, bench / "opt")
            trial(bench / "opt", interpreters)
            _place(fresh, packed, folder, published)
            return Layer(
                folder=folder,
                archive=published,
                files=len(archive.files(folder)),
                size=published.stat().st_size,
                sha256=archive.sha256(published),
                manifest=said,
                interpreters=tuple(interpreters),
                missing=tuple(version for version in versions or VERSIONS if version not in said.bytecode),
            )
    except OSError as error:
        where = error.filename or target
        raise Missing(
            f"The layer can't be built: {where}: {error.strerror}.", "Free some space, or mend the folder's rights."
        ) from error


def _chosen(found: Sequence[Interpreter], versions: Sequence[str]) -> list[Interpreter]:
    """The interpreters whose bytecode is wanted.

    Raises:
        Missing: one that was asked for isn't here.
    """
    missing = [version for version in versions if version not in {one.version for one in found}]
    if missing:
        raise Missing(
            f"There is no Python {', '.join(missing)} here, so no bytecode for it can be made.",
            "Install it (pyenv does), or build for the versions that are here.",
        )
    return [one for one in found if not versions or one.version in versions]


@contextmanager
def workbench(target: Path) -> Iterator[Path]:
    """A folder beside the results that nobody else uses; what a killed build or release left of its own is swept away.

    Others wait until it is given back.
    """
    target.mkdir(exist_ok=True)
    with (target / f"{_PREFIX}lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in target.glob(f"{_PREFIX}*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
        bench = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=target))
        try:
            yield bench
        finally:
            shutil.rmtree(bench)


def _copy(source: Path, fresh: Path) -> None:
    """Copy the launchers and the package's modules, and nothing that happens to lie beside them."""
    for original in (*[source / launcher for launcher in LAUNCHERS], *(source / _PACKAGE).rglob("*.py")):
        copy = fresh / original.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)


def _say(
    fresh: Path, source: Path, interpreters: Sequence[Interpreter], architectures: Sequence[str], *, sources: bool
) -> Manifest:
    """Write the manifest."""
    said = Manifest(
        version=manifest.version_of(source / _PACKAGE),
        architectures=tuple(architectures),
        bytecode={one.version: one.release for one in interpreters},
        sources=sources,
    )
    (fresh / manifest.NAME).write_text(said.text, encoding="ascii")
    return said


def _set_modes(fresh: Path) -> None:
    """Give everything the mode it shall have in /opt, whatever the umask is and however git checked it out.

    Folders too: an image that they are copied into runs under a user of Lambda's that owns none of them.
    """
    for path in (fresh, *fresh.rglob("*")):
        program = path.relative_to(fresh).as_posix() in LAUNCHERS
        path.chmod(_FOLDER if path.is_dir() else _PROGRAM if program else _PLAIN)


def _place(fresh: Path, packed: Path, folder: Path, published: Path) -> None:
    """Put the new build where the old one was, unless they are the same."""
    same = _contents(folder) == _contents(fresh)
    with uninterrupted():
        if not same:
            # A folder can't be renamed over a full one. Killed between the two, the next build finds no layer and makes one.
            if folder.exists():
                folder.rename(fresh.parent / "old")
            fresh.rename(folder)
        packed.replace(published)


def _contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Modes and bytes; nothing of a folder that isn't there."""
    there = (folder, *folder.rglob("*")) if folder.is_dir() else ()
    return {str(one.relative_to(folder)): (archive.mode(one), one.read_bytes() if one.is_file() else b"") for one in there}
