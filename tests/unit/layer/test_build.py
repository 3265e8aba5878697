"""What a layer build leaves, and what it leaves alone."""

from __future__ import annotations

import fcntl
import importlib.util
import marshal
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.layer.checkout import LAUNCHERS, MODULES, build, make_checkout, pretending

from vaultgate_ops.errors import CheckFailed, Missing
from vaultgate_ops.layer import manifest
from vaultgate_ops.layer.interpreters import VERSIONS
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = sys.implementation.cache_tag
RUNNING = "{}.{}".format(*sys.version_info)
PACKAGE = "python/vaultgate"


def tree(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Every file by its place: permission bits in octal, and content."""
    return {
        path.relative_to(folder).as_posix(): (oct(stat.S_IMODE(path.stat().st_mode)), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def bytecode(folder: Path) -> dict[str, bytes]:
    """Every file of bytecode by its place."""
    return {place: content for place, (_, content) in tree(folder).items() if place.endswith(".pyc")}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Another umask for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_the_layer_holds_launchers_modules_bytecode_and_manifest_and_nothing_else(checkout: Path, alone: dict[str, str]) -> None:
    """Editors' leavings, notes and stale bytecode stay behind."""
    build(checkout, alone)
    compiled = {f"{PACKAGE}/__pycache__/{name}.{TAG}.pyc" for name in ("__init__", "__main__")}
    compiled |= {f"{PACKAGE}/outlets/__pycache__/{name}.{TAG}.pyc" for name in ("__init__", "proxy")}
    modules = {f"{PACKAGE}/{name}" for name in MODULES}
    assert tree(checkout / "build/layer").keys() == {*LAUNCHERS, manifest.NAME} | modules | compiled


def test_modes_are_those_of_opt_whatever_umask_and_checkout_say(checkout: Path, alone: dict[str, str]) -> None:
    """The launchers are executable and everything is readable, in the folder and in the zip; anybody can enter the folders."""
    with umask(0o077):
        built = build(checkout, alone)
    folders = [built.folder, *(path for path in built.folder.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}
    modes = {place: mode for place, (mode, _) in tree(built.folder).items()}
    assert {modes.pop(launcher) for launcher in LAUNCHERS} == {"0o755"}
    assert set(modes.values()) == {"0o644"}
    with zipfile.ZipFile(built.archive) as archive:
        packed = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert {packed.pop(launcher) for launcher in LAUNCHERS} == {stat.S_IFREG | 0o755}
    assert set(packed.values()) == {stat.S_IFREG | 0o644}


def test_the_zip_holds_what_the_folder_holds(checkout: Path, alone: dict[str, str], tmp_path: Path) -> None:
    """Unpacked, the archive is the layer."""
    built = build(checkout, alone)
    with zipfile.ZipFile(built.archive) as archive:
        archive.extractall(tmp_path / "opt")
    contents = {place: content for place, (_, content) in tree(built.folder).items()}
    assert {place: content for place, (_, content) in tree(tmp_path / "opt").items()} == contents
    assert (built.files, built.size) == (len(contents), built.archive.stat().st_size)


def test_the_same_sources_give_the_same_zip_anywhere(tmp_path: Path, alone: dict[str, str]) -> None:
    """Neither the folder's name nor the files' times nor the order of writing shows in the archive."""
    archives = [build(make_checkout(tmp_path / place), alone).archive.read_bytes() for place in ("one", "a/longer/way")]
    assert archives[0] == archives[1]
    with zipfile.ZipFile(BytesIO(archives[0])) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


def test_bytecode_is_never_checked_against_times_or_sources(checkout: Path, alone: dict[str, str]) -> None:
    """Every header says unchecked-hash (PEP 552: flags 1), with the hash of the module beside it."""
    folder = build(checkout, alone).folder
    assert bytecode(folder)
    for place, content in bytecode(folder).items():
        module = folder / place.replace("__pycache__/", "").replace(f".{TAG}.pyc", ".py")
        assert content[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(content[4:8], "little") == 1
        assert content[8:16] == importlib.util.source_hash(module.read_bytes())


def test_bytecode_carries_no_docstrings(checkout: Path, alone: dict[str, str]) -> None:
    """Nobody reads them in a sandbox; the sources beside the bytecode keep them."""
    folder = build(checkout, alone).folder
    place = f"{PACKAGE}/__init__.py"
    assert "The package." in (folder / place).read_text()
    assert not [place for place, content in bytecode(folder).items() if b"The package." in content]


# Claims to be a CPython, and compiles nothing.
REFUSING = """#!/bin/sh
case "$*" in
*compileall*) exit 1 ;;
esac
echo cpython {version} final {version}.9
"""


def test_a_layer_for_one_runtime_lies_beside_the_one_for_all(checkout: Path, alone: dict[str, str]) -> None:
    """It holds that runtime's bytecode alone, under a name that says so, and leaves what is mounted elsewhere as it was."""
    whole = build(checkout, alone)
    before = tree(whole.folder)
    other = alone["HOME"] + "/bin"
    Path(other).mkdir()
    version = next(version for version in VERSIONS if version != RUNNING)
    (Path(other) / f"python{version}").write_text(REFUSING.format(version=version))
    (Path(other) / f"python{version}").chmod(0o700)
    one = build(checkout, {**alone, "PATH": other}, versions=[RUNNING])
    assert (one.folder.name, one.archive.name) == (f"layer-python{RUNNING}", f"vaultgate-layer-python{RUNNING}.zip")
    modules = {f"{PACKAGE}/{name.removesuffix('.py')}.pyc" for name in MODULES}
    assert tree(one.folder).keys() == {*LAUNCHERS, manifest.NAME} | modules
    compiled = {place.replace("__pycache__/", "").replace(f".{TAG}", ""): code for place, code in bytecode(whole.folder).items()}
    assert bytecode(one.folder) == compiled
    assert one.missing == ()
    assert tree(whole.folder) == before


def test_a_runtime_without_an_interpreter_here_is_refused(checkout: Path, alone: dict[str, str]) -> None:
    """Whoever asks for its layer hears which version is missing, and nothing is built."""
    version = next(version for version in VERSIONS if version != RUNNING)
    with pytest.raises(Missing, match=f"no Python {version} here"):
        build(checkout, alone, versions=[RUNNING, version])
    assert not list((checkout / "build").glob("vaultgate-layer*"))


def test_bytecode_carries_no_columns(checkout: Path, alone: dict[str, str]) -> None:
    """They are a fifth of it; a traceback still names the line."""
    folder = build(checkout, alone).folder
    positions = [
        position
        for content in bytecode(folder).values()
        for position in marshal.loads(content[16:]).co_positions()  # noqa: S302 - made a moment ago
    ]
    assert {(start, end) for _, _, start, end in positions} == {(None, None)}
    assert any(line for line, _, _, _ in positions)


def test_tracebacks_name_the_files_of_opt(checkout: Path, alone: dict[str, str]) -> None:
    """No path of the machine that built it is in the layer."""
    folder = build(checkout, alone).folder
    for place, content in bytecode(folder).items():
        module = place.replace("__pycache__/", "").replace(f".{TAG}.pyc", ".py")
        assert marshal.loads(content[16:]).co_filename == f"/opt/{module}"  # noqa: S302 - made a moment ago
        assert str(checkout).encode() not in content


def test_a_build_that_comes_out_the_same_leaves_the_old_one_in_place(checkout: Path, alone: dict[str, str]) -> None:
    """A sandbox that runs from build/layer keeps its files."""
    build(checkout, alone)
    before = (checkout / "build/layer/extensions/vaultgate").stat().st_ino
    build(checkout, alone)
    assert (checkout / "build/layer/extensions/vaultgate").stat().st_ino == before


@pytest.mark.parametrize("damage", ["edited", "mode", "extra", "closed", "gone"])
def test_a_damaged_layer_is_mended(checkout: Path, alone: dict[str, str], damage: str) -> None:
    """Whatever somebody did to build/layer, the next build makes it right."""
    folder = build(checkout, alone).folder
    right = tree(folder)
    if damage == "edited":
        (folder / PACKAGE / "__init__.py").write_text("# not me\n")
    elif damage == "mode":
        (folder / "extensions/vaultgate").chmod(0o644)
    elif damage == "extra":
        (folder / "extensions/other").touch()
    elif damage == "closed":
        (folder / "extensions").chmod(0o700)
    else:
        shutil.rmtree(folder)
    build(checkout, alone)
    assert tree(folder) == right
    assert stat.S_IMODE((folder / "extensions").stat().st_mode) == 0o755


def test_what_is_named_twice_is_named_once(checkout: Path, alone: dict[str, str]) -> None:
    """`--python 3.13 --python 3.13` is a layer for one runtime, and an architecture isn't declared twice."""
    built = build(checkout, alone, versions=[RUNNING] * 2, architectures=["arm64"] * 2)
    assert built.folder.name == f"layer-python{RUNNING}-arm64"
    assert (built.manifest.sources, built.manifest.architectures) == (False, ("arm64",))


def test_a_changed_source_changes_the_layer(checkout: Path, alone: dict[str, str]) -> None:
    """New text arrives, a deleted module goes with its bytecode."""
    build(checkout, alone)
    new = '__version__ = "1.2.4"\n'
    (checkout / "extension" / PACKAGE / "__init__.py").write_text(new)
    (checkout / "extension" / PACKAGE / "outlets/proxy.py").unlink()
    folder = build(checkout, alone).folder
    assert (folder / PACKAGE / "__init__.py").read_text() == new
    assert not [place for place in tree(folder) if "proxy" in place]


def test_a_module_that_does_not_compile_is_named_and_the_last_layer_stays(checkout: Path, alone: dict[str, str]) -> None:
    """A broken source leaves neither half a layer nor a workbench."""
    before = tree(build(checkout, alone).folder)
    (checkout / "extension" / PACKAGE / "__init__.py").write_text("def broken(:\n")
    with pytest.raises(CheckFailed, match=rf"(?s)Python {RUNNING} can't compile.*__init__\.py"):
        build(checkout, alone)
    assert tree(checkout / "build/layer") == before
    assert left_in(checkout) == {".layer-lock", "layer", "vaultgate-layer.zip"}


def test_what_a_killed_build_left_is_swept_away(checkout: Path, alone: dict[str, str]) -> None:
    """SIGKILL in the middle leaves a workbench, until the next build."""
    workbench = checkout / "build/.layer-killed"
    workbench.mkdir(parents=True)
    (workbench / "half").touch()
    build(checkout, alone)
    assert left_in(checkout) == {".layer-lock", "layer", "vaultgate-layer.zip"}


def left_in(checkout: Path) -> set[str]:
    """The names in build/."""
    return {path.name for path in (checkout / "build").iterdir()}


ENDLESS = """#!/bin/sh
case "$*" in *compileall*)
    for folder; do :; done
    echo $$ >"$HOME/compiling"
    while :; do n=$(((n + 1) % 500)); : >"$folder/$n"; done
esac
echo cpython {version} final {version}.9
"""


def test_an_interrupted_build_ends_its_compilers_and_leaves_nothing(
    checkout: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C while interpreters compile is Ctrl-C, and no trouble about a folder in which they go on writing."""
    version = next(version for version in VERSIONS if version != RUNNING)
    compiler = tmp_path / "bin" / f"python{version}"
    compiler.parent.mkdir()
    compiler.write_text(ENDLESS.format(version=version))
    compiler.chmod(0o700)
    compiling = tmp_path / "compiling"

    def interrupt() -> None:
        pause = threading.Event()
        while not compiling.exists():
            pause.wait(0.01)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            build(checkout, {**alone, "PATH": str(compiler.parent)})
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert left_in(checkout) == {".layer-lock"}
    assert not (Path("/proc") / compiling.read_text().strip()).exists()


class Rival(Silent):
    """Tries to take the lock whenever it is told what goes on, as another build would."""

    def __init__(self, lock: Path) -> None:
        self._lock = lock
        self.refused: list[bool] = []

    @contextmanager
    def task(self, title: str, *, total: float | None = None) -> Iterator[Rival]:  # noqa: ARG002 - the protocol's shape
        """Watch a task."""
        yield self

    def advance(self, amount: float = 1) -> None:
        """Let it go on."""

    def describe(self, text: str) -> None:  # noqa: ARG002 - as above
        """Try."""
        with self._lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.refused.append(True)
            else:
                self.refused.append(False)


def test_a_build_keeps_others_waiting_until_it_is_done(checkout: Path, alone: dict[str, str]) -> None:
    """The lock is held from before the sweeping until the layer is in place, and is free then."""
    rival = Rival(checkout / "build/.layer-lock")
    build(checkout, alone, rival)
    assert set(rival.refused) == {True}
    rival.describe("afterwards")
    assert rival.refused[-1] is False


def test_builds_at_the_same_time_end_with_one_whole_layer(checkout: Path, alone: dict[str, str]) -> None:
    """Four at once leave what one leaves."""
    with ThreadPoolExecutor(4) as pool:
        layers = list(pool.map(lambda _: build(checkout, alone), range(4)))
    assert len({layer.size for layer in layers}) == 1
    assert left_in(checkout) == {".layer-lock", "layer", "vaultgate-layer.zip"}


def test_a_folder_without_an_extension_is_no_checkout(tmp_path: Path) -> None:
    """The error says where it looked and what to do."""
    with pytest.raises(Missing, match=str(tmp_path)) as caught:
        build(tmp_path, {})
    assert "checkout" in caught.value.hint


def test_a_build_folder_that_cannot_be_written_is_one_sentence(checkout: Path, alone: dict[str, str]) -> None:
    """No traceback for what the file system refuses."""
    (checkout / "build").touch()
    with pytest.raises(Missing, match=r"can't be built: .*build: File exists"):
        build(checkout, alone)


def sam(checkout: Path, artifacts: Path, pythons: str) -> subprocess.CompletedProcess[str]:
    """What SAM does, in a shell in which somebody has variables of Python's."""
    return subprocess.run(
        ["make", "build-VaultgateLayer", f"ARTIFACTS_DIR={artifacts}", f"PYTHONS={pythons}"],
        cwd=checkout / "extension",
        env=os.environ | {"PYTHONPYCACHEPREFIX": str(artifacts.with_name("elsewhere"))},
        check=False,
        capture_output=True,
        text=True,
    )


def test_sam_builds_the_same_layer(checkout: Path, alone: dict[str, str], tmp_path: Path) -> None:
    """The Makefile that SAM calls leaves byte for byte what our own build leaves; an alpha's bytecode isn't in it."""
    alpha = pretending(tmp_path / "bin/python", sys.version_info[:3], "alpha", 1)
    made = sam(checkout, tmp_path / "artifacts", f"{alpha} {sys.executable} no-such-python")
    assert made.returncode == 0, made.stderr
    assert tree(tmp_path / "artifacts") == tree(build(checkout, alone).folder)


def test_sam_without_any_python_says_that_there_is_no_bytecode(checkout: Path, tmp_path: Path) -> None:
    """The layer is one, and its manifest names no interpreter."""
    made = sam(checkout, tmp_path / "artifacts", "no-such-python")
    assert (made.returncode, bytecode(tmp_path / "artifacts")) == (0, {})
    assert "No Python of 3.11 to 3.14 here (no-such-python): no bytecode" in made.stderr
    assert '"bytecode": {}' in (tmp_path / "artifacts" / manifest.NAME).read_text()


def test_sam_does_not_build_what_has_no_version(checkout: Path, tmp_path: Path) -> None:
    """As our own build: nobody could tell its artefacts apart."""
    (checkout / "extension" / PACKAGE / "__init__.py").write_text("")
    made = sam(checkout, tmp_path / "artifacts", sys.executable)
    assert made.returncode == 2
    assert "names no __version__" in made.stderr


def test_the_makefile_without_sam_says_so(checkout: Path) -> None:
    """Called by hand it writes nothing to the root of the file system."""
    made = subprocess.run(
        ["make", "build-VaultgateLayer"], cwd=checkout / "extension", check=False, capture_output=True, text=True
    )
    assert made.returncode == 2
    assert "ARTIFACTS_DIR is not set" in made.stderr


def test_the_command_line_names_what_it_built_and_whose_bytecode_is_in_it() -> None:
    """`vaultgate layer build`, on this very checkout; the way there is told on stderr."""
    command = [sys.executable, "-c", "from vaultgate_ops.cli.main import main; main()", "layer", "build"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert lines[0].endswith(" files")
    assert lines[1].endswith(" kB")
    assert any(line.startswith(f"bytecode for Python {RUNNING}, by ") for line in lines)
    assert all(any(version in line for line in lines[3:]) for version in VERSIONS)
