"""The layer build: ``extension/`` becomes ``build/layer/``, which is what /opt will hold, and a zip of it.

Rules:

- The same sources and interpreters give the same bytes: files sorted, times fixed, permission bits set.
- Bytecode is checked against nothing when it is loaded (``unchecked-hash``, PEP 552): a zip loses the times that the
  usual kind is checked against, and an interpreter that finds it stale compiles everything again at every cold start,
  because /opt is read-only.
- A build is made beside the old one and renamed into place. One that came out the same is thrown away, so that whatever
  runs from ``build/layer/`` at the moment keeps its files.
"""

from __future__ import annotations

import fcntl
import shutil
import stat
import subprocess
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.interruptions import uninterrupted
from vaultgate_ops.layer.interpreters import VERSIONS, Interpreter, find_interpreters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vaultgate_ops.reporting import Reporter

_TARGET = "/opt"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can name
_UNIX = 3
_PREFIX = ".layer-"
_PROGRAM, _PLAIN = 0o755, 0o644
_LAUNCHERS = ("extensions/vaultgate", "vaultgate-exec")


@dataclass(frozen=True)
class Layer:
    """A finished build.

    Attributes:
        folder: what /opt will hold.
        archive: the same as a zip, ready for ``PublishLayerVersion``.
        files: how many files.
        size: of the archive, in bytes.
        interpreters: whose bytecode is in it.
        missing: versions of Lambda's runtimes whose bytecode is not in it; they work, and start more slowly.
    """

    folder: Path
    archive: Path
    files: int
    size: int
    interpreters: tuple[Interpreter, ...]
    missing: tuple[str, ...]


def build(checkout: Path, environ: Mapping[str, str], reporter: Reporter, versions: Sequence[str] = ()) -> Layer:
    """Build ``build/layer/`` and ``build/vaultgate-layer.zip`` of a checkout.

    With `versions`, a layer for those runtimes alone: ``build/layer-python3.13/`` and ``build/vaultgate-layer-python3.13.zip``.
    Where it is one, bytecode is all it holds, which is what that runtime loads: a fourth of the size. Another runtime refuses it.

    Builds at the same time wait for each other. Interrupted ones leave the last finished build as it was.

    Args:
        checkout: the folder that holds ``extension/``.
        environ: gives ``PATH`` and ``HOME`` for finding interpreters.
        reporter: hears which step is under way.
        versions: of Python, such as ``3.13``; none given means every one of Lambda's that is found here.

    Raises:
        Missing: no ``extension/`` there, no interpreter of a version that was asked for, or ``build/`` can't be written.
        CheckFailed: a module does not compile.
    """
    source, target = checkout / "extension", checkout / "build"
    suffix = "".join(f"-python{version}" for version in sorted(versions))
    folder, published = target / f"layer{suffix}", target / f"vaultgate-layer{suffix}.zip"
    if not all((source / launcher).is_file() for launcher in _LAUNCHERS):
        raise Missing(f"{source} holds no extension.", "Run this from a checkout of Vaultgate.")
    try:
        with reporter.task("Building the layer") as task, _workbench(target) as bench:
            task.describe("looking for interpreters")
            interpreters = _chosen(find_interpreters(environ), versions)
            task.describe("bytecode for " + ", ".join(one.version for one in interpreters))
            fresh = bench / "layer"
            _copy(source, fresh)
            _compile(fresh, interpreters, environ)
            if len(versions) == 1:
                _leave_out_sources(fresh)
            _set_modes(fresh)
            archive = bench / "vaultgate-layer.zip"
            _pack(fresh, archive)
            _place(fresh, archive, folder, published)
    except OSError as error:
        where = error.filename or target
        raise Missing(
            f"The layer can't be built: {where}: {error.strerror}.", "Free some space, or mend the folder's rights."
        ) from error
    found = {one.version for one in interpreters}
    return Layer(
        folder=folder,
        archive=published,
        files=len(_files(folder)),
        size=published.stat().st_size,
        interpreters=tuple(interpreters),
        missing=tuple(version for version in versions or VERSIONS if version not in found),
    )


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
def _workbench(target: Path) -> Iterator[Path]:
    """A folder beside the results that nobody else uses; what a killed build left of its own is swept away."""
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
    for original in (*[source / launcher for launcher in _LAUNCHERS], *(source / "python/vaultgate").rglob("*.py")):
        copy = fresh / original.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)


def _set_modes(fresh: Path) -> None:
    """Give every file the mode it shall have in /opt, whatever the umask is and however git checked it out."""
    for file in _files(fresh):
        file.chmod(_PROGRAM if file.relative_to(fresh).as_posix() in _LAUNCHERS else _PLAIN)


def _compile(fresh: Path, interpreters: Sequence[Interpreter], environ: Mapping[str, str]) -> None:
    """Compile every module with every interpreter, side by side, without docstrings and columns: a third of the bytecode.

    Columns (PEP 657) only underline a part of a line in a traceback; the line is still named. The names in the bytecode, which
    tracebacks show, are those under /opt.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    command = ["-P", "-s", "-S", "-X", "no_debug_ranges", "-m", "compileall", "-q", "-o", "2"]
    command += ["--invalidation-mode", "unchecked-hash"]
    places = ["-s", str(fresh), "-p", _TARGET, str(fresh / "python")]
    compilers: list[subprocess.Popen[str]] = []
    try:
        # None is started without being known here.
        with uninterrupted():
            for one in interpreters:
                argv = [str(one.path), *command, *places]
                compilers.append(subprocess.Popen(argv, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        said = [compiler.communicate()[0] for compiler in compilers]
    finally:
        # Interrupted, they would go on writing into the folder that is being thrown away.
        for compiler in compilers:
            with compiler:
                compiler.kill()
    for one, compiler, text in zip(interpreters, compilers, said, strict=True):
        if compiler.returncode:
            raise CheckFailed(f"Python {one.version} can't compile the extension: {text.strip()}")
    # An interpreter without -OO looks for the plain name; with it, it would find no bytecode of its own standard library.
    for file in fresh.rglob("*.opt-2.pyc"):
        file.rename(file.with_name(file.name.replace(".opt-2", "")))


def _leave_out_sources(fresh: Path) -> None:
    """Put the bytecode where an interpreter looks for it that finds no source (PEP 3147, "sourceless imports")."""
    for source in sorted(fresh.rglob("*.py")):
        [compiled] = source.parent.glob(f"__pycache__/{source.stem}.*.pyc")
        source.unlink()
        compiled.rename(source.with_suffix(".pyc"))
    for empty in sorted(fresh.rglob("__pycache__")):
        empty.rmdir()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _pack(fresh: Path, archive: Path) -> None:
    """Zip a folder, byte for byte the same whenever it holds the same (and the same zlib packs it)."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in _files(fresh):
            entry = zipfile.ZipInfo(file.relative_to(fresh).as_posix(), _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (stat.S_IFREG | _mode(file)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, file.read_bytes())


def _place(fresh: Path, archive: Path, folder: Path, published: Path) -> None:
    """Put the new build where the old one was, unless they are the same."""
    if _contents(folder) != _contents(fresh):
        # A folder can't be renamed over a full one. Killed between the two, the next build finds no layer and makes one.
        if folder.exists():
            folder.rename(fresh.parent / "old")
        fresh.rename(folder)
    archive.replace(published)


def _contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(file.relative_to(folder)): (_mode(file), file.read_bytes()) for file in _files(folder)}


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)
